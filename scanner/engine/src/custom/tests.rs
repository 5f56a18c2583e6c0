//! Rules of the user in the pipeline: whose bytes a place is in, and what is said when not all was looked at.

use super::CustomRules;
use crate::artifact::{Artifact, Report};
use crate::finding::ErrorCode;
use crate::format::FORMATS;
use crate::pipeline::{Depth, Options, Scanner};
use crate::policy::PathGlob;
use probity_signatures::custom::{Surroundings, load};
use probity_tests::build::tar::{Entry, Tar};
use std::sync::Arc;

fn rules(body: &str) -> CustomRules {
    let text = format!("id = \"r-r\"\nseverity = \"medium\"\nsummary = \"s\"\nreason = \"r\"\n{body}\n");
    let formats: Vec<&str> = FORMATS.iter().map(|format| format.id()).collect();
    let around = Surroundings {
        formats: &formats,
        path_glob: &|glob| PathGlob::new(glob).map(drop).map_err(|error| error.to_string()),
    };
    let files = [("r.toml", text.as_str())];
    CustomRules::new(load(&files, &around).unwrap(), &files).unwrap()
}

fn scan(body: &str, depth: Depth, bytes: &[u8]) -> Report {
    let options = Options {
        jobs: 1,
        depth,
        custom: Some(Arc::new(rules(body))),
        ..Options::default()
    };
    Scanner::new(options).unwrap().scan_bytes("sample", bytes.to_vec())
}

/// (nested path, offset, region, count) of the rule's findings.
fn found(report: &Report) -> Vec<(Option<&str>, u64, &str, String)> {
    let of = |a: &Artifact| a.findings.iter().filter(|f| f.finding.code == "r-r").count();
    let holders = report.artifacts.iter().filter(|a| of(a) > 0);
    holders
        .flat_map(|a| {
            let mine = a.findings.iter().map(|f| &f.finding).filter(|f| f.code == "r-r");
            mine.map(|f| {
                let count = f
                    .evidence
                    .iter()
                    .find(|(key, _)| *key == "count")
                    .map(|(_, value)| format!("{value:?}"));
                (
                    a.nested.as_deref(),
                    f.span.start(),
                    f.region.as_str(),
                    count.unwrap_or_default(),
                )
            })
        })
        .collect()
}

#[test]
fn a_place_belongs_to_the_innermost_artifact_that_holds_all_of_it() {
    let member = [&b"\x00\x01 marker "[..], &vec![0xff; 490], b"tail marker"].concat();
    assert_eq!(member.len(), 511);
    let archive = Tar::of(vec![
        Entry::file("one.bin", &member),
        Entry::file("two.bin", b"\x00\x01"),
    ])
    .build();
    let inside = scan("strings = [\"marker\"]", Depth::Standard, &archive);
    assert_eq!(found(&inside), [(Some("one.bin"), 3, "data", "Number(2)".to_owned())]);
    let across = scan("bytes = [\"6D 61 72 6B 65 72 00 74 77 6F\"]", Depth::Standard, &archive);
    let places = found(&across);
    assert_eq!(places.len(), 1, "{places:?}");
    assert_eq!((places[0].0, places[0].1), (None, 512 + 505), "{places:?}");
}

#[test]
fn all_patterns_must_stand_in_one_artifact() {
    let two = |a: &[u8], b: &[u8]| Tar::of(vec![Entry::file("a", a), Entry::file("b", b)]).build();
    let body = "strings = [\"first\", \"second\"]\ncondition = \"all\"";
    let apart = scan(body, Depth::Standard, &two(b"\x00\x01first\xff", b"\x00\x01second\xff"));
    assert_eq!(found(&apart), []);
    let together = scan(
        body,
        Depth::Standard,
        &two(b"\x00\x01first second\xff", b"\x00\x01\xff"),
    );
    assert_eq!(found(&together).len(), 1);
}

#[test]
fn what_was_not_looked_at_is_said() {
    let quick = scan("strings = [\"marker\"]", Depth::Quick, b"\x00\x01 marker \xff");
    assert!(!quick.complete);
    assert_eq!(quick.artifacts[0].errors[0].code, ErrorCode::LimitExceeded);
    let flood = [&b"\x00\x01"[..], &b"marker ".repeat(5000), b"\xff"].concat();
    let free = scan("strings = [\"marker\"]", Depth::Standard, &flood);
    assert!(free.complete);
    assert_eq!(found(&free), [(None, 2, "data", "Number(5000)".to_owned())]);
    let bound = scan(
        "strings = [\"marker\"]\nregions = [\"padding\"]",
        Depth::Standard,
        &flood,
    );
    assert_eq!((found(&bound), bound.complete), (Vec::new(), false));
    let regions = bound.artifacts[0].errors[0].message.clone();
    assert!(regions.contains("904 more places than are kept"), "{regions}");
}

#[test]
fn a_code_keeps_its_address_however_often_rules_are_loaded() {
    let address = |rules: &CustomRules| rules.rule(0).unwrap().code.as_ptr();
    let (first, second) = (rules("strings = [\"abc\"]"), rules("strings = [\"abd\"]"));
    assert_eq!(address(&first), address(&second));
    assert_ne!(first.catalogue().digest(), second.catalogue().digest());
}

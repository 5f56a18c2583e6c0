//! The table of techniques, through the whole pipeline, and the table of what must stay quiet.

use crate::pipeline::{Options, Scanner};
use probity_signatures::{Severity, rules};
use probity_tests::build::pickle::{QUIET, TECHNIQUES};

fn scanner() -> Scanner {
    Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap()
}

/// Code, case and severity of every finding.
fn findings(scanner: &Scanner, bytes: Vec<u8>) -> Vec<(&'static str, &'static str, Severity)> {
    let report = scanner.scan_bytes("model.pkl", bytes);
    let all = report.artifacts.iter().flat_map(|a| &a.findings);
    all.map(|f| (f.finding.code, f.finding.case.unwrap_or(""), f.severity))
        .collect()
}

#[test]
fn every_technique_is_said_by_its_name() {
    assert!(TECHNIQUES.len() >= 150);
    let scanner = scanner();
    let missed: Vec<String> = TECHNIQUES
        .iter()
        .filter_map(|technique| {
            let found = findings(&scanner, technique.bytes());
            let said = found.iter().any(|f| (f.0, f.1) == (technique.code, technique.case));
            (!said).then(|| format!("{}: {found:?}", technique.name))
        })
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn nothing_that_calls_stays_below_medium() {
    let weak: Vec<&str> = TECHNIQUES
        .iter()
        .filter(|t| {
            rules()
                .severity(t.code, Some(t.case))
                .is_none_or(|s| s < Severity::Medium)
        })
        .map(|t| t.name)
        .collect();
    assert_eq!(weak, ["library class, constructed", "library class, named"]);
}

#[test]
fn what_real_files_hold_is_inventory_at_most() {
    let scanner = scanner();
    let loud: Vec<String> = QUIET
        .iter()
        .filter_map(|quiet| {
            let found = findings(&scanner, quiet.bytes());
            found
                .iter()
                .any(|f| f.2 > Severity::Info)
                .then(|| format!("{}: {found:?}", quiet.name))
        })
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

#[test]
fn what_ran_before_a_cut_or_a_broken_opcode_is_kept() {
    for technique in TECHNIQUES {
        let bytes = technique.bytes();
        // Without STOP, and with a byte that is no opcode in its place: everything before has run.
        let cut = bytes[..bytes.len() - 1].to_vec();
        let broken = [&cut[..], b"\xff"].concat();
        for damaged in [cut, broken] {
            let found: Vec<(&str, &str)> = parse_acts(&damaged);
            let whole = parse_acts(&bytes);
            assert!(
                found.len() >= whole.len(),
                "{}: {found:?}, not {whole:?}",
                technique.name
            );
        }
    }
}

/// What the format itself says of the bytes, as facts by kind.
fn parse_acts(bytes: &[u8]) -> Vec<(&'static str, &'static str)> {
    let parse = super::parse(bytes);
    let kinds = parse.facts().iter().filter_map(|fact| match fact {
        crate::fact::Fact::Callable { .. } => Some(("callable", "")),
        crate::fact::Fact::Act { .. } => Some(("act", "")),
        _ => None,
    });
    kinds.collect()
}

#[test]
fn every_single_change_of_a_technique_is_survived() {
    for technique in TECHNIQUES.iter().skip(200) {
        let bytes = technique.bytes();
        for at in 0..bytes.len() {
            for change in [0, 0xff, bytes[at] ^ 1, bytes[at].wrapping_add(1)] {
                let mut changed = bytes.clone();
                changed[at] = change;
                crate::format::fuzz("pickle", &changed);
            }
        }
    }
}

#[test]
fn a_cut_technique_is_never_clean() {
    let scanner = scanner();
    for technique in TECHNIQUES.iter().skip(200).step_by(7) {
        let bytes = technique.bytes();
        for end in 3..bytes.len() {
            let report = scanner.scan_bytes("model.pkl", bytes[..end].to_vec());
            let silent = report
                .artifacts
                .iter()
                .all(|a| a.findings.is_empty() && a.errors.is_empty());
            assert!(!silent, "{} cut at {end}", technique.name);
        }
    }
}

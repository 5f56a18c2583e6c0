//! safetensors: region maps, every finding with its near-miss, truncation, single-byte changes, random bytes.

#![expect(clippy::as_conversions, reason = "lengths of buffers in memory")]

use super::Safetensors;
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, code};
use crate::format::{Format, Parse, fuzz};
use crate::identify::{HEAD, Match, Probe};
use crate::ledger::{Fill, Ledger, Role};
use crate::pipeline::{Options, Scanner};
use crate::span::Span;
use probity_tests::build::safetensors::{SafeTensors, Tensor, many, sample, small};
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Safetensors, bytes)
}

fn ledger(bytes: &[u8], out: &Parse) -> Ledger {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    ledger
}

fn identify(bytes: &[u8]) -> Option<Match> {
    let head = bytes.get(..HEAD).unwrap_or(bytes);
    Safetensors.identify(&Probe::new(head, bytes, bytes.len() as u64))
}

/// A file with this header and `data` bytes of zeros.
fn with_header(json: &str, data: usize) -> Vec<u8> {
    SafeTensors {
        header: Some(json.into()),
        trailing: vec![0; data],
        ..SafeTensors::default()
    }
    .build()
}

/// Code and case of every finding.
fn found(out: &Parse) -> Vec<(&'static str, Option<&'static str>)> {
    out.findings().iter().map(|f: &Finding| (f.code, f.case)).collect()
}

fn map(out: &Parse) -> String {
    let line =
        |r: &crate::ledger::Region| format!("{:#x} {} {} {}", r.span.start(), r.span.len(), r.role.as_str(), r.name);
    let mut leaves: Vec<_> = out.view().leaves().collect();
    leaves.sort_by_key(|r| r.span.start());
    leaves.into_iter().map(line).collect::<Vec<_>>().join("\n")
}

fn check_clean(bytes: &[u8]) -> Parse {
    let out = parse(bytes);
    assert!(
        out.findings().is_empty() && out.errors().is_empty(),
        "{:?} {:?}",
        out.findings(),
        out.errors()
    );
    let ledger = ledger(bytes, &out);
    assert!(ledger.unclaimed().is_empty(), "{:?}", ledger.unclaimed());
    assert!(ledger.overlaps(1).0.is_empty());
    assert_eq!(identify(bytes), Some(Match::CERTAIN));
    out
}

#[test]
fn a_sound_file_is_claimed_to_the_last_byte() {
    let mut file = sample();
    file.metadata.push(("a".into(), "bc".into()));
    let out = check_clean(&file.build());
    let expected = "0x0 8 header header length\n\
        0x8 265 metadata header\n\
        0x111 7 padding header padding\n\
        0x118 256 tensor tensor model.embed.weight\n\
        0x218 32 tensor tensor model.norm.weight\n\
        0x238 24 tensor tensor model.position_ids";
    assert_eq!(map(&out), expected);
    let pad = out.view().leaves().find(|r| r.role == Role::Padding).unwrap();
    assert_eq!(pad.fill, Some(Fill::AnyOf(b" ")));
    let tensors: Vec<_> = out.facts().iter().map(|f| format!("{f:?}")).collect();
    assert_eq!(tensors.len(), 3);
    assert!(matches!(&out.facts()[0], Fact::Tensor { name, dtype, shape, span }
        if &**name == "model.embed.weight" && &**dtype == "F32" && shape == &[8, 8] && *span == Span::new(0x118, 0x218)));
}

#[test]
fn variants_that_are_published_are_quiet() {
    check_clean(&SafeTensors { align: 0, ..sample() }.build());
    check_clean(&many(0));
    check_clean(&many(500));
    check_clean(&with_header("{}", 0));
    check_clean(&with_header(
        r#"{"a":{"data_offsets":[0,3],"shape":[2,3],"dtype":"F4"}}"#,
        3,
    ));
    check_clean(&with_header(
        r#"{"scalar":{"dtype":"F64","shape":[],"data_offsets":[1,9]},"odd":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}"#,
        9,
    ));
    check_clean(&with_header(
        r#"{"none":{"dtype":"F32","shape":[0,4],"data_offsets":[0,0]}}"#,
        0,
    ));
    check_clean(&with_header(
        r#"{"__metadata__":{"a":"\u00e9\n"},"e\u0301":{"dtype":"BOOL","shape":[1],"data_offsets":[0,1]}}"#,
        1,
    ));
}

/// One header with one thing wrong, the findings it gives, and none of its neighbours'.
#[test]
fn each_broken_rule_gives_its_finding() {
    let entry = |text: &str| format!(r#"{{"t":{{{text}}}}}"#);
    let malformed = (code::MALFORMED, None);
    let crash = (code::MALFORMED, Some("crash"));
    let lenient = (code::MALFORMED, Some("lenient"));
    let accepts = (code::READER_DISAGREEMENT, Some("accepts"));
    let duplicate = (code::DUPLICATE_KEY, None);
    let check = |json: &str, data: usize, expected: &[(&'static str, Option<&'static str>)]| {
        let out = parse(&with_header(json, data));
        assert_eq!(found(&out), expected, "{json}");
    };
    check("[1,2]", 0, &[malformed, accepts][..1]);
    check(r#"{"t":1}"#, 0, &[malformed]);
    check(r#"{"__metadata__":{"a":1}}"#, 0, &[malformed]);
    check(r#"{"__metadata__":[]}"#, 0, &[malformed]);
    check(r#"{"__metadata__":null}"#, 0, &[lenient]);
    check(" {}", 0, &[lenient]);
    check("{} x", 0, &[malformed]);
    check("{,}", 0, &[malformed]);
    check("{\"\u{0}\":1}", 0, &[malformed]);
    check(r#"{"t":{"dtype":"F32""#, 0, &[malformed]);
    check(&entry(r#""dtype":"F32","shape":[1]"#), 4, &[malformed]);
    check(&entry(r#""dtype":3,"shape":[1],"data_offsets":[0,4]"#), 4, &[malformed]);
    check(
        &entry(r#""dtype":"F32","shape":[1.0],"data_offsets":[0,4]"#),
        4,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F32","shape":{},"data_offsets":[0,4]"#),
        4,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F32","shape":[1],"data_offsets":[0,4,8]"#),
        4,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F32","shape":[1],"data_offsets":[-1,4]"#),
        4,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F32","shape":[2],"data_offsets":[0,4]"#),
        4,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F32","shape":[1],"data_offsets":[4,0]"#),
        4,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F4","shape":[1],"data_offsets":[0,1]"#),
        1,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F99","shape":[1],"data_offsets":[0,4]"#),
        4,
        &[malformed],
    );
    check(
        &entry(r#""dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,4]"#),
        4,
        &[crash],
    );
    let overflow = r#""dtype":"U8","shape":[18446744073709551615],"data_offsets":[0,18446744073709551615]"#;
    check(&entry(overflow), 4, &[crash, crash]);
    check(
        &entry(r#""dtype":"F32","shape":[1],"data_offsets":[0,4],"x":[{}]"#),
        4,
        &[lenient],
    );
    check(
        &entry(r#""dtype":"F32","shape":[1],"shape":[1],"data_offsets":[0,4]"#),
        4,
        &[duplicate],
    );
    check(r#"{"__metadata__":{"a":"1","\u0061":"2"}}"#, 0, &[duplicate]);
    check(
        &entry(r#""dtype":"F32","shape":[1],"data_offsets":[0,8]"#),
        4,
        &[malformed, (code::TRUNCATED, None)],
    );
    check(
        &entry(r#""dtype":"F32","shape":[2],"data_offsets":[0,8]"#),
        4,
        &[(code::TRUNCATED, None)],
    );
    // The crate takes an entry written as an array; the format knows objects only.
    check(r#"{"t":["F32",[1],[0,4]]}"#, 4, &[malformed, accepts]);
}

#[test]
fn an_unknown_dtype_and_a_deep_header_are_incomplete() {
    let unknown = parse(&with_header(
        r#"{"t":{"dtype":"F99","shape":[1],"data_offsets":[0,4]}}"#,
        4,
    ));
    assert_eq!(unknown.errors()[0].code, ErrorCode::Unsupported);
    let deep = format!(r#"{{"t":{}{}}}"#, "[".repeat(1000), "]".repeat(1000));
    let deep = with_header(&deep, 0);
    assert_eq!(parse(&deep).errors()[0].code, ErrorCode::LimitExceeded);
    assert_eq!(
        found(&parse(&deep)),
        [(code::MALFORMED, None), (code::MALFORMED, Some("crash"))]
    );
    assert_eq!(identify(&deep), Some(Match::LIKELY));
}

#[test]
fn a_name_that_stands_twice_shows_both_values() {
    let file = SafeTensors {
        duplicate_key: true,
        ..sample()
    };
    let out = parse(&file.build());
    let finding = out.findings().iter().find(|f| f.code == code::DUPLICATE_KEY).unwrap();
    let value = r#"{"dtype":"F32","shape":[8,8],"data_offsets":[0,256]}"#;
    assert_eq!(finding.key, "model.embed.weight");
    assert_eq!(finding.evidence, [("first", value.into()), ("again", value.into())]);
    assert!(finding.span.start() > finding.related[0].span.start());
    let escaped = r#"{"a":{"dtype":"U8","shape":[0],"data_offsets":[0,0]},"\u0061":{"dtype":"I8","shape":[0],"data_offsets":[0,0]}}"#;
    assert_eq!(found(&parse(&with_header(escaped, 0))), [(code::DUPLICATE_KEY, None)]);
}

#[test]
fn what_no_tensor_accounts_for_stays_unclaimed() {
    let unclaimed = |file: &SafeTensors| {
        let bytes = file.build();
        let out = parse(&bytes);
        assert!(out.findings().is_empty(), "{:?}", out.findings());
        ledger(&bytes, &out).unclaimed().iter().collect::<Vec<_>>()
    };
    let mut hole = sample();
    hole.tensors[1].hole = vec![7; 64];
    assert_eq!(unclaimed(&hole), [Span::new(0x208, 0x248)]);
    let mut first = sample();
    first.tensors[0].hole = vec![7; 64];
    assert_eq!(unclaimed(&first), [Span::new(0x110, 0x150)]);
    let trailing = SafeTensors {
        trailing: vec![7; 64],
        ..sample()
    };
    assert_eq!(unclaimed(&trailing), [Span::new(0x240, 0x280)]);
    let wide = with_header(r#"{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,68]}}"#, 68);
    let out = parse(&wide);
    assert_eq!(found(&out), [(code::MALFORMED, None)]);
    assert_eq!(ledger(&wide, &out).unclaimed().total(), 64);
}

#[test]
fn tensors_that_share_bytes_are_told_by_the_ledger() {
    let mut file = sample();
    file.tensors[1].overlap = 8;
    let bytes = file.build();
    let (overlaps, _) = ledger(&bytes, &parse(&bytes)).overlaps(4);
    assert_eq!(overlaps.len(), 1);
    assert_eq!(
        (overlaps[0].span, overlaps[0].shares),
        (Span::new(0x200, 0x208), Some("tensors"))
    );
}

#[test]
fn a_header_length_that_lies_is_reported_and_still_routed_here() {
    let bytes = small();
    for (length, expected) in [
        (100_000u64, vec![(code::TRUNCATED, None)]),
        (200_000_000, vec![(code::MALFORMED, None), (code::TRUNCATED, None)]),
        (1 << 63, vec![(code::MALFORMED, Some("crash")), (code::TRUNCATED, None)]),
        (
            u64::MAX,
            vec![(code::MALFORMED, Some("crash")), (code::TRUNCATED, None)],
        ),
        (0, vec![(code::MALFORMED, None)]),
        (100, vec![(code::MALFORMED, None)]),
    ] {
        let mut bytes = bytes.clone();
        bytes[..8].copy_from_slice(&length.to_le_bytes());
        let out = parse(&bytes);
        assert_eq!(found(&out), expected, "{length}");
        assert_eq!(identify(&bytes), Some(Match::LIKELY), "{length}");
        assert!(!ledger(&bytes, &out).unclaimed().is_empty(), "{length}");
    }
}

#[test]
fn what_only_looks_like_a_header_is_not_claimed() {
    for bytes in [
        &b"{\"weig\":{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}}"[..],
        b"",
        b"\x02\0\0\0\0\0\0\0",
        b"\x10\0\0\0\0\0\0\0[1,2,3]         ",
        b"\xff\xff\xff\xff\0\0\0\0{\"a\":1}",
        b"PK\x03\x04aaaa{\"a\":1}",
    ] {
        assert_eq!(identify(bytes), None, "{bytes:?}");
    }
}

#[test]
fn suspicious_names_become_facts_and_others_do_not() {
    let entry = |name: &str| format!(r#"{{"{name}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}}}}"#);
    let names = |name: &str| {
        let out = parse(&with_header(&entry(name), 0));
        out.facts()
            .iter()
            .filter(|f| matches!(f, Fact::Name { what: "tensor", .. }))
            .count()
    };
    assert_eq!(names(r"a\u001b[31m"), 1);
    assert_eq!(names("a\u{202e}b"), 1);
    assert_eq!(names(&"a".repeat(5000)), 1);
    assert_eq!(names(&"a".repeat(4096)), 0);
    assert_eq!(names("caf\u{e9} 1"), 0);
}

#[test]
fn a_truncated_file_is_never_silently_clean() {
    let built = sample().built();
    let cuts = built.boundaries.iter().map(|b| *b as usize).chain(0..built.bytes.len());
    for cut in cuts {
        let bytes = &built.bytes[..cut];
        fuzz("safetensors", bytes);
        let out = parse(bytes);
        assert!(!out.findings().is_empty() || !out.errors().is_empty(), "cut at {cut}");
    }
}

#[test]
fn no_single_byte_change_breaks_the_parser() {
    let sound = small();
    for at in 0..0x110 {
        for change in [|_| 0u8, |_| 0xff, |b: u8| b ^ 1, |b: u8| b ^ 0x80] {
            let mut bytes = sound.clone();
            bytes[at] = change(bytes[at]);
            fuzz("safetensors", &bytes);
            identify(&bytes);
        }
    }
}

#[test]
fn a_large_header_is_read_like_a_small_one() {
    let out = check_clean(&many(100_000));
    assert_eq!(out.facts().len(), 100_000);
}

proptest! {
    #[test]
    fn random_headers_keep_the_laws(header in proptest::collection::vec(any::<u8>(), 0..400), lie in any::<u16>()) {
        let mut bytes = u64::from(lie % 512).to_le_bytes().to_vec();
        bytes.push(b'{');
        bytes.extend_from_slice(&header);
        fuzz("safetensors", &bytes);
        identify(&bytes);
    }

    #[test]
    fn headers_of_json_pieces_keep_the_laws(pieces in proptest::collection::vec(0usize..16, 0..60), data in 0usize..64) {
        const PIECES: [&str; 16] = ["{", "}", "[", "]", ",", ":", "\"t\"", "\"dtype\":", "\"F32\"", "\"shape\":", "\"data_offsets\":",
            "[0,4]", "[1]", "18446744073709551615", "\"__metadata__\":", "{\"dtype\":\"F32\",\"shape\":[1],\"data_offsets\":[0,4]}"];
        let json: String = pieces.iter().map(|p| PIECES[*p]).collect();
        fuzz("safetensors", &with_header(&format!("{{{json}}}"), data));
    }
}

#[test]
fn a_tensor_of_the_builder_reads_back() {
    let file = SafeTensors {
        tensors: vec![Tensor::new("x", "C64", &[2], vec![0; 16])],
        ..SafeTensors::default()
    };
    let out = check_clean(&file.build());
    assert!(matches!(&out.facts()[0], Fact::Tensor { dtype, .. } if &**dtype == "C64"));
}

#[test]
fn the_fixtures_come_out_of_the_pipeline_as_they_should() {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    for sample in probity_tests::samples::all()
        .into_iter()
        .filter(|s| s.format == "safetensors")
    {
        let report = scanner.scan_bytes(sample.name, sample.bytes);
        let root = &report.artifacts[0];
        assert_eq!(
            (root.format, root.bytes.unclaimed),
            ("safetensors", 0),
            "{}",
            sample.name
        );
        assert!(
            report.complete && root.findings.is_empty(),
            "{} {:?}",
            sample.name,
            root.findings
        );
    }
    for sample in probity_tests::samples::hostile() {
        // These two also need the formats of what is hidden.
        let other = ["safetensors-executable-in-hole", "safetensors-zip-polyglot"].contains(&sample.name);
        if other || !sample.name.starts_with("safetensors-") {
            continue;
        }
        let report = scanner.scan_bytes(sample.name, sample.bytes);
        let root = &report.artifacts[0];
        let found = root.findings.iter().any(|f| f.finding.code == sample.expect_code);
        let failed = root.errors.iter().any(|e| e.code.as_str() == sample.expect_code);
        assert!(found || failed, "{} {:?} {:?}", sample.name, root.findings, root.errors);
    }
}

//! YARA rules on whole artifacts, in the pipeline.

use super::YaraRules;
use crate::Severity;
use crate::artifact::Report;
use crate::pipeline::{Options, Scanner};
use std::sync::Arc;

const RULES: &str = r#"
import "math"
rule Beacon : agent c2 {
    meta:
        description = "an ACME beacon"
        severity = "high"
    strings:
        $a = "ACME_BEACON"
        $b = { DE AD ?? EF }
    condition: any of them
}
rule Scored { meta: score = 85 strings: $a = "score me" condition: $a }
rule Plain { strings: $a = "plain rule" condition: $a }
rule Small { meta: severity = "info" condition: filesize < 4 }
rule Modules { strings: $a = "modular" condition: $a and math.min(1, 2) == 1 }
"#;

fn compile(text: &str) -> YaraRules {
    YaraRules::compile(&[("rules/acme.yar".to_owned(), text.as_bytes().to_vec())]).unwrap()
}

fn scan(rules: YaraRules, bytes: &[u8]) -> Report {
    let options = Options {
        jobs: 1,
        yara: Some(Arc::new(rules)),
        ..Options::default()
    };
    Scanner::new(options).unwrap().scan_bytes("sample", bytes.to_vec())
}

#[test]
fn a_match_is_a_finding_with_name_tags_severity_and_offsets() {
    let report = scan(compile(RULES), b"\x00\x01 ACME_BEACON \xde\xad\x00\xef \xff");
    let [judged] = &report.artifacts[0].findings[..] else {
        panic!("{:#?}", report.artifacts[0].findings)
    };
    let f = &judged.finding;
    assert_eq!(
        (f.code, f.case, judged.severity),
        ("yara-match", Some("high"), Severity::High)
    );
    assert_eq!((f.span.start(), f.span.len()), (3, 11));
    assert_eq!(f.message, "YARA rule Beacon: an ACME beacon");
    let evidence = format!("{:?}", f.evidence);
    for part in [
        "\"Beacon\"",
        "\"acme\"",
        "[\"agent\", \"c2\"]",
        "$a at 0x3",
        "$b at 0xf",
    ] {
        assert!(evidence.contains(part), "{part}: {evidence}");
    }
    assert_eq!(
        report.yara.as_ref().map(|y| (y.rules, y.files.clone())),
        Some((5, vec!["rules/acme.yar".to_owned()]))
    );
}

#[test]
fn severities_come_from_metadata_and_a_near_miss_is_quiet() {
    for (bytes, expected) in [
        (&b"\x00\x01 score me \xff"[..], Some(Severity::High)),
        (b"\x00\x01 plain rule \xff", Some(Severity::Medium)),
        (b"\x00\x01 ACME_BEACOM \xff", None),
        (b"\x00\x01\xff", Some(Severity::Info)),
    ] {
        let report = scan(compile(RULES), bytes);
        let found = report.artifacts[0].findings.first().map(|f| f.severity);
        assert_eq!(found, expected, "{bytes:?}: {:?}", report.artifacts[0].errors);
        assert!(report.complete);
    }
}

#[test]
fn nested_artifacts_are_looked_at_by_themselves() {
    let packed = probity_tests::build::gzip::gzip(b"\x00\x01 ACME_BEACON \xff");
    let report = scan(compile(RULES), &packed);
    let nested = report.artifacts.iter().find(|a| a.nested.is_some()).unwrap();
    assert_eq!(nested.findings[0].finding.code, "yara-match");
}

#[test]
fn what_does_not_compile_is_told_with_its_line_and_nothing_is_included() {
    for (text, says) in [
        ("rule x { condition: y }", "unknown identifier"),
        ("include \"other.yar\"", "include"),
        ("rule x {", "syntax error"),
    ] {
        let error = YaraRules::compile(&[("a.yar".to_owned(), text.as_bytes().to_vec())]).unwrap_err();
        assert!(
            error.message.contains(says) && error.message.contains("a.yar:1"),
            "{error}"
        );
    }
}

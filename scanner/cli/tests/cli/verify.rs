//! `verify`: four answers apart, roots of the user, and exit codes.

use crate::common::{Run, put, run_in, temp};
use probity_tests::build::pe::Pe;
use probity_tests::build::signed::Certificate;
use probity_tests::build::tamper::TAMPERS;
use serde_json::Value;
use std::path::Path;

fn verify(dir: &Path, more: &[&str]) -> Run {
    let args = ["verify", "--format", "json", "--no-progress", "a.exe"];
    run_in(dir, &[&args[..], more].concat())
}

/// The answers of the first signature: intact, chain, time.
fn answers(report: &Value) -> (&str, &str, Option<&str>) {
    let first = &report["artifacts"][0]["signatures"][0];
    (
        first["intact"].as_str().unwrap(),
        first["chain"].as_str().unwrap(),
        first["time"].as_str(),
    )
}

#[test]
fn a_sound_signature_is_anchored_by_a_root_of_the_user_and_by_nothing_else() {
    let dir = temp();
    put(dir.path(), "a.exe", &Pe::signed(true).build());
    let report = verify(dir.path(), &[]).expect(0, "clean", true);
    assert_eq!(report["schema"], "probity.verify/1");
    assert_eq!(answers(&report), ("yes", "unanchored", Some("2025-06-01T12:00:00Z")));
    put(dir.path(), "roots/test.der", &Certificate::root().build());
    for trust in ["roots", "roots/test.der"] {
        let report = verify(dir.path(), &["--trust", trust, "--fail-on", "info"]).expect(0, "clean", true);
        assert_eq!(answers(&report), ("yes", "anchored", Some("2025-06-01T12:00:00Z")));
        let bytes = &report["artifacts"][0]["bytes"];
        let part = |key: &str| bytes[key].as_u64().unwrap();
        let size = report["artifacts"][0]["size"].as_u64().unwrap();
        assert_eq!(part("covered") + part("excluded") + part("uncovered"), size);
    }
}

#[test]
fn what_was_changed_fails_and_what_is_unsigned_is_not_clean() {
    let dir = temp();
    let image = Pe::signed(true).build();
    let stuffed = TAMPERS.iter().find(|t| t.name.contains("CVE-2013-3900")).unwrap();
    put(dir.path(), "a.exe", &(stuffed.apply)(&image).unwrap());
    let report = verify(dir.path(), &[]).expect(1, "findings", true);
    assert_eq!(answers(&report).0, "yes");
    assert!(!report["artifacts"][0]["uncovered"].as_array().unwrap().is_empty());
    let findings = report["artifacts"][0]["findings"].as_array().unwrap();
    assert!(findings.iter().any(|f| f["code"] == "uncovered-bytes"));
    let changed = TAMPERS.iter().find(|t| t.name == "a byte of code changed").unwrap();
    put(dir.path(), "a.exe", &(changed.apply)(&image).unwrap());
    let report = verify(dir.path(), &[]).expect(1, "findings", true);
    assert_eq!(answers(&report).0, "no");
    put(dir.path(), "a.exe", &Pe::new(true).build());
    let report = verify(dir.path(), &[]).expect(3, "incomplete", true);
    assert_eq!(report["artifacts"][0]["signatures"], serde_json::json!([]));
}

#[test]
fn the_table_for_people_has_every_answer_and_a_wrong_root_is_refused() {
    let dir = temp();
    put(dir.path(), "a.exe", &Pe::signed(true).build());
    let run = run_in(dir.path(), &["verify", "a.exe"]);
    assert_eq!(run.code, 0, "{}", run.stderr);
    for part in [
        "  intact  yes\n",
        "  signer  CN=Probity Test Publisher, O=Probity\\, Tests\n",
        "  chain   unanchored: the issuer Probity Test Root is no known root\n",
        "  time    2025-06-01T12:00:00Z by Probity Test Clock, which is not known\n",
        " 0 uncovered = ",
        "1 signed artifact, 1 intact\n",
    ] {
        assert!(run.stdout.contains(part), "{part:?} in {}", run.stdout);
    }
    put(dir.path(), "no.pem", b"no certificate");
    let run = verify(dir.path(), &["--trust", "no.pem"]);
    assert_eq!(run.code, 2);
    assert!(run.stderr.contains("--trust no.pem"), "{}", run.stderr);
}

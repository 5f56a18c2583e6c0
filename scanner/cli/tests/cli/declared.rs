//! `probity scan --declared`: the declared set held against what the scan found.

use crate::common::{artifacts, errors, findings, put, root, scan, temp};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::path::Path;

const AGENT: &[u8] = b"\x00\x01 https://api.example.com/v1 https://example.org/ \xfe\xff";

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect()
}

/// A set in `dir` about the program `agent` with this digest; these hosts are quoted patterns.
fn declare(dir: &Path, digest: &str, hosts: &str) {
    let text = format!(
        "version = 1\n[subject]\nexec = '/opt/bin/agent'\nsha256 = '{digest}'\n[embedded]\nhosts = [{hosts}]\n"
    );
    put(dir, "a.declared.toml", text.as_bytes());
}

fn scanned(dir: &Path, more: &[&str]) -> crate::common::Run {
    let mut args = vec!["--declared", "a.declared.toml", "in"];
    args.extend(more);
    scan(dir, &args)
}

fn of<'r>(report: &'r Value, code: &str) -> Vec<&'r Value> {
    let all = artifacts(report)
        .iter()
        .filter_map(|a| a["findings"].as_array())
        .flatten();
    all.filter(|f| f["code"] == code).collect()
}

#[test]
fn what_is_as_declared_is_clean() {
    let dir = temp();
    put(dir.path(), "in/agent", AGENT);
    declare(dir.path(), &hex(AGENT), "'*.example.com', 'example.org'");
    let report = scanned(dir.path(), &[]).expect(0, "clean", true);
    assert_eq!(findings(&report), Vec::<&str>::new());
}

#[test]
fn another_digest_under_the_subjects_name_is_high() {
    let dir = temp();
    put(dir.path(), "in/agent", AGENT);
    put(dir.path(), "in/other", b"agent");
    declare(dir.path(), &"0".repeat(64), "'*'");
    let report = scanned(dir.path(), &[]).expect(1, "findings", true);
    let found = of(&report, "declared-digest");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0]["severity"], "high");
    assert_eq!(found[0]["evidence"]["sha256"], hex(AGENT));
    assert_eq!(found[0]["evidence"]["rule"], "a.declared.toml:2");
    assert_eq!(root(&report, "in/agent")["verdict"], "findings");
    assert_eq!(root(&report, "in/other")["verdict"], "clean");
    assert_eq!(root(&report, "in")["verdict"], "findings");
}

#[test]
fn a_subject_that_was_not_scanned_is_told_and_another_name_with_its_digest_is_it() {
    let dir = temp();
    put(dir.path(), "in/other", AGENT);
    declare(dir.path(), &"0".repeat(64), "'*'");
    let report = scanned(dir.path(), &[]).expect(1, "findings", true);
    assert_eq!(of(&report, "declared-digest")[0]["severity"], "medium");
    declare(dir.path(), &hex(AGENT), "'*'");
    scanned(dir.path(), &[]).expect(0, "clean", true);
}

#[test]
fn an_undeclared_host_is_medium_at_its_place_and_an_unused_pattern_is_told() {
    let dir = temp();
    put(dir.path(), "in/agent", AGENT);
    declare(dir.path(), &hex(AGENT), "'*.example.com', '*.example.org'");
    let report = scanned(dir.path(), &[]).expect(1, "findings", true);
    let undeclared = of(&report, "undeclared-host");
    assert_eq!(undeclared.len(), 1);
    assert_eq!(undeclared[0]["severity"], "medium");
    assert_eq!(undeclared[0]["evidence"]["host"], "example.org");
    let offset = AGENT.windows(11).position(|w| w == b"example.org").unwrap();
    assert_eq!(undeclared[0]["offset"], offset);
    let unused = of(&report, "declared-unused");
    assert_eq!(unused.len(), 1);
    assert_eq!(unused[0]["severity"], "info");
    assert_eq!(unused[0]["evidence"]["rule"], "a.declared.toml:6");
}

#[test]
fn an_address_is_declared_by_itself() {
    let dir = temp();
    put(
        dir.path(),
        "in/agent",
        b"\x00\x01 http://127.0.0.1:80/ http://[::1]/ \xfe\xff",
    );
    declare(dir.path(), &"0".repeat(64), "'127.0.0.1'");
    let report = scanned(dir.path(), &[]).json();
    let hosts: Vec<&str> = of(&report, "undeclared-host")
        .iter()
        .filter_map(|f| f["evidence"]["host"].as_str())
        .collect();
    assert_eq!(hosts.len(), 1, "{hosts:?}");
    assert!(hosts[0].contains("::1"), "{hosts:?}");
}

#[test]
fn a_host_inside_an_archive_is_told_where_it_stands() {
    let dir = temp();
    put(dir.path(), "in/agent.gz", &probity_tests::build::gzip::gzip(AGENT));
    declare(dir.path(), &hex(AGENT), "'api.example.com'");
    let report = scanned(dir.path(), &[]).expect(1, "findings", true);
    let holder = artifacts(&report).iter().find(|a| !a["nested"].is_null()).unwrap();
    assert_eq!(holder["findings"][0]["code"], "undeclared-host", "{report:#}");
    assert_eq!(root(&report, "in/agent.gz")["verdict"], "findings");
}

#[test]
fn what_was_not_read_is_not_as_declared() {
    let dir = temp();
    put(dir.path(), "in/agent", AGENT);
    declare(dir.path(), &hex(AGENT), "'*'");
    let report = scanned(dir.path(), &["--depth", "quick"]).expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, "in/agent")), ["unsupported", "unsupported"]);
    assert_eq!(root(&report, "in")["complete"], false);
    let text = format!(
        "version = 1\n[subject]\nsha256 = '{}'\nsigner = 'apple:ABC'\n",
        hex(AGENT)
    );
    put(dir.path(), "a.declared.toml", text.as_bytes());
    let report = scanned(dir.path(), &[]).expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, "in/agent")), ["unsupported"]);
}

#[test]
fn a_policy_may_allow_what_is_undeclared_and_a_broken_set_scans_nothing() {
    let dir = temp();
    put(dir.path(), "in/agent", AGENT);
    declare(dir.path(), &hex(AGENT), "'api.example.com'");
    let policy = "version = 1\n[[allow]]\ncode = 'undeclared-host'\nreason = 'reviewed, ticket 1'\n";
    put(dir.path(), "policy.toml", policy.as_bytes());
    let run = scanned(dir.path(), &["--policy", "policy.toml"]);
    run.expect(0, "clean", true);
    declare(dir.path(), "abc", "'*'");
    let run = scanned(dir.path(), &[]);
    assert_eq!((run.code, run.stdout.as_str()), (2, ""));
    assert!(
        run.stderr.contains("not a SHA-256 digest") && run.stderr.contains("a.declared.toml:4:10"),
        "{}",
        run.stderr
    );
}

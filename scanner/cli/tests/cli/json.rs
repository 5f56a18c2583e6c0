//! `probity.scan/1`, key by key, over every fixture there is.

use crate::common::{artifacts, bytes_of, files, findings, put, root, run_in, scan, scrubbed, temp};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;

/// What stands where a value is.
#[derive(Clone, Copy, Debug)]
enum Is {
    Text,
    Number,
    Real,
    Bool,
    List,
    Object,
    TextOrNull,
    NumberOrNull,
    ObjectOrNull,
    OneOf(&'static [&'static str]),
}

impl Is {
    fn holds(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Number => value.is_u64(),
            Self::Real => value.is_f64() && value.as_f64().is_some_and(|n| n >= 0.0),
            Self::Bool => value.is_boolean(),
            Self::List => value.is_array(),
            Self::Object => value.is_object(),
            Self::TextOrNull => value.is_string() || value.is_null(),
            Self::NumberOrNull => value.is_u64() || value.is_null(),
            Self::ObjectOrNull => value.is_object() || value.is_null(),
            Self::OneOf(texts) => value.as_str().is_some_and(|v| texts.contains(&v)),
        }
    }
}

const VERDICT: Is = Is::OneOf(&["clean", "findings", "incomplete"]);
const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];
const HEADER: &[(&str, Is)] = &[
    ("schema", Is::OneOf(&["probity.scan/1"])),
    ("tool", Is::Object),
    ("verdict", VERDICT),
    ("complete", Is::Bool),
    ("summary", Is::Object),
];
const TOOL: &[(&str, Is)] = &[
    ("name", Is::OneOf(&["probity"])),
    ("version", Is::Text),
    ("rules", Is::Text),
];
const SUMMARY: &[(&str, Is)] = &[
    ("artifacts", Is::Number),
    ("nested", Is::Number),
    ("bytes", Is::Number),
    ("bytes_read", Is::Number),
    ("seconds", Is::Real),
    ("excluded", Is::Number),
    ("findings", Is::Object),
    ("suppressed", Is::Number),
];
const ARTIFACT: &[(&str, Is)] = &[
    ("path", Is::Text),
    ("nested", Is::TextOrNull),
    ("format", Is::Text),
    ("size", Is::Number),
    ("digests", Is::ObjectOrNull),
    ("bytes", Is::Object),
    ("signatures", Is::List),
    ("hosts", Is::List),
    ("tensors", Is::ObjectOrNull),
    ("findings", Is::List),
    ("suppressed", Is::List),
    ("errors", Is::List),
    ("verdict", VERDICT),
    ("complete", Is::Bool),
];
const BYTES: &[(&str, Is)] = &[
    ("claimed", Is::Number),
    ("unclaimed", Is::Number),
    ("padding", Is::Number),
    ("covered", Is::NumberOrNull),
    ("excluded", Is::NumberOrNull),
    ("uncovered", Is::NumberOrNull),
];
const TENSORS: &[(&str, Is)] = &[
    ("count", Is::Number),
    ("parameters", Is::Number),
    ("dtypes", Is::Object),
];
const FINDING: &[(&str, Is)] = &[
    ("code", Is::Text),
    ("severity", Is::OneOf(&SEVERITIES)),
    ("confidence", Is::OneOf(&["certain", "likely", "possible"])),
    ("message", Is::Text),
    ("fingerprint", Is::Text),
    ("region", Is::Text),
    ("offset", Is::Number),
    ("length", Is::Number),
    ("evidence", Is::Object),
    ("related", Is::List),
];
const RELATED: &[(&str, Is)] = &[
    ("path", Is::Text),
    ("nested", Is::TextOrNull),
    ("region", Is::Text),
    ("offset", Is::Number),
    ("length", Is::Number),
];
const ERRORS: &[&str] = &[
    "unreadable",
    "changed-during-scan",
    "limit-exceeded",
    "encrypted",
    "unsupported",
    "not-followed",
    "internal",
];
const ERROR: &[(&str, Is)] = &[
    ("code", Is::OneOf(ERRORS)),
    ("message", Is::Text),
    ("offset", Is::NumberOrNull),
];

#[track_caller]
fn has(value: &Value, keys: &[(&str, Is)]) {
    for (key, is) in keys {
        assert!(is.holds(&value[key]), "{key} is not {is:?} in {value:#}");
        assert!(value.get(key).is_some(), "{key} is absent in {value:#}");
    }
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn number(value: &Value, key: &str) -> u64 {
    value[key].as_u64().unwrap_or_else(|| panic!("{key} in {value:#}"))
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
}

fn safe(text: &str) {
    assert!(!text.chars().any(char::is_control), "{text:?} holds control characters");
    assert!(
        !text.contains(['\u{202e}', '\u{200b}', '\u{feff}']),
        "{text:?} holds invisible characters"
    );
}

fn check_artifact(artifact: &Value) {
    has(artifact, ARTIFACT);
    let bytes = &artifact["bytes"];
    has(bytes, BYTES);
    if artifact["format"] != "unknown" {
        assert_eq!(
            number(bytes, "claimed") + number(bytes, "unclaimed"),
            number(artifact, "size"),
            "{artifact:#}"
        );
    }
    assert!(number(bytes, "padding") <= number(bytes, "claimed"), "{artifact:#}");
    safe(artifact["path"].as_str().unwrap());
    safe(artifact["nested"].as_str().unwrap_or_default());
    if artifact["digests"].is_object() {
        assert!(is_hex(artifact["digests"]["sha256"].as_str().unwrap(), 64));
    }
    if artifact["tensors"].is_object() {
        has(&artifact["tensors"], TENSORS);
    }
    let hosts: Vec<&str> = list(artifact, "hosts").iter().map(|h| h.as_str().unwrap()).collect();
    assert!(hosts.is_sorted(), "{hosts:?}");
    for error in list(artifact, "errors") {
        has(error, ERROR);
        safe(error["message"].as_str().unwrap());
    }
    for finding in list(artifact, "findings") {
        has(finding, FINDING);
        safe(finding["message"].as_str().unwrap());
        safe(finding["region"].as_str().unwrap());
        assert!(is_hex(finding["fingerprint"].as_str().unwrap(), 32), "{finding:#}");
        assert!(number(finding, "offset") <= number(artifact, "size"), "{finding:#}");
        for related in list(finding, "related") {
            has(related, RELATED);
        }
    }
    let ranks: Vec<usize> = list(artifact, "findings")
        .iter()
        .map(|f| SEVERITIES.iter().position(|s| f["severity"] == *s).unwrap())
        .collect();
    assert!(ranks.is_sorted(), "worst first: {artifact:#}");
    let complete = artifact["complete"] == true;
    assert!(
        !complete || list(artifact, "errors").is_empty(),
        "an error makes it incomplete: {artifact:#}"
    );
    assert!(complete || artifact["verdict"] != "clean", "{artifact:#}");
}

/// Everything CONTRACT says about the document; `all` when every nested artifact is listed.
fn check(report: &Value, all: bool) {
    has(report, HEADER);
    has(&report["tool"], TOOL);
    let rules = report["tool"]["rules"].as_str().unwrap();
    assert!(is_hex(rules.strip_prefix("sha256:").unwrap(), 64), "{rules}");
    let summary = &report["summary"];
    has(summary, SUMMARY);
    let order: Vec<&str> = summary["findings"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    assert_eq!(order, SEVERITIES);
    let artifacts = artifacts(report);
    artifacts.iter().for_each(check_artifact);
    let mut counted: BTreeMap<&str, u64> = BTreeMap::new();
    for finding in artifacts.iter().flat_map(|a| list(a, "findings")) {
        *counted.entry(finding["severity"].as_str().unwrap()).or_default() += 1;
    }
    for severity in SEVERITIES {
        assert_eq!(
            number(&summary["findings"], severity),
            counted.get(severity).copied().unwrap_or(0),
            "{severity}"
        );
    }
    let roots = artifacts.iter().filter(|a| a["nested"].is_null());
    assert_eq!(number(summary, "artifacts"), roots.clone().count() as u64);
    let bytes = roots
        .filter(|a| a["format"] != "directory")
        .map(|a| number(a, "size"))
        .sum::<u64>();
    assert_eq!(number(summary, "bytes"), bytes, "bytes counts roots only");
    let nested = artifacts.iter().filter(|a| !a["nested"].is_null()).count() as u64;
    assert!(nested == number(summary, "nested") || (!all && nested < number(summary, "nested")));
    if !all {
        let unasked = artifacts.iter().filter(|a| !a["nested"].is_null()).find(|a| {
            ["findings", "errors", "signatures"]
                .iter()
                .all(|key| list(a, key).is_empty())
        });
        // A signature blob makes an artifact listed even where no scheme reads it yet.
        assert!(unasked.is_none_or(|a| a["format"] != "data"), "{unasked:?}");
    }
    let complete = artifacts.iter().all(|a| a["complete"] == true);
    assert_eq!(report["complete"], complete);
    let worst = artifacts.iter().any(|a| a["verdict"] == "findings");
    assert_eq!(report["verdict"] == "findings", worst, "{report:#}");
}

/// Every fixture, one file each.
pub(crate) fn fixtures(dir: &Path) {
    for sample in probity_tests::samples::all() {
        put(dir, sample.name, &sample.bytes);
    }
    for case in probity_tests::samples::hostile() {
        put(dir, case.name, &case.bytes);
    }
}

#[test]
fn the_report_on_every_fixture_has_every_key_and_adds_up() {
    let dir = temp();
    fixtures(dir.path());
    check(&scan(dir.path(), &["."]).json(), false);
    check(&scan(dir.path(), &[".", "--all-artifacts"]).json(), true);
    check(&scan(dir.path(), &[".", "--depth", "quick"]).json(), false);
    check(
        &scan(dir.path(), &[".", "--depth", "deep", "--fail-on", "never"]).json(),
        false,
    );
}

#[test]
fn an_unfinished_scan_has_every_key_as_well() {
    let dir = temp();
    std::os::unix::fs::symlink("/etc/hostname", dir.path().join("out")).unwrap();
    put(dir.path(), "bomb.gz", &probity_tests::build::gzip::nested(20));
    check(&scan(dir.path(), &[".", "--max-decoded", "1"]).json(), false);
    check(&scan(dir.path(), &[".", "--timeout", "0.000001"]).json(), false);
}

#[test]
fn ndjson_is_the_same_artifacts_one_a_line_and_then_the_header() {
    let dir = temp();
    fixtures(dir.path());
    for extra in [&[][..], &["--all-artifacts"]] {
        let document = scrubbed(scan(dir.path(), &[&["."], extra].concat()).json());
        let run = run_in(dir.path(), &[&["scan", "--format", "ndjson", "."], extra].concat());
        let mut lines: Vec<Value> = run.stdout.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let header = scrubbed(lines.pop().unwrap());
        assert_eq!(&lines[..], artifacts(&document));
        for key in ["schema", "tool", "verdict", "complete", "summary"] {
            assert_eq!(header[key], document[key], "{key}");
        }
        assert!(header.get("artifacts").is_none());
    }
}

#[test]
fn nested_artifacts_with_nothing_to_say_are_counted_and_listed_only_when_asked_for() {
    let dir = temp();
    put(dir.path(), "a.gz", &probity_tests::build::gzip::nested(3));
    let short = scan(dir.path(), &["a.gz"]).json();
    let long = scan(dir.path(), &["a.gz", "--all-artifacts"]).json();
    assert_eq!((artifacts(&short).len(), artifacts(&long).len()), (1, 4));
    assert_eq!(short["summary"]["nested"], 3);
    let names: Vec<_> = artifacts(&long).iter().map(|a| a["nested"].as_str()).collect();
    assert_eq!(
        names,
        [
            None,
            Some("content"),
            Some("content!content"),
            Some("content!content!content")
        ]
    );
    assert!(artifacts(&long).iter().all(|a| a["path"] == "a.gz"));
}

#[test]
fn a_parent_is_as_bad_and_as_incomplete_as_what_it_holds() {
    let dir = temp();
    let gzip = probity_tests::build::gzip::gzip;
    put(dir.path(), "d/worst.gz", &gzip(&gzip(&bytes_of(Some("high")))));
    put(dir.path(), "d/fine", &bytes_of(None));
    let mut cut = gzip(&[7; 4096]);
    cut.truncate(20);
    put(dir.path(), "e/cut.gz", &gzip(&gzip(&cut)));
    let report = scan(dir.path(), &["d", "e", "--all-artifacts", "--fail-on", "critical"]).json();
    check(&report, true);
    for (path, complete) in [("d", true), ("d/worst.gz", true), ("e", false), ("e/cut.gz", false)] {
        assert_eq!(root(&report, path)["complete"], complete, "{path}");
    }
    let report = scan(dir.path(), &["d"]).json();
    for (path, verdict) in [("d", "findings"), ("d/worst.gz", "findings"), ("d/fine", "clean")] {
        assert_eq!(root(&report, path)["verdict"], verdict, "{path}");
    }
    assert!(findings(&report).contains(&"trailing-bytes"));
}

#[test]
fn a_directory_names_the_hosts_and_counts_the_bytes_of_all_it_holds() {
    let dir = temp();
    put(dir.path(), "a", b"\0\x01 https://api.example.com/ \xff");
    put(
        dir.path(),
        "b",
        b"\0\x01 https://api.example.com/ https://www.example.org/ \xff",
    );
    let report = scan(dir.path(), &["."]).json();
    let whole = root(&report, ".");
    assert_eq!(
        whole["hosts"],
        serde_json::json!(["api.example.com", "www.example.org"])
    );
    assert_eq!(whole["host_places"][0]["count"], 2);
    assert_eq!(
        whole["size"].as_u64(),
        Some(files(&report).iter().map(|f| number(root(&report, f), "size")).sum())
    );
    assert_eq!(whole["bytes"]["claimed"], whole["size"]);
}

#[test]
fn a_fingerprint_depends_on_no_offset_and_no_directory() {
    let dir = temp();
    let mut far = vec![0u8; 5000];
    far.extend_from_slice(&bytes_of(Some("medium")));
    put(dir.path(), "near", &bytes_of(Some("medium")));
    put(dir.path(), "other/place/far", &far);
    let report = scan(dir.path(), &["near", "other/place/far"]).json();
    let print = |path: &str| root(&report, path)["findings"][0]["fingerprint"].clone();
    assert_eq!(print("near"), print("other/place/far"));
    assert_ne!(
        root(&report, "near")["findings"][0]["offset"],
        root(&report, "other/place/far")["findings"][0]["offset"]
    );
}

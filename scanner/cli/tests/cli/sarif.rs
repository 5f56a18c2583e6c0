//! `--format sarif` over every fixture: what the specification asks beyond the schema, and the schema where a validator
//! is at hand.

use crate::common::{artifacts, bytes_of, put, run_in, scan, skip, temp};
use crate::json::fixtures;
use probity_tests::build::tar::{Entry, Tar};
use serde_json::Value;
use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn text<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_else(|| panic!("{key} in {value:#}"))
}

fn sarif(dir: &Path, args: &[&str]) -> (i32, Value) {
    let run = run_in(dir, &[&["scan", "--format", "sarif"], args].concat());
    let log = run.json();
    assert_eq!(log["version"], "2.1.0");
    assert_eq!(list(&log, "runs").len(), 1);
    (run.code, log["runs"][0].clone())
}

/// A URI reference of RFC 3986, as far as we write them.
fn check_uri(uri: &str) {
    let plain = uri.strip_prefix("file:///").unwrap_or(uri);
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"-._~/%".contains(&b);
    assert!(!plain.starts_with('/') && plain.bytes().all(allowed), "{uri}");
    for (at, _) in plain.match_indices('%') {
        let digits = plain.get(at + 1..at + 3).unwrap_or_default();
        assert!(
            digits.len() == 2 && digits.bytes().all(|b| b.is_ascii_hexdigit()),
            "{uri}"
        );
    }
}

fn check_message(message: &str) {
    assert!(!message.is_empty() && message.chars().count() < 2200, "{message}");
    let bare = message.replace("{{", "").replace("}}", "");
    assert!(!bare.contains(['{', '}']), "a placeholder: {message}");
    assert!(!message.contains("]("), "a link: {message}");
    assert!(!message.chars().any(char::is_control), "{message:?}");
}

fn check_location(run: &Value, location: &Value, root_only: bool) {
    let physical = &location["physicalLocation"];
    let artifact = &physical["artifactLocation"];
    check_uri(text(artifact, "uri"));
    let index = usize::try_from(artifact["index"].as_u64().unwrap()).unwrap();
    let entry = &run["artifacts"][index];
    assert_eq!(entry["location"]["uri"], artifact["uri"]);
    assert!(entry["parentIndex"].is_null(), "the physical location is a root");
    let region = &physical["region"];
    assert!(region["startLine"].is_null(), "no line is guessed");
    let logical = list(location, "logicalLocations");
    if logical.is_empty() {
        return;
    }
    assert!(!root_only && region.is_null(), "offsets are into the artifact named");
    assert_eq!(logical[0]["kind"], "member");
    let nested = usize::try_from(location["properties"]["artifactIndex"].as_u64().unwrap()).unwrap();
    let mut at = nested;
    while let Some(parent) = run["artifacts"][at]["parentIndex"].as_u64() {
        let parent = usize::try_from(parent).unwrap();
        assert!(parent < at, "parents stand first");
        at = parent;
    }
    assert!(nested != index && at == index, "{location:#}");
}

/// Compares a run with the JSON report of the same scan.
fn check(run: &Value, report: &Value) {
    let rules = list(&run["tool"]["driver"], "rules");
    let codes: Vec<&str> = rules.iter().map(|r| text(r, "id")).collect();
    assert!(codes.is_sorted(), "{codes:?}");
    for rule in rules {
        for key in ["shortDescription", "fullDescription", "help", "defaultConfiguration"] {
            assert!(!rule[key].is_null(), "{key} in {rule:#}");
        }
        assert!(!text(&rule["help"], "markdown").is_empty());
        let name = rule["name"].as_str();
        assert!(
            name.is_none_or(|n| !n.eq_ignore_ascii_case(text(rule, "id"))),
            "{rule:#}"
        );
        let name = rule["name"].as_str();
        assert!(
            name.is_none_or(|n| !n.eq_ignore_ascii_case(text(rule, "id"))),
            "{rule:#}"
        );
        let score: f64 = text(&rule["properties"], "security-severity").parse().unwrap();
        assert!((0.0..=10.0).contains(&score));
    }
    for artifact in list(run, "artifacts") {
        check_uri(text(&artifact["location"], "uri"));
    }
    let findings: Vec<(&Value, &Value)> = artifacts(report)
        .iter()
        .flat_map(|a| list(a, "findings").iter().map(move |f| (a, f)))
        .collect();
    let results = list(run, "results");
    assert_eq!(results.len(), findings.len(), "every finding is a result");
    let mut used = BTreeSet::new();
    for (result, (artifact, finding)) in results.iter().zip(findings) {
        let code = text(result, "ruleId");
        used.insert(code);
        assert_eq!(
            codes[usize::try_from(result["ruleIndex"].as_u64().unwrap()).unwrap()],
            code
        );
        assert_eq!(result["ruleId"], finding["code"]);
        let level = match text(finding, "severity") {
            "critical" | "high" => "error",
            "medium" => "warning",
            _ => "note",
        };
        assert_eq!(result["level"], level);
        assert_eq!(result["partialFingerprints"]["probity/v1"], finding["fingerprint"]);
        for key in ["case", "severity", "confidence"] {
            assert_eq!(result["properties"][key], finding[key]);
        }
        check_message(text(&result["message"], "text"));
        let root = artifact["nested"].is_null();
        let location = &result["locations"][0];
        check_location(run, location, root);
        let region = match root {
            true => &location["physicalLocation"]["region"],
            false => &location["properties"]["region"],
        };
        assert_eq!(region["byteOffset"], finding["offset"], "{location:#}");
        assert_eq!(region["byteLength"], finding["length"]);
        let related = list(result, "relatedLocations");
        assert_eq!(related.len(), list(finding, "related").len().min(64));
        for location in related {
            check_location(run, location, root);
            check_message(text(&location["message"], "text"));
        }
    }
    assert_eq!(
        codes,
        used.into_iter().collect::<Vec<_>>(),
        "the rules are those that occur"
    );
    let invocation = &run["invocations"][0];
    assert_eq!(invocation["executionSuccessful"], report["complete"]);
    let errors = artifacts(report).iter().flat_map(|a| list(a, "errors"));
    let notifications = list(invocation, "toolExecutionNotifications");
    assert_eq!(notifications.len(), errors.clone().count());
    for (notification, error) in notifications.iter().zip(errors) {
        assert_eq!(notification["descriptor"]["id"], error["code"]);
        check_message(text(&notification["message"], "text"));
        check_location(run, &notification["locations"][0], false);
    }
}

#[test]
fn every_finding_and_every_error_of_every_fixture_is_said() {
    let dir = temp();
    fixtures(dir.path());
    for args in [&["."][..], &["--all-artifacts", "."], &["--depth", "quick", "."]] {
        let (code, run) = sarif(dir.path(), args);
        let json = scan(dir.path(), args);
        assert_eq!(code, json.code);
        assert_eq!(run["invocations"][0]["exitCode"], code);
        check(&run, &json.json());
    }
    let twice = [sarif(dir.path(), &["."]), sarif(dir.path(), &["--jobs", "1", "."])];
    assert_eq!(twice[0], twice[1], "nothing in it differs between two runs");
}

#[test]
fn an_unfinished_scan_is_no_successful_execution() {
    let dir = temp();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    put(dir.path(), "high", &bytes_of(Some("high")));
    for (args, code, successful) in [
        (&["high"][..], 1, true),
        (&["."], 1, false),
        (&[".", "--fail-on", "never"], 3, false),
        (&["high", "--fail-on", "never"], 0, true),
    ] {
        let (exit, run) = sarif(dir.path(), args);
        let invocation = &run["invocations"][0];
        assert_eq!(exit, code, "{args:?}");
        assert_eq!(invocation["exitCode"], code);
        assert_eq!(invocation["executionSuccessful"], successful, "{args:?}");
    }
}

#[test]
fn paths_are_uris_and_text_of_an_artifact_is_neither_link_nor_placeholder() {
    let dir = temp();
    let name = "a b#[x](http:{0}?%";
    put(dir.path(), name, &bytes_of(Some("high")));
    let encoded = "a%20b%23%5Bx%5D%28http%3A%7B0%7D%3F%25";
    let (_, relative) = sarif(dir.path(), &["."]);
    let location = &relative["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    assert_eq!(location["uri"], encoded);
    assert_eq!(location["uriBaseId"], "WORKDIR");
    assert!(relative["originalUriBaseIds"]["WORKDIR"].is_object());
    let absolute = dir.path().join(name);
    let (_, absolute) = sarif(dir.path(), &[absolute.to_str().unwrap()]);
    let location = &absolute["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    let uri = text(location, "uri");
    assert!(uri.starts_with("file:///") && uri.ends_with(encoded), "{uri}");
    assert!(location["uriBaseId"].is_null());
    let crooked = dir.path().join("d/..").join(name);
    std::fs::create_dir(dir.path().join("d")).unwrap();
    let (_, crooked) = sarif(dir.path(), &[crooked.to_str().unwrap()]);
    let location = &crooked["results"][0]["locations"][0]["physicalLocation"]["artifactLocation"];
    let uri = text(location, "uri");
    assert!(
        uri.ends_with(&format!("d/../{encoded}")) && !uri.starts_with("file:"),
        "{uri}"
    );
    assert_eq!(location["uriBaseId"], "ROOTDIR");
    assert_eq!(crooked["originalUriBaseIds"]["ROOTDIR"]["uri"], "file:///");
    let archive = Tar::of(vec![Entry::file("../[go](http://x.example)/{0}", b"text")]).build();
    put(dir.path(), "evil.tar", &archive);
    let (_, run) = sarif(dir.path(), &["evil.tar"]);
    assert!(!list(&run, "results").is_empty());
    for result in list(&run, "results") {
        check_message(text(&result["message"], "text"));
    }
}

/// A Python that has `jsonschema`, and the schema: both are tools, fetched to `target/tools`.
fn validator() -> Option<(PathBuf, PathBuf)> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let (python, schema) = (tools.join("py/bin/python"), tools.join("sarif-schema-2.1.0.json"));
    let works = Command::new(&python)
        .args(["-c", "import jsonschema"])
        .output()
        .is_ok_and(|o| o.status.success());
    (works && schema.is_file()).then_some((python, schema))
}

#[test]
fn the_schema_accepts_the_report_on_every_fixture() {
    let Some((python, schema)) = validator() else {
        return skip("target/tools has no Python with jsonschema, or no SARIF schema");
    };
    let dir = temp();
    fixtures(dir.path());
    std::fs::create_dir(dir.path().join("none")).unwrap();
    let script = "import json, sys, jsonschema\n\
        schema = json.load(open(sys.argv[1]))\n\
        validate = jsonschema.Draft7Validator(schema, format_checker=jsonschema.FormatChecker())\n\
        errors = list(validate.iter_errors(json.load(open(sys.argv[2]))))\n\
        print('\\n'.join(f'{list(e.path)}: {e.message[:300]}' for e in errors[:20]))\n\
        sys.exit(bool(errors))";
    for args in [&["none"][..], &["."], &["--all-artifacts", "."]] {
        let log = temp();
        let path = log.path().join("log.sarif");
        let run = run_in(
            dir.path(),
            &[&["scan", "--format", "sarif", "-o", path.to_str().unwrap()], args].concat(),
        );
        assert!(run.code != 2, "{}", run.stderr);
        let output = Command::new(&python)
            .args(["-c", script])
            .args([&schema, &path])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    }
}

#[test]
fn an_allowed_finding_is_a_suppressed_result_with_its_reason() {
    let dir = temp();
    put(dir.path(), "model", &bytes_of(Some("high")));
    let policy = "version = 1\n[[allow]]\ncode = \"trailing-bytes\"\nreason = \"seen and accepted\"\n";
    put(dir.path(), "probity.toml", policy.as_bytes());
    let (code, run) = sarif(dir.path(), &["--policy", "probity.toml", "model"]);
    assert_eq!(code, 0, "{run:#}");
    let allowed: Vec<&Value> = list(&run, "results")
        .iter()
        .filter(|r| !r["suppressions"].is_null())
        .collect();
    assert_eq!(allowed.len(), 1, "{run:#}");
    let suppression = &allowed[0]["suppressions"][0];
    assert_eq!(
        (text(suppression, "kind"), text(suppression, "status")),
        ("external", "accepted")
    );
    assert!(text(suppression, "justification").contains("seen and accepted"));
    assert_eq!(text(allowed[0], "ruleId"), "trailing-bytes");
}

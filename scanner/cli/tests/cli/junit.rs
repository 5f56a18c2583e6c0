//! `--format junit` over every fixture: the counts, the escaping, and Jenkins' schema where it and a validator are at hand.

use crate::common::{artifacts, bytes_of, errors, put, root, run_in, scan, skip, temp};
use crate::json::fixtures;
use serde_json::Value;
use std::collections::BTreeMap;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::process::Command;

/// What a test case holds, by the name of its elements.
type Case = BTreeMap<String, String>;

/// The test cases by name. The document is read as far as we write it: one element a line, text in between.
fn cases(document: &str) -> BTreeMap<String, Case> {
    let mut out = BTreeMap::new();
    for chunk in document.split("<testcase name=\"").skip(1) {
        let (name, rest) = chunk.split_once('"').unwrap();
        let (head, body) = rest.split_once('>').unwrap();
        let mut case = Case::new();
        for kind in ["failure", "error", "system-out"] {
            let (open, close) = (format!("<{kind}"), format!("</{kind}>"));
            let mut found = body.split(open.as_str()).skip(1);
            if let Some(text) = found.next().filter(|_| !head.ends_with('/')) {
                let text = text.split_once(close.as_str()).unwrap().0;
                case.insert(kind.to_owned(), text.to_owned());
            }
            assert!(found.next().is_none(), "{kind} twice in {name}");
        }
        assert!(out.insert(name.to_owned(), case).is_none(), "{name} twice");
    }
    out
}

fn attribute(document: &str, name: &str) -> usize {
    let (_, rest) = document.split_once(&format!(" {name}=\"")).unwrap();
    rest.split_once('"').unwrap().0.parse().unwrap()
}

/// Findings of a root and of all it holds.
fn findings<'a>(report: &'a Value, path: &str) -> Vec<&'a Value> {
    let held = artifacts(report).iter().filter(|a| a["path"] == path);
    held.flat_map(|a| a["findings"].as_array().unwrap()).collect()
}

#[test]
fn each_file_is_a_case_as_its_verdict_says() {
    let dir = temp();
    fixtures(dir.path());
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    let ranks = ["info", "low", "medium", "high", "critical"];
    let rank = |f: &Value| ranks.iter().position(|r| f["severity"] == *r).unwrap();
    for (threshold, least) in [("medium", 2), ("info", 0), ("never", 5)] {
        let args = [".", "--fail-on", threshold];
        let run = run_in(dir.path(), &[&["scan", "--format", "junit"], &args[..]].concat());
        let report = scan(dir.path(), &args);
        assert_eq!(run.code, report.code);
        let (cases, report) = (cases(&run.stdout), report.json());
        let (mut failures, mut errored, mut files) = (0, 0, 0);
        let roots = artifacts(&report)
            .iter()
            .filter(|a| a["nested"].is_null() && a["format"] != "directory");
        for artifact in roots {
            let path = artifact["path"].as_str().unwrap();
            let case = &cases[path];
            let (failing, below): (Vec<&Value>, Vec<&Value>) =
                findings(&report, path).into_iter().partition(|f| rank(f) >= least);
            let keys: Vec<&str> = case.keys().map(String::as_str).collect();
            let mut expected = Vec::new();
            if failing.is_empty() && artifact["complete"] == false {
                expected.push("error");
                errored += 1;
            }
            if !failing.is_empty() {
                expected.push("failure");
                failures += 1;
                let lines = case["failure"]
                    .lines()
                    .filter(|l| !l.starts_with("not examined"))
                    .count();
                assert!(lines >= failing.len().min(200), "{path}: every one is listed");
                let unfinished = case["failure"].contains("not everything was examined");
                assert_eq!(
                    unfinished,
                    artifact["complete"] == false,
                    "{path}: a finding hides no unfinished scan"
                );
            }
            if !below.is_empty() {
                expected.push("system-out");
            }
            assert_eq!(keys, expected, "{path}");
            for code in errors(artifact) {
                let text = case.get("failure").or(case.get("error")).unwrap();
                assert!(text.contains(code), "{path}: {code}");
            }
            files += 1;
        }
        assert_eq!(cases.len(), files);
        assert_eq!(attribute(&run.stdout, "tests"), files);
        assert_eq!(attribute(&run.stdout, "failures"), failures);
        assert_eq!(attribute(&run.stdout, "errors"), errored);
    }
}

#[test]
fn a_directory_is_a_case_only_for_what_is_wrong_with_itself() {
    let dir = temp();
    put(dir.path(), "d/none", &bytes_of(None));
    let run = run_in(dir.path(), &["scan", "--format", "junit", "d"]);
    let found = cases(&run.stdout);
    assert_eq!(run.code, 0);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["d/none"]);
    assert!(found["d/none"].is_empty());
}

#[test]
fn names_cannot_break_out_of_the_document() {
    let dir = temp();
    let name = "a\"<b>&'\x01]]>";
    put(dir.path(), name, &bytes_of(Some("high")));
    let report = scan(dir.path(), &["."]).json();
    root(&report, "./a\"<b>&'%01]]>");
    let run = run_in(dir.path(), &["scan", "--format", "junit", "."]);
    let found = cases(&run.stdout);
    assert_eq!(
        found.keys().collect::<Vec<_>>(),
        ["./a&quot;&lt;b&gt;&amp;&apos;%01]]&gt;"]
    );
    assert!(
        !run.stdout.chars().any(|c| c.is_control() && c != '\n'),
        "{}",
        run.stdout
    );
}

#[test]
fn the_schema_accepts_the_report_on_every_fixture() {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/junit-10.xsd");
    if !schema.is_file() || Command::new("xmllint").arg("--version").output().is_err() {
        return skip("no xmllint, or target/tools has no junit-10.xsd");
    }
    let dir = temp();
    fixtures(dir.path());
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    put(dir.path(), "a\"<b>&'\x01]]>", &bytes_of(Some("high")));
    let log = temp();
    let path = log.path().join("junit.xml");
    std::fs::create_dir(dir.path().join("none")).unwrap();
    for args in [&["."][..], &["--fail-on", "never", "."], &["none"]] {
        let report = ["scan", "--format", "junit", "-o", path.to_str().unwrap()];
        let run = run_in(dir.path(), &[&report, args].concat());
        assert!(run.code != 2, "{}", run.stderr);
        let output = Command::new("xmllint")
            .args(["--noout", "--schema"])
            .args([&schema, &path])
            .output()
            .unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
}

//! `--baseline`: written when absent, compared with when present; what is new counts.

use crate::common::{Run, bytes_of, findings, probity, put, run, run_in, scan, temp};
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Stdio;

fn baseline(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("base.json")).unwrap()).unwrap()
}

fn compare(dir: &Path, args: &[&str]) -> Run {
    scan(dir, &[&["--baseline", "base.json"][..], args].concat())
}

/// A model that runs code, and an address at each severity.
fn models(dir: &Path) {
    let all = probity_tests::samples::hostile();
    let torch = all.into_iter().find(|h| h.name == "torch-zip-system").unwrap();
    put(dir, "models/model.pt", &torch.bytes);
    for severity in ["info", "low", "high"] {
        put(dir, format!("models/{severity}"), &bytes_of(Some(severity)));
    }
    put(dir, "models/medium", b"\x00\x01 http://0x08080404/ \xfe\xff");
}

#[test]
fn an_absent_file_is_written_and_the_run_exits_as_without_it() {
    let dir = temp();
    models(dir.path());
    let first = compare(dir.path(), &["models"]);
    let report = first.expect(1, "findings", true);
    assert_eq!(report["summary"]["suppressed"], 0);
    let written = baseline(dir.path());
    assert_eq!(written["schema"], "probity.baseline/1");
    assert_eq!(
        written["tool"],
        json!({ "name": "probity", "version": env!("CARGO_PKG_VERSION") })
    );
    let items = written["findings"].as_array().unwrap();
    assert!(
        first
            .stderr
            .contains(&format!("wrote the baseline base.json with {} findings", items.len())),
        "{}",
        first.stderr
    );
    assert_eq!(first.stderr.lines().count(), 1);
    let expected: u64 = ["critical", "high", "medium", "low"]
        .iter()
        .filter_map(|s| report["summary"]["findings"][s].as_u64())
        .sum();
    assert_eq!(items.len() as u64, expected);
    for item in items {
        let grave = item["severity"] == "high" || item["severity"] == "critical";
        assert_eq!(item["sha256"].is_string(), grave, "{item}");
        assert_eq!(item["fingerprint"].as_str().map(str::len), Some(32));
    }
    let keys: Vec<(&str, &str)> = items
        .iter()
        .map(|i| (i["path"].as_str().unwrap(), i["nested"].as_str().unwrap_or_default()))
        .collect();
    assert!(keys.is_sorted(), "{keys:?}");
    let mode = fs::metadata(dir.path().join("base.json")).unwrap().permissions().mode();
    assert_eq!(mode & 0o400, 0o400);
    assert_eq!(
        fs::read_dir(dir.path()).unwrap().count(),
        2,
        "nothing else is left behind"
    );
    let bytes = fs::read(dir.path().join("base.json")).unwrap();
    let second = compare(dir.path(), &["models"]);
    let report = second.expect(0, "clean", true);
    assert_eq!(
        (second.stderr.as_str(), &report["summary"]["suppressed"]),
        ("", &json!(items.len()))
    );
    assert_eq!(
        findings(&report),
        ["ip-literal-url"],
        "info is not accepted, and does not count"
    );
    assert_eq!(
        fs::read(dir.path().join("base.json")).unwrap(),
        bytes,
        "a present file is not written"
    );
    let text = run_in(dir.path(), &["scan", "models", "--baseline", "base.json", "-v"]).stdout;
    assert!(text.contains("allowed by baseline: in base.json"), "{text}");
    fs::remove_file(dir.path().join("base.json")).unwrap();
    compare(dir.path(), &["models", "--jobs", "1"]);
    assert_eq!(
        fs::read(dir.path().join("base.json")).unwrap(),
        bytes,
        "the same findings give the same file"
    );
}

#[test]
fn what_is_new_counts_and_what_moved_does_not() {
    let dir = temp();
    models(dir.path());
    compare(dir.path(), &["models"]);
    fs::rename(dir.path().join("models"), dir.path().join("moved")).unwrap();
    compare(dir.path(), &["moved"]).expect(0, "clean", true);
    let grown = [b"\x00\x01 longer now ".as_slice(), b"http://0x08080404/ \xfe\xff"].concat();
    put(dir.path(), "moved/medium", &grown);
    compare(dir.path(), &["moved"]).expect(0, "clean", true);
    let mut high = bytes_of(Some("high"));
    high.push(b'!');
    put(dir.path(), "moved/high", &high);
    let run = compare(dir.path(), &["moved"]);
    assert_eq!(
        findings(&run.expect(1, "findings", true)),
        ["trailing-bytes", "ip-literal-url"]
    );
    assert!(
        run.stderr.contains("1 baseline entry no longer occurs"),
        "{}",
        run.stderr
    );
    put(dir.path(), "moved/high", &bytes_of(None));
    put(dir.path(), "moved/medium", &bytes_of(None));
    let run = compare(dir.path(), &["moved"]);
    run.expect(0, "clean", true);
    assert!(
        run.stderr.contains("2 baseline entries no longer occur"),
        "{}",
        run.stderr
    );
    put(dir.path(), "moved/medium", b"\x00\x01 http://0x08080405/ \xfe\xff");
    compare(dir.path(), &["moved"]).expect(1, "findings", true);
}

#[test]
fn what_has_become_worse_is_new() {
    let dir = temp();
    put(dir.path(), "update", b"\x00\x01 http://8.8.8.8/ \xfe\xff");
    compare(dir.path(), &["update"]).expect(0, "clean", true);
    let print = |report: &Value| report["artifacts"][0]["findings"][0]["fingerprint"].clone();
    put(dir.path(), "update", b"\x00\x01 http://0x08080808/ \xfe\xff");
    let hidden = compare(dir.path(), &["update"]).expect(1, "findings", true);
    assert_eq!(print(&hidden), baseline(dir.path())["findings"][0]["fingerprint"]);
}

#[test]
fn what_was_not_examined_is_never_accepted() {
    let dir = temp();
    put(dir.path(), "models/low", &bytes_of(Some("low")));
    symlink("nowhere", dir.path().join("models/dangling")).unwrap();
    compare(dir.path(), &["models"]).expect(3, "incomplete", false);
    compare(dir.path(), &["models"]).expect(3, "incomplete", false);
}

#[test]
fn a_finding_whose_artifact_has_no_digest_is_left_out_and_that_is_told() {
    let dir = temp();
    models(dir.path());
    let run = compare(dir.path(), &["models/model.pt", "--depth", "quick"]);
    assert_eq!(run.json()["summary"]["findings"]["critical"], 1);
    assert!(run.stderr.contains("with 0 findings; 1 left out"), "{}", run.stderr);
    assert_eq!(baseline(dir.path())["findings"], json!([]));
    assert_eq!(compare(dir.path(), &["models/model.pt"]).code, 1);
}

#[test]
fn policy_comes_first_and_what_it_allows_enters_no_baseline() {
    let dir = temp();
    put(dir.path(), "medium", &bytes_of(Some("medium")));
    put(
        dir.path(),
        "probity.toml",
        b"version = 1\n[[allow]]\ncode = \"ip-literal-url\"\nreason = \"r\"\n",
    );
    compare(dir.path(), &["medium", "--policy", "probity.toml"]).expect(0, "clean", true);
    assert_eq!(baseline(dir.path())["findings"], json!([]));
    compare(dir.path(), &["medium"]).expect(1, "findings", true);
}

#[test]
fn what_is_no_baseline_is_refused_before_anything_is_scanned() {
    let dir = temp();
    put(dir.path(), "high", &bytes_of(Some("high")));
    compare(dir.path(), &["high"]);
    let whole = baseline(dir.path());
    let edit = |change: &dyn Fn(&mut Value)| {
        let mut value = whole.clone();
        change(&mut value);
        value.to_string().into_bytes()
    };
    let cases: [(Vec<u8>, &str); 9] = [
        (Vec::new(), "remove the file to have it written"),
        (b"{".to_vec(), "not a baseline"),
        (b"\xff\xfe".to_vec(), "not a baseline"),
        ("[".repeat(100_000).into_bytes(), "not a baseline"),
        (
            edit(&|v| v["schema"] = json!("probity.baseline/2")),
            "probity.baseline/2",
        ),
        (edit(&|v| v["schema"] = json!("\u{1b}[31m")), "this build reads"),
        (
            edit(&|v| v["findings"][0]["sha256"] = Value::Null),
            "needs the artifact's sha256",
        ),
        (
            edit(&|v| v["findings"][0]["sha256"] = json!("12")),
            "64 hexadecimal digits",
        ),
        (
            edit(&|v| v["findings"][0]["severity"] = json!("grave")),
            "not a baseline",
        ),
    ];
    for (bytes, says) in cases {
        put(dir.path(), "base.json", &bytes);
        let run = compare(dir.path(), &["high"]);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
        assert!(
            run.stderr.starts_with("probity: --baseline base.json: "),
            "{}",
            run.stderr
        );
        assert!(
            run.stderr.contains(says) && run.stderr.lines().count() == 1,
            "{says}: {}",
            run.stderr
        );
        assert!(!run.stderr.contains('\u{1b}'));
        assert_eq!(
            fs::read(dir.path().join("base.json")).unwrap(),
            bytes,
            "it is left as it is"
        );
    }
    put(
        dir.path(),
        "base.json",
        &edit(&|v| v["tool"]["version"] = json!("99.0.0")),
    );
    compare(dir.path(), &["high"]).expect(0, "clean", true);
    let nowhere = ["scan", "high", "--baseline", "no/such/base.json", "--output", "report"];
    let run = run_in(dir.path(), &nowhere);
    assert!(
        run.code == 2 && run.stderr.contains("cannot write --baseline"),
        "{}",
        run.stderr
    );
    assert!(!dir.path().join("report").exists());
    let run = run_in(
        dir.path(),
        &["scan", "high", "--baseline", "base.json", "--output", "base.json"],
    );
    assert!(
        run.code == 2 && run.stderr.contains("is the policy or the baseline"),
        "{}",
        run.stderr
    );
    symlink("nowhere", dir.path().join("link.json")).unwrap();
    assert_eq!(run_in(dir.path(), &["scan", "high", "--baseline", "link.json"]).code, 2);
}

#[test]
fn a_baseline_inside_what_is_scanned_is_not_among_it_when_it_is_written() {
    let dir = temp();
    put(dir.path(), "low", &bytes_of(Some("low")));
    let mut command = probity();
    command
        .current_dir(dir.path())
        .args(["scan", "--format", "json", ".", "--baseline", "base.json"]);
    let report = run(command, Stdio::null()).expect(0, "clean", true);
    assert_eq!(report["summary"]["artifacts"], 2, "{report}");
}

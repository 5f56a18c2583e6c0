//! `--policy`: what is allowed counts for nothing and is told; a mistake ends the run before it begins.

use crate::common::{Run, artifacts, bytes_of, findings, put, run_in, scan, scrubbed, temp};
use serde_json::Value;
use std::path::Path;

const TORCH: &str = "models/model.pt";

fn fixture(name: &str) -> Vec<u8> {
    let all = probity_tests::samples::hostile();
    all.into_iter().find(|h| h.name == name).unwrap().bytes
}

/// A model that runs code, an address at `medium`, a stream and a model with hidden bytes.
fn models(dir: &Path) {
    put(dir, TORCH, &fixture("torch-zip-system"));
    put(dir, "models/update.bin", &bytes_of(Some("medium")));
    put(dir, "models/old.gz", &bytes_of(Some("high")));
    put(dir, "models/hole.safetensors", &fixture("safetensors-hole"));
}

fn policy(dir: &Path, entries: &str) {
    put(dir, "probity.toml", format!("version = 1\n{entries}").as_bytes());
}

fn under_policy(dir: &Path, args: &[&str]) -> Run {
    scan(dir, &[&["--policy", "probity.toml"][..], args].concat())
}

/// Every allowed finding of a report: its artifact's path, its code, who allows it.
fn suppressed(report: &Value) -> Vec<(String, String, String)> {
    let text = |v: &Value| v.as_str().unwrap().to_owned();
    artifacts(report)
        .iter()
        .flat_map(|a| a["suppressed"].as_array().unwrap().iter().map(move |s| (a, s)))
        .map(|(a, s)| (text(&a["path"]), text(&s["code"]), text(&s["by"])))
        .collect()
}

fn sha256_of(report: &Value, code: &str) -> String {
    let holds = |a: &&Value| a["findings"].as_array().unwrap().iter().any(|f| f["code"] == code);
    let artifact = artifacts(report).iter().find(holds).unwrap();
    artifact["digests"]["sha256"].as_str().unwrap().to_owned()
}

#[test]
fn what_is_allowed_counts_for_no_verdict_and_is_listed_with_its_line_and_reason() {
    let dir = temp();
    models(dir.path());
    let plain = scan(dir.path(), &["models"]).expect(1, "findings", true);
    assert_eq!(plain["summary"]["suppressed"], 0);
    let callable = sha256_of(&plain, "unsafe-callable");
    policy(
        dir.path(),
        &format!(
            "[[allow]]\ncode = \"unsafe-callable\"\nsha256 = \"{callable}\"\nreason = \"read by hand\"\n\
             [[allow]]\ncode = \"trailing-bytes\"\npath = \"models/*.gz\"\nreason = \"ours\"\nexpires = 2999-12-31\n\
             [[severity]]\ncode = \"ip-literal-url\"\nlevel = \"low\"\n\
             [[allow]]\ncode = \"unclaimed-bytes\"\nformat = \"safetensors\"\nregion = \"unclaimed\"\nnested = \"\"\n\
             reason = \"old exporter\"\n"
        ),
    );
    let run = under_policy(dir.path(), &["models"]);
    let report = run.expect(0, "clean", true);
    assert_eq!(run.stderr, "");
    let found = suppressed(&report);
    assert!(
        found.contains(&(TORCH.into(), "unsafe-callable".into(), "probity.toml:2".into())),
        "{found:?}"
    );
    assert!(
        found.contains(&("models/old.gz".into(), "trailing-bytes".into(), "probity.toml:6".into())),
        "{found:?}"
    );
    assert_eq!(report["summary"]["suppressed"], found.len());
    assert!(!findings(&report).contains(&"unsafe-callable"));
    assert_eq!(report["summary"]["findings"]["critical"], 0);
    assert_eq!(report["summary"]["findings"]["high"], 0);
    for artifact in artifacts(&report) {
        assert_eq!(artifact["verdict"], "clean", "{artifact}");
        for s in artifact["suppressed"].as_array().unwrap() {
            for key in ["severity", "message", "fingerprint", "region", "reason"] {
                assert!(s[key].is_string(), "{key} in {s}");
            }
            assert!(s["offset"].is_u64() && s["length"].is_u64(), "{s}");
        }
    }
    under_policy(dir.path(), &["models", "--fail-on", "low"]).expect(1, "findings", true);
    let jobs = |n: &str| scrubbed(under_policy(dir.path(), &["models", "--jobs", n]).json());
    assert_eq!(jobs("1"), jobs("8"));
}

#[test]
fn people_see_how_many_are_allowed_and_with_v_which_and_why() {
    let dir = temp();
    put(dir.path(), "old.gz", &bytes_of(Some("high")));
    policy(
        dir.path(),
        "[[allow]]\ncode = \"trailing-bytes\"\nreason = \"our \\u001b[31m archiver\"\n",
    );
    let brief = run_in(dir.path(), &["scan", "old.gz", "--policy", "probity.toml"]);
    assert_eq!((brief.code, brief.stderr.as_str()), (0, ""));
    assert!(
        brief.stdout.contains("no findings, 1 suppressed (-v shows them)"),
        "{}",
        brief.stdout
    );
    assert!(!brief.stdout.contains("archiver"), "{}", brief.stdout);
    let full = run_in(dir.path(), &["scan", "old.gz", "--policy", "probity.toml", "-v"]).stdout;
    assert!(full.contains("allowed   trailing-bytes"), "{full}");
    assert!(
        full.contains("high, allowed by probity.toml:2: our %1B[31m archiver"),
        "{full}"
    );
    assert!(full.contains(", 1 suppressed;"), "{full}");
}

#[test]
fn a_severity_entry_raises_and_lowers_where_its_scope_holds() {
    let dir = temp();
    models(dir.path());
    put(dir.path(), "other/update.bin", &bytes_of(Some("medium")));
    policy(
        dir.path(),
        "[[severity]]\ncode = \"ip-literal-url\"\nlevel = \"critical\"\n\
         [[severity]]\ncode = \"ip-literal-url\"\npath = \"models/**\"\nlevel = \"info\"\nreason = \"our server\"\n",
    );
    let level = |report: &Value| report["summary"]["findings"]["critical"].as_u64();
    assert_eq!(
        level(&under_policy(dir.path(), &["models/update.bin"]).expect(0, "clean", true)),
        Some(0)
    );
    assert_eq!(
        level(&under_policy(dir.path(), &["./models/update.bin"]).expect(0, "clean", true)),
        Some(0)
    );
    assert_eq!(
        level(&under_policy(dir.path(), &["other"]).expect(1, "findings", true)),
        Some(1)
    );
}

#[test]
fn a_digest_is_that_of_the_artifact_or_of_what_holds_it_and_quick_scans_have_none() {
    let dir = temp();
    models(dir.path());
    let plain = scan(dir.path(), &[TORCH]).json();
    let root = artifacts(&plain)[0]["digests"]["sha256"].as_str().unwrap().to_owned();
    policy(
        dir.path(),
        &format!("[[allow]]\ncode = \"unsafe-callable\"\nsha256 = \"{root}\"\nreason = \"r\"\n"),
    );
    let allowed = under_policy(dir.path(), &[TORCH]).expect(0, "clean", true);
    assert_eq!(allowed["summary"]["suppressed"], 1);
    let quick = under_policy(dir.path(), &[TORCH, "--depth", "quick"]);
    assert_eq!(quick.json()["summary"]["suppressed"], 0);
    let mut changed = fixture("torch-zip-system");
    *changed.last_mut().unwrap() ^= 1;
    put(dir.path(), TORCH, &changed);
    assert_eq!(
        under_policy(dir.path(), &[TORCH]).code,
        1,
        "other bytes are not allowed"
    );
}

#[test]
fn an_entry_that_matched_nothing_is_told_and_errors_are_never_allowed() {
    let dir = temp();
    put(dir.path(), "bomb.zip", &fixture("zip-bomb"));
    let plain = scan(dir.path(), &["bomb.zip"]).expect(1, "findings", false);
    assert!(findings(&plain).contains(&"archive-bomb"));
    policy(
        dir.path(),
        "[[allow]]\ncode = \"archive-bomb\"\nreason = \"r\"\n[[allow]]\ncode = \"malformed\"\nsigner = \"x\"\nreason = \"r\"\n",
    );
    let run = under_policy(dir.path(), &["bomb.zip"]);
    run.expect(3, "incomplete", false);
    assert_eq!(
        run.stderr,
        "probity: warning: probity.toml:5: this allow entry for malformed matched nothing\n"
    );
}

#[test]
fn a_policy_is_read_from_the_command_line_only() {
    let dir = temp();
    put(dir.path(), "models/update.bin", &bytes_of(Some("medium")));
    put(
        dir.path(),
        "models/probity.toml",
        b"version = 1\n[[allow]]\ncode = \"ip-literal-url\"\nreason = \"r\"\n",
    );
    assert_eq!(run_in(&dir.path().join("models"), &["scan", "."]).code, 1);
    assert_eq!(scan(dir.path(), &["models"]).code, 1);
    scan(dir.path(), &["models", "--policy", "models/probity.toml"]).expect(0, "clean", true);
}

#[track_caller]
fn refused(run: &Run, says: &[&str]) {
    assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{}", run.stderr);
    for text in says {
        assert!(run.stderr.contains(text), "{text:?} in {}", run.stderr);
    }
    assert!(!run.stderr.contains('\u{1b}'), "{:?}", run.stderr);
}

#[test]
fn a_mistake_is_told_with_its_line_before_anything_is_scanned() {
    let dir = temp();
    put(dir.path(), "file", &bytes_of(Some("high")));
    let entry =
        |line: &str| format!("version = 1\n[[allow]]\ncode = \"malformed\"\nreason = \"r\"\n{line}\n").into_bytes();
    let cases: [(Vec<u8>, &[&str]); 9] = [
        (
            entry("pth = \"a\""),
            &[
                "error: unknown key `pth`",
                " --> probity.toml:5:1",
                "5 | pth = \"a\"",
                "help:",
            ],
        ),
        (entry("code = \"truncated\""), &["duplicate key", "probity.toml:5:1"]),
        (
            entry("expires = 2020-01-01"),
            &[
                "this entry expired on 2020-01-01",
                "probity.toml:5:11",
                "review the finding again",
            ],
        ),
        (entry("expires = 2027-02-30"), &["probity.toml:5:"]),
        (entry("path = \"[\""), &["not a glob", "probity.toml:5:8"]),
        (entry("path = \"\u{1b}[31m\""), &["probity.toml:5:"]),
        (b"version = 1\n# caf\xe9".to_vec(), &["not UTF-8", "probity.toml:2:6"]),
        (
            b"version = 1\n[[allow]]\ncode = \"unsafe-callable\"\nreason = \"r\"\n".to_vec(),
            &[
                "an allow entry for a critical code must name the artifact's sha256",
                "probity.toml:3:8",
            ],
        ),
        (
            vec![b'#'; 10 << 20],
            &["probity: --policy probity.toml: larger than 1 MiB"],
        ),
    ];
    for (bytes, says) in cases {
        put(dir.path(), "probity.toml", &bytes);
        let args = ["scan", "file", "--output", "report", "--policy", "probity.toml"];
        refused(&run_in(dir.path(), &args), says);
        assert!(!dir.path().join("report").exists());
    }
    put(dir.path(), "probity.toml", &entry("pth = 1"));
    let coloured = run_in(
        dir.path(),
        &["scan", "file", "--policy", "probity.toml", "--color", "always"],
    );
    assert!(coloured.stderr.contains("\u{1b}["));
    refused(
        &run_in(dir.path(), &["scan", "file", "--policy", "missing.toml"]),
        &["probity: --policy missing.toml: "],
    );
    refused(
        &run_in(dir.path(), &["scan", "file", "--policy", "."]),
        &["probity: --policy .: "],
    );
    put(dir.path(), "probity.toml", b"version = 1\n");
    let output = ["scan", "file", "--policy", "probity.toml", "--output", "./probity.toml"];
    refused(&run_in(dir.path(), &output), &["is the policy or the baseline"]);
}

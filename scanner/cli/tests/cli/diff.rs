//! `diff`: exit codes, the three formats, and what is empty.

use crate::common::{Run, put, run_in, temp};
use probity_tests::build::gzip::gzip;
use probity_tests::build::pairs::Model;
use probity_tests::build::tar::{Entry, Tar};
use serde_json::Value;
use std::path::Path;

fn diff(dir: &Path, args: &[&str]) -> Run {
    run_in(dir, &[&["diff", "--no-progress"], args].concat())
}

fn json(dir: &Path, args: &[&str]) -> (i32, Value) {
    let run = diff(dir, &[&["--format", "json"], args].concat());
    (run.code, run.json())
}

fn package(version: &str, script: Option<&str>) -> Vec<u8> {
    let scripts = script.map_or_else(String::new, |s| format!(r#","scripts":{{"postinstall":"{s}"}}"#));
    let manifest = format!(r#"{{"name":"agent","version":"{version}"{scripts}}}"#);
    gzip(
        &Tar::of(vec![
            Entry::file("package/package.json", manifest.as_bytes()),
            Entry::file("package/cli.js", format!("console.log('{version}')\n").as_bytes()),
        ])
        .build(),
    )
}

#[test]
fn identical_copies_give_nothing_and_exit_0() {
    let dir = temp();
    for (name, bytes) in [("a.tgz", package("1.0.0", None)), ("b.tgz", package("1.0.0", None))] {
        put(dir.path(), name, &bytes);
    }
    let run = diff(dir.path(), &["a.tgz", "b.tgz"]);
    assert_eq!((run.code, run.stdout.as_str(), run.stderr.as_str()), (0, "", ""));
    let (code, document) = json(dir.path(), &["a.tgz", "b.tgz"]);
    assert_eq!(
        (code, &document["schema"], &document["identical"]),
        (0, &"probity.diff/1".into(), &true.into())
    );
    assert_eq!(document["changes"], serde_json::json!([]));
    let run = diff(dir.path(), &["--format", "markdown", "a.tgz", "b.tgz"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, "## Probity diff: identical\n"));
}

#[test]
fn a_new_install_script_comes_first_and_decides_the_exit_code() {
    let dir = temp();
    put(dir.path(), "old.tgz", &package("1.0.0", None));
    put(dir.path(), "new.tgz", &package("1.0.1", Some("node cli.js")));
    let (code, document) = json(dir.path(), &["old.tgz", "new.tgz"]);
    assert_eq!((code, &document["verdict"]), (1, &"findings".into()));
    let first = &document["changes"][0];
    assert_eq!(
        (&first["code"], &first["case"], &first["severity"]),
        (&"diff-script".into(), &"added".into(), &"medium".into())
    );
    assert_eq!(first["evidence"]["command"], "node cli.js");
    assert_eq!(first["new"]["path"], "new.tgz");
    let severities: Vec<&str> = document["changes"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|c| c["severity"].as_str())
        .collect();
    let rank = |s: &&str| {
        ["critical", "high", "medium", "low", "info"]
            .iter()
            .position(|x| x == s)
    };
    assert!(severities.is_sorted_by_key(rank), "{severities:?}");
    for (threshold, expected) in [("high", 0), ("never", 0), ("info", 1), ("medium", 1)] {
        assert_eq!(
            diff(dir.path(), &["--fail-on", threshold, "old.tgz", "new.tgz"]).code,
            expected,
            "{threshold}"
        );
    }
    let text = diff(dir.path(), &["old.tgz", "new.tgz"]).stdout;
    assert!(
        text.contains("diff-script (added): postinstall is new: `node cli.js`"),
        "{text}"
    );
    assert!(text.lines().last().unwrap().starts_with("findings: 1 medium"), "{text}");
    let page = diff(dir.path(), &["--format", "markdown", "old.tgz", "new.tgz"]).stdout;
    assert!(page.starts_with("## Probity diff: needs a look\n"), "{page}");
    let row = page
        .lines()
        .find(|l| l.starts_with("| medium | diff-script (added) |"))
        .unwrap();
    assert!(row.contains("%60node cli.js%60"), "no code span ends early: {row}");
}

#[test]
fn an_edited_model_is_shown_with_its_rank() {
    let dir = temp();
    put(dir.path(), "base.safetensors", &Model::new(4).safetensors("F32"));
    let edited = Model::new(4).low_rank("layers.2.mlp.down_proj", 1, 0.3);
    put(dir.path(), "edited.safetensors", &edited.safetensors("F32"));
    let (code, document) = json(dir.path(), &["base.safetensors", "edited.safetensors"]);
    assert_eq!(code, 1);
    let model = &document["model"];
    assert_eq!(
        (&model["looks"], &model["tensors"]["identical"]),
        (&"edited".into(), &20.into())
    );
    let change = &model["changes"][0];
    assert_eq!(
        (&change["kind"], &change["rank"]["effective"]),
        (&"low-rank".into(), &1.into())
    );
    assert_eq!(document["changes"][0]["code"], "tensor-low-rank-edit");
    let text = diff(dir.path(), &["base.safetensors", "edited.safetensors"]).stdout;
    assert!(
        text.contains("model  edited: rank one in model.layers.2.mlp.down_proj.weight"),
        "{text}"
    );
    // The same, whatever the number of threads.
    let one = diff(
        dir.path(),
        &["--format", "json", "-j", "1", "base.safetensors", "edited.safetensors"],
    )
    .stdout;
    let four = diff(
        dir.path(),
        &["--format", "json", "-j", "4", "base.safetensors", "edited.safetensors"],
    )
    .stdout;
    assert_eq!(one, four);
}

#[test]
fn what_is_not_there_or_not_to_be_written_is_a_usage_error() {
    let dir = temp();
    put(dir.path(), "a", b"text\n");
    for args in [
        vec!["a", "missing"],
        vec!["missing", "a"],
        vec!["a", "-"],
        vec!["a"],
        vec!["--output", "a", "a", "a"],
    ] {
        let run = diff(dir.path(), &args);
        assert_eq!((run.code, run.stdout.as_str()), (2, ""), "{args:?}: {}", run.stderr);
    }
    put(dir.path(), "b", b"other text\n");
    let run = diff(dir.path(), &["--output", "report.json", "--format", "json", "a", "b"]);
    assert_eq!((run.code, run.stdout.as_str()), (0, ""));
    let written: Value = serde_json::from_slice(&std::fs::read(dir.path().join("report.json")).unwrap()).unwrap();
    assert_eq!(written["changes"][0]["case"], "changed");
}

#[test]
fn what_was_not_examined_is_incomplete() {
    let dir = temp();
    let whole = Model::new(1).safetensors("F32");
    put(dir.path(), "a", &whole);
    put(dir.path(), "b", &whole[..whole.len() - 100]);
    let (code, document) = json(dir.path(), &["--fail-on", "never", "a", "b"]);
    assert_eq!((code, &document["complete"]), (3, &false.into()));
    assert_eq!(document["model"]["kinds"]["unread"], 1);
}

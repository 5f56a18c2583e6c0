//! Symbolic links: what is followed, what is met under its own name, and what is said not to have been followed.

use crate::common::{errors, files, plain, put, root, scan, temp};
use serde_json::Value;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

fn link(dir: &Path, name: &str, target: impl AsRef<Path>) {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    symlink(target, path).unwrap();
}

#[track_caller]
fn not_followed(report: &Value, paths: &[&str]) {
    for path in paths {
        assert_eq!(errors(root(report, path)), ["not-followed"], "{path}");
    }
}

#[test]
fn a_link_to_what_the_walk_meets_anyway_adds_nothing() {
    let dir = temp();
    put(dir.path(), "t/real/file", &plain());
    link(dir.path(), "t/to-file", "real/file");
    link(dir.path(), "t/to-dir", "real");
    link(dir.path(), "t/absolute", dir.path().join("t/real/file"));
    link(dir.path(), "t/chain-1", "chain-2");
    link(dir.path(), "t/chain-2", "chain-3");
    link(dir.path(), "t/chain-3", "real/../real/file");
    let report = scan(dir.path(), &["t"]).expect(0, "clean", true);
    assert_eq!(files(&report), ["t/real/file"]);
}

#[test]
fn a_link_that_leads_out_or_nowhere_or_round_is_said_and_makes_the_scan_incomplete() {
    let dir = temp();
    put(dir.path(), "secret", &plain());
    put(dir.path(), "outside/file", &plain());
    put(dir.path(), "t/sub/file", &plain());
    link(dir.path(), "t/out-file", "../secret");
    link(dir.path(), "t/out-dir", "../outside");
    link(dir.path(), "t/out-chain", "out-file");
    link(dir.path(), "t/dangling", "nowhere");
    link(dir.path(), "t/itself", "itself");
    link(dir.path(), "t/ring-a", "ring-b");
    link(dir.path(), "t/ring-b", "ring-a");
    link(dir.path(), "t/sub/up", "..");
    link(dir.path(), "t/sub/here", ".");
    link(dir.path(), "t/beside", "../t-sibling/file");
    put(dir.path(), "t-sibling/file", &plain());
    let report = scan(dir.path(), &["t"]).expect(3, "incomplete", false);
    not_followed(
        &report,
        &[
            "t/out-file",
            "t/out-dir",
            "t/out-chain",
            "t/dangling",
            "t/itself",
            "t/ring-a",
            "t/ring-b",
            "t/sub/up",
            "t/sub/here",
            "t/beside",
        ],
    );
    assert_eq!(root(&report, "t/sub/file")["verdict"], "clean");
    assert_eq!(root(&report, "t")["complete"], false);
    assert_eq!(files(&report).len(), 11);
}

#[test]
fn an_argument_is_followed_wherever_it_leads() {
    let dir = temp();
    put(dir.path(), "real/file", &plain());
    link(dir.path(), "l/file", "../real/file");
    link(dir.path(), "l/dir", "../real");
    let report = scan(dir.path(), &["l/file", "l/dir"]).expect(0, "clean", true);
    assert_eq!(files(&report), ["l/file", "l/dir/file"]);
}

/// A Hugging Face cache: two revisions share a blob.
fn cache(dir: &Path) {
    put(dir, "models--x/blobs/0123abcd", &plain());
    put(dir, "models--x/blobs/4567ef01", b"\0other\xff");
    for revision in ["r1", "r2"] {
        link(
            dir,
            &format!("models--x/snapshots/{revision}/model.bin"),
            "../../blobs/0123abcd",
        );
    }
    link(dir, "models--x/snapshots/r1/again.bin", "../../blobs/0123abcd");
    link(dir, "models--x/snapshots/r1/sub/other.bin", "../../../blobs/4567ef01");
    put(dir, "models--x/refs/main", b"r1");
}

#[test]
fn a_model_cache_is_scanned_once_for_each_blob() {
    let dir = temp();
    cache(dir.path());
    let report = scan(dir.path(), &["models--x"]).expect(0, "clean", true);
    assert_eq!(
        files(&report),
        [
            "models--x/blobs/0123abcd",
            "models--x/blobs/4567ef01",
            "models--x/refs/main"
        ]
    );
}

#[test]
fn a_snapshot_of_a_model_cache_leads_to_its_blobs_once_each() {
    let dir = temp();
    cache(dir.path());
    let report = scan(dir.path(), &["models--x/snapshots/r1"]).expect(0, "clean", true);
    let expected = [
        "models--x/snapshots/r1/again.bin",
        "models--x/snapshots/r1/sub/other.bin",
    ];
    assert_eq!(files(&report), expected);
    assert_eq!(report["summary"]["bytes"].as_u64(), Some(plain().len() as u64 + 7));
    let report = scan(dir.path(), &["models--x/snapshots"]).expect(0, "clean", true);
    assert_eq!(files(&report).len(), 2, "two revisions share a blob");
}

#[test]
fn a_snapshot_reaches_into_no_other_cache_and_past_no_blobs() {
    let dir = temp();
    cache(dir.path());
    put(dir.path(), "models--y/blobs/8888", &plain());
    put(dir.path(), "models--x/other/9999", &plain());
    link(
        dir.path(),
        "models--x/snapshots/r3/y.bin",
        "../../../models--y/blobs/8888",
    );
    link(dir.path(), "models--x/snapshots/r3/z.bin", "../../other/9999");
    link(dir.path(), "models--x/snapshots/r3/gone.bin", "../../blobs/0000");
    let report = scan(dir.path(), &["models--x/snapshots/r3"]).expect(3, "incomplete", false);
    let paths = ["y.bin", "z.bin", "gone.bin"].map(|n| format!("models--x/snapshots/r3/{n}"));
    not_followed(&report, &[&paths[0], &paths[1], &paths[2]]);
}

#[test]
fn hard_links_are_files_like_any_other() {
    let dir = temp();
    let first = put(dir.path(), "t/a", &plain());
    fs::hard_link(&first, dir.path().join("t/b")).unwrap();
    let report = scan(dir.path(), &["t"]).expect(0, "clean", true);
    assert_eq!(files(&report), ["t/a", "t/b"]);
}

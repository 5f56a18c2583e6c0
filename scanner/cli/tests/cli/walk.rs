//! The walk: nothing is skipped quietly, and what the user leaves out is counted and shown.

use crate::common::{errors, files, is_root, plain, probity_unprivileged, put, root, run, run_in, scan, skip, temp};
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Stdio;

#[test]
fn hidden_and_ignored_files_are_scanned() {
    let dir = temp();
    let names = [
        "t/.dockerignore",
        "t/.git/config",
        "t/.git/info/exclude",
        "t/.gitignore",
        "t/.hidden/.deep/file",
        "t/.ignore",
        "t/.rgignore",
        "t/build/ignored.bin",
        "t/node_modules/x/index",
        "t/visible",
    ];
    for name in names {
        put(dir.path(), name, b"*\n");
    }
    let report = scan(dir.path(), &["t"]).expect(0, "clean", true);
    assert_eq!(files(&report), names);
    assert_eq!(report["summary"]["excluded"], 0);
}

#[test]
fn what_is_excluded_is_counted_and_shown() {
    let dir = temp();
    for name in [
        "t/keep",
        "t/a.log",
        "t/sub/b.log",
        "t/sub/keep",
        "t/cache/1",
        "t/cache/2",
        "t/sub/cache/3",
    ] {
        put(dir.path(), name, &plain());
    }
    for (globs, kept, excluded) in [
        (
            &["*.log"][..],
            &["t/cache/1", "t/cache/2", "t/keep", "t/sub/cache/3", "t/sub/keep"][..],
            2,
        ),
        (&["cache"], &["t/a.log", "t/keep", "t/sub/b.log", "t/sub/keep"], 2),
        (&["sub/*"], &["t/a.log", "t/cache/1", "t/cache/2", "t/keep"], 3),
        (&["*.log", "cache", "keep"], &[], 6),
        (
            &["t"],
            &[
                "t/a.log",
                "t/cache/1",
                "t/cache/2",
                "t/keep",
                "t/sub/b.log",
                "t/sub/cache/3",
                "t/sub/keep",
            ],
            0,
        ),
    ] {
        let args: Vec<&str> = globs.iter().flat_map(|g| ["--exclude", g]).chain(["t"]).collect();
        let report = scan(dir.path(), &args).expect(0, "clean", true);
        assert_eq!(files(&report), kept, "{globs:?}");
        assert_eq!(report["summary"]["excluded"], excluded, "{globs:?}");
    }
    let text = run_in(dir.path(), &["scan", "--exclude", "*.log", "t"]);
    assert!(text.stdout.contains("2 excluded"), "{}", text.stdout);
}

#[test]
fn empty_files_and_directories_are_clean() {
    let dir = temp();
    fs::create_dir_all(dir.path().join("t/empty/dir")).unwrap();
    put(dir.path(), "t/nothing", b"");
    let report = scan(dir.path(), &["t", "t/empty", "t/nothing"]).expect(0, "clean", true);
    assert_eq!(files(&report), ["t/nothing", "t/nothing"]);
    let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    assert_eq!(root(&report, "t/nothing")["digests"]["sha256"], empty);
    assert_eq!(root(&report, "t/empty")["size"], 0);
}

#[test]
fn five_thousand_files_are_all_there_in_order() {
    let dir = temp();
    for n in 0..5000 {
        put(
            dir.path(),
            format!("t/{:02}/{n:04}", n % 50),
            format!("\0{n}\u{ff}").as_bytes(),
        );
    }
    let run = scan(dir.path(), &["t"]);
    let report = run.expect(0, "clean", true);
    let files = files(&report);
    assert_eq!(files.len(), 5000);
    assert!(files.is_sorted());
    assert!(run.peak < 256 << 10, "{} KiB", run.peak);
}

#[test]
fn two_hundred_levels_of_directories_are_walked() {
    let dir = temp();
    let deep = "d/".repeat(200);
    put(dir.path(), format!("t/{deep}file"), &plain());
    let report = scan(dir.path(), &["t"]).expect(0, "clean", true);
    assert_eq!(files(&report), [format!("t/{deep}file")]);
}

#[test]
fn a_tree_deeper_than_a_path_may_be_long_is_incomplete() {
    use rustix::fs::{CWD, Mode, OFlags, mkdirat, openat};
    let dir = temp();
    let open = |at: &dyn Fn(OFlags) -> rustix::io::Result<rustix::fd::OwnedFd>| {
        at(OFlags::DIRECTORY | OFlags::RDONLY).unwrap()
    };
    let mut here = open(&|flags| openat(CWD, dir.path(), flags, Mode::empty()));
    let name = "d".repeat(200);
    for _ in 0..30 {
        mkdirat(&here, &name, Mode::RWXU).unwrap();
        here = open(&|flags| openat(&here, &name, flags, Mode::empty()));
    }
    scan(dir.path(), &["."]).expect(3, "incomplete", false);
}

#[test]
fn what_permissions_close_is_unreadable_and_incomplete() {
    let dir = temp();
    for name in ["t/open", "t/closed-file", "t/closed-dir/file", "t/no-search/file"] {
        put(dir.path(), name, &plain());
    }
    let Some(_) = probity_unprivileged(dir.path()) else {
        return skip("no way to a user whom permissions bind");
    };
    let close = |name: &str, mode| fs::set_permissions(dir.path().join(name), Permissions::from_mode(mode)).unwrap();
    close("t/closed-file", 0o000);
    close("t/closed-dir", 0o000);
    close("t/no-search", 0o444);
    close("t", 0o755);
    let report = |args: &[&str]| {
        let mut command = probity_unprivileged(dir.path()).unwrap();
        command
            .current_dir(dir.path())
            .args(["scan", "--format", "json"])
            .args(args);
        run(command, Stdio::null()).expect(3, "incomplete", false)
    };
    let whole = report(&["t"]);
    for path in ["t/closed-file", "t/closed-dir", "t/no-search/file"] {
        assert_eq!(errors(root(&whole, path)), ["unreadable"], "{path}");
    }
    assert_eq!(root(&whole, "t/open")["verdict"], "clean");
    for argument in ["t/closed-file", "t/closed-dir", "t/closed-dir/file"] {
        assert_eq!(files(&report(&[argument])), [argument]);
    }
    close("t/closed-dir", 0o755);
    close("t/no-search", 0o755);
    assert!(
        !is_root() || scan(dir.path(), &["t"]).code == 0,
        "root is not bound by them"
    );
}

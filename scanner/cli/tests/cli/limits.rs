//! Archives that are larger inside than out: a limit is reached in bounded time and memory, and says so.

use crate::common::{Run, artifacts, errors, findings, is_root, plain, put, root, run, run_fed, scan, skip, temp};
use probity_tests::build::{gzip, quine};
use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

#[track_caller]
fn bounded(run: &Run) {
    assert!(run.took < Duration::from_secs(30), "{:?}", run.took);
    assert!(run.peak < 256 << 10, "{} KiB", run.peak);
}

#[test]
fn a_bomb_is_a_finding_and_incomplete() {
    let dir = temp();
    let bomb = gzip::bomb(8 << 30, usize::MAX);
    put(dir.path(), "bomb.gz", &bomb);
    put(dir.path(), "twice.gz", &gzip::gzip(&bomb));
    put(dir.path(), "members.gz", &gzip::bomb_members(40, 16));
    for name in ["bomb.gz", "twice.gz", "members.gz"] {
        let run = scan(dir.path(), &[name]);
        bounded(&run);
        let report = run.expect(1, "findings", false);
        assert!(findings(&report).contains(&"archive-bomb"), "{name}");
        let run = scan(dir.path(), &[name, "--fail-on", "never"]);
        run.expect(3, "incomplete", false);
    }
}

#[test]
fn each_limit_makes_what_reaches_it_incomplete() {
    let dir = temp();
    put(dir.path(), "wide.gz", &gzip::bomb(200 << 20, usize::MAX));
    put(dir.path(), "deep.gz", &gzip::nested(6));
    put(dir.path(), "zeros", &vec![0; 64 << 20]);
    for (name, limit, value) in [
        ("wide.gz", "--max-decoded", "100M"),
        ("wide.gz", "--max-decoded", "0"),
        ("wide.gz", "--timeout", "0.05"),
        ("zeros", "--timeout", "0.0001"),
        ("deep.gz", "--max-members", "3"),
        ("deep.gz", "--max-members", "0"),
        ("wide.gz", "--max-structure", "1"),
    ] {
        let run = scan(dir.path(), &[name, limit, value, "--max-ratio", "5000"]);
        bounded(&run);
        let report = run.expect(3, "incomplete", false);
        let codes: Vec<&str> = artifacts(&report).iter().flat_map(errors).collect();
        assert!(
            !codes.is_empty() && codes.iter().all(|c| *c == "limit-exceeded"),
            "{name} {limit} {value}: {codes:?}"
        );
    }
    scan(
        dir.path(),
        &[
            "wide.gz",
            "deep.gz",
            "--max-decoded",
            "300M",
            "--max-members",
            "6",
            "--max-ratio",
            "5000",
        ],
    )
    .expect(0, "clean", true);
}

#[test]
fn the_ratio_is_judged_against_what_was_asked_for() {
    let dir = temp();
    put(dir.path(), "zeros.gz", &gzip::bomb(300 << 20, usize::MAX));
    for (ratio, code, complete) in [("250", 1, false), ("2000", 0, true)] {
        let run = scan(dir.path(), &["zeros.gz", "--max-ratio", ratio]);
        bounded(&run);
        assert_eq!(
            (run.code, run.json()["complete"].as_bool()),
            (code, Some(complete)),
            "{ratio}"
        );
    }
}

#[test]
fn depth_counts_levels_of_nesting() {
    let dir = temp();
    for levels in [1, 16, 17, 40] {
        put(dir.path(), "deep.gz", &gzip::nested(levels));
        let run = scan(dir.path(), &["deep.gz", "--all-artifacts"]);
        bounded(&run);
        let report = run.json();
        assert_eq!(report["complete"], levels <= 16, "{levels}");
        assert_eq!(findings(&report).contains(&"archive-bomb"), levels > 16, "{levels}");
        assert_eq!(artifacts(&report).len(), levels.min(16) + 1, "{levels}");
    }
    put(dir.path(), "deep.gz", &gzip::nested(3));
    for (limit, complete) in [("2", false), ("3", true)] {
        assert_eq!(
            scan(dir.path(), &["deep.gz", "--max-depth", limit]).json()["complete"],
            complete,
            "{limit}"
        );
    }
}

#[test]
fn an_archive_that_holds_itself_ends() {
    let dir = temp();
    put(dir.path(), "quine.gz", &quine::gzip_quine());
    let run = scan(dir.path(), &["quine.gz"]);
    bounded(&run);
    let report = run.json();
    assert_eq!(report["complete"], false);
    assert_ne!(run.code, 0);
}

#[test]
fn many_members_are_one_stream_and_take_their_time_only() {
    let dir = temp();
    put(dir.path(), "many.gz", &gzip::gzip(b"x").repeat(20_000));
    let run = scan(dir.path(), &["many.gz", "--all-artifacts"]);
    bounded(&run);
    let report = run.expect(0, "clean", true);
    assert_eq!(artifacts(&report)[1]["size"], 20_000);
}

#[test]
fn packed_and_unpacked_bytes_have_one_digest() {
    let dir = temp();
    let large: Vec<u8> = (0..30_000_000u32)
        .flat_map(|n| (n.wrapping_mul(2_654_435_761) >> 24).to_le_bytes())
        .take(20 << 20)
        .collect();
    for content in [plain(), Vec::new(), vec![0; 5 << 20], large] {
        put(dir.path(), "plain", &content);
        put(dir.path(), "packed.gz", &gzip::gzip(&gzip::gzip(&content)));
        let report = scan(dir.path(), &["plain", "packed.gz", "--all-artifacts"]).json();
        let inner = artifacts(&report)
            .iter()
            .find(|a| a["nested"] == "content!content")
            .unwrap();
        let outer = root(&report, "plain");
        for key in ["digests", "size", "format", "entropy"] {
            assert_eq!(inner[key], outer[key], "{key}");
        }
        assert!(outer["digests"]["sha256"].is_string());
    }
}

#[test]
fn quick_depth_says_that_it_decoded_nothing() {
    let dir = temp();
    put(dir.path(), "a.gz", &gzip::nested(1));
    let report = scan(dir.path(), &["a.gz", "--depth", "quick"]).expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, "a.gz")), ["limit-exceeded"]);
}

/// A scan that needs 40 MiB of scratch in `scratch`: incomplete, whatever is wrong with the place.
fn without_room(dir: &Path, scratch: &Path) {
    put(dir, "large.gz", &gzip::bomb(40 << 20, usize::MAX));
    let place = scratch.display().to_string();
    let run = scan(dir, &["large.gz", "--scratch", &place]);
    let report = run.expect(3, "incomplete", false);
    let codes: Vec<&str> = artifacts(&report).iter().flat_map(errors).collect();
    assert!(codes.contains(&"unreadable"), "{report:#}");
    let run = run_fed(
        dir,
        &["scan", "--format", "json", "-", "--scratch", &place],
        &vec![7; 40 << 20],
    );
    let report = run.expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, "-")), ["unreadable"]);
}

#[test]
fn scratch_that_cannot_hold_the_content_makes_it_incomplete() {
    let dir = temp();
    // Nobody can create a file in a directory of `/proc`, root included.
    without_room(dir.path(), Path::new("/proc/self"));
    if !is_root() {
        return skip("only root mounts a small file system");
    }
    let full = dir.path().join("full");
    fs::create_dir(&full).unwrap();
    let mounted = Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=18M", "tmpfs"])
        .arg(&full)
        .output();
    if !mounted.is_ok_and(|m| m.status.success()) {
        return skip("mount is not permitted");
    }
    without_room(dir.path(), &full);
    let left = fs::read_dir(&full).unwrap().count();
    let mut umount = Command::new("umount");
    umount.arg(&full);
    assert_eq!(run(umount, Stdio::null()).code, 0);
    assert_eq!(left, 0);
}

//! Standard input: in memory while it is small, in an unlinked scratch file while it is not, bounded always.

use crate::common::{artifacts, bytes_of, errors, files, plain, probity, put, root, run, run_fed, scan, temp, wait};
use std::fs::{self, File};
use std::process::{Command, Stdio};
use std::time::Duration;

const SCAN: [&str; 4] = ["scan", "--format", "json", "-"];

#[test]
fn it_is_scanned_like_a_file_of_the_same_bytes() {
    let dir = temp();
    for severity in [None, Some("low"), Some("high")] {
        put(dir.path(), "file", &bytes_of(severity));
        let file = scan(dir.path(), &["file", "--all-artifacts"]);
        let fed = run_fed(
            dir.path(),
            &[&SCAN[..], &["--all-artifacts"]].concat(),
            &bytes_of(severity),
        );
        assert_eq!(fed.code, file.code);
        let (file, fed) = (file.json(), fed.json());
        assert_eq!(files(&fed), ["-"]);
        for (a, b) in artifacts(&file).iter().zip(artifacts(&fed)) {
            for key in [
                "nested", "format", "size", "digests", "bytes", "findings", "errors", "verdict",
            ] {
                assert_eq!(a[key], b[key], "{key}");
            }
        }
    }
}

#[test]
fn nothing_at_all_is_an_empty_file() {
    let report = run_fed(temp().path(), &SCAN, b"").expect(0, "clean", true);
    assert_eq!(root(&report, "-")["size"], 0);
}

#[test]
fn more_than_memory_holds_goes_to_scratch_and_leaves_nothing_there() {
    let dir = temp();
    let scratch = dir.path().join("scratch");
    fs::create_dir(&scratch).unwrap();
    let large: Vec<u8> = (0..=255u8).cycle().take(70 << 20).collect();
    put(dir.path(), "large", &large);
    let run = run_fed(
        dir.path(),
        &[&SCAN[..], &["--scratch", "scratch", "--jobs", "1"]].concat(),
        &large,
    );
    let report = run.expect(0, "clean", true);
    assert_eq!(
        root(&report, "-")["digests"],
        root(&scan(dir.path(), &["large"]).json(), "large")["digests"]
    );
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 0);
    assert!(run.peak < 128 << 10, "{} KiB", run.peak);
}

#[test]
fn a_stream_without_end_stops_at_the_limit() {
    let dir = temp();
    let mut yes = Command::new("yes").stdout(Stdio::piped()).spawn().unwrap();
    let mut command = probity();
    command
        .current_dir(dir.path())
        .args(SCAN)
        .args(["--max-decoded", "40M"]);
    let run = run(command, Stdio::from(yes.stdout.take().unwrap()));
    yes.kill().unwrap();
    yes.wait().unwrap();
    let report = run.expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, "-")), ["limit-exceeded"]);
    assert!(run.took < Duration::from_secs(20));
}

#[test]
fn a_stream_that_stalls_stops_at_the_timeout() {
    let dir = temp();
    let mut command = probity();
    command.current_dir(dir.path()).args(SCAN).args(["--timeout", "0.3"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let open = child.stdin.take();
    let run = wait(child);
    let report = run.expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, "-")), ["limit-exceeded"]);
    assert!(run.took < Duration::from_secs(10));
    drop(open);
}

#[test]
fn a_directory_on_standard_input_is_unreadable() {
    let dir = temp();
    let mut command = probity();
    command.args(SCAN);
    let report = run(command, Stdio::from(File::open(dir.path()).unwrap())).expect(3, "incomplete", false);
    assert_eq!(errors(root(&report, "-")), ["unreadable"]);
}

#[test]
fn a_file_called_minus_is_reached_by_its_path() {
    let dir = temp();
    put(dir.path(), "-", &plain());
    let report = run_fed(dir.path(), &["scan", "--format", "json", "./-"], b"not this").expect(0, "clean", true);
    assert_eq!(root(&report, "./-")["size"].as_u64(), Some(plain().len() as u64));
}

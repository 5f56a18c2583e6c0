//! A file that is written to while it is read is never clean.

use crate::common::{errors, probity, root, temp, wait};
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

const LENGTH: u64 = 512 << 20;
/// So much is read of nothing but the file itself.
const BEGUN: u64 = 4 << 20;

/// Scans a large sparse file, changes it once the scan has read some of it, and returns the exit code and the errors.
fn changed_while_read(change: impl Fn(&File), jobs: &str) -> (i32, Vec<String>) {
    let dir = temp();
    let path = dir.path().join("large");
    let file = File::create(&path).unwrap();
    file.set_len(LENGTH).unwrap();
    let mut command = probity();
    command
        .current_dir(dir.path())
        .args(["scan", "--format", "json", "--jobs", jobs, "large"]);
    let child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let read = |io: String| io.lines().find_map(|l| l.strip_prefix("rchar: ")?.parse::<u64>().ok());
    let io = format!("/proc/{}/io", child.id());
    while std::fs::read_to_string(&io)
        .ok()
        .and_then(read)
        .is_some_and(|n| n < BEGUN)
    {
        thread::sleep(Duration::from_micros(200));
    }
    change(&file);
    let run = wait(child);
    let report = run.json();
    assert_eq!(report["complete"], false, "{report:#}");
    let codes = errors(root(&report, "large")).into_iter().map(str::to_owned).collect();
    (run.code, codes)
}

#[test]
fn a_file_that_shrinks_grows_or_is_rewritten_is_incomplete() {
    let shrink = |file: &File| file.set_len(1 << 20).unwrap();
    let grow = |file: &File| file.set_len(LENGTH + 1).unwrap();
    let rewrite_behind = |file: &File| file.write_all_at(b"payload", 100).unwrap();
    let rewrite_ahead = |file: &File| file.write_all_at(b"payload", LENGTH - 100).unwrap();
    let changes: [&dyn Fn(&File); 4] = [&shrink, &grow, &rewrite_behind, &rewrite_ahead];
    for (number, change) in changes.iter().enumerate() {
        for jobs in ["1", "2"] {
            let (code, codes) = changed_while_read(change, jobs);
            assert_eq!(code, 3, "change {number}, {jobs} jobs");
            assert!(
                codes.iter().any(|c| c == "changed-during-scan"),
                "change {number}, {jobs} jobs: {codes:?}"
            );
        }
    }
}

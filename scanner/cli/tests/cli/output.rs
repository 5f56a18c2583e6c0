//! Where the report goes: standard output and nothing else there, or the file that `--output` names.

use crate::common::{bytes_of, files, is_root, plain, probity, put, run, run_in, scan, scrubbed, skip, temp};
use std::fs::{self, File};
use std::io::Read;
use std::process::Stdio;

#[test]
fn standard_output_carries_the_report_and_standard_error_nothing() {
    let dir = temp();
    put(dir.path(), "t/high", &bytes_of(Some("high")));
    std::os::unix::fs::symlink("nowhere", dir.path().join("t/dangling")).unwrap();
    for format in ["text", "json", "ndjson"] {
        let run = run_in(dir.path(), &["scan", "--format", format, "t"]);
        assert_eq!((run.code, run.stderr.as_str()), (1, ""), "{format}");
        assert!(!run.stdout.is_empty() && run.stdout.ends_with('\n'), "{format}");
    }
}

#[test]
fn output_takes_the_report_in_every_format() {
    let dir = temp();
    put(dir.path(), "file", &bytes_of(Some("high")));
    for format in ["text", "json", "ndjson"] {
        let direct = run_in(dir.path(), &["scan", "--format", format, "file"]);
        put(
            dir.path(),
            "report",
            "an older and much longer report\n".repeat(1000).as_bytes(),
        );
        let written = run_in(dir.path(), &["scan", "--format", format, "--output", "report", "file"]);
        assert_eq!(
            (written.code, written.stdout.as_str(), written.stderr.as_str()),
            (1, "", ""),
            "{format}"
        );
        let report = fs::read_to_string(dir.path().join("report")).unwrap();
        assert_eq!(report.lines().count(), direct.stdout.lines().count(), "{format}");
        if format == "json" {
            assert_eq!(
                scrubbed(serde_json::from_str(&report).unwrap()),
                scrubbed(direct.json())
            );
        }
    }
    let run = run_in(dir.path(), &["scan", "--output", "/dev/stdout", "file"]);
    assert!(run.stdout.contains("trailing-bytes"), "{}", run.stdout);
}

#[test]
fn a_report_may_lie_in_the_directory_that_is_scanned_again_and_again() {
    let dir = temp();
    put(dir.path(), "t/file", &plain());
    for expected in [&["t/file"][..], &["t/file", "t/report.json"]] {
        let run = run_in(
            dir.path(),
            &["scan", "--format", "json", "--output", "t/report.json", "t"],
        );
        assert_eq!(run.code, 0, "{}", run.stderr);
        let report = serde_json::from_str(&fs::read_to_string(dir.path().join("t/report.json")).unwrap()).unwrap();
        assert_eq!(files(&report), expected);
    }
}

#[test]
fn a_closed_pipe_is_no_error() {
    let dir = temp();
    for n in 0..2000 {
        put(dir.path(), format!("t/{n}"), &bytes_of(Some("high")));
    }
    for args in [
        &["scan", "t"][..],
        &["scan", "--format", "json", "t"],
        &["scan", "--format", "ndjson", "t"],
    ] {
        let mut command = probity();
        command
            .current_dir(dir.path())
            .args(args)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut first = [0u8; 16];
        child.stdout.take().unwrap().read_exact(&mut first).unwrap();
        let mut said = String::new();
        child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert_eq!((child.wait().unwrap().code(), said.as_str()), (Some(1), ""), "{args:?}");
    }
    for args in [
        &["--help"][..],
        &["rules", "list"],
        &["explain", "malformed"],
        &["scan", "--bogus"],
        &["scan", "missing"],
    ] {
        let (closed, writer) = std::io::pipe().unwrap();
        drop(closed);
        let mut command = probity();
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(writer.try_clone().unwrap())
            .stderr(writer);
        let code = command.status().unwrap().code();
        assert_eq!(code, Some(if args[0] == "scan" { 2 } else { 0 }), "{args:?}");
    }
}

#[test]
fn a_full_disk_is_an_error() {
    let dir = temp();
    put(dir.path(), "file", &plain());
    for args in [
        &["scan", "file"][..],
        &["scan", "--format", "json", "file"],
        &["rules", "list"],
        &["map", "file"],
    ] {
        let mut command = probity();
        command
            .current_dir(dir.path())
            .args(args)
            .stdout(File::options().write(true).open("/dev/full").unwrap());
        let child = command.stdin(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap();
        let done = child.wait_with_output().unwrap();
        let said = String::from_utf8(done.stderr).unwrap();
        assert_eq!(done.status.code(), Some(2), "{args:?}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
    let run = run_in(dir.path(), &["scan", "--output", "/dev/full", "file"]);
    assert_eq!(run.code, 2, "{}", run.stderr);
    assert!(run.stderr.contains("/dev/full"), "{}", run.stderr);
}

#[test]
fn an_output_that_may_not_be_written_is_said_before_the_scan() {
    let dir = temp();
    put(dir.path(), "file", &plain());
    let refused = run_in(dir.path(), &["scan", "--output", ".", "file"]);
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    let Some(mut command) = crate::common::probity_unprivileged(dir.path()) else {
        return skip("no unprivileged user");
    };
    if is_root() {
        fs::set_permissions(
            dir.path().join("file"),
            std::os::unix::fs::PermissionsExt::from_mode(0o644),
        )
        .unwrap();
    }
    put(dir.path(), "closed", b"kept");
    fs::set_permissions(
        dir.path().join("closed"),
        std::os::unix::fs::PermissionsExt::from_mode(0o444),
    )
    .unwrap();
    command
        .current_dir(dir.path())
        .args(["scan", "--output", "closed", "file"]);
    let refused = run(command, Stdio::null());
    assert_eq!((refused.code, refused.stdout.as_str()), (2, ""));
    assert!(refused.stderr.contains("closed"), "{}", refused.stderr);
    assert_eq!(fs::read(dir.path().join("closed")).unwrap(), b"kept");
    scan(dir.path(), &["file"]).expect(0, "clean", true);
}

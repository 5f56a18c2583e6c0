//! 0 clean, 1 findings, 2 usage, 3 incomplete; and what each of them is said with.

use crate::common::{Run, bytes_of, put, run_fed, run_in, scan, temp};
use std::os::unix::fs::symlink;

const LEVELS: [&str; 5] = ["info", "low", "medium", "high", "critical"];

#[test]
fn a_finding_makes_1_from_its_severity_up_and_never_makes_0() {
    let dir = temp();
    for (rank, severity) in LEVELS.iter().take(4).enumerate() {
        put(dir.path(), severity, &bytes_of(Some(severity)));
        for (threshold, fail_on) in LEVELS.iter().enumerate() {
            let run = scan(dir.path(), &[severity, "--fail-on", fail_on]);
            let (code, verdict) = if rank >= threshold {
                (1, "findings")
            } else {
                (0, "clean")
            };
            run.expect(code, verdict, true);
        }
        scan(dir.path(), &[severity, "--fail-on", "never"]).expect(0, "clean", true);
        let code = if rank >= 2 { 1 } else { 0 };
        assert_eq!(
            run_in(dir.path(), &["scan", severity]).code,
            code,
            "medium is where it starts without --fail-on"
        );
    }
    put(dir.path(), "none", &bytes_of(None));
    scan(dir.path(), &["none", "--fail-on", "info"]).expect(0, "clean", true);
}

#[test]
fn what_was_not_examined_makes_3_unless_a_finding_makes_1() {
    let dir = temp();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    put(dir.path(), "low", &bytes_of(Some("low")));
    scan(dir.path(), &["."]).expect(3, "incomplete", false);
    scan(dir.path(), &[".", "--fail-on", "never"]).expect(3, "incomplete", false);
    scan(dir.path(), &[".", "--fail-on", "low"]).expect(1, "findings", false);
    put(dir.path(), "high", &bytes_of(Some("high")));
    scan(dir.path(), &["."]).expect(1, "findings", false);
    scan(dir.path(), &[".", "--fail-on", "never"]).expect(3, "incomplete", false);
    let text = run_in(dir.path(), &["scan", "."]);
    assert!(
        text.stdout.contains("findings, and incomplete"),
        "a finding hides no unfinished scan: {}",
        text.stdout
    );
}

#[track_caller]
fn refused(run: &Run, says: &str) {
    assert_eq!(run.code, 2, "{}{}", run.stdout, run.stderr);
    assert_eq!(run.stdout, "");
    assert_eq!(run.stderr.lines().count(), 1, "{}", run.stderr);
    assert!(
        run.stderr.starts_with("probity: ") && run.stderr.contains(says),
        "{says:?} in {}",
        run.stderr
    );
}

#[test]
fn a_usage_error_is_one_line_on_standard_error() {
    let dir = temp();
    put(dir.path(), "file", &bytes_of(Some("high")));
    for (args, says) in [
        (&["scan", "--frobnicate", "file"][..], "--frobnicate"),
        (&["scan", "--forma", "json", "file"], "--format"),
        (&["scan", "--format", "xml", "file"], "xml"),
        (&["scan", "--depth", "abyss", "file"], "abyss"),
        (&["scan", "--fail-on", "sometimes", "file"], "sometimes"),
        (&["scan", "--color", "mauve", "file"], "mauve"),
        (&["scan", "--jobs", "-1", "file"], "-1"),
        (&["scan", "--jobs", "many", "file"], "many"),
        (&["scan", "--timeout", "0", "file"], "seconds"),
        (&["scan", "--timeout", "nan", "file"], "seconds"),
        (&["scan", "--max-decoded", "12Q", "file"], "12Q"),
        (&["scan", "--max-ratio", "0", "file"], "0"),
        (&["scan", "--max-members", "-3", "file"], "-3"),
        (&["scan", "--exclude", "[", "file"], "["),
        (&["scan", "--scratch", "no-such-dir", "file"], "no-such-dir"),
        (&["scan", "--scratch", "file", "file"], "not a directory"),
        (
            &["scan", "--output", "no-such-dir/report", "file"],
            "no-such-dir/report",
        ),
        (&["scan", "--output", "file", "file"], "is a file to scan"),
        (&["scan", "--output", "./file", "file"], "is a file to scan"),
        (&["scan", "missing"], "missing"),
        (&["scan", "file", "missing"], "missing"),
        (&["scan", "missing", "file"], "missing"),
        (&["scan", "file/below"], "file/below"),
        (&["scan", ""], "PATH"),
        (&["scan", "-", "-"], "twice"),
        (&["scan"], "PATH"),
        (&["frobnicate"], "frobnicate"),
        (&["map"], "FILE"),
        (&["map", "missing"], "missing"),
        (&["map", "."], "not a regular file"),
        (&["rules", "burn"], "burn"),
        (&["explain"], "CODE"),
        (&["explain", "no-such-code"], "no-such-code"),
    ] {
        refused(&run_in(dir.path(), args), says);
    }
    assert_eq!(
        std::fs::read(dir.path().join("file")).unwrap(),
        bytes_of(Some("high")),
        "a refused --output writes nothing"
    );
}

#[test]
fn a_usage_error_quotes_no_terminal_escapes() {
    let dir = temp();
    for (args, says) in [
        (&["scan", "\x1b[31mred"][..], "%1B[31mred"),
        (&["explain", "\x1b[2J"], "'%1B[2J'"),
        (&["map", "\x1b]0;x\x07"], "%1B]0;x%07"),
        (&["scan", "--format", "\x1b[31m", "x"], "--format"),
        (&["scan", "--\x1b[31m", "x"], "unexpected"),
    ] {
        let run = run_in(dir.path(), args);
        refused(&run, says);
        assert!(!run.stderr.contains('\x1b'), "{:?}", run.stderr);
    }
}

#[test]
fn a_missing_path_is_said_before_standard_input_is_read_or_a_report_is_begun() {
    let dir = temp();
    refused(
        &run_fed(dir.path(), &["scan", "-", "missing", "--output", "report"], b"x"),
        "missing",
    );
    assert!(!dir.path().join("report").exists());
}

#[test]
fn a_dangling_link_as_an_argument_does_not_exist_and_a_loop_cannot_be_examined() {
    let dir = temp();
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    symlink("self", dir.path().join("self")).unwrap();
    refused(&run_in(dir.path(), &["scan", "dangling"]), "dangling");
    scan(dir.path(), &["self"]).expect(3, "incomplete", false);
}

#[test]
fn help_and_version_go_to_standard_output() {
    let dir = temp();
    for (args, says) in [
        (&["--help"][..], "Usage: probity <COMMAND>"),
        (&["scan", "--help"], "Exit codes: 0 clean"),
        (&["map", "--help"], "Usage: probity map"),
        (&["rules", "--help"], "list"),
        (&["rules", "list", "--help"], "Usage: probity rules list"),
        (&["explain", "--help"], "CODE"),
        (&["-h"], "scan"),
    ] {
        let run = run_in(dir.path(), args);
        assert_eq!((run.code, run.stderr.as_str()), (0, ""), "{args:?}");
        assert!(run.stdout.contains(says), "{args:?}: {}", run.stdout);
    }
    let version = run_in(dir.path(), &["--version"]);
    assert_eq!(
        (version.code, version.stdout),
        (0, format!("probity {}\n", env!("CARGO_PKG_VERSION")))
    );
    let nothing = run_in::<&str>(dir.path(), &[]);
    assert_eq!((nothing.code, nothing.stdout.as_str()), (2, ""));
    assert!(nothing.stderr.contains("Usage: probity"), "{}", nothing.stderr);
}

#[test]
fn every_option_of_the_contract_is_in_the_help_of_scan() {
    let help = run_in(temp().path(), &["scan", "--help"]).stdout;
    for option in [
        "--format",
        "--output",
        "--depth",
        "--fail-on",
        "--jobs",
        "--no-progress",
        "--color",
        "--all-artifacts",
        "--exclude",
        "--policy",
        "--baseline",
        "--scratch",
        "--max-depth",
        "--max-ratio",
        "--max-members",
        "--max-decoded",
        "--max-structure",
        "--timeout",
    ] {
        assert!(help.contains(option), "{option}");
    }
}

//! `completions` and `man`: each shell reads its script, and the manual's own checker its pages.

use crate::common::{probity, run_in, skip, temp};
use std::process::{Command, Stdio};

const SUBCOMMANDS: [&str; 6] = ["scan", "map", "rules", "explain", "completions", "man"];

/// Runs a checker on a file; `None`, said on standard error, when it is not installed.
fn checked(program: &str, args: &[&str], text: &str) -> Option<(bool, String)> {
    let dir = temp();
    let path = dir.path().join("file");
    std::fs::write(&path, text).unwrap();
    let Ok(output) = Command::new(program)
        .args(args)
        .arg(&path)
        .stdin(Stdio::null())
        .output()
    else {
        skip(&format!("{program} is not installed"));
        return None;
    };
    let said = [output.stdout, output.stderr].concat();
    Some((output.status.success(), String::from_utf8_lossy(&said).into_owned()))
}

#[test]
fn each_shell_reads_its_script() {
    let dir = temp();
    for (shell, checker) in [("bash", "bash"), ("zsh", "zsh"), ("fish", "fish"), ("powershell", "")] {
        let script = run_in(dir.path(), &["completions", shell]);
        assert_eq!((script.code, script.stderr.as_str()), (0, ""), "{shell}");
        for word in SUBCOMMANDS.iter().chain(&["fail-on", "all-artifacts"]) {
            assert!(script.stdout.contains(word), "{shell}: {word}");
        }
        if checker.is_empty() {
            continue;
        }
        if let Some((accepted, said)) = checked(checker, &["-n"], &script.stdout) {
            assert!(accepted && said.is_empty(), "{shell}: {said}");
        }
    }
    let unknown = run_in(dir.path(), &["completions", "tcsh"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
}

#[test]
fn bash_completes_subcommands_options_and_formats() {
    let dir = temp();
    let script = run_in(dir.path(), &["completions", "bash"]).stdout;
    for (words, expected) in [
        ("probity sc", "scan"),
        ("probity scan --for", "--format"),
        ("probity scan --format sa", "sarif"),
        ("probity completions z", "zsh"),
    ] {
        let count = words.split(' ').count() - 1;
        let ask = format!(
            "{script}\nCOMP_WORDS=({words}); COMP_CWORD={count}; \
             _probity probity \"${{COMP_WORDS[{count}]}}\" \"${{COMP_WORDS[{count}-1]}}\"; printf '%s\\n' \"${{COMPREPLY[@]}}\""
        );
        let Ok(output) = Command::new("bash").args(["--norc", "-c", &ask]).output() else {
            return skip("bash is not installed");
        };
        assert_eq!(String::from_utf8_lossy(&output.stdout).trim(), expected, "{words}");
    }
}

#[test]
fn the_manual_has_a_page_for_each_subcommand() {
    let dir = temp();
    let main = run_in(dir.path(), &["man"]);
    for name in SUBCOMMANDS {
        assert!(main.stdout.contains(&format!("probity\\-{name}")), "{name}");
        let page = run_in(dir.path(), &["man", name]);
        assert_eq!((page.code, page.stderr.as_str()), (0, ""), "{name}");
        let title = format!(
            ".TH PROBITY-{} 1 \"\" \"probity {}\" \"Probity manual\"",
            name.to_uppercase(),
            env!("CARGO_PKG_VERSION")
        );
        assert!(page.stdout.lines().any(|l| l == title), "{title}: {}", page.stdout);
        assert!(
            page.stdout.contains(&format!("\\fBprobity {name}\\fR")),
            "{}",
            page.stdout
        );
        if let Some((accepted, said)) = checked("mandoc", &["-Tlint", "-Werror"], &page.stdout) {
            assert!(accepted, "{name}: {said}");
        }
    }
    if let Some((accepted, said)) = checked("man", &["--warnings", "-l"], &main.stdout) {
        assert!(accepted && !said.contains("warning"), "{said}");
    }
    let unknown = run_in(dir.path(), &["man", "frobnicate"]);
    assert_eq!((unknown.code, unknown.stdout.as_str()), (2, ""));
    assert!(
        unknown.stderr.contains("'frobnicate'") && unknown.stderr.contains("scan"),
        "{}",
        unknown.stderr
    );
}

#[test]
fn a_closed_pipe_is_no_error() {
    for args in [&["completions", "zsh"][..], &["man"]] {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let mut command = probity();
        command.args(args).stdout(writer).stderr(Stdio::piped());
        let output = command.spawn().unwrap().wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(0), "{args:?}");
        assert!(output.stderr.is_empty());
    }
}

//! `cargo xtask test`: the workspace's tests, then its doc tests, then one line that sums them up.
//!
//! A test that cannot run on this host passes and prints a line that starts with `probity-skip:`. Both runners capture
//! what a passing test prints, so the lines are read back: from nextest's JUnit report, or from `cargo test --show-output`.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::run::{Cmd, root, target_dir};
use crate::tools;

/// What a test prints that cannot run on this host, and why, before it passes.
pub(crate) const SKIP: &str = "probity-skip:";

/// A tool's configuration for nextest: a report at `path` that keeps what passing tests print.
fn nextest_config(path: &Path) -> String {
    format!("[profile.default.junit]\npath = {path:?}\nstore-success-output = true\n")
}

#[derive(clap::Args, Default)]
pub(crate) struct Args {
    /// Use `cargo test` even where cargo-nextest is installed
    #[arg(long)]
    no_nextest: bool,
    /// Names, or parts of names, of the tests to run
    #[arg(last = true)]
    filter: Vec<String>,
}

/// Runs the tests; returns the summary's text.
///
/// # Errors
///
/// When a test fails, or none could be built.
pub(crate) fn test(args: &Args) -> Result<String> {
    // A test that needs it says so where it is missing.
    if let Err(error) = tools::model_signing() {
        eprintln!("xtask test: no model-signing: {error:#}");
    }
    let nextest = !args.no_nextest && tools::find("cargo-nextest").is_some();
    let run = if nextest {
        with_nextest(&args.filter)?
    } else {
        with_libtest(&args.filter)?
    };
    Cmd::cargo()
        .args(["test", "--quiet", "--doc", "--workspace", "--"])
        .args(&args.filter)
        .run()?;

    let mut summary = match run.tests {
        Some(tests) => format!("{tests} tests passed"),
        None => "all tests passed".to_owned(),
    };
    summary.push_str(&format!(
        ", of which {} could not run on this host; doc tests passed",
        run.skips.len()
    ));
    for skip in &run.skips {
        eprintln!("  {SKIP} {skip}");
    }
    eprintln!("xtask test: {summary}");
    Ok(summary)
}

struct Run {
    tests: Option<usize>,
    skips: Vec<String>,
}

fn with_nextest(filter: &[String]) -> Result<Run> {
    let home = target_dir().join("xtask");
    let (config, report) = (home.join("nextest.toml"), home.join("junit.xml"));
    fs::create_dir_all(&home)?;
    fs::write(&config, nextest_config(&report))?;
    if report.exists() {
        fs::remove_file(&report)?;
    }
    Cmd::cargo()
        .args([
            "nextest",
            "run",
            "--workspace",
            "--status-level",
            "slow",
            "--final-status-level",
            "slow",
        ])
        .arg("--tool-config-file")
        .arg(format!("xtask:{}", config.display()))
        .arg("--")
        .args(filter)
        .run()?;
    let text = fs::read_to_string(&report).with_context(|| format!("no test report at {}", report.display()))?;
    Ok(Run {
        tests: Some(text.matches("<testcase ").count()),
        skips: skips(text.lines()),
    })
}

fn with_libtest(filter: &[String]) -> Result<Run> {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root()).args([
        "test",
        "--workspace",
        "--lib",
        "--bins",
        "--tests",
        "--",
        "--show-output",
    ]);
    command.args(filter).stdout(Stdio::piped());
    eprintln!("$ cargo test --workspace --lib --bins --tests -- --show-output");
    let mut child = command.spawn().context("cannot start cargo test")?;
    let mut lines = Vec::new();
    if let Some(out) = child.stdout.take() {
        for line in BufReader::new(out).lines() {
            let line = line?;
            println!("{line}");
            lines.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("cargo test failed: {status}");
    }
    let passed = lines.iter().filter_map(|line| passed(line)).sum();
    Ok(Run {
        tests: Some(passed),
        skips: skips(lines.iter().map(String::as_str)),
    })
}

/// The number of passed tests in libtest's closing line: `test result: ok. 3 passed; 0 failed; ...`.
fn passed(line: &str) -> Option<usize> {
    line.strip_prefix("test result: ok. ")?
        .split_once(" passed")?
        .0
        .parse()
        .ok()
}

/// The reasons on lines that say a test could not run.
fn skips<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<String> {
    let reason = |line: &'a str| {
        let at = line.find(SKIP)?;
        let text = line.get(at..)?.strip_prefix(SKIP)?;
        let text = text.split("</system-err>").next().unwrap_or(text);
        let text = text
            .replace("&lt;", "<")
            .replace("&gt;", ">")
            .replace("&quot;", "\"")
            .replace("&amp;", "&");
        Some(text.trim().to_owned())
    };
    let mut out: Vec<String> = lines.filter_map(reason).collect();
    out.sort();
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn skips_are_counted_in_plain_and_in_junit_text() {
        let text = "test a ... ok\nprobity-skip: no BTF\n<system-err>probity-skip: no cgroup v2 &amp; no BPF</system-err>\nprobity-skipped\n";
        assert_eq!(skips(text.lines()), ["no BTF", "no cgroup v2 & no BPF"]);
    }

    #[test]
    fn a_closing_line_yields_its_passed_tests() {
        assert_eq!(passed("test result: ok. 12 passed; 0 failed; 0 ignored"), Some(12));
        assert_eq!(passed("test result: FAILED. 12 passed; 1 failed"), None);
    }
}

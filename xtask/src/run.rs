//! Running commands: echoed, checked, read or measured.
//!
//! A measured command runs under a fresh `xtask measure` process, so that `RUSAGE_CHILDREN` there is this command's
//! own (and its descendants'): exact CPU time and peak memory without an unsafe `wait4`. The peak includes the measuring
//! process's own few megabytes, which the child inherits until it executes.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::time::TimeVal;

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    let here = std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    Path::new(&here).parent().map(Path::to_path_buf).unwrap_or_default()
}

/// Where cargo builds, and where tasks keep what they download or generate.
pub(crate) fn target_dir() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(dir) => root().join(dir),
        None => root().join("target"),
    }
}

/// A command that runs in the repository's root unless told otherwise.
pub(crate) struct Cmd {
    command: Command,
    quiet: bool,
}

impl Cmd {
    /// A command for `program`, looked up on `PATH`.
    pub(crate) fn new(program: impl AsRef<OsStr>) -> Self {
        let mut command = Command::new(program);
        command.current_dir(root());
        Self { command, quiet: false }
    }

    /// The cargo that runs this task.
    pub(crate) fn cargo() -> Self {
        Self::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
    }

    /// Adds one argument.
    pub(crate) fn arg(mut self, arg: impl AsRef<OsStr>) -> Self {
        self.command.arg(arg);
        self
    }

    /// Adds arguments.
    pub(crate) fn args(mut self, args: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Self {
        self.command.args(args);
        self
    }

    /// Sets an environment variable.
    pub(crate) fn env(mut self, key: &str, value: impl AsRef<OsStr>) -> Self {
        self.command.env(key, value);
        self
    }

    /// Runs in `dir`.
    pub(crate) fn dir(mut self, dir: impl AsRef<Path>) -> Self {
        self.command.current_dir(dir);
        self
    }

    /// Does not echo the command line.
    pub(crate) fn quiet(mut self) -> Self {
        self.quiet = true;
        self
    }

    /// The command line as a person would type it.
    pub(crate) fn line(&self) -> String {
        let program = self.command.get_program();
        let cargo = std::env::var_os("CARGO").is_some_and(|cargo| cargo == program);
        let program = if cargo { OsStr::new("cargo") } else { program };
        let words = std::iter::once(program).chain(self.command.get_args());
        words
            .map(|word| quoted(&word.to_string_lossy()))
            .collect::<Vec<_>>()
            .join(" ")
    }

    /// Runs with inherited output; a status other than success is an error.
    pub(crate) fn run(mut self) -> Result<()> {
        self.echo();
        let status = self
            .command
            .status()
            .with_context(|| format!("cannot start {}", self.line()))?;
        if !status.success() {
            bail!("{} failed: {status}", self.line());
        }
        Ok(())
    }

    /// Runs and captures both outputs, whatever the status.
    pub(crate) fn output(mut self) -> Result<Output> {
        self.echo();
        self.command.stdin(Stdio::null());
        self.command
            .output()
            .with_context(|| format!("cannot start {}", self.line()))
    }

    /// Runs and returns standard output; a status other than success is an error that carries standard error.
    pub(crate) fn read(self) -> Result<String> {
        let line = self.line();
        let output = self.output()?;
        if !output.status.success() {
            bail!(
                "{line} failed: {}\n{}",
                output.status,
                String::from_utf8_lossy(&output.stderr).trim_end()
            );
        }
        String::from_utf8(output.stdout).with_context(|| format!("{line} printed text that is not UTF-8"))
    }

    /// Runs with standard output and standard error discarded, and measures.
    pub(crate) fn measure(self) -> Result<Sample> {
        let me = std::env::current_exe().context("cannot find xtask's own executable")?;
        let mut outer = Cmd::new(me)
            .quiet()
            .arg("measure")
            .arg("--")
            .arg(self.command.get_program());
        outer.command.args(self.command.get_args());
        let text = outer.read()?;
        let value: serde_json::Value = serde_json::from_str(&text)?;
        let number = |key: &str| value[key].as_f64().with_context(|| format!("no {key} in {text}"));
        Ok(Sample {
            wall: Duration::from_secs_f64(number("wall")?),
            cpu: Duration::from_secs_f64(number("cpu")?),
            peak_kib: value["peak_kib"].as_u64().context("no peak_kib")?,
            code: value["code"].as_i64(),
        })
    }

    fn echo(&self) {
        if !self.quiet {
            eprintln!("$ {}", self.line());
        }
    }
}

/// What one run of a command took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    /// From start to exit.
    pub(crate) wall: Duration,
    /// User and system time, of the command and its descendants.
    pub(crate) cpu: Duration,
    /// Peak resident memory in KiB of the largest process.
    pub(crate) peak_kib: u64,
    /// The exit code; `None` when a signal ended it.
    pub(crate) code: Option<i64>,
}

#[derive(clap::Args)]
pub(crate) struct MeasureArgs {
    #[arg(last = true, required = true)]
    command: Vec<OsString>,
}

/// Runs one command and prints its `Sample` as JSON.
pub(crate) fn measure_child(args: &MeasureArgs) -> Result<()> {
    let (program, rest) = args.command.split_first().context("no command")?;
    let start = Instant::now();
    let status = Command::new(program)
        .args(rest)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .with_context(|| format!("cannot start {}", program.to_string_lossy()))?;
    let wall = start.elapsed().as_secs_f64();
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let cpu = seconds(usage.user_time()) + seconds(usage.system_time());
    let report = serde_json::json!({ "wall": wall, "cpu": cpu, "peak_kib": usage.max_rss(), "code": status.code() });
    println!("{report}");
    Ok(())
}

fn seconds(time: TimeVal) -> f64 {
    time.tv_sec() as f64 + time.tv_usec() as f64 / 1e6
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./=:,@+%^".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_is_printed_as_a_shell_would_read_it() {
        let line = Cmd::new("sh").args(["-c", "a b", "it's", "--x=1", ""]).line();
        assert_eq!(line, r"sh -c 'a b' 'it'\''s' --x=1 ''");
    }

    #[test]
    fn a_failing_command_is_an_error_that_carries_its_complaint() {
        let error = Cmd::new("sh")
            .quiet()
            .args(["-c", "echo why >&2; exit 3"])
            .read()
            .unwrap_err()
            .to_string();
        assert!(error.contains("exit status: 3") && error.ends_with("why"), "{error}");
    }
}

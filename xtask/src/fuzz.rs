//! `cargo xtask fuzz`: libFuzzer on the stable toolchain.
//!
//! `tests/fuzz` is a workspace of its own, built once for all targets with the flags of cargo-fuzz but no sanitizer:
//! coverage comes from LLVM's pass, and what is looked for is panics, overflows, hangs and memory. Each file in
//! `tests/fuzz/fuzz_targets` is a target. Corpora, crashes and logs stay under `target/fuzz`.

use std::collections::VecDeque;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;

use anyhow::{Context, Result, bail};

use crate::run::{Cmd, root, target_dir};
use crate::table::{short, table};
use crate::tools;

const RUSTFLAGS: &str = "-Cpasses=sancov-module \
    -Cllvm-args=-sanitizer-coverage-level=4 \
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters \
    -Cllvm-args=-sanitizer-coverage-pc-table \
    -Cllvm-args=-sanitizer-coverage-trace-compares \
    --cfg fuzzing -Ccodegen-units=1";

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The targets to run; all of them when none is named
    target: Vec<String>,
    /// How long to run each target
    #[arg(long, default_value_t = 60)]
    seconds: u64,
    /// How many targets to run side by side
    #[arg(long, default_value_t = 1)]
    jobs: usize,
    /// The seed of the mutations; another one each time when none is given
    #[arg(long)]
    seed: Option<u32>,
    /// Build the targets and stop
    #[arg(long)]
    build_only: bool,
}

impl Args {
    /// Every target, briefly, and as the last time as far as the clock allows: what CI says is about the change.
    pub(crate) fn smoke(seconds: u64, jobs: usize) -> Self {
        Self {
            target: Vec::new(),
            seconds,
            jobs,
            seed: Some(1),
            build_only: false,
        }
    }
}

/// The targets there are, by name, sorted.
pub(crate) fn targets() -> Result<Vec<String>> {
    let dir = root().join("tests/fuzz/fuzz_targets");
    let mut names = Vec::new();
    for entry in fs::read_dir(&dir).with_context(|| format!("cannot list {}", dir.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "rs") {
            names.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned()));
        }
    }
    names.sort();
    Ok(names)
}

/// Builds and runs the targets; returns a line that sums them up.
///
/// # Errors
///
/// When a target does not build, crashes, hangs or exceeds its memory.
pub(crate) fn fuzz(args: &Args) -> Result<String> {
    let all = targets()?;
    if let Some(unknown) = args.target.iter().find(|name| !all.contains(name)) {
        bail!("no fuzz target `{unknown}`; there are: {}", all.join(", "));
    }
    let chosen = if args.target.is_empty() {
        all
    } else {
        args.target.clone()
    };
    if chosen.is_empty() {
        bail!("tests/fuzz/fuzz_targets holds no target");
    }
    build(&chosen)?;
    if args.build_only {
        return Ok(format!("{} targets built", chosen.len()));
    }
    let seeds = seeds()?;

    let queue = Mutex::new(VecDeque::from(chosen));
    let outcomes = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..args.jobs.max(1) {
            scope.spawn(|| {
                while let Some(name) = queue.lock().ok().and_then(|mut names| names.pop_front()) {
                    eprintln!("fuzz {name}: {} s", args.seconds);
                    let outcome = run(&name, args, seeds.as_deref());
                    if let Ok(mut all) = outcomes.lock() {
                        all.push((name, outcome));
                    }
                }
            });
        }
    });
    let mut outcomes = outcomes.into_inner().unwrap_or_default();
    outcomes.sort_by(|a, b| a.0.cmp(&b.0));
    report(outcomes)
}

fn build(chosen: &[String]) -> Result<()> {
    tools::need("g++", "libFuzzer is C++ (apt-get install g++)")?;
    let manifest = fs::read_to_string(root().join("tests/fuzz/Cargo.toml"))?;
    if let Some(unlisted) = chosen
        .iter()
        .find(|name| !manifest.contains(&format!("\nname = \"{name}\"\n")))
    {
        bail!("tests/fuzz/Cargo.toml does not list the target `{unlisted}`: cargo xtask codegen");
    }
    let mut cmd = Cmd::cargo().args(["build", "--release", "--manifest-path", "tests/fuzz/Cargo.toml"]);
    cmd = cmd.args(["--target", &triple(), "--target-dir"]).arg(build_dir());
    for name in chosen {
        cmd = cmd.args(["--bin", name]);
    }
    cmd.env("RUSTFLAGS", RUSTFLAGS).run()
}

/// Named to cargo although it is the host's: `RUSTFLAGS` then spares build scripts and procedural macros.
fn triple() -> String {
    format!("{}-unknown-linux-gnu", std::env::consts::ARCH)
}

fn program(name: &str) -> PathBuf {
    build_dir().join(triple()).join("release").join(name)
}

fn build_dir() -> PathBuf {
    target_dir().join("fuzz/build")
}

/// The fixtures, written to a folder that every target reads its first inputs from.
fn seeds() -> Result<Option<PathBuf>> {
    if !root().join("tests/src/bin/fixtures.rs").is_file() {
        eprintln!("fuzz: no fixtures program yet, so no seeds");
        return Ok(None);
    }
    let dir = target_dir().join("fuzz/seeds");
    if dir.exists() {
        fs::remove_dir_all(&dir)?;
    }
    fs::create_dir_all(&dir)?;
    Cmd::cargo()
        .args([
            "run",
            "--quiet",
            "--package",
            "probity-tests",
            "--bin",
            "fixtures",
            "--",
        ])
        .arg(&dir)
        .run()?;
    Ok(Some(dir))
}

/// What one target did.
struct Outcome {
    executions: u64,
    per_second: u64,
    peak_mib: u64,
    corpus: usize,
    /// Inputs that crashed, hung or exceeded memory in this run.
    crashes: Vec<PathBuf>,
    log: PathBuf,
    failed: bool,
}

fn run(name: &str, args: &Args, seeds: Option<&Path>) -> Result<Outcome> {
    let home = target_dir().join("fuzz");
    let (corpus, artifacts) = (home.join("corpus").join(name), home.join("artifacts").join(name));
    for dir in [&corpus, &artifacts, &home.join("logs")] {
        fs::create_dir_all(dir)?;
    }
    let before = files(&artifacts)?;
    let log = home.join("logs").join(format!("{name}.log"));
    let out = File::create(&log)?;
    let mut command = Command::new(program(name));
    command.current_dir(&home).stdout(out.try_clone()?).stderr(out);
    command.arg(format!("-max_total_time={}", args.seconds));
    if let Some(seed) = args.seed {
        command.arg(format!("-seed={seed}"));
    }
    command.args([
        "-rss_limit_mb=2048",
        "-timeout=20",
        "-max_len=65536",
        "-print_final_stats=1",
    ]);
    // libFuzzer takes the prefix literally: the closing slash makes it a folder.
    command.arg(format!("-artifact_prefix={}/", artifacts.display()));
    command.arg(&corpus).args(seeds);
    let status = command
        .status()
        .with_context(|| format!("cannot start the target {name}"))?;

    let text = String::from_utf8_lossy(&fs::read(&log)?).into_owned();
    Ok(Outcome {
        executions: stat(&text, "number_of_executed_units").unwrap_or(0),
        per_second: stat(&text, "average_exec_per_sec").unwrap_or(0),
        peak_mib: stat(&text, "peak_rss_mb").unwrap_or(0),
        corpus: files(&corpus)?.len(),
        crashes: files(&artifacts)?
            .into_iter()
            .filter(|file| !before.contains(file))
            .collect(),
        log,
        failed: !status.success(),
    })
}

fn files(dir: &Path) -> Result<Vec<PathBuf>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.path())).collect()
}

/// The value on a line `stat::NAME: VALUE`.
fn stat(log: &str, name: &str) -> Option<u64> {
    let line = log
        .lines()
        .find_map(|line| line.strip_prefix("stat::")?.strip_prefix(name))?;
    line.trim_start_matches(':').trim().parse().ok()
}

fn report(outcomes: Vec<(String, Result<Outcome>)>) -> Result<String> {
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    let mut executions = 0_u64;
    for (name, outcome) in outcomes {
        let outcome = outcome.with_context(|| format!("fuzz target {name}"))?;
        executions = executions.saturating_add(outcome.executions);
        rows.push(vec![
            name.clone(),
            outcome.executions.to_string(),
            outcome.per_second.to_string(),
            outcome.corpus.to_string(),
            format!("{} MiB", outcome.peak_mib),
            if outcome.failed {
                format!("{}", outcome.crashes.len().max(1))
            } else {
                "0".to_owned()
            },
        ]);
        if outcome.failed {
            explain(&name, &outcome)?;
            failed.push(name);
        }
    }
    eprint!(
        "\n{}",
        table(&["target", "executions", "exec/s", "corpus", "peak", "crashes"], &rows)
    );
    if failed.is_empty() {
        return Ok(format!("{} targets, {executions} executions, no crash", rows.len()));
    }
    bail!("crashed: {}", failed.join(", "))
}

/// Prints the end of a failed target's log and how to run the input again.
fn explain(name: &str, outcome: &Outcome) -> Result<()> {
    let text = String::from_utf8_lossy(&fs::read(&outcome.log)?).into_owned();
    let lines: Vec<&str> = text.lines().collect();
    let tail = lines.get(lines.len().saturating_sub(30)..).unwrap_or_default();
    eprintln!(
        "\nfuzz {name}: failed; the end of {}:\n{}",
        outcome.log.display(),
        tail.join("\n")
    );
    let program = program(name);
    for input in &outcome.crashes {
        eprintln!("again: {} {}", short(&program, &root()), short(input, &root()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statistics_are_read_from_the_closing_lines() {
        let log = "Done 12 runs\nstat::number_of_executed_units: 1234\nstat::average_exec_per_sec:     411\n";
        assert_eq!(stat(log, "number_of_executed_units"), Some(1234));
        assert_eq!(stat(log, "average_exec_per_sec"), Some(411));
        assert_eq!(stat(log, "peak_rss_mb"), None);
    }
}

//! `cargo xtask ci`: everything a change must pass, in the order that fails soonest.
//!
//! Three builds serve all steps: check (clippy, docs), dev (tests, generated files, fixtures) and fuzz.

use std::time::Instant;

use anyhow::{Result, bail};

use crate::run::{Cmd, root, target_dir};
use crate::table::{duration, table};
use crate::{calibrate, codegen, ebpf, forbidden, fuzz, test, tools, vm};

/// The two commands the README promises: build, and test.
const README_COMMANDS: [&str; 2] = ["cargo run --release -p probity -- scan", "cargo xtask test"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// Run the remaining steps after a failure
    #[arg(long)]
    keep_going: bool,
    /// Run only the steps named
    #[arg(value_name = "STEP")]
    only: Vec<String>,
}

/// What a step that did not fail has to say: nothing, a note, or why it was not run.
pub(crate) enum Done {
    Passed(String),
    NotRun(String),
}

type Step = (&'static str, fn() -> Result<Done>);

const STEPS: [Step; 13] = [
    ("fmt", fmt),
    ("words", words),
    ("readme", readme),
    ("clippy", clippy),
    ("test", tests),
    ("codegen", generated),
    ("rules", rules),
    ("doc", doc),
    ("ebpf", ebpf::ci),
    ("vm", vm::ci),
    ("deny", deny),
    ("advisories", advisories),
    ("fuzz", fuzz_smoke),
];

/// Runs the steps, then prints what each said and took.
///
/// # Errors
///
/// When a step failed, or a step named does not exist.
pub(crate) fn ci(args: &Args) -> Result<()> {
    if let Some(unknown) = args.only.iter().find(|name| STEPS.iter().all(|(step, _)| step != name)) {
        let names: Vec<&str> = STEPS.iter().map(|(step, _)| *step).collect();
        bail!("no step `{unknown}`; there are: {}", names.join(", "));
    }
    let start = Instant::now();
    let mut rows = Vec::new();
    let mut failed = Vec::new();
    for (name, step) in STEPS {
        if !args.only.is_empty() && !args.only.iter().any(|only| only == name) {
            continue;
        }
        if !failed.is_empty() && !args.keep_going {
            rows.push(vec![
                name.to_owned(),
                "-".to_owned(),
                "not reached".to_owned(),
                String::new(),
            ]);
            continue;
        }
        eprintln!("== {name}");
        let began = Instant::now();
        let (state, note) = match step() {
            Ok(Done::Passed(note)) => ("passed", note),
            Ok(Done::NotRun(why)) => ("not run", why),
            Err(error) => {
                eprintln!("xtask ci: {name}: {error:#}");
                failed.push(name);
                ("FAILED", String::new())
            }
        };
        rows.push(vec![name.to_owned(), duration(began.elapsed()), state.to_owned(), note]);
    }
    eprintln!(
        "\n{}total {}",
        table(&["step", "time", "result", "note"], &rows),
        duration(start.elapsed())
    );
    if failed.is_empty() {
        Ok(())
    } else {
        bail!("failed: {}", failed.join(", "))
    }
}

fn passed() -> Result<Done> {
    Ok(Done::Passed(String::new()))
}

fn fmt() -> Result<Done> {
    Cmd::cargo().args(["fmt", "--all", "--check"]).run()?;
    passed()
}

fn words() -> Result<Done> {
    Ok(Done::Passed(forbidden::check()?))
}

fn readme() -> Result<Done> {
    let text = std::fs::read_to_string(root().join("README.md"))?;
    let missing: Vec<&str> = README_COMMANDS
        .into_iter()
        .filter(|command| !text.contains(command))
        .collect();
    if missing.is_empty() {
        passed()
    } else {
        bail!("README.md does not name: {}", missing.join(", "))
    }
}

fn clippy() -> Result<Done> {
    Cmd::cargo()
        .args([
            "clippy",
            "--quiet",
            "--workspace",
            "--all-targets",
            "--",
            "-D",
            "warnings",
        ])
        .run()?;
    passed()
}

fn tests() -> Result<Done> {
    Ok(Done::Passed(test::test(&test::Args::default())?))
}

fn generated() -> Result<Done> {
    codegen::codegen(&codegen::Args { check: true })?;
    Ok(Done::Passed(calibrate::check()?))
}

/// The rules of this repository, by the command that users test theirs with. The examples of `docs/rules.md` are held against it
/// by the command's own tests.
fn rules() -> Result<Done> {
    codegen::build_programs()?;
    let said = Cmd::new(target_dir().join("debug/probity"))
        .args(["rules", "test", "signatures/rules"])
        .read()?;
    Ok(Done::Passed(said.trim().to_owned()))
}

fn doc() -> Result<Done> {
    Cmd::cargo()
        .args(["doc", "--quiet", "--workspace", "--no-deps"])
        .env("RUSTDOCFLAGS", "-D warnings")
        .run()?;
    passed()
}

fn deny() -> Result<Done> {
    let program = tools::cargo_deny()?;
    Cmd::new(program)
        .args(["--all-features", "check", "licenses", "bans", "sources"])
        .run()?;
    passed()
}

/// The advisory database is a git repository elsewhere: where it cannot be fetched, this says so and nothing more.
fn advisories() -> Result<Done> {
    let program = tools::cargo_deny()?;
    let fetched = Cmd::new("timeout")
        .arg("60")
        .arg(&program)
        .args(["fetch", "db"])
        .output()?;
    if !fetched.status.success() {
        return Ok(Done::NotRun(
            "the advisory database cannot be fetched from here".to_owned(),
        ));
    }
    Cmd::new(program)
        .args(["--all-features", "check", "--disable-fetch", "advisories"])
        .run()?;
    passed()
}

fn fuzz_smoke() -> Result<Done> {
    Ok(Done::Passed(fuzz::fuzz(&fuzz::Args::smoke(6, 2))?))
}

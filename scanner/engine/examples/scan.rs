//! Scans one path and prints, for each artifact, its format, what was found and what could not be done.
//!
//! ```sh
//! cargo run -p probity-engine --example scan -- model.safetensors
//! ```
//!
//! It exits with 0 when everything was examined and nothing was found, with 1 otherwise. `probity scan` does the
//! same with options, policies and seven forms of report.

use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Verdict};
use probity_engine::name::printable;
use probity_engine::pipeline::{Options, Scanner, Silent};
use std::error::Error;
use std::path::PathBuf;
use std::process::ExitCode;

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let path = PathBuf::from(std::env::args_os().nth(1).ok_or("usage: scan PATH")?);

    // What is not said keeps its default: every limit is on, one thread works on each core.
    let options = Options {
        // A finding of this severity or above makes the verdict `findings`.
        fail_on: Some(Severity::Medium),
        ..Options::default()
    };

    // A scanner owns its threads. Make one and use it for everything.
    let scanner = Scanner::new(options)?;

    // Which files the path stands for: itself, or what lies below it. Nothing is read yet.
    let root = scanner
        .resolve(&path)
        .map_err(|error| format!("{}: {error}", path.display()))?;

    // The scan. `None` is no standard input, `Silent` nobody who watches the progress. It cannot fail: what could not
    // be examined is part of the report.
    let report = scanner.scan(&[root], None, &Silent);

    // A file comes before what is nested in it. `is_listed` leaves out nested artifacts about which nothing is to be said.
    for artifact in report.artifacts.iter().filter(|artifact| artifact.is_listed()) {
        show(artifact);
    }

    println!("{}: {} bytes", report.verdict.as_str(), report.bytes);
    Ok(match report.verdict {
        Verdict::Clean => ExitCode::SUCCESS,
        Verdict::Findings | Verdict::Incomplete => ExitCode::FAILURE,
    })
}

fn show(artifact: &Artifact) {
    // `path` and `nested` are escaped already: they hold no control character, whatever the archive says.
    let nested = artifact.nested.as_deref().map_or(String::new(), |n| format!("!{n}"));
    println!(
        "{}{nested}: {}, {} bytes",
        artifact.path, artifact.format, artifact.size
    );

    // A finding is what the bytes say; rules and policy gave it a severity. Offsets count from the artifact's start.
    for judged in &artifact.findings {
        let finding = &judged.finding;
        // Messages and names of regions quote the artifact: `printable` keeps escape sequences off the terminal.
        let message = printable(finding.message.as_bytes());
        let region = printable(finding.region.as_bytes());
        println!("  {} {}: {message}", judged.severity.as_str(), finding.code);
        println!(
            "    at {:#x}, {} bytes, in {region}",
            finding.span.start(),
            finding.span.len()
        );
    }

    // An error is what Probity could not do. It has no severity: the artifact is incomplete.
    for error in &artifact.errors {
        println!(
            "  error {}: {}",
            error.code.as_str(),
            printable(error.message.as_bytes())
        );
    }
}

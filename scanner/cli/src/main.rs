//! `probity`: proves what an AI artifact is before it runs.
//!
//! Standard output carries the report and nothing else; progress, warnings and errors go to standard error. Exit codes
//! are those of CONTRACT: 0 clean, 1 findings, 2 usage, 3 incomplete.

mod args;
mod baseline;
mod completions;
mod declare;
mod diagnostic;
mod diff;
mod doctor;
mod explain;
mod fresh;
mod learn;
mod man;
mod manifest;
mod map;
mod output;
mod policy;
mod progress;
mod report;
mod rules;
mod scan;
mod sign;
mod stdin;
mod trust;
mod verify;
mod watch;
mod yara;

use args::{Cli, Command};
use clap::Parser;
use clap::error::ErrorKind;
use probity_engine::name::printable;
use std::io::{self, Write};
use std::process::ExitCode;

/// Usage or configuration error.
const USAGE: u8 = 2;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => return refuse(&error),
    };
    let outcome = match cli.command {
        Command::Scan(args) => scan::run(&args),
        Command::Map(args) => map::run(&args),
        Command::Verify(args) => verify::run(&args),
        Command::Sign(args) => sign::run(&args),
        Command::Diff(args) => diff::run(&args),
        Command::Watch(args) => return watch::run(&args),
        Command::Learn(args) => return learn::run(&args),
        Command::Declare(args) => declare::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Rules(args) => rules::run(&args),
        Command::Explain(args) => explain::run(&args),
        Command::Completions(args) => completions::run(&args),
        Command::Man(args) => man::run(&args),
    };
    match outcome {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            complain(&format!("{error:#}"));
            ExitCode::from(USAGE)
        }
    }
}

/// One line on standard error. It may quote arguments, so it is escaped like any name; a closed pipe is not an error.
fn complain(message: &str) {
    let _ = writeln!(io::stderr(), "probity: {}", printable(message.as_bytes()));
}

/// Help and version go to standard output; a mistake is one clear line on standard error.
fn refuse(error: &clap::Error) -> ExitCode {
    match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => {
            // A closed pipe is not an error.
            let _ = error.print();
            ExitCode::SUCCESS
        }
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => {
            let _ = error.print();
            ExitCode::from(USAGE)
        }
        _ => {
            let text = error.to_string();
            let parts: Vec<&str> = text
                .lines()
                .map(str::trim)
                .take_while(|line| !line.starts_with("Usage:") && !line.starts_with("For more information"))
                .filter(|line| !line.is_empty() && !line.starts_with("tip: to pass"))
                .collect();
            let line = parts.join(" ").replace(" tip: ", "; ");
            complain(&format!(
                "{} (see --help)",
                line.strip_prefix("error: ").unwrap_or(&line)
            ));
            ExitCode::from(USAGE)
        }
    }
}

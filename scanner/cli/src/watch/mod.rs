//! `probity watch`: standard output and standard error belong to CMD; the closing table follows when it has ended.

pub(crate) mod args;

use crate::complain;
use args::WatchArgs;
use probity_signatures::declared::{self, Declared};
use probity_watch::launch::{Command, RunAs};
use probity_watch::report::table::{self, View};
use probity_watch::report::{Report, target};
use probity_watch::session::{Options, watch};
use std::collections::BTreeMap;
use std::io::{IsTerminal, Write};
use std::process::ExitCode;

/// Usage or configuration error.
const USAGE: u8 = 2;
/// The watcher failed.
const FAILED: u8 = 125;

/// Runs the command and gives its exit code, or what the watch says instead.
pub(crate) fn run(args: &WatchArgs) -> ExitCode {
    let options = match options(args) {
        Ok(options) => options,
        Err(message) => {
            complain(&message);
            return ExitCode::from(USAGE);
        }
    };
    match watch(options) {
        Ok(report) => conclude(args, &report),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

fn options(args: &WatchArgs) -> Result<Options, String> {
    let declared = load(&args.declared, &args.var)?;
    if args.enforce {
        return Err("--enforce: this version reports and does not stop".to_owned());
    }
    let (program, rest) = args.command.split_first().ok_or("no command")?;
    let mut command = Command::new(program, rest.iter().cloned());
    command.allow_root = args.allow_root;
    if let Some(user) = &args.user {
        command.run_as = RunAs::User(user.clone());
    }
    Ok(Options {
        command,
        declared,
        events: args.events.clone(),
        events_all: args.events_all,
        linger: args.linger.into(),
        best_effort: args.best_effort,
    })
}

/// Loads the declared sets that hold together; every mistake is told.
pub(crate) fn load(files: &[std::path::PathBuf], vars: &[String]) -> Result<Option<Declared>, String> {
    if files.is_empty() {
        return Ok(None);
    }
    let mut overrides = BTreeMap::new();
    for var in vars {
        let (name, value) = var
            .split_once('=')
            .ok_or_else(|| format!("--var {var}: say NAME=VALUE"))?;
        overrides.insert(name.to_owned(), value.to_owned());
    }
    let mut texts = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()))?;
        texts.push((file.display().to_string(), text));
    }
    let given: Vec<(&str, &str)> = texts
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let environment = |name: &str| std::env::var(name).ok();
    declared::load_all(&given, &environment, &overrides)
        .map(Some)
        .map_err(|error| error.to_string())
}

fn conclude(args: &WatchArgs, report: &Report) -> ExitCode {
    if let Some(to) = &args.report {
        let written = target::open(to).and_then(|mut out| out.write_all(report.to_json().as_bytes()));
        if let Err(error) = written {
            complain(&format!("--report {to}: {error}"));
            return ExitCode::from(FAILED);
        }
    }
    if !args.quiet {
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let columns = rustix::termios::tcgetwinsize(std::io::stderr())
            .ok()
            .map(|size| usize::from(size.ws_col));
        let view = View {
            columns: columns.filter(|columns| *columns > 0),
            colour,
        };
        // Nobody may be there to read it any more.
        let _ = std::io::stderr().write_all(table::render(report, view).as_bytes());
    }
    ExitCode::from(report.exit_code)
}

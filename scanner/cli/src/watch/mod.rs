//! `probity watch`: standard output and standard error belong to CMD; the closing table follows when it has ended.

pub(crate) mod args;

use crate::complain;
use crate::declare::{Files, VarArgs};
use args::WatchArgs;
use probity_signatures::declared::{Declared, Level};
use probity_watch::launch::{Command, RunAs};
use probity_watch::report::table::{self, View};
use probity_watch::report::text::printable;
use probity_watch::report::{Attached, Report, target};
use probity_watch::session::{AttachOptions, Options, Target, attach, watch};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Usage or configuration error.
const USAGE: u8 = 2;
/// The watcher failed.
const FAILED: u8 = 125;

/// Runs the command and gives its exit code, or what the watch says instead.
pub(crate) fn run(args: &WatchArgs) -> ExitCode {
    let wanted = match options(args) {
        Ok(wanted) => wanted,
        Err(message) => {
            complain(&message);
            return ExitCode::from(USAGE);
        }
    };
    // Before anything runs: a report that cannot be written would leave a run of which nobody knows the verdict.
    let to = match args
        .report
        .as_deref()
        .map(|to| target::open(to).map_err(|error| (to, error)))
    {
        None => None,
        Some(Ok(out)) => Some(out),
        Some(Err((to, error))) => {
            complain(&format!("--report {to}: {error}"));
            return ExitCode::from(FAILED);
        }
    };
    let report = match wanted {
        Wanted::Launch(options) => watch(options),
        Wanted::Attach(options) => attach(options),
    };
    match report {
        Ok(report) => conclude(args, to, &report),
        Err(error) => {
            complain(&error.to_string());
            ExitCode::from(error.exit_code())
        }
    }
}

/// What is watched.
enum Wanted {
    Launch(Options),
    Attach(AttachOptions),
}

fn options(args: &WatchArgs) -> Result<Wanted, String> {
    let run_as = args.user.clone().map_or(RunAs::Invoking, RunAs::User);
    let declared = load(&args.declared, &args.vars, run_as.home().as_deref())?;
    if args.enforce {
        return Err("--enforce: this version reports and does not stop".to_owned());
    }
    if let Some(target) = attached_to(args) {
        return Ok(Wanted::Attach(AttachOptions {
            target,
            declared,
            events: args.events.clone(),
            events_all: args.events_all,
            root: args.root.clone(),
            duration: args.duration,
            ready: (!args.quiet).then(|| Box::new(announce) as Box<_>),
        }));
    }
    let (program, rest) = args.command.split_first().ok_or("no command")?;
    let mut command = Command::new(program, rest.iter().cloned());
    command.allow_root = args.allow_root;
    command.run_as = run_as;
    Ok(Wanted::Launch(Options {
        command,
        declared,
        events: args.events.clone(),
        events_all: args.events_all,
        linger: args.linger.into(),
        best_effort: args.best_effort,
    }))
}

/// Says from when on the target is watched: its own start is not ours to hold back.
fn announce(attached: &Attached, running: usize) {
    let es = if running == 1 { "" } else { "es" };
    let what = printable(attached.to_string().as_bytes());
    // Nobody may be there to read it.
    let _ = writeln!(
        std::io::stderr(),
        "probity watch: watching {what}; {running} process{es} ran already"
    );
}

/// What to attach to, where there is no command.
fn attached_to(args: &WatchArgs) -> Option<Target> {
    let cgroup = args.cgroup.clone().map(Target::Cgroup);
    let exe = args.exe.clone().map(Target::Exe);
    cgroup.or(args.pid.map(Target::Pid)).or(exe)
}

/// Loads the declared sets that hold together; every mistake is told. `${HOME}` is `home`, where the command becomes
/// somebody else.
pub(crate) fn load(files: &[PathBuf], vars: &VarArgs, home: Option<&Path>) -> Result<Option<Declared>, String> {
    if files.is_empty() {
        return Ok(None);
    }
    let home = home.and_then(Path::to_str);
    let environment = |name: &str| match home {
        Some(home) if name == "HOME" => Some(home.to_owned()),
        _ => std::env::var(name).ok(),
    };
    let files = Files::read(files).map_err(|error| format!("{error:#}"))?;
    files
        .load_with(&vars.values(), &environment)
        .map(Some)
        .map_err(|diagnostics| {
            let mut out = anstream::AutoStream::auto(std::io::stderr());
            for diagnostic in &diagnostics {
                // A closed pipe is not an error.
                let _ = out.write_all(files.render(diagnostic).as_bytes());
            }
            let mistakes = diagnostics
                .iter()
                .filter(|diagnostic| diagnostic.level == Level::Error)
                .count();
            let s = if mistakes == 1 { "" } else { "s" };
            format!("the declared set has {mistakes} mistake{s}; nothing was run")
        })
}

fn conclude(args: &WatchArgs, to: Option<impl Write>, report: &Report) -> ExitCode {
    if let Some(mut out) = to
        && let Err(error) = out.write_all(report.to_json().as_bytes())
    {
        complain(&format!(
            "--report {}: {error}",
            args.report.as_deref().unwrap_or_default()
        ));
        return ExitCode::from(FAILED);
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

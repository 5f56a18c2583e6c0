//! A watcher in miniature: everything `probity watch` does to start a command, and nothing else.
//!
//! `contain [--OPTION VALUE]... -- CMD [ARG...]` writes what it learns as JSON lines to the file of `--report`.

use std::fs::File;
use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use probity_watch::launch::{
    Cgroup, Command, Guardian, Inherited, InheritedKind, LaunchError, Linger, OnWatcherExit, Refused, RunAs, prepare,
};
use serde_json::{Value, json};

#[derive(Default)]
struct Options {
    user: Option<String>,
    deny_root: bool,
    linger: Linger,
    on_exit: OnWatcherExit,
    check: Option<String>,
    between: Option<String>,
    report: Option<File>,
}

pub(crate) fn run(args: &[String]) -> u8 {
    let mut options = Options::default();
    let mut rest = args.iter();
    while let Some(arg) = rest.next().filter(|arg| *arg != "--") {
        let value = rest.next().expect("an option has a value").clone();
        match arg.as_str() {
            "--user" => options.user = Some(value),
            "--deny-root" => options.deny_root = value == "yes",
            "--linger" => {
                options.linger = ["kill", "wait", "report"]
                    .iter()
                    .position(|l| *l == value)
                    .map(|i| [Linger::Kill, Linger::Wait, Linger::Report][i])
                    .expect("a linger mode")
            }
            "--watcher-exit" if value == "continue" => options.on_exit = OnWatcherExit::Continue,
            "--check" => options.check = Some(value),
            "--between" => options.between = Some(value),
            "--report" => options.report = Some(File::create(value).expect("the report can be written")),
            other => panic!("unknown option {other}"),
        }
    }
    let mut command = rest.cloned();
    let program = command.next().expect("a command");
    let mut command = Command::new(program, command);
    command.allow_root = !options.deny_root;
    command.run_as = options.user.clone().map_or(RunAs::Invoking, RunAs::User);
    let report = options.report.take();
    let say = |value: Value| {
        if let Some(mut file) = report.as_ref() {
            writeln!(file, "{value}").expect("the report can be written");
        }
    };
    match follow(&command, &options, &say) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("contain: {error}");
            say(json!({ "event": "error", "code": error.exit_code(), "message": error.to_string() }));
            error.exit_code()
        }
    }
}

fn follow(command: &Command, options: &Options, say: &dyn Fn(Value)) -> Result<u8, LaunchError> {
    let cgroup = Arc::new(Cgroup::create_under_own()?);
    let guardian = Guardian::start(&cgroup, options.on_exit)?;
    let mut checked = 0;
    let mut check = |file: &File, path: &Path| {
        assert!(
            file.metadata().is_ok_and(|m| m.is_file()) && path.exists(),
            "an open executable with its path"
        );
        checked += 1;
        if options.check.as_deref() == Some("refuse") {
            Err(Refused("not the declared digest".into()))
        } else {
            Ok(())
        }
    };
    let wanted = options.check.is_some();
    let prepared = prepare(command, &cgroup, if wanted { Some(&mut check) } else { None })?;
    say(json!({
        "event": "prepared", "pid": prepared.pid(), "guardian": guardian.pid(), "path": prepared.path(),
        "cgroup": cgroup.path(), "kernel_path": cgroup.kernel_path(), "id": cgroup.id(), "level": cgroup.level(),
        "level_is_absolute": cgroup.level_is_absolute(), "members": cgroup.procs()?,
        "joined": format!("{:?}", prepared.joined()), "contained": prepared.contained(),
        "inherited": prepared.inherited().iter().map(inherited).collect::<Vec<_>>(),
    }));
    match options.between.as_deref() {
        Some("park") => std::thread::park(),
        Some("drop") => {
            drop(prepared);
            guardian.dismiss()?;
            return Ok(0);
        }
        Some(script) => {
            let status = std::process::Command::new("sh")
                .args(["-c", script])
                .status()
                .expect("sh runs");
            assert!(status.success(), "{script}");
        }
        None => {}
    }
    let mut running = prepared.release(if wanted { Some(&mut check) } else { None })?;
    say(json!({
        "event": "started", "verified": format!("{:?}", running.verified()), "interpreter": running.interpreter(),
        "checked": checked,
    }));
    let outcome = running.finish(options.linger)?;
    guardian.dismiss()?;
    say(json!({
        "event": "outcome", "status": format!("{:?}", outcome.status), "cmd_exit": outcome.cmd_exit,
        "killed": outcome.killed,
        "lingering": outcome.lingering.iter().map(|l| json!({ "pid": l.pid, "comm": l.comm, "cmdline": l.cmdline }))
            .collect::<Vec<_>>(),
    }));
    Ok(outcome.cmd_exit)
}

fn inherited(entry: &Inherited) -> Value {
    let kind = match &entry.kind {
        InheritedKind::Socket(s) => json!({
            "family": s.family, "type": s.kind, "protocol": s.protocol, "local": s.local, "peer": s.peer,
        }),
        other => json!(format!("{other:?}").to_lowercase()),
    };
    json!({
        "fd": entry.fd, "kind": kind, "target": entry.target, "hole": entry.is_hole(),
        "access": format!("{:?}", entry.access).to_lowercase(),
    })
}

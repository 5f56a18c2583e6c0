//! `probity watch -- CMD`, from the cgroup to the report.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use probity_abi::access::WRITE;
use probity_abi::config::Config;
use probity_abi::state::Held;
use probity_signatures::declared::{Declared, WatcherExit};

use super::check::{SubjectCheck, wants_check};
use super::error::{WatchError, system};
use super::hash::HostPrograms;
use super::load::Loaded;
use super::maps;
use super::watching::{PASS, Start, Watch, lowered, open_events, root};
use crate::act::Act;
use crate::doctor::{Host, Obstacle};
use crate::launch::{
    Cgroup, Command, Exit, Guardian, InheritedKind, LaunchError, Linger, OnWatcherExit, Outcome, Prepared, Running,
    bare, prepare,
};
use crate::report::{Clock, Ended, Facts, Inherited, Journal, Lingering, Report, Rules};
use crate::tally::Tally;

/// What to run, and how.
pub struct Options {
    /// CMD.
    pub command: Command,
    /// What it may do; without it the report is an inventory.
    pub declared: Option<Declared>,
    /// Where events go: a path or `fd:N`.
    pub events: Option<String>,
    /// Declared acts are written too.
    pub events_all: bool,
    /// What happens to descendants that outlive CMD.
    pub linger: Linger,
    /// Run CMD even where it cannot be watched.
    pub best_effort: bool,
}

/// A run and everything that was seen in it.
pub struct Observed {
    /// What `watch` says of it.
    pub report: Report,
    /// Every group of acts; a report lists only some of the declared ones.
    pub tally: Tally,
    /// What CMD is: the file that was executed, and its SHA-256 in hex; `None` when it could not be read.
    pub subject: Option<(PathBuf, String)>,
}

/// Is told each act that arrives, as it was judged in the end.
pub type Observer = Box<dyn FnMut(&Act)>;

/// Runs CMD to its end.
///
/// # Errors
///
/// [`WatchError`]: CMD has not run, or was ended.
pub fn watch(options: Options) -> Result<Report, WatchError> {
    watch_with(options, Box::new(|_| {}))
}

/// The same with an observer, which sees more than `--events`: DNS answers too.
///
/// # Errors
///
/// As [`watch`].
pub fn watch_with(options: Options, observer: Observer) -> Result<Report, WatchError> {
    run(options, observer, false).map(|observed| observed.report)
}

/// Runs CMD to its end and gives all that was seen, with the digest of CMD.
///
/// # Errors
///
/// As [`watch`].
pub fn observe(options: Options) -> Result<Observed, WatchError> {
    run(options, Box::new(|_| {}), true)
}

fn run(options: Options, observer: Observer, identify: bool) -> Result<Observed, WatchError> {
    let clock = Clock::measure();
    let started = Clock::now();
    let begin = Instant::now();
    let mut facts = Facts {
        cmd: command_line(&options.command),
        started,
        declared_set: options.declared.is_some(),
        ..Facts::default()
    };
    let events = open_events(options.events.as_deref(), options.events_all, clock)?;
    let lowered = lowered(options.declared.as_ref(), || root(Path::new("/")), &mut facts)?;
    let obstacle = Obstacle::of(&Host::read());
    let cgroup = match (&obstacle, Cgroup::create_under_own()) {
        (None, Ok(cgroup)) => Arc::new(cgroup),
        (Some(_), Ok(cgroup)) if options.best_effort => Arc::new(cgroup),
        (None, Err(error)) if options.best_effort => return run_bare(&options, &error.into(), clock, facts, begin),
        (Some(_), Err(_)) if options.best_effort => return run_bare(&options, &host(obstacle), clock, facts, begin),
        (None, Err(error)) => return Err(error.into()),
        (Some(_), _) => return Err(host(obstacle)),
    };
    let guardian = Guardian::start(&cgroup, on_watcher_exit(options.declared.as_ref()))?;
    let mut subject = SubjectCheck::new(options.declared.as_ref());
    let checks = identify || wants_check(options.declared.as_ref());
    let prepared = {
        let mut check = |file: &File, path: &Path| subject.check(file, path);
        prepare(&options.command, &cgroup, checks.then_some(&mut check))
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = guardian.dismiss();
            return Err(error.into());
        }
    };
    let start = Start {
        config: Config {
            cgroup: cgroup.id(),
            cgroup_level: cgroup.level(),
            ..Config::default()
        },
        lowered,
        events,
        events_all: options.events_all,
        clock,
        programs: HostPrograms::default(),
    };
    let watch = match obstacle {
        Some(_) => Err(host(obstacle)),
        None => watch_child(start, &cgroup, &prepared, &mut facts),
    };
    let mut watch = match watch {
        Ok(mut watch) => {
            watch.observer = observer;
            Some(watch)
        }
        Err(error) if options.best_effort => {
            facts
                .incomplete
                .push(format!("CMD ran unwatched (--best-effort): {error}"));
            None
        }
        Err(error) => {
            drop(prepared);
            let _ = guardian.dismiss();
            return Err(error);
        }
    };
    facts.contained = prepared.contained();
    facts.inherited = inherited(&prepared);
    let released = {
        let mut check = |file: &File, path: &Path| subject.check(file, path);
        prepared.release(checks.then_some(&mut check))
    };
    let outcome = released
        .map_err(WatchError::from)
        .and_then(|mut running| follow(&mut running, options.linger, watch.as_mut()));
    let outcome = match outcome {
        Ok(outcome) => outcome,
        Err(error) => {
            let _ = guardian.dismiss();
            return Err(error);
        }
    };
    facts.incomplete.append(&mut subject.incomplete);
    facts.ended = ended(outcome.status);
    facts.lingering = lingering(&outcome, options.linger);
    facts.seconds = begin.elapsed().as_secs_f64();
    let _ = guardian.dismiss();
    let (report, tally) = match watch {
        Some(watch) => watch.finish(facts)?,
        None => Journal::new(Rules::default(), clock, None).conclude(facts),
    };
    Ok(Observed {
        report,
        tally,
        subject: subject.found,
    })
}

/// CMD without a cgroup, for want of one: nobody watches it, and nothing of it is held.
fn run_bare(
    options: &Options,
    why: &WatchError,
    clock: Clock,
    mut facts: Facts,
    begin: Instant,
) -> Result<Observed, WatchError> {
    facts
        .incomplete
        .push(format!("CMD ran unwatched (--best-effort): {why}"));
    let (exit, contained) = bare(&options.command)?;
    facts.ended = ended(exit);
    facts.contained = contained;
    facts.seconds = begin.elapsed().as_secs_f64();
    let (report, tally) = Journal::new(Rules::default(), clock, None).conclude(facts);
    Ok(Observed {
        report,
        tally,
        subject: None,
    })
}

fn ended(exit: Exit) -> Ended {
    match exit {
        Exit::Code(code) => Ended::Exited(code),
        Exit::Signal { signal, .. } => Ended::Signalled(u8::try_from(signal).unwrap_or(u8::MAX)),
    }
}

fn host(obstacle: Option<Obstacle>) -> WatchError {
    match obstacle {
        Some(obstacle) => WatchError::Host(Box::new(obstacle)),
        None => WatchError::Launch(LaunchError::NoCgroup2),
    }
}

/// Loads and attaches for a child that waits in its cgroup.
fn watch_child(start: Start, cgroup: &Cgroup, prepared: &Prepared, facts: &mut Facts) -> Result<Watch, WatchError> {
    let (mut watch, held) = Watch::load(start, facts)?;
    mark_inherited(&mut watch.loaded, prepared, &held)?;
    watch.attach(Some(cgroup.path()), facts)?;
    maps::state(&mut watch.loaded.ebpf, 3, 1)?;
    Ok(watch)
}

/// Drains until CMD and what it left behind are done.
fn follow(running: &mut Running, linger: Linger, mut watch: Option<&mut Watch>) -> Result<Outcome, WatchError> {
    let mut next = Instant::now() + PASS;
    loop {
        if let Some(outcome) = running.try_finish(linger)? {
            return Ok(outcome);
        }
        let wait = next.saturating_duration_since(Instant::now());
        wait_for(running, watch.as_deref(), wait)?;
        if let Some(watch) = watch.as_deref_mut() {
            watch.drain(false);
        }
        if Instant::now() >= next {
            next = Instant::now() + PASS;
            if let Some(watch) = watch.as_deref_mut() {
                watch.look_again();
            }
        }
    }
}

fn wait_for(running: &Running, watch: Option<&Watch>, wait: Duration) -> Result<(), WatchError> {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(wait.subsec_nanos().min(PASS.subsec_nanos())),
    };
    let mut fds = running.awaited();
    if let Some(watch) = watch {
        fds.extend(
            watch
                .descriptors()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
    }
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(system("poll")(error)),
    }
}

fn command_line(command: &Command) -> Vec<String> {
    let escaped = |word: &std::ffi::OsStr| match word.to_str() {
        Some(text) => text.to_owned(),
        None => word.as_encoded_bytes().escape_ascii().to_string(),
    };
    std::iter::once(escaped(&command.program))
        .chain(command.args.iter().map(|word| escaped(word)))
        .collect()
}

fn on_watcher_exit(set: Option<&Declared>) -> OnWatcherExit {
    match set.map(|set| set.mode.watcher_exit) {
        Some(WatcherExit::Continue) => OnWatcherExit::Continue,
        _ => OnWatcherExit::KillTree,
    }
}

/// Files that CMD inherits are not files it opened: their use is judged. What it writes to the output that its caller chose
/// is its caller's.
fn mark_inherited(loaded: &mut Loaded, prepared: &Prepared, held: &[Held]) -> Result<(), WatchError> {
    let pid = u32::try_from(prepared.pid()).unwrap_or(0);
    let mut any = false;
    for descriptor in prepared
        .inherited()
        .iter()
        .filter(|descriptor| matches!(descriptor.kind, InheritedKind::File))
    {
        let fd = u32::try_from(descriptor.fd).unwrap_or(u32::MAX);
        let Some(found) = held.iter().find(|held| held.tgid == pid && held.fd == fd) else {
            continue;
        };
        let exempt = if matches!(fd, 1 | 2) { u32::from(WRITE) } else { 0 };
        maps::foreign(&mut loaded.ebpf, found.file, exempt)?;
        any = true;
    }
    if any {
        maps::state(&mut loaded.ebpf, 2, 1)?;
    }
    Ok(())
}

fn inherited(prepared: &Prepared) -> Vec<Inherited> {
    let list = prepared.inherited().iter().filter(|descriptor| descriptor.is_hole());
    list.map(|descriptor| Inherited {
        fd: u32::try_from(descriptor.fd).unwrap_or(0),
        target: describe_inherited(descriptor),
    })
    .collect()
}

/// A descriptor in one line.
pub(super) fn describe_inherited(descriptor: &crate::launch::Inherited) -> String {
    match &descriptor.kind {
        InheritedKind::Socket(socket) => {
            let peer = socket
                .peer
                .as_ref()
                .map(|peer| format!(" to {peer}"))
                .unwrap_or_default();
            format!("{} {} socket {}{peer}", socket.family, socket.kind, socket.local)
        }
        _ => descriptor.target.display().to_string(),
    }
}

fn lingering(outcome: &Outcome, linger: Linger) -> Vec<Lingering> {
    let done = match linger {
        Linger::Kill => "killed",
        Linger::Wait => "waited",
        Linger::Report => "left",
    };
    let list = outcome.lingering.iter().map(|process| Lingering {
        pid: u32::try_from(process.pid).unwrap_or(0),
        exe: Some(process.comm.clone()),
        done: done.to_owned(),
    });
    list.collect()
}

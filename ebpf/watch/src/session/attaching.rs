//! `probity watch --cgroup`, `--pid`, `--exe`: what already runs, or others start, watched until it ends or we are told to.
//!
//! Nothing is started, stopped or killed here, and nothing is written to a cgroup that others made. The programs attach
//! first; then what already runs is adopted ([`super::adopt`]); what it had open until then is listed as uncovered.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use probity_signatures::declared::Declared;

use super::adopt::ourselves;
use super::check::{SubjectCheck, wants_check};
use super::error::{WatchError, system};
use super::hash::HostPrograms;
use super::scope::Scope;
use super::stop::Stop;
use super::watching::{PASS, Start, Watch, lowered, open_events, root};
use crate::report::{Attached, Clock, Facts, Report};

/// Passes between two looks for processes that ended unseen.
const SWEEP: u32 = 10;

/// What to attach to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// A cgroup of version 2 and all below it: its directory, or its path below the mount.
    Cgroup(PathBuf),
    /// A running process and its descendants.
    Pid(u32),
    /// Every start of an executable, and its descendants.
    Exe(PathBuf),
}

/// Called once everything is watched, with what was attached to and how many processes were adopted.
pub type Ready = Box<dyn FnOnce(&Attached, usize)>;

/// How to watch it.
pub struct AttachOptions {
    /// What.
    pub target: Target,
    /// What it may do; without it the report is an inventory.
    pub declared: Option<Declared>,
    /// Where events go: a path or `fd:N`.
    pub events: Option<String>,
    /// Declared acts are written too.
    pub events_all: bool,
    /// The root directory that the rules mean; that of the first process without one.
    pub root: Option<PathBuf>,
    /// How long to watch, at most.
    pub duration: Option<Duration>,
    /// Called once the target is watched, with what it is and how many processes of it ran already.
    pub ready: Option<Ready>,
}

/// Watches until the target has ended, a signal has come, or the time is over.
///
/// # Errors
///
/// [`WatchError`]: there is no report, and what runs runs on.
pub fn attach(options: AttachOptions) -> Result<Report, WatchError> {
    let clock = Clock::measure();
    let begin = Instant::now();
    let stop = Stop::catch()?;
    let mut facts = Facts {
        started: Clock::now(),
        declared_set: options.declared.is_some(),
        contained: true,
        ..Facts::default()
    };
    let mut scope = Scope::open(&options.target)?;
    facts.attached = Some(scope.attached(&options.target));
    let mut check = SubjectCheck::new(options.declared.as_ref());
    if wants_check(options.declared.as_ref()) {
        scope.check(&mut check, &options.target)?;
    }
    let place = scope.root(options.root.as_deref(), &mut facts)?;
    let lowered = lowered(options.declared.as_ref(), || root(&place), &mut facts)?;
    let events = open_events(options.events.as_deref(), options.events_all, clock)?;
    let start = Start {
        config: scope.config(),
        lowered,
        events,
        events_all: options.events_all,
        clock,
        programs: HostPrograms {
            root: Some(root(&place)?),
        },
    };
    let (mut watch, held) = Watch::load(start, &mut facts)?;
    if let Scope::Exe(starter) = &mut scope {
        starter.pin(&mut watch, &held)?;
    }
    let cgroup = match &scope {
        Scope::Cgroup(group) => Some(group.path()),
        _ => None,
    };
    watch.attach(cgroup, &mut facts)?;
    let excluded = ourselves(&mut watch)?;
    let running = scope.adopt(&mut watch, &excluded, &mut facts)?;
    if let (Some(ready), Some(attached)) = (options.ready, &facts.attached) {
        ready(attached, running);
    }
    let mut check = wants_check(options.declared.as_ref()).then_some(check);
    let deadline = options.duration.and_then(|duration| begin.checked_add(duration));
    let ended = follow(&mut scope, &mut watch, &stop, deadline, |scope, watch| {
        scope.look_again(watch, &excluded, check.as_mut(), &mut facts)
    })?;
    if let Some(check) = check {
        facts.incomplete.extend(check.incomplete);
    }
    facts.notes.extend(ended);
    facts.seconds = begin.elapsed().as_secs_f64();
    watch.finish(facts).map(|(report, _)| report)
}

/// Drains until the end; says what it was, when not the target's own.
fn follow(
    scope: &mut Scope,
    watch: &mut Watch,
    stop: &Stop,
    deadline: Option<Instant>,
    mut look_again: impl FnMut(&mut Scope, &mut Watch) -> Result<(), WatchError>,
) -> Result<Option<String>, WatchError> {
    let mut next = Instant::now() + PASS;
    let mut passes = 0;
    let mut was_populated = false;
    loop {
        if let Some(signal) = stop.arrived() {
            return Ok(Some(format!("the watch was ended by signal {signal}")));
        }
        if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            return Ok(Some("the watch was ended by --duration".to_owned()));
        }
        if scope.has_ended(watch, &mut was_populated, passes % SWEEP == SWEEP - 1)? {
            return Ok(None);
        }
        let until = deadline.map_or(next, |deadline| deadline.min(next));
        wait(scope, watch, stop, until.saturating_duration_since(Instant::now()))?;
        watch.drain(false);
        if Instant::now() >= next {
            next = Instant::now() + PASS;
            passes = passes.wrapping_add(1);
            watch.look_again();
            look_again(scope, watch)?;
        }
    }
}

fn wait(scope: &Scope, watch: &Watch, stop: &Stop, wait: Duration) -> Result<(), WatchError> {
    let timeout = Timespec {
        tv_sec: 0,
        tv_nsec: i64::from(wait.min(PASS).subsec_nanos()),
    };
    let mut fds = vec![PollFd::from_borrowed_fd(stop.fd(), PollFlags::IN)];
    if let Scope::Cgroup(group) = scope {
        fds.push(PollFd::from_borrowed_fd(group.events(), PollFlags::PRI));
    }
    let rings = watch.descriptors();
    fds.extend(rings.map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)));
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(system("poll")(error)),
    }
}

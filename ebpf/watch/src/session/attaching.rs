//! `probity watch --cgroup`, `--pid`, `--exe`: what already runs, or others start, watched until it ends or we are told to.
//!
//! Nothing is started, stopped or killed here, and nothing is written to a cgroup that others made. The programs attach
//! first; then what already runs is adopted ([`super::adopt`]); what it had open until then is listed as uncovered.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;

use probity_abi::config::{ADOPT_BY_EXE, Config, LINEAGE, TRACE_NET};
use probity_signatures::declared::Declared;

use super::adopt::{adopt, ourselves, sweep};
use super::check::{SubjectCheck, wants_check};
use super::error::{WatchError, system};
use super::group::Group;
use super::hash::HostPrograms;
use super::maps;
use super::starter::Starter;
use super::stop::Stop;
use super::tasks::Snapshot;
use super::watching::{PASS, Start, Watch, lowered, open_events, root};
use crate::act::ProcessKey;
use crate::report::{Attached, Blind, Clock, Facts, Report};

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

/// What is watched, opened.
enum Scope {
    Cgroup(Group),
    Pid(ProcessNumber),
    Exe(Box<Starter>),
}

/// A process that must still be the one that was asked for when it is adopted.
struct ProcessNumber {
    pid: u32,
    /// Start in clock ticks since boot, as `/proc` shows it.
    ticks: u64,
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
    note_blindness(&scope, options.declared.as_ref(), &mut facts);
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
    watch.finish(facts)
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

impl Scope {
    fn open(target: &Target) -> Result<Self, WatchError> {
        match target {
            Target::Cgroup(path) => {
                let group = Group::open(path)?;
                if group.procs()?.contains(&std::process::id()) {
                    return Err(WatchError::Target(format!(
                        "--cgroup {}: the watcher itself is in it",
                        path.display()
                    )));
                }
                Ok(Self::Cgroup(group))
            }
            Target::Pid(pid) => ProcessNumber::find(*pid).map(Self::Pid),
            Target::Exe(path) => {
                own_pid_namespace("--exe")?;
                Starter::open(path).map(Box::new).map(Self::Exe)
            }
        }
    }

    fn attached(&self, target: &Target) -> Attached {
        match (self, target) {
            (Self::Cgroup(group), _) => Attached::Cgroup(group.path().display().to_string()),
            (Self::Pid(process), _) => Attached::Pid(process.pid),
            (Self::Exe(_), Target::Exe(path)) => Attached::Exe(path.display().to_string()),
            (Self::Exe(_), _) => Attached::Exe(String::new()),
        }
    }

    fn config(&self) -> Config {
        match self {
            Self::Cgroup(group) => Config {
                cgroup: group.id(),
                cgroup_level: group.level(),
                ..Config::default()
            },
            Self::Pid(_) => Config {
                flags: LINEAGE,
                trace: TRACE_NET,
                ..Config::default()
            },
            Self::Exe(_) => Config {
                flags: LINEAGE | ADOPT_BY_EXE,
                trace: TRACE_NET,
                ..Config::default()
            },
        }
    }

    /// Holds the subject's executable against what is declared of it.
    fn check(&self, check: &mut SubjectCheck<'_>, target: &Target) -> Result<(), WatchError> {
        let path = match (self, target) {
            (Self::Pid(process), _) => PathBuf::from(format!("/proc/{}/exe", process.pid)),
            (Self::Exe(_), Target::Exe(path)) => path.clone(),
            _ => {
                let said = "the subject's digest is not checked: a cgroup has no executable of its own";
                check.incomplete.push(said.to_owned());
                return Ok(());
            }
        };
        let refused = |why: String| WatchError::Refused(format!("{}: {why}", path.display()));
        let file = File::open(&path).map_err(|error| refused(error.to_string()))?;
        let shown = std::fs::read_link(&path).unwrap_or_else(|_| path.clone());
        check
            .check(&file, &shown)
            .map_err(|refused| WatchError::Refused(refused.0))
    }

    /// The directory that `/` means in the rules.
    fn root(&self, given: Option<&Path>, facts: &mut Facts) -> Result<PathBuf, WatchError> {
        if let Some(given) = given {
            return Ok(given.to_owned());
        }
        match self {
            Self::Exe(_) => Ok(PathBuf::from("/")),
            Self::Pid(process) => Ok(root_of(process.pid)),
            Self::Cgroup(group) => {
                let members = group.procs()?;
                let Some(first) = members.iter().find(|pid| identity(**pid).is_some()) else {
                    let said =
                        "the cgroup was empty: rules mean the watcher's own root directory (--root says another)";
                    facts.notes.push(said.to_owned());
                    return Ok(PathBuf::from("/"));
                };
                let others = members.iter().filter(|pid| {
                    let other = identity(**pid);
                    other.is_some() && other != identity(*first)
                });
                let others = others.count();
                if others > 0 {
                    facts.notes.push(format!(
                        "{others} of {} processes have another root directory than process {first}, whose root the rules mean",
                        members.len()
                    ));
                }
                Ok(root_of(*first))
            }
        }
    }

    /// Takes in what runs already; says how many processes.
    fn adopt(&mut self, watch: &mut Watch, excluded: &HashSet<u32>, facts: &mut Facts) -> Result<usize, WatchError> {
        let adopted = match self {
            Self::Cgroup(group) => adopt(
                watch,
                excluded,
                |snapshot| {
                    let members = group.procs()?;
                    let found = members.iter().filter_map(|pid| snapshot.get(*pid));
                    Ok(found.map(|process| process.key).collect())
                },
                facts,
            )?,
            Self::Pid(process) => adopt(watch, excluded, |snapshot| process.key(snapshot), facts)?,
            Self::Exe(starter) => {
                starter.adopt(watch, excluded, facts)?;
                starter.adopted
            }
        };
        let es = if adopted == 1 { "" } else { "es" };
        facts
            .notes
            .push(format!("{adopted} process{es} ran already when the watch began"));
        Ok(adopted)
    }

    fn look_again(
        &mut self,
        watch: &mut Watch,
        excluded: &HashSet<u32>,
        check: Option<&mut SubjectCheck<'_>>,
        facts: &mut Facts,
    ) -> Result<(), WatchError> {
        match self {
            Self::Exe(starter) => starter.look_again(watch, excluded, check, facts),
            Self::Cgroup(_) | Self::Pid(_) => Ok(()),
        }
    }

    /// Whether there is nothing left to watch. A cgroup that was empty at first is waited for.
    fn has_ended(&self, watch: &mut Watch, was_populated: &mut bool, sweeping: bool) -> Result<bool, WatchError> {
        match self {
            Self::Exe(_) => Ok(false),
            Self::Cgroup(group) => {
                let populated = group.populated()?;
                *was_populated |= populated;
                Ok(!populated && (*was_populated || !group.path().exists()))
            }
            Self::Pid(_) if sweeping => Ok(!sweep(watch)?),
            Self::Pid(_) => Ok(maps::lineage(&mut watch.loaded.ebpf)?.is_empty()),
        }
    }
}

impl ProcessNumber {
    fn find(pid: u32) -> Result<Self, WatchError> {
        const PF_KTHREAD: u64 = 0x0020_0000;
        own_pid_namespace("--pid")?;
        let process = Self { pid, ticks: 0 };
        let stat =
            std::fs::read(format!("/proc/{pid}/stat")).map_err(|_| process.refused("there is no such process"))?;
        let [state, _, flags, ticks] = fields(&stat).ok_or_else(|| process.refused("its state cannot be read"))?;
        if is_above_us(pid) {
            return Err(process.refused("it is the watcher itself, or an ancestor of it"));
        }
        if flags & PF_KTHREAD != 0 {
            return Err(process.refused("it is a thread of the kernel"));
        }
        if matches!(u8::try_from(state), Ok(b'Z' | b'X')) {
            return Err(process.refused("it has ended"));
        }
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let leader = status.lines().find_map(|line| line.strip_prefix("Tgid:"));
        if let Some(leader) = leader.map(str::trim).filter(|leader| *leader != pid.to_string()) {
            return Err(process.refused(&format!("it is a thread of process {leader}")));
        }
        Ok(Self { pid, ticks })
    }

    /// The process, unless its number means another by now.
    fn key(&self, snapshot: &Snapshot) -> Result<Vec<ProcessKey>, WatchError> {
        // USER_HZ is 100 wherever /proc shows ticks.
        const NANOSECONDS_A_TICK: u64 = 10_000_000;
        let found = snapshot.get(self.pid).map(|process| process.key);
        Ok(found
            .filter(|key| key.start / NANOSECONDS_A_TICK == self.ticks)
            .into_iter()
            .collect())
    }

    fn refused(&self, why: &str) -> WatchError {
        WatchError::Target(format!("--pid {}: {why}", self.pid))
    }
}

/// Whether a process is this one, or one that it descends from.
fn is_above_us(pid: u32) -> bool {
    let mut next = Some(std::process::id());
    while let Some(ours) = next.filter(|ours| *ours != 0) {
        if ours == pid {
            return true;
        }
        let stat = std::fs::read(format!("/proc/{ours}/stat")).unwrap_or_default();
        next = fields(&stat).and_then(|[_, parent, ..]| u32::try_from(parent).ok());
    }
    false
}

/// State, parent, flags and start in ticks of `/proc/PID/stat`, whose second field may hold anything.
fn fields(stat: &[u8]) -> Option<[u64; 4]> {
    let name_end = stat.iter().rposition(|byte| *byte == b')')?;
    let rest = std::str::from_utf8(stat.get(name_end + 1..)?).ok()?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let state = u64::from(*fields.first()?.as_bytes().first()?);
    let number = |at: usize| fields.get(at)?.parse().ok();
    Some([state, number(1)?, number(6)?, number(19)?])
}

/// Numbers of the kernel's own are ours only in the first process namespace.
fn own_pid_namespace(option: &str) -> Result<(), WatchError> {
    /// `PROC_PID_INIT_INO`.
    const INITIAL: u64 = 0xEFFF_FFFC;
    let ours = std::fs::metadata("/proc/self/ns/pid").map_or(0, |namespace| namespace.ino());
    if ours == INITIAL {
        return Ok(());
    }
    Err(WatchError::Target(format!(
        "{option}: the watcher is in a process namespace of its own"
    )))
}

fn root_of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root"))
}

/// Which directory a process's root is.
fn identity(pid: u32) -> Option<(u64, u64)> {
    let found = std::fs::metadata(root_of(pid)).ok()?;
    Some((found.dev(), found.ino()))
}

/// What this way of watching cannot see, and whether the verdict leans on it.
fn note_blindness(scope: &Scope, set: Option<&Declared>, facts: &mut Facts) {
    let rules_on_names = set.is_some_and(|set| set.nets.iter().any(|rule| !rule.hosts.is_empty()));
    if let Scope::Cgroup(_) = scope {
        // A program that somebody else attached alone keeps ours out.
        for blind in &mut facts.blind {
            let of_cgroup = ["connect", "sendmsg", "bind"]
                .iter()
                .any(|name| blind.act.contains(name));
            blind.matters |= set.is_some() && of_cgroup;
        }
        return;
    }
    facts.blind.push(Blind {
        act: "names in DNS answers".to_owned(),
        reason: "processes without a cgroup of their own share their packets with the host's".to_owned(),
        matters: rules_on_names,
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_brackets_shifts_nothing() {
        let stat = b"7 (a) b (c)) S 1 7 7 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 4711 1000 10";
        assert_eq!(fields(stat), Some([u64::from(b'S'), 1, 4_194_560, 4_711]));
        assert_eq!(fields(b"7 (cut"), None);
    }

    #[test]
    fn what_is_no_process_is_said() {
        for (pid, why) in [
            (u32::MAX, "there is no such process"),
            (2, "it is a thread of the kernel"),
        ] {
            match ProcessNumber::find(pid) {
                Err(error) => assert!(error.to_string().contains(why), "{error}"),
                Ok(found) => panic!("{} was found", found.pid),
            }
        }
    }
}

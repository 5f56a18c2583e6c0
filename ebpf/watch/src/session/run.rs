//! `probity watch -- CMD`, from the cgroup to the report.

use std::fs::File;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;

use probity_abi::access::WRITE;
use probity_abi::config::{
    Config, EXIT_TELLS_GROUP, REPORT, SEND_ALL, TRACE_EXEC, TRACE_FOREIGN, TRACE_MAP, TRACE_NAMES, TRACE_OPEN,
    TRACE_UNIX, TRACE_WORDS,
};
use probity_abi::state::Held;
use probity_signatures::declared::{Declared, Mode as Holding, OnMismatch, OnUnsupported, WatcherExit};

use super::attach::{LoadError, Loaded, trace_rows};
use super::drain::Drain;
use super::hash::{HostPrograms, digest};
use super::lower::{LowerError, Lowered, lower};
use super::maps::{self, FillError};
use crate::act::Object;
use crate::kernel::btf::Types;
use crate::launch::{
    Cgroup, Command, Exit, Guardian, InheritedKind, LaunchError, Linger, OnWatcherExit, Outcome, Prepared, Refused,
    Running, prepare,
};
use crate::pin::Change;
use crate::report::{
    Blind, Clock, Ended, EventWriter, Facts, Inherited, Journal, Lingering, Observable, Report, Rules,
};

/// How often pins are looked at again, and counters read.
const PASS: Duration = Duration::from_millis(100);
/// How long the last events may take to appear after CMD's end.
const SETTLE: Duration = Duration::from_millis(20);

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

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// CMD could not be started, or not contained.
    #[error(transparent)]
    Launch(#[from] LaunchError),
    /// The programs could not be loaded.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// The declared set cannot be held.
    #[error(transparent)]
    Lower(#[from] LowerError),
    /// A map refused its content.
    #[error(transparent)]
    Fill(#[from] FillError),
    /// The declared set asks for what this host cannot do, and says that this is an error.
    #[error("{}: say `on_unsupported = \"report\"` under [mode] to run all the same", .0.join("; "))]
    Unsupported(Vec<String>),
    /// Where events go cannot be opened.
    #[error("{target}: {source}")]
    Events {
        /// As asked for.
        target: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// A system call failed.
    #[error("{call}: {source}")]
    System {
        /// The call.
        call: &'static str,
        /// What the system said.
        source: std::io::Error,
    },
}

impl WatchError {
    /// The exit code of `probity watch`: 125 unless CMD itself could not be run, or usage is wrong.
    #[must_use]
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Launch(error) => error.exit_code(),
            _ => crate::report::verdict::FAILED,
        }
    }
}

/// What lies between the parts of a run.
struct Watch {
    loaded: Loaded,
    lowered: Option<Lowered>,
    drain: Drain,
    journal: Journal,
    programs: HostPrograms,
    incomplete: Vec<String>,
}

/// Runs CMD to its end.
///
/// # Errors
///
/// [`WatchError`]: CMD has not run, or was ended.
pub fn watch(options: Options) -> Result<Report, WatchError> {
    let clock = Clock::measure();
    let started = Clock::now();
    let begin = Instant::now();
    let mut facts = Facts {
        cmd: command_line(&options.command),
        started,
        declared_set: options.declared.is_some(),
        ..Facts::default()
    };
    let events = open_events(&options, clock)?;
    let lowered = options
        .declared
        .as_ref()
        .map(|set| lower(set, root()?).map_err(WatchError::from))
        .transpose()?;
    if let (Some(lowered), Some(set)) = (&lowered, &options.declared) {
        refuse_unsupported(lowered, set, &mut facts)?;
    }
    let cgroup = Arc::new(Cgroup::create_under_own()?);
    let guardian = Guardian::start(&cgroup, on_watcher_exit(options.declared.as_ref()))?;
    let mut subject = SubjectCheck::new(options.declared.as_ref());
    let prepared = {
        let mut check = |file: &File, path: &std::path::Path| subject.check(file, path);
        prepare(
            &options.command,
            &cgroup,
            wants_check(options.declared.as_ref()).then_some(&mut check),
        )
    };
    let prepared = match prepared {
        Ok(prepared) => prepared,
        Err(error) => {
            let _ = guardian.dismiss();
            return Err(error.into());
        }
    };
    let watch = begin_watch(&options, &cgroup, &prepared, lowered, events, clock, &mut facts);
    let mut watch = match watch {
        Ok(watch) => Some(watch),
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
        let mut check = |file: &File, path: &std::path::Path| subject.check(file, path);
        prepared.release(wants_check(options.declared.as_ref()).then_some(&mut check))
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
    facts.notes.extend(subject.notes);
    facts.incomplete.extend(subject.incomplete);
    facts.ended = match outcome.status {
        Exit::Code(code) => Ended::Exited(code),
        Exit::Signal { signal, .. } => Ended::Signalled(u8::try_from(signal).unwrap_or(u8::MAX)),
    };
    facts.lingering = lingering(&outcome, options.linger);
    facts.seconds = begin.elapsed().as_secs_f64();
    let _ = guardian.dismiss();
    match watch {
        Some(watch) => watch.finish(facts),
        None => Ok(Journal::new(Rules::default(), clock, None).finish(facts)),
    }
}

/// Loads, pins, fills, attaches.
fn begin_watch(
    options: &Options,
    cgroup: &Cgroup,
    prepared: &Prepared,
    lowered: Option<Lowered>,
    events: Option<EventWriter>,
    clock: Clock,
    facts: &mut Facts,
) -> Result<Watch, WatchError> {
    let mut config = Config {
        cgroup: cgroup.id(),
        cgroup_level: cgroup.level(),
        watcher: std::process::id(),
        classes: 1,
        kernel: [REPORT; 16],
        ..Config::default()
    };
    if options.events_all {
        config.flags |= SEND_ALL;
    }
    let types = Types::running().map_err(LoadError::from)?;
    config.trace = TRACE_OPEN | TRACE_FOREIGN | TRACE_MAP | TRACE_UNIX | TRACE_EXEC;
    config.trace |= if types.has_tracepoint("inode_set_ctime_to_ts") {
        TRACE_NAMES
    } else {
        TRACE_WORDS
    };
    if types
        .tracepoint_arguments("sched_process_exit")
        .is_some_and(|arguments| arguments > 1)
    {
        config.trace |= EXIT_TELLS_GROUP;
    }
    if let Some(lowered) = &lowered {
        lowered.configure(&mut config);
    }
    let mut loaded = Loaded::load(
        &config,
        lowered.as_ref().map(|lowered| &lowered.files.automaton),
        &trace_rows(),
    )?;
    let mut lowered = lowered;
    let held = loaded.held()?;
    if let Some(lowered) = &mut lowered {
        maps::fill(&mut loaded.ebpf, lowered)?;
        let keys = lowered.pins.keys(&held);
        maps::pin(&mut loaded.ebpf, &keys.pins)?;
        note_pins(lowered, &keys.missing, facts);
    }
    mark_inherited(&mut loaded, prepared, &held)?;
    loaded.attach(Some(cgroup.path()))?;
    describe(&loaded, facts);
    maps::state(&mut loaded.ebpf, 3, 1)?;
    let drain = Drain::new(
        maps::ring(&mut loaded.ebpf, "VIOLATIONS")?,
        maps::ring(&mut loaded.ebpf, "EVENTS")?,
    );
    let names = lowered
        .as_ref()
        .map(|lowered| lowered.names.clone())
        .unwrap_or_default();
    let journal = Journal::new(Rules::new(names), clock, events);
    Ok(Watch {
        loaded,
        lowered,
        drain,
        journal,
        programs: HostPrograms,
        incomplete: Vec::new(),
    })
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
    let mut fds = vec![
        PollFd::from_borrowed_fd(running.signals(), PollFlags::IN),
        PollFd::from_borrowed_fd(running.cgroup().events(), PollFlags::PRI),
    ];
    if let Some(watch) = watch {
        fds.extend(
            watch
                .drain
                .descriptors()
                .map(|fd| PollFd::from_borrowed_fd(fd, PollFlags::IN)),
        );
    }
    match poll(&mut fds, Some(&timeout)) {
        Ok(_) | Err(Errno::INTR) => Ok(()),
        Err(error) => Err(WatchError::System {
            call: "poll",
            source: error.into(),
        }),
    }
}

impl Watch {
    fn drain(&mut self, last: bool) {
        let Self {
            drain,
            journal,
            programs,
            lowered,
            ..
        } = self;
        let mut decide = |act: &crate::act::Act, host: Option<&str>| -> Option<u16> {
            let Object::Net {
                protocol,
                ip: Some(address),
                port,
                ..
            } = act.object
            else {
                return None;
            };
            lowered.as_ref()?.decide_host(protocol, address, port, host)
        };
        drain.pass(Clock::now(), last, &mut |bytes| {
            // What cannot be decoded is counted as lost by the journal itself.
            let _ = journal.absorb(bytes, programs, &mut decide);
        });
        journal.flush();
    }

    /// Replaced directories are pinned anew.
    fn look_again(&mut self) {
        let Some(lowered) = &mut self.lowered else { return };
        let changes = lowered.pins.refresh();
        if changes.is_empty() {
            return;
        }
        for change in &changes {
            if let Change::Unpinned {
                address: Some(address), ..
            } = change
            {
                maps::unpin(&mut self.loaded.ebpf, *address);
            }
        }
        let pinned = self.loaded.held().map_err(WatchError::from).and_then(|held| {
            let keys = lowered.pins.keys(&held);
            maps::pin(&mut self.loaded.ebpf, &keys.pins)?;
            maps::bump_epoch(&mut self.loaded.ebpf)?;
            Ok(())
        });
        if let Err(error) = pinned {
            self.incomplete
                .push(format!("replaced directories could not be pinned again: {error}"));
        }
        lowered.pins.release();
    }

    /// Everything that is still under way, the counts, the report.
    fn finish(mut self, mut facts: Facts) -> Result<Report, WatchError> {
        std::thread::sleep(SETTLE);
        self.drain(true);
        let counters = maps::counters(&mut self.loaded.ebpf)?;
        let seen = maps::seen(&mut self.loaded.ebpf)?;
        self.journal.absorb_counts(seen, &counters);
        if let Some(lowered) = &self.lowered {
            let uses = maps::rule_uses(&mut self.loaded.ebpf, lowered.names.len())?;
            self.journal.tally.absorb_rule_uses((1..).zip(uses.into_iter().skip(1)));
        }
        facts.programs = self.loaded.uses();
        for program in facts.programs.iter().filter(|program| program.skipped > 0) {
            // The kernel does not run a program that it interrupted on the same CPU.
            self.journal
                .tally
                .lose(&format!("skipped runs of {}", program.program), program.skipped);
        }
        facts.incomplete.append(&mut self.incomplete);
        Ok(self.journal.finish(facts))
    }
}

fn open_events(options: &Options, clock: Clock) -> Result<Option<EventWriter>, WatchError> {
    let Some(target) = &options.events else { return Ok(None) };
    let opened = EventWriter::open(target, clock, options.events_all);
    opened.map(Some).map_err(|source| WatchError::Events {
        target: target.clone(),
        source,
    })
}

fn root() -> Result<std::os::fd::OwnedFd, WatchError> {
    rustix::fs::open("/", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
        WatchError::System {
            call: "open /",
            source: error.into(),
        }
    })
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

fn refuse_unsupported(lowered: &Lowered, set: &Declared, facts: &mut Facts) -> Result<(), WatchError> {
    let mut unsupported = lowered.unsupported.clone();
    if set.mode.default == Holding::Block || set.mode.sections.contains(&Some(Holding::Block)) {
        unsupported.push("mode `block`: this watcher reports and does not stop".to_owned());
    }
    if unsupported.is_empty() {
        return Ok(());
    }
    if set.mode.on_unsupported == OnUnsupported::Error {
        return Err(WatchError::Unsupported(unsupported));
    }
    facts.incomplete.extend(unsupported);
    Ok(())
}

fn note_pins(lowered: &Lowered, missing: &[Vec<u8>], facts: &mut Facts) {
    facts.notes.extend(lowered.files.notes.iter().map(ToString::to_string));
    for path in missing {
        facts
            .incomplete
            .push(format!("`{}` could not be pinned", path.escape_ascii()));
    }
    for change in lowered.pins.notes() {
        if let Change::OverBudget { path } = change {
            facts.incomplete.push(format!(
                "`{}` could not be held, for want of descriptors",
                path.escape_ascii()
            ));
        }
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

fn describe_inherited(descriptor: &crate::launch::Inherited) -> String {
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

/// What is seen, and what is not.
fn describe(loaded: &Loaded, facts: &mut Facts) {
    for capability in &loaded.programs {
        match &capability.refused {
            None => facts.observable.push(Observable {
                act: capability.row.sees.to_owned(),
                backend: if capability.row.name.ends_with(['4', '6']) {
                    "cgroup"
                } else {
                    "trace"
                }
                .to_owned(),
                blockable: false,
            }),
            Some(reason) => facts.blind.push(Blind {
                act: format!("{} ({})", capability.row.sees, capability.row.name),
                reason: reason.clone(),
                matters: false,
            }),
        }
    }
    facts.observable.dedup();
}

fn wants_check(set: Option<&Declared>) -> bool {
    set.and_then(|set| set.subject.as_ref())
        .is_some_and(|subject| !subject.sha256.is_empty() || !subject.signers.is_empty())
}

/// The subject's digest, before it runs.
struct SubjectCheck<'a> {
    set: Option<&'a Declared>,
    notes: Vec<String>,
    incomplete: Vec<String>,
}

impl<'a> SubjectCheck<'a> {
    fn new(set: Option<&'a Declared>) -> Self {
        Self {
            set,
            notes: Vec::new(),
            incomplete: Vec::new(),
        }
    }

    fn check(&mut self, file: &File, path: &std::path::Path) -> Result<(), Refused> {
        let Some(subject) = self.set.and_then(|set| set.subject.as_ref()) else {
            return Ok(());
        };
        let mut copy = file.try_clone().map_err(|error| Refused(error.to_string()))?;
        let found = digest(&mut copy).ok_or_else(|| Refused(format!("{}: could not be read", path.display())))?;
        if subject.sha256.is_empty() {
            self.incomplete
                .push(format!("{}: the signer is not checked by this version", subject.at));
            return Ok(());
        }
        let wanted: Vec<String> = subject.sha256.iter().map(|digest| hex(digest)).collect();
        if wanted.contains(&found) {
            return Ok(());
        }
        let said = format!(
            "{}: {} has sha256 {found}, and {} is declared",
            subject.at,
            path.display(),
            wanted.join(" or ")
        );
        if subject.on_mismatch == OnMismatch::Report {
            self.incomplete.push(said);
            return Ok(());
        }
        Err(Refused(said))
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

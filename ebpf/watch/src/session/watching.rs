//! What launching and attaching share: programs loaded, the declared set held, events drained, the report.

use std::os::fd::{BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{Mode, OFlags};

use probity_abi::config::{
    Config, EXIT_TELLS_GROUP, HOOKED, REPORT, SEND_ALL, TRACE_EXEC, TRACE_FOREIGN, TRACE_MAP, TRACE_NAMES, TRACE_OPEN,
    TRACE_UNIX, TRACE_WORDS,
};
use probity_abi::state::Held;
use probity_signatures::declared::{Declared, Mode as Holding, OnUnsupported};

use super::drain::Drain;
use super::error::{WatchError, system};
use super::hash::HostPrograms;
use super::launching::Observer;
use super::load::{LoadError, Loaded};
use super::lower::{Lowered, lower};
use super::{maps, memory};
use crate::act::{Act, Object};
use crate::doctor::coverage;
use crate::kernel::btf::Types;
use crate::kernel::programs::{self, Backend, Hook, Row};
use crate::kernel::{load, probe};
use crate::pin::Change;
use crate::report::{Clock, EventWriter, Facts, Journal, Report, Rules};
use crate::tally::Tally;

/// How often pins are looked at again.
pub(super) const PASS: Duration = Duration::from_millis(100);
/// How long the last events may take to appear after the end.
const SETTLE: Duration = Duration::from_millis(20);

/// What a watch is made of.
pub(super) struct Start {
    /// The scope's constants: cgroup, level, lineage.
    pub(super) config: Config,
    /// The declared set, compiled.
    pub(super) lowered: Option<Lowered>,
    /// Where events go.
    pub(super) events: Option<EventWriter>,
    /// Declared acts are written too.
    pub(super) events_all: bool,
    /// The run's time.
    pub(super) clock: Clock,
    /// How programs are looked at.
    pub(super) programs: HostPrograms,
}

/// A running watch.
pub(super) struct Watch {
    pub(super) loaded: Loaded,
    pub(super) journal: Journal,
    pub(super) programs: HostPrograms,
    /// Reasons for which the run is incomplete.
    pub(super) incomplete: Vec<String>,
    /// Is told each act that arrives.
    pub(super) observer: Observer,
    /// Somebody in the tree has acted.
    pub(super) acted: bool,
    lowered: Option<Lowered>,
    drain: Drain,
    /// Somebody in the tree could have ended the watcher.
    root_acted: bool,
}

/// Compiles the declared set beneath the subject's root.
///
/// # Errors
///
/// What cannot be compiled, or not be held where the set says that this is an error.
pub(super) fn lowered(
    set: Option<&Declared>,
    root: impl FnOnce() -> Result<OwnedFd, WatchError>,
    facts: &mut Facts,
) -> Result<Option<Lowered>, WatchError> {
    let Some(set) = set else { return Ok(None) };
    let lowered = lower(set, root()?)?;
    refuse_unsupported(&lowered, set, facts)?;
    Ok(Some(lowered))
}

impl Watch {
    /// Loads the programs, pins the rules' objects, fills the maps. Attaches nothing. Gives what all open descriptors of the
    /// host mean, too.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub(super) fn load(start: Start, facts: &mut Facts) -> Result<(Self, Vec<Held>), WatchError> {
        let Start {
            mut config,
            mut lowered,
            events,
            events_all,
            clock,
            programs,
        } = start;
        config.watcher = std::process::id();
        config.classes = 1;
        config.kernel = [REPORT; 16];
        if events_all {
            config.flags |= SEND_ALL;
        }
        let types = Types::shared()
            .map_err(load::LoadError::from)
            .map_err(LoadError::from)?;
        config.trace |= TRACE_OPEN | TRACE_FOREIGN | TRACE_MAP | TRACE_UNIX | TRACE_EXEC;
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
        let chosen = probe::choose(None);
        if chosen.backend != Backend::Trace {
            config.trace &= !HOOKED;
        }
        let mut loaded = Loaded::load(
            &config,
            lowered.as_ref().map(|lowered| &lowered.files.automaton),
            &rows(chosen.backend, config.cgroup != 0),
        )?;
        let held = loaded.held()?;
        if let Some(lowered) = &mut lowered {
            maps::fill(&mut loaded.ebpf, lowered)?;
            let keys = lowered.pins.keys(&held);
            maps::pin(&mut loaded.ebpf, &keys.pins)?;
            note_pins(lowered, &keys.missing, facts);
        }
        let drain = Drain::new(
            maps::ring(&mut loaded.ebpf, "VIOLATIONS")?,
            maps::ring(&mut loaded.ebpf, "EVENTS")?,
        );
        memory::give_back();
        let names = lowered
            .as_ref()
            .map(|lowered| lowered.names.clone())
            .unwrap_or_default();
        let watch = Self {
            loaded,
            journal: Journal::new(Rules::new(names), clock, events),
            programs,
            incomplete: Vec::new(),
            observer: Box::new(|_| {}),
            acted: false,
            lowered,
            drain,
            root_acted: false,
        };
        Ok((watch, held))
    }

    /// Attaches: from here on the scope is watched.
    ///
    /// # Errors
    ///
    /// What the kernel refuses and nothing works without.
    pub(super) fn attach(&mut self, cgroup: Option<&Path>, facts: &mut Facts) -> Result<(), WatchError> {
        self.loaded.attach(cgroup)?;
        let set = self.lowered.as_ref().map(|lowered| &lowered.set);
        (facts.observable, facts.blind) = coverage::describe(&self.loaded.programs, set);
        Ok(())
    }

    /// Readable when an event has come.
    pub(super) fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        self.drain.descriptors()
    }

    /// Takes in what has come; all of it when `last`.
    pub(super) fn drain(&mut self, last: bool) {
        let Self {
            drain,
            journal,
            programs,
            lowered,
            root_acted,
            acted,
            observer,
            ..
        } = self;
        let mut decide = |act: &Act, host: Option<&str>| -> Option<u16> {
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
            if let Ok(act) = journal.absorb(bytes, programs, &mut decide) {
                *acted = true;
                *root_acted |= act.uid == 0;
                observer(&act);
            }
        });
        journal.flush();
    }

    /// Replaced directories are pinned anew.
    pub(super) fn look_again(&mut self) {
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
    ///
    /// # Errors
    ///
    /// Counters that cannot be read.
    pub(super) fn finish(mut self, mut facts: Facts) -> Result<(Report, Tally), WatchError> {
        std::thread::sleep(SETTLE);
        self.drain(true);
        let counters = maps::counters(&mut self.loaded.ebpf)?;
        let seen = maps::seen(&mut self.loaded.ebpf)?;
        let set = self.lowered.as_ref().map(|lowered| &lowered.set);
        coverage::weigh(&counters, set, &mut facts);
        self.journal.absorb_counts(seen, &counters);
        if let Some(lowered) = &self.lowered {
            let uses = maps::rule_uses(&mut self.loaded.ebpf, lowered.names.len())?;
            self.journal.tally.absorb_rule_uses((1..).zip(uses.into_iter().skip(1)));
        }
        facts.programs = self.loaded.uses();
        for program in facts.programs.iter().filter(|program| program.skipped > 0) {
            // The kernel does not run a program that it interrupted on the same CPU.
            let place = format!("skipped runs of {}", program.program);
            self.journal.tally.lose(&place, program.skipped);
        }
        facts.contained &= !self.root_acted;
        facts.incomplete.append(&mut self.incomplete);
        Ok(self.journal.conclude(facts))
    }
}

/// Opens `--events`.
///
/// # Errors
///
/// A target that cannot be opened.
pub(super) fn open_events(target: Option<&str>, all: bool, clock: Clock) -> Result<Option<EventWriter>, WatchError> {
    let Some(target) = target else { return Ok(None) };
    let opened = EventWriter::open(target, clock, all);
    opened.map(Some).map_err(|source| WatchError::Events {
        target: target.to_owned(),
        source,
    })
}

/// A directory as a root for rules.
///
/// # Errors
///
/// It cannot be opened.
pub(super) fn root(path: &Path) -> Result<OwnedFd, WatchError> {
    rustix::fs::open(path, OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())
        .map_err(system("open the root directory"))
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

/// The programs of a backend; those of a cgroup only where there is one.
fn rows(backend: Backend, cgroup: bool) -> Vec<&'static Row> {
    let of_cgroup = |row: &Row| matches!(row.hook, Hook::SockAddr | Hook::SkbIngress);
    programs::of(backend).filter(|row| cgroup || !of_cgroup(row)).collect()
}

//! Acts merged into what a report can hold: one group for each kind, object, access, verdict, rule and program.
//!
//! The kernel side sends an undeclared act once and counts it afterwards in its map `SEEN`; [`Tally::absorb_counts`] adds
//! those. Memory is bounded: beyond [`OBJECTS`] groups new files are counted under their directory and everything else
//! under its kind, and [`Tally::coarse`] says how many acts that concerned. Nothing here judges an act.

mod item;

pub use item::Item;
pub(crate) use item::parent;

use crate::act::{Access, Act, Backend, FileId, Flags, Kind, ProcessKey, Verdict};
use crate::subject::Program;
use probity_abi::event;
use probity_abi::state::{Seen, SeenKey, counter};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

/// Groups that are kept apart: what they and a report of them all take stays below 200 MB.
pub const OBJECTS: usize = 50_000;
/// Groups of directories and kinds, beyond those.
const COARSE: usize = 10_000;
/// Processes of one group that are told apart.
const PROCESSES: usize = 64;
/// Sent acts whose later counts find them.
const SENT: usize = 4 * OBJECTS;

/// What acts must share to be one group.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct GroupKey {
    /// Their kind.
    pub kind: Kind,
    /// What they were done to.
    pub item: Item,
    /// What they needed.
    pub access: Access,
    /// What the declared set says of them.
    pub verdict: Verdict,
    /// The rule that decided.
    pub rule: Option<u16>,
    /// The program that did them.
    pub program: Option<Arc<Program>>,
}

/// Who did an act.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct By {
    /// Thread.
    pub pid: u32,
    /// Process.
    pub tgid: u32,
    /// Parent process.
    pub ppid: u32,
    /// Name of the thread.
    pub comm: Vec<u8>,
}

impl By {
    pub(crate) fn of(act: &Act) -> Self {
        Self {
            pid: act.pid,
            tgid: act.process.tgid,
            ppid: act.ppid,
            comm: act.comm.clone(),
        }
    }
}

/// Acts that differ in nothing that matters.
#[derive(Clone, Debug)]
pub struct Group {
    /// What they share.
    pub key: Arc<GroupKey>,
    /// How many.
    pub count: u64,
    /// Those of them that the kernel side counted without sending them.
    pub repeated: u64,
    /// Who did the first.
    pub first_by: By,
    /// Time of the first, nanoseconds since boot.
    pub first: u64,
    /// Time of the last that was sent; later ones may have been counted only.
    pub last: u64,
    /// What saw the first.
    pub backend: Backend,
    /// What of the access no rule allows, over all of them.
    pub missing: Access,
    /// What is peculiar about them, over all of them.
    pub flags: Flags,
    /// The file, as the first had it.
    pub file: Option<FileId>,
    processes: HashSet<ProcessKey>,
    more_processes: bool,
}

impl Group {
    /// How many processes did it, and whether there were more than are told apart.
    #[must_use]
    pub fn processes(&self) -> (usize, bool) {
        (self.processes.len(), self.more_processes)
    }

    /// The processes that are told apart, at most 64.
    pub fn process_keys(&self) -> impl Iterator<Item = ProcessKey> {
        self.processes.iter().copied()
    }
}

/// Everything that was seen, merged.
#[derive(Default, Debug)]
pub struct Tally {
    groups: Vec<Group>,
    index: HashMap<Arc<GroupKey>, usize>,
    fine: usize,
    coarse: u64,
    counts: BTreeMap<(Kind, Verdict), u64>,
    backends: BTreeMap<(Backend, Kind), u64>,
    rules: BTreeMap<u16, u64>,
    kernel_rules: BTreeMap<u16, u64>,
    sent: HashMap<u64, usize>,
    counted: HashMap<SeenKey, u64>,
    unattributed: u64,
    counters: [u64; COUNTERS],
    lost: BTreeMap<String, u64>,
}

/// Counters of the kernel side.
pub const COUNTERS: usize = 16;
const _: () = assert!(COUNTERS == counter::COUNT as usize);

impl Tally {
    /// Adds an act as it was judged in the end: with the verdict, rule and host that it then had.
    pub fn absorb(&mut self, act: &Act, program: Option<&Arc<Program>>, host: Option<&str>) {
        let number = self.counts.entry((act.kind, act.verdict)).or_default();
        *number = number.saturating_add(1);
        let number = self.backends.entry((act.backend, act.kind)).or_default();
        *number = number.saturating_add(1);
        if act.kind.is_notice() {
            return;
        }
        if let Some(rule) = act.rule {
            let used = self.rules.entry(rule).or_default();
            *used = used.saturating_add(1);
        }
        let at = self.group(act, program, host);
        if let Some(group) = self.groups.get_mut(at) {
            group.count = group.count.saturating_add(1);
            group.last = group.last.max(act.time);
            group.missing.0 |= act.missing.0;
            group.flags.0 |= act.flags.0;
            if group.processes.len() < PROCESSES {
                group.processes.insert(act.process);
            } else {
                group.more_processes |= !group.processes.contains(&act.process);
            }
        }
        // Declared acts are never counted as seen, so no count will look for them.
        if self.sent.len() < SENT && !act.flags.has(event::ALL) {
            self.sent.entry(act.time).or_insert(at);
        }
    }

    /// Adds what the kernel side counted of acts that it had sent before. The map's counts only grow, so it may be given
    /// again and again. Of two acts sent in the same nanosecond the first gets the counts of both.
    pub fn absorb_counts(&mut self, seen: impl IntoIterator<Item = (SeenKey, Seen)>) {
        for (key, seen) in seen {
            // The first was sent, and is counted already.
            let before = self.counted.insert(key, seen.count).unwrap_or(1);
            let more = seen.count.saturating_sub(before);
            if more == 0 {
                continue;
            }
            let Some(group) = self.sent.get(&seen.time).and_then(|at| self.groups.get_mut(*at)) else {
                self.unattributed = self.unattributed.saturating_add(more);
                continue;
            };
            group.count = group.count.saturating_add(more);
            group.repeated = group.repeated.saturating_add(more);
            let key = &group.key;
            let number = self.counts.entry((key.kind, key.verdict)).or_default();
            *number = number.saturating_add(more);
            if let Some(rule) = key.rule {
                let used = self.rules.entry(rule).or_default();
                *used = used.saturating_add(more);
            }
        }
    }

    /// Takes the kernel side's counters, summed over the processors. They only grow. Gives the losses that are new, as
    /// where and how many.
    pub fn absorb_counters(&mut self, counters: &[u64; COUNTERS]) -> Vec<(&'static str, u64)> {
        let value = |counters: &[u64; COUNTERS], index: u32| {
            usize::try_from(index)
                .ok()
                .and_then(|i| counters.get(i).copied())
                .unwrap_or(0)
        };
        let mut news = Vec::new();
        for (index, place) in counter::LOSSES {
            let more = value(counters, index).saturating_sub(value(&self.counters, index));
            if more > 0 {
                self.lose(place, more);
                news.push((place, more));
            }
        }
        self.counters = *counters;
        news
    }

    /// Takes how often the kernel side used each rule, where it counts that. The numbers only grow.
    pub fn absorb_rule_uses(&mut self, uses: impl IntoIterator<Item = (u16, u64)>) {
        self.kernel_rules.extend(uses);
    }

    /// Counts acts that were lost at `place`.
    pub fn lose(&mut self, place: &str, acts: u64) {
        let lost = self.lost.entry(place.to_owned()).or_default();
        *lost = lost.saturating_add(acts);
    }

    /// The groups, in the order in which they were first seen.
    #[must_use]
    pub fn groups(&self) -> &[Group] {
        &self.groups
    }

    /// Acts by kind and verdict, repeated ones included. Declared acts are in it only where they were sent.
    #[must_use]
    pub fn counts(&self) -> &BTreeMap<(Kind, Verdict), u64> {
        &self.counts
    }

    /// Acts sent by backend and kind.
    #[must_use]
    pub fn backends(&self) -> &BTreeMap<(Backend, Kind), u64> {
        &self.backends
    }

    /// Acts that were lost, by place.
    #[must_use]
    pub fn lost(&self) -> &BTreeMap<String, u64> {
        &self.lost
    }

    /// Acts of a verdict.
    #[must_use]
    pub fn total(&self, verdict: Verdict) -> u64 {
        self.counts
            .iter()
            .filter(|((_, v), _)| *v == verdict)
            .fold(0, |sum, (_, n)| sum.saturating_add(*n))
    }

    /// Acts that could not be told with certainty: those sent, or those counted where that is more.
    #[must_use]
    pub fn ambiguous(&self) -> u64 {
        self.total(Verdict::Ambiguous).max(self.counter(counter::AMBIGUOUS))
    }

    /// One of the kernel side's counters (`probity_abi::state::counter`).
    #[must_use]
    pub fn counter(&self, index: u32) -> u64 {
        usize::try_from(index)
            .ok()
            .and_then(|i| self.counters.get(i).copied())
            .unwrap_or(0)
    }

    /// How often a rule decided: what the kernel side counted, or what was sent where that is more.
    #[must_use]
    pub fn rule_uses(&self, rule: u16) -> u64 {
        let of = |uses: &BTreeMap<u16, u64>| uses.get(&rule).copied().unwrap_or(0);
        of(&self.rules).max(of(&self.kernel_rules))
    }

    /// Whether the kernel side's use of rules was told.
    #[must_use]
    pub fn knows_rule_uses(&self) -> bool {
        !self.kernel_rules.is_empty()
    }

    /// Acts that were counted under a directory or their kind, for want of room.
    #[must_use]
    pub fn coarse(&self) -> u64 {
        self.coarse
    }

    /// Repeated acts of which the first never arrived.
    #[must_use]
    pub fn unattributed(&self) -> u64 {
        self.unattributed
    }

    fn group(&mut self, act: &Act, program: Option<&Arc<Program>>, host: Option<&str>) -> usize {
        let mut key = GroupKey {
            kind: act.kind,
            item: Item::new(act, host),
            access: act.access,
            verdict: act.verdict,
            rule: act.rule,
            program: program.cloned(),
        };
        if let Some(at) = self.index.get(&key) {
            return *at;
        }
        if self.fine >= OBJECTS {
            self.coarse = self.coarse.saturating_add(1);
            key.item = key.item.coarse();
            if !self.index.contains_key(&key) && self.groups.len() >= OBJECTS.saturating_add(COARSE) {
                key.item = key.item.coarsest();
                key.program = None;
            }
            if let Some(at) = self.index.get(&key) {
                return *at;
            }
        } else {
            self.fine = self.fine.saturating_add(1);
        }
        let (key, at) = (Arc::new(key), self.groups.len());
        self.index.insert(Arc::clone(&key), at);
        self.groups.push(Group {
            key,
            count: 0,
            repeated: 0,
            first_by: By::of(act),
            first: act.time,
            last: act.time,
            backend: act.backend,
            missing: act.missing,
            flags: act.flags,
            file: act.object.file(),
            processes: HashSet::new(),
            more_processes: false,
        });
        at
    }
}

#[cfg(test)]
mod tests;

//! What runs on the host, as the kernel tells it in one pass, and who descends from whom.

use std::collections::{HashMap, HashSet};

use probity_abi::state::{HAS_MEMORY, IS_KERNEL, Task};

use crate::act::ProcessKey;

/// A process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Running {
    /// Which: a number that is used again has another start.
    pub(super) key: ProcessKey,
    /// The process that it is a child of.
    pub(super) ppid: u32,
    /// Address of its executable's inode.
    pub(super) exe: u64,
    /// Some thread of it has not ended.
    pub(super) alive: bool,
    /// It is the kernel's own.
    pub(super) kernel: bool,
}

/// All processes at about one time.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    processes: HashMap<u32, Running>,
}

impl Snapshot {
    /// Puts the threads of each process together.
    pub(super) fn new(tasks: &[Task]) -> Self {
        let mut processes: HashMap<u32, Running> = HashMap::new();
        for task in tasks {
            let process = processes.entry(task.tgid).or_insert(Running {
                key: ProcessKey {
                    tgid: task.tgid,
                    start: task.start,
                },
                ppid: task.ppid,
                exe: 0,
                alive: false,
                kernel: task.flags & IS_KERNEL != 0,
            });
            process.alive |= task.flags & HAS_MEMORY != 0;
            if process.exe == 0 {
                process.exe = task.exe;
            }
        }
        Self { processes }
    }

    /// The process of a number.
    pub(super) fn get(&self, tgid: u32) -> Option<&Running> {
        self.processes.get(&tgid)
    }

    /// All of them, in no order.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Running> {
        self.processes.values()
    }

    /// Whether a process still runs.
    pub(super) fn runs(&self, key: ProcessKey) -> bool {
        self.get(key.tgid)
            .is_some_and(|process| process.key == key && process.alive)
    }

    /// A process and those above it, as numbers; at most as many as there are.
    pub(super) fn ancestry(&self, tgid: u32) -> HashSet<u32> {
        let mut line = HashSet::new();
        let mut next = Some(tgid);
        while let Some(tgid) = next.filter(|tgid| *tgid != 0 && line.insert(*tgid)) {
            next = self.get(tgid).map(|process| process.ppid);
        }
        line
    }

    /// Those of `roots` that live, and every living process that descends from one of them or of `known`, a parent before
    /// its children. Nothing of `known`, nothing that has a number of `excluded`.
    pub(super) fn descent(
        &self,
        roots: &[ProcessKey],
        known: &HashSet<ProcessKey>,
        excluded: &HashSet<u32>,
    ) -> Vec<Running> {
        let mut children: HashMap<u32, Vec<&Running>> = HashMap::new();
        for process in self.processes.values() {
            children.entry(process.ppid).or_default().push(process);
        }
        let mut visited = HashSet::new();
        let mut found = Vec::new();
        let mut wave: Vec<&Running> = roots
            .iter()
            .chain(known)
            .filter_map(|key| self.get(key.tgid).filter(|process| process.key == *key))
            .collect();
        while !wave.is_empty() {
            let mut next = Vec::new();
            for process in wave {
                if excluded.contains(&process.key.tgid) || !visited.insert(process.key) {
                    continue;
                }
                if process.alive && !process.kernel && !known.contains(&process.key) {
                    found.push(*process);
                }
                next.extend(children.get(&process.key.tgid).into_iter().flatten().copied());
            }
            wave = next;
        }
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(tasks: &[(u32, u32, u64, u32)]) -> Snapshot {
        let tasks: Vec<Task> = tasks
            .iter()
            .map(|&(tgid, ppid, start, flags)| Task {
                start,
                exe: u64::from(tgid) * 0x1000,
                pid: tgid,
                tgid,
                ppid,
                flags,
            })
            .collect();
        Snapshot::new(&tasks)
    }

    fn key(tgid: u32, start: u64) -> ProcessKey {
        ProcessKey { tgid, start }
    }

    fn check(roots: &[ProcessKey], known: &[ProcessKey], excluded: &[u32], expect: &[u32]) {
        let shot = snapshot(&[
            (1, 0, 1, HAS_MEMORY),
            (2, 0, 1, IS_KERNEL),
            (10, 1, 100, HAS_MEMORY),
            (11, 10, 110, HAS_MEMORY),
            (12, 11, 120, HAS_MEMORY),
            (13, 10, 130, 0),
            (14, 13, 140, HAS_MEMORY),
            (20, 1, 200, HAS_MEMORY),
        ]);
        let known: HashSet<ProcessKey> = known.iter().copied().collect();
        let excluded: HashSet<u32> = excluded.iter().copied().collect();
        let mut found: Vec<u32> = shot
            .descent(roots, &known, &excluded)
            .iter()
            .map(|process| process.key.tgid)
            .collect();
        found.sort_unstable();
        assert_eq!(found, expect, "{roots:?} {known:?} {excluded:?}");
    }

    #[test]
    fn descendants_are_found_and_nobody_else() {
        check(&[key(10, 100)], &[], &[], &[10, 11, 12, 14]);
        check(&[key(10, 100)], &[key(10, 100), key(11, 110)], &[], &[12, 14]);
        check(&[key(11, 110)], &[], &[], &[11, 12]);
        check(&[], &[key(20, 200)], &[], &[]);
        check(&[key(10, 100)], &[], &[11], &[10, 14]);
    }

    #[test]
    fn a_number_that_is_used_again_is_another_process() {
        check(&[key(10, 99)], &[], &[], &[]);
        check(&[], &[key(10, 99)], &[], &[]);
    }

    #[test]
    fn a_leader_that_ended_before_its_threads_still_runs() {
        let thread = |pid, flags| Task {
            start: 5,
            exe: if flags == 0 { 0 } else { 7 },
            pid,
            tgid: 30,
            ppid: 1,
            flags,
        };
        let shot = Snapshot::new(&[thread(30, 0), thread(31, HAS_MEMORY)]);
        assert!(shot.runs(key(30, 5)));
        assert_eq!(shot.get(30).map(|process| process.exe), Some(7));
        assert!(!Snapshot::new(&[thread(30, 0)]).runs(key(30, 5)));
    }

    #[test]
    fn an_ancestry_ends_even_when_it_runs_in_a_circle() {
        let shot = snapshot(&[(5, 6, 1, HAS_MEMORY), (6, 5, 1, HAS_MEMORY)]);
        assert_eq!(shot.ancestry(5), HashSet::from([5, 6]));
    }
}

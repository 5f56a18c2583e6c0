//! Who did it: the processes of the tree, from their fork, exec and exit events.
//!
//! A process is its number *and* its start, so a number that was used again is another process. An exec in any thread
//! changes the program of the whole process (the kernel gives that thread the leader's number and start); a leader's exit
//! does not end a process whose other threads still act. What ended is remembered for a while, for events that come late.
//! Nothing here opens a file: digests come from the caller, see [`Programs`].

use crate::act::{Act, FileId, Kind, ProcessKey};
use probity_abi::event;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// Size and time of a file's content.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Stamp {
    /// Bytes.
    pub size: u64,
    /// Last modification, nanoseconds since 1970.
    pub mtime: i128,
}

/// Looks at the programs that processes run: how, is the caller's affair (`/proc/TGID/exe`, a held descriptor).
pub trait Programs {
    /// Size and modification time of the program that `process` started as `path`; `None` when it cannot be looked at.
    fn stamp(&mut self, process: u32, path: &[u8]) -> Option<Stamp>;
    /// SHA-256 of its content, in lower-case hex. Asked once per device, inode, generation and stamp.
    fn sha256(&mut self, process: u32, path: &[u8]) -> Option<String>;
}

/// Looks at nothing: no event then carries a digest.
#[derive(Clone, Copy, Default, Debug)]
pub struct NoDigests;

impl Programs for NoDigests {
    fn stamp(&mut self, _: u32, _: &[u8]) -> Option<Stamp> {
        None
    }

    fn sha256(&mut self, _: u32, _: &[u8]) -> Option<String> {
        None
    }
}

/// A program that ran.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Program {
    /// Its path when it was started; empty for one without a name.
    pub path: Vec<u8>,
    /// SHA-256 in hex, where it could be taken.
    pub sha256: Option<String>,
}

/// A process.
#[derive(Clone, Debug)]
pub struct Process {
    /// Which.
    pub key: ProcessKey,
    /// Who made it, where that was seen.
    pub parent: Option<ProcessKey>,
    /// Number of its parent when it last acted.
    pub ppid: u32,
    /// Name of the thread that acted last.
    pub comm: Vec<u8>,
    /// What it runs; `None` when it started before it was watched and nobody told.
    pub program: Option<Arc<Program>>,
    /// When it ended, nanoseconds since boot.
    pub ended: Option<u64>,
    /// Its leader has exited, so that it ends with its last thread.
    leader_gone: bool,
    /// Its entries in the queue of the ended.
    queued: usize,
}

/// How much is remembered.
#[derive(Clone, Copy, Debug)]
pub struct Capacity {
    /// Processes that run.
    pub live: usize,
    /// Processes that ended.
    pub ended: usize,
    /// Digests of programs.
    pub digests: usize,
}

impl Default for Capacity {
    fn default() -> Self {
        Self {
            live: 65_536,
            ended: 8_192,
            digests: 4_096,
        }
    }
}

type FileKey = (u32, u64, u32, Stamp);

/// The table.
#[derive(Default)]
pub struct Subjects {
    capacity: Capacity,
    processes: HashMap<ProcessKey, Process>,
    current: HashMap<u32, ProcessKey>,
    ended: VecDeque<ProcessKey>,
    digests: HashMap<FileKey, Option<String>>,
    turned_away: u64,
}

impl Subjects {
    /// An empty table.
    #[must_use]
    pub fn new(capacity: Capacity) -> Self {
        Self {
            capacity,
            ..Self::default()
        }
    }

    /// Puts in a process that already ran: the program that the watcher started, or those of `--pid`.
    pub fn seed(&mut self, key: ProcessKey, ppid: u32, program: Option<Program>) {
        let parent = self.current.get(&ppid).copied();
        let program = program.map(Arc::new);
        self.insert(Process {
            key,
            parent,
            ppid,
            comm: Vec::new(),
            program,
            ended: None,
            leader_gone: false,
            queued: 0,
        });
    }

    /// Takes in an act, which must come in the order of time. Every act says something about its process.
    pub fn absorb(&mut self, act: &Act, programs: &mut dyn Programs) {
        self.meet(act);
        if let Some(key) = act.forked() {
            self.insert(Process {
                key,
                parent: Some(act.process),
                ppid: act.process.tgid,
                comm: act.comm.clone(),
                program: self.program(act.process).cloned(),
                ended: None,
                leader_gone: false,
                queued: 0,
            });
        }
        if act.started_program() {
            let program = Arc::new(self.started(act, programs));
            if let Some(process) = self.processes.get_mut(&act.process) {
                process.program = Some(program);
            }
        }
        if act.kind == Kind::EXIT {
            self.exit(act);
        }
    }

    /// A process that is or was running.
    #[must_use]
    pub fn get(&self, key: ProcessKey) -> Option<&Process> {
        self.processes.get(&key)
    }

    /// What a process runs.
    #[must_use]
    pub fn program(&self, key: ProcessKey) -> Option<&Arc<Program>> {
        self.processes.get(&key)?.program.as_ref()
    }

    /// The processes from `key` upwards as far as they are known, `key` first; at most 64.
    pub fn ancestry(&self, key: ProcessKey) -> impl Iterator<Item = &Process> {
        std::iter::successors(self.get(key), |process| self.get(process.parent?)).take(64)
    }

    /// Processes that have not ended.
    pub fn live(&self) -> impl Iterator<Item = &Process> {
        self.processes.values().filter(|process| process.ended.is_none())
    }

    /// Processes for which there was no room: their acts carry no program.
    #[must_use]
    pub fn turned_away(&self) -> u64 {
        self.turned_away
    }

    fn meet(&mut self, act: &Act) {
        if let Some(process) = self.processes.get_mut(&act.process) {
            process.ppid = act.ppid;
            if process.comm != act.comm {
                process.comm.clone_from(&act.comm);
            }
            // Another thread acts after its leader's exit: the process lives. The queue's entry is skipped when its turn
            // comes.
            process.ended = None;
            return;
        }
        self.insert(Process {
            key: act.process,
            parent: self.current.get(&act.ppid).copied(),
            ppid: act.ppid,
            comm: act.comm.clone(),
            program: None,
            ended: None,
            leader_gone: false,
            queued: 0,
        });
    }

    fn insert(&mut self, process: Process) {
        let key = process.key;
        if let Some(known) = self.processes.get_mut(&key) {
            known.program = process.program.or(known.program.take());
            return;
        }
        if self.processes.len() >= self.capacity.live.saturating_add(self.capacity.ended) {
            self.turned_away = self.turned_away.saturating_add(1);
            return;
        }
        // A number that is used again: its former process has ended, whether its exit was seen or not.
        if let Some(former) = self.current.insert(key.tgid, key) {
            self.end(former, key.start);
        }
        self.processes.insert(key, process);
    }

    fn exit(&mut self, act: &Act) {
        let Some(process) = self.processes.get_mut(&act.process) else {
            return;
        };
        process.leader_gone |= act.pid == act.process.tgid;
        // A thread's exit ends nothing while its leader has not ended.
        if process.leader_gone {
            self.end(act.process, act.time);
        }
    }

    fn end(&mut self, key: ProcessKey, time: u64) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        process.ended = Some(time);
        process.queued = process.queued.saturating_add(1);
        self.ended.push_back(key);
        while self.ended.len() > self.capacity.ended {
            let Some(key) = self.ended.pop_front() else { return };
            let Some(process) = self.processes.get_mut(&key) else {
                continue;
            };
            process.queued = process.queued.saturating_sub(1);
            if process.queued == 0 && process.ended.is_some() {
                self.processes.remove(&key);
                if self.current.get(&key.tgid) == Some(&key) {
                    self.current.remove(&key.tgid);
                }
            }
        }
    }

    fn started(&mut self, act: &Act, programs: &mut dyn Programs) -> Program {
        let path = act.object.path().unwrap_or_default().to_vec();
        let tgid = act.process.tgid;
        let file = act.object.file().unwrap_or_default();
        let stamp = programs.stamp(tgid, &path);
        let sha256 = stamp.and_then(|stamp| self.digest(file, stamp, || programs.sha256(tgid, &path)));
        // A program without a name is called what the caller called it, where the kernel side could tell.
        let path = if act.flags.has(event::NAMELESS) && path.is_empty() {
            b"(nameless)".to_vec()
        } else {
            path
        };
        Program { path, sha256 }
    }

    fn digest(&mut self, file: FileId, stamp: Stamp, take: impl FnOnce() -> Option<String>) -> Option<String> {
        // Without an inode number nothing says that it is the file of another time.
        if file.ino == 0 {
            return take();
        }
        if self.digests.len() >= self.capacity.digests {
            self.digests.clear();
        }
        self.digests
            .entry((file.dev, file.ino, file.generation, stamp))
            .or_insert_with(take)
            .clone()
    }
}

#[cfg(test)]
mod tests;

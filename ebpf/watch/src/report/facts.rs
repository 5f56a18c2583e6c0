//! What the other parts of the watcher know of a run.

use super::verdict::Ended;
use serde::Serialize;
use std::fmt;

/// An act that a probe proved to be seen on this host.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Observable {
    /// The act: a kind's word, or words of the host's report.
    pub act: String,
    /// What sees it: `lsm`, `hook`, `trace`, `cgroup`, ...
    pub backend: String,
    /// Whether it could also be stopped.
    pub blockable: bool,
}

/// An act that this host cannot show.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Blind {
    /// The act.
    pub act: String,
    /// Why.
    pub reason: String,
    /// Whether the verdict leans on it, so that the run is incomplete. An act that nothing declared or denied leans on may
    /// be listed without.
    pub matters: bool,
}

/// One program of the kernel side, and what it cost.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct ProgramUse {
    /// Its name.
    pub program: String,
    /// Instructions that the verifier walked to accept it.
    pub verified: Option<u32>,
    /// How often it ran; 0 unless the sysctl `kernel.bpf_stats_enabled` is 1.
    pub runs: u64,
    /// Nanoseconds that took altogether; 0 likewise.
    pub nanoseconds: u64,
    /// How often it was not run because it was running on that CPU already: acts that were lost.
    pub skipped: u64,
}

/// A descriptor that CMD was started with.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Inherited {
    /// Its number.
    pub fd: u32,
    /// What it leads to.
    pub target: String,
}

/// A process that lived on when CMD had ended.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Lingering {
    /// Its number.
    pub pid: u32,
    /// What it runs.
    pub exe: Option<String>,
    /// What was done about it: `killed`, `waited`, `left`.
    pub done: String,
}

/// What was open before it could be watched.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Uncovered {
    /// The process that held it.
    pub pid: u32,
    /// What it is.
    pub what: String,
}

/// What was attached to, where nothing was launched.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Attached {
    /// A cgroup, by its directory.
    Cgroup(String),
    /// A process and its descendants, by its number.
    Pid(u32),
    /// Every start of an executable, by its path.
    Exe(String),
}

impl fmt::Display for Attached {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cgroup(path) => write!(f, "cgroup {path}"),
            Self::Pid(pid) => write!(f, "process {pid} and its descendants"),
            Self::Exe(path) => write!(f, "every start of {path}"),
        }
    }
}

/// A run, as the launcher, the probes and the loader know it.
#[derive(Clone, Default, PartialEq, Debug)]
pub struct Facts {
    /// CMD and its arguments, escaped where they are not UTF-8.
    pub cmd: Vec<String>,
    /// What was attached to instead.
    pub attached: Option<Attached>,
    /// How it ended.
    pub ended: Ended,
    /// When it began, nanoseconds since boot.
    pub started: u64,
    /// How long it took.
    pub seconds: f64,
    /// Whether CMD ran as somebody who could not end or blind the watcher.
    pub contained: bool,
    /// Whether there was a declared set; without one nothing is a violation.
    pub declared_set: bool,
    /// Why the watcher failed, if it did.
    pub failed: Option<String>,
    /// What was proved to be seen.
    pub observable: Vec<Observable>,
    /// What cannot be seen.
    pub blind: Vec<Blind>,
    /// Descriptors that CMD got.
    pub inherited: Vec<Inherited>,
    /// What lived on.
    pub lingering: Vec<Lingering>,
    /// What was already open.
    pub uncovered: Vec<Uncovered>,
    /// What the programs cost.
    pub programs: Vec<ProgramUse>,
    /// More reasons for which the run is incomplete.
    pub incomplete: Vec<String>,
    /// Anything else worth a line.
    pub notes: Vec<String>,
}

//! The three things that can be attached to, and what each means for a watch: constants, root, who runs already, the end.

use std::collections::HashSet;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use probity_abi::config::{ADOPT_BY_EXE, Config, LINEAGE, TRACE_NET};

use super::adopt::{adopt, sweep};
use super::attaching::Target;
use super::check::SubjectCheck;
use super::error::WatchError;
use super::group::Group;
use super::maps;
use super::process::{ProcessNumber, in_first_namespace};
use super::starter::Starter;
use super::watching::Watch;
use crate::report::{Attached, Facts};

/// What is watched, opened.
pub(super) enum Scope {
    Cgroup(Group),
    Pid(ProcessNumber),
    Exe(Box<Starter>),
}

impl Scope {
    pub(super) fn open(target: &Target) -> Result<Self, WatchError> {
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
                in_first_namespace("--exe")?;
                Starter::open(path).map(Box::new).map(Self::Exe)
            }
        }
    }

    pub(super) fn attached(&self, target: &Target) -> Attached {
        match (self, target) {
            (Self::Cgroup(group), _) => Attached::Cgroup(group.path().display().to_string()),
            (Self::Pid(process), _) => Attached::Pid(process.pid),
            (Self::Exe(_), Target::Exe(path)) => Attached::Exe(path.display().to_string()),
            (Self::Exe(_), _) => Attached::Exe(String::new()),
        }
    }

    pub(super) fn config(&self) -> Config {
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
    pub(super) fn check(&self, check: &mut SubjectCheck<'_>, target: &Target) -> Result<(), WatchError> {
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
    pub(super) fn root(&self, given: Option<&Path>, facts: &mut Facts) -> Result<PathBuf, WatchError> {
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
    pub(super) fn adopt(
        &mut self,
        watch: &mut Watch,
        excluded: &HashSet<u32>,
        facts: &mut Facts,
    ) -> Result<usize, WatchError> {
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

    pub(super) fn look_again(
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
    pub(super) fn has_ended(
        &self,
        watch: &mut Watch,
        was_populated: &mut bool,
        sweeping: bool,
    ) -> Result<bool, WatchError> {
        match self {
            Self::Exe(_) => Ok(false),
            Self::Cgroup(group) => {
                let populated = group.populated()?;
                // Who came and went between two looks has left acts.
                *was_populated |= populated || watch.acted;
                Ok(!populated && (*was_populated || !group.path().exists()))
            }
            Self::Pid(_) if sweeping => Ok(!sweep(watch)?),
            Self::Pid(_) => Ok(maps::lineage(&mut watch.loaded.ebpf)?.is_empty()),
        }
    }
}

fn root_of(pid: u32) -> PathBuf {
    PathBuf::from(format!("/proc/{pid}/root"))
}

/// Which directory a process's root is.
fn identity(pid: u32) -> Option<(u64, u64)> {
    let found = std::fs::metadata(root_of(pid)).ok()?;
    Some((found.dev(), found.ino()))
}

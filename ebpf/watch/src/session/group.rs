//! A cgroup that others made: found by its path, watched, left as it is.
//!
//! Nothing is written to it. Its level is counted from the root of the hierarchy, which only the initial cgroup namespace
//! shows. Sources: cgroups(7), Documentation/admin-guide/cgroup-v2.rst.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::io::Errno;

use super::error::WatchError;
use crate::launch::{Cgroup2, cgroup2_mounts, procs_below};

/// The inode number of the initial cgroup namespace (`PROC_CGROUP_INIT_INO`).
const INITIAL_NAMESPACE: u64 = 0xEFFF_FFFB;

/// A cgroup of version 2.
#[derive(Debug)]
pub(super) struct Group {
    path: PathBuf,
    events: File,
    id: u64,
    level: u32,
}

impl Group {
    /// Finds a cgroup by its directory, or by its path below the mount of version 2 (`/docker/abc`, `docker/abc`).
    ///
    /// # Errors
    ///
    /// There is none, or its level cannot be known.
    pub(super) fn open(given: &Path) -> Result<Self, WatchError> {
        let refused = |why: String| WatchError::Target(format!("--cgroup {}: {why}", given.display()));
        if fs::metadata("/proc/self/ns/cgroup").map_or(0, |namespace| namespace.ino()) != INITIAL_NAMESPACE {
            return Err(refused("the watcher is in a cgroup namespace of its own".to_owned()));
        }
        let mountinfo = fs::read("/proc/self/mountinfo").map_err(|error| refused(error.to_string()))?;
        let mounts = cgroup2_mounts(&mountinfo);
        if mounts.is_empty() {
            return Err(refused("no cgroup2 file system is mounted here".to_owned()));
        }
        let (path, level) = place(given, &mounts)
            .ok_or_else(|| refused("no directory of cgroup2 (version 1 cannot be watched)".to_owned()))?;
        if level == 0 {
            return Err(refused(
                "the root holds every process, the watcher among them".to_owned(),
            ));
        }
        let events = File::open(path.join("cgroup.events")).map_err(|error| refused(error.to_string()))?;
        let id = fs::metadata(&path).map_err(|error| refused(error.to_string()))?.ino();
        Ok(Self {
            path,
            events,
            id,
            level,
        })
    }

    /// The directory.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The kernel's identity of it.
    pub(super) fn id(&self) -> u64 {
        self.id
    }

    /// How deep it lies; the root is 0.
    pub(super) fn level(&self) -> u32 {
        self.level
    }

    /// Polls `PRI` when it becomes populated or empty.
    pub(super) fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    /// Whether a live process is in it or below. One that was removed is empty.
    ///
    /// # Errors
    ///
    /// `cgroup.events` cannot be read.
    pub(super) fn populated(&self) -> Result<bool, WatchError> {
        let mut text = [0u8; 256];
        match rustix::io::pread(&self.events, &mut text[..], 0) {
            Ok(read) => Ok(text
                .get(..read)
                .is_some_and(|text| text.split(|byte| *byte == b'\n').any(|line| line == b"populated 1"))),
            Err(Errno::NODEV) => Ok(false),
            Err(error) => Err(WatchError::System {
                call: "read cgroup.events",
                source: error.into(),
            }),
        }
    }

    /// The processes in it and below, by number. One that was removed has none.
    ///
    /// # Errors
    ///
    /// `cgroup.procs` cannot be read.
    pub(super) fn procs(&self) -> Result<Vec<u32>, WatchError> {
        let mut found = Vec::new();
        match procs_below(&self.path, &mut found) {
            Err(error) if !matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {
                return Err(WatchError::System {
                    call: "read cgroup.procs",
                    source: error,
                });
            }
            _ => {}
        }
        let mut found: Vec<u32> = found.into_iter().filter_map(|pid| u32::try_from(pid).ok()).collect();
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

/// The directory that a path means, and its level.
fn place(given: &Path, mounts: &[Cgroup2]) -> Option<(PathBuf, u32)> {
    let below = given.strip_prefix("/").unwrap_or(given);
    let within = mounts.iter().map(|mount| mount.point.join(below));
    let candidates = given.is_absolute().then(|| given.to_owned()).into_iter().chain(within);
    for candidate in candidates {
        let Ok(path) = candidate.canonicalize() else { continue };
        let is_group = rustix::fs::statfs(&path).is_ok_and(|found| found.f_type == libc::CGROUP2_SUPER_MAGIC);
        if !is_group || !path.is_dir() {
            continue;
        }
        // The last mount that holds the path is the one that shows it.
        let level = mounts.iter().rev().find_map(|mount| {
            let inside = path.strip_prefix(&mount.point).ok()?;
            Some(depth(&mount.root) + depth(inside))
        })?;
        return Some((path, u32::try_from(level).ok()?));
    }
    None
}

fn depth(path: &Path) -> usize {
    path.components()
        .filter(|part| matches!(part, std::path::Component::Normal(_)))
        .count()
}

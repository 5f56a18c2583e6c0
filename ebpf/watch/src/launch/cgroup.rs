//! The cgroup of one contained tree: made below the caller's own, killed and removed as a whole.
//!
//! Sets no resource limits and enables no controllers. Only files every cgroup2 directory has are used
//! (Documentation/admin-guide/cgroup-v2.rst, "Core Interface Files").

use std::ffi::CString;
use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, kill_process};

use super::mountinfo::{OwnCgroup, own_cgroup};
use super::remove::remove_tree;
use super::{LaunchError, Result};

/// The inode number of the initial cgroup namespace (`PROC_CGROUP_INIT_INO`).
const INITIAL_NAMESPACE: u64 = 0xEFFF_FFFB;
/// How long a killed tree may take to be gone.
const KILL_BOUND: Duration = Duration::from_secs(10);

/// A cgroup of version 2 that exists for one contained command, and no longer than this value.
///
/// Dropping it kills what is inside and removes the directory with all that the tree made below it.
#[derive(Debug)]
pub struct Cgroup {
    path: PathBuf,
    kernel_path: String,
    name: CString,
    parent_path: PathBuf,
    parent: OwnedFd,
    dir: OwnedFd,
    events: OwnedFd,
    id: u64,
    level: u32,
    level_is_absolute: bool,
    delegated: bool,
}

impl Cgroup {
    /// Makes `probity-PID-RANDOM` below the cgroup this process is in.
    ///
    /// # Errors
    /// [`LaunchError::NoCgroup2`], [`LaunchError::CgroupHidden`], [`LaunchError::CgroupReadOnly`],
    /// [`LaunchError::CgroupPermission`], [`LaunchError::CgroupLimit`], [`LaunchError::CgroupType`] or
    /// [`LaunchError::Cgroup`], by what the host refuses.
    pub fn create_under_own() -> Result<Self> {
        let mountinfo = fs::read("/proc/self/mountinfo").map_err(LaunchError::system("/proc/self/mountinfo"))?;
        let cgroup = fs::read("/proc/self/cgroup").map_err(LaunchError::system("/proc/self/cgroup"))?;
        Self::create_below(&own_cgroup(&mountinfo, &cgroup)?)
    }

    fn create_below(own: &OwnCgroup) -> Result<Self> {
        let open = |path: &Path| {
            rustix::fs::open(
                path,
                OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
                Mode::empty(),
            )
        };
        let parent = open(&own.dir).map_err(|error| refusal("open", &own.dir, error.into()))?;
        let magic = rustix::fs::fstatfs(&parent)
            .map_err(LaunchError::system("fstatfs"))?
            .f_type;
        if magic != libc::CGROUP2_SUPER_MAGIC {
            return Err(LaunchError::CgroupHidden {
                own: own.kernel_path.clone(),
            });
        }
        let (name, path) = make_directory(&parent, &own.dir)?;
        let kernel_path = format!("{}/{}", own.kernel_path.trim_end_matches('/'), name.to_string_lossy());
        let opened = (|| {
            let dir = open(&path).map_err(|error| refusal("open", &path, error.into()))?;
            let flags = OFlags::RDONLY | OFlags::CLOEXEC;
            let events = rustix::fs::openat(&dir, c"cgroup.events", flags, Mode::empty())
                .map_err(|error| refusal("open", &path.join("cgroup.events"), error.into()))?;
            let id = rustix::fs::fstat(&dir).map_err(LaunchError::system("fstat"))?.st_ino;
            let kind = fs::read_to_string(path.join("cgroup.type")).unwrap_or_default();
            match kind.trim() {
                "domain" | "" => Ok((dir, events, id)),
                other => Err(LaunchError::CgroupType {
                    path: path.clone(),
                    kind: other.to_owned(),
                }),
            }
        })();
        let (dir, events, id) = opened.inspect_err(|_| {
            remove_tree(parent.as_fd(), &name);
        })?;
        let level = kernel_path.split('/').filter(|part| !part.is_empty()).count();
        Ok(Self {
            level: u32::try_from(level).unwrap_or(u32::MAX),
            level_is_absolute: fs::metadata("/proc/self/ns/cgroup")
                .is_ok_and(|ns| std::os::unix::fs::MetadataExt::ino(&ns) == INITIAL_NAMESPACE),
            delegated: is_delegated(&own.dir),
            parent_path: own.dir.clone(),
            path,
            kernel_path,
            name,
            parent,
            dir,
            events,
            id,
        })
    }

    /// The kernel's identity of the cgroup: what `bpf_get_current_cgroup_id` returns for its direct members.
    #[must_use]
    pub fn id(&self) -> u64 {
        self.id
    }

    /// The depth below the root, for `bpf_get_current_ancestor_cgroup_id(level)`; counted from the root of the cgroup
    /// namespace when [`Self::level_is_absolute`] is false.
    #[must_use]
    pub fn level(&self) -> u32 {
        self.level
    }

    /// Whether this process is in the initial cgroup namespace, where [`Self::level`] is the kernel's own number.
    #[must_use]
    pub fn level_is_absolute(&self) -> bool {
        self.level_is_absolute
    }

    /// Whether systemd has marked the caller's cgroup as delegated, so that it leaves the subtree alone.
    #[must_use]
    pub fn delegated(&self) -> bool {
        self.delegated
    }

    /// The directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The path as the `0::` line of a member's `/proc/PID/cgroup` shows it in this cgroup namespace.
    #[must_use]
    pub fn kernel_path(&self) -> &str {
        &self.kernel_path
    }

    /// The directory as a descriptor, for `CLONE_INTO_CGROUP` and for attaching cgroup programs.
    #[must_use]
    pub fn dir(&self) -> BorrowedFd<'_> {
        self.dir.as_fd()
    }

    /// A descriptor that polls `PRI` when the cgroup becomes populated or empty.
    #[must_use]
    pub fn events(&self) -> BorrowedFd<'_> {
        self.events.as_fd()
    }

    pub(super) fn parent(&self) -> BorrowedFd<'_> {
        self.parent.as_fd()
    }

    pub(super) fn name(&self) -> &CString {
        &self.name
    }

    /// Whether a live process is in the cgroup or below it. Processes that ended but were not reaped do not count.
    ///
    /// # Errors
    /// [`LaunchError::Cgroup`] when `cgroup.events` cannot be read.
    pub fn populated(&self) -> Result<bool> {
        let mut text = [0u8; 256];
        let read = rustix::io::pread(&self.events, &mut text[..], 0)
            .map_err(|error| refusal("read", &self.path.join("cgroup.events"), error.into()))?;
        Ok(text[..read].split(|&b| b == b'\n').any(|line| line == b"populated 1"))
    }

    /// The processes in the cgroup and in every cgroup made below it, in no particular order.
    ///
    /// # Errors
    /// [`LaunchError::Cgroup`] when `cgroup.procs` cannot be read.
    pub fn procs(&self) -> Result<Vec<i32>> {
        let mut found = Vec::new();
        procs_below(&self.path, &mut found).map_err(|error| refusal("read", &self.path.join("cgroup.procs"), error))?;
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }

    /// Sends SIGKILL to every process inside, those that are being forked included. Does not wait for their end.
    ///
    /// Kernels before 5.14 have no `cgroup.kill`: there the tree is frozen, killed one by one until none is left (at
    /// most ten seconds), and thawed.
    ///
    /// # Errors
    /// [`LaunchError::Cgroup`], or [`LaunchError::CgroupBusy`] when processes outlive the bound.
    pub fn kill(&self) -> Result<()> {
        match self.write("cgroup.kill", b"1") {
            Ok(()) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => self.kill_one_by_one(),
            Err(error) => Err(refusal("write", &self.path.join("cgroup.kill"), error)),
        }
    }

    fn kill_one_by_one(&self) -> Result<()> {
        // A kernel without the freezer (before 5.2) needs more rounds, which the deadline bounds.
        let frozen = self.write("cgroup.freeze", b"1").is_ok();
        let deadline = Instant::now() + KILL_BOUND;
        let outcome = loop {
            let left = self.procs()?;
            if left.is_empty() {
                break Ok(());
            }
            if Instant::now() > deadline {
                break Err(LaunchError::CgroupBusy {
                    path: self.path.clone(),
                    left: left.len(),
                });
            }
            for pid in left.into_iter().filter_map(Pid::from_raw) {
                // A process that has ended meanwhile is the wanted result.
                let _gone = kill_process(pid, Signal::KILL);
            }
            self.await_change(Duration::from_millis(20))?;
        };
        if frozen {
            self.write("cgroup.freeze", b"0")
                .map_err(|error| refusal("write", &self.path.join("cgroup.freeze"), error))?;
        }
        outcome
    }

    /// Waits until no live process is inside, at most `bound`; says whether that came.
    ///
    /// # Errors
    /// As [`Self::populated`].
    pub fn await_empty(&self, bound: Duration) -> Result<bool> {
        let deadline = Instant::now() + bound;
        while self.populated()? {
            let Some(left) = deadline.checked_duration_since(Instant::now()) else {
                return Ok(false);
            };
            self.await_change(left.min(Duration::from_millis(100)))?;
        }
        Ok(true)
    }

    fn await_change(&self, bound: Duration) -> Result<()> {
        let timeout = rustix::event::Timespec::try_from(bound).ok();
        match poll(&mut [PollFd::new(&self.events, PollFlags::PRI)], timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(LaunchError::System {
                call: "poll",
                source: error.into(),
            }),
        }
    }

    /// Moves every process inside to the cgroup above, where it would have been without containment.
    ///
    /// # Errors
    /// [`LaunchError::CgroupBusy`] when the tree forks faster than it can be moved, [`LaunchError::Cgroup`].
    pub fn evacuate(&self) -> Result<()> {
        let target = self.parent_path.join("cgroup.procs");
        for _round in 0..1000 {
            let inside = self.procs()?;
            if inside.is_empty() && !self.populated()? {
                return Ok(());
            }
            for pid in inside {
                match fs::OpenOptions::new()
                    .write(true)
                    .open(&target)
                    .and_then(|mut f| f.write_all(pid.to_string().as_bytes()))
                {
                    Ok(()) => {}
                    Err(error) if error.raw_os_error() == Some(libc::ESRCH) => {}
                    Err(error) => return Err(refusal("write", &target, error)),
                }
            }
        }
        Err(LaunchError::CgroupBusy {
            path: self.path.clone(),
            left: self.procs()?.len(),
        })
    }

    /// Removes the cgroup and everything below it. Nothing is killed.
    ///
    /// # Errors
    /// [`LaunchError::CgroupBusy`] while processes are inside.
    pub fn remove(&self) -> Result<()> {
        if remove_tree(self.parent.as_fd(), &self.name) {
            return Ok(());
        }
        Err(LaunchError::CgroupBusy {
            path: self.path.clone(),
            left: self.procs()?.len(),
        })
    }

    fn write(&self, file: &str, value: &[u8]) -> io::Result<()> {
        let file = rustix::fs::openat(&self.dir, file, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty())?;
        fs::File::from(file).write_all(value)
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        if self.remove().is_ok() {
            return;
        }
        // Nothing can be reported from here; what is left over is visible as a directory of this name.
        let _killed = self.kill();
        let _empty = self.await_empty(KILL_BOUND);
        let _removed = self.remove();
    }
}

/// Makes a directory with a name no other has.
fn make_directory(parent: &OwnedFd, parent_path: &Path) -> Result<(CString, PathBuf)> {
    for _attempt in 0..16 {
        let name = format!("probity-{}-{}", std::process::id(), random_name()?);
        let c_name = CString::new(name.clone()).map_err(|_| LaunchError::ZeroByte {
            what: "a cgroup's name",
        })?;
        match rustix::fs::mkdirat(parent, &c_name, Mode::from_raw_mode(0o755)) {
            Ok(()) => return Ok((c_name, parent_path.join(name))),
            Err(rustix::io::Errno::EXIST) => {}
            Err(error) => return Err(refusal("make a cgroup in", parent_path, error.into())),
        }
    }
    Err(refusal(
        "make a cgroup in",
        parent_path,
        io::ErrorKind::AlreadyExists.into(),
    ))
}

/// Sixteen hexadecimal digits nobody can foresee, so that nobody can take the name first.
fn random_name() -> Result<String> {
    let mut bytes = [0u8; 8];
    fs::File::open("/dev/urandom")
        .and_then(|mut f| f.read_exact(&mut bytes))
        .map_err(LaunchError::system("/dev/urandom"))?;
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

/// systemd marks a delegated cgroup with an extended attribute (systemd.resource-control(5), `Delegate=`).
fn is_delegated(dir: &Path) -> bool {
    ["trusted.delegate", "user.delegate"].iter().any(|name| {
        let mut value = [0u8; 8];
        rustix::fs::getxattr(dir, *name, &mut value[..]).is_ok_and(|n| value.get(..n) == Some(b"1"))
    })
}

/// The processes in a cgroup and below.
pub(crate) fn procs_below(dir: &Path, found: &mut Vec<i32>) -> io::Result<()> {
    match fs::read_to_string(dir.join("cgroup.procs")) {
        Ok(text) => found.extend(text.lines().filter_map(|line| line.parse::<i32>().ok())),
        // A threaded cgroup lists its processes at the head of its domain, which is at or below ours.
        Err(error) if error.raw_os_error() == Some(libc::EOPNOTSUPP) => {}
        Err(error) => return Err(error),
    }
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            match procs_below(&entry.path(), found) {
                Err(error) if matches!(error.raw_os_error(), Some(libc::ENOENT | libc::ENODEV)) => {}
                other => other?,
            }
        }
    }
    Ok(())
}

fn refusal(action: &'static str, path: &Path, source: io::Error) -> LaunchError {
    let path = path.to_owned();
    match source.raw_os_error() {
        Some(libc::EROFS) => LaunchError::CgroupReadOnly { path },
        Some(libc::EACCES | libc::EPERM) => LaunchError::CgroupPermission { path },
        Some(libc::EAGAIN) => LaunchError::CgroupLimit { path },
        _ => LaunchError::Cgroup { action, path, source },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_cgroup_kill_the_members_are_killed_one_by_one() {
        let cgroup = match Cgroup::create_under_own() {
            Ok(cgroup) => cgroup,
            Err(error) => return eprintln!("probity-skip: {error}"),
        };
        let script = format!(
            "echo 0 > {}/cgroup.procs; sleep 1000 & sleep 1000 & wait",
            cgroup.path().display()
        );
        let mut shell = std::process::Command::new("sh")
            .args(["-c", &script])
            .spawn()
            .expect("sh runs");
        let deadline = Instant::now() + Duration::from_secs(20);
        while cgroup.procs().expect("readable").len() < 3 {
            assert!(Instant::now() < deadline, "three members");
            std::thread::sleep(Duration::from_millis(5));
        }
        cgroup.kill_one_by_one().expect("they can be killed");
        assert!(cgroup.await_empty(Duration::from_secs(20)).expect("readable"));
        assert!(!shell.wait().expect("our child").success());
        let path = cgroup.path().to_owned();
        drop(cgroup);
        assert!(!path.exists());
    }
}

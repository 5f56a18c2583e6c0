//! That what is executed is what was checked.
//!
//! The executable is opened, its descriptor goes to the caller's check (which hashes it), and it is then executed *by
//! path*, because `fexecve` of a script fails with close-on-exec and shows `/dev/fd/N` as its name. At the stop after
//! `execve`, before the first instruction, the executed object must be the checked one and unchanged.
//!
//! Compared are device and inode (the held descriptor keeps the number from being reused), size, modification and
//! change time, and the generation where the file system gives one. Where the change time is so recent that a second
//! write could hide in the clock's tick, the check is run again at the stop: the kernel then denies writers of a binary.
//!
//! The window that is left: an interpreter opens its script by name *after* the stop, so a script can still be replaced
//! under its name; the watcher sees that `open` and holds it against the pinned inode. Without ptrace (see
//! [`super::Verified::AfterStart`]) the comparison comes after the first instructions.

#![expect(unsafe_code, reason = "FS_IOC_GETVERSION has no safe form")]

use std::fs::{self, File, Metadata};
use std::io::{Read, Seek};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::{LaunchError, Refused, Result};

/// The caller's check of an executable: gets it open for reading at its start, and the path it will be executed by. It
/// may be called a second time for the same file.
pub type Check<'a> = &'a mut dyn FnMut(&File, &Path) -> std::result::Result<(), Refused>;

/// A change time may lag by one tick of the kernel's coarse clock (at most 10 ms).
const CLOCK_SLACK: Duration = Duration::from_millis(20);
/// How often an interpreter may itself be a script (`BINPRM_BUF_SIZE` and the recursion limit of `exec_binprm`).
const MAX_INTERPRETERS: usize = 5;

/// What is compared of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FileIdentity {
    /// `st_dev`.
    pub dev: u64,
    /// `st_ino`.
    pub ino: u64,
    /// Bytes.
    pub size: u64,
    /// Seconds and nanoseconds.
    pub mtime: (i64, i64),
    /// Seconds and nanoseconds.
    pub ctime: (i64, i64),
    /// `i_generation`, where `FS_IOC_GETVERSION` works.
    pub generation: Option<u32>,
}

impl FileIdentity {
    fn of(file: &File) -> std::io::Result<Self> {
        let meta = file.metadata()?;
        let mut version: libc::c_long = 0;
        // SAFETY: the ioctl stores at most a long through a valid pointer.
        let known = unsafe { libc::ioctl(file.as_raw_fd(), libc::FS_IOC_GETVERSION, &raw mut version) } == 0;
        Ok(Self {
            dev: meta.dev(),
            ino: meta.ino(),
            size: meta.size(),
            mtime: (meta.mtime(), meta.mtime_nsec()),
            ctime: (meta.ctime(), meta.ctime_nsec()),
            // The kernel stores 32 bits, in the low half of the long on every 64-bit machine this runs on.
            generation: known.then(|| u32::try_from(version & 0xFFFF_FFFF).unwrap_or_default()),
        })
    }

    fn is_object(&self, meta: &Metadata) -> bool {
        (self.dev, self.ino) == (meta.dev(), meta.ino())
    }
}

/// An executable that has passed its check.
#[derive(Debug)]
pub(super) struct Subject {
    file: File,
    path: PathBuf,
    identity: FileIdentity,
    /// A write after the check could have left the same change time.
    racy: bool,
}

impl Subject {
    /// Opens `path` and has it checked.
    pub(super) fn check(path: &Path, check: Check<'_>) -> Result<Self> {
        let unreadable = |source| LaunchError::Unreadable {
            path: path.to_owned(),
            source,
        };
        // Not blocking: the path may have become a FIFO since it was found.
        let mut options = fs::OpenOptions::new();
        let file = options
            .read(true)
            .custom_flags(libc::O_NONBLOCK)
            .open(path)
            .map_err(unreadable)?;
        if !file.metadata().map_err(unreadable)?.is_file() {
            return Err(unreadable(std::io::ErrorKind::InvalidInput.into()));
        }
        let identity = FileIdentity::of(&file).map_err(unreadable)?;
        let racy = is_recent(identity.ctime, SystemTime::now());
        let subject = Self {
            file,
            path: path.to_owned(),
            identity,
            racy,
        };
        subject.run(check)?;
        Ok(subject)
    }

    pub(super) fn identity(&self) -> FileIdentity {
        self.identity
    }

    pub(super) fn file(&self) -> &File {
        &self.file
    }

    fn run(&self, check: Check<'_>) -> Result<()> {
        (&self.file).rewind().map_err(|source| LaunchError::Unreadable {
            path: self.path.clone(),
            source,
        })?;
        check(&self.file, &self.path).map_err(|reason| LaunchError::Refused {
            path: self.path.clone(),
            reason,
        })
    }

    /// Compares what process `pid` executes with what was checked; returns the interpreter where there is one.
    pub(super) fn verify(&self, pid: i32, recheck: Option<Check<'_>>) -> Result<Option<PathBuf>> {
        let changed = |what: &str| LaunchError::SubjectChanged {
            path: self.path.clone(),
            what: what.to_owned(),
        };
        let exe = PathBuf::from(format!("/proc/{pid}/exe"));
        let executed = fs::metadata(&exe).map_err(LaunchError::system("/proc/PID/exe"))?;
        let interpreter = if self.identity.is_object(&executed) {
            None
        } else {
            if !fs::metadata(&self.path).is_ok_and(|named| self.identity.is_object(&named)) {
                return Err(changed("another file took its name"));
            }
            if !interpreters(&self.file)
                .iter()
                .any(|i| (i.dev(), i.ino()) == (executed.dev(), executed.ino()))
            {
                return Err(changed("another program was executed"));
            }
            Some(fs::read_link(&exe).map_err(LaunchError::system("/proc/PID/exe"))?)
        };
        if let Some(recheck) = recheck.filter(|_| self.racy) {
            self.run(recheck)?;
        }
        match FileIdentity::of(&self.file) {
            Ok(now) if now == self.identity => Ok(interpreter),
            Ok(_) => Err(changed("it was changed")),
            Err(source) => Err(LaunchError::Unreadable {
                path: self.path.clone(),
                source,
            }),
        }
    }
}

/// Whether a write now could leave the same change time. One in the future says nothing, and counts as recent.
fn is_recent(ctime: (i64, i64), now: SystemTime) -> bool {
    let changed = u64::try_from(ctime.0).ok().and_then(|seconds| {
        let nanos = u32::try_from(ctime.1).ok()?;
        SystemTime::UNIX_EPOCH.checked_add(Duration::new(seconds, nanos))
    });
    changed.is_none_or(|at| now.duration_since(at).map_or(true, |age| age < CLOCK_SLACK))
}

/// What may run a file that is not executed itself: the end of its chain of `#!` lines; `/bin/sh` for a text without
/// one (execvp(3)); what binfmt_misc names. Nothing for a binary of this machine.
fn interpreters(file: &File) -> Vec<Metadata> {
    let mut head = head_of(file);
    let mut last = None;
    for _level in 0..MAX_INTERPRETERS {
        let Some(path) = shebang(&head) else { break };
        let Ok(next) = File::open(&path) else { return Vec::new() };
        head = head_of(&next);
        last = next.metadata().ok();
    }
    if last.is_some() {
        return last.into_iter().collect();
    }
    if is_native_elf(&head) {
        return Vec::new();
    }
    let shell = (!head.starts_with(b"\x7fELF")).then(|| PathBuf::from("/bin/sh"));
    let registered = fs::read_dir("/proc/sys/fs/binfmt_misc")
        .into_iter()
        .flatten()
        .filter_map(|entry| {
            let text = fs::read_to_string(entry.ok()?.path()).ok()?;
            text.lines()
                .find_map(|line| line.strip_prefix("interpreter ").map(PathBuf::from))
        });
    shell
        .into_iter()
        .chain(registered)
        .filter_map(|path| fs::metadata(path).ok())
        .collect()
}

/// The bytes the kernel looks at (`BINPRM_BUF_SIZE`).
fn head_of(file: &File) -> Vec<u8> {
    let mut head = vec![0; 256];
    let read = file.read_at(&mut head, 0).unwrap_or(0);
    head.truncate(read);
    head
}

/// The interpreter in a `#!` line, as `load_script` cuts it out.
fn shebang(head: &[u8]) -> Option<PathBuf> {
    let line = head.strip_prefix(b"#!")?;
    let line = line.split(|&b| b == b'\n').next()?;
    let path = line
        .split(|&b| b == b' ' || b == b'\t' || b == 0)
        .find(|part| !part.is_empty())?;
    Some(PathBuf::from(
        <std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(path),
    ))
}

/// Same class, byte order and `e_machine` as the program this is.
fn is_native_elf(head: &[u8]) -> bool {
    let mut own = [0; 20];
    let read = File::open("/proc/self/exe").and_then(|mut file| file.read_exact(&mut own));
    head.starts_with(b"\x7fELF")
        && read.is_ok()
        && head.get(4..6) == own.get(4..6)
        && head.get(18..20) == own.get(18..20)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interpreter_is_cut_out_as_the_kernel_does() {
        let check =
            |head: &[u8], expect: Option<&str>| assert_eq!(shebang(head), expect.map(PathBuf::from), "{head:?}");
        check(b"#!/bin/sh\n", Some("/bin/sh"));
        check(b"#! \t/usr/bin/env python3\n", Some("/usr/bin/env"));
        check(b"#!/bin/sh", Some("/bin/sh"));
        check(b"#!\n/bin/sh\n", None);
        check(b"\x7fELF", None);
        check(b"", None);
    }

    #[test]
    fn a_change_time_within_the_clocks_tick_is_recent() {
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(100);
        let check = |ctime, expect| assert_eq!(is_recent(ctime, now), expect, "{ctime:?}");
        check((100, 0), true);
        check((99, 981_000_000), true);
        check((99, 980_000_000), false);
        check((40, 0), false);
        check((100, 1), true);
        check((-1, 0), true);
    }

    #[test]
    fn only_a_fresh_file_is_checked_again_at_the_stop() {
        let path = std::env::current_exe().expect("this test has a file");
        let own = i32::try_from(std::process::id()).expect("a process number");
        for (racy, expect) in [(true, 1), (false, 0)] {
            let mut subject = Subject::check(&path, &mut |_, _| Ok(())).expect("readable");
            subject.racy = racy;
            let mut again = 0;
            let mut recheck = |_: &File, _: &Path| {
                again += 1;
                Ok(())
            };
            assert_eq!(subject.verify(own, Some(&mut recheck)).expect("unchanged"), None);
            assert_eq!(again, expect, "racy {racy}");
        }
    }
}

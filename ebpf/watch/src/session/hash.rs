//! Digests of executables, read through the process that runs them.

use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use rustix::fs::{Mode, OFlags, ResolveFlags, openat2};
use sha2::{Digest, Sha256};

use crate::subject::{Programs, Stamp};

/// The largest executable that is hashed while events wait, in bytes.
const LARGEST: u64 = 1 << 30;

/// Looks at programs through `/proc/PID/exe`; of a process that is gone already, at the path beneath the subject's root, so
/// that a container's paths mean the container's files.
#[derive(Default)]
pub struct HostPrograms {
    /// The subject's root; our own without one.
    pub root: Option<OwnedFd>,
}

impl HostPrograms {
    fn open(&self, process: u32, path: &[u8]) -> Option<File> {
        let running = PathBuf::from(format!("/proc/{process}/exe"));
        if let Ok(file) = File::open(&running) {
            return Some(file);
        }
        // The stamp of another file is another, so a replaced one is not mistaken for what ran.
        let path = OsStr::from_bytes(path);
        let Some(root) = &self.root else {
            return File::open(path).ok();
        };
        let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK;
        openat2(root, path, flags, Mode::empty(), ResolveFlags::IN_ROOT)
            .ok()
            .map(File::from)
    }
}

impl Programs for HostPrograms {
    fn stamp(&mut self, process: u32, path: &[u8]) -> Option<Stamp> {
        let metadata = self.open(process, path)?.metadata().ok()?;
        Some(Stamp {
            size: metadata.size(),
            mtime: i128::from(metadata.mtime()) * 1_000_000_000 + i128::from(metadata.mtime_nsec()),
        })
    }

    fn sha256(&mut self, process: u32, path: &[u8]) -> Option<String> {
        let mut file = self.open(process, path)?;
        if file.metadata().ok()?.size() > LARGEST {
            return None;
        }
        digest(&mut file)
    }
}

/// SHA-256 of what is left of a file, in lower-case hex.
pub(super) fn digest(file: &mut File) -> Option<String> {
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        match file.read(&mut buffer) {
            Ok(0) => break,
            Ok(length) => hasher.update(buffer.get(..length)?),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
    Some(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

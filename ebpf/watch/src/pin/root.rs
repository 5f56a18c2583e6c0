//! Paths beneath the subject's root directory: opening them, and the names that the kernel gives them.

use super::{Identity, PinError, identity};
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, fstatfs, openat2, readlinkat};
use rustix::io::{Errno, Result};
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;
use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

/// A root directory. Nothing outside is reached through it.
#[derive(Debug)]
pub struct Root {
    fd: OwnedFd,
    /// The name of the root as we see it, which names of objects below begin with; empty for our own root.
    name: Vec<u8>,
}

/// How far a path exists.
#[derive(Debug)]
pub(crate) struct Found {
    /// The deepest object on the way that exists.
    pub(crate) fd: OwnedFd,
    /// Its name without symbolic links, as far as it can be told.
    pub(crate) name: Option<Vec<u8>>,
    /// The components that do not exist.
    pub(crate) missing: Vec<Vec<u8>>,
    /// Why they do not.
    pub(crate) error: Option<Errno>,
}

/// How often a look-up is tried again that a rename elsewhere disturbed.
const TRIES: usize = 16;

impl Root {
    /// Takes an open directory as the root.
    ///
    /// # Errors
    ///
    /// It is no directory, or `/proc` does not show its name.
    pub fn new(fd: OwnedFd) -> std::result::Result<Self, PinError> {
        let (_, kind) = identity::of(&fd).map_err(PinError::Root)?;
        if !kind.is_dir() {
            return Err(PinError::Root(Errno::NOTDIR));
        }
        let mut name = link_of(&fd).map_err(PinError::Root)?;
        if name == b"/" {
            name.clear();
        }
        Ok(Self { fd, name })
    }

    /// Holds what a path without symbolic links names.
    pub(crate) fn hold(&self, path: &[u8], more: OFlags) -> Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::NOFOLLOW | more;
        self.open(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
    }

    /// Opens a directory for reading, through no symbolic link.
    pub(crate) fn directory(&self, path: &[u8]) -> Result<OwnedFd> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW;
        self.open(path, flags, ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS)
    }

    /// Follows a path through its symbolic links as far as it exists.
    pub(crate) fn follow(&self, names: &[Vec<u8>]) -> Result<Found> {
        let mut error = None;
        for depth in (0..=names.len()).rev() {
            match self.open(&join(&names[..depth]), OFlags::PATH, ResolveFlags::IN_ROOT) {
                Ok(fd) => {
                    return Ok(Found {
                        name: self.name(&fd),
                        fd,
                        missing: names[depth..].to_vec(),
                        error,
                    });
                }
                Err(found) => error = error.or(Some(found)),
            }
        }
        Err(error.unwrap_or(Errno::NOENT))
    }

    /// What is held for a path without symbolic links: the deepest directory on the way, or nothing but the object itself.
    pub(crate) fn deepest(&self, path: &[u8], directory: bool) -> Option<(Identity, Vec<u8>)> {
        let identify = |path: &[u8], more: OFlags| Some(identity::of(self.hold(path, more).ok()?).ok()?.0);
        if !directory {
            return Some((identify(path, OFlags::empty())?, path.to_vec()));
        }
        let mut path = path;
        loop {
            if let Some(found) = identify(path, OFlags::DIRECTORY) {
                return Some((found, path.to_vec()));
            }
            let slash = path.iter().rposition(|byte| *byte == b'/').filter(|_| path != b"/")?;
            path = if slash == 0 { b"/" } else { &path[..slash] };
        }
    }

    /// The name of an object beneath the root, when that name leads to it again.
    fn name(&self, fd: &OwnedFd) -> Option<Vec<u8>> {
        let whole = link_of(fd).ok()?;
        let name = match whole.strip_prefix(self.name.as_slice())? {
            b"" => b"/".to_vec(),
            name if name.first() == Some(&b'/') => name.to_vec(),
            _ => return None,
        };
        let again = self.hold(&name, OFlags::empty()).ok()?;
        (identity::of(&again).ok()?.0 == identity::of(fd).ok()?.0).then_some(name)
    }

    fn open(&self, path: &[u8], flags: OFlags, resolve: ResolveFlags) -> Result<OwnedFd> {
        let path = match path.strip_prefix(b"/") {
            None | Some(b"") => Path::new("."),
            Some(below) => Path::new(OsStr::from_bytes(below)),
        };
        let mut found = Err(Errno::AGAIN);
        for _ in 0..TRIES {
            found = openat2(&self.fd, path, flags | OFlags::CLOEXEC, Mode::empty(), resolve);
            if !matches!(found, Err(Errno::AGAIN | Errno::INTR)) {
                break;
            }
        }
        found
    }
}

/// An absolute path of names.
pub(crate) fn join(names: &[Vec<u8>]) -> Vec<u8> {
    if names.is_empty() {
        return b"/".to_vec();
    }
    names.iter().flat_map(|name| [b"/", name.as_slice()].concat()).collect()
}

/// Whether an object lies on a file system of the kernel's own, whose files cannot have a second name.
pub(crate) fn no_hard_links(fd: impl AsFd) -> bool {
    const KERNEL_OWN: [u32; 8] = [
        0x9fa0,      // proc
        0x6265_6572, // sysfs
        0x6367_7270, // cgroup2
        0x0027_e0eb, // cgroup
        0x6462_6720, // debugfs
        0x7472_6163, // tracefs
        0x7363_6673, // securityfs
        0x1cd1,      // devpts
    ];
    // Magic numbers are 32 bits wide, whatever the type of the field.
    fstatfs(fd).is_ok_and(|found| KERNEL_OWN.contains(&(found.f_type as u32)))
}

fn link_of(fd: &OwnedFd) -> Result<Vec<u8>> {
    let link = readlinkat(CWD, format!("/proc/self/fd/{}", fd.as_raw_fd()), Vec::new())?;
    Ok(link.into_bytes())
}

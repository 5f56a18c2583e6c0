//! The executable of `--exe`: held, known to the kernel by its inode, held anew when its path means another file.

use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use probity_abi::state::Held;

use super::adopt::adopt;
use super::check::SubjectCheck;
use super::error::WatchError;
use super::maps;
use super::watching::Watch;
use crate::pin::{Identity, identity_of};
use crate::report::Facts;

/// The held executable.
pub(super) struct Starter {
    path: PathBuf,
    fd: OwnedFd,
    identity: Identity,
    inode: u64,
    /// How many processes ran it already.
    pub(super) adopted: usize,
}

impl Starter {
    /// Opens an executable.
    ///
    /// # Errors
    ///
    /// It is none, or a script, whose starts are its interpreter's.
    pub(super) fn open(path: &Path) -> Result<Self, WatchError> {
        let (fd, identity) = hold(path).map_err(|why| refused(path, &why))?;
        let mut start = [0u8; 2];
        let read = File::open(path).and_then(|mut file| file.read(&mut start));
        match read {
            Ok(2) if start == *b"#!" => Err(refused(path, "a script is started by its interpreter: name that")),
            Ok(_) => Ok(Self {
                path: path.to_owned(),
                fd,
                identity,
                inode: 0,
                adopted: 0,
            }),
            Err(error) => Err(refused(path, &error.to_string())),
        }
    }

    /// Tells the kernel which inode it is; `held` is what all descriptors mean.
    ///
    /// # Errors
    ///
    /// The kernel does not know the descriptor, or refuses the entry.
    pub(super) fn pin(&mut self, watch: &mut Watch, held: &[Held]) -> Result<(), WatchError> {
        let (ours, fd) = (
            std::process::id(),
            u32::try_from(self.fd.as_raw_fd()).unwrap_or(u32::MAX),
        );
        let found = held.iter().find(|held| held.tgid == ours && held.fd == fd);
        self.inode = found
            .map(|held| held.inode)
            .ok_or_else(|| refused(&self.path, "the kernel does not show its inode"))?;
        Ok(maps::await_start(&mut watch.loaded.ebpf, self.inode)?)
    }

    /// Adopts the processes that run it already.
    ///
    /// # Errors
    ///
    /// As [`adopt`].
    pub(super) fn adopt(
        &mut self,
        watch: &mut Watch,
        excluded: &HashSet<u32>,
        facts: &mut Facts,
    ) -> Result<(), WatchError> {
        let inode = self.inode;
        let running = adopt(
            watch,
            excluded,
            |snapshot| {
                let runs = snapshot.iter().filter(|process| process.exe == inode && process.alive);
                Ok(runs.map(|process| process.key).collect())
            },
            facts,
        )?;
        self.adopted += running;
        Ok(())
    }

    /// Looks whether the path means another file by now, and awaits that one then.
    ///
    /// # Errors
    ///
    /// What the kernel refuses.
    pub(super) fn look_again(
        &mut self,
        watch: &mut Watch,
        excluded: &HashSet<u32>,
        check: Option<&mut SubjectCheck<'_>>,
        facts: &mut Facts,
    ) -> Result<(), WatchError> {
        // While nothing executable is there, the former one may come back.
        let Ok((fd, identity)) = hold(&self.path) else {
            return Ok(());
        };
        if identity == self.identity {
            return Ok(());
        }
        let former = std::mem::replace(&mut self.inode, 0);
        // The former stays held until the new one is known: its inode's address is not given to another meanwhile.
        let before = std::mem::replace(&mut self.fd, fd);
        self.identity = identity;
        let held = watch.loaded.held()?;
        self.pin(watch, &held)?;
        if former != self.inode {
            maps::await_no_more(&mut watch.loaded.ebpf, former);
        }
        drop(before);
        facts
            .notes
            .push(format!("{} was replaced while it was watched", self.path.display()));
        if let Some(check) = check
            && let Err(refused) = File::open(&self.path)
                .map_err(|error| crate::launch::Refused(error.to_string()))
                .and_then(|file| check.check(&file, &self.path))
        {
            facts.incomplete.push(refused.0);
        }
        self.adopt(watch, excluded, facts)
    }
}

fn hold(path: &Path) -> Result<(OwnedFd, Identity), String> {
    let fd =
        rustix::fs::open(path, OFlags::PATH | OFlags::CLOEXEC, Mode::empty()).map_err(|error| error.to_string())?;
    let (identity, kind) = identity_of(&fd).map_err(|error| error.to_string())?;
    if kind != FileType::RegularFile {
        return Err("not a regular file".to_owned());
    }
    Ok((fd, identity))
}

fn refused(path: &Path, why: &str) -> WatchError {
    WatchError::Target(format!("--exe {}: {why}", path.display()))
}

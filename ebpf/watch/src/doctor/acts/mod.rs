//! The acts by which a host is probed: one row each, done by a child of its own inside the watched tree.
//!
//! An act is the least that has the effect; it reaches nothing but files of the probe's own directory, loopback, and a
//! process that was started for it. Whether its event came is judged outside, in [`super::observe`].

mod elf;
mod files;
mod kernel;
mod network;
mod processes;
mod programs;
mod ring;
pub(super) mod sys;

use std::fs;
use std::io::{self, Read, Write};
use std::os::fd::AsRawFd;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::act::Kind;
pub(super) use network::QUESTION;
pub(super) use processes::HELD;
use sys::{Acted, Stop};

/// What the event of an act must be about, besides its kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Object {
    /// The file of this name in the probe's directory.
    File(&'static str),
    /// The file of this name in the probe's directory on a tmpfs.
    Tmpfs(&'static str),
    /// Whatever the child that did the act is told to have done it to.
    OfChild,
    /// The name asked for in a DNS answer, whoever's time it arrived in.
    Answer,
}

/// One act.
pub(super) struct Row {
    /// What it is called.
    pub(super) name: &'static str,
    /// What it belongs to.
    pub(super) group: &'static str,
    /// The kind of the event that must come.
    pub(super) kind: Kind,
    /// What that event is about.
    pub(super) object: Object,
    /// Without it the watcher is not worth running.
    pub(super) core: bool,
    /// What it costs when the act is not seen.
    pub(super) cost: &'static str,
    /// Does it.
    pub(super) run: fn(&Scene) -> Acted,
}

/// What the acts are done on.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Scene {
    /// A directory of their own.
    pub(super) dir: PathBuf,
    /// Another on a tmpfs, where there is one.
    pub(super) tmpfs: Option<PathBuf>,
    /// A process outside the tree.
    pub(super) victim: Victim,
    /// The cgroup above the tree's.
    pub(super) cgroup: PathBuf,
    /// A file of `dir`, open since before the tree was watched.
    pub(super) inherited: i32,
    /// The same of `tmpfs`.
    pub(super) inherited_tmpfs: Option<i32>,
}

impl Scene {
    /// A file of the probe's directory.
    fn file(&self, name: &str) -> PathBuf {
        self.dir.join(name)
    }

    /// A file of the directory on a tmpfs.
    fn on_tmpfs(&self, name: &str) -> Acted<PathBuf> {
        self.tmpfs.as_ref().map(|dir| dir.join(name)).ok_or(Stop::Lacks)
    }
}

/// A process to reach into.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Victim {
    /// Its number.
    pub(super) pid: i32,
    /// A file it holds open.
    pub(super) fd: i32,
    /// Eight bytes that it does not change.
    pub(super) address: u64,
}

/// How one act went.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Done {
    /// The row's name.
    pub(super) name: String,
    /// The child that did it.
    pub(super) child: i32,
    /// The child's status, as `wait` gives it.
    pub(super) status: i32,
}

impl Done {
    /// How it went.
    pub(super) fn outcome(&self) -> Acted {
        Stop::of_status(self.status)
    }
}

/// Where the acting process leaves what it did.
const RESULT: &str = "done.json";
/// How long one act may take, in seconds.
const BOUND: u32 = 5;

/// Every row, in the order in which they are done: the first of two that share an object is the one whose event comes.
pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [
        files::ROWS,
        programs::ROWS,
        network::ROWS,
        processes::ROWS,
        kernel::ROWS,
        ring::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// Makes the files that the acts use.
pub(super) fn lay_out(dir: &Path, tmpfs: Option<&Path>) -> io::Result<()> {
    for row in rows().filter(|row| !matches!(row.kind, Kind::FILE_CREATE | Kind::FILE_LINK)) {
        let path = match (row.object, tmpfs) {
            (Object::File(name), _) => dir.join(name),
            (Object::Tmpfs(name), Some(tmpfs)) => tmpfs.join(name),
            _ => continue,
        };
        if row.kind == Kind::EXEC {
            let script = [
                b"#!".as_slice(),
                dir.join(programs::PROGRAM).as_os_str().as_encoded_bytes(),
                b"\n",
            ]
            .concat();
            let is_script = path.file_name().is_some_and(|name| name == programs::SCRIPT);
            fs::write(&path, if is_script { script } else { elf::exits_with_zero() })?;
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755))?;
        } else {
            fs::write(&path, b"probity doctor")?;
        }
    }
    fs::write(dir.join(files::LINKED), b"")?;
    fs::write(dir.join(HELD), b"probity doctor")
}

/// Inside the watched tree: does every act and leaves a record.
///
/// # Errors
///
/// When the record cannot be written.
pub(super) fn perform(scene: &Scene) -> io::Result<()> {
    let mut done = Vec::new();
    for row in rows() {
        let child = sys::forked(|| {
            sys::alarm(BOUND);
            (row.run)(scene)
        });
        let (child, status) = match child {
            Ok(child) => (child, sys::wait(child).unwrap_or(Stop::Wrong.code() << 8)),
            Err(stop) => (0, stop.code() << 8),
        };
        done.push(Done {
            name: row.name.to_owned(),
            child,
            status,
        });
    }
    fs::write(scene.dir.join(RESULT), serde_json::to_vec(&done)?)
}

/// What the acting process left.
///
/// # Errors
///
/// When it left nothing.
pub(super) fn performed(dir: &Path) -> io::Result<Vec<Done>> {
    Ok(serde_json::from_slice(&fs::read(dir.join(RESULT))?)?)
}

/// Outside the tree: a process that holds a file and some bytes until its standard input ends.
///
/// # Errors
///
/// When the file cannot be opened, or standard output is closed.
pub(super) fn be_victim(file: &Path) -> io::Result<()> {
    let file = fs::File::open(file)?;
    let bytes = Box::new(u64::from_ne_bytes(*b"probity."));
    let victim = Victim {
        pid: i32::try_from(std::process::id()).unwrap_or(0),
        fd: file.as_raw_fd(),
        address: (&raw const *bytes).expose_provenance() as u64,
    };
    let mut out = io::stdout().lock();
    serde_json::to_writer(&mut out, &victim)?;
    out.write_all(b"\n")?;
    out.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    drop(bytes);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn names_and_files_of_rows_are_their_own() {
        let names: HashSet<&str> = rows().map(|row| row.name).collect();
        assert_eq!(names.len(), rows().count());
        let mut objects = HashSet::new();
        for row in rows().filter(|row| row.object != Object::OfChild) {
            let file = format!("{:?} {:?}", row.kind, row.object);
            assert!(
                objects.insert(file),
                "{}: another row has its object, whose event would stand for both",
                row.name
            );
        }
        assert!(rows().filter(|row| row.core).count() >= 10);
    }

    #[test]
    fn statuses_say_how_an_act_went() {
        for (status, expect) in [
            (0, Ok(())),
            (Stop::Lacks.code() << 8, Err(Stop::Lacks)),
            (Stop::Wrong.code() << 8, Err(Stop::Wrong)),
            (libc::EPERM << 8, Err(Stop::Errno(libc::EPERM))),
            (libc::SIGSEGV, Err(Stop::Lacks)),
            (libc::SIGALRM, Err(Stop::Wrong)),
        ] {
            assert_eq!(Stop::of_status(status), expect, "{status}");
        }
    }
}

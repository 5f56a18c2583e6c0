//! What the acts need around them: directories, a process to reach into, descriptors to inherit. All of it is gone with the
//! value.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use rustix::fs::{Mode, OFlags};

use super::acts::{self, Scene, Victim};
use super::{Obstacle, VICTIM};
use crate::launch::Cgroup;

/// Where a tmpfs usually is.
const TMPFS: &str = "/dev/shm";

/// A directory that is removed with what it holds.
struct Directory(PathBuf);

impl Directory {
    fn make(parent: &Path) -> io::Result<Self> {
        let path = parent.join(format!("probity-doctor-{}", std::process::id()));
        fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left over is visible under its name.
        let _removed = fs::remove_dir_all(&self.0);
    }
}

/// Everything outside of the watched tree.
pub(super) struct Stage {
    pub(super) scene: Scene,
    _directories: Vec<Directory>,
    _inherited: Vec<OwnedFd>,
    victim: Child,
}

impl Drop for Stage {
    fn drop(&mut self) {
        drop(self.victim.stdin.take());
        // It ends with its standard input; it may also have been reaped already.
        let _ended = self.victim.wait();
    }
}

impl Stage {
    pub(super) fn set(executable: &Path, arguments: &[&str]) -> Result<Self, Obstacle> {
        let cgroup = Cgroup::create_under_own().map_err(Obstacle::Cgroup)?;
        let above = cgroup.path().parent().map(Path::to_owned).unwrap_or_default();
        drop(cgroup);
        let failed = Obstacle::probe("the probe's directory");
        let made = (|| {
            let own = Directory::make(&std::env::temp_dir().canonicalize()?)?;
            let tmpfs = is_tmpfs(Path::new(TMPFS))
                .then(|| Directory::make(Path::new(TMPFS)).ok())
                .flatten();
            acts::lay_out(&own.0, tmpfs.as_ref().map(|tmpfs| tmpfs.0.as_path()))?;
            let held = own.0.join(acts::HELD);
            Ok((own, tmpfs, held))
        })();
        let (own, tmpfs, held) = made.map_err(failed)?;
        let (child, victim) =
            start(executable, arguments, &held).map_err(Obstacle::probe("the process to reach into"))?;
        let inherited = open(&own.0).map_err(Obstacle::probe("the file to inherit"))?;
        let inherited_tmpfs = tmpfs.as_ref().and_then(|tmpfs| open(&tmpfs.0).ok());
        let scene = Scene {
            dir: own.0.clone(),
            tmpfs: tmpfs.as_ref().map(|tmpfs| tmpfs.0.clone()),
            victim,
            cgroup: above,
            inherited: inherited.as_raw_fd(),
            inherited_tmpfs: inherited_tmpfs.as_ref().map(AsRawFd::as_raw_fd),
        };
        Ok(Self {
            scene,
            _directories: std::iter::once(own).chain(tmpfs).collect(),
            _inherited: std::iter::once(inherited).chain(inherited_tmpfs).collect(),
            victim: child,
        })
    }
}

/// Without `O_CLOEXEC`: the acting process inherits it.
fn open(directory: &Path) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(
        directory.join("inherited"),
        OFlags::RDWR,
        Mode::empty(),
    )?)
}

fn is_tmpfs(path: &Path) -> bool {
    rustix::fs::statfs(path).is_ok_and(|stat| stat.f_type == libc::TMPFS_MAGIC)
}

fn start(executable: &Path, arguments: &[&str], held: &Path) -> io::Result<(Child, Victim)> {
    let mut child = Command::new(executable)
        .args(arguments)
        .arg(VICTIM)
        .arg(held)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let mut line = String::new();
    let out = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    BufReader::new(out).read_line(&mut line)?;
    match serde_json::from_str(&line) {
        Ok(victim) => Ok((child, victim)),
        Err(error) => {
            drop(child.stdin.take());
            child.wait()?;
            Err(error.into())
        }
    }
}

//! A directory and a mount namespace for one test: what is mounted there is gone when the test ends.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use rustix::mount::{MountPropagationFlags, UnmountFlags, mount_change, unmount};
use rustix::thread::UnshareFlags;
use tempfile::TempDir;

/// Where a test works.
pub(crate) struct Place {
    dir: TempDir,
}

impl Place {
    /// A place on this host; `None`, and said so, where nothing can be watched.
    ///
    /// The calling thread, and what it starts from now on, lives in a mount namespace of its own.
    pub(crate) fn new() -> Option<Self> {
        static WATCHES: OnceLock<Result<(), String>> = OnceLock::new();
        if let Err(reason) = WATCHES.get_or_init(watches) {
            return skip(reason);
        }
        #[expect(
            deprecated,
            reason = "a mount namespace leaves descriptors alone, which is what made the call unsafe"
        )]
        rustix::thread::unshare(UnshareFlags::NEWNS).unwrap();
        let everywhere = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        mount_change("/", everywhere).unwrap();
        let dir = tempfile::Builder::new().prefix("watch").tempdir().unwrap();
        fs::create_dir(dir.path().join("w")).unwrap();
        Some(Self { dir })
    }

    /// The directory that acts are done in.
    pub(crate) fn root(&self) -> PathBuf {
        self.dir.path().join("w")
    }

    /// A path below [`Self::root`].
    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root().join(below)
    }

    /// The same as text, for rules and scripts.
    pub(crate) fn text(&self, below: &str) -> String {
        self.path(below).into_os_string().into_string().unwrap()
    }

    /// A path beside the root, for the harness itself.
    pub(crate) fn beside(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    /// Makes a directory below the root, with those it needs.
    pub(crate) fn directory(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(&path).unwrap();
        path
    }

    /// Makes a file below the root, with the directories it needs.
    pub(crate) fn file(&self, below: &str) -> PathBuf {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, format!("{below}\n")).unwrap();
        path
    }

    /// Mounts what `mount` is told to, at a directory below the root. `None`, and said so, when it cannot.
    pub(crate) fn mount<S: AsRef<std::ffi::OsStr>>(&self, args: &[S], below: &str) -> Option<PathBuf> {
        let at = self.directory(below);
        let mut command = Command::new("mount");
        command.args(args).arg(&at);
        done(command, "mount").then_some(at)
    }

    /// Makes a file system in a file and mounts it below the root.
    pub(crate) fn image(&self, kind: &str, megabytes: u64, below: &str) -> Option<PathBuf> {
        let image = self.beside(&format!("image-{}", below.replace('/', "-")));
        fs::File::create(&image).unwrap().set_len(megabytes << 20).unwrap();
        let mut make = Command::new(format!("mkfs.{kind}"));
        make.arg("-q").arg(&image);
        if !done(make, "mkfs") {
            return None;
        }
        let image = image.into_os_string();
        self.mount(
            &[
                "-t".as_ref(),
                kind.as_ref(),
                "-o".as_ref(),
                "loop".as_ref(),
                image.as_os_str(),
            ],
            below,
        )
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // The deepest first; a busy one goes when its last user does.
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap_or_default();
        for line in mounts.lines().rev() {
            let at = Path::new(line.split(' ').nth(4).unwrap_or_default());
            if at.starts_with(self.dir.path()) {
                let _ = unmount(at, UnmountFlags::DETACH);
            }
        }
    }
}

/// Says that a test could not run here.
pub(crate) fn skip<T>(reason: &str) -> Option<T> {
    eprintln!("probity-skip: {reason}");
    None
}

/// Runs a command that the host may lack.
pub(crate) fn done(mut command: Command, what: &str) -> bool {
    let (ok, said) = match command.output() {
        Ok(out) => (out.status.success(), String::from_utf8_lossy(&out.stderr).into_owned()),
        Err(error) => (false, error.to_string()),
    };
    if !ok {
        eprintln!("probity-skip: {what}: {}", said.trim());
    }
    ok
}

/// Whether anything can be watched here.
fn watches() -> Result<(), String> {
    if !rustix::process::geteuid().is_root() {
        return Err("watching takes root".to_owned());
    }
    let mut command = super::watched::probity();
    command.args(["watch", "--allow-root", "--quiet", "--", "true"]);
    let out = command.output().map_err(|error| error.to_string())?;
    match out.status.code() {
        Some(125) => Err(String::from_utf8_lossy(&out.stderr).trim().to_owned()),
        _ => Ok(()),
    }
}

//! Processes that wait for the watch to begin, and then act.

#![expect(unsafe_code, reason = "a signal to one thread has no safe form")]

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

/// A script that has said that it is ready, and acts when it is told to.
pub(crate) struct Actor {
    child: Child,
    go: Option<ChildStdin>,
}

impl Actor {
    /// Starts a command; returns when it has written a line.
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the actor starts");
        let mut line = String::new();
        let mut output = BufReader::new(child.stdout.take().expect("it is piped"));
        output.read_line(&mut line).expect("the actor says that it is ready");
        assert_eq!(line, "ready\n");
        let go = child.stdin.take();
        Self { child, go }
    }

    /// A python3 script, with arguments.
    pub(crate) fn python(script: &str, args: &[&Path]) -> Self {
        Self::start(Command::new("/usr/bin/python3").args(["-SEBc", script]).args(args))
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What lets it act: taken out, so that it can be told from within the watch.
    pub(crate) fn go(&mut self) -> Go {
        Go(self.go.take().expect("taken once"))
    }

    pub(crate) fn is_alive(&mut self) -> bool {
        self.child.try_wait().expect("our child").is_none()
    }
}

impl Drop for Actor {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Lets an actor act: once for each line, for ever when dropped.
pub(crate) struct Go(ChildStdin);

impl Go {
    pub(crate) fn line(&mut self) {
        self.0.write_all(b"go\n").expect("the actor reads");
    }
}

/// A cgroup of version 2, removed when dropped.
pub(crate) struct Group(pub(crate) PathBuf);

impl Group {
    /// Makes one below the root of the hierarchy, with another below it; `None` where that cannot be.
    pub(crate) fn make(name: &str) -> Option<Self> {
        let mounts = std::fs::read_to_string("/proc/self/mounts").ok()?;
        let mount = mounts
            .lines()
            .map(|line| line.split(' ').collect::<Vec<_>>())
            .find(|fields| fields.get(2) == Some(&"cgroup2"))?;
        let path = Path::new(mount.get(1)?).join(format!("probity-test-{name}-{}", std::process::id()));
        std::fs::create_dir_all(path.join("nested")).ok()?;
        Some(Self(path))
    }

    pub(crate) fn nested(&self) -> PathBuf {
        self.0.join("nested")
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        let _ = std::fs::write(self.0.join("cgroup.kill"), "1");
        for directory in [self.nested(), self.0.clone()] {
            for _ in 0..200 {
                if std::fs::remove_dir(&directory).is_ok() || !directory.exists() {
                    break;
                }
                std::thread::sleep(std::time::Duration::from_millis(10));
            }
        }
    }
}

/// A thread of this process.
#[derive(Clone, Copy)]
pub(crate) struct Thread(i32);

impl Thread {
    pub(crate) fn current() -> Self {
        Self(rustix::thread::gettid().as_raw_nonzero().get())
    }

    /// Sends it a signal that no other thread sees.
    pub(crate) fn terminate(self) {
        let process = rustix::process::getpid().as_raw_nonzero().get();
        // SAFETY: tgkill reads no memory.
        let failed = unsafe { libc::syscall(libc::SYS_tgkill, process, self.0, libc::SIGTERM) };
        assert_eq!(failed, 0, "tgkill");
    }
}

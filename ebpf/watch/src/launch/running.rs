//! A running command: its signals, its stops, its end, and what it leaves behind.
//!
//! Nothing blocks unless its name says so: poll [`Running::signals`] with everything else, and call
//! [`Running::try_wait`] when it is readable. The tree is the cgroup's membership; what has left the cgroup is not seen
//! here but by the watcher.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, pidfd_send_signal, wait, waitpid};

use super::signals::{Arrived, Router, stop_by};
use super::{Cgroup, LaunchError, Result, Verified};

/// How long a killed tree may take to be gone.
const KILL_BOUND: Duration = Duration::from_secs(10);
/// How long to look for orphans that ended with the tree and are about to become ours.
const REAP_BOUND: Duration = Duration::from_millis(200);

/// What becomes of descendants that outlive CMD.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Linger {
    /// SIGKILL to all.
    #[default]
    Kill,
    /// Wait for their end; a SIGINT, SIGTERM, SIGHUP or SIGQUIT to us kills them.
    Wait,
    /// Leave them, in the cgroup we came from.
    Report,
}

/// How CMD ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// With this code.
    Code(u8),
    /// By this signal.
    Signal {
        /// Its number.
        signal: i32,
        /// Whether a core was dumped.
        core: bool,
    },
}

impl Exit {
    /// The code a shell would show: 128 + n for signal n.
    #[must_use]
    pub fn cmd_exit(self) -> u8 {
        match self {
            Self::Code(code) => code,
            Self::Signal { signal, .. } => u8::try_from(128 + signal).unwrap_or(u8::MAX),
        }
    }

    /// From the status word of waitpid(2); a status that is no end counts as code 255.
    pub(super) fn of_status(status: i32) -> Self {
        let signal = status & 0x7F;
        if signal == 0 {
            Self::Code(u8::try_from((status >> 8) & 0xFF).unwrap_or(u8::MAX))
        } else {
            Self::Signal {
                signal,
                core: status & 0x80 != 0,
            }
        }
    }
}

/// A descendant that outlived CMD.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Lingering {
    /// Its process id.
    pub pid: i32,
    /// `/proc/PID/comm`.
    pub comm: String,
    /// `/proc/PID/cmdline`, its arguments; empty for one that has none.
    pub cmdline: Vec<String>,
}

/// What is known when everything is over.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// How CMD ended.
    pub status: Exit,
    /// The same as a shell's code.
    pub cmd_exit: u8,
    /// The descendants alive when CMD had ended.
    pub lingering: Vec<Lingering>,
    /// How many of them were killed.
    pub killed: usize,
}

/// A command that has been released. Dropping it before its end kills it.
#[derive(Debug)]
pub struct Running {
    pid: Pid,
    pidfd: OwnedFd,
    cgroup: Arc<Cgroup>,
    router: Router,
    exit: Option<Exit>,
    settling: Option<Settling>,
    interrupted: bool,
    pub(super) interpreter: Option<PathBuf>,
    pub(super) verified: Verified,
}

/// After CMD's end.
#[derive(Debug)]
struct Settling {
    lingering: Vec<Lingering>,
    killed: Option<Instant>,
}

impl Running {
    pub(super) fn new(pid: Pid, pidfd: OwnedFd, cgroup: Arc<Cgroup>, router: Router) -> Self {
        Self {
            pid,
            pidfd,
            cgroup,
            router,
            exit: None,
            settling: None,
            interrupted: false,
            interpreter: None,
            verified: Verified::Unchecked,
        }
    }

    pub(super) fn child(&self) -> Pid {
        self.pid
    }

    /// It has ended and been reaped elsewhere.
    pub(super) fn ended(&mut self, exit: Exit) {
        self.exit = Some(exit);
    }

    /// The child closed its socket without a word.
    pub(super) fn lost(&mut self) -> LaunchError {
        let how = match waitpid(Some(self.pid), WaitOptions::empty()) {
            Ok(Some((_, status))) => {
                let exit = Exit::of_status(status.as_raw());
                self.exit = Some(exit);
                match exit {
                    Exit::Code(code) => format!("code {code}"),
                    Exit::Signal { signal, .. } => format!("signal {signal}"),
                }
            }
            Ok(None) | Err(_) => "unknown".to_owned(),
        };
        LaunchError::ChildLost { how }
    }

    /// CMD's process id.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// CMD's pidfd: readable when it has ended.
    #[must_use]
    pub fn pidfd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// Readable when [`Self::try_wait`] has something to do: a signal to pass on, a child that stopped or ended.
    #[must_use]
    pub fn signals(&self) -> BorrowedFd<'_> {
        self.router.fd()
    }

    /// The cgroup of the tree.
    #[must_use]
    pub fn cgroup(&self) -> &Arc<Cgroup> {
        &self.cgroup
    }

    /// When the executed file was compared with the checked one.
    #[must_use]
    pub fn verified(&self) -> Verified {
        self.verified
    }

    /// What runs a checked script; `None` when the checked file is executed itself.
    #[must_use]
    pub fn interpreter(&self) -> Option<&Path> {
        self.interpreter.as_deref()
    }

    /// How CMD ended, as far as [`Self::try_wait`] has seen it.
    #[must_use]
    pub fn exit(&self) -> Option<Exit> {
        self.exit
    }

    /// Passes on the signals that came, follows CMD into a stop, reaps every child that ended; returns CMD's end once it
    /// is known. Returns at once, except that it stops this process where CMD stopped under job control.
    ///
    /// # Errors
    /// [`LaunchError::System`] when waiting fails.
    pub fn try_wait(&mut self) -> Result<Option<Exit>> {
        for arrived in self.router.take() {
            self.pass_on(arrived);
        }
        self.reap()?;
        Ok(self.exit)
    }

    /// As [`Self::try_wait`], but only until nothing of the tree is left that `linger` does not leave: `None` means that
    /// something is still to come. Poll [`Self::awaited`] in between.
    ///
    /// # Errors
    /// [`LaunchError::CgroupBusy`] when the tree outlives SIGKILL by ten seconds; those of [`Self::try_wait`] and of
    /// the cgroup.
    pub fn try_finish(&mut self, linger: Linger) -> Result<Option<Outcome>> {
        let Some(status) = self.try_wait()? else {
            return Ok(None);
        };
        let mut settling = match self.settling.take() {
            Some(settling) => settling,
            None => Settling {
                lingering: self.lingering()?,
                killed: None,
            },
        };
        let kill = linger == Linger::Kill || (linger == Linger::Wait && self.interrupted);
        match linger {
            Linger::Report => self.cgroup.evacuate()?,
            Linger::Kill | Linger::Wait if self.cgroup.populated()? => {
                match settling.killed {
                    None if kill => {
                        settling.killed = Some(Instant::now());
                        self.cgroup.kill()?;
                    }
                    Some(since) if since.elapsed() > KILL_BOUND => {
                        let left = self.cgroup.procs()?.len();
                        return Err(LaunchError::CgroupBusy {
                            path: self.cgroup.path().to_owned(),
                            left,
                        });
                    }
                    _ => {}
                }
                self.settling = Some(settling);
                return Ok(None);
            }
            Linger::Kill | Linger::Wait => {}
        }
        if linger != Linger::Report {
            self.reap_the_rest()?;
        }
        let killed = if settling.killed.is_some() {
            settling.lingering.len()
        } else {
            0
        };
        Ok(Some(Outcome {
            status,
            cmd_exit: status.cmd_exit(),
            lingering: settling.lingering,
            killed,
        }))
    }

    /// Blocks until CMD has ended and `linger` is satisfied.
    ///
    /// # Errors
    /// As [`Self::try_finish`].
    pub fn finish(&mut self, linger: Linger) -> Result<Outcome> {
        loop {
            if let Some(outcome) = self.try_finish(linger)? {
                return Ok(outcome);
            }
            // The bound only matters for a kill, whose deadline has to be looked at.
            let bound = Timespec { tv_sec: 1, tv_nsec: 0 };
            match poll(&mut self.awaited(), Some(&bound)) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => {
                    return Err(LaunchError::System {
                        call: "poll",
                        source: error.into(),
                    });
                }
            }
        }
    }

    /// What to poll between two calls of [`Self::try_finish`].
    ///
    /// Once the cgroup has changed, its file stays ready until it is read, and [`Self::try_finish`] reads it only after
    /// CMD's end: before that it is not among them.
    #[must_use]
    pub fn awaited(&self) -> Vec<PollFd<'_>> {
        let mut fds = vec![PollFd::from_borrowed_fd(self.router.fd(), PollFlags::IN)];
        if self.exit.is_some() {
            fds.push(PollFd::from_borrowed_fd(self.cgroup.events(), PollFlags::PRI));
        }
        fds
    }

    /// The live processes of the tree other than CMD.
    ///
    /// # Errors
    /// Those of [`Cgroup::procs`].
    pub fn lingering(&self) -> Result<Vec<Lingering>> {
        let others = self.cgroup.procs()?.into_iter().filter(|pid| *pid != self.pid());
        Ok(others.filter_map(describe).collect())
    }

    fn reap(&mut self) -> Result<bool> {
        loop {
            match wait(WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED) {
                Ok(Some((pid, status))) if pid == self.pid => self.note(status),
                Ok(Some(_)) | Err(Errno::INTR) => {}
                Ok(None) => return Ok(true),
                Err(Errno::CHILD) => return Ok(false),
                Err(error) => {
                    return Err(LaunchError::System {
                        call: "waitpid",
                        source: error.into(),
                    });
                }
            }
        }
    }

    fn note(&mut self, status: WaitStatus) {
        if let Some(signal) = status.stopping_signal() {
            mirror_stop(self.pid, self.pidfd.as_fd(), signal);
        } else if status.exited() || status.signaled() {
            self.exit = Some(Exit::of_status(status.as_raw()));
        }
    }

    /// The kernel empties the cgroup of an ending process a moment before its parent can reap it.
    fn reap_the_rest(&mut self) -> Result<()> {
        let deadline = Instant::now() + REAP_BOUND;
        while self.reap()? && Instant::now() < deadline {
            let mut fds = [PollFd::from_borrowed_fd(self.router.fd(), PollFlags::IN)];
            let bound = Timespec {
                tv_sec: 0,
                tv_nsec: 10_000_000,
            };
            let _interrupted = poll(&mut fds, Some(&bound));
            for arrived in self.router.take() {
                self.pass_on(arrived);
            }
        }
        Ok(())
    }

    fn pass_on(&mut self, arrived: Arrived) {
        let Some(signal) = Signal::from_named_raw(arrived.signal).filter(|s| *s != Signal::CHILD) else {
            return;
        };
        if self.exit.is_some() {
            self.interrupted |= matches!(signal, Signal::INT | Signal::TERM | Signal::HUP | Signal::QUIT);
            return;
        }
        // What the terminal sends, it sends to the whole foreground group; only its hangup goes to the session leader
        // alone. A signal from inside the tree was meant for the parent, not for its sender.
        let for_cmd = match signal {
            Signal::CONT => true,
            _ if arrived.by_process => !self.cgroup.procs().is_ok_and(|tree| tree.contains(&arrived.sender)),
            Signal::HUP => rustix::process::getsid(None).is_ok_and(|sid| sid == rustix::process::getpid()),
            _ => false,
        };
        if for_cmd {
            // It may have ended meanwhile.
            let _gone = pidfd_send_signal(&self.pidfd, signal);
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.exit.is_none() {
            let _gone = pidfd_send_signal(&self.pidfd, Signal::KILL);
            while let Err(Errno::INTR) = waitpid(Some(self.pid), WaitOptions::empty()) {}
        }
    }
}

/// Stops this process as CMD has stopped, so that the shell takes the terminal back; when the shell continues us, CMD
/// is continued too. Only job control does that: without a controlling terminal there is nobody to continue us.
///
/// While stopped, nothing drains the watcher's events; the kernel side goes on deciding and counts what it drops.
pub(super) fn mirror_stop(cmd: Pid, pidfd: BorrowedFd<'_>, signal: i32) {
    if fs::File::open("/dev/tty").is_err() || !is_stopped(cmd) {
        return;
    }
    stop_by(signal);
    // It may have been killed while we stood.
    let _gone = pidfd_send_signal(pidfd, Signal::CONT);
}

/// Whether `/proc/PID/stat` says `T`; it may have been continued since it was reported.
fn is_stopped(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero())).unwrap_or_default();
    stat.rsplit(')')
        .next()
        .is_some_and(|rest| rest.trim_start().starts_with(['T', 't']))
}

fn describe(pid: i32) -> Option<Lingering> {
    let comm = fs::read(format!("/proc/{pid}/comm")).ok()?;
    let cmdline = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let arguments = cmdline
        .strip_suffix(b"\0")
        .map(|all| all.split(|&b| b == 0).map(text).collect());
    Some(Lingering {
        pid,
        comm: text(comm.trim_ascii_end()),
        cmdline: arguments.unwrap_or_default(),
    })
}

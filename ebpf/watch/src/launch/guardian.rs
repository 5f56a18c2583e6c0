//! A process that outlives the watcher just long enough to end the tree, or to clean up after it.
//!
//! It is made by `clone3`, not by executing ourselves again: it needs no argument, no file of ours that might have been
//! replaced, and no allocation, so threads do no harm. It runs in a session of its own with every signal blocked, holds
//! five descriptors and nothing that was inherited, and sends no SIGCHLD, so a wait for any child does not meet it.
//! It sits in the watcher's cgroup: whoever kills that whole cgroup kills both.

#![expect(unsafe_code, reason = "the child of a clone has no safe form")]

use std::convert::Infallible;
use std::ffi::CString;
use std::os::fd::{AsFd, AsRawFd, OwnedFd, RawFd};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};

use super::clone::{ExitSignal, clone};
use super::remove::remove_tree;
use super::{Cgroup, LaunchError, Result};

/// `watcher_exit` of the declared set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum OnWatcherExit {
    /// The tree dies with the watcher.
    #[default]
    KillTree,
    /// The tree lives on; the cgroup is removed when its last process has ended.
    Continue,
}

/// The watcher's hold on its guardian. Dropping it without [`Guardian::dismiss`] counts as the watcher's death.
#[derive(Debug)]
pub struct Guardian {
    pid: Pid,
    control: OwnedFd,
}

/// What the guardian works with.
struct Post {
    watcher: OwnedFd,
    control: OwnedFd,
    /// `None` before Linux 5.14.
    kill: Option<OwnedFd>,
    procs: OwnedFd,
    events: OwnedFd,
    parent: OwnedFd,
    name: CString,
    on_exit: OnWatcherExit,
}

impl Guardian {
    /// Starts a guardian of `cgroup` for this process. To be called before the command is released.
    ///
    /// # Errors
    /// [`LaunchError::System`] or [`LaunchError::Cgroup`].
    pub fn start(cgroup: &Cgroup, on_exit: OnWatcherExit) -> Result<Self> {
        let open = |file: &'static str, flags: OFlags| {
            rustix::fs::openat(cgroup.dir(), file, flags | OFlags::CLOEXEC, Mode::empty()).map_err(|error| {
                LaunchError::Cgroup {
                    action: "open",
                    path: cgroup.path().join(file),
                    source: error.into(),
                }
            })
        };
        let (control, theirs) =
            rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
                .map_err(LaunchError::system("socketpair"))?;
        let post = Post {
            watcher: pidfd_open(rustix::process::getpid(), PidfdFlags::empty())
                .map_err(LaunchError::system("pidfd_open"))?,
            control: theirs,
            kill: open("cgroup.kill", OFlags::WRONLY).ok(),
            procs: open("cgroup.procs", OFlags::RDONLY)?,
            events: open("cgroup.events", OFlags::RDONLY)?,
            parent: rustix::io::fcntl_dupfd_cloexec(cgroup.parent(), 0).map_err(LaunchError::system("fcntl"))?,
            name: cgroup.name().clone(),
            on_exit,
        };
        // SAFETY: `guard` makes system calls only and does not return.
        let cloned = unsafe { clone(None, ExitSignal::None, &|_, _| guard(&post)) };
        let cloned = cloned.map_err(LaunchError::system("clone3"))?;
        Ok(Self {
            pid: cloned.pid,
            control,
        })
    }

    /// The guardian's process id, to be kept out of the tracked tree.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid.as_raw_nonzero().get()
    }

    /// Ends the guardian: the watcher has finished in order, and the cgroup is its own to remove.
    ///
    /// # Errors
    /// [`LaunchError::System`] when the guardian is gone already, as when somebody killed it.
    pub fn dismiss(self) -> Result<()> {
        let told = rustix::net::send(&self.control, b"d", SendFlags::NOSIGNAL);
        let mut status = 0;
        // SAFETY: the pointer is valid; the guardian is our child and is waited for only here.
        while unsafe { libc::waitpid(self.pid(), &raw mut status, libc::__WALL) } == -1
            && std::io::Error::last_os_error().kind() == std::io::ErrorKind::Interrupted
        {}
        told.map(drop).map_err(LaunchError::system("telling the guardian"))
    }
}

fn guard(post: &Post) -> Infallible {
    close_all_but(post);
    // Each can fail only where it is not needed: a session leader already, no such directory, an old kernel.
    let _session = rustix::process::setsid();
    let _root = rustix::process::chdir(c"/");
    let _name = rustix::thread::set_name(c"probity-guard");
    if !dismissed(post) {
        if post.on_exit == OnWatcherExit::KillTree {
            end_tree(post);
        }
        await_empty(post, None);
        remove_tree(post.parent.as_fd(), &post.name);
    }
    // SAFETY: _exit runs nothing of the watcher's.
    unsafe { libc::_exit(0) }
}

/// Waits for the watcher's word or its end; says whether it was its word.
fn dismissed(post: &Post) -> bool {
    loop {
        let mut fds = [
            PollFd::new(&post.control, PollFlags::IN),
            PollFd::new(&post.watcher, PollFlags::IN),
        ];
        // All signals are blocked, so only a lack of kernel memory ends this early.
        let _ready = poll(&mut fds, None);
        let mut byte = [0];
        match rustix::net::recv(&post.control, &mut byte[..], RecvFlags::DONTWAIT) {
            Ok((1, _)) => return true,
            Err(rustix::io::Errno::AGAIN) if !fds[1].revents().contains(PollFlags::IN) => {}
            _ => return false,
        }
    }
}

fn end_tree(post: &Post) {
    if let Some(kill) = &post.kill
        && rustix::io::write(kill, b"1").is_ok()
    {
        return;
    }
    // Without cgroup.kill: one by one, as long as there are any. Cgroups made below are not reached this way.
    for _round in 0..1000 {
        if !kill_listed(post) {
            return;
        }
        await_empty(
            post,
            Some(Timespec {
                tv_sec: 0,
                tv_nsec: 10_000_000,
            }),
        );
    }
}

/// Kills the processes that `cgroup.procs` lists in its first 4 KiB; says whether there were any.
fn kill_listed(post: &Post) -> bool {
    let mut text = [0u8; 4096];
    let read = rustix::io::pread(&post.procs, &mut text[..], 0).unwrap_or(0);
    let Some(text) = text.get(..read) else { return false };
    let (mut pid, mut any) = (0i32, false);
    for &byte in text {
        if byte.is_ascii_digit() {
            pid = pid.saturating_mul(10).saturating_add(i32::from(byte - b'0'));
        } else if let Some(target) = Pid::from_raw(std::mem::take(&mut pid)) {
            let _gone = kill_process(target, Signal::KILL);
            any = true;
        }
    }
    any
}

/// Waits until the cgroup is empty or gone; with a bound, for one change at most.
fn await_empty(post: &Post, bound: Option<Timespec>) {
    loop {
        let mut text = [0u8; 256];
        let populated = match rustix::io::pread(&post.events, &mut text[..], 0) {
            Ok(read) => text
                .get(..read)
                .is_some_and(|t| t.windows(11).any(|w| w == b"populated 1")),
            // ENODEV: it has been removed.
            Err(_) => false,
        };
        if !populated {
            return;
        }
        let second = Timespec { tv_sec: 1, tv_nsec: 0 };
        let _ready = poll(
            &mut [PollFd::new(&post.events, PollFlags::PRI)],
            Some(bound.as_ref().unwrap_or(&second)),
        );
        if bound.is_some() {
            return;
        }
    }
}

/// Closes everything but the post's own descriptors, standard input, output and error included: whoever waits for the
/// end of a pipe of the watcher must not wait for the guardian.
fn close_all_but(post: &Post) {
    let kill = post.kill.as_ref().map_or(-1, AsRawFd::as_raw_fd);
    let mut keep: [RawFd; 6] = [
        post.watcher.as_raw_fd(),
        post.control.as_raw_fd(),
        kill,
        post.procs.as_raw_fd(),
        post.events.as_raw_fd(),
        post.parent.as_raw_fd(),
    ];
    keep.sort_unstable();
    let mut from: u32 = 0;
    for fd in keep.into_iter().filter_map(|fd| u32::try_from(fd).ok()) {
        if fd > from {
            close_range(from, fd - 1);
        }
        from = fd.saturating_add(1);
    }
    close_range(from, u32::MAX);
}

fn close_range(first: u32, last: u32) {
    // SAFETY: the descriptors are this process's copies; nothing here uses those that are closed.
    let answer = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
    if answer == 0 {
        return;
    }
    // Before Linux 5.9: one by one, up to where descriptors are likely.
    for fd in first..=last.min(65_535) {
        // SAFETY: as above.
        unsafe { libc::close(fd.cast_signed()) };
    }
}

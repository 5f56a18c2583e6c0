//! Acts done by another process of the tree: how it is made, and how its outcome comes back.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::sys::{self, Acted, Stop, call, owned};

/// The longest reason that travels through the pipe, in bytes.
const REASON: usize = 240;

/// The writing end of the pipe through which the process that does the act tells its outcome.
pub(crate) struct Outcome(OwnedFd);

impl Outcome {
    /// Tells the outcome; a reader that is gone is nobody to tell.
    pub(crate) fn tell(&self, acted: &Acted) {
        let (tag, number, reason) = match acted {
            Ok(()) => (0_u8, 0, ""),
            Err(Stop::Errno(number)) => (1, *number, ""),
            Err(Stop::Skip(reason)) => (2, 0, reason.as_str()),
            Err(Stop::Wrong(reason)) => (3, 0, reason.as_str()),
        };
        let mut message = vec![tag];
        message.extend(number.to_le_bytes());
        message.extend(reason.bytes().take(REASON));
        let _ = sys::write(&self.0, &message);
    }
}

/// Runs `start`, which arranges that some process tells an outcome, and waits for that outcome.
pub(crate) fn told(start: impl FnOnce(Outcome) -> Acted) -> Acted {
    let mut ends = [0_i32; 2];
    call!(libc::SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC)?;
    let (reader, writer) = (owned(i64::from(ends[0]))?, owned(i64::from(ends[1]))?);
    start(Outcome(writer))?;
    let mut message = [0_u8; 5 + REASON];
    let got = call!(libc::SYS_read, reader.as_raw_fd(), message.as_mut_ptr(), message.len())?;
    let message = &message[..usize::try_from(got).unwrap_or(0)];
    let Some((&tag, rest)) = message.split_first() else {
        return Err(Stop::Wrong(String::from(
            "the process that was to act ended without a word",
        )));
    };
    let (number, reason) = rest.split_at(rest.len().min(4));
    let number = i32::from_le_bytes(number.try_into().unwrap_or_default());
    let reason = String::from_utf8_lossy(reason).into_owned();
    match tag {
        0 => Ok(()),
        1 => Err(Stop::Errno(number)),
        2 => Err(Stop::Skip(reason)),
        _ => Err(Stop::Wrong(reason)),
    }
}

/// Does the act in a forked child, and waits for it.
pub(crate) fn forked(act: impl FnOnce() -> Acted) -> Acted {
    told(|outcome| {
        let pid = fork(|| {
            outcome.tell(&act());
            0
        })?;
        wait(pid).map(|_| ())
    })
}

/// Forks; the child runs `inside` and exits with its code. Returns the child's id.
pub(crate) fn fork(inside: impl FnOnce() -> i32) -> Acted<i32> {
    // SAFETY: the process has one thread whenever an act forks, so the child may do anything the parent might.
    match unsafe { libc::fork() } {
        -1 => Err(Stop::Errno(sys::errno())),
        0 => sys::exit(inside()),
        pid => Ok(pid),
    }
}

/// Waits for a child to end and returns its wait status.
pub(crate) fn wait(pid: i32) -> Acted<i32> {
    let mut status = 0;
    call!(libc::SYS_wait4, pid, &raw mut status, libc::__WALL, 0)?;
    Ok(status)
}

/// A child that does nothing until it is dropped, which kills it.
pub(crate) struct Idle(pub(crate) i32);

impl Idle {
    /// Forks the child.
    pub(crate) fn start() -> Acted<Idle> {
        fork(|| {
            loop {
                // SAFETY: pause(2) takes nothing and returns after a signal.
                unsafe { libc::pause() };
            }
        })
        .map(Idle)
    }
}

impl Drop for Idle {
    fn drop(&mut self) {
        let _ = call!(libc::SYS_kill, self.0, libc::SIGKILL);
        let _ = wait(self.0);
    }
}

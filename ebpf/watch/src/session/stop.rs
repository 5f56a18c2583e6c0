//! SIGINT, SIGTERM and SIGHUP to a watcher that has no command: the first ends the watch in order, the second at once.
//!
//! The signals are blocked and read from a descriptor, so there is no handler and no race with a poll.

#![expect(unsafe_code, reason = "signal masks and signalfd have no safe form here")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use super::error::WatchError;

/// What ends a watch.
const ENDING: [libc::c_int; 3] = [libc::SIGINT, libc::SIGTERM, libc::SIGHUP];

/// The blocked signals, until one has come or this is dropped.
pub(super) struct Stop {
    fd: OwnedFd,
    before: libc::sigset_t,
}

impl Stop {
    /// Blocks the signals of this thread and reads them from now on.
    ///
    /// # Errors
    ///
    /// When the kernel refuses.
    pub(super) fn catch() -> Result<Self, WatchError> {
        let mut set = empty();
        for signal in ENDING {
            // SAFETY: a set that is initialised, and a signal that exists.
            unsafe { libc::sigaddset(&raw mut set, signal) };
        }
        let mut before = empty();
        // SAFETY: both sets are initialised locals.
        let failed = unsafe { libc::pthread_sigmask(libc::SIG_BLOCK, &raw const set, &raw mut before) };
        if failed != 0 {
            return Err(error("pthread_sigmask", io::Error::from_raw_os_error(failed)));
        }
        // SAFETY: the set is initialised; -1 asks for a new descriptor.
        let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
        if fd < 0 {
            return Err(error("signalfd", io::Error::last_os_error()));
        }
        Ok(Self {
            // SAFETY: the kernel has just made this descriptor, and nobody else has it.
            fd: unsafe { OwnedFd::from_raw_fd(fd) },
            before,
        })
    }

    /// Readable when a signal has come.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// The signal that has come, if one has. From then on the next does what it would without us.
    pub(super) fn arrived(&self) -> Option<i32> {
        let mut record = [0u8; size_of::<libc::signalfd_siginfo>()];
        // SAFETY: the buffer has the length that is given.
        let read = unsafe { libc::read(self.fd.as_raw_fd(), record.as_mut_ptr().cast(), record.len()) };
        if usize::try_from(read).ok()? < record.len() {
            return None;
        }
        self.release();
        let number = record.first_chunk::<4>()?;
        Some(i32::from_ne_bytes(*number))
    }

    fn release(&self) {
        // SAFETY: the set is the one that was in force before.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

impl Drop for Stop {
    fn drop(&mut self) {
        self.release();
    }
}

fn empty() -> libc::sigset_t {
    let mut set = std::mem::MaybeUninit::<libc::sigset_t>::uninit();
    // SAFETY: sigemptyset initialises the set it is given.
    unsafe {
        libc::sigemptyset(set.as_mut_ptr());
        set.assume_init()
    }
}

fn error(call: &'static str, source: io::Error) -> WatchError {
    WatchError::System { call, source }
}

//! Making a child process with `clone3`, in a cgroup from its first instruction on.
//!
//! `std::process` cannot do it: it neither knows `CLONE_INTO_CGROUP` nor leaves the child in our hands before `execve`.
//! See clone(2) and cgroups(7).

#![expect(
    unsafe_code,
    reason = "clone3, fork and the signal mask around them have no safe form"
)]

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// `linux/sched.h`; the constant in libc overflows its type.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Whom the kernel tells of the child's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExitSignal {
    /// SIGCHLD, as for any child.
    Child,
    /// Nobody: only a wait with `__WALL` sees it, so a wait for any child leaves it alone.
    None,
}

/// A child that has been made.
#[derive(Debug)]
pub(super) struct Cloned {
    pub(super) pid: Pid,
    pub(super) pidfd: OwnedFd,
    /// Whether the kernel put it into the cgroup; otherwise it has to enter by itself.
    pub(super) in_cgroup: bool,
}

/// Runs `child` in a new process, with every signal blocked there.
///
/// `child` gets whether it is already in the cgroup, and the signal mask of the calling thread.
///
/// # Safety
/// Another thread may hold any lock at the moment of the call. So `child` must make only async-signal-safe calls:
/// no allocation, no panic, no lock.
///
/// # Errors
/// What `clone3`, or `fork` and `pidfd_open` on kernels before 5.7, answer.
pub(super) unsafe fn clone(
    cgroup: Option<BorrowedFd<'_>>,
    exit_signal: ExitSignal,
    child: &dyn Fn(bool, &libc::sigset_t) -> Infallible,
) -> io::Result<Cloned> {
    let mask = SignalsBlocked::all();
    // SAFETY: as promised by the caller.
    let answer = unsafe { clone3(cgroup, exit_signal, &|| child(cgroup.is_some(), &mask.before)) };
    match answer {
        Ok((pid, pidfd)) => Ok(Cloned {
            pid,
            pidfd,
            in_cgroup: cgroup.is_some(),
        }),
        // ENOSYS: before 5.3, or a seccomp filter; E2BIG and EINVAL: before 5.7, which knows no CLONE_INTO_CGROUP.
        Err(error) if matches!(error.raw_os_error(), Some(libc::ENOSYS | libc::E2BIG | libc::EINVAL)) => {
            // SAFETY: as promised by the caller.
            let (pid, pidfd) = unsafe { fork(&|| child(false, &mask.before)) }?;
            Ok(Cloned {
                pid,
                pidfd,
                in_cgroup: false,
            })
        }
        Err(error) => Err(error),
    }
}

/// # Safety
/// As [`clone`].
unsafe fn clone3(
    cgroup: Option<BorrowedFd<'_>>,
    exit_signal: ExitSignal,
    child: &dyn Fn() -> Infallible,
) -> io::Result<(Pid, OwnedFd)> {
    let mut pidfd: libc::c_int = -1;
    // SAFETY: clone_args is plain numbers, for which zero means absent.
    let mut args: libc::clone_args = unsafe { std::mem::zeroed() };
    args.flags = u64::from(libc::CLONE_PIDFD.cast_unsigned());
    args.pidfd = (&raw mut pidfd).addr() as u64;
    args.exit_signal = if exit_signal == ExitSignal::Child {
        u64::from(libc::SIGCHLD.cast_unsigned())
    } else {
        0
    };
    if let Some(cgroup) = cgroup {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = u64::from(cgroup.as_raw_fd().cast_unsigned());
    }
    // SAFETY: without CLONE_VM the child has a copy of all memory, so the call returns in both as fork does; `args` and
    // `pidfd` live across it.
    let answer = unsafe { libc::syscall(libc::SYS_clone3, &raw mut args, size_of::<libc::clone_args>()) };
    match answer {
        0 => run(child),
        -1 => Err(io::Error::last_os_error()),
        pid => {
            // SAFETY: the kernel has stored a new descriptor there, which nothing else owns; it is close-on-exec.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok((pid_of(pid)?, pidfd))
        }
    }
}

/// # Safety
/// As [`clone`].
unsafe fn fork(child: &dyn Fn() -> Infallible) -> io::Result<(Pid, OwnedFd)> {
    // SAFETY: the child runs only async-signal-safe calls, by the contract of the caller.
    match unsafe { libc::fork() } {
        0 => run(child),
        -1 => Err(io::Error::last_os_error()),
        pid => {
            let pid = pid_of(pid.into())?;
            // The child is ours and not yet waited for: its number cannot have been given to another.
            Ok((pid, pidfd_open(pid, PidfdFlags::empty())?))
        }
    }
}

fn run(child: &dyn Fn() -> Infallible) -> ! {
    /// Unwinding out of the child would run the parent's frames a second time.
    struct NoReturn;
    impl Drop for NoReturn {
        fn drop(&mut self) {
            // SAFETY: _exit is async-signal-safe and does not return.
            unsafe { libc::_exit(125) }
        }
    }
    let _no_return = NoReturn;
    match child() {}
}

fn pid_of(raw: i64) -> io::Result<Pid> {
    i32::try_from(raw)
        .ok()
        .and_then(Pid::from_raw)
        .ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Every signal is blocked in this thread for as long as this lives, so that no handler runs in a child before it has
/// taken the handlers off.
struct SignalsBlocked {
    before: libc::sigset_t,
}

impl SignalsBlocked {
    fn all() -> Self {
        // SAFETY: sigset_t is plain bits; both pointers are valid; pthread_sigmask fails only for an unknown `how`.
        unsafe {
            let mut all: libc::sigset_t = std::mem::zeroed();
            let mut before: libc::sigset_t = std::mem::zeroed();
            libc::sigfillset(&raw mut all);
            libc::pthread_sigmask(libc::SIG_SETMASK, &raw const all, &raw mut before);
            Self { before }
        }
    }
}

impl Drop for SignalsBlocked {
    fn drop(&mut self) {
        // SAFETY: `before` was filled by the call above.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &raw const self.before, std::ptr::null_mut()) };
    }
}

//! Holding a process at the end of its `execve`, before its first instruction (ptrace(2), `PTRACE_EVENT_EXEC`).
//!
//! All calls for one process must come from one thread. The process is let go at once afterwards: CMD is not traced.

#![expect(unsafe_code, reason = "ptrace has no safe form")]

use std::io;

use rustix::process::Pid;

/// How the wait for `execve` ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ExecStop {
    /// It stands before its first instruction.
    Executed,
    /// It ended, and has been reaped: the status of waitpid(2).
    Ended(i32),
}

/// Begins to trace a process that is blocked before its `execve`. It dies if we do.
pub(super) fn seize(pid: Pid) -> io::Result<()> {
    request(
        libc::PTRACE_SEIZE,
        pid,
        libc::PTRACE_O_TRACEEXEC | libc::PTRACE_O_EXITKILL,
    )
}

/// Waits for `execve`, delivering the signals that come meanwhile. `stopped` is called with the signal
/// when job control stops it.
pub(super) fn await_exec(pid: Pid, stopped: &dyn Fn(i32)) -> io::Result<ExecStop> {
    loop {
        let mut status = 0;
        // SAFETY: the pointer is valid.
        match unsafe { libc::waitpid(pid.as_raw_nonzero().get(), &raw mut status, libc::__WALL) } {
            -1 => match io::Error::last_os_error() {
                error if error.kind() == io::ErrorKind::Interrupted => continue,
                error => return Err(error),
            },
            _ if !libc::WIFSTOPPED(status) => return Ok(ExecStop::Ended(status)),
            _ => {}
        }
        let signal = libc::WSTOPSIG(status);
        match status >> 16 {
            libc::PTRACE_EVENT_EXEC => return Ok(ExecStop::Executed),
            libc::PTRACE_EVENT_STOP if signal != libc::SIGTRAP => {
                request(libc::PTRACE_LISTEN, pid, 0)?;
                stopped(signal);
            }
            libc::PTRACE_EVENT_STOP => request(libc::PTRACE_CONT, pid, 0)?,
            _ => request(libc::PTRACE_CONT, pid, signal)?,
        }
    }
}

/// Lets the process run untraced.
pub(super) fn detach(pid: Pid) -> io::Result<()> {
    request(libc::PTRACE_DETACH, pid, 0)
}

fn request(what: libc::c_uint, pid: Pid, data: libc::c_int) -> io::Result<()> {
    let none = std::ptr::null_mut::<libc::c_void>();
    // SAFETY: these requests take a number as data, no address, and touch no memory of ours.
    let answer = unsafe { libc::ptrace(what, pid.as_raw_nonzero().get(), none, libc::c_long::from(data)) };
    if answer == -1 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

//! Signals while a command runs: what reaches us alone is passed on, what the terminal sends is left to the command.
//!
//! Handlers write to a pipe, so it does not matter which thread a signal finds. Nothing is decided in a handler. The
//! process also becomes the reaper of its orphaned descendants for that time (`PR_SET_CHILD_SUBREAPER`).

#![expect(unsafe_code, reason = "signal handlers have no safe form")]

use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use rustix::pipe::{PipeFlags, pipe_with};

use super::{LaunchError, Result};

/// The write end of the pipe of the one [`Router`], or -1.
static ROUTE: AtomicI32 = AtomicI32::new(-1);
/// A SIGCHLD is already in the pipe: a flood of orphans must not crowd out a SIGTERM.
static CHILD_NOTED: AtomicBool = AtomicBool::new(false);

/// Caught while a command runs. Those that were ignored when we were started stay ignored, SIGCHLD excepted.
const CAUGHT: [libc::c_int; 10] = [
    libc::SIGCHLD,
    libc::SIGINT,
    libc::SIGQUIT,
    libc::SIGTERM,
    libc::SIGHUP,
    libc::SIGUSR1,
    libc::SIGUSR2,
    libc::SIGWINCH,
    libc::SIGCONT,
    libc::SIGTSTP,
];

/// One signal that came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Arrived {
    pub(super) signal: i32,
    /// Sent by a process (`si_code` of at most 0), not by the kernel or the terminal.
    pub(super) by_process: bool,
    /// The sender, where there is one visible in our pid namespace.
    pub(super) sender: i32,
}

/// The handlers, in place until dropped.
#[derive(Debug)]
pub(super) struct Router {
    read: OwnedFd,
    write: OwnedFd,
    saved: Vec<(libc::c_int, Action)>,
    was_subreaper: bool,
}

/// What a signal did before.
#[derive(Clone, Copy)]
struct Action(libc::sigaction);

impl std::fmt::Debug for Action {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Action").field(&self.0.sa_sigaction).finish()
    }
}

impl Router {
    /// Installs the handlers.
    ///
    /// # Errors
    /// [`LaunchError::AlreadyRunning`] while another exists in this process.
    pub(super) fn install() -> Result<Self> {
        let (read, write) =
            pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).map_err(LaunchError::system("pipe2"))?;
        ROUTE
            .compare_exchange(-1, write.as_raw_fd(), Ordering::SeqCst, Ordering::SeqCst)
            .map_err(|_| LaunchError::AlreadyRunning)?;
        CHILD_NOTED.store(false, Ordering::SeqCst);
        let was_subreaper = rustix::process::child_subreaper().is_ok_and(|who| who.is_some());
        let mut router = Self {
            read,
            write,
            saved: Vec::with_capacity(CAUGHT.len()),
            was_subreaper,
        };
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
            .map_err(LaunchError::system("prctl(PR_SET_CHILD_SUBREAPER)"))?;
        for signal in CAUGHT {
            let before = action_of(signal).ok_or_else(|| LaunchError::System {
                call: "sigaction",
                source: std::io::Error::last_os_error(),
            })?;
            if before.0.sa_sigaction == libc::SIG_IGN && signal != libc::SIGCHLD {
                continue;
            }
            router.saved.push((signal, before));
            catch(signal);
        }
        Ok(router)
    }

    /// Readable when a signal has come.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.read.as_fd()
    }

    /// Takes the signals that have come. Children are to be waited for afterwards: one SIGCHLD stands for many.
    pub(super) fn take(&self) -> Vec<Arrived> {
        CHILD_NOTED.store(false, Ordering::SeqCst);
        let mut arrived = Vec::new();
        let mut record = [0u8; 12];
        while let Ok(12) = rustix::io::read(&self.read, &mut record[..]) {
            let [signal, code, sender] = unpack(record);
            arrived.push(Arrived {
                signal,
                by_process: code <= 0,
                sender,
            });
        }
        arrived
    }

    /// The signals that are ignored after `execve` as they were when we were started, as a set of bits (bit n-1 for
    /// signal n). SIGPIPE is not among them: Rust's runtime ignores it before anyone can ask, so the default is assumed.
    pub(super) fn ignored_at_start(&self) -> u64 {
        let mut bits = 0u64;
        for signal in (1..=64).filter(|s| *s != libc::SIGPIPE) {
            let before = self
                .saved
                .iter()
                .find(|(s, _)| *s == signal)
                .map(|(_, a)| *a)
                .or_else(|| action_of(signal));
            if before.is_some_and(|a| a.0.sa_sigaction == libc::SIG_IGN) {
                bits |= 1u64 << (signal - 1);
            }
        }
        bits
    }
}

impl Drop for Router {
    fn drop(&mut self) {
        for (signal, before) in &self.saved {
            // SAFETY: `before` is what sigaction returned for this signal.
            unsafe { libc::sigaction(*signal, &raw const before.0, std::ptr::null_mut()) };
        }
        if !self.was_subreaper {
            // Failing leaves us a reaper, which harms nobody.
            let _still = rustix::process::set_child_subreaper(None);
        }
        // A handler in another thread may be about to write: the number must be unset before the pipe closes.
        let _unset = ROUTE.compare_exchange(self.write.as_raw_fd(), -1, Ordering::SeqCst, Ordering::SeqCst);
    }
}

/// Stops this process by `signal` (SIGSTOP, SIGTSTP, SIGTTIN or SIGTTOU), whatever handler it has. Returns when it has
/// been continued.
pub(super) fn stop_by(signal: libc::c_int) {
    // SAFETY: sigaction is plain data and the pointers are valid. raise addresses this thread, so that the stop comes
    // before the call returns and thus before the handler is back.
    unsafe {
        let mut default: libc::sigaction = std::mem::zeroed();
        default.sa_sigaction = libc::SIG_DFL;
        let mut before: libc::sigaction = std::mem::zeroed();
        let changed = libc::sigaction(signal, &raw const default, &raw mut before) == 0;
        libc::raise(signal);
        if changed {
            libc::sigaction(signal, &raw const before, std::ptr::null_mut());
        }
    }
}

fn action_of(signal: libc::c_int) -> Option<Action> {
    // SAFETY: sigaction is plain data, the pointer is valid, and a null new action only asks.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        (libc::sigaction(signal, std::ptr::null(), &raw mut action) == 0).then_some(Action(action))
    }
}

fn catch(signal: libc::c_int) {
    // SAFETY: the handler makes async-signal-safe calls only and has the signature SA_SIGINFO asks for.
    unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = note;
        action.sa_sigaction = handler as *const () as libc::sighandler_t;
        action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART | libc::SA_ONSTACK;
        libc::sigemptyset(&raw mut action.sa_mask);
        libc::sigaction(signal, &raw const action, std::ptr::null_mut());
    }
}

extern "C" fn note(signal: libc::c_int, info: *mut libc::siginfo_t, _context: *mut libc::c_void) {
    let route = ROUTE.load(Ordering::SeqCst);
    if route < 0 || (signal == libc::SIGCHLD && CHILD_NOTED.swap(true, Ordering::SeqCst)) {
        return;
    }
    // SAFETY: the kernel passes a valid siginfo_t to an SA_SIGINFO handler; si_pid is read only for codes that carry
    // it; write and errno are async-signal-safe, and errno is put back for the interrupted code.
    unsafe {
        let errno = *libc::__errno_location();
        let code = (*info).si_code;
        let sender = if code <= 0 { (*info).si_pid() } else { 0 };
        let record = pack([signal, code, sender]);
        libc::write(route, record.as_ptr().cast(), record.len());
        *libc::__errno_location() = errno;
    }
}

/// Twelve bytes are written to a pipe whole or not at all (`PIPE_BUF`).
fn pack(fields: [i32; 3]) -> [u8; 12] {
    let mut bytes = [0; 12];
    for (chunk, field) in bytes.chunks_exact_mut(4).zip(fields) {
        chunk.copy_from_slice(&field.to_ne_bytes());
    }
    bytes
}

fn unpack(bytes: [u8; 12]) -> [i32; 3] {
    let mut fields = [0; 3];
    for (field, chunk) in fields.iter_mut().zip(bytes.chunks_exact(4)) {
        *field = i32::from_ne_bytes([chunk[0], chunk[1], chunk[2], chunk[3]]);
    }
    fields
}

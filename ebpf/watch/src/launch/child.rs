//! What the child does between `clone3` and `execve`: become the user, find the executable, wait, execute.
//!
//! Everything it needs is laid out beforehand in a [`Plan`]. Only async-signal-safe calls are made here, since another
//! thread of the parent may have held any lock (signal-safety(7)); user and groups are changed with raw system calls,
//! because libc's own would signal threads that do not exist in the child.

#![expect(
    unsafe_code,
    reason = "execve and signal dispositions of a cloned child have no safe form"
)]

use std::cell::Cell;
use std::convert::Infallible;
use std::ffi::{CStr, CString, c_char};
use std::os::fd::{AsFd, OwnedFd, RawFd};

use rustix::fs::{Access, AtFlags, CWD, FileType, Mode, OFlags};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags};
use rustix::process::{Gid, Uid};

/// What the child tells its parent, twelve bytes in one packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Report {
    /// It has become the user, found the executable (the number of the candidate) and waits.
    Ready(u32),
    /// No candidate can be executed.
    NotFound(Errno),
    /// `execve` failed.
    NotExecuted(Errno),
    /// It could not enter the cgroup.
    NotContained(Errno),
    /// It could not become the user.
    NotUser(Errno),
}

impl Report {
    const SIZE: usize = 8;

    fn pack(self) -> [u8; Self::SIZE] {
        let (kind, value) = match self {
            Self::Ready(index) => (0u32, index),
            Self::NotFound(errno) => (1, errno.raw_os_error().cast_unsigned()),
            Self::NotExecuted(errno) => (2, errno.raw_os_error().cast_unsigned()),
            Self::NotContained(errno) => (3, errno.raw_os_error().cast_unsigned()),
            Self::NotUser(errno) => (4, errno.raw_os_error().cast_unsigned()),
        };
        let ([a, b, c, d], [e, f, g, h]) = (kind.to_ne_bytes(), value.to_ne_bytes());
        [a, b, c, d, e, f, g, h]
    }

    fn unpack(bytes: [u8; Self::SIZE]) -> Option<Self> {
        let [a, b, c, d, e, f, g, h] = bytes;
        let value = u32::from_ne_bytes([e, f, g, h]);
        // Only a number that the kernel gave is an Errno.
        let errno = || Errno::from_raw_os_error(value.cast_signed());
        match u32::from_ne_bytes([a, b, c, d]) {
            0 => Some(Self::Ready(value)),
            1 => Some(Self::NotFound(errno())),
            2 => Some(Self::NotExecuted(errno())),
            3 => Some(Self::NotContained(errno())),
            4 => Some(Self::NotUser(errno())),
            _ => None,
        }
    }

    /// Waits for the child's next packet; `None` when its end is closed, by `execve` or by its end.
    pub(super) fn receive(socket: &OwnedFd) -> rustix::io::Result<Option<Self>> {
        let mut bytes = [0; Self::SIZE];
        loop {
            match rustix::net::recv(socket, &mut bytes[..], RecvFlags::empty()) {
                Ok((Self::SIZE, _)) => return Ok(Self::unpack(bytes)),
                Ok(_) | Err(Errno::CONNRESET) => return Ok(None),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error),
            }
        }
    }
}

/// User and groups in the form the system calls take.
#[derive(Debug)]
pub(super) struct Become {
    pub(super) uid: Uid,
    pub(super) gid: Gid,
    pub(super) groups: Vec<Gid>,
}

/// All the child needs, allocated before it exists.
#[derive(Debug)]
pub(super) struct Plan {
    /// Paths to try, in order.
    pub(super) candidates: Vec<CString>,
    pub(super) argv: PointerArray,
    /// `/bin/sh`, a gap, and the arguments: for a file the kernel does not know (execvp(3), ENOEXEC).
    pub(super) shell_argv: PointerArray,
    pub(super) envp: PointerArray,
    pub(super) user: Option<Become>,
    /// Whether the command runs as root, and so keeps its capabilities.
    pub(super) stays_root: bool,
    /// Bit n-1: signal n is ignored after `execve`.
    pub(super) ignored: u64,
    pub(super) child_end: OwnedFd,
    pub(super) parent_end: RawFd,
    /// `cgroup.procs`, for a child that the kernel could not put there.
    pub(super) cgroup_procs: OwnedFd,
}

impl Plan {
    /// Closes the child's descriptors in the parent; what is left are the paths.
    pub(super) fn into_candidates(self) -> Vec<CString> {
        self.candidates
    }
}

/// Strings and the null-terminated array of pointers to them.
#[derive(Debug)]
pub(super) struct PointerArray {
    /// Only kept: the pointers lead into them.
    _strings: Vec<CString>,
    pointers: Vec<Cell<*const c_char>>,
}

impl PointerArray {
    pub(super) fn new(strings: Vec<CString>) -> Self {
        let pointers = strings
            .iter()
            .map(|s| s.as_ptr())
            .chain([std::ptr::null()])
            .map(Cell::new)
            .collect();
        Self {
            _strings: strings,
            pointers,
        }
    }

    /// As `execve` takes it. The strings live as long as `self`, wherever it is moved.
    fn as_ptr(&self) -> *const *const c_char {
        self.pointers.as_ptr().cast()
    }
}

/// The child's part, from its first instruction on.
pub(super) fn run(plan: &Plan, in_cgroup: bool, mask: &libc::sigset_t) -> Infallible {
    let failure = match prepare(plan, in_cgroup) {
        Ok(candidate) => {
            wait_for_release(plan);
            restore_mask(mask);
            Report::NotExecuted(execute(plan, candidate))
        }
        Err(report) => report,
    };
    tell(plan, failure);
    exit(125)
}

fn prepare(plan: &Plan, in_cgroup: bool) -> Result<&CStr, Report> {
    // Otherwise the end of the parent would go unnoticed: its socket would live on in us.
    // SAFETY: the descriptor is the child's copy of the parent's end, which nothing here uses.
    unsafe { libc::close(plan.parent_end) };
    if !in_cgroup {
        rustix::io::write(&plan.cgroup_procs, b"0").map_err(Report::NotContained)?;
    }
    reset_dispositions(plan.ignored);
    become_user(plan).map_err(Report::NotUser)?;
    let (index, candidate) = choose(&plan.candidates).map_err(Report::NotFound)?;
    tell(plan, Report::Ready(index));
    Ok(candidate)
}

fn reset_dispositions(ignored: u64) {
    for signal in 1..=64 {
        let ignore = ignored & (1u64 << (signal - 1)) != 0;
        // SAFETY: async-signal-safe; numbers that libc keeps to itself, KILL and STOP are refused, which is right.
        unsafe { libc::signal(signal, if ignore { libc::SIG_IGN } else { libc::SIG_DFL }) };
    }
}

fn become_user(plan: &Plan) -> rustix::io::Result<()> {
    if !plan.stays_root {
        // An unprivileged watcher may hold CAP_BPF and the like as ambient capabilities: they are not the command's.
        match rustix::thread::clear_ambient_capability_set() {
            // EINVAL: a kernel before 4.3, which has none.
            Ok(()) | Err(Errno::INVAL) => {}
            Err(error) => return Err(error),
        }
    }
    let Some(user) = &plan.user else { return Ok(()) };
    // `keep capabilities` across setuid would leave root's powers with the user.
    rustix::thread::set_keep_capabilities(false)?;
    rustix::thread::set_thread_groups(&user.groups)?;
    rustix::thread::set_thread_res_gid(user.gid, user.gid, user.gid)?;
    rustix::thread::set_thread_res_uid(user.uid, user.uid, user.uid)
}

/// The first candidate that is a regular file this user may execute, as execvp(3) searches.
fn choose(candidates: &[CString]) -> Result<(u32, &CStr), Errno> {
    let mut answer = Errno::NOENT;
    for (index, candidate) in (0u32..).zip(candidates) {
        let refused = match rustix::fs::stat(candidate.as_c_str()) {
            Ok(stat) if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile => Err(Errno::ACCESS),
            Ok(_) => rustix::fs::accessat(CWD, candidate.as_c_str(), Access::EXEC_OK, AtFlags::EACCESS),
            Err(error) => Err(error),
        };
        match refused {
            Ok(()) => return Ok((index, candidate)),
            Err(Errno::ACCESS | Errno::PERM) => answer = Errno::ACCESS,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::STALE | Errno::NODEV | Errno::TIMEDOUT) => {}
            Err(error) if answer == Errno::NOENT => answer = error,
            Err(_) => {}
        }
    }
    Err(answer)
}

fn wait_for_release(plan: &Plan) {
    let mut byte = [0];
    loop {
        match rustix::net::recv(&plan.child_end, &mut byte[..], RecvFlags::empty()) {
            Ok((1, _)) => return,
            Err(Errno::INTR) => {}
            // The parent has ended or given up: the command must not run unwatched.
            Ok(_) | Err(_) => exit(125),
        }
    }
}

fn restore_mask(mask: &libc::sigset_t) {
    // SAFETY: sigprocmask is async-signal-safe and `mask` is the parent's copy.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, mask, std::ptr::null_mut()) };
}

fn execute(plan: &Plan, candidate: &CStr) -> Errno {
    // SAFETY: the arrays are null-terminated and point into strings the plan owns.
    unsafe { libc::execve(candidate.as_ptr(), plan.argv.as_ptr(), plan.envp.as_ptr()) };
    let error = last_error();
    if let (Errno::NOEXEC, Some(gap), false) = (error, plan.shell_argv.pointers.get(1), is_binary(candidate)) {
        gap.set(candidate.as_ptr());
        // SAFETY: as above; the candidate is one of the plan's strings too.
        unsafe { libc::execve(c"/bin/sh".as_ptr(), plan.shell_argv.as_ptr(), plan.envp.as_ptr()) };
    }
    error
}

/// Whether a file the kernel refuses is no text, as shells judge it: an ELF header or a zero byte at its beginning.
fn is_binary(candidate: &CStr) -> bool {
    let Ok(file) = rustix::fs::open(
        candidate,
        OFlags::RDONLY | OFlags::NONBLOCK | OFlags::CLOEXEC,
        Mode::empty(),
    ) else {
        return false;
    };
    let mut head = [0; 128];
    let read = rustix::io::read(&file, &mut head[..]).unwrap_or(0);
    head.get(..read)
        .is_some_and(|head| head.starts_with(b"\x7fELF") || head.contains(&0))
}

fn last_error() -> Errno {
    // SAFETY: the location is the thread's own.
    Errno::from_raw_os_error(unsafe { *libc::__errno_location() })
}

fn tell(plan: &Plan, report: Report) {
    // Without a parent to hear it, the wait that follows ends the child.
    let _unheard = rustix::net::send(plan.child_end.as_fd(), &report.pack(), SendFlags::NOSIGNAL);
}

fn exit(code: i32) -> ! {
    // SAFETY: _exit is async-signal-safe and runs nothing of the parent's.
    unsafe { libc::_exit(code) }
}

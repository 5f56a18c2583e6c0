//! System calls as the kernel takes them, and children that make them.
//!
//! The C library turns `open` into `openat` and `fork` into `clone`; an act named after a call has to issue that call.

#![expect(
    unsafe_code,
    reason = "raw system calls, one of them through the 32-bit gate, and fork"
)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd, RawFd};

/// Why an act was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::doctor) enum Stop {
    /// The kernel refused, with this error number.
    Errno(i32),
    /// This host has no such thing.
    Lacks,
    /// The call returned and its effect is missing.
    Wrong,
}

/// What an act returns.
pub(in crate::doctor) type Acted<T = ()> = Result<T, Stop>;

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        error.raw_os_error().map_or(Self::Wrong, Self::of)
    }
}

impl From<rustix::io::Errno> for Stop {
    fn from(error: rustix::io::Errno) -> Self {
        Self::of(error.raw_os_error())
    }
}

/// Exit code of an act whose effect is missing.
const WRONG: i32 = 200;
/// Exit code of an act that this host lacks.
const LACKS: i32 = 201;

impl Stop {
    fn of(number: i32) -> Self {
        match number {
            libc::ENOSYS | libc::EAFNOSUPPORT | libc::EPROTONOSUPPORT | libc::EOPNOTSUPP => Self::Lacks,
            number => Self::Errno(number),
        }
    }

    /// As a child's exit code.
    pub(super) fn code(self) -> i32 {
        match self {
            Self::Errno(number) => number.clamp(1, WRONG - 1),
            Self::Lacks => LACKS,
            Self::Wrong => WRONG,
        }
    }

    /// From a child's status.
    pub(super) fn of_status(status: i32) -> Acted {
        match (libc::WIFEXITED(status), libc::WEXITSTATUS(status)) {
            (true, 0) => Ok(()),
            (true, LACKS) => Err(Self::Lacks),
            (true, number) if number < WRONG => Err(Self::Errno(number)),
            // The 32-bit gate faults where the kernel has no IA32 emulation.
            (false, _) if libc::WTERMSIG(status) == libc::SIGSEGV => Err(Self::Lacks),
            _ => Err(Self::Wrong),
        }
    }
}

/// Issues one system call; every argument is widened to a register. It is one expression, so that what an argument borrows
/// from lives until the call has returned.
macro_rules! call {
    ($number:expr $(, $arg:expr)* $(,)?) => {
        $crate::doctor::acts::sys::raw($number, &[$($arg as libc::c_long),*])
    };
}
pub(super) use call;

/// Issues a call with up to six arguments.
pub(super) fn raw(number: libc::c_long, arguments: &[libc::c_long]) -> Acted<i64> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: the kernel checks every address it is given; each act passes only memory that its own frame keeps alive.
    let value = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    if value == -1 {
        return Err(io::Error::last_os_error().into());
    }
    Ok(value)
}

/// Takes a descriptor that a call just returned.
pub(super) fn owned(value: i64) -> Acted<OwnedFd> {
    let fd = RawFd::try_from(value).map_err(|_| Stop::Wrong)?;
    // SAFETY: the kernel just gave this descriptor to the caller, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Runs `act` in a child of this process, which must have no other thread, and gives the child's number. The child ends
/// with the act: nothing of this process runs a second time.
pub(super) fn forked(act: impl FnOnce() -> Acted) -> Acted<i32> {
    // SAFETY: the only thread forks, so that the child has a whole copy of this process.
    match unsafe { libc::fork() } {
        -1 => Err(io::Error::last_os_error().into()),
        0 => {
            let code = std::panic::catch_unwind(std::panic::AssertUnwindSafe(act))
                .unwrap_or(Err(Stop::Wrong))
                .err()
                .map_or(0, Stop::code);
            // SAFETY: `_exit` takes any code and does not return.
            unsafe { libc::_exit(code) }
        }
        pid => Ok(pid),
    }
}

/// Waits for a child and gives its status.
pub(super) fn wait(pid: i32) -> Acted<i32> {
    let mut status = 0;
    loop {
        match call!(libc::SYS_wait4, pid, &raw mut status, 0, 0) {
            Ok(_) => return Ok(status),
            Err(Stop::Errno(libc::EINTR)) => {}
            Err(stop) => return Err(stop),
        }
    }
}

/// Ends a child that does not end by itself after `seconds`.
pub(super) fn alarm(seconds: u32) {
    // SAFETY: alarm(2) takes any number.
    unsafe { libc::alarm(seconds) };
}

/// A 32-bit system call of a 64-bit process. A host without IA32 emulation answers with a fault.
#[cfg(target_arch = "x86_64")]
pub(super) fn int80(number: u32, first: u32, second: u32) -> Acted<i64> {
    let result: i32;
    // SAFETY: the gate keeps every register but eax and r8 to r11; rbx, which the compiler reserves, is put back. The kernel
    // checks the addresses it is given.
    unsafe {
        std::arch::asm!(
            "xchg {first:r}, rbx",
            "int 0x80",
            "xchg {first:r}, rbx",
            first = inout(reg) u64::from(first) => _,
            inlateout("eax") number => result,
            in("ecx") second,
            in("edx") 0,
            out("r8") _, out("r9") _, out("r10") _, out("r11") _,
        );
    }
    match result {
        failed @ -4095..0 => Err(Stop::of(-failed)),
        value => Ok(i64::from(value)),
    }
}

/// There is no such gate.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn int80(_: u32, _: u32, _: u32) -> Acted<i64> {
    Err(Stop::Lacks)
}

/// Copies the bytes to a page below 4 GiB, where a 32-bit call can name them.
#[cfg(target_arch = "x86_64")]
pub(super) fn low(bytes: &[u8]) -> Acted<u32> {
    let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_32BIT;
    let length = bytes.len().next_multiple_of(4096);
    let address = call!(
        libc::SYS_mmap,
        0,
        length,
        libc::PROT_READ | libc::PROT_WRITE,
        flags,
        -1,
        0
    )?;
    let page: *mut u8 = std::ptr::with_exposed_provenance_mut(usize::try_from(address).map_err(|_| Stop::Wrong)?);
    // SAFETY: the mapping is new, writable, and at least as long as the bytes.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), page, bytes.len()) };
    u32::try_from(address).map_err(|_| Stop::Wrong)
}

/// There is no such page.
#[cfg(not(target_arch = "x86_64"))]
pub(super) fn low(_: &[u8]) -> Acted<u32> {
    Err(Stop::Lacks)
}

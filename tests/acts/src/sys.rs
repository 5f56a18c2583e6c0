//! System calls as the kernel takes them, past whatever the C library would make of them.
//!
//! `libc::open` is `openat`, `libc::fork` is `clone`: an act named after a call has to issue that call.

use std::ffi::CStr;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// Why an act did not happen.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The kernel refused, with this error number.
    Errno(i32),
    /// This host cannot do the act; the reason.
    Skip(String),
    /// The call returned but its effect is not there.
    Wrong(String),
}

/// What an act returns.
pub(crate) type Acted<T = ()> = Result<T, Stop>;

/// Issues one system call; every argument is widened to a register.
///
/// It is one expression, so that what an argument borrows from lives until the call has returned.
macro_rules! call {
    ($number:expr $(, $arg:expr)* $(,)?) => {
        $crate::sys::raw($number, &[$($arg as libc::c_long),*])
    };
}
pub(crate) use call;

/// Issues a call with up to six arguments. ENOSYS means that the host has no such call.
pub(crate) fn raw(number: libc::c_long, arguments: &[libc::c_long]) -> Acted<i64> {
    let at = |index: usize| arguments.get(index).copied().unwrap_or(0);
    // SAFETY: the kernel checks every address it is given; each act passes only memory that its own frame keeps alive.
    let value = unsafe { libc::syscall(number, at(0), at(1), at(2), at(3), at(4), at(5)) };
    checked(value)
}

/// Turns the C convention (-1 and errno) into a result.
pub(crate) fn checked(value: libc::c_long) -> Acted<i64> {
    if value != -1 {
        return Ok(value);
    }
    match errno() {
        libc::ENOSYS => Err(Stop::Skip(String::from("this kernel has no such system call"))),
        number => Err(Stop::Errno(number)),
    }
}

/// The calling thread's last error number.
pub(crate) fn errno() -> i32 {
    // SAFETY: the C library's errno location is valid for the life of the thread.
    unsafe { *libc::__errno_location() }
}

/// Takes a descriptor that a call just returned, so that it is closed at the end of the act.
pub(crate) fn owned(value: i64) -> Acted<OwnedFd> {
    let fd = RawFd::try_from(value).map_err(|_| Stop::Wrong(format!("{value} is no descriptor")))?;
    // SAFETY: the kernel just gave this descriptor to the caller, and nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// openat(2) relative to the working directory.
pub(crate) fn open(path: &CStr, flags: i32, mode: u32) -> Acted<OwnedFd> {
    owned(call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, mode)?)
}

/// Reads at most 64 bytes from the descriptor's position.
pub(crate) fn read(fd: &impl AsRawFd) -> Acted<Vec<u8>> {
    let mut bytes = vec![0_u8; 64];
    let got = call!(libc::SYS_read, fd.as_raw_fd(), bytes.as_mut_ptr(), bytes.len())?;
    bytes.truncate(usize::try_from(got).unwrap_or(0));
    Ok(bytes)
}

/// Writes all the bytes in one call.
pub(crate) fn write(fd: &impl AsRawFd, bytes: &[u8]) -> Acted {
    let wrote = call!(libc::SYS_write, fd.as_raw_fd(), bytes.as_ptr(), bytes.len())?;
    sure(usize::try_from(wrote) == Ok(bytes.len()), "a short write")
}

/// An act whose effect is missing did not happen.
pub(crate) fn sure(effect: bool, otherwise: &str) -> Acted {
    if effect {
        Ok(())
    } else {
        Err(Stop::Wrong(String::from(otherwise)))
    }
}

/// Says that the host cannot do this.
pub(crate) fn skip<T>(reason: impl Into<String>) -> Acted<T> {
    Err(Stop::Skip(reason.into()))
}

/// These error numbers mean, for this act, that the host lacks the feature.
pub(crate) fn lacking<T>(result: Acted<T>, numbers: &[i32], feature: &str) -> Acted<T> {
    match result {
        Err(Stop::Errno(number)) if numbers.contains(&number) => {
            skip(format!("this kernel has no {feature} (error {number})"))
        }
        other => other,
    }
}

/// Ends the process without running anything of the C library's.
pub(crate) fn exit(code: i32) -> ! {
    // SAFETY: `_exit` takes any code and does not return.
    unsafe { libc::_exit(code) }
}

/// Calls that newer architectures left out; `None` where they are missing.
pub(crate) mod legacy {
    /// A call's number, where the architecture has it.
    pub(crate) type Number = Option<libc::c_long>;

    #[cfg(target_arch = "x86_64")]
    mod numbers {
        use super::Number;
        pub(crate) const OPEN: Number = Some(libc::SYS_open);
        pub(crate) const CREAT: Number = Some(libc::SYS_creat);
        pub(crate) const LINK: Number = Some(libc::SYS_link);
        pub(crate) const RENAME: Number = Some(libc::SYS_rename);
        pub(crate) const UNLINK: Number = Some(libc::SYS_unlink);
        pub(crate) const RMDIR: Number = Some(libc::SYS_rmdir);
        pub(crate) const SYMLINK: Number = Some(libc::SYS_symlink);
        pub(crate) const MKDIR: Number = Some(libc::SYS_mkdir);
        pub(crate) const MKNOD: Number = Some(libc::SYS_mknod);
        pub(crate) const CHMOD: Number = Some(libc::SYS_chmod);
        pub(crate) const CHOWN: Number = Some(libc::SYS_chown);
    }
    #[cfg(not(target_arch = "x86_64"))]
    mod numbers {
        use super::Number;
        pub(crate) const OPEN: Number = None;
        pub(crate) const CREAT: Number = None;
        pub(crate) const LINK: Number = None;
        pub(crate) const RENAME: Number = None;
        pub(crate) const UNLINK: Number = None;
        pub(crate) const RMDIR: Number = None;
        pub(crate) const SYMLINK: Number = None;
        pub(crate) const MKDIR: Number = None;
        pub(crate) const MKNOD: Number = None;
        pub(crate) const CHMOD: Number = None;
        pub(crate) const CHOWN: Number = None;
    }
    pub(crate) use numbers::*;

    /// The number, or the reason why there is none.
    pub(crate) fn number(number: Number) -> super::Acted<libc::c_long> {
        number.map_or_else(|| super::skip("this architecture never had the call"), Ok)
    }
}

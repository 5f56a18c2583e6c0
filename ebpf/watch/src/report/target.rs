//! Where machine output goes: a path, or `fd:N`, a descriptor that the caller was started with.
#![expect(
    unsafe_code,
    reason = "a descriptor given as a number can only be duplicated with fcntl itself"
)]

use std::fs::File;
use std::io;
use std::os::fd::{FromRawFd, OwnedFd};

/// Opens a target for writing. A path is created or emptied; of a descriptor a duplicate is taken, so that it keeps its
/// place and its flags.
///
/// # Errors
/// A path that cannot be created, a descriptor that is not open, an `fd:` without a number.
pub fn open(target: &str) -> io::Result<File> {
    let Some(number) = target.strip_prefix("fd:") else {
        return File::create(target);
    };
    let fd: i32 = number
        .parse()
        .ok()
        .filter(|fd| *fd >= 0)
        .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidInput, format!("{target} names no descriptor")))?;
    // SAFETY: F_DUPFD_CLOEXEC reads no memory; a number that is not open gives EBADF.
    let duplicate = unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) };
    if duplicate < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor, and nobody else has it.
    Ok(File::from(unsafe { OwnedFd::from_raw_fd(duplicate) }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Seek, Write};
    use std::os::fd::AsRawFd;

    #[test]
    fn a_descriptor_keeps_its_place() {
        let mut file = tempfile::tempfile().expect("a temporary file");
        file.write_all(b"before ").expect("room");
        let mut out = open(&format!("fd:{}", file.as_raw_fd())).expect("it is open");
        out.write_all(b"and after").expect("room");
        drop(out);
        file.rewind().expect("a file can be rewound");
        let mut text = String::new();
        file.read_to_string(&mut text).expect("it is UTF-8");
        assert_eq!(text, "before and after");
    }

    #[test]
    fn what_is_not_open_is_refused() {
        for target in [
            "fd:",
            "fd:x",
            "fd:-1",
            "fd:99999999999",
            "fd:1000000",
            "/nonexistent/dir/file",
        ] {
            assert!(open(target).is_err(), "{target}");
        }
    }
}

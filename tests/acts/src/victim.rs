//! An outsider for acts that reach into another process: it holds a file open and a buffer, and waits.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicU64, Ordering};

use serde_json::json;

use crate::command;
use crate::context::Context;
use crate::sys::{self, Acted, call, sure};

/// Sixteen bytes that acts read and write. A forked child has its copy at the same address.
pub(crate) static BUFFER: [AtomicU64; 2] = [AtomicU64::new(u64::from_le_bytes(*b"victim's")), AtomicU64::new(0)];

/// The address of [`BUFFER`] in this process and in those forked from it.
pub(crate) fn buffer() -> usize {
    BUFFER.as_ptr().addr()
}

/// Prints `{pid, fd, addr}` when ready, and ends on the end of standard input.
pub(crate) fn victim(context: &Context) -> Acted {
    let file = sys::open(&context.own("secret")?, libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    BUFFER[1].store(1, Ordering::SeqCst);
    // SAFETY: getpid(2) takes nothing and cannot fail.
    let pid = unsafe { libc::getpid() };
    let ready = json!({ "pid": pid, "fd": file.as_raw_fd(), "addr": buffer() });
    sure(command::print(&format!("{ready}\n")) == 0, "standard output is closed")?;
    until_closed();
    Ok(())
}

/// Waits for the end of standard input.
pub(crate) fn until_closed() {
    let mut byte = 0_u8;
    loop {
        match call!(libc::SYS_read, libc::STDIN_FILENO, &raw mut byte, 1) {
            Ok(0) => return,
            Ok(_) | Err(sys::Stop::Errno(libc::EINTR)) => {}
            Err(_) => return,
        }
    }
}

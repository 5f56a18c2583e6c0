//! Races against a watcher that resolves a descriptor after the call: another thread changes the table meanwhile.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::acts::{allowed, files};
use crate::context::Context;
use crate::sys::{self, Acted, call, sure};
use crate::table::Act;

const ROW: Act = Act {
    group: "race",
    kind: "file.open",
    object: "${DIR}/${FORM}/secret",
    access: &["read"],
    set: allowed!("read"),
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "race-dup2",
        does: "opens the secret for --seconds while a sibling thread dup2s a decoy over its descriptor",
        noise: &[files!(["read"], r#""${DIR}/allowed/target""#)],
        run: dup2,
        ..ROW
    },
    Act {
        name: "race-path",
        does: "opens for --seconds by a path that a sibling thread rewrites between the decoy and the secret",
        noise: &[files!(["read"], r#""${DIR}/allowed/target""#)],
        run: path,
        ..ROW
    },
];

fn dup2(context: &Context) -> Acted {
    let path = context.own("secret")?;
    let decoy = sys::open(
        &context.path("${DIR}/allowed/target")?,
        libc::O_RDONLY | libc::O_CLOEXEC,
        0,
    )?;
    // The lowest free descriptor: what the next open will get.
    let next = AtomicI32::new(decoy.as_raw_fd() + 1);
    let over = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(context.seconds);
    let mut opens = 0_u64;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = call!(
                    libc::SYS_dup3,
                    decoy.as_raw_fd(),
                    next.load(Ordering::Relaxed),
                    libc::O_CLOEXEC
                );
            }
        });
        while Instant::now() < deadline {
            let fd = call!(
                libc::SYS_openat,
                libc::AT_FDCWD,
                path.as_ptr(),
                libc::O_RDONLY | libc::O_CLOEXEC,
                0
            );
            if let Ok(fd) = fd {
                opens += 1;
                let _ = call!(libc::SYS_close, fd);
            }
            // The decoy may have taken the number while it was free.
            let _ = call!(libc::SYS_close, next.load(Ordering::Relaxed));
        }
        over.store(true, Ordering::Relaxed);
    });
    sure(opens > 0, "not one open came through")
}

/// Both names have the same length and differ in their bytes only, which the sibling writes while the kernel reads.
fn path(context: &Context) -> Acted {
    let secret = context.own("secret")?.into_bytes_with_nul();
    let decoy = context.path("${DIR}/allowed/target")?.into_bytes_with_nul();
    let length = secret.len().max(decoy.len());
    let shared: Vec<std::sync::atomic::AtomicU8> = (0..length).map(|_| 0.into()).collect();
    let write = |name: &[u8]| {
        for (to, from) in shared.iter().zip(name) {
            to.store(*from, Ordering::Relaxed);
        }
    };
    write(&secret);
    let over = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(context.seconds);
    let mut opens = 0_u64;
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                write(&decoy);
                write(&secret);
            }
        });
        while Instant::now() < deadline || opens == 0 {
            let flags = libc::O_RDONLY | libc::O_CLOEXEC;
            if let Ok(fd) = call!(libc::SYS_openat, libc::AT_FDCWD, shared.as_ptr(), flags, 0) {
                let mut byte = 0_u8;
                let _ = call!(libc::SYS_pread64, fd, &raw mut byte, 1, 0);
                opens += u64::from(byte == context.form.folder().as_bytes()[0]);
                let _ = call!(libc::SYS_close, fd);
            }
            if Instant::now() > deadline + Duration::from_secs(5) {
                break;
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    sure(opens > 0, "not one open reached the secret")
}

//! Races against a watcher that resolves a descriptor after the call: another thread changes the table meanwhile.

use std::os::fd::AsRawFd;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::acts::{allowed, files};
use crate::context::Context;
use crate::sys::{self, Acted, Stop, call, sure};
use crate::table::Act;

/// How much longer than `--seconds` a race may go on until it has been won once.
const PATIENCE: Duration = Duration::from_secs(5);

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
        name: "race-close",
        does: "opens the secret for --seconds while a sibling thread closes its descriptor",
        noise: &[files!(["read"], r#""${DIR}/allowed/target""#)],
        run: close,
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

/// Done when the decoy took the descriptor at least once between the open and the look at it: a race that the decoy
/// never wins proves nothing.
fn dup2(context: &Context) -> Acted {
    let (path, flags) = (context.own("secret")?, libc::O_RDONLY | libc::O_CLOEXEC);
    let decoy = sys::open(&context.path("${DIR}/allowed/target")?, flags, 0)?;
    let decoy_inode = inode(decoy.as_raw_fd())?;
    // The lowest free descriptor: what the next open will get.
    let next = decoy.as_raw_fd() + 1;
    let over = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(context.seconds);
    let (mut opens, mut won) = (0_u64, 0_u64);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = call!(libc::SYS_dup3, decoy.as_raw_fd(), next, libc::O_CLOEXEC);
            }
        });
        while Instant::now() < deadline || (won == 0 && Instant::now() < deadline + PATIENCE) {
            if let Ok(fd) = call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0) {
                opens += 1;
                let fd = fd as i32;
                won += u64::from(fd == next && inode(fd).is_ok_and(|inode| inode == decoy_inode));
                let _ = call!(libc::SYS_close, fd);
            }
            // The decoy may have taken the number while it was free.
            let _ = call!(libc::SYS_close, next);
        }
        over.store(true, Ordering::Relaxed);
    });
    match (opens, won) {
        (0, _) => Err(Stop::Wrong(String::from("not one open came through"))),
        (_, 0) => sys::skip("the decoy never won the race here"),
        _ => Ok(()),
    }
}

/// Done when the descriptor was gone at least once before the next call could use it.
fn close(context: &Context) -> Acted {
    let (path, flags) = (context.own("secret")?, libc::O_RDONLY | libc::O_CLOEXEC);
    let held = sys::open(&context.path("${DIR}/allowed/target")?, flags, 0)?;
    let next = held.as_raw_fd() + 1;
    let over = AtomicBool::new(false);
    let deadline = Instant::now() + Duration::from_secs(context.seconds);
    let (mut opens, mut gone) = (0_u64, 0_u64);
    thread::scope(|scope| {
        scope.spawn(|| {
            while !over.load(Ordering::Relaxed) {
                let _ = call!(libc::SYS_close, next);
            }
        });
        while Instant::now() < deadline || (gone == 0 && Instant::now() < deadline + PATIENCE) {
            if let Ok(fd) = call!(libc::SYS_openat, libc::AT_FDCWD, path.as_ptr(), flags, 0) {
                opens += 1;
                gone += u64::from(call!(libc::SYS_close, fd as i32).is_err());
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    match (opens, gone) {
        (0, _) => Err(Stop::Wrong(String::from("not one open came through"))),
        (_, 0) => sys::skip("no descriptor was ever gone here"),
        _ => Ok(()),
    }
}

fn inode(fd: i32) -> Acted<u64> {
    // SAFETY: all-zero bytes are a valid `stat`.
    let mut stat: libc::stat = unsafe { std::mem::zeroed() };
    call!(libc::SYS_fstat, fd, &raw mut stat)?;
    Ok(stat.st_ino)
}

/// Both names have the same length and differ in their bytes only, which the sibling writes while the kernel reads.
fn path(context: &Context) -> Acted {
    let secret = context.own("secret")?.into_bytes_with_nul();
    let decoy = context.path("${DIR}/allowed/target")?.into_bytes_with_nul();
    let length = secret.len().max(decoy.len());
    let shared: Vec<AtomicU8> = (0..length).map(|_| 0.into()).collect();
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
        while Instant::now() < deadline || (opens == 0 && Instant::now() < deadline + PATIENCE) {
            let flags = libc::O_RDONLY | libc::O_CLOEXEC;
            if let Ok(fd) = call!(libc::SYS_openat, libc::AT_FDCWD, shared.as_ptr(), flags, 0) {
                let mut byte = 0_u8;
                let _ = call!(libc::SYS_pread64, fd, &raw mut byte, 1, 0);
                opens += u64::from(byte == context.form.folder().as_bytes()[0]);
                let _ = call!(libc::SYS_close, fd);
            }
        }
        over.store(true, Ordering::Relaxed);
    });
    sure(opens > 0, "not one open reached the secret")
}

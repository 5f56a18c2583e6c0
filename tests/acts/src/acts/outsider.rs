//! Reaching into another process: a child of the act's own when declared, the harness's victim when not.

use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::atomic::Ordering;

use crate::acts::open::holds_secret;
use crate::acts::{allowed, files, kernel_key};
use crate::child::{self, Idle, told};
use crate::context::Context;
use crate::sys::{self, Acted, Stop, call, owned, skip, sure};
use crate::table::Act;
use crate::victim::{BUFFER, buffer};

const TRACE: Act = Act {
    group: "outsider",
    kind: "ptrace",
    object: "pid ${PID}",
    takes: &["pid"],
    set: kernel_key!("ptrace", "tree-only"),
    ..Act::ROW
};
const SIGNAL: Act = Act {
    kind: "signal",
    set: "",
    ..TRACE
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "ptrace-attach",
        does: "PTRACE_ATTACH, wait for the stop, PTRACE_DETACH",
        run: attach,
        ..TRACE
    },
    Act {
        name: "ptrace-seize",
        does: "PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH",
        run: seize,
        ..TRACE
    },
    Act {
        name: "process-vm-readv",
        does: "process_vm_readv(2) of 8 known bytes",
        run: readv,
        ..TRACE
    },
    Act {
        name: "process-vm-writev",
        does: "process_vm_writev(2) of 8 bytes",
        run: writev,
        ..TRACE
    },
    Act {
        name: "proc-mem",
        does: "opens /proc/PID/mem and reads 8 known bytes",
        noise: &[files!(["read"], r#""/proc/*/mem""#)],
        run: proc_mem,
        ..TRACE
    },
    Act {
        name: "pidfd-getfd",
        does: "pidfd_getfd(2) of the descriptor on DIR/FORM/secret, and a read through it",
        needs: &["kernel>=5.6"],
        set: concat!(allowed!("read"), "[kernel]\nptrace = \"tree-only\"\n"),
        run: getfd,
        ..TRACE
    },
    Act {
        name: "kill",
        does: "kill(2) with SIGCONT",
        run: kill,
        ..SIGNAL
    },
    Act {
        name: "tgkill",
        does: "tgkill(2) with SIGCONT",
        run: tgkill,
        ..SIGNAL
    },
    Act {
        name: "pidfd-send-signal",
        does: "pidfd_send_signal(2) with SIGCONT",
        needs: &["kernel>=5.3"],
        run: pidfd,
        ..SIGNAL
    },
    Act {
        name: "kill-parent",
        does: "kill(2) with SIGKILL: the act's parent, or its own child's when declared",
        object: "parent (${FORM})",
        takes: &[],
        run: kill_parent,
        ..SIGNAL
    },
];

/// The process to reach into.
struct Target {
    pid: i32,
    addr: usize,
    _own: Option<Idle>,
}

fn target(context: &Context) -> Acted<Target> {
    if context.declared() {
        let idle = Idle::start()?;
        return Ok(Target {
            pid: idle.0,
            addr: buffer(),
            _own: Some(idle),
        });
    }
    let (Some(pid), Some(addr)) = (context.pid, context.addr) else {
        return Err(Stop::Wrong(String::from(
            "this act needs --pid and --addr, as acts victim prints them",
        )));
    };
    Ok(Target { pid, addr, _own: None })
}

fn stopped_then_detached(pid: i32) -> Acted {
    let status = child::wait(pid)?;
    sure(libc::WIFSTOPPED(status), "the target did not stop")?;
    call!(libc::SYS_ptrace, libc::PTRACE_DETACH, pid, 0, 0).map(|_| ())
}

fn attach(context: &Context) -> Acted {
    let target = target(context)?;
    call!(libc::SYS_ptrace, libc::PTRACE_ATTACH, target.pid, 0, 0)?;
    stopped_then_detached(target.pid)
}

fn seize(context: &Context) -> Acted {
    let target = target(context)?;
    call!(libc::SYS_ptrace, libc::PTRACE_SEIZE, target.pid, 0, 0)?;
    call!(libc::SYS_ptrace, libc::PTRACE_INTERRUPT, target.pid, 0, 0)?;
    stopped_then_detached(target.pid)
}

fn is_known(bytes: [u8; 8]) -> Acted {
    sure(
        u64::from_ne_bytes(bytes) == BUFFER[0].load(Ordering::SeqCst),
        "the bytes read are not the victim's",
    )
}

/// One vector here and one of the same length there.
fn vectors(bytes: &mut [u8; 8], addr: usize) -> [libc::iovec; 2] {
    let remote = std::ptr::with_exposed_provenance_mut(addr);
    [
        libc::iovec {
            iov_base: bytes.as_mut_ptr().cast(),
            iov_len: bytes.len(),
        },
        libc::iovec {
            iov_base: remote,
            iov_len: bytes.len(),
        },
    ]
}

fn readv(context: &Context) -> Acted {
    let (target, mut bytes) = (target(context)?, [0_u8; 8]);
    let [local, remote] = vectors(&mut bytes, target.addr);
    call!(
        libc::SYS_process_vm_readv,
        target.pid,
        &raw const local,
        1,
        &raw const remote,
        1,
        0
    )?;
    is_known(bytes)
}

fn writev(context: &Context) -> Acted {
    let (target, mut bytes) = (target(context)?, *b"written.");
    let [local, remote] = vectors(&mut bytes, target.addr + 8);
    let wrote = call!(
        libc::SYS_process_vm_writev,
        target.pid,
        &raw const local,
        1,
        &raw const remote,
        1,
        0
    )?;
    sure(wrote == 8, "less was written than asked")
}

fn proc_mem(context: &Context) -> Acted {
    let (target, mut bytes) = (target(context)?, [0_u8; 8]);
    let path = context.path(&format!("/proc/{}/mem", target.pid))?;
    let memory = sys::open(&path, libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    call!(
        libc::SYS_pread64,
        memory.as_raw_fd(),
        bytes.as_mut_ptr(),
        bytes.len(),
        target.addr
    )?;
    is_known(bytes)
}

fn pidfd_of(pid: i32) -> Acted<OwnedFd> {
    owned(call!(libc::SYS_pidfd_open, pid, 0)?)
}

/// The declared form's child holds the secret because it was forked after the open.
fn getfd(context: &Context) -> Acted {
    let secret = match context.declared() {
        true => Some(sys::open(&context.own("secret")?, libc::O_RDONLY | libc::O_CLOEXEC, 0)?),
        false => None,
    };
    let Some(fd) = secret.as_ref().map(AsRawFd::as_raw_fd).or(context.victim_fd) else {
        return Err(Stop::Wrong(String::from(
            "this act needs --victim-fd, as acts victim prints it",
        )));
    };
    let target = target(context)?;
    let file = owned(call!(libc::SYS_pidfd_getfd, pidfd_of(target.pid)?.as_raw_fd(), fd, 0)?)?;
    call!(libc::SYS_lseek, file.as_raw_fd(), 0, libc::SEEK_SET)?;
    holds_secret(context, &file)
}

fn kill(context: &Context) -> Acted {
    call!(libc::SYS_kill, target(context)?.pid, libc::SIGCONT).map(|_| ())
}

fn tgkill(context: &Context) -> Acted {
    let target = target(context)?;
    call!(libc::SYS_tgkill, target.pid, target.pid, libc::SIGCONT).map(|_| ())
}

fn pidfd(context: &Context) -> Acted {
    let target = target(context)?;
    call!(
        libc::SYS_pidfd_send_signal,
        pidfd_of(target.pid)?.as_raw_fd(),
        libc::SIGCONT,
        0,
        0
    )
    .map(|_| ())
}

/// Ends whoever waits for the act. Undeclared, that is the watcher's launcher, so a harness without one uses `acts under`.
fn kill_parent(context: &Context) -> Acted {
    let killed = || {
        // SAFETY: getppid(2) takes nothing and cannot fail.
        let parent = unsafe { libc::getppid() };
        if parent <= 1 {
            return skip("the parent is init");
        }
        call!(libc::SYS_kill, parent, libc::SIGKILL).map(|_| ())
    };
    if !context.declared() {
        return killed();
    }
    told(|outcome| {
        let parent = child::fork(|| {
            let grandchild = child::fork(|| {
                outcome.tell(&killed());
                0
            });
            i32::from(grandchild.and_then(child::wait).is_err())
        })?;
        child::wait(parent).map(|_| ())
    })
}

//! Calls on the kernel itself: programs, counters, namespaces, keys, and leaving the cgroup.
//!
//! Most have no object, so the declared set varies and the act stays the same.

use std::mem::size_of_val;
use std::os::fd::AsRawFd;

use crate::acts::{files, kernel_key};
use crate::child::{self, forked};
use crate::context::Context;
use crate::sys::{self, Acted, Stop, call, owned, sure};
use crate::table::Act;

const ROW: Act = Act {
    group: "kernel",
    ..Act::ROW
};
const NAMESPACE: Act = Act {
    kind: "namespace",
    needs: &["root"],
    set: kernel_key!("mount", "allow"),
    undeclared_set: Some(kernel_key!("mount", "deny")),
    ..ROW
};
const USERNS: Act = Act {
    kind: "userns",
    object: "CLONE_NEWUSER",
    set: kernel_key!("userns", "allow"),
    undeclared_set: Some(kernel_key!("userns", "deny")),
    ..ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "bpf",
        does: "bpf(2): BPF_MAP_CREATE of an array",
        kind: "bpf",
        object: "BPF_MAP_CREATE",
        needs: &["root"],
        set: kernel_key!("bpf", "allow"),
        undeclared_set: Some(kernel_key!("bpf", "deny")),
        run: |_| bpf(),
        ..ROW
    },
    Act {
        name: "perf-event-open",
        does: "perf_event_open(2): the dummy software event, on itself",
        kind: "perf",
        object: "PERF_COUNT_SW_DUMMY",
        needs: &["root"],
        set: kernel_key!("perf", "allow"),
        undeclared_set: Some(kernel_key!("perf", "deny")),
        run: |_| perf(),
        ..ROW
    },
    Act {
        name: "userfaultfd",
        does: "userfaultfd(2), user mode only",
        kind: "userfaultfd",
        object: "anon_inode:[userfaultfd]",
        set: kernel_key!("userfaultfd", "allow"),
        undeclared_set: Some(kernel_key!("userfaultfd", "deny")),
        run: |_| userfaultfd(),
        ..ROW
    },
    Act {
        name: "unshare-user",
        does: "unshare(2) with CLONE_NEWUSER",
        run: |_| unshare(libc::CLONE_NEWUSER),
        ..USERNS
    },
    Act {
        name: "clone3-user",
        does: "clone3(2) with CLONE_NEWUSER",
        needs: &["kernel>=5.3"],
        run: |_| clone3(libc::CLONE_NEWUSER as u64),
        ..USERNS
    },
    Act {
        name: "unshare-mount",
        does: "unshare(2) with CLONE_NEWNS",
        object: "CLONE_NEWNS",
        run: |_| unshare(libc::CLONE_NEWNS),
        ..NAMESPACE
    },
    Act {
        name: "unshare-net",
        does: "unshare(2) with CLONE_NEWNET",
        object: "CLONE_NEWNET",
        set: "",
        undeclared_set: None,
        judged: false,
        run: |_| unshare(libc::CLONE_NEWNET),
        ..NAMESPACE
    },
    Act {
        name: "setns",
        does: "setns(2) into its own mount namespace, by a pidfd",
        object: "CLONE_NEWNS",
        needs: &["root", "kernel>=5.8"],
        run: |_| setns(),
        ..NAMESPACE
    },
    Act {
        name: "keyctl",
        does: "keyctl(2): KEYCTL_GET_KEYRING_ID, which makes a process keyring",
        kind: "keyctl",
        object: "KEYCTL_GET_KEYRING_ID",
        judged: false,
        run: |_| keyctl(),
        ..ROW
    },
    Act {
        name: "cgroup-leave",
        does: "writes itself into another cgroup: below the tree's when declared, outside it when not",
        kind: "cgroup.escape",
        object: "${CGROUP}/cgroup.procs",
        needs: &["root", "cgroup2"],
        takes: &["cgroup"],
        noise: &[files!(["write"], r#""${CGROUP}/cgroup.procs""#)],
        run: cgroup,
        ..ROW
    },
];

fn bpf() -> Acted {
    const MAP_CREATE: i32 = 0;
    const ARRAY: u32 = 2;
    let attr: [u32; 18] = std::array::from_fn(|at| [ARRAY, 4, 4, 1].get(at).copied().unwrap_or(0));
    owned(call!(libc::SYS_bpf, MAP_CREATE, attr.as_ptr(), size_of_val(&attr))?).map(drop)
}

fn perf() -> Acted {
    const SOFTWARE: u64 = 1;
    const SW_DUMMY: u64 = 9;
    // `struct perf_event_attr`, first published size: type and size share the first word, config is the second.
    let attr: [u64; 8] = [SOFTWARE | 64 << 32, SW_DUMMY, 0, 0, 0, 0, 0, 0];
    let opened = call!(libc::SYS_perf_event_open, attr.as_ptr(), 0, -1, -1, 0);
    owned(sys::lacking(opened, &[libc::ENOENT], "software events")?).map(drop)
}

fn userfaultfd() -> Acted {
    const USER_MODE_ONLY: i32 = 1;
    owned(call!(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY)?).map(drop)
}

fn unshare(flags: i32) -> Acted {
    forked(|| {
        let unshared = call!(libc::SYS_unshare, flags);
        sys::lacking(
            unshared,
            &[libc::ENOSPC, libc::EINVAL],
            "such namespaces, or room for one more",
        )
        .map(|_| ())
    })
}

/// `struct clone_args`, first published size: flags, pidfd, child_tid, parent_tid, exit_signal, stack, size, tls.
fn clone3(flags: u64) -> Acted {
    let arguments: [u64; 8] = [flags, 0, 0, 0, libc::SIGCHLD as u64, 0, 0, 0];
    let cloned = call!(libc::SYS_clone3, arguments.as_ptr(), size_of_val(&arguments));
    match sys::lacking(
        cloned,
        &[libc::ENOSPC, libc::EINVAL],
        "user namespaces, or room for one more",
    )? {
        0 => sys::exit(0),
        pid => {
            let pid = i32::try_from(pid).map_err(|_| Stop::Wrong(String::from("a process id out of range")))?;
            sure(child::wait(pid)? == 0, "the clone did not end well")
        }
    }
}

fn setns() -> Acted {
    forked(|| {
        // SAFETY: getpid(2) takes nothing and cannot fail.
        let own = unsafe { libc::getpid() };
        let pidfd = owned(call!(libc::SYS_pidfd_open, own, 0)?)?;
        let joined = call!(libc::SYS_setns, pidfd.as_raw_fd(), libc::CLONE_NEWNS);
        sys::lacking(joined, &[libc::EINVAL], "setns by pidfd").map(|_| ())
    })
}

fn keyctl() -> Acted {
    const GET_KEYRING_ID: i32 = 0;
    const PROCESS_KEYRING: i32 = -2;
    forked(|| call!(libc::SYS_keyctl, GET_KEYRING_ID, PROCESS_KEYRING, 1).map(|_| ()))
}

fn cgroup(context: &Context) -> Acted {
    if context.cgroup.is_none() {
        return Err(Stop::Wrong(String::from("this act needs --cgroup")));
    }
    let procs = sys::open(
        &context.path("${CGROUP}/cgroup.procs")?,
        libc::O_WRONLY | libc::O_CLOEXEC,
        0,
    )?;
    sys::write(&procs, b"0")
}

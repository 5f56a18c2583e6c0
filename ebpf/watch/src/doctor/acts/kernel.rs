//! Acts on the kernel itself.

use std::fs;
use std::os::unix::ffi::OsStrExt;

use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};

use super::sys::{self, Acted, Stop, call, owned};
use super::{Object, Row, Scene};
use crate::act::Kind;

const KERNEL: Row = Row {
    name: "",
    group: "kernel",
    kind: Kind::BPF,
    object: Object::OfChild,
    core: false,
    cost: "the act's line under `[kernel]` does not hold",
    run: |_| Ok(()),
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "bpf",
        run: bpf,
        ..KERNEL
    },
    Row {
        name: "perf_event_open",
        kind: Kind::PERF,
        run: perf,
        ..KERNEL
    },
    Row {
        name: "userfaultfd",
        kind: Kind::USERFAULTFD,
        run: userfaultfd,
        ..KERNEL
    },
    Row {
        name: "user namespace",
        kind: Kind::USERNS,
        run: |_| unshare(libc::CLONE_NEWUSER),
        ..KERNEL
    },
    Row {
        name: "mount namespace",
        kind: Kind::NAMESPACE,
        run: |_| unshare(libc::CLONE_NEWNS),
        ..KERNEL
    },
    Row {
        name: "mount",
        kind: Kind::FILE_MOUNT,
        run: mounts,
        ..KERNEL
    },
    Row {
        name: "32-bit system call",
        kind: Kind::INT80,
        run: |_| sys::int80(20, 0, 0).map(drop),
        ..KERNEL
    },
    Row {
        name: "open by a 32-bit call",
        group: "files",
        kind: Kind::FILE_OPEN,
        object: Object::File("open-32"),
        cost: "files opened through int 0x80 are not held to `[[file]]` rules: deny `[kernel] int80`",
        run: open_32,
        ..KERNEL
    },
    Row {
        name: "leaving the cgroup",
        kind: Kind::CGROUP_ESCAPE,
        core: true,
        cost: "a process that leaves the tree's cgroup also leaves `[[net]]` rules behind, unseen",
        run: leave,
        ..KERNEL
    },
];

fn bpf(_: &Scene) -> Acted {
    const MAP_CREATE: i32 = 0;
    const ARRAY: u32 = 2;
    let mut attributes = [0_u32; 18];
    attributes[..4].copy_from_slice(&[ARRAY, 4, 4, 1]);
    owned(call!(
        libc::SYS_bpf,
        MAP_CREATE,
        attributes.as_ptr(),
        size_of_val(&attributes)
    )?)
    .map(drop)
}

/// `struct perf_event_attr` of the first published size: type and size share the first word, config is the second.
fn perf(_: &Scene) -> Acted {
    const SOFTWARE: u64 = 1;
    const DUMMY: u64 = 9;
    let attributes = [SOFTWARE | 64 << 32, DUMMY, 0, 0, 0, 0, 0, 0_u64];
    match call!(libc::SYS_perf_event_open, attributes.as_ptr(), 0, -1, -1, 0) {
        Err(Stop::Errno(libc::ENOENT)) => Err(Stop::Lacks),
        opened => owned(opened?).map(drop),
    }
}

fn userfaultfd(_: &Scene) -> Acted {
    const USER_MODE_ONLY: i32 = 1;
    owned(call!(libc::SYS_userfaultfd, libc::O_CLOEXEC | USER_MODE_ONLY)?).map(drop)
}

fn unshare(flags: i32) -> Acted {
    match call!(libc::SYS_unshare, flags) {
        // No such namespaces, or room for none.
        Err(Stop::Errno(libc::EINVAL | libc::ENOSPC)) => Err(Stop::Lacks),
        done => done.map(drop),
    }
}

/// In a mount namespace of its own, which ends with the act.
fn mounts(scene: &Scene) -> Acted {
    unshare(libc::CLONE_NEWNS)?;
    mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)?;
    Ok(mount("none", &scene.dir, "tmpfs", MountFlags::empty(), None)?)
}

fn open_32(scene: &Scene) -> Acted {
    const OPEN: u32 = 5;
    let path = [scene.file("open-32").as_os_str().as_bytes(), &[0]].concat();
    owned(sys::int80(OPEN, sys::low(&path)?, 0)?).map(drop)
}

fn leave(scene: &Scene) -> Acted {
    Ok(fs::write(scene.cgroup.join("cgroup.procs"), b"0")?)
}

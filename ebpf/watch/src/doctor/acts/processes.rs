//! Acts on a process outside the tree, and descriptors that come from elsewhere.

use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags,
    SocketType, recvmsg, sendmsg, socketpair,
};

use super::sys::{Acted, Stop, call, owned};
use super::{Object, Row, Scene};
use crate::act::Kind;

/// The file that the victim holds open.
pub(in crate::doctor) const HELD: &str = "held";

const OUTSIDER: Row = Row {
    name: "",
    group: "processes",
    kind: Kind::PTRACE,
    object: Object::OfChild,
    core: false,
    cost: "`[kernel] ptrace` does not hold for this way into another process",
    run: |_| Ok(()),
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "ptrace",
        run: ptrace,
        ..OUTSIDER
    },
    Row {
        name: "process_vm_readv",
        run: process_vm,
        ..OUTSIDER
    },
    Row {
        name: "pidfd_getfd",
        run: |scene| getfd(scene, 0).map(drop),
        ..OUTSIDER
    },
    Row {
        name: "descriptor by pidfd_getfd",
        kind: Kind::FILE_RECEIVE,
        object: Object::File(HELD),
        cost: "files received as descriptors are not held to `[[file]]` rules",
        run: |scene| getfd(scene, scene.victim.fd).map(drop),
        ..OUTSIDER
    },
    Row {
        name: "descriptor by SCM_RIGHTS",
        kind: Kind::FILE_RECEIVE,
        object: Object::File("passed"),
        cost: "files received as descriptors are not held to `[[file]]` rules",
        run: rights,
        ..OUTSIDER
    },
    Row {
        name: "signal to an outsider",
        kind: Kind::SIGNAL,
        cost: "the tree can end processes outside of it unseen",
        run: |scene| call!(libc::SYS_kill, scene.victim.pid, libc::SIGCONT).map(drop),
        ..OUTSIDER
    },
];

fn ptrace(scene: &Scene) -> Acted {
    const SEIZE: i32 = 0x4206;
    // The tracer's end, which comes next, detaches it.
    call!(libc::SYS_ptrace, SEIZE, scene.victim.pid, 0, 0).map(drop)
}

fn process_vm(scene: &Scene) -> Acted {
    let mut bytes = [0_u8; 8];
    let here = [bytes.as_mut_ptr().expose_provenance() as u64, 8];
    let there = [scene.victim.address, 8];
    let read = call!(
        libc::SYS_process_vm_readv,
        scene.victim.pid,
        here.as_ptr(),
        1,
        there.as_ptr(),
        1,
        0
    )?;
    if read == 8 && bytes == *b"probity." {
        Ok(())
    } else {
        Err(Stop::Wrong)
    }
}

/// Any but one descriptor of the victim's is no file: two rows that took the same file would share its event.
fn getfd(scene: &Scene, fd: i32) -> Acted<OwnedFd> {
    let victim = owned(call!(libc::SYS_pidfd_open, scene.victim.pid, 0)?)?;
    owned(call!(libc::SYS_pidfd_getfd, victim.as_raw_fd(), fd, 0)?)
}

fn rights(scene: &Scene) -> Acted {
    let (from, to) = socketpair(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None)?;
    let file = File::open(scene.file("passed"))?;
    let descriptors = [file.as_fd()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(Stop::Wrong);
    }
    sendmsg(&from, &[IoSlice::new(b"p")], &mut control, SendFlags::empty())?;
    let mut byte = [0];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    recvmsg(
        &to,
        &mut [IoSliceMut::new(&mut byte)],
        &mut control,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    Ok(())
}

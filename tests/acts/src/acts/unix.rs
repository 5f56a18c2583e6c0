//! Unix sockets: asking another process to act is the easiest way out of a tree.

use std::mem::size_of;
use std::os::fd::{AsRawFd, OwnedFd};

use crate::acts::open::holds_secret;
use crate::context::Context;
use crate::net::{self, Address};
use crate::serve::abstract_name;
use crate::sys::{Acted, Stop, call, owned, sure};
use crate::table::Act;

const UNIX: Act = Act {
    group: "unix",
    kind: "unix.connect",
    core: true,
    set: "[[unix]]\npaths = [\"${DIR}/sock/allowed.*\"]\n",
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "unix-stream",
        does: "connect(2) to a stream listener by path",
        object: "${DIR}/sock/${FORM}.stream",
        run: stream,
        ..UNIX
    },
    Act {
        name: "unix-abstract",
        does: "connect(2) to a stream listener by abstract name",
        object: "@${DIR}/${FORM}",
        set: "[[unix]]\npaths = [\"@${DIR}/allowed\"]\n",
        run: abstract_stream,
        ..UNIX
    },
    Act {
        name: "unix-dgram",
        does: "sendto(2) of a datagram by path, with no connect(2)",
        object: "${DIR}/sock/${FORM}.dgram",
        run: dgram,
        ..UNIX
    },
    Act {
        name: "scm-rights",
        does: "receives a descriptor on DIR/FORM/secret with SCM_RIGHTS, and reads through it",
        kind: "file.receive",
        object: "${DIR}/${FORM}/secret",
        access: &["read"],
        core: false,
        set: concat!(
            "[[file]]\naccess = [\"read\"]\npaths = [\"${DIR}/allowed/**\"]\n",
            "[[unix]]\npaths = [\"${DIR}/sock/*.rights\"]\n"
        ),
        run: rights,
        ..UNIX
    },
    Act {
        name: "scm-rights-recvmmsg",
        does: "receives a descriptor on DIR/FORM/secret with recvmmsg(2), and reads through it",
        kind: "file.receive",
        object: "${DIR}/${FORM}/secret",
        access: &["read"],
        core: false,
        set: concat!(
            "[[file]]\naccess = [\"read\"]\npaths = [\"${DIR}/allowed/**\"]\n",
            "[[unix]]\npaths = [\"${DIR}/sock/*.rights\"]\n"
        ),
        run: rights_of_many,
        ..UNIX
    },
];

fn connected(name: &[u8]) -> Acted<OwnedFd> {
    let socket = net::socket(libc::AF_UNIX, libc::SOCK_STREAM, 0)?;
    net::connect(&socket, &Address::unix(name)?)?;
    Ok(socket)
}

fn stream(context: &Context) -> Acted {
    connected(context.path("${DIR}/sock/${FORM}.stream")?.as_bytes()).map(drop)
}

fn abstract_stream(context: &Context) -> Acted {
    connected(&abstract_name(&context.dir, context.form)).map(drop)
}

fn dgram(context: &Context) -> Acted {
    let socket = net::socket(libc::AF_UNIX, libc::SOCK_DGRAM, 0)?;
    let to = Address::unix(context.path("${DIR}/sock/${FORM}.dgram")?.as_bytes())?;
    sure(net::sendto(&socket, b"hello", 0, Some(&to))? == 5, "a short datagram")
}

fn rights(context: &Context) -> Acted {
    let socket = connected(context.path("${DIR}/sock/${FORM}.rights")?.as_bytes())?;
    holds_secret(
        context,
        &received(&socket, |socket, message| {
            call!(libc::SYS_recvmsg, socket, message, libc::MSG_CMSG_CLOEXEC)
        })?,
    )
}

fn rights_of_many(context: &Context) -> Acted {
    let socket = connected(context.path("${DIR}/sock/${FORM}.rights")?.as_bytes())?;
    holds_secret(
        context,
        &received(&socket, |socket, message| {
            // SAFETY: `received` lends its own message.
            let msg_hdr = unsafe { *message };
            let mut one = libc::mmsghdr { msg_hdr, msg_len: 0 };
            let flags = libc::MSG_CMSG_CLOEXEC;
            let none = std::ptr::null_mut::<libc::timespec>();
            call!(libc::SYS_recvmmsg, socket, &raw mut one, 1, flags, none)?;
            Ok(one.msg_len.into())
        })?,
    )
}

/// Takes one message whose control part holds one descriptor, by a call that returns its length.
fn received(socket: &OwnedFd, receive: impl Fn(i32, *mut libc::msghdr) -> Acted<i64>) -> Acted<OwnedFd> {
    let mut byte = 0_u8;
    let mut control = [0_u64; 3];
    let mut part = libc::iovec {
        iov_base: (&raw mut byte).cast(),
        iov_len: 1,
    };
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    message.msg_control = control.as_mut_ptr().cast();
    message.msg_controllen = size_of_val(&control) as _;
    let got = receive(socket.as_raw_fd(), &raw mut message)?;
    let whole = size_of::<libc::cmsghdr>() + size_of::<i32>();
    if got != 1 || control[0] != whole as u64 {
        return Err(Stop::Wrong(String::from("the message carried no descriptor")));
    }
    owned(i64::from(control[2] as u32))
}

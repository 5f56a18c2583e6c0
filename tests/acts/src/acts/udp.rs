//! UDP: connected and unconnected sending, and binding. Each act waits for the echo, so a datagram that the watcher
//! swallowed is not taken for one that was sent.

use std::os::fd::{AsRawFd, OwnedFd};

use crate::context::Context;
use crate::net::{self, Address};
use crate::sys::{self, Acted, call, sure};
use crate::table::Act;

const SEND: Act = Act {
    group: "udp",
    kind: "net.send",
    object: "127.0.0.1:${PORT}",
    core: true,
    takes: &["port"],
    service: Some("udp4"),
    set: "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"udp\"]\n",
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "udp-connect-send",
        does: "connect(2), then send without an address",
        kind: "net.connect",
        run: connect_send,
        ..SEND
    },
    Act {
        name: "udp-sendto",
        does: "sendto(2) of an unconnected socket",
        run: sendto,
        ..SEND
    },
    Act {
        name: "udp-sendmsg",
        does: "sendmsg(2) with an address",
        run: sendmsg,
        ..SEND
    },
    Act {
        name: "udp-sendmmsg",
        does: "sendmmsg(2) of two messages with an address",
        run: sendmmsg,
        ..SEND
    },
    Act {
        name: "bind-udp",
        does: "bind(2) of a UDP socket",
        kind: "net.bind",
        service: Some("free"),
        set: "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\n[net.policy]\nlisten = [\"127.0.0.1:${PORT}\"]\n",
        run: bind,
        ..SEND
    },
    Act {
        name: "udp6-sendto",
        does: "sendto(2) over IPv6",
        object: "[::1]:${PORT}",
        core: false,
        needs: &["ipv6"],
        service: Some("udp6"),
        set: "[[net]]\ncidr = [\"::1/128\"]\nports = [${PORT}]\nproto = [\"udp\"]\n",
        run: sendto_6,
        ..SEND
    },
];

fn socket(family: i32) -> Acted<OwnedFd> {
    net::socket(family, libc::SOCK_DGRAM, 0)
}

/// Waits at most 5 s for as many echoes of `hello`.
fn echoed(socket: &OwnedFd, times: usize) -> Acted {
    for _ in 0..times {
        let mut wait = libc::pollfd {
            fd: socket.as_raw_fd(),
            events: libc::POLLIN,
            revents: 0,
        };
        let limit = libc::timespec { tv_sec: 5, tv_nsec: 0 };
        let ready = call!(libc::SYS_ppoll, &raw mut wait, 1, &raw const limit, 0, 0)?;
        sure(ready == 1, "no echo within 5 s")?;
        sure(sys::read(socket)? == b"hello", "the echo is not what was sent")?;
    }
    Ok(())
}

fn connect_send(context: &Context) -> Acted {
    let socket = socket(libc::AF_INET)?;
    net::connect(&socket, &Address::v4(context.port()?))?;
    net::sendto(&socket, b"hello", 0, None)?;
    echoed(&socket, 1)
}

fn sendto(context: &Context) -> Acted {
    let socket = socket(libc::AF_INET)?;
    net::sendto(&socket, b"hello", 0, Some(&Address::v4(context.port()?)))?;
    echoed(&socket, 1)
}

fn sendto_6(context: &Context) -> Acted {
    let made = sys::lacking(socket(libc::AF_INET6), &[libc::EAFNOSUPPORT], "IPv6")?;
    let sent = net::sendto(&made, b"hello", 0, Some(&Address::v6(context.port()?)));
    sys::lacking(sent, &[libc::EADDRNOTAVAIL], "IPv6 on loopback")?;
    echoed(&made, 1)
}

/// Calls `send` with a message of `hello` to the context's port.
fn with_message(context: &Context, send: impl FnOnce(&OwnedFd, libc::msghdr) -> Acted) -> Acted {
    let (socket, mut to) = (socket(libc::AF_INET)?, Address::v4(context.port()?));
    let mut bytes = *b"hello";
    let mut part = libc::iovec {
        iov_base: bytes.as_mut_ptr().cast(),
        iov_len: bytes.len(),
    };
    // SAFETY: all-zero bytes are a valid `msghdr`.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_name = to.as_mut_ptr().cast();
    message.msg_namelen = to.len() as libc::socklen_t;
    message.msg_iov = &raw mut part;
    message.msg_iovlen = 1;
    send(&socket, message)
}

fn sendmsg(context: &Context) -> Acted {
    with_message(context, |socket, message| {
        call!(libc::SYS_sendmsg, socket.as_raw_fd(), &raw const message, 0)?;
        echoed(socket, 1)
    })
}

fn sendmmsg(context: &Context) -> Acted {
    with_message(context, |socket, message| {
        let mut messages = [libc::mmsghdr {
            msg_hdr: message,
            msg_len: 0,
        }; 2];
        let sent = call!(
            libc::SYS_sendmmsg,
            socket.as_raw_fd(),
            messages.as_mut_ptr(),
            messages.len(),
            0
        )?;
        sure(sent == 2, "not both messages were sent")?;
        echoed(socket, 2)
    })
}

fn bind(context: &Context) -> Acted {
    net::bind(&socket(libc::AF_INET)?, &Address::v4(context.port()?))
}

//! Making a socket of a family that few programs need. The family is the object, so the declared set varies instead.

use crate::context::Context;
use crate::net;
use crate::sys::{self, Acted};
use crate::table::Act;

const SOCKET: Act = Act {
    group: "socket",
    kind: "net.socket",
    core: true,
    ..Act::ROW
};

/// A policy that lists the family, or lists and denies as the rest of the suite does.
macro_rules! families {
    ([$($family:literal),+], [$($deny:literal),*]) => {
        concat!(
            "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [9]\n[net.policy]\nfamilies = [",
            $("\"", $family, "\", ",)+ "]\ndeny = [", $("\"", $deny, "\", ",)* "]\n"
        )
    };
}

const ORDINARY: &str = families!(["inet", "inet6", "unix"], ["mptcp", "raw", "packet", "vsock"]);

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "socket-raw",
        does: "socket(2): a raw ICMP socket",
        object: "raw",
        needs: &["root"],
        set: families!(["inet"], []),
        undeclared_set: Some(ORDINARY),
        run: |_| made(libc::AF_INET, libc::SOCK_RAW, libc::IPPROTO_ICMP),
        ..SOCKET
    },
    Act {
        name: "socket-packet",
        does: "socket(2): AF_PACKET",
        object: "packet",
        needs: &["root"],
        set: families!(["packet"], []),
        undeclared_set: Some(ORDINARY),
        run: |_| made(libc::AF_PACKET, libc::SOCK_RAW, 0),
        ..SOCKET
    },
    Act {
        name: "socket-netlink",
        does: "socket(2): NETLINK_ROUTE when declared, NETLINK_GENERIC when not",
        object: "netlink (${FORM})",
        set: families!(["inet", "inet6", "unix", "netlink-route"], []),
        run: netlink,
        ..SOCKET
    },
    Act {
        name: "socket-vsock",
        does: "socket(2): AF_VSOCK",
        object: "vsock",
        needs: &["vsock"],
        set: families!(["vsock"], []),
        undeclared_set: Some(ORDINARY),
        run: |_| made(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        ..SOCKET
    },
    Act {
        name: "socket-mptcp",
        does: "socket(2): IPPROTO_MPTCP",
        object: "mptcp",
        needs: &["mptcp"],
        set: families!(["inet"], []),
        undeclared_set: Some(ORDINARY),
        run: |_| made(libc::AF_INET, libc::SOCK_STREAM, net::MPTCP),
        ..SOCKET
    },
];

fn made(family: i32, kind: i32, protocol: i32) -> Acted {
    let socket = net::socket(family, kind, protocol).map(drop);
    sys::lacking(
        socket,
        &[libc::EAFNOSUPPORT, libc::EPROTONOSUPPORT, libc::ENOPROTOOPT],
        "such sockets",
    )
}

fn netlink(context: &Context) -> Acted {
    let protocol = if context.declared() {
        libc::NETLINK_ROUTE
    } else {
        libc::NETLINK_GENERIC
    };
    made(libc::AF_NETLINK, libc::SOCK_RAW, protocol)
}

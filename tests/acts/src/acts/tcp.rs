//! TCP: connecting in every form, and binding and listening.

use std::mem::size_of;
use std::os::fd::AsRawFd;

use crate::context::Context;
use crate::net::{self, Address};
use crate::sys::{self, Acted, Stop, call, sure};
use crate::table::Act;

const CONNECT: Act = Act {
    group: "tcp",
    kind: "net.connect",
    object: "127.0.0.1:${PORT}",
    core: true,
    takes: &["port"],
    service: Some("tcp4"),
    set: "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
    ..Act::ROW
};
const CONNECT_6: Act = Act {
    object: "[::1]:${PORT}",
    needs: &["ipv6"],
    service: Some("tcp6"),
    set: "[[net]]\ncidr = [\"::1/128\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
    ..CONNECT
};
const LISTEN: Act = Act {
    service: Some("free"),
    set: "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\n[net.policy]\nlisten = [\"127.0.0.1:${PORT}\"]\n",
    ..CONNECT
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "connect-tcp4",
        does: "connect(2) over IPv4",
        run: connect_4,
        ..CONNECT
    },
    Act {
        name: "connect-tcp6",
        does: "connect(2) over IPv6",
        run: connect_6,
        ..CONNECT_6
    },
    Act {
        name: "connect-mapped",
        does: "connect(2) of an IPv6 socket to ::ffff:127.0.0.1",
        needs: &["ipv6"],
        run: connect_mapped,
        ..CONNECT
    },
    Act {
        name: "connect-nonblocking",
        does: "connect(2) that says EINPROGRESS, then poll(2)",
        run: nonblocking,
        ..CONNECT
    },
    Act {
        name: "tcp-fastopen",
        does: "sendto(2) with MSG_FASTOPEN: no connect(2) anywhere",
        set: concat!(
            "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
            "[net.policy]\ndeny = []\n"
        ),
        undeclared_set: Some(
            "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\n[net.policy]\ndeny = [\"tcp-fastopen\"]\n",
        ),
        run: fast_open,
        ..CONNECT
    },
    Act {
        name: "bind-tcp",
        does: "bind(2) of a TCP socket",
        kind: "net.bind",
        run: bind,
        ..LISTEN
    },
    Act {
        name: "listen-tcp",
        does: "bind(2) and listen(2)",
        kind: "net.listen",
        run: listen,
        ..LISTEN
    },
    Act {
        name: "connect-mptcp",
        does: "connect(2) of an MPTCP socket",
        core: false,
        needs: &["mptcp"],
        service: Some("mptcp"),
        set: "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
        run: connect_mptcp,
        ..CONNECT
    },
];

fn connected(family: i32, protocol: i32, to: &Address) -> Acted {
    let socket = net::socket(family, libc::SOCK_STREAM, protocol)?;
    net::connect(&socket, to)
}

fn connect_4(context: &Context) -> Acted {
    connected(libc::AF_INET, 0, &Address::v4(context.port()?))
}

/// No IPv6 in the kernel or on loopback is the host's lack, not a refusal of the act.
fn without_ipv6(acted: Acted) -> Acted {
    sys::lacking(acted, &[libc::EAFNOSUPPORT, libc::EADDRNOTAVAIL], "IPv6 on loopback")
}

fn connect_6(context: &Context) -> Acted {
    without_ipv6(connected(libc::AF_INET6, 0, &Address::v6(context.port()?)))
}

fn connect_mapped(context: &Context) -> Acted {
    without_ipv6(connected(libc::AF_INET6, 0, &Address::mapped(context.port()?)))
}

fn connect_mptcp(context: &Context) -> Acted {
    let acted = connected(libc::AF_INET, net::MPTCP, &Address::v4(context.port()?));
    sys::lacking(acted, &[libc::EPROTONOSUPPORT, libc::ENOPROTOOPT], "MPTCP")
}

fn nonblocking(context: &Context) -> Acted {
    let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_NONBLOCK, 0)?;
    match net::connect(&socket, &Address::v4(context.port()?)) {
        Ok(()) | Err(Stop::Errno(libc::EINPROGRESS)) => {}
        Err(other) => return Err(other),
    }
    let mut wait = libc::pollfd {
        fd: socket.as_raw_fd(),
        events: libc::POLLOUT,
        revents: 0,
    };
    let limit = libc::timespec { tv_sec: 5, tv_nsec: 0 };
    call!(libc::SYS_ppoll, &raw mut wait, 1, &raw const limit, 0, 0)?;
    let (mut error, mut len) = (0_i32, size_of::<i32>() as libc::socklen_t);
    let fd = socket.as_raw_fd();
    call!(
        libc::SYS_getsockopt,
        fd,
        libc::SOL_SOCKET,
        libc::SO_ERROR,
        &raw mut error,
        &raw mut len
    )?;
    sure(
        wait.revents & libc::POLLOUT != 0,
        "the connection did not come up within 5 s",
    )?;
    if error == 0 { Ok(()) } else { Err(Stop::Errno(error)) }
}

fn fast_open(context: &Context) -> Acted {
    let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    let sent = net::sendto(
        &socket,
        b"hello",
        libc::MSG_FASTOPEN,
        Some(&Address::v4(context.port()?)),
    );
    let sent = sys::lacking(
        sent,
        &[libc::EOPNOTSUPP],
        "client-side TCP Fast Open (net.ipv4.tcp_fastopen)",
    )?;
    sure(sent == 5, "the kernel took less than was sent")
}

fn bind(context: &Context) -> Acted {
    let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    net::bind(&socket, &Address::v4(context.port()?))
}

fn listen(context: &Context) -> Acted {
    let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
    net::bind(&socket, &Address::v4(context.port()?))?;
    net::listen(&socket)
}

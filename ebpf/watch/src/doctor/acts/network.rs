//! Acts on sockets: loopback only, with the other end in the same process.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::os::linux::net::SocketAddrExt;
use std::os::unix::net::{SocketAddr as UnixAddr, UnixDatagram, UnixListener, UnixStream};
use std::time::Duration;

use super::sys::{Acted, Stop, call, owned};
use super::{Object, Row, Scene};
use crate::act::Kind;

/// The name that the DNS act asks for, as labels.
pub(in crate::doctor) const QUESTION: &[u8] = b"\x0eprobity-doctor\x07invalid\0";
/// An address of loopback where no resolver listens.
const RESOLVER: Ipv4Addr = Ipv4Addr::new(127, 93, 147, 53);

const NET: Row = Row {
    name: "",
    group: "network",
    kind: Kind::NET_CONNECT,
    object: Object::OfChild,
    core: false,
    cost: "connections made this way are not held to `[[net]]` rules",
    run: |_| Ok(()),
};

const SOCKET: Row = Row {
    kind: Kind::NET_SOCKET,
    cost: "`[net.policy] families` and `deny` do not hold for this family",
    ..NET
};

const LISTEN: Row = Row {
    kind: Kind::NET_BIND,
    cost: "`[net.policy] listen` does not hold",
    ..NET
};

const UNIX: Row = Row {
    group: "unix sockets",
    kind: Kind::UNIX_CONNECT,
    cost: "sockets reached this way are not held to `[[unix]]` rules",
    ..NET
};

// Binds come first: a later one of the same address and port 0 is only counted.
pub(super) const ROWS: &[Row] = &[
    Row {
        name: "bind IPv4",
        core: true,
        run: |_| Ok(UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)?),
        ..LISTEN
    },
    Row {
        name: "bind IPv6",
        run: |_| Ok(UdpSocket::bind((Ipv6Addr::LOCALHOST, 0)).map(drop)?),
        ..LISTEN
    },
    Row {
        name: "listen",
        kind: Kind::NET_LISTEN,
        run: |_| Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map(drop)?),
        ..LISTEN
    },
    Row {
        name: "accept",
        kind: Kind::NET_ACCEPT,
        run: accept,
        ..LISTEN
    },
    Row {
        name: "connect IPv4",
        core: true,
        run: |_| connect(Ipv4Addr::LOCALHOST.into()),
        ..NET
    },
    Row {
        name: "connect IPv6",
        run: |_| connect(Ipv6Addr::LOCALHOST.into()),
        ..NET
    },
    Row {
        name: "datagram IPv4",
        kind: Kind::NET_SEND,
        core: true,
        run: |_| datagram(Ipv4Addr::LOCALHOST.into()),
        ..NET
    },
    Row {
        name: "datagram IPv6",
        kind: Kind::NET_SEND,
        run: |_| datagram(Ipv6Addr::LOCALHOST.into()),
        ..NET
    },
    Row {
        name: "DNS answer",
        kind: Kind::NET_DNS,
        object: Object::Answer,
        cost: "rules with `hosts` cannot be held: connections are known by address only",
        run: dns,
        ..NET
    },
    Row {
        name: "netlink socket",
        run: |_| socket(libc::AF_NETLINK, libc::SOCK_RAW, libc::NETLINK_SOCK_DIAG),
        ..SOCKET
    },
    Row {
        name: "raw socket",
        run: |_| socket(libc::AF_INET, libc::SOCK_RAW, 253),
        ..SOCKET
    },
    Row {
        name: "packet socket",
        run: |_| socket(libc::AF_PACKET, libc::SOCK_DGRAM, 0),
        ..SOCKET
    },
    Row {
        name: "vsock socket",
        run: |_| socket(libc::AF_VSOCK, libc::SOCK_STREAM, 0),
        ..SOCKET
    },
    Row {
        name: "MPTCP socket",
        run: |_| socket(libc::AF_INET, libc::SOCK_STREAM, 262),
        ..SOCKET
    },
    Row {
        name: "frame on a packet socket",
        kind: Kind::NET_SEND,
        cost: "that a packet socket is made is seen, what is sent through it is not: deny the family",
        run: frame,
        ..NET
    },
    Row {
        name: "connect to a path",
        core: true,
        run: unix_path,
        ..UNIX
    },
    Row {
        name: "connect to an abstract name",
        run: unix_abstract,
        ..UNIX
    },
    Row {
        name: "datagram to a path",
        run: unix_datagram,
        ..UNIX
    },
];

fn accept(_: &Scene) -> Acted {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let _client = TcpStream::connect(listener.local_addr()?)?;
    Ok(listener.accept().map(drop)?)
}

fn connect(to: std::net::IpAddr) -> Acted {
    let listener = TcpListener::bind((to, 0))?;
    Ok(TcpStream::connect(listener.local_addr()?).map(drop)?)
}

fn datagram(to: std::net::IpAddr) -> Acted {
    let receiver = UdpSocket::bind((to, 0))?;
    let sender = UdpSocket::bind((to, 0))?;
    Ok(sender.send_to(b"probity", receiver.local_addr()?).map(drop)?)
}

/// A question, and its answer from port 53: a header of 12 bytes, the question, one A record that points at its name.
fn dns(_: &Scene) -> Acted {
    let header = |flags: u16, answers: u16| {
        let words = [0x7072_u16, flags, 1, answers, 0, 0];
        words.iter().flat_map(|word| word.to_be_bytes()).collect::<Vec<u8>>()
    };
    let question = [QUESTION, &[0, 1, 0, 1]].concat();
    let record = [0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1];
    let resolver = match UdpSocket::bind((RESOLVER, 53)) {
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse => return Err(Stop::Lacks),
        bound => bound?,
    };
    let client = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0))?;
    client.set_read_timeout(Some(Duration::from_secs(2)))?;
    client.connect((RESOLVER, 53))?;
    client.send(&[header(0x0100, 0), question.clone()].concat())?;
    let mut bytes = [0; 512];
    let (_, asker) = resolver.recv_from(&mut bytes)?;
    let SocketAddr::V4(asker) = asker else {
        return Err(Stop::Wrong);
    };
    resolver.send_to(&[header(0x8180, 1), question, record.to_vec()].concat(), asker)?;
    Ok(client.recv(&mut bytes).map(drop)?)
}

fn socket(family: i32, kind: i32, protocol: i32) -> Acted {
    owned(call!(libc::SYS_socket, family, kind | libc::SOCK_CLOEXEC, protocol)?).map(drop)
}

/// `struct sockaddr_ll`.
#[repr(C)]
struct LinkAddress {
    family: u16,
    protocol: u16,
    index: i32,
    hardware: u16,
    kind: u8,
    length: u8,
    address: [u8; 8],
}

/// One frame of the protocol for local experiments on the loopback interface.
fn frame(_: &Scene) -> Acted {
    use std::os::fd::AsRawFd;
    const LOOPBACK: i32 = 1;
    const LOCAL_EXPERIMENT: u16 = 0x88b5;
    let fd = owned(call!(
        libc::SYS_socket,
        libc::AF_PACKET,
        libc::SOCK_DGRAM | libc::SOCK_CLOEXEC,
        0
    )?)?;
    let to = LinkAddress {
        family: 17,
        protocol: LOCAL_EXPERIMENT.to_be(),
        index: LOOPBACK,
        hardware: 0,
        kind: 0,
        length: 6,
        address: [0; 8],
    };
    let bytes = [0_u8; 46];
    let length = size_of::<LinkAddress>();
    call!(
        libc::SYS_sendto,
        fd.as_raw_fd(),
        bytes.as_ptr(),
        bytes.len(),
        0,
        &raw const to,
        length
    )
    .map(drop)
}

fn unix_path(scene: &Scene) -> Acted {
    let path = scene.file("stream.sock");
    let _listener = UnixListener::bind(&path)?;
    Ok(UnixStream::connect(path).map(drop)?)
}

fn unix_abstract(scene: &Scene) -> Acted {
    let name = scene.file("abstract");
    let address = UnixAddr::from_abstract_name(name.as_os_str().as_encoded_bytes())?;
    let _listener = UnixListener::bind_addr(&address)?;
    Ok(UnixStream::connect_addr(&address).map(drop)?)
}

fn unix_datagram(scene: &Scene) -> Acted {
    let path = scene.file("datagram.sock");
    let _receiver = UnixDatagram::bind(&path)?;
    Ok(UnixDatagram::unbound()?.send_to(b"probity", path).map(drop)?)
}

//! What an act was done to.

use super::{Flags, Kind};
use probity_abi::event;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

/// A file as the kernel knows it. For people and for caches only: `stat` may show another device.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, Debug)]
pub struct FileId {
    /// The kernel's address of the inode: an identity while the watcher runs, never shown.
    pub inode: u64,
    /// Inode number; 0 when it is not known.
    pub ino: u64,
    /// Device of the super block, major << 20 | minor.
    pub dev: u32,
    /// Inode generation.
    pub generation: u32,
    /// Hard links.
    pub nlink: u32,
}

/// What an act was done to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Object {
    /// A file, a directory or a program.
    File {
        /// Which.
        file: FileId,
        /// Its path, as the walk found it; empty when there was none.
        path: Vec<u8>,
        /// The other path of a rename or a link; empty for none.
        second: Vec<u8>,
    },
    /// An address, or a socket that has none (family without addresses, or not bound).
    Net {
        /// AF_*.
        family: u16,
        /// SOCK_*.
        sock_type: u16,
        /// IP protocol.
        protocol: u16,
        /// The address; IPv4 also where it came mapped into IPv6.
        ip: Option<IpAddr>,
        /// Port, host order.
        port: u16,
    },
    /// A datagram that arrived.
    Datagram {
        /// The address it came from, where it is known.
        from: Option<IpAddr>,
        /// Remote port, host order.
        port: u16,
        /// Its bytes.
        bytes: Vec<u8>,
    },
    /// A unix socket.
    Unix {
        /// Its file, unless it is abstract.
        file: FileId,
        /// Its path, or the bytes behind the zero of an abstract name.
        name: Vec<u8>,
        /// Whether the name is abstract.
        is_abstract: bool,
    },
    /// Another process.
    Process {
        /// Its number.
        tgid: u32,
        /// Whether it is outside the tree.
        outsider: bool,
    },
    /// Nothing that has a name: the arguments say more.
    Kernel,
}

/// The socket fields of an event.
pub(super) struct Socket {
    pub(super) family: u16,
    pub(super) sock_type: u16,
    pub(super) protocol: u16,
    pub(super) port: u16,
    pub(super) addr: [u8; 16],
}

impl Object {
    pub(super) fn new(
        kind: Kind,
        flags: Flags,
        file: FileId,
        socket: Socket,
        first: &[u8],
        second: &[u8],
        arg0: u64,
    ) -> Self {
        match kind {
            Kind::NET_DNS => Self::Datagram {
                from: ip(socket.family, socket.addr),
                port: socket.port,
                bytes: first.to_vec(),
            },
            Kind::UNIX_CONNECT => Self::Unix {
                file,
                name: first.to_vec(),
                is_abstract: flags.has(event::ABSTRACT),
            },
            Kind::PTRACE | Kind::SIGNAL | Kind::FORK => match u32::try_from(arg0) {
                Ok(tgid) => Self::Process {
                    tgid,
                    outsider: flags.has(event::OUTSIDER),
                },
                Err(_) => Self::Kernel,
            },
            kind if kind.is_file() && kind != Kind::FILE_MOUNT => Self::File {
                file,
                path: first.to_vec(),
                second: second.to_vec(),
            },
            kind if kind.is_net() => Self::Net {
                family: socket.family,
                sock_type: socket.sock_type,
                protocol: socket.protocol,
                ip: ip(socket.family, socket.addr),
                port: socket.port,
            },
            // A kernel act may carry the file it was done to (a mount point, a module).
            _ if !first.is_empty() => Self::File {
                file,
                path: first.to_vec(),
                second: second.to_vec(),
            },
            _ => Self::Kernel,
        }
    }

    /// The remote or bound address with its port.
    #[must_use]
    pub fn address(&self) -> Option<(IpAddr, u16)> {
        match self {
            Self::Net { ip, port, .. } => Some(((*ip)?, *port)),
            _ => None,
        }
    }

    /// The path of a file or of a unix socket that has one, unless it is empty.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        match self {
            Self::File { path, .. }
            | Self::Unix {
                name: path,
                is_abstract: false,
                ..
            } => (!path.is_empty()).then_some(path),
            _ => None,
        }
    }

    /// The file, where it is one.
    #[must_use]
    pub fn file(&self) -> Option<FileId> {
        match self {
            Self::File { file, .. }
            | Self::Unix {
                file,
                is_abstract: false,
                ..
            } => Some(*file),
            _ => None,
        }
    }
}

fn ip(family: u16, addr: [u8; 16]) -> Option<IpAddr> {
    match family {
        AF_INET => addr.first_chunk::<4>().map(|four| IpAddr::V4(Ipv4Addr::from(*four))),
        AF_INET6 => Some(IpAddr::V6(Ipv6Addr::from(addr)).to_canonical()),
        _ => None,
    }
}

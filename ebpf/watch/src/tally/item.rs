//! What an act was done to, as far as two acts must agree in it to be counted together.

use crate::act::{Act, Object};
use std::net::IpAddr;

/// What a group of acts was done to.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Item {
    /// A file; empty where it had no name.
    Path {
        /// Its path.
        path: Vec<u8>,
        /// The other path of a rename or a link; empty for none.
        second: Vec<u8>,
    },
    /// Files below a directory, which were too many to be told apart.
    Below {
        /// The directory.
        directory: Vec<u8>,
    },
    /// An address.
    Address {
        /// The name behind it, where it is known.
        host: Option<String>,
        /// The address; `None` for a family without one.
        ip: Option<IpAddr>,
        /// Port, host order.
        port: u16,
        /// IP protocol.
        protocol: u16,
        /// AF_*.
        family: u16,
        /// SOCK_*.
        sock_type: u16,
    },
    /// A unix socket.
    Unix {
        /// Path, or the bytes of an abstract name.
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
    /// A kernel act, by its arguments.
    Kernel {
        /// First argument of the kind.
        arg0: u64,
        /// Second argument of the kind.
        arg1: u64,
    },
    /// Various, which were too many to be told apart.
    Various,
}

impl Item {
    pub(crate) fn new(act: &Act, host: Option<&str>) -> Self {
        match &act.object {
            Object::File { path, second, .. } => Self::Path {
                path: path.clone(),
                second: second.clone(),
            },
            Object::Net {
                family,
                sock_type,
                protocol,
                ip,
                port,
            } => Self::Address {
                host: host.map(str::to_owned),
                ip: *ip,
                port: *port,
                protocol: *protocol,
                family: *family,
                sock_type: *sock_type,
            },
            Object::Unix { name, is_abstract, .. } => Self::Unix {
                name: name.clone(),
                is_abstract: *is_abstract,
            },
            Object::Process { tgid, outsider } => Self::Process {
                tgid: *tgid,
                outsider: *outsider,
            },
            Object::Kernel => Self::Kernel {
                arg0: act.arg0,
                arg1: act.arg1,
            },
            Object::Datagram { .. } => Self::Various,
        }
    }

    pub(super) fn coarse(self) -> Self {
        match self {
            Self::Path { path, .. } => Self::Below {
                directory: parent(&path).to_vec(),
            },
            Self::Below { .. } => self,
            _ => Self::Various,
        }
    }

    pub(super) fn coarsest(self) -> Self {
        match self {
            Self::Path { .. } | Self::Below { .. } => Self::Below {
                directory: b"/".to_vec(),
            },
            _ => Self::Various,
        }
    }

    /// The path of a file or a unix socket with one.
    #[must_use]
    pub fn path(&self) -> Option<&[u8]> {
        match self {
            Self::Path { path, .. }
            | Self::Unix {
                name: path,
                is_abstract: false,
            } => Some(path),
            _ => None,
        }
    }
}

/// The directory a path lies in: `/a` of `/a/b`, `/` of `/a`; a path that begins in the middle keeps what it has.
pub(crate) fn parent(path: &[u8]) -> &[u8] {
    match path.iter().rposition(|byte| *byte == b'/') {
        Some(0) | None => b"/",
        Some(at) => path.get(..at).unwrap_or(path),
    }
}

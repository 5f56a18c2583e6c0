//! Subjects, objects and their words, as events and reports write them.

use super::text::{base64, printable, unless_utf8, utf8};
use crate::act::{Access, Act, FileId, Kind};
use crate::subject::Program;
use crate::tally::{By, Item};
use serde::Serialize;

/// Who did it.
#[derive(Clone, PartialEq, Eq, Serialize, Debug)]
pub struct Subject {
    /// Thread.
    pub pid: u32,
    /// Process.
    pub tgid: u32,
    /// Parent process.
    pub ppid: u32,
    /// Name of the thread.
    pub comm: String,
    /// What the process runs; null when it is not known or not UTF-8.
    pub exe: Option<String>,
    /// The same in Base64 when it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exe_b64: Option<String>,
    /// SHA-256 of what it runs.
    pub exe_sha256: Option<String>,
}

impl Subject {
    pub(super) fn of(by: &By, program: Option<&Program>) -> Self {
        Self {
            pid: by.pid,
            tgid: by.tgid,
            ppid: by.ppid,
            comm: String::from_utf8_lossy(&by.comm).into_owned(),
            exe: program.and_then(|p| utf8(&p.path)),
            exe_b64: program.and_then(|p| unless_utf8(&p.path)),
            exe_sha256: program.and_then(|p| p.sha256.clone()),
        }
    }
}

/// What it was done to. Fields that mean nothing for a kind are left out, but for `path` and `access`.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Debug)]
pub struct Object {
    /// Path of a file or unix socket; null when there is none or when it is not UTF-8.
    pub path: Option<String>,
    /// The same in Base64 when it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_b64: Option<String>,
    /// The other path of a rename or a link.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path2: Option<String>,
    /// The same in Base64 when it is not UTF-8.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path2_b64: Option<String>,
    /// The directory below which files were too many to be told apart.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub below: Option<String>,
    /// An abstract unix name, its bytes in Base64.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub abstract_b64: Option<String>,
    /// Mount namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mnt_ns: Option<u32>,
    /// Device of the super block, major << 20 | minor.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dev: Option<u32>,
    /// Inode number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ino: Option<u64>,
    /// What was needed.
    pub access: Vec<&'static str>,
    /// Address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub addr: Option<String>,
    /// Port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// `tcp`, `udp`, ... or the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub proto: Option<String>,
    /// `inet`, `inet6`, ... or the number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub family: Option<String>,
    /// The name behind the address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host: Option<String>,
    /// How the name is known: `dns`, or `ip-only` where it is not.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_evidence: Option<&'static str>,
    /// Number of another process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<u32>,
    /// Arguments of a kernel act, as its kind has them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub args: Option<[u64; 2]>,
}

impl Object {
    /// The object of one act.
    pub(super) fn of(act: &Act, host: Option<&str>) -> Self {
        let item = Item::new(act, host);
        Self {
            mnt_ns: item.path().map(|_| act.mnt_ns),
            ..Self::new(act.kind, &item, act.access, act.object.file())
        }
    }

    /// The object of a group of acts.
    pub(super) fn new(kind: Kind, item: &Item, access: Access, file: Option<FileId>) -> Self {
        let mut object = Self {
            access: access.words().collect(),
            ..Self::default()
        };
        if let Some(path) = item.path() {
            object.path = utf8(path).filter(|path| !path.is_empty());
            object.path_b64 = unless_utf8(path);
            (object.dev, object.ino) = (file.map(|f| f.dev), file.map(|f| f.ino));
        }
        match item {
            Item::Path { second, .. } if !second.is_empty() => {
                (object.path2, object.path2_b64) = (utf8(second), unless_utf8(second));
            }
            Item::Path { .. } | Item::Unix { is_abstract: false, .. } | Item::Various => {}
            Item::Below { directory } => object.below = Some(printable(directory)),
            Item::Unix { name, .. } => object.abstract_b64 = Some(base64(name)),
            Item::Address {
                host,
                ip,
                port,
                protocol,
                family,
                sock_type,
            } => {
                object.addr = ip.map(|ip| ip.to_string());
                object.port = ip.map(|_| *port);
                object.proto = Some(proto(*family, *sock_type, *protocol));
                object.family = Some(family_word(*family));
                if kind.has_peer() && ip.is_some() {
                    object.host_evidence = Some(if host.is_some() { "dns" } else { "ip-only" });
                }
                object.host.clone_from(host);
            }
            Item::Process { tgid, .. } => object.target = Some(*tgid),
            Item::Kernel { arg0, arg1 } => object.args = Some([*arg0, *arg1]),
        }
        object
    }
}

/// The object in one line, for people.
pub(super) fn line(kind: Kind, item: &Item) -> String {
    match item {
        Item::Path { path, second } => {
            let name = if path.is_empty() {
                "(no name)".to_owned()
            } else {
                printable(path)
            };
            if second.is_empty() {
                name
            } else {
                format!("{name} -> {}", printable(second))
            }
        }
        Item::Below { directory } if directory == b"/" => "/**".to_owned(),
        Item::Below { directory } => format!("{}/**", printable(directory)),
        Item::Unix {
            name,
            is_abstract: true,
        } => format!("@{}", printable(name)),
        Item::Unix { name, .. } if name.is_empty() => "(no name)".to_owned(),
        Item::Unix { name, .. } => printable(name),
        Item::Address {
            host,
            ip,
            port,
            protocol,
            family,
            sock_type,
        } => {
            let proto = proto(*family, *sock_type, *protocol);
            match (host, ip) {
                (Some(host), Some(ip)) => format!("{host}:{port}/{proto} ({ip})"),
                (_, Some(ip)) => format!("{}/{proto}", std::net::SocketAddr::new(*ip, *port)),
                _ => format!("{} socket, {proto}", family_word(*family)),
            }
        }
        Item::Process { tgid: 0, .. } => "a process".to_owned(),
        Item::Process { tgid, outsider: true } => format!("process {tgid}, outside the tree"),
        Item::Process { tgid, .. } => format!("process {tgid}"),
        Item::Kernel { arg0, arg1 } => match kind {
            Kind::BPF => format!("command {arg1}"),
            Kind::IO_URING if *arg1 == u64::MAX => "set up".to_owned(),
            Kind::IO_URING => format!("operation {arg1}"),
            Kind::MODULE | Kind::FILE_MOUNT => format!("system call {arg1}"),
            Kind::NAMESPACE | Kind::USERNS => format!("flags {arg0:#x}"),
            Kind::CGROUP_ESCAPE => format!("process {arg0} to cgroup {arg1}"),
            _ => kind.word().to_owned(),
        },
        Item::Various => "(various)".to_owned(),
    }
}

/// The word of a protocol, from `/etc/protocols`.
fn proto(family: u16, sock_type: u16, protocol: u16) -> String {
    let inet = family == 2 || family == 10;
    let word = match (protocol, sock_type) {
        (0, 1) if inet => "tcp",
        (0, 2) if inet => "udp",
        (0, 1) => "stream",
        (0, 2) => "datagram",
        (_, 3) => "raw",
        (0, 5) => "seqpacket",
        (_, _) if !inet => return protocol.to_string(),
        (1, _) => "icmp",
        (6, _) => "tcp",
        (17, _) => "udp",
        (33, _) => "dccp",
        (58, _) => "ipv6-icmp",
        (132, _) => "sctp",
        (136, _) => "udplite",
        (262, _) => "mptcp",
        _ => return protocol.to_string(),
    };
    word.to_owned()
}

/// The word of a socket family, as `[net.policy] families` writes it.
fn family_word(family: u16) -> String {
    let word = match family {
        1 => "unix",
        2 => "inet",
        10 => "inet6",
        16 => "netlink",
        17 => "packet",
        29 => "can",
        31 => "bluetooth",
        38 => "alg",
        40 => "vsock",
        44 => "xdp",
        _ => return family.to_string(),
    };
    word.to_owned()
}

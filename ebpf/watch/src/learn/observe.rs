//! The groups of a tally as objects with what was done to them, whoever did it.

use crate::act::{Flags, Kind};
use crate::tally::{Group, Item, Tally};
use probity_abi::{access, event};
use probity_signatures::declared::{Family, KernelAct, Proto};
use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::net::IpAddr;

/// What was done to one object.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Seen {
    /// Bits of `probity_abi::access`.
    pub access: u8,
    /// How many acts.
    pub count: u64,
    /// A program that did it; empty when it is not known.
    pub by: Vec<u8>,
    /// The process that did it first.
    pub tgid: u32,
    /// Whether it was a file of several links, used other than by making or removing a name.
    pub linked: bool,
    /// Whether it is a directory.
    pub directory: bool,
}

impl Seen {
    /// Adds what else was done.
    pub fn join(&mut self, other: &Self) {
        self.access |= other.access;
        self.count = self.count.saturating_add(other.count);
        self.linked |= other.linked;
        self.directory |= other.directory;
        if self.by.is_empty() {
            (self.by, self.tgid) = (other.by.clone(), other.tgid);
        }
    }
}

/// The other side of a connection or datagram.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Peer {
    /// The name behind the address, where a DNS answer told it.
    pub host: Option<String>,
    /// Its address.
    pub ip: IpAddr,
    /// Its port, host order.
    pub port: u16,
    /// The protocol.
    pub proto: Proto,
    /// Whether it came to us.
    pub accepted: bool,
}

/// Everything that a declared set can speak of, and what it cannot.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Observations {
    /// Files by path.
    pub files: BTreeMap<Vec<u8>, Seen>,
    /// Programs by path.
    pub execs: BTreeMap<Vec<u8>, Seen>,
    /// Unix sockets: a path, or `@` and the bytes of an abstract name.
    pub unixes: BTreeMap<Vec<u8>, Seen>,
    /// Peers.
    pub peers: BTreeMap<Peer, Seen>,
    /// Addresses that were bound or listened on; port 0 stands for any.
    pub listens: BTreeMap<(IpAddr, u16), Seen>,
    /// Socket families beyond the ordinary ones.
    pub families: BTreeMap<Family, Seen>,
    /// Acts on the kernel, with whether one was done to a process outside the tree.
    pub kernel: BTreeMap<KernelAct, (Seen, bool)>,
    /// A file without a name was executed.
    pub memfd: Option<Seen>,
    /// Numbers of the tree's processes.
    pub pids: HashSet<u32>,
    /// What no declared set can allow, in words.
    pub beyond: BTreeSet<String>,
}

impl Observations {
    /// Reads a tally.
    #[must_use]
    pub fn of(tally: &Tally) -> Self {
        let mut all = Self::default();
        for group in tally.groups() {
            all.pids.extend(group.process_keys().map(|key| key.tgid));
            all.pids.extend([group.first_by.tgid, group.first_by.pid]);
            if !group.key.kind.is_notice() {
                all.group(group);
            }
        }
        all.by_chance();
        if tally.coarse() > 0 {
            all.beyond.insert(format!(
                "{} acts were to more objects than are told apart",
                tally.coarse()
            ));
        }
        if tally.unattributed() > 0 {
            all.beyond
                .insert(format!("{} repeated acts have no first one", tally.unattributed()));
        }
        all
    }

    /// What the C library reads in one run and not in the next, as its threads contend for memory: two files that tell
    /// nothing about anybody. Their count is zero.
    fn by_chance(&mut self) {
        const FILES: [&[u8]; 2] = [b"/sys/devices/system/cpu/online", b"/proc/sys/vm/overcommit_memory"];
        let library = |(path, seen): (&Vec<u8>, &Seen)| seen.access & access::MAP != 0 && path.ends_with(b"/libc.so.6");
        if self.files.iter().any(library) {
            for path in FILES {
                self.files.entry(path.to_vec()).or_default().access |= access::READ;
            }
        }
    }

    fn group(&mut self, group: &Group) {
        let key = &group.key;
        let seen = seen(group);
        if let Some(act) = kernel_act(key.kind) {
            let outsider = matches!(key.item, Item::Process { outsider: true, .. });
            let entry = self.kernel.entry(act).or_default();
            entry.0.join(&seen);
            entry.1 |= outsider;
            return;
        }
        match &key.item {
            Item::Path { path, second } if key.kind.is_file() => {
                self.file(group.flags, path, &seen);
                if !second.is_empty() {
                    let other = Seen {
                        access: access::CREATE,
                        ..seen
                    };
                    self.file(group.flags, second, &other);
                }
            }
            Item::Address { .. } => self.address(group, seen),
            Item::Unix { name, is_abstract } => {
                let mut path = if *is_abstract { vec![b'@'] } else { Vec::new() };
                path.extend(name);
                if path.first().is_some_and(|first| matches!(first, b'/' | b'@')) {
                    self.unixes.entry(path).or_default().join(&seen);
                } else {
                    self.beyond.insert("a unix socket without a name was used".to_owned());
                }
            }
            Item::Below { directory } => {
                self.beyond.insert(format!(
                    "{} files below {} were not told apart",
                    group.count,
                    directory.escape_ascii()
                ));
            }
            _ => {
                self.beyond
                    .insert(format!("{} ({}) is no rule's to allow", key.kind, group.count));
            }
        }
    }

    fn file(&mut self, flags: Flags, path: &[u8], seen: &Seen) {
        let executed = seen.access & access::EXEC != 0;
        if flags.has(event::NAMELESS) || path.is_empty() {
            if executed {
                self.memfd.get_or_insert_default().join(seen);
            }
            // What the tree made without a name is its own.
            return;
        }
        if flags.has(event::PATH_CUT) || path.first() != Some(&b'/') {
            self.beyond.insert(format!(
                "`{}` is the end of a path that was too long to be told",
                path.escape_ascii()
            ));
            return;
        }
        let into = if executed { &mut self.execs } else { &mut self.files };
        into.entry(path.to_vec()).or_default().join(seen);
    }

    fn address(&mut self, group: &Group, seen: Seen) {
        const STREAM: u16 = 1;
        const DATAGRAM: u16 = 2;
        let Item::Address {
            host,
            ip,
            port,
            protocol,
            family,
            sock_type,
        } = &group.key.item
        else {
            return;
        };
        if group.key.kind == Kind::NET_SOCKET {
            match declared_family(*family, *protocol) {
                Some(found) => self.families.entry(found).or_default().join(&seen),
                None => {
                    self.beyond.insert(format!(
                        "a socket of family {family}, type {sock_type}, protocol {protocol} has no word in a declared set"
                    ));
                }
            }
            return;
        }
        let Some(ip) = *ip else {
            self.beyond
                .insert(format!("{} of family {family} without an address", group.key.kind));
            return;
        };
        if matches!(group.key.kind, Kind::NET_BIND | Kind::NET_LISTEN) {
            self.listens.entry((ip, *port)).or_default().join(&seen);
            return;
        }
        let proto = match (*protocol, *sock_type) {
            (6, _) | (0, STREAM) => Proto::Tcp,
            (17, _) | (0, DATAGRAM) => Proto::Udp,
            _ => {
                self.beyond
                    .insert(format!("protocol {protocol} to {ip} has no word in a declared set"));
                return;
            }
        };
        let peer = Peer {
            host: host.clone(),
            ip,
            port: *port,
            proto,
            accepted: group.key.kind == Kind::NET_ACCEPT,
        };
        self.peers.entry(peer).or_default().join(&seen);
    }
}

fn seen(group: &Group) -> Seen {
    const NAMES_ONLY: u8 = access::CREATE | access::DELETE;
    let key = &group.key;
    let directory = group.flags.has(event::DIRECTORY);
    Seen {
        access: key.access.0,
        count: group.count,
        by: key
            .program
            .as_ref()
            .map(|program| program.path.clone())
            .unwrap_or_default(),
        tgid: group.first_by.tgid,
        linked: !directory && key.access.0 & !NAMES_ONLY != 0 && group.file.is_some_and(|file| file.nlink > 1),
        directory,
    }
}

/// The act of `[kernel]` that answers a kind.
fn kernel_act(kind: Kind) -> Option<KernelAct> {
    Some(match kind {
        Kind::IO_URING => KernelAct::IoUring,
        Kind::USERNS | Kind::NAMESPACE => KernelAct::Userns,
        Kind::FILE_MOUNT => KernelAct::Mount,
        Kind::PTRACE => KernelAct::Ptrace,
        Kind::BPF => KernelAct::Bpf,
        Kind::PERF => KernelAct::Perf,
        Kind::USERFAULTFD => KernelAct::Userfaultfd,
        Kind::INT80 => KernelAct::Int80,
        _ => return None,
    })
}

/// The word of a family, as narrow as there is one. Raw internet sockets and Multipath TCP have none.
fn declared_family(family: u16, protocol: u16) -> Option<Family> {
    let fits = |word: &&Family| {
        word.number() == family
            && word
                .netlink_protocol()
                .is_none_or(|netlink| netlink == u32::from(protocol))
    };
    let candidates = Family::ALL.iter().filter(fits);
    candidates
        .filter(|word| !matches!(word, Family::Inet | Family::Inet6 | Family::Unix))
        .max_by_key(|word| word.netlink_protocol().is_some())
        .copied()
}

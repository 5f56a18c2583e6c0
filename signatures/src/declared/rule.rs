//! The rules of a declared set, each with the place where it was written.

use super::access::Access;
use super::net::{Cidr, HostPattern, Listen, PortRange};
use super::pattern::Pattern;
use super::words::words;
use std::fmt;

/// Where a rule stands: `agent.declared.toml:12`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RuleRef {
    /// The file, as named by the caller.
    pub file: String,
    /// The line of the rule's header, counted from 1.
    pub line: u32,
}

impl fmt::Display for RuleRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)
    }
}

words! {
    /// What happens to an act that is undeclared or denied.
    Mode {
        /// It happens, and is reported.
        Report = "report",
        /// It is stopped, and reported.
        Block = "block",
    }
}

words! {
    /// What happens when the subject is not what the set says.
    OnMismatch {
        /// It goes on, and the mismatch is reported.
        Report = "report",
        /// Nothing is started.
        Refuse = "refuse",
    }
}

words! {
    /// What happens when the host cannot hold a rule.
    OnUnsupported {
        /// It goes on, and what is not held is reported.
        Report = "report",
        /// Nothing is started.
        Error = "error",
    }
}

words! {
    /// What an event that was lost means.
    OnEventLoss {
        /// The verdict is incomplete.
        Incomplete = "incomplete",
    }
}

words! {
    /// What happens to the tree when the watcher ends before it.
    WatcherExit {
        /// It goes on without a watcher.
        Continue = "continue",
        /// It is ended.
        KillTree = "kill-tree",
    }
}

words! {
    /// What a file with several links means when only an ancestor of one of its names allows it.
    Hardlinks {
        /// It is allowed like any other.
        Allow = "allow",
        /// It is reported: another name of it may stand where nothing is allowed.
        Report = "report",
    }
}

words! {
    /// The parts of a set that hold acts.
    Section {
        /// `[[file]]`.
        File = "file",
        /// `[[exec]]`.
        Exec = "exec",
        /// `[[net]]` and `[net.policy]`.
        Net = "net",
        /// `[[unix]]`.
        Unix = "unix",
        /// `[kernel]`.
        Kernel = "kernel",
    }
}

/// How the set is held. Of several files the strictest word counts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Modes {
    /// Where no section says otherwise.
    pub default: Mode,
    /// Modes of single sections, in the order of [`Section::ALL`].
    pub sections: [Option<Mode>; 5],
    /// When the host cannot hold a rule.
    pub on_unsupported: OnUnsupported,
    /// When events were lost.
    pub on_event_loss: OnEventLoss,
    /// When the watcher ends first.
    pub watcher_exit: WatcherExit,
}

impl Default for Modes {
    fn default() -> Self {
        Self {
            default: Mode::Report,
            sections: [None; 5],
            on_unsupported: OnUnsupported::Error,
            on_event_loss: OnEventLoss::Incomplete,
            watcher_exit: WatcherExit::KillTree,
        }
    }
}

impl Modes {
    /// The mode for undeclared acts of a section.
    pub fn of(&self, section: Section) -> Mode {
        let at = Section::ALL.iter().position(|s| *s == section);
        let own = at.and_then(|at| self.sections.get(at).copied().flatten());
        own.unwrap_or(self.default)
    }
}

words! {
    /// The scheme of a signer's identity.
    SignerScheme {
        /// An Apple team identifier.
        Apple = "apple",
        /// A distinguished name of an Authenticode certificate.
        Authenticode = "authenticode",
        /// An identity in a sigstore certificate.
        Sigstore = "sigstore",
    }
}

/// Who must have signed the subject: `apple:Q6L2SF6YDW`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Signer {
    /// The scheme.
    pub scheme: SignerScheme,
    /// The identity in it.
    pub identity: String,
}

impl fmt::Display for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.scheme, self.identity)
    }
}

/// `[subject]`: what the tree starts from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Where it stands.
    pub at: RuleRef,
    /// The program: an absolute path, no pattern.
    pub exec: Option<String>,
    /// Digests, one of which it must have; empty when none is asked for.
    pub sha256: Vec<[u8; 32]>,
    /// Signers, one of whom must have signed it; empty when none is asked for. Digest and signer must both hold.
    pub signers: Vec<Signer>,
    /// When it is something else.
    pub on_mismatch: OnMismatch,
}

/// A `[[file]]` rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileRule {
    /// Where it stands.
    pub at: RuleRef,
    /// What people call it.
    pub label: Option<String>,
    /// What a denial of this rule does; the section's mode when absent.
    pub mode: Option<Mode>,
    /// What it allows.
    pub allow: Access,
    /// What it denies, whatever else allows it.
    pub deny: Access,
    /// Where. The first text of several that came from one pattern keeps the others' order.
    pub paths: Vec<Pattern>,
}

words! {
    /// What an `[[exec]]` rule says about an odd way to execute.
    ExecAnswer {
        /// It is allowed.
        Allow = "allow",
        /// It is reported.
        Report = "report",
        /// It is denied.
        Deny = "deny",
    }
}

/// An `[[exec]]` rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecRule {
    /// Where it stands.
    pub at: RuleRef,
    /// What people call it.
    pub label: Option<String>,
    /// What a denial of this rule does; the section's mode when absent.
    pub mode: Option<Mode>,
    /// Programs that may be executed.
    pub paths: Vec<Pattern>,
    /// Programs that may not, whatever else allows them.
    pub deny: Vec<Pattern>,
    /// Executing a file that has no name (`memfd_create`, a deleted file).
    pub memfd: Option<ExecAnswer>,
    /// Executing a program through the dynamic loader (`ld.so prog`).
    pub ldso: Option<ExecAnswer>,
}

words! {
    /// Transport protocols.
    Proto {
        /// TCP.
        Tcp = "tcp",
        /// UDP.
        Udp = "udp",
    }
}

words! {
    /// How the name behind an address is known, weakest first.
    Evidence {
        /// It is not: there is only an address.
        IpOnly = "ip-only",
        /// From the first TLS record, in the client's words.
        Sni = "sni",
        /// From an answer of the tree's resolver.
        Dns = "dns",
        /// The connection was made by name, through our proxy.
        Proxy = "proxy",
    }
}

/// A `[[net]]` rule. It holds hosts or networks, never both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetRule {
    /// Where it stands.
    pub at: RuleRef,
    /// What people call it.
    pub label: Option<String>,
    /// The mode written there; no act is judged by it, since the rule only allows.
    pub mode: Option<Mode>,
    /// Names.
    pub hosts: Vec<HostPattern>,
    /// Networks.
    pub cidr: Vec<Cidr>,
    /// Ports of the other side; none when empty.
    pub ports: Vec<PortRange>,
    /// Protocols; `tcp` when the rule names none.
    pub proto: Vec<Proto>,
    /// How well a name must be known: at least so. [`Evidence::IpOnly`] for rules with networks.
    pub require_name: Evidence,
}

words! {
    /// Ways to the network that `[net.policy] deny` closes.
    NetDeny {
        /// Multipath TCP (socket protocol 262).
        Mptcp = "mptcp",
        /// Data in the SYN: `MSG_FASTOPEN`, `TCP_FASTOPEN_CONNECT`.
        TcpFastopen = "tcp-fastopen",
        /// Raw sockets.
        Raw = "raw",
        /// Packet sockets.
        Packet = "packet",
        /// Sockets to the hypervisor.
        Vsock = "vsock",
        /// QUIC: UDP to port 443.
        Quic = "quic",
    }
}

words! {
    /// Socket families, netlink by protocol.
    Family {
        /// `AF_INET`.
        Inet = "inet",
        /// `AF_INET6`.
        Inet6 = "inet6",
        /// `AF_UNIX`.
        Unix = "unix",
        /// `AF_NETLINK`, `NETLINK_ROUTE`.
        NetlinkRoute = "netlink-route",
        /// `AF_NETLINK`, `NETLINK_SOCK_DIAG`.
        NetlinkSockDiag = "netlink-sock-diag",
        /// `AF_NETLINK`, `NETLINK_AUDIT`.
        NetlinkAudit = "netlink-audit",
        /// `AF_NETLINK`, `NETLINK_KOBJECT_UEVENT`.
        NetlinkUevent = "netlink-uevent",
        /// `AF_NETLINK`, `NETLINK_GENERIC`.
        NetlinkGeneric = "netlink-generic",
        /// `AF_NETLINK`, any protocol.
        Netlink = "netlink",
        /// `AF_PACKET`.
        Packet = "packet",
        /// `AF_ALG`.
        Alg = "alg",
        /// `AF_BLUETOOTH`.
        Bluetooth = "bluetooth",
        /// `AF_CAN`.
        Can = "can",
        /// `AF_TIPC`.
        Tipc = "tipc",
        /// `AF_VSOCK`.
        Vsock = "vsock",
        /// `AF_XDP`.
        Xdp = "xdp",
    }
}

impl Family {
    /// The number of the address family (`linux/socket.h`).
    pub const fn number(self) -> u16 {
        match self {
            Self::Unix => 1,
            Self::Inet => 2,
            Self::Inet6 => 10,
            Self::NetlinkRoute
            | Self::NetlinkSockDiag
            | Self::NetlinkAudit
            | Self::NetlinkUevent
            | Self::NetlinkGeneric
            | Self::Netlink => 16,
            Self::Packet => 17,
            Self::Can => 29,
            Self::Tipc => 30,
            Self::Bluetooth => 31,
            Self::Alg => 38,
            Self::Vsock => 40,
            Self::Xdp => 44,
        }
    }

    /// The netlink protocol (`linux/netlink.h`) that it is confined to.
    pub const fn netlink_protocol(self) -> Option<u32> {
        match self {
            Self::NetlinkRoute => Some(0),
            Self::NetlinkSockDiag => Some(4),
            Self::NetlinkAudit => Some(9),
            Self::NetlinkUevent => Some(15),
            Self::NetlinkGeneric => Some(16),
            _ => None,
        }
    }

    /// Whether a declared family covers `asked`: `netlink` covers each of its protocols.
    pub fn covers(self, asked: Self) -> bool {
        self == asked || (self == Self::Netlink && asked.number() == self.number())
    }
}

/// `[net.policy]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct NetPolicy {
    /// Where each file says it; empty when none does.
    pub at: Vec<RuleRef>,
    /// What a denial of this section does; the section's mode when absent.
    pub mode: Option<Mode>,
    /// Families of sockets that may be made, with the rule; `inet`, `inet6` and `unix` when nobody names any.
    pub families: Option<Vec<(Family, RuleRef)>>,
    /// Ways that are closed, with the rule.
    pub deny: Vec<(NetDeny, RuleRef)>,
    /// Where the tree may bind and listen, with the rule.
    pub listen: Vec<(Listen, RuleRef)>,
}

/// A `[[unix]]` rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnixRule {
    /// Where it stands.
    pub at: RuleRef,
    /// What people call it.
    pub label: Option<String>,
    /// What a denial of this rule does; the section's mode when absent.
    pub mode: Option<Mode>,
    /// Sockets that may be used: paths, or `@name` for abstract ones.
    pub paths: Vec<Pattern>,
    /// Sockets that may not, whatever else allows them.
    pub deny: Vec<Pattern>,
}

words! {
    /// Acts on the kernel that `[kernel]` answers.
    KernelAct {
        /// `io_uring_setup`.
        IoUring = "io_uring",
        /// A new user namespace.
        Userns = "userns",
        /// `mount`, `move_mount`, `pivot_root` and their kin.
        Mount = "mount",
        /// `ptrace`, `process_vm_readv`, `process_vm_writev`, `/proc/PID/mem`.
        Ptrace = "ptrace",
        /// `bpf`.
        Bpf = "bpf",
        /// `perf_event_open`.
        Perf = "perf",
        /// `userfaultfd`.
        Userfaultfd = "userfaultfd",
        /// A system call through the 32-bit entry.
        Int80 = "int80",
    }
}

words! {
    /// What `[kernel]` says about an act, weakest first.
    KernelAnswer {
        /// It is allowed.
        Allow = "allow",
        /// It happens and is reported, whatever the mode.
        Report = "report",
        /// `ptrace` only: processes of the tree may, anybody else's may not.
        TreeOnly = "tree-only",
        /// It is denied.
        Deny = "deny",
    }
}

/// `[kernel]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct KernelPolicy {
    /// What a denial of this section does; the section's mode when absent.
    pub mode: Option<Mode>,
    /// The acts that are answered, each once, with the rule; an act that is not here is undeclared.
    pub answers: Vec<(KernelAct, KernelAnswer, RuleRef)>,
}

impl KernelPolicy {
    /// What is said about an act, and where.
    pub fn get(&self, act: KernelAct) -> Option<(KernelAnswer, &RuleRef)> {
        let found = self.answers.iter().find(|(a, ..)| *a == act);
        found.map(|(_, answer, at)| (*answer, at))
    }
}

/// `[embedded]`: what the scan may find inside the artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Embedded {
    /// Hosts, with the line of each.
    pub hosts: Vec<(HostPattern, RuleRef)>,
}

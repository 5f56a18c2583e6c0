//! The numbers of an event as types, each with the word that `--events` writes for it.

use probity_abi::{access, event, kind};
use std::fmt;

/// A kind of act: one of `probity_abi::kind`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Kind(u16);

macro_rules! kinds {
    ($($name:ident)*) => {
        impl Kind {
            $(#[doc = concat!("See `probity_abi::kind::", stringify!($name), "`.")] pub const $name: Self = Self(kind::$name);)*
        }
    };
}

kinds! {
    FILE_OPEN FILE_MAP FILE_CREATE FILE_RENAME FILE_UNLINK FILE_LINK FILE_TRUNCATE FILE_SETATTR FILE_MOUNT FILE_READ
    FILE_WRITE FILE_RECEIVE EXEC FORK EXIT NET_CONNECT NET_SEND NET_BIND NET_LISTEN NET_SOCKET NET_ACCEPT NET_DNS
    UNIX_CONNECT PTRACE SIGNAL BPF IO_URING USERNS PERF USERFAULTFD INT80 NAMESPACE MODULE CGROUP_ESCAPE LOST
}

impl Kind {
    /// The kind of a number, if there is one.
    #[must_use]
    pub fn new(number: u16) -> Option<Self> {
        kind::word(number).map(|_| Self(number))
    }

    /// Its word: `file.open`.
    #[must_use]
    pub fn word(self) -> &'static str {
        kind::word(self.0).unwrap_or("unknown")
    }

    /// Whether the object is a file: `file.*` and `exec`.
    #[must_use]
    pub fn is_file(self) -> bool {
        self == Self::EXEC || (Self::FILE_OPEN..=Self::FILE_RECEIVE).contains(&self)
    }

    /// Whether the object is an internet address (or one of another family that has none).
    #[must_use]
    pub fn is_net(self) -> bool {
        (Self::NET_CONNECT..=Self::NET_DNS).contains(&self)
    }

    /// Whether it goes to (or comes from) a remote address, to which a host name may belong.
    #[must_use]
    pub fn has_peer(self) -> bool {
        matches!(self, Self::NET_CONNECT | Self::NET_SEND | Self::NET_ACCEPT)
    }

    /// Whether it is an event in a process's life, written whatever the verdict.
    #[must_use]
    pub fn is_lifecycle(self) -> bool {
        matches!(self, Self::EXEC | Self::FORK | Self::EXIT)
    }

    /// Whether it is news for the watcher and no act that a rule could allow.
    #[must_use]
    pub fn is_notice(self) -> bool {
        matches!(self, Self::FORK | Self::EXIT | Self::NET_DNS | Self::LOST)
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What the declared set says of an act. The order is the order in which people want to read: the worst first.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// It was stopped.
    Blocked,
    /// A deny rule hit, in report mode.
    Denied,
    /// No rule allows it.
    Undeclared,
    /// What it touched could not be told with certainty.
    Ambiguous,
    /// A rule allows it, or it is nothing that needs one.
    Declared,
}

impl Verdict {
    pub(super) fn new(number: u8, kind: Kind) -> Option<Self> {
        Some(match number {
            event::BLOCKED => Self::Blocked,
            event::DENIED => Self::Denied,
            event::UNDECLARED => Self::Undeclared,
            event::AMBIGUOUS => Self::Ambiguous,
            event::DECLARED => Self::Declared,
            0 if kind.is_notice() => Self::Declared,
            _ => return None,
        })
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Blocked => "blocked",
            Self::Denied => "denied",
            Self::Undeclared => "undeclared",
            Self::Ambiguous => "ambiguous",
            Self::Declared => "declared",
        }
    }
}

/// What saw an act.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub enum Backend {
    /// BPF LSM programs.
    Lsm,
    /// fentry on the security hooks.
    Hook,
    /// Tracepoints.
    Trace,
    /// cgroup socket programs.
    Cgroup,
}

impl Backend {
    pub(super) fn new(number: u8) -> Option<Self> {
        Some(match number {
            event::LSM => Self::Lsm,
            event::HOOK => Self::Hook,
            event::TRACE => Self::Trace,
            event::CGROUP => Self::Cgroup,
            _ => return None,
        })
    }

    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Lsm => "lsm",
            Self::Hook => "hook",
            Self::Trace => "trace",
            Self::Cgroup => "cgroup",
        }
    }
}

/// What an act needs: bits of `probity_abi::access`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Access(pub u8);

impl Access {
    /// Whether any of `bits` is in it.
    #[must_use]
    pub fn has(self, bits: u8) -> bool {
        self.0 & bits != 0
    }

    /// Its words, lowest bit first.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        access::WORDS
            .into_iter()
            .enumerate()
            .filter(move |(bit, _)| (self.0 >> bit) & 1 == 1)
            .map(|(_, word)| word)
    }
}

/// What is peculiar about an act: bits of `probity_abi::event`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct Flags(pub u32);

/// Each flag with its word.
const FLAGS: &[(u32, &str)] = &[
    (event::HARDLINK, "hardlink"),
    (event::PATH_CUT, "path-cut"),
    (event::UNLINKED, "unlinked"),
    (event::SHARED_TABLE, "shared-table"),
    (event::FOREIGN, "foreign"),
    (event::NAMELESS, "nameless"),
    (event::INTERPRETER, "interpreter"),
    (event::LAUNCH, "launch"),
    (event::RING, "io-uring"),
    (event::COMPAT, "int80"),
    (event::ABSTRACT, "abstract"),
    (event::FAILED, "failed"),
    (event::FASTOPEN, "tcp-fastopen"),
    (event::ESCAPED, "escaped"),
    (event::MOUNT_GUESSED, "mount-guessed"),
    (event::DIRECTORY, "directory"),
    (event::ALL, "all"),
    (event::AS_WRITTEN, "as-written"),
    (event::OUTSIDER, "outsider"),
    (event::STARTED, "started"),
];

impl Flags {
    /// Whether any of `bits` is set.
    #[must_use]
    pub fn has(self, bits: u32) -> bool {
        self.0 & bits != 0
    }

    /// Its words, lowest bit first. A bit without a word is left out.
    pub fn words(self) -> impl Iterator<Item = &'static str> {
        FLAGS
            .iter()
            .filter(move |(bit, _)| self.has(*bit))
            .map(|(_, word)| *word)
    }
}

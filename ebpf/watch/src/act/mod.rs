//! One act, as the kernel side reported it: bytes of an `abi::event::Event` and its names, made into types.
//!
//! The bytes are not trusted: every length is checked, an unknown kind, verdict or backend is an error, and nothing here
//! panics. It does not judge the act and knows neither processes nor rules. The layout is `probity_abi::event`; offsets
//! are taken from that type, not written down again.
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::as_conversions,
        clippy::unwrap_used
    )
)]

mod object;
mod words;

pub use object::{FileId, Object};
pub use words::{Access, Backend, Flags, Kind, Verdict};

use probity_abi::event::{self, Event};
use std::mem::{offset_of, size_of};

/// A process for ever: a process number that was used again has another start.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct ProcessKey {
    /// Number of the thread group.
    pub tgid: u32,
    /// Start of its leader, nanoseconds since boot.
    pub start: u64,
}

/// What happened, to what, by whom, and what the kernel side made of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Act {
    /// Nanoseconds since boot, suspend included.
    pub time: u64,
    /// The kind.
    pub kind: Kind,
    /// What the declared set says of it.
    pub verdict: Verdict,
    /// What saw it.
    pub backend: Backend,
    /// What it needed.
    pub access: Access,
    /// What of it no rule allows.
    pub missing: Access,
    /// The rule that decided, counted from 1.
    pub rule: Option<u16>,
    /// The process.
    pub process: ProcessKey,
    /// The thread.
    pub pid: u32,
    /// The parent process.
    pub ppid: u32,
    /// Effective user.
    pub uid: u32,
    /// Number of the mount namespace.
    pub mnt_ns: u32,
    /// Name of the thread, without its zeros.
    pub comm: Vec<u8>,
    /// What the system call returned, where that is known; 0 otherwise.
    pub ret: i32,
    /// First argument of the kind, see [`Event::arg0`].
    pub arg0: u64,
    /// Second argument of the kind, see [`Event::arg1`].
    pub arg1: u64,
    /// What is peculiar about it.
    pub flags: Flags,
    /// What it was done to.
    pub object: Object,
}

/// Why bytes are not an act. Whoever drains the rings counts it as a lost event.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// Fewer bytes than an event has.
    #[error("an event has {} bytes, these are {len}", size_of::<Event>())]
    Short {
        /// Bytes given.
        len: usize,
    },
    /// The names end behind the bytes.
    #[error("the names take {names} bytes, {left} follow the event")]
    Names {
        /// Bytes the two lengths add up to.
        names: usize,
        /// Bytes behind the event.
        left: usize,
    },
    /// More bytes of names than an event may carry.
    #[error("the names take {names} bytes, at most {} fit", event::NAMES)]
    LongNames {
        /// Bytes the two lengths add up to.
        names: usize,
    },
    /// A kind that this version does not know.
    #[error("unknown kind {kind}")]
    Kind {
        /// The number.
        kind: u16,
    },
    /// A verdict that does not exist.
    #[error("unknown verdict {verdict} of kind {kind}")]
    Verdict {
        /// The number.
        verdict: u8,
        /// The kind it came with.
        kind: Kind,
    },
    /// A backend that does not exist.
    #[error("unknown backend {backend} of kind {kind}")]
    Backend {
        /// The number.
        backend: u8,
        /// The kind it came with.
        kind: Kind,
    },
}

/// Reads the named field of an event at its place.
macro_rules! field {
    ($head:expr, $field:ident: $type:ty) => {
        <$type>::from_ne_bytes(bytes_at($head, offset_of!(Event, $field)))
    };
}

impl Act {
    /// Reads one event with its names. Bytes behind the names are ignored: a ring may pad its records.
    ///
    /// # Errors
    /// Bytes that are too short, lengths that do not fit, numbers that mean nothing.
    pub fn decode(bytes: &[u8]) -> Result<Self, DecodeError> {
        let len = bytes.len();
        let (head, names) = bytes
            .split_first_chunk::<{ size_of::<Event>() }>()
            .ok_or(DecodeError::Short { len })?;
        let (first, second) = split_names(names, field!(head, name_len: u16), field!(head, name2_len: u16))?;
        let kind = Kind::new(field!(head, kind: u16)).ok_or(DecodeError::Kind {
            kind: field!(head, kind: u16),
        })?;
        let verdict = field!(head, verdict: u8);
        let verdict = Verdict::new(verdict, kind).ok_or(DecodeError::Verdict { verdict, kind })?;
        let backend = field!(head, backend: u8);
        let backend = Backend::new(backend).ok_or(DecodeError::Backend { backend, kind })?;
        let flags = Flags(field!(head, flags: u32));
        let file = FileId {
            inode: field!(head, inode: u64),
            ino: field!(head, ino: u64),
            dev: field!(head, dev: u32),
            generation: field!(head, generation: u32),
            nlink: field!(head, nlink: u32),
        };
        let socket = object::Socket {
            family: field!(head, family: u16),
            sock_type: field!(head, sock_type: u16),
            protocol: field!(head, protocol: u16),
            port: field!(head, port: u16),
            addr: bytes_at(head, offset_of!(Event, addr)),
        };
        let comm: [u8; 16] = bytes_at(head, offset_of!(Event, comm));
        let rule = field!(head, rule: u16);
        Ok(Self {
            time: field!(head, time: u64),
            kind,
            verdict,
            backend,
            access: Access(field!(head, access: u8)),
            missing: Access(field!(head, missing: u8)),
            rule: (rule != 0).then_some(rule),
            process: ProcessKey {
                tgid: field!(head, tgid: u32),
                start: field!(head, start: u64),
            },
            pid: field!(head, pid: u32),
            ppid: field!(head, ppid: u32),
            uid: field!(head, uid: u32),
            mnt_ns: field!(head, mnt_ns: u32),
            comm: comm.split(|byte| *byte == 0).next().unwrap_or_default().to_vec(),
            ret: field!(head, ret: i32),
            arg0: field!(head, arg0: u64),
            arg1: field!(head, arg1: u64),
            flags,
            object: Object::new(kind, flags, file, socket, first, second, field!(head, arg0: u64)),
        })
    }

    /// The process that a fork made: the kernel side tells its number and start, and does not send threads.
    #[must_use]
    pub fn forked(&self) -> Option<ProcessKey> {
        let tgid = u32::try_from(self.arg0).ok().filter(|_| self.kind == Kind::FORK)?;
        Some(ProcessKey { tgid, start: self.arg1 })
    }

    /// How a process ended: its code, or the signal that ended it. The kernel side sends the word that `wait` gives.
    #[must_use]
    pub fn ended(&self) -> Option<(Option<u64>, Option<u64>)> {
        let word = Some(self.arg0).filter(|_| self.kind == Kind::EXIT)?;
        match word & 0x7f {
            0 => Some((Some((word >> 8) & 0xff), None)),
            signal => Some((None, Some(signal))),
        }
    }

    /// Whether it is no act by itself: it says what a process runs from now on, and the start was judged apart. What the
    /// watcher itself launches is told this way only, and counts.
    #[must_use]
    pub fn only_tells(&self) -> bool {
        self.flags.has(event::STARTED) && !self.flags.has(event::LAUNCH)
    }

    /// Whether a program really was started by it: it is an `exec`, was not stopped and did not fail.
    #[must_use]
    pub fn started_program(&self) -> bool {
        self.kind == Kind::EXEC && self.verdict != Verdict::Blocked && !self.flags.has(event::FAILED)
    }
}

fn split_names(names: &[u8], first: u16, second: u16) -> Result<(&[u8], &[u8]), DecodeError> {
    let (first, second) = (usize::from(first), usize::from(second));
    let total = first.saturating_add(second);
    if total > event::NAMES {
        return Err(DecodeError::LongNames { names: total });
    }
    let cut = DecodeError::Names {
        names: total,
        left: names.len(),
    };
    let (head, rest) = names.split_at_checked(first).ok_or(cut)?;
    Ok((head, rest.get(..second).ok_or(cut)?))
}

/// The bytes of a field. Offsets come from the type whose size `head` has, so that every read is inside it.
fn bytes_at<const N: usize>(head: &[u8; size_of::<Event>()], at: usize) -> [u8; N] {
    head.get(at..).and_then(<[u8]>::first_chunk).copied().unwrap_or([0; N])
}

#[cfg(test)]
pub(crate) mod tests;

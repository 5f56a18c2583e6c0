//! Local headers and data descriptors: what a streaming reader believes about a member (APPNOTE 4.3.7, 4.3.9).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `PK\3\4` |
//! | 4 | 2 + 2 + 2 | version needed, flags, compression method |
//! | 10 | 2 + 2 | DOS time and date |
//! | 14 | 4 + 4 + 4 | CRC-32, compressed size, uncompressed size |
//! | 26 | 2 + 2 | lengths of name and extra field, which follow |
//!
//! A data descriptor follows the data when flag bit 3 is set: CRC-32, compressed size, uncompressed size (4 bytes each,
//! 8 under ZIP64), with or without `PK\7\8` in front. Nothing says which of the four shapes it has.

use super::fields::{Fields, index, wide};
use crate::format::{Input, ReadFault};
use crate::span::Span;
use std::borrow::Cow;

/// `PK\3\4`.
pub(super) const SIGNATURE: &[u8] = b"PK\x03\x04";
/// The header without its variable parts.
pub(super) const LENGTH: u64 = 30;
/// `PK\7\8`.
pub(super) const DESCRIPTOR: &[u8] = b"PK\x07\x08";
/// The longest data descriptor.
pub(super) const LONGEST_DESCRIPTOR: u64 = 24;
/// Headers that stand this close are read together.
const WINDOW: u64 = 64 << 10;
/// Windows are read only from artifacts up to this length, so that they cannot use up `--max-structure`.
const WINDOWED: u64 = 128 << 20;
/// Room for a name and extra fields in a read of one header alone.
const ALONE: u64 = 512;

/// One local header.
#[derive(Clone, Debug)]
pub(super) struct Local {
    /// Its offset in the artifact.
    pub(super) at: u64,
    pub(super) needed: u16,
    pub(super) flags: u16,
    pub(super) method: u16,
    /// DOS date and time, the date in the upper half.
    pub(super) time: u32,
    pub(super) crc: u32,
    /// Compressed bytes, as in the header.
    pub(super) compressed: u64,
    /// Uncompressed bytes, as in the header.
    pub(super) size: u64,
    /// The raw name.
    pub(super) name: Box<[u8]>,
    /// The raw extra fields.
    pub(super) extra: Box<[u8]>,
}

impl Local {
    /// Where the name stands.
    pub(super) fn name_span(&self) -> Span {
        Span::saturating_at(self.at.saturating_add(LENGTH), wide(self.name.len()))
    }

    /// Where the data begins.
    pub(super) fn data(&self) -> u64 {
        self.name_span().end().saturating_add(wide(self.extra.len()))
    }

    /// Whether a data descriptor follows the data.
    pub(super) fn deferred(&self) -> bool {
        self.flags & 8 != 0
    }

    /// Whether its fields are such as writers write.
    pub(super) fn is_plausible(&self) -> bool {
        plausible(self.needed, self.flags, self.method) && !self.name.is_empty()
    }
}

fn plausible(needed: u16, flags: u16, method: u16) -> bool {
    needed & 0xff <= 63 && flags & 0xd000 == 0 && (method <= 20 || (93..=99).contains(&method))
}

/// Whether `bytes` begin with a plausible local header whose data, if their length is told, fit into `length` bytes.
pub(super) fn is_header(bytes: &[u8], length: u64) -> bool {
    let Some(head) = bytes.get(..index(LENGTH)).filter(|b| b.starts_with(SIGNATURE)) else {
        return false;
    };
    let f = Fields(head);
    let told = if f.u32(18) == u32::MAX { 0 } else { u64::from(f.u32(18)) };
    let (name, extra) = (f.u16(26), f.u16(28));
    let end = LENGTH
        .saturating_add(name.into())
        .saturating_add(extra.into())
        .saturating_add(told);
    plausible(f.u16(4), f.u16(6), f.u16(8)) && name > 0 && end <= length
}

/// Reads headers in ascending order; those that stand close together share a read.
pub(super) struct Reader<'i, 'a> {
    pub(super) input: &'i Input<'a>,
    window: Cow<'a, [u8]>,
    start: u64,
}

impl<'i, 'a> Reader<'i, 'a> {
    pub(super) fn new(input: &'i Input<'a>) -> Self {
        Self {
            input,
            window: Cow::Borrowed(&[]),
            start: 0,
        }
    }

    /// How far a read at `at` should go, when `dense` headers and descriptors stand in the following 64 KiB.
    pub(super) fn ahead(&self, dense: bool) -> u64 {
        if dense && self.input.len() <= WINDOWED {
            WINDOW
        } else {
            ALONE
        }
    }

    /// The bytes at `at`, at most `length`, fewer only at the end of the artifact.
    pub(super) fn bytes(&mut self, at: u64, length: u64, ahead: u64) -> Result<&[u8], ReadFault> {
        let have = Span::saturating_at(self.start, wide(self.window.len()));
        let wanted = Span::saturating_at(at, length).intersect(self.input.whole());
        if !have.encloses(wanted) {
            self.window = self.input.read_up_to(at, length.max(ahead))?;
            self.start = at;
        }
        let from = index(wanted.start().saturating_sub(self.start));
        let to = from.saturating_add(index(wanted.len()));
        Ok(self.window.get(from..to).unwrap_or_default())
    }

    /// The header at `at`; `Ok(None)` when there is none.
    pub(super) fn header(&mut self, at: u64, ahead: u64) -> Result<Option<Local>, ReadFault> {
        let head = self.bytes(at, LENGTH, ahead)?;
        if head.len() < index(LENGTH) || !head.starts_with(SIGNATURE) {
            return Ok(None);
        }
        let f = Fields(head);
        let (name, extra) = (usize::from(f.u16(26)), usize::from(f.u16(28)));
        let mut local = Local {
            at,
            needed: f.u16(4),
            flags: f.u16(6),
            method: f.u16(8),
            time: f.u32(10),
            crc: f.u32(14),
            compressed: f.u32(18).into(),
            size: f.u32(22).into(),
            name: Box::default(),
            extra: Box::default(),
        };
        let rest = self.bytes(at.saturating_add(LENGTH), wide(name.saturating_add(extra)), 0)?;
        let wanted = wide(name.saturating_add(extra));
        if wide(rest.len()) < wanted {
            let length = self.input.len();
            return Err(ReadFault::PastEnd {
                offset: at.saturating_add(LENGTH),
                wanted,
                length,
            });
        }
        let (name, extra) = rest.split_at_checked(name).unwrap_or_default();
        (local.name, local.extra) = (name.into(), extra.into());
        Ok(Some(local))
    }
}

/// What a data descriptor says, and how long it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Descriptor {
    pub(super) length: u64,
    pub(super) crc: u32,
    pub(super) compressed: u64,
    pub(super) size: u64,
}

/// The four shapes: with a signature or without, sizes of 4 or 8 bytes.
fn shapes(bytes: &[u8]) -> impl Iterator<Item = Descriptor> + '_ {
    [(true, false), (true, true), (false, false), (false, true)]
        .into_iter()
        .filter_map(move |(signed, long)| {
            let body = if signed { bytes.strip_prefix(DESCRIPTOR)? } else { bytes };
            let (length, f) = (if long { 20usize } else { 12 }, Fields(body));
            if body.len() < length {
                return None;
            }
            let (compressed, size) = if long {
                (f.u64(4), f.u64(12))
            } else {
                (f.u32(4).into(), f.u32(8).into())
            };
            let length = wide(length).saturating_add(if signed { 4 } else { 0 });
            Some(Descriptor {
                length,
                crc: f.u32(0),
                compressed,
                size,
            })
        })
}

/// The descriptor at the start of `bytes`, with `room` bytes up to the next thing: one that says what is `expected`,
/// else one with a signature, else one that fits exactly.
pub(super) fn descriptor(bytes: &[u8], room: u64, expected: (u32, u64, u64)) -> Option<Descriptor> {
    let (crc, compressed, size) = expected;
    let agrees = |d: &Descriptor| d.crc == crc && d.compressed == compressed && d.size == size;
    let fits = |d: &Descriptor| d.length == room;
    shapes(bytes)
        .find(|d| agrees(d) && fits(d))
        .or_else(|| shapes(bytes).find(|d| agrees(d) && d.length <= room))
        .or_else(|| shapes(bytes).find(fits))
        .or_else(|| shapes(bytes).find(|_| bytes.starts_with(DESCRIPTOR)))
}

/// The signed descriptor in `bytes`, which stand `before` bytes behind the start of a member's data: the first whose
/// compressed size is its own distance from that start. With it comes that size.
pub(super) fn find_descriptor(bytes: &[u8], before: u64) -> Option<(u64, Descriptor)> {
    memchr::memmem::find_iter(bytes, DESCRIPTOR).find_map(|at| {
        let rest = bytes.get(at..).unwrap_or_default();
        let length = before.saturating_add(wide(at));
        shapes(rest)
            .take(2)
            .find(|d| d.compressed == length)
            .map(|d| (length, d))
    })
}

//! The central directory: what a seeking reader believes about every member (APPNOTE 4.3.12).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `PK\1\2` |
//! | 4 | 2 + 2 | version made by (host system in the upper byte), version needed |
//! | 8 | 2 + 2 | flags, compression method |
//! | 12 | 2 + 2 | DOS time and date |
//! | 16 | 4 + 4 + 4 | CRC-32, compressed size, uncompressed size |
//! | 28 | 2 + 2 + 2 | lengths of name, extra field, comment |
//! | 34 | 2 + 2 + 4 | disk, internal attributes, external attributes (Unix mode in the upper half) |
//! | 42 | 4 | offset of the local header |
//! | 46 | .. | name, extra field, comment |
//!
//! Sizes, offset and disk that are all ones stand in the ZIP64 extra field. Records follow each other without a gap;
//! a digital signature (`PK\5\5`, 4.3.13) may follow the last.

use super::extra::{self, Extras};
use super::fields::{Fields, index, wide};
use crate::fact::Fact;
use crate::finding::{ErrorCode, ScanError};
use crate::format::Parse;
use crate::ledger::{Region, RegionId, Role};
use crate::name::printable;
use crate::span::Span;

/// `PK\1\2`.
pub(super) const SIGNATURE: &[u8] = b"PK\x01\x02";
/// The record without its variable parts.
pub(super) const LENGTH: u64 = 46;
const DIGITAL_SIGNATURE: &[u8] = b"PK\x05\x05";
/// Signatures from which a chain of records is tried.
const CHAINS: usize = 64;

/// One record.
#[derive(Clone, Debug, Default)]
pub(super) struct Central {
    /// The raw name.
    pub(super) name: Box<[u8]>,
    /// Where the name stands.
    pub(super) name_at: u64,
    pub(super) flags: u16,
    pub(super) method: u16,
    /// DOS date and time, the date in the upper half.
    pub(super) time: u32,
    pub(super) crc: u32,
    /// Compressed bytes.
    pub(super) compressed: u64,
    /// Uncompressed bytes.
    pub(super) size: u64,
    pub(super) external: u32,
    /// The local header's offset, counted from the archive's start.
    pub(super) offset: u64,
    /// What the extra field says.
    pub(super) extras: Extras,
}

impl Central {
    /// Where the name stands.
    pub(super) fn name_span(&self) -> Span {
        Span::saturating_at(self.name_at, wide(self.name.len()))
    }

    /// The file type bits of the Unix mode. They count whatever system the record names: some extractors never ask.
    pub(super) fn file_type(&self) -> u32 {
        (self.external >> 16) & 0o170_000
    }
}

/// The lengths of a record's fixed part and its three variable ones; `None` when no record stands at the start.
fn parts(bytes: &[u8]) -> Option<[usize; 4]> {
    let f = Fields(bytes.get(..index(LENGTH)).filter(|b| b.starts_with(SIGNATURE))?);
    Some([index(LENGTH), f.u16(28).into(), f.u16(30).into(), f.u16(32).into()])
}

/// How many bytes the record at the start of `bytes` has; `None` when there is none or it is cut off.
fn record_length(bytes: &[u8]) -> Option<usize> {
    let length = parts(bytes)?.iter().fold(0usize, |n, p| n.saturating_add(*p));
    (length <= bytes.len()).then_some(length)
}

/// The lowest local offset that the records of `bytes` state, ZIP64 offsets aside.
pub(super) fn lowest_offset(mut bytes: &[u8]) -> Option<u64> {
    let mut lowest = None;
    while let Some(length) = record_length(bytes) {
        let offset = Fields(bytes).u32(42);
        if offset != u32::MAX && lowest.is_none_or(|l| offset < l) {
            lowest = Some(offset);
        }
        bytes = bytes.get(length..).unwrap_or_default();
    }
    lowest.map(u64::from)
}

/// Whether some record in `bytes` begins a chain of records that leads exactly to their end.
pub(super) fn chain_leads_to_end(bytes: &[u8]) -> bool {
    memchr::memmem::find_iter(bytes, SIGNATURE).take(CHAINS).any(|at| {
        let rest = bytes.get(at..).unwrap_or_default();
        chain_length(rest) == rest.len()
    })
}

/// How many bytes of records `bytes` begin with.
pub(super) fn chain_length(bytes: &[u8]) -> usize {
    let mut rest = bytes;
    while let Some(length) = record_length(rest) {
        rest = rest.get(length..).unwrap_or_default();
    }
    bytes.len().saturating_sub(rest.len())
}

/// The records of `bytes`, which stand at `at`, claimed; and the offset after the last.
pub(super) fn records(bytes: &[u8], at: u64, out: &mut Parse) -> (Vec<Central>, u64) {
    let mut all = Vec::new();
    let (mut rest, mut position) = (bytes, at);
    let span = Span::saturating_at(at, wide(bytes.len()));
    let directory = out.parent(span, Role::Table, "central directory");
    while let Some([fixed, name, extra, _]) = parts(rest) {
        let Some(length) = record_length(rest) else { break };
        let (record, more) = rest.split_at_checked(length).unwrap_or_default();
        let (head, tail) = record.split_at_checked(fixed).unwrap_or_default();
        let (name, tail) = tail.split_at_checked(name).unwrap_or_default();
        let (extra, comment) = tail.split_at_checked(extra).unwrap_or_default();
        all.push(one(head, name, extra, comment, position, directory, out));
        position = position.saturating_add(wide(length));
        rest = more;
    }
    if rest.starts_with(DIGITAL_SIGNATURE) && rest.len() >= 6 {
        let length = u64::from(Fields(rest).u16(4)).saturating_add(6).min(wide(rest.len()));
        let span = Span::saturating_at(position, length);
        leaf(out, span, Role::Signature, "digital signature".into(), directory);
        position = span.end();
        rest = rest.get(index(length)..).unwrap_or_default();
    }
    if rest.starts_with(b"PK\x06\x08") {
        let message = "the central directory is encrypted or compressed, which is not read";
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(position));
    }
    (all, position)
}

fn one(
    head: &[u8],
    name: &[u8],
    extra: &[u8],
    comment: &[u8],
    at: u64,
    directory: RegionId,
    out: &mut Parse,
) -> Central {
    let f = Fields(head);
    let label = printable(name);
    let name_at = at.saturating_add(LENGTH);
    let extra_at = name_at.saturating_add(wide(name.len()));
    leaf(
        out,
        Span::new(at, extra_at),
        Role::Table,
        format!("central record {label}"),
        directory,
    );
    let extras = extra::read(extra, extra_at, &label, name, Some(directory), out);
    let comment_span = Span::saturating_at(extra_at.saturating_add(wide(extra.len())), wide(comment.len()));
    if !comment.is_empty() {
        leaf(
            out,
            comment_span,
            Role::Metadata,
            format!("comment of {label}"),
            directory,
        );
        comment_name(comment, comment_span, out);
    }
    let mut record = Central {
        name: name.into(),
        name_at,
        flags: f.u16(8),
        method: f.u16(10),
        time: f.u32(12),
        crc: f.u32(16),
        compressed: f.u32(20).into(),
        size: f.u32(24).into(),
        external: f.u32(38),
        offset: f.u32(42).into(),
        extras,
    };
    let span = Span::new(at, extra_at);
    widen(&mut record, f.u16(34), span, out);
    record
}

/// Takes from the ZIP64 extra field what the record's own fields leave to it (4.5.3).
fn widen(record: &mut Central, disk: u16, span: Span, out: &mut Parse) {
    const FULL: u64 = 0xffff_ffff;
    let mut wide = record.extras.zip64.clone().unwrap_or_default().into_iter();
    let mut missing = false;
    for field in [&mut record.size, &mut record.compressed, &mut record.offset] {
        if *field == FULL {
            match wide.next() {
                Some(value) => *field = value,
                None => missing = true,
            }
        }
    }
    if missing {
        out.malformed(
            span,
            "zip: a field of all ones has no value in a ZIP64 extra field (4.5.3)",
        );
    }
    if disk != 0 && disk != u16::MAX {
        let message = "a member stands on another disk of a split archive";
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(span.start()));
    }
}

/// States a comment as a name when it holds what people should not be shown.
pub(super) fn comment_name(comment: &[u8], span: Span, out: &mut Parse) {
    let plain = |b: &u8| *b >= 0x20 && *b != 0x7f || matches!(*b, b'\r' | b'\n' | b'\t');
    if comment.iter().all(plain) {
        return;
    }
    let raw = comment.get(..4096).unwrap_or(comment).into();
    out.fact(Fact::Name {
        what: "comment",
        raw,
        length: wide(comment.len()),
        span,
    });
}

fn leaf(out: &mut Parse, span: Span, role: Role, name: String, parent: RegionId) {
    out.region(Region {
        span,
        role,
        name: name.into(),
        parent: Some(parent),
        leaf: true,
        fill: None,
        shares: None,
    });
}

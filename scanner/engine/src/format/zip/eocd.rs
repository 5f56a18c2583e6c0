//! The end of central directory, found from the file's tail (APPNOTE 4.3.14 to 4.3.16).
//!
//! | record | offset | size | field |
//! | --- | --- | --- | --- |
//! | end `PK\5\6` | 4 | 2 + 2 | this disk, disk of the directory |
//! | | 8 | 2 + 2 | entries on this disk, entries |
//! | | 12 | 4 + 4 | directory size, directory offset |
//! | | 20 | 2 | comment length, the comment follows |
//! | ZIP64 locator `PK\6\7` | 4 | 4 | disk of the ZIP64 end record |
//! | | 8 | 8 | its offset |
//! | | 16 | 4 | number of disks |
//! | ZIP64 end `PK\6\6` | 4 | 8 | size of the rest of the record |
//! | | 12 | 2 + 2 | version made by, version needed |
//! | | 16 | 4 + 4 | this disk, disk of the directory |
//! | | 24 | 8 + 8 | entries on this disk, entries |
//! | | 40 | 8 + 8 | directory size, directory offset |
//!
//! Nothing forbids that the signature stands elsewhere in the tail, and readers choose differently. A candidate counts
//! only when central records stand where it says; of those, the last that ends at the end of the file wins.

use super::central;
use super::fields::{Fields, index, wide};
use crate::span::Span;
use std::borrow::Cow;

/// `PK\5\6`.
pub(super) const SIGNATURE: &[u8] = b"PK\x05\x06";
/// The record without its comment.
pub(super) const LENGTH: u64 = 22;
const LOCATOR: &[u8] = b"PK\x06\x07";
const LOCATOR_LENGTH: u64 = 20;
/// `PK\6\6`.
pub(super) const WIDE: &[u8] = b"PK\x06\x06";
const WIDE_LENGTH: u64 = 56;
/// Candidates that are tried; a tail holds no more in any honest file.
const MOST: usize = 1024;

/// Bytes at an offset of the artifact, as many as asked for, or `None` when they cannot be seen.
pub(super) type Look<'l, 'b> = dyn Fn(u64, u64) -> Option<Cow<'b, [u8]>> + 'l;

/// A consistent end of central directory.
#[derive(Clone, Debug)]
pub(super) struct End {
    /// The end record.
    pub(super) span: Span,
    /// The archive comment.
    pub(super) comment: Span,
    /// The ZIP64 end record and its locator.
    pub(super) wide: Option<(Span, Span)>,
    /// The place of the central directory, up to the first end record.
    pub(super) directory: Span,
    /// What must be added to the archive's offsets to get the artifact's.
    pub(super) base: i128,
    /// The number of entries stated.
    pub(super) entries: u64,
    /// The directory size stated.
    pub(super) size: u64,
    /// A second place where a directory stands, which readers that count from the other end take.
    pub(super) second: Option<u64>,
    /// The first of the numbers that the plain and the ZIP64 record both state, and state differently.
    pub(super) differs: Option<&'static str>,
    /// Whether it names a disk other than the first.
    pub(super) split: bool,
}

impl End {
    /// The offset after the comment.
    pub(super) fn end(&self) -> u64 {
        self.comment.end()
    }
}

/// What a search found.
#[derive(Default)]
pub(super) struct Search {
    /// The winner.
    pub(super) end: Option<End>,
    /// Other consistent candidates.
    pub(super) others: Vec<End>,
    /// Whether there were more candidates than are tried.
    pub(super) flooded: bool,
}

/// Tries every signature in `tail`, which stands at `tail_offset` of an artifact of `length` bytes, last first.
pub(super) fn search(tail: &[u8], tail_offset: u64, length: u64, look: &Look<'_, '_>) -> Search {
    let mut found = Search::default();
    let mut valid: Vec<End> = Vec::new();
    for (tried, at) in places(tail).enumerate() {
        if tried == MOST {
            found.flooded = true;
            break;
        }
        let record = tail.get(at..).unwrap_or_default();
        if let Some(end) = candidate(record, tail_offset.saturating_add(wide(at)), length, look) {
            valid.push(end);
        }
    }
    let winner = valid.iter().position(|e| e.end() == length).unwrap_or(0);
    if winner < valid.len() {
        found.end = Some(valid.remove(winner));
    }
    found.others = valid;
    found
}

/// Where the signature stands in `tail`, the last place first. Its last two bytes are rarer than its letters.
pub(super) fn places(tail: &[u8]) -> impl Iterator<Item = usize> + '_ {
    let ends = memchr::memrchr_iter(6, tail);
    ends.filter_map(|at| at.checked_sub(3))
        .filter(|at| tail.get(*at..).is_some_and(|rest| rest.starts_with(SIGNATURE)))
}

/// The end record in `record`, which stands at `at`, when the rest of the artifact agrees with it.
pub(super) fn candidate(record: &[u8], at: u64, length: u64, look: &Look<'_, '_>) -> Option<End> {
    let f = Fields(record.get(..index(LENGTH))?);
    let span = Span::at(at, LENGTH)?;
    let comment = Span::at(span.end(), u64::from(f.u16(20)))?;
    if !record.starts_with(SIGNATURE) || comment.end() > length {
        return None;
    }
    let mut split = ![0, u16::MAX].contains(&f.u16(4)) || ![0, u16::MAX].contains(&f.u16(6));
    let mut entries = u64::from(f.u16(10));
    let (mut size, mut offset) = (u64::from(f.u32(12)), u64::from(f.u32(16)));
    let mut differs = None;
    let wide = wide_record(at, look);
    if let Some((span, locator, bytes)) = &wide {
        let w = Fields(bytes);
        let locator = Fields(locator);
        split |= w.u32(16) != 0 || w.u32(20) != 0 || locator.u32(4) != 0 || locator.u32(16) > 1;
        for (what, narrow, full, sentinel) in [
            ("entries", &mut entries, w.u64(32), u64::from(u16::MAX)),
            ("directory size", &mut size, w.u64(40), u64::from(u32::MAX)),
            ("directory offset", &mut offset, w.u64(48), u64::from(u32::MAX)),
        ] {
            if *narrow != sentinel && *narrow != full && differs.is_none() {
                differs = Some(what);
            }
            *narrow = full;
        }
        if located(locator.u64(8), *span, look) {
            differs = differs.or(Some("offset of the ZIP64 end record"));
        }
    }
    let limit = wide.as_ref().map_or(at, |(span, ..)| span.start());
    let place = directory(size, offset, limit, entries, look)?;
    Some(End {
        span,
        comment,
        wide: wide.map(|(record, ..)| (record, Span::new(at.saturating_sub(LOCATOR_LENGTH), at))),
        directory: Span::new(place.start, limit),
        base: i128::from(place.start).saturating_sub(i128::from(offset)),
        entries,
        size,
        second: place.second,
        differs,
        split,
    })
}

type WideRecord<'b> = (Span, Cow<'b, [u8]>, Cow<'b, [u8]>);

/// The ZIP64 end record that the locator before `at` leads to, the locator and the record's bytes. The record stands
/// directly before the locator in every archive known; only when it does not, its stated offset is believed.
fn wide_record<'b>(at: u64, look: &Look<'_, 'b>) -> Option<WideRecord<'b>> {
    let locator_at = at.checked_sub(LOCATOR_LENGTH)?;
    let locator = look(locator_at, LOCATOR_LENGTH).filter(|b| b.starts_with(LOCATOR))?;
    let stated = Fields(&locator).u64(8);
    for start in [locator_at.checked_sub(WIDE_LENGTH), Some(stated)]
        .into_iter()
        .flatten()
    {
        let Some(bytes) = look(start, WIDE_LENGTH).filter(|b| b.starts_with(WIDE)) else {
            continue;
        };
        let span = Span::at(start, Fields(&bytes).u64(4).checked_add(12)?)?;
        if span.end() == locator_at && span.len() >= WIDE_LENGTH {
            return Some((span, locator, bytes));
        }
    }
    None
}

/// Whether the locator's stated offset leads to another ZIP64 end record than the one before the locator.
fn located(stated: u64, record: Span, look: &Look<'_, '_>) -> bool {
    stated != record.start() && look(stated, WIDE_LENGTH).is_some_and(|b| b.starts_with(WIDE))
}

struct Place {
    start: u64,
    second: Option<u64>,
}

/// Where the directory of `size` bytes stands that ends at `limit` or starts at `offset`. Readers count from one or
/// the other; both are told when both hold records.
fn directory(size: u64, offset: u64, limit: u64, entries: u64, look: &Look<'_, '_>) -> Option<Place> {
    let from_end = limit.checked_sub(size);
    if size == 0 {
        return (entries == 0).then_some(Place {
            start: limit,
            second: None,
        });
    }
    let holds = |start: u64| {
        let enough = start.checked_add(size).is_some_and(|end| end <= limit) && size >= central::LENGTH;
        enough && look(start, 4).is_some_and(|b| *b == *central::SIGNATURE)
    };
    let first = from_end.filter(|start| holds(*start));
    let second = Some(offset).filter(|start| holds(*start) && first != Some(*start));
    match (first, second) {
        (Some(start), second) => Some(Place { start, second }),
        (None, Some(start)) => Some(Place { start, second: None }),
        (None, None) => None,
    }
}

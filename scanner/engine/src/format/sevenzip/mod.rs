//! 7z archives (7zFormat.txt of the 7-Zip sources, "DOC/7zFormat.txt").
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 6 | `37 7a bc af 27 1c` |
//! | 6 | 2 | version: 0, 0..4 |
//! | 8 | 4 | CRC-32 of the next 20 bytes, little-endian |
//! | 12 | 8 | offset of the header, from 32 on |
//! | 20 | 8 | size of the header |
//! | 28 | 4 | CRC-32 of the header |
//! | 32 | .. | packed streams, one or more for each folder; then the header, plain or packed itself |
//!
//! A folder is a chain of coders over its packed streams; its output is the members' content one after the other. A
//! folder of one member is decoded as that member, one of several as an artifact of which they are slices: it is
//! decoded once, and nothing grows with the number of members. Coders that this build does not have, and encryption,
//! are errors.

mod coders;
mod folder;
mod header;
mod number;
#[cfg(test)]
mod tests;

use self::folder::Stored;
use self::header::{File, Folder, Header, Streams};
use super::{Format, Input, Parse, ReadFault};
use crate::fact::{Entry, EntryKind, Fact};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use std::borrow::Cow;

const MAGIC: &[u8] = b"7z\xbc\xaf\x27\x1c";
/// The length of the signature header: offsets in the archive count from here.
const START: u64 = 32;
/// The most bytes of a header, packed or not.
const MOST_HEADER: u64 = 64 << 20;

/// A 7z archive.
pub(super) struct SevenZip;

impl Format for SevenZip {
    fn id(&self) -> &'static str {
        "7z"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        (probe.head.starts_with(MAGIC) && probe.head.get(6) == Some(&0)).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = archive(input, out) {
            out.fault(&fault, "the archive");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["7z", "cb7"]
    }
}

/// A `header-mismatch` of checksums.
fn check(out: &mut Parse, span: Span, stated: u32, bytes: &[u8], what: &str) {
    let actual = crc32fast::hash(bytes);
    if stated != actual {
        let message = format!("{what} has CRC-32 {actual:08x}, the archive says {stated:08x}");
        out.finding(Finding::new(code::HEADER_MISMATCH, span, message).case("crc").key(what));
    }
}

fn archive(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let start = input.read(Span::new(0, START))?;
    out.leaf(Span::new(0, START), Role::Header, "signature header");
    let word = |at: usize| {
        start
            .get(at..)
            .and_then(|rest| rest.first_chunk::<4>())
            .map_or(0, |w| u32::from_le_bytes(*w))
    };
    let long = |at: usize| {
        start
            .get(at..)
            .and_then(|rest| rest.first_chunk::<8>())
            .map_or(0, |w| u64::from_le_bytes(*w))
    };
    check(
        out,
        Span::new(8, 32),
        word(8),
        start.get(12..32).unwrap_or_default(),
        "the start header",
    );
    let (offset, size) = (long(12), long(20));
    let place = Span::saturating_at(offset.saturating_add(START), size);
    if size == 0 {
        if input.len() > START {
            out.malformed(
                Span::new(12, 28),
                "7z: there is no header, and more than the signature header",
            );
        }
        return Ok(());
    }
    if place.end() > input.len() || place.end() < place.start() {
        unread(out, Span::new(START, input.len()));
        return Err(ReadFault::PastEnd {
            offset: place.start(),
            wanted: size,
            length: input.len(),
        });
    }
    if size > MOST_HEADER {
        unread(out, Span::new(START, place.end()));
        let message = format!("a header of {size} bytes, {MOST_HEADER} is the most that is read");
        out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(place.start()));
        return Ok(());
    }
    let bytes = input.read(place)?;
    out.leaf(place, Role::Table, "header");
    check(out, place, word(28), &bytes, "the header");
    let Some(bytes) = plain(input, out, bytes, place)? else {
        unread(out, Span::new(START, place.start()));
        return Ok(());
    };
    match header::header(&bytes) {
        Some(header) => members(input, out, &header, place),
        None => {
            out.malformed(place, "7z: the header is not one (7zFormat.txt, Header)");
            unread(out, Span::new(START, place.start()));
        }
    }
    Ok(())
}

/// Content that could not be reached: claimed, and the verdict is incomplete.
fn unread(out: &mut Parse, span: Span) {
    if !span.is_empty() {
        out.leaf(span, Role::Payload, "packed streams, not read");
    }
    let message = "the archive's content could not be read";
    out.error(ScanError::new(ErrorCode::Unreadable, message).at(span.start()));
}

/// The header itself, unpacked where it is packed; `None` when that fails, and why was said.
fn plain<'a>(
    input: &Input<'a>,
    out: &mut Parse,
    mut bytes: Cow<'a, [u8]>,
    place: Span,
) -> Result<Option<Cow<'a, [u8]>>, ReadFault> {
    // A packed header may be packed again; nobody does it twice.
    for _ in 0..4 {
        if bytes.first() != Some(&header::ENCODED_HEADER) {
            return Ok(Some(bytes));
        }
        let streams = header::encoded(&bytes).filter(|streams| streams.folders.len() == 1);
        let Some(folder) = streams.as_ref().and_then(|streams| streams.folders.first()) else {
            out.malformed(
                place,
                "7z: the packed header is not one folder (7zFormat.txt, HeaderInfo)",
            );
            return Ok(None);
        };
        if folder.encrypted() {
            encrypted(out, place, "the header");
            return Ok(None);
        }
        let span = folder.span(START).intersect(input.whole());
        if folder.span(START).end() > input.len() || folder.packed_size() > MOST_HEADER || folder.size() > MOST_HEADER {
            out.malformed(place, "7z: the packed header lies past the end or is too large");
            return Ok(None);
        }
        let packed = input.read(span)?;
        out.leaf(span, Role::Table, "header, packed");
        let mut made = Vec::new();
        let outcome = coders::unpack(folder, &mut &*packed, &mut made);
        if let Err(stop) = outcome {
            stop.tell(out, span, "the header");
            return Ok(None);
        }
        if let Some(stated) = folder.crc {
            check(out, span, stated, &made, "the packed header");
        }
        bytes = Cow::Owned(made);
    }
    out.malformed(place, "7z: the header is packed again and again");
    Ok(None)
}

fn encrypted(out: &mut Parse, span: Span, what: &str) {
    let message = format!("{what} is encrypted (AES-256)");
    out.finding(Finding::new(code::ENCRYPTED_ENTRY, span, message.clone()).key(what));
    out.error(ScanError::new(ErrorCode::Encrypted, message).at(span.start()));
}

/// States the members and hands their content on.
fn members(input: &Input<'_>, out: &mut Parse, header: &Header, place: Span) {
    let Header { streams, files } = header;
    let with_data: Vec<&File> = files.iter().filter(|file| file.has_stream).collect();
    let sum: u64 = streams
        .folders
        .iter()
        .map(|folder| u64::try_from(folder.parts.len()).unwrap_or(0))
        .sum();
    if sum != u64::try_from(with_data.len()).unwrap_or(0) {
        let rule = "7z: the members with content are not as many as the streams (7zFormat.txt, FilesInfo)";
        out.malformed(place, rule);
    }
    for file in files {
        let linked = file.is_link() && file.has_stream;
        // A link's target is its content: it is stated with the content.
        if !linked {
            out.fact(Fact::Entry(Entry {
                name: file.name.as_slice().into(),
                span: place,
                kind: if file.directory {
                    EntryKind::Directory
                } else {
                    EntryKind::File
                },
                content: None,
            }));
        }
    }
    let mut next = with_data.into_iter();
    for (number, folder) in (1u64..).zip(&streams.folders) {
        let files: Vec<Option<&File>> = folder.parts.iter().map(|_| next.next()).collect();
        content(input, out, folder, &files, number, place);
    }
    unlisted(input, out, streams, place);
}

fn content(input: &Input<'_>, out: &mut Parse, folder: &Folder, files: &[Option<&File>], number: u64, place: Span) {
    let span = folder.span(START);
    let name = format!("folder {number}");
    if span.end() > input.len() || span.start() < START || span.overlaps(place) {
        out.malformed(place, "7z: packed streams lie past the end or in the header");
        let message = format!("{name} could not be read");
        out.error(ScanError::new(ErrorCode::Unreadable, message).at(place.start()));
        return;
    }
    if folder.encrypted() {
        encrypted(out, span, &name);
        out.leaf(span, Role::Payload, format!("{name}, encrypted"));
        return;
    }
    if let Some(missing) = folder.unsupported() {
        let message = format!("{name} is packed with {missing}, which this build does not decode");
        out.error(ScanError::new(ErrorCode::Unsupported, message).at(span.start()));
        out.leaf(span, Role::Payload, format!("{name}, not decoded"));
        return;
    }
    let stored = Stored::new(folder.clone(), span, &name, files);
    let child = stored.child_name();
    out.decoded(span, child, Box::new(stored), true);
}

/// Packed streams that no folder uses.
fn unlisted(input: &Input<'_>, out: &mut Parse, streams: &Streams, place: Span) {
    for span in &streams.unused {
        let span = span.intersect(input.whole());
        if !span.is_empty() {
            out.malformed(place, "7z: a packed stream belongs to no folder");
        }
    }
}

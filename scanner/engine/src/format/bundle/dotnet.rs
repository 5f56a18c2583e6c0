//! .NET single-file programs: assemblies behind the host executable.
//!
//! The host holds the offset of the bundle's header in the eight bytes before a marker of 32 bytes, the SHA-256 of
//! `.net core bundle`. The header is the last thing in the bundle:
//!
//! | size | field, little-endian |
//! | --- | --- |
//! | 4, 4 | version: 1, 2 or 6, and 0 |
//! | 4 | number of files |
//! | text | id of the bundle |
//! | 16, 16, 8 | since 2: offset and length of `deps.json` and `runtimeconfig.json`, flags |
//! | 8, 8, [8], 1, text each | offset, length, since 6 the deflated length or 0, type, path |
//!
//! Offsets count from the start of the host; a text is its length in groups of 7 bits, then UTF-8. Types: 1 assembly, 2
//! native library, 3 `deps.json`, 4 `runtimeconfig.json`, 5 symbols. Files are aligned with zeros. Paths are where the
//! host writes files that must be on disk, and are judged as an archive's.
//!
//! Specification: .NET runtime, `Microsoft.NET.HostModel/Bundle` and `corehost/bundle`.

use super::inflate::{Frame, Inflate};
use super::{LONGEST_NAME, MOST_MEMBERS, again, bundle};
use crate::fact::{Entry, EntryKind, Fact};
use crate::finding::{Finding, code};
use crate::format::{Cursor, Input, Parse, ReadFault};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use std::collections::BTreeSet;

const MARKER: [u8; 32] = [
    0x8b, 0x12, 0x02, 0xb9, 0x6a, 0x61, 0x20, 0x38, 0x72, 0x7b, 0x93, 0x02, 0x14, 0xd7, 0xa0, 0x32, 0x13, 0xf5, 0xb9,
    0xe6, 0xef, 0xae, 0x33, 0x18, 0xee, 0x3b, 0x2d, 0xce, 0x24, 0xb3, 0x6a, 0xae,
];
/// How far into a host the marker is looked for.
const LONGEST_HOST: u64 = 96 << 20;

/// A file of the bundle.
struct File {
    span: Span,
    /// Its length when it is deflated.
    inflated: Option<u64>,
    path: Vec<u8>,
    place: Span,
}

/// Whether bytes end like a bundle's header does: with a path behind its length and a known type.
pub(super) fn ends_like_one(tail: &[u8]) -> bool {
    let tail = match tail.iter().rposition(|b| *b != 0) {
        // A signature is aligned to 16 bytes.
        Some(last) if tail.len().saturating_sub(last) <= 16 => tail.get(..=last).unwrap_or_default(),
        _ => return false,
    };
    (1..=127u8).any(|length| {
        let Some(at) = tail.len().checked_sub(usize::from(length)) else {
            return false;
        };
        let (before, path) = tail.split_at(at);
        let text = std::str::from_utf8(path).is_ok_and(|p| !p.contains(char::is_control));
        matches!(before, [.., kind, stated] if *kind <= 5 && *stated == length) && text
    })
}

/// Claims a bundle that ends at the end of `gap`; where its first file starts.
pub(super) fn claim(input: &Input<'_>, gap: Span, out: &mut Parse) -> Result<Option<u64>, ReadFault> {
    let Some((marker, header)) = marker(input, gap)? else {
        return Ok(None);
    };
    if header < gap.start() || header >= gap.end() {
        if header != 0 {
            let rule = "dotnet: the header of the bundle does not lie behind the host (bundle_marker_t)";
            out.malformed(marker, rule);
        }
        return Ok(None);
    }
    let place = Span::new(header, gap.end());
    let mut cursor = Cursor::new(input, place);
    let mut files = Vec::new();
    let read = manifest(&mut cursor, place, &mut files, out);
    let end = cursor.position();
    out.leaf(Span::new(header, end), Role::Table, "bundle header");
    let first = files.iter().map(|f| f.span.start()).min().unwrap_or(header);
    let room = Span::new(gap.start(), header);
    contents(&files, room, out);
    let entry: Vec<String> = files
        .iter()
        .filter(|f| f.path.ends_with(b".runtimeconfig.json"))
        .filter_map(|f| f.path.strip_suffix(b".runtimeconfig.json"))
        .map(|stem| format!("{}.dll", printable(stem)))
        .collect();
    let members = u64::try_from(files.len()).unwrap_or(u64::MAX);
    bundle("dotnet", &entry, members, Vec::new(), Span::new(header, end), out);
    read.map(|()| Some(first.max(gap.start())))
}

/// Where the marker stands, and the offset before it.
fn marker(input: &Input<'_>, gap: Span) -> Result<Option<(Span, u64)>, ReadFault> {
    const CHUNK: u64 = 1 << 20;
    const OVERLAP: u64 = 40;
    let end = gap.start().min(LONGEST_HOST);
    let mut at = 0u64;
    while at < end {
        let from = at.saturating_sub(OVERLAP);
        let bytes = input.read(Span::new(from, at.saturating_add(CHUNK).min(end)))?;
        for found in memchr::memmem::find_iter(&bytes, &MARKER) {
            let before = found.checked_sub(8).and_then(|b| bytes.get(b..)?.first_chunk::<8>());
            if let Some(before) = before {
                let place = Span::saturating_at(from.saturating_add(u64::try_from(found).unwrap_or(0)), 32);
                return Ok(Some((place, u64::from_le_bytes(*before))));
            }
        }
        at = at.saturating_add(CHUNK);
    }
    Ok(None)
}

fn manifest(cursor: &mut Cursor<'_, '_>, place: Span, files: &mut Vec<File>, out: &mut Parse) -> Result<(), ReadFault> {
    let (major, minor, count) = (cursor.u32_le()?, cursor.u32_le()?, cursor.u32_le()?);
    if !matches!(major, 1 | 2 | 6) || minor != 0 {
        out.malformed(
            Span::saturating_at(place.start(), 8),
            "dotnet: an unknown version of the bundle's header",
        );
        return Ok(());
    }
    text(cursor)?;
    if major >= 2 {
        cursor.skip(40)?;
    }
    let each = if major >= 6 { 26 } else { 18 };
    let room = cursor.remaining().checked_div(each).unwrap_or(0);
    if u64::from(count) > room {
        let message = format!("{count} files are announced, there is room for {room}");
        out.finding(Finding::new(code::TRUNCATED, place, message).key("files"));
    }
    for _ in 0..u64::from(count).min(room).min(MOST_MEMBERS) {
        let (offset, size) = (cursor.u64_le()?, cursor.u64_le()?);
        let packed = if major >= 6 { cursor.u64_le()? } else { 0 };
        let _kind = cursor.u8()?;
        let (path, place) = text(cursor)?;
        let stored = if packed > 0 { packed } else { size };
        files.push(File {
            span: Span::saturating_at(offset, stored),
            inflated: (packed > 0).then_some(size),
            path,
            place,
        });
    }
    Ok(())
}

/// A text behind its length: its first bytes, and where it stands.
fn text(cursor: &mut Cursor<'_, '_>) -> Result<(Vec<u8>, Span), ReadFault> {
    let mut length = 0u64;
    for shift in [0u32, 7, 14, 21, 28] {
        let byte = cursor.u8()?;
        length |= u64::from(byte & 0x7f).checked_shl(shift).unwrap_or(0);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let kept = cursor.ahead(length.min(LONGEST_NAME))?.to_vec();
    Ok((kept, cursor.skip(length)?))
}

fn contents(files: &[File], room: Span, out: &mut Parse) {
    let mut stored = BTreeSet::new();
    for file in files {
        out.fact(Fact::Entry(Entry {
            name: file.path.as_slice().into(),
            span: file.place,
            kind: EntryKind::File,
            content: None,
        }));
        if file.span.is_empty() {
            continue;
        }
        if !room.encloses(file.span) {
            out.malformed(file.place, "dotnet: a file of the bundle does not lie behind the host");
        } else if !stored.insert(file.span) {
            again(file.span, &file.path, out);
        } else if let Some(size) = file.inflated {
            let codec = Box::new(Inflate {
                name: file.path.clone(),
                span: file.span,
                frame: Frame::Raw,
                size: Some(size),
            });
            out.decoded(file.span, file.path.clone(), codec, true);
        } else {
            out.slice(file.span, file.path.clone(), true);
        }
    }
}

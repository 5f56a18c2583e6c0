//! WOFF 1.0 and 2.0: fonts packed for the web.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `wOFF` or `wOF2` |
//! | 4 | 4 | flavour: the version of the font inside |
//! | 8 | 4 | length of the whole file, big-endian |
//! | 12 | 2 | number of tables |
//! | 20 | 4 | WOFF2: length of the compressed tables |
//! | 24 / 28 | 20 | versions; offset, length, original length of the metadata; offset and length of private data |
//!
//! The tables stay compressed (zlib in WOFF, Brotli in WOFF2).

use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::name::printable;
use crate::span::Span;

/// A WOFF 1.0 font.
pub(in crate::format) struct Woff;
/// A WOFF 2.0 font.
pub(in crate::format) struct Woff2;

fn fits(probe: &Probe<'_>, magic: &[u8]) -> Option<Match> {
    let flavour = probe.head.get(4..8)?;
    let known = matches!(flavour, [0, 1, 0, 0] | b"OTTO" | b"true" | b"ttcf" | b"typ1");
    (probe.head.starts_with(magic) && known).then_some(Match::CERTAIN)
}

impl Format for Woff {
    fn id(&self) -> &'static str {
        "woff"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        fits(probe, b"wOFF")
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        if let Err(fault) = first(input, out) {
            out.fault(&fault, "the table directory");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["woff"]
    }
}

impl Format for Woff2 {
    fn id(&self) -> &'static str {
        "woff2"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        fits(probe, b"wOF2")
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        if let Err(fault) = second(input, out) {
            out.fault(&fault, "the table directory");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["woff2"]
    }
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let bytes = bytes.get(at..).and_then(|rest| rest.first_chunk::<4>());
    bytes.map_or(0, |bytes| u64::from(u32::from_be_bytes(*bytes)))
}

fn count(head: &[u8]) -> u64 {
    let bytes = head.get(12..).and_then(|rest| rest.first_chunk::<2>());
    bytes.map_or(0, |bytes| u64::from(u16::from_be_bytes(*bytes)))
}

fn first(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let head = input.read(Span::new(0, 44))?;
    out.leaf(Span::new(0, 44), Role::Header, "header");
    let mut cursor = Cursor::new(input, Span::new(44.min(input.len()), input.len()));
    let mut tables = Vec::new();
    for _ in 0..count(&head) {
        let entry = cursor.array::<20>()?;
        let tag = printable(entry.get(..4).unwrap_or_default().trim_ascii());
        tables.push((word(&entry, 4), word(&entry, 8), format!("{tag} table, packed")));
    }
    out.leaf(Span::new(44, cursor.position()), Role::Table, "table directory");
    extras(&head, 24, &mut tables);
    claim(input, out, tables, cursor.position());
    length(&head, input, out);
    Ok(())
}

fn second(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let head = input.read(Span::new(0, 48))?;
    out.leaf(Span::new(0, 48), Role::Header, "header");
    let mut cursor = Cursor::new(input, Span::new(48.min(input.len()), input.len()));
    for _ in 0..count(&head) {
        entry(&mut cursor)?;
    }
    if word(&head, 4) == u64::from(u32::from_be_bytes(*b"ttcf")) {
        collection(&mut cursor)?;
    }
    out.leaf(Span::new(48, cursor.position()), Role::Table, "table directory");
    let mut parts = vec![(cursor.position(), word(&head, 20), "tables, packed".to_owned())];
    extras(&head, 28, &mut parts);
    claim(input, out, parts, cursor.position());
    length(&head, input, out);
    Ok(())
}

/// An entry of WOFF2's directory (section 4.1): flags, a tag unless it is a known one, one or two lengths.
fn entry(cursor: &mut Cursor<'_, '_>) -> Result<(), ReadFault> {
    let flags = cursor.u8()?;
    let tag = if flags & 0x3f == 0x3f {
        cursor.array::<4>()?
    } else {
        [0; 4]
    };
    base128(cursor)?;
    // glyf and loca are transformed unless the version says 3; all others are when it says anything but 0.
    let outlines = matches!(flags & 0x3f, 10 | 11) || matches!(&tag, b"glyf" | b"loca");
    let version = flags >> 6;
    if (outlines && version != 3) || (!outlines && version != 0) {
        base128(cursor)?;
    }
    Ok(())
}

/// The directory of a collection (section 4.2): version, fonts, each with its tables.
fn collection(cursor: &mut Cursor<'_, '_>) -> Result<(), ReadFault> {
    cursor.skip(4)?;
    for _ in 0..short255(cursor)? {
        let tables = short255(cursor)?;
        cursor.skip(4)?;
        for _ in 0..tables {
            short255(cursor)?;
        }
    }
    Ok(())
}

fn base128(cursor: &mut Cursor<'_, '_>) -> Result<(), ReadFault> {
    for _ in 0..5 {
        if cursor.u8()? & 0x80 == 0 {
            break;
        }
    }
    Ok(())
}

/// A `255UInt16` (section 4.1).
fn short255(cursor: &mut Cursor<'_, '_>) -> Result<u64, ReadFault> {
    Ok(match cursor.u8()? {
        253 => u64::from(u16::from_be_bytes(cursor.array::<2>()?)),
        255 => u64::from(cursor.u8()?).saturating_add(253),
        254 => u64::from(cursor.u8()?).saturating_add(506),
        value => u64::from(value),
    })
}

/// The metadata and the private data, whose places begin at `at` of the header.
fn extras(head: &[u8], at: usize, parts: &mut Vec<(u64, u64, String)>) {
    parts.push((
        word(head, at),
        word(head, at.saturating_add(4)),
        "metadata, packed".to_owned(),
    ));
    let private = at.saturating_add(12);
    parts.push((
        word(head, private),
        word(head, private.saturating_add(4)),
        "private data".to_owned(),
    ));
}

/// Claims parts in order of their place, and the fill to 4 bytes behind each.
fn claim(input: &Input<'_>, out: &mut Parse, mut parts: Vec<(u64, u64, String)>, from: u64) {
    out.gaps(Gaps::ZeroIsPadding);
    parts.retain(|(_, length, _)| *length > 0);
    parts.sort();
    parts.dedup_by_key(|(start, length, _)| (*start, *length));
    let mut last = from;
    for (start, length, name) in parts {
        if start > last && start.saturating_sub(last) < 4 {
            out.padding(Span::new(last, start), Fill::Zero, "fill");
        }
        let span = Span::saturating_at(start, length);
        if span.end() > input.len() {
            out.malformed(
                span.intersect(input.whole()),
                "woff: a part lies past the end (WOFF, 4)",
            );
        }
        let span = span.intersect(input.whole());
        let role = if name == "metadata, packed" {
            Role::Metadata
        } else {
            Role::Data
        };
        out.leaf(span, role, name);
        last = last.max(span.end());
    }
    let end = last.checked_next_multiple_of(4).unwrap_or(last).min(input.len());
    if end > last {
        out.padding(Span::new(last, end), Fill::Zero, "fill");
    }
}

/// The header's own idea of the file's length.
fn length(head: &[u8], input: &Input<'_>, out: &mut Parse) {
    if word(head, 8) > input.len() {
        let fault = ReadFault::PastEnd {
            offset: 0,
            wanted: word(head, 8),
            length: input.len(),
        };
        out.fault(&fault, "the font");
    }
}

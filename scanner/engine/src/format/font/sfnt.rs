//! TrueType and OpenType fonts and their collections (ISO/IEC 14496-22, section 4).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `00010000`, `OTTO`, `true`, `typ1`; `ttcf` for collections |
//! | 4 | 8 | number of tables, search fields, big-endian |
//! | 12 | 16 each | tag, checksum, offset, length |
//!
//! Tables are padded to 4 bytes. Fonts of a collection share tables, and so do tables of some fonts.

use crate::finding::{Finding, code};
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Role};
use crate::name::printable;
use crate::span::Span;
use std::collections::BTreeMap;

/// A font or a collection of fonts.
pub(in crate::format) struct Sfnt;

/// The most bytes between two tables that are taken for leftovers.
const LEFTOVER: u64 = 512;
/// The most tables of a font, and fonts of a collection, that are read.
const MOST: u16 = 512;

impl Format for Sfnt {
    fn id(&self) -> &'static str {
        "font"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let version = probe.head.get(..4)?;
        if version == b"ttcf" {
            let major = probe.head.get(4..6)?;
            return matches!(major, [0, 1 | 2]).then_some(Match::CERTAIN);
        }
        let count = u16::from_be_bytes(*probe.head.get(4..6)?.first_chunk::<2>()?);
        // The first entry has a printable tag and lies inside.
        let entry = probe.head.get(12..28)?;
        let tag = entry.get(..4)?.iter().all(|byte| matches!(byte, b' '..=b'~'));
        let offset = u64::from(u32::from_be_bytes(*entry.get(8..12)?.first_chunk::<4>()?));
        let known = matches!(version, [0, 1, 0, 0] | b"OTTO" | b"true" | b"typ1");
        let fits = (1..=MOST).contains(&count) && tag && offset >= 28 && offset <= probe.length;
        (known && fits).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let mut tables = BTreeMap::new();
        if let Err(fault) = fonts(input, out, &mut tables) {
            out.fault(&fault, "the table directory");
        }
        claim(input, out, &tables);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ttf", "otf", "ttc", "otc"]
    }
}

/// What a table is called and how long it is, by where it begins.
type Tables = BTreeMap<u64, (u64, String)>;

fn fonts(input: &Input<'_>, out: &mut Parse, tables: &mut Tables) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, input.whole());
    if *cursor.ahead(4)? != *b"ttcf" {
        return directory(input, out, 0, tables);
    }
    let [_, _, _, _, _, major, _, _, a, b, c, d] = cursor.array::<12>()?;
    let count = u32::from_be_bytes([a, b, c, d]).min(u32::from(MOST));
    let mut offsets = Vec::new();
    for _ in 0..count {
        offsets.push(u64::from(cursor.u32_be()?));
    }
    if major == 2 {
        let [_, _, _, _, l0, l1, l2, l3, o0, o1, o2, o3] = cursor.array::<12>()?;
        let length = u64::from(u32::from_be_bytes([l0, l1, l2, l3]));
        let at = u64::from(u32::from_be_bytes([o0, o1, o2, o3]));
        if length > 0 {
            tables.insert(at, (length, "DSIG".to_owned()));
        }
    }
    out.leaf(Span::new(0, cursor.position()), Role::Header, "collection header");
    offsets.sort_unstable();
    offsets.dedup();
    for offset in offsets {
        directory(input, out, offset, tables)?;
    }
    Ok(())
}

fn directory(input: &Input<'_>, out: &mut Parse, start: u64, tables: &mut Tables) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, Span::new(start.min(input.len()), input.len()));
    let [_, _, _, _, a, b, ..] = cursor.array::<12>()?;
    out.leaf(Span::new(start, cursor.position()), Role::Header, "offset table");
    let from = cursor.position();
    for _ in 0..u16::from_be_bytes([a, b]).min(MOST) {
        let [t0, t1, t2, t3, _, _, _, _, o0, o1, o2, o3, l0, l1, l2, l3] = cursor.array::<16>()?;
        let offset = u64::from(u32::from_be_bytes([o0, o1, o2, o3]));
        let length = u64::from(u32::from_be_bytes([l0, l1, l2, l3]));
        let tag = printable([t0, t1, t2, t3].trim_ascii());
        if Span::saturating_at(offset, length).end() > input.len() {
            let entry = Span::new(cursor.position().saturating_sub(16), cursor.position());
            out.malformed(entry, "font: a table lies past the end (14496-22, 4.3)");
        }
        let known = tables.entry(offset).or_insert((length, tag));
        known.0 = known.0.max(length);
    }
    out.leaf(Span::new(from, cursor.position()), Role::Table, "table directory");
    Ok(())
}

/// Claims the tables, each from where it begins to where it ends or the next one begins.
fn claim(input: &Input<'_>, out: &mut Parse, tables: &Tables) {
    let mut ordered = tables.iter().filter(|(_, (length, _))| *length > 0).peekable();
    let mut last = 0u64;
    while let Some((start, (length, tag))) = ordered.next() {
        let next = ordered.peek().map_or(input.len(), |(start, _)| **start);
        let end = start.saturating_add(*length).min(next).min(input.len());
        // What overlaps, overlaps inside one table's span: shared tails are common and mean nothing.
        let from = (*start).max(last).min(end);
        out.leaf(Span::new(from, end), role(tag), format!("{tag} table"));
        last = last.max(start.saturating_add(*length).min(input.len()));
        let padded = last
            .checked_next_multiple_of(4)
            .unwrap_or(u64::MAX)
            .min(next)
            .min(input.len());
        let covered = last.min(next);
        if covered > end {
            out.leaf(Span::new(end, covered), role(tag), format!("{tag} table, more"));
        }
        if padded > covered && last == covered {
            out.padding(Span::new(covered, padded), Fill::Zero, format!("{tag} table fill"));
        }
        // Editors of old leave bytes of former tables between those of today.
        let from = covered.max(padded);
        let left = Span::new(from.min(next), next.min(input.len()));
        if ordered.peek().is_some() && !left.is_empty() && left.len() <= LEFTOVER {
            let rule = "font: bytes lie between tables and belong to none (14496-22, 4.3)";
            let finding = Finding::new(code::MALFORMED, left, rule).case("lenient").key(rule);
            out.finding(finding);
            out.leaf(left, Role::Data, format!("behind {tag} table"));
        }
    }
}

fn role(tag: &str) -> Role {
    match tag {
        "head" | "hhea" | "vhea" | "maxp" => Role::Header,
        "fpgm" | "prep" | "cvt" => Role::Code,
        "name" | "meta" => Role::Strings,
        "DSIG" => Role::Signature,
        "loca" | "cmap" | "hmtx" | "vmtx" => Role::Table,
        _ => Role::Data,
    }
}

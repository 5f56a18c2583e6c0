//! Time zones (RFC 9636): one or two blocks of transitions, then a line with the rule for later times.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `TZif` |
//! | 4 | 16 | version (NUL, `2`, `3`, `4`), reserved |
//! | 20 | 24 | counts of UT and standard indicators, leap seconds, transitions, types, bytes of names, big-endian |

use crate::finding::{Finding, code};
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;

/// A time zone.
pub(in crate::format) struct TzIf;

/// Files that are read behind each other.
const MOST_FILES: usize = 4096;

impl Format for TzIf {
    fn id(&self) -> &'static str {
        "tzif"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let version = matches!(probe.head.get(..5), Some([b'T', b'Z', b'i', b'f', 0 | b'2'..=b'4']));
        let reserved = probe
            .head
            .get(5..20)
            .is_some_and(|bytes| bytes.iter().all(|byte| *byte == 0));
        (version && reserved).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = files(input, out) {
            out.fault(&fault, "a block");
        }
    }
}

/// One file, or those of all zones, one behind the other, as libraries pack them.
fn files(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, input.whole());
    let mut first = None;
    for _ in 0..MOST_FILES {
        blocks(&mut cursor, input, out)?;
        let end = cursor.position();
        let first = *first.get_or_insert(end);
        if !input.read_up_to(end, 5)?.starts_with(b"TZif2") && !input.read_up_to(end, 5)?.starts_with(b"TZif3") {
            if end > first {
                let span = Span::new(first, end);
                let message = format!("{} bytes of further zones follow the first", span.len());
                out.finding(
                    Finding::new(code::TRAILING_BYTES, span, message)
                        .case("objects")
                        .key("objects"),
                );
            }
            break;
        }
    }
    Ok(())
}

fn blocks(cursor: &mut Cursor<'_, '_>, input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let version = block(cursor, out, 4)?;
    if version == 0 {
        return Ok(());
    }
    block(cursor, out, 8)?;
    let start = cursor.position();
    if cursor.u8()? != b'\n' {
        out.malformed(
            Span::saturating_at(start, 1),
            "tzif: no footer follows the second block (3.3)",
        );
        return Ok(());
    }
    match cursor.until(b'\n', 4096)? {
        Some(_) => {
            out.leaf(Span::new(start, cursor.position()), Role::Text, "footer");
        }
        None => out.malformed(Span::new(start, input.len()), "tzif: the footer does not end (3.3)"),
    }
    Ok(())
}

fn block(cursor: &mut Cursor<'_, '_>, out: &mut Parse, width: u64) -> Result<u8, ReadFault> {
    let start = cursor.position();
    let [b'T', b'Z', b'i', b'f', version, ..] = cursor.array::<20>()? else {
        out.malformed(
            Span::saturating_at(start, 20),
            "tzif: a block does not begin with its magic (3.1)",
        );
        return Ok(0);
    };
    let mut counts = [0u64; 6];
    for count in &mut counts {
        *count = u64::from(cursor.u32_be()?);
    }
    out.leaf(
        Span::new(start, cursor.position()),
        Role::Header,
        format!("header, {width} bytes a time"),
    );
    let [universal, standard, leaps, times, types, names] = counts;
    let parts = [
        times.saturating_mul(width.saturating_add(1)),
        types.saturating_mul(6),
        names,
        leaps.saturating_mul(width.saturating_add(4)),
        standard,
        universal,
    ];
    let length = parts.iter().fold(0u64, |sum, part| sum.saturating_add(*part));
    out.leaf(
        cursor.skip(length)?,
        Role::Table,
        format!("transitions, {width} bytes a time"),
    );
    Ok(version)
}

//! PDF (ISO 32000-2): a header, bodies that each end with `%%EOF`, and what they would do when they are opened.
//!
//! | part | bytes |
//! | --- | --- |
//! | header | `%PDF-1.7`, a line; most writers add a comment with bytes over 127 |
//! | section | objects, a cross-reference table or stream, `startxref`, an offset, `%%EOF` |
//!
//! Each section is claimed as one: incremental updates and linearised files have several. Objects are not parsed and
//! streams are not decompressed; names that make a reader act are looked for in what stands open, and those inside
//! compressed object streams are not seen.

#[cfg(test)]
mod tests;

use super::leaves::Leaves;
use super::{Format, Input, Parse, ReadFault};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;
use std::collections::BTreeMap;

/// Bytes read at a time, and how many of them are read again with the next: longer than any word looked for.
const TILE: u64 = 256 << 10;
const CARRY: u64 = 64;
/// The most bytes that are searched.
const MOST: u64 = 192 << 20;

/// A PDF document.
pub(super) struct Pdf;

impl Format for Pdf {
    fn id(&self) -> &'static str {
        "pdf"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let version = probe.head.strip_prefix(b"%PDF-")?.get(..3)?;
        matches!(version, [b'0'..=b'9', b'.', b'0'..=b'9']).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let mut search = Search::default();
        if let Err(fault) = search.all(input) {
            out.fault(&fault, "the document");
        }
        if input.len() > MOST {
            let message = format!("a document of more than {MOST} bytes is not searched to its end");
            out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(MOST));
        }
        if let Err(fault) = claim(input, out, &search.ends) {
            out.fault(&fault, "the document");
        }
        for (name, (case, why)) in ACTIVE {
            if let Some((span, count)) = search.names.get(name) {
                let message = format!("the document {why} (/{name})");
                let finding = Finding::new(code::ACTIVE_CONTENT, *span, message).case(case).key(*name);
                out.finding(finding.evidence("count", *count));
            }
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pdf", "ai"]
    }
}

/// Names, the case of `active-content` they are, and what a reader does with them.
const ACTIVE: &[(&str, (&str, &str))] = &[
    ("EmbeddedFile", ("embedded-file", "carries a file inside")),
    ("JavaScript", ("javascript", "holds JavaScript")),
    ("Launch", ("launch", "starts a program or opens a file")),
    ("OpenAction", ("open-action", "acts when it is opened")),
];

fn claim(input: &Input<'_>, out: &mut Parse, ends: &[u64]) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let head = input.read_up_to(0, 1024)?;
    let line = head
        .iter()
        .position(|byte| matches!(byte, b'\r' | b'\n'))
        .unwrap_or(8)
        .min(64);
    let mut from = u64::try_from(line).unwrap_or(8).min(input.len());
    leaves.leaf(out, Span::new(0, from), Role::Header, || "header".to_owned());
    for (number, end) in (1u64..).zip(ends) {
        leaves.leaf(out, Span::new(from, *end), Role::Data, || format!("section {number}"));
        from = *end;
    }
    if ends.is_empty() {
        let rest = Span::new(from, input.len());
        out.leaf(rest, Role::Data, "section without an end");
        let message = "the document has no %%EOF";
        out.finding(Finding::new(code::TRUNCATED, rest, message).case("media").key("%%EOF"));
    }
    Ok(())
}

#[derive(Default)]
struct Search {
    /// Behind each `%%EOF` and the line end that follows it.
    ends: Vec<u64>,
    /// The names found: the first place, and how often.
    names: BTreeMap<&'static str, (Span, u64)>,
}

impl Search {
    const SECTIONS: usize = 32 << 10;

    fn all(&mut self, input: &Input<'_>) -> Result<(), ReadFault> {
        let mut at = 0u64;
        let length = input.len().min(MOST);
        while at < length {
            let tile = input.read_up_to(at, TILE.saturating_add(CARRY))?;
            let last = at.saturating_add(TILE) >= length;
            let own = if last {
                tile.len()
            } else {
                tile.len().min(usize::try_from(TILE).unwrap_or(0))
            };
            self.tile(at, &tile, own);
            at = at.saturating_add(TILE);
        }
        // A document too long to search ends where its last `%%EOF` does, near the end of the file.
        if input.len() > MOST {
            let from = input.len().saturating_sub(TILE).max(MOST);
            let tile = input.read_up_to(from, TILE)?;
            self.tile(from, &tile, tile.len());
        }
        Ok(())
    }

    /// Takes what begins in the first `own` bytes of `tile`.
    fn tile(&mut self, at: u64, tile: &[u8], own: usize) {
        let place = |index: usize| at.saturating_add(u64::try_from(index).unwrap_or(0));
        for found in memchr::memmem::find_iter(tile, b"%%EOF").take_while(|found| *found < own) {
            let rest = tile.get(found.saturating_add(5)..).unwrap_or_default();
            let line = match rest {
                [b'\r', b'\n', ..] => 2,
                [b'\r' | b'\n', ..] => 1,
                _ => 0,
            };
            if self.ends.len() < Self::SECTIONS {
                self.ends.push(place(found).saturating_add(5).saturating_add(line));
            }
        }
        for found in memchr::memchr_iter(b'/', tile).take_while(|found| *found < own) {
            let rest = tile.get(found.saturating_add(1)..).unwrap_or_default();
            if let Some(name) = known(rest) {
                let span = Span::saturating_at(place(found), u64::try_from(name.len()).unwrap_or(0).saturating_add(1));
                let seen = self.names.entry(name).or_insert((span, 0));
                seen.1 = seen.1.saturating_add(1);
            }
        }
    }
}

/// The name of [`ACTIVE`] that `rest` begins with, its `#xx` escapes read (7.3.5).
fn known(rest: &[u8]) -> Option<&'static str> {
    // Most slashes begin another name, or none.
    if !matches!(rest.first(), Some(b'E' | b'J' | b'L' | b'O' | b'#')) {
        return None;
    }
    let mut name = Vec::with_capacity(16);
    let mut at = 0usize;
    while let Some(byte) = rest.get(at).filter(|byte| !is_delimiter(**byte)) {
        if name.len() > 16 {
            return None;
        }
        let escape = rest.get(at.saturating_add(1)..at.saturating_add(3));
        let escaped = escape
            .filter(|_| *byte == b'#')
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        name.push(escaped.unwrap_or(*byte));
        at = at.saturating_add(if escaped.is_some() { 3 } else { 1 });
    }
    ACTIVE
        .iter()
        .map(|(known, _)| *known)
        .find(|known| known.as_bytes() == name)
}

fn is_delimiter(byte: u8) -> bool {
    byte <= b' '
        || matches!(
            byte,
            b'(' | b')' | b'<' | b'>' | b'[' | b']' | b'{' | b'}' | b'/' | b'%'
        )
}

//! nexe: a script and its resources behind a Node executable.
//!
//! | from the end | size | field |
//! | --- | --- | --- |
//! | -32 | 16 | `<nexe~~sentinel>` |
//! | -16 | 8 | length of the script, an IEEE double, little-endian |
//! | -8 | 8 | length of the resources, the same |
//!
//! The script begins with a table, `process.__nexe = {"resources": {"./name": [offset, length]}}`, in which offsets count
//! from the first resource.
//!
//! Specification: nexe, `src/compiler.ts` and `src/fs/bundle.ts`.

use super::{LONGEST_NAME, MOST_MEMBERS, again, bundle, limit, odd_name};
use crate::format::{Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind, as_u64};
use std::collections::BTreeSet;

const SENTINEL: &[u8; 16] = b"<nexe~~sentinel>";
/// Sentinel and lengths.
const END: u64 = 32;
/// Where in the script the table must begin, in bytes.
const NEAR: u64 = 64 << 10;
/// The longest table that is read, in bytes.
const LONGEST_TABLE: u64 = 32 << 20;

/// A nexe payload.
pub(in crate::format) struct Nexe;

impl Format for Nexe {
    fn id(&self) -> &'static str {
        "nexe"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let payload = at_end(probe.tail, probe.length)?;
        (payload.start() == 0).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = payload(input, out) {
            out.fault(&fault, "nexe payload");
        }
    }
}

/// The payload that ends `tail`, which ends at `end`.
pub(super) fn at_end(tail: &[u8], end: u64) -> Option<Span> {
    let (script, resources) = lengths(tail)?;
    let start = end.checked_sub(END)?.checked_sub(script.checked_add(resources)?)?;
    (script > 0).then_some(Span::new(start, end))
}

fn lengths(tail: &[u8]) -> Option<(u64, u64)> {
    let rest = tail.last_chunk::<32>()?.strip_prefix(SENTINEL)?;
    let (script, resources) = (rest.first_chunk::<8>()?, rest.last_chunk::<8>()?);
    Some((whole(*script)?, whole(*resources)?))
}

/// The number that a double is, when it is a whole one below 2^53.
fn whole(bytes: [u8; 8]) -> Option<u64> {
    let bits = u64::from_le_bytes(bytes);
    if bits == 0 {
        return Some(0);
    }
    let exponent = (bits >> 52).checked_sub(1023)?;
    let fraction = (bits & ((1 << 52) - 1)) | 1 << 52;
    let shift = u32::try_from(52u64.checked_sub(exponent)?).ok()?;
    let value = fraction.checked_shr(shift)?;
    (value.checked_shl(shift) == Some(fraction)).then_some(value)
}

fn payload(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let end = Span::new(input.len().saturating_sub(END), input.len());
    let tail = input.read(end)?;
    let fits = lengths(&tail).filter(|(script, resources)| {
        script.checked_add(*resources).and_then(|n| n.checked_add(END)) == Some(input.len())
    });
    let Some((script, _)) = fits else {
        out.malformed(
            end,
            "nexe: the lengths behind the sentinel are not those of the payload",
        );
        return Ok(());
    };
    out.leaf(end, Role::Trailer, "sentinel and lengths");
    let script = Span::new(0, script);
    out.slice(script, "nexe.js", true);
    let room = Span::new(script.end(), end.start());
    let members = resources(input, script, room, out)?;
    bundle("nexe", &["nexe.js".to_owned()], members, Vec::new(), end, out);
    Ok(())
}

/// Claims the resources that the table at the start of the script names.
fn resources(input: &Input<'_>, script: Span, room: Span, out: &mut Parse) -> Result<u64, ReadFault> {
    const TABLE: &[u8] = b"process.__nexe";
    let near = input.read_up_to(0, script.len().min(NEAR))?;
    let table = memchr::memmem::find(&near, TABLE).and_then(|at| {
        let from = at.checked_add(TABLE.len())?;
        let brace = memchr::memchr(b'{', near.get(from..)?.get(..16)?)?;
        from.checked_add(brace)
    });
    let Some(from) = table.and_then(|at| u64::try_from(at).ok()) else {
        if !room.is_empty() {
            out.malformed(script, "nexe: the script begins with no table of resources");
        }
        return Ok(0);
    };
    let text = Span::new(from, script.end().min(from.saturating_add(LONGEST_TABLE)));
    let bytes = input.read(text)?;
    let mut walker = JsonWalker::new(&bytes, from, 8);
    let mut stored = BTreeSet::new();
    let (mut members, mut numbers) = (0u64, Vec::new());
    let mut name: Option<(String, Span)> = None;
    let mut inside = false;
    while let Some(Ok(token)) = walker.next() {
        match token.kind {
            TokenKind::Key(key) if walker.depth() == 1 => inside = key == "resources",
            TokenKind::Key(key) if inside => name = Some((key.into_owned(), token.span)),
            TokenKind::Number(raw) => numbers.push(as_u64(raw).unwrap_or(u64::MAX)),
            TokenKind::ArrayEnd => {
                let (Some((key, place)), [offset, length]) = (name.take(), numbers.as_slice()) else {
                    numbers.clear();
                    continue;
                };
                if members >= MOST_MEMBERS {
                    limit("more resources than are read of one bundle", place.start(), out);
                    break;
                }
                members = members.saturating_add(1);
                let span = Span::saturating_at(room.start().saturating_add(*offset), *length);
                let raw = key.as_bytes();
                let raw = raw.get(..usize::try_from(LONGEST_NAME).unwrap_or(0)).unwrap_or(raw);
                odd_name("resource", raw, place.len(), place, out);
                if span.is_empty() {
                } else if !room.encloses(span) {
                    out.malformed(place, "nexe: a resource lies outside the payload");
                } else if stored.insert(span) {
                    out.slice(span, raw, true);
                } else {
                    again(span, raw, out);
                }
                numbers.clear();
            }
            TokenKind::ObjectEnd if walker.depth() == 0 => break,
            _ => {}
        }
    }
    Ok(members)
}

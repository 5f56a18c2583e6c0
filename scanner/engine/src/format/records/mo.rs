//! Compiled message catalogues of GNU gettext (gettext manual, "The Format of GNU MO Files").
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `950412de`, in the byte order of all that follows |
//! | 4 | 4 | revision: major 0 or 1 in the upper half |
//! | 8 | 4 | number of strings |
//! | 12 | 8 | offsets of the tables of originals and translations: pairs of length and offset |
//! | 20 | 8 | size and offset of the hash table |
//! | 28 | 20 | minor revision 1: counts and offsets of tables of system-dependent strings |

use crate::format::{Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::{Span, SpanSet};

/// A message catalogue.
pub(in crate::format) struct Mo;

impl Format for Mo {
    fn id(&self) -> &'static str {
        "mo"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let head = Head::of(probe.head)?;
        let table = head.count.checked_mul(8)?;
        let inside = |at: u64| at >= 28 && at.checked_add(table).is_some_and(|end| end <= probe.length);
        (head.revision >> 16 <= 1 && inside(head.originals) && inside(head.translations)).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        if let Err(fault) = tables(input, out) {
            out.fault(&fault, "the string tables");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["mo", "gmo"]
    }
}

struct Head {
    read: fn([u8; 4]) -> u32,
    revision: u64,
    count: u64,
    originals: u64,
    translations: u64,
    hashes: u64,
    hash_table: u64,
}

impl Head {
    fn of(bytes: &[u8]) -> Option<Self> {
        let read = match bytes.get(..4)? {
            [0xde, 0x12, 0x04, 0x95] => u32::from_le_bytes,
            [0x95, 0x04, 0x12, 0xde] => u32::from_be_bytes,
            _ => return None,
        };
        let word = |at: usize| bytes.get(at..)?.first_chunk::<4>().map(|word| u64::from(read(*word)));
        Some(Self {
            read,
            revision: word(4)?,
            count: word(8)?,
            originals: word(12)?,
            translations: word(16)?,
            hashes: word(20)?,
            hash_table: word(24)?,
        })
    }
}

fn tables(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let bytes = input.read(Span::new(0, 28))?;
    let Some(head) = Head::of(&bytes) else { return Ok(()) };
    out.leaf(Span::new(0, 28), Role::Header, "header");
    let length = head.count.saturating_mul(8);
    // Strings end with a NUL that their length does not count.
    let (mut first, mut last) = (u64::MAX, 0u64);
    for (at, name) in [(head.originals, "originals"), (head.translations, "translations")] {
        let span = Span::saturating_at(at, length);
        let table = input.read(span)?;
        out.leaf(span, Role::Table, format!("table of {name}"));
        for pair in table.as_chunks::<8>().0 {
            let [l0, l1, l2, l3, o0, o1, o2, o3] = *pair;
            let string = Span::saturating_at(
                u64::from((head.read)([o0, o1, o2, o3])),
                u64::from((head.read)([l0, l1, l2, l3])).saturating_add(1),
            );
            first = first.min(string.start());
            last = last.max(string.end());
        }
    }
    if head.hashes > 0 {
        let span = Span::saturating_at(head.hash_table, head.hashes.saturating_mul(4));
        if span.end() > input.len() {
            out.malformed(Span::new(20, 28), "mo: the hash table lies past the end");
        }
        out.leaf(span.intersect(input.whole()), Role::Table, "hash table");
    }
    if last > input.len() {
        out.malformed(Span::new(0, 28), "mo: a string lies past the end");
    }
    let strings = Span::new(first.min(last), last).intersect(input.whole());
    // Strings stand together, behind the tables.
    let behind = out.view().leaves().map(|leaf| leaf.span.end()).max().unwrap_or(28);
    out.leaf(
        Span::new(strings.start().max(behind).min(strings.end()), strings.end()),
        Role::Strings,
        "strings",
    );
    // Minor revision 1 has further tables, of strings that depend on the system; they lie between the others and behind
    // them, and are claimed as they stand.
    if head.revision & 0xffff == 1 {
        let claimed = SpanSet::from_spans(out.view().leaves().map(|leaf| leaf.span));
        for gap in claimed.complement(input.whole()).iter() {
            out.leaf(gap, Role::Strings, "system-dependent strings");
        }
    }
    Ok(())
}

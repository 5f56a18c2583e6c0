//! Icons and cursors of Windows: a directory, then pictures (PNG files, or bitmaps without their file header).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 6 | 0, type (1 icon, 2 cursor), count, little-endian |
//! | 6 | 16 each | width, height, colours, 0, planes, bits, size (4), offset (4) |

use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe, Strength};
use crate::ledger::{Region, Role};
use crate::span::Span;
use std::collections::BTreeSet;

const ENTRY: u64 = 16;

/// An icon or a cursor.
pub(in crate::format) struct Ico;

impl Format for Ico {
    fn id(&self) -> &'static str {
        "ico"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let [0, 0, 1 | 2, 0, a, b, ..] = probe.head else {
            return None;
        };
        let count = u64::from(u16::from_le_bytes([*a, *b]));
        let table = count.checked_mul(ENTRY)?.checked_add(6)?;
        let [_, _, _, 0, _, _, _, _, s @ ..] = probe.head.get(6..)? else {
            return None;
        };
        let [s0, s1, s2, s3, o0, o1, o2, o3, ..] = s else {
            return None;
        };
        let size = u64::from(u32::from_le_bytes([*s0, *s1, *s2, *s3]));
        let offset = u64::from(u32::from_le_bytes([*o0, *o1, *o2, *o3]));
        let fits =
            (1..=256).contains(&count) && offset >= table && size >= 16 && offset.checked_add(size)? <= probe.length;
        fits.then_some(Match {
            strength: Strength::Likely,
            start: 0,
        })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = pictures(input, out) {
            out.fault(&fault, "the directory");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ico", "cur"]
    }
}

fn pictures(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    let [_, _, _, _, a, b] = cursor.array::<6>()?;
    out.leaf(Span::new(0, 6), Role::Header, "header");
    let count = u64::from(u16::from_le_bytes([a, b]));
    let mut pictures = Vec::new();
    for number in 1..=count {
        let start = cursor.position();
        let entry = cursor.array::<16>()?;
        let place = Span::new(start, cursor.position());
        leaves.leaf(out, place, Role::Table, || format!("entry {number}"));
        let [_, _, _, _, _, _, _, _, s0, s1, s2, s3, o0, o1, o2, o3] = entry;
        let size = u64::from(u32::from_le_bytes([s0, s1, s2, s3]));
        let picture = Span::saturating_at(u64::from(u32::from_le_bytes([o0, o1, o2, o3])), size);
        if picture.end() > input.len() {
            out.malformed(place, "ico: a picture lies past the end");
        }
        pictures.push(picture.intersect(input.whole()));
    }
    let mut taken = BTreeSet::new();
    for (number, there) in (1u64..).zip(pictures) {
        // Several entries may show one picture.
        if there.is_empty() || !taken.insert((there.start(), there.end())) {
            continue;
        }
        if input.read_up_to(there.start(), 8)?.starts_with(b"\x89PNG\r\n\x1a\n") {
            out.slice(there, format!("picture {number}").into_bytes(), true);
        } else {
            out.region(Region {
                span: there,
                role: Role::Data,
                name: format!("picture {number}").into(),
                parent: None,
                leaf: true,
                fill: None,
                shares: None,
            });
        }
    }
    Ok(())
}

//! Ogg (RFC 3533): pages, each with a header and a table of segment lengths.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `OggS` |
//! | 4 | 22 | version 0, flags, granule position, serial number, page number, checksum |
//! | 26 | 1 | number of segments |
//! | 27 | n | their lengths; the data follow |

use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// An Ogg stream: Vorbis, Opus, FLAC, Theora.
pub(in crate::format) struct Ogg;

impl Format for Ogg {
    fn id(&self) -> &'static str {
        "ogg"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        matches!(probe.head, [b'O', b'g', b'g', b'S', 0, 0..=7, ..]).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = pages(input, out) {
            out.fault(&fault, "a page");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ogg", "oga", "ogv", "opus", "spx"]
    }
}

fn pages(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    let mut number = 0u64;
    while *cursor.ahead(4)? == *b"OggS" {
        let start = cursor.position();
        cursor.skip(26)?;
        let count = u64::from(cursor.u8()?);
        let length = cursor
            .bytes(count)?
            .iter()
            .fold(0u64, |n, byte| n.saturating_add(u64::from(*byte)));
        let data = cursor.position();
        if let Err(fault) = cursor.skip(length) {
            leaves.leaf(out, Span::new(start, input.len()), Role::Data, || {
                format!("page {number}, cut")
            });
            return Err(fault);
        }
        leaves.leaf(out, Span::new(start, data), Role::Header, || {
            format!("page {number} header")
        });
        leaves.leaf(out, Span::new(data, cursor.position()), Role::Data, || {
            format!("page {number}")
        });
        number = number.saturating_add(1);
    }
    Ok(())
}

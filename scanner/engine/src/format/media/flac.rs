//! FLAC (RFC 9639): metadata blocks, then audio frames up to the end.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `fLaC` |
//! | 4 | 1 | bit 7: the last block; type (0 stream information .. 6 picture) |
//! | 5 | 3 | length, big-endian |
//!
//! Frames have no length of their own: what follows the blocks is claimed to the end, with the ID3v1 tag apart.

use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// A FLAC file.
pub(in crate::format) struct Flac;

impl Format for Flac {
    fn id(&self) -> &'static str {
        "flac"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        // The stream information comes first and is 34 bytes long.
        matches!(probe.head, [b'f', b'L', b'a', b'C', 0 | 0x80, 0, 0, 34, ..]).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = blocks(input, out) {
            out.fault(&fault, "a metadata block");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["flac"]
    }
}

fn blocks(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = crate::format::leaves::Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    out.leaf(cursor.skip(4)?, Role::Header, "magic");
    loop {
        let start = cursor.position();
        let [kind, a, b, c] = cursor.array::<4>()?;
        let length = u64::from(u32::from_be_bytes([0, a, b, c]));
        cursor.skip(length)?;
        let name = match kind & 0x7f {
            0 => "stream information",
            1 => "padding",
            2 => "application",
            3 => "seek table",
            4 => "comment",
            5 => "cue sheet",
            6 => "picture",
            _ => "reserved",
        };
        leaves.leaf(out, Span::new(start, cursor.position()), Role::Metadata, || {
            format!("{name} block")
        });
        if kind & 0x80 != 0 {
            break;
        }
    }
    let frames = Span::new(cursor.position(), input.len());
    if frames.is_empty() {
        return Ok(());
    }
    // A frame begins with 14 bits of synchronisation.
    if !matches!(*cursor.ahead(2)?, [0xff, 0xf8 | 0xf9]) {
        return Ok(());
    }
    out.leaf(frames, Role::Data, "audio frames");
    Ok(())
}

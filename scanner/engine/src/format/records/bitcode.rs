//! LLVM bitcode, bare or in its wrapper (LLVM Bitcode File Format).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `BC c0 de`; the wrapper: `de c0 17 0b` |
//! | 4 | 16 | wrapper: version 0, offset and size of the bitcode, CPU type, little-endian |
//!
//! The outermost blocks say how long they are, in words; they are claimed whole and not decoded.

use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// LLVM bitcode.
pub(in crate::format) struct Bitcode;

impl Format for Bitcode {
    fn id(&self) -> &'static str {
        "bitcode"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let bare = probe.head.starts_with(b"BC\xc0\xde") && probe.length.is_multiple_of(4);
        let wrapped = probe.head.starts_with(b"\xde\xc0\x17\x0b\0\0\0\0\x14\0\0\0");
        (bare || wrapped).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        if let Err(fault) = blocks(input, out) {
            out.fault(&fault, "a block");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["bc"]
    }
}

fn blocks(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, input.whole());
    let mut end = input.len();
    if *cursor.ahead(4)? == *b"\xde\xc0\x17\x0b" {
        let [_, _, _, _, _, _, _, _, o0, o1, o2, o3, s0, s1, s2, s3, ..] = cursor.array::<20>()?;
        out.leaf(Span::new(0, 20), Role::Header, "wrapper");
        let inside = Span::saturating_at(
            u64::from(u32::from_le_bytes([o0, o1, o2, o3])),
            u64::from(u32::from_le_bytes([s0, s1, s2, s3])),
        );
        if inside.end() > input.len() || inside.start() < 20 {
            out.malformed(Span::new(8, 16), "bitcode: the wrapper leads past the end");
            return Ok(());
        }
        end = inside.end();
        cursor = Cursor::new(input, inside);
        if end < input.len() && input.len().saturating_sub(end) < 16 {
            out.padding(Span::new(end, input.len()), Fill::Zero, "wrapper fill");
        }
    }
    out.leaf(cursor.skip(4)?, Role::Header, "magic");
    while cursor.position() < end {
        let start = cursor.position();
        let Ok([a, b, c, d]) = cursor.array::<4>() else {
            return Ok(());
        };
        // ENTER_SUBBLOCK in 2 bits, the block's id in 8 (VBR), the width of its codes in 4 (VBR), then words.
        let first = u32::from_le_bytes([a, b, c, d]);
        if first & 3 != 1 {
            return Ok(());
        }
        let words = u64::from(cursor.u32_le()?);
        cursor.skip(words.saturating_mul(4))?;
        let name = match first >> 2 & 0xff {
            8 => "module block",
            13 => "identification block",
            23 => "string table block",
            25 => "symbol table block",
            _ => "block",
        };
        out.leaf(Span::new(start, cursor.position()), Role::Code, name);
    }
    Ok(())
}

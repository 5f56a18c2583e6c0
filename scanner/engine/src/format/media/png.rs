//! PNG (ISO/IEC 15948, PNG Specification third edition): a signature, then chunks up to `IEND`.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | `89 P N G 0d 0a 1a 0a` |
//! | 8 | 4 | length of the chunk's data, big-endian, at most 2^31 - 1 |
//! | 12 | 4 | chunk type: four letters |
//! | 16 | .. | data, then CRC-32 of type and data |
//!
//! Checksums are compared by the sweep. APNG's chunks are chunks like others; MNG and JNG are other formats.

use super::tag;
use crate::fact::Fact;
use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

const MAGIC: &[u8] = b"\x89PNG\r\n\x1a\n";

/// A PNG picture.
pub(in crate::format) struct Png;

impl Format for Png {
    fn id(&self) -> &'static str {
        "png"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        // Apple's compiler for app resources puts a chunk of its own in front.
        let first = probe.head.get(12..16);
        (probe.head.starts_with(MAGIC) && matches!(first, Some(b"IHDR" | b"CgBI"))).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = chunks(input, out) {
            out.fault(&fault, "a chunk");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["png", "apng"]
    }
}

fn chunks(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    out.leaf(cursor.skip(8)?, Role::Header, "signature");
    loop {
        let start = cursor.position();
        let length = u64::from(cursor.u32_be()?);
        let code = cursor.array::<4>()?;
        if !code.iter().all(u8::is_ascii_alphabetic) || length > u64::from(u32::MAX >> 1) {
            let rule = "png: a chunk has no type of four letters or more than 2^31 - 1 bytes (5.3)";
            out.malformed(Span::new(start, cursor.position()), rule);
            return Ok(());
        }
        let covered = Span::saturating_at(start.saturating_add(4), length.saturating_add(4));
        if cursor.skip(length).is_err() {
            let there = Span::new(start, input.len());
            leaves.leaf(out, there, role(code), || format!("{} chunk, cut", tag(code)));
            return Err(cursor.skip(length).err().unwrap_or(ReadFault::Shrunk { offset: start }));
        }
        let stated = match cursor.u32_be() {
            Ok(stated) => stated,
            Err(fault) => {
                let there = Span::new(start, input.len());
                leaves.leaf(out, there, role(code), || format!("{} chunk, cut", tag(code)));
                return Err(fault);
            }
        };
        if leaves.apart() {
            out.fact(Fact::Checksum {
                span: covered,
                crc32: stated,
            });
        }
        let whole = Span::new(start, cursor.position());
        leaves.leaf(out, whole, role(code), || format!("{} chunk", tag(code)));
        if code == *b"IEND" {
            if length > 0 {
                out.malformed(whole, "png: the IEND chunk holds data (11.2.5)");
            }
            return Ok(());
        }
    }
}

fn role(code: [u8; 4]) -> Role {
    match &code {
        b"IHDR" | b"CgBI" => Role::Header,
        b"IDAT" | b"fdAT" => Role::Data,
        b"IEND" => Role::Trailer,
        b"PLTE" => Role::Table,
        _ => Role::Metadata,
    }
}

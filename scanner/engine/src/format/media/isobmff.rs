//! ISO base media files (ISO/IEC 14496-12): MP4, MOV, M4A, HEIC, AVIF, JPEG 2000 and JPEG XL containers.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | size of the box, itself included, big-endian; 1: 64 bits follow the type; 0: to the end |
//! | 4 | 4 | type |
//!
//! The outermost boxes are claimed, each as one.

use super::tag;
use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// A file of boxes.
pub(in crate::format) struct IsoBmff;

impl Format for IsoBmff {
    fn id(&self) -> &'static str {
        "isobmff"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let size = u32::from_be_bytes(*probe.head.first_chunk::<4>()?);
        let signed = matches!(
            probe.head.get(..12),
            Some(b"\0\0\0\x0cjP  \r\n\x87\n" | b"\0\0\0\x0cJXL \r\n\x87\n")
        );
        let typed = probe.head.get(4..8) == Some(b"ftyp") && (16..=4096).contains(&size) && size & 3 == 0;
        (signed || typed).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = boxes(input, out) {
            out.fault(&fault, "a box");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["mp4", "m4a", "m4v", "mov", "3gp", "heic", "avif", "jp2", "jxl"]
    }
}

fn boxes(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    while cursor.remaining() > 0 {
        let start = cursor.position();
        let head = cursor.ahead(8)?.into_owned();
        let Some(code) = head.get(4..8).and_then(|code| code.first_chunk::<4>()).copied() else {
            return Ok(());
        };
        // What has no type that could be one follows the last box.
        if !code.iter().all(|byte| matches!(byte, b' '..=b'~' | 0xa9)) {
            return Ok(());
        }
        let size = match u64::from(cursor.u32_be()?) {
            0 => input.len().saturating_sub(start),
            1 => {
                cursor.skip(4)?;
                cursor.u64_be()?
            }
            size => size,
        };
        let header = cursor.position().saturating_sub(start).max(8);
        let Some(rest) = size.checked_sub(header) else {
            out.malformed(
                Span::saturating_at(start, 8),
                "isobmff: a box is shorter than its header (4.2)",
            );
            return Ok(());
        };
        cursor.skip(start.saturating_add(header).saturating_sub(cursor.position()))?;
        if let Err(fault) = cursor.skip(rest) {
            leaves.leaf(out, Span::new(start, input.len()), Role::Data, || {
                format!("{} box, cut", tag(code))
            });
            return Err(fault);
        }
        leaves.leaf(out, Span::new(start, cursor.position()), role(code), || {
            format!("{} box", tag(code))
        });
    }
    Ok(())
}

fn role(code: [u8; 4]) -> Role {
    match &code {
        b"ftyp" | b"styp" | b"jP  " | b"JXL " => Role::Header,
        b"mdat" | b"idat" | b"jp2c" | b"jxlc" | b"jxlp" => Role::Data,
        b"free" | b"skip" | b"wide" => Role::Metadata,
        _ => Role::Table,
    }
}

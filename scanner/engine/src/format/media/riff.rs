//! RIFF (Multimedia Programming Interface and Data Specifications 1.0): WebP, WAV, AVI, SoundFont and others.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `RIFF` |
//! | 4 | 4 | size of everything behind this field, little-endian |
//! | 8 | 4 | what it is: `WEBP`, `WAVE`, `AVI ` .. |
//! | 12 | .. | chunks: code (4), size (4), data, a pad byte when the size is odd |
//!
//! The outermost chunks are claimed, lists whole. RF64 and big-endian RIFX are not read; AVI files beyond 1 GiB go on in
//! further RIFF chunks, which are.

use super::tag;
use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// A RIFF file.
pub(in crate::format) struct Riff;

impl Format for Riff {
    fn id(&self) -> &'static str {
        "riff"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let kind = probe.head.get(8..12)?;
        let printable = kind.iter().all(|byte| matches!(byte, b' '..=b'~'));
        (probe.head.starts_with(b"RIFF") && printable).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = forms(input, out) {
            out.fault(&fault, "a chunk");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["webp", "wav", "avi", "sf2", "ani", "rmi"]
    }
}

fn forms(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    loop {
        let start = cursor.position();
        cursor.skip(4)?;
        let size = u64::from(cursor.u32_le()?);
        let kind = cursor.array::<4>()?;
        leaves.leaf(out, Span::new(start, cursor.position()), Role::Header, || {
            format!("RIFF {}", tag(kind))
        });
        let inside = Span::saturating_at(start.saturating_add(12), size.saturating_sub(4));
        chunks(input, out, &mut leaves, inside.intersect(input.whole()))?;
        if inside.end() > input.len() {
            return Err(ReadFault::PastEnd {
                offset: inside.start(),
                wanted: inside.len(),
                length: input.len(),
            });
        }
        cursor.skip(inside.len())?;
        if !(kind.starts_with(b"AVI") && *cursor.ahead(4)? == *b"RIFF" && cursor.remaining() >= 12) {
            return pad(&mut cursor, out, size);
        }
    }
}

fn chunks(input: &Input<'_>, out: &mut Parse, leaves: &mut Leaves, inside: Span) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, inside);
    while cursor.remaining() >= 8 {
        let start = cursor.position();
        let code = cursor.array::<4>()?;
        let size = u64::from(cursor.u32_le()?);
        if size > cursor.remaining() {
            let rule = "riff: a chunk is longer than what holds it";
            out.malformed(Span::saturating_at(start, 8), rule);
        }
        cursor.skip(size.min(cursor.remaining()))?;
        leaves.leaf(out, Span::new(start, cursor.position()), role(code), || {
            format!("{} chunk", tag(code))
        });
        pad(&mut cursor, out, size)?;
    }
    Ok(())
}

/// The byte behind a chunk of odd length.
fn pad(cursor: &mut Cursor<'_, '_>, out: &mut Parse, size: u64) -> Result<(), ReadFault> {
    if size & 1 == 1 && cursor.remaining() > 0 {
        out.padding(cursor.skip(1)?, Fill::Zero, "pad byte");
    }
    Ok(())
}

fn role(code: [u8; 4]) -> Role {
    match &code {
        b"fmt " | b"VP8X" | b"ANIM" => Role::Header,
        b"LIST" | b"EXIF" | b"XMP " | b"ICCP" | b"bext" | b"id3 " | b"cue " => Role::Metadata,
        b"idx1" => Role::Table,
        _ => Role::Data,
    }
}

//! MPEG audio (ISO/IEC 11172-3, 13818-3) with ID3 tags: frames whose headers give their length.
//!
//! | part | size | fields |
//! | --- | --- | --- |
//! | ID3v2 | 10 + n | `ID3`, version, flags, length of 4 times 7 bits |
//! | frame | .. | 11 set bits, version, layer, protection, bit rate, sample rate, padding .. |
//! | ID3v1 | 128 | `TAG` .., at the end |
//! | APEv2 | 32 + n | `APETAGEX`, version, size with the footer, .. |

use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// An MP3 file.
pub(in crate::format) struct Mp3;

impl Format for Mp3 {
    fn id(&self) -> &'static str {
        "mp3"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        if let [b'I', b'D', b'3', 2..=4, 0..=0x0f, _, a, b, c, d, ..] = probe.head {
            return [a, b, c, d].iter().all(|byte| **byte < 0x80).then_some(Match::CERTAIN);
        }
        // Three frames in a row: two bytes of synchronisation alone stand everywhere.
        let mut at = 0usize;
        for _ in 0..3 {
            let header = probe.head.get(at..)?.first_chunk::<4>()?;
            at = at.checked_add(usize::try_from(frame(*header)?).ok()?)?;
        }
        Some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = frames(input, out) {
            out.fault(&fault, "a tag");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["mp3", "mp2", "mpga"]
    }
}

fn frames(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut cursor = Cursor::new(input, input.whole());
    let mut tags = 0u64;
    while matches!(*cursor.ahead(3)?, [b'I', b'D', b'3']) && tags < 64 {
        let start = cursor.position();
        let [_, _, _, _, _, flags, a, b, c, d] = cursor.array::<10>()?;
        let length = [a, b, c, d]
            .iter()
            .fold(0u64, |n, byte| n << 7 | u64::from(byte & 0x7f));
        let footer = if flags & 0x10 == 0 { 0 } else { 10 };
        cursor.skip(length.saturating_add(footer))?;
        out.leaf(Span::new(start, cursor.position()), Role::Metadata, "ID3v2 tag");
        tags = tags.saturating_add(1);
    }
    let zeros = cursor.position();
    while matches!(cursor.peek()?, Some(0)) {
        cursor.skip(1)?;
    }
    let start = cursor.position();
    if start > zeros {
        out.padding(Span::new(zeros, start), crate::ledger::Fill::Zero, "tag fill");
    }
    let mut end = start;
    while let Some(header) = cursor.ahead(4)?.first_chunk::<4>().copied() {
        let Some(length) = frame(header) else { break };
        // Read, not jumped over: frames are short and follow each other.
        let length = length.min(cursor.remaining());
        cursor.bytes(length)?;
        end = cursor.position();
    }
    if end > start {
        out.leaf(Span::new(start, end), Role::Data, "frames");
    }
    let rest = cursor.ahead(32)?.into_owned();
    if rest.starts_with(b"APETAGEX") {
        let size = rest.get(12..16).and_then(|bytes| bytes.first_chunk::<4>());
        let size = size.map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes)));
        let start = cursor.position();
        cursor.skip(size.saturating_add(32).min(cursor.remaining()))?;
        out.leaf(Span::new(start, cursor.position()), Role::Metadata, "APE tag");
    }
    if cursor.remaining() == 128 && cursor.ahead(3)?.starts_with(b"TAG") {
        out.leaf(cursor.skip(128)?, Role::Metadata, "ID3v1 tag");
    }
    Ok(())
}

/// The length in bytes of the frame that begins with `header` (13818-3, 2.4.2.3).
fn frame(header: [u8; 4]) -> Option<u64> {
    const V1_L1: [u64; 14] = [32, 64, 96, 128, 160, 192, 224, 256, 288, 320, 352, 384, 416, 448];
    const V1_L2: [u64; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320, 384];
    const V1_L3: [u64; 14] = [32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320];
    const V2_L1: [u64; 14] = [32, 48, 56, 64, 80, 96, 112, 128, 144, 160, 176, 192, 224, 256];
    const V2_LX: [u64; 14] = [8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160];
    let [sync, second, third, _] = header;
    if sync != 0xff || second & 0xe0 != 0xe0 {
        return None;
    }
    let (version, layer) = (second >> 3 & 3, second >> 1 & 3);
    let rates = match (version, layer) {
        (1, _) | (_, 0) => return None,
        (3, 3) => &V1_L1,
        (3, 2) => &V1_L2,
        (3, _) => &V1_L3,
        (_, 3) => &V2_L1,
        _ => &V2_LX,
    };
    let rate = rates.get(usize::from(third >> 4).checked_sub(1)?)?.checked_mul(1000)?;
    let samples = [44_100u64, 48_000, 32_000].get(usize::from(third >> 2 & 3))?;
    let samples = match version {
        3 => *samples,
        2 => samples / 2,
        _ => samples / 4,
    };
    let padding = u64::from(third >> 1 & 1);
    match layer {
        3 => rate
            .checked_mul(12)?
            .checked_div(samples)?
            .checked_add(padding)?
            .checked_mul(4),
        1 if version != 3 => rate.checked_mul(72)?.checked_div(samples)?.checked_add(padding),
        _ => rate.checked_mul(144)?.checked_div(samples)?.checked_add(padding),
    }
}

//! JPEG (ITU-T T.81, annex B): segments from `SOI` to `EOI`, with entropy-coded data between.
//!
//! | part | bytes | meaning |
//! | --- | --- | --- |
//! | marker | `ff` (any number of `ff`), code | what follows |
//! | length | 2, big-endian, itself included | for all codes but `01`, `d0`..`d9` |
//! | entropy-coded data | .. | behind `SOS`, until a marker; `ff 00` and `ff d0`..`ff d7` are part of it |
//!
//! Entropy-coded data is read to find its end, never decoded. A picture of several (MPF) has the others behind `EOI`:
//! they are not claimed here.

use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// Bytes of entropy-coded data read at a time.
const TILE: u64 = 64 << 10;

/// A JPEG picture.
pub(in crate::format) struct Jpeg;

impl Format for Jpeg {
    fn id(&self) -> &'static str {
        "jpeg"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        // The first segment: application data, a table, a frame or a comment, with a length.
        let first = matches!(probe.head, [0xff, 0xd8, 0xff, 0xc0..=0xc4 | 0xdb | 0xdd | 0xe0..=0xef | 0xfe, a, b, ..]
            if u16::from_be_bytes([*a, *b]) >= 2);
        first.then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = segments(input, out) {
            out.fault(&fault, "a segment");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["jpg", "jpeg", "jpe", "jfif"]
    }
}

fn segments(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    leaves.leaf(out, cursor.skip(2)?, Role::Header, || "SOI".to_owned());
    loop {
        let start = cursor.position();
        let mut byte = cursor.u8()?;
        if byte != 0xff {
            let rule = "jpeg: no marker stands where a segment ends (B.1.1.2)";
            out.malformed(Span::new(start, cursor.position()), rule);
            return Ok(());
        }
        while byte == 0xff {
            byte = cursor.u8()?;
        }
        let name = marker(byte);
        if matches!(byte, 0x01 | 0xd0..=0xd9) {
            let role = if byte == 0xd9 { Role::Trailer } else { Role::Header };
            leaves.leaf(out, Span::new(start, cursor.position()), role, || name);
            if byte == 0xd9 {
                return Ok(());
            }
            continue;
        }
        if byte == 0 {
            let rule = "jpeg: a stuffed byte stands where a segment begins (B.1.1.2)";
            out.malformed(Span::new(start, cursor.position()), rule);
            return Ok(());
        }
        let [a, b] = cursor.array::<2>()?;
        let length = u64::from(u16::from_be_bytes([a, b]));
        let Some(content) = length.checked_sub(2) else {
            out.malformed(
                Span::new(start, cursor.position()),
                "jpeg: a segment's length is below 2 (B.1.1.4)",
            );
            return Ok(());
        };
        if let Err(fault) = cursor.skip(content) {
            leaves.leaf(out, Span::new(start, input.len()), Role::Metadata, || {
                format!("{name}, cut")
            });
            return Err(fault);
        }
        leaves.leaf(out, Span::new(start, cursor.position()), role(byte), || name);
        if byte == 0xda {
            let from = cursor.position();
            let end = entropy_coded(input, from)?;
            leaves.leaf(out, Span::new(from, end), Role::Data, || {
                "entropy-coded data".to_owned()
            });
            cursor.skip(end.saturating_sub(from))?;
        }
    }
}

/// Where the entropy-coded data from `from` on ends: at the next marker that is no restart.
fn entropy_coded(input: &Input<'_>, from: u64) -> Result<u64, ReadFault> {
    let mut at = from;
    loop {
        let tile = input.read_up_to(at, TILE)?;
        if tile.is_empty() {
            return Ok(at);
        }
        let mut last = None;
        for found in memchr::memchr_iter(0xff, &tile) {
            match tile.get(found.saturating_add(1)) {
                Some(0 | 0xd0..=0xd7 | 0xff) => {}
                Some(_) => return Ok(at.saturating_add(u64::try_from(found).unwrap_or(0))),
                None => last = Some(found),
            }
        }
        let taken = last.unwrap_or(tile.len());
        // The last byte of the file is `ff`, and nothing follows it.
        if taken == 0 {
            return Ok(at.saturating_add(u64::try_from(tile.len()).unwrap_or(0)));
        }
        at = at.saturating_add(u64::try_from(taken).unwrap_or(0));
    }
}

fn role(code: u8) -> Role {
    match code {
        0xc4 | 0xdb => Role::Table,
        0xe0..=0xef | 0xfe => Role::Metadata,
        _ => Role::Header,
    }
}

/// A marker's name (table B.1).
fn marker(code: u8) -> String {
    match code {
        0xc4 => "DHT".to_owned(),
        0xcc => "DAC".to_owned(),
        0xc0..=0xcf => format!("SOF{}", code & 15),
        0xd0..=0xd7 => format!("RST{}", code & 7),
        0xd8 => "SOI".to_owned(),
        0xd9 => "EOI".to_owned(),
        0xda => "SOS".to_owned(),
        0xdb => "DQT".to_owned(),
        0xdc => "DNL".to_owned(),
        0xdd => "DRI".to_owned(),
        0xe0..=0xef => format!("APP{}", code & 15),
        0xfe => "COM".to_owned(),
        _ => format!("marker {code:02x}"),
    }
}

//! xz (The .xz File Format 1.2.1): streams of blocks, with an index that lists them.
//!
//! | part | size | fields |
//! | --- | --- | --- |
//! | stream header | 12 | `fd 37 7a 58 5a 00`, flags (0, check), CRC-32 of the flags |
//! | block header | 8..1024 | size / 4 - 1, flags, sizes, filters, zero padding, CRC-32 |
//! | block | .. | LZMA2 data, zero padding to 4, check of the decoded bytes |
//! | index | .. | 0, count, (unpadded size, uncompressed size) for each block, zero padding to 4, CRC-32 |
//! | stream footer | 12 | CRC-32, index size / 4 - 1, the header's flags, `YZ` |
//! | stream padding | .. | zeros, a multiple of 4 |
//!
//! Everything is read forward and compared: sizes, checks, the index with the blocks, the footer with the header.

use super::{Claims, Feed, Stop, Stream, Streams, mismatch};
use crate::format::{Decoder, Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::span::Span;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;

mod block;
mod check;

const MAGIC: &[u8] = &[0xfd, b'7', b'z', b'X', b'Z', 0];

/// An xz file.
pub(in crate::format) struct Xz;

impl Format for Xz {
    fn id(&self) -> &'static str {
        "xz"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        probe.head.starts_with(MAGIC).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        out.decoded(input.whole(), "content", decoder(input.len()), true);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["xz", "txz"]
    }
}

/// Decodes `length` bytes.
pub(in crate::format) fn decoder(length: u64) -> Box<dyn Decoder> {
    Box::new(Streams::new(Blocks, length))
}

struct Blocks;

/// What the blocks of a stream were, and what its index says they are.
#[derive(Default, PartialEq, Eq)]
struct Records {
    count: u64,
    digest: u64,
}

impl Records {
    fn push(&mut self, unpadded: u64, uncompressed: u64) {
        let mut hasher = DefaultHasher::new();
        (self.digest, unpadded, uncompressed).hash(&mut hasher);
        self.digest = hasher.finish();
        self.count = self.count.saturating_add(1);
    }
}

impl Stream for Blocks {
    const NAME: &'static str = "xz";

    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        let start = feed.position();
        let [magic @ .., zero, check, a, b, c, d] = feed.array::<12>("header")?;
        if magic != *MAGIC {
            return Err(Stop::Malformed("xz: no stream header (2.1.1)"));
        }
        let header = Span::new(start, feed.position());
        claims.up_to(parent, feed.position(), Role::Header, "header");
        sum(parent, header, &[zero, check], [a, b, c, d], "stream header");
        if zero != 0 || check > 15 {
            return Err(Stop::Malformed("xz: reserved stream flags are set (2.1.1.2)"));
        }
        let mut records = Records::default();
        loop {
            let Some(size) = feed.available()?.first().copied() else {
                return Err(Stop::Truncated("blocks"));
            };
            if size == 0 {
                break;
            }
            let number = records.count.saturating_add(1);
            let (unpadded, uncompressed) = block::block(feed, output, parent, claims, check, number)?;
            records.push(unpadded, uncompressed);
            let _: usize = output.write(&[])?;
        }
        let from = feed.position();
        let listed = index(feed, parent)?;
        let length = feed.position().saturating_sub(from);
        let span = Span::new(from, feed.position());
        claims.up_to(parent, feed.position(), Role::Table, "index");
        if listed != records {
            let message = format!(
                "the index lists {} blocks that are not the {} there",
                listed.count, records.count
            );
            mismatch(parent, span, "size", message);
        }
        let from = feed.position();
        let [a, b, c, d, e, f, g, h, zero, flags, y, z] = feed.array::<12>("footer")?;
        let span = Span::new(from, feed.position());
        claims.up_to(parent, feed.position(), Role::Trailer, "footer");
        sum(parent, span, &[e, f, g, h, zero, flags], [a, b, c, d], "stream footer");
        if [y, z] != *b"YZ" {
            parent.malformed(span, "xz: the stream footer does not end with YZ (2.1.2.4)");
        }
        if [zero, flags] != [0, check] {
            let message = format!("the footer's flags are {zero:02x}{flags:02x}, the header's 00{check:02x}");
            mismatch(parent, span, "method", message);
        }
        let stated = u64::from(u32::from_le_bytes([e, f, g, h]))
            .saturating_add(1)
            .saturating_mul(4);
        if stated != length {
            let message = format!("the index is {length} bytes long, the footer says {stated}");
            mismatch(parent, span, "size", message);
        }
        Ok(())
    }

    fn another(&mut self, feed: &mut Feed<'_>, parent: &mut Parse, claims: &mut Claims) -> Result<bool, Stop> {
        let from = feed.position();
        while feed.ahead(4)?.starts_with(&[0; 4]) {
            feed.take(4);
        }
        let more = feed.ahead(MAGIC.len())?.starts_with(MAGIC);
        let padding = Span::new(from, feed.position());
        if !padding.is_empty() {
            parent.padding(padding, Fill::Zero, "stream padding");
            claims.end = padding.end();
        }
        Ok(more)
    }
}

/// Compares a CRC-32 with the bytes it is about.
fn sum(parent: &mut Parse, span: Span, bytes: &[u8], stated: [u8; 4], what: &str) {
    let (stated, actual) = (u32::from_le_bytes(stated), crc32fast::hash(bytes));
    if stated != actual {
        let message = format!("the {what} has CRC-32 {actual:08x}, it says {stated:08x}");
        mismatch(parent, span, "crc", message);
    }
}

/// Reads an index, from its zero byte to its CRC-32.
fn index(feed: &mut Feed<'_>, parent: &mut Parse) -> Result<Records, Stop> {
    let from = feed.position();
    let mut crc = crc32fast::Hasher::new();
    let byte = |feed: &mut Feed<'_>, crc: &mut crc32fast::Hasher| -> Result<u8, Stop> {
        let [byte] = feed.array::<1>("index")?;
        crc.update(&[byte]);
        Ok(byte)
    };
    byte(feed, &mut crc)?;
    let number = |feed: &mut Feed<'_>, crc: &mut crc32fast::Hasher| -> Result<u64, Stop> {
        let mut value = 0u64;
        for shift in (0u32..63).step_by(7) {
            let next = byte(feed, crc)?;
            value |= u64::from(next & 0x7f) << shift;
            if next & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Malformed("xz: an integer is longer than 9 bytes (1.2)"))
    };
    let count = number(feed, &mut crc)?;
    let mut records = Records::default();
    // Bounded by the input: each record takes two bytes or more of it.
    while records.count < count {
        let unpadded = number(feed, &mut crc)?;
        let uncompressed = number(feed, &mut crc)?;
        records.push(unpadded, uncompressed);
    }
    while feed.position().saturating_sub(from) & 3 != 0 {
        let [padding] = feed.array::<1>("index")?;
        crc.update(&[padding]);
        if padding != 0 {
            return Err(Stop::Malformed("xz: the padding of the index is not zero (4.4)"));
        }
    }
    let stated = u32::from_le_bytes(feed.array::<4>("index")?);
    let actual = crc.finalize();
    if stated != actual {
        let span = Span::new(from, feed.position());
        mismatch(
            parent,
            span,
            "crc",
            format!("the index has CRC-32 {actual:08x}, it says {stated:08x}"),
        );
    }
    Ok(records)
}

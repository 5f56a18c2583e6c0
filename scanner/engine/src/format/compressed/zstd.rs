//! Zstandard (RFC 8878): frames, and skippable frames between them.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | 28 b5 2f fd |
//! | 4 | 1 | descriptor: content size (2 bits), single segment, unused, reserved, checksum, dictionary id (2 bits) |
//! | 5 | 0..1 | window descriptor, unless a single segment |
//! | .. | 0..4 | dictionary id |
//! | .. | 0..8 | content size |
//! | .. | .. | blocks: 3 bytes of header each, the last one flagged |
//! | -4 | 0..4 | checksum: the low half of XXH64 of the content |
//!
//! A skippable frame is 5x 2a 4d 18, a size, and that many bytes of anybody's. Dictionaries are not part of an artifact,
//! so frames that need one are refused, and so are windows over 128 MiB.

use super::{Claims, Feed, Stop, Stream, Streams, mismatch, wide, window};
use crate::finding::ErrorCode;
use crate::format::{Decoder, Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};
use std::io::{self, Write};

const MAGIC: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];

/// A zstd file.
pub(in crate::format) struct Zstd;

impl Format for Zstd {
    fn id(&self) -> &'static str {
        "zstd"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let mut rest = probe.head;
        // Skippable frames belong to lz4 as well: the first other frame decides, when the head holds it.
        while let Some(length) = skippable(rest) {
            match rest.get(8..).and_then(|rest| rest.get(usize::try_from(length).ok()?..)) {
                Some(next) if !next.is_empty() => rest = next,
                _ => return Some(Match::LIKELY),
            }
        }
        // The reserved bit of the descriptor is 0 (3.1.1.1.1.4).
        let sound = rest.starts_with(MAGIC) && rest.get(4).is_none_or(|descriptor| descriptor & 8 == 0);
        sound.then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        out.decoded(input.whole(), "content", decoder(input.len()), true);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["zst", "zstd", "tzst"]
    }
}

/// The length of the content of a skippable frame, when one begins here.
pub(super) fn skippable(bytes: &[u8]) -> Option<u32> {
    match bytes {
        [0x50..=0x5f, 0x2a, 0x4d, 0x18, a, b, c, d, ..] => Some(u32::from_le_bytes([*a, *b, *c, *d])),
        _ => None,
    }
}

/// Claims a skippable frame of `length` bytes of content.
pub(super) fn skip(feed: &mut Feed<'_>, parent: &mut Parse, claims: &mut Claims, length: u32) -> Result<(), Stop> {
    feed.take(8);
    claims.up_to(parent, feed.position(), Role::Header, "skippable frame header");
    feed.skip(u64::from(length), "skippable frame")?;
    claims.up_to(parent, feed.position(), Role::Data, "skippable frame");
    Ok(())
}

/// Decodes `length` bytes.
pub(in crate::format) fn decoder(length: u64) -> Box<dyn Decoder> {
    Box::new(Streams::new(Frames::default(), length))
}

#[derive(Default)]
struct Frames {
    decoder: Option<Box<FrameDecoder>>,
}

/// What a frame's header says (3.1.1.1).
struct Header {
    length: u64,
    window: u64,
    dictionary: u32,
    content: Option<u64>,
    checksum: bool,
}

fn header(bytes: &[u8]) -> Option<Header> {
    let [a, b, c, d, descriptor, rest @ ..] = bytes else {
        return None;
    };
    [*a, *b, *c, *d].eq(MAGIC).then_some(())?;
    let single = descriptor & 0x20 != 0;
    let mut fields = rest;
    let mut number = |size: usize| -> Option<u64> {
        let (field, rest) = fields.split_at_checked(size)?;
        fields = rest;
        Some(field.iter().rev().fold(0, |value, byte| value << 8 | u64::from(*byte)))
    };
    let exponent = if single { None } else { Some(number(1)?) };
    let dictionary = number(match descriptor & 3 {
        3 => 4,
        size => usize::from(size),
    })?;
    let content = match descriptor >> 6 {
        0 if !single => None,
        0 => Some(number(1)?),
        1 => Some(number(2)?.saturating_add(256)),
        2 => Some(number(4)?),
        _ => Some(number(8)?),
    };
    let window = match exponent {
        Some(byte) => {
            let base = 1u64 << (byte >> 3).saturating_add(10).min(63);
            base.saturating_add((base >> 3).saturating_mul(byte & 7))
        }
        None => content.unwrap_or(0),
    };
    let length = wide(bytes.len().saturating_sub(fields.len()));
    Some(Header {
        length,
        window,
        dictionary: u32::try_from(dictionary).unwrap_or(u32::MAX),
        content,
        checksum: descriptor & 4 != 0,
    })
}

impl Stream for Frames {
    const NAME: &'static str = "zstd";

    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        let start = feed.position();
        let ahead = feed.ahead(18)?;
        if let Some(length) = skippable(ahead) {
            return skip(feed, parent, claims, length);
        }
        if ahead.len() >= MAGIC.len() && !ahead.starts_with(MAGIC) {
            return Err(Stop::Malformed("zstd: no frame begins here (RFC 8878 3.1)"));
        }
        let header = header(ahead).ok_or(Stop::Truncated("frame header"))?;
        if ahead.get(4).is_some_and(|descriptor| descriptor & 8 != 0) {
            return Err(Stop::Malformed(
                "zstd: the reserved bit of the descriptor is set (RFC 8878 3.1.1.1.1)",
            ));
        }
        if header.dictionary != 0 {
            let message = format!("zstd: dictionary {} is needed to decode it", header.dictionary);
            return Err(Stop::Refused(ErrorCode::Unsupported, message));
        }
        window(header.window, "a window")?;
        let made = self.frame(feed, output, header.checksum)?;
        let end = feed.position();
        let blocks = end.saturating_sub(if header.checksum { 4 } else { 0 });
        claims.up_to(
            parent,
            start.saturating_add(header.length),
            Role::Header,
            "frame header",
        );
        claims.up_to(parent, blocks, Role::Payload, "blocks");
        claims.up_to(parent, end, Role::Trailer, "checksum");
        if let Some(stated) = header.content.filter(|stated| *stated != made) {
            let message = format!("the frame decodes to {made} bytes, its header says {stated}");
            mismatch(parent, Span::new(start, end), "size", message);
        }
        let sums = self
            .decoder
            .as_ref()
            .and_then(|d| d.get_checksum_from_data().zip(d.get_calculated_checksum()));
        if let Some((stated, actual)) = sums.filter(|(stated, actual)| header.checksum && stated != actual) {
            let message = format!("the content has checksum {actual:08x}, the frame says {stated:08x}");
            mismatch(parent, Span::new(blocks, end), "crc", message);
        }
        Ok(())
    }

    fn another(&mut self, feed: &mut Feed<'_>, _: &mut Parse, _: &mut Claims) -> Result<bool, Stop> {
        let ahead = feed.ahead(8)?;
        Ok(ahead.starts_with(MAGIC) || skippable(ahead).is_some())
    }
}

impl Frames {
    /// Decodes a frame, block by block; how many bytes came out.
    fn frame(&mut self, feed: &mut Feed<'_>, output: &mut dyn Write, checksum: bool) -> Result<u64, Stop> {
        let decoder = self.decoder.get_or_insert_with(|| Box::new(FrameDecoder::new()));
        let mut output = Counted { output, total: 0 };
        let fault = |feed: &Feed<'_>, rule| {
            if feed.is_starved() {
                Stop::Truncated(if checksum { "blocks and checksum" } else { "blocks" })
            } else {
                Stop::Malformed(rule)
            }
        };
        if decoder.reset(&mut *feed).is_err() {
            return Err(fault(feed, "zstd: invalid frame header (RFC 8878 3.1.1.1)"));
        }
        while !decoder.is_finished() {
            let decoded = decoder.decode_blocks(&mut *feed, BlockDecodingStrategy::UptoBlocks(1));
            // What came before a broken block is content as well.
            decoder.collect_to_writer(&mut output)?;
            if decoded.is_err() {
                return Err(fault(feed, "zstd: invalid block (RFC 8878 3.1.1.2)"));
            }
        }
        decoder.collect_to_writer(&mut output)?;
        Ok(output.total)
    }
}

struct Counted<'o> {
    output: &'o mut dyn Write,
    total: u64,
}

impl Write for Counted<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let n = self.output.write(bytes)?;
        self.total = self.total.saturating_add(wide(n));
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

//! LZ4 frames (LZ4 Frame Format 1.6.4), skippable frames, and the legacy frames of kernels.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | 04 22 4d 18 |
//! | 4 | 1 | `FLG`: version 01, independent blocks, block checksums, content size, content checksum, reserved, dictionary |
//! | 5 | 1 | `BD`: largest block, 64 KiB to 4 MiB |
//! | 6 | 0..12 | content size (8), dictionary id (4), as flagged |
//! | .. | 1 | header checksum |
//! | .. | .. | blocks: u32 size (top bit: stored), data, checksum as flagged; size 0 ends them |
//! | .. | 0..4 | content checksum: XXH32 |
//!
//! A legacy frame is 02 21 4c 18 and blocks of a u32 size and data, 8 MiB decoded at most, up to the end of the file or
//! the next frame.

use super::zstd::{skip, skippable};
use super::{BUFFER, Claims, Feed, Stop, Stream, Streams, mismatch, wide};
use crate::finding::ErrorCode;
use crate::format::{Decoder, Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use lz4_flex::frame::{Error, FrameDecoder};
use std::io::{self, Read, Write};

const MAGIC: &[u8] = &[0x04, 0x22, 0x4d, 0x18];
const LEGACY: &[u8] = &[0x02, 0x21, 0x4c, 0x18];
/// The most that a block of a legacy frame decodes to.
const LEGACY_BLOCK: usize = 8 << 20;

/// An lz4 file.
pub(in crate::format) struct Lz4;

impl Format for Lz4 {
    fn id(&self) -> &'static str {
        "lz4"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let mut rest = probe.head;
        while let Some(length) = skippable(rest) {
            rest = rest.get(8..)?.get(usize::try_from(length).ok()?..)?;
        }
        if rest.starts_with(MAGIC) {
            // Version 01, and the reserved bits are 0.
            let sound = rest.get(4).is_none_or(|flags| flags & 0xc2 == 0x40);
            return sound.then_some(Match::CERTAIN);
        }
        let block = rest.strip_prefix(LEGACY)?.first_chunk::<4>()?;
        (1..=LEGACY_BLOCK * 2)
            .contains(&usize::try_from(u32::from_le_bytes(*block)).ok()?)
            .then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let codec: Box<dyn Decoder> = Box::new(Streams::new(Frames, input.len()));
        out.decoded(input.whole(), "content", codec, true);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["lz4", "tlz4"]
    }
}

struct Frames;

impl Stream for Frames {
    const NAME: &'static str = "lz4";

    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        let start = feed.position();
        let ahead = feed.ahead(19)?;
        if let Some(length) = skippable(ahead) {
            return skip(feed, parent, claims, length);
        }
        if ahead.starts_with(LEGACY) {
            return legacy(feed, output, parent, claims);
        }
        let Some(flags) = ahead.get(4).copied().filter(|_| ahead.starts_with(MAGIC)) else {
            return Err(Stop::Truncated("frame header"));
        };
        let field = |bit: u8, size: u64| if flags & bit != 0 { size } else { 0 };
        let header = 7u64.saturating_add(field(8, 8)).saturating_add(field(1, 4));
        if flags & 1 != 0 {
            let message = "lz4: a dictionary is needed to decode it".to_owned();
            return Err(Stop::Refused(ErrorCode::Unsupported, message));
        }
        let outcome = frame(feed, output);
        let end = feed.position();
        let whole = Span::new(start, end);
        match outcome {
            Ok(()) => {}
            Err(Fault::Stop(stop)) => return Err(stop),
            // The checksum and the size of the content are read last: everything was decoded.
            Err(Fault::Sum) => mismatch(
                parent,
                whole,
                "crc",
                "the content does not have the checksum stated".into(),
            ),
            Err(Fault::Size(message)) => {
                // The decoder stops at the end mark; the content's checksum, not compared, follows.
                feed.skip(field(4, 4), "content checksum")?;
                mismatch(parent, whole, "size", message);
            }
        }
        let end = feed.position();
        let trailer = end.saturating_sub(field(4, 4));
        claims.up_to(parent, start.saturating_add(header), Role::Header, "frame header");
        claims.up_to(parent, trailer.saturating_sub(4), Role::Payload, "blocks");
        claims.up_to(parent, trailer, Role::Trailer, "end mark");
        claims.up_to(parent, end, Role::Trailer, "content checksum");
        Ok(())
    }

    fn another(&mut self, feed: &mut Feed<'_>, _: &mut Parse, _: &mut Claims) -> Result<bool, Stop> {
        let ahead = feed.ahead(8)?;
        Ok(ahead.starts_with(MAGIC) || ahead.starts_with(LEGACY) || skippable(ahead).is_some())
    }
}

enum Fault {
    Stop(Stop),
    Sum,
    Size(String),
}

/// Decodes a frame. The decoder reads field by field and nothing ahead.
fn frame(feed: &mut Feed<'_>, output: &mut dyn Write) -> Result<(), Fault> {
    let mut decoder = FrameDecoder::new(feed);
    let mut decoded = vec![0u8; BUFFER];
    loop {
        match decoder.read(&mut decoded) {
            // The end of the input before a block reads like the end mark.
            Ok(0) if decoder.get_ref().is_starved() => return Err(Fault::Stop(Stop::Truncated("blocks"))),
            Ok(0) => return Ok(()),
            Ok(n) => {
                let bytes = decoded.get(..n).unwrap_or_default();
                output.write_all(bytes).map_err(|error| Fault::Stop(Stop::Io(error)))?;
            }
            Err(_) if decoder.get_ref().is_starved() => return Err(Fault::Stop(Stop::Truncated("blocks"))),
            Err(error) => return Err(fault(&error)),
        }
    }
}

fn fault(error: &io::Error) -> Fault {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
    Fault::Stop(match inner {
        Some(Error::ContentChecksumError) => return Fault::Sum,
        Some(Error::ContentLengthError { expected, actual }) => {
            return Fault::Size(format!(
                "the frame decodes to {actual} bytes, its header says {expected}"
            ));
        }
        Some(Error::HeaderChecksumError) => Stop::Malformed("lz4: the header checksum is wrong"),
        Some(Error::BlockChecksumError) => Stop::Malformed("lz4: a block checksum is wrong"),
        Some(Error::UnsupportedBlocksize(_)) => Stop::Malformed("lz4: the block size of the descriptor is reserved"),
        Some(Error::UnsupportedVersion(version)) => {
            Stop::Refused(ErrorCode::Unsupported, format!("lz4: frame version {version}"))
        }
        Some(Error::ReservedBitsSet) => Stop::Malformed("lz4: reserved bits of the descriptor are set"),
        Some(Error::BlockTooBig) => Stop::Malformed("lz4: a block is larger than the descriptor allows"),
        _ => Stop::Malformed("lz4: invalid block"),
    })
}

fn legacy(feed: &mut Feed<'_>, output: &mut dyn Write, parent: &mut Parse, claims: &mut Claims) -> Result<(), Stop> {
    feed.take(4);
    claims.up_to(parent, feed.position(), Role::Header, "legacy frame magic");
    let mut encoded = Vec::new();
    let mut decoded = vec![0u8; LEGACY_BLOCK];
    loop {
        let ahead = feed.ahead(8)?;
        if ahead.is_empty() || ahead.starts_with(MAGIC) || ahead.starts_with(LEGACY) || skippable(ahead).is_some() {
            break;
        }
        // A legacy frame has no end mark: a size that no block has is what ends it, and what follows is nobody's.
        let size = ahead.first_chunk::<4>().map(|size| u32::from_le_bytes(*size));
        let Some(size) = size else {
            return Err(Stop::Truncated("blocks"));
        };
        if size == 0 || usize::try_from(size).is_ok_and(|size| size > LEGACY_BLOCK.saturating_mul(2)) {
            break;
        }
        feed.take(4);
        encoded.clear();
        Read::take(&mut *feed, u64::from(size)).read_to_end(&mut encoded)?;
        if wide(encoded.len()) < u64::from(size) {
            return Err(Stop::Truncated("blocks"));
        }
        let made = lz4_flex::block::decompress_into(&encoded, &mut decoded)
            .map_err(|_| Stop::Malformed("lz4: invalid block"))?;
        output.write_all(decoded.get(..made).unwrap_or_default())?;
    }
    claims.up_to(parent, feed.position(), Role::Payload, "legacy blocks");
    Ok(())
}

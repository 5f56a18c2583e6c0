//! bzip2: streams of blocks that are aligned to bits.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 3 | `BZh` |
//! | 3 | 1 | level, `1` to `9`: hundreds of kB in a block |
//! | 4 | 6 | 31 41 59 26 53 59 before a block, 17 72 45 38 50 90 before the end |
//! | .. | .. | CRC-32 and content of the block, or CRC-32 of the stream, not aligned to bytes |
//!
//! There is no specification; the reference is bzip2 1.0.8. Blocks and checksums share bytes, so they are one region,
//! and the decoder, which verifies each checksum, does not say which one failed.

use super::{BUFFER, Claims, Feed, Stop, Stream, Streams};
use crate::format::{Decoder, Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use bzip2::{Decompress, Status};
use std::io::Write;

const BLOCK: &[u8] = &[0x31, 0x41, 0x59, 0x26, 0x53, 0x59];
const END: &[u8] = &[0x17, 0x72, 0x45, 0x38, 0x50, 0x90];

/// A bzip2 file.
pub(in crate::format) struct Bzip2;

impl Format for Bzip2 {
    fn id(&self) -> &'static str {
        "bzip2"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        match probe.head {
            [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if rest.starts_with(BLOCK) || rest.starts_with(END) => {
                Some(Match::CERTAIN)
            }
            _ => None,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        out.decoded(input.whole(), "content", decoder(input.len()), true);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["bz2", "bz", "tbz", "tbz2"]
    }
}

/// Decodes `length` bytes.
pub(in crate::format) fn decoder(length: u64) -> Box<dyn Decoder> {
    Box::new(Streams::new(Blocks, length))
}

struct Blocks;

impl Stream for Blocks {
    const NAME: &'static str = "bzip2";

    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        if !matches!(feed.ahead(4)?, [b'B', b'Z', b'h', b'1'..=b'9', ..]) {
            return Err(Stop::Malformed("bzip2: no stream header"));
        }
        let start = feed.position();
        let mut state = Decompress::new(false);
        let mut decoded = vec![0u8; BUFFER];
        loop {
            let available = feed.available()?;
            let over = available.is_empty();
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let status = state
                .decompress(available, &mut decoded)
                .map_err(|_| Stop::Malformed("bzip2: invalid block or checksum"))?;
            let used = usize::try_from(state.total_in().saturating_sub(before_in)).unwrap_or(0);
            let made = usize::try_from(state.total_out().saturating_sub(before_out)).unwrap_or(0);
            feed.take(used);
            output.write_all(decoded.get(..made).unwrap_or_default())?;
            match status {
                Status::StreamEnd => break,
                Status::MemNeeded => return Err(Stop::Malformed("bzip2: the decoder wants more memory")),
                _ if over && used == 0 && made == 0 => return Err(Stop::Truncated("blocks")),
                _ => {}
            }
        }
        claims.up_to(parent, start.saturating_add(4), Role::Header, "header");
        claims.up_to(parent, feed.position(), Role::Payload, "blocks");
        Ok(())
    }

    fn another(&mut self, feed: &mut Feed<'_>, _: &mut Parse, _: &mut Claims) -> Result<bool, Stop> {
        let ahead = feed.ahead(10)?;
        Ok(
            matches!(ahead, [b'B', b'Z', b'h', b'1'..=b'9', rest @ ..] if rest.starts_with(BLOCK) || rest.starts_with(END)),
        )
    }
}

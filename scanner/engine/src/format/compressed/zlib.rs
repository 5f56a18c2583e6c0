//! zlib streams (RFC 1950): what joblib and git write.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 1 | `CMF`: method 8, window of 2^(8 + high nibble) bytes, at most 32 KiB |
//! | 1 | 1 | `FLG`: 5 bits that make `CMF FLG` a multiple of 31, 0x20 preset dictionary |
//! | .. | .. | deflate stream |
//! | -4 | 4 | Adler-32 of the decoded bytes, big-endian |
//!
//! Two bytes of which one in two thousand pairs fits are no magic number: a stream is recognised when its head inflates
//! without an error as well, and when the Adler-32 is right where the head holds the whole stream. A preset dictionary
//! is not known to the artifact and so not recognised.

use super::{BUFFER, Claims, Feed, Stop, Stream, Streams, mismatch};
use crate::format::{Decoder, Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::Write;

/// A zlib stream.
pub(in crate::format) struct Zlib;

impl Format for Zlib {
    fn id(&self) -> &'static str {
        "zlib"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let [cmf, flg, rest @ ..] = probe.head else { return None };
        header(*cmf, *flg)?;
        trial(rest, *cmf, !probe.is_whole()).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let codec: Box<dyn Decoder> = Box::new(Streams::new(Deflate, input.len()));
        out.decoded(input.whole(), "content", codec, true);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["zlib", "zz", "z", "pkl", "joblib"]
    }
}

fn header(cmf: u8, flg: u8) -> Option<()> {
    let sound = u16::from_be_bytes([cmf, flg]).is_multiple_of(31);
    (cmf & 0x0f == 8 && cmf >> 4 <= 7 && flg & 0x20 == 0 && sound).then_some(())
}

/// Whether the head inflates like a stream that an encoder wrote. `more`: the head is not all there is.
fn trial(head: &[u8], cmf: u8, more: bool) -> bool {
    const LEAST: u64 = 64;
    // The first block's type: 3 is none; a stored block's length is followed by its complement.
    let kind = head.first().map_or(3, |byte| (byte >> 1) & 3);
    if kind == 3 {
        return false;
    }
    let mut state = Decompress::new(false);
    let mut sum = Adler::default();
    let mut decoded = vec![0u8; 16 << 10];
    let mut at = 0usize;
    loop {
        let Some(rest) = head.get(at..) else { return false };
        let (before_in, before_out) = (state.total_in(), state.total_out());
        let Ok(status) = state.decompress(rest, &mut decoded, FlushDecompress::None) else {
            return false;
        };
        let used = usize::try_from(state.total_in().saturating_sub(before_in)).unwrap_or(0);
        let made = usize::try_from(state.total_out().saturating_sub(before_out)).unwrap_or(0);
        at = at.saturating_add(used);
        sum.update(decoded.get(..made).unwrap_or_default());
        if status == Status::StreamEnd {
            let stated = head.get(at..).and_then(|rest| rest.first_chunk::<4>());
            // A wrong sum is reported, where a dynamic block and some content leave no doubt what this is.
            return match stated {
                Some(stated) if u32::from_be_bytes(*stated) == sum.value() => true,
                _ => cmf == 0x78 && kind == 2 && state.total_out() >= LEAST,
            };
        }
        if used == 0 && made == 0 || state.total_out() > 8 << 20 {
            break;
        }
    }
    // The head ended first: the whole head has passed, or, in a short file, a block that chance does not make.
    state.total_out() > 0 && (more || (cmf == 0x78 && kind == 2 && state.total_out() >= LEAST))
}

struct Deflate;

impl Stream for Deflate {
    const NAME: &'static str = "zlib";

    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        let [cmf, flg] = feed.array::<2>("header")?;
        header(cmf, flg).ok_or(Stop::Malformed("zlib: the header check fails (RFC 1950 2.2)"))?;
        claims.up_to(parent, feed.position(), Role::Header, "header");
        let mut state = Decompress::new(false);
        let mut sum = Adler::default();
        let mut decoded = vec![0u8; BUFFER];
        loop {
            let available = feed.available()?;
            let over = available.is_empty();
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let status = state
                .decompress(available, &mut decoded, FlushDecompress::None)
                .map_err(|_| Stop::Malformed("zlib: invalid deflate stream (RFC 1951)"))?;
            let used = usize::try_from(state.total_in().saturating_sub(before_in)).unwrap_or(0);
            let made = usize::try_from(state.total_out().saturating_sub(before_out)).unwrap_or(0);
            feed.take(used);
            let bytes = decoded.get(..made).unwrap_or_default();
            sum.update(bytes);
            output.write_all(bytes)?;
            match status {
                Status::StreamEnd => break,
                _ if over && used == 0 && made == 0 => return Err(Stop::Truncated("deflate stream")),
                _ => {}
            }
        }
        claims.up_to(parent, feed.position(), Role::Payload, "deflate stream");
        let from = feed.position();
        let stated = u32::from_be_bytes(feed.array::<4>("Adler-32")?);
        claims.up_to(parent, feed.position(), Role::Trailer, "Adler-32");
        if stated != sum.value() {
            let message = format!(
                "the content has Adler-32 {:08x}, the trailer says {stated:08x}",
                sum.value()
            );
            mismatch(parent, Span::new(from, feed.position()), "crc", message);
        }
        Ok(())
    }

    fn another(&mut self, _: &mut Feed<'_>, _: &mut Parse, _: &mut Claims) -> Result<bool, Stop> {
        Ok(false)
    }
}

/// Adler-32 (RFC 1950, 8.2).
struct Adler {
    a: u32,
    b: u32,
}

impl Default for Adler {
    fn default() -> Self {
        Self { a: 1, b: 0 }
    }
}

impl Adler {
    const MODULUS: u32 = 65_521;

    fn update(&mut self, bytes: &[u8]) {
        // 5552 is the longest run whose sums stay below 2^32.
        for run in bytes.chunks(5552) {
            for byte in run {
                self.a = self.a.wrapping_add(u32::from(*byte));
                self.b = self.b.wrapping_add(self.a);
            }
            self.a = self.a.checked_rem(Self::MODULUS).unwrap_or(0);
            self.b = self.b.checked_rem(Self::MODULUS).unwrap_or(0);
        }
    }

    fn value(&self) -> u32 {
        self.b << 16 | self.a
    }
}

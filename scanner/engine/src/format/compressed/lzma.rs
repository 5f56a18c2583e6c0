//! LZMA alone (`.lzma`), the format of LZMA Utils and of the 7-Zip SDK, and the LZMA of ZIP members.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 1 | `(pb * 5 + lp) * 9 + lc` |
//! | 1 | 4 | dictionary size |
//! | 5 | 8 | uncompressed size, or -1: an end marker follows |
//! | 13 | .. | range coder, whose first byte is 0 |
//!
//! There is no magic number: the usual properties, a dictionary size and a length that encoders write, and the range
//! coder's zero byte are what it is known by (as by `file` and by xz). There is no checksum.

use super::{BUFFER, Claims, Feed, Stop, Stream, Streams, mismatch, wide, window};
use crate::finding::ErrorCode;
use crate::format::{Decoder, Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use lzma_rust2::{Action, LzmaStream, Status};
use std::io::Write;

/// An LZMA alone file.
pub(in crate::format) struct Lzma;

impl Format for Lzma {
    fn id(&self) -> &'static str {
        "lzma"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let [properties, a, b, c, d, size @ .., 0] = probe.head.get(..14)? else {
            return None;
        };
        let dictionary = u32::from_le_bytes([*a, *b, *c, *d]);
        let size = u64::from_le_bytes(size.try_into().ok()?);
        // xz itself takes 2^n and 2^n + 2^(n-1) only; lengths of 256 GiB and more are none.
        let usual = dictionary == u32::MAX || dictionary >= 4096 && matches!(dictionary.count_ones(), 1 | 2);
        let usual = usual && matches!(dictionary >> dictionary.trailing_zeros().min(31), 1 | 3 | u32::MAX);
        let fits = size == u64::MAX || (1..1 << 38).contains(&size);
        // lc = 3 or 4, lp = 0, pb = 2: what encoders write unless told otherwise.
        (matches!(properties, 0x5d | 0x5e) && usual && fits).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        out.decoded(
            input.whole(),
            "content",
            Box::new(Streams::new(Alone, input.len())),
            true,
        );
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["lzma", "tlz"]
    }
}

struct Alone;

impl Stream for Alone {
    const NAME: &'static str = "lzma";

    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        let [properties, a, b, c, d, size @ ..] = feed.array::<13>("header")?;
        claims.up_to(parent, feed.position(), Role::Header, "header");
        let dictionary = u32::from_le_bytes([a, b, c, d]);
        raw(feed, output, properties, dictionary, u64::from_le_bytes(size))?;
        claims.up_to(parent, feed.position(), Role::Payload, "LZMA data");
        Ok(())
    }

    fn another(&mut self, _: &mut Feed<'_>, _: &mut Parse, _: &mut Claims) -> Result<bool, Stop> {
        Ok(false)
    }
}

/// Decodes LZMA of ZIP members (APPNOTE 5.8): the version of the SDK, the length of the properties (5), the properties,
/// the stream. `size` is what the headers say, `None` when an end marker follows.
pub(in crate::format) fn member(length: u64, size: Option<u64>) -> Box<dyn Decoder> {
    Box::new(Streams::new(Member { size }, length))
}

struct Member {
    size: Option<u64>,
}

impl Stream for Member {
    const NAME: &'static str = "lzma";

    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        let [_, _, length, high, properties, a, b, c, d] = feed.array::<9>("header")?;
        if [length, high] != [5, 0] {
            return Err(Stop::Malformed(
                "zip: the properties of LZMA are not 5 bytes long (5.8.8)",
            ));
        }
        let dictionary = u32::from_le_bytes([a, b, c, d]);
        let made = raw(feed, output, properties, dictionary, self.size.unwrap_or(u64::MAX))?;
        if self.size.is_some_and(|size| size != made) {
            let span = Span::new(claims.end, feed.position());
            mismatch(
                parent,
                span,
                "size",
                format!("{made} bytes were decoded, the headers say otherwise"),
            );
        }
        Ok(())
    }

    fn another(&mut self, _: &mut Feed<'_>, _: &mut Parse, _: &mut Claims) -> Result<bool, Stop> {
        Ok(false)
    }
}

/// Decodes a raw LZMA stream of `size` bytes (-1: up to its end marker); how many bytes came out.
fn raw(feed: &mut Feed<'_>, output: &mut dyn Write, properties: u8, dictionary: u32, size: u64) -> Result<u64, Stop> {
    window(u64::from(dictionary).min(size), "a dictionary")?;
    if properties >= 225 {
        return Err(Stop::Malformed("lzma: the properties byte is over 224"));
    }
    let most = u32::try_from(super::MOST_WINDOW).unwrap_or(u32::MAX);
    let mut state = LzmaStream::new_with_props(size, properties, dictionary.min(most), None)
        .map_err(|error| Stop::Refused(ErrorCode::Unsupported, format!("lzma: {error}")))?;
    let mut decoded = vec![0u8; BUFFER];
    let mut total = 0u64;
    loop {
        let available = feed.available()?;
        let over = available.is_empty();
        let action = if over { Action::Finish } else { Action::Run };
        let result = match state.process(available, &mut decoded, action) {
            Ok(result) => result,
            Err(_) if over => return Err(Stop::Truncated("LZMA data")),
            Err(_) => return Err(Stop::Malformed("lzma: invalid LZMA data")),
        };
        feed.take(result.bytes_consumed);
        let made = result.bytes_produced;
        total = total.saturating_add(wide(made));
        output.write_all(decoded.get(..made).unwrap_or_default())?;
        if result.status == Status::StreamEnd {
            feed.give_back(state.unused_input().len());
            return Ok(total);
        }
        if result.bytes_consumed == 0 && made == 0 {
            return Err(if over {
                Stop::Truncated("LZMA data")
            } else {
                Stop::Malformed("lzma: the decoder makes no progress")
            });
        }
    }
}

//! Single-stream compression: one file for each codec, and what they share.
//!
//! A codec is a [`Stream`]: it decodes one stream at a time from a [`Feed`], which knows exactly how many bytes were
//! used, and claims the parent's parts through [`Claims`]. [`Streams`] turns it into a [`Decoder`]: as many streams as
//! follow each other, faults told apart (truncated, malformed, refused), and bytes after the last stream left to the
//! ledger. What a hostile header asks for is refused before memory is allocated for it.

pub(super) mod bzip2;
mod feed;
pub(super) mod lz4;
pub(super) mod lzma;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    reason = "tests may fail loudly"
)]
mod tests;
pub(super) mod xz;
pub(super) mod zlib;
pub(super) mod zstd;

use super::{Decoder, Parse};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::ledger::{RegionId, Role};
use crate::span::Span;
use feed::Feed;
use std::io::{self, Read, Write};

/// The largest dictionary or window that a decoder may hold, in bytes. `xz -9` asks for 64 MiB, `zstd --ultra -22` and
/// `zstd --long` for 128 MiB.
const MOST_WINDOW: u64 = 128 << 20;

/// Bytes decoded at a time.
const BUFFER: usize = 256 << 10;

/// Why a stream was not decoded to its end.
enum Stop {
    /// The reader or the writer failed: a limit, most often.
    Io(io::Error),
    /// The input ends first; what was being read.
    Truncated(&'static str),
    /// A rule is broken.
    Malformed(&'static str),
    /// This build does not decode it.
    Refused(ErrorCode, String),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// A format of one or more streams.
trait Stream: Send {
    /// What a part that could not be decoded is called.
    const NAME: &'static str;

    /// Decodes the stream at the feed's position, claims its parts.
    fn stream(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop>;

    /// Whether another stream follows. May claim the padding between streams.
    fn another(&mut self, feed: &mut Feed<'_>, parent: &mut Parse, claims: &mut Claims) -> Result<bool, Stop>;
}

/// Decodes streams until none follows.
struct Streams<S> {
    codec: S,
    length: u64,
}

impl<S: Stream> Streams<S> {
    fn new(codec: S, length: u64) -> Self {
        Self { codec, length }
    }

    fn all(
        &mut self,
        feed: &mut Feed<'_>,
        output: &mut dyn Write,
        parent: &mut Parse,
        claims: &mut Claims,
    ) -> Result<(), Stop> {
        loop {
            claims.number = claims.number.saturating_add(1);
            self.codec.stream(feed, output, parent, claims)?;
            // Streams may hold nothing: the limits are asked all the same.
            let _: usize = output.write(&[])?;
            if !self.codec.another(feed, parent, claims)? {
                return Ok(());
            }
        }
    }
}

impl<S: Stream> Decoder for Streams<S> {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, parent: &mut Parse) -> io::Result<u64> {
        let mut feed = Feed::new(input);
        let mut claims = Claims::default();
        let stopped = self.all(&mut feed, output, parent, &mut claims).err();
        // A failing read may have worn the mask of a decoder's error.
        let stopped = match feed.failure() {
            Some(error) => Some(Stop::Io(error)),
            None => stopped,
        };
        let Some(stop) = stopped else {
            return Ok(feed.position());
        };
        let at = feed.position().min(self.length);
        let rest = Span::new(claims.end.min(self.length), self.length);
        match &stop {
            Stop::Io(_) => {}
            Stop::Truncated(what) => {
                let message = format!(
                    "{}: the input ends inside the {what} of stream {}",
                    S::NAME,
                    claims.number
                );
                parent.finding(Finding::new(code::TRUNCATED, rest, message).key(*what));
            }
            Stop::Malformed(rule) => {
                parent.malformed(Span::saturating_at(at, 1).intersect(Span::new(0, self.length)), rule)
            }
            Stop::Refused(code, why) => parent.error(ScanError::new(*code, why.clone()).at(at)),
        }
        let name = format!("{} stream, not decoded to its end", S::NAME);
        claims.leaf(parent, rest, Role::Payload, || name);
        if let Stop::Io(error) = stop {
            return Err(error);
        }
        let message = "the content could not be decoded to its end";
        parent.error(ScanError::new(ErrorCode::Unreadable, message).at(at));
        Ok(self.length)
    }
}

/// Claims the parts of streams, in order. A file of a hundred million tiny streams must not become as many regions:
/// after [`Self::MOST`] of them the rest is one.
#[derive(Default)]
pub(super) struct Claims {
    /// The stream being read, from 1.
    number: u64,
    /// Where the last claim ended.
    end: u64,
    count: usize,
    rest: Option<RegionId>,
}

impl Claims {
    const MOST: usize = 32 << 10;

    /// Claims from the end of the last claim up to `end`.
    fn up_to(&mut self, parent: &mut Parse, end: u64, role: Role, what: &str) {
        let number = self.number;
        let span = Span::new(self.end.min(end), end);
        self.leaf(parent, span, role, || format!("stream {number} {what}"));
    }

    /// Claims `span`, which begins where the last claim ended.
    pub(super) fn leaf(&mut self, parent: &mut Parse, span: Span, role: Role, name: impl FnOnce() -> String) {
        self.end = span.end();
        if span.is_empty() {
            return;
        }
        if self.count < Self::MOST {
            self.count = self.count.saturating_add(1);
            parent.leaf(span, role, name());
            return;
        }
        let id = match self.rest {
            Some(id) => id,
            None => parent.leaf(span, Role::Payload, "further streams"),
        };
        self.rest = Some(id);
        if let Some(region) = parent.region_mut(id) {
            region.span = Span::new(region.span.start().min(span.start()), span.end());
        }
    }
}

/// A `header-mismatch`: what a stream says about its content is not so.
fn mismatch(parent: &mut Parse, span: Span, case: &'static str, message: String) {
    parent.finding(Finding::new(code::HEADER_MISMATCH, span, message).case(case).key(case));
}

/// Refuses a window or a dictionary that is too large to hold.
fn window(size: u64, what: &str) -> Result<(), Stop> {
    if size <= MOST_WINDOW {
        return Ok(());
    }
    let message = format!("{what} of {size} bytes is wanted, {MOST_WINDOW} is the most that is held");
    Err(Stop::Refused(ErrorCode::LimitExceeded, message))
}

/// A length in memory as a length in a file.
fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

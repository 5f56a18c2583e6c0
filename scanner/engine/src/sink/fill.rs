//! Whether a span holds nothing but its fill.

use crate::ledger::Fill;
use crate::span::Span;

/// What a fill check saw.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FillResult {
    /// From the first byte that is not fill to the last; `None` when all are.
    pub foreign: Option<Span>,
    /// How many bytes are not fill.
    pub count: u64,
    /// How many bytes are not zero.
    pub nonzero: u64,
    /// Whether every byte is a line feed, a carriage return, a tab or a space.
    pub whitespace: bool,
}

/// A running fill check.
#[derive(Clone)]
pub struct FillSink {
    allowed: &'static [u8],
    result: FillResult,
}

impl FillSink {
    /// Checks against `fill`.
    pub fn new(fill: Fill) -> Self {
        let allowed: &'static [u8] = match fill {
            Fill::Zero => &[0],
            Fill::AnyOf(bytes) => bytes,
        };
        Self {
            allowed,
            result: FillResult {
                whitespace: true,
                ..FillResult::default()
            },
        }
    }

    /// Takes the next bytes, which stand at `offset`.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        // Long runs of zeros are the rule: they are passed over sixty-four bytes at a time.
        let mut at = offset;
        for chunk in bytes.chunks(64) {
            if chunk.iter().fold(0, |all, b| all | b) == 0 && self.allowed.contains(&0) {
                self.result.whitespace = false;
            } else {
                self.slow(at, chunk);
            }
            at = at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
    }

    fn slow(&mut self, offset: u64, bytes: &[u8]) {
        for (at, byte) in (offset..).zip(bytes) {
            if *byte != 0 {
                self.result.nonzero = self.result.nonzero.saturating_add(1);
            }
            self.result.whitespace &= matches!(byte, b'\n' | b'\r' | b'\t' | b' ');
            if !self.allowed.contains(byte) {
                self.result.count = self.result.count.saturating_add(1);
                let end = at.saturating_add(1);
                self.result.foreign = Some(match self.result.foreign {
                    Some(span) => Span::new(span.start(), end),
                    None => Span::new(at, end),
                });
            }
        }
    }

    /// What was seen.
    pub fn finish(self) -> FillResult {
        self.result
    }
}

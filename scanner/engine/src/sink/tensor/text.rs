//! Runs of printable text among the bytes of a tensor.
//!
//! A run that is long enough has a block of printable bytes in it, which vector code looks for; what stands around such a
//! block is looked at byte by byte.

use crate::sink::printable::{full_block, leading, trailing};
use crate::tensor::number;
use probity_signatures::tensors;

/// Runs that are kept; more are counted.
const MOST: usize = 16;
/// Bytes of a run that are looked at for what it is made of.
const SAMPLE: usize = 512;

/// The shortest run that is kept: shorter ones are not told. One of 63 bytes has a whole block.
fn shortest() -> u64 {
    tensors().text.short.max(63)
}

/// A run of printable text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TextRun {
    /// The offset of its first byte in the tensor.
    pub offset: u64,
    /// Its length.
    pub length: u64,
}

/// A running search.
#[derive(Default)]
pub(super) struct TextRuns {
    /// Printable bytes at the end of what was fed so far.
    open: u64,
    at: u64,
    runs: Vec<TextRun>,
    longest: Option<TextRun>,
    bytes: u64,
}

impl TextRuns {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let mut from = 0usize;
        if self.open > 0 {
            from = leading(bytes);
            self.open = self.open.saturating_add(wide(from));
            if from == bytes.len() {
                self.at = self.at.saturating_add(wide(bytes.len()));
                return;
            }
            self.close(self.at.saturating_add(wide(from)));
        }
        // Everything before `from` is settled: a run that begins there or later, and is long enough, has a full block.
        while let Some(block) = full_block(bytes, from) {
            let before = trailing(bytes.get(from..block).unwrap_or_default());
            let start = block.saturating_sub(before);
            let length = leading(bytes.get(start..).unwrap_or_default());
            let end = start.saturating_add(length);
            self.open = wide(length);
            if end == bytes.len() {
                self.at = self.at.saturating_add(wide(bytes.len()));
                return;
            }
            self.close(self.at.saturating_add(wide(end)));
            from = end;
        }
        let rest = bytes.get(from..).unwrap_or_default();
        self.open = wide(trailing(rest));
        self.at = self.at.saturating_add(wide(bytes.len()));
    }

    fn close(&mut self, end: u64) {
        let length = std::mem::take(&mut self.open);
        if length < shortest() {
            return;
        }
        let run = TextRun {
            offset: end.saturating_sub(length),
            length,
        };
        self.bytes = self.bytes.saturating_add(length);
        if self.longest.is_none_or(|known| known.length < length) {
            self.longest = Some(run);
        }
        if self.runs.len() < MOST {
            self.runs.push(run);
        }
    }

    /// The first runs and the longest, by offset.
    pub(super) fn finish(mut self) -> Vec<TextRun> {
        self.close(self.at);
        let mut runs = self.runs;
        runs.extend(self.longest.filter(|longest| !runs.contains(longest)));
        runs
    }
}

/// Whether printable bytes among elements of `width` bytes read as text rather than as numbers: letters, and many different
/// bytes, at every position of an element too. Numbers of about one size have the same upper byte.
pub fn reads_as_text(bytes: &[u8], width: usize) -> bool {
    let limits = tensors().text;
    let sample = bytes.get(..SAMPLE).unwrap_or(bytes);
    let letters = sample.iter().filter(|byte| is_common(**byte)).count();
    let share = number::from_u64(wide(letters)) / number::from_u64(wide(sample.len().max(1)));
    let width = width.max(1);
    let lanes = (0..width).all(|lane| {
        let lane = || sample.iter().skip(lane).step_by(width);
        let part = wide(lane().count()).checked_div(limits.different_part).unwrap_or(0);
        different(lane()) >= limits.different_lane.min(part)
    });
    different(sample.iter()) >= limits.different && share >= limits.letters && lanes
}

fn is_common(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b' ' | b'\n' | b'/' | b'.' | b',' | b'_' | b'-')
}

fn different<'a>(bytes: impl Iterator<Item = &'a u8>) -> u64 {
    let mut seen = [false; 256];
    let mut different = 0u64;
    for byte in bytes {
        if let Some(seen) = seen.get_mut(usize::from(*byte))
            && !std::mem::replace(seen, true)
        {
            different = different.saturating_add(1);
        }
    }
    different
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::printable::is_printable;
    use proptest::prelude::*;

    fn runs(bytes: &[u8], tile: usize) -> Vec<TextRun> {
        let mut search = TextRuns::default();
        for piece in bytes.chunks(tile) {
            search.feed(piece);
        }
        search.finish()
    }

    fn expected(bytes: &[u8]) -> Vec<TextRun> {
        let (mut all, mut start) = (Vec::new(), None);
        for (at, byte) in bytes.iter().chain(&[0u8]).enumerate() {
            match (is_printable(*byte), start) {
                (true, None) => start = Some(at),
                (false, Some(from)) => {
                    let length = wide(at.saturating_sub(from));
                    if length >= shortest() {
                        all.push(TextRun {
                            offset: wide(from),
                            length,
                        });
                    }
                    start = None;
                }
                _ => {}
            }
        }
        all
    }

    proptest! {
        #[test]
        fn every_long_run_is_found_however_the_bytes_are_cut(
            parts in proptest::collection::vec((0usize..40, 1usize..260), 0..8),
            tile in prop_oneof![Just(1usize), Just(7), Just(95), Just(4096), 1usize..300],
        ) {
            let mut bytes = Vec::new();
            for (noise, text) in parts {
                bytes.extend(std::iter::repeat_n(0x9au8, noise));
                bytes.extend(std::iter::repeat_n(b'a', text));
            }
            prop_assert_eq!(runs(&bytes, tile), expected(&bytes));
        }
    }

    #[test]
    fn one_number_over_and_over_is_no_text() {
        assert!(!reads_as_text(&[0x66, 0x2e].repeat(200), 4));
    }

    #[test]
    fn text_reads_as_text_among_elements_of_any_width() {
        let url = b"https://example.org/path/to/a/resource?number=1234&word=some\n".repeat(10);
        let words = b"the quick brown fox jumps over the lazy dog and runs away from the very big bear in the woods until night";
        let base64 =
            b"aHR0cHM6Ly9leGFtcGxlLm9yZy9hL2IvYz9kPWUmZj1naGlqa2xtbm9wcXJzdHV2d3h5ejAxMjM0NTY3ODlBQkNERUZHSA==";
        for width in [0, 1, 2, 4, 8] {
            for text in [
                &url[..],
                &url[..96],
                &words[..96],
                &base64[..96],
                &b"0123456789abcdef".repeat(6),
            ] {
                assert!(reads_as_text(text, width), "{width}: {}", String::from_utf8_lossy(text));
            }
        }
    }

    /// A table of rising numbers, moments of an optimiser, and norms: bfloat16 whose bytes are all letters.
    #[test]
    fn numbers_of_about_one_size_are_no_text() {
        let rising: Vec<u8> = (0x20..0x7f).flat_map(|low| [low, b'E', low, b'E']).collect();
        let moments = b"7j9d9Y9R9j9d9Y9R9i9c9Y9R9p9j9k9X9i9c9Y9R9i9b9X9Q9z4a4R4e4j9d".repeat(2);
        let norm = |n: usize| [b"abcdefghijklmnopqrstuvwxyz"[n.wrapping_mul(n) % 26], b"AB"[n % 2]];
        let norms: Vec<u8> = (0..400).flat_map(norm).collect();
        for numbers in [rising, moments, norms] {
            assert!(reads_as_text(&numbers, 1), "the bytes alone would read as text");
            assert!(!reads_as_text(&numbers, 2));
        }
    }
}

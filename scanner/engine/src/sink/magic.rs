//! Where the magic numbers of executables stand in arbitrary bytes.
//!
//! A hit is a candidate only: whoever uses it parses the header that should follow. PE files are found by their
//! `PE\0\0` signature, since `MZ` is too short to search for.

use crate::span::Span;
use aho_corasick::packed::{Config, MatchKind, Searcher};
use std::collections::VecDeque;
use std::sync::LazyLock;

/// What a magic number could begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Magic {
    /// `\x7fELF`.
    Elf,
    /// `PE\0\0`: the header, not the start of the file.
    Pe,
    /// `MZ`, found by another search than this one.
    Dos,
    /// A thin Mach-O, either byte order, 32 or 64 bits.
    MachO,
    /// WebAssembly, version 1.
    Wasm,
}

/// Longest pattern less one byte: what a cut can hide.
const CARRY: usize = 7;

const PATTERNS: [(&[u8], Magic); 7] = [
    (b"\x7fELF", Magic::Elf),
    (b"PE\0\0", Magic::Pe),
    (b"\xcf\xfa\xed\xfe", Magic::MachO),
    (b"\xce\xfa\xed\xfe", Magic::MachO),
    (b"\xfe\xed\xfa\xcf", Magic::MachO),
    (b"\xfe\xed\xfa\xce", Magic::MachO),
    (b"\0asm\x01\0\0\0", Magic::Wasm),
];

static SEARCHER: LazyLock<Option<Searcher>> = LazyLock::new(|| {
    let mut builder = Config::new().match_kind(MatchKind::LeftmostFirst).builder();
    builder.extend(PATTERNS.iter().map(|(bytes, _)| bytes));
    builder.build()
});

/// A candidate.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct MagicHit {
    /// The offset of the magic number.
    pub offset: u64,
    /// What it could be.
    pub magic: Magic,
}

/// A running search.
pub struct MagicSink {
    hits: Vec<MagicHit>,
    dropped: u64,
    limit: usize,
    carry: Vec<u8>,
    carry_start: u64,
    /// Sorted spans without overlap that are left out; those that were passed are gone from its front.
    quiet: VecDeque<Span>,
}

impl MagicSink {
    /// Keeps at most `limit` candidates; the rest are counted.
    pub fn new(limit: usize) -> Self {
        Self {
            hits: Vec::new(),
            dropped: 0,
            limit,
            carry: Vec::new(),
            carry_start: 0,
            quiet: VecDeque::new(),
        }
    }

    /// Leaves out the sorted `spans`, which do not overlap: another search goes through them.
    #[must_use]
    pub fn quiet_in(mut self, spans: Vec<Span>) -> Self {
        self.quiet = spans.into();
        self
    }

    /// Takes the next bytes, which stand at `offset`.
    pub fn feed(&mut self, mut offset: u64, mut bytes: &[u8]) {
        let length = |bytes: &[u8]| u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        while let Some(quiet) = self.quiet.front().copied() {
            let left_out = quiet.intersect(Span::saturating_at(offset, length(bytes)));
            if left_out.is_empty() {
                if quiet.end() > offset {
                    break;
                }
                self.quiet.pop_front();
                continue;
            }
            let before = usize::try_from(left_out.start().saturating_sub(offset)).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(before.min(bytes.len()));
            self.take(offset, now);
            // What begins before them and goes on in them is found by whoever looks at their first bytes.
            self.carry.clear();
            let skipped = usize::try_from(left_out.len()).unwrap_or(usize::MAX);
            bytes = later.get(skipped..).unwrap_or_default();
            offset = left_out.end();
        }
        self.take(offset, bytes);
    }

    fn take(&mut self, offset: u64, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let carried = self.carry.len();
        let head = bytes.get(..CARRY.min(bytes.len())).unwrap_or_default();
        let mut bridge = std::mem::take(&mut self.carry);
        bridge.extend_from_slice(head);
        let start = self.carry_start;
        // Matches that begin in the carry; those that begin in `bytes` are found below.
        self.search(&bridge, start, carried);
        if bytes.len() > CARRY {
            self.search(bytes, offset, bytes.len());
            let from = bytes.len().saturating_sub(CARRY);
            // Complete matches inside the tail were just found: `search` forgets duplicates by offset.
            self.carry = bytes.get(from..).unwrap_or_default().to_vec();
            self.carry_start = offset.saturating_add(u64::try_from(from).unwrap_or(u64::MAX));
        } else {
            self.search(bytes, offset, bytes.len());
            let from = bridge.len().saturating_sub(CARRY);
            let base = if carried == 0 { offset } else { start };
            self.carry = bridge.get(from..).unwrap_or_default().to_vec();
            self.carry_start = base.saturating_add(u64::try_from(from).unwrap_or(u64::MAX));
        }
    }

    /// The candidates in ascending order, and how many were not kept.
    pub fn finish(mut self) -> (Vec<MagicHit>, u64) {
        self.hits.sort_unstable();
        self.hits.dedup();
        (self.hits, self.dropped)
    }

    fn search(&mut self, bytes: &[u8], base: u64, starts_before: usize) {
        let Some(searcher) = SEARCHER.as_ref() else { return };
        for found in searcher.find_iter(bytes).take_while(|m| m.start() < starts_before) {
            let Some((_, magic)) = PATTERNS.get(found.pattern().as_usize()) else {
                continue;
            };
            let offset = base.saturating_add(u64::try_from(found.start()).unwrap_or(u64::MAX));
            let hit = MagicHit { offset, magic: *magic };
            if self.hits.iter().rev().take(16).any(|h| *h == hit) {
                continue;
            }
            if self.hits.len() < self.limit {
                self.hits.push(hit);
            } else {
                self.dropped = self.dropped.saturating_add(1);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_that_are_left_out_hide_nothing_around_them_however_the_bytes_are_cut() {
        let mut bytes = vec![0u8; 600];
        for at in [0usize, 96, 100, 150, 296, 300, 450, 590] {
            bytes[at..at.saturating_add(4)].copy_from_slice(b"\x7fELF");
        }
        let quiet = vec![Span::new(100, 300), Span::new(300, 310), Span::new(440, 460)];
        for tile in [1, 7, 100, 256, 600] {
            let mut sink = MagicSink::new(100).quiet_in(quiet.clone());
            let mut offset = 0u64;
            for piece in bytes.chunks(tile) {
                sink.feed(offset, piece);
                offset = offset.saturating_add(u64::try_from(piece.len()).unwrap());
            }
            let places: Vec<u64> = sink.finish().0.iter().map(|hit| hit.offset).collect();
            assert_eq!(places, [0, 96, 590], "{tile}");
        }
        // However many spans there are, no more is kept than without them.
        let mut sink = MagicSink::new(2).quiet_in(quiet);
        sink.feed(0, &bytes);
        let (hits, dropped) = sink.finish();
        assert_eq!((hits.len(), dropped), (2, 1));
    }
}

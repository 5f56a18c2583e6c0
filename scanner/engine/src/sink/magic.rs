//! Where the magic numbers of executables stand in arbitrary bytes.
//!
//! A hit is a candidate only: whoever uses it parses the header that should follow. PE files are found by their
//! `PE\0\0` signature, since `MZ` is too short to search for.

use aho_corasick::packed::{Config, MatchKind, Searcher};
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
        }
    }

    /// Takes the next bytes, which stand at `offset`.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
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

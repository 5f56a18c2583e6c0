//! The running search: a buffer over what a match may need, and what was found so far.
//!
//! The source is cut into blocks at multiples of [`BLOCK`] from its start, whatever the tiles are. A block is searched
//! when the bytes that a match beginning in it may reach are there too.

use super::{PatternSet, Whole};
use crate::span::Span;
use probity_signatures::custom::{Encoding, Expression, LONGEST_MATCH};
use regex_automata::{Anchored, Input};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Bytes of a block.
const BLOCK: usize = 64 << 10;
/// Bytes behind a block that a match may reach.
const AHEAD: usize = LONGEST_MATCH + 8;
/// Hits of one pattern in one segment that are kept; the rest is counted.
const MOST_OF_ONE: usize = 4096;
/// Hits that are kept in all.
const MOST: usize = 500_000;
/// Beginnings in one block of an expression without fixed bytes that ran on too long.
const MOST_RUN_ON: u32 = 64;

/// One place of one pattern.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct PatternHit {
    /// The pattern, by its place in the set.
    pub pattern: u32,
    /// The bytes.
    pub span: Span,
    /// How the bytes spell the string, where the pattern is one.
    pub encoding: Option<Encoding>,
    /// Index of the owner whose bytes hold the first byte; 0 without owners.
    pub segment: usize,
}

/// What one search found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PatternScan {
    /// The hits, by pattern, then by place.
    pub hits: Vec<PatternHit>,
    /// Patterns of which more places were found in a segment than are kept: how many more.
    pub more: Vec<(u32, usize, u64)>,
    /// Patterns that were not looked for to the end.
    pub given_up: BTreeSet<u32>,
}

/// A running search.
pub struct PatternSink {
    set: Arc<PatternSet>,
    starts: Vec<u64>,
    buffer: Vec<u8>,
    /// The offset of the first byte of the buffer.
    base: u64,
    /// Where in the buffer the next block begins.
    next: usize,
    /// For each expression, up to where its last match reached.
    reached: BTreeMap<usize, u64>,
    hits: Vec<PatternHit>,
    counts: BTreeMap<(u32, usize), u64>,
    kept: usize,
    given_up: BTreeSet<u32>,
}

impl PatternSink {
    /// A search for `set`. `starts` are the first offsets of the owners' segments, ascending from 0.
    pub fn new(set: Arc<PatternSet>, starts: Vec<u64>) -> Self {
        Self {
            set,
            starts,
            buffer: Vec::new(),
            base: 0,
            next: 0,
            reached: BTreeMap::new(),
            hits: Vec::new(),
            counts: BTreeMap::new(),
            kept: 0,
            given_up: BTreeSet::new(),
        }
    }

    /// Takes the next bytes, which stand at `offset`.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        if self.buffer.is_empty() {
            self.base = offset;
            self.next = 0;
        }
        self.buffer.extend_from_slice(bytes);
        let before = self.next;
        while self.buffer.len() >= self.next.saturating_add(BLOCK).saturating_add(AHEAD) {
            self.block(self.next.saturating_add(BLOCK));
        }
        if self.next > before {
            // One more byte, for what looks at the byte before a match.
            let done = self.next.saturating_sub(self.set.behind.saturating_add(1));
            self.buffer.drain(..done.min(self.buffer.len()));
            self.base = self.base.saturating_add(wide(done));
            self.next = self.next.saturating_sub(done);
        }
    }

    /// What was found.
    pub fn finish(mut self) -> PatternScan {
        while self.next < self.buffer.len() {
            self.block(self.next.saturating_add(BLOCK).min(self.buffer.len()));
        }
        let most = wide(MOST_OF_ONE);
        let counted = self.counts.iter();
        let mut more: Vec<(u32, usize, u64)> = counted
            .filter(|(_, count)| **count > most)
            .map(|((pattern, segment), count)| (*pattern, *segment, count.saturating_sub(most)))
            .collect();
        more.sort_unstable();
        self.hits.sort_unstable();
        PatternScan {
            hits: self.hits,
            more,
            given_up: self.given_up,
        }
    }

    /// Finds everything that belongs to the block from `next` to `to`.
    fn block(&mut self, to: usize) {
        let set = Arc::clone(&self.set);
        let from = std::mem::replace(&mut self.next, to);
        let buffer = std::mem::take(&mut self.buffer);
        let mut starts: Vec<(usize, usize)> = Vec::new();
        for group in &set.groups {
            group.each(&buffer, from, to, |index, at| {
                let Some(entry) = set.entries.get(index) else { return };
                let Some(start) = entry.stands(&buffer, at) else { return };
                match entry.whole {
                    Whole::Pattern(pattern, encoding) => {
                        self.hit(pattern, start, entry.bytes.len(), Some(encoding));
                    }
                    Whole::Expression { index, lead } => {
                        starts.extend(start.checked_sub(lead).map(|start| (index, start)));
                    }
                }
            });
        }
        starts.sort_unstable();
        starts.dedup();
        for (index, start) in starts {
            let Some((pattern, expression)) = set.expressions.get(index) else {
                continue;
            };
            if self.reached(index) > self.offset(start) {
                continue;
            }
            if let Some(end) = match_at(expression, &buffer, start) {
                self.matched(*pattern, index, start, end);
            }
        }
        for index in &set.free {
            if let Some((pattern, expression)) = set.expressions.get(*index) {
                self.free(*pattern, *index, expression, &buffer, from, to);
            }
        }
        self.buffer = buffer;
    }

    /// Runs an expression without fixed bytes over the block.
    fn free(&mut self, pattern: u32, index: usize, expression: &Expression, buffer: &[u8], from: usize, to: usize) {
        let reached = self.reached(index).saturating_sub(self.base);
        let mut at = from.max(usize::try_from(reached).unwrap_or(usize::MAX));
        let limit = to.saturating_add(LONGEST_MATCH).min(buffer.len());
        let mut run_on = 0u32;
        while at < to {
            let Some(found) = expression.regex().search(&Input::new(buffer).span(at..limit)) else {
                return;
            };
            let start = found.start();
            if start >= to {
                return;
            }
            let end = if found.len() > LONGEST_MATCH {
                match_at(expression, buffer, start)
            } else {
                Some(found.end())
            };
            at = match end {
                Some(end) => {
                    self.matched(pattern, index, start, end);
                    end.max(start.saturating_add(1))
                }
                None => start.saturating_add(1),
            };
            if end.is_none() {
                run_on = run_on.saturating_add(1);
                if run_on > MOST_RUN_ON {
                    self.given_up.insert(pattern);
                    return;
                }
            }
        }
    }

    fn matched(&mut self, pattern: u32, index: usize, start: usize, end: usize) {
        self.reached.insert(index, self.offset(end));
        self.hit(pattern, start, end.saturating_sub(start), None);
    }

    fn hit(&mut self, pattern: u32, start: usize, length: usize, encoding: Option<Encoding>) {
        let start = self.offset(start);
        let segment = self.starts.partition_point(|s| *s <= start).saturating_sub(1);
        let count = self.counts.entry((pattern, segment)).or_default();
        *count = count.saturating_add(1);
        if *count > wide(MOST_OF_ONE) {
            return;
        }
        if self.kept >= MOST {
            self.given_up.insert(pattern);
            return;
        }
        self.kept = self.kept.saturating_add(1);
        self.hits.push(PatternHit {
            pattern,
            span: Span::saturating_at(start, wide(length)),
            encoding,
            segment,
        });
    }

    fn offset(&self, at: usize) -> u64 {
        self.base.saturating_add(wide(at))
    }

    fn reached(&self, index: usize) -> u64 {
        self.reached.get(&index).copied().unwrap_or(0)
    }
}

/// The end of the match that begins at `start`.
fn match_at(expression: &Expression, buffer: &[u8], start: usize) -> Option<usize> {
    let end = start.saturating_add(LONGEST_MATCH).min(buffer.len());
    let input = Input::new(buffer).span(start..end).anchored(Anchored::Yes);
    let found = expression.regex().search(&input)?;
    Some(found.end()).filter(|end| *end > start)
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

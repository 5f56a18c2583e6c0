//! Tiles joined so that what is read around a place does not depend on where tiles begin.

use super::printable;
use crate::span::Span;
use std::ops::Range;

/// What a search gets: a window, its offset, the places in it that are new, and the sorted starts of owners.
pub(super) struct Window<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) base: u64,
    pub(super) new: Range<usize>,
    boundaries: &'a [u64],
    quiet: &'a [Span],
}

impl Window<'_> {
    /// The new places at which something may begin, ascending: all of them, but of quiet spans only those in a row of
    /// text.
    pub(super) fn places(&self) -> Vec<Range<usize>> {
        let new = Span::new(self.offset(self.new.start), self.offset(self.new.end));
        let first = self.quiet.partition_point(|span| span.end() <= new.start());
        let quiet = self.quiet.get(first..).unwrap_or_default();
        let local = |at: u64| usize::try_from(at.saturating_sub(self.base)).unwrap_or(usize::MAX);
        let (mut places, mut from) = (Vec::new(), self.new.start);
        for span in quiet.iter().take_while(|span| span.start() < new.end()) {
            let span = span.intersect(new);
            let (start, end) = (local(span.start()), local(span.end()));
            if from < start {
                places.push(from..start);
            }
            places.extend(printable::rows(self.bytes, start..end));
            from = end;
        }
        if from < self.new.end {
            places.push(from..self.new.end);
        }
        places
    }

    fn offset(&self, at: usize) -> u64 {
        self.base.saturating_add(wide(at))
    }

    /// The owner whose bytes hold the place `at` of the window.
    pub(super) fn segment(&self, at: usize) -> usize {
        let at = self.offset(at);
        self.boundaries.partition_point(|&start| start <= at).saturating_sub(1)
    }
}

/// Bytes fed in ascending tiles, handed on as windows in which every new place has its whole reach.
pub(super) struct Tiles {
    /// Bytes before a place that its reading may look at.
    behind: usize,
    /// Bytes from a place on that its reading may look at.
    ahead: usize,
    /// Sorted starts of owners.
    boundaries: Vec<u64>,
    /// Sorted spans without overlap in which only rows of text are searched.
    quiet: Vec<Span>,
    /// Bytes up to `end` that later places may still look at.
    carry: Vec<u8>,
    /// Offset of the first place not yet searched.
    next: u64,
    /// Offset after the last byte fed.
    end: u64,
}

impl Tiles {
    pub(super) fn new(behind: usize, ahead: usize, mut boundaries: Vec<u64>) -> Self {
        boundaries.sort_unstable();
        Self {
            behind,
            ahead,
            boundaries,
            quiet: Vec::new(),
            carry: Vec::new(),
            next: 0,
            end: 0,
        }
    }

    /// Searches only rows of text in `spans`, which are sorted and do not overlap.
    pub(super) fn quiet(&mut self, spans: Vec<Span>) {
        self.quiet = spans;
    }

    /// Takes the bytes at `offset`. An offset other than the previous end begins a new region; nothing spans both.
    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8], search: &mut impl FnMut(&Window<'_>)) {
        if offset != self.end {
            self.begin(offset, search);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let passed = self.boundaries.partition_point(|&start| start <= self.end);
            if passed.checked_sub(1).and_then(|at| self.boundaries.get(at)) == Some(&self.end) {
                self.begin(self.end, search);
            }
            let room = self
                .boundaries
                .get(passed)
                .map_or(u64::MAX, |start| start.saturating_sub(self.end));
            let len = usize::try_from(room).unwrap_or(usize::MAX).min(rest.len());
            let (piece, after) = rest.split_at(len);
            self.feed_piece(piece, search);
            rest = after;
        }
    }

    /// Searches what is left.
    pub(super) fn finish(&mut self, search: &mut impl FnMut(&Window<'_>)) {
        self.begin(self.end, search);
    }

    /// Searches what the carry still holds and starts a region at `offset`.
    fn begin(&mut self, offset: u64, search: &mut impl FnMut(&Window<'_>)) {
        let carry = std::mem::take(&mut self.carry);
        let base = self.end.saturating_sub(wide(carry.len()));
        self.search(&carry, base, self.end, search);
        self.carry = carry;
        self.carry.clear();
        (self.next, self.end) = (offset, offset);
    }

    fn feed_piece(&mut self, piece: &[u8], search: &mut impl FnMut(&Window<'_>)) {
        let seam = self.behind.saturating_add(self.ahead);
        let start = self.end;
        self.end = start.saturating_add(wide(piece.len()));
        let ready = self.end.saturating_sub(wide(self.ahead));
        if piece.len() < seam {
            self.carry.extend_from_slice(piece);
            if self.carry.len() >= seam.saturating_mul(2) {
                let mut carry = std::mem::take(&mut self.carry);
                self.search(&carry, self.end.saturating_sub(wide(carry.len())), ready, search);
                carry.drain(..carry.len().saturating_sub(seam));
                self.carry = carry;
            }
            return;
        }
        let mut carry = std::mem::take(&mut self.carry);
        let base = start.saturating_sub(wide(carry.len()));
        if !carry.is_empty() {
            carry.extend_from_slice(piece.get(..seam).unwrap_or(piece));
            self.search(&carry, base, start.saturating_add(wide(self.behind)), search);
        }
        self.search(piece, start, ready, search);
        carry.clear();
        carry.extend_from_slice(piece.get(piece.len().saturating_sub(seam)..).unwrap_or_default());
        self.carry = carry;
    }

    /// Hands on the places of `self.next..until`, each with its reach in `bytes`, which start at `base`.
    fn search(&mut self, bytes: &[u8], base: u64, until: u64, search: &mut impl FnMut(&Window<'_>)) {
        let local = |offset: u64| usize::try_from(offset.saturating_sub(base)).unwrap_or(usize::MAX);
        let new = local(self.next)..local(until).min(bytes.len());
        if new.start >= new.end {
            return;
        }
        self.next = until;
        search(&Window {
            bytes,
            base,
            new,
            boundaries: &self.boundaries,
            quiet: &self.quiet,
        });
    }
}

pub(super) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

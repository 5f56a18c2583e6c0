//! The sweep: needles found tile by tile, each read within a fixed reach, so that tile borders leave no trace.

use super::HostScan;
use super::needle::Needles;
use super::table::Table;

/// Bytes before a needle that its reading may look at: a quoted name of 253 bytes, or a UTF-16 scheme.
pub(super) const BEHIND: usize = 320;

/// Bytes from a needle's start on that its reading may look at.
pub(super) const AHEAD: usize = 4096;

/// What a tile border must carry over.
const SEAM: usize = BEHIND + AHEAD;

/// Finds hosts in bytes fed in ascending tiles.
pub struct HostSink {
    needles: &'static Needles,
    table: Table,
    /// Sorted starts of owners.
    boundaries: Vec<u64>,
    /// Bytes up to `end` that later needles may still look at.
    carry: Vec<u8>,
    /// Offset of the first needle position not yet searched.
    next: u64,
    /// Offset after the last byte fed.
    end: u64,
}

impl HostSink {
    /// A sink that keeps at most `limit` distinct hosts.
    pub fn new(limit: usize) -> Self {
        Self::with_owners(limit, Vec::new())
    }

    /// A sink that keeps distinct hosts per owner: segment `i` is `boundaries[i]..boundaries[i + 1]`.
    ///
    /// No URL continues across a boundary. Bytes before the first boundary count as segment 0. `boundaries` is sorted
    /// here when it is not.
    pub fn with_owners(limit: usize, mut boundaries: Vec<u64>) -> Self {
        boundaries.sort_unstable();
        Self {
            needles: Needles::shared(),
            table: Table::new(limit),
            boundaries,
            carry: Vec::new(),
            next: 0,
            end: 0,
        }
    }

    /// Takes the bytes at `offset`. An offset other than the previous end begins a new region; nothing spans both.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        if offset != self.end {
            self.begin(offset);
        }
        let mut rest = bytes;
        while !rest.is_empty() {
            let passed = self.boundaries.partition_point(|&start| start <= self.end);
            if passed.checked_sub(1).and_then(|at| self.boundaries.get(at)) == Some(&self.end) {
                self.begin(self.end);
            }
            let room = self
                .boundaries
                .get(passed)
                .map_or(u64::MAX, |start| start.saturating_sub(self.end));
            let len = usize::try_from(room).unwrap_or(usize::MAX).min(rest.len());
            let (piece, after) = rest.split_at(len);
            self.feed_piece(piece);
            rest = after;
        }
    }

    /// The hosts found.
    pub fn finish(mut self) -> HostScan {
        self.begin(self.end);
        self.table.finish()
    }

    /// Searches what the carry still holds and starts a region at `offset`.
    fn begin(&mut self, offset: u64) {
        let carry = std::mem::take(&mut self.carry);
        let base = self.end.saturating_sub(wide(carry.len()));
        self.search(&carry, base, self.end);
        self.carry = carry;
        self.carry.clear();
        (self.next, self.end) = (offset, offset);
    }

    fn feed_piece(&mut self, piece: &[u8]) {
        let start = self.end;
        self.end = start.saturating_add(wide(piece.len()));
        let ready = self.end.saturating_sub(wide(AHEAD));
        if piece.len() < SEAM {
            self.carry.extend_from_slice(piece);
            if self.carry.len() >= 2 * SEAM {
                let mut carry = std::mem::take(&mut self.carry);
                self.search(&carry, self.end.saturating_sub(wide(carry.len())), ready);
                carry.drain(..carry.len().saturating_sub(SEAM));
                self.carry = carry;
            }
            return;
        }
        let mut carry = std::mem::take(&mut self.carry);
        let base = start.saturating_sub(wide(carry.len()));
        if !carry.is_empty() {
            carry.extend_from_slice(piece.get(..SEAM).unwrap_or(piece));
            self.search(&carry, base, start.saturating_add(wide(BEHIND)));
        }
        self.search(piece, start, ready);
        carry.clear();
        carry.extend_from_slice(piece.get(piece.len().saturating_sub(SEAM)..).unwrap_or_default());
        self.carry = carry;
    }

    /// Reads every needle that starts in `self.next..until`, in ascending order; `window` starts at `base`.
    fn search(&mut self, window: &[u8], base: u64, until: u64) {
        let local = |offset: u64| usize::try_from(offset.saturating_sub(base)).unwrap_or(usize::MAX);
        let (from, to) = (local(self.next), local(until).min(window.len()));
        if from >= to {
            return;
        }
        self.next = until;
        let boundaries = &self.boundaries;
        let table = &mut self.table;
        self.needles.each(window, base, from..to, |encoding, candidate| {
            let at = base.saturating_add(wide(candidate.host_at));
            let segment = boundaries.partition_point(|&start| start <= at).saturating_sub(1);
            table.add(encoding, segment, base, candidate);
        });
    }
}

pub(super) fn wide(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}

//! The sweep: needles found tile by tile, each read within a fixed reach, so that tile borders leave no trace.

use super::HostScan;
use super::needle::Needles;
use super::table::Table;
use crate::sink::reach::{Tiles, Window};
use crate::span::Span;

pub(super) use crate::sink::reach::wide;

/// Bytes before a needle that its reading may look at: a quoted name of 253 bytes, or a UTF-16 scheme.
pub(super) const BEHIND: usize = 320;

/// Bytes from a needle's start on that its reading may look at.
pub(super) const AHEAD: usize = 4096;

/// Finds hosts in bytes fed in ascending tiles.
pub struct HostSink {
    needles: &'static Needles,
    table: Table,
    tiles: Tiles,
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
    pub fn with_owners(limit: usize, boundaries: Vec<u64>) -> Self {
        Self {
            needles: Needles::shared(),
            table: Table::new(limit),
            tiles: Tiles::new(BEHIND, AHEAD, boundaries),
        }
    }

    /// Searches, in each of the sorted `spans`, only rows of twelve printable bytes and more, plain or in UTF-16: for
    /// numbers, in which what looks like a shorter name is chance.
    #[must_use]
    pub fn quiet_in(mut self, spans: Vec<Span>) -> Self {
        self.tiles.quiet(spans);
        self
    }

    /// Takes the bytes at `offset`. An offset other than the previous end begins a new region; nothing spans both.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let Self { needles, table, tiles } = self;
        tiles.feed(offset, bytes, &mut |window| search(needles, table, window));
    }

    /// The hosts found.
    pub fn finish(self) -> HostScan {
        let Self {
            needles,
            mut table,
            mut tiles,
        } = self;
        tiles.finish(&mut |window| search(needles, &mut table, window));
        table.finish()
    }
}

/// Reads every needle that starts in the new part of `window`, in ascending order.
fn search(needles: &Needles, table: &mut Table, window: &Window<'_>) {
    for places in window.places() {
        needles.each(window.bytes, window.base, places, |encoding, candidate| {
            table.add(encoding, window.segment(candidate.host_at), window.base, candidate);
        });
    }
}

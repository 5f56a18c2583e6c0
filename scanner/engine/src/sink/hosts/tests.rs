//! The grammar as tables of input and hosts, and the law that tiles leave no trace.

#![expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "the tests build their own small inputs"
)]

mod encoded;
mod grammar;
mod sweep;

use super::*;

/// Feeds `bytes` at offset 0 in tiles of `tile` bytes.
fn scan_in_tiles(bytes: &[u8], tile: usize) -> HostScan {
    let mut sink = HostSink::new(10_000);
    for (piece, offset) in bytes.chunks(tile).zip((0_u64..).step_by(tile)) {
        sink.feed(offset, piece);
    }
    sink.finish()
}

/// Feeds `bytes` at once.
fn scan(bytes: &[u8]) -> HostScan {
    scan_in_tiles(bytes, bytes.len().max(1))
}

/// The hosts in order of place, those that are only possible marked with `?`.
fn hosts(scan: &HostScan) -> String {
    let mark = |hit: &HostHit| match hit.confidence {
        Confidence::Likely => hit.host.clone(),
        Confidence::Possible => format!("{}?", hit.host),
    };
    scan.hits.iter().map(mark).collect::<Vec<_>>().join(" ")
}

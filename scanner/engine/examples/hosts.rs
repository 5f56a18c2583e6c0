//! Lists the hosts of one file and how fast the sink finds them: `cargo run --release --example hosts -- FILE [TILE]`.

use std::path::PathBuf;
use std::time::Instant;

use probity_engine::sink::hosts::{Confidence, HostSink};

/// Bytes given to the sink at a time unless told otherwise, as a sweep does.
const TILE: usize = 256 << 10;

fn main() -> std::io::Result<()> {
    let Some(path) = std::env::args_os().nth(1).map(PathBuf::from) else {
        return Err(std::io::Error::other("usage: hosts FILE [TILE]"));
    };
    let bytes = std::fs::read(path)?;
    let tile = std::env::args()
        .nth(2)
        .and_then(|text| text.parse().ok())
        .filter(|&tile| tile > 0)
        .unwrap_or(TILE);
    let started = Instant::now();
    let mut sink = HostSink::new(100_000);
    for (piece, offset) in bytes.chunks(tile).zip((0_u64..).step_by(tile)) {
        sink.feed(offset, piece);
    }
    let scan = sink.finish();
    let seconds = started.elapsed().as_secs_f64();
    for hit in &scan.hits {
        println!(
            "{:#x}\t{}\t{:?}\t{:?}\t{:?}\t{}\t{}\t{:?}",
            hit.url_offset, hit.host, hit.confidence, hit.kind, hit.encoding, hit.scheme, hit.count, hit.port
        );
    }
    let likely = scan
        .hits
        .iter()
        .filter(|hit| hit.confidence == Confidence::Likely)
        .count();
    eprintln!(
        "{} entries, {likely} likely, {} dropped, {} bytes in {seconds:.3} s = {:.2} GB/s",
        scan.hits.len(),
        scan.dropped,
        bytes.len(),
        bytes.len() as f64 / seconds / 1e9
    );
    Ok(())
}

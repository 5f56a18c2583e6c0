//! Whatever the bytes, the secret sink gives the same scan for every tiling.
#![no_main]

use probity_engine::sink::secrets::{SecretScan, SecretSink};

/// Scans `data` in tiles of `tile` bytes.
fn scan(data: &[u8], tile: usize) -> SecretScan {
    let mut sink = SecretSink::with_owners(64, vec![0, 5_000]);
    for (piece, offset) in data.chunks(tile).zip((0_u64..).step_by(tile)) {
        sink.feed(offset, piece);
    }
    sink.finish()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let whole = scan(data, data.len().max(1));
    assert_eq!(scan(data, 7), whole);
    assert_eq!(scan(data, 4096), whole);
    for hit in &whole.hits {
        let end = usize::try_from(hit.span.end()).expect("a span inside data");
        assert!(end <= data.len() && !hit.span.is_empty() && hit.shown.len() <= 16);
    }
});

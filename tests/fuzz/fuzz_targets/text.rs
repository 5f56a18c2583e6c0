//! Texts: any bytes are accounted for, and the check of their content gives the same however they are cut.
#![no_main]

use probity_engine::sink::{TextResult, TextSink};

fn check(data: &[u8], tile: usize) -> TextResult {
    let (mut sink, mut at) = (TextSink::default(), 0);
    for piece in data.chunks(tile) {
        sink.feed(at, piece);
        at += piece.len() as u64;
    }
    sink.finish()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    probity_engine::format::fuzz("text", data);
    probity_engine::format::fuzz("script", data);
    let whole = check(data, data.len().max(1));
    for tile in [1, 7, 4096] {
        assert_eq!(check(data, tile), whole);
    }
});

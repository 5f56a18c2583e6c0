//! Whatever the text, rules load or are refused; what loads finds the same in every tiling.
#![no_main]

use probity_engine::sink::{PatternScan, PatternSet, PatternSink};
use probity_signatures::custom::{Detect, Pattern, Surroundings, load};
use std::sync::Arc;

fn scan(set: &Arc<PatternSet>, data: &[u8], tile: usize) -> PatternScan {
    let mut sink = PatternSink::new(Arc::clone(set), vec![0, 100]);
    for (piece, offset) in data.chunks(tile).zip((0_u64..).step_by(tile)) {
        sink.feed(offset, piece);
    }
    sink.finish()
}

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    let around = Surroundings {
        formats: &["elf", "pe"],
        path_glob: &|_| Ok(()),
    };
    let Ok(rules) = load(&[("r.toml", text)], &around) else { return };
    let patterns: Vec<Pattern> = rules
        .into_iter()
        .flat_map(|rule| match rule.detect {
            Detect::Patterns { patterns, .. } => patterns,
            _ => Vec::new(),
        })
        .collect();
    let set = Arc::new(PatternSet::new(&patterns));
    let whole = scan(&set, data, data.len().max(1));
    assert_eq!(scan(&set, data, 7), whole);
    for hit in &whole.hits {
        assert!(!hit.span.is_empty() && hit.span.end() <= data.len() as u64);
    }
});

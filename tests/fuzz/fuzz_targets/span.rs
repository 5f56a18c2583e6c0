//! The law under the ledger: whatever spans are claimed, claimed and unclaimed bytes add up to the length.
#![no_main]

use libfuzzer_sys::fuzz_target;
use probity_engine::span::{Span, SpanSet};

fuzz_target!(|data: &[u8]| {
    let Some((length, rest)) = data.split_first_chunk::<8>() else { return };
    let whole = Span::new(0, u64::from_le_bytes(*length));
    let mut spans = Vec::new();
    for pair in rest.chunks_exact(16) {
        let (Some(start), Some(end)) = (pair.first_chunk::<8>(), pair.last_chunk::<8>()) else { continue };
        // Half of the spans are bounded by the length, so that sets inside it are met as often as sets across its end.
        let (start, end) = (u64::from_le_bytes(*start), u64::from_le_bytes(*end));
        let span = Span::new(start, end);
        spans.push(if end % 2 == 0 { span.intersect(whole) } else { span });
    }
    let set = SpanSet::from_spans(spans.iter().copied());
    let claimed = set.intersection(&SpanSet::from_spans([whole]));
    let unclaimed = set.complement(whole);

    assert_eq!(claimed.total().checked_add(unclaimed.total()), Some(whole.len()));
    assert!(claimed.intersection(&unclaimed).is_empty());
    assert_eq!(SpanSet::from_spans(claimed.iter().chain(unclaimed.iter())), SpanSet::from_spans([whole]));
    assert_eq!(unclaimed.complement(whole), claimed);
    for span in spans {
        assert!(set.encloses(span));
    }
    for (left, right) in set.iter().zip(set.iter().skip(1)) {
        assert!(left.end() < right.start());
    }
});

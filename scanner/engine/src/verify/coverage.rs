//! Coverage: of each byte of a signed artifact, whether an intact signature is over it.
//!
//! The law, which holds wherever something is signed: `covered + excluded + uncovered == length`. A byte that is covered is
//! not also excluded.
//!
//! An artifact that is a slice of a signed one inherits what lies over it, byte for byte. One that was decoded from it has
//! no bytes of it, but follows from some: all of it is covered where every byte that it was made of is covered, since none
//! of its own can change then without one of those. Where one of them is not, a decoder could be led to give anything:
//! nothing of it is covered but by signatures of its own.

use super::Verified;
use crate::span::{Span, SpanSet};

/// Why a scheme leaves bytes out.
pub type Why = &'static str;

/// The coverage of one artifact.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    length: u64,
    covered: SpanSet,
    excluded: Vec<(Span, Why)>,
}

impl Coverage {
    /// What the artifact's own signatures say, and what it `inherits` from what holds it; `None` when nothing is signed.
    pub(crate) fn new(length: u64, verified: &Verified, inherits: Option<&Self>) -> Option<Self> {
        if verified.reports.is_empty() && inherits.is_none() {
            return None;
        }
        let whole = Span::new(0, length);
        let above = inherits.iter().flat_map(|i| i.covered.iter());
        let covered = SpanSet::from_spans(verified.covered.iter().chain(above).map(|s| s.intersect(whole)));
        let named = inherits.iter().flat_map(|i| &i.excluded).chain(&verified.excluded);
        let mut excluded: Vec<(Span, Why)> = Vec::new();
        let mut taken = covered.clone();
        for (span, why) in named {
            let left = taken.complement(span.intersect(whole));
            excluded.extend(left.iter().map(|s| (s, *why)));
            taken = SpanSet::from_spans(taken.iter().chain(left.iter()));
        }
        excluded.sort_unstable_by_key(|(span, _)| *span);
        Some(Self {
            length,
            covered,
            excluded,
        })
    }

    /// What lies over `window` of this artifact, in the window's own offsets.
    pub(crate) fn of_slice(&self, window: Span) -> Self {
        let cut = |span: Span| {
            let both = span.intersect(window);
            Span::new(
                both.start().saturating_sub(window.start()),
                both.end().saturating_sub(window.start()),
            )
        };
        let inside = self.excluded.iter().map(|(span, why)| (cut(*span), *why));
        Self {
            length: window.len(),
            covered: SpanSet::from_spans(self.covered.iter().map(cut)),
            excluded: inside.filter(|(span, _)| !span.is_empty()).collect(),
        }
    }

    /// Whether every byte of `spans` is covered; what is made of nothing is not.
    pub(crate) fn is_over(&self, spans: &[Span]) -> bool {
        let made_of = SpanSet::from_spans(spans.iter().copied());
        !made_of.is_empty() && self.covered.intersection(&made_of).total() == made_of.total()
    }

    /// The coverage of what was decoded from a signed artifact, of bytes that are all `covered` or not; `own` is what its
    /// own signatures say.
    pub(crate) fn of_decoded(length: u64, covered: bool, own: Option<&Self>) -> Self {
        if covered {
            return Self {
                length,
                covered: SpanSet::from_spans([Span::new(0, length)]),
                excluded: Vec::new(),
            };
        }
        let nothing = || Self {
            length,
            ..Self::default()
        };
        own.cloned().unwrap_or_else(nothing)
    }

    /// The bytes that are covered.
    pub fn covered(&self) -> &SpanSet {
        &self.covered
    }

    /// The bytes that are left out by design, and why.
    pub fn excluded(&self) -> &[(Span, Why)] {
        &self.excluded
    }

    /// The bytes that nobody vouches for.
    pub fn uncovered(&self) -> SpanSet {
        let known = self.covered.iter().chain(self.excluded.iter().map(|(span, _)| *span));
        SpanSet::from_spans(known).complement(Span::new(0, self.length))
    }

    /// Bytes covered, excluded and uncovered: together the artifact's length.
    pub fn counts(&self) -> (u64, u64, u64) {
        let excluded = SpanSet::from_spans(self.excluded.iter().map(|(span, _)| *span)).total();
        (self.covered.total(), excluded, self.uncovered().total())
    }
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    reason = "the numbers of a test are small and its own"
)]
mod tests {
    use super::*;
    use crate::verify::Signature;
    use proptest::prelude::*;

    fn verified(covered: &[(u64, u64)], excluded: &[(u64, u64)]) -> Verified {
        let span = |(start, end): &(u64, u64)| Span::new(*start, *end);
        Verified {
            reports: vec![Signature::new("test")],
            covered: SpanSet::from_spans(covered.iter().map(span)),
            excluded: excluded.iter().map(|s| (span(s), "test")).collect(),
            ..Verified::default()
        }
    }

    #[test]
    fn nothing_is_said_where_nothing_is_signed() {
        assert_eq!(Coverage::new(10, &Verified::default(), None), None);
    }

    #[test]
    fn a_slice_inherits_what_lies_over_it() {
        let outer = Coverage::new(100, &verified(&[(0, 40), (60, 80)], &[(40, 44), (90, 100)]), None).unwrap();
        assert_eq!(outer.counts(), (60, 14, 26));
        let inner = outer.of_slice(Span::new(30, 95));
        assert_eq!(
            inner.covered.iter().collect::<Vec<_>>(),
            [Span::new(0, 10), Span::new(30, 50)]
        );
        assert_eq!(
            inner.excluded,
            [(Span::new(10, 14), "test"), (Span::new(60, 65), "test")]
        );
        assert_eq!(inner.counts(), (30, 9, 26));
        let both = Coverage::new(65, &verified(&[(8, 20)], &[]), Some(&inner)).unwrap();
        assert_eq!(both.counts(), (40, 5, 20));
    }

    #[test]
    fn what_was_decoded_is_covered_where_all_that_it_was_made_of_is() {
        let outer = Coverage::new(100, &verified(&[(0, 40), (60, 80)], &[(40, 44)]), None).unwrap();
        let over = |spans: &[(u64, u64)]| {
            let spans: Vec<Span> = spans.iter().map(|(start, end)| Span::new(*start, *end)).collect();
            outer.is_over(&spans)
        };
        assert!(over(&[(0, 40)]) && over(&[(60, 70), (10, 20)]));
        assert!(!over(&[(30, 41)]) && !over(&[(0, 10), (44, 50)]) && !over(&[]) && !over(&[(5, 5)]));
        let own = Coverage::new(50, &verified(&[(0, 20)], &[(20, 30)]), None).unwrap();
        assert_eq!(Coverage::of_decoded(50, true, Some(&own)).counts(), (50, 0, 0));
        assert_eq!(Coverage::of_decoded(50, false, Some(&own)).counts(), (20, 10, 20));
        assert_eq!(Coverage::of_decoded(50, false, None).counts(), (0, 0, 50));
    }

    proptest! {
        #[test]
        fn covered_excluded_and_uncovered_are_the_length(
            length in 0u64..200,
            covered in proptest::collection::vec((0u64..220, 0u64..220), 0..6),
            excluded in proptest::collection::vec((0u64..220, 0u64..220), 0..6),
            above in proptest::collection::vec((0u64..220, 0u64..220), 0..6),
        ) {
            let outer = Coverage::new(220, &verified(&above, &excluded), None).unwrap();
            for inherits in [None, Some(&outer.of_slice(Span::new(7, 7 + length)))] {
                let found = Coverage::new(length, &verified(&covered, &excluded), inherits).unwrap();
                let (covered, excluded, uncovered) = found.counts();
                prop_assert_eq!(covered + excluded + uncovered, length);
                prop_assert!(found.excluded.iter().all(|(s, _)| !found.covered.iter().any(|c| c.overlaps(*s))));
            }
        }
    }
}

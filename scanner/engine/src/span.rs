//! Half-open byte ranges and sorted sets of them, the arithmetic under the ledger.
//!
//! Offsets are `u64` bytes from the start of one artifact. Nothing here reads or allocates in proportion to a length.

use std::fmt;

/// A half-open range of bytes, `start..end`, with `start <= end`.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Span {
    start: u64,
    end: u64,
}

impl Span {
    /// The span `start..end`; an inverted range becomes the empty span at `start`.
    pub const fn new(start: u64, end: u64) -> Self {
        Self {
            start,
            end: if end < start { start } else { end },
        }
    }

    /// The span of `len` bytes at `start`, or `None` when its end exceeds `u64::MAX`.
    pub const fn at(start: u64, len: u64) -> Option<Self> {
        match start.checked_add(len) {
            Some(end) => Some(Self { start, end }),
            None => None,
        }
    }

    /// The span of `len` bytes at `start`, cut at `u64::MAX`.
    pub const fn saturating_at(start: u64, len: u64) -> Self {
        Self {
            start,
            end: start.saturating_add(len),
        }
    }

    /// The first byte's offset.
    pub const fn start(self) -> u64 {
        self.start
    }

    /// The offset after the last byte.
    pub const fn end(self) -> u64 {
        self.end
    }

    /// The length in bytes.
    pub const fn len(self) -> u64 {
        self.end.saturating_sub(self.start)
    }

    /// Whether the span holds no byte.
    pub const fn is_empty(self) -> bool {
        self.start == self.end
    }

    /// Whether `offset` lies inside.
    pub const fn contains(self, offset: u64) -> bool {
        self.start <= offset && offset < self.end
    }

    /// Whether `other` lies wholly inside (an empty span does when its offset is within or at an edge).
    pub const fn encloses(self, other: Self) -> bool {
        self.start <= other.start && other.end <= self.end
    }

    /// The bytes both spans share; empty when they share none.
    pub fn intersect(self, other: Self) -> Self {
        let start = self.start.max(other.start);
        Self::new(start, self.end.min(other.end))
    }

    /// Whether both spans share at least one byte.
    pub fn overlaps(self, other: Self) -> bool {
        !self.intersect(other).is_empty()
    }

    /// This span moved up by `base`, cut at `u64::MAX`.
    pub const fn shifted(self, base: u64) -> Self {
        Self {
            start: self.start.saturating_add(base),
            end: self.end.saturating_add(base),
        }
    }
}

impl fmt::Debug for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}..{:#x}", self.start, self.end)
    }
}

/// A sorted set of disjoint, non-touching, non-empty spans.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SpanSet {
    spans: Vec<Span>,
}

impl SpanSet {
    /// The union of `spans`, in any order, overlapping or not.
    pub fn from_spans(spans: impl IntoIterator<Item = Span>) -> Self {
        let mut all: Vec<Span> = spans.into_iter().filter(|s| !s.is_empty()).collect();
        all.sort_unstable();
        let mut out: Vec<Span> = Vec::new();
        for span in all {
            match out.last_mut() {
                Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
                _ => out.push(span),
            }
        }
        Self { spans: out }
    }

    /// The spans, ascending.
    pub fn iter(&self) -> impl Iterator<Item = Span> + '_ {
        self.spans.iter().copied()
    }

    /// The number of bytes in the set.
    pub fn total(&self) -> u64 {
        self.spans.iter().fold(0, |n, s| n.saturating_add(s.len()))
    }

    /// Whether the set holds no byte.
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// The bytes of `within` that are not in the set.
    pub fn complement(&self, within: Span) -> Self {
        let mut out = Vec::new();
        let mut at = within.start;
        for span in &self.spans {
            let cut = span.intersect(within);
            if cut.is_empty() {
                continue;
            }
            if at < cut.start {
                out.push(Span::new(at, cut.start));
            }
            at = at.max(cut.end);
        }
        if at < within.end {
            out.push(Span::new(at, within.end));
        }
        Self { spans: out }
    }

    /// The bytes in both sets.
    pub fn intersection(&self, other: &Self) -> Self {
        let mut out = Vec::new();
        let (mut left, mut right) = (self.spans.iter().peekable(), other.spans.iter().peekable());
        while let (Some(a), Some(b)) = (left.peek(), right.peek()) {
            let both = a.intersect(**b);
            if !both.is_empty() {
                out.push(both);
            }
            if a.end < b.end {
                left.next()
            } else {
                right.next()
            };
        }
        Self { spans: out }
    }

    /// Whether every byte of `span` is in the set.
    pub fn encloses(&self, span: Span) -> bool {
        if span.is_empty() {
            return true;
        }
        let next = self.spans.partition_point(|s| s.end <= span.start);
        self.spans.get(next).is_some_and(|s| s.encloses(span))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_union_merges_what_touches_and_its_complement_is_the_rest() {
        let set = SpanSet::from_spans([Span::new(5, 9), Span::new(0, 2), Span::new(2, 3), Span::new(8, 12)]);
        assert_eq!(set.iter().collect::<Vec<_>>(), [Span::new(0, 3), Span::new(5, 12)]);
        let rest = set.complement(Span::new(0, 20));
        assert_eq!(rest.iter().collect::<Vec<_>>(), [Span::new(3, 5), Span::new(12, 20)]);
        assert_eq!(set.total() + rest.total(), 20);
        assert!(set.encloses(Span::new(6, 12)) && !set.encloses(Span::new(2, 6)));
    }

    #[test]
    fn an_intersection_holds_what_both_hold() {
        let a = SpanSet::from_spans([Span::new(0, 10), Span::new(20, 30)]);
        let b = SpanSet::from_spans([Span::new(5, 25)]);
        assert_eq!(
            a.intersection(&b).iter().collect::<Vec<_>>(),
            [Span::new(5, 10), Span::new(20, 25)]
        );
    }
}

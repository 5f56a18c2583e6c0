//! What a signature is over, computed as the bytes pass: digests of several spans, digests of pages, the sum of a PE image.

use crate::sink::DigestSink;
use crate::span::Span;
use crate::verify::algorithm::Algorithm;
use crate::verify::{Outcome, Pages, Request};
use aws_lc_rs::digest::Context;

/// A running request.
pub(crate) enum SignedSink {
    /// Several spans, one after the other.
    Digest(OrderedSink),
    /// Pages.
    Pages(PageSink),
    /// The sum.
    Sum(SumSink),
}

impl SignedSink {
    /// Begins `request`, all of whose places are moved up by `base`; `None` for spans that do not ascend.
    pub(crate) fn new(request: &Request, base: u64) -> Option<Self> {
        Some(match request {
            Request::Digest {
                algorithm,
                spans,
                zeros,
            } => {
                let ascending = spans.windows(2).all(|pair| match pair {
                    [a, b] => a.end() <= b.start(),
                    _ => true,
                });
                if !ascending {
                    return None;
                }
                Self::Digest(OrderedSink {
                    state: Running::new(*algorithm),
                    spans: spans.iter().map(|s| s.shifted(base)).collect(),
                    next: 0,
                    zeros: *zeros,
                })
            }
            Request::Pages {
                algorithm,
                page,
                pad,
                kept,
                expected,
                ..
            } => Self::Pages(PageSink {
                algorithm: *algorithm,
                page: (*page).max(1),
                pad: *pad,
                kept: (*kept).min(algorithm.length()),
                expected: expected.clone(),
                open: Vec::new(),
                filled: 0,
                result: Pages::default(),
            }),
            Request::ImageChecksum { field, .. } => Self::Sum(SumSink {
                field: field.shifted(base),
                base,
                sum: 0,
            }),
        })
    }

    /// Takes the next bytes, which stand at `offset`, but for what is left to do in `work`: digests that can be computed
    /// beside others.
    pub(crate) fn feed_beside<'a>(
        &'a mut self,
        offset: u64,
        bytes: &'a [u8],
        work: &mut Vec<(&'a mut DigestSink, &'a [u8])>,
    ) {
        match self {
            Self::Digest(sink) => sink.feed_beside(offset, bytes, work),
            Self::Pages(sink) => sink.feed_beside(bytes, work),
            Self::Sum(sink) => sink.feed(offset, bytes),
        }
    }

    /// Whether it leaves work to be done beside other digests.
    pub(crate) fn is_beside(&self) -> bool {
        match self {
            Self::Digest(sink) => matches!(sink.state, Running::Sha256(_)),
            Self::Pages(sink) => sink.algorithm == Algorithm::Sha256,
            Self::Sum(_) => false,
        }
    }

    /// The outcome.
    pub(crate) fn finish(self) -> Outcome {
        match self {
            Self::Digest(sink) => Outcome::Digest(sink.finish()),
            Self::Pages(sink) => Outcome::Pages(sink.finish()),
            Self::Sum(sink) => Outcome::Sum(sink.finish()),
        }
    }
}

/// The part of `bytes`, which stand at `offset`, that lies in `span`.
fn part(offset: u64, bytes: &[u8], span: Span) -> &[u8] {
    let tile = Span::saturating_at(offset, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    let cut = span.intersect(tile);
    let from = usize::try_from(cut.start().saturating_sub(offset)).unwrap_or(usize::MAX);
    let to = usize::try_from(cut.end().saturating_sub(offset)).unwrap_or(usize::MAX);
    bytes.get(from..to).unwrap_or_default()
}

const ZEROS: [u8; 4096] = [0; 4096];

/// A digest that is not finished.
pub(crate) enum Running {
    /// One that can be computed beside others.
    Sha256(DigestSink),
    Other(Context),
}

impl Running {
    pub(crate) fn new(algorithm: Algorithm) -> Self {
        match algorithm {
            Algorithm::Sha256 => Self::Sha256(DigestSink::default()),
            _ => Self::Other(algorithm.begin()),
        }
    }

    pub(crate) fn feed(&mut self, bytes: &[u8]) {
        match self {
            Self::Sha256(sink) => sink.feed(bytes),
            Self::Other(context) => context.update(bytes),
        }
    }

    /// Takes `bytes`, or leaves them to be taken beside others.
    fn feed_beside<'a>(&'a mut self, bytes: &'a [u8], work: &mut Vec<(&'a mut DigestSink, &'a [u8])>) {
        match self {
            Self::Sha256(sink) => work.push((sink, bytes)),
            Self::Other(context) => context.update(bytes),
        }
    }

    /// Zeros after what was digested.
    pub(crate) fn zeros(&mut self, mut count: u64) {
        while count > 0 {
            let now = usize::try_from(count).unwrap_or(usize::MAX).min(ZEROS.len());
            self.feed(ZEROS.get(..now).unwrap_or_default());
            count = count.saturating_sub(u64::try_from(now).unwrap_or(u64::MAX));
        }
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        match self {
            Self::Sha256(sink) => sink.finish().to_vec(),
            Self::Other(context) => context.finish().as_ref().to_vec(),
        }
    }
}

/// A digest over ascending spans.
pub(crate) struct OrderedSink {
    state: Running,
    spans: Vec<Span>,
    next: usize,
    zeros: u64,
}

impl OrderedSink {
    fn feed_beside<'a>(&'a mut self, offset: u64, bytes: &'a [u8], work: &mut Vec<(&'a mut DigestSink, &'a [u8])>) {
        let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        // Parts of one digest are taken one behind the other: only the last can wait.
        let mut last: &[u8] = &[];
        while let Some(span) = self.spans.get(self.next).copied().filter(|s| s.start() < end) {
            self.state.feed(last);
            last = part(offset, bytes, span);
            if span.end() > end {
                break;
            }
            self.next = self.next.saturating_add(1);
        }
        self.state.feed_beside(last, work);
    }

    fn finish(mut self) -> Vec<u8> {
        self.state.zeros(self.zeros);
        self.state.finish()
    }
}

/// Digests of pages, held against what is stated.
pub(crate) struct PageSink {
    algorithm: Algorithm,
    page: u64,
    pad: bool,
    kept: usize,
    expected: Vec<u8>,
    /// Pages whose digest is not held against what is stated yet; all but the last are whole.
    open: Vec<Running>,
    /// Bytes of the last of them.
    filled: u64,
    result: Pages,
}

impl PageSink {
    /// Pages that are computed at once.
    const MOST: usize = 64;

    fn feed_beside<'a>(&'a mut self, mut bytes: &'a [u8], work: &mut Vec<(&'a mut DigestSink, &'a [u8])>) {
        self.settle();
        let mut parts: Vec<&[u8]> = Vec::new();
        while !bytes.is_empty() {
            if self.open.is_empty() || self.filled >= self.page {
                if self.open.len() >= Self::MOST {
                    // Small pages: these have to be done with before there can be more.
                    for (state, part) in self.open.iter_mut().zip(parts.drain(..)) {
                        state.feed(part);
                    }
                    self.settle();
                }
                self.open.push(Running::new(self.algorithm));
                self.filled = 0;
            }
            let room = usize::try_from(self.page.saturating_sub(self.filled)).unwrap_or(usize::MAX);
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.filled = self.filled.saturating_add(u64::try_from(now.len()).unwrap_or(u64::MAX));
            parts.push(now);
            bytes = later;
        }
        for (state, part) in self.open.iter_mut().zip(parts) {
            state.feed_beside(part, work);
        }
    }

    /// Holds the whole pages against what is stated.
    fn settle(&mut self) {
        let rest = if self.filled < self.page { self.open.pop() } else { None };
        for state in std::mem::take(&mut self.open) {
            self.turn(state);
        }
        self.open.extend(rest);
    }

    fn turn(&mut self, state: Running) {
        let number = self.result.count;
        let at = usize::try_from(number).ok().and_then(|n| n.checked_mul(self.kept));
        let stated = at.and_then(|at| self.expected.get(at..at.checked_add(self.kept)?));
        if stated.is_none() || stated != state.finish().get(..self.kept) {
            self.result.wrong = self.result.wrong.saturating_add(1);
            if self.result.first_wrong.len() < Pages::MOST {
                self.result.first_wrong.push(number);
            }
        }
        self.result.count = number.saturating_add(1);
    }

    fn finish(mut self) -> Pages {
        self.settle();
        if let Some(mut state) = self.open.pop() {
            if self.pad {
                state.zeros(self.page.saturating_sub(self.filled));
            }
            self.turn(state);
        }
        self.result
    }
}

/// The sum of a PE image, by 16 bits.
pub(crate) struct SumSink {
    field: Span,
    base: u64,
    sum: u64,
}

impl SumSink {
    fn feed(&mut self, offset: u64, bytes: &[u8]) {
        self.add(offset, bytes);
        let end = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.field.overlaps(Span::new(offset, end)) {
            let inside = part(offset, bytes, self.field);
            let at = offset.max(self.field.start());
            self.sum = self.sum.saturating_sub(total(at.saturating_sub(self.base), inside));
        }
    }

    fn add(&mut self, offset: u64, bytes: &[u8]) {
        self.sum = self.sum.saturating_add(total(offset.saturating_sub(self.base), bytes));
    }

    fn finish(self) -> u32 {
        let mut sum = self.sum;
        while sum > 0xffff {
            sum = (sum & 0xffff).saturating_add(sum >> 16);
        }
        u32::try_from(sum).unwrap_or(0)
    }
}

/// The sum of the 16-bit words that `bytes` are part of, from offset `at` of the image on.
fn total(at: u64, bytes: &[u8]) -> u64 {
    let (first, rest) = if at.is_multiple_of(2) {
        (0, bytes)
    } else {
        match bytes.split_first() {
            Some((high, rest)) => (u64::from(*high) << 8, rest),
            None => (0, bytes),
        }
    };
    let (words, last) = rest.as_chunks::<2>();
    // Of 4096 words the sum fits 32 bits, in which the compiler adds many at once.
    let middle = words.chunks(4096).fold(0u64, |sum, some| {
        let part = some
            .iter()
            .fold(0u32, |sum, word| sum.wrapping_add(u32::from(u16::from_le_bytes(*word))));
        sum.saturating_add(u64::from(part))
    });
    let last = last.first().map_or(0, |low| u64::from(*low));
    first.saturating_add(middle).saturating_add(last)
}

#[cfg(test)]
#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "the numbers of a test are small and its own"
)]
mod tests {
    use super::*;

    fn outcome(request: &Request, base: u64, bytes: &[u8], tile: usize) -> Outcome {
        let mut sink = SignedSink::new(request, base).unwrap();
        let hull = request.hull().shifted(base);
        let mut at = 0u64;
        for piece in bytes.chunks(tile) {
            let whole = Span::saturating_at(at, piece.len() as u64);
            let cut = hull.intersect(whole);
            if !cut.is_empty() {
                let mut work = Vec::new();
                sink.feed_beside(cut.start(), part(at, piece, cut), &mut work);
                DigestSink::feed_all(work);
            }
            at += piece.len() as u64;
        }
        sink.finish()
    }

    fn bytes() -> Vec<u8> {
        (0..10_001u32)
            .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
            .collect()
    }

    #[test]
    fn outcomes_are_the_same_however_the_bytes_are_cut_and_wherever_the_artifact_begins() {
        let bytes = bytes();
        let spans = vec![Span::new(3, 700), Span::new(700, 701), Span::new(4000, 9990)];
        let digest = Request::Digest {
            algorithm: Algorithm::Sha384,
            spans: spans.clone(),
            zeros: 5000,
        };
        for base in [0u64, 11] {
            let from = base as usize;
            let mut covered: Vec<u8> = Vec::new();
            for span in &spans {
                covered.extend(&bytes[from + span.start() as usize..from + span.end() as usize]);
            }
            covered.extend([0; 5000]);
            let image = bytes[from..].to_vec();
            let mut plain = image.clone();
            plain[216..220].fill(0);
            let words = plain
                .chunks(2)
                .map(|w| u64::from(w[0]) | u64::from(*w.get(1).unwrap_or(&0)) << 8);
            let mut sum: u64 = words.sum();
            while sum > 0xffff {
                sum = (sum & 0xffff) + (sum >> 16);
            }
            let checksum = Request::ImageChecksum {
                span: Span::new(0, image.len() as u64),
                field: Span::new(216, 220),
            };
            for tile in [1, 7, 4096, bytes.len()] {
                let expected = Outcome::Digest(Algorithm::Sha384.digest(&covered));
                assert_eq!(outcome(&digest, base, &bytes, tile), expected, "{base} {tile}");
                let expected = Outcome::Sum(u32::try_from(sum).unwrap());
                assert_eq!(outcome(&checksum, base, &bytes, tile), expected, "{base} {tile}");
            }
        }
    }

    #[test]
    fn pages_are_held_against_their_digests_to_the_last_short_one() {
        let bytes = bytes();
        let page = |from: usize, to: usize, fill: usize| {
            Algorithm::Sha256.digest(&[&bytes[from..to], &vec![0; fill]].concat())
        };
        for pad in [true, false] {
            let last = if pad { 4096 - 1809 } else { 0 };
            let mut expected = [page(0, 4096, 0), page(4096, 8192, 0), page(8192, 10_001, last)].concat();
            let request = |expected: &[u8]| Request::Pages {
                algorithm: Algorithm::Sha256,
                span: Span::new(0, 10_001),
                page: 4096,
                pad,
                kept: 32,
                expected: expected.to_vec(),
            };
            for tile in [1, 7, 4096, 10_001] {
                let all = Outcome::Pages(Pages {
                    count: 3,
                    ..Pages::default()
                });
                assert_eq!(outcome(&request(&expected), 0, &bytes, tile), all);
            }
            expected[40] ^= 1;
            expected.truncate(64);
            let wrong = Outcome::Pages(Pages {
                count: 3,
                wrong: 2,
                first_wrong: vec![1, 2],
            });
            assert_eq!(outcome(&request(&expected), 0, &bytes, 1000), wrong);
        }
    }

    #[test]
    fn spans_that_do_not_ascend_are_left_to_another_reading() {
        let request = Request::Digest {
            algorithm: Algorithm::Sha1,
            spans: vec![Span::new(9, 12), Span::new(3, 5)],
            zeros: 0,
        };
        assert!(SignedSink::new(&request, 0).is_none());
    }
}

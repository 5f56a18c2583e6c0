//! The longest run of elements with equal bytes.
//!
//! A run of [`RUN_FLOOR`] elements holds two neighbours among the elements at multiples of half its length, so only those
//! are compared; a pair that is equal has the run around it measured. Runs at a piece's ends are always measured.

use super::stats::RUN_FLOOR;

const STEP: usize = 32;
const _: () = assert!(RUN_FLOOR == 64);
/// The widest element that is compared.
const WIDEST: usize = 16;

/// What is known of the runs so far.
#[derive(Clone, Debug)]
pub(super) struct Runs {
    width: usize,
    first: [u8; WIDEST],
    last: [u8; WIDEST],
    /// Elements so far.
    seen: u64,
    /// Elements at the end that equal `last`.
    trailing: u64,
    longest: u64,
}

impl Runs {
    /// Runs of elements of `width` bytes, at most 16.
    pub(super) fn new(width: usize) -> Self {
        Self {
            width: width.clamp(1, WIDEST),
            first: [0; WIDEST],
            last: [0; WIDEST],
            seen: 0,
            trailing: 0,
            longest: 0,
        }
    }

    /// Takes whole elements.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        match self.width {
            1 => self.feed_as::<1>(bytes),
            2 => self.feed_as::<2>(bytes),
            3 => self.feed_as::<3>(bytes),
            4 => self.feed_as::<4>(bytes),
            8 => self.feed_as::<8>(bytes),
            _ => self.feed_as::<16>(bytes),
        }
    }

    fn feed_as<const W: usize>(&mut self, bytes: &[u8]) {
        let (elements, _) = bytes.as_chunks::<W>();
        let (Some(first), Some(last)) = (elements.first(), elements.last()) else {
            return;
        };
        if self.seen == 0 {
            copy(&mut self.first, first);
            copy(&mut self.last, first);
        }
        let count = count_of(elements.len());
        self.seen = self.seen.saturating_add(count);
        let before = self.last.first_chunk::<W>().copied().unwrap_or([0; W]);
        let leading = equal(elements.iter(), &before);
        if leading == count {
            self.trailing = self.trailing.saturating_add(count);
            self.longest = self.longest.max(self.trailing);
            return;
        }
        self.longest = self.longest.max(self.trailing.saturating_add(leading));
        self.trailing = equal(elements.iter().rev(), last);
        self.longest = self.longest.max(self.trailing);
        copy(&mut self.last, last);
        self.inside(elements);
    }

    /// Measures the runs that lie between the first and the last element.
    fn inside<const W: usize>(&mut self, elements: &[[u8; W]]) {
        let mut start = 0;
        while let Some(rest) = elements.get(start..)
            && let Some(at) = candidate(rest)
        {
            let at = at.saturating_add(start);
            let (Some(before), Some(after)) = (elements.get(..at), elements.get(at..)) else {
                return;
            };
            let Some(value) = after.first() else { return };
            let forward = equal(after.iter(), value);
            let run = forward.saturating_add(equal(before.iter().rev(), value));
            self.longest = self.longest.max(run);
            // A step is skipped even after a short run, or a pattern that repeats would be compared element by element.
            start = at.saturating_add(usize::try_from(forward).unwrap_or(usize::MAX).max(STEP));
        }
    }

    /// Whether there were elements and all were equal.
    pub(super) fn constant(&self) -> bool {
        self.seen > 0 && self.trailing == self.seen
    }

    /// The longest run, 0 when it is below the floor and not everything.
    pub(super) fn longest(&self) -> u64 {
        if self.constant() || self.longest >= RUN_FLOOR {
            self.longest
        } else {
            0
        }
    }
}

/// The index of the first sampled element that equals the next sampled one.
fn candidate<const W: usize>(elements: &[[u8; W]]) -> Option<usize> {
    /// Samples that are compared before one looks whether any was equal.
    const TOGETHER: usize = 32;
    let (steps, _) = elements.as_chunks::<STEP>();
    // The last whole step may be followed by one more sample.
    let samples = |from: usize| {
        elements
            .get(from.saturating_mul(STEP)..)
            .unwrap_or_default()
            .iter()
            .step_by(STEP)
    };
    for (batch, steps) in steps.chunks(TOGETHER).enumerate() {
        let [first, ..] = steps.first()?;
        let (mut any, mut previous) = (false, first);
        for [sample, ..] in steps.iter().skip(1) {
            any |= sample == previous;
            previous = sample;
        }
        let start = batch.saturating_mul(TOGETHER);
        let next = samples(start.saturating_add(steps.len())).next();
        if any || next == Some(previous) {
            let pairs = samples(start).zip(samples(start.saturating_add(1)));
            let inside = pairs.take(steps.len()).position(|(one, other)| one == other)?;
            return Some(start.saturating_add(inside).saturating_mul(STEP));
        }
    }
    None
}

/// How many elements from the start equal the value.
fn equal<'a, const W: usize>(elements: impl Iterator<Item = &'a [u8; W]>, value: &[u8; W]) -> u64 {
    count_of(elements.take_while(|element| *element == value).count())
}

fn copy<const W: usize>(to: &mut [u8; WIDEST], from: &[u8; W]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

fn count_of(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

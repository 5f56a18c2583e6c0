//! Types of 16 bits and more: sums in lanes, extremes, samples, and what is rare in a pass of its own.

use super::exact::Exact;
use super::isa::Isa;
use super::number;
use super::portable::{self, Exponents, GROUP, Lanes, Wide};
use super::stats::{EXPONENT_BINS, LowByte, SAMPLE_ALL, SAMPLE_STEP, Stats};

/// Values whose lanes go into the exact sums together.
const BLOCK: u64 = 65_536;
/// Bytes that a kernel gets at once: they stay in the nearest cache for the passes behind it.
const CHUNK: usize = 16 * 1024;

/// What is known of the values so far.
#[derive(Clone, Debug)]
pub(super) struct Moments {
    wide: Wide,
    big_endian: bool,
    isa: Isa,
    lanes: Lanes,
    sums: [Exact; 3],
    count: u64,
    nan: u64,
    pos_inf: u64,
    neg_inf: u64,
    zeros: u64,
    large: u64,
    min: f64,
    max: f64,
    /// The greatest finite magnitude so far, -1 before the first.
    abs_max: f64,
    first_abs_max: Option<u64>,
    first_nonfinite: Option<u64>,
    exponents: Exponents,
    low_byte: Option<Box<LowByte>>,
}

impl Moments {
    pub(super) fn new(wide: Wide, big_endian: bool, isa: Isa) -> Self {
        let (floor, ceiling) = wide.range();
        let sum = |power: i64| {
            Exact::new(
                floor.saturating_mul(power).saturating_sub(64),
                ceiling.saturating_mul(power),
            )
        };
        Self {
            wide,
            big_endian,
            isa,
            lanes: Lanes::default(),
            sums: [sum(1), sum(2), sum(4)],
            count: 0,
            nan: 0,
            pos_inf: 0,
            neg_inf: 0,
            zeros: 0,
            large: 0,
            min: f64::INFINITY,
            max: f64::NEG_INFINITY,
            abs_max: -1.0,
            first_abs_max: None,
            first_nonfinite: None,
            exponents: [[0; EXPONENT_BINS]; 2],
            low_byte: wide.is_float().then(|| Box::new(LowByte { counts: [0; 256] })),
        }
    }

    /// Bytes of a group.
    pub(super) fn unit(wide: Wide) -> usize {
        wide.width().saturating_mul(GROUP)
    }

    /// Takes whole units; whole elements as the last piece.
    pub(super) fn feed(&mut self, mut bytes: &[u8]) {
        let width = self.wide.width();
        while !bytes.is_empty() {
            let to_block = BLOCK.saturating_sub(self.count.rem_euclid(BLOCK));
            // All elements of a chunk are sampled alike.
            let to_samples = match SAMPLE_ALL.saturating_sub(self.count) {
                0 => u64::MAX,
                left => left,
            };
            let most = usize::try_from(to_block.min(to_samples)).unwrap_or(usize::MAX);
            let length = most.saturating_mul(width).min(CHUNK).min(bytes.len());
            let Some((piece, rest)) = bytes.split_at_checked(length) else {
                return;
            };
            if self.big_endian {
                let mut swapped = [0u8; CHUNK];
                let swapped = swapped.get_mut(..length).unwrap_or_default();
                swapped.copy_from_slice(piece);
                reverse(swapped, width);
                self.chunk(swapped);
            } else {
                self.chunk(piece);
            }
            bytes = rest;
            if self.count.is_multiple_of(BLOCK) {
                self.fold();
            }
        }
    }

    /// Takes a chunk of little-endian elements.
    fn chunk(&mut self, bytes: &[u8]) {
        let mut chunk = self.isa.run(self.wide, bytes, &mut self.lanes);
        self.zeros = self.zeros.wrapping_add(chunk.zeros);
        if chunk.skipped > 0 {
            let (min, max) = self.skipped(bytes);
            (chunk.min, chunk.max) = (chunk.min.min(min), chunk.max.max(max));
        }
        // Both are infinite, each on its own side, when no value is finite.
        if chunk.min <= chunk.max {
            self.min = self.min.min(chunk.min);
            self.max = self.max.max(chunk.max);
            let magnitude = chunk.max.abs().max(chunk.min.abs());
            if magnitude > self.abs_max {
                self.abs_max = magnitude;
                let at = portable::position(self.wide, bytes, magnitude);
                self.first_abs_max = at.map(|at| self.index(at));
            }
            let large = super::large();
            if magnitude >= large {
                self.large = self.large.wrapping_add(portable::at_least(self.wide, bytes, large));
            }
        }
        self.sample(bytes);
        let count = bytes.len().checked_div(self.wide.width()).unwrap_or(0);
        self.count = self.index(count);
    }

    /// Tells apart what the kernel left out, and adds what is finite of it; gives its extremes.
    fn skipped(&mut self, bytes: &[u8]) -> (f64, f64) {
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        let start = self.count;
        portable::each(self.wide, bytes, &mut |at, value| {
            if portable::fits(value) {
                return;
            }
            if value.is_finite() {
                (min, max) = (min.min(value), max.max(value));
                // Powers of a significand between 1 and 2 have no range to leave.
                let (significand, exponent) = number::normal(value);
                let [first, second, fourth] = &mut self.sums;
                let square = significand * significand;
                first.add(value, 0);
                second.add(square, exponent.saturating_mul(2));
                fourth.add(square * square, exponent.saturating_mul(4));
                return;
            }
            if self.first_nonfinite.is_none() {
                self.first_nonfinite = Some(start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX)));
            }
            let count = match value {
                _ if value.is_nan() => &mut self.nan,
                _ if value > 0.0 => &mut self.pos_inf,
                _ => &mut self.neg_inf,
            };
            *count = count.wrapping_add(1);
        });
        (min, max)
    }

    /// Samples the elements whose index says so.
    fn sample(&mut self, bytes: &[u8]) {
        let (skip, step) = if self.count < SAMPLE_ALL {
            (0, 1)
        } else {
            (self.count.wrapping_neg().rem_euclid(SAMPLE_STEP), SAMPLE_STEP)
        };
        let width = self.wide.width();
        let (skip, step) = (usize::try_from(skip).unwrap_or(0), usize::try_from(step).unwrap_or(1));
        let Some(bytes) = bytes.get(skip.saturating_mul(width)..) else {
            return;
        };
        let low_byte = self.low_byte.as_mut().map(|low| &mut low.counts);
        portable::sample(self.wide, bytes, step, &mut self.exponents, low_byte);
    }

    /// The index of an element of this chunk.
    fn index(&self, at: usize) -> u64 {
        self.count.saturating_add(u64::try_from(at).unwrap_or(u64::MAX))
    }

    /// Moves the lanes into the exact sums.
    fn fold(&mut self) {
        let lanes = std::mem::take(&mut self.lanes);
        for (sum, lanes) in self.sums.iter_mut().zip([lanes.sum, lanes.square, lanes.fourth]) {
            lanes.iter().for_each(|lane| sum.add(*lane, 0));
        }
    }

    /// The statistics, with values for elements and nothing of runs.
    pub(super) fn finish(mut self) -> Stats {
        self.fold();
        let [first, second, fourth] = self.sums;
        let [mut exponents, others] = self.exponents;
        for (count, other) in exponents.iter_mut().zip(others) {
            *count = count.wrapping_add(other);
        }
        let mut stats = Stats {
            elements: self.count,
            values: self.count,
            nan: self.nan,
            pos_inf: self.pos_inf,
            neg_inf: self.neg_inf,
            zeros: self.zeros,
            abs_max: self.abs_max.max(0.0),
            large: self.large,
            exponents,
            low_byte: self.low_byte,
            first_nonfinite: self.first_nonfinite,
            first_abs_max: self.first_abs_max,
            ..Stats::default()
        };
        stats.set_moments((self.min, self.max), first, second, fourth);
        stats
    }
}

impl Stats {
    /// Fills in what follows from extremes and sums; the counts are there already.
    pub(super) fn set_moments(&mut self, (min, max): (f64, f64), first: Exact, second: Exact, fourth: Exact) {
        if self.finite() == 0 {
            return;
        }
        let count = number::from_u64(self.finite());
        let (second, fourth) = (second.total().over(count), fourth.total().over(count));
        // Adding positive zero leaves no negative one.
        self.min = min + 0.0;
        self.max = max + 0.0;
        self.mean = first.total().over(count).value() + 0.0;
        self.rms = second.root();
        self.fourth_moment = fourth.value();
        self.kurtosis = fourth.over_square(second);
    }
}

/// Reverses the bytes of every element.
fn reverse(bytes: &mut [u8], width: usize) {
    match width {
        2 => bytes.as_chunks_mut::<2>().0.iter_mut().for_each(|e| e.reverse()),
        4 => bytes.as_chunks_mut::<4>().0.iter_mut().for_each(|e| e.reverse()),
        _ => bytes.as_chunks_mut::<8>().0.iter_mut().for_each(|e| e.reverse()),
    }
}

//! Types of 8 bits and less: occurrences of each code are counted, everything else follows from the counts.

use super::dtype::Dtype;
use super::exact::Exact;
use super::number;
use super::portable::bin;
use super::runs::Runs;
use super::stats::Stats;

/// Codes that are counted together in four tables, so that equal neighbours do not wait for each other.
const CHUNK: usize = 64 * 1024;
/// Below this the tables cost more than they save.
const SMALL: usize = 512;

/// What is known of the codes so far.
#[derive(Clone, Debug)]
pub(super) struct Codes {
    dtype: Dtype,
    counts: Box<[u64; 256]>,
    /// Codes so far: bytes, or 6-bit codes.
    seen: u64,
    /// The greatest finite magnitude so far, -1 before the first.
    abs_max: f64,
    first_abs_max: Option<u64>,
    first_nonfinite: Option<u64>,
    runs: Runs,
}

impl Codes {
    pub(super) fn new(dtype: Dtype) -> Self {
        Self {
            dtype,
            counts: Box::new([0; 256]),
            seen: 0,
            abs_max: -1.0,
            first_abs_max: None,
            first_nonfinite: None,
            runs: Runs::new(Self::unit(dtype)),
        }
    }

    /// Bytes that hold a whole number of elements.
    pub(super) fn unit(dtype: Dtype) -> usize {
        if six_bits(dtype) { 3 } else { 1 }
    }

    /// Takes whole units; of 6-bit types less than one as the last piece.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        self.runs.feed(bytes);
        if !six_bits(self.dtype) {
            bytes.chunks(CHUNK).for_each(|piece| self.count(piece));
            return;
        }
        let mut codes = [0u8; 4096];
        for piece in bytes.chunks(3 * 1024) {
            let mut filled = 0usize;
            for (group, to) in piece.chunks(3).zip(codes.as_chunks_mut::<4>().0) {
                let word = group
                    .iter()
                    .rev()
                    .fold(0u32, |word, b| word.wrapping_shl(8) | u32::from(*b));
                for (to, shift) in to.iter_mut().zip([0, 6, 12, 18]) {
                    *to = u8::try_from(word.wrapping_shr(shift) & 0x3f).unwrap_or(0);
                }
                // Two bytes hold two whole codes, one byte holds one.
                filled = filled.saturating_add(if group.len() == 3 { 4 } else { group.len() });
            }
            self.count(codes.get(..filled).unwrap_or_default());
        }
    }

    fn count(&mut self, codes: &[u8]) {
        if codes.len() < SMALL {
            for (at, code) in codes.iter().enumerate() {
                if let Some(count) = self.counts.get_mut(usize::from(*code)) {
                    *count = count.saturating_add(1);
                }
                self.place(*code, self.seen.saturating_add(length(at)));
            }
        } else {
            let mut tables = [[0u32; 256]; 4];
            let [a, b, c, d] = &mut tables;
            let (groups, rest) = codes.as_chunks::<4>();
            for [w, x, y, z] in groups {
                tally(a, *w);
                tally(b, *x);
                tally(c, *y);
                tally(d, *z);
            }
            rest.iter().for_each(|code| tally(a, *code));
            for code in 0..=255u8 {
                let at = usize::from(code);
                let here = tables
                    .iter()
                    .filter_map(|t| t.get(at))
                    .fold(0u64, |n, c| n.saturating_add(u64::from(*c)));
                if here == 0 {
                    continue;
                }
                if let Some(count) = self.counts.get_mut(at) {
                    *count = count.saturating_add(here);
                }
                if self.tells(code) {
                    let place = codes.iter().position(|c| *c == code).unwrap_or(0);
                    self.place(code, self.seen.saturating_add(length(place)));
                }
            }
        }
        self.seen = self.seen.saturating_add(length(codes.len()));
    }

    /// Whether the code may be the first of something.
    fn tells(&self, code: u8) -> bool {
        values(self.dtype, code).any(|v| !v.is_finite() || v.abs() >= self.abs_max)
    }

    /// Notes that the code is at this index.
    fn place(&mut self, code: u8, at: u64) {
        let per_code = per_code(self.dtype);
        for (value, step) in values(self.dtype, code).zip(0u64..) {
            let element = at.saturating_mul(per_code).saturating_add(step);
            if !value.is_finite() {
                self.first_nonfinite = Some(self.first_nonfinite.map_or(element, |first| first.min(element)));
            } else if value.abs() > self.abs_max {
                self.abs_max = value.abs();
                self.first_abs_max = Some(element);
            } else if value.abs() == self.abs_max {
                self.first_abs_max = Some(self.first_abs_max.map_or(element, |first| first.min(element)));
            }
        }
    }

    pub(super) fn finish(self) -> Stats {
        let per_code = per_code(self.dtype);
        let mut stats = Stats {
            elements: self.seen.saturating_mul(per_code),
            values: self.seen.saturating_mul(per_code),
            first_nonfinite: self.first_nonfinite,
            first_abs_max: self.first_abs_max,
            abs_max: self.abs_max.max(0.0),
            constant: self.runs.constant(),
            longest_run: self
                .runs
                .longest()
                .saturating_mul(if six_bits(self.dtype) { 4 } else { per_code }),
            ..Stats::default()
        };
        stats.longest_run = stats.longest_run.min(stats.elements);
        let (mut min, mut max) = (f64::INFINITY, f64::NEG_INFINITY);
        // The powers of E8M0 are the widest: 2^-127 to 2^127.
        let sum = || Exact::new(-600, 600);
        let (mut first, mut second, mut fourth) = (sum(), sum(), sum());
        for (code, count) in (0..=255u8).zip(self.counts.iter()).filter(|(_, count)| **count > 0) {
            let times = number::from_u64(*count);
            for value in values(self.dtype, code) {
                let add = |to: &mut u64| *to = to.saturating_add(*count);
                if value.is_nan() {
                    add(&mut stats.nan);
                } else if value.is_infinite() {
                    add(if value > 0.0 {
                        &mut stats.pos_inf
                    } else {
                        &mut stats.neg_inf
                    });
                } else {
                    (min, max) = (min.min(value), max.max(value));
                    if value == 0.0 {
                        add(&mut stats.zeros);
                    } else if let Some(to) = stats.exponents.get_mut(bin(value)) {
                        add(to);
                    }
                    if value.abs() >= super::large() {
                        add(&mut stats.large);
                    }
                    let square = value * value;
                    first.add(value * times, 0);
                    second.add(square * times, 0);
                    fourth.add(square * square * times, 0);
                }
            }
        }
        stats.set_moments((min, max), first, second, fourth);
        stats
    }
}

fn tally(table: &mut [u32; 256], code: u8) {
    if let Some(count) = table.get_mut(usize::from(code)) {
        *count = count.wrapping_add(1);
    }
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn six_bits(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F6E2M3 | Dtype::F6E3M2)
}

fn nibbles(dtype: Dtype) -> bool {
    matches!(dtype, Dtype::F4 | Dtype::I4 | Dtype::U4)
}

fn per_code(dtype: Dtype) -> u64 {
    if nibbles(dtype) { 2 } else { 1 }
}

/// The elements of a code, in their order.
fn values(dtype: Dtype, code: u8) -> impl Iterator<Item = f64> {
    let high = nibbles(dtype).then(|| value(dtype, code.wrapping_shr(4)));
    let low = value(dtype, if nibbles(dtype) { code & 15 } else { code });
    std::iter::once(low).chain(high)
}

/// The value of one element.
fn value(dtype: Dtype, code: u8) -> f64 {
    match dtype {
        Dtype::I8 => f64::from(i8::from_le_bytes([code])),
        // The sign of four bits.
        Dtype::I4 => f64::from(i8::from_le_bytes([code.wrapping_shl(4)])) / 16.0,
        Dtype::F8E4M3 if code & 0x7f == 0x7f => f64::NAN,
        Dtype::F8E4M3 => small(code, 8, 3, 7),
        Dtype::F8E5M2 if code & 0x7f > 0x7c => f64::NAN,
        Dtype::F8E5M2 if code == 0x7c => f64::INFINITY,
        Dtype::F8E5M2 if code == 0xfc => f64::NEG_INFINITY,
        Dtype::F8E5M2 => small(code, 8, 2, 15),
        Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz if code == 0x80 => f64::NAN,
        Dtype::F8E4M3Fnuz => small(code, 8, 3, 8),
        Dtype::F8E5M2Fnuz => small(code, 8, 2, 16),
        Dtype::F8E8M0 if code == 255 => f64::NAN,
        Dtype::F8E8M0 => number::power(i64::from(code).saturating_sub(127)),
        Dtype::F6E2M3 => small(code, 6, 3, 1),
        Dtype::F6E3M2 => small(code, 6, 2, 3),
        Dtype::F4 => small(code, 4, 1, 1),
        _ => f64::from(code),
    }
}

/// A finite float of `width` bits, of which `fraction` are below the exponent.
fn small(code: u8, width: u32, fraction: u32, bias: i64) -> f64 {
    let sign = 1u8.wrapping_shl(width.wrapping_sub(1));
    let magnitude = code & sign.wrapping_sub(1);
    let significand = magnitude & 1u8.wrapping_shl(fraction).wrapping_sub(1);
    let exponent = i64::from(magnitude.wrapping_shr(fraction));
    let hidden = if exponent == 0 { 0 } else { 1u8.wrapping_shl(fraction) };
    let low = exponent.max(1).saturating_sub(bias).saturating_sub(i64::from(fraction));
    let value = f64::from(significand | hidden) * number::power(low);
    if code & sign == 0 { value } else { -value }
}

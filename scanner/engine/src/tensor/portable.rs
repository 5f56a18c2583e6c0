//! What every instruction set must equal: the kernels in plain Rust, and the passes that are rare or light.

use super::number;
use super::stats::{EXPONENT_BINS, LOWEST_EXPONENT};

/// Elements that are compared before one looks whether any was equal.
const TOGETHER: usize = 64;
/// Lanes of a sum.
pub(super) const LANES: usize = 8;
/// Elements that are added together, two to each lane.
pub(super) const GROUP: usize = 16;

/// An element type of 16 bits or more, little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wide {
    F64,
    F32,
    F16,
    Bf16,
    I64,
    I32,
    I16,
    U64,
    U32,
    U16,
}

/// Sums of the values, of their squares and of their fourth powers. Of a group of sixteen, lane `i` gets the sum of the
/// values `i` and `i + 8`; of bfloat16s, of `2i` and `2i + 1`.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(super) struct Lanes {
    pub(super) sum: [f64; LANES],
    pub(super) square: [f64; LANES],
    pub(super) fourth: [f64; LANES],
}

/// What a kernel says of a chunk besides the sums.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Chunk {
    /// The least value that was added, positive infinity when there was none.
    pub(super) min: f64,
    /// The greatest value that was added, negative infinity when there was none.
    pub(super) max: f64,
    pub(super) zeros: u64,
    /// Values that were not added: NaN, infinities, and what [`fits`] keeps out.
    pub(super) skipped: u64,
}

impl Chunk {
    /// From registers of numbers; `None` when a value is beyond what [`fits`] lets in, NaN aside. `tiny` counts what is
    /// closer to zero than [`TINY`], zeros included.
    pub(super) fn of(min: &[f64], max: &[f64], zeros: u64, tiny: u64) -> Option<Self> {
        let min = min.iter().fold(f64::INFINITY, |a, b| a.min(*b));
        let max = max.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b));
        (max < GREAT && min > -GREAT && tiny == zeros).then_some(Self {
            min,
            max,
            zeros,
            skipped: 0,
        })
    }

    /// From registers of numbers that all fit when they are finite.
    #[cfg(target_arch = "x86_64")]
    pub(super) fn of_narrow(min: &[f32], max: &[f32], zeros: u64) -> Self {
        Self {
            min: f64::from(min.iter().fold(f32::INFINITY, |a, b| a.min(*b))),
            max: f64::from(max.iter().fold(f32::NEG_INFINITY, |a, b| a.max(*b))),
            zeros,
            skipped: 0,
        }
    }
}

/// Infinity as a bfloat16.
#[cfg(target_arch = "x86_64")]
pub(super) const INFINITE_BF16: i16 = 0x7f80;
/// Negative infinity as a bfloat16, in the order of integers.
#[cfg(target_arch = "x86_64")]
pub(super) const LOWEST_BF16: i16 = -0x7f81;

#[cfg(target_arch = "x86_64")]
impl Chunk {
    /// From registers of bfloat16s as integers of the same order: of a negative one, all bits but the sign are inverted.
    pub(super) fn of_bf16(min: &[i16], max: &[i16], zeros: u64) -> Self {
        let value = |ordered: i16| {
            let bits = if ordered < 0 { ordered ^ i16::MAX } else { ordered };
            number::from_bf16(bits.cast_unsigned())
        };
        let min = min.iter().fold(INFINITE_BF16, |a, b| a.min(*b));
        let max = max.iter().fold(LOWEST_BF16, |a, b| a.max(*b));
        Self::of_narrow(&[value(min)], &[value(max)], zeros)
    }
}

/// Adds the elements behind a kernel's last group.
pub(super) fn rest(wide: Wide, bytes: &[u8], lanes: &mut Lanes, chunk: Chunk) -> Chunk {
    if bytes.is_empty() {
        return chunk;
    }
    let rest = run(wide, bytes, lanes);
    Chunk {
        min: chunk.min.min(rest.min),
        max: chunk.max.max(rest.max),
        zeros: chunk.zeros.wrapping_add(rest.zeros),
        skipped: rest.skipped,
    }
}

/// 2^250 and its reciprocal: between them, fourth powers stay in the range of `f64`.
const GREAT: f64 = f64::from_bits((1023 + 250) << 52);
pub(super) const TINY: f64 = f64::from_bits((1023 - 250) << 52);

/// Whether a value goes into the lanes.
pub(super) fn fits(value: f64) -> bool {
    let magnitude = value.abs();
    // The comparison is false for NaN.
    magnitude < GREAT && (magnitude >= TINY || magnitude == 0.0)
}

/// How an element of `W` bytes is read.
trait Element<const W: usize> {
    /// Whether a lane gets neighbours of a group: of bfloat16s, one word of 32 bits holds both.
    const NEIGHBOURS: bool = false;

    fn value(bytes: [u8; W]) -> f64;
}

macro_rules! element {
    ($name:ident, $width:literal, $bytes:ident => $value:expr $(, $neighbours:literal)?) => {
        struct $name;
        impl Element<$width> for $name {
            $(const NEIGHBOURS: bool = $neighbours;)?

            #[inline]
            fn value($bytes: [u8; $width]) -> f64 {
                $value
            }
        }
    };
}

element!(F64, 8, bytes => f64::from_le_bytes(bytes));
element!(F32, 4, bytes => f64::from(f32::from_le_bytes(bytes)));
element!(F16, 2, bytes => f64::from(number::from_f16(u16::from_le_bytes(bytes))));
element!(Bf16, 2, bytes => f64::from(number::from_bf16(u16::from_le_bytes(bytes))), true);
element!(I64, 8, bytes => number::from_i64(i64::from_le_bytes(bytes)));
element!(I32, 4, bytes => f64::from(i32::from_le_bytes(bytes)));
element!(I16, 2, bytes => f64::from(i16::from_le_bytes(bytes)));
element!(U64, 8, bytes => number::from_u64(u64::from_le_bytes(bytes)));
element!(U32, 4, bytes => f64::from(u32::from_le_bytes(bytes)));
element!(U16, 2, bytes => f64::from(u16::from_le_bytes(bytes)));

macro_rules! by_type {
    ($wide:expr, $function:ident($($argument:expr),*)) => {
        match $wide {
            Wide::F64 => $function::<F64, 8>($($argument),*),
            Wide::F32 => $function::<F32, 4>($($argument),*),
            Wide::F16 => $function::<F16, 2>($($argument),*),
            Wide::Bf16 => $function::<Bf16, 2>($($argument),*),
            Wide::I64 => $function::<I64, 8>($($argument),*),
            Wide::I32 => $function::<I32, 4>($($argument),*),
            Wide::I16 => $function::<I16, 2>($($argument),*),
            Wide::U64 => $function::<U64, 8>($($argument),*),
            Wide::U32 => $function::<U32, 4>($($argument),*),
            Wide::U16 => $function::<U16, 2>($($argument),*),
        }
    };
}

impl Wide {
    /// Bytes of an element.
    pub(super) fn width(self) -> usize {
        match self {
            Self::F64 | Self::I64 | Self::U64 => 8,
            Self::F32 | Self::I32 | Self::U32 => 4,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 2,
        }
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Self::F64 | Self::F32 | Self::F16 | Self::Bf16)
    }

    /// The powers of two between which finite elements lie: every one is a multiple of the first and below the second.
    pub(super) fn range(self) -> (i64, i64) {
        match self {
            Self::F64 => (-1074, 1024),
            Self::F32 | Self::Bf16 => (-149, 128),
            Self::F16 => (-24, 16),
            Self::I64 | Self::U64 => (0, 65),
            Self::I32 | Self::U32 => (0, 32),
            Self::I16 | Self::U16 => (0, 16),
        }
    }
}

/// Adds a chunk that begins with a group.
pub(super) fn run(wide: Wide, bytes: &[u8], lanes: &mut Lanes) -> Chunk {
    by_type!(wide, run_as(bytes, lanes))
}

fn run_as<E: Element<W>, const W: usize>(bytes: &[u8], lanes: &mut Lanes) -> Chunk {
    let (elements, _) = bytes.as_chunks::<W>();
    let (groups, rest) = elements.as_chunks::<GROUP>();
    let mut ends = Ends::new();
    let mut sums = *lanes;
    for group in groups {
        sums.add(ends.take(group.iter().map(|element| E::value(*element))), E::NEIGHBOURS);
    }
    if !rest.is_empty() {
        sums.add(ends.take(rest.iter().map(|element| E::value(*element))), E::NEIGHBOURS);
    }
    *lanes = sums;
    Chunk {
        min: ends.least.iter().fold(f64::INFINITY, |a, b| a.min(*b)),
        max: ends.greatest.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)),
        zeros: ends.zeros.iter().fold(0, |a, b| a.wrapping_add(*b)),
        skipped: ends.skipped.iter().fold(0, |a, b| a.wrapping_add(*b)),
    }
}

/// Extremes and counts by the place in a group.
struct Ends {
    least: [f64; GROUP],
    greatest: [f64; GROUP],
    zeros: [u64; GROUP],
    skipped: [u64; GROUP],
}

impl Ends {
    fn new() -> Self {
        Self {
            least: [f64::INFINITY; GROUP],
            greatest: [f64::NEG_INFINITY; GROUP],
            zeros: [0; GROUP],
            skipped: [0; GROUP],
        }
    }

    /// A group with zero for what does not fit and for what is not there.
    #[inline]
    fn take(&mut self, values: impl Iterator<Item = f64>) -> [f64; GROUP] {
        let mut taken = [0.0; GROUP];
        let ends = self.least.iter_mut().zip(&mut self.greatest);
        let counts = self.zeros.iter_mut().zip(&mut self.skipped);
        for (((value, taken), (least, greatest)), (zeros, skipped)) in values.zip(&mut taken).zip(ends).zip(counts) {
            let fits = fits(value);
            *zeros = zeros.wrapping_add(u64::from(value == 0.0));
            *skipped = skipped.wrapping_add(u64::from(!fits));
            let low = if fits { value } else { f64::INFINITY };
            let high = if fits { value } else { f64::NEG_INFINITY };
            *least = if low < *least { low } else { *least };
            *greatest = if high > *greatest { high } else { *greatest };
            *taken = if fits { value } else { 0.0 };
        }
        taken
    }
}

impl Lanes {
    /// Adds a group. A zero changes no lane: they begin as positive zero and never become negative zero.
    #[inline]
    fn add(&mut self, group: [f64; GROUP], neighbours: bool) {
        if neighbours {
            self.add_pairs(group.as_chunks().0.iter().map(|[one, other]| (*one, *other)));
        } else {
            let (low, high) = group.split_at(LANES);
            self.add_pairs(low.iter().copied().zip(high.iter().copied()));
        }
    }

    #[inline]
    fn add_pairs(&mut self, pairs: impl Iterator<Item = (f64, f64)>) {
        let sums = self.sum.iter_mut().zip(&mut self.square).zip(&mut self.fourth);
        for ((one, other), ((sum, square), fourth)) in pairs.zip(sums) {
            let (one_square, other_square) = (one * one, other * other);
            *sum += one + other;
            *square += one_square + other_square;
            *fourth += one_square * one_square + other_square * other_square;
        }
    }
}

/// Calls with every value and its index in the chunk.
pub(super) fn each(wide: Wide, bytes: &[u8], visit: &mut dyn FnMut(usize, f64)) {
    by_type!(wide, each_as(bytes, visit))
}

fn each_as<E: Element<W>, const W: usize>(bytes: &[u8], visit: &mut dyn FnMut(usize, f64)) {
    let (elements, _) = bytes.as_chunks::<W>();
    for (at, element) in elements.iter().enumerate() {
        visit(at, E::value(*element));
    }
}

/// Counts that are added at the end: neighbours of like size do not wait for each other.
pub(super) type Exponents = [[u64; EXPONENT_BINS]; 2];

/// Counts every `step`th element by its exponent and, for float types, by its lowest byte.
pub(super) fn sample(
    wide: Wide,
    bytes: &[u8],
    step: usize,
    exponents: &mut Exponents,
    low_byte: Option<&mut [u32; 256]>,
) {
    by_type!(wide, sample_as(bytes, step, exponents, low_byte))
}

fn sample_as<E: Element<W>, const W: usize>(
    bytes: &[u8],
    step: usize,
    [one, other]: &mut Exponents,
    low_byte: Option<&mut [u32; 256]>,
) {
    let (elements, _) = bytes.as_chunks::<W>();
    const INFINITE: u64 = 0x7ff0_0000_0000_0000;
    let count = |counts: &mut [u64; EXPONENT_BINS], element: &[u8; W]| {
        let value = E::value(*element);
        let magnitude = value.to_bits() & i64::MAX.unsigned_abs();
        // One comparison: zero becomes the greatest number.
        let told = magnitude.wrapping_sub(1) < INFINITE.wrapping_sub(1);
        if let Some(count) = counts.get_mut(bin(value)) {
            *count = count.wrapping_add(u64::from(told));
        }
    };
    for pair in elements.chunks(step.saturating_mul(2)) {
        if let Some(element) = pair.first() {
            count(one, element);
        }
        if let Some(element) = pair.get(step) {
            count(other, element);
        }
    }
    let Some(counts) = low_byte else { return };
    for element in elements.iter().step_by(step) {
        let low = element.first().copied().unwrap_or(0);
        if let Some(count) = counts.get_mut(usize::from(low)) {
            *count = count.wrapping_add(1);
        }
    }
}

/// The bin of `Stats::exponents` for a finite value other than zero.
pub(super) fn bin(value: f64) -> usize {
    const BELOW: u64 = 1023u64.wrapping_add_signed(LOWEST_EXPONENT);
    const LAST: u64 = 63;
    const _: () = assert!(EXPONENT_BINS == 64);
    // Numbers too small for an exponent of their own are in the first bin with or without it.
    let biased = value.to_bits().wrapping_shr(52) & 0x7ff;
    usize::try_from(biased.saturating_sub(BELOW).min(LAST)).unwrap_or(0)
}

/// The index of the first element of this magnitude.
pub(super) fn position(wide: Wide, bytes: &[u8], magnitude: f64) -> Option<usize> {
    by_type!(wide, position_as(bytes, magnitude))
}

fn position_as<E: Element<W>, const W: usize>(bytes: &[u8], magnitude: f64) -> Option<usize> {
    let (elements, _) = bytes.as_chunks::<W>();
    let matches = |element: &[u8; W]| E::value(*element).abs() == magnitude;
    // Looking at many without a way out is faster than looking at each.
    let group = elements
        .chunks(TOGETHER)
        .position(|group| group.iter().fold(false, |any, element| any | matches(element)))?;
    let start = group.saturating_mul(TOGETHER);
    let inside = elements.get(start..)?.iter().position(matches)?;
    Some(start.saturating_add(inside))
}

/// How many finite elements are of this magnitude or more.
pub(super) fn at_least(wide: Wide, bytes: &[u8], magnitude: f64) -> u64 {
    by_type!(wide, at_least_as(bytes, magnitude))
}

fn at_least_as<E: Element<W>, const W: usize>(bytes: &[u8], magnitude: f64) -> u64 {
    let (elements, _) = bytes.as_chunks::<W>();
    elements.iter().fold(0u64, |n, element| {
        let value = E::value(*element).abs();
        n.wrapping_add(u64::from(value >= magnitude && value < f64::INFINITY))
    })
}

//! What every instruction set must equal: the kernels in plain Rust, and the passes that are rare or light.

use super::number;

/// Lanes of a sum.
pub(super) const LANES: usize = 8;

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

/// Sums of the values, of their squares and of their fourth powers: the value of index `i` is in lane `i % 8`.
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
    fn value(bytes: [u8; W]) -> f64;
}

macro_rules! element {
    ($name:ident, $width:literal, $bytes:ident => $value:expr) => {
        struct $name;
        impl Element<$width> for $name {
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
element!(Bf16, 2, bytes => f64::from(number::from_bf16(u16::from_le_bytes(bytes))));
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

/// Adds a chunk whose first element belongs to lane 0.
pub(super) fn run(wide: Wide, bytes: &[u8], lanes: &mut Lanes) -> Chunk {
    by_type!(wide, run_as(bytes, lanes))
}

fn run_as<E: Element<W>, const W: usize>(bytes: &[u8], lanes: &mut Lanes) -> Chunk {
    let (elements, _) = bytes.as_chunks::<W>();
    let (groups, rest) = elements.as_chunks::<LANES>();
    let mut least = [f64::INFINITY; LANES];
    let mut greatest = [f64::NEG_INFINITY; LANES];
    let (mut zeros, mut skipped) = ([0u64; LANES], [0u64; LANES]);
    let mut sums = *lanes;
    let mut add = |group: &[[u8; W]]| {
        let lanes = sums.sum.iter_mut().zip(&mut sums.square).zip(&mut sums.fourth);
        let ends = least.iter_mut().zip(&mut greatest);
        let counts = zeros.iter_mut().zip(&mut skipped);
        for (((bytes, ((sum, square), fourth)), (least, greatest)), (zeros, skipped)) in
            group.iter().zip(lanes).zip(ends).zip(counts)
        {
            let value = E::value(*bytes);
            let fits = fits(value);
            *zeros = zeros.wrapping_add(u64::from(value == 0.0));
            *skipped = skipped.wrapping_add(u64::from(!fits));
            let low = if fits { value } else { f64::INFINITY };
            let high = if fits { value } else { f64::NEG_INFINITY };
            *least = if low < *least { low } else { *least };
            *greatest = if high > *greatest { high } else { *greatest };
            // Adding zero changes no lane: they start at positive zero and never become negative zero.
            let value = if fits { value } else { 0.0 };
            let second = value * value;
            *sum += value;
            *square += second;
            *fourth += second * second;
        }
    };
    groups.iter().for_each(|group| add(group));
    add(rest);
    *lanes = sums;
    Chunk {
        min: least.iter().fold(f64::INFINITY, |a, b| a.min(*b)),
        max: greatest.iter().fold(f64::NEG_INFINITY, |a, b| a.max(*b)),
        zeros: zeros.iter().fold(0, |a, b| a.wrapping_add(*b)),
        skipped: skipped.iter().fold(0, |a, b| a.wrapping_add(*b)),
    }
}

/// Calls with every value and its index in the chunk.
pub(super) fn each(wide: Wide, bytes: &[u8], step: usize, visit: &mut dyn FnMut(usize, f64)) {
    by_type!(wide, each_as(bytes, step, visit))
}

fn each_as<E: Element<W>, const W: usize>(bytes: &[u8], step: usize, visit: &mut dyn FnMut(usize, f64)) {
    let (elements, _) = bytes.as_chunks::<W>();
    for (at, element) in elements.iter().enumerate().step_by(step) {
        visit(at, E::value(*element));
    }
}

/// The index of the first element of this magnitude.
pub(super) fn position(wide: Wide, bytes: &[u8], magnitude: f64) -> Option<usize> {
    by_type!(wide, position_as(bytes, magnitude))
}

fn position_as<E: Element<W>, const W: usize>(bytes: &[u8], magnitude: f64) -> Option<usize> {
    let (elements, _) = bytes.as_chunks::<W>();
    elements
        .iter()
        .position(|element| E::value(*element).abs() == magnitude)
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

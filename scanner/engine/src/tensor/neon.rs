//! The kernels for NEON, which every 64-bit ARM processor has.
//!
//! Each adds what `portable::run` adds, in its order: a register of two holds two lanes. FMA is used only where the product
//! it does not round is exact anyway. Binary16 and 64-bit integers take the portable path.

#![expect(unsafe_code, reason = "vector loads, and calls of functions that need the feature")]
#![expect(clippy::indexing_slicing, reason = "arrays of constant size by constants below it")]

use super::portable::{Chunk, GROUP, LANES, Lanes, TINY, Wide, rest};
use std::arch::aarch64::*;

/// Adds a chunk, or leaves the lanes as they were.
pub(super) fn run(wide: Wide, bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
    // SAFETY: NEON is part of every processor this is compiled for.
    unsafe {
        match wide {
            Wide::F64 => f64s(bytes, lanes),
            Wide::F32 => f32s(bytes, lanes),
            Wide::Bf16 => bf16s(bytes, lanes),
            Wide::I32 => i32s(bytes, lanes),
            Wide::U32 => u32s(bytes, lanes),
            Wide::I16 => i16s(bytes, lanes),
            Wide::U16 => u16s(bytes, lanes),
            Wide::F16 | Wide::I64 | Wide::U64 => None,
        }
    }
}

/// Registers for eight lanes.
type Eight = [float64x2_t; 4];

#[target_feature(enable = "neon")]
#[inline]
fn load(lanes: &[f64; LANES]) -> Eight {
    // SAFETY: the offsets leave two of the eight numbers to read.
    [0, 2, 4, 6].map(|at| unsafe { vld1q_f64(lanes.as_ptr().add(at)) })
}

#[target_feature(enable = "neon")]
#[inline]
fn store(registers: Eight) -> [f64; LANES] {
    let mut lanes = [0.0; LANES];
    for (pair, register) in lanes.as_chunks_mut::<2>().0.iter_mut().zip(registers) {
        // SAFETY: writes the two numbers.
        unsafe { vst1q_f64(pair.as_mut_ptr(), register) };
    }
    lanes
}

#[derive(Clone, Copy)]
struct Sums {
    sum: Eight,
    square: Eight,
    fourth: Eight,
}

impl Sums {
    #[target_feature(enable = "neon")]
    #[inline]
    fn of(lanes: &Lanes) -> Self {
        Self {
            sum: load(&lanes.sum),
            square: load(&lanes.square),
            fourth: load(&lanes.fourth),
        }
    }

    /// The lanes, unless a sum is not finite.
    #[target_feature(enable = "neon")]
    #[inline]
    fn lanes(self) -> Option<Lanes> {
        let lanes = Lanes {
            sum: store(self.sum),
            square: store(self.square),
            fourth: store(self.fourth),
        };
        lanes.sum.iter().all(|lane| lane.is_finite()).then_some(lanes)
    }

    /// Adds an element to each lane, and another.
    #[target_feature(enable = "neon")]
    #[inline]
    fn add(&mut self, low: Eight, high: Eight) {
        for pair in 0..4 {
            let (low, high) = (low[pair], high[pair]);
            let (low_square, high_square) = (vmulq_f64(low, low), vmulq_f64(high, high));
            let fourth = vaddq_f64(vmulq_f64(low_square, low_square), vmulq_f64(high_square, high_square));
            self.sum[pair] = vaddq_f64(self.sum[pair], vaddq_f64(low, high));
            self.square[pair] = vaddq_f64(self.square[pair], vaddq_f64(low_square, high_square));
            self.fourth[pair] = vaddq_f64(self.fourth[pair], fourth);
        }
    }
}

/// Extremes, zeros and values closer to zero than `TINY`.
#[derive(Clone, Copy)]
struct Ends {
    min: float64x2_t,
    max: float64x2_t,
    /// Minus the zeros.
    zeros: uint64x2_t,
    /// Minus the tiny values, zeros included.
    tiny: uint64x2_t,
}

impl Ends {
    #[target_feature(enable = "neon")]
    #[inline]
    fn new() -> Self {
        Self {
            min: vdupq_n_f64(f64::INFINITY),
            max: vdupq_n_f64(f64::NEG_INFINITY),
            zeros: vdupq_n_u64(0),
            tiny: vdupq_n_u64(0),
        }
    }

    #[target_feature(enable = "neon")]
    #[inline]
    fn add(&mut self, values: Eight) {
        for value in values {
            self.min = vminq_f64(self.min, value);
            self.max = vmaxq_f64(self.max, value);
            self.zeros = vsubq_u64(self.zeros, vceqzq_f64(value));
            self.tiny = vsubq_u64(self.tiny, vcaltq_f64(value, vdupq_n_f64(TINY)));
        }
    }

    /// The chunk, unless a value does not fit into the lanes.
    #[target_feature(enable = "neon")]
    #[inline]
    fn chunk(self) -> Option<Chunk> {
        let (mut min, mut max, mut zeros, mut tiny) = ([0.0; 2], [0.0; 2], [0; 2], [0; 2]);
        // SAFETY: each write is of the two numbers.
        unsafe {
            vst1q_f64(min.as_mut_ptr(), self.min);
            vst1q_f64(max.as_mut_ptr(), self.max);
            vst1q_u64(zeros.as_mut_ptr(), self.zeros);
            vst1q_u64(tiny.as_mut_ptr(), self.tiny);
        }
        Chunk::of(&min, &max, zeros.iter().sum(), tiny.iter().sum())
    }
}

/// Eight numbers as binary64.
#[target_feature(enable = "neon")]
#[inline]
fn widen([low, high]: [float32x4_t; 2]) -> Eight {
    [
        vcvt_f64_f32(vget_low_f32(low)),
        vcvt_high_f64_f32(low),
        vcvt_f64_f32(vget_low_f32(high)),
        vcvt_high_f64_f32(high),
    ]
}

/// A kernel that reads eight elements from a pointer.
macro_rules! kernel {
    ($name:ident, $wide:expr, $width:literal, $pointer:ident => $load:expr) => {
        #[target_feature(enable = "neon")]
        fn $name(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
            let (groups, left) = bytes.as_chunks::<{ $width * GROUP }>();
            let mut sums = Sums::of(lanes);
            let mut ends = Ends::new();
            for group in groups {
                let [low, high]: [Eight; 2] = [0, $width * LANES].map(|at| {
                    // SAFETY: reads eight of the group's sixteen elements, the first or the last ones; loads of bytes
                    // need no alignment.
                    unsafe {
                        let $pointer = group.as_ptr().add(at);
                        $load
                    }
                });
                sums.add(low, high);
                ends.add(low);
                ends.add(high);
            }
            let chunk = ends.chunk()?;
            *lanes = sums.lanes()?;
            Some(rest($wide, left, lanes, chunk))
        }
    };
}

kernel!(f64s, Wide::F64, 8, from =>
    [0, 16, 32, 48].map(|at| vreinterpretq_f64_u8(vld1q_u8(from.add(at)))));
kernel!(f32s, Wide::F32, 4, from =>
    widen([0, 16].map(|at| vreinterpretq_f32_u8(vld1q_u8(from.add(at))))));
kernel!(i32s, Wide::I32, 4, from => {
    let [low, high] = [0, 16].map(|at| vreinterpretq_s32_u8(vld1q_u8(from.add(at))));
    [
        vcvtq_f64_s64(vmovl_s32(vget_low_s32(low))),
        vcvtq_f64_s64(vmovl_high_s32(low)),
        vcvtq_f64_s64(vmovl_s32(vget_low_s32(high))),
        vcvtq_f64_s64(vmovl_high_s32(high)),
    ]
});
kernel!(u32s, Wide::U32, 4, from => {
    let [low, high] = [0, 16].map(|at| vreinterpretq_u32_u8(vld1q_u8(from.add(at))));
    [
        vcvtq_f64_u64(vmovl_u32(vget_low_u32(low))),
        vcvtq_f64_u64(vmovl_high_u32(low)),
        vcvtq_f64_u64(vmovl_u32(vget_low_u32(high))),
        vcvtq_f64_u64(vmovl_high_u32(high)),
    ]
});
kernel!(i16s, Wide::I16, 2, from => {
    let eight = vreinterpretq_s16_u8(vld1q_u8(from));
    let words = [vmovl_s16(vget_low_s16(eight)), vmovl_high_s16(eight)];
    widen(words.map(|half| vcvtq_f32_s32(half)))
});
kernel!(u16s, Wide::U16, 2, from => {
    let eight = vreinterpretq_u16_u8(vld1q_u8(from));
    let words = [vmovl_u16(vget_low_u16(eight)), vmovl_high_u16(eight)];
    widen(words.map(|half| vcvtq_f32_u32(half)))
});

/// A lane's two elements lie in one word of 32 bits: the first is its lower half, the second its upper one.
#[target_feature(enable = "neon")]
fn bf16s(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
    let (groups, left) = bytes.as_chunks::<{ 2 * GROUP }>();
    let mut sums = Sums::of(lanes);
    let mut ends = Ends::new();
    for group in groups {
        let words = [0, 16].map(|at| {
            // SAFETY: reads four of the group's eight words; loads of bytes need no alignment.
            vreinterpretq_u32_u8(unsafe { vld1q_u8(group.as_ptr().add(at)) })
        });
        let lower = widen(words.map(|four| vreinterpretq_f32_u32(vshlq_n_u32::<16>(four))));
        let upper = widen(words.map(|four| vreinterpretq_f32_u32(vandq_u32(four, vdupq_n_u32(0xffff_0000)))));
        sums.add(lower, upper);
        ends.add(lower);
        ends.add(upper);
    }
    let chunk = ends.chunk()?;
    *lanes = sums.lanes()?;
    Some(rest(Wide::Bf16, left, lanes, chunk))
}

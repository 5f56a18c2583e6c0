//! The kernels for AVX-512 F, BW and DQ.
//!
//! Each adds what `portable::run` adds, in its order: a register holds all eight lanes. FMA is used only where the product
//! it does not round is exact anyway.

#![expect(unsafe_code, reason = "vector loads, and calls of functions that need the features")]

use super::portable::{Chunk, GROUP, INFINITE_BF16, LANES, LOWEST_BF16, Lanes, TINY, Wide, rest};
use std::arch::x86_64::*;

/// Whether this processor has what the kernels need.
pub(super) fn present() -> bool {
    is_x86_feature_detected!("avx512f")
        && is_x86_feature_detected!("avx512bw")
        && is_x86_feature_detected!("avx512dq")
        && super::avx2::present()
}

/// Adds a chunk, or leaves the lanes as they were.
pub(super) fn run(wide: Wide, bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
    if !present() {
        return None;
    }
    // SAFETY: the processor has AVX-512 F, BW and DQ.
    unsafe {
        match wide {
            Wide::F64 => f64s(bytes, lanes),
            Wide::F32 => f32s(bytes, lanes),
            Wide::F16 => f16s(bytes, lanes),
            Wide::Bf16 => bf16s(bytes, lanes),
            Wide::I64 => i64s(bytes, lanes),
            Wide::U64 => u64s(bytes, lanes),
            Wide::I32 => i32s(bytes, lanes),
            Wide::U32 => u32s(bytes, lanes),
            Wide::I16 => i16s(bytes, lanes),
            Wide::U16 => u16s(bytes, lanes),
        }
    }
}

/// Eight lanes each of the sums, the squares and the fourth powers.
#[derive(Clone, Copy)]
struct Sums {
    sum: __m512d,
    square: __m512d,
    fourth: __m512d,
}

#[target_feature(enable = "avx512f")]
#[inline]
fn load(lanes: &[f64; LANES]) -> __m512d {
    // SAFETY: reads the eight numbers.
    unsafe { _mm512_loadu_pd(lanes.as_ptr()) }
}

#[target_feature(enable = "avx512f")]
#[inline]
fn store(register: __m512d) -> [f64; LANES] {
    let mut lanes = [0.0; LANES];
    // SAFETY: writes the eight numbers.
    unsafe { _mm512_storeu_pd(lanes.as_mut_ptr(), register) };
    lanes
}

impl Sums {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn of(lanes: &Lanes) -> Self {
        Self {
            sum: load(&lanes.sum),
            square: load(&lanes.square),
            fourth: load(&lanes.fourth),
        }
    }

    /// The lanes, unless a sum is not finite.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn lanes(self) -> Option<Lanes> {
        let lanes = Lanes {
            sum: store(self.sum),
            square: store(self.square),
            fourth: store(self.fourth),
        };
        lanes.sum.iter().all(|lane| lane.is_finite()).then_some(lanes)
    }

    /// Adds an element to each lane, and another. Where a square or a fourth power is exact as binary64, it needs no
    /// rounding of its own.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn add<const SQUARE: bool, const FOURTH: bool>(&mut self, low: __m512d, high: __m512d) {
        let (low_square, high_square) = (_mm512_mul_pd(low, low), _mm512_mul_pd(high, high));
        let square = if SQUARE {
            _mm512_fmadd_pd(high, high, low_square)
        } else {
            _mm512_add_pd(low_square, high_square)
        };
        let low_fourth = _mm512_mul_pd(low_square, low_square);
        let fourth = if FOURTH {
            _mm512_fmadd_pd(high_square, high_square, low_fourth)
        } else {
            _mm512_add_pd(low_fourth, _mm512_mul_pd(high_square, high_square))
        };
        self.sum = _mm512_add_pd(self.sum, _mm512_add_pd(low, high));
        self.square = _mm512_add_pd(self.square, square);
        self.fourth = _mm512_add_pd(self.fourth, fourth);
    }
}

/// Extremes and zeros of values as binary32.
#[derive(Clone, Copy)]
struct Ends32 {
    min: __m512,
    max: __m512,
    zeros: u64,
}

impl Ends32 {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn new() -> Self {
        Self {
            min: _mm512_set1_ps(f32::INFINITY),
            max: _mm512_set1_ps(f32::NEG_INFINITY),
            zeros: 0,
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn add(&mut self, value: __m512) {
        self.min = _mm512_min_ps(self.min, value);
        self.max = _mm512_max_ps(self.max, value);
        let zero = _mm512_cmp_ps_mask::<_CMP_EQ_OQ>(value, _mm512_setzero_ps());
        self.zeros = self.zeros.wrapping_add(u64::from(zero.count_ones()));
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn chunk(self) -> Chunk {
        let (mut min, mut max) = ([0f32; 16], [0f32; 16]);
        // SAFETY: each write is of the sixteen numbers.
        unsafe {
            _mm512_storeu_ps(min.as_mut_ptr(), self.min);
            _mm512_storeu_ps(max.as_mut_ptr(), self.max);
        }
        Chunk::of_narrow(&min, &max, self.zeros)
    }
}

/// Extremes and zeros of values as binary64.
#[derive(Clone, Copy)]
struct Ends64 {
    min: __m512d,
    max: __m512d,
    zeros: u64,
    /// Values closer to zero than `TINY`, zeros included.
    tiny: u64,
}

impl Ends64 {
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn new() -> Self {
        Self {
            min: _mm512_set1_pd(f64::INFINITY),
            max: _mm512_set1_pd(f64::NEG_INFINITY),
            zeros: 0,
            tiny: 0,
        }
    }

    #[target_feature(enable = "avx512f")]
    #[inline]
    fn add(&mut self, value: __m512d) {
        self.min = _mm512_min_pd(self.min, value);
        self.max = _mm512_max_pd(self.max, value);
        let zero = _mm512_cmp_pd_mask::<_CMP_EQ_OQ>(value, _mm512_setzero_pd());
        self.zeros = self.zeros.wrapping_add(u64::from(zero.count_ones()));
        let tiny = _mm512_cmp_pd_mask::<_CMP_LT_OQ>(_mm512_abs_pd(value), _mm512_set1_pd(TINY));
        self.tiny = self.tiny.wrapping_add(u64::from(tiny.count_ones()));
    }

    /// The chunk, unless a value does not fit into the lanes.
    #[target_feature(enable = "avx512f")]
    #[inline]
    fn chunk(self) -> Option<Chunk> {
        Chunk::of(&store(self.min), &store(self.max), self.zeros, self.tiny)
    }
}

/// A kernel for a type whose elements binary32 holds exactly: reads sixteen of them from a pointer.
macro_rules! narrow {
    ($name:ident, $wide:expr, $width:literal, $fourth:literal, $pointer:ident => $load:expr) => {
        #[target_feature(enable = "avx512f,avx512dq")]
        fn $name(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
            let (groups, left) = bytes.as_chunks::<{ $width * GROUP }>();
            let mut sums = Sums::of(lanes);
            let mut ends = Ends32::new();
            for group in groups {
                let $pointer = group.as_ptr();
                // SAFETY: reads sixteen elements, which is the group.
                let value: __m512 = unsafe { $load };
                let low = _mm512_cvtps_pd(_mm512_castps512_ps256(value));
                sums.add::<true, $fourth>(low, _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(value)));
                ends.add(value);
            }
            *lanes = sums.lanes()?;
            Some(rest($wide, left, lanes, ends.chunk()))
        }
    };
}

narrow!(f32s, Wide::F32, 4, false, from => _mm512_loadu_ps(from.cast()));
narrow!(f16s, Wide::F16, 2, true, from => _mm512_cvtph_ps(_mm256_loadu_si256(from.cast())));
narrow!(i16s, Wide::I16, 2, false, from =>
    _mm512_cvtepi32_ps(_mm512_cvtepi16_epi32(_mm256_loadu_si256(from.cast()))));
narrow!(u16s, Wide::U16, 2, false, from =>
    _mm512_cvtepi32_ps(_mm512_cvtepu16_epi32(_mm256_loadu_si256(from.cast()))));

/// A kernel for a type whose elements only binary64 holds: reads eight of them from a pointer.
macro_rules! wide {
    ($name:ident, $wide:expr, $width:literal, $pointer:ident => $load:expr) => {
        #[target_feature(enable = "avx512f,avx512dq")]
        fn $name(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
            let (groups, left) = bytes.as_chunks::<{ $width * GROUP }>();
            let mut sums = Sums::of(lanes);
            let mut ends = Ends64::new();
            for group in groups {
                let [low, high] = [0, $width * LANES].map(|at| {
                    // SAFETY: reads eight of the group's sixteen elements, the first or the last ones.
                    unsafe {
                        let $pointer = group.as_ptr().add(at);
                        $load
                    }
                });
                sums.add::<false, false>(low, high);
                ends.add(low);
                ends.add(high);
            }
            let chunk = ends.chunk()?;
            *lanes = sums.lanes()?;
            Some(rest($wide, left, lanes, chunk))
        }
    };
}

wide!(f64s, Wide::F64, 8, from => _mm512_loadu_pd(from.cast()));
wide!(i64s, Wide::I64, 8, from => _mm512_cvtepi64_pd(_mm512_loadu_si512(from.cast())));
wide!(u64s, Wide::U64, 8, from => _mm512_cvtepu64_pd(_mm512_loadu_si512(from.cast())));
wide!(i32s, Wide::I32, 4, from => _mm512_cvtepi32_pd(_mm256_loadu_si256(from.cast())));
wide!(u32s, Wide::U32, 4, from => _mm512_cvtepu32_pd(_mm256_loadu_si256(from.cast())));

/// A lane's two elements lie in one word of 32 bits: the first is its lower half, the second its upper one. Two groups are
/// read together.
#[target_feature(enable = "avx512f,avx512bw,avx512dq")]
fn bf16s(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
    let (pairs, left) = bytes.as_chunks::<{ 2 * 2 * GROUP }>();
    let mut sums = Sums::of(lanes);
    let (mut min, mut max) = (_mm512_set1_epi16(INFINITE_BF16), _mm512_set1_epi16(LOWEST_BF16));
    let mut zeros = 0u64;
    for pair in pairs {
        // SAFETY: reads thirty-two elements, which is both groups.
        let words = unsafe { _mm512_loadu_si512(pair.as_ptr().cast()) };
        // The greater the magnitude of a negative number, the less it is.
        let ordered = _mm512_xor_si512(words, _mm512_srli_epi16::<1>(_mm512_srai_epi16::<15>(words)));
        min = _mm512_min_epi16(min, ordered);
        max = _mm512_max_epi16(max, ordered);
        let zero = _mm512_testn_epi16_mask(words, _mm512_set1_epi16(i16::MAX));
        zeros = zeros.wrapping_add(u64::from(zero.count_ones()));
        let lower = _mm512_castsi512_ps(_mm512_slli_epi32::<16>(words));
        let upper = _mm512_castsi512_ps(_mm512_and_si512(words, _mm512_set1_epi32(-0x1_0000)));
        let first = |value| _mm512_cvtps_pd(_mm512_castps512_ps256(value));
        let second = |value| _mm512_cvtps_pd(_mm512_extractf32x8_ps::<1>(value));
        sums.add::<true, true>(first(lower), first(upper));
        sums.add::<true, true>(second(lower), second(upper));
    }
    *lanes = sums.lanes()?;
    let (mut least, mut greatest) = ([0i16; 32], [0i16; 32]);
    // SAFETY: each write is of the thirty-two numbers.
    unsafe {
        _mm512_storeu_si512(least.as_mut_ptr().cast(), min);
        _mm512_storeu_si512(greatest.as_mut_ptr().cast(), max);
    }
    Some(rest(Wide::Bf16, left, lanes, Chunk::of_bf16(&least, &greatest, zeros)))
}

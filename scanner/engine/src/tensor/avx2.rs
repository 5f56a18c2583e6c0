//! The kernels for AVX2, with FMA and F16C.
//!
//! Each adds what `portable::run` adds, in its order: a register of four holds four lanes. FMA is used
//! only where the product it does not round is exact anyway.

#![expect(unsafe_code, reason = "vector loads, and calls of functions that need the features")]
#![expect(clippy::indexing_slicing, reason = "a register of two by 0 or 1")]

use super::portable::{Chunk, GROUP, INFINITE_BF16, LANES, LOWEST_BF16, Lanes, TINY, Wide, rest};
use std::arch::x86_64::*;

/// Whether this processor has what the kernels need.
pub(super) fn present() -> bool {
    is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") && is_x86_feature_detected!("f16c")
}

/// Adds a chunk, or leaves the lanes as they were.
pub(super) fn run(wide: Wide, bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
    if !present() {
        return None;
    }
    // SAFETY: the processor has AVX2, FMA and F16C.
    unsafe {
        match wide {
            Wide::F64 => f64s(bytes, lanes),
            Wide::F32 => f32s(bytes, lanes),
            Wide::F16 => f16s(bytes, lanes),
            Wide::Bf16 => bf16s(bytes, lanes),
            Wide::I32 => i32s(bytes, lanes),
            Wide::U32 => u32s(bytes, lanes),
            Wide::I16 => i16s(bytes, lanes),
            Wide::U16 => u16s(bytes, lanes),
            Wide::I64 | Wide::U64 => None,
        }
    }
}

/// Two registers of four lanes each, for the sums, the squares and the fourth powers.
#[derive(Clone, Copy)]
struct Sums {
    sum: [__m256d; 2],
    square: [__m256d; 2],
    fourth: [__m256d; 2],
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(lanes: &[f64; LANES]) -> [__m256d; 2] {
    // SAFETY: both reads are of four of the eight numbers.
    unsafe { [_mm256_loadu_pd(lanes.as_ptr()), _mm256_loadu_pd(lanes.as_ptr().add(4))] }
}

#[target_feature(enable = "avx2")]
#[inline]
fn store(registers: [__m256d; 2]) -> [f64; LANES] {
    let mut lanes = [0.0; LANES];
    // SAFETY: both writes are of four of the eight numbers.
    unsafe {
        _mm256_storeu_pd(lanes.as_mut_ptr(), registers[0]);
        _mm256_storeu_pd(lanes.as_mut_ptr().add(4), registers[1]);
    }
    lanes
}

impl Sums {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn of(lanes: &Lanes) -> Self {
        Self {
            sum: load(&lanes.sum),
            square: load(&lanes.square),
            fourth: load(&lanes.fourth),
        }
    }

    /// The lanes, unless a sum is not finite.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn lanes(self) -> Option<Lanes> {
        let lanes = Lanes {
            sum: store(self.sum),
            square: store(self.square),
            fourth: store(self.fourth),
        };
        lanes.sum.iter().all(|lane| lane.is_finite()).then_some(lanes)
    }

    /// Adds four elements to four lanes, and four others. Where a square or a fourth power is exact as binary64,
    /// it needs no rounding of its own.
    #[target_feature(enable = "avx2,fma")]
    #[inline]
    fn add<const SQUARE: bool, const FOURTH: bool>(&mut self, half: usize, low: __m256d, high: __m256d) {
        let (low_square, high_square) = (_mm256_mul_pd(low, low), _mm256_mul_pd(high, high));
        let square = if SQUARE {
            _mm256_fmadd_pd(high, high, low_square)
        } else {
            _mm256_add_pd(low_square, high_square)
        };
        let low_fourth = _mm256_mul_pd(low_square, low_square);
        let fourth = if FOURTH {
            _mm256_fmadd_pd(high_square, high_square, low_fourth)
        } else {
            _mm256_add_pd(low_fourth, _mm256_mul_pd(high_square, high_square))
        };
        self.sum[half] = _mm256_add_pd(self.sum[half], _mm256_add_pd(low, high));
        self.square[half] = _mm256_add_pd(self.square[half], square);
        self.fourth[half] = _mm256_add_pd(self.fourth[half], fourth);
    }
}

/// Extremes and zeros of values as binary32.
#[derive(Clone, Copy)]
struct Ends32 {
    min: __m256,
    max: __m256,
    /// Minus the zeros.
    zeros: __m256i,
}

impl Ends32 {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new() -> Self {
        Self {
            min: _mm256_set1_ps(f32::INFINITY),
            max: _mm256_set1_ps(f32::NEG_INFINITY),
            zeros: _mm256_setzero_si256(),
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn add(&mut self, one: __m256, other: __m256) {
        self.min = _mm256_min_ps(self.min, _mm256_min_ps(one, other));
        self.max = _mm256_max_ps(self.max, _mm256_max_ps(one, other));
        let zero = |value| _mm256_castps_si256(_mm256_cmp_ps::<_CMP_EQ_OQ>(value, _mm256_setzero_ps()));
        self.zeros = _mm256_sub_epi32(self.zeros, _mm256_add_epi32(zero(one), zero(other)));
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn chunk(self) -> Chunk {
        let (mut min, mut max, mut zeros) = ([0f32; 8], [0f32; 8], [0u32; 8]);
        // SAFETY: each write is of the eight numbers.
        unsafe {
            _mm256_storeu_ps(min.as_mut_ptr(), self.min);
            _mm256_storeu_ps(max.as_mut_ptr(), self.max);
            _mm256_storeu_si256(zeros.as_mut_ptr().cast(), self.zeros);
        }
        Chunk::of_narrow(&min, &max, zeros.iter().map(|n| u64::from(*n)).sum())
    }
}

/// Extremes and zeros of bfloat16s, as integers of the same order.
#[derive(Clone, Copy)]
struct Ends16 {
    min: __m256i,
    max: __m256i,
    /// Minus the zeros: a chunk has less than 2^16 in each place.
    zeros: __m256i,
}

impl Ends16 {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new() -> Self {
        Self {
            min: _mm256_set1_epi16(INFINITE_BF16),
            max: _mm256_set1_epi16(LOWEST_BF16),
            zeros: _mm256_setzero_si256(),
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn add(&mut self, words: __m256i) {
        // The greater the magnitude of a negative number, the less it is.
        let ordered = _mm256_xor_si256(words, _mm256_srli_epi16::<1>(_mm256_srai_epi16::<15>(words)));
        self.min = _mm256_min_epi16(self.min, ordered);
        self.max = _mm256_max_epi16(self.max, ordered);
        let zero = _mm256_cmpeq_epi16(_mm256_add_epi16(words, words), _mm256_setzero_si256());
        self.zeros = _mm256_sub_epi16(self.zeros, zero);
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn chunk(self) -> Chunk {
        let (mut min, mut max, mut zeros) = ([0i16; 16], [0i16; 16], [0u16; 16]);
        // SAFETY: each write is of the sixteen numbers.
        unsafe {
            _mm256_storeu_si256(min.as_mut_ptr().cast(), self.min);
            _mm256_storeu_si256(max.as_mut_ptr().cast(), self.max);
            _mm256_storeu_si256(zeros.as_mut_ptr().cast(), self.zeros);
        }
        Chunk::of_bf16(&min, &max, zeros.iter().map(|n| u64::from(*n)).sum())
    }
}

/// Extremes and zeros of values as binary64.
#[derive(Clone, Copy)]
struct Ends64 {
    min: __m256d,
    max: __m256d,
    /// Minus the zeros.
    zeros: __m256i,
    /// Minus the values closer to zero than `TINY`, zeros included.
    tiny: __m256i,
}

impl Ends64 {
    #[target_feature(enable = "avx2")]
    #[inline]
    fn new() -> Self {
        Self {
            min: _mm256_set1_pd(f64::INFINITY),
            max: _mm256_set1_pd(f64::NEG_INFINITY),
            zeros: _mm256_setzero_si256(),
            tiny: _mm256_setzero_si256(),
        }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn add(&mut self, value: __m256d) {
        self.min = _mm256_min_pd(self.min, value);
        self.max = _mm256_max_pd(self.max, value);
        let zero = _mm256_cmp_pd::<_CMP_EQ_OQ>(value, _mm256_setzero_pd());
        self.zeros = _mm256_sub_epi64(self.zeros, _mm256_castpd_si256(zero));
        let magnitude = _mm256_andnot_pd(_mm256_set1_pd(-0.0), value);
        let tiny = _mm256_cmp_pd::<_CMP_LT_OQ>(magnitude, _mm256_set1_pd(TINY));
        self.tiny = _mm256_sub_epi64(self.tiny, _mm256_castpd_si256(tiny));
    }

    /// The chunk, unless a value does not fit into the lanes.
    #[target_feature(enable = "avx2")]
    #[inline]
    fn chunk(self) -> Option<Chunk> {
        let (mut min, mut max, mut zeros, mut tiny) = ([0f64; 4], [0f64; 4], [0u64; 4], [0u64; 4]);
        // SAFETY: each write is of the four numbers.
        unsafe {
            _mm256_storeu_pd(min.as_mut_ptr(), self.min);
            _mm256_storeu_pd(max.as_mut_ptr(), self.max);
            _mm256_storeu_si256(zeros.as_mut_ptr().cast(), self.zeros);
            _mm256_storeu_si256(tiny.as_mut_ptr().cast(), self.tiny);
        }
        Chunk::of(&min, &max, zeros.iter().sum(), tiny.iter().sum())
    }
}

/// Two registers of four, in the order of the elements.
#[target_feature(enable = "avx2")]
#[inline]
fn widen(value: __m256) -> [__m256d; 2] {
    [
        _mm256_cvtps_pd(_mm256_castps256_ps128(value)),
        _mm256_cvtps_pd(_mm256_extractf128_ps::<1>(value)),
    ]
}

/// A kernel for a type whose elements binary32 holds exactly: reads eight of them from a pointer.
macro_rules! narrow {
    ($name:ident, $wide:expr, $width:literal, $fourth:literal, $pointer:ident => $load:expr) => {
        #[target_feature(enable = "avx2,fma,f16c")]
        fn $name(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
            let (groups, left) = bytes.as_chunks::<{ $width * GROUP }>();
            let mut sums = Sums::of(lanes);
            let mut ends = Ends32::new();
            for group in groups {
                let [low, high] = [0, $width * LANES].map(|at| {
                    // SAFETY: reads eight of the group's sixteen elements, the first or the last ones.
                    unsafe {
                        let $pointer = group.as_ptr().add(at);
                        $load
                    }
                });
                ends.add(low, high);
                let ([a, b], [c, d]) = (widen(low), widen(high));
                sums.add::<true, $fourth>(0, a, c);
                sums.add::<true, $fourth>(1, b, d);
            }
            *lanes = sums.lanes()?;
            Some(rest($wide, left, lanes, ends.chunk()))
        }
    };
}

narrow!(f32s, Wide::F32, 4, false, from => _mm256_loadu_ps(from.cast()));
narrow!(f16s, Wide::F16, 2, true, from => _mm256_cvtph_ps(_mm_loadu_si128(from.cast())));
narrow!(i16s, Wide::I16, 2, false, from =>
    _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(_mm_loadu_si128(from.cast()))));
narrow!(u16s, Wide::U16, 2, false, from =>
    _mm256_cvtepi32_ps(_mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast()))));

/// A kernel for a type whose elements only binary64 holds: reads four of them from a pointer.
macro_rules! wide {
    ($name:ident, $wide:expr, $width:literal, $pointer:ident => $load:expr) => {
        #[target_feature(enable = "avx2,fma")]
        fn $name(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
            let (groups, left) = bytes.as_chunks::<{ $width * GROUP }>();
            let mut sums = Sums::of(lanes);
            let mut ends = Ends64::new();
            for group in groups {
                let quarters = [0, 4, 8, 12].map(|at| {
                    // SAFETY: reads four of the group's sixteen elements, of which four are left at least.
                    unsafe {
                        let $pointer = group.as_ptr().add(at * $width);
                        $load
                    }
                });
                let [a, b, c, d] = quarters;
                sums.add::<false, false>(0, a, c);
                sums.add::<false, false>(1, b, d);
                for quarter in quarters {
                    ends.add(quarter);
                }
            }
            let chunk = ends.chunk()?;
            *lanes = sums.lanes()?;
            Some(rest($wide, left, lanes, chunk))
        }
    };
}

wide!(f64s, Wide::F64, 8, from => _mm256_loadu_pd(from.cast()));
wide!(i32s, Wide::I32, 4, from => _mm256_cvtepi32_pd(_mm_loadu_si128(from.cast())));
wide!(u32s, Wide::U32, 4, from => {
    // 2^31 less as a signed number, and 2^31 more: both are exact.
    let signed = _mm_xor_si128(_mm_loadu_si128(from.cast()), _mm_set1_epi32(i32::MIN));
    _mm256_add_pd(_mm256_cvtepi32_pd(signed), _mm256_set1_pd(2_147_483_648.0))
});

/// A lane's two elements lie in one word of 32 bits: the first is its lower half, the second its upper one.
#[target_feature(enable = "avx2,fma")]
fn bf16s(bytes: &[u8], lanes: &mut Lanes) -> Option<Chunk> {
    let (groups, left) = bytes.as_chunks::<{ 2 * GROUP }>();
    let mut sums = Sums::of(lanes);
    let mut ends = Ends16::new();
    for group in groups {
        // SAFETY: reads sixteen elements, which is the group.
        let words = unsafe { _mm256_loadu_si256(group.as_ptr().cast()) };
        ends.add(words);
        let [a, b] = widen(_mm256_castsi256_ps(_mm256_slli_epi32::<16>(words)));
        let upper = _mm256_and_si256(words, _mm256_set1_epi32(-0x1_0000));
        let [c, d] = widen(_mm256_castsi256_ps(upper));
        sums.add::<true, true>(0, a, c);
        sums.add::<true, true>(1, b, d);
    }
    *lanes = sums.lanes()?;
    Some(rest(Wide::Bf16, left, lanes, ends.chunk()))
}

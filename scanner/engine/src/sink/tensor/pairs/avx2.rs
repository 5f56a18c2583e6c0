//! The search with AVX2: 32 places at a time.

use super::{Nibbles, Pairs, settle};
use std::arch::x86_64::{
    __m256i, _mm_loadu_si128, _mm256_alignr_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
    _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8,
    _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_srli_epi16, _mm256_testz_si256,
};

/// Whether this processor has what the search needs.
pub(super) fn present() -> bool {
    std::arch::is_x86_feature_detected!("avx2")
}

#[derive(Clone, Copy)]
struct Tables {
    low: __m256i,
    high: __m256i,
}

#[target_feature(enable = "avx2")]
fn tables(nibbles: &Nibbles) -> Tables {
    // SAFETY: both arrays are 16 bytes long.
    let (low, high) = unsafe {
        (
            _mm_loadu_si128(nibbles.low.as_ptr().cast()),
            _mm_loadu_si128(nibbles.high.as_ptr().cast()),
        )
    };
    Tables {
        low: _mm256_broadcastsi128_si256(low),
        high: _mm256_broadcastsi128_si256(high),
    }
}

#[target_feature(enable = "avx2")]
#[inline]
fn load(block: &[u8; 32]) -> (__m256i, __m256i) {
    // SAFETY: the block is 32 bytes long.
    let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
    let nibble = _mm256_set1_epi8(15);
    let high = _mm256_srli_epi16::<4>(bytes);
    (_mm256_and_si256(bytes, nibble), _mm256_and_si256(high, nibble))
}

#[target_feature(enable = "avx2")]
#[inline]
fn groups(tables: Tables, (low, high): (__m256i, __m256i)) -> __m256i {
    _mm256_and_si256(
        _mm256_shuffle_epi8(tables.low, low),
        _mm256_shuffle_epi8(tables.high, high),
    )
}

#[target_feature(enable = "avx2")]
#[inline]
fn set(hits: __m256i) -> u64 {
    let zero = _mm256_cmpeq_epi8(hits, _mm256_setzero_si256());
    u64::from(!_mm256_movemask_epi8(zero).cast_unsigned())
}

/// The 32 bytes that begin one byte behind those of `low`, which `high` follows.
#[target_feature(enable = "avx2")]
#[inline]
fn next(low: __m256i, high: __m256i) -> __m256i {
    _mm256_alignr_epi8::<1>(_mm256_permute2x128_si256::<0x21>(low, high), low)
}

/// Examines all places but the last few; returns the first that it did not.
#[target_feature(enable = "avx2")]
pub(super) fn search(
    pairs: &Pairs,
    other: Option<&Pairs>,
    bytes: &[u8],
    found: &mut Vec<usize>,
    others: &mut Vec<usize>,
) -> usize {
    let (first, second) = (tables(&pairs.first), tables(&pairs.second));
    let (other_first, other_second) =
        other.map_or((first, second), |other| (tables(&other.first), tables(&other.second)));
    let (blocks, _) = bytes.as_chunks::<32>();
    let (behind, _) = bytes.get(1..).unwrap_or_default().as_chunks::<32>();
    let mut at = 0usize;
    for (block, behind) in blocks.iter().zip(behind) {
        let (a, b) = (load(block), load(behind));
        let hits = _mm256_and_si256(groups(first, a), groups(second, b));
        if _mm256_testz_si256(hits, hits) == 0 {
            settle(pairs, bytes, at, set(hits), false, found);
        }
        if let Some(other) = other {
            let hits = _mm256_and_si256(groups(other_first, a), groups(other_second, b));
            if _mm256_testz_si256(hits, hits) == 0 {
                settle(other, bytes, at, set(hits), false, others);
            }
        }
        at = at.wrapping_add(32);
    }
    at
}

/// Examines all places but the last few, both ways; returns the first that it did not.
#[target_feature(enable = "avx2")]
pub(super) fn search_either_way(pairs: &Pairs, bytes: &[u8], found: &mut Vec<usize>, others: &mut Vec<usize>) -> usize {
    let (first, second) = (tables(&pairs.first), tables(&pairs.second));
    let (blocks, _) = bytes.as_chunks::<32>();
    let Some((head, rest)) = blocks.split_first() else {
        return 0;
    };
    let head = load(head);
    let (mut is_first, mut is_second) = (groups(first, head), groups(second, head));
    let mut at = 0usize;
    for block in rest {
        let block = load(block);
        let (next_first, next_second) = (groups(first, block), groups(second, block));
        let forwards = _mm256_and_si256(is_first, next(is_second, next_second));
        let backwards = _mm256_and_si256(is_second, next(is_first, next_first));
        let either = _mm256_or_si256(forwards, backwards);
        if _mm256_testz_si256(either, either) == 0 {
            settle(pairs, bytes, at, set(forwards), false, found);
            settle(pairs, bytes, at, set(backwards), true, others);
        }
        (is_first, is_second) = (next_first, next_second);
        at = at.wrapping_add(32);
    }
    at
}

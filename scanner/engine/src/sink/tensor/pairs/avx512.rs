//! The search with AVX-512 F and BW: 64 places at a time.

use super::{Nibbles, Pairs, settle};
use std::arch::x86_64::{
    __m512i, _mm_loadu_si128, _mm512_alignr_epi8, _mm512_alignr_epi32, _mm512_and_si512, _mm512_broadcast_i32x4,
    _mm512_loadu_si512, _mm512_set1_epi8, _mm512_shuffle_epi8, _mm512_srli_epi16, _mm512_test_epi8_mask,
};

/// Whether this processor has what the search needs.
pub(super) fn present() -> bool {
    std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw")
}

#[derive(Clone, Copy)]
struct Tables {
    low: __m512i,
    high: __m512i,
}

#[target_feature(enable = "avx512f,avx512bw")]
fn tables(nibbles: &Nibbles) -> Tables {
    // SAFETY: both arrays are 16 bytes long.
    let (low, high) = unsafe {
        (
            _mm_loadu_si128(nibbles.low.as_ptr().cast()),
            _mm_loadu_si128(nibbles.high.as_ptr().cast()),
        )
    };
    Tables {
        low: _mm512_broadcast_i32x4(low),
        high: _mm512_broadcast_i32x4(high),
    }
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn load(block: &[u8; 64]) -> (__m512i, __m512i) {
    // SAFETY: the block is 64 bytes long.
    let bytes = unsafe { _mm512_loadu_si512(block.as_ptr().cast()) };
    let nibble = _mm512_set1_epi8(15);
    let high = _mm512_srli_epi16::<4>(bytes);
    (_mm512_and_si512(bytes, nibble), _mm512_and_si512(high, nibble))
}

#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn groups(tables: Tables, (low, high): (__m512i, __m512i)) -> __m512i {
    _mm512_and_si512(
        _mm512_shuffle_epi8(tables.low, low),
        _mm512_shuffle_epi8(tables.high, high),
    )
}

/// The 64 bytes that begin one byte behind those of `low`, which `high` follows.
#[target_feature(enable = "avx512f,avx512bw")]
#[inline]
fn next(low: __m512i, high: __m512i) -> __m512i {
    _mm512_alignr_epi8::<1>(_mm512_alignr_epi32::<4>(high, low), low)
}

/// Examines all places but the last few; returns the first that it did not.
#[target_feature(enable = "avx512f,avx512bw")]
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
    let (blocks, _) = bytes.as_chunks::<64>();
    let (behind, _) = bytes.get(1..).unwrap_or_default().as_chunks::<64>();
    let mut at = 0usize;
    for (block, behind) in blocks.iter().zip(behind) {
        let (a, b) = (load(block), load(behind));
        let hits = _mm512_test_epi8_mask(groups(first, a), groups(second, b));
        if hits != 0 {
            settle(pairs, bytes, at, hits, false, found);
        }
        if let Some(other) = other {
            let hits = _mm512_test_epi8_mask(groups(other_first, a), groups(other_second, b));
            if hits != 0 {
                settle(other, bytes, at, hits, false, others);
            }
        }
        at = at.wrapping_add(64);
    }
    at
}

/// Examines all places but the last few, both ways; returns the first that it did not.
#[target_feature(enable = "avx512f,avx512bw")]
pub(super) fn search_either_way(pairs: &Pairs, bytes: &[u8], found: &mut Vec<usize>, others: &mut Vec<usize>) -> usize {
    let (first, second) = (tables(&pairs.first), tables(&pairs.second));
    let (blocks, _) = bytes.as_chunks::<64>();
    let Some((head, rest)) = blocks.split_first() else {
        return 0;
    };
    let head = load(head);
    let (mut is_first, mut is_second) = (groups(first, head), groups(second, head));
    let mut at = 0usize;
    for block in rest {
        let block = load(block);
        let (next_first, next_second) = (groups(first, block), groups(second, block));
        let forwards = _mm512_test_epi8_mask(is_first, next(is_second, next_second));
        let backwards = _mm512_test_epi8_mask(is_second, next(is_first, next_first));
        if forwards | backwards != 0 {
            settle(pairs, bytes, at, forwards, false, found);
            settle(pairs, bytes, at, backwards, true, others);
        }
        (is_first, is_second) = (next_first, next_second);
        at = at.wrapping_add(64);
    }
    at
}

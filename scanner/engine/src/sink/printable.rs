//! Where printable bytes stand in a row: text among bytes that are none is found without looking at each of them twice.

#![expect(unsafe_code, reason = "vector loads, and calls of functions that need the features")]

use std::ops::Range;

/// Bytes of a block that [`full_block`] looks for.
const BLOCK: usize = 32;
/// Bytes of a word of a mask.
const WORD: usize = 64;
/// Bytes from one word to the next: any [`ROW`] bytes and the one before them lie in one word.
const STEP: usize = WORD - ROW - 1;
/// Bytes in a row that [`rows`] looks for.
pub(super) const ROW: usize = 12;

/// Whether `byte` is printable ASCII, a tab or the end of a line.
pub(super) const fn is_printable(byte: u8) -> bool {
    matches!(byte, 0x20..=0x7e | b'\t' | b'\n' | b'\r')
}

/// Printable bytes at the beginning.
pub(super) fn leading(bytes: &[u8]) -> usize {
    bytes.iter().take_while(|b| is_printable(**b)).count()
}

/// Printable bytes at the end.
pub(super) fn trailing(bytes: &[u8]) -> usize {
    bytes.iter().rev().take_while(|b| is_printable(**b)).count()
}

/// The first block of 32 printable bytes at or behind `from`, at a multiple of 32 of the slice: a row of 63 bytes has
/// one.
pub(super) fn full_block(bytes: &[u8], from: usize) -> Option<usize> {
    let first = from.checked_next_multiple_of(BLOCK)?;
    let (blocks, _) = bytes.get(first..)?.as_chunks::<BLOCK>();
    #[cfg(target_arch = "x86_64")]
    let nth = if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { avx2::full_block(blocks) }
    } else {
        blocks.iter().position(is_full)
    };
    #[cfg(not(target_arch = "x86_64"))]
    let nth = blocks.iter().position(is_full);
    nth?.checked_mul(BLOCK)?.checked_add(first)
}

fn is_full(block: &[u8; BLOCK]) -> bool {
    block.iter().fold(true, |all, byte| all & is_printable(*byte))
}

/// The rows of [`ROW`] bytes and more in `within`, ascending: of printable bytes, or of printable and zero bytes by turns,
/// which is how UTF-16 holds ASCII. Of a row that leaves `within` the part inside.
///
/// A row is told whatever `within` is, as long as `bytes` holds [`ROW`] bytes of it.
pub(super) fn rows(bytes: &[u8], within: Range<usize>) -> Vec<Range<usize>> {
    let first = within.start.saturating_sub(WORD);
    let last = within.end.saturating_add(WORD).min(bytes.len());
    let mut near: Vec<Range<usize>> = Vec::new();
    let mut note = |word: usize| {
        let start = first.saturating_add(word.saturating_mul(STEP));
        let end = start.saturating_add(WORD).min(last);
        match near.last_mut() {
            Some(known) if known.end >= start => known.end = end,
            _ => near.push(start..end),
        }
    };
    let area = bytes.get(first..last).unwrap_or_default();
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx512f") && std::arch::is_x86_feature_detected!("avx512bw") {
        // SAFETY: the processor has AVX-512 F and BW.
        unsafe { avx512::each_word(area, &mut note) };
    } else if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { avx2::each_word(area, &mut note) };
    } else {
        each_word(area, masks, &mut note);
    }
    #[cfg(not(target_arch = "x86_64"))]
    each_word(area, masks, &mut note);
    let inside = |row: Range<usize>| row.start.max(within.start)..row.end.min(within.end);
    let mut rows: Vec<Range<usize>> = Vec::new();
    for area in near {
        exact(bytes, area, &mut |row| {
            let row = inside(row);
            if row.start < row.end {
                rows.push(row);
            }
        });
    }
    rows.sort_unstable_by_key(|row| (row.start, row.end));
    rows.dedup_by(|next, row| {
        let joins = next.start <= row.end;
        if joins {
            row.end = row.end.max(next.end);
        }
        joins
    });
    rows
}

/// Gives each row of the two kinds that lies in `area`, byte by byte.
fn exact(bytes: &[u8], area: Range<usize>, give: &mut impl FnMut(Range<usize>)) {
    let (mut plain, mut wide) = (area.start, area.start);
    let mut before = area.start.checked_sub(1).and_then(|at| bytes.get(at)).copied();
    for at in area.clone() {
        let Some(&byte) = bytes.get(at) else { break };
        if !is_printable(byte) {
            if at.saturating_sub(plain) >= ROW {
                give(plain..at);
            }
            plain = at.saturating_add(1);
        }
        let turn = before.is_some_and(|before| alternates(before, byte));
        if !turn {
            if at.saturating_sub(wide) >= ROW {
                give(wide..at);
            }
            wide = at.saturating_add(1);
        }
        before = Some(byte);
    }
    for start in [plain, wide] {
        if area.end.saturating_sub(start) >= ROW {
            give(start..area.end);
        }
    }
}

const fn alternates(before: u8, byte: u8) -> bool {
    (before == 0 && is_printable(byte)) || (is_printable(before) && byte == 0)
}

/// Which bytes of a word are printable, and which are zero: the first in bit 0.
fn masks(word: &[u8; WORD]) -> (u64, u64) {
    let mask = |is: fn(u8) -> bool| {
        let bits = word.iter().rev();
        bits.fold(0u64, |mask, byte| mask.wrapping_shl(1) | u64::from(is(*byte)))
    };
    (mask(is_printable), mask(|byte| byte == 0))
}

/// Calls `note` with the number of each word that holds a row of [`ROW`] bytes.
///
/// Words overlap: a row that begins in one and goes on in the next lies in one of the two as far as it is needed.
#[inline(always)]
fn each_word(bytes: &[u8], masks: impl Fn(&[u8; WORD]) -> (u64, u64), note: &mut impl FnMut(usize)) {
    let (mut rest, mut nth) = (bytes, 0usize);
    while let Some(word) = rest.first_chunk::<WORD>() {
        if has_row(masks(word)) {
            note(nth);
        }
        rest = rest.get(STEP..).unwrap_or_default();
        nth = nth.saturating_add(1);
    }
    // Bytes that belong to no row fill the last word.
    let mut last = [u8::MAX; WORD];
    for (to, from) in last.iter_mut().zip(rest) {
        *to = *from;
    }
    if has_row(masks(&last)) {
        note(nth);
    }
}

#[inline(always)]
fn has_row((plain, zero): (u64, u64)) -> bool {
    let turns = (plain & zero.wrapping_shl(1)) | (zero & plain.wrapping_shl(1));
    is_twelve(plain) || (turns != 0 && is_twelve(turns))
}

/// Whether twelve set bits stand in a row.
#[inline(always)]
fn is_twelve(bits: u64) -> bool {
    let two = bits & bits.wrapping_shr(1);
    let four = two & two.wrapping_shr(2);
    let eight = four & four.wrapping_shr(4);
    eight & four.wrapping_shr(8) != 0
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use super::{BLOCK, WORD};
    use std::arch::x86_64::{
        __m256i, _mm256_cmpeq_epi8, _mm256_loadu_si256, _mm256_min_epu8, _mm256_movemask_epi8, _mm256_or_si256,
        _mm256_set1_epi8, _mm256_setzero_si256, _mm256_sub_epi8,
    };

    #[target_feature(enable = "avx2")]
    #[inline]
    fn load(block: &[u8; BLOCK]) -> __m256i {
        // SAFETY: the block is 32 bytes long.
        unsafe { _mm256_loadu_si256(block.as_ptr().cast()) }
    }

    #[target_feature(enable = "avx2")]
    #[inline]
    fn printable(bytes: __m256i) -> u32 {
        let above = _mm256_sub_epi8(bytes, _mm256_set1_epi8(0x20));
        let graphic = _mm256_cmpeq_epi8(_mm256_min_epu8(above, _mm256_set1_epi8(0x5e)), above);
        // Tab and line feed are neighbours.
        let below = _mm256_sub_epi8(bytes, _mm256_set1_epi8(0x09));
        let blank = _mm256_cmpeq_epi8(_mm256_min_epu8(below, _mm256_set1_epi8(1)), below);
        let end = _mm256_cmpeq_epi8(bytes, _mm256_set1_epi8(0x0d));
        let all = _mm256_or_si256(graphic, _mm256_or_si256(blank, end));
        _mm256_movemask_epi8(all).cast_unsigned()
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn full_block(blocks: &[[u8; BLOCK]]) -> Option<usize> {
        blocks.iter().position(|block| printable(load(block)) == u32::MAX)
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn each_word(bytes: &[u8], note: &mut impl FnMut(usize)) {
        let masks = |word: &[u8; WORD]| {
            let (mut plain, mut zero) = (0u64, 0u64);
            let (halves, _) = word.as_chunks::<BLOCK>();
            for half in halves.iter().rev() {
                let half = load(half);
                let zeros = _mm256_movemask_epi8(_mm256_cmpeq_epi8(half, _mm256_setzero_si256())).cast_unsigned();
                plain = plain.wrapping_shl(32) | u64::from(printable(half));
                zero = zero.wrapping_shl(32) | u64::from(zeros);
            }
            (plain, zero)
        };
        super::each_word(bytes, masks, note);
    }
}

#[cfg(target_arch = "x86_64")]
mod avx512 {
    use super::WORD;
    use std::arch::x86_64::{
        _mm512_cmpeq_epi8_mask, _mm512_cmple_epu8_mask, _mm512_loadu_si512, _mm512_set1_epi8, _mm512_sub_epi8,
        _mm512_testn_epi8_mask,
    };

    #[target_feature(enable = "avx512f,avx512bw")]
    pub(super) fn each_word(bytes: &[u8], note: &mut impl FnMut(usize)) {
        let masks = |word: &[u8; WORD]| {
            // SAFETY: the word is 64 bytes long.
            let bytes = unsafe { _mm512_loadu_si512(word.as_ptr().cast()) };
            let above = _mm512_sub_epi8(bytes, _mm512_set1_epi8(0x20));
            // Tab and line feed are neighbours.
            let below = _mm512_sub_epi8(bytes, _mm512_set1_epi8(0x09));
            let plain = _mm512_cmple_epu8_mask(above, _mm512_set1_epi8(0x5e))
                | _mm512_cmple_epu8_mask(below, _mm512_set1_epi8(1))
                | _mm512_cmpeq_epi8_mask(bytes, _mm512_set1_epi8(0x0d));
            (plain, _mm512_testn_epi8_mask(bytes, bytes))
        };
        super::each_word(bytes, masks, note);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// What [`rows`] says it gives, by looking at every byte.
    fn expected(bytes: &[u8], within: &Range<usize>) -> Vec<bool> {
        let mut covered = vec![false; bytes.len()];
        exact(bytes, 0..bytes.len(), &mut |row| covered[row].fill(true));
        covered
            .iter()
            .enumerate()
            .map(|(at, covered)| *covered && within.contains(&at))
            .collect()
    }

    fn covered(bytes: &[u8], within: Range<usize>) -> Vec<bool> {
        let mut covered = vec![false; bytes.len()];
        let mut end = 0;
        for row in rows(bytes, within) {
            assert!(row.start >= end && row.start < row.end, "ascending");
            end = row.end;
            covered[row].fill(true);
        }
        covered
    }

    proptest! {
        #[test]
        fn rows_are_those_that_a_look_at_every_byte_finds(
            parts in proptest::collection::vec((0usize..90, 0usize..30, any::<bool>()), 1..9),
            cut in 0usize..200,
            end in 0usize..200,
        ) {
            let mut bytes = Vec::new();
            for (noise, text, wide) in parts {
                bytes.extend(std::iter::repeat_n(0x9au8, noise));
                let character: &[u8] = if wide { b"a\0" } else { b"a" };
                bytes.extend(character.repeat(text));
            }
            let within = cut.min(bytes.len())..bytes.len().saturating_sub(end).max(cut.min(bytes.len()));
            prop_assert_eq!(covered(&bytes, within.clone()), expected(&bytes, &within));
        }

        #[test]
        fn any_bytes_give_the_same_rows(
            bytes in proptest::collection::vec(prop_oneof![4 => Just(b'/'), 1 => Just(0u8), 1 => Just(0xffu8), 1 => any::<u8>()], 0..400),
        ) {
            let within = 0..bytes.len();
            prop_assert_eq!(covered(&bytes, within.clone()), expected(&bytes, &within));
            let full = |at: usize| bytes.get(at..at.saturating_add(BLOCK)).is_some_and(|b| b.iter().all(|b| is_printable(*b)));
            prop_assert_eq!(full_block(&bytes, 0), (0..bytes.len()).step_by(BLOCK).find(|at| full(*at)));
        }
    }

    #[test]
    fn the_masks_are_the_same_in_vector_code() {
        let word: [u8; WORD] =
            std::array::from_fn(|at| [0, 9, 10, 13, 0x1f, 0x20, 0x7e, 0x7f, 0x80, 0xff, 11, 12][at % 12]);
        let (plain, zero) = masks(&word);
        for (at, byte) in word.iter().enumerate() {
            assert_eq!(plain >> at & 1 == 1, is_printable(*byte), "{byte}");
            assert_eq!(zero >> at & 1 == 1, *byte == 0, "{byte}");
        }
        // Eleven in a row are no row, twelve are.
        for (length, expected) in [(11usize, false), (12, true), (13, true)] {
            for start in 40..80 {
                let mut bytes = vec![0xffu8; 200];
                bytes[start..start + length].fill(b'x');
                assert_eq!(!rows(&bytes, 0..200).is_empty(), expected, "{length} at {start}");
                let mut near = false;
                each_word(&bytes, masks, &mut |_| near = true);
                assert_eq!(near, expected, "{length} at {start}, without vectors");
                #[cfg(target_arch = "x86_64")]
                if std::arch::is_x86_feature_detected!("avx2") {
                    let mut near = false;
                    // SAFETY: the processor has AVX2.
                    unsafe { avx2::each_word(&bytes, &mut |_| near = true) };
                    assert_eq!(near, expected, "{length} at {start}, AVX2");
                }
            }
        }
    }
}

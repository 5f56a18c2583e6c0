//! Planes: what remains of a row of elements when of each only the lowest byte, or the lowest bits of it, is kept.

#![expect(
    unsafe_code,
    reason = "AVX2 behind runtime detection, and loads of 32 bytes through a pointer"
)]

/// Appends bit 0 of every byte, eight to a byte, the first in bit 0; `bytes` past the last eight are left out.
pub(in super::super) fn pack_bits(bytes: &[u8], out: &mut Vec<u8>) {
    #[cfg(target_arch = "x86_64")]
    let done = if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        unsafe { avx2::pack_bits(bytes, out) }
    } else {
        0
    };
    #[cfg(not(target_arch = "x86_64"))]
    let done = 0usize;
    let (eights, _) = bytes.get(done..).unwrap_or_default().as_chunks::<8>();
    // The product gathers the lowest bit of each byte in the topmost byte.
    out.extend(eights.iter().map(|eight| {
        let bits = u64::from_le_bytes(*eight) & 0x0101_0101_0101_0101;
        let [.., top] = bits.wrapping_mul(0x0102_0408_1020_4080).to_le_bytes();
        top
    }));
}

/// Appends the lowest byte of every element of `width` bytes.
pub(in super::super) fn low_bytes(bytes: &[u8], width: usize, big_endian: bool, out: &mut Vec<u8>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::low_bytes(bytes, width, big_endian, out) };
    }
    each_low(bytes, width, big_endian, out);
}

#[inline(always)]
fn each_low(bytes: &[u8], width: usize, big_endian: bool, out: &mut Vec<u8>) {
    match (width, big_endian) {
        (1, _) => out.extend_from_slice(bytes),
        (2, false) => out.extend(
            bytes
                .as_chunks::<2>()
                .0
                .iter()
                .map(|e| u16::from_le_bytes(*e).to_le_bytes()[0]),
        ),
        (2, true) => out.extend(bytes.as_chunks::<2>().0.iter().map(|[.., low]| *low)),
        (4, false) => out.extend(
            bytes
                .as_chunks::<4>()
                .0
                .iter()
                .map(|e| u32::from_le_bytes(*e).to_le_bytes()[0]),
        ),
        (4, true) => out.extend(bytes.as_chunks::<4>().0.iter().map(|[.., low]| *low)),
        (8, false) => out.extend(bytes.as_chunks::<8>().0.iter().map(|[low, ..]| *low)),
        _ => {
            let first = if big_endian { width.wrapping_sub(1) } else { 0 };
            let elements = bytes.chunks_exact(width.max(1));
            out.extend(elements.map(|e| e.get(first).copied().unwrap_or(0)));
        }
    }
}

/// Appends the lowest four bits of every byte, two to a byte, the first in the low bits.
pub(in super::super) fn pack_nibbles(bytes: &[u8], out: &mut Vec<u8>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::pack_nibbles(bytes, out) };
    }
    each_nibble(bytes, out);
}

#[inline(always)]
fn each_nibble(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.as_chunks::<2>().0.iter().map(|pair| {
        let pair = u16::from_le_bytes(*pair);
        ((pair & 0x0f) | (pair >> 4 & 0xf0)).to_le_bytes()[0]
    }));
}

/// Appends the lowest two bits of every byte, four to a byte, the first in the low bits.
pub(in super::super) fn pack_twos(bytes: &[u8], out: &mut Vec<u8>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        // SAFETY: the processor has AVX2.
        return unsafe { avx2::pack_twos(bytes, out) };
    }
    each_two(bytes, out);
}

#[inline(always)]
fn each_two(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend(bytes.as_chunks::<4>().0.iter().map(|four| {
        let four = u32::from_le_bytes(*four) & 0x0303_0303;
        let pairs = four | four >> 6;
        ((pairs & 0x0f) | (pairs >> 12 & 0xf0)).to_le_bytes()[0]
    }));
}

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use std::arch::x86_64::{_mm256_loadu_si256, _mm256_movemask_epi8, _mm256_slli_epi16};

    #[target_feature(enable = "avx2")]
    pub(super) fn low_bytes(bytes: &[u8], width: usize, big_endian: bool, out: &mut Vec<u8>) {
        super::each_low(bytes, width, big_endian, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn pack_nibbles(bytes: &[u8], out: &mut Vec<u8>) {
        super::each_nibble(bytes, out);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn pack_twos(bytes: &[u8], out: &mut Vec<u8>) {
        super::each_two(bytes, out);
    }

    /// Packs as many whole groups of thirty-two as there are; returns the first byte that it did not.
    #[target_feature(enable = "avx2")]
    pub(super) fn pack_bits(bytes: &[u8], out: &mut Vec<u8>) -> usize {
        let (groups, _) = bytes.as_chunks::<32>();
        for group in groups {
            // SAFETY: the group is 32 bytes long.
            let bits = unsafe { _mm256_loadu_si256(group.as_ptr().cast()) };
            out.extend_from_slice(&_mm256_movemask_epi8(_mm256_slli_epi16::<7>(bits)).to_le_bytes());
        }
        groups.len().wrapping_mul(32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn bits_are_packed_from_the_first_on(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut packed = Vec::new();
            pack_bits(&bytes, &mut packed);
            let expected: Vec<u8> = bytes
                .chunks_exact(8)
                .map(|eight| eight.iter().enumerate().fold(0, |byte, (at, b)| byte | (b & 1) << at))
                .collect();
            prop_assert_eq!(packed, expected);
        }
    }
}

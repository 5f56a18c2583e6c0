//! Where two neighbouring bytes are the first two of some magic number: the cheap look that every byte and every plane
//! of a tensor gets.
//!
//! Thirty-two positions at a time: four table lookups by nibble say which of eight groups of pairs the two bytes may
//! belong to (the "Teddy" scheme of Hyperscan); what is left, one position in five hundred of random bytes, is held
//! against the exact list. Without AVX2 the exact list alone decides.

#![expect(
    unsafe_code,
    reason = "AVX2 behind runtime detection, and loads of 32 bytes through a pointer"
)]

/// Groups of pairs: as many as a byte has bits.
const GROUPS: usize = 8;

/// A set of pairs of bytes, ready for the search.
pub(super) struct Pairs {
    first: Nibbles,
    second: Nibbles,
    exact: Box<[u64; 1024]>,
}

/// For each low and each high nibble, the groups that have a byte with it.
#[derive(Default)]
struct Nibbles {
    low: [u8; 16],
    high: [u8; 16],
}

impl Nibbles {
    fn add(&mut self, byte: u8, group: u8) {
        if let Some(low) = self.low.get_mut(usize::from(byte & 15)) {
            *low |= group;
        }
        if let Some(high) = self.high.get_mut(usize::from(byte >> 4)) {
            *high |= group;
        }
    }
}

impl Pairs {
    /// The set of `pairs`: first byte, second byte, group below eight. Pairs that share bytes belong together.
    pub(super) fn new(pairs: &[(u8, u8, u8)]) -> Self {
        let mut set = Self {
            first: Nibbles::default(),
            second: Nibbles::default(),
            exact: Box::new([0; 1024]),
        };
        for (first, second, group) in pairs {
            debug_assert!(usize::from(*group) < GROUPS, "a byte has eight bits");
            let group = 1u8.checked_shl(u32::from(*group)).unwrap_or(0);
            set.first.add(*first, group);
            set.second.add(*second, group);
            let key = u16::from_le_bytes([*first, *second]);
            if let Some(word) = set.exact.get_mut(usize::from(key >> 6)) {
                *word |= 1u64.checked_shl(u32::from(key & 63)).unwrap_or(0);
            }
        }
        set
    }

    fn holds(&self, first: u8, second: u8) -> bool {
        let key = u16::from_le_bytes([first, second]);
        let word = self.exact.get(usize::from(key >> 6)).copied().unwrap_or(0);
        word.checked_shr(u32::from(key & 63)).unwrap_or(0) & 1 == 1
    }

    /// Adds to `found` each position whose byte and the next one are a pair.
    pub(super) fn find(&self, bytes: &[u8], found: &mut Vec<usize>) {
        let mut unused = Vec::new();
        self.search(bytes, None, found, &mut unused);
    }

    /// As [`find`](Self::find), and adds to `others` the positions of pairs of another set, in one pass.
    pub(super) fn find_both(&self, other: &Self, bytes: &[u8], found: &mut Vec<usize>, others: &mut Vec<usize>) {
        self.search(bytes, Some(other), found, others);
    }

    /// As [`find`](Self::find), and adds to `others` the positions at which the second byte of a pair comes first.
    pub(super) fn find_either_way(&self, bytes: &[u8], found: &mut Vec<usize>, others: &mut Vec<usize>) {
        #[cfg(target_arch = "x86_64")]
        let done = if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            unsafe { avx2::search_either_way(self, bytes, found, others) }
        } else {
            0
        };
        #[cfg(not(target_arch = "x86_64"))]
        let done = 0usize;
        for (at, pair) in (done..).zip(bytes.get(done..).unwrap_or_default().windows(2)) {
            if let [first, second] = *pair {
                if self.holds(first, second) {
                    found.push(at);
                }
                if self.holds(second, first) {
                    others.push(at);
                }
            }
        }
    }

    fn search(&self, bytes: &[u8], other: Option<&Self>, found: &mut Vec<usize>, others: &mut Vec<usize>) {
        #[cfg(target_arch = "x86_64")]
        let done = if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has AVX2.
            unsafe { avx2::search(self, other, bytes, found, others) }
        } else {
            0
        };
        #[cfg(not(target_arch = "x86_64"))]
        let done = 0usize;
        let rest = bytes.get(done..).unwrap_or_default();
        for (at, pair) in (done..).zip(rest.windows(2)) {
            if let [first, second] = *pair {
                if self.holds(first, second) {
                    found.push(at);
                }
                if other.is_some_and(|other| other.holds(first, second)) {
                    others.push(at);
                }
            }
        }
    }
}

/// Appends bit 0 of every byte, eight to a byte, the first in bit 0; `bytes` past the last eight are left out.
pub(super) fn pack_bits(bytes: &[u8], out: &mut Vec<u8>) {
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
pub(super) fn low_bytes(bytes: &[u8], width: usize, big_endian: bool, out: &mut Vec<u8>) {
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
pub(super) fn pack_nibbles(bytes: &[u8], out: &mut Vec<u8>) {
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
pub(super) fn pack_twos(bytes: &[u8], out: &mut Vec<u8>) {
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
    use super::{Nibbles, Pairs};
    use std::arch::x86_64::{
        __m256i, _mm_loadu_si128, _mm256_alignr_epi8, _mm256_and_si256, _mm256_broadcastsi128_si256, _mm256_cmpeq_epi8,
        _mm256_loadu_si256, _mm256_movemask_epi8, _mm256_or_si256, _mm256_permute2x128_si256, _mm256_set1_epi8,
        _mm256_setzero_si256, _mm256_shuffle_epi8, _mm256_slli_epi16, _mm256_srli_epi16, _mm256_testz_si256,
    };

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
    fn groups(tables: Tables, low: __m256i, high: __m256i) -> __m256i {
        _mm256_and_si256(
            _mm256_shuffle_epi8(tables.low, low),
            _mm256_shuffle_epi8(tables.high, high),
        )
    }

    /// Examines all positions but the last few; returns the first that it did not.
    #[target_feature(enable = "avx2")]
    pub(super) fn search(
        pairs: &Pairs,
        other: Option<&Pairs>,
        bytes: &[u8],
        found: &mut Vec<usize>,
        others: &mut Vec<usize>,
    ) -> usize {
        let (first, second) = (tables(&pairs.first), tables(&pairs.second));
        let more = other.map(|other| (tables(&other.first), tables(&other.second)));
        let (nibble, zero) = (_mm256_set1_epi8(15), _mm256_setzero_si256());
        let mut at = 0usize;
        while let Some(window) = bytes.get(at..at.wrapping_add(33)) {
            // SAFETY: the window is 33 bytes long, and both loads take 32 of them.
            let (a, b) = unsafe {
                let start = window.as_ptr();
                (
                    _mm256_loadu_si256(start.cast()),
                    _mm256_loadu_si256(start.add(1).cast()),
                )
            };
            let a_low = _mm256_and_si256(a, nibble);
            let a_high = _mm256_and_si256(_mm256_srli_epi16::<4>(a), nibble);
            let b_low = _mm256_and_si256(b, nibble);
            let b_high = _mm256_and_si256(_mm256_srli_epi16::<4>(b), nibble);
            let hits = _mm256_and_si256(groups(first, a_low, a_high), groups(second, b_low, b_high));
            let mut mask = !_mm256_movemask_epi8(_mm256_cmpeq_epi8(hits, zero));
            while mask != 0 {
                let offset = usize::try_from(mask.trailing_zeros()).unwrap_or(0);
                mask &= mask.wrapping_sub(1);
                if let Some([x, y]) = window.get(offset..offset.wrapping_add(2))
                    && pairs.holds(*x, *y)
                {
                    found.push(at.wrapping_add(offset));
                }
            }
            if let (Some((first, second)), Some(other)) = (more, other) {
                let hits = _mm256_and_si256(groups(first, a_low, a_high), groups(second, b_low, b_high));
                let mut mask = !_mm256_movemask_epi8(_mm256_cmpeq_epi8(hits, zero));
                while mask != 0 {
                    let offset = usize::try_from(mask.trailing_zeros()).unwrap_or(0);
                    mask &= mask.wrapping_sub(1);
                    if let Some([x, y]) = window.get(offset..offset.wrapping_add(2))
                        && other.holds(*x, *y)
                    {
                        others.push(at.wrapping_add(offset));
                    }
                }
            }
            at = at.wrapping_add(32);
        }
        at
    }

    /// The 32 bytes that begin one byte behind those of `low`, which `high` follows.
    #[target_feature(enable = "avx2")]
    fn next(low: __m256i, high: __m256i) -> __m256i {
        _mm256_alignr_epi8::<1>(_mm256_permute2x128_si256::<0x21>(low, high), low)
    }

    /// Examines all positions but the last few; returns the first that it did not.
    #[target_feature(enable = "avx2")]
    pub(super) fn search_either_way(
        pairs: &Pairs,
        bytes: &[u8],
        found: &mut Vec<usize>,
        others: &mut Vec<usize>,
    ) -> usize {
        let (first, second) = (tables(&pairs.first), tables(&pairs.second));
        let (nibble, zero) = (_mm256_set1_epi8(15), _mm256_setzero_si256());
        let (blocks, _) = bytes.as_chunks::<32>();
        let looked_up = |block: &[u8; 32]| {
            // SAFETY: the block is 32 bytes long.
            let bytes = unsafe { _mm256_loadu_si256(block.as_ptr().cast()) };
            let low = _mm256_and_si256(bytes, nibble);
            let high = _mm256_and_si256(_mm256_srli_epi16::<4>(bytes), nibble);
            (groups(first, low, high), groups(second, low, high))
        };
        let Some((head, rest)) = blocks.split_first() else {
            return 0;
        };
        let (mut is_first, mut is_second) = looked_up(head);
        let mut at = 0usize;
        for block in rest {
            let (next_first, next_second) = looked_up(block);
            let forwards = _mm256_and_si256(is_first, next(is_second, next_second));
            let backwards = _mm256_and_si256(is_second, next(is_first, next_first));
            let either = _mm256_or_si256(forwards, backwards);
            if _mm256_testz_si256(either, either) == 0 {
                let window = bytes.get(at..at.wrapping_add(33)).unwrap_or_default();
                for (hits, turned) in [(forwards, false), (backwards, true)] {
                    let mut mask = !_mm256_movemask_epi8(_mm256_cmpeq_epi8(hits, zero));
                    while mask != 0 {
                        let offset = usize::try_from(mask.trailing_zeros()).unwrap_or(0);
                        mask &= mask.wrapping_sub(1);
                        match window.get(offset..offset.wrapping_add(2)) {
                            Some([x, y]) if !turned && pairs.holds(*x, *y) => found.push(at.wrapping_add(offset)),
                            Some([x, y]) if turned && pairs.holds(*y, *x) => others.push(at.wrapping_add(offset)),
                            _ => {}
                        }
                    }
                }
            }
            (is_first, is_second) = (next_first, next_second);
            at = at.wrapping_add(32);
        }
        at
    }

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
        fn both_ways_of_searching_agree(bytes in proptest::collection::vec(prop_oneof![Just(0x7fu8), Just(b'E'), Just(b'P'), Just(b'K'), any::<u8>()], 0..200)) {
            let pairs = Pairs::new(&[(0x7f, b'E', 0), (b'P', b'K', 1), (b'P', b'E', 1)]);
            let other = Pairs::new(&[(b'E', 0x7f, 0), (b'K', b'P', 5)]);
            let (mut found, mut others, mut alone) = (Vec::new(), Vec::new(), Vec::new());
            pairs.find_both(&other, &bytes, &mut found, &mut others);
            pairs.find(&bytes, &mut alone);
            let exact = |set: &Pairs| -> Vec<usize> {
                bytes.windows(2).enumerate().filter(|(_, w)| set.holds(w[0], w[1])).map(|(at, _)| at).collect()
            };
            prop_assert_eq!(&found, &exact(&pairs));
            prop_assert_eq!(&alone, &found);
            prop_assert_eq!(&others, &exact(&other));
            let (mut forwards, mut backwards) = (Vec::new(), Vec::new());
            pairs.find_either_way(&bytes, &mut forwards, &mut backwards);
            prop_assert_eq!(&forwards, &exact(&pairs));
            let turned: Vec<usize> =
                bytes.windows(2).enumerate().filter(|(_, w)| pairs.holds(w[1], w[0])).map(|(at, _)| at).collect();
            prop_assert_eq!(backwards, turned);
        }

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

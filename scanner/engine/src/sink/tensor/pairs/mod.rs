//! Where two neighbouring bytes are the first two of some magic number: the cheap look that every byte and every plane
//! of a tensor gets.
//!
//! Sixty-four or thirty-two places at a time: four table lookups by nibble say which of eight groups of pairs the two
//! bytes may belong to (the "Teddy" scheme of Hyperscan); what is left, one place in a thousand of random bytes, is held
//! against the exact list. Without AVX2 the exact list alone decides.

#![expect(unsafe_code, reason = "vector loads, and calls of functions that need the features")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod pack;

pub(super) use pack::{low_bytes, pack_bits, pack_nibbles, pack_twos};

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
        let done = if avx512::present() {
            // SAFETY: the processor has AVX-512 F and BW.
            unsafe { avx512::search_either_way(self, bytes, found, others) }
        } else if avx2::present() {
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
        let done = if avx512::present() {
            // SAFETY: the processor has AVX-512 F and BW.
            unsafe { avx512::search(self, other, bytes, found, others) }
        } else if avx2::present() {
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

/// Adds to `found` those places of `candidates`, counted from `at` on, that begin a pair; one whose second byte comes
/// first when they are `turned`.
#[cold]
#[inline(never)]
fn settle(pairs: &Pairs, bytes: &[u8], at: usize, mut candidates: u64, turned: bool, found: &mut Vec<usize>) {
    while candidates != 0 {
        let place = usize::try_from(candidates.trailing_zeros()).map_or(usize::MAX, |bit| at.saturating_add(bit));
        candidates &= candidates.wrapping_sub(1);
        let holds = match bytes.get(place..place.saturating_add(2)) {
            Some([a, b]) if turned => pairs.holds(*b, *a),
            Some([a, b]) => pairs.holds(*a, *b),
            _ => false,
        };
        if holds {
            found.push(place);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_of_searching_agree(bytes in proptest::collection::vec(prop_oneof![Just(0x7fu8), Just(b'E'), Just(b'P'), Just(b'K'), any::<u8>()], 0..400)) {
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
            prop_assert_eq!(&backwards, &turned);
            #[cfg(target_arch = "x86_64")]
            if avx2::present() {
                let below = |all: &[usize], end: usize| -> Vec<usize> { all.iter().copied().filter(|at| *at < end).collect() };
                let (mut found, mut others) = (Vec::new(), Vec::new());
                // SAFETY: the processor has AVX2.
                let end = unsafe { avx2::search(&pairs, Some(&other), &bytes, &mut found, &mut others) };
                prop_assert!(bytes.len() < end.saturating_add(64));
                prop_assert_eq!((found, others), (below(&exact(&pairs), end), below(&exact(&other), end)));
                let (mut found, mut others) = (Vec::new(), Vec::new());
                // SAFETY: the processor has AVX2.
                let end = unsafe { avx2::search_either_way(&pairs, &bytes, &mut found, &mut others) };
                prop_assert!(bytes.len() < end.saturating_add(64));
                prop_assert_eq!((found, others), (below(&exact(&pairs), end), below(&turned, end)));
            }
        }
    }
}

//! Two SHA-256 side by side with the SHA extensions of x86-64: FIPS 180-4, section 6.2.2, in the registers that Intel's
//! description of the instructions asks for.

#![expect(
    unsafe_code,
    reason = "the SHA extensions behind runtime detection, and loads of 16 bytes"
)]

use super::BLOCK;
use sha2::block_api::compress256;

/// Takes as many blocks into each state; what one has more than the other is left out.
pub(super) fn compress(one: &mut [u32; 8], blocks: &[[u8; BLOCK]], other: &mut [u32; 8], more: &[[u8; BLOCK]]) {
    #[cfg(target_arch = "x86_64")]
    if sha::present() {
        // SAFETY: the processor has the instructions.
        unsafe { sha::compress([one, other], blocks, more) };
        return;
    }
    compress256(one, blocks);
    compress256(other, more);
}

#[cfg(target_arch = "x86_64")]
mod sha {
    use super::BLOCK;
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
        _mm_storeu_si128,
    };

    /// Section 4.2.2, four to a row.
    static CONSTANTS: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5],
        [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3],
        [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc],
        [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7],
        [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13],
        [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3],
        [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5],
        [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208],
        [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    /// Whether this processor has the instructions.
    pub(super) fn present() -> bool {
        std::arch::is_x86_feature_detected!("sha")
            && std::arch::is_x86_feature_detected!("ssse3")
            && std::arch::is_x86_feature_detected!("sse4.1")
    }

    /// One of the two: the eight words of its state in two registers, and the sixteen words last scheduled.
    #[derive(Clone, Copy)]
    struct Lane {
        abef: __m128i,
        cdgh: __m128i,
        words: [__m128i; 4],
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn lane(state: &[u32; 8]) -> Lane {
        // SAFETY: the state is two times 16 bytes long.
        let (low, high) = unsafe {
            let start = state.as_ptr().cast::<__m128i>();
            (_mm_loadu_si128(start), _mm_loadu_si128(start.add(1)))
        };
        let (low, high) = (_mm_shuffle_epi32::<0xb1>(low), _mm_shuffle_epi32::<0x1b>(high));
        let abef = _mm_alignr_epi8::<8>(low, high);
        Lane {
            abef,
            cdgh: _mm_blend_epi16::<0xf0>(high, low),
            words: [abef; 4],
        }
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn store(lane: &Lane, state: &mut [u32; 8]) {
        let (low, high) = (
            _mm_shuffle_epi32::<0x1b>(lane.abef),
            _mm_shuffle_epi32::<0xb1>(lane.cdgh),
        );
        // SAFETY: the state is two times 16 bytes long.
        unsafe {
            let start = state.as_mut_ptr().cast::<__m128i>();
            _mm_storeu_si128(start, _mm_blend_epi16::<0xf0>(low, high));
            _mm_storeu_si128(start.add(1), _mm_alignr_epi8::<8>(high, low));
        }
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn load(block: &[u8; BLOCK]) -> [__m128i; 4] {
        let big_endian = _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203);
        // SAFETY: the block is four times 16 bytes long.
        unsafe {
            let start = block.as_ptr().cast::<__m128i>();
            [0, 1, 2, 3].map(|nth| _mm_shuffle_epi8(_mm_loadu_si128(start.add(nth)), big_endian))
        }
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn row(constants: &[u32; 4]) -> __m128i {
        // SAFETY: a row is 16 bytes long.
        unsafe { _mm_loadu_si128(constants.as_ptr().cast()) }
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn four_rounds(lane: &mut Lane, words: __m128i, constants: __m128i) {
        let sum = _mm_add_epi32(words, constants);
        lane.cdgh = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, sum);
        lane.abef = _mm_sha256rnds2_epu32(lane.abef, lane.cdgh, _mm_shuffle_epi32::<0x0e>(sum));
    }

    /// The next four words, in place of the oldest four.
    #[target_feature(enable = "sha,ssse3,sse4.1")]
    #[inline]
    fn schedule(lane: &mut Lane) -> __m128i {
        let [a, b, c, d] = lane.words;
        let sum = _mm_add_epi32(_mm_sha256msg1_epu32(a, b), _mm_alignr_epi8::<4>(d, c));
        let next = _mm_sha256msg2_epu32(sum, d);
        lane.words = [b, c, d, next];
        next
    }

    #[target_feature(enable = "sha,ssse3,sse4.1")]
    pub(super) fn compress(states: [&mut [u32; 8]; 2], blocks: &[[u8; BLOCK]], more: &[[u8; BLOCK]]) {
        let [one, other] = states;
        let mut lanes = [lane(one), lane(other)];
        for (block, other) in blocks.iter().zip(more) {
            let before = lanes;
            lanes[0].words = load(block);
            lanes[1].words = load(other);
            let (first, later) = CONSTANTS.split_at(4);
            let [one, other] = &mut lanes;
            let words = one.words.into_iter().zip(other.words);
            for ((words, more), constants) in words.zip(first) {
                let constants = row(constants);
                four_rounds(one, words, constants);
                four_rounds(other, more, constants);
            }
            for constants in later {
                let constants = row(constants);
                for lane in &mut lanes {
                    let words = schedule(lane);
                    four_rounds(lane, words, constants);
                }
            }
            for (lane, before) in lanes.iter_mut().zip(before) {
                lane.abef = _mm_add_epi32(lane.abef, before.abef);
                lane.cdgh = _mm_add_epi32(lane.cdgh, before.cdgh);
            }
        }
        store(&lanes[0], one);
        store(&lanes[1], other);
    }
}

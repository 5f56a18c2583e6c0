//! A fast hash over a tensor's bytes, to tell which tensors of a file are equal: not one that resists an attacker.

const FACTORS: [u64; 4] = [
    0x9e37_79b9_7f4a_7c15,
    0xbf58_476d_1ce4_e5b9,
    0x94d0_49bb_1331_11eb,
    0xd6e8_feb8_6659_fd93,
];

/// A running hash. Every piece but the last is a multiple of 32 bytes long.
pub(super) struct Hash {
    lanes: [u64; 4],
    length: u64,
}

impl Default for Hash {
    fn default() -> Self {
        Self {
            lanes: FACTORS,
            length: 0,
        }
    }
}

impl Hash {
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let (blocks, rest) = bytes.as_chunks::<32>();
        for block in blocks {
            self.block(block);
        }
        if !rest.is_empty() {
            let mut last = [0u8; 32];
            for (to, from) in last.iter_mut().zip(rest) {
                *to = *from;
            }
            self.block(&last);
        }
        self.length = self.length.wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    }

    fn block(&mut self, block: &[u8; 32]) {
        let (words, _) = block.as_chunks::<8>();
        for ((lane, word), factor) in self.lanes.iter_mut().zip(words).zip(FACTORS) {
            *lane = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(factor).rotate_left(29);
        }
    }

    pub(super) fn finish(self) -> u64 {
        let mut all = self.length;
        for (lane, factor) in self.lanes.iter().zip(FACTORS) {
            all = (all ^ lane).wrapping_mul(factor);
            all ^= all >> 31;
        }
        all
    }
}

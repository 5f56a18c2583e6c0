//! SHA-256 over a span, and over several spans of the same bytes at once.
//!
//! One SHA-256 keeps a processor's hash unit waiting for itself: each step needs the one before. Where a file and its
//! members are digested, two that run side by side take little longer than one.

mod pair;

use sha2::block_api::compress256;

/// Bytes that a step takes.
const BLOCK: usize = 64;
/// The state before the first step: FIPS 180-4, section 5.3.3.
const START: [u32; 8] = [
    0x6a09_e667,
    0xbb67_ae85,
    0x3c6e_f372,
    0xa54f_f53a,
    0x510e_527f,
    0x9b05_688c,
    0x1f83_d9ab,
    0x5be0_cd19,
];

/// A running SHA-256.
#[derive(Clone)]
pub struct DigestSink {
    state: [u32; 8],
    length: u64,
    partial: [u8; BLOCK],
    filled: usize,
}

impl Default for DigestSink {
    fn default() -> Self {
        Self {
            state: START,
            length: 0,
            partial: [0; BLOCK],
            filled: 0,
        }
    }
}

impl DigestSink {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let blocks = self.begin(bytes);
        compress256(&mut self.state, blocks);
    }

    /// Gives each digest its next bytes, two digests at a time.
    pub fn feed_all<'a>(work: impl IntoIterator<Item = (&'a mut Self, &'a [u8])>) {
        let mut waiting: Option<(&mut [u32; 8], &[[u8; BLOCK]])> = None;
        for (sink, bytes) in work {
            let blocks = sink.begin(bytes);
            let mut next = Some((&mut sink.state, blocks));
            if let Some((state, blocks)) = waiting.take()
                && let Some((other, more)) = next.take()
            {
                let both = blocks.len().min(more.len());
                let (now, later) = blocks.split_at(both);
                let (other_now, other_later) = more.split_at(both);
                pair::compress(state, now, other, other_now);
                next = Some(if later.is_empty() {
                    (other, other_later)
                } else {
                    (state, later)
                });
            }
            waiting = next;
        }
        if let Some((state, blocks)) = waiting {
            compress256(state, blocks);
        }
    }

    /// Takes `bytes` but for their whole blocks, which it returns to be taken before anything else.
    fn begin<'a>(&mut self, mut bytes: &'a [u8]) -> &'a [[u8; BLOCK]] {
        self.length = self.length.wrapping_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.filled > 0 {
            let (now, later) = bytes.split_at(BLOCK.saturating_sub(self.filled).min(bytes.len()));
            self.append(now);
            bytes = later;
            if self.filled < BLOCK {
                return &[];
            }
            compress256(&mut self.state, &[self.partial]);
            self.filled = 0;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        self.append(rest);
        blocks
    }

    /// Puts `bytes`, for which there is room, behind what waits for a whole block.
    fn append(&mut self, bytes: &[u8]) {
        let end = self.filled.saturating_add(bytes.len());
        if let Some(room) = self.partial.get_mut(self.filled..end) {
            room.copy_from_slice(bytes);
            self.filled = end;
        }
    }

    /// The digest.
    pub fn finish(mut self) -> [u8; 32] {
        let bits = self.length.wrapping_mul(8);
        let mut end = [0u8; 2 * BLOCK];
        let rest = self.partial.get(..self.filled).unwrap_or_default();
        for (to, from) in end.iter_mut().zip(rest.iter().chain(&[0x80])) {
            *to = *from;
        }
        // The length stands at the end of the first block behind the mark that has room for it.
        let blocks = if self.filled < BLOCK.saturating_sub(8) { 1 } else { 2 };
        let (chunks, _) = end.as_chunks_mut::<BLOCK>();
        let chunks = chunks.get_mut(..blocks).unwrap_or_default();
        if let Some(room) = chunks.last_mut().and_then(|last| last.last_chunk_mut::<8>()) {
            *room = bits.to_be_bytes();
        }
        compress256(&mut self.state, chunks);
        let mut digest = [0u8; 32];
        let (words, _) = digest.as_chunks_mut::<4>();
        for (to, word) in words.iter_mut().zip(self.state) {
            *to = word.to_be_bytes();
        }
        digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use sha2::{Digest, Sha256};

    fn expected(bytes: &[u8]) -> [u8; 32] {
        Sha256::digest(bytes).into()
    }

    #[test]
    fn every_length_has_the_digest_of_the_standard() {
        let bytes: Vec<u8> = (0..=255u8).cycle().take(300).collect();
        for length in 0..bytes.len() {
            let mut sink = DigestSink::default();
            sink.feed(&bytes[..length]);
            assert_eq!(sink.finish(), expected(&bytes[..length]), "{length}");
        }
    }

    proptest! {
        #[test]
        fn digests_side_by_side_are_those_one_behind_the_other(
            bytes in proptest::collection::vec(any::<u8>(), 0..3000),
            spans in proptest::collection::vec((0usize..3000, 0usize..3000), 0..6),
            tile in 1usize..900,
        ) {
            let spans: Vec<(usize, usize)> =
                spans.iter().map(|(a, b)| (*a.min(b).min(&bytes.len()), *a.max(b).min(&bytes.len()))).collect();
            let mut sinks = vec![DigestSink::default(); spans.len()];
            for start in (0..bytes.len()).step_by(tile) {
                let end = start.saturating_add(tile).min(bytes.len());
                let pieces = spans.iter().map(|(a, b)| &bytes[(*a).clamp(start, end)..(*b).clamp(start, end)]);
                DigestSink::feed_all(sinks.iter_mut().zip(pieces));
            }
            for (sink, (a, b)) in sinks.into_iter().zip(spans) {
                prop_assert_eq!(sink.finish(), expected(&bytes[a..b]));
            }
        }
    }
}

//! Digests of one tensor: of all its bytes, and of all but the lowest byte of each element, which tells a change of low
//! bits from any other.

use sha2::{Digest, Sha256};

/// A running digest of one tensor.
pub struct TensorDigestSink {
    all: Sha256,
    high: Option<High>,
}

struct High {
    hash: Sha256,
    width: usize,
    /// Which byte of an element is left out.
    low: usize,
    /// Bytes of an element that were fed already.
    phase: usize,
    kept: Vec<u8>,
}

impl TensorDigestSink {
    /// A digest over elements of `width` bytes; those of one byte and less have no high bytes.
    pub fn new(width: usize, big_endian: bool) -> Self {
        let high = (width > 1).then(|| High {
            hash: Sha256::new(),
            width,
            low: if big_endian { width.saturating_sub(1) } else { 0 },
            phase: 0,
            kept: Vec::new(),
        });
        Self {
            all: Sha256::new(),
            high,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.all.update(bytes);
        let Some(high) = &mut self.high else { return };
        for part in bytes.chunks(16 << 10) {
            high.kept.clear();
            for byte in part {
                if high.phase != high.low {
                    high.kept.push(*byte);
                }
                high.phase = high.phase.saturating_add(1);
                if high.phase == high.width {
                    high.phase = 0;
                }
            }
            high.hash.update(&high.kept);
        }
    }

    /// The SHA-256 of all bytes, and of all but the lowest of each element.
    pub fn finish(self) -> ([u8; 32], Option<[u8; 32]>) {
        (
            self.all.finalize().into(),
            self.high.map(|high| high.hash.finalize().into()),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_bytes_do_not_count_for_the_digest_of_the_high_ones() {
        let digest = |bytes: &[u8], width, big, tile| {
            let mut sink = TensorDigestSink::new(width, big);
            for piece in bytes.chunks(tile) {
                sink.feed(piece);
            }
            sink.finish()
        };
        let bytes: Vec<u8> = (0..=255).cycle().take(4000).collect();
        for (width, big) in [(2, false), (4, false), (4, true), (8, false)] {
            let mut low = bytes.clone();
            low[8 * 20 + if big { width - 1 } else { 0 }] ^= 1;
            let mut high = bytes.clone();
            high[8 * 20 + if big { 0 } else { width - 1 }] ^= 1;
            let of = |bytes: &[u8]| digest(bytes, width, big, 4000);
            assert_ne!(of(&bytes).0, of(&low).0);
            assert_eq!(of(&bytes).1, of(&low).1);
            assert_ne!(of(&bytes).1, of(&high).1);
            for tile in [1, 7, 4096] {
                assert_eq!(of(&bytes), digest(&bytes, width, big, tile));
            }
        }
        assert_eq!(digest(&bytes, 1, false, 7).1, None);
    }
}

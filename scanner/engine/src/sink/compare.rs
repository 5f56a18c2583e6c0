//! Whether the bytes that were parsed are still the bytes that are swept.

use std::hash::{BuildHasher, DefaultHasher, Hasher, RandomState};

/// A running keyed hash over one structure read, compared at its end.
#[derive(Clone)]
pub struct CompareSink {
    expected: u64,
    hasher: DefaultHasher,
}

impl CompareSink {
    /// Expects the hash that the same `key` gave when the structure was read.
    pub fn new(key: &RandomState, expected: u64) -> Self {
        Self {
            expected,
            hasher: key.build_hasher(),
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        // `Hasher::write` on SipHash is a function of the byte stream alone: cuts do not show.
        self.hasher.write(bytes);
    }

    /// Whether the bytes are the same.
    pub fn finish(self) -> bool {
        self.hasher.finish() == self.expected
    }
}

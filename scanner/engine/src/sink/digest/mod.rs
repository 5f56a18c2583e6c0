//! SHA-256 over a span.

use sha2::{Digest, Sha256};

/// A running SHA-256.
#[derive(Clone, Default)]
pub struct DigestSink {
    state: Sha256,
}

impl DigestSink {
    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.state.update(bytes);
    }

    /// The digest.
    pub fn finish(self) -> [u8; 32] {
        self.state.finalize().into()
    }
}

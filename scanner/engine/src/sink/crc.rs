//! Whether bytes have the checksum that their container states.

/// A running CRC-32, compared at its end.
#[derive(Clone)]
pub struct CrcSink {
    stated: u32,
    hasher: crc32fast::Hasher,
}

impl CrcSink {
    /// Expects `stated`.
    pub fn new(stated: u32) -> Self {
        Self {
            stated,
            hasher: crc32fast::Hasher::new(),
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.hasher.update(bytes);
    }

    /// The CRC-32 stated and that of the bytes, when they differ.
    pub fn finish(self) -> Option<(u32, u32)> {
        let found = self.hasher.finalize();
        (found != self.stated).then_some((self.stated, found))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_does_not_depend_on_the_cuts_and_tells_what_it_found() {
        let bytes = vec![7u8; 9000];
        let right = crc32fast::hash(&bytes);
        for tile in [1, 7, 4096] {
            for (stated, expected) in [(right, None), (right ^ 1, Some((right ^ 1, right)))] {
                let mut sink = CrcSink::new(stated);
                bytes.chunks(tile).for_each(|chunk| sink.feed(chunk));
                assert_eq!(sink.finish(), expected);
            }
        }
    }
}

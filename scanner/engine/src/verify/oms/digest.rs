//! The digests that a manifest may give: SHA-256, BLAKE2b (64 bytes) and BLAKE3 (32 bytes), of a file or of a part of it.

use crate::source::ReadAt;
use crate::span::Span;
use blake2::Blake2b512;
use sha2::{Digest as _, Sha256};
use std::io;

/// A digest algorithm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Algorithm {
    /// SHA-256.
    Sha256,
    /// BLAKE2b with 64 bytes.
    Blake2b,
    /// BLAKE3 with 32 bytes.
    Blake3,
}

impl Algorithm {
    /// The algorithm that manifests call `name`.
    pub fn of(name: &str) -> Option<Self> {
        match name {
            "sha256" => Some(Self::Sha256),
            "blake2b" | "blake2" => Some(Self::Blake2b),
            "blake3" => Some(Self::Blake3),
            _ => None,
        }
    }

    /// What manifests call it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sha256 => "sha256",
            Self::Blake2b => "blake2b",
            Self::Blake3 => "blake3",
        }
    }

    /// The length of its digests in bytes.
    pub(super) const fn length(self) -> usize {
        match self {
            Self::Sha256 | Self::Blake3 => 32,
            Self::Blake2b => 64,
        }
    }
}

enum State {
    Sha256(Sha256),
    Blake2b(Blake2b512),
    Blake3(Box<blake3::Hasher>),
}

/// Bytes that are read at a time.
const TILE: usize = 1 << 20;

/// The digest of `span`, which must lie in `source`; `None` when the source ends before it does.
///
/// # Errors
/// What the operating system reports.
pub(super) fn digest(algorithm: Algorithm, source: &dyn ReadAt, span: Span) -> io::Result<Option<Vec<u8>>> {
    let mut state = match algorithm {
        Algorithm::Sha256 => State::Sha256(Sha256::new()),
        Algorithm::Blake2b => State::Blake2b(Blake2b512::new()),
        Algorithm::Blake3 => State::Blake3(Box::default()),
    };
    let mut tile = vec![0u8; TILE.min(usize::try_from(span.len()).unwrap_or(TILE))];
    let mut at = span.start();
    while at < span.end() {
        let left = usize::try_from(span.end().saturating_sub(at)).unwrap_or(usize::MAX);
        let room = tile.len().min(left);
        let buffer = tile.get_mut(..room).unwrap_or_default();
        let n = match source.read_at(buffer, at) {
            Ok(0) => return Ok(None),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        let bytes = tile.get(..n).unwrap_or_default();
        match &mut state {
            State::Sha256(state) => state.update(bytes),
            State::Blake2b(state) => state.update(bytes),
            State::Blake3(state) => {
                state.update(bytes);
            }
        }
        at = at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
    }
    Ok(Some(match state {
        State::Sha256(state) => state.finalize().to_vec(),
        State::Blake2b(state) => state.finalize().to_vec(),
        State::Blake3(state) => state.finalize().as_bytes().to_vec(),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use crate::verify::document::hex;

    /// Of `abc`: FIPS 180-2, RFC 7693, and the BLAKE3 test vectors' reference implementation.
    #[test]
    fn digests_are_those_of_the_specifications() {
        let source = MemorySource::new(b"xabcx".to_vec());
        for (name, expected) in [
            (
                "sha256",
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            ),
            (
                "blake2b",
                "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d17d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923",
            ),
            (
                "blake3",
                "6437b3ac38465133ffb63b75273a8db548c558465d79db03fd359c6cd5bd9d85",
            ),
        ] {
            let algorithm = Algorithm::of(name).unwrap();
            let found = digest(algorithm, &source, Span::new(1, 4)).unwrap().unwrap();
            assert_eq!(hex(&found), expected);
            assert_eq!(found.len(), algorithm.length());
            assert_eq!(digest(algorithm, &source, Span::new(1, 40)).unwrap(), None);
        }
    }
}

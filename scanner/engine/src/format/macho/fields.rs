//! Integers and names at fixed places of a structure, in the byte order of the file. Reads nothing itself.

use crate::span::Span;

/// The bytes of one structure.
#[derive(Clone, Copy)]
pub(super) struct Fields<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) big: bool,
}

impl<'a> Fields<'a> {
    pub(super) fn new(bytes: &'a [u8], big: bool) -> Self {
        Self { bytes, big }
    }

    fn array<const N: usize>(&self, at: usize) -> Option<[u8; N]> {
        self.bytes.get(at..at.checked_add(N)?)?.try_into().ok()
    }

    pub(super) fn u8(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    pub(super) fn u32(&self, at: usize) -> Option<u32> {
        let bytes = self.array(at)?;
        Some(if self.big {
            u32::from_be_bytes(bytes)
        } else {
            u32::from_le_bytes(bytes)
        })
    }

    pub(super) fn u64(&self, at: usize) -> Option<u64> {
        let bytes = self.array(at)?;
        Some(if self.big {
            u64::from_be_bytes(bytes)
        } else {
            u64::from_le_bytes(bytes)
        })
    }

    /// An integer of 8 bytes when `wide`, else of 4.
    pub(super) fn word(&self, at: usize, wide: bool) -> Option<u64> {
        if wide {
            self.u64(at)
        } else {
            self.u32(at).map(u64::from)
        }
    }

    /// A 32-bit offset at `at` with the size in bytes that follows it.
    pub(super) fn extent(&self, at: usize) -> Option<Span> {
        self.table(at, 1)
    }

    /// A 32-bit offset at `at` with the number of `each`-byte entries that follows it.
    pub(super) fn table(&self, at: usize, each: u64) -> Option<Span> {
        let count = u64::from(self.u32(at.checked_add(4)?)?);
        Some(Span::saturating_at(
            u64::from(self.u32(at)?),
            count.saturating_mul(each),
        ))
    }

    /// A name of 16 bytes, without its zero fill.
    pub(super) fn name(&self, at: usize) -> Option<&'a [u8]> {
        self.bytes.get(at..at.checked_add(16)?).map(until_nul)
    }
}

/// The bytes before the first zero byte.
pub(super) fn until_nul(bytes: &[u8]) -> &[u8] {
    memchr::memchr(0, bytes).and_then(|at| bytes.get(..at)).unwrap_or(bytes)
}

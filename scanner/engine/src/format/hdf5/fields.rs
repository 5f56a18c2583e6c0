//! A forward reader over the bytes of one structure. Everything in HDF5 is little-endian.

/// The bytes of one structure, read from front to back; `None` once they do not suffice.
#[derive(Clone, Copy)]
pub(super) struct Fields<'b> {
    bytes: &'b [u8],
    at: usize,
}

impl<'b> Fields<'b> {
    pub(super) fn new(bytes: &'b [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// The position of the next byte.
    pub(super) fn at(&self) -> usize {
        self.at
    }

    /// The bytes left.
    pub(super) fn left(&self) -> usize {
        self.bytes.len().saturating_sub(self.at)
    }

    pub(super) fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let end = self.at.checked_add(n)?;
        let bytes = self.bytes.get(self.at..end)?;
        self.at = end;
        Some(bytes)
    }

    pub(super) fn skip(&mut self, n: usize) -> Option<()> {
        self.take(n).map(|_| ())
    }

    /// Moves to the next multiple of `n` bytes from the start.
    pub(super) fn align(&mut self, n: usize) {
        self.at = self.at.checked_next_multiple_of(n).unwrap_or(usize::MAX);
    }

    pub(super) fn u8(&mut self) -> Option<u8> {
        self.take(1)?.first().copied()
    }

    pub(super) fn u16(&mut self) -> Option<u16> {
        self.take(2)?.first_chunk().map(|b| u16::from_le_bytes(*b))
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        self.take(4)?.first_chunk().map(|b| u32::from_le_bytes(*b))
    }

    /// An unsigned number of `n` bytes; more than eight are `None` unless the rest is zero.
    pub(super) fn number(&mut self, n: usize) -> Option<u64> {
        let bytes = self.take(n)?;
        let (low, high) = bytes.split_at_checked(8).unwrap_or((bytes, &[]));
        if high.iter().any(|b| *b != 0) {
            return None;
        }
        Some(low.iter().rev().fold(0u64, |n, b| (n << 8) | u64::from(*b)))
    }

    /// An address of `n` bytes; `None` within when it is the undefined one (all bits set).
    pub(super) fn address(&mut self, n: usize) -> Option<Option<u64>> {
        let mut probe = *self;
        if probe.take(n)?.iter().all(|b| *b == 0xff) {
            *self = probe;
            return Some(None);
        }
        self.number(n).map(Some)
    }

    /// The bytes up to and without the next NUL, which is passed over; all that is left when there is none.
    pub(super) fn text(&mut self) -> &'b [u8] {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let end = memchr::memchr(0, rest).unwrap_or(rest.len());
        self.at = self.at.saturating_add(end).saturating_add(1).min(self.bytes.len());
        rest.get(..end).unwrap_or_default()
    }
}

/// The bytes that hold numbers up to `most`, as HDF5 counts them: `log2(most) / 8 + 1`.
pub(super) fn width(most: u64) -> usize {
    let bits = most.checked_ilog2().unwrap_or(0);
    usize::try_from(bits / 8).unwrap_or(0).saturating_add(1)
}

/// A size from the file as one of memory; too large ones stay too large.
pub(super) fn size(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

/// A size of memory as one of the file.
pub(super) fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

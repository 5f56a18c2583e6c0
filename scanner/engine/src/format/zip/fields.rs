//! Little-endian fields of one record, by their offset in it.

/// The bytes of a record. A field that lies past their end reads as zero, so callers check the length first.
#[derive(Clone, Copy)]
pub(super) struct Fields<'b>(pub(super) &'b [u8]);

impl Fields<'_> {
    pub(super) fn u16(self, at: usize) -> u16 {
        u16::from_le_bytes(self.array(at))
    }

    pub(super) fn u32(self, at: usize) -> u32 {
        u32::from_le_bytes(self.array(at))
    }

    pub(super) fn u64(self, at: usize) -> u64 {
        u64::from_le_bytes(self.array(at))
    }

    fn array<const N: usize>(self, at: usize) -> [u8; N] {
        let mut out = [0u8; N];
        let from = self.0.get(at..).unwrap_or_default();
        for (to, byte) in out.iter_mut().zip(from) {
            *to = *byte;
        }
        out
    }
}

/// A length in memory as an offset.
pub(super) fn wide(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

/// An offset as an index; past every slice when it does not fit.
pub(super) fn index(offset: u64) -> usize {
    usize::try_from(offset).unwrap_or(usize::MAX)
}

//! The bytes of a header, read forward; every read says when it would pass the end.

/// What is left of a header.
pub(super) struct Bytes<'a> {
    pub(super) rest: &'a [u8],
}

impl<'a> Bytes<'a> {
    pub(super) fn u8(&mut self) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*first)
    }

    pub(super) fn u32(&mut self) -> Option<u32> {
        let (first, rest) = self.rest.split_first_chunk::<4>()?;
        self.rest = rest;
        Some(u32::from_le_bytes(*first))
    }

    pub(super) fn take(&mut self, length: u64) -> Option<&'a [u8]> {
        let (first, rest) = self.rest.split_at_checked(usize::try_from(length).ok()?)?;
        self.rest = rest;
        Some(first)
    }

    /// A number: the set bits at the top of the first byte say how many more bytes follow (7zFormat.txt, "NUMBER").
    pub(super) fn number(&mut self) -> Option<u64> {
        let first = self.u8()?;
        let mut value = 0u64;
        let mut mask = 0x80u8;
        for shift in (0u32..64).step_by(8) {
            if first & mask == 0 {
                let high = u64::from(first & mask.wrapping_sub(1));
                return Some(value | high << shift);
            }
            value |= u64::from(self.u8()?) << shift;
            mask >>= 1;
        }
        Some(value)
    }

    /// A count of things that take `each` bytes or more of what is left.
    pub(super) fn count(&mut self, each: u64) -> Option<usize> {
        let count = self.number()?;
        let room = u64::try_from(self.rest.len()).ok()?;
        (count.checked_mul(each)? <= room).then(|| usize::try_from(count).ok())?
    }

    /// One bit for each of `count` things, from the top of each byte.
    pub(super) fn bits(&mut self, count: usize) -> Option<Vec<bool>> {
        let bytes = self.take(u64::try_from(count.div_ceil(8)).ok()?)?;
        let bit = |at: usize| bytes.get(at / 8).is_some_and(|byte| byte & (0x80 >> (at & 7)) != 0);
        Some((0..count).map(bit).collect())
    }

    /// As [`Self::bits`], with a byte in front that says whether all are set.
    pub(super) fn optional_bits(&mut self, count: usize) -> Option<Vec<bool>> {
        if self.u8()? == 0 {
            return self.bits(count);
        }
        // What all are set for takes four bytes or more for each.
        (count <= self.rest.len()).then(|| vec![true; count])
    }

    /// Checksums of the things that have one.
    pub(super) fn digests(&mut self, count: usize) -> Option<Vec<Option<u32>>> {
        let defined = self.optional_bits(count)?;
        defined
            .into_iter()
            .map(|has| if has { self.u32().map(Some) } else { Some(None) })
            .collect()
    }
}

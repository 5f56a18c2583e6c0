//! The file's integers and strings: a [`Cursor`] that knows the byte order and the width of counts.

use crate::format::{Cursor, Input, ReadFault};
use crate::span::Span;

/// A position in a GGUF file.
pub(super) struct Reader<'i, 'a> {
    cursor: Cursor<'i, 'a>,
    big: bool,
    wide: bool,
}

impl<'i, 'a> Reader<'i, 'a> {
    /// A reader from `start` on. Counts and lengths have 8 bytes when `wide` (version 2 and later), else 4.
    pub(super) fn new(input: &'i Input<'a>, start: u64, big: bool, wide: bool) -> Self {
        Self {
            cursor: Cursor::new(input, Span::new(start, input.len())),
            big,
            wide,
        }
    }

    /// Whether numbers begin with their most significant byte.
    pub(super) fn is_big_endian(&self) -> bool {
        self.big
    }

    /// The offset of the next byte.
    pub(super) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// The bytes left.
    pub(super) fn remaining(&self) -> u64 {
        self.cursor.remaining()
    }

    /// The size of a count, in bytes.
    pub(super) fn word_size(&self) -> u64 {
        if self.wide { 8 } else { 4 }
    }

    pub(super) fn u8(&mut self) -> Result<u8, ReadFault> {
        self.cursor.u8()
    }

    pub(super) fn u32(&mut self) -> Result<u32, ReadFault> {
        if self.big {
            self.cursor.u32_be()
        } else {
            self.cursor.u32_le()
        }
    }

    pub(super) fn u64(&mut self) -> Result<u64, ReadFault> {
        if self.big {
            self.cursor.u64_be()
        } else {
            self.cursor.u64_le()
        }
    }

    /// A count, a length or a dimension.
    pub(super) fn word(&mut self) -> Result<u64, ReadFault> {
        if self.wide {
            self.u64()
        } else {
            self.u32().map(u64::from)
        }
    }

    /// Passes over `n` bytes.
    pub(super) fn skip(&mut self, n: u64) -> Result<Span, ReadFault> {
        self.cursor.skip(n)
    }

    /// A string: where its bytes stand, and the first `keep` of them.
    pub(super) fn string(&mut self, keep: u64) -> Result<(Vec<u8>, Span), ReadFault> {
        let length = self.word()?;
        if length > self.remaining() {
            self.skip(length)?;
        }
        let start = self.position();
        let kept = self.cursor.bytes(length.min(keep))?.into_owned();
        self.skip(length.saturating_sub(keep))?;
        Ok((kept, Span::saturating_at(start, length)))
    }
}

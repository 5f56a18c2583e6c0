//! Structure bytes of an artifact, forward, in a window that starts small: between payloads stand a few dozen bytes.

use crate::format::{Input, ReadFault};
use crate::span::Span;
use crate::walk::protobuf::Fetch;
use std::borrow::Cow;

/// Bytes fetched first and after every jump.
const FIRST: u64 = 256;
/// The most bytes fetched at a time.
const MOST: u64 = 64 << 10;

/// A window over an [`Input`].
pub(super) struct Reader<'i, 'a> {
    input: &'i Input<'a>,
    window: Cow<'a, [u8]>,
    start: u64,
    next: u64,
}

impl<'i, 'a> Reader<'i, 'a> {
    pub(super) fn new(input: &'i Input<'a>) -> Self {
        Self {
            input,
            window: Cow::Borrowed(&[]),
            start: 0,
            next: FIRST,
        }
    }

    /// The artifact's length.
    pub(super) fn length(&self) -> u64 {
        self.input.len()
    }

    /// Exactly the bytes of `span`, which lies inside the artifact.
    pub(super) fn read(&mut self, span: Span) -> Result<&[u8], ReadFault> {
        self.fetch(span.start(), span.len())
    }
}

impl Fetch for Reader<'_, '_> {
    type Fault = ReadFault;

    fn fetch(&mut self, offset: u64, length: u64) -> Result<&[u8], ReadFault> {
        let have = self
            .start
            .saturating_add(u64::try_from(self.window.len()).unwrap_or(u64::MAX));
        let wanted = offset.saturating_add(length).min(self.input.len());
        if offset < self.start || wanted > have {
            let follows = self.start <= offset && offset <= have && !self.window.is_empty();
            self.next = if follows {
                self.next.saturating_mul(2).min(MOST)
            } else {
                FIRST
            };
            self.window = self.input.read_up_to(offset, self.next.max(length))?;
            self.start = offset;
        }
        let from = usize::try_from(offset.saturating_sub(self.start)).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(length).unwrap_or(usize::MAX));
        let rest = self.window.get(from..).unwrap_or_default();
        Ok(self.window.get(from..to).unwrap_or(rest))
    }
}

//! Structure bytes of an artifact in any order, in pages that are read once.

use crate::format::{Input, ReadFault};
use crate::span::Span;
use crate::walk::flatbuffer::Source;
use std::borrow::Cow;
use std::collections::HashMap;

/// Bytes of a page.
const PAGE: u64 = 4096;
/// A read of more than this is not kept: a long vector is read once.
const KEEP: u64 = 4 * PAGE;

/// The pages read so far.
pub(in crate::format) struct Pages<'i, 'a> {
    input: &'i Input<'a>,
    pages: HashMap<u64, Cow<'a, [u8]>>,
}

impl<'i, 'a> Pages<'i, 'a> {
    pub(in crate::format) fn new(input: &'i Input<'a>) -> Self {
        Self {
            input,
            pages: HashMap::new(),
        }
    }
}

impl Source for Pages<'_, '_> {
    type Fault = ReadFault;

    fn length(&self) -> u64 {
        self.input.len()
    }

    fn read(&mut self, span: Span) -> Result<Vec<u8>, ReadFault> {
        if span.len() > KEEP {
            return self.input.read(span).map(Cow::into_owned);
        }
        let mut out = Vec::new();
        let mut at = span.start();
        while at < span.end() {
            let start = at.wrapping_div(PAGE).saturating_mul(PAGE);
            let page = match self.pages.entry(start) {
                std::collections::hash_map::Entry::Occupied(page) => page.into_mut(),
                std::collections::hash_map::Entry::Vacant(slot) => slot.insert(self.input.read_up_to(start, PAGE)?),
            };
            let end = start.saturating_add(PAGE).min(span.end());
            let from = usize::try_from(at.saturating_sub(start)).unwrap_or(usize::MAX);
            let to = usize::try_from(end.saturating_sub(start)).unwrap_or(usize::MAX);
            let Some(part) = page.get(from..to) else {
                return Err(ReadFault::PastEnd {
                    offset: at,
                    wanted: end.saturating_sub(at),
                    length: self.input.len(),
                });
            };
            out.extend_from_slice(part);
            at = end;
        }
        Ok(out)
    }
}

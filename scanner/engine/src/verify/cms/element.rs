//! The elements of one constructed value, taken in order and to the last octet.

use crate::span::Span;
use crate::walk::der::{Children, DerFault, DerFaultKind, DerWalker, Tlv};
use std::iter::Peekable;

/// The deepest nesting that is read: a time stamp inside a nested signature needs about thirty.
pub(crate) const DEPTH: usize = 64;

/// What is left of a constructed value.
pub(crate) struct Elements<'a> {
    inner: Peekable<Children<'a>>,
    whole: Span,
}

impl<'a> Elements<'a> {
    /// The elements of `tlv`.
    pub(crate) fn of(tlv: Tlv<'a>) -> Self {
        Self {
            inner: tlv.children().peekable(),
            whole: tlv.span(),
        }
    }

    /// The one element that `bytes` are.
    ///
    /// # Errors
    /// The first rule broken by it or by anything inside it; octets after it are such a thing.
    pub(crate) fn one(bytes: &'a [u8], base: u64) -> Result<Tlv<'a>, DerFault> {
        let mut walker = DerWalker::new(bytes, base, DEPTH);
        let mut first = None;
        for tlv in walker.by_ref() {
            let tlv = tlv?;
            first.get_or_insert(tlv);
        }
        let rest = walker.rest();
        match first {
            Some(tlv) if rest.is_empty() => Ok(tlv),
            Some(_) => Err(fault(rest.start(), "octets after the value")),
            None => Err(fault(base, "no value")),
        }
    }

    /// The next element, of any type.
    ///
    /// # Errors
    /// When it is not DER.
    pub(crate) fn next_element(&mut self) -> Result<Option<Tlv<'a>>, DerFault> {
        self.inner.next().transpose()
    }

    /// The next element, which must be of universal type `number`.
    ///
    /// # Errors
    /// When there is none or another.
    pub(crate) fn universal(&mut self, number: u32) -> Result<Tlv<'a>, DerFault> {
        match self.next_element()? {
            Some(tlv) if tlv.tag.is_universal(number) => Ok(tlv),
            Some(tlv) => Err(fault(
                tlv.header.start(),
                "an element of another type than the schema has here",
            )),
            None => Err(fault(self.whole.end(), "an element of the schema is missing")),
        }
    }

    /// The next element when its tag is context-specific `number`.
    ///
    /// # Errors
    /// When it is not DER.
    pub(crate) fn context(&mut self, number: u32) -> Result<Option<Tlv<'a>>, DerFault> {
        match self.inner.peek() {
            Some(Ok(tlv)) if tlv.tag.is_context(number) => self.next_element(),
            Some(Err(fault)) => Err(*fault),
            _ => Ok(None),
        }
    }

    /// The next element when it is of universal type `number`.
    ///
    /// # Errors
    /// When it is not DER.
    pub(crate) fn optional(&mut self, number: u32) -> Result<Option<Tlv<'a>>, DerFault> {
        match self.inner.peek() {
            Some(Ok(tlv)) if tlv.tag.is_universal(number) => self.next_element(),
            Some(Err(fault)) => Err(*fault),
            _ => Ok(None),
        }
    }

    /// What follows the last element that the schema has.
    ///
    /// # Errors
    /// When it is not DER.
    pub(crate) fn rest(mut self) -> Result<Option<Span>, DerFault> {
        Ok(self
            .next_element()?
            .map(|tlv| Span::new(tlv.header.start(), self.whole.end())))
    }

    /// Ends the value.
    ///
    /// # Errors
    /// When more follows.
    pub(crate) fn finish(self) -> Result<(), DerFault> {
        match self.rest()? {
            Some(span) => Err(fault(span.start(), "an element that the schema does not have")),
            None => Ok(()),
        }
    }
}

/// A broken rule of a schema.
pub(crate) fn fault(offset: u64, rule: &'static str) -> DerFault {
    DerFault {
        offset,
        rule,
        kind: DerFaultKind::Type,
    }
}

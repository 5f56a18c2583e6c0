//! JSON documents of signature schemes, read strictly: readers that disagree about a document disagree about what was
//! signed.
//!
//! A key that stands twice in one object is refused (RFC 8259, section 4), as is everything the walker refuses. Members
//! that a reader does not know are skipped, and validated all the same.

use crate::span::Span;
use crate::walk::json::{JsonFault, JsonWalker, Token, TokenKind};
use std::borrow::Cow;
use std::collections::HashSet;

/// The rule that a document breaks, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The offset of the offending byte.
    pub(crate) offset: u64,
    /// The rule, in a few words.
    pub(crate) rule: String,
}

impl Fault {
    pub(crate) fn new(offset: u64, rule: impl Into<String>) -> Self {
        Self {
            offset,
            rule: rule.into(),
        }
    }
}

impl From<JsonFault> for Fault {
    fn from(fault: JsonFault) -> Self {
        Self::new(fault.offset, fault.rule)
    }
}

/// A document, read from its start to its end.
pub(crate) struct Document<'a> {
    walker: JsonWalker<'a>,
}

/// Levels of nesting; published bundles have nine.
const DEPTH: usize = 64;

impl<'a> Document<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self {
            walker: JsonWalker::new(bytes, 0, DEPTH),
        }
    }

    /// The next token.
    pub(crate) fn next(&mut self) -> Result<Token<'a>, Fault> {
        match self.walker.next() {
            Some(token) => Ok(token?),
            None => Err(Fault::new(self.walker.position(), "unexpected end")),
        }
    }

    /// Nothing may follow the value.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.walker.next() {
            Some(token) => Err(Fault::new(token?.span.start(), "content after the value")),
            None => Ok(()),
        }
    }

    /// Skips the value of a member.
    pub(crate) fn skip(&mut self) -> Result<Span, Fault> {
        Ok(self.walker.skip_value()?)
    }

    /// An object: `member` is called after each key, and reads the value.
    pub(crate) fn object(
        &mut self,
        what: &str,
        member: impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let token = self.next()?;
        self.opened(&token, what, member)
    }

    /// The same for an object whose first token was read.
    pub(crate) fn opened(
        &mut self,
        token: &Token<'a>,
        what: &str,
        mut member: impl FnMut(&mut Self, &str) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        if token.kind != TokenKind::ObjectStart {
            return Err(Fault::new(token.span.start(), format!("{what} is not an object")));
        }
        let mut keys: HashSet<Cow<'a, str>> = HashSet::new();
        loop {
            let token = self.next()?;
            let TokenKind::Key(key) = token.kind else { return Ok(()) };
            if keys.contains(&key) {
                return Err(Fault::new(token.span.start(), format!("a key of {what} stands twice")));
            }
            member(self, &key)?;
            keys.insert(key);
        }
    }

    /// An array: `element` is called with the first token of each element, and reads the rest. `null` is empty.
    pub(crate) fn array(
        &mut self,
        what: &str,
        mut element: impl FnMut(&mut Self, Token<'a>) -> Result<(), Fault>,
    ) -> Result<(), Fault> {
        let token = self.next()?;
        match token.kind {
            TokenKind::Null => return Ok(()),
            TokenKind::ArrayStart => {}
            _ => return Err(Fault::new(token.span.start(), format!("{what} is not an array"))),
        }
        loop {
            let token = self.next()?;
            if token.kind == TokenKind::ArrayEnd {
                return Ok(());
            }
            element(self, token)?;
        }
    }

    /// A text, and where it stands.
    pub(crate) fn text(&mut self, what: &str) -> Result<(Cow<'a, str>, Span), Fault> {
        let token = self.next()?;
        text_of(token, what)
    }

    /// A text or `null`.
    pub(crate) fn optional_text(&mut self, what: &str) -> Result<Option<String>, Fault> {
        let token = self.next()?;
        if token.kind == TokenKind::Null {
            return Ok(None);
        }
        Ok(Some(text_of(token, what)?.0.into_owned()))
    }

    /// Bytes in base64, padded or not, of the standard alphabet or that of URLs, as readers of protobuf JSON take them.
    pub(crate) fn bytes(&mut self, what: &str) -> Result<Vec<u8>, Fault> {
        let (text, span) = self.text(what)?;
        base64(&text).ok_or_else(|| Fault::new(span.start(), format!("{what} is not base64")))
    }
}

/// The text that a token is.
pub(crate) fn text_of<'a>(token: Token<'a>, what: &str) -> Result<(Cow<'a, str>, Span), Fault> {
    match token.kind {
        TokenKind::String(text) => Ok((text, token.span)),
        _ => Err(Fault::new(token.span.start(), format!("{what} is not a text"))),
    }
}

/// The bytes that a text says in base64 of either alphabet.
pub(crate) fn base64(text: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::{STANDARD_PAD_INDIFFERENT, URL_SAFE_PAD_INDIFFERENT};
    if text.contains(['-', '_']) {
        URL_SAFE_PAD_INDIFFERENT.decode(text).ok()
    } else {
        STANDARD_PAD_INDIFFERENT.decode(text).ok()
    }
}

/// The bytes that a text says in hexadecimal.
pub(crate) fn hexadecimal(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let digits = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    text.as_bytes().chunks(2).map(digits).collect()
}

/// Bytes in lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::new(), |mut out, byte| {
        let _ = write!(out, "{byte:02x}");
        out
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_that_stands_twice_is_refused_where_it_repeats() {
        let text = br#"{"a": 1, "b": {"a": 2}, "a": 3}"#;
        let mut document = Document::new(text);
        let fault = document.object("x", |d, _| d.skip().map(|_| ())).unwrap_err();
        assert_eq!((fault.offset, fault.rule.as_str()), (24, "a key of x stands twice"));
    }

    #[test]
    fn bytes_are_read_in_both_alphabets() {
        assert_eq!(base64("-_8="), Some(vec![0xfb, 0xff]));
        assert_eq!(base64("+/8"), Some(vec![0xfb, 0xff]));
        assert_eq!(base64("+_8"), None);
        assert_eq!(hexadecimal("00fF"), Some(vec![0, 255]));
        assert_eq!(hexadecimal("0"), None);
        assert_eq!(hex(&[0, 255]), "00ff");
    }
}

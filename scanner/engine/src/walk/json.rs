//! A pull parser for JSON that keeps byte positions and duplicate keys (RFC 8259).
//!
//! Strict: no comments, no trailing commas, no NaN, no leading zeros, no byte order mark. Two choices are narrower than
//! the grammar, because readers disagree about what it leaves open: text is UTF-8 (section 8.1), and an escaped
//! surrogate must be half of a pair (section 8.2). Numbers stay text: no range is imposed on them. Nothing is built,
//! and nothing is allocated for a token but the text of a string that holds escapes.

use std::borrow::Cow;

use self::scalar::Quoted;
use super::absolute;
use crate::span::Span;

mod duplicate;
mod scalar;
#[cfg(test)]
mod tests;

pub use self::duplicate::duplicate_keys;

/// The first rule of RFC 8259 that a text breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{rule} at {offset:#x}")]
#[non_exhaustive]
pub struct JsonFault {
    /// The absolute offset of the offending byte; the end of the input for a truncation.
    pub offset: u64,
    /// The rule, in a few words.
    pub rule: &'static str,
}

impl JsonFault {
    /// Whether the input ended inside the value, so that more bytes could have made it valid.
    pub fn is_truncation(&self) -> bool {
        self.rule == UNEXPECTED_END
    }
}

/// One token and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// The token's bytes, absolute; those of a string include its quotes.
    pub span: Span,
    /// What the token is.
    pub kind: TokenKind<'a>,
}

/// What a token is. Strings and keys are unescaped, and borrowed when they hold no escape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenKind<'a> {
    /// `{`
    ObjectStart,
    /// `}`
    ObjectEnd,
    /// `[`
    ArrayStart,
    /// `]`
    ArrayEnd,
    /// The name of an object's member; its value comes next.
    Key(Cow<'a, str>),
    /// A string value.
    String(Cow<'a, str>),
    /// A number as it is written: see [`as_u64`].
    Number(&'a str),
    /// `true` or `false`
    Bool(bool),
    /// `null`
    Null,
}

/// Walks one JSON text, token by token.
///
/// The text is sound only when the iterator has returned `None` without a fault before: the last step checks that only
/// white space follows the value. After a fault the walker is exhausted. It yields at most one token a byte, and one
/// fault.
#[derive(Clone, Debug)]
pub struct JsonWalker<'a> {
    bytes: &'a [u8],
    /// The longest prefix of `bytes` that is UTF-8.
    text: &'a str,
    /// Whether `text` ends before a sequence that only the end of the input cuts short.
    sequence_is_cut: bool,
    at: usize,
    base: u64,
    max_depth: usize,
    open: Vec<Container>,
    expect: Expect,
    last: Last,
    fault: Option<JsonFault>,
}

impl<'a> JsonWalker<'a> {
    /// A walker over `bytes`, whose first byte lies at `base` in the artifact, and that refuses a container inside
    /// `max_depth` others. Checks the encoding of `bytes` in one pass.
    pub fn new(bytes: &'a [u8], base: u64, max_depth: usize) -> Self {
        let (text, sequence_is_cut) = match std::str::from_utf8(bytes) {
            Ok(text) => (text, false),
            Err(error) => {
                let valid = bytes.get(..error.valid_up_to()).unwrap_or_default();
                (
                    std::str::from_utf8(valid).unwrap_or_default(),
                    error.error_len().is_none(),
                )
            }
        };
        Self {
            bytes,
            text,
            sequence_is_cut,
            at: 0,
            base,
            max_depth,
            open: Vec::new(),
            expect: Expect::Value,
            last: Last::Nothing,
            fault: None,
        }
    }

    /// The number of containers open after the last token.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// The absolute offset of the next byte to read.
    pub fn position(&self) -> u64 {
        absolute(self.base, self.at)
    }

    /// Skips a whole value, validating it, and returns its span.
    ///
    /// After `ObjectStart` or `ArrayStart` that is the container, its first bracket included; after `Key` the member's
    /// value; before the first token the text's value. After any other token there is nothing to skip, and the span is
    /// empty. Allocates nothing for what it skips.
    ///
    /// # Errors
    ///
    /// The fault found in the value, or the one that ended the walk before.
    pub fn skip_value(&mut self) -> Result<Span, JsonFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let nothing = self.span(self.at, self.at);
        let (start, mut end, outside) = match self.last {
            Last::Opened { start } => (start, self.at, self.open.len().saturating_sub(1)),
            Last::Nothing | Last::Key => {
                let outside = self.open.len();
                let Some(lexeme) = self.advance()? else {
                    return Ok(nothing);
                };
                (lexeme.start, lexeme.end, outside)
            }
            Last::Complete => return Ok(nothing),
        };
        while self.open.len() > outside
            && let Some(lexeme) = self.advance()?
        {
            end = lexeme.end;
        }
        self.last = Last::Complete;
        Ok(self.span(start, end))
    }

    #[inline]
    fn advance(&mut self) -> Result<Option<Lexeme<'a>>, JsonFault> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        let lexeme = match self.lex() {
            Ok(lexeme) => lexeme,
            Err(fault) => {
                self.fault = Some(fault);
                return Err(fault);
            }
        };
        self.last = match &lexeme {
            Some(lexeme) => match lexeme.kind {
                LexemeKind::ObjectStart | LexemeKind::ArrayStart => Last::Opened { start: lexeme.start },
                LexemeKind::Key(_) => Last::Key,
                _ => Last::Complete,
            },
            None => Last::Complete,
        };
        Ok(lexeme)
    }

    #[inline]
    fn lex(&mut self) -> Result<Option<Lexeme<'a>>, JsonFault> {
        let Some(byte) = self.next_significant() else {
            return if self.expect == Expect::Nothing {
                Ok(None)
            } else {
                Err(self.unexpected_end())
            };
        };
        let lexeme = match (self.expect, byte) {
            (Expect::Nothing, _) => Err(self.fault_at(self.at, "content after the value")),
            (Expect::Value, _) => self.value(byte),
            (Expect::ElementOrEnd, b']') => Ok(self.close(LexemeKind::ArrayEnd)),
            (Expect::ElementOrEnd, _) => self.value(byte),
            (Expect::MemberOrEnd, b'}') => Ok(self.close(LexemeKind::ObjectEnd)),
            (Expect::MemberOrEnd, _) => self.key(byte),
            (Expect::Colon, b':') => {
                self.bump();
                let byte = self.next_significant().ok_or_else(|| self.unexpected_end())?;
                self.value(byte)
            }
            (Expect::Colon, _) => Err(self.fault_at(self.at, "missing colon")),
            (Expect::CommaOrEnd(Container::Array), b']') => Ok(self.close(LexemeKind::ArrayEnd)),
            (Expect::CommaOrEnd(Container::Object), b'}') => Ok(self.close(LexemeKind::ObjectEnd)),
            (Expect::CommaOrEnd(container), b',') => {
                let comma = self.at;
                self.bump();
                match (container, self.next_significant()) {
                    (_, None) => Err(self.unexpected_end()),
                    (Container::Array, Some(b']')) | (Container::Object, Some(b'}')) => {
                        Err(self.fault_at(comma, "trailing comma"))
                    }
                    (Container::Array, Some(byte)) => self.value(byte),
                    (Container::Object, Some(byte)) => self.key(byte),
                }
            }
            (Expect::CommaOrEnd(_), b']' | b'}') => Err(self.fault_at(self.at, "mismatched bracket")),
            (Expect::CommaOrEnd(_), _) => Err(self.fault_at(self.at, "missing comma")),
        };
        lexeme.map(Some)
    }

    #[inline]
    fn value(&mut self, byte: u8) -> Result<Lexeme<'a>, JsonFault> {
        let start = self.at;
        let kind = match byte {
            b'{' => return self.push(Container::Object),
            b'[' => return self.push(Container::Array),
            b'"' => LexemeKind::String(self.string()?),
            b'-' | b'0'..=b'9' => LexemeKind::Number(self.number()?),
            b't' => self.literal(b"true", LexemeKind::Bool(true))?,
            b'f' => self.literal(b"false", LexemeKind::Bool(false))?,
            b'n' => self.literal(b"null", LexemeKind::Null)?,
            _ if start == 0 && self.bytes.starts_with(b"\xef\xbb\xbf") => {
                return Err(self.fault_at(start, "byte order mark"));
            }
            _ if byte.is_ascii_alphabetic() => return Err(self.fault_at(start, UNKNOWN_LITERAL)),
            _ => return Err(self.fault_at(start, "value expected")),
        };
        self.expect = self.after_value();
        Ok(Lexeme {
            start,
            end: self.at,
            kind,
        })
    }

    fn key(&mut self, byte: u8) -> Result<Lexeme<'a>, JsonFault> {
        let start = self.at;
        if byte != b'"' {
            return Err(self.fault_at(start, "key expected"));
        }
        let quoted = self.string()?;
        self.expect = Expect::Colon;
        Ok(Lexeme {
            start,
            end: self.at,
            kind: LexemeKind::Key(quoted),
        })
    }

    fn push(&mut self, container: Container) -> Result<Lexeme<'a>, JsonFault> {
        let start = self.at;
        if self.open.len() >= self.max_depth {
            return Err(self.fault_at(start, "depth over the limit"));
        }
        self.bump();
        self.open.push(container);
        let kind = match container {
            Container::Object => LexemeKind::ObjectStart,
            Container::Array => LexemeKind::ArrayStart,
        };
        self.expect = match container {
            Container::Object => Expect::MemberOrEnd,
            Container::Array => Expect::ElementOrEnd,
        };
        Ok(Lexeme {
            start,
            end: self.at,
            kind,
        })
    }

    fn close(&mut self, kind: LexemeKind<'a>) -> Lexeme<'a> {
        let start = self.at;
        self.bump();
        self.open.pop();
        self.expect = self.after_value();
        Lexeme {
            start,
            end: self.at,
            kind,
        }
    }

    fn after_value(&self) -> Expect {
        self.open
            .last()
            .map_or(Expect::Nothing, |container| Expect::CommaOrEnd(*container))
    }

    #[inline]
    fn token(&self, lexeme: &Lexeme<'a>) -> Result<Token<'a>, JsonFault> {
        let kind = match &lexeme.kind {
            LexemeKind::ObjectStart => TokenKind::ObjectStart,
            LexemeKind::ObjectEnd => TokenKind::ObjectEnd,
            LexemeKind::ArrayStart => TokenKind::ArrayStart,
            LexemeKind::ArrayEnd => TokenKind::ArrayEnd,
            LexemeKind::Key(quoted) => TokenKind::Key(self.unescape(quoted)?),
            LexemeKind::String(quoted) => TokenKind::String(self.unescape(quoted)?),
            LexemeKind::Number(raw) => TokenKind::Number(raw),
            LexemeKind::Bool(value) => TokenKind::Bool(*value),
            LexemeKind::Null => TokenKind::Null,
        };
        Ok(Token {
            span: self.span(lexeme.start, lexeme.end),
            kind,
        })
    }

    #[inline]
    fn next_significant(&mut self) -> Option<u8> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.bump(),
                other => return other,
            }
        }
    }

    fn slice(&self, start: usize, end: usize) -> Result<&'a str, JsonFault> {
        self.text
            .get(start..end)
            .ok_or_else(|| self.fault_at(start, "invalid UTF-8"))
    }

    fn peek(&self) -> Option<u8> {
        self.byte_at(self.at)
    }

    fn byte_at(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    fn bump(&mut self) {
        self.at = self.at.saturating_add(1);
    }

    fn span(&self, start: usize, end: usize) -> Span {
        Span::new(absolute(self.base, start), absolute(self.base, end))
    }

    #[cold]
    fn fault_at(&self, at: usize, rule: &'static str) -> JsonFault {
        JsonFault {
            offset: absolute(self.base, at),
            rule,
        }
    }

    #[cold]
    fn unexpected_end(&self) -> JsonFault {
        self.fault_at(self.bytes.len(), UNEXPECTED_END)
    }
}

impl<'a> Iterator for JsonWalker<'a> {
    type Item = Result<Token<'a>, JsonFault>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.fault.is_some() {
            return None;
        }
        match self.advance() {
            Ok(None) => None,
            Ok(Some(lexeme)) => {
                let token = self.token(&lexeme);
                self.fault = token.as_ref().err().copied();
                Some(token)
            }
            Err(fault) => Some(Err(fault)),
        }
    }
}

impl std::iter::FusedIterator for JsonWalker<'_> {}

/// The value of a number written as a plain non-negative integer of at most 64 bits: no sign, fraction or exponent.
pub fn as_u64(raw: &str) -> Option<u64> {
    let plain = raw == "0" || (raw.bytes().all(|byte| byte.is_ascii_digit()) && !raw.starts_with('0'));
    if plain { raw.parse().ok() } else { None }
}

const UNEXPECTED_END: &str = "unexpected end";
const UNKNOWN_LITERAL: &str = "unknown literal";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    Object,
    Array,
}

/// What the grammar allows next, white space aside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
    Value,
    ElementOrEnd,
    MemberOrEnd,
    Colon,
    CommaOrEnd(Container),
    Nothing,
}

/// The last token, as far as skipping needs it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Last {
    Nothing,
    Opened { start: usize },
    Key,
    Complete,
}

/// A validated token in positions of the input, its strings still escaped.
struct Lexeme<'a> {
    start: usize,
    end: usize,
    kind: LexemeKind<'a>,
}

enum LexemeKind<'a> {
    ObjectStart,
    ObjectEnd,
    ArrayStart,
    ArrayEnd,
    Key(Quoted<'a>),
    String(Quoted<'a>),
    Number(&'a str),
    Bool(bool),
    Null,
}

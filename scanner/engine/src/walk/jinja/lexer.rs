//! Text to tokens: where tags begin and end, and what stands inside them (`lexer.py`).

use super::{literal, span};
use crate::span::Span;

/// What ends a reading that a rule forbids.
pub(super) type Broken = &'static str;

/// A token inside a tag.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Token {
    pub(super) kind: Kind,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// What a token is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Name(Box<str>),
    Text(Box<str>),
    Number(Box<str>),
    Mark(&'static str),
}

impl Token {
    /// The name, when it is one.
    pub(super) fn name(&self) -> Option<&str> {
        match &self.kind {
            Kind::Name(name) => Some(name),
            _ => None,
        }
    }

    /// Whether it is the mark `mark`.
    pub(super) fn is(&self, mark: &str) -> bool {
        matches!(&self.kind, Kind::Mark(own) if *own == mark)
    }
}

/// What the lexer finds at the top of a template.
pub(super) enum Found {
    /// Copied text.
    Text(Span),
    /// `{{ ... }}`
    Output(Span, Result<Vec<Token>, Broken>),
    /// `{% ... %}`
    Tag(Span, Result<Vec<Token>, Broken>),
    /// A comment without an end.
    Unended(Span),
    /// More tokens than are read.
    Spent,
}

/// A position in a template.
pub(super) struct Lexer<'t> {
    text: &'t str,
    at: usize,
    /// Tokens that may still be read: a broken tag is read again from the next one on.
    left: usize,
}

/// The most tokens of a template; published ones have some ten thousand.
const TOKENS: usize = 1_000_000;

impl<'t> Lexer<'t> {
    pub(super) fn new(text: &'t str) -> Self {
        Self {
            text,
            at: 0,
            left: TOKENS,
        }
    }

    fn rest(&self, at: usize) -> &'t str {
        self.text.get(at..).unwrap_or_default()
    }

    /// The text's length.
    pub(super) fn end(&self) -> usize {
        self.text.len()
    }

    /// The next thing; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Found> {
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        if self.left == 0 {
            return Some(Found::Spent);
        }
        let opening = self.opening(start);
        if opening > start {
            self.at = opening;
            return Some(Found::Text(span(start, opening)));
        }
        let inside = start.saturating_add(2);
        match self.rest(start).as_bytes().get(1) {
            Some(b'#') => {
                let Some(end) = self.rest(inside).find("#}") else {
                    self.at = self.text.len();
                    return Some(Found::Unended(span(start, self.at)));
                };
                self.at = inside.saturating_add(end).saturating_add(2);
                self.next_after_comment()
            }
            Some(b'%') => {
                let tokens = self.tokens(inside, "%}");
                Some(Found::Tag(span(start, self.at), tokens))
            }
            _ => {
                let tokens = self.tokens(inside, "}}");
                Some(Found::Output(span(start, self.at), tokens))
            }
        }
    }

    /// Passes over comments in a row, of which there may be any number.
    fn next_after_comment(&mut self) -> Option<Found> {
        while self.rest(self.at).starts_with("{#") {
            let inside = self.at.saturating_add(2);
            let Some(end) = self.rest(inside).find("#}") else { break };
            self.at = inside.saturating_add(end).saturating_add(2);
        }
        let start = self.at;
        if start >= self.text.len() {
            return None;
        }
        let opening = self.opening(start);
        if opening > start {
            self.at = opening;
            return Some(Found::Text(span(start, opening)));
        }
        // What is left here is a tag, an output, or a comment without an end: none leads back here.
        self.next()
    }

    /// The offset of the next `{{`, `{%` or `{#`, or the end.
    fn opening(&self, from: usize) -> usize {
        let bytes = self.text.as_bytes().get(from..).unwrap_or_default();
        memchr::memchr_iter(b'{', bytes)
            .find(|at| matches!(bytes.get(at.saturating_add(1)), Some(b'{' | b'%' | b'#')))
            .map_or(self.text.len(), |at| from.saturating_add(at))
    }

    /// Passes over everything up to the `{% name %}` that ends a raw block: the text's span, and whether it ended.
    pub(super) fn raw(&mut self, name: &str) -> (Span, bool) {
        let start = self.at;
        let mut from = start;
        while let Some(found) = self.rest(from).find("{%") {
            let tag = from.saturating_add(found);
            let inside = self
                .rest(tag.saturating_add(2))
                .trim_start_matches(['-', '+'])
                .trim_start();
            if let Some(behind) = inside.strip_prefix(name)
                && let Some(close) = behind.trim_start().trim_start_matches(['-', '+']).strip_prefix("%}")
            {
                self.at = self.text.len().saturating_sub(close.len());
                return (span(start, tag), true);
            }
            from = tag.saturating_add(2);
        }
        self.at = self.text.len();
        (span(start, self.at), false)
    }

    /// The tokens from `from` on, up to `end` outside of brackets; afterwards the position is behind it. After a broken
    /// rule it is behind the next `end`, or at the end of the text.
    fn tokens(&mut self, from: usize, end: &'static str) -> Result<Vec<Token>, Broken> {
        let result = self.tokens_until(from, end);
        if result.is_err() {
            let after = self
                .rest(from)
                .find(end)
                .map(|at| from.saturating_add(at).saturating_add(end.len()));
            self.at = after.unwrap_or(self.text.len());
        }
        result
    }

    fn tokens_until(&mut self, from: usize, end: &'static str) -> Result<Vec<Token>, Broken> {
        let mut tokens: Vec<Token> = Vec::new();
        let mut at = from;
        if self.rest(at).starts_with(['-', '+']) {
            at = at.saturating_add(1);
        }
        let mut open: Vec<&'static str> = Vec::new();
        loop {
            let rest = self.rest(at);
            let trimmed = rest.trim_start();
            at = at.saturating_add(rest.len().saturating_sub(trimmed.len()));
            if open.is_empty() {
                for close in ["", "-", "+"] {
                    if trimmed.strip_prefix(close).is_some_and(|t| t.starts_with(end)) {
                        self.at = at.saturating_add(close.len()).saturating_add(end.len());
                        return Ok(tokens);
                    }
                }
            }
            self.left = self.left.checked_sub(1).ok_or("more tokens than are read")?;
            let (kind, length) = token(trimmed)?;
            if let Kind::Mark(mark) = kind {
                match mark {
                    "(" => open.push(")"),
                    "[" => open.push("]"),
                    "{" => open.push("}"),
                    ")" | "]" | "}" if open.pop() != Some(mark) => return Err("brackets that do not match"),
                    _ => {}
                }
            }
            let behind = at.saturating_add(length);
            tokens.push(Token {
                kind,
                start: at,
                end: behind,
            });
            at = behind;
        }
    }
}

/// The longest marks first.
const MARKS: [&str; 28] = [
    "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[", "]", "(", ")", "{", "}", ">", "<", "=", ".",
    ":", "|", ",", ";", "!", "@",
];

fn token(rest: &str) -> Result<(Kind, usize), Broken> {
    let Some(first) = rest.chars().next() else {
        return Err("a tag without an end");
    };
    if first == '_' || first.is_alphabetic() {
        let length = rest
            .find(|c: char| c != '_' && !c.is_alphanumeric())
            .unwrap_or(rest.len());
        return Ok((Kind::Name(rest.get(..length).unwrap_or_default().into()), length));
    }
    if first.is_ascii_digit() {
        let length = number(rest);
        return Ok((Kind::Number(rest.get(..length).unwrap_or_default().into()), length));
    }
    if matches!(first, '\'' | '"') {
        let length = literal::length(rest).ok_or("a string without an end")?;
        let inside = rest.get(1..length.saturating_sub(1)).unwrap_or_default();
        return Ok((Kind::Text(literal::unescaped(inside).into()), length));
    }
    MARKS
        .iter()
        .find(|mark| rest.starts_with(**mark))
        .map(|mark| (Kind::Mark(mark), mark.len()))
        .ok_or("a character that begins no token")
}

/// The length of a number: digits with underscores, a fraction and an exponent, or a base.
fn number(rest: &str) -> usize {
    let bytes = rest.as_bytes();
    let digits = |from: usize| {
        bytes
            .iter()
            .skip(from)
            .take_while(|b| b.is_ascii_alphanumeric() || **b == b'_')
            .count()
    };
    let whole = digits(0);
    let point = bytes.get(whole) == Some(&b'.')
        && bytes.get(whole.saturating_add(1)).is_some_and(u8::is_ascii_digit)
        && bytes.iter().take(whole).all(u8::is_ascii_digit);
    if point {
        let from = whole.saturating_add(1);
        from.saturating_add(digits(from))
    } else {
        whole
    }
}

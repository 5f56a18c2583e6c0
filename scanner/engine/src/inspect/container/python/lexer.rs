//! Python tokens (The Python Language Reference, "Lexical analysis"): names, strings, operators and logical lines.
//!
//! Iterative and without a stack: brackets are counted, not nested. Keywords are names. A source that Python would
//! refuse is read all the same, as far as it makes sense: nothing is run that Python refuses.

use std::borrow::Cow;

/// One token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Token<'a> {
    /// The first token of a logical line comes next; the column it stands in.
    Line(usize),
    /// A name or keyword, as Python normalises it.
    Name(Cow<'a, str>),
    /// A string literal: what stands between its quotes, and whether it is formatted.
    Text(&'a str, bool),
    /// A number.
    Number,
    /// One character of an operator or delimiter.
    Op(char),
}

/// Walks a source.
pub(super) struct Lexer<'a> {
    text: &'a str,
    at: usize,
    line: u32,
    brackets: usize,
    fresh: bool,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(text: &'a str, line: u32) -> Self {
        Self {
            text: text.strip_prefix('\u{feff}').unwrap_or(text),
            at: 0,
            line,
            brackets: 0,
            fresh: true,
        }
    }

    /// A part of a line: what a formatted string computes. It starts no logical line.
    pub(super) fn inside(text: &'a str, line: u32) -> Self {
        Self {
            brackets: 1,
            fresh: false,
            ..Self::new(text, line)
        }
    }

    /// The line on which the last token began, from 1.
    pub(super) fn line(&self) -> u32 {
        self.line
    }

    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn step(&mut self, bytes: usize) {
        self.at = self.at.saturating_add(bytes);
    }

    fn newline(&mut self) {
        self.line = self.line.saturating_add(1);
        self.step(1);
    }

    /// Indentation of the line that begins here; `None` when the line is blank.
    fn indentation(&mut self) -> Option<usize> {
        let mut column = 0usize;
        loop {
            match self.rest().as_bytes().first()? {
                b' ' => column = column.saturating_add(1),
                b'\t' => column = (column / 8).saturating_add(1).saturating_mul(8),
                b'\x0c' => column = 0,
                b'\r' => {}
                b'\n' => {
                    self.newline();
                    column = 0;
                    continue;
                }
                b'#' => {
                    self.comment();
                    continue;
                }
                _ => return Some(column),
            }
            self.step(1);
        }
    }

    fn comment(&mut self) {
        let rest = self.rest();
        self.step(memchr::memchr2(b'\n', b'\r', rest.as_bytes()).unwrap_or(rest.len()));
    }

    /// A string whose quotes start `skip` bytes from here.
    fn string(&mut self, skip: usize, formatted: bool) -> Token<'a> {
        self.step(skip);
        let rest = self.rest();
        let bytes = rest.as_bytes();
        let quote = bytes.first().copied().unwrap_or(b'"');
        let triple = bytes.get(1) == Some(&quote) && bytes.get(2) == Some(&quote);
        let width = if triple { 3 } else { 1 };
        let mut at = width;
        let mut end = bytes.len();
        let mut lines = 0u32;
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'\\' => {
                    lines = lines.saturating_add(u32::from(bytes.get(at.saturating_add(1)) == Some(&b'\n')));
                    at = at.saturating_add(2);
                    continue;
                }
                b'\n' if !triple => {
                    end = at;
                    break;
                }
                b'\n' => lines = lines.saturating_add(1),
                q if *q == quote => {
                    let closes = !triple
                        || (bytes.get(at.saturating_add(1)) == Some(&quote)
                            && bytes.get(at.saturating_add(2)) == Some(&quote));
                    if closes {
                        end = at;
                        break;
                    }
                }
                _ => {}
            }
            at = at.saturating_add(1);
        }
        let body = rest.get(width..end.max(width)).unwrap_or_default();
        let closed = bytes.get(end) == Some(&quote);
        self.step(if closed { end.saturating_add(width) } else { end });
        self.line = self.line.saturating_add(lines);
        Token::Text(body, formatted)
    }

    fn name(&mut self) -> Token<'a> {
        let rest = self.rest();
        let end = rest.find(|c: char| !is_name(c)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or_default();
        let quoted = matches!(rest.as_bytes().get(end), Some(b'"' | b'\''));
        if quoted && word.len() <= 2 && word.bytes().all(|b| b"rRbBuUfFtT".contains(&b)) {
            let formatted = word.bytes().any(|b| b"fFtT".contains(&b));
            return self.string(end, formatted);
        }
        self.step(end);
        Token::Name(normalised(word))
    }
}

impl<'a> Iterator for Lexer<'a> {
    type Item = Token<'a>;

    fn next(&mut self) -> Option<Token<'a>> {
        loop {
            if self.fresh {
                let column = self.indentation()?;
                self.fresh = false;
                return Some(Token::Line(column));
            }
            let c = self.rest().chars().next()?;
            match c {
                '\n' => {
                    self.newline();
                    self.fresh = self.brackets == 0;
                }
                '#' => self.comment(),
                '\\' => {
                    self.step(1);
                    if self.rest().starts_with('\r') {
                        self.step(1);
                    }
                    if self.rest().starts_with('\n') {
                        self.newline();
                    }
                }
                c if c.is_whitespace() => self.step(c.len_utf8()),
                '"' | '\'' => return Some(self.string(0, false)),
                c if c.is_ascii_digit() => {
                    let rest = self.rest();
                    let end = rest.find(|c: char| !(is_name(c) || c == '.')).unwrap_or(rest.len());
                    self.step(end);
                    return Some(Token::Number);
                }
                c if is_name(c) => return Some(self.name()),
                c => {
                    match c {
                        '(' | '[' | '{' => self.brackets = self.brackets.saturating_add(1),
                        ')' | ']' | '}' => self.brackets = self.brackets.saturating_sub(1),
                        _ => {}
                    }
                    self.step(c.len_utf8());
                    return Some(Token::Op(c));
                }
            }
        }
    }
}

fn is_name(c: char) -> bool {
    c == '_' || c.is_ascii_alphanumeric() || (!c.is_ascii() && c.is_alphanumeric())
}

/// Python compares names in normal form NFKC, in which fullwidth and mathematical letters are plain ones.
fn normalised(word: &str) -> Cow<'_, str> {
    if word.is_ascii() {
        return Cow::Borrowed(word);
    }
    let plain = |c: char| {
        let code = u32::from(c);
        let folded = match code {
            0xff01..=0xff5e => code.checked_sub(0xfee0),
            0x1d400..=0x1d6a3 => match (code.saturating_sub(0x1d400)) % 52 {
                upper @ 0..=25 => Some(upper.saturating_add(65)),
                lower => Some(lower.saturating_add(71)),
            },
            0x17f => Some(0x73),
            _ => None,
        };
        folded.and_then(char::from_u32).unwrap_or(c)
    };
    Cow::Owned(word.chars().map(plain).collect())
}

/// What the replacement fields of a formatted string compute.
pub(super) fn fields(body: &str) -> Vec<&str> {
    let mut found = Vec::new();
    let (mut depth, mut start) = (0usize, 0usize);
    let bytes = body.as_bytes();
    let mut at = 0usize;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' if depth == 0 && bytes.get(at.saturating_add(1)) == Some(&b'{') => at = at.saturating_add(1),
            b'{' => {
                if depth == 0 {
                    start = at.saturating_add(1);
                }
                depth = depth.saturating_add(1);
            }
            b'}' if depth > 0 => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    found.extend(body.get(start..at));
                }
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    found
}

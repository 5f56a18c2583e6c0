//! Literals, numbers and strings (RFC 8259, sections 3, 6 and 7), and the escapes inside strings.
//!
//! A string is validated as it is read and unescaped only when a caller wants its text; both read an escape with the
//! same function.

use std::borrow::Cow;

use super::{JsonFault, JsonWalker, LexemeKind, UNKNOWN_LITERAL};

/// What stands between a string's quotes, and where it starts.
pub(super) struct Quoted<'a> {
    raw: &'a str,
    start: usize,
    escaped: bool,
}

impl<'a> JsonWalker<'a> {
    /// Reads one of the three words (section 3).
    pub(super) fn literal(&mut self, word: &[u8], kind: LexemeKind<'a>) -> Result<LexemeKind<'a>, JsonFault> {
        let start = self.at;
        for expected in word {
            match self.peek() {
                None => return Err(self.unexpected_end()),
                Some(byte) if byte == *expected => self.bump(),
                Some(_) => return Err(self.fault_at(start, UNKNOWN_LITERAL)),
            }
        }
        Ok(kind)
    }

    /// Reads a number (section 6).
    pub(super) fn number(&mut self) -> Result<&'a str, JsonFault> {
        let start = self.at;
        if self.peek() == Some(b'-') {
            self.bump();
        }
        if self.peek() == Some(b'0') {
            self.bump();
            if self.peek().is_some_and(|byte| byte.is_ascii_digit()) {
                return Err(self.fault_at(self.at.saturating_sub(1), "leading zero"));
            }
        } else {
            self.digits()?;
        }
        if self.peek() == Some(b'.') {
            self.bump();
            self.digits()?;
        }
        if let Some(b'e' | b'E') = self.peek() {
            self.bump();
            if let Some(b'+' | b'-') = self.peek() {
                self.bump();
            }
            self.digits()?;
        }
        self.slice(start, self.at)
    }

    fn digits(&mut self) -> Result<(), JsonFault> {
        match self.peek() {
            None => return Err(self.unexpected_end()),
            Some(byte) if !byte.is_ascii_digit() => return Err(self.fault_at(self.at, "digit expected")),
            Some(_) => {}
        }
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let run = rest
            .iter()
            .position(|byte| !byte.is_ascii_digit())
            .unwrap_or(rest.len());
        self.at = self.at.saturating_add(run);
        Ok(())
    }

    /// Reads and validates a string from its opening quote to after its closing one, without unescaping it.
    pub(super) fn string(&mut self) -> Result<Quoted<'a>, JsonFault> {
        self.bump();
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.text.as_bytes().get(self.at..).unwrap_or_default();
            let plain = plain_run(rest);
            self.at = self.at.saturating_add(plain);
            match rest.get(plain) {
                Some(b'"') => {
                    let raw = self.slice(start, self.at)?;
                    self.bump();
                    return Ok(Quoted { raw, start, escaped });
                }
                Some(b'\\') => {
                    escaped = true;
                    let (_, after) = self.escape(self.at)?;
                    self.at = after;
                }
                Some(_) => return Err(self.fault_at(self.at, "control character in string")),
                None if self.text.len() == self.bytes.len() || self.sequence_is_cut => {
                    return Err(self.unexpected_end());
                }
                None => return Err(self.fault_at(self.text.len(), "invalid UTF-8")),
            }
        }
    }

    /// The character that the escape at `at` stands for, and the position after it.
    fn escape(&self, at: usize) -> Result<(char, usize), JsonFault> {
        let after = at.saturating_add(2);
        let plain = match self.byte_at(at.saturating_add(1)) {
            None => return Err(self.unexpected_end()),
            Some(byte @ (b'"' | b'\\' | b'/')) => char::from(byte),
            Some(b'b') => '\u{8}',
            Some(b'f') => '\u{c}',
            Some(b'n') => '\n',
            Some(b'r') => '\r',
            Some(b't') => '\t',
            Some(b'u') => return self.unicode_escape(at),
            Some(_) => return Err(self.fault_at(at, "unknown escape")),
        };
        Ok((plain, after))
    }

    fn unicode_escape(&self, at: usize) -> Result<(char, usize), JsonFault> {
        let (first, mut after) = self.code_unit(at)?;
        let mut units = [first, 0];
        let mut count = 1;
        if (0xd800..0xdc00).contains(&first) {
            for (position, expected) in (after..).zip(*b"\\u") {
                match self.byte_at(position) {
                    None => return Err(self.unexpected_end()),
                    Some(byte) if byte == expected => {}
                    Some(_) => return Err(self.fault_at(at, UNPAIRED)),
                }
            }
            let (second, end) = self.code_unit(after)?;
            (units, count, after) = ([first, second], 2, end);
        }
        let mut decoded = char::decode_utf16(units.into_iter().take(count));
        match (decoded.next(), decoded.next()) {
            (Some(Ok(character)), None) => Ok((character, after)),
            _ => Err(self.fault_at(at, UNPAIRED)),
        }
    }

    /// The four hexadecimal digits after the `\u` at `at`, and the position after them.
    fn code_unit(&self, at: usize) -> Result<(u16, usize), JsonFault> {
        let digits = at.saturating_add(2);
        let end = digits.saturating_add(4);
        let mut unit = 0_u16;
        for position in digits..end {
            let byte = self.byte_at(position).ok_or_else(|| self.unexpected_end())?;
            let digit = char::from(byte)
                .to_digit(16)
                .and_then(|digit| u16::try_from(digit).ok());
            let digit = digit.ok_or_else(|| self.fault_at(position, "hexadecimal digit expected"))?;
            unit = unit.wrapping_mul(16).wrapping_add(digit);
        }
        Ok((unit, end))
    }

    /// What a validated string stands for.
    pub(super) fn unescape(&self, quoted: &Quoted<'a>) -> Result<Cow<'a, str>, JsonFault> {
        if !quoted.escaped {
            return Ok(Cow::Borrowed(quoted.raw));
        }
        let mut out = String::with_capacity(quoted.raw.len());
        let mut rest = quoted.raw;
        let mut at = quoted.start;
        while let Some((plain, _)) = rest.split_once('\\') {
            out.push_str(plain);
            let (character, after) = self.escape(at.saturating_add(plain.len()))?;
            out.push(character);
            rest = quoted.raw.get(after.saturating_sub(quoted.start)..).unwrap_or_default();
            at = after;
        }
        out.push_str(rest);
        Ok(Cow::Owned(out))
    }
}

const UNPAIRED: &str = "unpaired surrogate";

/// The number of bytes before the first that a string cannot hold as it is: a quote, a backslash, a control character.
fn plain_run(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .position(|byte| matches!(byte, b'"' | b'\\' | 0..=0x1f))
        .unwrap_or(bytes.len())
}

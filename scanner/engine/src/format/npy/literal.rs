//! A strict reader of the Python literals that a NumPy header may hold. It evaluates nothing.

/// A literal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Literal {
    Text(String),
    Number(u64),
    Negative,
    Bool(bool),
    None,
    /// A tuple or a list.
    Sequence(Vec<Self>),
    Dictionary(Vec<(Self, Self)>),
}

/// Which rule is broken, and at which byte of the header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) at: usize,
    pub(super) rule: &'static str,
}

/// Sequences inside sequences; a structured type needs four.
const DEEPEST: usize = 32;

const NOT_A_LITERAL: &str =
    "npy: the header is a literal of strings, integers, booleans, tuples, lists and dictionaries";

/// Reads one literal and the white space around it; nothing may follow.
pub(super) fn read(text: &[u8]) -> Result<Literal, Broken> {
    let mut reader = Reader { text, at: 0 };
    let value = reader.value(0)?;
    reader.space();
    if reader.at < text.len() {
        return Err(reader.broken("npy: only white space follows the header's dictionary"));
    }
    Ok(value)
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn broken(&self, rule: &'static str) -> Broken {
        Broken { at: self.at, rule }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn space(&mut self) {
        while self
            .peek()
            .is_some_and(|b| matches!(b, b' ' | b'\t' | b'\n' | b'\r' | b'\x0c'))
        {
            self.at = self.at.saturating_add(1);
        }
    }

    fn eat(&mut self, expected: &[u8]) -> bool {
        let found = self.text.get(self.at..).is_some_and(|rest| rest.starts_with(expected));
        if found {
            self.at = self.at.saturating_add(expected.len());
        }
        found
    }

    fn value(&mut self, depth: usize) -> Result<Literal, Broken> {
        if depth > DEEPEST {
            return Err(self.broken("npy: the header nests too deeply"));
        }
        self.space();
        for (word, value) in [
            ("True", Literal::Bool(true)),
            ("False", Literal::Bool(false)),
            ("None", Literal::None),
        ] {
            if self.eat(word.as_bytes()) {
                return Ok(value);
            }
        }
        match self.peek() {
            Some(b'\'' | b'"') => self.text(),
            Some(b'u' | b'b') if matches!(self.text.get(self.at.saturating_add(1)), Some(b'\'' | b'"')) => {
                self.at = self.at.saturating_add(1);
                self.text()
            }
            Some(b'-') => {
                self.at = self.at.saturating_add(1);
                self.number().map(|_| Literal::Negative)
            }
            Some(b'0'..=b'9') => self.number(),
            Some(b'(') => self.sequence(b')', depth),
            Some(b'[') => self.sequence(b']', depth),
            Some(b'{') => self.dictionary(depth),
            _ => Err(self.broken(NOT_A_LITERAL)),
        }
    }

    fn text(&mut self) -> Result<Literal, Broken> {
        let quote = self.peek();
        self.at = self.at.saturating_add(1);
        let mut bytes = Vec::new();
        loop {
            match self.peek() {
                Some(b'\\') => return Err(self.broken("npy: a string of the header has an escape")),
                Some(b'\n') | None => return Err(self.broken("npy: a string of the header has no end")),
                byte if byte == quote => {
                    self.at = self.at.saturating_add(1);
                    return Ok(Literal::Text(String::from_utf8_lossy(&bytes).into_owned()));
                }
                Some(byte) => bytes.push(byte),
            }
            self.at = self.at.saturating_add(1);
        }
    }

    fn number(&mut self) -> Result<Literal, Broken> {
        let mut value = Some(0u64);
        let start = self.at;
        while let Some(digit @ b'0'..=b'9') = self.peek() {
            let digit = u64::from(digit.saturating_sub(b'0'));
            value = value.and_then(|v| v.checked_mul(10)?.checked_add(digit));
            self.at = self.at.saturating_add(1);
        }
        // Python 2 wrote long integers with a suffix.
        self.eat(b"L");
        match value {
            Some(value) if self.at > start => Ok(Literal::Number(value)),
            _ => Err(self.broken("npy: a number of the header does not fit 64 bits")),
        }
    }

    fn sequence(&mut self, close: u8, depth: usize) -> Result<Literal, Broken> {
        self.at = self.at.saturating_add(1);
        let mut items = Vec::new();
        loop {
            self.space();
            if self.eat(&[close]) {
                return Ok(Literal::Sequence(items));
            }
            items.push(self.value(depth.saturating_add(1))?);
            self.space();
            if !self.eat(b",") {
                if self.eat(&[close]) {
                    // Parentheses around one value without a comma are no tuple.
                    let single = close == b')' && items.len() == 1;
                    return Ok(if single {
                        items.pop().unwrap_or(Literal::None)
                    } else {
                        Literal::Sequence(items)
                    });
                }
                return Err(self.broken(NOT_A_LITERAL));
            }
        }
    }

    fn dictionary(&mut self, depth: usize) -> Result<Literal, Broken> {
        self.at = self.at.saturating_add(1);
        let mut items = Vec::new();
        loop {
            self.space();
            if self.eat(b"}") {
                return Ok(Literal::Dictionary(items));
            }
            let key = self.value(depth.saturating_add(1))?;
            self.space();
            if !self.eat(b":") {
                return Err(self.broken(NOT_A_LITERAL));
            }
            items.push((key, self.value(depth.saturating_add(1))?));
            self.space();
            if !self.eat(b",") {
                self.space();
                if self.eat(b"}") {
                    return Ok(Literal::Dictionary(items));
                }
                return Err(self.broken(NOT_A_LITERAL));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_and_code_is_not() {
        let number = |n| Literal::Number(n);
        for (text, value) in [
            ("(3, 4)", Literal::Sequence(vec![number(3), number(4)])),
            ("(3L,)", Literal::Sequence(vec![number(3)])),
            ("(3)", number(3)),
            ("()", Literal::Sequence(vec![])),
            (
                " {'a': False, } \n",
                Literal::Dictionary(vec![(Literal::Text("a".into()), Literal::Bool(false))]),
            ),
            (
                "[u'x', None]",
                Literal::Sequence(vec![Literal::Text("x".into()), Literal::None]),
            ),
            ("-1", Literal::Negative),
        ] {
            assert_eq!(read(text.as_bytes()), Ok(value), "{text}");
        }
        let deep = "(".repeat(100_000);
        for text in [
            "__import__('os')",
            "{'a': __import__('os')}",
            "('a' 'b')",
            "{'a': 1} + {}",
            "1 + 1",
            "'\\x41'",
            "'open",
            "99999999999999999999",
            "{'a'}",
            "lambda: 0",
            "",
            &deep,
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text:.20}");
        }
    }
}

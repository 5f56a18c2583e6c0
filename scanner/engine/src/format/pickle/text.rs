//! How the text opcodes spell characters.

/// Where a text stands and how it is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct Text {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) spelling: Spelling,
    /// Whether it may begin with two underscores.
    pub(super) dunder: bool,
}

/// How a text's bytes become characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Spelling {
    /// UTF-8, or bytes of Python 2.
    Plain,
    /// `UNICODE`: `\uXXXX` and `\UXXXXXXXX`.
    Escaped,
    /// `STRING`: quoted, with Python's escapes.
    Quoted,
}

impl Spelling {
    /// The characters of `raw`.
    pub(super) fn decode(self, raw: &[u8]) -> String {
        match self {
            Self::Plain => String::from_utf8_lossy(raw).into_owned(),
            Self::Escaped => unescape(raw, false),
            Self::Quoted => {
                let inner = raw.trim_ascii_end();
                let end = inner.len().saturating_sub(1).max(1);
                unescape(inner.get(1..end).unwrap_or_default(), true)
            }
        }
    }
}

/// Escapes that a name could be hidden in; others stay as they are.
fn unescape(raw: &[u8], quoted: bool) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(char::from(byte));
            continue;
        }
        let Some((&kind, after)) = rest.split_first() else {
            break;
        };
        let digits = match kind {
            b'u' if !quoted => 4,
            b'U' if !quoted => 8,
            b'x' if quoted => 2,
            b'0'..=b'7' if quoted => {
                let octal = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let code = rest.iter().take(octal).fold(0u32, |n, b| (n << 3) | u32::from(b & 7));
                out.extend(char::from_u32(code));
                rest = rest.get(octal..).unwrap_or_default();
                continue;
            }
            b'\\' | b'\'' | b'"' if quoted => {
                out.push(char::from(kind));
                rest = after;
                continue;
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        let hex = after.get(..digits).and_then(|h| std::str::from_utf8(h).ok());
        match hex
            .and_then(|h| u32::from_str_radix(h, 16).ok())
            .and_then(char::from_u32)
        {
            Some(c) => {
                out.push(c);
                rest = after.get(digits..).unwrap_or_default();
            }
            None => out.push('\\'),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_the_unpickler_reads_them() {
        for (spelling, raw, text) in [
            (Spelling::Plain, &b"system"[..], "system"),
            (Spelling::Escaped, b"s\\u0079stem", "system"),
            (Spelling::Escaped, b"\\U0000006fs", "os"),
            (Spelling::Quoted, b"'s\\x79stem'", "system"),
            (Spelling::Quoted, b"\"s\\171stem\"  ", "system"),
            (Spelling::Quoted, b"'a\\\\b\\'c'", "a\\b'c"),
            (Spelling::Quoted, b"'\\x7", "\\x"),
            (Spelling::Quoted, b"'", ""),
            (Spelling::Escaped, b"end\\", "end"),
        ] {
            assert_eq!(spelling.decode(raw), text, "{spelling:?} {raw:?}");
        }
    }
}

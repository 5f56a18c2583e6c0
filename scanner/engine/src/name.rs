//! Names as they are written in reports: never raw, always reversible.
//!
//! CONTRACT.md: in `path` and `nested`, bytes that are not UTF-8, control characters, `%`, and `!` inside a name are
//! written `%XX`; levels join with `!`. Text inside messages is made safe for a terminal by [`printable`].

use std::fmt::Write;

/// The longest name written out, in bytes of the original; the rest is replaced by its length.
const LONGEST: usize = 4096;

/// One level of a nested path, escaped; `!` included.
pub(crate) fn escape_level(raw: &[u8]) -> String {
    escape(raw, true)
}

/// The raw bytes of one level, as reports write it in `path` and `nested`. What that cut off is not known any more.
pub fn unescape_level(text: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((byte, behind)) = rest.split_first() {
        let digits = behind.get(..2).and_then(|d| std::str::from_utf8(d).ok());
        match digits
            .filter(|_| *byte == b'%')
            .and_then(|d| u8::from_str_radix(d, 16).ok())
        {
            Some(raw) => {
                out.push(raw);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                out.push(*byte);
                rest = behind;
            }
        }
    }
    out
}

/// A path given by the user or the walk, escaped; `!` is escaped too, so that levels stay unambiguous.
pub(crate) fn escape_path(raw: &[u8]) -> String {
    escape(raw, true)
}

/// Text from an artifact, made safe to print inside a sentence: control, bidirectional and other invisible characters
/// become `%XX` of their UTF-8 bytes.
pub fn printable(raw: &[u8]) -> String {
    escape(raw, false)
}

fn escape(raw: &[u8], structural: bool) -> String {
    let (kept, cut) = match raw.get(..LONGEST) {
        Some(kept) if raw.len() > LONGEST => (kept, raw.len().saturating_sub(LONGEST)),
        _ => (raw, 0),
    };
    let mut out = String::with_capacity(kept.len());
    for chunk in kept.utf8_chunks() {
        for c in chunk.valid().chars() {
            if hidden(c) || (structural && (c == '%' || c == '!')) {
                let mut buffer = [0u8; 4];
                for byte in c.encode_utf8(&mut buffer).bytes() {
                    push_hex(&mut out, byte);
                }
            } else {
                out.push(c);
            }
        }
        for &byte in chunk.invalid() {
            push_hex(&mut out, byte);
        }
    }
    if cut > 0 {
        // A `write!` to a `String` cannot fail.
        let _ = write!(out, "%..{cut} more bytes");
    }
    out
}

/// Whether a character is invisible, moves the cursor, or reorders its neighbours.
pub fn hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}'
            | '\u{feff}' | '\u{61c}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
}

fn push_hex(out: &mut String, byte: u8) {
    let _ = write!(out, "%{byte:02X}");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_escaped_reversibly_and_never_raw() {
        for (raw, level, text) in [
            (&b"plain.py"[..], "plain.py", "plain.py"),
            (b"a!b%c", "a%21b%25c", "a!b%c"),
            (b"nul\0esc\x1b[31m", "nul%00esc%1B[31m", "nul%00esc%1B[31m"),
            (b"\xff\xfe", "%FF%FE", "%FF%FE"),
            ("\u{202e}txt".as_bytes(), "%E2%80%AEtxt", "%E2%80%AEtxt"),
        ] {
            assert_eq!(escape_level(raw), level);
            assert_eq!(printable(raw), text);
            assert_eq!(unescape_level(level), raw);
        }
        assert!(escape_level(&[b'a'; 70_000]).len() < 4200);
    }
}

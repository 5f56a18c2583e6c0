//! Names from the kernel as text: escaped for people, whole or in Base64 for scripts.

use std::fmt::Write;

/// A name on one line: control characters, characters that turn the direction of writing or cannot be seen, and bytes that
/// are not UTF-8 as `\x1b` or `\u{202e}`, a backslash doubled.
#[must_use]
pub fn printable(name: &[u8]) -> String {
    let mut out = String::with_capacity(name.len());
    for chunk in name.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\\' => out.push_str("\\\\"),
                c if c.is_ascii_control() => _ = write!(out, "\\x{:02x}", u32::from(c)),
                c if c.is_control() || is_invisible(c) => _ = write!(out, "\\u{{{:x}}}", u32::from(c)),
                c => out.push(c),
            }
        }
        for byte in chunk.invalid() {
            _ = write!(out, "\\x{byte:02x}");
        }
    }
    out
}

/// Separators of lines, marks of direction, characters of no width.
pub(super) fn is_invisible(c: char) -> bool {
    matches!(u32::from(c), 0xad | 0x61c | 0x180e | 0x200b..=0x200f | 0x2028..=0x202e | 0x2060..=0x206f | 0xfe00..=0xfe0f
        | 0xfeff | 0xfff9..=0xfffb | 0xe0000..=0xe0fff)
}

/// The name itself where it is UTF-8.
pub(super) fn utf8(name: &[u8]) -> Option<String> {
    std::str::from_utf8(name).ok().map(str::to_owned)
}

/// The name in Base64 where it is not UTF-8.
pub(super) fn unless_utf8(name: &[u8]) -> Option<String> {
    std::str::from_utf8(name).is_err().then(|| base64(name))
}

/// Base64 (RFC 4648, section 4), padded.
#[must_use]
pub fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let mut group = [0; 3];
        group[..chunk.len()].copy_from_slice(chunk);
        let bits = u32::from_be_bytes([0, group[0], group[1], group[2]]);
        for place in 0..4 {
            let sextet = (bits >> (18 - 6 * place)) & 63;
            out.push(if place <= chunk.len() {
                char::from(ALPHABET[sextet as usize])
            } else {
                '='
            });
        }
    }
    out
}

/// `12,345`.
pub(super) fn number(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// `1 act`, `2 acts`.
pub(super) fn count(n: u64, what: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {what}{s}", number(n))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_deceive_is_visible() {
        for (name, want) in [
            (&b"/plain/\xc3\xa4"[..], "/plain/\u{e4}"),
            (b"/a\nb\x1b[2J\x7f", "/a\\x0ab\\x1b[2J\\x7f"),
            (b"/not\xff\xfeutf8", "/not\\xff\\xfeutf8"),
            (b"/a\\x0a", "/a\\\\x0a"),
            ("/a\u{202e}fdp".as_bytes(), "/a\\u{202e}fdp"),
            ("/a\u{85}\u{200b}".as_bytes(), "/a\\u{85}\\u{200b}"),
            (b"", ""),
        ] {
            assert_eq!(printable(name), want);
        }
    }

    #[test]
    fn base64_as_in_the_rfc() {
        let cases = [
            ("", ""),
            ("f", "Zg=="),
            ("fo", "Zm8="),
            ("foo", "Zm9v"),
            ("foob", "Zm9vYg=="),
            ("fooba", "Zm9vYmE="),
        ];
        for (bytes, want) in cases {
            assert_eq!(base64(bytes.as_bytes()), want);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn numbers_are_grouped() {
        for (n, want) in [
            (0, "0 acts"),
            (1, "1 act"),
            (999, "999 acts"),
            (1_000, "1,000 acts"),
            (1_234_567, "1,234,567 acts"),
        ] {
            assert_eq!(count(n, "act"), want);
        }
    }
}

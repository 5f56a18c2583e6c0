//! Base64 inside a document's string, as Python decodes it: what is no letter of the alphabet is passed over.

use crate::format::{Decoder, Parse};
use std::io::{self, Read, Write};

/// The shortest text that is worth decoding.
const SHORTEST: usize = 64;

/// Decodes base64 out of the inside of a JSON string or of a Python text.
pub(in crate::format) struct Base64;

impl Decoder for Base64 {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, _parent: &mut Parse) -> io::Result<u64> {
        let (mut bits, mut held) = (0u32, 0u32);
        let mut escape = Escape::None;
        let mut total = 0u64;
        let mut buffer = [0u8; 4096];
        let mut decoded = Vec::with_capacity(buffer.len());
        loop {
            let n = input.read(&mut buffer)?;
            if n == 0 {
                return Ok(total);
            }
            total = total.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
            decoded.clear();
            let mut ended = false;
            for byte in buffer.get(..n).unwrap_or_default() {
                let Some(byte) = escape.step(*byte) else { continue };
                // Padding that completes a group ends the text.
                if byte == b'=' && held > 0 {
                    ended = true;
                    break;
                }
                let Some(value) = value(byte) else { continue };
                bits = (bits << 6) | u32::from(value);
                held = held.saturating_add(6);
                if held >= 8 {
                    held = held.saturating_sub(8);
                    let [.., low] = bits.checked_shr(held).unwrap_or(0).to_be_bytes();
                    decoded.push(low);
                }
            }
            output.write_all(&decoded)?;
            if ended {
                return Ok(total);
            }
        }
    }
}

/// Where in an escape of a JSON string the reader is.
#[derive(Clone, Copy)]
enum Escape {
    None,
    Open,
    Hex { left: u8, value: u32 },
}

impl Escape {
    /// The character that this byte completes.
    fn step(&mut self, byte: u8) -> Option<u8> {
        match *self {
            Self::None if byte == b'\\' => {
                *self = Self::Open;
                None
            }
            Self::None => Some(byte),
            Self::Open => {
                *self = if byte == b'u' {
                    Self::Hex { left: 4, value: 0 }
                } else {
                    Self::None
                };
                // Of the short escapes only the slash is a letter.
                (byte == b'/').then_some(byte)
            }
            Self::Hex { left, value } => {
                let digit = char::from(byte).to_digit(16).unwrap_or(0);
                let value = value.saturating_mul(16).saturating_add(digit);
                let left = left.saturating_sub(1);
                if left > 0 {
                    *self = Self::Hex { left, value };
                    return None;
                }
                *self = Self::None;
                u8::try_from(value).ok()
            }
        }
    }
}

fn value(byte: u8) -> Option<u8> {
    match byte {
        b'A'..=b'Z' => byte.checked_sub(b'A'),
        b'a'..=b'z' => byte.checked_sub(b'a').and_then(|n| n.checked_add(26)),
        b'0'..=b'9' => byte.checked_sub(b'0').and_then(|n| n.checked_add(52)),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

/// Whether a text is base64 and long enough to hide something: letters of the alphabet, line breaks, padding.
pub(in crate::format) fn is_base64(text: &[u8]) -> bool {
    let letters = text.iter().filter(|b| value(**b).is_some()).count();
    let others = text.iter().filter(|b| value(**b).is_none());
    let kinds = [u8::is_ascii_uppercase, u8::is_ascii_lowercase, u8::is_ascii_digit];
    letters >= SHORTEST
        && others.into_iter().all(|b| matches!(b, b'\n' | b'\r' | b'='))
        && kinds.iter().all(|kind| text.iter().any(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(text: &[u8]) -> Vec<u8> {
        let mut out = Vec::new();
        Base64
            .decode(&mut &text[..], &mut out, &mut Parse::new("json"))
            .unwrap();
        out
    }

    #[test]
    fn it_decodes_what_python_decodes() {
        for (text, expected) in [
            (&b"aGVsbG8="[..], &b"hello"[..]),
            (b"aGVs\\nbG8=\\n", b"hello"),
            (b"a GV*sbG8=", b"hello"),
            (b"\\u0061GVsbG8=", b"hello"),
            (b"/\\/8=", b"\xff\xff"),
            (b"aGVsbG8=aGVs", b"hello"),
            (b"", b""),
        ] {
            assert_eq!(decode(text), expected);
        }
    }

    #[test]
    fn a_sentence_is_no_base64() {
        assert!(is_base64("aGVsbG8gd29ybGQ0".repeat(6).as_bytes()));
        assert!(!is_base64(&b"the quick brown fox jumps over the lazy dog ".repeat(3)));
        assert!(!is_base64(&b"thequickbrownfox".repeat(6)));
        assert!(!is_base64(b"aGVsbG8="));
    }
}

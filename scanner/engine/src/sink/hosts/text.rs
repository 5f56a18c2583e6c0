//! Reading single characters forwards and backwards in UTF-8 and UTF-16; every other encoding is read as UTF-8 once it is
//! decoded.

use super::Encoding;

/// The character at `at` and its length in bytes; `None` at the end and at bytes that encode no character.
pub(super) fn decode(encoding: Encoding, bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let rest = bytes.get(at..)?;
    match encoding {
        Encoding::Utf16Le => {
            let unit: [u8; 2] = rest.first_chunk().copied()?;
            Some((char::from_u32(u32::from(u16::from_le_bytes(unit)))?, 2))
        }
        Encoding::Utf16Be => {
            let unit: [u8; 2] = rest.first_chunk().copied()?;
            Some((char::from_u32(u32::from(u16::from_be_bytes(unit)))?, 2))
        }
        _ => decode_utf8(rest),
    }
}

fn decode_utf8(rest: &[u8]) -> Option<(char, usize)> {
    let first = *rest.first()?;
    let len = match first {
        0x00..=0x7f => return Some((char::from(first), 1)),
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return None,
    };
    let ch = std::str::from_utf8(rest.get(..len)?).ok()?.chars().next()?;
    Some((ch, len))
}

/// The ASCII character that ends at `end`, and where it starts.
pub(super) fn ascii_before(encoding: Encoding, bytes: &[u8], end: usize) -> Option<(u8, usize)> {
    match encoding {
        Encoding::Utf16Le | Encoding::Utf16Be => {
            let at = end.checked_sub(2)?;
            match (encoding, bytes.get(at..end)?) {
                (Encoding::Utf16Le, &[low, 0]) | (Encoding::Utf16Be, &[0, low]) => Some((low, at)),
                _ => None,
            }
        }
        _ => {
            let at = end.checked_sub(1)?;
            Some((*bytes.get(at)?, at))
        }
    }
}

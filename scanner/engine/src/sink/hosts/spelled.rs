//! URLs whose letters are written in base64, hexadecimal, percent-encoding, escapes or character codes.

use super::view::{self, View};
use super::{Candidate, Encoding};

/// How a needle's surroundings are decoded.
#[derive(Clone, Copy)]
enum Spelling {
    /// Base64; the needle starts this many characters into a group of four, and the URL this many bytes into its three.
    Base64(usize, usize),
    /// The same of UTF-16 with the low byte first.
    Base64Wide(usize, usize),
    /// Digits in pairs.
    Hex,
    /// `0x68, 0x74`: numbers in hexadecimal, with commas.
    HexList,
    /// `104, 116`: numbers, with commas.
    Codes,
    /// Escapes of a language, from the needle on.
    Escapes,
    /// Escapes, with the scheme in front of the needle, which is the escaped colon or slash.
    EscapedSlashes,
    /// Percent-encoding from the needle on.
    Percent,
    /// Percent-encoding, with the scheme in front of the needle.
    PercentSlashes,
}

/// The needles: `http`, `https://` and `wss://` at the three alignments of base64, and so on.
const NEEDLES: &[(&str, Spelling)] = &[
    ("aHR0cDovL", Spelling::Base64(0, 0)),
    ("aHR0cHM6Ly", Spelling::Base64(0, 0)),
    ("h0dHA6Ly", Spelling::Base64(2, 1)),
    ("h0dHBzOi8v", Spelling::Base64(2, 1)),
    ("odHRwOi8v", Spelling::Base64(3, 2)),
    ("odHRwczovL", Spelling::Base64(3, 2)),
    ("d3NzOi8v", Spelling::Base64(0, 0)),
    ("dzczovL", Spelling::Base64(2, 1)),
    ("3c3M6Ly", Spelling::Base64(3, 2)),
    ("aAB0AHQAcA", Spelling::Base64Wide(0, 0)),
    ("gAdAB0AHAA", Spelling::Base64Wide(2, 1)),
    ("oAHQAdABwA", Spelling::Base64Wide(3, 2)),
    ("68747470", Spelling::Hex),
    ("7773733a2f2f", Spelling::Hex),
    ("0x68,0x74,0x74", Spelling::HexList),
    ("0x68, 0x74, 0x74", Spelling::HexList),
    ("104,116,116,112", Spelling::Codes),
    ("104, 116, 116, 112", Spelling::Codes),
    (r"\x68\x74\x74", Spelling::Escapes),
    (r"\u0068\u0074", Spelling::Escapes),
    (r":\u002f", Spelling::EscapedSlashes),
    (r":\u002F", Spelling::EscapedSlashes),
    (r":\x2f", Spelling::EscapedSlashes),
    (r":\x2F", Spelling::EscapedSlashes),
    ("%68%74%74%70", Spelling::Percent),
    ("%3A%2F%2F", Spelling::PercentSlashes),
    ("%3a%2f%2f", Spelling::PercentSlashes),
];

/// Bytes in front of a colon that its scheme, escaped, may take.
const BEFORE: usize = 60;

/// Bytes of the rest of a URL, escaped, that are looked at for an escape.
const BEHIND: usize = 1024;

pub(super) fn patterns() -> Vec<&'static str> {
    NEEDLES.iter().map(|(needle, _)| *needle).collect()
}

/// The host of the URL that the needle `which` at `at` begins.
pub(super) fn read(bytes: &[u8], at: usize, which: usize) -> Option<(Encoding, Candidate)> {
    let (_, spelling) = NEEDLES.get(which)?;
    Some(match *spelling {
        Spelling::Base64(chars, skip) => {
            let start = at.checked_sub(chars)?;
            let found = view::read(|most| base64(bytes, start, skip, most))?;
            (Encoding::Base64, found)
        }
        Spelling::Base64Wide(chars, skip) => {
            let start = at.checked_sub(chars)?;
            let found = view::read(|most| narrow(&base64(bytes, start, skip, most.saturating_mul(2))))?;
            (Encoding::Base64Wide, found)
        }
        Spelling::Hex => (Encoding::Hex, view::read(|most| hex(bytes, at, most))?),
        Spelling::HexList => (Encoding::Hex, view::read(|most| numbers(bytes, at, most))?),
        Spelling::Codes => {
            let apart = at
                .checked_sub(1)
                .and_then(|before| bytes.get(before))
                .is_none_or(|b| !b.is_ascii_digit());
            let found = apart.then(|| view::read(|most| numbers(bytes, at, most))).flatten()?;
            (Encoding::Escaped, found)
        }
        Spelling::Escapes => (Encoding::Escaped, view::read(|most| escapes(bytes, at, most))?),
        Spelling::EscapedSlashes => (Encoding::Escaped, around(bytes, at)?),
        Spelling::Percent => (Encoding::Percent, view::read(|most| percent(bytes, at, most))?),
        Spelling::PercentSlashes => {
            let before = bytes.get(at.saturating_sub(5)..at)?;
            let letters = before.iter().rev().take_while(|b| b.is_ascii_alphabetic()).count();
            let text = before.get(before.len().saturating_sub(letters)..)?.to_ascii_lowercase();
            let scheme = ["https", "http", "wss", "ws"]
                .into_iter()
                .find(|scheme| text.ends_with(scheme.as_bytes()))?;
            let start = at.checked_sub(scheme.len())?;
            (Encoding::Percent, view::read(|most| percent(bytes, start, most))?)
        }
    })
}

/// The host of the URL with its colon at `colon`, when some of its letters are escaped.
pub(super) fn around(bytes: &[u8], colon: usize) -> Option<Candidate> {
    let from = colon.saturating_sub(BEFORE);
    let before = bytes.get(from..colon)?;
    let len = before
        .iter()
        .rev()
        .take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'\\' | b'{' | b'}'))
        .count();
    let start = colon.checked_sub(len)?;
    let behind = bytes.get(colon..)?.iter().take(BEHIND);
    // Another colon, or a slash behind the first two, ends what can hold an escape: the work stays linear.
    let host = |&(index, b): &(usize, &u8)| {
        b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'@' | b'\\' | b'{' | b'}') || index < 3
    };
    let len = behind.enumerate().take_while(host).count();
    let end = colon.checked_add(len)?;
    let text = bytes.get(start..end)?;
    if !text
        .windows(2)
        .any(|w| w.first() == Some(&b'\\') && matches!(w.last(), Some(b'x' | b'u')))
    {
        return None;
    }
    let view = escapes(bytes, start, end.saturating_sub(start));
    let at = view.index_of(colon)?;
    let found = view.url(at)?;
    let letters = view.index_of(found.host_end).unwrap_or_else(|| view.len());
    let letters = letters.checked_sub(view.index_of(found.url_at)?)?;
    (found.host_end.checked_sub(found.url_at)? != letters).then_some(found)
}

fn sextet(byte: u8) -> Option<u32> {
    Some(u32::from(match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    }))
}

/// What base64 from `start` on gives, without its first `skip` bytes; line breaks are passed over.
fn base64(bytes: &[u8], start: usize, skip: usize, most: usize) -> View {
    let mut view = View::default();
    let (mut bits, mut held, mut skipped, mut before) = (0_u32, 0_u32, 0_usize, start);
    for (index, &byte) in bytes.get(start..).unwrap_or_default().iter().enumerate() {
        let at = start.saturating_add(index);
        if matches!(byte, b'\r' | b'\n') {
            continue;
        }
        let Some(value) = sextet(byte).filter(|_| view.len() < most) else {
            break;
        };
        bits = (bits << 6) | value;
        held = held.saturating_add(6);
        if held >= 8 {
            held = held.saturating_sub(8);
            let [.., low] = bits.checked_shr(held).unwrap_or(0).to_be_bytes();
            if skipped < skip {
                skipped = skipped.saturating_add(1);
            } else {
                view.push(low, before, at.saturating_add(1));
            }
        }
        before = at;
    }
    view
}

/// The ASCII of UTF-16 with the low byte first, up to the first other character.
fn narrow(wide: &View) -> View {
    let mut view = View::default();
    for (unit, place) in wide.text.chunks_exact(2).zip(wide.places().chunks_exact(2)) {
        let (&[low, 0], &[at, end]) = (unit, place) else {
            break;
        };
        view.push(low, at, end.saturating_add(2));
    }
    view
}

fn nibble(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).and_then(|d| u8::try_from(d).ok())
}

/// The value of two hexadecimal digits.
fn pair(high: Option<&u8>, low: Option<&u8>) -> Option<u8> {
    Some((nibble(*high?)? << 4) | nibble(*low?)?)
}

fn hex(bytes: &[u8], start: usize, most: usize) -> View {
    let mut view = View::default();
    let mut at = start;
    while view.len() < most
        && let Some(byte) = pair(bytes.get(at), bytes.get(at.saturating_add(1)))
    {
        let end = at.saturating_add(2);
        view.push(byte, at, end);
        at = end;
    }
    view
}

/// Bytes as numbers between commas, decimal or with `0x`.
fn numbers(bytes: &[u8], start: usize, most: usize) -> View {
    let mut view = View::default();
    let mut at = start;
    while view.len() < most {
        let rest = bytes.get(at..).unwrap_or_default();
        let (prefix, radix) = if rest.starts_with(b"0x") { (2, 16) } else { (0, 10) };
        let digits = rest.get(prefix..).unwrap_or_default().iter().take(3);
        let len = digits.take_while(|b| char::from(**b).is_digit(radix)).count();
        let end = prefix.saturating_add(len);
        let text = rest.get(prefix..end).and_then(|t| std::str::from_utf8(t).ok());
        let Some(byte) = text.and_then(|t| u8::from_str_radix(t, radix).ok()) else {
            break;
        };
        let end = at.saturating_add(end);
        view.push(byte, at, end);
        let rest = bytes.get(end..).unwrap_or_default();
        let Some(rest) = rest.strip_prefix(b",") else { break };
        let blanks = rest.iter().take(64).take_while(|b| b.is_ascii_whitespace()).count();
        at = end.saturating_add(blanks).saturating_add(1);
    }
    view
}

/// Text with escapes of JavaScript, JSON and Python; quotes, blanks and other escapes end it.
fn escapes(bytes: &[u8], start: usize, most: usize) -> View {
    let mut view = View::default();
    let mut at = start;
    while view.len() < most
        && let Some(&byte) = bytes.get(at)
    {
        if byte != b'\\' {
            if !(b'!'..=b'~').contains(&byte) || matches!(byte, b'"' | b'\'' | b'`') {
                break;
            }
            view.push(byte, at, at.saturating_add(1));
            at = at.saturating_add(1);
            continue;
        }
        let rest = bytes.get(at..).unwrap_or_default();
        let slashes = rest.iter().take(4).take_while(|b| **b == b'\\').count();
        let Some((ch, len)) = escape(rest.get(slashes..).unwrap_or_default()) else {
            break;
        };
        let end = at.saturating_add(slashes).saturating_add(len);
        view.push_char(ch, at, end);
        at = end;
    }
    view
}

/// The character of the escape at the start of `rest`, behind its backslash, and the escape's length.
fn escape(rest: &[u8]) -> Option<(char, usize)> {
    let number = |text: &[u8]| u32::from_str_radix(std::str::from_utf8(text).ok()?, 16).ok();
    match rest.first()? {
        b'/' => Some(('/', 1)),
        b'x' => Some((char::from(pair(rest.get(1), rest.get(2))?), 3)),
        b'u' if rest.get(1) == Some(&b'{') => {
            let len = rest.iter().take(10).position(|b| *b == b'}')?;
            Some((char::from_u32(number(rest.get(2..len)?)?)?, len.checked_add(1)?))
        }
        b'u' => Some((char::from_u32(number(rest.get(1..5)?)?)?, 5)),
        _ => None,
    }
}

fn percent(bytes: &[u8], start: usize, most: usize) -> View {
    let mut view = View::default();
    let mut at = start;
    while view.len() < most
        && let Some(&byte) = bytes.get(at)
    {
        let (byte, len) = match byte {
            b'%' => match pair(bytes.get(at.saturating_add(1)), bytes.get(at.saturating_add(2))) {
                Some(byte) => (byte, 3),
                None => break,
            },
            b'"' | b'\'' | b'`' | b'\\' | b'<' | b'>' => break,
            b'!'..=b'~' => (byte, 1),
            _ => break,
        };
        let end = at.saturating_add(len);
        view.push(byte, at, end);
        at = end;
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sink::packed::Packed;

    #[test]
    fn the_needles_are_searched_together() {
        assert!(matches!(
            Packed::new(&patterns()),
            Packed::Vector(_) | Packed::Automaton(_)
        ));
    }
}

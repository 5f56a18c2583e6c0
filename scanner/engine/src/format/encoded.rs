//! Texts that spell bytes: hexadecimal, base32, base64 in both alphabets, base85 and Ascii85, and one inside another.
//!
//! A text counts only when what it spells begins like something that is examined (a pickle, a compressed stream, an
//! archive, compiled code), or like another such text around one. Everything it spells becomes a nested artifact.

use super::{Decoder, Input, Parse};
use std::io::{self, Read, Write};

/// Texts shorter than this spell nothing worth a look.
pub(super) const LEAST: u64 = 32;
/// How many encodings are looked through to see what the innermost spells.
const LEVELS: u32 = 4;
/// How much of a text is looked at.
const HEAD: u64 = 4096;

/// How a text spells bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Encoding {
    Hex,
    Base32,
    Base64,
    /// RFC 1924, as Python's `b85encode` and git have it.
    Base85,
    Ascii85,
}

const ALL: [Encoding; 5] = [
    Encoding::Hex,
    Encoding::Base64,
    Encoding::Base32,
    Encoding::Base85,
    Encoding::Ascii85,
];

impl Encoding {
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Hex => "hexadecimal",
            Self::Base32 => "base32",
            Self::Base64 => "base64",
            Self::Base85 => "base85",
            Self::Ascii85 => "ascii85",
        }
    }

    /// Bits of one character; `None` for the two in which five characters are a number.
    const fn bits(self) -> Option<u32> {
        match self {
            Self::Hex => Some(4),
            Self::Base32 => Some(5),
            Self::Base64 => Some(6),
            Self::Base85 | Self::Ascii85 => None,
        }
    }

    /// Whether a text of this encoding may hold `byte`.
    fn holds(self, byte: u8) -> bool {
        let padded = matches!(self, Self::Base64 | Self::Base32);
        matches!(byte, b'\n' | b'\r')
            || padded && byte == b'='
            || self == Self::Ascii85 && byte == b'z'
            || self.digit(byte).is_some()
    }

    fn digit(self, byte: u8) -> Option<u32> {
        let value = match (self, byte) {
            (_, b'0'..=b'9') if self == Self::Hex || self == Self::Base85 => byte.wrapping_sub(b'0'),
            (Self::Hex, b'a'..=b'f') => byte.wrapping_sub(b'a').wrapping_add(10),
            (Self::Hex, b'A'..=b'F') => byte.wrapping_sub(b'A').wrapping_add(10),
            (Self::Base32 | Self::Base64, b'A'..=b'Z') => byte.wrapping_sub(b'A'),
            (Self::Base32, b'2'..=b'7') => byte.wrapping_sub(b'2').wrapping_add(26),
            (Self::Base64, b'a'..=b'z') => byte.wrapping_sub(b'a').wrapping_add(26),
            (Self::Base64, b'0'..=b'9') => byte.wrapping_sub(b'0').wrapping_add(52),
            (Self::Base64, b'+' | b'-') => 62,
            (Self::Base64, b'/' | b'_') => 63,
            (Self::Base85, b'A'..=b'Z') => byte.wrapping_sub(b'A').wrapping_add(10),
            (Self::Base85, b'a'..=b'z') => byte.wrapping_sub(b'a').wrapping_add(36),
            (Self::Base85, _) => {
                let at = b"!#$%&()*+-;<=>?@^_`{|}~".iter().position(|b| *b == byte)?;
                u8::try_from(at).ok()?.wrapping_add(62)
            }
            (Self::Ascii85, b'!'..=b'u') => byte.wrapping_sub(b'!'),
            _ => return None,
        };
        Some(u32::from(value))
    }

    /// About how many bytes `length` characters spell.
    fn spelt(self, length: u64) -> u64 {
        let (few, many) = match self {
            Self::Hex => (1, 2),
            Self::Base32 => (5, 8),
            Self::Base64 => (3, 4),
            Self::Base85 | Self::Ascii85 => (4, 5),
        };
        length.checked_div(many).unwrap_or(0).saturating_mul(few)
    }
}

/// How the text that begins with `head` and has `length` bytes spells something that `known` knows by its first bytes
/// and length.
pub(super) fn find(head: &[u8], length: u64, known: &dyn Fn(&[u8], u64) -> bool) -> Option<Encoding> {
    if length < LEAST {
        return None;
    }
    ALL.into_iter()
        .find(|encoding| spells(*encoding, head, length, known, LEVELS))
}

/// The depth of the calls is that of `left`, whatever the text.
fn spells(encoding: Encoding, head: &[u8], length: u64, known: &dyn Fn(&[u8], u64) -> bool, left: u32) -> bool {
    let Some(inner) = begin(encoding, head) else {
        return false;
    };
    let length = encoding.spelt(length);
    if known(&inner, length) {
        return true;
    }
    left > 1
        && ALL
            .into_iter()
            .any(|next| spells(next, &inner, length, known, left.saturating_sub(1)))
}

/// The whole bytes at the start of what `head` spells; `None` when it holds anything else than that encoding.
fn begin(encoding: Encoding, head: &[u8]) -> Option<Vec<u8>> {
    // Most texts show within a line that they are none.
    if !head.iter().take(128).all(|byte| encoding.holds(*byte)) {
        return None;
    }
    let mut state = Decoding::new(encoding);
    let mut out = Vec::new();
    head.iter().all(|byte| state.take(*byte, &mut out)).then_some(out)
}

/// What a whole text spells, with or without padding and line ends.
pub(super) fn decode(encoding: Encoding, text: &[u8]) -> Option<Vec<u8>> {
    let mut state = Decoding::new(encoding);
    let mut out = Vec::new();
    if !text.iter().all(|byte| state.take(*byte, &mut out)) {
        return None;
    }
    state.finish(&mut out);
    Some(out)
}

/// Decodes a text, as a codec.
pub(super) struct Decoding {
    encoding: Encoding,
    value: u64,
    /// Bits that are held, or characters of a group of five.
    have: u32,
}

impl Decoding {
    pub(super) const fn new(encoding: Encoding) -> Self {
        Self {
            encoding,
            value: 0,
            have: 0,
        }
    }

    /// Takes one character; `false` when it is none of the alphabet.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        let padded = matches!(self.encoding, Encoding::Base64 | Encoding::Base32);
        if matches!(byte, b'\n' | b'\r') || (padded && byte == b'=') {
            return true;
        }
        if self.encoding == Encoding::Ascii85 && byte == b'z' && self.have == 0 {
            out.extend([0; 4]);
            return true;
        }
        let Some(digit) = self.encoding.digit(byte) else {
            return false;
        };
        let Some(bits) = self.encoding.bits() else {
            self.value = self.value.saturating_mul(85).saturating_add(u64::from(digit));
            self.have = self.have.saturating_add(1);
            if self.have == 5 {
                let Ok(word) = u32::try_from(self.value) else {
                    return false;
                };
                out.extend(word.to_be_bytes());
                (self.value, self.have) = (0, 0);
            }
            return true;
        };
        self.value = ((self.value << bits) | u64::from(digit)) & 0xffff;
        self.have = self.have.saturating_add(bits);
        if self.have >= 8 {
            self.have = self.have.saturating_sub(8);
            let [.., low] = (self.value >> self.have).to_be_bytes();
            out.push(low);
        }
        true
    }

    /// The last group of five, when it is not whole.
    fn finish(&mut self, out: &mut Vec<u8>) {
        if self.encoding.bits().is_some() || self.have == 0 {
            return;
        }
        let kept = usize::try_from(self.have.saturating_sub(1)).unwrap_or(0);
        for _ in self.have..5 {
            self.value = self.value.saturating_mul(85).saturating_add(84);
        }
        if let Ok(word) = u32::try_from(self.value) {
            out.extend(word.to_be_bytes().iter().take(kept));
        }
        (self.value, self.have) = (0, 0);
    }
}

impl Decoder for Decoding {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, _parent: &mut Parse) -> io::Result<u64> {
        let mut buffer = [0u8; 8 << 10];
        let mut used = 0u64;
        let mut out = Vec::new();
        let mut ended = false;
        while !ended {
            let n = input.read(&mut buffer)?;
            out.clear();
            for byte in buffer.get(..n).unwrap_or_default() {
                if !self.take(*byte, &mut out) {
                    ended = true;
                    break;
                }
                used = used.saturating_add(1);
            }
            ended |= n == 0;
            if ended {
                self.finish(&mut out);
            }
            output.write_all(&out)?;
        }
        Ok(used)
    }
}

/// A text that spells something from its first to its last character gets that as a nested artifact.
pub(super) fn look_in_text(input: &Input<'_>, out: &mut Parse) {
    let Ok(head) = input.read_up_to(0, HEAD) else { return };
    let Some(encoding) = find(head.trim_ascii_end(), input.len(), &super::pickle::is_layer) else {
        return;
    };
    let name = format!("decoded {}", encoding.name());
    out.decoded(input.whole(), name, Box::new(Decoding::new(encoding)), true);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_encoding_is_decoded() {
        for (encoding, text, expected) in [
            (Encoding::Hex, &b"00fF7a\n"[..], &b"\x00\xff\x7a"[..]),
            (Encoding::Base32, b"NBSWY3DP", b"hello"),
            (Encoding::Base32, b"NBUQ====", b"hi"),
            (Encoding::Base64, b"aGVsbG8=", b"hello"),
            (Encoding::Base64, b"-_8", b"\xfb\xff"),
            (Encoding::Base85, b"Xk~0{Zv", b"hello"),
            (Encoding::Ascii85, b"BOu!rDZ", b"hello"),
            (Encoding::Ascii85, b"z", b"\0\0\0\0"),
        ] {
            assert_eq!(
                decode(encoding, text).as_deref(),
                Some(expected),
                "{encoding:?} {text:?}"
            );
        }
        assert_eq!(decode(Encoding::Hex, b"0g"), None);
        assert_eq!(decode(Encoding::Ascii85, b"uuuuu"), None);
    }

    #[test]
    fn a_text_counts_by_what_it_spells_in_the_end() {
        let known = |head: &[u8], length: u64| head.starts_with(b"hello") && length >= 5;
        let text = b"aGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8gaGVsbG8g";
        let twice = b"YUdWc2JHOGdhR1ZzYkc4Z2FHVnNiRzhnYUdWc2JHOGdhR1ZzYkc4Zw==";
        let length = |text: &[u8]| u64::try_from(text.len()).unwrap();
        assert_eq!(find(text, length(text), &known), Some(Encoding::Base64));
        assert_eq!(find(twice, length(twice), &known), Some(Encoding::Base64));
        assert_eq!(find(&text[..28], 28, &known), None);
        assert_eq!(find(b"an ordinary line of a text, and one more", 40, &known), None);
        assert_eq!(find(b"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB", 40, &known), None);
    }
}

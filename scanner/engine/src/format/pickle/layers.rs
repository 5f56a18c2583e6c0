//! Layers inside a pickle's texts and bytes: another pickle, a compressed one, one in base64, marshalled code.
//!
//! Whatever is recognised becomes a nested artifact, examined like a file of its own. Only the first bytes decide, so
//! that millions of ordinary strings cost nothing.

use super::identify;
use super::scan::{End, look};
use crate::format::{Decoder, Parse};
use crate::identify::{Probe, identify as formats};
use std::io::{self, Read, Write};

/// Texts and bytes shorter than this hold nothing worth a look.
pub(super) const LEAST: u64 = 16;
/// Base64 shorter than this holds nothing worth a look.
const LEAST_BASE64: u64 = 32;

/// What stands in a text or in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A pickle, or a compressed stream: as it is.
    Plain,
    /// One of these in base64.
    Base64,
    /// A code object as `marshal` writes it.
    Code,
}

/// What the first sixteen bytes allow: whether it is worth reading more. Nearly every string is answered here.
pub(super) fn is_candidate(head: &[u8], length: u64) -> bool {
    if length < LEAST {
        return false;
    }
    match head {
        [0x80, 0..=5, ..] | [0x1f, 0x8b, 8, ..] | [b'B', b'Z', b'h', b'1'..=b'9', b'1', ..] => true,
        [0xfd, b'7', b'z', b'X', b'Z', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] | [0x5d, 0, 0, ..] => true,
        [0xe3 | 0x63, 0, 0, 0, 0, ..] => true,
        // Base64 of the above, and of streams that begin with `c` and `(`.
        [b'g', b'A' | b'Q', ..]
        | [b'H', b'4', b's', b'I', ..]
        | [b'Q', b'l', b'p', ..]
        | [b'e', b'J' | b'N' | b'F' | b'A', ..]
        | [b'/', b'T', b'd', ..]
        | [b'4', b'w', b'A', ..]
        | [b'Y', b'0'..=b'3', ..]
        | [b'K', b'G' | b'C' | b'F', ..] => length >= LEAST_BASE64 && head.iter().all(|byte| is_base64(*byte)),
        // Protocols 0 and 1: the module's line, or a mark and what may follow it.
        [b'c', module @ ..] => memchr::memchr(b'\n', module)
            .is_some_and(|end| end > 0 && module.get(..end).is_some_and(|name| name.iter().all(|b| is_name(*b)))),
        [b'(' | b']' | b'}' | b'S', ..] => !matches!(look(head).end, End::Broken | End::Stop),
        _ => false,
    }
}

fn is_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')
}

/// As [`is_candidate`], with sixty-four bytes: a stream of opcodes must hold so far.
pub(super) fn is_likely(head: &[u8]) -> bool {
    match head.first() {
        Some(0x80 | b'c' | b'(' | b']' | b'}' | b'S') => {
            let seen = look(head);
            seen.end != End::Broken || seen.globals > 0
        }
        _ => true,
    }
}

/// What stands in a text or in bytes that begin with `head` and have `length` bytes.
pub(super) fn find(head: &[u8], length: u64) -> Option<Layer> {
    if is_code(head) {
        return Some(Layer::Code);
    }
    if is_layer(head, length) {
        return Some(Layer::Plain);
    }
    if length < LEAST_BASE64 || !head.iter().all(|byte| is_base64(*byte)) {
        return None;
    }
    // Four characters are three bytes.
    let quads = head.len().checked_div(4).unwrap_or(0).saturating_mul(4);
    let whole = head.get(..quads).unwrap_or(head);
    let decoded = decode_base64(if u64::try_from(head.len()).ok() == Some(length) {
        head
    } else {
        whole
    })?;
    (is_layer(&decoded, length.checked_div(4).unwrap_or(0).saturating_mul(3)) || is_code(&decoded))
        .then_some(Layer::Base64)
}

fn is_layer(head: &[u8], length: u64) -> bool {
    match head {
        [0x1f, 0x8b, ..]
        | [b'B', b'Z', b'h', ..]
        | [0xfd, b'7', ..]
        | [0x28, 0xb5, ..]
        | [0x78, ..]
        | [0x5d, 0, 0, ..] => {
            let probe = Probe::new(head, head, length.max(u64::try_from(head.len()).unwrap_or(0)));
            formats(&probe).first().is_some_and(|c| {
                matches!(c.format.id(), "gzip" | "bzip2" | "xz" | "zstd" | "zlib" | "lzma") && c.matched.start == 0
            })
        }
        _ => identify::is_nested(head, length),
    }
}

/// A marshalled code object of Python 2 or 3: its type, then small counts, then the flags.
fn is_code(head: &[u8]) -> bool {
    let (Some(kind), Some(fields)) = (head.first(), head.get(1..)) else {
        return false;
    };
    if !matches!(kind, 0xe3 | 0x63) {
        return false;
    }
    let (words, _) = fields.as_chunks::<4>();
    let numbers: Vec<u32> = words.iter().take(6).map(|word| u32::from_le_bytes(*word)).collect();
    let [a, b, c, d, e, f] = numbers[..] else { return false };
    // The byte code that follows is a string, a reference or an interned string, after 4 (2.x) to 6 (3.8) fields.
    let string_at = |fields: usize| {
        let at = fields.saturating_mul(4).saturating_add(1);
        head.get(at).is_some_and(|kind| matches!(kind & 0x7f, b's')) && head.get(at.saturating_add(4)) == Some(&0)
    };
    let small = [a, b, c].iter().all(|n| *n < 256);
    small
        && ((d < 0x1000 && string_at(4))
            || (d < 0x1000 && e < 0x0400_0000 && string_at(5))
            || (e < 0x1000 && f < 0x0400_0000 && string_at(6)))
}

fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=' | b'\n' | b'\r')
}

fn digit(byte: u8) -> Option<u32> {
    let value = match byte {
        b'A'..=b'Z' => byte.wrapping_sub(b'A'),
        b'a'..=b'z' => byte.wrapping_sub(b'a').wrapping_add(26),
        b'0'..=b'9' => byte.wrapping_sub(b'0').wrapping_add(52),
        b'+' | b'-' => 62,
        b'/' | b'_' => 63,
        _ => return None,
    };
    Some(u32::from(value))
}

/// The bytes that base64 spells, in either alphabet, with or without padding and newlines.
pub(super) fn decode_base64(text: &[u8]) -> Option<Vec<u8>> {
    let mut state = Base64::default();
    let mut out = Vec::new();
    for byte in text {
        if !state.take(*byte, &mut out) {
            return None;
        }
    }
    Some(out)
}

/// Decodes base64, as a codec.
#[derive(Default)]
pub(super) struct Base64 {
    bits: u32,
    have: u32,
}

impl Base64 {
    /// Takes one character; `false` when it is none of the alphabet.
    fn take(&mut self, byte: u8, out: &mut Vec<u8>) -> bool {
        if matches!(byte, b'=' | b'\n' | b'\r') {
            return true;
        }
        let Some(value) = digit(byte) else { return false };
        self.bits = (self.bits << 6) | value;
        self.have = self.have.saturating_add(6);
        if self.have >= 8 {
            self.have = self.have.saturating_sub(8);
            let [.., low] = (self.bits >> self.have).to_be_bytes();
            out.push(low);
        }
        true
    }
}

impl Decoder for Base64 {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, _parent: &mut Parse) -> io::Result<u64> {
        let mut buffer = [0u8; 8 << 10];
        let mut used = 0u64;
        let mut out = Vec::new();
        loop {
            let n = input.read(&mut buffer)?;
            if n == 0 {
                return Ok(used);
            }
            out.clear();
            for byte in buffer.get(..n).unwrap_or_default() {
                if !self.take(*byte, &mut out) {
                    output.write_all(&out)?;
                    return Ok(used);
                }
                used = used.saturating_add(1);
            }
            output.write_all(&out)?;
        }
    }
}

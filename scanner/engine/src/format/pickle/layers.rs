//! Layers inside a pickle's texts and bytes: another pickle, a compressed one, an encoded one, marshalled code.
//!
//! Whatever is recognised becomes a nested artifact, examined like a file of its own. Only the first bytes decide, so
//! that millions of ordinary strings cost nothing.

use super::identify;
use super::scan::{End, look};
use crate::format::encoded::{self, Encoding};
use crate::identify::{Probe, identify as formats};

/// Texts and bytes shorter than this hold nothing worth a look.
pub(super) const LEAST: u64 = 16;

/// What stands in a text or in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layer {
    /// A pickle, or a compressed stream: as it is.
    Plain,
    /// One of these, or code, as a text spells it.
    Encoded(Encoding),
    /// A code object as `marshal` writes it.
    Code,
}

/// What the first sixteen bytes allow: whether it is worth reading more. Nearly every string is answered here.
pub(super) fn is_candidate(head: &[u8], length: u64) -> bool {
    length >= LEAST
        && (begins(head) || encoded::find(head, length, &|head, _| begins(head) || is_source(head)).is_some())
}

fn begins(head: &[u8]) -> bool {
    match head {
        [0x80, 0..=5, ..] | [0x1f, 0x8b, 8, ..] | [b'B', b'Z', b'h', b'1'..=b'9', b'1', ..] => true,
        [0xfd, b'7', b'z', b'X', b'Z', ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => true,
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..] | [0x5d, 0, 0, ..] => true,
        [0xe3 | 0x63, _, 0, 0, 0, ..] => true,
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
pub(super) fn is_likely(head: &[u8], length: u64) -> bool {
    runs_on(head) || encoded::find(head, length, &|head, _| runs_on(head) || is_source(head)).is_some()
}

fn runs_on(head: &[u8]) -> bool {
    match head {
        [b']', 0, 0, ..] => true,
        [0x80 | b'c' | b'(' | b']' | b'}' | b'S', ..] => {
            let seen = look(head);
            seen.end != End::Broken || seen.globals > 0
        }
        _ => begins(head),
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
    encoded::find(head, length, &is_known).map(Layer::Encoded)
}

/// Whether bytes begin like something that is examined.
pub(in crate::format) fn is_known(head: &[u8], length: u64) -> bool {
    is_layer(head, length) || is_code(head) || head.starts_with(b"PK\x03\x04") || is_source(head)
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
            // What a stream stores as it is may look surer than the stream: a pickle further on is told as one.
            formats(&probe).iter().any(|c| {
                let stream = matches!(c.format.id(), "gzip" | "bzip2" | "xz" | "zstd" | "zlib" | "lzma");
                stream && c.matched.start == 0
            })
        }
        _ => identify::is_nested(head, length),
    }
}

/// Python source, by what a program that somebody encodes begins with.
fn is_source(head: &[u8]) -> bool {
    const STARTS: [&[u8]; 6] = [b"import ", b"from ", b"exec(", b"eval(", b"__import__(", b"#!/usr/bin"];
    STARTS.iter().any(|start| head.starts_with(start))
        && head
            .iter()
            .all(|b| matches!(b, b'\t' | b'\n' | b'\r' | 0x20..=0x7e | 0x80..))
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

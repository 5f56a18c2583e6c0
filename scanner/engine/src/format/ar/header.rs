//! A member's header: fields of text, padded with spaces.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 16 | name |
//! | 16 | 12 | time of modification, decimal |
//! | 28 | 6 | owner, decimal |
//! | 34 | 6 | group, decimal |
//! | 40 | 8 | mode, octal |
//! | 48 | 10 | size, decimal |
//! | 58 | 2 | `` ` `` and a newline |

use crate::span::Span;

/// The length of a header.
pub(super) const SIZE: u64 = 60;
/// How a header ends.
pub(super) const END: &[u8] = b"`\n";

/// What is read of a header.
pub(super) struct Header {
    /// The name without its padding.
    pub(super) name: Vec<u8>,
    /// `None` when the field is no number.
    pub(super) size: Option<u64>,
}

impl Header {
    /// Reads a header; `None` when it does not end like one.
    pub(super) fn parse(bytes: &[u8]) -> Option<Self> {
        if bytes.get(58..60)? != END {
            return None;
        }
        Some(Self {
            name: bytes.get(..16)?.trim_ascii_end().to_vec(),
            size: number(bytes.get(48..58)?),
        })
    }
}

/// Where the size of the member whose header is at `at` stands.
pub(super) fn size_span(at: u64) -> Span {
    Span::saturating_at(at.saturating_add(48), 10)
}

/// A decimal number, padded with spaces at its end.
pub(super) fn number(field: &[u8]) -> Option<u64> {
    let digits = field.trim_ascii_end();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}

/// Whether less than a header looks like the begin of one: a name, and digits behind it.
pub(super) fn begins(bytes: &[u8]) -> bool {
    let printable = bytes.iter().all(|byte| matches!(byte, 0x20..=0x7e));
    printable && bytes.get(16).is_none_or(u8::is_ascii_digit)
}

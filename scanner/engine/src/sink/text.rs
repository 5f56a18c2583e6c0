//! How much of a text is no text: NULs, control characters, and sequences that its encoding does not have.
//!
//! A byte order mark in the first two bytes selects UTF-16; everything else is judged as UTF-8. Runs of plain ASCII are
//! passed over sixty-four bytes at a time; the rest goes byte by byte, so that cuts do not show.

use crate::span::Span;

/// Sequences that are wrong this early say that the text has an 8-bit encoding.
const HEAD: u64 = 8 << 10;

/// What a text check saw.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct TextResult {
    /// NUL characters.
    pub nuls: u64,
    /// Control characters that texts do not hold, NULs among them.
    pub controls: u64,
    /// Sequences that the encoding does not have.
    pub invalid: u64,
    /// Those of them in the first 8 KiB.
    pub invalid_in_head: u64,
    /// From the first control character (or NUL) to the last.
    pub span: Option<Span>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Encoding {
    Unknown,
    Utf8,
    Utf16Le,
    Utf16Be,
}

/// A running text check.
#[derive(Clone)]
pub struct TextSink {
    result: TextResult,
    encoding: Encoding,
    /// The first byte of a pair (UTF-16, or before the encoding is known).
    half: Option<u8>,
    /// UTF-8: continuation bytes still due, and the range of the next.
    due: u8,
    range: (u8, u8),
    /// UTF-16: a high surrogate waits for its low one.
    high: bool,
    /// Where the text starts, and how far behind that the byte at hand stands.
    start: Option<u64>,
    seen: u64,
}

impl Default for TextSink {
    fn default() -> Self {
        let result = TextResult::default();
        Self {
            result,
            encoding: Encoding::Unknown,
            half: None,
            due: 0,
            range: (0, 0),
            high: false,
            start: None,
            seen: 0,
        }
    }
}

impl TextSink {
    /// Takes the next bytes, which stand at `offset`.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let mut at = offset;
        for chunk in bytes.chunks(64) {
            if !(self.encoding == Encoding::Utf8 && self.due == 0 && is_plain(chunk)) {
                for (at, byte) in (at..).zip(chunk) {
                    self.byte(at, *byte);
                }
            }
            at = at.saturating_add(u64::try_from(chunk.len()).unwrap_or(u64::MAX));
        }
    }

    /// What was seen.
    pub fn finish(mut self) -> TextResult {
        if self.encoding == Encoding::Unknown
            && let Some(only) = self.half.take()
        {
            self.utf8(0, only);
        }
        if self.due > 0 || self.high || self.half.is_some() {
            self.invalid();
        }
        self.result
    }

    fn byte(&mut self, at: u64, byte: u8) {
        self.seen = at.saturating_sub(*self.start.get_or_insert(at));
        match (self.encoding, self.half.take()) {
            (Encoding::Utf8, _) => self.utf8(at, byte),
            (_, None) => self.half = Some(byte),
            (Encoding::Unknown, Some(first)) => {
                self.encoding = match [first, byte] {
                    [0xff, 0xfe] => Encoding::Utf16Le,
                    [0xfe, 0xff] => Encoding::Utf16Be,
                    _ => Encoding::Utf8,
                };
                if self.encoding == Encoding::Utf8 {
                    self.utf8(at.saturating_sub(1), first);
                    self.utf8(at, byte);
                }
            }
            (Encoding::Utf16Le, Some(first)) => self.utf16(at.saturating_sub(1), u16::from_le_bytes([first, byte])),
            (Encoding::Utf16Be, Some(first)) => self.utf16(at.saturating_sub(1), u16::from_be_bytes([first, byte])),
        }
    }

    fn utf8(&mut self, at: u64, byte: u8) {
        if self.due > 0 {
            let (low, high) = self.range;
            if (low..=high).contains(&byte) {
                self.due = self.due.saturating_sub(1);
                self.range = (0x80, 0xbf);
                return;
            }
            self.due = 0;
            self.invalid();
        }
        let (due, range) = match byte {
            0x00..=0x7f => {
                if !is_ordinary(byte) {
                    self.control(Span::saturating_at(at, 1), byte == 0);
                }
                return;
            }
            0xc2..=0xdf => (1, (0x80, 0xbf)),
            0xe0 => (2, (0xa0, 0xbf)),
            0xed => (2, (0x80, 0x9f)),
            0xe1..=0xef => (2, (0x80, 0xbf)),
            0xf0 => (3, (0x90, 0xbf)),
            0xf4 => (3, (0x80, 0x8f)),
            0xf1..=0xf3 => (3, (0x80, 0xbf)),
            _ => return self.invalid(),
        };
        (self.due, self.range) = (due, range);
    }

    fn utf16(&mut self, at: u64, unit: u16) {
        let low = (0xdc00..=0xdfff).contains(&unit);
        if self.high != low {
            self.invalid();
        }
        self.high = (0xd800..=0xdbff).contains(&unit);
        match u8::try_from(unit) {
            Ok(byte) if byte < 0x80 && !is_ordinary(byte) => self.control(Span::saturating_at(at, 2), byte == 0),
            _ => {}
        }
    }

    fn control(&mut self, span: Span, nul: bool) {
        let result = &mut self.result;
        result.controls = result.controls.saturating_add(1);
        result.nuls = result.nuls.saturating_add(u64::from(nul));
        let first = result.span.map_or(span.start(), Span::start);
        result.span = Some(Span::new(first, span.end()));
    }

    fn invalid(&mut self) {
        self.result.invalid = self.result.invalid.saturating_add(1);
        if self.seen < HEAD {
            self.result.invalid_in_head = self.result.invalid_in_head.saturating_add(1);
        }
    }
}

/// Printable ASCII, blanks, line feeds, and the controls that texts do hold: backspace (overstrike), form feed, escape
/// (colours), the end-of-file mark of DOS.
const fn is_ordinary(byte: u8) -> bool {
    matches!(byte, 8..=13 | 0x1a | 0x1b | 0x20..=0x7e)
}

/// Whether `chunk` is printable ASCII and line feeds; exact, and without a branch for each byte.
fn is_plain(chunk: &[u8]) -> bool {
    chunk.iter().fold(true, |all, byte| {
        all & ((0x20..=0x7e).contains(byte) | (9..=13).contains(byte))
    })
}

#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "offsets of small test inputs"
)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn results(bytes: &[u8], tile: usize) -> TextResult {
        let mut sink = TextSink::default();
        let mut at = 0u64;
        for piece in bytes.chunks(tile) {
            sink.feed(at, piece);
            at += piece.len() as u64;
        }
        sink.finish()
    }

    #[test]
    fn what_is_no_text_is_counted() {
        let prose = "prose \u{65e5}\u{672c}\u{1f600}\n".repeat(200);
        for (bytes, nuls, controls, invalid) in [
            (prose.clone().into_bytes(), 0, 0, 0),
            (b"\x1b[1mbold\x1b[0m\x0c\t\r\n".to_vec(), 0, 0, 0),
            ([prose.as_bytes(), b"\0\0\x01\x7f"].concat(), 2, 4, 0),
            ([prose.as_bytes(), b"caf\xe9 \xc0\xaf \xed\xa0\x80"].concat(), 0, 0, 6),
            (b"\xff\xfea\0b\0\0\0".to_vec(), 1, 1, 0),
            (b"\xff\xfe\0\xd8a\0".to_vec(), 0, 0, 1),
            (b"\xe6\x97".to_vec(), 0, 0, 1),
            (b"\xe9".to_vec(), 0, 0, 1),
            (b"".to_vec(), 0, 0, 0),
        ] {
            let seen = results(&bytes, 4096);
            assert_eq!(
                (seen.nuls, seen.controls, seen.invalid),
                (nuls, controls, invalid),
                "{bytes:x?}"
            );
        }
    }

    proptest! {
        #[test]
        fn cuts_do_not_show(
            bytes in proptest::collection::vec(prop_oneof![6 => 0x20u8..0x7f, 1 => any::<u8>(), 1 => Just(0xe6), 1 => Just(0x97)], 0..12_000),
            mark in proptest::sample::select(vec![&b""[..], b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf"]),
        ) {
            let bytes = [mark, &bytes].concat();
            let whole = results(&bytes, bytes.len().max(1));
            for tile in [1, 7, 4096] {
                prop_assert_eq!(whole, results(&bytes, tile));
            }
        }

        #[test]
        fn valid_means_what_it_means_in_the_standard_library(bytes in proptest::collection::vec(prop_oneof![Just(b'a'), 0x80u8..0xf8], 0..24)) {
            let marked = [b"ab", &bytes[..]].concat();
            prop_assert_eq!(results(&marked, 5).invalid == 0, std::str::from_utf8(&marked).is_ok());
        }
    }
}

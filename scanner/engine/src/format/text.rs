//! Plain text: UTF-8, UTF-16 with a byte order mark, or an 8-bit encoding of mostly printable bytes.
//!
//! Recognised by its head alone, and claimed whole. Whether the rest is text as well is seen by the sweep
//! ([`crate::sink::TextSink`]) and judged by an inspector: a payload behind 8 KiB of prose is bytes in a text.

use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Role;

/// A text.
pub(super) struct Text;

impl Format for Text {
    fn id(&self) -> &'static str {
        "text"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        Encoding::of_probe(probe).map(|_| Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        // A message whose first field is a long text begins like one.
        if let Some(format) = super::proto::further_down(input) {
            return format.parse(input, out);
        }
        let head = match input.read_up_to(0, 3) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "text"),
        };
        let name = match *head {
            [0xff, 0xfe, ..] => "text, UTF-16LE",
            [0xfe, 0xff, ..] => "text, UTF-16BE",
            _ => "text",
        };
        out.leaf(input.whole(), Role::Text, name);
        super::keras::look_in_text(input, out);
        super::yaml::look_in_text(input, out);
        super::encoded::look_in_text(input, out);
    }
}

/// How a text is encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Encoding {
    Utf8,
    Utf16,
    EightBit,
}

impl Encoding {
    /// The encoding that the head of `probe` reads in.
    pub(super) fn of_probe(probe: &Probe<'_>) -> Option<Self> {
        *probe.encoding.get_or_init(|| Self::of(probe.head, probe.is_whole()))
    }

    /// The encoding that `head` reads in; `whole` says that nothing follows it. `None` for anything that is not surely
    /// text.
    pub(super) fn of(head: &[u8], whole: bool) -> Option<Self> {
        if BINARY_BEHIND_TEXT.iter().any(|magic| head.starts_with(magic)) {
            return None;
        }
        match head {
            [] => None,
            [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes, whole).then_some(Self::Utf16),
            [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes, whole).then_some(Self::Utf16),
            _ => match std::str::from_utf8(head) {
                Ok(_) => controls_are_few(head).then_some(Self::Utf8),
                Err(error) if error.error_len().is_none() && !whole => controls_are_few(head).then_some(Self::Utf8),
                Err(_) => eight_bit(head).then_some(Self::EightBit),
            },
        }
    }
}

/// Formats that this build does not read, and that begin with kilobytes of text before binary data.
const BINARY_BEHIND_TEXT: &[&[u8]] = &[
    b"%PDF-",
    b"%!PS",
    b"!<arch>\n",
    b"P4\n",
    b"P5\n",
    b"P5 ",
    b"P6\n",
    b"P6 ",
    b"SIMPLE  =",
    b"WARC/",
    b"ply\nformat binary",
    b"# vtk DataFile",
    b"#?RADIANCE",
];

/// Control characters that texts hold: tab, line feeds, form feed, carriage return, backspace (overstrike), escape
/// (terminal colours), and the end-of-file mark of DOS.
fn is_ordinary(byte: u8) -> bool {
    matches!(byte, 8..=13 | 0x1a | 0x1b | 0x20..=0x7e | 0x80..)
}

/// Whether control characters that texts do not hold are rare, and no byte is NUL.
pub(super) fn controls_are_few(head: &[u8]) -> bool {
    // Most texts hold none, and a fold without a branch says so at once.
    let plain = |piece: &&[u8]| piece.iter().fold(true, |all, byte| all & is_ordinary(*byte));
    let others = head.chunks(256).filter(|piece| !plain(piece));
    let (mut odd, mut nul) = (0usize, false);
    for piece in others {
        odd = odd.saturating_add(piece.iter().filter(|byte| !is_ordinary(**byte)).count());
        nul |= piece.contains(&0);
    }
    !nul && odd <= head.len() / 64
}

/// No NUL, and more than 95 % printable ASCII or blanks; C1 controls count as odd.
fn eight_bit(head: &[u8]) -> bool {
    let printable = head
        .iter()
        .filter(|byte| matches!(**byte, 9 | 10 | 12 | 13 | 0x20..=0x7e))
        .count();
    let letters = head.iter().filter(|byte| **byte >= 0xa0).count();
    let needed = head.len().saturating_mul(95).div_ceil(100);
    controls_are_few(head)
        && printable > needed.saturating_sub(1)
        && printable.saturating_add(letters) >= head.len().saturating_sub(head.len() / 64)
}

fn utf16(rest: &[u8], unit: fn([u8; 2]) -> u16, whole: bool) -> bool {
    let (units, left) = rest.as_chunks::<2>();
    let mut count = 0usize;
    let mut odd = 0usize;
    let decoded = char::decode_utf16(units.iter().map(|pair| unit(*pair)));
    for c in decoded {
        count = count.saturating_add(1);
        let wrong = match c {
            Ok('\0') => return false,
            Ok(c) => {
                (c.is_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}')) || ('\u{e000}'..='\u{f8ff}').contains(&c)
            }
            Err(_) => true,
        };
        odd = odd.saturating_add(usize::from(wrong));
    }
    // A pair of surrogates may be cut by the end of the head.
    let cut = usize::from(!whole);
    count > 0 && (left.is_empty() || !whole) && odd <= (count / 64).max(cut)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoding(head: &[u8]) -> Option<Encoding> {
        Encoding::of(head, true)
    }

    #[test]
    fn text_is_told_from_bytes_by_its_head() {
        let latin = "Caf\u{e9} d\u{e9}j\u{e0} vu, written as people wrote it long ago, in one byte for each letter.\n";
        let latin: Vec<u8> = latin.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect();
        let utf16 = |text: &str| -> Vec<u8> {
            [0xff, 0xfe]
                .into_iter()
                .chain(text.encode_utf16().flat_map(u16::to_le_bytes))
                .collect()
        };
        for (head, expected) in [
            (&b"plain\n"[..], Some(Encoding::Utf8)),
            (b"x", Some(Encoding::Utf8)),
            (b"\xef\xbb\xbfmarked\n", Some(Encoding::Utf8)),
            (b"\x1b[31mred\x1b[0m\x0c\n", Some(Encoding::Utf8)),
            ("\u{65e5}\u{672c}\u{8a9e}".as_bytes(), Some(Encoding::Utf8)),
            (&latin, Some(Encoding::EightBit)),
            (&utf16("Settings\r\n"), Some(Encoding::Utf16)),
            (&utf16("Settings\0"), None),
            (b"", None),
            (b"nul\0nul\n", None),
            (b"\x01\x02\x03\x04", None),
            (b"\x80\x02}q\x00.", None),
            (b"\xff\xfe\x01", None),
            (&[0xd0; 64], None),
            (b"%PDF-1.7\n", None),
            (b"P5 is a grey map, P7 is not\n", None),
            (b"P7 is text\n", Some(Encoding::Utf8)),
        ] {
            assert_eq!(encoding(head), expected, "{head:x?}");
        }
    }

    #[test]
    fn a_sequence_cut_by_the_end_of_the_head_is_fine_and_by_the_end_of_the_file_is_not() {
        let cut = &"prose \u{65e5}".as_bytes()[..8];
        assert!(Encoding::of(cut, false).is_some());
        assert!(Encoding::of(cut, true).is_none());
    }
}

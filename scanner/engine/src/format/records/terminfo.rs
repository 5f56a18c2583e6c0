//! Compiled terminal descriptions (term(5)): counts, then arrays of exactly those lengths.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 2 | `1a 01`, or `1e 02` for 32-bit numbers |
//! | 2 | 10 | bytes of names, number of flags, of numbers, of string offsets, bytes of strings, little-endian |
//! | 12 | .. | names, flags, a byte when the position is odd, numbers, string offsets, strings |
//! | .. | 10 | extended: numbers of flags, numbers, strings; of offsets, bytes of strings; then the same arrays |

use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// A terminal description.
pub(in crate::format) struct Terminfo;

impl Format for Terminfo {
    fn id(&self) -> &'static str {
        "terminfo"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let (width, counts) = counts(probe.head)?;
        let [names, flags, numbers, offsets, strings] = counts;
        let fixed = 12u64
            .checked_add(names)?
            .checked_add(flags)?
            .checked_next_multiple_of(2)?;
        let end = fixed
            .checked_add(numbers.checked_mul(width)?)?
            .checked_add(offsets.checked_mul(2)?)?
            .checked_add(strings)?;
        // The names are text and end with a NUL.
        let end_of_names = usize::try_from(names.checked_add(11)?).ok()?;
        let text = probe
            .head
            .get(12..end_of_names)?
            .iter()
            .all(|byte| matches!(byte, b' '..=b'~'));
        let fits = (2..=512).contains(&names) && text && probe.head.get(end_of_names) == Some(&0);
        (fits && end <= probe.length && flags <= 128 && numbers <= 128).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        if let Err(fault) = arrays(input, out) {
            out.fault(&fault, "an array");
        }
    }
}

fn counts(head: &[u8]) -> Option<(u64, [u64; 5])> {
    let width = match head.first_chunk::<2>()? {
        [0x1a, 0x01] => 2,
        [0x1e, 0x02] => 4,
        _ => return None,
    };
    let field = |at: usize| {
        let bytes = head.get(at..)?.first_chunk::<2>()?;
        Some(u64::from(u16::from_le_bytes(*bytes)))
    };
    Some((width, [field(2)?, field(4)?, field(6)?, field(8)?, field(10)?]))
}

fn arrays(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let head = input.read(Span::new(0, 12))?;
    let Some((width, [names, flags, numbers, offsets, strings])) = counts(&head) else {
        return Ok(());
    };
    let mut cursor = Cursor::new(input, input.whole());
    out.leaf(cursor.skip(12)?, Role::Header, "header");
    out.leaf(cursor.skip(names)?, Role::Strings, "names");
    out.leaf(cursor.skip(flags)?, Role::Data, "flags");
    even(&mut cursor, out)?;
    out.leaf(cursor.skip(numbers.saturating_mul(width))?, Role::Data, "numbers");
    out.leaf(cursor.skip(offsets.saturating_mul(2))?, Role::Table, "string offsets");
    out.leaf(cursor.skip(strings)?, Role::Strings, "strings");
    if cursor.remaining() < 10 {
        return even(&mut cursor, out);
    }
    even(&mut cursor, out)?;
    let start = cursor.position();
    let [a, b, c, d, e, f, g, h, i, j] = cursor.array::<10>()?;
    let short = |low, high| u64::from(u16::from_le_bytes([low, high]));
    let (flags, numbers, offsets, bytes) = (short(a, b), short(c, d), short(g, h), short(i, j));
    let _strings = short(e, f);
    out.leaf(Span::new(start, cursor.position()), Role::Header, "extended header");
    out.leaf(cursor.skip(flags)?, Role::Data, "extended flags");
    even(&mut cursor, out)?;
    out.leaf(
        cursor.skip(numbers.saturating_mul(width))?,
        Role::Data,
        "extended numbers",
    );
    out.leaf(cursor.skip(offsets.saturating_mul(2))?, Role::Table, "extended offsets");
    out.leaf(cursor.skip(bytes)?, Role::Strings, "extended strings");
    // ncurses leaves a few bytes behind some tables, whatever they are.
    if (1..16).contains(&cursor.remaining()) {
        out.leaf(cursor.skip(cursor.remaining())?, Role::Data, "tail");
    }
    Ok(())
}

/// The byte that makes the position even.
fn even(cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
    if cursor.position() & 1 == 1 && cursor.remaining() > 0 {
        out.padding(cursor.skip(1)?, Fill::Zero, "alignment");
    }
    Ok(())
}

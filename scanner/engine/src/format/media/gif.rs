//! GIF (GIF89a Specification): a screen descriptor, then blocks up to the trailer `3b`.
//!
//! | part | size | field |
//! | --- | --- | --- |
//! | header | 6 | `GIF87a` or `GIF89a` |
//! | screen descriptor | 7 | size, flags (bit 7: a global colour table of `2^(n + 1)` entries of 3 bytes), .. |
//! | image | 10 | `2c`, place, flags; its colour table; the minimum code size; sub-blocks |
//! | extension | 2 | `21`, label; sub-blocks |
//! | sub-blocks | 1 + n, .. | until one of length 0 |

use crate::format::leaves::Leaves;
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;

/// A GIF picture.
pub(in crate::format) struct Gif;

impl Format for Gif {
    fn id(&self) -> &'static str {
        "gif"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let magic = matches!(probe.head.get(..6), Some(b"GIF87a" | b"GIF89a"));
        // Where no global colour table follows, the first block begins at 13.
        let first = match probe.head.get(10) {
            Some(flags) if flags & 0x80 == 0 => {
                probe.head.get(13).is_none_or(|byte| matches!(byte, 0x21 | 0x2c | 0x3b))
            }
            Some(_) => true,
            None => false,
        };
        (magic && first).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.is_media();
        if let Err(fault) = blocks(input, out) {
            out.fault(&fault, "a block");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["gif"]
    }
}

fn blocks(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let mut leaves = Leaves::default();
    let mut cursor = Cursor::new(input, input.whole());
    out.leaf(cursor.skip(6)?, Role::Header, "header");
    let start = cursor.position();
    let screen = cursor.array::<7>()?;
    out.leaf(Span::new(start, cursor.position()), Role::Header, "screen descriptor");
    let [.., flags, _, _] = screen;
    colours(&mut cursor, out, &mut leaves, flags, "global colour table")?;
    loop {
        let start = cursor.position();
        match cursor.u8()? {
            0x3b => {
                leaves.leaf(out, Span::new(start, cursor.position()), Role::Trailer, || {
                    "trailer".to_owned()
                });
                return Ok(());
            }
            0x2c => {
                let [.., flags] = cursor.array::<9>()?;
                let head = Span::new(start, cursor.position());
                leaves.leaf(out, head, Role::Header, || "image descriptor".to_owned());
                colours(&mut cursor, out, &mut leaves, flags, "local colour table")?;
                let from = cursor.position();
                cursor.skip(1)?;
                sub_blocks(&mut cursor, out, &mut leaves, from, Role::Data, "image data")?;
            }
            0x21 => {
                let name = match cursor.u8()? {
                    0xf9 => "graphic control extension",
                    0xfe => "comment extension",
                    0x01 => "plain text extension",
                    0xff => "application extension",
                    _ => "extension",
                };
                sub_blocks(&mut cursor, out, &mut leaves, start, Role::Metadata, name)?;
            }
            // Some encoders write a stray zero between blocks; readers pass over it.
            0 => leaves.leaf(out, Span::new(start, cursor.position()), Role::Metadata, || {
                "stray terminator".to_owned()
            }),
            _ => {
                let rule = "gif: a byte begins no block (Appendix A)";
                out.malformed(Span::new(start, cursor.position()), rule);
                return Ok(());
            }
        }
    }
}

fn colours(
    cursor: &mut Cursor<'_, '_>,
    out: &mut Parse,
    leaves: &mut Leaves,
    flags: u8,
    name: &str,
) -> Result<(), ReadFault> {
    if flags & 0x80 != 0 {
        let entries = 2u64 << (flags & 7);
        let span = cursor.skip(entries.saturating_mul(3))?;
        leaves.leaf(out, span, Role::Table, || name.to_owned());
    }
    Ok(())
}

/// Passes over sub-blocks and claims everything from `from` on.
fn sub_blocks(
    cursor: &mut Cursor<'_, '_>,
    out: &mut Parse,
    leaves: &mut Leaves,
    from: u64,
    role: Role,
    name: &str,
) -> Result<(), ReadFault> {
    loop {
        let length = u64::from(cursor.u8()?);
        // Read, not jumped over: blocks of 255 bytes are fetched many at a time.
        cursor.bytes(length)?;
        if length == 0 {
            leaves.leaf(out, Span::new(from, cursor.position()), role, || name.to_owned());
            return Ok(());
        }
    }
}

//! An opcode's argument, read without an allocation where it is short.

use super::opcodes::{Argument, Opcode};
use crate::format::{Cursor, ReadFault};
use crate::span::Span;

/// Bytes kept of a line.
const LINE: usize = 4096;
/// Bytes looked at to read an opcode and its argument: lines that end in them are not copied.
pub(super) const AHEAD: usize = 96;

/// Where arguments are kept while an opcode runs.
pub(super) struct Buffer {
    short: [u8; AHEAD],
    long: Vec<u8>,
}

impl Default for Buffer {
    fn default() -> Self {
        Self {
            short: [0; AHEAD],
            long: Vec::new(),
        }
    }
}

/// An opcode's argument.
#[derive(Clone, Copy, Debug)]
pub(super) enum Operand<'s> {
    Nothing,
    Fixed([u8; 8]),
    Line {
        span: Span,
        text: &'s [u8],
    },
    /// `GLOBAL` and `INST`: module, newline, name.
    Pair {
        span: Span,
        spelled: &'s [u8],
    },
    Data {
        span: Span,
        head: [u8; 16],
    },
}

/// Reads the argument of `op`, whose code the cursor stands at; `None` for a line without an end.
pub(super) fn read<'s>(
    op: &Opcode,
    cursor: &mut Cursor<'_, '_>,
    buffer: &'s mut Buffer,
) -> Result<Option<Operand<'s>>, ReadFault> {
    let start = cursor.position();
    let first = start.saturating_add(1);
    match op.argument {
        Argument::None => {
            cursor.skip(1)?;
            return Ok(Some(Operand::Nothing));
        }
        Argument::Fixed(width) => {
            let ahead = cursor.ahead(9)?;
            let bytes = fixed(ahead.get(1..).unwrap_or_default(), width);
            cursor.skip(u64::from(width).saturating_add(1))?;
            return Ok(Some(Operand::Fixed(bytes)));
        }
        Argument::Counted(width) => {
            let ahead = cursor.ahead(32)?;
            let seen = ahead.get(1..).unwrap_or_default();
            let length = u64::from_le_bytes(fixed(seen, width));
            let mut head = [0u8; 16];
            let data = seen.get(usize::from(width)..).unwrap_or_default();
            let kept = usize::try_from(length).unwrap_or(usize::MAX).min(16);
            for (to, from) in head.iter_mut().zip(data.iter().take(kept)) {
                *to = *from;
            }
            cursor.skip(u64::from(width).saturating_add(1))?;
            let begin = cursor.position();
            // A length that lies is said with the bytes it asks for.
            cursor.skip(length)?;
            return Ok(Some(Operand::Data {
                span: Span::saturating_at(begin, length),
                head,
            }));
        }
        Argument::Line | Argument::TwoLines => {}
    }
    let known = {
        let ahead = cursor.ahead(AHEAD.try_into().unwrap_or(u64::MAX))?;
        let known = buffer.short.get_mut(..ahead.len()).unwrap_or_default();
        known.copy_from_slice(ahead.get(..known.len()).unwrap_or_default());
        known.len()
    };
    let seen = buffer.short.get(1..known).unwrap_or_default();
    match op.argument {
        Argument::Line => {
            if let Some(end) = memchr::memchr(b'\n', seen) {
                let length = u64::try_from(end).unwrap_or(u64::MAX);
                cursor.skip(length.saturating_add(2))?;
                return Ok(Some(Operand::Line {
                    span: Span::saturating_at(first, length),
                    text: buffer.short.get(1..end.saturating_add(1)).unwrap_or_default(),
                }));
            }
            cursor.skip(1)?;
            let Some((span, text)) = cursor.line(LINE)? else {
                return Ok(None);
            };
            buffer.long = text;
            Ok(Some(Operand::Line {
                span,
                text: &buffer.long,
            }))
        }
        _ => {
            if let Some(end) = memchr::memchr_iter(b'\n', seen).nth(1) {
                let length = u64::try_from(end).unwrap_or(u64::MAX);
                cursor.skip(length.saturating_add(2))?;
                return Ok(Some(Operand::Pair {
                    span: Span::saturating_at(first, length),
                    spelled: buffer.short.get(1..end.saturating_add(1)).unwrap_or_default(),
                }));
            }
            cursor.skip(1)?;
            let (Some((module, text)), Some((name, rest))) = (cursor.line(LINE)?, cursor.line(LINE)?) else {
                return Ok(None);
            };
            buffer.long = text;
            buffer.long.push(b'\n');
            buffer.long.extend_from_slice(&rest);
            Ok(Some(Operand::Pair {
                span: Span::new(module.start(), name.end()),
                spelled: &buffer.long,
            }))
        }
    }
}

fn fixed(bytes: &[u8], width: u8) -> [u8; 8] {
    let mut out = [0u8; 8];
    for (to, from) in out.iter_mut().zip(bytes.iter().take(usize::from(width))) {
        *to = *from;
    }
    out
}

impl<'s> Operand<'s> {
    /// A fixed number.
    pub(super) fn unsigned(&self) -> Option<u64> {
        match self {
            Self::Fixed(bytes) => Some(u64::from_le_bytes(*bytes)),
            _ => None,
        }
    }

    /// A fixed number of four bytes or fewer; `signed` when its sign bit counts.
    pub(super) fn number(&self, signed: bool) -> i64 {
        let low = u32::try_from(self.unsigned().unwrap_or(0)).unwrap_or(0);
        if signed {
            i64::from(low.cast_signed())
        } else {
            i64::from(low)
        }
    }

    /// The integer of `LONG1` and `LONG4`: two's complement, little-endian, when it takes eight bytes or fewer.
    pub(super) fn long(&self) -> Option<i64> {
        let Self::Data { span, head } = self else { return None };
        let used = usize::try_from(span.len()).ok().filter(|n| *n <= 8)?;
        let stated = head.get(..used)?;
        let sign = if stated.last().is_some_and(|b| *b >= 0x80) {
            0xff
        } else {
            0
        };
        let mut bytes = [sign; 8];
        for (to, from) in bytes.iter_mut().zip(stated) {
            *to = *from;
        }
        Some(i64::from_le_bytes(bytes))
    }

    /// The line, cut at 4096 bytes.
    pub(super) fn line(&self) -> Option<&'s [u8]> {
        match self {
            Self::Line { text, .. } => Some(text),
            _ => None,
        }
    }

    /// Whether the line was not cut.
    pub(super) fn line_is_whole(&self) -> bool {
        matches!(self, Self::Line { span, text } if u64::try_from(text.len()).ok() == Some(span.len()))
    }

    /// Where the counted bytes stand.
    pub(super) fn data(&self) -> Option<Span> {
        match self {
            Self::Data { span, .. } => Some(*span),
            _ => None,
        }
    }

    /// Whether the counted bytes are `bytes`, sixteen at most.
    pub(super) fn data_is(&self, bytes: &[u8]) -> bool {
        matches!(self, Self::Data { span, head } if u64::try_from(bytes.len()).ok() == Some(span.len()) && head.starts_with(bytes))
    }

    /// Where a text stands.
    pub(super) fn text_span(&self) -> Span {
        match self {
            Self::Line { span, .. } | Self::Data { span, .. } => *span,
            _ => Span::new(0, 0),
        }
    }

    /// The first bytes of a text, sixteen or so.
    pub(super) fn text_head(&self) -> &[u8] {
        match self {
            Self::Line { text, .. } => text.get(..64).unwrap_or(text),
            Self::Data { head, span } => head
                .get(..usize::try_from(span.len()).unwrap_or(16).min(16))
                .unwrap_or(head),
            _ => &[],
        }
    }

    /// Module, newline and name of `GLOBAL` and `INST`, and where they stand.
    pub(super) fn spelled(&self, at: Span) -> (&'s [u8], Span) {
        match self {
            Self::Pair { span, spelled } => (spelled, *span),
            _ => (b"", at),
        }
    }
}

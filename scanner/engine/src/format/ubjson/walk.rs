//! UBJSON values in order, with a stack of open containers instead of recursion.

use crate::format::{Cursor, Input, Parse, ReadFault};
use crate::ledger::Role;
use crate::span::Span;

/// What stops the walk.
pub(super) enum Stop {
    Fault(ReadFault),
    Malformed(Span, &'static str),
    Limit,
}

impl From<ReadFault> for Stop {
    fn from(fault: ReadFault) -> Self {
        Self::Fault(fault)
    }
}

/// A container that is open.
struct Level {
    object: bool,
    /// The type of all values, when one is given.
    kind: Option<u8>,
    /// How many are still to come, when that is given.
    left: Option<u64>,
}

const DEEPEST: usize = 1024;
/// Typed arrays of this many bytes and more are leaves of their own.
const LARGE: u64 = 4096;

pub(super) struct Walk<'i, 'a> {
    cursor: Cursor<'i, 'a>,
    open: Vec<Level>,
    arrays: Vec<Span>,
}

fn size(kind: u8) -> Option<u64> {
    Some(match kind {
        b'Z' | b'T' | b'F' | b'N' => 0,
        b'i' | b'U' | b'C' => 1,
        b'I' => 2,
        b'l' | b'd' => 4,
        b'L' | b'D' => 8,
        _ => return None,
    })
}

impl<'i, 'a> Walk<'i, 'a> {
    pub(super) fn new(input: &'i Input<'a>) -> Self {
        Self {
            cursor: Cursor::new(input, input.whole()),
            open: Vec::new(),
            arrays: Vec::new(),
        }
    }

    pub(super) fn position(&self) -> u64 {
        self.cursor.position()
    }

    /// Claims what was read: large arrays, and the structure between them.
    pub(super) fn claim(&self, out: &mut Parse) {
        let (mut at, end) = (0, self.position());
        for span in &self.arrays {
            if at < span.start() {
                out.leaf(Span::new(at, span.start()), Role::Metadata, "document");
            }
            out.leaf(*span, Role::Data, "array");
            at = span.end();
        }
        if at < end {
            out.leaf(Span::new(at, end), Role::Metadata, "document");
        }
    }

    pub(super) fn run(&mut self) -> Result<(), Stop> {
        let kind = self.cursor.u8()?;
        self.value(kind)?;
        loop {
            if self.open.len() > DEEPEST {
                return Err(Stop::Limit);
            }
            let Some(level) = self.open.last_mut() else {
                return Ok(());
            };
            match &mut level.left {
                Some(0) => {
                    self.open.pop();
                    continue;
                }
                Some(left) => *left = left.saturating_sub(1),
                None => {}
            }
            let (object, kind, counted) = (level.object, level.kind, level.left.is_some());
            if !counted {
                let close = if object { b'}' } else { b']' };
                if self.cursor.peek()? == Some(close) {
                    self.cursor.skip(1)?;
                    self.open.pop();
                    continue;
                }
            }
            if object {
                let length = self.length()?;
                self.cursor.skip(length)?;
            }
            let kind = match kind {
                Some(kind) => kind,
                None => self.cursor.u8()?,
            };
            self.value(kind)?;
        }
    }

    /// A length: an integer of any type, not negative.
    fn length(&mut self) -> Result<u64, Stop> {
        let at = self.position();
        let kind = self.cursor.u8()?;
        let width = match kind {
            b'i' | b'U' => 1,
            b'I' => 2,
            b'l' => 4,
            b'L' => 8,
            _ => {
                let span = Span::saturating_at(at, 1);
                return Err(Stop::Malformed(
                    span,
                    "ubjson: a length that is no integer (ubjson.org, Draft 12)",
                ));
            }
        };
        let mut value = 0u64;
        for _ in 0..width {
            value = value.wrapping_shl(8) | u64::from(self.cursor.u8()?);
        }
        let negative = match kind {
            b'i' => value > 0x7f,
            b'I' => value > 0x7fff,
            b'l' => value > 0x7fff_ffff,
            b'L' => value > 0x7fff_ffff_ffff_ffff,
            _ => false,
        };
        if negative {
            let span = Span::new(at, self.position());
            return Err(Stop::Malformed(
                span,
                "ubjson: a negative length (ubjson.org, Draft 12)",
            ));
        }
        Ok(value)
    }

    fn value(&mut self, kind: u8) -> Result<(), Stop> {
        match kind {
            b'{' | b'[' => self.container(kind == b'{'),
            b'S' | b'H' => {
                let length = self.length()?;
                self.cursor.skip(length)?;
                Ok(())
            }
            _ => match size(kind) {
                Some(size) => {
                    self.cursor.skip(size)?;
                    Ok(())
                }
                None => {
                    let span = Span::saturating_at(self.position().saturating_sub(1), 1);
                    Err(Stop::Malformed(
                        span,
                        "ubjson: an unknown marker (ubjson.org, Draft 12)",
                    ))
                }
            },
        }
    }

    fn container(&mut self, object: bool) -> Result<(), Stop> {
        let (mut kind, mut left) = (None, None);
        if self.cursor.peek()? == Some(b'$') {
            self.cursor.skip(1)?;
            kind = Some(self.cursor.u8()?);
        }
        let at = self.position();
        if self.cursor.peek()? == Some(b'#') {
            self.cursor.skip(1)?;
            left = Some(self.length()?);
        }
        match (kind, left, object) {
            (Some(_), None, _) => {
                let span = Span::saturating_at(at, 1);
                return Err(Stop::Malformed(
                    span,
                    "ubjson: a type without a count (ubjson.org, Optimized Format)",
                ));
            }
            (Some(own), Some(count), false) if size(own).is_some() => {
                let bytes = count.saturating_mul(size(own).unwrap_or(0));
                let span = self.cursor.skip(bytes)?;
                if span.len() >= LARGE {
                    self.arrays.push(span);
                }
                return Ok(());
            }
            (_, Some(count), _) if count > self.cursor.remaining() => {
                let span = Span::new(at, self.position());
                return Err(Stop::Malformed(
                    span,
                    "ubjson: more values than there are bytes (ubjson.org, Optimized Format)",
                ));
            }
            _ => {}
        }
        self.open.push(Level { object, kind, left });
        Ok(())
    }
}

//! A pull walker over the protobuf wire format that keeps byte positions and unknown fields ("Protocol Buffers
//! Encoding", protobuf.dev).
//!
//! | wire type | payload |
//! | --- | --- |
//! | 0 | a varint: 7 bits a byte, least significant first, 10 bytes at most |
//! | 1 | 8 bytes, little-endian |
//! | 2 | a varint length, that many bytes: text, a message, packed scalars |
//! | 3, 4 | the start and the end of a group |
//! | 5 | 4 bytes, little-endian |
//!
//! A tag is a varint: the field number shifted left by three, and the wire type. The wire format does not tell a message
//! from text, so the caller decides what to [`Walker::enter`]; what it does not enter is stepped over unread. Bytes come
//! from a [`Fetch`], a few at a time: a field of a gigabyte costs the bytes of its tag.
//!
//! Nothing here knows a schema, and nothing is built. There is no recursion; messages nest as deep as the caller says.

use crate::span::Span;

#[cfg(test)]
pub(crate) mod tests;

/// The longest varint.
const VARINT: u64 = 10;
/// The largest field number: 29 bits.
const LARGEST_NUMBER: u64 = (1 << 29) - 1;

/// Where a walker's bytes come from.
pub trait Fetch {
    /// Why bytes could not be had.
    type Fault;

    /// Up to `length` bytes (10 at most) at `offset`; fewer only at the end of what there is.
    ///
    /// # Errors
    /// A fault of the source, which ends the walk.
    fn fetch(&mut self, offset: u64, length: u64) -> Result<&[u8], Self::Fault>;
}

/// Bytes in memory, of which the first has the offset `base`.
#[derive(Clone, Copy, Debug)]
pub struct Memory<'a> {
    /// The bytes.
    pub bytes: &'a [u8],
    /// The offset of the first one.
    pub base: u64,
}

/// A walk left the bytes that are in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct OutOfMemory;

impl Fetch for Memory<'_> {
    type Fault = OutOfMemory;

    fn fetch(&mut self, offset: u64, length: u64) -> Result<&[u8], OutOfMemory> {
        let from = offset.checked_sub(self.base).and_then(|at| usize::try_from(at).ok());
        let rest = from
            .and_then(|from| self.bytes.get(from..))
            .filter(|rest| !rest.is_empty());
        let rest = rest.ok_or(OutOfMemory)?;
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        Ok(rest.get(..length).unwrap_or(rest))
    }
}

/// A rule of the wire format that is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WireFault {
    /// The rule, in a few words.
    pub rule: &'static str,
    /// The field that breaks it, from its tag on, and what cannot be read because of it: up to the message's end.
    pub lost: Span,
    /// Whether the field's length runs past the end of everything, so that more bytes could have made it valid.
    pub truncated: bool,
}

/// What ends or interrupts a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop<F> {
    /// A broken rule. The walk goes on behind the message that holds it.
    Wire(WireFault),
    /// The source could not give bytes. The walk is over.
    Source(F),
}

/// The payload of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    /// Wire type 0.
    Varint(u64),
    /// Wire type 1.
    Fixed64(u64),
    /// Wire type 2, without the length.
    Bytes(Span),
    /// Wire type 3: the fields up to the matching end belong to it.
    GroupStart,
    /// Wire type 4.
    GroupEnd,
    /// Wire type 5.
    Fixed32(u32),
}

impl Wire {
    /// The wire type's number.
    pub const fn number(self) -> u8 {
        match self {
            Self::Varint(_) => 0,
            Self::Fixed64(_) => 1,
            Self::Bytes(_) => 2,
            Self::GroupStart => 3,
            Self::GroupEnd => 4,
            Self::Fixed32(_) => 5,
        }
    }
}

/// One field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Field {
    /// The field number, 1 to 2^29 - 1.
    pub number: u32,
    /// The whole field: tag, length where there is one, payload.
    pub span: Span,
    /// The payload.
    pub wire: Wire,
    /// Whether the tag, the length or the value is a varint with needless bytes, which encoders do not write.
    pub overlong: bool,
}

/// One step of a walk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A field of the message that is open.
    Field(Field),
    /// The end of a message that was entered; the outermost one's comes last.
    End,
}

#[derive(Clone, Copy, Debug)]
struct Frame {
    end: u64,
    /// The number of the group, for groups, which end by a tag and not by a length.
    group: Option<u32>,
}

/// A walk over one message, which is the whole of `span`.
#[derive(Debug)]
pub struct Walker<S> {
    source: S,
    at: u64,
    whole: Span,
    open: Vec<Frame>,
    max_depth: usize,
    enter: Option<Span>,
    done: bool,
}

impl<S: Fetch> Walker<S> {
    /// A walker over `span` of `source` that refuses messages inside `max_depth` others.
    pub fn new(source: S, span: Span, max_depth: usize) -> Self {
        Self {
            source,
            at: span.start(),
            whole: span,
            open: vec![Frame {
                end: span.end(),
                group: None,
            }],
            max_depth,
            enter: None,
            done: false,
        }
    }

    /// The number of messages and groups that are open; 1 for the outermost message.
    pub fn depth(&self) -> usize {
        self.open.len()
    }

    /// The offset of the next byte to read.
    pub fn position(&self) -> u64 {
        self.at
    }

    /// The source, to read payloads.
    pub fn source(&mut self) -> &mut S {
        &mut self.source
    }

    /// Whether the message that was just read as [`Wire::Bytes`] may be entered.
    pub fn can_enter(&self) -> bool {
        self.enter.is_some() && self.open.len() < self.max_depth
    }

    /// Reads the payload of the field that was just read as a message: its fields come next. Returns whether it was
    /// entered; it is not when there was no such field or `max_depth` is reached.
    pub fn enter(&mut self) -> bool {
        let Some(span) = self.enter.take().filter(|_| self.open.len() < self.max_depth) else {
            return false;
        };
        self.at = span.start();
        self.open.push(Frame {
            end: span.end(),
            group: None,
        });
        true
    }

    /// The next event; `None` when the outermost message has ended.
    ///
    /// # Errors
    /// [`Stop::Wire`], after which the walk goes on behind the innermost message; [`Stop::Source`], after which it is over.
    pub fn step(&mut self) -> Result<Option<Event>, Stop<S::Fault>> {
        self.enter = None;
        let Some(frame) = self.open.last().copied().filter(|_| !self.done) else {
            return Ok(None);
        };
        if self.at >= frame.end {
            if frame.group.is_some() {
                return Err(self.lose(self.at, frame.end, "a group without its end"));
            }
            self.open.pop();
            self.done = self.open.is_empty();
            return Ok(Some(Event::End));
        }
        let start = self.at;
        match self.field(start, frame) {
            Ok(field) => Ok(Some(Event::Field(field))),
            Err(Stop::Wire(fault)) => Err(self.lose_as(start, frame.end, fault)),
            Err(Stop::Source(fault)) => {
                self.done = true;
                Err(Stop::Source(fault))
            }
        }
    }

    fn field(&mut self, start: u64, frame: Frame) -> Result<Field, Stop<S::Fault>> {
        let (tag, mut overlong) = self.varint(frame.end)?;
        let number = tag >> 3;
        if number == 0 || number > LARGEST_NUMBER {
            return Err(broken(if number == 0 {
                "field number 0"
            } else {
                "a field number of more than 29 bits"
            }));
        }
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let wire = match tag & 7 {
            0 => {
                let (value, long) = self.varint(frame.end)?;
                overlong |= long;
                Wire::Varint(value)
            }
            1 => Wire::Fixed64(u64::from_le_bytes(self.fixed(frame.end)?)),
            2 => {
                let (length, long) = self.varint(frame.end)?;
                overlong |= long;
                let span = Span::at(self.at, length).filter(|span| span.end() <= frame.end);
                let Some(span) = span else {
                    let mut fault = wire_fault("a length past the end of its message");
                    fault.truncated = frame.end == self.whole.end();
                    return Err(Stop::Wire(fault));
                };
                self.at = span.end();
                self.enter = Some(span);
                Wire::Bytes(span)
            }
            3 => {
                if self.open.len() >= self.max_depth {
                    return Err(broken("groups nested too deep"));
                }
                self.open.push(Frame {
                    end: frame.end,
                    group: Some(number),
                });
                Wire::GroupStart
            }
            4 => {
                if frame.group != Some(number) {
                    return Err(broken("the end of a group that is not open"));
                }
                self.open.pop();
                Wire::GroupEnd
            }
            5 => Wire::Fixed32(u32::from_le_bytes(self.fixed(frame.end)?)),
            _ => return Err(broken("wire type 6 or 7")),
        };
        Ok(Field {
            number,
            span: Span::new(start, self.at),
            wire,
            overlong,
        })
    }

    fn varint(&mut self, end: u64) -> Result<(u64, bool), Stop<S::Fault>> {
        let room = end.saturating_sub(self.at).min(VARINT);
        let whole = self.whole.end() == end;
        let bytes = if room == 0 {
            &[][..]
        } else {
            self.source.fetch(self.at, room).map_err(Stop::Source)?
        };
        match varint(bytes) {
            Some((value, length)) => {
                let last = usize::try_from(length.saturating_sub(1))
                    .ok()
                    .and_then(|at| bytes.get(at));
                let overlong = length > 1 && last == Some(&0);
                self.at = self.at.saturating_add(length);
                Ok((value, overlong))
            }
            None => {
                let mut fault = wire_fault("a varint of more than 64 bits");
                if u64::try_from(bytes.len()).unwrap_or(0) < VARINT && room < VARINT {
                    fault = wire_fault("a varint past the end of its message");
                    fault.truncated = whole;
                }
                Err(Stop::Wire(fault))
            }
        }
    }

    fn fixed<const N: usize>(&mut self, end: u64) -> Result<[u8; N], Stop<S::Fault>> {
        let length = u64::try_from(N).unwrap_or(u64::MAX);
        let whole = self.whole.end() == end;
        let fits = end.saturating_sub(self.at) >= length;
        let bytes = if fits {
            self.source.fetch(self.at, length).map_err(Stop::Source)?
        } else {
            &[][..]
        };
        let Some(value) = bytes.first_chunk::<N>() else {
            let mut fault = wire_fault("a fixed-width value past the end of its message");
            fault.truncated = whole;
            return Err(Stop::Wire(fault));
        };
        let value = *value;
        self.at = self.at.saturating_add(length);
        Ok(value)
    }

    fn lose(&mut self, start: u64, end: u64, rule: &'static str) -> Stop<S::Fault> {
        self.lose_as(start, end, wire_fault(rule))
    }

    /// Gives the innermost message up from `start` on: groups that are open in it end with it.
    fn lose_as(&mut self, start: u64, end: u64, mut fault: WireFault) -> Stop<S::Fault> {
        while self.open.last().is_some_and(|frame| frame.group.is_some()) {
            self.open.pop();
        }
        self.at = end;
        self.enter = None;
        fault.lost = Span::new(start, end);
        Stop::Wire(fault)
    }
}

fn wire_fault(rule: &'static str) -> WireFault {
    WireFault {
        rule,
        lost: Span::new(0, 0),
        truncated: false,
    }
}

fn broken<F>(rule: &'static str) -> Stop<F> {
    Stop::Wire(wire_fault(rule))
}

/// The varint at the start of `bytes` and its length; `None` when it does not end within them or exceeds 64 bits.
pub fn varint(bytes: &[u8]) -> Option<(u64, u64)> {
    let mut value = 0u64;
    for (at, byte) in bytes.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = u32::try_from(at).ok()?.saturating_mul(7);
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits.checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return Some((value, u64::try_from(at).ok()?.saturating_add(1)));
        }
    }
    None
}

/// The varints of a packed field, until its end or the first that is none.
pub fn packed(mut bytes: &[u8]) -> impl Iterator<Item = u64> + '_ {
    std::iter::from_fn(move || {
        let (value, length) = varint(bytes)?;
        bytes = bytes.get(usize::try_from(length).ok()?..)?;
        Some(value)
    })
}

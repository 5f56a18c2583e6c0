//! One stream, from its first opcode to `STOP`, and what it claims.
//!
//! Opcodes are read through a [`Cursor`]; long strings and arrays are passed over unread. A stream is one leaf, cut
//! where something of 4 KiB or more stands in it: a string, an array that joblib wrote between opcodes, a pickle in
//! bytes.

use super::identify;
use super::imports::{Machine, Step};
use super::joblib::{self, Content};
use super::opcodes::{Argument, Opcode, opcode};
use super::scan::{End, look, look_inside};
use super::uses::Uses;
use super::value::{Node, Value};
use crate::fact::{CallableUse, Fact};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Cursor, Input, Parse, ReadFault};
use crate::identify::{HEAD, Probe, Strength, TAIL};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// Strings at least this long have a leaf of their own.
const LONG: u64 = 4 << 10;
/// Bytes at least this long may hold a pickle.
const NESTED: u64 = 16;
/// Bytes kept of a line.
const LINE: usize = 4096;
/// Leaves of one stream, nested pickles of one stream.
const MOST_CUTS: usize = 1 << 16;
const MOST_NESTED: usize = 1 << 10;

/// An opcode's argument.
#[derive(Debug)]
pub(super) enum Operand {
    Nothing,
    Fixed([u8; 8]),
    Line { span: Span, text: Vec<u8> },
    Pair { span: Span, module: Vec<u8>, name: Vec<u8> },
    Data { span: Span, head: [u8; 16] },
}

impl Operand {
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
    pub(super) fn line(&self) -> Option<&[u8]> {
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

    /// Module and name of `GLOBAL` and `INST`, and where they stand.
    pub(super) fn names(&self, at: Span) -> (String, String, Span) {
        match self {
            Self::Pair { span, module, name } => {
                let text = |raw: &[u8]| String::from_utf8_lossy(raw).into_owned();
                (text(module), text(name), *span)
            }
            _ => (String::new(), String::new(), at),
        }
    }
}

/// How a stream ended.
#[derive(Debug)]
pub(super) enum How {
    /// At `STOP`.
    Stopped(Value),
    /// At something no unpickler accepts, or something that Probity does not follow; said already.
    Broken,
    /// At the end of the file; said already.
    Cut,
}

/// A storage that a stream names: its key, its class's name, its number of elements.
pub(super) type StorageKey = (Box<str>, Box<str>, u64);

/// What is known after a stream.
pub(super) struct Ended {
    pub(super) how: How,
    /// The texts of the list it returned.
    pub(super) texts: Vec<Box<str>>,
    pub(super) storages: Vec<StorageKey>,
}

/// Reads the stream at the cursor and claims it; the cursor then stands after it, or at the opcode that is broken.
pub(super) fn read<'i, 'a>(
    cursor: &mut Cursor<'i, 'a>,
    input: &'i Input<'a>,
    uses: &mut Uses,
    number: u64,
    out: &mut Parse,
) -> Ended {
    let start = cursor.position();
    let mut reader = Reader {
        cursor,
        out,
        machine: Machine::new(input, uses),
        input,
        number,
        cuts: Vec::new(),
        frame: None,
    };
    let how = reader.run();
    reader.finish(start, how)
}

struct Reader<'c, 'o, 'u, 'i, 'a> {
    cursor: &'c mut Cursor<'i, 'a>,
    out: &'o mut Parse,
    machine: Machine<'u, 'i, 'a>,
    input: &'i Input<'a>,
    number: u64,
    cuts: Vec<(Span, Cut)>,
    frame: Option<u64>,
}

/// Something with a leaf of its own inside a stream.
enum Cut {
    Long,
    Nested,
    Fill,
    Array { dtype: String, shape: Vec<u64> },
}

impl Reader<'_, '_, '_, '_, '_> {
    fn run(&mut self) -> How {
        loop {
            let start = self.cursor.position();
            let byte = match self.cursor.peek() {
                Ok(Some(byte)) => byte,
                Ok(None) => {
                    let message = format!("pickle {} ends without STOP", self.number);
                    self.out
                        .finding(Finding::new(code::TRUNCATED, Span::new(start, start), message).key("stop"));
                    return How::Cut;
                }
                Err(fault) => {
                    self.out.fault(&fault, "pickle");
                    return How::Broken;
                }
            };
            let Some(op) = opcode(byte) else {
                self.out.malformed(
                    Span::saturating_at(start, 1),
                    "pickle: a byte that is no opcode (pickletools)",
                );
                return How::Broken;
            };
            match self.operand(op) {
                Ok(Some(operand)) => {
                    if let Some(how) = self.execute(op, &operand, start) {
                        return how;
                    }
                }
                Ok(None) => {
                    let span = Span::new(start, self.input.len());
                    let message = format!("the line of {} has no end", op.name);
                    self.out
                        .finding(Finding::new(code::TRUNCATED, span, message).key(op.name));
                    return How::Cut;
                }
                Err(fault) => {
                    self.out.fault(&fault, op.name);
                    return if matches!(fault, ReadFault::PastEnd { .. }) {
                        How::Cut
                    } else {
                        How::Broken
                    };
                }
            }
        }
    }

    /// Reads an opcode and its argument; `None` for a line without an end.
    fn operand(&mut self, op: &Opcode) -> Result<Option<Operand>, ReadFault> {
        self.cursor.skip(1)?;
        Ok(Some(match op.argument {
            Argument::None => Operand::Nothing,
            Argument::Fixed(width) => Operand::Fixed(self.fixed(width)?),
            Argument::Line => match self.cursor.line(LINE)? {
                Some((span, text)) => Operand::Line { span, text },
                None => return Ok(None),
            },
            Argument::TwoLines => {
                let (Some((first, module)), Some((second, name))) = (self.cursor.line(LINE)?, self.cursor.line(LINE)?)
                else {
                    return Ok(None);
                };
                Operand::Pair {
                    span: Span::new(first.start(), second.end()),
                    module,
                    name,
                }
            }
            Argument::Counted(width) => {
                let length = u64::from_le_bytes(self.fixed(width)?);
                if length > self.cursor.remaining() {
                    // Said with the length that lies.
                    self.cursor.skip(length)?;
                }
                let mut head = [0u8; 16];
                let first = length.min(16);
                for (to, from) in head.iter_mut().zip(self.cursor.bytes(first)?.iter()) {
                    *to = *from;
                }
                let begin = self.cursor.position().saturating_sub(first);
                self.cursor.skip(length.saturating_sub(first))?;
                Operand::Data {
                    span: Span::saturating_at(begin, length),
                    head,
                }
            }
        }))
    }

    fn fixed(&mut self, width: u8) -> Result<[u8; 8], ReadFault> {
        let mut bytes = [0u8; 8];
        let read = self.cursor.bytes(u64::from(width))?;
        for (to, from) in bytes.iter_mut().zip(read.iter()) {
            *to = *from;
        }
        Ok(bytes)
    }

    fn execute(&mut self, op: &Opcode, operand: &Operand, start: u64) -> Option<How> {
        let at = Span::new(start, self.cursor.position());
        self.frame(op, operand, at);
        if let Some(span) = operand.data().or_else(|| operand.line().map(|_| operand.text_span())) {
            self.string(op, span, operand);
        }
        match self.machine.step(op, operand, at) {
            Step::Next => None,
            Step::Stop(value) => {
                if self.frame.take().is_some_and(|end| end > self.cursor.position()) {
                    self.out.malformed(at, "pickle: a frame goes on after STOP (PEP 3154)");
                }
                (!self.machine.leave()).then_some(How::Stopped(value))
            }
            Step::Array(wrapper) => self.array(wrapper, at),
            Step::Fails(rule) => {
                self.out.malformed(at, rule);
                Some(How::Broken)
            }
            Step::Full => {
                let message = "more values at once than are kept of one pickle stream";
                self.out
                    .error(ScanError::new(ErrorCode::LimitExceeded, message).at(start));
                Some(How::Broken)
            }
        }
    }

    /// Frames hold whole opcodes, one after the other (PEP 3154, "Framing").
    fn frame(&mut self, op: &Opcode, operand: &Operand, at: Span) {
        if let Some(end) = self.frame {
            if at.start() >= end {
                self.frame = None;
            } else if op.code == 0x95 {
                self.out
                    .malformed(at, "pickle: a frame begins inside a frame (PEP 3154)");
            } else if at.end() > end {
                self.out
                    .malformed(at, "pickle: a frame ends inside an opcode (PEP 3154)");
                self.frame = None;
            }
        }
        if op.code == 0x95 {
            let length = operand.unsigned().unwrap_or(0);
            let end = at.end().saturating_add(length);
            if end > self.input.len() {
                let fault = ReadFault::PastEnd {
                    offset: at.end(),
                    wanted: length,
                    length: self.input.len(),
                };
                self.out.fault(&fault, "FRAME");
                self.frame = None;
            } else {
                self.frame = Some(end);
            }
        }
    }

    /// Gives long strings, and pickles in bytes, a place of their own.
    fn string(&mut self, op: &Opcode, span: Span, operand: &Operand) {
        let bytes = matches!(op.code, b'B' | b'C' | b'T' | b'U' | 0x8e | 0x96);
        if bytes && span.len() >= NESTED && self.is_pickle(span, operand.text_head()) {
            if self.nested() < MOST_NESTED {
                return self.cut(span, Cut::Nested);
            }
            let message = "more pickles inside a pickle than are examined";
            self.out
                .error(ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()));
        }
        if span.len() >= LONG && self.cuts.len() < MOST_CUTS {
            self.cut(span, Cut::Long);
        }
    }

    fn nested(&self) -> usize {
        self.cuts.iter().filter(|(_, cut)| matches!(cut, Cut::Nested)).count()
    }

    fn is_pickle(&self, span: Span, first: &[u8]) -> bool {
        // Most bytes fail within the first few.
        if look(first).end == End::Broken {
            return false;
        }
        let head = Span::saturating_at(span.start(), HEAD.try_into().unwrap_or(u64::MAX)).intersect(span);
        self.input
            .read(head)
            .is_ok_and(|head| identify::is_nested(&head, span.len()))
    }

    fn cut(&mut self, span: Span, cut: Cut) {
        self.cuts.push((span, cut));
    }

    /// An array that joblib wrote into the stream, after its wrapper.
    fn array(&mut self, wrapper: Value, at: Span) -> Option<How> {
        let Some(layout) = joblib::layout(&mut self.machine, wrapper) else {
            let message = "an array inside the stream whose type or shape is not plain";
            self.out
                .error(ScanError::new(ErrorCode::Unsupported, message).at(at.start()));
            return Some(How::Broken);
        };
        if self.frame.take().is_some_and(|end| end > at.end()) {
            self.out.malformed(
                at,
                "pickle: a frame goes on over an array that joblib wrote between frames",
            );
        }
        // Only joblib passes over an array: to any other unpickler its bytes are opcodes.
        let opcodes = self.cursor.ahead(4096).is_ok_and(|bytes| {
            let seen = look_inside(&bytes);
            seen.globals > 0 && seen.calls > 0
        });
        if opcodes && matches!(layout.content, Content::Elements(_)) {
            self.machine.uses.note_unresolved("<opcodes inside an array>", at);
        }
        let length = match layout.content {
            Content::Pickle => {
                if self.machine.enter() {
                    return None;
                }
                let message = "arrays of objects in arrays of objects, too deep to follow";
                self.out
                    .error(ScanError::new(ErrorCode::LimitExceeded, message).at(at.start()));
                return Some(How::Broken);
            }
            Content::Elements(length) => length,
        };
        let skipped = (|| {
            let fill = if layout.aligned {
                u64::from(self.cursor.u8()?)
            } else {
                0
            };
            Ok((self.cursor.skip(fill)?, self.cursor.skip(length)?))
        })();
        match skipped {
            Ok((fill, data)) => {
                if !fill.is_empty() {
                    self.cut(fill, Cut::Fill);
                }
                self.cut(
                    data,
                    Cut::Array {
                        dtype: layout.dtype,
                        shape: layout.shape,
                    },
                );
                None
            }
            Err(fault) => {
                self.out.fault(&fault, "array");
                Some(How::Cut)
            }
        }
    }

    /// Claims the stream's bytes and resolves what the next reader of the file needs.
    fn finish(mut self, start: u64, how: How) -> Ended {
        self.load_from_bytes();
        let mut end = self.cursor.position();
        match how {
            How::Stopped(_) => {}
            // What stands after a break belongs to nothing.
            How::Broken => end = end.min(self.broken_at(end)),
            How::Cut => end = self.input.len(),
        }
        let stream = Span::new(start, end);
        let mut cuts = std::mem::take(&mut self.cuts);
        cuts.retain(|(span, _)| stream.encloses(*span));
        cuts.sort_by_key(|(span, _)| *span);
        let name = format!("pickle {}", self.number);
        if !cuts.is_empty() {
            self.out.parent(stream, Role::Data, name.clone());
        }
        let mut at = start;
        let mut arrays = 0u64;
        for (span, cut) in cuts {
            if span.start() < at {
                continue;
            }
            if at < span.start() {
                self.out.leaf(Span::new(at, span.start()), Role::Code, name.clone());
            }
            match cut {
                Cut::Long => drop(self.out.leaf(span, Role::Data, format!("{name} string"))),
                Cut::Nested => drop(self.out.slice(span, format!("bytes@{:#x}", span.start()), false)),
                Cut::Fill => drop(
                    self.out
                        .padding(span, Fill::AnyOf(&[0xff]), format!("{name} array alignment")),
                ),
                Cut::Array { dtype, shape } => {
                    arrays = arrays.saturating_add(1);
                    let name = format!("{name} array {arrays}");
                    self.out.leaf(span, Role::Tensor, name.clone());
                    self.out.fact(Fact::Tensor {
                        name: name.into(),
                        dtype: dtype.into(),
                        shape,
                        span,
                    });
                }
            }
            at = span.end();
        }
        if at < end {
            self.out.leaf(Span::new(at, end), Role::Code, name);
        }
        let texts = match how {
            How::Stopped(value) => self.texts(value),
            _ => Vec::new(),
        };
        let storages = self.storages();
        Ended { how, texts, storages }
    }

    /// Where the opcode that broke the stream stands: the last finding or error said so.
    fn broken_at(&self, end: u64) -> u64 {
        let finding = self.out.findings().last().map_or(end, |f| f.span.start());
        let error = self.out.errors().last().and_then(|e| e.offset).unwrap_or(end);
        finding.min(error)
    }

    /// `torch.storage._load_from_bytes` loads the stream it is given: inert when that stream is examined too.
    fn load_from_bytes(&mut self) {
        for (span, callable) in std::mem::take(&mut self.machine.nested) {
            let known = self
                .cuts
                .iter()
                .any(|(cut, kind)| *cut == span && matches!(kind, Cut::Nested));
            if known {
                continue;
            }
            if self.nested() < MOST_NESTED && self.is_examined(span) {
                self.cuts.retain(|(cut, _)| *cut != span);
                self.cuts.push((span, Cut::Nested));
            } else {
                self.machine.uses.note(callable, CallableUse::Called);
            }
        }
    }

    /// Whether some format other than plain data or text will read `span`.
    fn is_examined(&self, span: Span) -> bool {
        let sized = |n: usize| u64::try_from(n).unwrap_or(u64::MAX).min(span.len());
        let head = self.input.read(Span::saturating_at(span.start(), sized(HEAD)));
        let tail = self
            .input
            .read(Span::new(span.end().saturating_sub(sized(TAIL)), span.end()));
        let (Ok(head), Ok(tail)) = (head, tail) else {
            return false;
        };
        let found = crate::identify::identify(&Probe {
            head: &head,
            tail: &tail,
            length: span.len(),
        });
        found
            .first()
            .is_some_and(|c| c.matched.strength == Strength::Certain && matches!(c.format.id(), "pickle" | "zip"))
    }

    fn texts(&mut self, value: Value) -> Vec<Box<str>> {
        let Some(Node::List { items, length }) = self.machine.arena.get(value) else {
            return Vec::new();
        };
        if u64::try_from(items.len()).ok() != Some(*length) {
            return Vec::new();
        }
        let items = items.clone();
        items.into_iter().filter_map(|item| self.machine.text(item)).collect()
    }

    fn storages(&mut self) -> Vec<StorageKey> {
        let storages = std::mem::take(&mut self.machine.storages);
        let resolve = |s: super::imports::Storage| {
            let key = self.machine.text(Value::Text(s.key))?;
            Some((key, Box::from(self.machine.uses.names(s.class).1), s.elements))
        };
        storages.into_iter().filter_map(resolve).collect()
    }
}

//! One stream, from its first opcode to `STOP`, and what it claims.
//!
//! Opcodes are read through a [`Cursor`]; long strings and arrays are passed over unread. A stream is one leaf, cut
//! where something of 4 KiB or more stands in it: a string, an array that joblib wrote between opcodes, a pickle in
//! bytes.

use super::joblib::{self, Content};
use super::layers::{self, Layer};
use super::machine::{Machine, Step};
use super::opcodes::{Opcode, opcode};
use super::operand::{self, Buffer, Operand};
use super::scan::{End, look_inside};
use super::term::{Node, Value};
use super::uses::Uses;
use crate::fact::{CallableUse, Fact, LoadAct};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::encoded::{Decoding, Encoding};
use crate::format::{Cursor, Input, Parse, ReadFault};
use crate::identify::{HEAD, Probe, Strength, TAIL};
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// Strings at least this long have a leaf of their own.
const LONG: u64 = 4 << 10;
/// Leaves of one stream, nested artifacts of one stream.
const MOST_CUTS: usize = 1 << 16;
const MOST_NESTED: usize = 1 << 10;
/// Texts and bytes of one stream whose first kilobytes are looked at.
const MOST_LOOKS: usize = 1 << 15;
/// Values that a walk over what a stream returns may meet; 10^24 is beyond any object a loader was ever given.
const HEAVY: f64 = 1e24;

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

pub(super) use crate::fact::Storage as StorageKey;

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
        looks: 0,
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
    looks: usize,
}

/// Something with a leaf of its own inside a stream.
enum Cut {
    Long,
    Nested,
    Encoded(Encoding),
    Fill,
    Array { dtype: String, shape: Vec<u64> },
}

impl Reader<'_, '_, '_, '_, '_> {
    fn run(&mut self) -> How {
        let mut buffer = Buffer::default();
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
            match operand::read(op, self.cursor, &mut buffer) {
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

    fn execute(&mut self, op: &Opcode, operand: &Operand<'_>, start: u64) -> Option<How> {
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
            Step::Odd(rule, crash) => {
                let finding = Finding::new(code::MALFORMED, at, rule).key(rule);
                self.out.finding(if crash { finding.case("crash") } else { finding });
                None
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
    fn frame(&mut self, op: &Opcode, operand: &Operand<'_>, at: Span) {
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

    /// Gives long strings, and what stands in texts and bytes, a place of their own.
    fn string(&mut self, op: &Opcode, span: Span, operand: &Operand<'_>) {
        let text = matches!(
            op.code,
            b'B' | b'C' | b'T' | b'U' | 0x8e | 0x96 | b'X' | 0x8c | 0x8d | b'V'
        );
        if text && layers::is_candidate(operand.text_head(), span.len()) && self.layer(span) {
            return;
        }
        if span.len() >= LONG && self.cuts.len() < MOST_CUTS {
            self.cut(span, Cut::Long);
        }
    }

    /// Whether something is nested in `span`, which then has its place.
    fn layer(&mut self, span: Span) -> bool {
        // Most candidates are none after a few bytes more.
        let peek = Span::saturating_at(span.start(), 64).intersect(span);
        if !self
            .input
            .read(peek)
            .is_ok_and(|peek| layers::is_likely(&peek, span.len()))
        {
            return false;
        }
        self.looks = self.looks.saturating_add(1);
        if self.looks > MOST_LOOKS {
            let message = "more texts that may hold something than are looked into";
            self.out
                .error(ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()));
            return false;
        }
        let head = Span::saturating_at(span.start(), HEAD.try_into().unwrap_or(u64::MAX)).intersect(span);
        let Ok(head) = self.input.read(head) else { return false };
        let cut = match layers::find(&head, span.len()) {
            Some(Layer::Plain) => Cut::Nested,
            Some(Layer::Encoded(encoding)) => Cut::Encoded(encoding),
            Some(Layer::Code) => {
                let term = "marshalled code object".to_owned();
                self.machine.uses.act(LoadAct::HoldsCode, "a code object", term, span);
                Cut::Nested
            }
            None => return false,
        };
        if self.nested() < MOST_NESTED {
            self.cut(span, cut);
            return true;
        }
        let message = "more pickles inside a pickle than are examined";
        self.out
            .error(ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()));
        false
    }

    fn nested(&self) -> usize {
        self.cuts
            .iter()
            .filter(|(_, cut)| matches!(cut, Cut::Nested | Cut::Encoded(_)))
            .count()
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
        let program = self.cursor.ahead(4096).is_ok_and(|bytes| {
            let seen = look_inside(&bytes);
            let varied = bytes.iter().any(|byte| Some(byte) != bytes.first());
            let unbroken = matches!(seen.end, End::Enough | End::Cut) && seen.opcodes >= 64;
            (seen.globals > 0 && seen.calls > 0) || (unbroken && varied)
        });
        if program && matches!(layout.content, Content::Elements(length) if length >= 16) {
            let term = "opcodes inside an array".to_owned();
            self.machine
                .uses
                .act(LoadAct::HiddenProgram, "opcodes inside an array", term, at);
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
        self.weigh(start);
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
                Cut::Encoded(encoding) => {
                    self.out.leaf(span, Role::Data, format!("{name} {}", encoding.name()));
                    let child = format!("{}@{:#x}", encoding.name(), span.start());
                    self.out.decoded(span, child, Box::new(Decoding::new(encoding)), false);
                }
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

    /// References to references multiply: what is a kilobyte here takes for ever to print, copy, compare or hash.
    fn weigh(&mut self, start: u64) {
        let heaviest = self.machine.arena.heaviest();
        if heaviest > HEAVY {
            let message = format!(
                "a walk over what pickle {} returns meets more than 10^{:.0} values",
                self.number,
                heaviest.log10().floor()
            );
            let span = Span::new(start, self.cursor.position());
            self.out.finding(
                Finding::new(code::ARCHIVE_BOMB, span, message)
                    .case("references")
                    .key("references"),
            );
        }
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
        let found = crate::identify::identify(&Probe::new(&head, &tail, span.len()));
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
        let resolve = |s: super::machine::Storage| {
            let key = self.machine.text(Value::Text(s.key))?;
            let shape = s.shape.and_then(|shape| {
                let (items, length) = self.machine.arena.as_tuple(shape)?;
                let dims = items.iter().map(|item| match item {
                    Value::Int(n) => u64::try_from(*n).ok(),
                    _ => None,
                });
                let dims: Vec<u64> = dims.collect::<Option<_>>()?;
                let all = dims.iter().try_fold(1u64, |n, dim| n.checked_mul(*dim));
                (u64::try_from(dims.len()).ok() == Some(length) && all == Some(s.elements)).then_some(dims)
            });
            Some(StorageKey {
                key,
                name: s.name.and_then(|name| self.machine.text(Value::Text(name))),
                dtype: Box::from(self.machine.uses.names(s.class).1.trim_end_matches("Storage")),
                elements: s.elements,
                shape: shape.unwrap_or_else(|| vec![s.elements]),
            })
        };
        storages.into_iter().filter_map(resolve).collect()
    }
}

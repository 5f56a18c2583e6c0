//! Recognition: protobuf has no magic number, so what is there must read as the schema says.

use super::reader::Reader;
use super::schema::{Kind, Message};
use crate::format::Input;
use crate::identify::Probe;
use crate::name::hidden;
use crate::span::Span;
use crate::walk::protobuf::{Event, Fetch, OutOfMemory, Stop, Walker, Wire};

/// The most steps of one walk.
const BUDGET: u32 = 16_384;
/// The most bytes of a text that are looked at.
const TEXT: u64 = 4096;

/// What a field of a probed artifact holds.
pub(in crate::format) enum Seen<'a> {
    /// A message begins.
    Message,
    /// A number.
    Number(u64),
    /// Text, or as much of it as the probe holds, and whether that is all.
    Text(&'a [u8], bool),
    /// A payload.
    Bulk,
}

/// How an artifact's first and last bytes read under a schema.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::format) struct Look {
    /// Fields that are as the schema says.
    pub(in crate::format) known: u32,
    /// Fields that the schema does not have, or has otherwise.
    pub(in crate::format) unknown: u32,
    /// Places where the wire format is broken.
    pub(in crate::format) broken: u32,
    /// Whether the outermost message was followed to the artifact's end.
    pub(in crate::format) complete: bool,
}

impl Look {
    /// Whether what was read is of the schema, but for a field here and there: a model does not stop being one by a
    /// byte that is broken or a field that nobody knows.
    pub(in crate::format) fn agrees(self) -> bool {
        let odd = self.unknown.saturating_add(self.broken.saturating_mul(4));
        self.known > odd.saturating_mul(4)
    }
}

/// What is looked at.
pub(in crate::format) enum View<'v, 'p, 'i> {
    /// The first and the last bytes.
    Ends(&'v Probe<'p>),
    /// The artifact itself, as far as a budget lasts: a message whose first fields are long shows nothing in a probe.
    Whole(&'v Input<'i>),
}

impl View<'_, '_, '_> {
    fn length(&self) -> u64 {
        match self {
            Self::Ends(probe) => probe.length,
            Self::Whole(input) => input.len(),
        }
    }
}

/// The bytes of a view.
enum Bytes<'v, 'p, 'i> {
    Ends(&'v Probe<'p>),
    Whole(Reader<'v, 'i>),
}

impl Bytes<'_, '_, '_> {
    /// Up to `length` bytes from `offset` on; fewer where the view ends.
    fn some(&mut self, offset: u64, length: u64) -> &[u8] {
        let probe = match self {
            Self::Ends(probe) => probe,
            Self::Whole(reader) => return reader.fetch(offset, length).unwrap_or_default(),
        };
        let wanted = usize::try_from(length).unwrap_or(usize::MAX);
        let cut = |bytes: &'_ [u8], base: u64| -> Option<std::ops::Range<usize>> {
            let at = usize::try_from(offset.checked_sub(base)?).ok()?;
            (at < bytes.len()).then_some(at..bytes.len().min(at.saturating_add(wanted)))
        };
        match cut(probe.head, 0) {
            Some(range) => probe.head.get(range).unwrap_or_default(),
            None => cut(probe.tail, probe.tail_offset())
                .and_then(|range| probe.tail.get(range))
                .unwrap_or_default(),
        }
    }
}

impl Fetch for Bytes<'_, '_, '_> {
    type Fault = OutOfMemory;

    fn fetch(&mut self, offset: u64, length: u64) -> Result<&[u8], OutOfMemory> {
        let all = match self {
            Self::Ends(probe) => probe.length,
            Self::Whole(reader) => reader.length(),
        };
        let end = offset.saturating_add(length).min(all);
        let bytes = self.some(offset, length);
        let have = offset.saturating_add(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if bytes.is_empty() || have < end {
            return Err(OutOfMemory);
        }
        Ok(bytes)
    }
}

/// Reads what a view shows of a message of type `schema`, and tells `seen` of each known field: the message's and the
/// field's name, and what it holds.
pub(in crate::format) fn look(
    view: &View<'_, '_, '_>,
    schema: &'static Message,
    seen: &mut dyn FnMut(&'static str, &'static str, Seen<'_>),
) -> Look {
    let mut look = Look::default();
    let mut from = 0;
    // What the head shows, then, behind the outermost field that it cuts, what the tail shows.
    while let Some(next) = run(view, from, schema, &mut look, seen).filter(|next| *next > from) {
        from = next;
    }
    look
}

/// One walk from `from`, where a field of the outermost message begins. Where the probe shows nothing more: the offset
/// behind the last field of the outermost message that was begun.
fn run(
    view: &View<'_, '_, '_>,
    from: u64,
    schema: &'static Message,
    look: &mut Look,
    seen: &mut dyn FnMut(&'static str, &'static str, Seen<'_>),
) -> Option<u64> {
    const DEPTH: usize = 24;
    let mut next = from;
    let bytes = match view {
        View::Ends(probe) => Bytes::Ends(probe),
        View::Whole(input) => Bytes::Whole(Reader::new(input)),
    };
    let mut walker = Walker::new(bytes, Span::new(from, view.length()), DEPTH);
    let mut budget = BUDGET;
    let mut open: Vec<Option<&'static Message>> = vec![Some(schema)];
    loop {
        budget = budget.saturating_sub(1);
        if budget == 0 {
            return None;
        }
        let field = match walker.step() {
            Ok(Some(Event::Field(field))) => field,
            Ok(Some(Event::End)) => {
                open.pop();
                continue;
            }
            Ok(None) => {
                look.complete = true;
                return None;
            }
            Err(Stop::Source(OutOfMemory)) => return Some(next),
            Err(Stop::Wire(_)) => {
                look.broken = look.broken.saturating_add(1);
                continue;
            }
        };
        if open.len() == 1 {
            next = field.span.end();
        }
        match field.wire {
            Wire::GroupStart => open.push(None),
            Wire::GroupEnd => {
                open.pop();
            }
            _ => {}
        }
        let message = open.last().copied().flatten();
        let Some((message, (_, def))) = message.and_then(|m| m.field(field.number).map(|f| (m, f))) else {
            look.unknown = look.unknown.saturating_add(1);
            continue;
        };
        if !def.kind.takes(field.wire.number()) {
            look.unknown = look.unknown.saturating_add(1);
            continue;
        }
        look.known = look.known.saturating_add(1);
        match (def.kind, field.wire) {
            (_, Wire::Varint(value)) => seen(message.name, def.name, Seen::Number(value)),
            (_, Wire::Fixed32(value)) => seen(message.name, def.name, Seen::Number(u64::from(value))),
            (_, Wire::Fixed64(value)) => seen(message.name, def.name, Seen::Number(value)),
            (Kind::Text, Wire::Bytes(span)) => {
                let text = walker.source().some(span.start(), span.len().min(TEXT));
                let whole = u64::try_from(text.len()).is_ok_and(|length| length == span.len());
                seen(message.name, def.name, Seen::Text(text, whole));
            }
            (Kind::Message(inner) | Kind::Unit(inner), Wire::Bytes(_)) => {
                seen(message.name, def.name, Seen::Message);
                if walker.enter() {
                    open.push(Some(inner));
                }
            }
            (_, Wire::Bytes(_)) => seen(message.name, def.name, Seen::Bulk),
            _ => {}
        }
    }
}

/// Whether `text` reads as a name: text without control characters. The end of a cut sequence is not looked at.
pub(in crate::format) fn is_text(text: &[u8]) -> bool {
    let valid = match std::str::from_utf8(text) {
        Ok(valid) => valid,
        Err(error) if error.error_len().is_none() => {
            let valid = text.get(..error.valid_up_to()).unwrap_or_default();
            std::str::from_utf8(valid).unwrap_or_default()
        }
        Err(_) => return false,
    };
    !valid.chars().any(|c| hidden(c) && c != '\n' && c != '\t' && c != '\r')
}

/// Whether `text` is spelled like an operator: letters, digits and a few joints, from a letter or an underscore on.
pub(in crate::format) fn is_identifier(text: &[u8]) -> bool {
    let first = text.first().is_some_and(|b| b.is_ascii_alphabetic() || *b == b'_');
    first
        && text.len() <= 256
        && text
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b':' | b'>' | b'/' | b'-'))
}

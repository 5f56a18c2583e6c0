//! The walk over an artifact that is one message: claims, and what the visitor is told.

use super::reader::Reader;
use super::schema::{Field, Kind, Message};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Input, Parse, ReadFault};
use crate::ledger::{RegionId, Role};
use crate::name;
use crate::span::Span;
use crate::walk::protobuf::{self, Event, Stop, Walker, Wire, WireFault};

/// Messages nested deeper are refused by protobuf's own readers.
const DEPTH: usize = 100;
/// The most bytes of a text or of packed numbers that are read.
const SHORT: u64 = 4096;
/// The smallest payload of an unknown field that is an alarm, and looked into.
const PAYLOAD: u64 = 64;
/// The smallest payload of a field that is stepped over which is looked into: longer than any comment.
const LONG: u64 = 64 << 10;
/// The most regions of one artifact; more units share theirs.
const REGIONS: usize = 1 << 20;

/// A field that the visitor is told of.
pub(in crate::format) struct At {
    /// The message's name.
    pub(in crate::format) message: &'static str,
    /// The field's name.
    pub(in crate::format) field: &'static str,
    /// The payload.
    pub(in crate::format) span: Span,
}

/// What a payload is claimed as.
pub(in crate::format) enum Claim {
    /// Part of the structure around it.
    Structure,
    /// A region of its own.
    Leaf(Role, String),
    /// A nested artifact, and whether code is expected there.
    Child(String, bool),
}

/// What a format does with the fields of its messages.
pub(in crate::format) trait Visitor {
    /// A message begins. `at.field` is the field it is the value of, `at.message` the message around it.
    fn begin(&mut self, _at: &At, _out: &mut Parse) {}

    /// It ends. For a unit: the name of its region.
    fn end(&mut self, _at: &At, _out: &mut Parse) -> Option<String> {
        None
    }

    /// A number; of packed ones, one after the other.
    fn number(&mut self, _at: &At, _value: u64, _out: &mut Parse) {}

    /// A text, cut at 4096 bytes.
    fn text(&mut self, _at: &At, _text: &[u8], _out: &mut Parse) {}

    /// A payload.
    fn bulk(&mut self, _at: &At, _out: &mut Parse) -> Claim {
        Claim::Structure
    }
}

/// A message or group that is open.
struct Frame {
    /// Its type; `None` in what the schema does not have.
    message: Option<&'static Message>,
    /// The field whose value it is, and the message around it.
    at: At,
    /// Regions that are named when it ends; `None` when it is no unit.
    regions: Option<Vec<RegionId>>,
    /// The fields seen, as bits by their place in the schema.
    seen: u128,
}

struct Walk<'v, 'o> {
    format: &'static str,
    visitor: &'v mut dyn Visitor,
    out: &'o mut Parse,
    open: Vec<Frame>,
    /// Where the structure begins that is not claimed yet.
    claimed: u64,
    crowded: bool,
}

/// Reads the whole artifact as a message of type `schema` and claims it.
pub(in crate::format) fn walk(
    format: &'static str,
    input: &Input<'_>,
    schema: &'static Message,
    visitor: &mut dyn Visitor,
    out: &mut Parse,
) {
    let whole = input.whole();
    let mut walker = Walker::new(Reader::new(input), whole, DEPTH);
    let mut walk = Walk {
        format,
        visitor,
        out,
        open: Vec::new(),
        claimed: 0,
        crowded: false,
    };
    walk.open.push(Frame {
        message: Some(schema),
        at: At {
            message: "",
            field: "",
            span: whole,
        },
        regions: Some(Vec::new()),
        seen: 0,
    });
    loop {
        let step = match walker.step() {
            Ok(None) => return,
            Ok(Some(Event::End)) => {
                walk.end(walker.position());
                Ok(())
            }
            Ok(Some(Event::Field(field))) => walk.field(&mut walker, field),
            Err(Stop::Wire(fault)) => {
                walk.lost(&fault);
                Ok(())
            }
            Err(Stop::Source(fault)) => Err(fault),
        };
        if let Err(fault) = step {
            walk.flush(walker.position());
            while !walk.open.is_empty() {
                walk.end(walk.claimed);
            }
            return walk.out.fault(&fault, "the structure");
        }
    }
}

impl Walk<'_, '_> {
    fn field(&mut self, walker: &mut Walker<Reader<'_, '_>>, field: protobuf::Field) -> Result<(), ReadFault> {
        if field.overlong {
            let rule = format!(
                "{}: a number with needless bytes (Protocol Buffers Encoding, varints)",
                self.format
            );
            let finding = Finding::new(code::MALFORMED, field.span, &*rule).case("lenient");
            self.out.finding(finding.key(rule));
        }
        match field.wire {
            Wire::GroupStart => {
                self.unknown(&field);
                self.open.push(Frame {
                    message: None,
                    at: At {
                        message: "",
                        field: "group",
                        span: field.span,
                    },
                    regions: None,
                    seen: 0,
                });
                return Ok(());
            }
            Wire::GroupEnd => {
                self.open.pop();
                return Ok(());
            }
            _ => {}
        }
        let message = self.open.last().and_then(|frame| frame.message);
        let Some((message, (place, def))) = message.and_then(|m| m.field(field.number).map(|f| (m, f))) else {
            self.unknown(&field);
            return Ok(());
        };
        if !def.kind.takes(field.wire.number()) {
            let rule = format!(
                "{}: {}.{} has wire type {}",
                self.format,
                message.name,
                def.name,
                field.wire.number()
            );
            self.out.malformed(field.span, &rule);
            self.unknown(&field);
            return Ok(());
        }
        self.once(message, place, def, &field);
        let span = match field.wire {
            Wire::Bytes(span) => span,
            _ => field.span,
        };
        let at = At {
            message: message.name,
            field: def.name,
            span,
        };
        match (def.kind, field.wire) {
            (_, Wire::Varint(value)) => self.visitor.number(&at, value, self.out),
            (_, Wire::Fixed32(value)) => self.visitor.number(&at, u64::from(value), self.out),
            (_, Wire::Fixed64(value)) => self.visitor.number(&at, value, self.out),
            (Kind::Number, Wire::Bytes(_)) => {
                let cut = Span::saturating_at(span.start(), span.len().min(SHORT));
                let bytes = walker.source().read(cut)?;
                for value in protobuf::packed(bytes) {
                    self.visitor.number(&at, value, self.out);
                }
            }
            (Kind::Fixed32, Wire::Bytes(_)) => {
                let cut = Span::saturating_at(span.start(), span.len().min(SHORT));
                let bytes = walker.source().read(cut)?;
                for value in bytes.as_chunks::<4>().0 {
                    self.visitor
                        .number(&at, u64::from(u32::from_le_bytes(*value)), self.out);
                }
            }
            (Kind::Text, Wire::Bytes(_)) => {
                let cut = Span::saturating_at(span.start(), span.len().min(SHORT));
                let text = walker.source().read(cut)?;
                self.visitor.text(&at, text, self.out);
                if span.len() > SHORT {
                    let claim = self.visitor.bulk(&at, self.out);
                    self.payload(span, claim);
                }
            }
            (Kind::Skip, Wire::Bytes(_)) if span.len() >= LONG => {
                self.payload(span, Claim::Child(format!("{}.{}", message.name, def.name), false));
            }
            (Kind::Bulk, Wire::Bytes(_)) => {
                let claim = self.visitor.bulk(&at, self.out);
                self.payload(span, claim);
            }
            (Kind::Message(inner) | Kind::Unit(inner), Wire::Bytes(_)) => {
                if !walker.can_enter() {
                    self.too_deep(span);
                    return Ok(());
                }
                let own = matches!(def.kind, Kind::Unit(_)) && self.room();
                if own {
                    self.flush(field.span.start());
                }
                self.visitor.begin(&at, self.out);
                walker.enter();
                self.open.push(Frame {
                    message: Some(inner),
                    at,
                    regions: own.then(Vec::new),
                    seen: 0,
                });
            }
            _ => {}
        }
        Ok(())
    }

    /// Ends the innermost message, whose bytes end at `end`.
    fn end(&mut self, end: u64) {
        let own = self.open.last().is_some_and(|frame| frame.regions.is_some());
        if own {
            self.flush(end);
        }
        let Some(frame) = self.open.pop() else { return };
        if frame.message.is_none() {
            return;
        }
        let name = self.visitor.end(&frame.at, self.out);
        let name = name.unwrap_or_else(|| frame.message.map_or("", |m| m.name).to_owned());
        for id in frame.regions.into_iter().flatten() {
            if let Some(region) = self.out.region_mut(id) {
                region.name = name.as_str().into();
            }
        }
    }

    /// Claims the structure up to `end` for the innermost unit.
    fn flush(&mut self, end: u64) {
        let span = Span::new(self.claimed, end);
        self.claimed = self.claimed.max(end);
        if span.is_empty() {
            return;
        }
        let id = self.out.leaf(span, Role::Table, "structure");
        let unit = self.open.iter_mut().rev().find_map(|frame| frame.regions.as_mut());
        if let Some(regions) = unit {
            regions.push(id);
        }
    }

    fn payload(&mut self, span: Span, claim: Claim) {
        let claim = if self.room() { claim } else { Claim::Structure };
        match claim {
            Claim::Structure => return,
            Claim::Leaf(role, name) => {
                self.flush(span.start());
                self.out.leaf(span, role, name);
            }
            Claim::Child(name, expected) => {
                self.flush(span.start());
                self.out.slice(span, name, expected);
            }
        }
        self.claimed = span.end();
    }

    /// Whether there may be more regions; says so when not.
    fn room(&mut self) -> bool {
        let room = self.out.view().regions.len() < REGIONS;
        if !room && !self.crowded {
            self.crowded = true;
            let message = format!("more than {REGIONS} regions: what follows is told in larger ones");
            self.out
                .error(ScanError::new(ErrorCode::LimitExceeded, message).at(self.claimed));
        }
        room
    }

    fn once(&mut self, message: &'static Message, place: usize, def: &'static Field, field: &protobuf::Field) {
        let bit = u32::try_from(place)
            .ok()
            .and_then(|at| 1u128.checked_shl(at))
            .unwrap_or(0);
        let Some(frame) = self.open.last_mut() else { return };
        let again = frame.seen & bit != 0;
        frame.seen |= bit;
        if again && !def.repeated {
            let name = format!("{}.{}", message.name, def.name);
            let text = format!("{name} stands twice, and readers take the last one or merge them");
            let finding = Finding::new(code::DUPLICATE_KEY, field.span, text);
            self.out.finding(finding.key(name));
        }
    }

    fn unknown(&mut self, field: &protobuf::Field) {
        let message = self
            .open
            .last()
            .and_then(|frame| frame.message)
            .map_or("a group", |m| m.name);
        let text = format!(
            "{message} has no field {} (wire type {})",
            field.number,
            field.wire.number()
        );
        let key = format!("{message}.{}", field.number);
        let payload = match field.wire {
            Wire::Bytes(span) if span.len() >= PAYLOAD => Some(span),
            _ => None,
        };
        let finding = Finding::new(code::UNKNOWN_FIELD, payload.unwrap_or(field.span), text)
            .evidence("message", message)
            .evidence("number", u64::from(field.number))
            .evidence("length", payload.map_or(field.span.len(), Span::len))
            .key(key.clone());
        self.out.finding(match payload {
            Some(_) => finding,
            None => finding.case("small"),
        });
        if let Some(span) = payload {
            self.payload(
                span,
                Claim::Child(format!("field {} of {message}", field.number), false),
            );
        }
    }

    fn too_deep(&mut self, span: Span) {
        let rule = format!(
            "{}: messages nested more than {DEPTH} deep (protobuf's recursion limit)",
            self.format
        );
        let finding = Finding::new(code::MALFORMED, span, &*rule).case("crash").key(rule);
        self.out.finding(finding);
        self.flush(span.start());
        self.claimed = span.end();
    }

    /// What a broken field takes with it stays unclaimed.
    fn lost(&mut self, fault: &WireFault) {
        while self.open.len() > 1 && self.open.last().is_some_and(|frame| frame.message.is_none()) {
            self.open.pop();
        }
        let message = self.open.last().and_then(|frame| frame.message).map_or("", |m| m.name);
        if fault.truncated {
            let text = format!("{message}: {}", fault.rule);
            self.out
                .finding(Finding::new(code::TRUNCATED, fault.lost, text).key(message));
        } else {
            let rule = format!("{}: {} in {message}", self.format, fault.rule);
            self.out.malformed(fault.lost, &rule);
        }
        self.flush(fault.lost.start());
        self.claimed = fault.lost.end();
    }
}

/// The most facts of one artifact, and entries of one table about it.
pub(in crate::format) const FACTS: usize = 1 << 20;

/// Adds a fact, up to [`FACTS`]: messages of two bytes could make more of them than memory holds.
pub(in crate::format) fn fact(fact: Fact, out: &mut Parse) {
    if out.facts().len() < FACTS {
        out.fact(fact);
    } else {
        crowded(out);
    }
}

/// Says that an artifact holds more than is kept.
pub(in crate::format) fn crowded(out: &mut Parse) {
    let message = format!("more than {FACTS} nodes, tensors or names: the rest was not judged");
    out.error(ScanError::new(ErrorCode::LimitExceeded, message));
}

/// Emits a fact for a name that is not plain text.
pub(in crate::format) fn name_fact(what: &'static str, raw: &[u8], span: Span, out: &mut Parse) {
    let plain = span.len() <= SHORT
        && (raw.iter().all(u8::is_ascii_graphic)
            || std::str::from_utf8(raw).is_ok_and(|s| !s.chars().any(name::hidden)));
    if !plain {
        fact(
            Fact::Name {
                what,
                raw: raw.into(),
                length: span.len(),
                span,
            },
            out,
        );
    }
}

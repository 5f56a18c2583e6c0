//! Terms as a person would write them, shortened: the evidence of a finding.

use super::machine::Machine;
use super::term::{Node, Value};
use super::text::Text;
use super::uses::GlobalId;

/// Bytes of a printed term, more or less.
const MOST: usize = 160;
/// Bytes shown of one text.
const TEXT: u32 = 64;
/// Items shown of one value, and levels.
const ITEMS: usize = 4;
const LEVELS: usize = 4;

impl Machine<'_, '_, '_> {
    /// `module.name(arguments)`.
    pub(super) fn show_call(&self, id: GlobalId, args: Value) -> String {
        format!("{}{}", self.uses.shown(id), self.show_arguments(args))
    }

    /// `(arguments)`.
    pub(super) fn show_arguments(&self, args: Value) -> String {
        match self.arena.get(args) {
            Some(Node::Tuple { items, length }) => {
                let mut out = String::new();
                self.sequence(items, *length, ['(', ')'], 1, &mut out);
                out
            }
            _ => format!("(*{})", self.show(args)),
        }
    }

    /// A value.
    pub(super) fn show(&self, value: Value) -> String {
        let mut out = String::new();
        self.write(value, 0, &mut out);
        out
    }

    fn write(&self, value: Value, level: usize, out: &mut String) {
        if out.len() >= MOST || level > LEVELS {
            return out.push('…');
        }
        match value {
            Value::Other | Value::Plain => out.push('…'),
            Value::Scalar => out.push_str("<number>"),
            Value::None => out.push_str("None"),
            Value::Int(number) => out.push_str(&number.to_string()),
            Value::TorchMagic => out.push_str("<torch magic>"),
            Value::Text(Text {
                offset,
                length,
                spelling,
                ..
            }) => {
                let raw = self.raw(offset, length.min(TEXT)).unwrap_or_default();
                quote(&spelling.decode(&raw), length > TEXT, "", out);
            }
            Value::Bytes { offset, length } => {
                let raw = self.raw(offset, length.min(TEXT)).unwrap_or_default();
                quote(&raw.escape_ascii().to_string(), length > TEXT, "b", out);
            }
            Value::Made(id) => {
                let made = self.arena.made(id).unwrap_or_default();
                let kept = made.get(..64).unwrap_or(made);
                quote(&String::from_utf8_lossy(kept), kept.len() < made.len(), "", out);
            }
            Value::Global(id) => out.push_str(&self.uses.shown(id)),
            Value::Result(id) => {
                out.push_str(&self.uses.shown(id));
                out.push_str("(…)");
            }
            Value::Node(_) => self.write_node(value, level.saturating_add(1), out),
        }
    }

    fn write_node(&self, value: Value, level: usize, out: &mut String) {
        match self.arena.get(value) {
            Some(Node::Tuple { items, length }) => self.sequence(items, *length, ['(', ')'], level, out),
            Some(Node::List { items, length }) => self.sequence(items, *length, ['[', ']'], level, out),
            Some(Node::Object {
                made: Some((id, args)), ..
            }) => {
                out.push_str(&self.uses.shown(*id));
                match self.arena.get(*args) {
                    Some(Node::Tuple { items, length }) => self.sequence(items, *length, ['(', ')'], level, out),
                    _ => out.push_str("(…)"),
                }
            }
            Some(Node::Object { items, .. }) => {
                out.push('{');
                for (number, (key, item)) in items.iter().take(ITEMS).enumerate() {
                    if number > 0 {
                        out.push_str(", ");
                    }
                    self.write(*key, level, out);
                    out.push_str(": ");
                    self.write(*item, level, out);
                }
                out.push_str(if items.len() > ITEMS { ", …}" } else { "}" });
            }
            Some(Node::Attribute { path, .. }) => out.push_str(&self.uses.shown(*path)),
            None => out.push('…'),
        }
    }

    fn sequence(&self, items: &[Value], length: u64, [open, close]: [char; 2], level: usize, out: &mut String) {
        out.push(open);
        let shown = items.len().min(ITEMS);
        for (number, item) in items.iter().take(shown).enumerate() {
            if number > 0 {
                out.push_str(", ");
            }
            self.write(*item, level, out);
        }
        if u64::try_from(shown).unwrap_or(u64::MAX) < length {
            out.push_str(if shown > 0 { ", …" } else { "…" });
        }
        out.push(close);
    }
}

fn quote(text: &str, cut: bool, prefix: &str, out: &mut String) {
    out.push_str(prefix);
    out.push('"');
    out.extend(text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }));
    out.push_str(if cut { "…\"" } else { "\"" });
}

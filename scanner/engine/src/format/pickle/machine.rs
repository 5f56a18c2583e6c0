//! The symbolic machine: a stack, marks and a memo of terms, moved by opcodes.
//!
//! It keeps to CPython's C unpickler where that fails (an empty stack, a missing mark or memo entry, an odd number of
//! dictionary items): from there on nothing runs. What calls, constructs and changes things is in `call.rs`; whatever is
//! not tracked counts as called by somebody nobody reviewed.

use super::memo::{Entry, Memo};
use super::opcodes::{Opcode, Takes, index, is_float, is_integer, is_quoted};
use super::operand::Operand;
use super::term::{Arena, Value};
use super::text::{Spelling, Text};
use super::uses::{GlobalId, Uses};
use crate::fact::{CallableUse, LoadAct};
use crate::format::Input;
use crate::span::Span;
use std::collections::HashMap;

/// Values on the stack, and marks: 64 MiB each.
const MOST: usize = 1 << 22;
/// The longest text a name is made of, in bytes.
const LONGEST_NAME: u32 = 4096;
/// Memo indices may run ahead of the bytes read so far by so much.
const AHEAD: u64 = 1 << 16;
/// A memo index from which on the C unpickler takes a gigabyte or more for its table.
const HUGE_INDEX: u64 = 1 << 26;
/// The integer a legacy PyTorch file begins with, little-endian.
const TORCH_MAGIC: [u8; 10] = [0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19];

/// What an opcode led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    /// The next opcode.
    Next,
    /// `STOP`: the stream's value.
    Stop(Value),
    /// A joblib wrapper is complete: an array's bytes stand in the stream, next.
    Array(Value),
    /// The unpickler fails here: the rule.
    Fails(&'static str),
    /// The unpickler goes on, but no writer writes this: the rule, and whether it takes memory without bound.
    Odd(&'static str, bool),
    /// More values than are kept.
    Full,
}

/// A storage that a persistent id names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub(super) class: GlobalId,
    pub(super) key: Text,
    pub(super) elements: u64,
    /// The text before the call that is under way: the name of what it makes, in a dictionary of tensors.
    pub(super) name: Option<Text>,
    /// The shape that the call gives it.
    pub(super) shape: Option<Value>,
}

/// The machine of one stream.
pub(super) struct Machine<'u, 'i, 'a> {
    input: &'i Input<'a>,
    pub(super) uses: &'u mut Uses,
    pub(super) arena: Arena,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    names: HashMap<u64, Box<str>>,
    spelled: Vec<u8>,
    pub(super) storages: Vec<Storage>,
    /// Bytes that something deserialises, each with the callable that does.
    pub(super) nested: Vec<(Span, GlobalId)>,
    pub(super) full: bool,
    outer: Vec<Outer>,
    odd_index: bool,
}

/// A stream in which another one stands, waiting for its end.
#[derive(Default)]
struct Outer {
    arena: Arena,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
}

impl<'u, 'i, 'a> Machine<'u, 'i, 'a> {
    pub(super) fn new(input: &'i Input<'a>, uses: &'u mut Uses) -> Self {
        Self {
            input,
            uses,
            arena: Arena::default(),
            stack: Vec::new(),
            marks: Vec::new(),
            memo: Memo::default(),
            names: HashMap::new(),
            spelled: Vec::new(),
            storages: Vec::new(),
            nested: Vec::new(),
            full: false,
            outer: Vec::new(),
            odd_index: false,
        }
    }

    /// Begins a stream inside this one; `false` when there are too many already.
    pub(super) fn enter(&mut self) -> bool {
        const MOST: usize = 4;
        let arena = std::mem::take(&mut self.arena);
        let (stack, marks) = (std::mem::take(&mut self.stack), std::mem::take(&mut self.marks));
        self.outer.push(Outer {
            arena,
            stack,
            marks,
            memo: std::mem::take(&mut self.memo),
        });
        self.outer.len() <= MOST
    }

    /// Goes back to the stream around this one; `false` when there is none.
    pub(super) fn leave(&mut self) -> bool {
        let Some(Outer {
            arena,
            stack,
            marks,
            memo,
        }) = self.outer.pop()
        else {
            return false;
        };
        (self.arena, self.stack, self.marks, self.memo) = (arena, stack, marks, memo);
        true
    }

    /// Runs one opcode that stands at `at`.
    pub(super) fn step(&mut self, op: &Opcode, operand: &Operand<'_>, at: Span) -> Step {
        let fence = self.marks.last().copied().unwrap_or(0);
        let above = self.stack.len().saturating_sub(fence);
        if op.code == b'0' && above == 0 && self.marks.pop().is_some() {
            return Step::Next;
        }
        match op.takes {
            Takes::Items(n) if above < usize::from(n) => {
                return Step::Fails("pickle: an opcode takes more than is on the stack");
            }
            Takes::Slice(_) | Takes::Onto if self.marks.is_empty() => {
                return Step::Fails("pickle: an opcode needs a mark and there is none");
            }
            Takes::Slice(n) if above < usize::from(n) => {
                return Step::Fails("pickle: an opcode takes more than is on the stack");
            }
            Takes::Onto if fence <= self.marks.iter().rev().nth(1).copied().unwrap_or(0) => {
                return Step::Fails("pickle: there is nothing below the mark");
            }
            _ => {}
        }
        let step = self.run(op, operand, at);
        if self.stack.len() > MOST || self.marks.len() > MOST || self.full {
            return Step::Full;
        }
        step
    }

    fn run(&mut self, op: &Opcode, operand: &Operand<'_>, at: Span) -> Step {
        match op.code {
            b'(' => self.marks.push(self.stack.len()),
            b'.' => return Step::Stop(self.pop()),
            b'0' => drop(self.pop()),
            b'1' => {
                let from = self.mark();
                self.stack.truncate(from);
            }
            b'2' => {
                let top = self.top();
                self.stack.push(top);
            }
            b'N' => self.stack.push(Value::None),
            0x88 | 0x89 | b'G' => self.stack.push(Value::Scalar),
            b'J' | b'K' | b'M' => self.stack.push(Value::Int(operand.number(op.code == b'J'))),
            b'I' | b'L' => {
                let Some(line) = operand.line().filter(|l| is_integer(l)) else {
                    return Step::Fails("pickle: INT and LONG hold decimal digits");
                };
                let number = std::str::from_utf8(line)
                    .ok()
                    .and_then(|t| t.trim().trim_end_matches('L').parse().ok());
                self.stack.push(number.map_or(Value::Scalar, Value::Int));
            }
            b'F' => match operand.line() {
                Some(line) if is_float(line) => self.stack.push(Value::Scalar),
                _ => return Step::Fails("pickle: FLOAT holds a decimal number"),
            },
            0x8a | 0x8b => {
                let magic = operand.data_is(&TORCH_MAGIC);
                let other = operand.long().map_or(Value::Scalar, Value::Int);
                self.stack.push(if magic { Value::TorchMagic } else { other });
            }
            b'S' if operand.line_is_whole() && !operand.line().is_some_and(is_quoted) => {
                return Step::Fails("pickle: STRING holds a quoted text");
            }
            b'S' | b'T' | b'U' | b'V' | b'X' | 0x8c | 0x8d => self.stack.push(text(op.code, operand)),
            b'B' | b'C' | 0x8e | 0x96 => {
                let span = operand.data().unwrap_or(at);
                let length = u32::try_from(span.len()).unwrap_or(u32::MAX);
                self.stack.push(Value::Bytes {
                    offset: span.start(),
                    length,
                });
            }
            0x97 => self.stack.push(Value::Scalar),
            b')' => self.push_tuple(self.stack.len()),
            b'}' => {
                let dictionary = self.arena.dictionary();
                self.stack.push(dictionary);
            }
            b']' | 0x8f => {
                let list = self.arena.list();
                self.stack.push(list);
            }
            b't' => {
                let from = self.mark();
                self.push_tuple(from);
            }
            0x85..=0x87 => {
                let n = usize::from(op.code.saturating_sub(0x84));
                self.push_tuple(self.stack.len().saturating_sub(n));
            }
            b'l' | 0x91 => {
                let from = self.mark();
                let list = self.arena.list();
                self.move_items(from, list);
                self.stack.push(list);
            }
            b'd' => {
                let from = self.mark();
                let dictionary = self.arena.dictionary();
                let step = self.set_items(dictionary, from, at);
                self.stack.push(dictionary);
                return step;
            }
            b'u' => {
                let from = self.mark();
                return self.set_items(self.below(from), from, at);
            }
            b's' => {
                let from = self.stack.len().saturating_sub(2);
                return self.set_items(self.below(from), from, at);
            }
            b'a' => {
                let item = self.pop();
                let target = self.top();
                self.changes(target, "items added to", at);
                self.arena.push_item(target, item);
            }
            b'e' | 0x90 => {
                let from = self.mark();
                let target = self.below(from);
                self.changes(target, "items added to", at);
                self.move_items(from, target);
            }
            b'p' => return self.put(operand.line().and_then(index), at),
            b'q' | b'r' => return self.put(operand.unsigned(), at),
            0x94 => return self.put(Some(self.memo.len()), at),
            b'g' => return self.get(operand.line().and_then(index)),
            b'h' | b'j' => return self.get(operand.unsigned()),
            b'P' => self.stack.push(Value::Other),
            b'Q' => self.persistent(at),
            b'c' => {
                let id = self.named(operand, at);
                self.stack.push(Value::Global(id));
            }
            0x93 => {
                let (name, module) = (self.pop(), self.pop());
                self.stack_global(module, name, at);
            }
            0x82..=0x84 => {
                let code = operand.number(op.code == 0x84);
                let subject = format!("extension {code}");
                let term = format!("copyreg extension {code}");
                self.uses.act(LoadAct::Extension, &subject, term, at);
                self.stack.push(Value::Other);
            }
            b'i' => {
                let from = self.mark();
                let class = self.named(operand, at);
                self.push_tuple(from);
                let args = self.pop();
                self.call(Value::Global(class), args, at);
            }
            b'o' => {
                let from = self.mark();
                self.push_tuple(from.saturating_add(1));
                let (args, class) = (self.pop(), self.pop());
                self.call(class, args, at);
            }
            b'R' => {
                let (args, callee) = (self.pop(), self.pop());
                self.call(callee, args, at);
            }
            0x81 => {
                let (args, class) = (self.pop(), self.pop());
                self.new_object(class, args, at);
            }
            0x92 => {
                let (_kwargs, args, class) = (self.pop(), self.pop(), self.pop());
                self.new_object(class, args, at);
            }
            b'b' => {
                let (state, target) = (self.pop(), self.top());
                return self.build(target, state, at);
            }
            0x80 if operand.unsigned().is_none_or(|p| p > 5) => {
                return Step::Fails("pickle: PROTO names a protocol above 5");
            }
            _ => {}
        }
        Step::Next
    }

    pub(super) fn push(&mut self, value: Value) {
        self.stack.push(value);
    }

    pub(super) fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Other)
    }

    pub(super) fn top(&self) -> Value {
        self.stack.last().copied().unwrap_or(Value::Other)
    }

    /// Takes the last mark away: where it stood.
    fn mark(&mut self) -> usize {
        self.marks.pop().unwrap_or(0).min(self.stack.len())
    }

    /// Puts a tuple of the values from `from` on in their place.
    fn push_tuple(&mut self, from: usize) {
        let tuple = self.arena.tuple(self.stack.get(from..).unwrap_or_default());
        self.stack.truncate(from);
        self.stack.push(tuple);
    }

    /// Moves the values from `from` on into a list.
    fn move_items(&mut self, from: usize, list: Value) {
        for item in self.stack.get(from..).unwrap_or_default() {
            self.arena.push_item(list, *item);
        }
        self.stack.truncate(from);
    }

    fn put(&mut self, index: Option<u64>, at: Span) -> Step {
        let Some(index) = index else {
            return Step::Fails("pickle: a memo index is a number that is not negative");
        };
        let top = self.top();
        self.memo.put(index, top);
        if index > at.end().saturating_add(AHEAD) && !self.odd_index {
            self.odd_index = true;
            let rule = "pickle: a memo index far beyond the entries there can be, for which loaders make room";
            return Step::Odd(rule, index >= HUGE_INDEX);
        }
        Step::Next
    }

    fn get(&mut self, at: Option<u64>) -> Step {
        match at.map_or(Entry::Missing, |at| self.memo.get(at)) {
            Entry::Kept(value) => {
                self.stack.push(value);
                Step::Next
            }
            Entry::Missing => Step::Fails("pickle: a memo entry is fetched that was never stored"),
        }
    }

    /// The callable that `GLOBAL` and `INST` spell.
    fn named(&mut self, operand: &Operand<'_>, at: Span) -> GlobalId {
        let (spelled, span) = operand.spelled(at);
        let id = self.uses.spelled(spelled, span);
        self.uses.note(id, CallableUse::Named);
        id
    }

    pub(super) fn push_global(&mut self, module: &str, name: &str, span: Span) {
        self.spelled.clear();
        self.spelled.extend_from_slice(module.as_bytes());
        self.spelled.push(b'\n');
        self.spelled.extend_from_slice(name.as_bytes());
        let id = self.uses.spelled(&self.spelled, span);
        self.uses.note(id, CallableUse::Named);
        self.stack.push(Value::Global(id));
    }

    fn stack_global(&mut self, module: Value, name: Value, at: Span) {
        let span = match name {
            Value::Text(text) => Span::saturating_at(text.offset, u64::from(text.length)),
            _ => at,
        };
        let made = [module, name]
            .iter()
            .any(|part| !matches!(part, Value::Text(_) | Value::Bytes { .. }));
        let (module, name) = (self.text(module), self.text(name));
        if made {
            let part = |text: &Option<Box<str>>| text.as_deref().unwrap_or("<computed>").to_owned();
            let what = format!("{}.{}", part(&module), part(&name));
            self.uses.act(LoadAct::ComputesName, &what, what.clone(), at);
        }
        match (module, name) {
            (Some(module), Some(name)) => self.push_global(&module, &name, span),
            _ if made => self.stack.push(Value::Other),
            (module, _) => {
                let what = format!(
                    "{}.<a very long name>",
                    module.as_deref().unwrap_or("<a very long name>")
                );
                self.uses.act(LoadAct::ComputesName, &what, what.clone(), at);
                self.stack.push(Value::Other);
            }
        }
    }

    /// The text of a value, when it is one and short enough for a name.
    pub(super) fn text(&mut self, value: Value) -> Option<Box<str>> {
        const KEPT: usize = 1 << 14;
        let text = match value {
            Value::Text(text) => text,
            Value::Bytes { offset, length } => Text {
                offset,
                length,
                spelling: Spelling::Plain,
                dunder: false,
            },
            Value::Made(id) => {
                return self.arena.made(id).map(|bytes| String::from_utf8_lossy(bytes).into());
            }
            _ => return None,
        };
        if text.length > LONGEST_NAME {
            return None;
        }
        if let Some(known) = self.names.get(&text.offset) {
            return Some(known.clone());
        }
        let raw = self.raw(text.offset, text.length)?;
        let decoded: Box<str> = text.spelling.decode(&raw).into();
        if self.names.len() < KEPT {
            self.names.insert(text.offset, decoded.clone());
        }
        Some(decoded)
    }

    /// Bytes of the stream.
    pub(super) fn raw(&self, offset: u64, length: u32) -> Option<Vec<u8>> {
        let span = Span::saturating_at(offset, u64::from(length));
        self.input.read(span).ok().map(std::borrow::Cow::into_owned)
    }

    fn persistent(&mut self, at: Span) {
        let id = self.pop();
        let known = self.arena.as_tuple(id).map(|(items, _)| items.to_vec());
        let kind = known
            .as_ref()
            .and_then(|items| items.first())
            .and_then(|first| self.text(*first));
        match (kind.as_deref(), known.as_deref()) {
            (Some("storage"), Some([_, Value::Global(class), Value::Text(key), _, Value::Int(elements), ..])) => {
                self.note(*class, CallableUse::Called, id, at);
                let name = self.stack.iter().rev().take(6).find_map(|value| match value {
                    Value::Text(text) => Some(*text),
                    _ => None,
                });
                if let (Ok(elements), true) = (u64::try_from(*elements), self.storages.len() < (1 << 16)) {
                    self.storages.push(Storage {
                        class: *class,
                        key: *key,
                        elements,
                        name,
                        shape: None,
                    });
                }
            }
            // A class with its source, which the loader compares and does not run; it stands for the class.
            (Some("module"), Some([_, Value::Global(class), file, source])) if file.is_data() && source.is_data() => {
                self.stack.push(Value::Global(*class));
                return;
            }
            (_, Some(items)) => {
                for item in items {
                    if !item.is_data() {
                        self.called(*item, at);
                    }
                }
            }
            (_, None) => {
                if matches!(id, Value::Global(_) | Value::Node(_) | Value::Result(_)) {
                    self.called(id, at);
                }
            }
        }
        self.stack.push(Value::Other);
    }

    /// The value below `from`.
    fn below(&self, from: usize) -> Value {
        let at = from.checked_sub(1);
        at.and_then(|at| self.stack.get(at)).copied().unwrap_or(Value::Other)
    }

    /// `SETITEM`, `SETITEMS`, `DICT`: keys and values from `from` on become `target`'s.
    fn set_items(&mut self, target: Value, from: usize, at: Span) -> Step {
        self.changes(target, "items set on", at);
        let mut next = from;
        while let Some([key, value]) = self.stack.get(next..).and_then(<[Value]>::first_chunk).copied() {
            next = next.saturating_add(2);
            let hook = is_hook(key, value);
            let kept = self.arena.set_item(target, key, value, hook);
            // A dictionary that keeps nothing may be an object's state all the same.
            if hook && (!kept || matches!(target, Value::Plain | Value::Other)) {
                self.called(value, at);
            }
        }
        let odd = next < self.stack.len();
        self.stack.truncate(from);
        if odd {
            return Step::Fails("pickle: a dictionary takes keys and values in pairs");
        }
        Step::Next
    }
}

/// Whether setting `value` under `key` in an object's state could make it run: a special method, or a key that is not
/// plain, that leads to something callable.
pub(super) fn is_hook(key: Value, value: Value) -> bool {
    match key {
        Value::Text(text) => text.dunder && !value.is_data(),
        Value::Made(_) => !value.is_data(),
        Value::Other | Value::Result(_) | Value::Global(_) => matches!(value, Value::Global(_) | Value::Result(_)),
        _ => false,
    }
}

fn text(code: u8, operand: &Operand<'_>) -> Value {
    let spelling = match code {
        b'V' => Spelling::Escaped,
        b'S' => Spelling::Quoted,
        _ => Spelling::Plain,
    };
    let span = operand.text_span();
    let head = operand.text_head();
    let dunder = match spelling {
        Spelling::Plain => head.starts_with(b"__"),
        Spelling::Escaped => {
            head.starts_with(b"__") || head.contains(&b'\\') && spelling.decode(head).starts_with("__")
        }
        Spelling::Quoted => {
            head.get(1..).is_some_and(|inner| inner.starts_with(b"__"))
                || head.contains(&b'\\') && spelling.decode(head).starts_with("__")
        }
    };
    Value::Text(Text {
        offset: span.start(),
        length: u32::try_from(span.len()).unwrap_or(u32::MAX),
        spelling,
        dunder,
    })
}

//! What a stream calls: a stack and a memo of tracked values, and the uses that follow from them.
//!
//! The machine keeps to CPython's C unpickler where that fails (an empty stack, a missing mark or memo entry, an odd
//! number of dictionary items): from there on nothing runs. Everything it does not track counts as called by somebody
//! nobody reviewed.

use super::opcodes::{Opcode, Takes, index, is_float, is_integer, is_quoted};
use super::stream::Operand;
use super::uses::{GlobalId, Uses};
use super::value::{Arena, Node, Spelling, Text, Value};
use crate::fact::CallableUse;
use crate::format::Input;
use crate::span::Span;
use std::collections::HashMap;

/// Values on the stack, and in the memo: 64 MiB each.
const MOST: usize = 1 << 22;
/// The longest text a name is made of, in bytes.
const LONGEST_NAME: u32 = 4096;
/// Rebuild functions that are handed from one to the next.
const HANDED_ON: usize = 16;
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
    /// More values than are kept.
    Full,
}

/// A storage that a persistent id names.
#[derive(Clone, Copy, Debug)]
pub(super) struct Storage {
    pub(super) class: GlobalId,
    pub(super) key: Text,
    pub(super) elements: u64,
}

/// The tracker of one stream.
pub(super) struct Machine<'u, 'i, 'a> {
    input: &'i Input<'a>,
    pub(super) uses: &'u mut Uses,
    pub(super) arena: Arena,
    stack: Vec<Value>,
    marks: Vec<usize>,
    memo: Memo,
    names: HashMap<u64, Box<str>>,
    pub(super) storages: Vec<Storage>,
    /// Bytes that something deserialises, each with the callable that does.
    pub(super) nested: Vec<(Span, GlobalId)>,
    full: bool,
    outer: Vec<Outer>,
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
            storages: Vec::new(),
            nested: Vec::new(),
            full: false,
            outer: Vec::new(),
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
    pub(super) fn step(&mut self, op: &Opcode, operand: &Operand, at: Span) -> Step {
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
        if self.stack.len() > MOST || self.marks.len() > MOST || self.memo.len() > MOST || self.full {
            return Step::Full;
        }
        step
    }

    fn run(&mut self, op: &Opcode, operand: &Operand, at: Span) -> Step {
        match op.code {
            b'(' => self.marks.push(self.stack.len()),
            b'.' => return Step::Stop(self.pop()),
            b'0' => drop(self.pop()),
            b'1' => drop(self.slice()),
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
            b')' => self.push_tuple(&[]),
            b'}' | 0x8f => self.push_object(),
            b']' => {
                let list = self.arena.add(Node::List {
                    items: Vec::new(),
                    length: 0,
                });
                self.stack.push(list);
            }
            b't' => {
                let items = self.slice();
                self.push_tuple(&items);
            }
            0x85..=0x87 => {
                let n = usize::from(op.code.saturating_sub(0x84));
                let items = self.stack.split_off(self.stack.len().saturating_sub(n));
                self.push_tuple(&items);
            }
            b'l' => {
                let all = self.slice();
                let list = self.arena.add(Node::List {
                    items: Vec::new(),
                    length: 0,
                });
                all.iter().for_each(|item| self.arena.push_item(list, *item));
                self.stack.push(list);
            }
            0x91 => {
                self.slice();
                self.stack.push(Value::Scalar);
            }
            b'd' => {
                let all = self.slice();
                self.push_object();
                return self.set_items(&all, at);
            }
            b'u' => {
                let all = self.slice();
                return self.set_items(&all, at);
            }
            b's' => {
                let all = self.stack.split_off(self.stack.len().saturating_sub(2));
                return self.set_items(&all, at);
            }
            b'a' => {
                let item = self.pop();
                self.add_items(&[item], at);
            }
            b'e' | 0x90 => {
                let all = self.slice();
                self.add_items(&all, at);
            }
            b'p' => return self.put(operand.line().and_then(index)),
            b'q' | b'r' => return self.put(operand.unsigned()),
            0x94 => return self.put(u64::try_from(self.memo.len()).ok()),
            b'g' => return self.get(operand.line().and_then(index)),
            b'h' | b'j' => return self.get(operand.unsigned()),
            b'P' => self.stack.push(Value::Other),
            b'Q' => self.persistent(at),
            b'c' => {
                let (module, name, span) = operand.names(at);
                self.push_global(&module, &name, span);
            }
            0x93 => {
                let (name, module) = (self.pop(), self.pop());
                self.stack_global(module, name, at);
            }
            0x82..=0x84 => {
                let code = operand.number(op.code == 0x84);
                self.push_global("copyreg", &format!("extension {code}"), at);
            }
            b'i' => {
                let args = self.slice();
                let (module, name, span) = operand.names(at);
                self.push_global(&module, &name, span);
                let class = self.pop();
                let args = self.arena.tuple(&args);
                self.call(class, args, at);
            }
            b'o' => {
                let all = self.slice();
                let (class, args) = all.split_first().map_or((Value::Other, &[][..]), |(c, a)| (*c, a));
                let args = self.arena.tuple(args);
                self.call(class, args, at);
            }
            b'R' => {
                let (args, callee) = (self.pop(), self.pop());
                self.call(callee, args, at);
            }
            0x81 => {
                let (args, class) = (self.pop(), self.pop());
                self.construct(class, at);
                self.push_made(class, args);
            }
            0x92 => {
                let (_kwargs, args, class) = (self.pop(), self.pop(), self.pop());
                self.construct(class, at);
                self.push_made(class, args);
            }
            b'b' => return self.build(at),
            0x80 if operand.unsigned().is_none_or(|p| p > 5) => {
                return Step::Fails("pickle: PROTO names a protocol above 5");
            }
            _ => {}
        }
        Step::Next
    }

    fn pop(&mut self) -> Value {
        self.stack.pop().unwrap_or(Value::Other)
    }

    fn top(&self) -> Value {
        self.stack.last().copied().unwrap_or(Value::Other)
    }

    fn slice(&mut self) -> Vec<Value> {
        let mark = self.marks.pop().unwrap_or(0);
        self.stack.split_off(mark.min(self.stack.len()))
    }

    fn push_tuple(&mut self, items: &[Value]) {
        let tuple = self.arena.tuple(items);
        self.stack.push(tuple);
    }

    fn push_object(&mut self) {
        let object = self.arena.add(Node::Object {
            made: None,
            state: Value::None,
            items: Vec::new(),
        });
        self.stack.push(object);
    }

    fn push_made(&mut self, callee: Value, args: Value) {
        let made = match callee {
            Value::Global(id) => {
                let node = Node::Object {
                    made: Some((id, args)),
                    state: Value::None,
                    items: Vec::new(),
                };
                match self.arena.add(node) {
                    Value::Other => Value::Result(id),
                    kept => kept,
                }
            }
            _ => Value::Other,
        };
        self.stack.push(made);
    }

    fn put(&mut self, at: Option<u64>) -> Step {
        let Some(at) = at else {
            return Step::Fails("pickle: a memo index is a number that is not negative");
        };
        let top = self.top();
        self.memo.put(at, top);
        Step::Next
    }

    fn get(&mut self, at: Option<u64>) -> Step {
        let Some(value) = at.and_then(|at| self.memo.get(at)) else {
            return Step::Fails("pickle: a memo entry is fetched that was never stored");
        };
        self.stack.push(value);
        Step::Next
    }

    fn push_global(&mut self, module: &str, name: &str, span: Span) {
        let id = self.uses.global(module, name, span);
        self.uses.note(id, CallableUse::Named);
        self.stack.push(Value::Global(id));
    }

    fn stack_global(&mut self, module: Value, name: Value, at: Span) {
        let span = match name {
            Value::Text(text) => Span::saturating_at(text.offset, u64::from(text.length)),
            _ => at,
        };
        match (self.text(module), self.text(name)) {
            (Some(module), Some(name)) => self.push_global(&module, &name, span),
            (module, name) => {
                let what = format!(
                    "<{}.{}>",
                    module.as_deref().unwrap_or("computed"),
                    name.as_deref().unwrap_or("computed")
                );
                self.uses.note_unresolved(&what, at);
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
            _ => return None,
        };
        if text.length > LONGEST_NAME {
            return None;
        }
        if let Some(known) = self.names.get(&text.offset) {
            return Some(known.clone());
        }
        let raw = self
            .input
            .read(Span::saturating_at(text.offset, u64::from(text.length)))
            .ok()?;
        let decoded: Box<str> = text.spelling.decode(&raw).into();
        if self.names.len() < KEPT {
            self.names.insert(text.offset, decoded.clone());
        }
        Some(decoded)
    }

    /// What `value` is, for a message.
    fn describe(&self, value: Value) -> String {
        let made = match self.arena.get(value) {
            Some(Node::Object {
                made: Some((id, _)), ..
            }) => Some(*id),
            _ => None,
        };
        match (value, made) {
            (Value::Result(id), _) | (_, Some(id)) => {
                let (module, name) = self.uses.names(id);
                format!("<result of {module}.{name}>")
            }
            (Value::Global(id), _) => {
                let (module, name) = self.uses.names(id);
                format!("<{module}.{name}>")
            }
            _ => "<a value made while loading>".to_owned(),
        }
    }

    /// Something calls `value`, with arguments nobody looks at.
    fn called(&mut self, value: Value, at: Span) {
        match value {
            Value::Global(id) => self.uses.note(id, CallableUse::Called),
            Value::None | Value::Scalar | Value::Int(_) | Value::Text(_) | Value::Bytes { .. } | Value::TorchMagic => {}
            Value::Node(_) if !matches!(self.arena.get(value), Some(Node::Object { made: Some(_), .. })) => {}
            Value::Other | Value::Result(_) | Value::Node(_) => {
                self.unresolved(value, at);
            }
        }
    }

    /// Something without a name of its own is called. A partial object is harmless until then.
    fn unresolved(&mut self, value: Value, at: Span) {
        if let Some(Node::Object {
            made: Some((id, _)), ..
        }) = self.arena.get(value)
            && is_partial(self.uses.names(*id))
        {
            self.uses.note(*id, CallableUse::Called);
        }
        if let Value::Result(id) = value {
            self.uses.note(id, CallableUse::Called);
        }
        let what = self.describe(value);
        self.uses.note_unresolved(&what, at);
    }

    fn construct(&mut self, class: Value, at: Span) {
        match class {
            Value::Global(id) => {
                self.uses.note(id, CallableUse::Constructed);
                // `type.__new__` makes a class when it is given three arguments.
                if self.uses.inert(id).is_some_and(|i| i.max_arguments.is_some()) {
                    let name = format!("{} constructed", self.uses.names(id).1);
                    let made = self.uses.global("builtins", &name, at);
                    self.uses.note(made, CallableUse::Called);
                }
            }
            other => self.unresolved(other, at),
        }
    }

    /// `REDUCE`, `INST`, `OBJ`: calls `callee` and pushes the result.
    fn call(&mut self, callee: Value, args: Value, at: Span) {
        let (mut next, mut next_args) = (Some(callee), args);
        for _ in 0..HANDED_ON {
            let Some(now) = next.take() else { break };
            (next, next_args) = self.call_once(now, next_args, at);
        }
        if next.is_some() {
            self.uses.note_unresolved("<a long chain of rebuild functions>", at);
        }
        self.push_made(callee, args);
    }

    /// One call; what it calls in turn with arguments that are known.
    fn call_once(&mut self, callee: Value, args: Value, at: Span) -> (Option<Value>, Value) {
        const NOTHING: (Option<Value>, Value) = (None, Value::None);
        let Value::Global(id) = callee else {
            self.unresolved(callee, at);
            return NOTHING;
        };
        let (module, name) = self.uses.names(id);
        let known = self
            .arena
            .as_tuple(args)
            .map(|(items, length)| (items.to_vec(), length));
        let item = |n: usize| {
            known
                .as_ref()
                .and_then(|(items, _)| items.get(n).copied())
                .unwrap_or(Value::Other)
        };
        match (module, name) {
            // `cls.__new__(cls, ...)`, as `NEWOBJ` does.
            ("copyreg", "__newobj__" | "__newobj_ex__") | ("pandas.core.indexes.base", "_new_Index") => {
                self.construct(item(0), at);
                return NOTHING;
            }
            ("copyreg", "_reconstructor") => {
                self.uses.note(id, CallableUse::Called);
                self.construct(item(0), at);
                self.construct(item(1), at);
                return NOTHING;
            }
            names if is_partial(names) && matches!(item(0), Value::Global(_)) => {
                self.uses.settle(id);
                return NOTHING;
            }
            ("torch.storage", "_load_from_bytes") => {
                match item(0) {
                    Value::Bytes { offset, length } if length < u32::MAX => {
                        self.nested.push((Span::saturating_at(offset, u64::from(length)), id));
                    }
                    _ => self.uses.note(id, CallableUse::Called),
                }
                return NOTHING;
            }
            _ => {}
        }
        let handed_on = matches!(name, "_rebuild_from_type" | "_rebuild_from_type_v2");
        self.uses.note(id, CallableUse::Called);
        let Some(inert) = self.uses.inert(id) else {
            return NOTHING;
        };
        let length = known
            .as_ref()
            .map(|(_, length)| usize::try_from(*length).unwrap_or(usize::MAX));
        if inert.max_arguments.is_some_and(|most| length.is_none_or(|n| n > most)) {
            let count = length.map_or_else(|| "unknown".to_owned(), |n| n.to_string());
            let (module, name) = self.uses.names(id);
            let (module, name) = (module.to_owned(), format!("{name} with {count} arguments"));
            let many = self.uses.global(&module, &name, at);
            self.uses.note(many, CallableUse::Called);
        }
        if !inert.calls.is_empty() && length.is_none() {
            let what = format!("<arguments of {}>", self.describe(callee));
            self.uses.note_unresolved(&what, at);
        }
        for &position in &inert.calls {
            if length.is_some_and(|n| position < n) && !(handed_on && position == 0) {
                self.called(item(position), at);
            }
        }
        if handed_on && length.is_some_and(|n| n > 0) {
            (Some(item(0)), item(2))
        } else {
            NOTHING
        }
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
                self.uses.note(*class, CallableUse::Called);
                if let (Ok(elements), true) = (u64::try_from(*elements), self.storages.len() < (1 << 16)) {
                    self.storages.push(Storage {
                        class: *class,
                        key: *key,
                        elements,
                    });
                }
            }
            // A class with its source, which the loader compares and does not run.
            (Some("module"), Some([_, Value::Global(_), Value::Text(_), Value::Text(_)])) => {}
            (_, Some(items)) => {
                for item in items {
                    if matches!(item, Value::Global(_)) {
                        self.called(*item, at);
                    }
                }
            }
            (_, None) => {
                if let Value::Global(_) = id {
                    self.called(id, at);
                }
            }
        }
        self.stack.push(Value::Other);
    }

    /// `SETITEM`, `SETITEMS`, `DICT`: `all` are keys and values for the object on top.
    fn set_items(&mut self, all: &[Value], at: Span) -> Step {
        let target = self.top();
        self.changes(target, "items set on", at);
        let (pairs, odd) = all.as_chunks::<2>();
        for [key, value] in pairs {
            let must = is_hook(*key, *value);
            if !self.arena.set_item(target, *key, *value, must) {
                self.full |= matches!(target, Value::Node(_));
            }
        }
        if odd.is_empty() {
            Step::Next
        } else {
            Step::Fails("pickle: a dictionary takes keys and values in pairs")
        }
    }

    fn add_items(&mut self, all: &[Value], at: Span) {
        let target = self.top();
        self.changes(target, "items added to", at);
        for item in all {
            self.arena.push_item(target, *item);
        }
    }

    /// An imported object is not a value of the stream: changing it changes the interpreter.
    fn changes(&mut self, target: Value, how: &str, at: Span) {
        if let Value::Global(id) = target {
            self.uses.note(id, CallableUse::Called);
            let (module, name) = self.uses.names(id);
            let what = format!("<{how} {module}.{name}>");
            self.uses.note_unresolved(&what, at);
        }
    }

    fn build(&mut self, at: Span) -> Step {
        let state = self.pop();
        let target = self.top();
        self.changes(target, "state set on", at);
        let (mut hooks, mut hidden) = (Vec::new(), false);
        let halves = self
            .arena
            .as_tuple(state)
            .filter(|(_, n)| *n == 2)
            .map(|(items, _)| items.to_vec());
        for part in halves.unwrap_or_else(|| vec![state]) {
            let Some(Node::Object { made, items, .. }) = self.arena.get(part) else {
                continue;
            };
            hooks.extend(
                items
                    .iter()
                    .filter(|(key, value)| is_hook(*key, *value))
                    .map(|(_, value)| *value),
            );
            // A mapping made from arguments holds what they say, under any key.
            let empty = made.is_none_or(|(_, args)| self.arena.as_tuple(args).is_some_and(|(_, n)| n == 0));
            hidden |= !empty
                && made.is_some_and(|(id, _)| matches!(self.uses.names(id).1, "OrderedDict" | "defaultdict" | "dict"));
        }
        for hook in hooks {
            self.called(hook, at);
        }
        if hidden {
            self.uses.note_unresolved("<state made while loading>", at);
        }
        let Some(Node::Object {
            made: Some((id, _)),
            state: kept,
            ..
        }) = self.arena.get_mut(target)
        else {
            return Step::Next;
        };
        *kept = state;
        let (module, name) = self.uses.names(*id);
        let wrapper = name == "NumpyArrayWrapper" && module.ends_with("numpy_pickle");
        if wrapper { Step::Array(target) } else { Step::Next }
    }
}

/// Whether setting `value` under `key` in an object's state could make it run: a special method, or a key that is not
/// plain, that leads to something callable.
fn is_hook(key: Value, value: Value) -> bool {
    let callable = matches!(
        value,
        Value::Global(_) | Value::Result(_) | Value::Other | Value::Node(_)
    );
    match key {
        Value::Text(text) => text.dunder && callable,
        Value::Other | Value::Result(_) | Value::Global(_) => matches!(value, Value::Global(_) | Value::Result(_)),
        _ => false,
    }
}

/// Making a partial object calls nothing; calling it does.
fn is_partial(names: (&str, &str)) -> bool {
    matches!(names, ("functools" | "_functools", "partial"))
}

fn text(code: u8, operand: &Operand) -> Value {
    let spelling = match code {
        b'V' => Spelling::Escaped,
        b'S' => Spelling::Quoted,
        _ => Spelling::Plain,
    };
    let span = operand.text_span();
    let head = operand.text_head();
    let dunder = match spelling {
        Spelling::Plain => head.starts_with(b"__"),
        _ => spelling.decode(head).starts_with("__"),
    };
    Value::Text(Text {
        offset: span.start(),
        length: u32::try_from(span.len()).unwrap_or(u32::MAX),
        spelling,
        dunder,
    })
}

/// The memo: indices are dense in real streams, and anything in others.
#[derive(Default)]
struct Memo {
    dense: Vec<Value>,
    sparse: HashMap<u64, Value>,
}

impl Memo {
    fn len(&self) -> usize {
        self.dense.len().saturating_add(self.sparse.len())
    }

    fn put(&mut self, at: u64, value: Value) {
        let next = u64::try_from(self.dense.len()).unwrap_or(u64::MAX);
        if at == next {
            self.sparse.remove(&at);
            self.dense.push(value);
        } else if let Some(slot) = usize::try_from(at).ok().and_then(|at| self.dense.get_mut(at)) {
            *slot = value;
        } else {
            self.sparse.insert(at, value);
        }
    }

    fn get(&self, at: u64) -> Option<Value> {
        let dense = usize::try_from(at).ok().and_then(|at| self.dense.get(at));
        dense.or_else(|| self.sparse.get(&at)).copied()
    }
}

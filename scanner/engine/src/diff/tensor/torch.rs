//! Names for the storages of PyTorch's archives.
//!
//! `torch.save` writes a ZIP with one pickle, `data.pkl`, and one member a storage, `data/KEY`. The members have no names
//! worth comparing: the pickle says which tensor is which part of which storage. It is followed here as data, and only as
//! far as state dictionaries and the attributes of modules go: what calls anything else becomes an unknown value. The
//! detections have a machine of their own, which keeps less of large dictionaries and much more of everything else.
//!
//! Layout: `torch/serialization.py`, `torch/_utils.py` (`_rebuild_tensor_v2`).

use crate::artifact::Artifact;
use crate::inventory::{Place, TensorEntry};
use crate::source::read_full_at;
use crate::span::Span;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;

/// The longest pickle that is followed.
const LONGEST: u64 = 64 << 20;
/// Tensors that are named, and levels of dictionaries that are entered.
const TENSORS: usize = 1 << 20;
const DEPTH: usize = 16;

/// The named tensors of every archive among the artifacts, each with the place of the member that holds it.
pub(in crate::diff) fn tensors(artifacts: &[Artifact]) -> Vec<(usize, TensorEntry)> {
    let mut out = Vec::new();
    let mut members: Option<HashMap<(&str, &str), usize>> = None;
    for artifact in artifacts {
        let Some(nested) = artifact.nested.as_deref().filter(|_| artifact.format == "pickle") else {
            continue;
        };
        let Some(prefix) = nested.strip_suffix("data.pkl") else {
            continue;
        };
        let Some(pickle) = bytes(artifact) else { continue };
        let members = members.get_or_insert_with(|| {
            let all = artifacts.iter().enumerate();
            all.filter_map(|(at, a)| Some(((&*a.path, a.nested.as_deref()?), at)))
                .collect()
        });
        for found in named(&pickle) {
            let member = format!("{prefix}data/{}", found.storage.key);
            let Some((at, holder)) = members
                .get(&(&*artifact.path, member.as_str()))
                .and_then(|at| Some((*at, artifacts.get(*at)?)))
            else {
                continue;
            };
            if let Some(entry) = found.entry(holder.size) {
                out.push((at, entry));
            }
        }
    }
    out
}

fn bytes(artifact: &Artifact) -> Option<Vec<u8>> {
    let length = usize::try_from(artifact.size)
        .ok()
        .filter(|_| artifact.size <= LONGEST)?;
    let held = artifact.inventory.as_deref()?;
    let (source, start) = match &held.place {
        Place::File(start) => (super::open(artifact).ok()?, *start),
        Place::Copy(source, start) => (std::sync::Arc::clone(source), *start),
        Place::Gone => return None,
    };
    let mut out = vec![0u8; length];
    (read_full_at(source.as_ref(), &mut out, start).ok()? == length).then_some(out)
}

/// A storage, as a persistent id names it.
#[derive(Clone, Debug, PartialEq)]
struct Storage {
    key: Rc<str>,
    class: Rc<str>,
}

/// A tensor with the path under which it is found.
#[derive(Clone, Debug, PartialEq)]
struct Found {
    name: String,
    storage: Storage,
    offset: u64,
    shape: Vec<u64>,
    /// Whether the elements lie row by row.
    in_order: bool,
}

impl Found {
    fn entry(&self, room: u64) -> Option<TensorEntry> {
        let class = self
            .storage
            .class
            .strip_suffix("Storage")
            .unwrap_or(&self.storage.class);
        let size = match class {
            "Double" | "Long" | "ComplexFloat" => 8,
            "Float" | "Int" => 4,
            "Half" | "BFloat16" | "Short" => 2,
            "Char" | "Byte" | "Bool" => 1,
            _ => return None,
        };
        let elements = self.shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d))?;
        let start = self.offset.checked_mul(size)?;
        let span = Span::at(start, elements.checked_mul(size)?)?;
        Some(TensorEntry {
            name: self.name.as_str().into(),
            dtype: class.into(),
            // Views across the rows are compared as the bytes lie.
            shape: if self.in_order {
                self.shape.clone().into()
            } else {
                Box::new([elements])
            },
            span: span.intersect(Span::new(0, room)),
        })
    }
}

#[derive(Clone, Debug)]
enum Value {
    Unknown,
    Mark,
    Int(u64),
    Text(Rc<str>),
    Tuple(Rc<[Value]>),
    /// A dictionary, list or object, by its place in the arena.
    Node(usize),
    Global(Rc<str>),
    Storage(Storage),
    Tensor(Rc<(Storage, u64, Vec<u64>, bool)>),
}

#[derive(Default)]
struct Machine {
    stack: Vec<Value>,
    memo: BTreeMap<u64, Value>,
    /// Items of dictionaries, lists (under their numbers) and objects.
    nodes: Vec<Vec<(Value, Value)>>,
}

/// The tensors that a pickle names. A pickle that is broken gives those before the break.
fn named(pickle: &[u8]) -> Vec<Found> {
    let mut machine = Machine::default();
    let root = machine
        .run(pickle)
        .unwrap_or_else(|| machine.stack.first().cloned().unwrap_or(Value::Unknown));
    machine.walk(root)
}

struct Bytes<'b>(&'b [u8]);

impl<'b> Bytes<'b> {
    fn take(&mut self, n: usize) -> Option<&'b [u8]> {
        let (head, rest) = self.0.split_at_checked(n)?;
        self.0 = rest;
        Some(head)
    }

    fn number(&mut self, n: usize) -> Option<u64> {
        Some(
            self.take(n)?
                .iter()
                .rev()
                .fold(0u64, |all, b| (all << 8) | u64::from(*b)),
        )
    }

    fn counted(&mut self, n: usize) -> Option<&'b [u8]> {
        let length = usize::try_from(self.number(n)?).ok()?;
        self.take(length)
    }

    fn line(&mut self) -> Option<&'b [u8]> {
        let end = memchr::memchr(b'\n', self.0)?;
        let line = self.take(end)?;
        self.take(1)?;
        Some(line)
    }
}

fn text(raw: &[u8]) -> Value {
    Value::Text(String::from_utf8_lossy(raw).into())
}

impl Machine {
    /// Follows the opcodes to STOP; `None` when one is unknown or the stream breaks off.
    fn run(&mut self, pickle: &[u8]) -> Option<Value> {
        let mut at = Bytes(pickle);
        loop {
            let [opcode] = at.take(1)? else { return None };
            match opcode {
                b'.' => return self.stack.pop(),
                0x80 => drop(at.take(1)?),
                0x95 => drop(at.take(8)?),
                b'(' => self.stack.push(Value::Mark),
                b'0' => drop(self.stack.pop()?),
                b'1' => drop(self.marked()),
                b'2' => self.stack.push(self.stack.last()?.clone()),
                b'N' => self.stack.push(Value::Unknown),
                0x88 => self.stack.push(Value::Int(1)),
                0x89 => self.stack.push(Value::Int(0)),
                b'K' => self.int(at.number(1)?),
                b'M' => self.int(at.number(2)?),
                b'J' => self.int(at.number(4)?),
                0x8a => {
                    let raw = at.counted(1)?;
                    let value = raw.iter().take(8).rev().fold(0u64, |all, b| (all << 8) | u64::from(*b));
                    self.int(value);
                }
                b'I' | b'L' => {
                    let line = at.line()?;
                    let digits = std::str::from_utf8(line).ok().map(|l| l.trim_end_matches('L'));
                    self.int(digits.and_then(|d| d.parse().ok()).unwrap_or(0));
                }
                b'G' => {
                    at.take(8)?;
                    self.stack.push(Value::Unknown);
                }
                b'F' => {
                    at.line()?;
                    self.stack.push(Value::Unknown);
                }
                b'X' | b'T' => self.stack.push(text(at.counted(4)?)),
                0x8c | b'U' => self.stack.push(text(at.counted(1)?)),
                0x8d => self.stack.push(text(at.counted(8)?)),
                b'V' => self.stack.push(text(at.line()?)),
                b'B' => self.unknown(at.counted(4)?),
                b'C' => self.unknown(at.counted(1)?),
                0x8e | 0x96 => self.unknown(at.counted(8)?),
                b'}' | b']' | 0x8f => self.node(Vec::new()),
                b'd' => {
                    let items = pairs(self.marked());
                    self.node(items);
                }
                b'l' => {
                    let items = numbered(0, self.marked());
                    self.node(items);
                }
                b')' => self.stack.push(Value::Tuple(Rc::from([]))),
                b't' => {
                    let items = self.marked();
                    self.stack.push(Value::Tuple(items.into()));
                }
                0x85..=0x87 => {
                    let n = usize::from(opcode - 0x84);
                    let start = self.stack.len().checked_sub(n)?;
                    let items = self.stack.split_off(start);
                    self.stack.push(Value::Tuple(items.into()));
                }
                b'q' => self.keep(at.number(1)?)?,
                b'r' => self.keep(at.number(4)?)?,
                0x94 => self.keep(self.memo.len() as u64)?,
                b'p' => {
                    let line = std::str::from_utf8(at.line()?).ok()?;
                    self.keep(line.parse().ok()?)?;
                }
                b'h' => self.recall(at.number(1)?),
                b'j' => self.recall(at.number(4)?),
                b'g' => {
                    let line = std::str::from_utf8(at.line()?).ok()?;
                    self.recall(line.parse().ok()?);
                }
                b'c' => {
                    let (module, name) = (at.line()?, at.line()?);
                    let full = [module, b".", name].concat();
                    self.stack.push(Value::Global(String::from_utf8_lossy(&full).into()));
                }
                0x93 => {
                    let (name, module) = (self.stack.pop()?, self.stack.pop()?);
                    let global = match (module, name) {
                        (Value::Text(module), Value::Text(name)) => Value::Global(format!("{module}.{name}").into()),
                        _ => Value::Unknown,
                    };
                    self.stack.push(global);
                }
                b'Q' => {
                    let id = self.stack.pop()?;
                    self.stack.push(storage(&id));
                }
                b'R' | 0x81 => {
                    let (arguments, callable) = (self.stack.pop()?, self.stack.pop()?);
                    self.call(&callable, &arguments);
                }
                0x92 => {
                    let (_, arguments, callable) = (self.stack.pop()?, self.stack.pop()?, self.stack.pop()?);
                    self.call(&callable, &arguments);
                }
                b'b' => {
                    let state = self.stack.pop()?;
                    if let (Some(Value::Node(object)), Value::Node(state)) = (self.stack.last(), state) {
                        let items = self.nodes.get(state).cloned().unwrap_or_default();
                        self.nodes.get_mut(*object)?.extend(items);
                    }
                }
                b's' => {
                    let (value, key) = (self.stack.pop()?, self.stack.pop()?);
                    self.add(vec![(key, value)])?;
                }
                b'u' => {
                    let items = pairs(self.marked());
                    self.add(items)?;
                }
                b'a' => {
                    let item = self.stack.pop()?;
                    self.append(vec![item])?;
                }
                b'e' | 0x90 => {
                    let items = self.marked();
                    self.append(items)?;
                }
                _ => return None,
            }
        }
    }

    fn int(&mut self, value: u64) {
        self.stack.push(Value::Int(value));
    }

    fn unknown(&mut self, _: &[u8]) {
        self.stack.push(Value::Unknown);
    }

    fn node(&mut self, items: Vec<(Value, Value)>) {
        self.stack.push(Value::Node(self.nodes.len()));
        self.nodes.push(items);
    }

    /// Everything above the last mark.
    fn marked(&mut self) -> Vec<Value> {
        let at = self.stack.iter().rposition(|v| matches!(v, Value::Mark));
        let items = at.map_or_else(Vec::new, |at| self.stack.split_off(at.saturating_add(1)));
        self.stack.pop();
        items
    }

    fn keep(&mut self, at: u64) -> Option<()> {
        self.memo.insert(at, self.stack.last()?.clone());
        Some(())
    }

    fn recall(&mut self, at: u64) {
        self.stack.push(self.memo.get(&at).cloned().unwrap_or(Value::Unknown));
    }

    fn add(&mut self, items: Vec<(Value, Value)>) -> Option<()> {
        if let Value::Node(at) = self.stack.last()? {
            self.nodes.get_mut(*at)?.extend(items);
        }
        Some(())
    }

    fn append(&mut self, items: Vec<Value>) -> Option<()> {
        if let Value::Node(at) = self.stack.last()? {
            let node = self.nodes.get_mut(*at)?;
            node.extend(numbered(node.len(), items));
        }
        Some(())
    }

    fn call(&mut self, callable: &Value, arguments: &Value) {
        let (Value::Global(name), Value::Tuple(arguments)) = (callable, arguments) else {
            self.stack.push(Value::Unknown);
            return;
        };
        let made = match &**name {
            "torch._utils._rebuild_tensor_v2" | "torch._utils._rebuild_tensor" => tensor(arguments),
            "torch._utils._rebuild_parameter" | "torch._tensor._rebuild_from_type_v2" => {
                arguments.iter().find(|v| matches!(v, Value::Tensor(_))).cloned()
            }
            // Anything else may be an object with a state of its own.
            _ => None,
        };
        match made {
            Some(value) => self.stack.push(value),
            None => self.node(Vec::new()),
        }
    }

    /// The tensors below a value, by path; modules' own tables add nothing to it.
    fn walk(&self, root: Value) -> Vec<Found> {
        let mut out = Vec::new();
        let mut waiting = vec![(String::new(), root, 0usize)];
        let mut entered = vec![false; self.nodes.len()];
        while let Some((name, value, depth)) = waiting.pop() {
            match value {
                Value::Tensor(tensor) if out.len() < TENSORS => {
                    let (storage, offset, shape, in_order) = &*tensor;
                    out.push(Found {
                        name,
                        storage: storage.clone(),
                        offset: *offset,
                        shape: shape.clone(),
                        in_order: *in_order,
                    });
                }
                Value::Node(at) if depth < DEPTH => {
                    // A node that stands in several places is named by the first.
                    match entered.get_mut(at) {
                        Some(seen) if !*seen => *seen = true,
                        _ => continue,
                    }
                    for (key, value) in self.nodes.get(at).into_iter().flatten().rev() {
                        let key: Rc<str> = match key {
                            Value::Text(key) => Rc::clone(key),
                            Value::Int(n) => n.to_string().into(),
                            _ => continue,
                        };
                        let below = match (&*key, name.is_empty()) {
                            ("_parameters" | "_buffers" | "_modules", _) => name.clone(),
                            (_, true) => key.to_string(),
                            (_, false) => format!("{name}.{key}"),
                        };
                        waiting.push((below, value.clone(), depth.saturating_add(1)));
                    }
                }
                Value::Tuple(items) if depth < DEPTH => {
                    for (n, item) in items.iter().enumerate().rev() {
                        waiting.push((format!("{name}.{n}"), item.clone(), depth.saturating_add(1)));
                    }
                }
                _ => {}
            }
        }
        out
    }
}

fn pairs(items: Vec<Value>) -> Vec<(Value, Value)> {
    let mut items = items.into_iter();
    let mut out = Vec::new();
    while let (Some(key), Some(value)) = (items.next(), items.next()) {
        out.push((key, value));
    }
    out
}

fn numbered(from: usize, items: Vec<Value>) -> Vec<(Value, Value)> {
    (from as u64..).map(Value::Int).zip(items).collect()
}

/// `('storage', class, key, location, elements)`.
fn storage(id: &Value) -> Value {
    let Value::Tuple(parts) = id else { return Value::Unknown };
    match &**parts {
        [Value::Text(kind), Value::Global(class), Value::Text(key), ..] if &**kind == "storage" => {
            let class = class.rsplit('.').next().unwrap_or(class);
            Value::Storage(Storage {
                key: Rc::clone(key),
                class: class.into(),
            })
        }
        _ => Value::Unknown,
    }
}

/// `(storage, offset, size, stride, ...)`.
fn tensor(arguments: &[Value]) -> Option<Value> {
    let [
        Value::Storage(storage),
        Value::Int(offset),
        Value::Tuple(size),
        Value::Tuple(stride),
        ..,
    ] = arguments
    else {
        return None;
    };
    let numbers = |list: &[Value]| -> Option<Vec<u64>> {
        list.iter()
            .map(|v| if let Value::Int(n) = v { Some(*n) } else { None })
            .collect()
    };
    let (shape, stride) = (numbers(size)?, numbers(stride)?);
    let mut next = 1u64;
    let mut in_order = shape.len() == stride.len();
    for (d, s) in shape.iter().zip(&stride).rev() {
        in_order &= *d == 1 || *s == next;
        next = next.saturating_mul(*d);
    }
    Some(Value::Tensor(Rc::new((storage.clone(), *offset, shape, in_order))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dictionary(entries: &[(&str, &str, [u8; 2], [u8; 2])]) -> Vec<u8> {
        let mut out = b"\x80\x02ccollections\nOrderedDict\n)R(".to_vec();
        for (name, key, shape, stride) in entries {
            out.extend(b"X");
            out.extend((name.len() as u32).to_le_bytes());
            out.extend(name.as_bytes());
            out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nHalfStorage\nX\x01\0\0\0");
            out.extend(key.as_bytes());
            out.extend(b"X\x03\0\0\0cpuK\x06tQK\x01");
            out.extend([
                b'K', shape[0], b'K', shape[1], 0x86, b'K', stride[0], b'K', stride[1], 0x86,
            ]);
            out.extend(b"\x89NtR");
        }
        out.extend(b"u.");
        out
    }

    #[test]
    fn tensors_of_a_state_dictionary_get_their_names() {
        let pickle = dictionary(&[("a.weight", "0", [2, 3], [3, 1]), ("b", "1", [2, 3], [1, 2])]);
        let found = named(&pickle);
        let brief: Vec<_> = found
            .iter()
            .map(|f| (f.name.as_str(), &*f.storage.key, f.offset, f.in_order))
            .collect();
        assert_eq!(brief, [("a.weight", "0", 1, true), ("b", "1", 1, false)]);
        let entry = found[0].entry(100).unwrap();
        assert_eq!(
            (&*entry.dtype, &*entry.shape, entry.span),
            ("Half", &[2, 3][..], Span::new(2, 14))
        );
        assert_eq!(&*found[1].entry(100).unwrap().shape, [6]);
        assert_eq!(found[0].entry(8).unwrap().span, Span::new(2, 8));
    }

    #[test]
    fn broken_and_hostile_pickles_end() {
        let pickle = dictionary(&[("a", "0", [2, 3], [3, 1])]);
        for cut in 0..pickle.len() {
            let _ = named(&pickle[..cut]);
        }
        for at in 0..pickle.len() {
            for bits in [1u8, 0x80, 0xff] {
                let mut bad = pickle.clone();
                bad[at] ^= bits;
                let _ = named(&bad);
            }
        }
        // A dictionary that holds itself.
        assert!(named(b"}q\x00X\x01\0\0\0ah\x00s.").is_empty());
        assert!(named(b"cos\nsystem\n(S'true'\ntR.").is_empty());
    }
}

//! Terms: what is known about a value, in sixteen bytes; what has parts lives in an arena.
//!
//! Nothing is nested by ownership, so neither depth nor shared references cost anything: a "billion laughs" of lists is
//! as many nodes as it has opcodes, and only its weight, a number, says what walking it would take. Small tuples are
//! kept once however often they are written. Once half of the arena is used, tuples and lists of nothing but data keep
//! no parts ([`Value::Plain`]); what the whole arena cannot hold becomes [`Value::Other`], which is never treated as
//! harmless where it is called.

use super::text::Text;
use super::uses::GlobalId;
use std::collections::HashMap;

/// A value on the stack or in the memo.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Value {
    /// Something whose nature is not tracked: a persistent object, what did not fit.
    Other,
    /// A number, a boolean: nothing that can be called or looked up.
    Scalar,
    /// Data of any shape whose parts are not kept.
    Plain,
    /// `None`.
    None,
    /// A small integer.
    Int(i64),
    /// The integer with which a legacy PyTorch file begins.
    TorchMagic,
    /// Text, read again when a name is made of it.
    Text(Text),
    /// Text or bytes that calls made: an index into the arena's strings.
    Made(u32),
    /// Bytes.
    Bytes { offset: u64, length: u32 },
    /// An imported callable or object; a module when its name is empty.
    Global(GlobalId),
    /// What a call of it returned, when the arena is full.
    Result(GlobalId),
    /// A value with parts.
    Node(u32),
}

impl Value {
    /// Whether nothing in it can be called, now or later.
    pub(super) fn is_data(self) -> bool {
        !matches!(self, Self::Other | Self::Global(_) | Self::Result(_) | Self::Node(_))
    }
}

/// A value with parts.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A tuple's first items, and how many it has.
    Tuple { items: Box<[Value]>, length: u64 },
    /// A list's or set's first texts, numbers and callables, and how many items it has.
    List { items: Vec<Value>, length: u64 },
    /// A dictionary, or a call's result: `made` says by what, from which arguments.
    Object {
        made: Option<(GlobalId, Value)>,
        state: Value,
        items: Vec<(Value, Value)>,
    },
    /// An attribute of a value that is not imported itself; the name under which it is judged, when there is one.
    Attribute { base: Value, path: GlobalId },
}

/// Items kept of one tuple, dictionary or object.
pub(super) const ITEMS: usize = 32;
/// Items kept of one list: the storage keys of a legacy PyTorch file.
pub(super) const LIST_ITEMS: usize = 1 << 16;
/// Nodes, and items over all nodes, kept of one stream: about 64 MiB together.
const NODES: usize = 1 << 19;
const ALL_ITEMS: usize = 1 << 20;
/// Tuples up to this size that hold a callable (`(cls, object, None)`) are looked up before they are added.
const SHARED: usize = 4;
const SHAREABLE: usize = 1 << 16;
/// Strings that calls made, and their bytes together.
const STRINGS: usize = 1 << 12;
const STRING_BYTES: usize = 1 << 20;

/// The values with parts of one stream.
#[derive(Debug, Default)]
pub(super) struct Arena {
    nodes: Vec<Node>,
    /// How many values a walk over the node meets, shared ones as often as they are reached.
    weights: Vec<f64>,
    heaviest: f64,
    items: usize,
    tuples: HashMap<([Value; SHARED], usize), u32>,
    strings: Vec<Box<[u8]>>,
    string_bytes: usize,
}

impl Arena {
    /// Keeps `node`.
    pub(super) fn add(&mut self, node: Node) -> Value {
        let (items, weight) = match &node {
            Node::Tuple { items, .. } => (items.len(), items.iter().map(|item| self.weight(*item)).sum()),
            Node::List { items, .. } => (items.len(), 0.0),
            Node::Object { items, .. } => (items.len(), 0.0),
            Node::Attribute { .. } => (0, 0.0),
        };
        let full = self.nodes.len() >= NODES || self.items.saturating_add(items) > ALL_ITEMS;
        match u32::try_from(self.nodes.len()) {
            Ok(id) if !full => {
                self.items = self.items.saturating_add(items);
                self.nodes.push(node);
                self.weights.push(1.0);
                self.add_weight(Value::Node(id), weight);
                Value::Node(id)
            }
            _ => Value::Other,
        }
    }

    /// Whether parts of plain data are no longer worth their place.
    fn is_short(&self) -> bool {
        self.nodes.len() >= NODES / 2 || self.items >= ALL_ITEMS / 2
    }

    /// A tuple of `all`.
    pub(super) fn tuple(&mut self, all: &[Value]) -> Value {
        let plain = self.is_short() && all.iter().all(|value| value.is_data());
        if plain {
            return match all {
                [_, word @ Value::Text(_)] => self.word(*word),
                _ => Value::Plain,
            };
        }
        let mut key = ([Value::None; SHARED], all.len());
        let small = all.len() <= SHARED && all.iter().any(|value| matches!(value, Value::Global(_)));
        if small {
            for (to, from) in key.0.iter_mut().zip(all) {
                *to = *from;
            }
            if let Some(id) = self.tuples.get(&key) {
                return Value::Node(*id);
            }
        }
        let items = all.get(..ITEMS).unwrap_or(all).into();
        let node = Node::Tuple {
            items,
            length: u64::try_from(all.len()).unwrap_or(u64::MAX),
        };
        let tuple = self.add(node);
        if let Value::Node(id) = tuple
            && small
            && self.tuples.len() < SHAREABLE
        {
            self.tuples.insert(key, id);
        }
        tuple
    }

    /// A pair of something that is not kept and the text `word`, which some callables are judged by: one node for all
    /// pairs with it.
    fn word(&mut self, word: Value) -> Value {
        let pair = [Value::Plain, word];
        let key = ([Value::Plain, word, Value::None, Value::None], pair.len());
        if let Some(id) = self.tuples.get(&key) {
            return Value::Node(*id);
        }
        if self.tuples.len() >= SHAREABLE {
            return Value::Plain;
        }
        let tuple = self.add(Node::Tuple {
            items: pair.into(),
            length: 2,
        });
        if let Value::Node(id) = tuple {
            self.tuples.insert(key, id);
        }
        tuple
    }

    /// An empty list or set.
    pub(super) fn list(&mut self) -> Value {
        if self.is_short() {
            return Value::Plain;
        }
        self.add(Node::List {
            items: Vec::new(),
            length: 0,
        })
    }

    /// An empty dictionary.
    pub(super) fn dictionary(&mut self) -> Value {
        if self.is_short() {
            return Value::Plain;
        }
        self.add(Node::Object {
            made: None,
            state: Value::None,
            items: Vec::new(),
        })
    }

    /// Text or bytes that a call made.
    pub(super) fn string(&mut self, bytes: Vec<u8>) -> Value {
        let bytes_after = self.string_bytes.saturating_add(bytes.len());
        match u32::try_from(self.strings.len()) {
            Ok(id) if self.strings.len() < STRINGS && bytes_after <= STRING_BYTES => {
                self.string_bytes = bytes_after;
                self.strings.push(bytes.into());
                Value::Made(id)
            }
            _ => Value::Other,
        }
    }

    /// The bytes of a made string.
    pub(super) fn made(&self, id: u32) -> Option<&[u8]> {
        self.strings.get(usize::try_from(id).ok()?).map(|bytes| &**bytes)
    }

    /// The parts of `value`.
    pub(super) fn get(&self, value: Value) -> Option<&Node> {
        match value {
            Value::Node(id) => self.nodes.get(usize::try_from(id).ok()?),
            _ => None,
        }
    }

    /// The parts of `value`, to change them.
    pub(super) fn get_mut(&mut self, value: Value) -> Option<&mut Node> {
        match value {
            Value::Node(id) => self.nodes.get_mut(usize::try_from(id).ok()?),
            _ => None,
        }
    }

    /// The first items of a tuple, and how many it has.
    pub(super) fn as_tuple(&self, value: Value) -> Option<(&[Value], u64)> {
        match self.get(value)? {
            Node::Tuple { items, length } => Some((items, *length)),
            _ => None,
        }
    }

    /// What made the object, and from what.
    pub(super) fn maker(&self, value: Value) -> Option<(GlobalId, Value)> {
        match self.get(value)? {
            Node::Object { made, .. } => *made,
            _ => None,
        }
    }

    /// Adds an item to a dictionary or object. `must` keeps it although there are many already; `false` when even that
    /// is not possible.
    pub(super) fn set_item(&mut self, target: Value, key: Value, value: Value, must: bool) -> bool {
        let weight = self.weight(key) + self.weight(value);
        self.add_weight(target, weight);
        let room = self.items < ALL_ITEMS;
        let plain = self.is_short() && key.is_data() && value.is_data();
        let Some(Node::Object { items, .. }) = self.get_mut(target) else {
            return !must;
        };
        if !room || ((items.len() >= ITEMS || plain) && !must) {
            return !must;
        }
        items.push((key, value));
        self.items = self.items.saturating_add(1);
        true
    }

    /// Adds an item to a list; numbers without a value are not kept.
    pub(super) fn push_item(&mut self, target: Value, value: Value) {
        let weight = self.weight(value);
        self.add_weight(target, weight);
        let room = self.items < ALL_ITEMS;
        let short = self.is_short();
        let Some(Node::List { items, length }) = self.get_mut(target) else {
            return;
        };
        *length = length.saturating_add(1);
        let most = match value {
            Value::Text(_) => LIST_ITEMS,
            Value::Scalar | Value::None | Value::Plain => 0,
            _ => ITEMS,
        };
        if room && items.len() < most && !(short && value.is_data()) {
            items.push(value);
            self.items = self.items.saturating_add(1);
        }
    }

    /// The most values that a walk over any one value of the stream would meet.
    pub(super) fn heaviest(&self) -> f64 {
        self.heaviest
    }

    fn weight(&self, value: Value) -> f64 {
        match value {
            Value::Node(id) => usize::try_from(id)
                .ok()
                .and_then(|id| self.weights.get(id).copied())
                .unwrap_or(1.0),
            _ => 1.0,
        }
    }

    fn add_weight(&mut self, target: Value, more: f64) {
        if let Value::Node(id) = target
            && let Some(weight) = usize::try_from(id).ok().and_then(|id| self.weights.get_mut(id))
        {
            *weight += more;
            self.heaviest = self.heaviest.max(*weight);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_word_of_a_pair_is_kept_when_room_is_short() {
        let mut arena = Arena::default();
        while !arena.is_short() {
            arena.list();
        }
        let word = Value::Made(0);
        assert_eq!(arena.tuple(&[Value::None, Value::Scalar]), Value::Plain);
        assert!(arena.word(word) == arena.word(word));
        let kept = arena.word(word);
        assert_eq!(arena.as_tuple(kept), Some((&[Value::Plain, word][..], 2)));
    }
}

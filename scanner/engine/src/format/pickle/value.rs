//! What the tracker knows about a value, in sixteen bytes; what has parts lives in an arena.
//!
//! Nothing is ever freed inside a stream and nothing is nested by ownership, so neither depth nor shared references
//! cost anything: a "billion laughs" of lists is as many nodes as it has opcodes. What the arena cannot hold becomes
//! [`Value::Other`], which is never treated as harmless.

use super::uses::GlobalId;

/// A value on the stack or in the memo.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Value {
    /// Something whose nature is not tracked: a persistent object, what did not fit.
    Other,
    /// A number, a boolean: nothing that can be called or looked up.
    Scalar,
    /// `None`.
    None,
    /// A small integer.
    Int(i64),
    /// The integer with which a legacy PyTorch file begins.
    TorchMagic,
    /// Text, read again when a name is made of it.
    Text(Text),
    /// Bytes.
    Bytes { offset: u64, length: u32 },
    /// An imported callable or object.
    Global(GlobalId),
    /// What a call of it returned, when the arena is full.
    Result(GlobalId),
    /// A value with parts.
    Node(u32),
}

/// Where a text stands and how it is spelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) offset: u64,
    pub(super) length: u32,
    pub(super) spelling: Spelling,
    /// Whether it may begin with two underscores.
    pub(super) dunder: bool,
}

/// How a text's bytes become characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Spelling {
    /// UTF-8, or bytes of Python 2.
    Plain,
    /// `UNICODE`: `\uXXXX` and `\UXXXXXXXX`.
    Escaped,
    /// `STRING`: quoted, with Python's escapes.
    Quoted,
}

impl Spelling {
    /// The characters of `raw`.
    pub(super) fn decode(self, raw: &[u8]) -> String {
        match self {
            Self::Plain => String::from_utf8_lossy(raw).into_owned(),
            Self::Escaped => unescape(raw, false),
            Self::Quoted => {
                let inner = raw.trim_ascii_end();
                let end = inner.len().saturating_sub(1).max(1);
                unescape(inner.get(1..end).unwrap_or_default(), true)
            }
        }
    }
}

/// Escapes that a name could be hidden in; others stay as they are.
fn unescape(raw: &[u8], quoted: bool) -> String {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((&byte, after)) = rest.split_first() {
        rest = after;
        if byte != b'\\' {
            out.push(char::from(byte));
            continue;
        }
        let Some((&kind, after)) = rest.split_first() else {
            break;
        };
        let digits = match kind {
            b'u' if !quoted => 4,
            b'U' if !quoted => 8,
            b'x' if quoted => 2,
            b'0'..=b'7' if quoted => {
                let octal = rest.iter().take(3).take_while(|b| (b'0'..=b'7').contains(b)).count();
                let code = rest.iter().take(octal).fold(0u32, |n, b| (n << 3) | u32::from(b & 7));
                out.extend(char::from_u32(code));
                rest = rest.get(octal..).unwrap_or_default();
                continue;
            }
            b'\\' | b'\'' | b'"' if quoted => {
                out.push(char::from(kind));
                rest = after;
                continue;
            }
            _ => {
                out.push('\\');
                continue;
            }
        };
        let hex = after.get(..digits).and_then(|h| std::str::from_utf8(h).ok());
        match hex
            .and_then(|h| u32::from_str_radix(h, 16).ok())
            .and_then(char::from_u32)
        {
            Some(c) => {
                out.push(c);
                rest = after.get(digits..).unwrap_or_default();
            }
            None => out.push('\\'),
        }
    }
    out
}

/// A value with parts.
#[derive(Clone, Debug)]
pub(super) enum Node {
    /// A tuple's first items, and how many it has.
    Tuple { items: Box<[Value]>, length: u64 },
    /// A list's first texts and numbers, and how many items it has.
    List { items: Vec<Value>, length: u64 },
    /// A dictionary, or a call's result: `made` says by what, from which arguments.
    Object {
        made: Option<(GlobalId, Value)>,
        state: Value,
        items: Vec<(Value, Value)>,
    },
}

/// Items kept of one tuple, dictionary or object.
pub(super) const ITEMS: usize = 32;
/// Items kept of one list: the storage keys of a legacy PyTorch file.
pub(super) const LIST_ITEMS: usize = 1 << 16;
/// Nodes, and items over all nodes, kept of one stream: about 64 MiB together.
const NODES: usize = 1 << 19;
const ALL_ITEMS: usize = 1 << 20;

/// The values with parts of one stream.
#[derive(Debug, Default)]
pub(super) struct Arena {
    nodes: Vec<Node>,
    items: usize,
}

impl Arena {
    /// Keeps `node`.
    pub(super) fn add(&mut self, node: Node) -> Value {
        let items = match &node {
            Node::Tuple { items, .. } => items.len(),
            Node::List { items, .. } => items.len(),
            Node::Object { items, .. } => items.len(),
        };
        let full = self.nodes.len() >= NODES || self.items.saturating_add(items) > ALL_ITEMS;
        match u32::try_from(self.nodes.len()) {
            Ok(id) if !full => {
                self.items = self.items.saturating_add(items);
                self.nodes.push(node);
                Value::Node(id)
            }
            _ => Value::Other,
        }
    }

    /// A tuple of `all`.
    pub(super) fn tuple(&mut self, all: &[Value]) -> Value {
        let items = all.get(..ITEMS).unwrap_or(all).into();
        self.add(Node::Tuple {
            items,
            length: u64::try_from(all.len()).unwrap_or(u64::MAX),
        })
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

    /// Adds an item to a dictionary or object. `must` keeps it although there are many already; `false` when even that
    /// is not possible.
    pub(super) fn set_item(&mut self, target: Value, key: Value, value: Value, must: bool) -> bool {
        let room = self.items < ALL_ITEMS;
        let Some(Node::Object { items, .. }) = self.get_mut(target) else {
            return !must;
        };
        if !room || (items.len() >= ITEMS && !must) {
            return !must;
        }
        items.push((key, value));
        self.items = self.items.saturating_add(1);
        true
    }

    /// Adds an item to a list; only what may be a name or a number is kept.
    pub(super) fn push_item(&mut self, target: Value, value: Value) {
        let room = self.items < ALL_ITEMS;
        let Some(Node::List { items, length }) = self.get_mut(target) else {
            return;
        };
        *length = length.saturating_add(1);
        if room && matches!(value, Value::Text(_)) && items.len() < LIST_ITEMS {
            items.push(value);
            self.items = self.items.saturating_add(1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_the_unpickler_reads_them() {
        for (spelling, raw, text) in [
            (Spelling::Plain, &b"system"[..], "system"),
            (Spelling::Escaped, b"s\\u0079stem", "system"),
            (Spelling::Escaped, b"\\U0000006fs", "os"),
            (Spelling::Quoted, b"'s\\x79stem'", "system"),
            (Spelling::Quoted, b"\"s\\171stem\"  ", "system"),
            (Spelling::Quoted, b"'a\\\\b\\'c'", "a\\b'c"),
            (Spelling::Quoted, b"'\\x7", "\\x"),
            (Spelling::Quoted, b"'", ""),
            (Spelling::Escaped, b"end\\", "end"),
        ] {
            assert_eq!(spelling.decode(raw), text, "{spelling:?} {raw:?}");
        }
    }
}

//! PYZ archives: the modules of a frozen Python program, each a marshalled code object in a zlib stream.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `PYZ\0` |
//! | 4 | 4 | magic number of the bytecode's version |
//! | 8 | 4 | table of contents, big-endian |
//! | 12 | 5 | 1 in the first byte when members are encrypted; unused since 6.0 |
//! | 17 | .. | members |
//! | table | .. | a marshalled list of `(name, (type, offset, length))`, a dictionary in older archives |
//!
//! Types: 0 module, 1 package, 2 data, 3 namespace package. Of the marshal notation only what such a table holds is
//! read: lists, tuples, dictionaries, texts, numbers and references.

use super::super::inflate::{Frame, Inflate};
use super::super::{MOST_MEMBERS, Names, again, odd_name};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;
use std::collections::BTreeSet;

const MAGIC: &[u8; 4] = b"PYZ\0";
/// The fixed part: 12 bytes in the very first versions, which nobody uses.
const HEADER: u64 = 17;

/// A PYZ archive.
pub(in crate::format) struct Pyz;

impl Format for Pyz {
    fn id(&self) -> &'static str {
        "pyz"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let table = table(probe.head)?;
        let python = matches!(probe.head.get(6..8), Some(b"\r\n"));
        let sound = python && table >= HEADER && table < probe.length;
        Some(if sound { Match::CERTAIN } else { Match::LIKELY })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = archive(input, out) {
            out.fault(&fault, "pyz archive");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pyz"]
    }
}

fn table(head: &[u8]) -> Option<u64> {
    let rest = head.strip_prefix(MAGIC)?;
    Some(u64::from(u32::from_be_bytes(*rest.get(4..)?.first_chunk::<4>()?)))
}

fn archive(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let head = input.read(Span::new(0, HEADER))?;
    let header = Span::new(0, HEADER);
    out.leaf(header, Role::Header, "header");
    let Some(start) = table(&head) else {
        out.malformed(header, "pyz: the magic number is not PYZ");
        return Ok(());
    };
    let encrypted = head.get(12) == Some(&1);
    if start < HEADER || start >= input.len() {
        out.malformed(Span::new(8, 12), "pyz: the table of contents lies outside the archive");
        return Ok(());
    }
    let place = Span::new(start, input.len());
    let bytes = input.read(place)?;
    let mut reader = Reader {
        bytes: &bytes,
        at: 0,
        refs: Vec::new(),
        nodes: Vec::new(),
    };
    let items = reader.table();
    let used = Span::saturating_at(start, u64::try_from(reader.at).unwrap_or(u64::MAX)).intersect(place);
    out.leaf(used, Role::Table, "table of contents");
    let Some(items) = items else {
        let at = Span::saturating_at(used.end(), 1).intersect(place);
        out.malformed(at, "pyz: the table of contents is no marshalled list of members");
        return Ok(());
    };
    if u64::try_from(items.len()).unwrap_or(u64::MAX) > MOST_MEMBERS {
        super::too_many(start, out);
    }
    if encrypted {
        let message = "the modules of this archive are encrypted";
        out.finding(Finding::new(code::ENCRYPTED_ENTRY, header, message).key("modules"));
        out.error(ScanError::new(ErrorCode::Encrypted, message).at(HEADER));
    }
    members(&items, Span::new(HEADER, start), start, encrypted, out);
    Ok(())
}

fn members(items: &[Item<'_>], room: Span, table: u64, encrypted: bool, out: &mut Parse) {
    let mut names = Names::default();
    let mut stored = BTreeSet::new();
    for item in items.iter().take(usize::try_from(MOST_MEMBERS).unwrap_or(usize::MAX)) {
        let place = Span::saturating_at(
            table.saturating_add(u64::try_from(item.at).unwrap_or(0)),
            u64::try_from(item.name.len()).unwrap_or(0),
        );
        odd_name("module", item.name, place.len(), place, out);
        names.add(item.name, place, out);
        let data = Span::saturating_at(item.offset, item.length);
        if data.is_empty() {
            continue;
        }
        if !room.encloses(data) {
            out.malformed(place, "pyz: a module lies outside the archive");
        } else if !stored.insert(data) {
            again(data, item.name, out);
        } else if encrypted {
            out.leaf(data, Role::Opaque, printable(item.name));
        } else {
            let codec = Box::new(Inflate {
                name: item.name.to_vec(),
                span: data,
                frame: Frame::Zlib,
                size: None,
            });
            out.decoded(data, item.name, codec, true);
        }
    }
}

/// A member, as the table names it.
struct Item<'b> {
    name: &'b [u8],
    /// Where the name stands in the table.
    at: usize,
    offset: u64,
    length: u64,
}

/// A value of the table.
#[derive(Clone)]
enum Value {
    Other,
    Number(u64),
    /// Where it stands.
    Text(usize, usize),
    Items(Vec<usize>),
}

struct Reader<'b> {
    bytes: &'b [u8],
    at: usize,
    /// Nodes that references name.
    refs: Vec<usize>,
    nodes: Vec<Value>,
}

/// A sequence that is being read.
struct Open {
    node: usize,
    items: Vec<usize>,
    /// Values still to come; `None` for a dictionary, which says where it ends.
    left: Option<usize>,
}

impl<'b> Reader<'b> {
    /// The most values of one table: four a member and one for each member's tuple, twice over.
    const NODES: usize = 12 << 20;
    /// List, member, place.
    const DEPTH: usize = 4;

    fn table(&mut self) -> Option<Vec<Item<'b>>> {
        let root = self.value()?;
        let Value::Items(items) = self.nodes.get(root)?.clone() else {
            return None;
        };
        let pair = |id: &usize| match self.nodes.get(*id) {
            Some(Value::Items(pair)) => match pair.as_slice() {
                [name, place] => Some((*name, *place)),
                _ => None,
            },
            _ => None,
        };
        let pairs: Option<Vec<(usize, usize)>> = match items.iter().map(pair).collect() {
            Some(pairs) => Some(pairs),
            // A dictionary: keys and values in turn.
            None if items.len() % 2 == 0 => items
                .chunks_exact(2)
                .map(|two| Some((*two.first()?, *two.get(1)?)))
                .collect(),
            None => None,
        };
        pairs?.into_iter().map(|(name, place)| self.item(name, place)).collect()
    }

    fn item(&self, name: usize, place: usize) -> Option<Item<'b>> {
        let Value::Text(from, to) = *self.nodes.get(name)? else {
            return None;
        };
        let Value::Items(parts) = self.nodes.get(place)? else {
            return None;
        };
        let number = |at: usize| match self.nodes.get(*parts.get(at)?) {
            Some(Value::Number(n)) => Some(*n),
            _ => None,
        };
        Some(Item {
            name: self.bytes.get(from..to)?,
            at: from,
            offset: number(1)?,
            length: number(2)?,
        })
    }

    /// Reads one value with all that it holds.
    fn value(&mut self) -> Option<usize> {
        let mut open: Vec<Open> = Vec::new();
        loop {
            let mut done = self.scalar(&mut open)?;
            loop {
                if let Some(id) = done {
                    let Some(top) = open.last_mut() else { return Some(id) };
                    top.items.push(id);
                    top.left = top.left.map(|n| n.saturating_sub(1));
                }
                let full = open.last().is_some_and(|top| top.left == Some(0));
                if !full {
                    break;
                }
                done = self.close(&mut open);
            }
        }
    }

    fn close(&mut self, open: &mut Vec<Open>) -> Option<usize> {
        let Open { node, items, .. } = open.pop()?;
        *self.nodes.get_mut(node)? = Value::Items(items);
        Some(node)
    }

    /// Reads a value: its number when it is whole, `None` inside when a sequence was opened.
    fn scalar(&mut self, open: &mut Vec<Open>) -> Option<Option<usize>> {
        let kind = self.byte()?;
        let keep = kind & 0x80 != 0;
        let value = match kind & 0x7f {
            b'0' if open.last().is_some_and(|top| top.left.is_none()) => return Some(self.close(open)),
            b'N' | b'T' | b'F' => Value::Other,
            b'i' => Value::Number(u64::try_from(i32::from_le_bytes(self.array()?)).ok()?),
            b'I' => Value::Number(u64::from_le_bytes(self.array()?)),
            b'l' => Value::Number(self.long()?),
            b'z' | b'Z' => {
                let length = usize::from(self.byte()?);
                self.text(length)?
            }
            b's' | b'u' | b't' | b'a' | b'A' => {
                let length = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
                self.text(length)?
            }
            b'r' => {
                let index = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
                return Some(Some(*self.refs.get(index)?));
            }
            b')' => {
                let count = usize::from(self.byte()?);
                return self.open(Some(count), keep, open);
            }
            b'(' | b'[' => {
                let count = usize::try_from(u32::from_le_bytes(self.array()?)).ok()?;
                return self.open(Some(count), keep, open);
            }
            b'{' => return self.open(None, keep, open),
            _ => return None,
        };
        self.node(value, keep).map(Some)
    }

    fn open(&mut self, left: Option<usize>, keep: bool, open: &mut Vec<Open>) -> Option<Option<usize>> {
        // Every value takes a byte at least.
        if open.len() >= Self::DEPTH || left.is_some_and(|n| n > self.bytes.len().saturating_sub(self.at)) {
            return None;
        }
        let node = self.node(Value::Other, keep)?;
        let items = Vec::new();
        open.push(Open { node, items, left });
        Some(None)
    }

    fn node(&mut self, value: Value, keep: bool) -> Option<usize> {
        let id = self.nodes.len();
        if id >= Self::NODES {
            return None;
        }
        self.nodes.push(value);
        if keep {
            self.refs.push(id);
        }
        Some(id)
    }

    /// Digits of 15 bits: archives over 2 GiB.
    fn long(&mut self) -> Option<u64> {
        let count = i32::from_le_bytes(self.array()?);
        let mut value = 0u64;
        for place in 0..u32::try_from(count).ok()?.min(5) {
            let digit = u64::from(u16::from_le_bytes(self.array()?));
            let shift = place.checked_mul(15)?;
            value = value.checked_add(digit.checked_shl(shift)?)?;
        }
        Some(value)
    }

    fn text(&mut self, length: usize) -> Option<Value> {
        let from = self.at;
        let to = from.checked_add(length)?;
        self.bytes.get(from..to)?;
        self.at = to;
        Some(Value::Text(from, to))
    }

    fn byte(&mut self) -> Option<u8> {
        self.array::<1>().map(|[b]| b)
    }

    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let bytes = *self.bytes.get(self.at..)?.first_chunk::<N>()?;
        self.at = self.at.checked_add(N)?;
        Some(bytes)
    }
}

//! Groups: symbol tables (sections III.A.1, III.B) and link messages (IV.A.2.g).
//!
//! | offset | size | B-tree node, version 1 | | offset | size | symbol table node |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 4 | `TREE` | | 0 | 4 | `SNOD` |
//! | 4 | 1 | 0: group, 1: chunks | | 4 | 1 | 1 |
//! | 5 | 1 | level, 0 for leaves | | 6 | 2 | number of symbols |
//! | 6 | 2 | children in use | | 8 | 2 x O + 24 | each: name, object header, cache |
//! | 8 | 2 x O | siblings | | | | |
//! | .. | .. | key, child, key, child, .. key | | | | |

use super::fields::{Fields, size, wide};
use super::file::{File, join};
use super::{heap, object};
use crate::fact::{Fact, Outside};
use crate::ledger::Role;
use crate::span::Span;

/// A group with a symbol table: reads its tree, queues its members.
pub(super) fn symbol_table(file: &mut File<'_, '_, '_>, body: &[u8], path: &str) -> Option<()> {
    let mut fields = Fields::new(body);
    let tree = file.address(&mut fields)??;
    let names = file.address(&mut fields)??;
    let names = heap::local(file, names, path)?;
    let mut nodes = vec![tree];
    while let Some(address) = nodes.pop() {
        let key = file.lengths;
        let Some(node) = tree_node(file, address, 0, key, file.group_k, &format!("group tree of {path}")) else {
            continue;
        };
        for (_, child) in node.children {
            if node.level > 0 {
                nodes.push(child);
            } else {
                symbols(file, child, &names, path);
            }
        }
    }
    Some(())
}

/// A version 1 B-tree node's children, each with its key's bytes.
pub(super) struct Node {
    pub(super) level: u8,
    pub(super) children: Vec<(Vec<u8>, u64)>,
}

/// Reads and claims a node of `kind` with keys of `key` bytes; `None` when it was read before or is none.
pub(super) fn tree_node(
    file: &mut File<'_, '_, '_>,
    address: u64,
    kind: u8,
    key: usize,
    k: u64,
    name: &str,
) -> Option<Node> {
    if !file.first(address) {
        return None;
    }
    let prefix = file.sized(8, 2, 0);
    let start = file.signed(address, prefix, b"TREE", "B-tree node")?;
    let mut fields = Fields::new(&start);
    fields.skip(4)?;
    let (is, level) = (fields.u8()?, fields.u8()?);
    let used = u64::from(fields.u16()?);
    let span = file.place(address, prefix);
    if is != kind {
        file.malformed(span, "hdf5: a B-tree node is of another kind than its tree (III.A.1)");
        return None;
    }
    let most = k.saturating_mul(2);
    if used > most {
        file.malformed(
            span,
            "hdf5: a B-tree node has more children than its tree allows (III.A.1)",
        );
    }
    let pair = wide(key.saturating_add(file.offsets));
    let in_use = prefix
        .saturating_add(used.saturating_mul(pair))
        .saturating_add(wide(key));
    let bytes = file.read(address, in_use, "B-tree node")?;
    let whole = most
        .saturating_mul(pair)
        .saturating_add(prefix)
        .saturating_add(wide(key));
    let length = with_stale_entries(file, address, in_use, whole);
    file.claim(file.place(address, length), Role::Table, name);
    let mut fields = Fields::new(&bytes);
    fields.skip(size(prefix))?;
    let mut children = Vec::new();
    for _ in 0..used {
        let key = fields.take(key)?.to_vec();
        match file.address(&mut fields)? {
            Some(child) => children.push((key, child)),
            None => file.malformed(span, "hdf5: a B-tree node names no child where it must (III.A.1)"),
        }
    }
    Some(Node { level, children })
}

/// How much of a node of `whole` bytes is accounted for when it uses the first `used`. Libraries do not clear what a node
/// no longer uses, so that holds entries of before: offsets in the file, sizes, kinds, each a word that is smaller than
/// the file. Anything else there is not claimed.
fn with_stale_entries(file: &mut File<'_, '_, '_>, address: u64, used: u64, whole: u64) -> u64 {
    if used >= whole {
        return used;
    }
    let at = file.place(address.saturating_add(used), whole.saturating_sub(used));
    let Some(rest) = file.read_span(at, "B-tree node") else {
        return used;
    };
    let mut words = Fields::new(&rest);
    while words.left() > 0 {
        let offset = words.address(file.offsets.min(words.left())).flatten();
        if offset.is_some_and(|offset| offset > file.input.len()) {
            return used;
        }
    }
    whole
}

fn symbols(file: &mut File<'_, '_, '_>, address: u64, names: &[u8], path: &str) -> Option<()> {
    if !file.first(address) {
        return None;
    }
    let start = file.signed(address, 8, b"SNOD", "symbol table node")?;
    let mut fields = Fields::new(&start);
    fields.skip(6)?;
    let used = u64::from(fields.u16()?);
    let most = file.leaf_k.saturating_mul(2);
    let each = file.sized(24, 2, 0);
    let length = used.saturating_mul(each).saturating_add(8);
    if used > most {
        let span = file.place(address, 8);
        file.malformed(span, "hdf5: a symbol table node has more symbols than it may (III.B)");
    }
    let bytes = file.read(address, length, "symbol table node")?;
    let whole = most.saturating_mul(each).saturating_add(8);
    let claimed = with_stale_entries(file, address, length, whole);
    file.claim(file.place(address, claimed), Role::Table, format!("symbols of {path}"));
    let mut fields = Fields::new(&bytes);
    fields.skip(8)?;
    for _ in 0..used {
        let name = file.address(&mut fields)?;
        let header = file.address(&mut fields)?;
        let cached = fields.u32()?;
        fields.skip(20)?;
        // Kind 2 of what is cached is a soft link: no object.
        if let Some(header) = header.filter(|_| cached != 2) {
            let name = heap::name(names, name.unwrap_or(u64::MAX));
            file.named(name, file.place(address, length));
            file.object(header, join(path, name));
        }
    }
    Some(())
}

/// A link message: queues what a hard link leads to, tells of what lies in other files.
pub(super) fn link(file: &mut File<'_, '_, '_>, body: &[u8], span: Span, path: &str) -> Option<()> {
    let mut fields = Fields::new(body);
    if fields.u8()? != 1 {
        file.malformed(span, "hdf5: a link message of an unknown version (IV.A.2.g)");
        return None;
    }
    let flags = fields.u8()?;
    let kind = if flags & 8 == 0 { 0 } else { fields.u8()? };
    if flags & 4 != 0 {
        fields.skip(8)?;
    }
    if flags & 16 != 0 {
        fields.skip(1)?;
    }
    let length = fields.number(1usize.checked_shl(u32::from(flags & 3))?)?;
    let name = fields.take(size(length))?;
    file.named(name, span);
    match kind {
        0 => {
            let address = file.address(&mut fields)??;
            file.object(address, join(path, name));
        }
        64 => {
            let length = fields.u16()?;
            let mut value = Fields::new(fields.take(usize::from(length))?);
            value.skip(1)?;
            let target = value.text();
            file.out.fact(Fact::Outside {
                how: Outside::Link,
                by: join(path, name),
                target: target.into(),
                span,
            });
        }
        _ => {}
    }
    Some(())
}

/// A group's link info message: dense links are in a fractal heap, indexed by a B-tree of version 2.
pub(super) fn link_info(file: &mut File<'_, '_, '_>, body: &[u8], path: &str) -> Option<()> {
    let mut fields = Fields::new(body);
    fields.skip(1)?;
    let flags = fields.u8()?;
    if flags & 1 != 0 {
        fields.skip(8)?;
    }
    let heap = file.address(&mut fields)?;
    let names = file.address(&mut fields)?;
    let order = if flags & 2 != 0 {
        file.address(&mut fields)?
    } else {
        None
    };
    let heap = super::fractal::read(file, heap?, path)?;
    for (tree, known) in [(names, true), (order, false)] {
        let Some(tree) = tree else { continue };
        let records = super::btree2::read(file, tree, path);
        // The same links, in another order.
        for record in records.iter().filter(|_| known) {
            if let Some((span, bytes)) = super::fractal::value(file, &heap, record.get(4..).unwrap_or_default()) {
                link(file, &bytes, span, path);
            }
        }
    }
    Some(())
}

/// The messages of a group that lead to members.
pub(super) fn members(file: &mut File<'_, '_, '_>, messages: &[object::Message], path: &str) {
    for message in messages {
        let read = match message.kind {
            object::SYMBOL_TABLE => symbol_table(file, &message.body, path),
            object::LINK => link(file, &message.body, message.span, path),
            object::LINK_INFO => {
                link_info(file, &message.body, path);
                Some(())
            }
            _ => Some(()),
        };
        if read.is_none() && file.out.findings().is_empty() {
            file.malformed(message.span, "hdf5: a message that lists members is cut short");
        }
    }
}

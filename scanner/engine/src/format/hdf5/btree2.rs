//! B-trees of version 2 (section III.A.2): indexes of dense links, attributes and chunks.
//!
//! | offset | size | header | | offset | size | node |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 4 | `BTHD` | | 0 | 4 | `BTLF` or `BTIN` |
//! | 4 | 2 | version, type | | 4 | 2 | version, type |
//! | 6 | 4 | bytes of a node | | 6 | .. | records |
//! | 10 | 2 | bytes of a record | | .. | .. | inner nodes: child, its records, all records below it |
//! | 12 | 2 | depth | | .. | 4 | checksum |
//! | 14 | 2 | split and merge percent | | | | |
//! | 16 | O | root node | | | | |
//! | .. | 2 + L | records in the root, records in all | | | | |
//! | .. | 4 | checksum | | | | |

use super::fields::{Fields, size, width};
use super::file::{File, fits};
use crate::ledger::Role;
use crate::span::Span;

/// Levels no real tree has.
const DEEPEST: u16 = 32;
/// Bytes of a node around its records and pointers.
const AROUND: u64 = 10;

/// Reads and claims the tree whose header is at `address`: the bytes of all its records.
pub(super) fn read(file: &mut File<'_, '_, '_>, address: u64, of: &str) -> Vec<Vec<u8>> {
    tree(file, address, of).unwrap_or_default()
}

fn tree(file: &mut File<'_, '_, '_>, address: u64, of: &str) -> Option<Vec<Vec<u8>>> {
    if !file.first(address) {
        return None;
    }
    let length = file.sized(22, 1, 1);
    let bytes = file.signed(address, length, b"BTHD", "B-tree header")?;
    let span = file.place(address, length);
    file.claim(span, Role::Table, format!("index of {of}"));
    file.check(span, &bytes, "B-tree header");
    let mut fields = Fields::new(&bytes);
    fields.skip(6)?;
    let node = u64::from(fields.u32()?);
    let record = u64::from(fields.u16()?);
    let depth = fields.u16()?;
    fields.skip(2)?;
    let root = file.address(&mut fields)?;
    let in_root = u64::from(fields.u16()?);
    let root = root?;
    if record == 0 || node < AROUND.saturating_add(record) || depth > DEEPEST {
        file.malformed(span, "hdf5: a B-tree header with sizes that cannot be (III.A.2)");
        return None;
    }
    let levels = levels(file, node, record, depth)?;
    let mut records = Vec::new();
    let mut nodes = vec![(root, in_root, depth)];
    while let Some((address, count, depth)) = nodes.pop() {
        if !file.first(address) {
            continue;
        }
        let magic = if depth == 0 { b"BTLF" } else { b"BTIN" };
        let Some(bytes) = file.signed(address, node, magic, "B-tree node") else {
            continue;
        };
        let span = file.place(address, node);
        let mut fields = Fields::new(&bytes);
        fields.skip(6)?;
        if !fits(count, size(record), fields.left()) {
            file.malformed(span, "hdf5: a B-tree node has more records than it can hold (III.A.2)");
            continue;
        }
        for _ in 0..count {
            records.push(fields.take(size(record))?.to_vec());
        }
        if depth > 0 {
            let level = levels.get(usize::from(depth))?;
            for _ in 0..=count {
                let child = file.address(&mut fields)?;
                let below = fields.number(level.count)?;
                fields.skip(level.total)?;
                if let Some(child) = child {
                    nodes.push((child, below, depth.saturating_sub(1)));
                }
            }
        }
        // The checksum follows what is in use; the rest of the node is free.
        let end = fields.at().saturating_add(4);
        let used = Span::saturating_at(span.start(), super::fields::wide(end));
        file.claim(used, Role::Table, format!("index node of {of}"));
        file.check(span, bytes.get(..end).unwrap_or_default(), "B-tree node");
    }
    Some(records)
}

/// How wide the numbers in a pointer of one level are.
struct Level {
    count: usize,
    total: usize,
}

fn levels(file: &File<'_, '_, '_>, node: u64, record: u64, depth: u16) -> Option<Vec<Level>> {
    let most = node.checked_sub(AROUND)?.checked_div(record)?;
    let count = width(most);
    let mut below = most;
    let mut levels = vec![Level { count, total: 0 }];
    for depth in 1..=depth {
        let total = if depth > 1 { width(below) } else { 0 };
        let pointer = super::fields::wide(file.offsets.saturating_add(count).saturating_add(total));
        let room = node.checked_sub(AROUND.saturating_add(pointer))?;
        let most = room.checked_div(record.saturating_add(pointer))?;
        below = most.saturating_add(1).saturating_mul(below).saturating_add(most);
        levels.push(Level { count, total });
    }
    Some(levels)
}

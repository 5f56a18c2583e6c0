//! Fractal heaps (section III.G): the values of dense links and attributes.
//!
//! | offset | size | header | | offset | size | direct and indirect blocks |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 5 | `FRHP`, version 0 | | 0 | 5 | `FHDB` or `FHIB`, version 0 |
//! | 5 | 2 | bytes of a heap ID | | 5 | O | the heap |
//! | 7 | 2 | bytes of filters | | .. | .. | offset in the heap |
//! | 9 | 1 | flags: bit 1, checksums in direct blocks | | .. | 4 | direct: checksum when flagged; values |
//! | 10 | 4 | largest managed value | | .. | .. | indirect: child addresses, checksum |
//! | 14 | 2 L + O | huge values: next, their index | | | | |
//! | .. | L + O | free space, its manager | | | | |
//! | .. | 8 L | statistics | | | | |
//! | .. | 2, L, L, 2, 2 | table width, first and largest block, heap bits, rows at first | | | | |
//! | .. | O, 2 | root block, its rows | | | | |
//! | .. | 4 | checksum | | | | |

use super::fields::{Fields, size, wide, width};
use super::file::File;
use crate::ledger::Role;
use crate::span::Span;

/// A heap, read: where its values are.
pub(super) struct Heap {
    /// Direct blocks: their first offset in the heap, and their place.
    blocks: Vec<(u64, Span)>,
    offset: usize,
    length: usize,
    filtered: bool,
    /// Values too large for blocks.
    pub(super) huge: Vec<Span>,
}

struct Shape {
    offset: usize,
    columns: u64,
    first: u64,
    largest: u64,
    filtered: bool,
}

/// The most rows of a doubling table: block sizes double, and lengths have 64 bits.
const ROWS: u64 = 80;

impl Shape {
    /// The size of blocks in a row.
    fn size(&self, row: u64) -> u64 {
        let doublings = u32::try_from(row.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.checked_shl(doublings.min(63)).unwrap_or(u64::MAX)
    }

    /// The rows of direct blocks.
    fn direct_rows(&self) -> u64 {
        let ratio = self.largest.checked_div(self.first).unwrap_or(0);
        u64::from(ratio.checked_ilog2().unwrap_or(0)).saturating_add(2)
    }

    /// The rows of an indirect block of `length` heap bytes.
    fn rows_of(&self, length: u64) -> u64 {
        let row = self.first.saturating_mul(self.columns).max(1);
        u64::from(length.checked_div(row).and_then(u64::checked_ilog2).unwrap_or(0)).saturating_add(1)
    }
}

/// Reads and claims the heap at `address`.
pub(super) fn read(file: &mut File<'_, '_, '_>, address: u64, of: &str) -> Option<Heap> {
    if !file.first(address) {
        return None;
    }
    let length = file.sized(26, 3, 12);
    let bytes = file.signed(address, length, b"FRHP", "fractal heap")?;
    let mut fields = Fields::new(&bytes);
    fields.skip(7)?;
    let filters = u64::from(fields.u16()?);
    fields.skip(1)?;
    let managed = u64::from(fields.u32()?);
    file.length(&mut fields);
    let huge = file.address(&mut fields)?;
    file.length(&mut fields);
    let free = file.address(&mut fields)?;
    for _ in 0..8 {
        fields.skip(file.lengths)?;
    }
    let columns = u64::from(fields.u16()?);
    let first = file.length(&mut fields)?;
    let largest = file.length(&mut fields)?;
    let bits = u64::from(fields.u16()?);
    fields.skip(2)?;
    let root = file.address(&mut fields)?;
    let rows = u64::from(fields.u16()?);
    let filtered = filters > 0;
    let extra = if filtered {
        file.sized(4, 0, 1).saturating_add(filters)
    } else {
        0
    };
    let length = length.saturating_add(extra);
    let span = file.place(address, length);
    let bytes = file.read(address, length, "fractal heap")?;
    file.claim(span, Role::Table, format!("heap of {of}"));
    file.check(span, &bytes, "fractal heap");
    let offset = size(bits.div_ceil(8)).clamp(1, 8);
    let shape = Shape {
        offset,
        columns,
        first,
        largest,
        filtered,
    };
    let mut heap = Heap {
        blocks: Vec::new(),
        offset,
        length: width(largest).min(width(managed)),
        filtered,
        huge: Vec::new(),
    };
    if columns == 0 || first == 0 || largest < first || rows > ROWS {
        file.malformed(span, "hdf5: a fractal heap with sizes that cannot be (III.G)");
        return Some(heap);
    }
    if filtered {
        file.unsupported(address, "a fractal heap whose blocks are filtered");
    }
    if let Some(root) = root {
        let filtered_root = if filtered {
            let mut fields = Fields::new(bytes.get(size(length.saturating_sub(extra).saturating_sub(4))..)?);
            file.length(&mut fields)
        } else {
            None
        };
        blocks(file, &shape, (root, rows, filtered_root), of, &mut heap);
    }
    if let Some(tree) = huge {
        values(file, tree, of, &mut heap);
    }
    if let Some(manager) = free {
        super::space::manager(file, manager, of);
    }
    heap.blocks.sort_unstable_by_key(|(start, _)| *start);
    Some(heap)
}

fn blocks(file: &mut File<'_, '_, '_>, shape: &Shape, root: (u64, u64, Option<u64>), of: &str, heap: &mut Heap) {
    let (address, rows, filtered) = root;
    // (address, rows or 0 for a direct block, its size, offset in the heap)
    let first = if rows == 0 { shape.first } else { 0 };
    let mut todo = vec![(address, rows, filtered.unwrap_or(first), 0u64)];
    while let Some((address, rows, length, start)) = todo.pop() {
        if !file.first(address) {
            continue;
        }
        if rows == 0 {
            if !shape.filtered && file.signed(address, length.min(4), b"FHDB", "heap block").is_none() {
                continue;
            }
            let span = file.place(address, length);
            file.claim(span, Role::Data, format!("values of {of}"));
            heap.blocks.push((start, span));
            continue;
        }
        indirect(file, shape, (address, rows, start), of, &mut todo);
    }
}

type Block = (u64, u64, u64, u64);

fn indirect(
    file: &mut File<'_, '_, '_>,
    shape: &Shape,
    (address, rows, start): (u64, u64, u64),
    of: &str,
    todo: &mut Vec<Block>,
) -> Option<()> {
    let direct_rows = rows.min(shape.direct_rows());
    let direct = direct_rows.saturating_mul(shape.columns);
    let inner = rows.saturating_sub(direct_rows).saturating_mul(shape.columns);
    let each = if shape.filtered {
        file.sized(4, 1, 1)
    } else {
        file.sized(0, 1, 0)
    };
    let length = file
        .sized(9, 1, 0)
        .saturating_add(wide(shape.offset))
        .saturating_add(direct.saturating_mul(each))
        .saturating_add(inner.saturating_mul(wide(file.offsets)));
    let bytes = file.signed(address, length, b"FHIB", "heap block")?;
    let span = file.place(address, length);
    file.claim(span, Role::Table, format!("heap table of {of}"));
    file.check(span, &bytes, "heap block");
    let mut fields = Fields::new(&bytes);
    fields.skip(5)?;
    fields.skip(file.offsets)?;
    fields.skip(shape.offset)?;
    let mut at = start;
    for row in 0..rows {
        let block = shape.size(row);
        for _ in 0..shape.columns {
            let child = file.address(&mut fields)?;
            let mut stored = block;
            if shape.filtered && row < direct_rows {
                stored = file.length(&mut fields)?;
                fields.skip(4)?;
            }
            if let Some(child) = child {
                let below = if row < direct_rows { 0 } else { shape.rows_of(block) };
                todo.push((child, below, stored, at));
            }
            at = at.saturating_add(block);
        }
    }
    Some(())
}

/// Huge values: each record of their index begins with the value's address and length.
fn values(file: &mut File<'_, '_, '_>, tree: u64, of: &str, heap: &mut Heap) {
    for record in super::btree2::read(file, tree, of) {
        let mut fields = Fields::new(&record);
        let place = file.address(&mut fields).flatten().zip(file.length(&mut fields));
        if let Some((address, length)) = place
            && file.first(address)
        {
            let span = file.place(address, length);
            file.claim(span, Role::Data, format!("large value of {of}"));
            heap.huge.push(span);
        }
    }
}

/// The value that a heap ID names, when it is a managed one: its place and its bytes.
pub(super) fn value(file: &mut File<'_, '_, '_>, heap: &Heap, id: &[u8]) -> Option<(Span, Vec<u8>)> {
    let mut fields = Fields::new(id);
    // Bits 4 and 5: 0 for values in blocks.
    if fields.u8()? & 0x30 != 0 || heap.filtered {
        return None;
    }
    let offset = fields.number(heap.offset)?;
    let length = fields.number(heap.length.min(fields.left()))?;
    let next = heap.blocks.partition_point(|(start, _)| *start <= offset);
    let (start, block) = *heap.blocks.get(next.checked_sub(1)?)?;
    let at = block.start().saturating_add(offset.saturating_sub(start));
    let span = Span::saturating_at(at, length);
    if !block.encloses(span) {
        file.malformed(block, "hdf5: a value runs past its heap block (III.G)");
        return None;
    }
    let bytes = file.read_span(span, "heap value")?;
    Some((span, bytes.into_owned()))
}

//! The chunks of a dataset, by each of the indexes that find them (section IV.A.2.i, appendix C): B-trees of both
//! versions, a single chunk, implicit ones, fixed and extensible arrays.
//!
//! | offset | size | fixed array header | | offset | size | extensible array header |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 6 | `FAHD`, version 0, client | | 0 | 6 | `EAHD`, version 0, client |
//! | 6 | 1 | bytes of an element | | 6 | 1 | bytes of an element |
//! | 7 | 1 | bits of a page's elements | | 7 | 1 | bits of the number of elements |
//! | 8 | L | elements | | 8 | 1 | elements in the index block |
//! | .. | O | data block | | 9 | 2 | least elements of a data block, pointers of a super block |
//! | .. | 4 | checksum | | 11 | 1 | bits of a page's elements |
//! | | | | | 12 | 6 L | statistics |
//! | | | | | .. | O, 4 | index block, checksum |

use super::fields::{Fields, size, wide};
use super::file::File;
use super::{btree2, group};
use crate::ledger::Role;
use crate::span::Span;

/// What an index needs to know about its dataset.
pub(super) struct Chunks<'d> {
    pub(super) of: &'d str,
    /// Dimensions of the dataset, without the element.
    pub(super) rank: usize,
    /// Bytes of a chunk before filters.
    pub(super) bytes: u64,
    pub(super) filtered: bool,
    /// How many chunks the dataset has when all are there.
    pub(super) count: u64,
}

/// The most bits of an extensible array's size.
const BITS: u32 = 64;

/// Chunks in a B-tree of version 1. `dimensions` counts the element's too.
pub(super) fn tree(file: &mut File<'_, '_, '_>, address: u64, dimensions: usize, of: &str) -> Vec<Span> {
    let key = dimensions.saturating_mul(8).saturating_add(8);
    let name = format!("chunk index of {of}");
    let (mut spans, mut nodes) = (Vec::new(), vec![address]);
    while let Some(address) = nodes.pop() {
        let k = file.chunk_k;
        let Some(node) = group::tree_node(file, address, 1, key, k, &name) else {
            continue;
        };
        for (key, child) in node.children {
            if node.level > 0 {
                nodes.push(child);
            } else if let Some(length) = Fields::new(&key).u32() {
                spans.push(file.place(child, u64::from(length)));
            }
        }
    }
    spans
}

/// Chunks in a B-tree of version 2: records of type 10 (as they are) and 11 (filtered).
pub(super) fn tree2(file: &mut File<'_, '_, '_>, address: u64, chunks: &Chunks<'_>) -> Vec<Span> {
    let records = btree2::read(file, address, chunks.of);
    let rest = chunks.rank.saturating_mul(8);
    let spans = records.iter().filter_map(|record| {
        let width = record.len().saturating_sub(rest);
        element(file, record.get(..width)?, chunks)
    });
    spans.collect()
}

/// The only chunk, or all of them one after the other.
pub(super) fn whole(file: &File<'_, '_, '_>, address: u64, length: u64) -> Vec<Span> {
    vec![file.place(address, length)]
}

/// One element of an array: an address, and of filtered chunks the stored size and a mask of four bytes.
fn element(file: &File<'_, '_, '_>, bytes: &[u8], chunks: &Chunks<'_>) -> Option<Span> {
    let mut fields = Fields::new(bytes);
    let address = file.address(&mut fields)??;
    let length = if chunks.filtered {
        let width = fields.left().checked_sub(4)?;
        fields.number(width)?
    } else {
        chunks.bytes
    };
    Some(file.place(address, length))
}

fn elements(file: &File<'_, '_, '_>, bytes: &[u8], each: usize, chunks: &Chunks<'_>, spans: &mut Vec<Span>) {
    spans.extend(
        bytes
            .chunks_exact(each.max(1))
            .filter_map(|one| element(file, one, chunks)),
    );
}

/// Chunks in a fixed array.
pub(super) fn fixed(file: &mut File<'_, '_, '_>, address: u64, chunks: &Chunks<'_>) -> Option<Vec<Span>> {
    if !file.first(address) {
        return None;
    }
    let length = file.sized(12, 1, 1);
    let bytes = file.signed(address, length, b"FAHD", "fixed array")?;
    let span = file.place(address, length);
    file.claim(span, Role::Table, format!("chunk index of {}", chunks.of));
    file.check(span, &bytes, "fixed array");
    let mut fields = Fields::new(&bytes);
    fields.skip(6)?;
    let each = usize::from(fields.u8()?);
    let page = 1u64.checked_shl(u32::from(fields.u8()?))?;
    let count = file.length(&mut fields)?;
    let block = file.address(&mut fields)??;
    let mut spans = Vec::new();
    let start = file.sized(6, 1, 0);
    let pages = if count > page { count.div_ceil(page) } else { 0 };
    let bitmap = pages.div_ceil(8);
    let data = count.checked_mul(wide(each))?;
    let length = if pages > 0 {
        start.saturating_add(bitmap).saturating_add(4)
    } else {
        start.saturating_add(data).saturating_add(4)
    };
    let bytes = file.signed(block, length, b"FADB", "fixed array block")?;
    let span = file.place(block, length);
    file.claim(span, Role::Table, format!("chunk index of {}", chunks.of));
    file.check(span, &bytes, "fixed array block");
    if pages == 0 {
        let end = bytes.len().saturating_sub(4);
        elements(file, bytes.get(size(start)..end)?, each, chunks, &mut spans);
        return Some(spans);
    }
    let mut at = block.saturating_add(length);
    let mut left = count;
    let bits = bytes.get(size(start)..)?.to_vec();
    for number in 0..pages {
        let here = left.min(page);
        left = left.saturating_sub(here);
        // A page's bit says whether it was ever written; its room is there all the same.
        let length = here.saturating_mul(wide(each)).saturating_add(4);
        if is_set(&bits, number) {
            let bytes = file.read(at, length, "fixed array page")?;
            let end = bytes.len().saturating_sub(4);
            elements(file, bytes.get(..end)?, each, chunks, &mut spans);
        }
        file.claim(
            file.place(at, length),
            Role::Table,
            format!("chunk index of {}", chunks.of),
        );
        at = at.saturating_add(length);
    }
    Some(spans)
}

fn is_set(bits: &[u8], number: u64) -> bool {
    let mask = 0x80u8.checked_shr(u32::try_from(number % 8).unwrap_or(0)).unwrap_or(0);
    bits.get(size(number / 8)).is_some_and(|byte| byte & mask != 0)
}

/// An extensible array: how its blocks grow.
struct Array {
    each: usize,
    block_offset: usize,
    least: u64,
    page: u64,
}

/// Chunks in an extensible array.
pub(super) fn extensible(file: &mut File<'_, '_, '_>, address: u64, chunks: &Chunks<'_>) -> Option<Vec<Span>> {
    if !file.first(address) {
        return None;
    }
    let length = file.sized(16, 1, 6);
    let bytes = file.signed(address, length, b"EAHD", "extensible array")?;
    let span = file.place(address, length);
    file.claim(span, Role::Table, format!("chunk index of {}", chunks.of));
    file.check(span, &bytes, "extensible array");
    let mut fields = Fields::new(&bytes);
    fields.skip(6)?;
    let each = usize::from(fields.u8()?);
    let bits = u32::from(fields.u8()?);
    let in_index = u64::from(fields.u8()?);
    let least = u64::from(fields.u8()?);
    let pointers = u64::from(fields.u8()?);
    let page = 1u64.checked_shl(u32::from(fields.u8()?))?;
    for _ in 0..6 {
        file.length(&mut fields)?;
    }
    let index = file.address(&mut fields)??;
    if bits > BITS || least == 0 || pointers == 0 || each == 0 {
        file.malformed(span, "hdf5: an extensible array with sizes that cannot be (VII.D)");
        return None;
    }
    let array = Array {
        each,
        block_offset: size(u64::from(bits.div_ceil(8))),
        least,
        page,
    };
    let supers = u64::from(bits.saturating_sub(least.ilog2())).saturating_add(1);
    let first_super = u64::from(pointers.ilog2()).saturating_mul(2);
    let blocks = pointers.saturating_sub(1).saturating_mul(2);
    let super_pointers = supers.saturating_sub(first_super);
    let length = file
        .sized(10, 1, 0)
        .saturating_add(in_index.saturating_mul(wide(each)))
        .saturating_add(blocks.saturating_add(super_pointers).saturating_mul(wide(file.offsets)));
    let bytes = file.signed(index, length, b"EAIB", "extensible array index")?;
    let span = file.place(index, length);
    file.claim(span, Role::Table, format!("chunk index of {}", chunks.of));
    file.check(span, &bytes, "extensible array index");
    let mut fields = Fields::new(&bytes);
    fields.skip(size(file.sized(6, 1, 0)))?;
    let mut spans = Vec::new();
    let own = fields.take(size(in_index.saturating_mul(wide(each))))?;
    elements(file, own, each, chunks, &mut spans);
    // The index block points at the data blocks of the first super blocks itself.
    let mut pointed = 0u64;
    for number in 0..first_super {
        let (count, elements_each) = array.super_block(number);
        for _ in 0..count {
            if pointed >= blocks {
                break;
            }
            pointed = pointed.saturating_add(1);
            if let Some(block) = file.address(&mut fields)? {
                data_block(file, &array, block, elements_each, None, chunks, &mut spans);
            }
        }
    }
    for number in first_super..supers {
        if let Some(block) = file.address(&mut fields)? {
            super_block(file, &array, block, number, chunks, &mut spans);
        }
    }
    Some(spans)
}

impl Array {
    /// The data blocks of a super block, and the elements of each.
    fn super_block(&self, number: u64) -> (u64, u64) {
        let shift = |n: u64| u32::try_from(n).unwrap_or(63).min(63);
        let count = 1u64.checked_shl(shift(number / 2)).unwrap_or(u64::MAX);
        let factor = 1u64
            .checked_shl(shift(number.saturating_add(1) / 2))
            .unwrap_or(u64::MAX);
        (count, factor.saturating_mul(self.least))
    }

    fn pages(&self, elements: u64) -> u64 {
        if elements > self.page {
            elements.checked_div(self.page).unwrap_or(0)
        } else {
            0
        }
    }
}

fn super_block(
    file: &mut File<'_, '_, '_>,
    array: &Array,
    address: u64,
    number: u64,
    chunks: &Chunks<'_>,
    spans: &mut Vec<Span>,
) -> Option<()> {
    if !file.first(address) {
        return None;
    }
    let (count, each) = array.super_block(number);
    let bits = array.pages(each).div_ceil(8);
    let length = file
        .sized(10, 1, 0)
        .saturating_add(wide(array.block_offset))
        .saturating_add(bits.saturating_mul(count))
        .saturating_add(count.saturating_mul(wide(file.offsets)));
    let bytes = file.signed(address, length, b"EASB", "extensible array block")?;
    let span = file.place(address, length);
    file.claim(span, Role::Table, format!("chunk index of {}", chunks.of));
    file.check(span, &bytes, "extensible array block");
    let mut fields = Fields::new(&bytes);
    fields.skip(size(file.sized(6, 1, 0)).saturating_add(array.block_offset))?;
    let bitmap = fields.take(size(bits.saturating_mul(count)))?;
    for block in 0..count {
        if let Some(address) = file.address(&mut fields)? {
            let from = size(block.saturating_mul(bits));
            let pages = bitmap.get(from..from.saturating_add(size(bits)));
            data_block(file, array, address, each, pages, chunks, spans);
        }
    }
    Some(())
}

fn data_block(
    file: &mut File<'_, '_, '_>,
    array: &Array,
    address: u64,
    count: u64,
    bitmap: Option<&[u8]>,
    chunks: &Chunks<'_>,
    spans: &mut Vec<Span>,
) -> Option<()> {
    if !file.first(address) {
        return None;
    }
    let start = file.sized(6, 1, 0).saturating_add(wide(array.block_offset));
    let pages = array.pages(count);
    let data = if pages > 0 {
        0
    } else {
        count.checked_mul(wide(array.each))?
    };
    let length = start.saturating_add(data).saturating_add(4);
    let bytes = file.signed(address, length, b"EADB", "extensible array block")?;
    let span = file.place(address, length);
    file.claim(span, Role::Table, format!("chunk index of {}", chunks.of));
    file.check(span, &bytes, "extensible array block");
    let end = bytes.len().saturating_sub(4);
    elements(file, bytes.get(size(start)..end)?, array.each, chunks, spans);
    let mut at = address.saturating_add(length);
    for page in 0..pages {
        let length = array.page.checked_mul(wide(array.each))?.checked_add(4)?;
        if bitmap.is_none_or(|bits| is_set(bits, page)) {
            let bytes = file.read(at, length, "extensible array page")?;
            let end = bytes.len().saturating_sub(4);
            elements(file, bytes.get(..end)?, array.each, chunks, spans);
        }
        file.claim(
            file.place(at, length),
            Role::Table,
            format!("chunk index of {}", chunks.of),
        );
        at = at.saturating_add(length);
    }
    Some(())
}

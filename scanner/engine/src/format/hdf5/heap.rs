//! Heaps of names and of values: local heaps (section III.D) and global heap collections (III.E).
//!
//! | offset | size | local heap | | offset | size | global heap collection |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 4 | `HEAP` | | 0 | 4 | `GCOL` |
//! | 4 | 1 | version 0 | | 4 | 1 | version 1 |
//! | 8 | L | bytes of data | | 8 | L | bytes of the collection |
//! | .. | L | first free block | | .. | .. | objects: index 2, references 2, reserved 4, size L, data to a multiple of 8 |
//! | .. | O | where the data is | | | | index 0 is what is left |

use super::fields::{Fields, size, wide};
use super::file::File;
use crate::ledger::Role;
use crate::span::Span;
use std::borrow::Cow;
use std::collections::BTreeMap;

/// The names of a group, claimed: the data segment of the local heap at `address`.
pub(super) fn local<'a>(file: &mut File<'_, 'a, '_>, address: u64, of: &str) -> Option<Cow<'a, [u8]>> {
    let length = file.sized(8, 1, 2);
    let bytes = file.signed(address, length, b"HEAP", "local heap")?;
    let mut fields = Fields::new(&bytes);
    fields.skip(8)?;
    let data_length = file.length(&mut fields)?;
    file.length(&mut fields);
    let at = file.address(&mut fields)??;
    let data = file.read(at, data_length, "local heap data")?;
    if file.first(address) {
        file.claim(file.place(address, length), Role::Table, format!("local heap of {of}"));
        file.claim(file.place(at, data_length), Role::Strings, format!("names in {of}"));
    }
    Some(data)
}

/// The name at `offset` of a local heap's data.
pub(super) fn name(data: &[u8], offset: u64) -> &[u8] {
    let rest = data.get(size(offset)..).unwrap_or_default();
    Fields::new(rest).text()
}

/// The place of object `index` of the global heap collection at `address`.
pub(super) fn object(file: &mut File<'_, '_, '_>, address: u64, index: u32) -> Option<Span> {
    if !file.heaps.contains_key(&address) {
        let objects = collection(file, address)
            .map(|(objects, _)| objects)
            .unwrap_or_default();
        file.heaps.insert(address, objects);
    }
    let index = u16::try_from(index).ok()?;
    file.heaps.get(&address)?.get(&index).copied()
}

/// Reads and claims a collection: its objects, and its length.
pub(super) fn collection(file: &mut File<'_, '_, '_>, address: u64) -> Option<(BTreeMap<u16, Span>, u64)> {
    if !file.first(address) {
        return None;
    }
    let prefix = file.sized(8, 0, 1);
    let start = file.signed(address, prefix, b"GCOL", "global heap")?;
    let mut fields = Fields::new(&start);
    fields.skip(8)?;
    let length = file.length(&mut fields)?;
    let bytes = file.read(address, length, "global heap")?;
    let whole = file.place(address, length);
    let mut fields = Fields::new(&bytes);
    fields.skip(size(prefix))?;
    let mut objects = BTreeMap::new();
    while fields.left() >= 16 {
        let (index, _, _) = (fields.u16()?, fields.u16()?, fields.u32()?);
        let Some(length) = file.length(&mut fields) else { break };
        if index == 0 {
            // What is left of the collection: zeros, or what was there before, which is not claimed.
            let rest = bytes.get(fields.at()..).unwrap_or_default();
            let used = if rest.iter().all(|b| *b == 0) {
                whole
            } else {
                Span::saturating_at(whole.start(), wide(fields.at())).intersect(whole)
            };
            file.claim(used, Role::Data, "global heap");
            return Some((objects, whole.len()));
        }
        let place = Span::saturating_at(whole.start().saturating_add(wide(fields.at())), length);
        if fields.skip(size(length)).is_none() {
            file.malformed(
                place.intersect(whole),
                "hdf5: an object runs past its global heap (III.E)",
            );
            break;
        }
        fields.align(8);
        objects.insert(index, place);
    }
    file.claim(whole, Role::Data, "global heap");
    Some((objects, whole.len()))
}

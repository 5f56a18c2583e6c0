//! The superblock extension (section II.C) and dense attributes (IV.A.2.v): messages that lead to further structures.

use super::fields::{Fields, wide};
use super::file::File;
use super::{attribute, btree2, fractal, object, space};
use crate::ledger::Role;

/// Reads the superblock extension: sizes of tree nodes, free space, shared messages.
pub(super) fn read(file: &mut File<'_, '_, '_>, address: u64) {
    if !file.first(address) {
        return;
    }
    for message in object::read(file, address, Some("the superblock extension")) {
        let body = &message.body;
        let read = match message.kind {
            object::BTREE_K => tree_sizes(file, body),
            object::FILE_SPACE => free_space(file, body),
            object::SHARED_TABLE => shared(file, body),
            object::CACHE_IMAGE => cache_image(file, body),
            object::DRIVER => {
                file.unsupported(message.span.start(), "driver information: the file is one of several");
                Some(())
            }
            _ => Some(()),
        };
        if read.is_none() {
            file.malformed(
                message.span,
                "hdf5: a message of the superblock extension cannot be read (II.C)",
            );
        }
    }
}

fn tree_sizes(file: &mut File<'_, '_, '_>, body: &[u8]) -> Option<()> {
    let mut fields = Fields::new(body);
    fields.skip(1)?;
    file.chunk_k = u64::from(fields.u16()?).max(1);
    file.group_k = u64::from(fields.u16()?).max(1);
    file.leaf_k = u64::from(fields.u16()?).max(1);
    Some(())
}

/// File space info: version 0 has six managers of one address each, version 1 twelve and the page size.
fn free_space(file: &mut File<'_, '_, '_>, body: &[u8]) -> Option<()> {
    let mut fields = Fields::new(body);
    let version = fields.u8()?;
    let strategy = fields.u8()?;
    let managers = if version == 0 {
        file.length(&mut fields)?;
        // Version 0 names managers only where free space is kept.
        if strategy == 1 { 6 } else { 0 }
    } else {
        let kept = fields.u8()? != 0;
        file.length(&mut fields)?;
        file.length(&mut fields)?;
        fields.skip(2)?;
        file.address(&mut fields)?;
        if kept { 12 } else { 0 }
    };
    for _ in 0..managers {
        if let Some(address) = file.address(&mut fields)? {
            space::manager(file, address, "the file");
        }
    }
    Some(())
}

fn cache_image(file: &mut File<'_, '_, '_>, body: &[u8]) -> Option<()> {
    let mut fields = Fields::new(body);
    fields.skip(1)?;
    let address = file.address(&mut fields)?;
    let length = file.length(&mut fields)?;
    if let Some(address) = address {
        file.unsupported(
            address,
            "a metadata cache image, which stands for structures it replaces",
        );
        let span = file.place(address, length);
        file.claim(span, Role::Data, "metadata cache image");
    }
    Some(())
}

/// The table of shared messages (section III.I): each index is a list or a B-tree, and a heap.
fn shared(file: &mut File<'_, '_, '_>, body: &[u8]) -> Option<()> {
    let mut fields = Fields::new(body);
    fields.skip(1)?;
    let table = file.address(&mut fields)??;
    let count = u64::from(fields.u8()?);
    if !file.first(table) {
        return Some(());
    }
    let each = file.sized(16, 2, 0);
    let length = count.saturating_mul(each).saturating_add(8);
    let bytes = file.signed(table, length, b"SMTB", "shared message table")?;
    let span = file.place(table, length);
    file.claim(span, Role::Table, "shared message table");
    file.check(span, &bytes, "shared message table");
    let mut fields = Fields::new(&bytes);
    fields.skip(4)?;
    for _ in 0..count {
        fields.skip(1)?;
        let is_list = fields.u8()? == 0;
        fields.skip(6)?;
        let most = u64::from(fields.u16()?);
        fields.skip(4)?;
        fields.skip(2)?;
        let index = file.address(&mut fields)?;
        let heap = file.address(&mut fields)?;
        match index {
            Some(index) if is_list => {
                let record = wide(file.offsets.saturating_add(4).max(12)).saturating_add(5);
                let length = most.saturating_mul(record).saturating_add(8);
                file.signed(index, 4, b"SMLI", "shared message list")?;
                file.claim(file.place(index, length), Role::Table, "shared message list");
            }
            Some(index) => {
                btree2::read(file, index, "shared messages");
            }
            None => {}
        }
        if let Some(heap) = heap {
            fractal::read(file, heap, "shared messages");
        }
    }
    Some(())
}

/// An attribute info message: dense attributes are in a fractal heap, indexed by name.
pub(super) fn attributes(file: &mut File<'_, '_, '_>, body: &[u8], path: &str) -> Option<()> {
    let mut fields = Fields::new(body);
    fields.skip(1)?;
    let flags = fields.u8()?;
    if flags & 1 != 0 {
        fields.skip(2)?;
    }
    let values = file.address(&mut fields)?;
    let names = file.address(&mut fields)?;
    let order = if flags & 2 != 0 {
        file.address(&mut fields)?
    } else {
        None
    };
    let values = fractal::read(file, values?, path)?;
    for (tree, known) in [(names, true), (order, false)] {
        let Some(tree) = tree else { continue };
        // A record begins with the heap ID: eight bytes, and the message's flags.
        for record in btree2::read(file, tree, path).iter().filter(|_| known) {
            if let Some((span, bytes)) = fractal::value(file, &values, record.get(..8).unwrap_or_default()) {
                dense(file, &bytes, span, path);
            }
        }
    }
    for span in values.huge {
        if let Some(bytes) = file.read_span(span, "attribute") {
            dense(file, &bytes, span, path);
        }
    }
    Some(())
}

fn dense(file: &mut File<'_, '_, '_>, bytes: &[u8], span: crate::span::Span, path: &str) {
    if attribute::read(file, bytes, span, path).is_none() {
        file.malformed(span, "hdf5: an attribute that cannot be read (IV.A.2.m)");
    }
}

//! Object headers (section IV.A): the messages that make a group, a dataset or a named type.
//!
//! | offset | size | version 1 | | offset | size | version 2 |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 0 | 1 | 1 | | 0 | 4 | `OHDR` |
//! | 2 | 2 | number of messages | | 4 | 1 | 2 |
//! | 4 | 4 | references | | 5 | 1 | flags |
//! | 8 | 4 | bytes of messages in this block | | 6 | 16 | times, when flag 5 |
//! | 12 | 4 | padding | | .. | 4 | attribute phase change, when flag 4 |
//! | 16 | .. | messages | | .. | 1..8 | bytes of messages in this block |
//! | | | | | .. | .. | messages, gap, checksum |
//!
//! Continuation blocks hold further messages; `OCHK` and a checksum are around them in version 2.

use super::fields::{Fields, wide};
use super::file::File;
use crate::ledger::Role;
use crate::span::Span;
use std::collections::HashSet;

/// A message of an object header.
pub(super) struct Message {
    pub(super) kind: u16,
    /// Bit 1: the body only points at what is shared.
    pub(super) flags: u8,
    /// The body's place.
    pub(super) span: Span,
    pub(super) body: Vec<u8>,
}

impl Message {
    /// Whether the body stands elsewhere.
    pub(super) fn is_shared(&self) -> bool {
        self.flags & 2 != 0
    }
}

pub(super) const NIL: u16 = 0x00;
pub(super) const DATASPACE: u16 = 0x01;
pub(super) const LINK_INFO: u16 = 0x02;
pub(super) const DATATYPE: u16 = 0x03;
pub(super) const LINK: u16 = 0x06;
pub(super) const EXTERNAL_FILES: u16 = 0x07;
pub(super) const LAYOUT: u16 = 0x08;
pub(super) const FILTERS: u16 = 0x0b;
pub(super) const ATTRIBUTE: u16 = 0x0c;
pub(super) const SHARED_TABLE: u16 = 0x0f;
const CONTINUATION: u16 = 0x10;
pub(super) const SYMBOL_TABLE: u16 = 0x11;
pub(super) const BTREE_K: u16 = 0x13;
pub(super) const DRIVER: u16 = 0x14;
pub(super) const ATTRIBUTE_INFO: u16 = 0x15;
pub(super) const FILE_SPACE: u16 = 0x17;
pub(super) const CACHE_IMAGE: u16 = 0x18;

/// The most messages of one object.
const MOST: usize = 1 << 16;

/// Reads the object header at `address`: all its messages, continuation blocks included. Claims it as `name`, unless
/// that is `None`.
pub(super) fn read(file: &mut File<'_, '_, '_>, address: u64, name: Option<&str>) -> Vec<Message> {
    let mut messages = Vec::new();
    let start = match file.input.read_up_to(file.place(address, 0).start(), 32) {
        Ok(bytes) if bytes.len() >= 16 => bytes,
        _ => {
            file.read(address, 16, "object header");
            return messages;
        }
    };
    let mut header = Header {
        file,
        name,
        messages: &mut messages,
        blocks: Vec::new(),
        met: HashSet::new(),
        order: None,
    };
    if start.starts_with(b"OHDR") {
        header.second(address, &start);
    } else if start.first() == Some(&1) {
        header.first(address, &start);
    } else {
        let span = header.file.place(address, 4);
        header
            .file
            .malformed(span, "hdf5: an object header has no known version (IV.A.1)");
    }
    messages
}

struct Header<'f, 'i, 'a, 'o, 'm> {
    file: &'f mut File<'i, 'a, 'o>,
    name: Option<&'m str>,
    messages: &'m mut Vec<Message>,
    /// Continuation blocks to be read.
    blocks: Vec<(u64, u64)>,
    met: HashSet<u64>,
    /// In version 2: whether messages carry their creation order.
    order: Option<bool>,
}

impl Header<'_, '_, '_, '_, '_> {
    fn first(&mut self, address: u64, start: &[u8]) {
        let mut fields = Fields::new(start);
        let size = fields.skip(8).and_then(|()| fields.u32()).unwrap_or(0);
        let length = u64::from(size).saturating_add(16);
        let Some(bytes) = self.file.read(address, length, "object header") else {
            return;
        };
        let span = self.file.place(address, length);
        self.claim(span, "object header of");
        let body = bytes.get(16..).unwrap_or_default();
        self.messages_of(body, span.start().saturating_add(16));
        while let Some((at, length)) = self.blocks.pop() {
            if let Some(bytes) = self.file.read(at, length, "object header continuation") {
                let span = self.file.place(at, length);
                self.claim(span, "more of the header of");
                self.messages_of(&bytes, span.start());
            }
        }
    }

    fn second(&mut self, address: u64, start: &[u8]) {
        let Some((prefix, size, order)) = prefix(start) else {
            let span = self.file.place(address, 6);
            return self
                .file
                .malformed(span, "hdf5: an object header has no known version (IV.A.1)");
        };
        self.order = Some(order);
        let length = wide(prefix).saturating_add(size).saturating_add(4);
        let Some(bytes) = self.file.read(address, length, "object header") else {
            return;
        };
        let span = self.file.place(address, length);
        self.claim(span, "object header of");
        self.check(span, &bytes);
        let end = bytes.len().saturating_sub(4);
        let body = bytes.get(prefix..end).unwrap_or_default();
        self.messages_of(body, span.start().saturating_add(wide(prefix)));
        while let Some((at, length)) = self.blocks.pop() {
            let Some(bytes) = self.file.signed(at, length, b"OCHK", "object header continuation") else {
                continue;
            };
            let span = self.file.place(at, length);
            self.claim(span, "more of the header of");
            self.check(span, &bytes);
            let end = bytes.len().saturating_sub(4);
            let body = bytes.get(4..end).unwrap_or_default();
            self.messages_of(body, span.start().saturating_add(4));
        }
    }

    fn claim(&mut self, span: Span, what: &str) {
        if let Some(name) = self.name {
            self.file.claim(span, Role::Metadata, format!("{what} {name}"));
        }
    }

    fn check(&mut self, span: Span, bytes: &[u8]) {
        if self.name.is_some() {
            self.file.check(span, bytes, "object header");
        }
    }

    fn messages_of(&mut self, block: &[u8], base: u64) {
        let mut fields = Fields::new(block);
        let prefix = match self.order {
            None => 8,
            Some(true) => 6,
            Some(false) => 4,
        };
        while fields.left() >= prefix {
            if self.messages.len() >= MOST {
                let span = Span::saturating_at(base, 0);
                return self
                    .file
                    .malformed(span, "hdf5: an object header has too many messages");
            }
            let Some((kind, size, flags)) = self.message(&mut fields) else {
                return;
            };
            let at = fields.at();
            let Some(body) = fields.take(usize::from(size)) else {
                let span = Span::saturating_at(base.saturating_add(wide(at)), wide(fields.left()));
                return self
                    .file
                    .malformed(span, "hdf5: a message is longer than its block (IV.A.1)");
            };
            let span = Span::saturating_at(base.saturating_add(wide(at)), wide(body.len()));
            if kind == CONTINUATION {
                self.continuation(body, span);
            } else if kind == NIL {
                // A message that was removed: zeros, or what it said before.
                if body.iter().any(|b| *b != 0) {
                    self.file.unused(span);
                }
            } else {
                let body = body.to_vec();
                self.messages.push(Message {
                    kind,
                    flags,
                    span,
                    body,
                });
            }
        }
    }

    fn message(&self, fields: &mut Fields<'_>) -> Option<(u16, u16, u8)> {
        let Some(order) = self.order else {
            let (kind, size) = (fields.u16()?, fields.u16()?);
            let flags = fields.u8()?;
            fields.skip(3)?;
            return Some((kind, size, flags));
        };
        let (kind, size) = (u16::from(fields.u8()?), fields.u16()?);
        let flags = fields.u8()?;
        if order {
            fields.skip(2)?;
        }
        Some((kind, size, flags))
    }

    fn continuation(&mut self, body: &[u8], span: Span) {
        let mut fields = Fields::new(body);
        let place = self
            .file
            .address(&mut fields)
            .flatten()
            .zip(self.file.length(&mut fields));
        match place {
            Some((at, length)) if self.met.insert(at) && self.met.len() < MOST => self.blocks.push((at, length)),
            _ => self
                .file
                .malformed(span, "hdf5: a continuation leads nowhere or back (IV.A.2.q)"),
        }
    }
}

/// Of version 2: the bytes before the messages, the messages' bytes, whether they carry an order.
fn prefix(start: &[u8]) -> Option<(usize, u64, bool)> {
    let mut fields = Fields::new(start);
    fields.skip(4)?;
    if fields.u8()? != 2 {
        return None;
    }
    let flags = fields.u8()?;
    if flags & 0x20 != 0 {
        fields.skip(16)?;
    }
    if flags & 0x10 != 0 {
        fields.skip(4)?;
    }
    let size = fields.number(1usize.checked_shl(u32::from(flags & 3))?)?;
    Some((fields.at(), size, flags & 4 != 0))
}

/// A shared message's body: the object that holds it, or nothing when a heap of shared messages does.
pub(super) fn committed(file: &File<'_, '_, '_>, body: &[u8]) -> Option<u64> {
    let mut fields = Fields::new(body);
    match (fields.u8()?, fields.u8()?) {
        (1, _) => {
            fields.skip(6)?;
            file.address(&mut fields)?
        }
        (2, _) | (3, 2) => file.address(&mut fields)?,
        _ => None,
    }
}

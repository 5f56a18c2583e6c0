//! Sections: their ids, names, order, and the integers and names they are made of.

use super::{Cursor, MAGIC, ReadFault};
use crate::ledger::Role;
use crate::span::Span;

/// What a file is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// A core module.
    Module,
    /// A component, which may hold modules.
    Component,
}

impl Kind {
    /// What the preamble says.
    pub(super) fn of(head: &[u8]) -> Option<Self> {
        match head.strip_prefix(MAGIC)?.get(..4)? {
            [1, 0, 0, 0] => Some(Self::Module),
            [0xd, 0, 1, 0] => Some(Self::Component),
            _ => None,
        }
    }
}

/// A section, as its header describes it.
pub(super) struct Section {
    pub(super) id: u8,
    pub(super) name: &'static str,
    pub(super) content: Span,
}

impl Section {
    /// What the bytes of the section are for.
    pub(super) fn role(&self) -> Role {
        match self.name {
            "code" => Role::Code,
            "data" => Role::Data,
            "custom" => Role::Metadata,
            _ => Role::Table,
        }
    }
}

/// The name of a section by its id; `None` for ids that are not assigned.
pub(super) fn name(kind: Kind, id: u8) -> Option<&'static str> {
    const MODULE: [&str; 14] = [
        "custom",
        "type",
        "import",
        "function",
        "table",
        "memory",
        "global",
        "export",
        "start",
        "element",
        "code",
        "data",
        "data count",
        "tag",
    ];
    const COMPONENT: [&str; 13] = [
        "custom",
        "core module",
        "core instance",
        "core type",
        "component",
        "instance",
        "alias",
        "type",
        "canonical",
        "start",
        "import",
        "export",
        "value",
    ];
    let names: &[&'static str] = match kind {
        Kind::Module => &MODULE,
        Kind::Component => &COMPONENT,
    };
    names.get(usize::from(id)).copied()
}

/// Where a section stands among the others of a module, from 1; custom sections stand anywhere, and those of a
/// component in any order.
pub(super) fn place(kind: Kind, id: u8) -> Option<u8> {
    const ORDER: [u8; 13] = [1, 2, 3, 4, 5, 13, 6, 7, 8, 9, 12, 10, 11];
    if kind == Kind::Component || id == 0 {
        return None;
    }
    let at = ORDER.iter().position(|other| *other == id)?;
    u8::try_from(at).ok()?.checked_add(1)
}

/// What a tool's section holds, by its name.
pub(super) fn custom_role(name: &[u8]) -> Role {
    match name {
        b"name" => Role::Strings,
        b"producers" | b"sourceMappingURL" | b"target_features" | b"build_id" | b"external_debug_info" => {
            Role::Metadata
        }
        b"dylink" | b"dylink.0" | b"linking" => Role::Table,
        _ if name.starts_with(b"reloc.") => Role::Table,
        _ => Role::Data,
    }
}

/// An unsigned LEB128 integer of 32 bits; `None` when it is longer or larger.
pub(super) fn leb32(cursor: &mut Cursor<'_, '_>) -> Result<Option<u64>, ReadFault> {
    let mut value = 0u64;
    for shift in [0u32, 7, 14, 21, 28] {
        let byte = cursor.u8()?;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(u32::try_from(value).is_ok().then_some(value));
        }
    }
    Ok(None)
}

/// A name: its length, then UTF-8; the first 4096 bytes of it, and where it stands. `None` when it is too long to be
/// there.
pub(super) fn text(cursor: &mut Cursor<'_, '_>) -> Result<Option<(Vec<u8>, Span)>, ReadFault> {
    const KEPT: u64 = 4096;
    if cursor.remaining() == 0 {
        return Ok(None);
    }
    let Some(length) = leb32(cursor)?.filter(|length| *length <= cursor.remaining()) else {
        return Ok(None);
    };
    let start = cursor.position();
    let name = cursor.bytes(length.min(KEPT))?.into_owned();
    cursor.skip(length.saturating_sub(KEPT))?;
    Ok(Some((name, Span::saturating_at(start, length))))
}

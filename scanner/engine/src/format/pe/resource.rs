//! The resource tree: types, names, languages, and the data of each.
//!
//! | offset | size | field of a directory |
//! | --- | --- | --- |
//! | 12 | 2 | entries by name |
//! | 14 | 2 | entries by id |
//! | 16 | 8 each | name offset or id, then offset of a directory (top bit set) or of a data entry |
//!
//! A data entry is an address, a size, a code page and zero. Offsets count from the root directory. What the data of a
//! standard type holds (icons, dialogs, versions) is not parsed.

use super::header::Directory;
use super::image::{Image, Mapped, le16, le32};
use super::interior::Interior;
use crate::finding::{ErrorCode, ScanError};
use crate::format::{Parse, ReadFault};
use crate::ledger::Role;
use crate::span::{Span, SpanSet};
use std::collections::BTreeSet;

/// Type, name, language.
const LEVELS: usize = 3;
/// The most entries of all directories that are read.
const MOST: usize = 1 << 16;
/// The longest name, in UTF-16 units, that is spelled out.
const LONGEST_NAME: u64 = 128;
/// The top bit of an entry's words.
const HIGH: u32 = 0x8000_0000;

/// The bytes that a resource must start with to be read as an artifact of its own, with their offset.
const MAGICS: &[&[u8]] = &[
    b"MZ",
    b"\x7fELF",
    b"PK\x03\x04",
    b"PK\x05\x06",
    b"\x1f\x8b\x08",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\0asm",
    b"7z\xbc\xaf\x27\x1c",
    b"MSCF",
    b"Rar!\x1a\x07",
    b"\xfd7zXZ\0",
    b"BZh",
    b"\x28\xb5\x2f\xfd",
    b"\x20\xda\x43\x01",
    b"d3n0l4nd",
];

/// Finds the tree's tables and data. A limit that is met is an error in `out`.
pub(super) fn claim(
    image: &Image<'_, '_, '_>,
    directory: Directory,
    interior: &mut Interior,
    out: &mut Parse,
) -> Result<(), ReadFault> {
    let mut tree = Tree {
        image,
        directory,
        left: MOST,
        visited: BTreeSet::new(),
        tables: Vec::new(),
        names: Vec::new(),
        entries: Vec::new(),
        data: BTreeSet::new(),
    };
    let result = tree.walk(interior, out);
    let Mapped::File(home, _) = image.map(u64::from(directory.address), 1) else {
        return result;
    };
    for (spans, role, name) in [
        (tree.tables, Role::Table, "resource directories"),
        (tree.names, Role::Strings, "resource names"),
        (tree.entries, Role::Table, "resource data entries"),
    ] {
        for span in SpanSet::from_spans(spans).iter() {
            interior.add(home, span.intersect(image.extent(home)), role, name);
        }
    }
    result
}

/// A directory that is still to be read: its offset from the root, and the path to it.
struct Pending {
    offset: u32,
    path: Vec<Name>,
}

/// One level of a resource's path.
#[derive(Clone)]
enum Name {
    Id(u32),
    Text(String),
}

struct Tree<'t, 'h, 'i, 'a> {
    image: &'t Image<'h, 'i, 'a>,
    directory: Directory,
    left: usize,
    visited: BTreeSet<u32>,
    tables: Vec<Span>,
    names: Vec<Span>,
    entries: Vec<Span>,
    data: BTreeSet<Span>,
}

impl Tree<'_, '_, '_, '_> {
    fn walk(&mut self, interior: &mut Interior, out: &mut Parse) -> Result<(), ReadFault> {
        let mut pending = vec![Pending {
            offset: 0,
            path: Vec::new(),
        }];
        while let Some(Pending { offset, path }) = pending.pop() {
            if !self.visited.insert(offset) {
                out.malformed(self.directory.span, "pe: a resource directory is referred to twice");
                continue;
            }
            let Some((span, header)) = self.at(offset, 16)? else {
                out.malformed(self.directory.span, "pe: a resource directory lies outside its section");
                continue;
            };
            let count =
                u32::from(le16(&header, 12).unwrap_or(0)).saturating_add(u32::from(le16(&header, 14).unwrap_or(0)));
            let size = u64::from(count).saturating_mul(8);
            let Some((list, entries)) = self.at(offset.saturating_add(16), size)? else {
                out.malformed(span, "pe: the entries of a resource directory lie outside its section");
                continue;
            };
            self.tables.push(Span::new(span.start(), list.end()));
            let mut below = Vec::new();
            for entry in entries.chunks_exact(8) {
                let Some(left) = self.left.checked_sub(1) else {
                    let message = format!("more than {MOST} resources: the rest was not told apart");
                    out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()));
                    return Ok(());
                };
                self.left = left;
                let (Some(name), Some(target)) = (le32(entry, 0), le32(entry, 4)) else {
                    continue;
                };
                let mut path = path.clone();
                path.push(self.name(name, out)?);
                if target & HIGH == 0 {
                    self.data_entry(target, &path, interior, out)?;
                } else if path.len() >= LEVELS {
                    out.malformed(span, "pe: the resource tree is deeper than type, name and language");
                } else {
                    below.push(Pending {
                        offset: target & !HIGH,
                        path,
                    });
                }
            }
            pending.extend(below.into_iter().rev());
        }
        Ok(())
    }

    /// `size` bytes at `offset` from the root directory.
    fn at(&self, offset: u32, size: u64) -> Result<Option<(Span, Vec<u8>)>, ReadFault> {
        let rva = u64::from(self.directory.address).saturating_add(u64::from(offset));
        if size == 0 {
            return Ok(match self.image.map(rva, 0) {
                Mapped::File(_, span) => Some((span, Vec::new())),
                _ => None,
            });
        }
        self.image.read(rva, size)
    }

    fn name(&mut self, word: u32, out: &mut Parse) -> Result<Name, ReadFault> {
        if word & HIGH == 0 {
            return Ok(Name::Id(word));
        }
        let offset = word & !HIGH;
        let Some((_, length)) = self.at(offset, 2)? else {
            out.malformed(self.directory.span, "pe: a resource name lies outside its section");
            return Ok(Name::Text(format!("name at {offset:#x}")));
        };
        let units = u64::from(le16(&length, 0).unwrap_or(0));
        let kept = units.min(LONGEST_NAME).saturating_mul(2).saturating_add(2);
        let Some((start, text)) = self.at(offset, kept)? else {
            out.malformed(self.directory.span, "pe: a resource name lies outside its section");
            return Ok(Name::Text(format!("name at {offset:#x}")));
        };
        self.names.push(Span::saturating_at(
            start.start(),
            units.saturating_mul(2).saturating_add(2),
        ));
        let units = text.chunks_exact(2).skip(1).filter_map(|unit| le16(unit, 0));
        let text: String = char::decode_utf16(units)
            .map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER))
            .collect();
        Ok(Name::Text(crate::name::printable(text.as_bytes())))
    }

    fn data_entry(
        &mut self,
        offset: u32,
        path: &[Name],
        interior: &mut Interior,
        out: &mut Parse,
    ) -> Result<(), ReadFault> {
        let Some((span, entry)) = self.at(offset, 16)? else {
            out.malformed(
                self.directory.span,
                "pe: a resource data entry lies outside its section",
            );
            return Ok(());
        };
        self.entries.push(span);
        let (address, size) = (le32(&entry, 0).unwrap_or(0), le32(&entry, 4).unwrap_or(0));
        let name = spell(path);
        match self.image.map(u64::from(address), u64::from(size)) {
            Mapped::Nowhere if size > 0 => {
                out.malformed(
                    span,
                    &format!("pe: the data of resource {name} lies outside the sections"),
                );
            }
            Mapped::File(home, data) => {
                if data.len() < u64::from(size) {
                    out.malformed(span, &format!("pe: the data of resource {name} runs past its section"));
                }
                if !self.data.insert(data) {
                    return Ok(());
                }
                let head = self
                    .image
                    .window
                    .input()
                    .read(Span::saturating_at(data.start(), 16).intersect(data))?;
                if MAGICS.iter().any(|magic| head.starts_with(magic)) {
                    interior.nest(home, data, format!("resource {name}").into_bytes(), holds_files(path));
                } else {
                    interior.add(home, data, Role::Data, format!("resource {name}"));
                }
            }
            _ => {}
        }
        Ok(())
    }
}

/// Whether the type is one that programs carry files in: raw data, HTML, and types of their own.
fn holds_files(path: &[Name]) -> bool {
    match path.first() {
        Some(Name::Id(id)) => matches!(id, 10 | 23) || *id > 24,
        Some(Name::Text(_)) => true,
        None => false,
    }
}

fn spell(path: &[Name]) -> String {
    let mut out = String::new();
    for (level, name) in path.iter().enumerate() {
        if level > 0 {
            out.push('/');
        }
        match name {
            Name::Text(text) => out.push_str(text),
            Name::Id(id) => match (level, standard(*id)) {
                (0, Some(standard)) => out.push_str(standard),
                _ => out.push_str(&id.to_string()),
            },
        }
    }
    out
}

fn standard(id: u32) -> Option<&'static str> {
    Some(match id {
        1 => "RT_CURSOR",
        2 => "RT_BITMAP",
        3 => "RT_ICON",
        4 => "RT_MENU",
        5 => "RT_DIALOG",
        6 => "RT_STRING",
        7 => "RT_FONTDIR",
        8 => "RT_FONT",
        9 => "RT_ACCELERATOR",
        10 => "RT_RCDATA",
        11 => "RT_MESSAGETABLE",
        12 => "RT_GROUP_CURSOR",
        14 => "RT_GROUP_ICON",
        16 => "RT_VERSION",
        17 => "RT_DLGINCLUDE",
        19 => "RT_PLUGPLAY",
        20 => "RT_VXD",
        21 => "RT_ANICURSOR",
        22 => "RT_ANIICON",
        23 => "RT_HTML",
        24 => "RT_MANIFEST",
        _ => return None,
    })
}

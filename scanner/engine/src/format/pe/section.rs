//! The section table: what is mapped from where, with which permissions.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | `Name`; `/123` is an offset into the COFF string table |
//! | 8 | 4 | `VirtualSize` |
//! | 12 | 4 | `VirtualAddress` |
//! | 16 | 4 | `SizeOfRawData` |
//! | 20 | 4 | `PointerToRawData` |
//! | 36 | 4 | `Characteristics` |

use super::header::{Headers, MEMORY_PAGE};
use super::image::{Home, Image, Mapped, Window, le32};
use super::symbols;
use crate::fact::Fact;
use crate::format::Parse;
use crate::ledger::{Fill, Role};
use crate::span::Span;

/// The length of an entry of the section table in bytes.
const ENTRY: u64 = 40;
/// What linkers and resource compilers leave in the tails of sections: zeros, `PADDINGXX`, `int3`, `nop`.
pub(super) const FILLER: Fill = Fill::AnyOf(b"\0PADINGX\xcc\x90");

/// One section.
#[derive(Clone, Debug)]
pub(super) struct Section {
    /// The name, printable.
    pub(super) name: Box<str>,
    /// The eight bytes of `Name`.
    pub(super) raw_name: [u8; 8],
    /// The entry of the section table.
    pub(super) entry: Span,
    /// The fields as they stand: `VirtualSize`, `VirtualAddress`, `SizeOfRawData`, `PointerToRawData`.
    pub(super) fields: [u32; 4],
    /// `Characteristics`.
    pub(super) flags: u32,
    /// The addresses it takes up, relative to the image base.
    pub(super) memory: Span,
    /// The bytes of the file that it maps, without the tail beyond `VirtualSize`.
    pub(super) content: Span,
    /// Its bytes of the file beyond `VirtualSize`.
    pub(super) tail: Span,
}

impl Section {
    /// Whether it is mapped executable.
    pub(super) fn executable(&self) -> bool {
        self.flags & 0x2000_0000 != 0
    }

    /// What its bytes are for.
    pub(super) fn role(&self) -> Role {
        if self.flags & 0x2000_0020 != 0 {
            Role::Code
        } else {
            Role::Data
        }
    }
}

/// Reads and claims the section table and the padding of the headers, and checks both.
pub(super) fn parse(window: &Window<'_, '_>, headers: &Headers, out: &mut Parse) -> Vec<Section> {
    let length = window.input().len();
    let stated = headers.section_table;
    let count_span = Span::saturating_at(headers.coff.start().saturating_add(2), 2);
    let size_span = Span::saturating_at(headers.optional.start().saturating_add(60), 4);
    let mut table = stated;
    if stated.end() > headers.size_of_headers {
        if headers.size_of_headers >= stated.start().saturating_add(ENTRY) && headers.number_of_sections > 0 {
            out.malformed(count_span, "pe: NumberOfSections entries do not fit in SizeOfHeaders");
            table = Span::new(stated.start(), headers.size_of_headers);
        } else {
            out.malformed(size_span, "pe: SizeOfHeaders is smaller than the headers");
        }
    }
    if table.end() > length {
        let fault = crate::format::ReadFault::PastEnd {
            offset: table.start(),
            wanted: stated.len(),
            length,
        };
        out.fault(&fault, "section table");
    }
    let available = table.intersect(Span::new(0, length)).len() / ENTRY;
    let table = Span::saturating_at(table.start(), available.saturating_mul(ENTRY));
    let bytes = match window.input().read(table) {
        Ok(bytes) => bytes,
        Err(fault) => {
            out.fault(&fault, "section table");
            return Vec::new();
        }
    };
    out.leaf(table, Role::Table, "section table");
    let mut sections = Vec::new();
    let mut entry = table.start();
    for raw in bytes.chunks_exact(40) {
        let span = Span::saturating_at(entry, ENTRY);
        entry = span.end();
        if let Some(section) = section(window, headers, raw, span, out) {
            sections.push(section);
        }
    }
    check_memory(headers, &sections, out);
    terminator(window, table.end(), &sections, out);
    let first = sections.iter().filter(|s| !s.content.is_empty() || !s.tail.is_empty());
    let first = first.map(|s| s.content.start()).min().unwrap_or(u64::MAX);
    if first < headers.size_of_headers && first >= table.end() {
        out.malformed(size_span, "pe: SizeOfHeaders reaches into the first section");
    } else if headers.size_of_headers > length && first == u64::MAX {
        let start = table.end();
        let fault = crate::format::ReadFault::PastEnd {
            offset: start,
            wanted: headers.size_of_headers.saturating_sub(start),
            length,
        };
        out.fault(&fault, "headers");
    }
    sections
}

fn section(window: &Window<'_, '_>, headers: &Headers, raw: &[u8], entry: Span, out: &mut Parse) -> Option<Section> {
    let raw_name: [u8; 8] = *raw.first_chunk()?;
    let fields = [le32(raw, 8)?, le32(raw, 12)?, le32(raw, 16)?, le32(raw, 20)?];
    let [virtual_size, address, raw_size, pointer] = fields.map(u64::from);
    let flags = le32(raw, 36)?;
    let name = name(window, headers, &raw_name, entry, out);
    let length = window.input().len();
    // The loader rounds the pointer down to a disk sector, except in images that are mapped as they lie.
    let paged = headers.section_alignment >= MEMORY_PAGE && !headers.is_efi();
    let start = if paged { pointer & !0x1ff } else { pointer };
    let size = if pointer == 0 { 0 } else { raw_size };
    let whole = Span::saturating_at(start, size);
    let used = if virtual_size == 0 {
        size
    } else {
        virtual_size.min(size)
    };
    if size > 0
        && headers.file_alignment > 0
        && !headers.is_efi()
        && pointer.checked_rem(headers.file_alignment) != Some(0)
    {
        let rule = format!("pe: PointerToRawData of {name} is not a multiple of FileAlignment");
        out.malformed(Span::saturating_at(entry.start().saturating_add(20), 4), &rule);
    }
    if whole.end() > length {
        let fault = crate::format::ReadFault::PastEnd {
            offset: start,
            wanted: size,
            length,
        };
        out.fault(&fault, &format!("section {name}"));
    }
    let content = Span::saturating_at(start, used).intersect(Span::new(0, length));
    let tail = Span::new(content.end().max(start.min(length)), whole.end().min(length));
    let memory = Span::saturating_at(address, virtual_size.max(used));
    let section = Section {
        name,
        raw_name,
        entry,
        fields,
        flags,
        memory,
        content,
        tail,
    };
    out.fact(Fact::Segment {
        name: section.name.clone(),
        span: section.content,
        write: flags & 0x8000_0000 != 0,
        execute: section.executable(),
        kind: "section",
    });
    if raw_name.iter().any(|b| *b != 0 && !b.is_ascii_graphic()) {
        let span = Span::saturating_at(entry.start(), 8);
        out.fact(Fact::Name {
            what: "section",
            raw: Box::new(raw_name),
            length: 8,
            span,
        });
    }
    Some(section)
}

/// The name, through the COFF string table when it is long.
fn name(window: &Window<'_, '_>, headers: &Headers, raw: &[u8; 8], entry: Span, out: &mut Parse) -> Box<str> {
    let end = raw.iter().position(|b| *b == 0).unwrap_or(raw.len());
    let short = raw.get(..end).unwrap_or_default();
    let digits = short.strip_prefix(b"/").and_then(|digits| str::from_utf8(digits).ok());
    let long = digits.and_then(|digits| digits.parse::<u64>().ok());
    let long = long.and_then(|at| symbols::string(window, headers, at, out));
    let name = crate::name::printable(long.as_deref().unwrap_or(short));
    if name.is_empty() {
        format!("section at {:#x}", entry.start()).into()
    } else {
        name.into()
    }
}

/// Sections stand in ascending order of address, aligned, without sharing addresses.
fn check_memory(headers: &Headers, sections: &[Section], out: &mut Parse) {
    let mut end = 0u64;
    for section in sections {
        let span = Span::saturating_at(section.entry.start().saturating_add(12), 4);
        let start = section.memory.start();
        if start < end {
            let rule = format!("pe: {} overlaps the addresses of the section before it", section.name);
            out.malformed(span, &rule);
        }
        if !headers.is_efi()
            && start
                .checked_rem(headers.section_alignment)
                .is_some_and(|rest| rest != 0)
        {
            let rule = format!(
                "pe: VirtualAddress of {} is not a multiple of SectionAlignment",
                section.name
            );
            out.malformed(span, &rule);
        }
        end = end.max(section.memory.end());
    }
    if end > headers.size_of_image.next_multiple_of(MEMORY_PAGE) {
        let span = Span::saturating_at(headers.optional.start().saturating_add(56), 4);
        out.malformed(span, "pe: SizeOfImage is smaller than the sections");
    }
}

/// Delphi ends the table with an entry that is not counted: no name, no size, the address and the offset after the last
/// section. It is claimed when it says exactly that.
fn terminator(window: &Window<'_, '_>, at: u64, sections: &[Section], out: &mut Parse) {
    let span = Span::saturating_at(at, ENTRY);
    let first = sections
        .iter()
        .map(|s| s.content.start())
        .filter(|start| *start > 0)
        .min()
        .unwrap_or(0);
    if sections.is_empty() || span.end() > first {
        return;
    }
    let bytes = match window.bytes(span) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "section table"),
    };
    let raw_end = sections.iter().map(|s| s.tail.end()).max().unwrap_or(0);
    let memory_end = sections
        .iter()
        .map(|s| s.memory.end().next_multiple_of(MEMORY_PAGE))
        .max()
        .unwrap_or(0);
    let field = |at: usize| le32(&bytes, at).map(u64::from);
    let zero = [0, 4, 8, 16, 24, 28, 32].into_iter().all(|at| field(at) == Some(0));
    if zero && field(12) == Some(memory_end) && field(20) == Some(raw_end) && field(36) == Some(0x4000_0040) {
        out.leaf(span, Role::Table, "section table terminator");
    }
}

/// Says where execution starts.
pub(super) fn entry_point(image: &Image<'_, '_, '_>, out: &mut Parse) {
    let headers = image.headers;
    let rva = u64::from(headers.entry);
    if rva == 0
        && (headers.is_dll()
            || headers.directory(super::directory::CLR).is_some()
            || image.sections.iter().all(|s| !s.executable()))
    {
        return;
    }
    let section = image.section_at(rva);
    let mapped = image.map(rva, 1);
    let offset = match mapped {
        Mapped::File(_, span) => Some(span.start()),
        Mapped::Zeros | Mapped::Nowhere => None,
    };
    if mapped == Mapped::Nowhere || matches!(mapped, Mapped::File(Home::Headers, _)) {
        let span = Span::saturating_at(headers.optional.start().saturating_add(16), 4);
        out.malformed(span, "pe: AddressOfEntryPoint lies outside the sections");
    }
    out.fact(Fact::EntryPoint {
        offset,
        inside_code: section.is_some_and(|(_, s)| s.executable()),
    });
}

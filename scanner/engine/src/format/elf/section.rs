//! The section header table and its names (gABI, "Section Header").
//!
//! | offset (64) | offset (32) | field |
//! | --- | --- | --- |
//! | 0 | 0 | `sh_name: u32`, an offset into section `e_shstrndx` |
//! | 4 | 4 | `sh_type: u32` |
//! | 8 | 8 | `sh_flags: word` |
//! | 16 | 12 | `sh_addr: word` |
//! | 24 | 16 | `sh_offset: word` |
//! | 32 | 20 | `sh_size: word` |
//! | 40 | 24 | `sh_link sh_info: u32` |
//! | 48 | 32 | `sh_addralign sh_entsize: word` |
//!
//! Counts that do not fit in the ELF header stand in section 0: `sh_size` for `e_shnum`, `sh_link` for `e_shstrndx`,
//! `sh_info` for `e_phnum`.

use super::header::{Fields, Header, Layout};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Input, Parse};
use crate::ledger::Role;
use crate::span::Span;
use object::elf;
use std::borrow::Cow;

/// More section headers than any linker writes; a table that has more is read up to here, and said to be.
const MOST: u64 = 1 << 18;
/// The longest section name kept, in bytes.
pub(super) const LONGEST_NAME: usize = 256;

/// One section header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Section {
    pub(super) sh_name: u32,
    pub(super) sh_type: u32,
    pub(super) sh_flags: u64,
    pub(super) sh_addr: u64,
    pub(super) sh_offset: u64,
    pub(super) sh_size: u64,
    pub(super) sh_link: u32,
    pub(super) sh_info: u32,
    pub(super) sh_addralign: u64,
    pub(super) sh_entsize: u64,
}

impl Section {
    pub(super) fn parse(bytes: &[u8], layout: Layout) -> Option<Self> {
        let mut f = Fields::new(bytes, layout);
        Some(Self {
            sh_name: f.u32()?,
            sh_type: f.u32()?,
            sh_flags: f.word()?,
            sh_addr: f.word()?,
            sh_offset: f.word()?,
            sh_size: f.word()?,
            sh_link: f.u32()?,
            sh_info: f.u32()?,
            sh_addralign: f.word()?,
            sh_entsize: f.word()?,
        })
    }

    pub(super) fn has(&self, flag: u32) -> bool {
        self.sh_flags & u64::from(flag) != 0
    }

    /// The bytes in the file; `None` for sections that have none, or whose end cannot be expressed.
    pub(super) fn span(&self) -> Option<Span> {
        match self.sh_type {
            elf::SHT_NULL | elf::SHT_NOBITS => None,
            _ if self.sh_size == 0 => None,
            _ => Span::at(self.sh_offset, self.sh_size),
        }
    }
}

/// All section headers, with what the names and the second opinion need.
#[derive(Default)]
pub(super) struct Sections<'a> {
    pub(super) list: Vec<Section>,
    /// Where the headers stand.
    pub(super) span: Option<Span>,
    /// The headers' bytes.
    pub(super) raw: Cow<'a, [u8]>,
    /// The bytes of the section name string table.
    pub(super) names: Cow<'a, [u8]>,
    /// The index of the section name string table.
    pub(super) names_index: u32,
    /// Whether the whole table was read.
    pub(super) complete: bool,
}

impl Sections<'_> {
    /// The raw name of a section, without its NUL; `None` when it does not start inside the string table.
    pub(super) fn name(&self, section: &Section) -> Option<&[u8]> {
        let rest = self.names.get(usize::try_from(section.sh_name).ok()?..)?;
        if rest.is_empty() {
            return None;
        }
        let near = rest.get(..LONGEST_NAME).unwrap_or(rest);
        Some(
            near.get(..memchr::memchr(0, near).unwrap_or(near.len()))
                .unwrap_or(near),
        )
    }

    /// Whether some section has bytes in the file, so that the sections say what the file consists of.
    pub(super) fn describe_content(&self) -> bool {
        let names = usize::try_from(self.names_index).ok();
        self.list
            .iter()
            .enumerate()
            .any(|(i, s)| s.span().is_some() && Some(i) != names)
    }

    /// Whether the code was taken out and only what debuggers need was left (`objcopy --only-keep-debug`).
    pub(super) fn are_debug_only(&self) -> bool {
        let code = |s: &&Section| s.has(elf::SHF_ALLOC) && s.has(elf::SHF_EXECINSTR) && s.sh_size > 0;
        self.list.iter().any(|s| code(&s)) && self.list.iter().filter(code).all(|s| s.sh_type == elf::SHT_NOBITS)
    }
}

/// Reads and claims the table; does not claim what the sections hold.
pub(super) fn read<'a>(input: &Input<'a>, header: &Header, out: &mut Parse) -> Sections<'a> {
    let mut sections = Sections::default();
    let size = u64::from(header.layout.section_size());
    if header.e_shoff == 0 {
        return sections;
    }
    let first = Span::saturating_at(header.e_shoff, size);
    let zero = match input.read(first) {
        Ok(bytes) => Section::parse(&bytes, header.layout),
        Err(fault) => {
            out.fault(&fault, "section header table");
            return sections;
        }
    };
    let Some(zero) = zero else { return sections };
    let count = if header.e_shnum == 0 {
        zero.sh_size
    } else {
        u64::from(header.e_shnum)
    };
    if count == 0 {
        return sections;
    }
    let fit = input
        .len()
        .saturating_sub(header.e_shoff)
        .checked_div(size)
        .unwrap_or(0);
    let wanted = Span::saturating_at(header.e_shoff, count.saturating_mul(size));
    if count > fit {
        let message = format!("{count} section headers are announced, {fit} are there");
        out.finding(
            Finding::new(code::TRUNCATED, wanted.intersect(input.whole()), message).key("section header table"),
        );
    } else if count > MOST {
        let message = format!("more than {MOST} section headers");
        out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(header.e_shoff));
    }
    let taken = count.min(fit).min(MOST);
    let span = Span::saturating_at(header.e_shoff, taken.saturating_mul(size));
    match input.read(span) {
        Ok(raw) => sections.raw = raw,
        Err(fault) => {
            out.fault(&fault, "section header table");
            return sections;
        }
    }
    let step = usize::from(header.layout.section_size());
    sections.list = sections
        .raw
        .chunks_exact(step)
        .filter_map(|raw| Section::parse(raw, header.layout))
        .collect();
    sections.span = Some(span);
    sections.complete = taken == count;
    if zero.sh_type != elf::SHT_NULL {
        out.malformed(first, "elf: section header 0 is not SHT_NULL (gABI, Section Header)");
    }
    sections.names_index = match header.e_shstrndx {
        elf::SHN_XINDEX => zero.sh_link,
        index => u32::from(index),
    };
    names(input, &mut sections, out);
    sections
}

fn names<'a>(input: &Input<'a>, sections: &mut Sections<'a>, out: &mut Parse) {
    let table = sections.span.unwrap_or(Span::new(0, 0));
    if sections.names_index == 0 {
        return;
    }
    let Some(strings) = usize::try_from(sections.names_index)
        .ok()
        .and_then(|at| sections.list.get(at))
    else {
        if sections.complete {
            out.malformed(table, "elf: e_shstrndx names no section (gABI, ELF Header)");
        }
        return;
    };
    if strings.sh_type != elf::SHT_STRTAB {
        out.malformed(
            table,
            "elf: section e_shstrndx is not a string table (gABI, ELF Header)",
        );
        return;
    }
    let Some(span) = strings.span() else { return };
    match input.read(span) {
        Ok(bytes) => sections.names = bytes,
        // Sections past the end are reported together.
        Err(fault) if fault.as_error().is_none() => return,
        Err(fault) => return out.fault(&fault, "section names"),
    }
    if sections.names.last().is_some_and(|b| *b != 0) {
        out.malformed(
            span,
            "elf: the section names do not end in a zero byte (gABI, String Table)",
        );
    }
    let outside = sections
        .list
        .iter()
        .filter(|s| s.sh_type != elf::SHT_NULL && sections.name(s).is_none())
        .count();
    if outside > 0 {
        let message = "elf: sh_name lies outside the section names (gABI, Section Header)";
        out.malformed(table, message);
    }
}

/// The role of a section's bytes.
pub(super) fn role(section: &Section) -> Role {
    match section.sh_type {
        elf::SHT_STRTAB => Role::Strings,
        elf::SHT_SYMTAB
        | elf::SHT_DYNSYM
        | elf::SHT_REL
        | elf::SHT_RELA
        | elf::SHT_RELR
        | elf::SHT_HASH
        | elf::SHT_GNU_HASH
        | elf::SHT_DYNAMIC
        | elf::SHT_GROUP
        | elf::SHT_SYMTAB_SHNDX
        | elf::SHT_GNU_VERSYM
        | elf::SHT_GNU_VERDEF
        | elf::SHT_GNU_VERNEED => Role::Table,
        elf::SHT_NOTE => Role::Metadata,
        _ if section.has(elf::SHF_EXECINSTR) => Role::Code,
        _ if section.has(elf::SHF_STRINGS) => Role::Strings,
        _ => Role::Data,
    }
}

/// The case of `overlapping-regions` for sections that linkers let share bytes.
pub(super) fn shares(section: &Section) -> Option<&'static str> {
    match section.sh_type {
        elf::SHT_NOTE | elf::SHT_STRTAB | elf::SHT_SYMTAB | elf::SHT_DYNSYM | elf::SHT_REL | elf::SHT_RELA => {
            Some("notes")
        }
        _ => None,
    }
}

//! A second opinion: goblin's reading of the same header and tables.

use super::header::Header;
use super::section::{LONGEST_NAME, Sections};
use super::segment::Segments;
use crate::finding::{Finding, code};
use crate::format::{Input, Parse};
use crate::name::printable;
use crate::span::Span;
use goblin::container::{Container, Ctx, Endian};
use goblin::elf::{Elf, ProgramHeader, SectionHeader};
use goblin::strtab::Strtab;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Tables larger than this are not read twice.
const MOST: usize = 4 << 20;

/// A difference: the case, what it is about, ours and theirs.
type Difference = (&'static str, String, String, String);

/// Compares what both readers make of the structure bytes.
pub(super) fn opinion(
    input: &Input<'_>,
    header: &Header,
    sections: &Sections<'_>,
    segments: &Segments<'_>,
    out: &mut Parse,
) {
    let Ok(head) = input.read_up_to(0, u64::from(header.layout.header_size())) else {
        return;
    };
    let said = catch_unwind(AssertUnwindSafe(|| compare(&head, header, sections, segments)));
    let difference = match said {
        Ok(None) => return,
        Ok(Some(difference)) => difference,
        Err(_) => ("rejects", "the file".into(), "parsed".into(), "a panic".into()),
    };
    let (case, what, ours, theirs) = difference;
    let message = format!("goblin reads {what} as {theirs}, probity as {ours}");
    let finding = Finding::new(code::READER_DISAGREEMENT, Span::new(0, 0), message);
    out.finding(
        finding
            .case(case)
            .evidence("probity", ours)
            .evidence("goblin", theirs)
            .key(what),
    );
}

/// A field's name, our reading and theirs.
type Field = (&'static str, u64, u64);

/// The first field of `what` that differs.
fn differs(fields: &[Field], what: impl FnOnce() -> String) -> Option<Difference> {
    let (field, ours, theirs) = fields.iter().find(|(_, ours, theirs)| ours != theirs)?;
    Some((
        "extent",
        format!("{field} of {}", what()),
        format!("{ours:#x}"),
        format!("{theirs:#x}"),
    ))
}

fn rejects(what: &str, error: &goblin::error::Error) -> Option<Difference> {
    Some(("rejects", what.to_owned(), "valid".to_owned(), error.to_string()))
}

fn compare(head: &[u8], header: &Header, sections: &Sections<'_>, segments: &Segments<'_>) -> Option<Difference> {
    let theirs = match Elf::parse_header(head) {
        Ok(theirs) => theirs,
        Err(error) => return rejects("the header", &error),
    };
    let fields = [
        ("e_entry", header.e_entry, theirs.e_entry),
        ("e_phoff", header.e_phoff, theirs.e_phoff),
        ("e_shoff", header.e_shoff, theirs.e_shoff),
        ("e_phnum", header.e_phnum.into(), theirs.e_phnum.into()),
        ("e_shnum", header.e_shnum.into(), theirs.e_shnum.into()),
        ("e_shstrndx", header.e_shstrndx.into(), theirs.e_shstrndx.into()),
    ];
    let container = if header.layout.wide {
        Container::Big
    } else {
        Container::Little
    };
    let order = if header.layout.big { Endian::Big } else { Endian::Little };
    let ctx = Ctx::new(container, order);
    differs(&fields, || "the header".to_owned())
        .or_else(|| compare_segments(segments, ctx))
        .or_else(|| compare_sections(sections, ctx))
}

fn compare_segments(segments: &Segments<'_>, ctx: Ctx) -> Option<Difference> {
    if segments.list.is_empty() || segments.raw.len() > MOST {
        return None;
    }
    let list = match ProgramHeader::parse(&segments.raw, 0, segments.list.len(), ctx) {
        Ok(list) => list,
        Err(error) => return rejects("the program headers", &error),
    };
    segments
        .list
        .iter()
        .zip(&list)
        .enumerate()
        .find_map(|(index, (ours, theirs))| {
            let fields = [
                ("p_type", u64::from(ours.p_type), u64::from(theirs.p_type)),
                ("p_offset", ours.p_offset, theirs.p_offset),
                ("p_filesz", ours.p_filesz, theirs.p_filesz),
                ("p_vaddr", ours.p_vaddr, theirs.p_vaddr),
                ("p_flags", u64::from(ours.p_flags), u64::from(theirs.p_flags)),
            ];
            differs(&fields, || format!("segment {index}"))
        })
}

fn compare_sections(sections: &Sections<'_>, ctx: Ctx) -> Option<Difference> {
    if sections.list.is_empty() || sections.raw.len() > MOST || sections.names.len() > MOST {
        return None;
    }
    let list = match SectionHeader::parse_from(&sections.raw, 0, sections.list.len(), ctx) {
        Ok(list) => list,
        Err(error) => return rejects("the section headers", &error),
    };
    let names = match Strtab::parse(&sections.names, 0, sections.names.len(), 0) {
        Ok(names) => names,
        Err(error) => return rejects("the section names", &error),
    };
    sections
        .list
        .iter()
        .zip(&list)
        .enumerate()
        .find_map(|(index, (ours, theirs))| {
            let fields = [
                ("sh_offset", ours.sh_offset, theirs.sh_offset),
                ("sh_size", ours.sh_size, theirs.sh_size),
            ];
            let mine = sections.name(ours).unwrap_or_default();
            let their_name = names.get_at(theirs.sh_name).unwrap_or_default().as_bytes();
            let same = their_name.starts_with(mine) && (mine.len() == LONGEST_NAME || mine.len() == their_name.len());
            let name = || {
                (
                    "name",
                    format!("the name of section {index}"),
                    printable(mine),
                    printable(their_name),
                )
            };
            differs(&fields, || format!("section {index}")).or_else(|| (!same).then(name))
        })
}

//! Where execution starts.

use super::header::Header;
use super::section::{Section, Sections};
use super::segment::Segments;
use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::span::Span;
use object::elf;

/// Emits the entry point of a file that has one.
pub(super) fn point(header: &Header, sections: &Sections<'_>, segments: &Segments<'_>, out: &mut Parse) {
    if !matches!(header.e_type, elf::ET_EXEC | elf::ET_DYN) || header.e_entry == 0 || segments.list.is_empty() {
        return;
    }
    // A library of data (ICU's tables) keeps the linker's default entry, and there is nothing in it that could run.
    let executable = segments.loads().any(|(_, s)| s.has(elf::PF_X));
    if header.e_type == elf::ET_DYN && !executable && segments.first(elf::PT_INTERP).is_none() {
        return;
    }
    let Some((offset, load)) = segments.locate(header.e_entry) else {
        let field = Span::saturating_at(24, header.layout.word());
        out.malformed(field, "elf: e_entry lies in no PT_LOAD (gABI, ELF Header)");
        out.fact(Fact::EntryPoint {
            offset: None,
            inside_code: false,
        });
        return;
    };
    let inside_code = if sections.describe_content() {
        let holds = |s: &Section| {
            s.span().is_some_and(|span| span.contains(offset))
                && (s.has(elf::SHF_EXECINSTR) || descriptors(header, sections.name(s).unwrap_or_default()))
        };
        sections.list.iter().any(holds)
    } else {
        load.has(elf::PF_X)
    };
    out.fact(Fact::EntryPoint {
        offset: Some(offset),
        inside_code,
    });
    let appended = load
        .span()
        .filter(|_| load.has(elf::PF_X) && !inside_code && sections.describe_content());
    if let Some(span) = appended.filter(|span| added(*span, sections)) {
        let message = "an executable PT_LOAD behind all sections holds the entry point".to_owned();
        let finding = Finding::new(code::SUSPICIOUS_ENTRY, span, message).case("note-load");
        out.finding(finding.region("PT_LOAD").key("note-load"));
    }
}

/// Whether no section shares a byte with `segment`, and none that is loaded lies behind it.
fn added(segment: Span, sections: &Sections<'_>) -> bool {
    sections.list.iter().all(|s| match s.span() {
        Some(span) => !span.overlaps(segment) && (!s.has(elf::SHF_ALLOC) || span.end() <= segment.start()),
        None => true,
    })
}

/// 64-bit PowerPC with the first ABI, and Itanium, enter through a function descriptor, which is data.
fn descriptors(header: &Header, section: &[u8]) -> bool {
    let first_abi = header.e_machine == elf::EM_PPC64 && header.e_flags & 3 < 2;
    (first_abi || header.e_machine == elf::EM_IA_64) && matches!(section, b".opd" | b".data.rel.ro")
}

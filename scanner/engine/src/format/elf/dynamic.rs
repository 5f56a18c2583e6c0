//! What the dynamic linker is asked for: the interpreter, `DT_NEEDED`, `DT_RPATH` and `DT_RUNPATH` (gABI, "Dynamic
//! Section").
//!
//! Read as the loader reads it: through `PT_INTERP` and `PT_DYNAMIC`, strings by address.

use super::header::{Fields, Header};
use super::segment::Segments;
use crate::fact::{Fact, LibraryAsk};
use crate::finding::{Finding, code};
use crate::format::{Input, Parse};
use crate::name::printable;
use crate::span::Span;
use object::elf;

/// Entries of the dynamic table that are read; linkers write a few dozen.
const MOST_ENTRIES: u64 = 8192;
/// Imports that are emitted.
const MOST_IMPORTS: usize = 2048;
/// Initialisers of one array that are read.
const MOST_INITIALISERS: u64 = 4096;
/// A library that sees what the loader does (glibc, `elf.h`).
const DT_AUDIT: i64 = 0x6fff_fefc;
const DT_DEPAUDIT: i64 = 0x6fff_fefb;
/// The longest string that is read, in bytes.
const LONGEST: u64 = 4096;

/// Emits the imports of a file that is loaded as it stands.
pub(super) fn imports(input: &Input<'_>, header: &Header, segments: &Segments<'_>, out: &mut Parse) {
    if let Some(span) = segments.first(elf::PT_INTERP).and_then(super::segment::Segment::span) {
        import(input, LibraryAsk::Loader, span.start(), span.len(), out);
    }
    let Some(span) = segments.first(elf::PT_DYNAMIC).and_then(super::segment::Segment::span) else {
        return;
    };
    let entry = header.layout.word().saturating_mul(2);
    let length = span.len().min(MOST_ENTRIES.saturating_mul(entry));
    // Segments past the end are reported together.
    let Ok(table) = input.read_up_to(span.start(), length) else {
        return;
    };
    let (mut strings, mut size, mut wanted) = (None, None, Vec::new());
    let (mut starts, mut arrays, mut sizes) = (Vec::new(), Vec::new(), Vec::new());
    let step = usize::try_from(entry).unwrap_or(16);
    for raw in table.chunks_exact(step) {
        let mut f = Fields::new(raw, header.layout);
        let (Some(tag), Some(value)) = (f.word(), f.word()) else {
            break;
        };
        match i64::try_from(tag).unwrap_or(-1) {
            elf::DT_NULL => break,
            elf::DT_STRTAB => strings = Some(value),
            elf::DT_STRSZ => size = Some(value),
            elf::DT_NEEDED | elf::DT_AUXILIARY | elf::DT_FILTER => wanted.push((LibraryAsk::Library, value)),
            elf::DT_RPATH | elf::DT_RUNPATH => wanted.push((LibraryAsk::Directory, value)),
            DT_AUDIT | DT_DEPAUDIT => wanted.push((LibraryAsk::Library, value)),
            elf::DT_INIT | elf::DT_FINI => starts.push(value),
            elf::DT_INIT_ARRAY | elf::DT_PREINIT_ARRAY => arrays.push(value),
            elf::DT_INIT_ARRAYSZ | elf::DT_PREINIT_ARRAYSZ => sizes.push(value),
            _ => {}
        }
    }
    initialisers(
        input,
        header,
        segments,
        span,
        &mut starts,
        arrays.iter().zip(&sizes),
        out,
    );
    if wanted.is_empty() {
        return;
    }
    let Some((base, _)) = strings.and_then(|address| segments.locate(address)) else {
        out.malformed(span, "elf: DT_STRTAB is in no PT_LOAD (gABI, Dynamic Section)");
        return;
    };
    let size = size.unwrap_or(u64::MAX);
    if wanted.iter().any(|(_, at)| *at >= size) {
        out.malformed(
            span,
            "elf: a name of the dynamic table lies outside DT_STRSZ (gABI, Dynamic Section)",
        );
    }
    for (asked, at) in wanted.into_iter().take(MOST_IMPORTS).filter(|(_, at)| *at < size) {
        import(
            input,
            asked,
            base.saturating_add(at),
            LONGEST.min(size.saturating_sub(at)),
            out,
        );
    }
}

/// Emits `suspicious-entry` for an initialiser that lies in a segment without code. Values that the loader relocates are
/// zero or no address in the file; what is an address of data is not.
fn initialisers<'t>(
    input: &Input<'_>,
    header: &Header,
    segments: &Segments<'_>,
    place: Span,
    starts: &mut Vec<u64>,
    arrays: impl Iterator<Item = (&'t u64, &'t u64)>,
    out: &mut Parse,
) {
    // Their pointers lead to descriptors, which are data.
    if matches!(header.e_machine, elf::EM_PPC64 | elf::EM_IA_64 | elf::EM_PARISC) {
        return;
    }
    let step = usize::try_from(header.layout.word()).unwrap_or(8);
    for (address, size) in arrays {
        let Some((offset, _)) = segments.locate(*address) else {
            continue;
        };
        let length = (*size).min(MOST_INITIALISERS.saturating_mul(header.layout.word()));
        let Ok(bytes) = input.read_up_to(offset, length) else {
            return;
        };
        starts.extend(
            bytes
                .chunks_exact(step)
                .filter_map(|raw| Fields::new(raw, header.layout).word()),
        );
    }
    let outside = |address: &&u64| {
        let found = segments.locate(**address).filter(|_| **address > 1);
        found.is_some_and(|(_, load)| !load.has(elf::PF_X))
    };
    if let Some(address) = starts.iter().find(outside) {
        let offset = segments.locate(*address).map_or(0, |(offset, _)| offset);
        let message = format!("an initialiser lies in a segment that is not executable, at {address:#x}");
        let finding = Finding::new(code::SUSPICIOUS_ENTRY, Span::saturating_at(offset, 0), message);
        out.finding(
            finding
                .case("initialiser")
                .related("dynamic table", place)
                .key("initialiser"),
        );
    }
}

fn import(input: &Input<'_>, asked: LibraryAsk, offset: u64, most: u64, out: &mut Parse) {
    let mut near = most.min(256);
    loop {
        let Ok(bytes) = input.read_up_to(offset, near) else {
            return;
        };
        let end = memchr::memchr(0, &bytes);
        if end.is_none() && near < most.min(LONGEST) {
            near = most.min(LONGEST);
            continue;
        }
        let text = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        let span = Span::saturating_at(offset, u64::try_from(text.len()).unwrap_or(0));
        let list = asked == LibraryAsk::Directory;
        for path in text.split(|b| list && *b == b':') {
            out.fact(Fact::LibraryPath {
                asked,
                path: path.into(),
                span,
            });
        }
        if !text.is_empty() {
            out.fact(Fact::Import {
                library: printable(text).into(),
                span,
            });
        }
        return;
    }
}

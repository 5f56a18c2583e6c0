//! What the dynamic linker is asked for: the interpreter, `DT_NEEDED`, `DT_RPATH` and `DT_RUNPATH` (gABI, "Dynamic
//! Section").
//!
//! Read as the loader reads it: through `PT_INTERP` and `PT_DYNAMIC`, strings by address.

use super::header::{Fields, Header};
use super::segment::Segments;
use crate::fact::Fact;
use crate::format::{Input, Parse};
use crate::name::printable;
use crate::span::Span;
use object::elf;

/// Entries of the dynamic table that are read; linkers write a few dozen.
const MOST_ENTRIES: u64 = 8192;
/// Imports that are emitted.
const MOST_IMPORTS: usize = 2048;
/// The longest string that is read, in bytes.
const LONGEST: u64 = 4096;

/// Emits the imports of a file that is loaded as it stands.
pub(super) fn imports(input: &Input<'_>, header: &Header, segments: &Segments<'_>, out: &mut Parse) {
    if let Some(span) = segments.first(elf::PT_INTERP).and_then(super::segment::Segment::span) {
        import(input, span.start(), span.len(), out);
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
            elf::DT_NEEDED | elf::DT_RPATH | elf::DT_RUNPATH | elf::DT_AUXILIARY | elf::DT_FILTER => wanted.push(value),
            _ => {}
        }
    }
    if wanted.is_empty() {
        return;
    }
    let Some((base, _)) = strings.and_then(|address| segments.locate(address)) else {
        out.malformed(span, "elf: DT_STRTAB is in no PT_LOAD (gABI, Dynamic Section)");
        return;
    };
    let size = size.unwrap_or(u64::MAX);
    if wanted.iter().any(|at| *at >= size) {
        out.malformed(
            span,
            "elf: a name of the dynamic table lies outside DT_STRSZ (gABI, Dynamic Section)",
        );
    }
    for at in wanted.into_iter().take(MOST_IMPORTS).filter(|at| *at < size) {
        import(
            input,
            base.saturating_add(at),
            LONGEST.min(size.saturating_sub(at)),
            out,
        );
    }
}

fn import(input: &Input<'_>, offset: u64, most: u64, out: &mut Parse) {
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
        if !text.is_empty() {
            out.fact(Fact::Import {
                library: printable(text).into(),
                span,
            });
        }
        return;
    }
}

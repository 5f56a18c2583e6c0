//! A second opinion on the headers: goblin's reading of the same bytes.

use super::image::Image;
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::span::Span;
use goblin::pe::header::Header;
use goblin::pe::section_table::SectionTable;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// The most bytes of headers that are read a second time: 65,535 sections fit.
const MOST: u64 = 4 << 20;

/// What goblin read.
struct Reading {
    entry: u64,
    image_base: u64,
    sections: Vec<SectionTable>,
}

/// Compares entry point, image base and sections with what goblin reads, and reports the first difference of each kind.
pub(super) fn compare(image: &Image<'_, '_, '_>, out: &mut Parse) {
    let headers = image.headers;
    let end = image.sections.last().map_or(headers.optional.end(), |s| s.entry.end());
    let Ok(bytes) = image.window.input().read_up_to(0, end.min(MOST)) else {
        return;
    };
    let at = usize::try_from(headers.section_table.start()).unwrap_or(usize::MAX);
    let reading = catch_unwind(AssertUnwindSafe(|| read(&bytes, at, image.sections.len())))
        .ok()
        .flatten();
    let Some(reading) = reading else {
        let message = "goblin rejects the headers";
        let span = Span::new(0, end);
        return out.finding(
            Finding::new(code::READER_DISAGREEMENT, span, message)
                .case("rejects")
                .key("headers"),
        );
    };
    for (what, ours, theirs, offset) in [
        ("AddressOfEntryPoint", u64::from(headers.entry), reading.entry, 16),
        ("ImageBase", headers.image_base, reading.image_base, 24),
    ] {
        if ours != theirs {
            let span = Span::saturating_at(headers.optional.start().saturating_add(offset), 4);
            out.finding(differs(
                span,
                what,
                &format!("{ours:#x}"),
                &format!("{theirs:#x}"),
                "extent",
            ));
        }
    }
    for (ours, theirs) in image.sections.iter().zip(&reading.sections) {
        let fields = [
            theirs.virtual_size,
            theirs.virtual_address,
            theirs.size_of_raw_data,
            theirs.pointer_to_raw_data,
        ];
        if ours.fields != fields {
            let what = format!("extent of {}", ours.name);
            out.finding(differs(
                ours.entry,
                &what,
                &format!("{:x?}", ours.fields),
                &format!("{fields:x?}"),
                "extent",
            ));
        }
        if ours.raw_name != theirs.name {
            let theirs = crate::name::printable(&theirs.name);
            out.finding(differs(ours.entry, "section name", &ours.name, &theirs, "name"));
        }
    }
}

fn read(bytes: &[u8], section_table: usize, count: usize) -> Option<Reading> {
    let header = Header::parse(bytes).ok()?;
    let optional = header.optional_header?;
    let mut at = section_table;
    let sections: Result<Vec<SectionTable>, _> = (0..count).map(|_| SectionTable::parse(bytes, &mut at, 0)).collect();
    Some(Reading {
        entry: u64::from(optional.standard_fields.address_of_entry_point),
        image_base: optional.windows_fields.image_base,
        sections: sections.ok()?,
    })
}

fn differs(span: Span, what: &str, ours: &str, theirs: &str, case: &'static str) -> Finding {
    let message = format!("{what} is {ours} for Probity and {theirs} for goblin");
    Finding::new(code::READER_DISAGREEMENT, span, message)
        .case(case)
        .key(what)
        .evidence("probity", ours)
        .evidence("goblin", theirs)
}

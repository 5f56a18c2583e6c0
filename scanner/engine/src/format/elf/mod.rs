//! ELF executables, libraries, objects and core files: both classes, both byte orders, to the last byte.
//!
//! Reads the header, the program and section header tables, the section names, the dynamic table and note headers;
//! never what sections hold. It does not disassemble, resolve symbols or apply relocations.
//!
//! Specification: System V gABI, chapters 4 and 5; Linux `fs/binfmt_elf.c` for what a loader really asks of a file.
//!
//! | part | claimed by |
//! | --- | --- |
//! | ELF header, program headers, section headers | [`header`], [`segment`], [`section`] |
//! | content | sections; without any, `PT_LOAD` ranges ([`claim`]) |
//! | what editing tools leave between sections, what is appended | [`gap`], by content |
//! | zeros between parts | the engine, as padding |

mod build;
mod claim;
mod dynamic;
mod entry;
mod gap;
mod header;
mod payload;
mod second;
mod section;
mod segment;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    reason = "fixtures are small and trusted"
)]
mod tests;

use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use header::Header;

/// An ELF file.
pub(super) struct Elf;

impl Format for Elf {
    fn id(&self) -> &'static str {
        "elf"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        if !probe.head.starts_with(b"\x7fELF") {
            return None;
        }
        match Header::parse(probe.head) {
            Some(header) if header.agrees(probe.head) => Some(Match::CERTAIN),
            _ => Some(Match::LIKELY),
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let Some(header) = header::read(input, out) else { return };
        let sections = section::read(input, &header, out);
        let segments = segment::read(input, &header, &sections, out);
        let debug_only = sections.are_debug_only();
        segment::inspect(input, &header, &segments, debug_only, out);
        let parents = claim::Parents::add(&segments, out);
        claim::sections(input, &header, &sections, &parents, out);
        if !sections.describe_content() {
            claim::segments(input, &header, &segments, &parents, out);
        }
        if !debug_only {
            dynamic::imports(input, &header, &segments, out);
            entry::point(&header, &sections, &segments, out);
            build::describe(input, &header, &sections, &segments, out);
        }
        let known = gap::Known::new(&header, &sections, &segments, &parents);
        gap::explain(input, &known, out);
        second::opinion(input, &header, &sections, &segments, out);
    }
}

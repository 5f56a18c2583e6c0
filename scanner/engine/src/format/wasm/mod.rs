//! WebAssembly modules and components (Core Specification 2.0, section 5; Component Model, Binary.md).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `\0asm` |
//! | 4 | 2 | version: 1 for modules, 13 for components, little-endian |
//! | 6 | 2 | layer: 0 for modules, 1 for components |
//! | 8 | .. | sections: id (1), size (LEB128, at most 5 bytes), content |
//!
//! Every section is claimed; code and data as they stand: function bodies are not disassembled, and nothing is validated
//! that an engine would refuse to run anyway. Imports and exports become facts, nested modules of components nested
//! artifacts.

mod names;
mod section;
#[cfg(test)]
mod tests;

use self::section::{Kind, Section};
use super::leaves::Leaves;
use super::{Cursor, Format, Input, Parse, ReadFault};
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;

const MAGIC: &[u8] = b"\0asm";

/// A module or a component.
pub(super) struct Wasm;

impl Format for Wasm {
    fn id(&self) -> &'static str {
        "wasm"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let kind = Kind::of(probe.head)?;
        let first = probe.head.get(8).copied();
        let fits = first.map_or(probe.length == 8, |id| section::name(kind, id).is_some());
        fits.then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let head = match input.read_up_to(0, 8) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "the preamble"),
        };
        let kind = Kind::of(&head).unwrap_or(Kind::Module);
        let mut walk = Walk {
            input,
            out,
            kind,
            leaves: Leaves::default(),
            last: 0,
            nested: 0,
        };
        match walk.sections() {
            // An engine validates a module as a whole before anything of it runs.
            Err(fault @ ReadFault::PastEnd { offset, .. }) if kind == Kind::Module && fault.as_error().is_none() => {
                let cut = Span::new(offset.min(input.len()), input.len());
                let message = "the module ends inside a section";
                out.finding(
                    Finding::new(code::TRUNCATED, cut, message)
                        .case("module")
                        .key("a section"),
                );
            }
            Err(fault) => walk.out.fault(&fault, "a section"),
            Ok(()) => {}
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["wasm"]
    }
}

struct Walk<'p, 'i, 'a> {
    input: &'i Input<'a>,
    out: &'p mut Parse,
    kind: Kind,
    leaves: Leaves,
    /// The place in the prescribed order of the last section that has one.
    last: u8,
    /// Nested modules and components seen.
    nested: u64,
}

impl Walk<'_, '_, '_> {
    fn sections(&mut self) -> Result<(), ReadFault> {
        let mut cursor = Cursor::new(self.input, self.input.whole());
        self.out.leaf(cursor.skip(8)?, Role::Header, "preamble");
        while let Some(id) = cursor.peek()? {
            let start = cursor.position();
            // What begins like no section stays unclaimed: it follows the module.
            let Some(name) = section::name(self.kind, id) else {
                return Ok(());
            };
            cursor.skip(1)?;
            let Some(size) = section::leb32(&mut cursor)? else {
                let rule = "wasm: a section's size is no LEB128 integer of 32 bits (5.2.2)";
                self.out.malformed(Span::new(start, cursor.position()), rule);
                return Ok(());
            };
            // A size of 0 cannot hold a custom section's name: zeros behind the module are none of its sections.
            if id == 0 && size == 0 {
                if !self.zeros(start)? {
                    let rule = "wasm: a custom section has no name (5.5.3)";
                    self.out.malformed(Span::new(start, cursor.position()), rule);
                }
                return Ok(());
            }
            let header = Span::new(start, cursor.position());
            let content = Span::saturating_at(header.end(), size);
            self.order(id, header);
            let found = Section { id, name, content };
            self.leaves
                .leaf(self.out, header, Role::Header, || format!("{name} section header"));
            match cursor.skip(size) {
                Ok(_) => self.section(&found)?,
                Err(fault) => {
                    let there = content.intersect(self.input.whole());
                    self.leaves
                        .leaf(self.out, there, found.role(), || format!("{name} section, cut"));
                    return Err(fault);
                }
            }
        }
        Ok(())
    }

    /// Whether nothing but zeros stands from `start` on, as far as a block goes.
    fn zeros(&self, start: u64) -> Result<bool, ReadFault> {
        Ok(self.input.read_up_to(start, 4096)?.iter().all(|byte| *byte == 0))
    }

    fn order(&mut self, id: u8, header: Span) {
        let Some(place) = section::place(self.kind, id) else {
            return;
        };
        if place <= self.last {
            let rule = "wasm: sections stand twice or out of their order (5.5.2)";
            self.out.malformed(header, rule);
        }
        self.last = self.last.max(place);
    }

    fn section(&mut self, section: &Section) -> Result<(), ReadFault> {
        let nested = match (self.kind, section.id) {
            (Kind::Component, 1) => Some("module"),
            (Kind::Component, 4) => Some("component"),
            _ => None,
        };
        if let Some(what) = nested {
            self.nested = self.nested.saturating_add(1);
            self.out
                .slice(section.content, format!("{what} {}", self.nested).into_bytes(), true);
            return Ok(());
        }
        if section.id == 0 {
            return self.custom(section.content);
        }
        self.leaves.leaf(self.out, section.content, section.role(), || {
            format!("{} section", section.name)
        });
        match (self.kind, section.id) {
            (Kind::Module, 2) => names::imports(self.input, self.out, section.content),
            (Kind::Module, 7) => names::exports(self.input, self.out, section.content),
            (Kind::Module, 1 | 3..=6 | 9..=11 | 13) => self.vector(section.content),
            _ => Ok(()),
        }
    }

    /// A section that is a list: its elements take a byte or more each.
    fn vector(&mut self, content: Span) -> Result<(), ReadFault> {
        let mut cursor = Cursor::new(self.input, content);
        let fits = !content.is_empty() && section::leb32(&mut cursor)?.is_some_and(|count| count <= cursor.remaining());
        if !fits {
            let rule = "wasm: a section has no room for as many elements as it counts (5.5)";
            self.out.malformed(content, rule);
        }
        Ok(())
    }

    /// A custom section: its name, then whatever a tool put there.
    fn custom(&mut self, content: Span) -> Result<(), ReadFault> {
        let mut cursor = Cursor::new(self.input, content);
        let name = section::text(&mut cursor)?;
        let Some((name, span)) = name else {
            self.out
                .malformed(content, "wasm: a custom section's name leads past its end (5.5.3)");
            self.leaves
                .leaf(self.out, content, Role::Metadata, || "custom section".to_owned());
            return Ok(());
        };
        names::shown(self.out, "section", &name, span);
        let title = printable(&name);
        let named = Span::new(content.start(), span.end());
        self.leaves.leaf(self.out, named, Role::Strings, || {
            format!("custom section name {title}")
        });
        let role = section::custom_role(&name);
        let rest = Span::new(span.end(), content.end());
        self.leaves
            .leaf(self.out, rest, role, || format!("custom section {title}"));
        Ok(())
    }
}

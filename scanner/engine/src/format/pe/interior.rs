//! What stands inside sections, laid out so that every byte has one leaf.
//!
//! Directories nest and overlap in sound images (the import directory of MinGW holds the address table, an export
//! directory its names), so the shortest structure that holds a byte gets it, and the section keeps what is left.
//! Nested artifacts come before everything, whole.

use super::directory::CERTIFICATE;
use super::image::{Home, Image};
use super::section::{FILLER, Section};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::Parse;
use crate::ledger::{Fill, RegionId, Role};
use crate::span::Span;
use std::collections::BTreeMap;

/// The most structures inside sections that are told apart in one image.
const MOST: usize = 1 << 16;

struct Claim {
    span: Span,
    role: Role,
    name: Box<str>,
    /// For a nested artifact: its name, and whether code is expected there.
    nested: Option<(Vec<u8>, bool)>,
    home: Home,
}

/// The structures found inside sections.
#[derive(Default)]
pub(super) struct Interior {
    claims: Vec<Claim>,
    dropped: bool,
}

impl Interior {
    /// Adds a structure. `span` lies inside `home`.
    pub(super) fn add(&mut self, home: Home, span: Span, role: Role, name: impl Into<Box<str>>) {
        self.push(Claim {
            span,
            role,
            name: name.into(),
            nested: None,
            home,
        });
    }

    /// Adds a nested artifact. `span` lies inside `home`.
    pub(super) fn nest(&mut self, home: Home, span: Span, name: Vec<u8>, expected: bool) {
        let printable = crate::name::printable(&name).into();
        self.push(Claim {
            span,
            role: Role::Payload,
            name: printable,
            nested: Some((name, expected)),
            home,
        });
    }

    fn push(&mut self, claim: Claim) {
        if claim.span.is_empty() {
            return;
        }
        if self.claims.len() < MOST {
            self.claims.push(claim);
        } else {
            self.dropped |= claim.nested.is_some();
        }
    }

    /// Claims the headers' padding and all sections.
    pub(super) fn settle(mut self, image: &Image<'_, '_, '_>, out: &mut Parse) {
        if self.dropped {
            let message = format!(
                "more than {MOST} structures inside sections: nested artifacts among the rest were not examined"
            );
            out.error(ScanError::new(ErrorCode::LimitExceeded, message));
        }
        for (index, section) in image.sections.iter().enumerate() {
            if &*section.name == ".bun" {
                self.claims.push(Claim {
                    span: section.content,
                    role: Role::Payload,
                    name: ".bun".into(),
                    nested: Some((b".bun".to_vec(), true)),
                    home: Home::Section(index),
                });
            }
        }
        self.claims
            .sort_by_key(|c| (c.nested.is_none(), c.span.len(), c.span.start(), c.home));
        let mut taken = Taken::default();
        let mut pieces: BTreeMap<Home, Vec<(Span, &Claim)>> = BTreeMap::new();
        for claim in &self.claims {
            let free = taken.take(claim.span);
            if !free.is_empty() {
                pieces
                    .entry(claim.home)
                    .or_default()
                    .extend(free.into_iter().map(|span| (span, claim)));
            }
        }
        for list in pieces.values_mut() {
            list.sort_by_key(|(span, _)| *span);
        }
        headers(image, pieces.get(&Home::Headers).map_or(&[], Vec::as_slice), out);
        let stale = stale_relocations(image);
        for (index, section) in image.sections.iter().enumerate() {
            if stale == Some(index) {
                out.parent(section.content, Role::Data, section.name.clone());
                let rule = "pe: .reloc shares its bytes with another section, and no directory refers to it";
                let finding = Finding::new(code::MALFORMED, section.entry, rule)
                    .case("lenient")
                    .key(rule);
                out.finding(finding);
                continue;
            }
            claim_section(
                section,
                pieces.get(&Home::Section(index)).map_or(&[], Vec::as_slice),
                out,
            );
        }
    }
}

/// NSIS grows the resource section of its stubs in place and leaves the entry of `.reloc` as it was, over the middle of
/// the resources. Nothing uses it: the directory of the relocations no longer points there, nor does any other.
fn stale_relocations(image: &Image<'_, '_, '_>) -> Option<usize> {
    const DISCARDABLE: u32 = 0x0200_0000;
    const WRITE: u32 = 0x8000_0000;
    let index = image.sections.iter().position(|s| &*s.name == ".reloc")?;
    let stale = image.sections.get(index)?;
    let whole = Span::new(stale.content.start(), stale.tail.end());
    let mut directories = image
        .headers
        .directories
        .iter()
        .enumerate()
        .filter(|(at, _)| *at != CERTIFICATE)
        .map(|(_, d)| u64::from(d.address));
    let referred = directories.any(|rva| stale.memory.contains(rva));
    let inert = stale.flags & DISCARDABLE != 0 && stale.flags & WRITE == 0 && !stale.executable();
    let mut others = image.sections.iter().enumerate().filter(|(other, _)| *other != index);
    let shared = others.any(|(_, s)| Span::new(s.content.start(), s.tail.end()).encloses(whole));
    (inert && !referred && shared && !whole.is_empty()).then_some(index)
}

/// From the end of the section table to `SizeOfHeaders`, or to the first section when that comes before.
fn headers(image: &Image<'_, '_, '_>, pieces: &[(Span, &Claim)], out: &mut Parse) {
    let table_end = out
        .view()
        .leaves()
        .filter(|r| r.name.starts_with("section table"))
        .map(|r| r.span.end())
        .max();
    let Some(start) = table_end else { return };
    let first = image
        .sections
        .iter()
        .filter(|s| !s.content.is_empty() || !s.tail.is_empty());
    let first = first.map(|s| s.content.start()).min().unwrap_or(u64::MAX);
    let end = image.headers.size_of_headers.min(first).min(image.window.input().len());
    let mut at = start;
    for (span, claim) in pieces {
        let span = span.intersect(Span::new(at, end));
        if !span.is_empty() {
            out.padding(Span::new(at, span.start()), Fill::Zero, "header padding");
            leaf(out, span, claim, None);
            at = span.end();
        }
    }
    if at < end {
        out.padding(Span::new(at, end), Fill::Zero, "header padding");
    }
}

fn claim_section(section: &Section, pieces: &[(Span, &Claim)], out: &mut Parse) {
    let (content, tail) = (section.content, section.tail);
    let alone = pieces.is_empty() && (tail.is_empty() || content.is_empty());
    let whole = Span::new(content.start(), tail.end().max(content.end()));
    let parent = (!alone).then(|| out.parent(whole, section.role(), section.name.clone()));
    let mut at = content.start();
    for (span, claim) in pieces {
        rest(out, section, Span::new(at, span.start()), parent);
        leaf(out, *span, claim, parent);
        at = span.end();
    }
    rest(out, section, Span::new(at, content.end()), parent);
    if !tail.is_empty() {
        let id = out.padding(tail, FILLER, format!("{} tail", section.name));
        adopt(out, id, parent);
    }
}

fn rest(out: &mut Parse, section: &Section, span: Span, parent: Option<RegionId>) {
    if !span.is_empty() {
        let id = out.leaf(span, section.role(), section.name.clone());
        adopt(out, id, parent);
    }
}

fn leaf(out: &mut Parse, span: Span, claim: &Claim, parent: Option<RegionId>) {
    let id = match &claim.nested {
        Some((name, expected)) if span == claim.span => out.slice(span, name.clone(), *expected),
        _ => out.leaf(span, claim.role, claim.name.clone()),
    };
    adopt(out, id, parent);
}

fn adopt(out: &mut Parse, id: RegionId, parent: Option<RegionId>) {
    if let Some(region) = out.region_mut(id) {
        region.parent = parent;
    }
}

/// Disjoint ranges that are taken, by their start; neighbours are merged.
#[derive(Default)]
struct Taken {
    ranges: BTreeMap<u64, u64>,
}

impl Taken {
    /// Takes what is free of `span`, and returns it.
    fn take(&mut self, span: Span) -> Vec<Span> {
        let mut free = Vec::new();
        let (mut start, mut end) = (span.start(), span.end());
        let mut at = start;
        let before = self
            .ranges
            .range(..=start)
            .next_back()
            .filter(|(_, e)| **e >= start)
            .map(|(s, _)| *s);
        let inside: Vec<(u64, u64)> = self
            .ranges
            .range(before.unwrap_or(start)..=end)
            .map(|(s, e)| (*s, *e))
            .collect();
        for (taken_start, taken_end) in inside {
            if at < taken_start.min(end) {
                free.push(Span::new(at, taken_start.min(end)));
            }
            at = at.max(taken_end);
            start = start.min(taken_start);
            end = end.max(taken_end);
            self.ranges.remove(&taken_start);
        }
        if at < span.end() {
            free.push(Span::new(at, span.end()));
        }
        self.ranges.insert(start, end);
        free
    }
}

//! Who owns which byte: sections where there are any, else segments.
//!
//! Segments are parents; sections are the leaves below them. A file without section headers (stripped of them, or a core
//! file) is claimed by its `PT_LOAD` ranges, minus the tables and the notes, interpreter and dynamic table inside them.
//! Where sections exist, segment bytes outside all of them are left to [`super::gap`].

use super::header::Header;
use super::payload;
use super::section::{self, Section, Sections};
use super::segment::{Segment, Segments};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Input, Parse};
use crate::ledger::{Region, RegionId, Role};
use crate::name::{hidden, printable};
use crate::span::{Span, SpanSet};
use object::elf;

/// Segments other than `PT_LOAD` that are claimed one by one in a file without sections.
const MOST_INNER: usize = 256;

/// The `PT_LOAD` parents, by start, to find the one that holds a leaf.
pub(super) struct Parents(Vec<(Span, RegionId)>);

impl Parents {
    /// Adds a parent region for each segment that has bytes.
    pub(super) fn add(segments: &Segments<'_>, out: &mut Parse) -> Self {
        let mut loads = Vec::new();
        for (index, segment) in segments.list.iter().enumerate() {
            let Some(span) = segment.span() else { continue };
            let role = if segment.is_load() && segment.has(elf::PF_X) {
                Role::Code
            } else {
                Role::Data
            };
            let id = out.parent(span, role, format!("{} {index}", segment.type_name()));
            if segment.is_load() {
                loads.push((span, id));
            }
        }
        loads.sort_unstable_by_key(|(span, _)| *span);
        Self(loads)
    }

    fn of(&self, span: Span) -> Option<RegionId> {
        let next = self.0.partition_point(|(load, _)| load.start() <= span.start());
        let (load, id) = self.0.get(next.checked_sub(1)?)?;
        load.encloses(span).then_some(*id)
    }

    /// Claims `span` below the segment that holds it.
    pub(super) fn leaf(&self, span: Span, role: Role, name: String, out: &mut Parse) -> RegionId {
        let id = out.leaf(span, role, name);
        self.adopt(id, span, out);
        id
    }

    pub(super) fn adopt(&self, id: RegionId, span: Span, out: &mut Parse) {
        let parent = self.of(span);
        if let Some(region) = out.region_mut(id) {
            region.parent = parent;
        }
    }
}

/// Claims the section header table and what every section holds.
pub(super) fn sections(
    input: &Input<'_>,
    header: &Header,
    sections: &Sections<'_>,
    parents: &Parents,
    out: &mut Parse,
) {
    let mut past_end: Option<(&Section, String)> = None;
    let mut past_end_count = 0u64;
    for (index, section) in sections.list.iter().enumerate() {
        let raw = sections.name(section).unwrap_or_default();
        let name = if raw.is_empty() {
            format!("section {index}")
        } else {
            printable(raw)
        };
        suspicious_name(raw, section, sections, out);
        if !matches!(section.sh_type, elf::SHT_NULL | elf::SHT_NOBITS)
            && section.sh_offset.checked_add(section.sh_size).is_none()
        {
            let message = format!("elf: the end of section {name} overflows (gABI, Section Header)");
            let place = sections.span.unwrap_or(Span::new(0, 0));
            out.finding(Finding::new(code::MALFORMED, place, message).case("crash"));
            continue;
        }
        let Some(span) = section.span() else { continue };
        if span.end() > input.len() {
            past_end_count = past_end_count.saturating_add(1);
            past_end = past_end.or_else(|| Some((section, name.clone())));
            if span.start() >= input.len() {
                continue;
            }
        }
        let span = span.intersect(input.whole());
        // PyInstaller puts its archive into a section by `objcopy`.
        if raw == b".bun" || (raw == b"pydata" && !section.has(elf::SHF_ALLOC)) {
            let id = out.slice(span, raw, true);
            parents.adopt(id, span, out);
            continue;
        }
        // The list of crates, a zlib stream.
        if raw == b".dep-v0" {
            let id = out.slice(span, raw, true);
            parents.adopt(id, span, out);
            continue;
        }
        if section.sh_type == elf::SHT_NOTE && payload::claim(input, header, span, parents, out) {
            continue;
        }
        let parent = parents.of(span);
        let (role, shares) = (section::role(section), section::shares(section));
        out.region(Region {
            span,
            role,
            name: name.into(),
            parent,
            leaf: true,
            fill: None,
            shares,
        });
    }
    if let Some((first, name)) = past_end {
        let span = first.span().unwrap_or(Span::new(0, 0)).intersect(input.whole());
        let message = format!(
            "{past_end_count} sections lie past the end of the file ({} bytes), first {name}",
            input.len()
        );
        out.finding(Finding::new(code::TRUNCATED, span, message).key("sections"));
    }
    if let Some(span) = sections.span {
        out.leaf(span, Role::Table, "section headers");
    }
}

/// Names a person would not read as they are become facts.
fn suspicious_name(raw: &[u8], section: &Section, sections: &Sections<'_>, out: &mut Parse) {
    let plain = std::str::from_utf8(raw).is_ok_and(|text| !text.chars().any(hidden));
    if plain {
        return;
    }
    let table = usize::try_from(sections.names_index)
        .ok()
        .and_then(|at| sections.list.get(at));
    let start = table
        .map_or(0, |t| t.sh_offset)
        .saturating_add(u64::from(section.sh_name));
    let length = u64::try_from(raw.len()).unwrap_or(u64::MAX);
    let span = Span::saturating_at(start, length);
    out.fact(Fact::Name {
        what: "section",
        raw: raw.into(),
        length,
        span,
    });
}

/// Claims a file that has no sections by its segments.
pub(super) fn segments(
    input: &Input<'_>,
    header: &Header,
    segments: &Segments<'_>,
    parents: &Parents,
    out: &mut Parse,
) {
    let mut taken: Vec<Span> = out.view().leaves().map(|r| r.span).collect();
    let special = |s: &&Segment| matches!(s.p_type, elf::PT_DYNAMIC | elf::PT_INTERP | elf::PT_NOTE);
    let inner = segments.list.iter().enumerate().filter(|(_, s)| special(s));
    let mut left_out = 0u64;
    for (number, (index, segment)) in inner.enumerate() {
        let Some(span) = segment
            .span()
            .map(|s| s.intersect(input.whole()))
            .filter(|s| !s.is_empty())
        else {
            continue;
        };
        if number >= MOST_INNER {
            left_out = left_out.saturating_add(1);
            continue;
        }
        let role = match segment.p_type {
            elf::PT_DYNAMIC => Role::Table,
            elf::PT_INTERP => Role::Strings,
            _ => Role::Metadata,
        };
        let free = SpanSet::from_spans(taken.iter().copied()).complement(span);
        let what = match segment.p_type {
            elf::PT_DYNAMIC => "dynamic table",
            elf::PT_INTERP => "interpreter",
            _ => "notes",
        };
        for part in free.iter() {
            parents.leaf(part, role, format!("{what} {index}"), out);
            taken.push(part);
        }
    }
    if left_out > 0 {
        let message = format!("{left_out} more note segments than are examined");
        out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(header.e_phoff));
    }
    let taken = SpanSet::from_spans(taken);
    let mut loads: Vec<(usize, &Segment, Span)> = Vec::new();
    for (index, segment) in segments.loads() {
        if let Some(span) = segment.span() {
            loads.push((index, segment, span.intersect(input.whole())));
        }
    }
    loads.sort_by_key(|(_, _, span)| *span);
    let mut at = 0u64;
    for (index, segment, span) in loads {
        let rest = Span::new(span.start().max(at), span.end());
        at = at.max(span.end());
        if rest.is_empty() {
            continue;
        }
        let role = if segment.has(elf::PF_X) { Role::Code } else { Role::Data };
        for part in taken.complement(rest).iter() {
            parents.leaf(part, role, format!("content of PT_LOAD {index}"), out);
        }
    }
}

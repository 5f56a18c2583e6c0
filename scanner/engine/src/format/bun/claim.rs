//! The account of a payload's bytes.

use super::graph::{Module, Offsets, Pointer, rooted};
use super::records;
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Input, Parse, ReadFault, bundle};
use crate::ledger::{Fill, Gaps, Region, Role};
use crate::name::{hidden, printable};
use crate::span::{Span, SpanSet};
use std::collections::BTreeMap;

/// The longest module name that is read, in bytes.
const LONGEST_NAME: u64 = 4096;
/// Bytes of all names together that are kept: many records may point at one long name.
const MOST_NAMES: u64 = 16 << 20;
/// Names closer than this are fetched by one read.
const NEAR: u64 = 4 << 10;
/// Bytes fetched by one read, about.
const BATCH: u64 = 1 << 20;
/// A terminator: a NUL, two behind UTF-16, and one zero to an even offset.
const TERMINATOR: u64 = 3;
/// What the section's address plus eight is aligned to where bytecode and its tables start.
const ALIGNMENT: u64 = 128;

/// The payload as its offsets describe it.
pub(super) struct Payload {
    /// Where its first byte stands in the artifact.
    pub(super) base: u64,
    /// The bytes that pointers may lead to.
    pub(super) count: u64,
    pub(super) offsets: Offsets,
    /// The module table, from the first byte of the payload.
    pub(super) table: Span,
    /// The arguments, in the artifact.
    pub(super) argv: Option<Span>,
}

impl Payload {
    /// The bytes of a pointer in the artifact; `None` for an empty one. Counts those that lead outside.
    fn span(&self, pointer: Pointer, outside: &mut u64) -> Option<Span> {
        if pointer.is_empty() {
            return None;
        }
        match pointer.within(self.count) {
            Some(span) => Some(span.shifted(self.base)),
            None => {
                *outside = outside.saturating_add(1);
                None
            }
        }
    }

    fn whole(&self) -> Span {
        Span::saturating_at(self.base, self.count)
    }
}

/// Claims everything the table leads to.
pub(super) fn claim(
    input: &Input<'_>,
    payload: &Payload,
    modules: &[Module],
    out: &mut Parse,
) -> Result<(), ReadFault> {
    out.gaps(Gaps::Never);
    let table = payload.table.shifted(payload.base);
    out.leaf(table, Role::Table, "module table");
    let names = names(input, payload, modules, out)?;
    nested(payload, modules, &names, out);
    let entry = usize::try_from(payload.offsets.entry_point_id).unwrap_or(usize::MAX);
    let entry: Vec<String> = names.get(entry).map(|name| printable(name)).into_iter().collect();
    let members = u64::try_from(modules.len()).unwrap_or(u64::MAX);
    bundle::bundle("bun", &entry, members, Vec::new(), table, out);
    let code = bytecode(input, payload, modules, out)?;
    if let Some(span) = payload.argv {
        out.leaf(span, Role::Text, "compile_exec_argv");
    }
    terminators(payload, &code, out);
    Ok(())
}

/// Reads and claims names and origin paths; the raw name of each module.
fn names(input: &Input<'_>, payload: &Payload, modules: &[Module], out: &mut Parse) -> Result<Vec<Vec<u8>>, ReadFault> {
    let table = payload.table.shifted(payload.base);
    let mut names = vec![Vec::new(); modules.len()];
    let mut outside = 0u64;
    let mut order: Vec<(Span, usize)> = Vec::new();
    let mut unnamed = 0u64;
    for (index, module) in modules.iter().enumerate() {
        match payload.span(module.name, &mut outside) {
            Some(span) => order.push((span, index)),
            None => unnamed = unnamed.saturating_add(1),
        }
    }
    order.sort_unstable_by_key(|(span, _)| *span);
    let mut batch: Option<(Span, std::borrow::Cow<'_, [u8]>)> = None;
    let (mut unrooted, mut unread, mut left) = (0u64, 0u64, MOST_NAMES);
    for (at, (span, index)) in order.iter().enumerate() {
        let wanted = Span::saturating_at(span.start(), span.len().min(LONGEST_NAME));
        out.leaf(*span, Role::Strings, format!("name {index}"));
        let Some(rest) = left.checked_sub(wanted.len()) else {
            unread = unread.saturating_add(1);
            continue;
        };
        left = rest;
        if !batch.as_ref().is_some_and(|(have, _)| have.encloses(wanted)) {
            let mut end = wanted.end();
            for (next, _) in order.iter().skip(at) {
                let near = next.start() <= end.saturating_add(NEAR) && end < wanted.start().saturating_add(BATCH);
                if !near {
                    break;
                }
                end = end.max(next.start().saturating_add(next.len().min(LONGEST_NAME)));
            }
            let have = Span::new(wanted.start(), end);
            batch = Some((have, input.read(have)?));
        }
        let Some((have, bytes)) = &batch else { continue };
        let from = usize::try_from(wanted.start().saturating_sub(have.start())).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(wanted.len()).unwrap_or(usize::MAX));
        let raw = bytes.get(from..to).unwrap_or_default();
        if let Some(slot) = names.get_mut(*index) {
            *slot = raw.to_vec();
        }
        if std::str::from_utf8(raw).map_or(true, |text| text.chars().any(hidden)) {
            out.fact(Fact::Name {
                what: "module",
                raw: raw.into(),
                length: span.len(),
                span: *span,
            });
        }
        if !rooted(raw) {
            unrooted = unrooted.saturating_add(1);
        }
    }
    if unread > 0 {
        let message = format!("{unread} module names beyond {MOST_NAMES} bytes of names");
        out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(table.start()));
    }
    if unrooted > 0 {
        let message = format!("bun: {unrooted} modules have a name outside the bundle's root (StandaloneModuleGraph)");
        out.finding(Finding::new(code::MALFORMED, table, message).key("module name"));
    }
    if unnamed > 0 {
        super::outside(table, "module names", unnamed, out);
    }
    let mut outside = 0u64;
    for (index, module) in modules.iter().enumerate() {
        if let Some(span) = payload.span(module.origin_path, &mut outside) {
            out.leaf(span, Role::Strings, format!("origin path {index}"));
        }
        if let Some(span) = payload.span(module.module_info, &mut outside) {
            out.leaf(span, Role::Metadata, format!("module info {index}"));
        }
    }
    if outside > 0 {
        super::outside(table, "origin paths or module infos", outside, out);
    }
    Ok(names)
}

/// Makes contents and source maps nested artifacts, each span once.
fn nested(payload: &Payload, modules: &[Module], names: &[Vec<u8>], out: &mut Parse) {
    let table = payload.table.shifted(payload.base);
    let mut outside = 0u64;
    let mut known: BTreeMap<Span, ()> = BTreeMap::new();
    for (module, name) in modules.iter().zip(names) {
        for (pointer, suffix) in [(module.contents, &b""[..]), (module.sourcemap, b".map")] {
            let Some(span) = payload.span(pointer, &mut outside) else {
                continue;
            };
            let name = [name.as_slice(), suffix].concat();
            if known.insert(span, ()).is_none() {
                out.slice(span, name, true);
            } else {
                let (name, shares) = (printable(&name).into(), Some("modules"));
                out.region(Region {
                    span,
                    role: Role::Payload,
                    name,
                    parent: None,
                    leaf: true,
                    fill: None,
                    shares,
                });
            }
        }
    }
    if outside > 0 {
        super::outside(table, "contents or source maps", outside, out);
    }
}

/// Claims the union of all bytecode, the records and what they point at; where bytecode and its tables start.
fn bytecode(input: &Input<'_>, payload: &Payload, modules: &[Module], out: &mut Parse) -> Result<Vec<u64>, ReadFault> {
    let table = payload.table.shifted(payload.base);
    let mut outside = 0u64;
    let slices: Vec<Span> = modules
        .iter()
        .filter_map(|m| payload.span(m.bytecode, &mut outside))
        .collect();
    if outside > 0 {
        super::outside(table, "bytecode slices", outside, out);
    }
    let end = match payload.argv {
        Some(argv) if argv.start() >= table.end() => argv.start(),
        _ => payload.whole().end(),
    };
    let place = Span::new(table.end(), end.max(table.end()));
    let relative = |s: &Span| {
        Span::new(
            s.start().saturating_sub(payload.base),
            s.end().saturating_sub(payload.base),
        )
    };
    let number = u32::try_from(modules.len()).unwrap_or(u32::MAX);
    let raw = input.read_up_to(place.start(), place.len().min(records_length(payload, number)))?;
    let own: Vec<Span> = slices.iter().map(relative).collect();
    let found = records::read(&raw, payload.table.end(), &payload.offsets, payload.count, number, &own);
    let mut starts = Vec::new();
    for (span, name) in found.tables {
        out.leaf(span.shifted(payload.base), Role::Table, name);
    }
    for (span, name) in found.regions.into_iter().filter(|(span, _)| !span.is_empty()) {
        let span = span.shifted(payload.base);
        starts.push(span.start());
        out.leaf(
            span,
            if name == "script data" {
                Role::Data
            } else {
                Role::Strings
            },
            name,
        );
    }
    let builtin = found.bytecode.into_iter().map(|s| s.shifted(payload.base));
    let union = SpanSet::from_spans(slices.into_iter().chain(builtin));
    let one = union.iter().count() == 1;
    for (index, span) in union.iter().enumerate() {
        starts.push(span.start());
        out.leaf(
            span,
            Role::Code,
            if one {
                "bytecode".to_owned()
            } else {
                format!("bytecode {index}")
            },
        );
    }
    Ok(starts)
}

/// The most bytes the records can take: two words a module, three a built-in, and what is fixed.
fn records_length(payload: &Payload, modules: u32) -> u64 {
    const BUILTINS: u64 = 64 << 10;
    payload
        .count
        .min(u64::from(modules).saturating_mul(8).saturating_add(BUILTINS))
}

/// Claims the terminators behind strings and the alignment in front of bytecode, whose content is checked.
fn terminators(payload: &Payload, code: &[u64], out: &mut Parse) {
    let claimed = SpanSet::from_spans(out.view().leaves().map(|r| r.span));
    for gap in claimed.complement(payload.whole()).iter() {
        let end = gap.end().saturating_sub(payload.base);
        let aligned = end.saturating_add(8).checked_rem(ALIGNMENT) == Some(0) && code.contains(&gap.end());
        if gap.len() <= TERMINATOR {
            out.padding(gap, Fill::Zero, "terminator");
        } else if aligned && gap.len() < ALIGNMENT.saturating_add(TERMINATOR) {
            out.padding(gap, Fill::Zero, "alignment");
        }
    }
}

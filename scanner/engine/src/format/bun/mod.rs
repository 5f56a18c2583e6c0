//! Bun standalone payloads: the module graph of a single-file agent, to the last byte.
//!
//! A payload is the content of a `.bun` section (ELF, PE) or `__BUN,__bun` (Mach-O), or is appended to an executable;
//! [`locate`] tells which. The graph's structures are in [`graph`], the records behind its table in [`records`], the
//! settings in [`argv`], the account of the bytes in [`claim`]. Contents and source maps become nested artifacts;
//! bytecode is one region, since its slices overlap: each of them ends where all of them end. Bytecode is not
//! disassembled and not compared with the source it was made from.
//!
//! Specification: Bun's `StandaloneModuleGraph`, checked against published agents.

mod argv;
mod claim;
mod graph;
mod locate;
mod records;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "fixtures are small and trusted"
)]
mod tests;

use super::{Format, Input, Parse};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe, Strength};
use crate::ledger::Role;
use crate::span::Span;
use graph::{Module, Offsets};
use std::borrow::Cow;

/// More modules than any bundler writes into one file.
const MOST_MODULES: u32 = 1 << 20;
/// The longest embedded command line that is read, in bytes.
const LONGEST_ARGV: u64 = 64 << 10;

/// A Bun payload.
pub(super) struct Bun;

impl Format for Bun {
    fn id(&self) -> &'static str {
        "bun"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let place = locate::find(probe.head, probe.tail, probe.length)?;
        let start = if place.length.is_some() {
            0
        } else {
            place.payload.start()
        };
        Some(Match {
            strength: Strength::Certain,
            start,
        })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let head = input.read_up_to(0, 8);
        let tail_start = input
            .len()
            .saturating_sub(u64::try_from(crate::identify::TAIL).unwrap_or(u64::MAX));
        let tail = input.read_up_to(tail_start, input.len());
        let (head, tail) = match (head, tail) {
            (Ok(head), Ok(tail)) => (head, tail),
            (Err(fault), _) | (_, Err(fault)) => return out.fault(&fault, "bun payload"),
        };
        let Some(place) = locate::find(&head, &tail, input.len()) else {
            out.malformed(input.whole(), "bun: no payload ends in offsets and trailer");
            return;
        };
        if let Some(span) = place.length {
            out.leaf(span, Role::Header, "payload length");
        }
        if let Some(span) = place.total {
            out.leaf(span, Role::Trailer, "total length");
        }
        if let Err(fault) = graph(input, place.payload, out) {
            out.fault(&fault, "bun module graph");
        }
    }
}

/// The payload with its total that ends `gap`, for executables whose own structures end before it. Bytes behind it, as
/// somebody may have appended them, stay outside.
pub(super) fn appended(input: &Input<'_>, gap: Span) -> Option<Span> {
    /// How much may stand behind a payload that is still found.
    const BEHIND: u64 = 64 << 10;
    let start = gap.end().saturating_sub(BEHIND).max(gap.start());
    let tail = input.read(Span::new(start, gap.end())).ok()?;
    let total = memchr::memmem::rfind(&tail, locate::TRAILER)?.checked_add(locate::TRAILER.len())?;
    let tail = tail.get(..total.checked_add(8)?)?;
    let end = start.checked_add(u64::try_from(tail.len()).ok()?)?;
    let place = locate::find(&[], tail, end)?;
    let span = Span::new(place.payload.start(), end);
    gap.encloses(span).then_some(span)
}

/// Emits the payload appended to an executable whose last claimed byte is its last structure, when there is one.
pub(super) fn claim_appended(input: &Input<'_>, out: &mut Parse) {
    let end = out.view().leaves().map(|r| r.span.end()).max().unwrap_or(input.len());
    if let Some(span) = appended(input, Span::new(end.min(input.len()), input.len())) {
        out.slice(span, "appended bun payload", true);
    }
}

fn graph(input: &Input<'_>, payload: Span, out: &mut Parse) -> Result<(), super::ReadFault> {
    let base = payload.start();
    let end = Span::new(payload.end().saturating_sub(locate::END), payload.end());
    let bytes = input.read(end)?;
    let Some(offsets) = Offsets::parse(&bytes) else {
        return Ok(());
    };
    let place = Span::saturating_at(end.start(), 32);
    out.leaf(place, Role::Table, "offsets");
    out.leaf(Span::new(place.end(), end.end()), Role::Trailer, "trailer");
    let room = end.start().saturating_sub(base);
    if offsets.byte_count != room {
        out.malformed(
            place,
            "bun: byte_count is not where the offsets stand (StandaloneModuleGraph)",
        );
    }
    let count = room;
    let argv = match offsets.exec_argv.within(count) {
        Some(span) if !span.is_empty() => {
            let bytes = input.read_up_to(span.shifted(base).start(), span.len().min(LONGEST_ARGV))?;
            Some((span.shifted(base), bytes))
        }
        Some(_) => None,
        None => {
            out.malformed(
                place,
                "bun: compile_exec_argv lies outside the payload (StandaloneModuleGraph)",
            );
            None
        }
    };
    argv::inspect(
        &offsets,
        place,
        argv.as_ref().map(|(span, bytes)| (*span, &**bytes)),
        out,
    );
    let Some(table) = offsets.modules.within(count) else {
        out.malformed(
            place,
            "bun: the module table lies outside the payload (StandaloneModuleGraph)",
        );
        return Ok(());
    };
    let Some(records) = records_of(input, base, count, &offsets, table, out)? else {
        return Ok(());
    };
    if offsets.entry_point_id >= records.number {
        out.malformed(place, "bun: entry_point_id names no module (StandaloneModuleGraph)");
    }
    let modules: Vec<Module> = records
        .raw
        .chunks_exact(records.size)
        .filter_map(Module::parse)
        .collect();
    claim::claim(
        input,
        &claim::Payload {
            base,
            count,
            offsets,
            table,
            argv: argv.map(|(span, _)| span),
        },
        &modules,
        out,
    )
}

/// The module table: the size of a record, the number of records, their bytes.
struct Records<'a> {
    size: usize,
    number: u32,
    raw: Cow<'a, [u8]>,
}

/// The module table. A length that both record sizes divide is decided by the modules' names.
fn records_of<'a>(
    input: &Input<'a>,
    base: u64,
    count: u64,
    offsets: &Offsets,
    table: Span,
    out: &mut Parse,
) -> Result<Option<Records<'a>>, super::ReadFault> {
    let place = table.shifted(base);
    let mut best: Option<(usize, usize, u32)> = None;
    for (size, modules) in offsets.sizes() {
        let some = input.read_up_to(place.start(), place.len().min(64u64.saturating_mul(52)))?;
        let mut named = 0usize;
        for module in some.chunks_exact(size).filter_map(Module::parse) {
            let Some(span) = module.name.within(count) else {
                continue;
            };
            let name = input.read_up_to(span.shifted(base).start(), span.len().min(16))?;
            named = named.saturating_add(usize::from(graph::rooted(&name)));
        }
        if best.is_none_or(|(most, ..)| named > most) {
            best = Some((named, size, modules));
        }
    }
    let Some((named, size, modules)) = best else {
        out.malformed(
            place,
            "bun: the module table is no whole number of records (StandaloneModuleGraph)",
        );
        return Ok(None);
    };
    if named == 0 {
        out.malformed(
            place,
            "bun: no module has a name under the bundle's root (StandaloneModuleGraph)",
        );
        return Ok(None);
    }
    if modules > MOST_MODULES {
        let message = format!("{modules} modules, more than the {MOST_MODULES} that are examined");
        out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(place.start()));
        return Ok(None);
    }
    Ok(Some(Records {
        size,
        number: modules,
        raw: input.read(place)?,
    }))
}

/// A pointer of a module leads outside the payload.
fn outside(place: Span, what: &str, number: u64, out: &mut Parse) {
    let message = format!("bun: {number} {what} lie outside the payload (StandaloneModuleGraph)");
    out.finding(Finding::new(code::MALFORMED, place, message).key(what));
}

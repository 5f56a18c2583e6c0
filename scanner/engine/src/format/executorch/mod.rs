//! ExecuTorch programs (`program.fbs`, `schema/README.md`): `.pte`, file identifier `ET12`.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | root offset and file identifier of the FlatBuffer |
//! | 8 | 4 | `eh00`, where there is an extended header |
//! | 12 | 4 | its length, from offset 8 on: 24 or 32 |
//! | 16 | 8 | size of the FlatBuffer |
//! | 24 | 8 | offset of the first segment |
//! | 32 | 8 | size of all segments (length 32) |
//!
//! Operators and backends are told, segments are claimed as they stand. What a backend compiled for its hardware is data
//! that nobody can read.

mod schema;
#[cfg(test)]
mod tests;

use super::flat::{self, Named, OBJECTS, Pages};
use super::proto::{self, crowded, name_fact};
use super::{Format, Input, Parse, ReadFault};
use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Role};
use crate::span::Span;
use crate::walk::flatbuffer::{self, Flat, Source};
use std::collections::BTreeMap;

const MAGIC: &[u8; 4] = b"ET12";
/// The most bytes of a name that are read.
const NAME: u64 = 4096;

/// An ExecuTorch program.
pub(super) struct ExecuTorch;

impl Format for ExecuTorch {
    fn id(&self) -> &'static str {
        "executorch"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        flat::identify(probe, MAGIC)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let mut pages = Pages::new(input);
        let mut walked = flatbuffer::walk(&mut pages, &schema::PROGRAM, OBJECTS);
        let segments = match program(&mut pages, out) {
            Ok(segments) => segments,
            Err(fault) => {
                out.fault(&fault, "the program");
                Vec::new()
            }
        };
        flat::claim("executorch", &mut walked, &BTreeMap::<Span, Named>::new(), out);
        if let Err(fault) = header(input, &segments, out) {
            out.fault(&fault, "the extended header");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pte", "bin"]
    }
}

/// Reads the extended header and claims the segments that it places: `segments` are offset and size of each.
fn header(input: &Input<'_>, segments: &[(u64, u64, u64)], out: &mut Parse) -> Result<(), ReadFault> {
    let bytes = input.read_up_to(8, 32)?;
    let word = |at: usize| {
        let field = bytes.get(at..).and_then(|rest| rest.first_chunk::<8>());
        field.map_or(0, |field| u64::from_le_bytes(*field))
    };
    let base = if bytes.starts_with(b"eh00") {
        let length = word(0) >> 32;
        let span = Span::saturating_at(8, length);
        if !(24..=256).contains(&length) || span.end() > input.len() {
            out.malformed(
                span.intersect(input.whole()),
                "executorch: the extended header's length is wrong (schema/README.md)",
            );
            return Ok(());
        }
        out.leaf(span, Role::Header, "extended header");
        word(16)
    } else {
        if !segments.is_empty() {
            out.malformed(
                Span::new(8, 12),
                "executorch: segments without an extended header (schema/README.md)",
            );
        }
        return Ok(());
    };
    let mut end = None;
    for (number, (offset, size, place)) in segments.iter().enumerate() {
        let span = base.checked_add(*offset).and_then(|start| Span::at(start, *size));
        let Some(span) = span.filter(|span| span.end() <= input.len()) else {
            let rule = "executorch: a segment that runs past the end (program.fbs, DataSegment)";
            let finding = Finding::new(code::MALFORMED, Span::saturating_at(*place, 4), rule);
            out.finding(
                finding
                    .case("crash")
                    .evidence("offset", *offset)
                    .evidence("size", *size)
                    .key(rule),
            );
            continue;
        };
        if let Some(before) = end.filter(|before| *before < span.start()) {
            out.padding(
                Span::new(before, span.start()),
                Fill::Zero,
                format!("space before segment {number}"),
            );
        }
        end = Some(span.end());
        out.leaf(span, Role::Tensor, format!("segment {number}"));
    }
    Ok(())
}

/// Tells of operators and backends. Returns the segments: offset, size, where they are stated.
fn program<S: Source<Fault = ReadFault>>(source: S, out: &mut Parse) -> Result<Vec<(u64, u64, u64)>, ReadFault> {
    let mut flat = Flat::new(source);
    let Some(program) = flat.root()? else {
        return Ok(Vec::new());
    };
    for plan in flat.references(&program, 1)? {
        let Some(plan) = flat.table(plan)? else { continue };
        for (slot, domain) in [(6, None), (7, Some("delegate"))] {
            for entry in flat.references(&plan, slot)? {
                let Some(entry) = flat.table(entry)? else { continue };
                let Some((name, span)) = flat.string(&entry, 0, NAME)? else {
                    continue;
                };
                name_fact("operator", &name, span, out);
                let text = String::from_utf8_lossy(&name);
                let (own, name) = text.split_once("::").unwrap_or(("", &text));
                proto::fact(
                    Fact::Operator {
                        framework: "executorch",
                        domain: domain.unwrap_or(own).into(),
                        name: name.into(),
                        node: "".into(),
                        span,
                    },
                    out,
                );
            }
        }
    }
    let mut segments = Vec::new();
    for segment in flat.references(&program, 4)? {
        let Some(segment) = flat.table(segment)? else { continue };
        let mut field = |slot: usize| match segment.field(slot) {
            Some(at) => flat.u64(at).map(|value| value.unwrap_or(0)),
            None => Ok(0),
        };
        segments.push((field(0)?, field(1)?, segment.at));
    }
    if flat.is_exhausted() {
        crowded(out);
    }
    Ok(segments)
}

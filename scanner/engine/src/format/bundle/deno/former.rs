//! Payloads of Deno 1 and of Deno 2.0: an eszip of the modules, and the positions of the parts.
//!
//! | size | field |
//! | --- | --- |
//! | 8 | `d3n0l4nd` |
//! | 8 each, big-endian | where the eszip, the metadata, the directory of the file system and its files begin |
//!
//! Deno 1 ends the executable with it and counts from its first byte; before 1.33 there was no file system, and no position
//! of one. Deno 2.0 begins its section with it and counts from behind it. Older ones yet have a script where the eszip is.
//!
//! Specification: Deno, `cli/standalone/binary.rs` of 1.30 to 2.0.

use super::super::{bundle, eszip};
use super::{MAGIC, Payload};
use crate::format::{Input, Parse};
use crate::ledger::Role;
use crate::span::Span;

/// The mark and four positions.
const LONGEST: u64 = 40;

/// The positions in `bytes`, behind the mark; `None` where they do not ascend, or run past `end`.
fn positions(bytes: &[u8], base: u64, end: u64) -> Option<Vec<u64>> {
    let rest = bytes.strip_prefix(MAGIC)?;
    let (words, []) = rest.as_chunks::<8>() else {
        return None;
    };
    let mut all: Vec<u64> = Vec::new();
    for word in words {
        let at = base.checked_add(u64::from_be_bytes(*word))?;
        if at > end || all.last().is_some_and(|last| at < *last) {
            return None;
        }
        all.push(at);
    }
    Some(all)
}

/// Claims the payload that ends `gap`; where it starts.
pub(in crate::format::bundle) fn claim(input: &Input<'_>, gap: Span, tail: &[u8], out: &mut Parse) -> Option<u64> {
    for count in [4usize, 2] {
        let length = count.saturating_mul(8).saturating_add(8);
        let Some(trailer) = tail.len().checked_sub(length).and_then(|at| tail.get(at..)) else {
            continue;
        };
        let end = gap.end().saturating_sub(u64::try_from(length).unwrap_or(0));
        let Some(parts) = positions(trailer, 0, end) else {
            continue;
        };
        let Some(start) = parts.first().copied().filter(|start| *start >= gap.start()) else {
            continue;
        };
        // Two positions before anything else than a script or an eszip are chance.
        let metadata = parts.get(1).copied().unwrap_or(end);
        if input.read_up_to(metadata, 1).is_ok_and(|first| *first == *b"{") {
            out.leaf(Span::new(end, gap.end()), Role::Trailer, "positions of the payload");
            claim_parts(input, &parts, end, out);
            return Some(start);
        }
    }
    None
}

/// Whether the payload is one of Deno 2.0, by its first bytes.
pub(super) fn begins(head: &[u8]) -> bool {
    let first = head.strip_prefix(MAGIC).and_then(|rest| rest.first_chunk::<8>());
    let behind = usize::try_from(LONGEST).ok().and_then(|at| head.get(at..));
    first == Some(&[0; 8]) && behind.is_some_and(|rest| rest.starts_with(eszip::MAGIC))
}

/// Reads a payload of Deno 2.0.
pub(super) fn parse(input: &Input<'_>, out: &mut Parse) {
    let header = Span::new(0, LONGEST).intersect(input.whole());
    let bytes = match input.read(header) {
        Ok(bytes) => bytes,
        Err(fault) => return out.fault(&fault, "deno payload"),
    };
    out.leaf(header, Role::Header, "mark and positions");
    match positions(&bytes, LONGEST, input.len()) {
        Some(parts) => claim_parts(input, &parts, input.len(), out),
        None => out.malformed(
            header,
            "deno: the positions of the parts do not ascend inside the payload",
        ),
    }
}

fn claim_parts(input: &Input<'_>, parts: &[u64], end: u64, out: &mut Parse) {
    let part = |number: usize| {
        let start = parts.get(number)?;
        Some(Span::new(
            *start,
            parts.get(number.saturating_add(1)).copied().unwrap_or(end),
        ))
    };
    let mut payload = Payload::default();
    if let Some(modules) = part(0).filter(|span| !span.is_empty()) {
        let packed = input
            .read_up_to(modules.start(), 5)
            .is_ok_and(|head| *head == *eszip::MAGIC);
        payload.content(
            modules,
            if packed {
                b"eszip".to_vec()
            } else {
                b"bundle.js".to_vec()
            },
            out,
        );
    }
    if let Some(metadata) = part(1).filter(|span| !span.is_empty()) {
        out.slice(metadata, "metadata.json", true);
        match input.read(metadata) {
            Ok(bytes) => payload.metadata(&bytes, metadata, out),
            Err(fault) => out.fault(&fault, "deno metadata"),
        }
    }
    if let (Some(directory), Some(files)) = (part(2), part(3)) {
        out.leaf(directory, Role::Table, "file system");
        match input.read(directory) {
            Ok(bytes) => payload.files(&bytes, directory, files, out),
            Err(fault) => out.fault(&fault, "deno file system"),
        }
    }
    let place = parts.first().map_or(Span::new(0, 0), |start| Span::new(*start, end));
    bundle(
        "deno",
        std::slice::from_ref(&payload.entry),
        payload.members,
        payload.flags,
        place,
        out,
    );
}

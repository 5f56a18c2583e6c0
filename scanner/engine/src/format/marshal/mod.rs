//! Marshalled Python code: bare, as Keras' Lambda layers hold it, and as `.pyc` files.
//!
//! | offset | size | `.pyc`, Python 3.7 and later |
//! | --- | --- | --- |
//! | 0 | 2 | magic number of the bytecode's version |
//! | 2 | 2 | `\r\n` |
//! | 4 | 4 | flags: 1 checked by hash, 2 source is checked |
//! | 8 | 8 | time and size of the source, or its hash |
//! | 16 | .. | a marshalled code object |
//!
//! Code is never run and not disassembled: which names and constants it holds is what is judged. A constant of bare code
//! that begins like another artifact becomes a nested one.

mod layout;
mod reader;
#[cfg(test)]
#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "fixtures are small and built here"
)]
mod tests;

use super::{Format, Input, Parse, ReadFault};
use crate::fact::{Fact, PythonCode};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::{Span, SpanSet};
use layout::{LAYOUTS, Layout};
use reader::{Fault, Id, Kind, Stream};
use std::collections::BTreeSet;

/// A bare code object.
pub(super) struct Marshal;
/// A compiled module.
pub(super) struct Pyc;

/// A code object's type code, with and without the flag that remembers it.
const CODE: [u8; 2] = [0x63, 0xe3];
/// The most distinct names and texts kept of one stream.
const WORDS: usize = 4096;
/// The longest of them that is kept.
const LONGEST: usize = 256;
/// The most constants of one stream that become nested artifacts.
const NESTED: usize = 64;

impl Format for Marshal {
    fn id(&self) -> &'static str {
        "marshal"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        plausible(probe.head, probe.is_whole(), &LAYOUTS, false).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        parse(input, out, 0, &LAYOUTS, true);
    }
}

impl Format for Pyc {
    fn id(&self) -> &'static str {
        "pyc"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let (layout, header) = header(probe.head)?;
        let code = probe.head.get(header..)?;
        // The header leaves little doubt: code that breaks a rule behind it is broken code.
        plausible(code, probe.is_whole(), std::slice::from_ref(layout), true).then_some(Match::CERTAIN)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let head = match input.read_up_to(0, 16) {
            Ok(head) => head,
            Err(fault) => return out.fault(&fault, "pyc header"),
        };
        let Some((layout, length)) = header(&head) else {
            return out.malformed(Span::new(0, 4), "pyc: an unknown magic number");
        };
        let length = u64::try_from(length).unwrap_or(u64::MAX);
        out.leaf(
            Span::new(0, length).intersect(input.whole()),
            Role::Header,
            "pyc header",
        );
        parse(input, out, length, std::slice::from_ref(layout), false);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pyc", "pyo", "opt-1", "opt-2"]
    }
}

/// The layout and length of a `.pyc` header.
fn header(head: &[u8]) -> Option<(&'static Layout, usize)> {
    let [a, b, b'\r', b'\n', ..] = head else { return None };
    let (layout, length) = layout::of_magic(u16::from_le_bytes([*a, *b]))?;
    let flags = head.get(4..8)?;
    let known = length < 16 || matches!(flags, [0..=3, 0, 0, 0]);
    known.then_some((layout, length))
}

/// Whether bytes begin like a code object: small numbers, then the bytecode; what follows may break rules if `broken`.
fn plausible(bytes: &[u8], whole: bool, layouts: &'static [Layout], broken: bool) -> bool {
    if !bytes.first().is_some_and(|b| CODE.contains(b)) {
        return false;
    }
    layouts.iter().any(|layout| {
        let numbers = layout.numbers.saturating_mul(4);
        let Some(head) = bytes.get(1..numbers.saturating_add(2)) else {
            return false;
        };
        let (words, code) = head.as_chunks::<4>();
        // Arguments, locals, stack: small; the last is flags.
        let small = words
            .iter()
            .take(words.len().saturating_sub(1))
            .all(|w| u32::from_le_bytes(*w) < 1 << 16);
        let flags = words.last().is_some_and(|w| u32::from_le_bytes(*w) < 1 << 28);
        if !(small && flags && matches!(code, [b's' | 0xf3])) {
            return false;
        }
        let stream = reader::read(bytes, layout);
        match stream.fault {
            None => true,
            Some(Fault::Cut) => broken || !whole || stream.nodes.len() > 4,
            Some(_) => broken,
        }
    })
}

/// Reads the code object at `start` by the first of `layouts` that reads it, or that reads furthest. Constants are
/// looked into when `deep`: those of a module are its own business, and CPython's tests are full of broken archives.
fn parse(input: &Input<'_>, out: &mut Parse, start: u64, layouts: &'static [Layout], deep: bool) {
    out.gaps(Gaps::Never);
    let whole = Span::new(start.min(input.len()), input.len());
    let bytes = match input.read(whole) {
        Ok(bytes) => bytes,
        Err(fault) => {
            out.fault(&fault, "marshalled code");
            out.leaf(whole, Role::Code, "marshalled code, not read");
            return;
        }
    };
    let mut best: Option<(Stream, &Layout)> = None;
    for layout in layouts {
        let stream = reader::read(&bytes, layout);
        let better = match &best {
            None => true,
            Some((old, _)) => old.fault.is_some() && (stream.fault.is_none() || stream.end > old.end),
        };
        if better {
            best = Some((stream, layout));
        }
    }
    let Some((stream, layout)) = best else { return };
    let used = Span::saturating_at(start, wide(stream.end));
    fault(&stream, start, input, out);
    let nested = if deep {
        constants(&stream, &bytes, start, out)
    } else {
        Vec::new()
    };
    let rest = SpanSet::from_spans(nested).complement(used);
    for span in rest.iter() {
        out.leaf(span, Role::Code, "marshalled code");
    }
    let code = words(&stream, &bytes, layout, used);
    out.fact(Fact::PythonCode(Box::new(code)));
}

fn fault(stream: &Stream, start: u64, input: &Input<'_>, out: &mut Parse) {
    let place = |at: usize| Span::saturating_at(start.saturating_add(wide(at)), 1);
    match stream.fault {
        None => {}
        Some(Fault::Cut) => {
            let fault = ReadFault::PastEnd {
                offset: input.len(),
                wanted: 1,
                length: input.len(),
            };
            out.fault(&fault, "marshalled code");
        }
        Some(Fault::Broken { at, rule }) => out.malformed(place(at), rule),
        Some(Fault::Deep { at }) => {
            let message = "marshal: values nest deeper than loaders read";
            let finding = Finding::new(code::MALFORMED, place(at), message);
            out.finding(finding.case("crash").key("depth"));
        }
        Some(Fault::Many { at }) => {
            let message = "marshal: more values than are read of one stream";
            out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(place(at).start()));
        }
    }
}

/// Constants that begin like artifacts become nested ones: those of bytes as they are, texts in base64 decoded. The
/// spans taken by the first kind.
fn constants(stream: &Stream, bytes: &[u8], start: u64, out: &mut Parse) -> Vec<Span> {
    let mut taken = Vec::new();
    let mut decoded = 0usize;
    let fields = code_fields(stream, layout::CODE);
    for (id, node) in stream.nodes.iter().enumerate() {
        let content = bytes.get(node.start..node.end).unwrap_or_default();
        let span = Span::new(
            start.saturating_add(wide(node.start)),
            start.saturating_add(wide(node.end)),
        );
        match node.kind {
            Kind::Bytes
                if taken.len() < NESTED
                    && begins_like_an_artifact(content)
                    && Id::try_from(id).is_ok_and(|id| !fields.contains(&id)) =>
            {
                out.slice(span, format!("constant@{:#x}", span.start()), true);
                taken.push(span);
            }
            Kind::Text | Kind::Bytes if decoded < NESTED && super::keras::is_base64(content) => {
                decoded = decoded.saturating_add(1);
                let name = format!("base64@{:#x}", span.start());
                out.decoded(span, name, Box::new(super::keras::Base64), true);
            }
            _ => {}
        }
    }
    taken
}

/// The ids of one object field of all code objects.
fn code_fields(stream: &Stream, field: usize) -> BTreeSet<Id> {
    let codes = stream.nodes.iter().filter_map(|n| match &n.kind {
        Kind::Code(fields) => fields.get(field).copied(),
        _ => None,
    });
    codes.collect()
}

fn begins_like_an_artifact(content: &[u8]) -> bool {
    content.len() >= 24
        && matches!(
            content,
            [0xe3, ..]
                | [0x78, 0x01 | 0x5e | 0x9c | 0xda, ..]
                | [0x1f, 0x8b, 8, ..]
                | [0x80, 2..=5, ..]
                | [b'P', b'K', 3, 4, ..]
                | [0x7f, b'E', b'L', b'F', ..]
                | [b'M', b'Z', ..]
        )
}

/// The names that code uses, and its texts.
fn words(stream: &Stream, bytes: &[u8], layout: &Layout, span: Span) -> PythonCode {
    let text = |id: Id| {
        let node = stream.nodes.get(usize::try_from(id).ok()?)?;
        let content = bytes.get(node.start..node.end)?;
        let cut = content.get(..content.len().min(LONGEST))?;
        matches!(node.kind, Kind::Text | Kind::Bytes).then(|| crate::name::printable(cut))
    };
    let items = |ids: BTreeSet<Id>| {
        let mut found = BTreeSet::new();
        for id in ids {
            let node = usize::try_from(id).ok().and_then(|id| stream.nodes.get(id));
            if let Some(Kind::Tuple(items)) = node.map(|n| &n.kind) {
                found.extend(items.iter().filter_map(|id| text(*id)));
            }
        }
        found
    };
    // What constants hold may itself lie in tuples and sets: every text that is no field counts.
    let mut texts = items(code_fields(stream, layout::CONSTS));
    for node in &stream.nodes {
        if texts.len() >= WORDS {
            break;
        }
        if node.kind == Kind::Text {
            let content = bytes.get(node.start..node.end).unwrap_or_default();
            let cut = content.get(..content.len().min(LONGEST)).unwrap_or_default();
            texts.insert(crate::name::printable(cut));
        }
    }
    let names = items(code_fields(stream, layout::NAMES));
    let objects = stream.nodes.iter().filter(|n| matches!(n.kind, Kind::Code(_))).count();
    PythonCode {
        python: layout.python,
        names: names.into_iter().take(WORDS).map(Into::into).collect(),
        texts: texts.into_iter().take(WORDS).map(Into::into).collect(),
        objects: wide(objects),
        span,
    }
}

fn wide(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

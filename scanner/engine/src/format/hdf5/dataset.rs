//! Datasets: where their elements are (section IV.A.2.h to l).
//!
//! Elements are claimed as they are stored. Chunks that went through filters are decoded for what can hold text or bytes,
//! which becomes a nested artifact; numbers of floating point are left to what looks at tensors.

use super::chunk::{self, Chunks};
use super::datatype::{self, Datatype};
use super::fields::{Fields, wide};
use super::file::File;
use super::filters::{Filters, Undo};
use super::object::{self, Message};
use crate::fact::{Fact, Outside};
use crate::finding::{ErrorCode, ScanError};
use crate::ledger::Role;
use crate::span::Span;

/// Pieces of one dataset that are decoded.
const MOST_ROWS: usize = 1 << 12;

/// Claims a dataset's elements, and tells what they are.
pub(super) fn read(file: &mut File<'_, '_, '_>, messages: &[Message], path: &str) {
    let Some(layout) = messages.iter().find(|m| m.kind == object::LAYOUT) else {
        return;
    };
    let shape = messages
        .iter()
        .find(|m| m.kind == object::DATASPACE && !m.is_shared())
        .and_then(|m| datatype::dimensions(file, &m.body));
    let kind = messages
        .iter()
        .find(|m| m.kind == object::DATATYPE)
        .and_then(|m| element_type(file, m));
    // Version 3 of Keras' format has no attributes, and lists a layer's variables by number.
    file.model |= path.contains("/vars/");
    let filtered = messages.iter().any(|m| m.kind == object::FILTERS);
    for message in messages.iter().filter(|m| m.kind == object::EXTERNAL_FILES) {
        if external_files(file, message, path).is_none() {
            file.malformed(
                message.span,
                "hdf5: a list of external files that cannot be read (IV.A.2.h)",
            );
        }
    }
    let Some(spans) = elements(file, layout, shape.as_deref(), kind.as_ref(), filtered, path) else {
        return file.malformed(layout.span, "hdf5: a data layout that cannot be read (IV.A.2.i)");
    };
    let filters = messages.iter().find(|m| m.kind == object::FILTERS && !m.is_shared());
    if let (Some(filters), Some(kind)) = (filters.and_then(|m| Filters::read(&m.body)), &kind) {
        unfilter(file, &filters, kind, &spans, path);
    }
    let runs = runs(spans);
    if let Some(past) = runs.iter().find(|run| run.end() > file.input.len()) {
        let fault = crate::format::ReadFault::PastEnd {
            offset: past.start(),
            wanted: past.len(),
            length: file.input.len(),
        };
        file.out.fault(&fault, &format!("elements of {path}"));
    }
    let first = runs.first().copied().unwrap_or(Span::new(0, 0));
    let what = if filtered { "filtered elements" } else { "elements" };
    let in_heap = kind
        .as_ref()
        .is_some_and(|k| matches!(k.kind, datatype::Kind::TextInHeap | datatype::Kind::SequenceInHeap));
    for run in runs {
        let role = if in_heap { Role::Table } else { Role::Tensor };
        file.claim(run, role, format!("{what} of {path}"));
    }
    if let (Some(kind), Some(shape)) = (kind, shape) {
        file.out.fact(Fact::Tensor {
            name: path.into(),
            dtype: kind.name,
            shape,
            span: first,
        });
    }
}

/// Makes the elements of chunks before their filters nested artifacts: one for chunks that follow each other.
fn unfilter(file: &mut File<'_, '_, '_>, filters: &Filters, kind: &Datatype, spans: &[Span], path: &str) {
    let in_heap = matches!(kind.kind, datatype::Kind::TextInHeap | datatype::Kind::SequenceInHeap);
    if in_heap || kind.name.starts_with("float") || kind.name.starts_with("bfloat") {
        return;
    }
    let whole = file.input.whole();
    let mut chunks: Vec<Span> = spans
        .iter()
        .copied()
        .filter(|s| !s.is_empty() && whole.encloses(*s))
        .collect();
    chunks.sort_unstable();
    chunks.dedup();
    let mut number = 0usize;
    let mut rest = chunks.as_slice();
    while let Some(first) = rest.first() {
        let mut end = first.start();
        let row = rest.iter().take_while(|s| {
            let follows = s.start() == end;
            end = s.end();
            follows
        });
        let lengths: Vec<u64> = row.map(|s| s.len()).collect();
        let Some((row, behind)) = rest.split_at_checked(lengths.len()) else {
            break;
        };
        rest = behind;
        number = number.saturating_add(1);
        if number > MOST_ROWS {
            let message = format!("hdf5: more pieces of {path} than are decoded");
            file.out
                .error(ScanError::new(ErrorCode::LimitExceeded, message).at(first.start()));
            return;
        }
        let span = Span::new(first.start(), row.last().map_or(first.end(), |s| s.end()));
        let undo = Undo {
            filters: filters.clone(),
            chunks: lengths,
        };
        file.out
            .decoded(span, format!("elements of {path} {number}"), Box::new(undo), false);
    }
}

/// The element type, also of a named type elsewhere in the file.
pub(super) fn element_type(file: &mut File<'_, '_, '_>, message: &Message) -> Option<Datatype> {
    if !message.is_shared() {
        return datatype::read(&message.body);
    }
    named_type(file, &message.body)
}

/// The named type that a shared message leads to. It is claimed as an object of its own.
pub(super) fn named_type(file: &mut File<'_, '_, '_>, body: &[u8]) -> Option<Datatype> {
    let address = object::committed(file, body)?;
    file.object(address, "/a named type".into());
    let messages = object::read(file, address, None);
    let message = messages.iter().find(|m| m.kind == object::DATATYPE && !m.is_shared())?;
    datatype::read(&message.body)
}

/// Spans in order, those that touch joined. What overlaps stays apart, so that it shows.
fn runs(mut spans: Vec<Span>) -> Vec<Span> {
    spans.sort_unstable();
    let mut out: Vec<Span> = Vec::new();
    for span in spans.into_iter().filter(|s| !s.is_empty()) {
        match out.last_mut() {
            Some(last) if last.end() == span.start() => *last = Span::new(last.start(), span.end()),
            _ => out.push(span),
        }
    }
    out
}

fn elements(
    file: &mut File<'_, '_, '_>,
    layout: &Message,
    shape: Option<&[u64]>,
    kind: Option<&Datatype>,
    filtered: bool,
    path: &str,
) -> Option<Vec<Span>> {
    let mut fields = Fields::new(&layout.body);
    let version = fields.u8()?;
    match version {
        1 | 2 => old(file, &mut fields, shape, kind, path),
        3..=5 => {
            let class = fields.u8()?;
            match class {
                // Compact: the elements stand in the message, which is claimed.
                0 => Some(Vec::new()),
                1 => {
                    let address = file.address(&mut fields)?;
                    let length = file.length(&mut fields)?;
                    Some(address.map_or_else(Vec::new, |at| chunk::whole(file, at, length)))
                }
                2 if version == 3 => {
                    let dimensions = usize::from(fields.u8()?);
                    let address = file.address(&mut fields)?;
                    Some(address.map_or_else(Vec::new, |at| chunk::tree(file, at, dimensions, path)))
                }
                2 => indexed(file, &mut fields, shape, filtered, path),
                3 => virtual_sources(file, &mut fields, layout.span, path),
                _ => None,
            }
        }
        _ => None,
    }
}

/// Layout versions 1 and 2: dimensions, class, address, dimensions' sizes.
fn old(
    file: &mut File<'_, '_, '_>,
    fields: &mut Fields<'_>,
    shape: Option<&[u64]>,
    kind: Option<&Datatype>,
    path: &str,
) -> Option<Vec<Span>> {
    let dimensions = usize::from(fields.u8()?);
    let class = fields.u8()?;
    fields.skip(5)?;
    match class {
        0 => Some(Vec::new()),
        1 => {
            let address = file.address(fields)?;
            let count = shape.unwrap_or_default().iter().fold(1u64, |n, d| n.saturating_mul(*d));
            let length = count.saturating_mul(u64::from(kind?.size));
            Some(address.map_or_else(Vec::new, |at| chunk::whole(file, at, length)))
        }
        2 => {
            let address = file.address(fields)?;
            Some(address.map_or_else(Vec::new, |at| chunk::tree(file, at, dimensions, path)))
        }
        _ => None,
    }
}

/// Layout version 4, chunked: flags, dimensions, then the kind of index and its parameters.
fn indexed(
    file: &mut File<'_, '_, '_>,
    fields: &mut Fields<'_>,
    shape: Option<&[u64]>,
    filtered: bool,
    path: &str,
) -> Option<Vec<Span>> {
    let flags = fields.u8()?;
    let dimensions = usize::from(fields.u8()?);
    let each = usize::from(fields.u8()?);
    let sizes: Vec<u64> = (0..dimensions).map(|_| fields.number(each)).collect::<Option<_>>()?;
    let bytes = sizes.iter().fold(1u64, |n, d| n.saturating_mul(*d));
    let rank = dimensions.saturating_sub(1);
    let shape = shape.unwrap_or_default();
    let count = shape
        .iter()
        .zip(&sizes)
        .fold(1u64, |n, (all, chunk)| n.saturating_mul(all.div_ceil((*chunk).max(1))));
    let chunks = Chunks {
        of: path,
        rank,
        bytes,
        filtered,
        count,
    };
    let index = fields.u8()?;
    match index {
        1 => {
            let stored = if flags & 2 != 0 {
                let length = file.length(fields)?;
                fields.skip(4)?;
                length
            } else {
                bytes
            };
            let address = file.address(fields)?;
            Some(address.map_or_else(Vec::new, |at| chunk::whole(file, at, stored)))
        }
        2 => {
            let address = file.address(fields)?;
            let length = bytes.saturating_mul(chunks.count);
            Some(address.map_or_else(Vec::new, |at| chunk::whole(file, at, length)))
        }
        3 => {
            fields.skip(1)?;
            match file.address(fields)? {
                Some(at) => Some(chunk::fixed(file, at, &chunks).unwrap_or_default()),
                None => Some(Vec::new()),
            }
        }
        4 => {
            fields.skip(5)?;
            match file.address(fields)? {
                Some(at) => Some(chunk::extensible(file, at, &chunks).unwrap_or_default()),
                None => Some(Vec::new()),
            }
        }
        5 => {
            fields.skip(6)?;
            match file.address(fields)? {
                Some(at) => Some(chunk::tree2(file, at, &chunks)),
                None => Some(Vec::new()),
            }
        }
        _ => None,
    }
}

/// A virtual dataset: its list of sources is an object of a global heap (section VII.C).
fn virtual_sources(file: &mut File<'_, '_, '_>, fields: &mut Fields<'_>, span: Span, path: &str) -> Option<Vec<Span>> {
    let heap = file.address(fields)?;
    let index = fields.u32()?;
    let Some(heap) = heap else {
        return Some(Vec::new());
    };
    let place = super::heap::object(file, heap, index)?;
    let bytes = file.read_span(place, "virtual dataset")?;
    let mut list = Fields::new(&bytes);
    let version = list.u8()?;
    let count = file.length(&mut list)?;
    let mut told = std::collections::BTreeSet::new();
    // Selections follow the names, and only their writer knows how long they are: the first names are sure.
    for _ in 0..count.min(1) {
        if version > 0 {
            list.skip(1)?;
        }
        told.insert(list.text());
    }
    // Further names end in NUL and stand among selections: what reads like a path is one.
    for word in bytes.split(|b| *b == 0).filter(|w| w.len() > 2) {
        if word.iter().all(|b| matches!(b, 0x20..=0x7e)) && (word.contains(&b'.') || word.contains(&b'/')) {
            told.insert(word);
        }
    }
    for target in told.into_iter().filter(|t| !t.is_empty() && *t != b".").take(64) {
        file.out.fact(Fact::Outside {
            how: Outside::Virtual,
            by: path.into(),
            target: target.into(),
            span,
        });
    }
    Some(Vec::new())
}

/// A list of external files (section IV.A.2.h): names in a local heap, offsets and sizes in the files.
fn external_files(file: &mut File<'_, '_, '_>, message: &Message, path: &str) -> Option<()> {
    let mut fields = Fields::new(&message.body);
    if fields.u8()? != 1 {
        return None;
    }
    fields.skip(5)?;
    let used = fields.u16()?;
    let heap = file.address(&mut fields)??;
    let names = super::heap::local(file, heap, path)?;
    for _ in 0..used {
        let name = file.length(&mut fields)?;
        file.length(&mut fields)?;
        file.length(&mut fields)?;
        let target = super::heap::name(&names, name);
        file.out.fact(Fact::Outside {
            how: Outside::Storage,
            by: path.into(),
            target: target.into(),
            span: Span::saturating_at(message.span.start(), wide(message.body.len())),
        });
    }
    Some(())
}

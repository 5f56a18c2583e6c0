//! Tensor infos, and the data they place.

use super::reader::Reader;
use super::types::{self, NoSize};
use super::{LARGEST, LONG_NAME, Names, length_overflow, name_fact};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Parse, ReadFault};
use crate::ledger::{Fill, Region, Role};
use crate::name;
use crate::span::Span;

/// Dimensions that ggml has room for.
const MAX_DIMS: u32 = 4;
/// Dimensions that are read all the same; beyond, the file does not mean what it says.
const MOST_DIMS: u32 = 64;
/// The longest name in bytes that a published loader has room for (`GGML_MAX_NAME` is 64, 128 in image generators).
const LONGEST_NAME: u64 = 127;

/// One tensor info, read.
struct Info {
    name: Vec<u8>,
    place: Span,
    /// The fastest dimension first.
    dims: Vec<u64>,
    kind: u32,
    offset: u64,
    /// In bytes, when type and dimensions tell.
    size: Option<u64>,
}

/// Reads `count` tensor infos and claims them, the padding after them, and the data.
pub(super) fn read(reader: &mut Reader<'_, '_>, count: u64, alignment: u64, out: &mut Parse) -> Result<(), ReadFault> {
    let table = reader.position();
    let mut infos: Vec<Info> = Vec::new();
    let mut names = Names::default();
    let mut stopped = None;
    for _ in 0..count {
        let start = reader.position();
        match info(reader, &mut names, out) {
            Ok(Some(info)) => infos.push(info),
            Ok(None) => {
                stopped = Some((start, Ok(())));
                break;
            }
            Err(fault) => {
                stopped = Some((start, Err(fault)));
                break;
            }
        }
    }
    let end = stopped.as_ref().map_or(reader.position(), |(start, _)| *start);
    if end > table {
        out.leaf(Span::new(table, end), Role::Table, "tensor infos");
    }
    let length = reader.position().saturating_add(reader.remaining());
    match stopped {
        // Where the data begins cannot be told.
        Some((_, result)) => result,
        None => {
            let aligned = end.checked_next_multiple_of(alignment).unwrap_or(u64::MAX);
            let pad = Span::new(end, aligned);
            // A file without tensors ends with its metadata; a writer that pads it all the same ends with the padding.
            if !pad.is_empty() && (!infos.is_empty() || aligned == length) {
                if aligned > length {
                    let message = format!("the data begins at offset {aligned:#x}, past the end at {length:#x}");
                    out.finding(Finding::new(code::TRUNCATED, Span::new(end, length), message).key("tensor data"));
                }
                out.padding(pad, Fill::Zero, "padding before the data");
            }
            let data_span = Span::new(aligned.min(length), length);
            data(infos, data_span, alignment, reader.is_big_endian(), out);
            Ok(())
        }
    }
}

/// Reads one info; `None` when the end of it cannot be told.
fn info(reader: &mut Reader<'_, '_>, names: &mut Names, out: &mut Parse) -> Result<Option<Info>, ReadFault> {
    let start = reader.position();
    let (name, name_span) = match reader.string(LONG_NAME) {
        Err(ReadFault::PastEnd { offset, wanted, length }) => {
            if offset > start {
                length_overflow(wanted, start, "a tensor's name", out);
            }
            return Err(ReadFault::PastEnd { offset, wanted, length });
        }
        read => read?,
    };
    names.add("tensor", &name, name_span, out);
    name_fact("tensor", &name, name_span, out);
    if name_span.len() > LONGEST_NAME {
        let rule = "gguf: a tensor's name is longer than loaders have room for (gguf.md, gguf_tensor_info_t)";
        out.finding(Finding::new(code::MALFORMED, name_span, rule).case("lenient").key(rule));
    }
    let dims_place = reader.position();
    let n_dims = reader.u32()?;
    if n_dims > MAX_DIMS {
        let rule = "gguf: more than 4 dimensions (CVE-2024-21802, gguf.md, gguf_tensor_info_t)";
        let finding = Finding::new(code::MALFORMED, Span::saturating_at(dims_place, 4), rule)
            .case("crash")
            .key(rule);
        out.finding(finding.evidence("n_dims", u64::from(n_dims)));
        if n_dims > MOST_DIMS {
            let message = "a tensor's dimensions were not read; nothing after them was";
            out.error(ScanError::new(ErrorCode::Unsupported, message).at(dims_place));
            return Ok(None);
        }
    }
    let mut dims = Vec::new();
    for _ in 0..n_dims {
        dims.push(reader.word()?);
    }
    let kind = reader.u32()?;
    let offset = reader.u64()?;
    let place = Span::new(start, reader.position());
    let size = size(kind, &dims, place, out);
    Ok(Some(Info {
        name,
        place,
        dims,
        kind,
        offset,
        size,
    }))
}

fn size(kind: u32, dims: &[u64], place: Span, out: &mut Parse) -> Option<u64> {
    if dims.contains(&0) {
        let rule = "gguf: a dimension of 0 (gguf.md, gguf_tensor_info_t)";
        out.finding(Finding::new(code::MALFORMED, place, rule).case("lenient").key(rule));
    }
    let negative = dims.iter().any(|d| *d > LARGEST);
    let size = types::of(kind).map(|t| t.size(dims));
    if negative || size == Some(Err(NoSize::Overflow)) {
        let rule = "gguf: the size of a tensor's dimensions overflows (CVE-2025-53630, gguf.cpp)";
        out.finding(Finding::new(code::MALFORMED, place, rule).case("crash").key(rule));
        return None;
    }
    match size {
        Some(Ok(size)) => Some(size),
        Some(Err(_)) => {
            out.malformed(
                place,
                "gguf: a row is not a whole number of the type's blocks (gguf.cpp)",
            );
            None
        }
        None => {
            let rule = "gguf: an unknown tensor type (gguf.md, ggml_type)";
            out.finding(
                Finding::new(code::MALFORMED, place, rule)
                    .evidence("type", u64::from(kind))
                    .key(rule),
            );
            let message = format!("tensors of type {kind} were not examined");
            out.error(ScanError::new(ErrorCode::Unsupported, message).at(place.start()));
            None
        }
    }
}

/// Claims the tensors' bytes and the padding after each.
fn data(mut infos: Vec<Info>, data: Span, alignment: u64, big_endian: bool, out: &mut Parse) {
    let (mut missing, mut first_missing, mut needed) = (0u64, String::new(), 0u64);
    if !infos.is_sorted_by_key(|info| info.offset) {
        let rule = "gguf: tensor data is not in the order of the tensor infos (gguf.cpp)";
        out.finding(Finding::new(code::MALFORMED, data, rule).case("lenient").key(rule));
        infos.sort_by_key(|info| info.offset);
    }
    let mut reach = data.start();
    let mut infos = infos.into_iter().peekable();
    while let Some(info) = infos.next() {
        if info.offset.checked_rem(alignment) != Some(0) {
            out.malformed(
                info.place,
                "gguf: a tensor's offset is not a multiple of the alignment (gguf.md, gguf_tensor_info_t)",
            );
        }
        let start = data.start().checked_add(info.offset);
        let end = start.and_then(|start| start.checked_add(info.size.unwrap_or(0)));
        let (Some(start), Some(end)) = (start, end) else {
            let rule = "gguf: a tensor's offset overflows 64 bits (gguf.cpp)";
            out.finding(Finding::new(code::MALFORMED, info.place, rule).case("crash").key(rule));
            continue;
        };
        let next = infos
            .peek()
            .map(|next| data.start().saturating_add(next.offset).min(data.end()));
        let shown = name::printable(&info.name);
        if end > data.end() || start > data.end() {
            if missing == 0 {
                first_missing.clone_from(&shown);
            }
            missing = missing.saturating_add(1);
            needed = needed.max(end.saturating_sub(data.start()));
        }
        // Only a type that is not known leaves a tensor's end open; it reaches to the next one.
        let unknown = types::of(info.kind).is_none();
        let open = Span::new(start, next.unwrap_or(data.end()));
        let span = if unknown { open } else { Span::new(start, end) };
        out.region(Region {
            span,
            role: Role::Tensor,
            name: format!("tensor {shown}").into(),
            parent: None,
            leaf: true,
            fill: None,
            shares: Some("tensors"),
        });
        let mut shape = info.dims;
        shape.reverse();
        out.fact(Fact::Tensor {
            name: String::from_utf8_lossy(&info.name).into(),
            dtype: match types::of(info.kind) {
                None => format!("type {}", info.kind).into(),
                Some(known) if big_endian => format!(">{}", known.name).into(),
                Some(known) => known.name.into(),
            },
            shape,
            span: span.intersect(Span::new(0, data.end())),
        });
        let aligned = end.checked_next_multiple_of(alignment).unwrap_or(end);
        let pad = Span::new(end, aligned.min(next.unwrap_or(data.end())));
        let last = end >= reach;
        reach = reach.max(span.end());
        if !unknown && last && info.size.is_some() && !pad.is_empty() {
            out.padding(pad, Fill::Zero, format!("padding after {shown}"));
        }
    }
    if missing > 0 {
        let message = format!(
            "{missing} tensors, {first_missing} first, lie past the end: {needed} bytes of data needed, {} there",
            data.len()
        );
        let finding = Finding::new(code::TRUNCATED, data, message)
            .evidence("tensors", missing)
            .key("tensor data");
        out.finding(finding.evidence("needed", needed));
    }
}

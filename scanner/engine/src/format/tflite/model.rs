//! What a model's tables say: custom operators, tensors and their buffers, metadata.

use super::super::flat::Named;
use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::proto::{self, crowded, name_fact};
use crate::format::{Parse, ReadFault};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use crate::walk::flatbuffer::{Flat, Found, Source};
use std::collections::BTreeMap;

/// `BuiltinOperator.CUSTOM`, and the value from which on `builtin_code` counts.
const CUSTOM: u32 = 32;
const PLACEHOLDER: u8 = 127;
/// The most bytes of a name that are read.
const NAME: u64 = 4096;
/// A rank beyond this is none.
const RANK: u64 = 64;
/// `TensorType`: how it is spelt, and bits of an element (0 where a shape does not say how many bytes there are).
const TYPES: [(&str, u64); 20] = [
    ("FLOAT32", 32),
    ("FLOAT16", 16),
    ("INT32", 32),
    ("UINT8", 8),
    ("INT64", 64),
    ("STRING", 0),
    ("BOOL", 8),
    ("INT16", 16),
    ("COMPLEX64", 64),
    ("INT8", 8),
    ("FLOAT64", 64),
    ("COMPLEX128", 128),
    ("UINT64", 64),
    ("RESOURCE", 0),
    ("VARIANT", 0),
    ("UINT32", 32),
    ("UINT16", 16),
    ("INT4", 4),
    ("BFLOAT16", 16),
    ("INT2", 2),
];

/// Names of payloads inside the FlatBuffer, and the payloads behind it.
pub(super) type Payloads = (BTreeMap<Span, Named>, Vec<(Span, String)>);

/// A buffer: its data, and whether that lies behind the FlatBuffer.
#[derive(Clone, Copy)]
struct Buffer {
    data: Span,
    outside: bool,
}

/// Reads the model's tables and tells of operators and tensors.
pub(super) fn read<S: Source<Fault = ReadFault>>(source: S, out: &mut Parse) -> Result<Payloads, ReadFault> {
    let length = source.length();
    let mut flat = Flat::new(source);
    let mut names = BTreeMap::new();
    let mut outside = Vec::new();
    let Some(model) = flat.root()? else {
        return Ok((names, outside));
    };
    operators(&mut flat, &model, out)?;
    let buffers = buffers(&mut flat, &model, length, out)?;
    for graph in flat.references(&model, 2)? {
        let Some(graph) = flat.table(graph)? else { continue };
        for tensor in flat.references(&graph, 0)? {
            if let Some(tensor) = flat.table(tensor)? {
                self::tensor(&mut flat, &tensor, &buffers, &mut names, &mut outside, out)?;
            }
        }
        for operator in flat.references(&graph, 3)? {
            if let Some(operator) = flat.table(operator)?
                && let Some(options) = self::outside(&mut flat, &operator, 9, length, out)?
            {
                outside.push((options, "custom options".to_owned()));
            }
        }
    }
    for entry in flat.references(&model, 6)? {
        let Some(entry) = flat.table(entry)? else { continue };
        let (name, _) = flat.string(&entry, 0, NAME)?.unwrap_or((Vec::new(), Span::new(0, 0)));
        let index = number(&mut flat, &entry, 1)?;
        if let Some(buffer) = usize::try_from(index)
            .ok()
            .and_then(|at| buffers.get(at))
            .filter(|b| !b.outside)
        {
            let name = format!("metadata {}", printable(&name));
            let role = Role::Metadata;
            let child = true;
            names.entry(buffer.data).or_insert(Named { name, child, role });
        }
    }
    if flat.is_exhausted() {
        crowded(out);
    }
    outside.sort();
    outside.dedup_by_key(|(span, _)| *span);
    Ok((names, outside))
}

/// The `u32` in `slot`, 0 when absent.
fn number<S: Source>(flat: &mut Flat<S>, table: &Found, slot: usize) -> Result<u32, S::Fault> {
    match table.field(slot) {
        Some(at) => Ok(flat.u32(at)?.unwrap_or(0)),
        None => Ok(0),
    }
}

fn operators<S: Source>(flat: &mut Flat<S>, model: &Found, out: &mut Parse) -> Result<(), S::Fault> {
    for code in flat.references(model, 1)? {
        let Some(code) = flat.table(code)? else { continue };
        let small = match code.field(0) {
            Some(at) => flat.u8(at)?.unwrap_or(0),
            None => 0,
        };
        let large = number(flat, &code, 3)?;
        let builtin = if small < PLACEHOLDER {
            u32::from(small).max(large)
        } else {
            large
        };
        let Some((name, span)) = flat.string(&code, 1, NAME)?.filter(|_| builtin == CUSTOM) else {
            continue;
        };
        name_fact("operator", &name, span, out);
        let text = String::from_utf8_lossy(&name);
        proto::fact(
            Fact::Operator {
                framework: "tflite",
                domain: "custom".into(),
                name: text.as_ref().into(),
                node: "".into(),
                span,
            },
            out,
        );
        // TensorFlow's own operators, run by its Flex delegate.
        if let Some(flex) = text.strip_prefix("Flex") {
            proto::fact(
                Fact::Operator {
                    framework: "tensorflow",
                    domain: "flex".into(),
                    name: flex.into(),
                    node: "".into(),
                    span,
                },
                out,
            );
        }
    }
    Ok(())
}

fn buffers<S: Source>(
    flat: &mut Flat<S>,
    model: &Found,
    length: u64,
    out: &mut Parse,
) -> Result<Vec<Buffer>, S::Fault> {
    let mut buffers = Vec::new();
    for at in flat.references(model, 4)? {
        let Some(table) = flat.table(at)? else { continue };
        let behind = outside(flat, &table, 1, length, out)?;
        let inside = flat.vector(&table, 0, 1)?;
        buffers.push(match (behind, inside) {
            (Some(data), _) => Buffer { data, outside: true },
            (None, Some((size, start))) => Buffer {
                data: Span::saturating_at(start, size),
                outside: false,
            },
            (None, None) => Buffer {
                data: Span::new(at, at),
                outside: false,
            },
        });
    }
    Ok(buffers)
}

/// The payload behind the FlatBuffer that two `ulong` fields from `slot` on place.
fn outside<S: Source>(
    flat: &mut Flat<S>,
    table: &Found,
    slot: usize,
    length: u64,
    out: &mut Parse,
) -> Result<Option<Span>, S::Fault> {
    let Some(at) = table.field(slot) else { return Ok(None) };
    let offset = flat.u64(at)?.unwrap_or(0);
    let size = match table.field(slot.saturating_add(1)) {
        Some(at) => flat.u64(at)?.unwrap_or(0),
        None => 0,
    };
    // 0 and 1 mean that there is none.
    if offset <= 1 {
        return Ok(None);
    }
    let span = Span::at(offset, size).filter(|span| span.end() <= length);
    if span.is_none() {
        let rule = "tflite: a buffer outside of the FlatBuffer that runs past the end (schema.fbs, Buffer.offset)";
        let finding = Finding::new(code::MALFORMED, Span::saturating_at(at, 8), rule);
        out.finding(
            finding
                .case("crash")
                .evidence("offset", offset)
                .evidence("size", size)
                .key(rule),
        );
    }
    Ok(span)
}

fn tensor<S: Source>(
    flat: &mut Flat<S>,
    table: &Found,
    buffers: &[Buffer],
    names: &mut BTreeMap<Span, Named>,
    outside: &mut Vec<(Span, String)>,
    out: &mut Parse,
) -> Result<(), S::Fault> {
    let (raw, name_span) = flat.string(table, 3, NAME)?.unwrap_or((Vec::new(), Span::new(0, 0)));
    name_fact("tensor", &raw, name_span, out);
    let name = printable(&raw);
    let index = number(flat, table, 2)?;
    let place = Span::saturating_at(table.at, 4);
    let Some(buffer) = usize::try_from(index).ok().and_then(|at| buffers.get(at)) else {
        if index > 0 {
            let rule = format!("tflite: tensor {name}: there is no buffer {index} (schema.fbs, Tensor.buffer)");
            out.finding(Finding::new(code::MALFORMED, place, &*rule).case("crash").key(rule));
        }
        return Ok(());
    };
    if buffer.data.is_empty() {
        return Ok(());
    }
    let kind = match table.field(1) {
        Some(at) => flat.u8(at)?.unwrap_or(0),
        None => 0,
    };
    let known = TYPES.get(usize::from(kind)).copied();
    let (dtype, bits) = known.unwrap_or(("UNKNOWN", 0));
    let shape = shape(flat, table)?;
    let elements = crate::format::onnx::elements(&shape);
    let size = elements.and_then(|n| n.checked_mul(bits)).map(|bits| bits.div_ceil(8));
    // A sparse tensor stores fewer elements than its shape has.
    let dense = table.field(6).is_none();
    if elements.is_none() {
        let rule = format!("tflite: tensor {name}: a dimension is negative or their product overflows");
        out.finding(Finding::new(code::MALFORMED, place, &*rule).case("crash").key(rule));
    } else if let Some(size) = size.filter(|size| dense && bits > 0 && *size != buffer.data.len()) {
        let have = buffer.data.len();
        let rule = format!("tflite: tensor {name}: its buffer has {have} bytes, shape and type need {size}");
        let finding = Finding::new(code::MALFORMED, buffer.data, &*rule).key(rule);
        out.finding(if have < size { finding.case("crash") } else { finding });
    }
    proto::fact(
        Fact::Tensor {
            name: name.as_str().into(),
            dtype: dtype.into(),
            shape,
            span: buffer.data,
        },
        out,
    );
    let name = format!("tensor {name}");
    if buffer.outside {
        outside.push((buffer.data, name));
    } else {
        let (child, role) = (false, Role::Tensor);
        names.entry(buffer.data).or_insert(Named { name, child, role });
    }
    Ok(())
}

fn shape<S: Source>(flat: &mut Flat<S>, table: &Found) -> Result<Vec<u64>, S::Fault> {
    let mut shape = Vec::new();
    let (count, start) = flat.vector(table, 0, 4)?.unwrap_or((0, 0));
    for at in (start..).step_by(4).take(usize::try_from(count.min(RANK)).unwrap_or(0)) {
        // A negative dimension stays one: sign-extended.
        let dim = flat.u32(at)?.unwrap_or(0);
        let dim = i64::from(i32::from_le_bytes(dim.to_le_bytes()));
        shape.push(u64::from_le_bytes(dim.to_le_bytes()));
    }
    Ok(shape)
}

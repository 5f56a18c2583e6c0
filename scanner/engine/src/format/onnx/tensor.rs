//! Tensors: declared size against the bytes that are there, and data that lies outside of the file.

use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::{Parse, proto};
use crate::name::printable;
use crate::span::Span;

/// What the bytes of an element take, in bits, and how the format spells its type; by `TensorProto.DataType`.
const TYPES: [(&str, u64); 27] = [
    ("UNDEFINED", 0),
    ("FLOAT", 32),
    ("UINT8", 8),
    ("INT8", 8),
    ("UINT16", 16),
    ("INT16", 16),
    ("INT32", 32),
    ("INT64", 64),
    ("STRING", 0),
    ("BOOL", 8),
    ("FLOAT16", 16),
    ("DOUBLE", 64),
    ("UINT32", 32),
    ("UINT64", 64),
    ("COMPLEX64", 64),
    ("COMPLEX128", 128),
    ("BFLOAT16", 16),
    ("FLOAT8E4M3FN", 8),
    ("FLOAT8E4M3FNUZ", 8),
    ("FLOAT8E5M2", 8),
    ("FLOAT8E5M2FNUZ", 8),
    ("UINT4", 4),
    ("INT4", 4),
    ("FLOAT4E2M1", 4),
    ("FLOAT8E8M0", 8),
    ("UINT2", 2),
    ("INT2", 2),
];
/// `TensorProto.DataLocation.EXTERNAL`.
const EXTERNAL: u64 = 1;
/// Where ONNX Runtime marks data that lies in its own memory.
const IN_MEMORY: &[&[u8]] = &[b"*/_ORT_MEM_ADDR_/*", b"_ORT_MEM_ADDR_"];

/// A tensor that is being read.
#[derive(Default)]
pub(super) struct Tensor {
    pub(super) name: String,
    pub(super) dims: Vec<u64>,
    pub(super) data_type: u64,
    pub(super) location: u64,
    /// `raw_data`.
    pub(super) raw: Option<Span>,
    /// Packed elements of one of the typed fields: its name, where.
    pub(super) typed: Option<(&'static str, Span)>,
    /// `external_data`: key, value, where.
    pub(super) external: Vec<(Vec<u8>, Vec<u8>, Span)>,
}

/// The number of elements: `None` when a dimension is negative to a signed reader or the product overflows.
pub(in crate::format) fn elements(dims: &[u64]) -> Option<u64> {
    let signed = dims.iter().all(|dim| i64::try_from(*dim).is_ok());
    let product = dims.iter().try_fold(1u64, |n, dim| n.checked_mul(*dim));
    product.filter(|n| signed && i64::try_from(*n).is_ok())
}

impl Tensor {
    fn dtype(&self) -> Option<(&'static str, u64)> {
        usize::try_from(self.data_type)
            .ok()
            .and_then(|at| TYPES.get(at))
            .copied()
    }

    /// Judges the tensor, whose message is `whole`, and tells of it.
    pub(super) fn close(&mut self, whole: Span, out: &mut Parse) {
        let shown = printable(self.name.as_bytes());
        let crash = |rule: String, span: Span, out: &mut Parse| {
            let finding = Finding::new(code::MALFORMED, span, format!("onnx: tensor {shown}: {rule}"));
            out.finding(finding.case("crash").key(format!("{shown}: {rule}")));
        };
        let (dtype, bits) = self.dtype().unwrap_or(("UNDEFINED", 0));
        if self.dtype().is_none() {
            let rule = format!("onnx: data_type {} is none (TensorProto.DataType)", self.data_type);
            out.malformed(whole, &rule);
        }
        let count = elements(&self.dims);
        if count.is_none() {
            crash(
                "the product of its dimensions overflows (TensorProto.dims)".into(),
                whole,
                out,
            );
        }
        let stored = self.raw.or(self.typed.map(|(_, span)| span));
        let size = count.and_then(|n| n.checked_mul(bits)).map(|bits| bits.div_ceil(8));
        let outside = self.location == EXTERNAL || !self.external.is_empty();
        if let (Some(raw), Some(size), false) = (self.raw, size, outside)
            && bits > 0
            && raw.len() != size
        {
            let rule = format!("raw_data has {} bytes, dimensions and type need {size}", raw.len());
            if raw.len() < size {
                crash(rule, raw, out);
            } else {
                out.malformed(raw, &format!("onnx: tensor {shown}: {rule}"));
            }
        }
        if let Some((field, span)) = self.typed
            && let Some(width) = fixed_width(field)
            && let Some(count) = count
        {
            // A complex element is two of its field's.
            let needs = count
                .saturating_mul(width)
                .saturating_mul(if dtype.starts_with("COMPLEX") { 2 } else { 1 });
            if span.len() != needs {
                crash(
                    format!("{field} has {} bytes, its dimensions need {needs}", span.len()),
                    span,
                    out,
                );
            }
        }
        if outside {
            self.external(whole, &shown, size, out);
        }
        proto::fact(
            Fact::Tensor {
                name: shown.as_str().into(),
                dtype: dtype.into(),
                shape: std::mem::take(&mut self.dims),
                span: stored.unwrap_or(Span::new(whole.start(), whole.start())),
            },
            out,
        );
    }

    /// `external_data`: a file beside the model, an offset and a length in it.
    fn external(&self, whole: Span, shown: &str, size: Option<u64>, out: &mut Parse) {
        let broken = |span: Span, rule: &str, out: &mut Parse| {
            out.malformed(
                span,
                &format!("onnx: external data of tensor {shown}: {rule} (onnx/docs/ExternalData.md)"),
            );
        };
        let (mut location, mut offset, mut length) = (false, None, None);
        for (at, (key, value, span)) in self.external.iter().enumerate() {
            let before = self.external.get(..at).unwrap_or_default();
            if before.iter().any(|(other, ..)| other == key) {
                let text = format!("external data of tensor {shown} has the key {} twice", printable(key));
                let finding = Finding::new(code::DUPLICATE_KEY, *span, text).key(format!("{shown} {}", printable(key)));
                out.finding(finding);
            }
            let number = || {
                std::str::from_utf8(value)
                    .ok()
                    .and_then(|text| text.parse::<u64>().ok())
            };
            match key.as_slice() {
                b"location" => {
                    location = true;
                    if IN_MEMORY.iter().any(|mark| memchr::memmem::find(value, mark).is_some()) {
                        let rule = "onnx: external data that names an address in the loader's memory (ONNX Runtime)";
                        out.finding(Finding::new(code::MALFORMED, *span, rule).case("crash").key(rule));
                        continue;
                    }
                    if value.is_empty() {
                        broken(*span, "the location is empty", out);
                    }
                    proto::fact(
                        Fact::Reference {
                            what: "external data",
                            path: value.as_slice().into(),
                            span: *span,
                            advisories: "CVE-2022-25882, CVE-2024-27318",
                        },
                        out,
                    );
                }
                b"offset" | b"length" => match number() {
                    Some(n) if key == b"offset" => offset = Some((n, *span)),
                    Some(n) => length = Some((n, *span)),
                    None => broken(*span, "offset and length are decimal numbers", out),
                },
                b"checksum" => {}
                // What ONNX Runtime writes for prepacked weights.
                key if key.starts_with(b"prepacked") => {}
                _ => broken(
                    *span,
                    &format!("the key {} is none of the specification's", printable(key)),
                    out,
                ),
            }
        }
        if !location {
            broken(whole, "there is no location", out);
        }
        if let (Some((n, span)), Some(size)) = (length, size.filter(|n| *n > 0))
            && n != size
        {
            broken(
                span,
                &format!("the length is {n}, dimensions and type need {size}"),
                out,
            );
        }
        if let Some((n, span)) = offset
            && n.checked_add(length.map_or(0, |(n, _)| n))
                .is_none_or(|end| i64::try_from(end).is_err())
        {
            broken(span, "offset and length overflow", out);
        }
        if self.raw.is_some() || self.typed.is_some() {
            broken(whole, "the tensor also holds data of its own", out);
        }
    }
}

/// The bytes of a packed element.
fn fixed_width(field: &str) -> Option<u64> {
    match field {
        "float_data" => Some(4),
        "double_data" => Some(8),
        _ => None,
    }
}

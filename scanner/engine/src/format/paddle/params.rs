//! Parameters of a PaddlePaddle program, one tensor behind the other without names (`lod_tensor.cc`, `tensor_util.cc`).
//!
//! | size | field of each tensor |
//! | --- | --- |
//! | 4 | version of the LoD tensor, 0 |
//! | 8 | number of LoD levels; for each 8 bytes of size, then that many |
//! | 4 | version of the tensor, 0 |
//! | 4 | size of its description |
//! | .. | description: a protobuf message, 1 the type, 2 the dimensions |
//! | .. | elements |

use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::onnx::elements;
use crate::format::proto::{self, FACTS, crowded};
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use crate::walk::protobuf::{Event, Memory, Walker, Wire, packed};

/// The longest description: 64 dimensions of ten bytes each, and the type.
const LONGEST: u32 = 1024;
/// More levels than any sequence has.
const LEVELS: u64 = 16;

/// A file of parameters.
pub(in crate::format) struct Params;

struct Description {
    dtype: &'static str,
    width: u64,
    shape: Vec<u64>,
}

impl Format for Params {
    fn id(&self) -> &'static str {
        "paddle-params"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        // The first tensor has no LoD levels: no parameter has any.
        let rest = probe.head.strip_prefix(&[0; 16])?;
        let (size, rest) = rest.split_first_chunk::<4>()?;
        let size = u32::from_le_bytes(*size);
        let bytes = rest.get(..usize::try_from(size).ok().filter(|_| (2..=LONGEST).contains(&size))?)?;
        let described = description(bytes)?;
        let length = elements(&described.shape)?.checked_mul(described.width)?;
        let end = length.checked_add(u64::from(size))?.checked_add(20)?;
        (end <= probe.length).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let mut cursor = Cursor::new(input, input.whole());
        let mut number = 0u64;
        while cursor.remaining() > 0 {
            if out.facts().len() >= FACTS {
                out.cut_short = true;
                return crowded(out);
            }
            match tensor(&mut cursor, number, out) {
                Ok(true) => number = number.saturating_add(1),
                Ok(false) => return,
                Err(fault) => return out.fault(&fault, "the parameters"),
            }
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pdiparams", "pdparams", "bin"]
    }
}

/// Reads one tensor; whether the next can be found.
fn tensor(cursor: &mut Cursor<'_, '_>, number: u64, out: &mut Parse) -> Result<bool, ReadFault> {
    let start = cursor.position();
    let broken = |cursor: &Cursor<'_, '_>, rule: &str, out: &mut Parse| {
        let rule = format!("paddle: {rule} (lod_tensor.cc)");
        out.malformed(Span::new(start, cursor.position()), &rule);
        Ok(false)
    };
    let version = cursor.u32_le()?;
    let levels = cursor.u64_le()?;
    if version != 0 || levels > LEVELS {
        return broken(cursor, "a tensor's version is not 0, or it has too many levels", out);
    }
    for _ in 0..levels {
        let size = cursor.u64_le()?;
        cursor.skip(size)?;
    }
    let version = cursor.u32_le()?;
    let size = cursor.u32_le()?;
    if version != 0 || size > LONGEST {
        return broken(
            cursor,
            "a tensor's version is not 0, or its description is too long",
            out,
        );
    }
    let Some(described) = description(&cursor.bytes(u64::from(size))?) else {
        return broken(cursor, "a tensor's description has no type of fixed size", out);
    };
    let length = elements(&described.shape).and_then(|n| n.checked_mul(described.width));
    let Some(length) = length else {
        let rule = "paddle: the product of a tensor's dimensions overflows (tensor_util.cc)";
        let span = Span::new(start, cursor.position());
        out.finding(Finding::new(code::MALFORMED, span, rule).case("crash").key(rule));
        return Ok(false);
    };
    out.leaf(
        Span::new(start, cursor.position()),
        Role::Header,
        format!("tensor {number}"),
    );
    let span = cursor.skip(length)?;
    out.leaf(span, Role::Tensor, format!("elements of tensor {number}"));
    proto::fact(
        Fact::Tensor {
            name: format!("{number}").into(),
            dtype: described.dtype.into(),
            shape: described.shape,
            span,
        },
        out,
    );
    Ok(true)
}

/// `VarType.TensorDesc`.
fn description(bytes: &[u8]) -> Option<Description> {
    const RANK: usize = 64;
    let whole = Span::new(0, u64::try_from(bytes.len()).ok()?);
    let mut walker = Walker::new(Memory { bytes, base: 0 }, whole, 1);
    let (mut kind, mut shape) = (None, Vec::new());
    while let Some(event) = walker.step().ok()? {
        let Event::Field(field) = event else { continue };
        match (field.number, field.wire) {
            (1, Wire::Varint(n)) => kind = Some(n),
            (2, Wire::Varint(n)) => shape.push(n),
            (2, Wire::Bytes(span)) => {
                let range = usize::try_from(span.start()).ok()?..usize::try_from(span.end()).ok()?;
                shape.extend(packed(bytes.get(range)?));
            }
            _ => return None,
        }
    }
    let (dtype, width) = match kind? {
        0 => ("BOOL", 1),
        1 => ("INT16", 2),
        2 => ("INT32", 4),
        3 => ("INT64", 8),
        4 => ("FP16", 2),
        5 => ("FP32", 4),
        6 => ("FP64", 8),
        20 => ("UINT8", 1),
        21 => ("INT8", 1),
        22 => ("BF16", 2),
        23 => ("COMPLEX64", 8),
        24 => ("COMPLEX128", 16),
        32 => ("FP8_E4M3FN", 1),
        33 => ("FP8_E5M2", 1),
        _ => return None,
    };
    (shape.len() <= RANK).then_some(Description { dtype, width, shape })
}

//! How formats spell element types.

use super::dtype::{Dtype, Layout};
use super::quant::QuantKind;

/// Reads a spelling.
pub(super) fn parse(spelling: &str) -> Option<Layout> {
    let (order, rest) = match spelling.strip_prefix(['<', '>', '|', '=']) {
        Some(rest) => (spelling.chars().next(), rest),
        None => (None, spelling),
    };
    let big_endian = order == Some('>');
    // NumPy counts bytes behind a lower-case letter: `f8` is of 64 bits where safetensors' `F8_E4M3` is of 8.
    if let Some(dtype) = numpy(rest) {
        return Some(Layout { dtype, big_endian });
    }
    if order.is_some() {
        return None;
    }
    let dtype = QuantKind::parse(rest).map(Dtype::Quant).or_else(|| named(rest))?;
    Some(Layout { dtype, big_endian })
}

/// A NumPy type string without its byte order: kind and bytes.
fn numpy(text: &str) -> Option<Dtype> {
    Some(match text {
        "f2" => Dtype::F16,
        "f4" => Dtype::F32,
        "f8" => Dtype::F64,
        "i1" => Dtype::I8,
        "i2" => Dtype::I16,
        "i4" => Dtype::I32,
        "i8" => Dtype::I64,
        "u1" => Dtype::U8,
        "u2" => Dtype::U16,
        "u4" => Dtype::U32,
        "u8" => Dtype::U64,
        "b1" | "?" => Dtype::Bool,
        "c8" => Dtype::C64,
        "c16" => Dtype::C128,
        _ => return None,
    })
}

/// A name, compared without case, underscores and the affixes of torch and TensorFlow.
fn named(text: &str) -> Option<Dtype> {
    // Longer than any; the rest would not be looked at.
    if text.len() > 40 {
        return None;
    }
    let text = text.strip_prefix("torch.").unwrap_or(text);
    let text = text.strip_prefix("numpy.").unwrap_or(text);
    let text = text.strip_prefix("DT_").unwrap_or(text);
    let text = text
        .strip_suffix("Storage")
        .or_else(|| text.strip_suffix("Tensor"))
        .unwrap_or(text);
    let key: String = text
        .chars()
        .filter(|c| *c != '_')
        .collect::<String>()
        .to_ascii_lowercase();
    SPELLINGS
        .iter()
        .find(|(_, spellings)| spellings.contains(&key.as_str()))
        .map(|(dtype, _)| *dtype)
}

const SPELLINGS: [(Dtype, &[&str]); 25] = [
    (Dtype::F64, &["f64", "float64", "double", "fp64"]),
    (Dtype::F32, &["f32", "float32", "float", "fp32", "single"]),
    (Dtype::F16, &["f16", "float16", "half", "fp16"]),
    (Dtype::Bf16, &["bf16", "bfloat16"]),
    (
        Dtype::F8E4M3,
        &[
            "f8e4m3",
            "float8e4m3fn",
            "float8e4m3",
            "f8e4m3fn",
            "fp8e4m3fn",
            "fp8e4m3",
        ],
    ),
    (Dtype::F8E5M2, &["f8e5m2", "float8e5m2", "fp8e5m2"]),
    (Dtype::F8E4M3Fnuz, &["f8e4m3fnuz", "float8e4m3fnuz", "fp8e4m3fnuz"]),
    (Dtype::F8E5M2Fnuz, &["f8e5m2fnuz", "float8e5m2fnuz", "fp8e5m2fnuz"]),
    (Dtype::F8E8M0, &["f8e8m0", "float8e8m0fnu", "float8e8m0", "f8e8m0fnu"]),
    (Dtype::F6E2M3, &["f6e2m3", "float6e2m3fn", "float6e2m3", "f6e2m3fn"]),
    (Dtype::F6E3M2, &["f6e3m2", "float6e3m2fn", "float6e3m2", "f6e3m2fn"]),
    (
        Dtype::F4,
        &[
            "f4",
            "f4e2m1",
            "float4e2m1",
            "float4e2m1fn",
            "float4e2m1fnx2",
            "f4e2m1fn",
        ],
    ),
    (Dtype::I64, &["i64", "int64", "long"]),
    (Dtype::I32, &["i32", "int32", "int", "qint32"]),
    (Dtype::I16, &["i16", "int16", "short", "qint16"]),
    (Dtype::I8, &["i8", "int8", "char", "qint8"]),
    (Dtype::I4, &["i4", "int4"]),
    (Dtype::U64, &["u64", "uint64"]),
    (Dtype::U32, &["u32", "uint32"]),
    (Dtype::U16, &["u16", "uint16", "quint16"]),
    (Dtype::U8, &["u8", "uint8", "byte", "quint8"]),
    (Dtype::U4, &["u4", "uint4", "quint4x2"]),
    (Dtype::Bool, &["bool", "boolean"]),
    (Dtype::C64, &["c64", "complex64", "cfloat", "complexfloat"]),
    (Dtype::C128, &["c128", "complex128", "cdouble", "complexdouble"]),
];

//! Element types of tensors as a comparison needs them: sizes, and bytes to 32-bit floats.
//!
//! Spellings are those of the formats' facts: safetensors (`BF16`), GGUF (`Q4_K`), torch (`HalfStorage`), NumPy (`<f4`),
//! ONNX (`FLOAT16`). What is not listed is compared byte by byte.

use super::quant;

/// An element type.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Element {
    F64,
    F32,
    F16,
    Bf16,
    F8E4M3,
    F8E5M2,
    I64,
    I32,
    I16,
    I8,
    U64,
    U32,
    U16,
    U8,
    Bool,
    Quant(quant::Kind),
}

impl Element {
    /// The type with this spelling, little-endian; `None` for anything else.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if text.len() > 40 || text.starts_with('>') {
            return None;
        }
        // NumPy counts bytes: `f8` has 64 bits, safetensors' `F8_E4M3` has 8.
        match text.trim_start_matches(['<', '|', '=']) {
            "f2" => return Some(Self::F16),
            "f4" => return Some(Self::F32),
            "f8" => return Some(Self::F64),
            "i1" => return Some(Self::I8),
            "i2" => return Some(Self::I16),
            "i4" => return Some(Self::I32),
            "i8" => return Some(Self::I64),
            "u1" => return Some(Self::U8),
            "u2" => return Some(Self::U16),
            "u4" => return Some(Self::U32),
            "u8" => return Some(Self::U64),
            "b1" => return Some(Self::Bool),
            _ => {}
        }
        if let Some(kind) = quant::Kind::parse(text) {
            return Some(Self::Quant(kind));
        }
        let key = text.strip_prefix("torch.").unwrap_or(text);
        let key = key.strip_prefix("DT_").unwrap_or(key).trim_end_matches("Storage");
        let key: String = key
            .chars()
            .filter(|c| *c != '_')
            .collect::<String>()
            .to_ascii_lowercase();
        Some(match key.as_str() {
            "f64" | "float64" | "double" => Self::F64,
            "f32" | "float32" | "float" => Self::F32,
            "f16" | "float16" | "half" => Self::F16,
            "bf16" | "bfloat16" => Self::Bf16,
            "f8e4m3" | "f8e4m3fn" | "float8e4m3fn" => Self::F8E4M3,
            "f8e5m2" | "float8e5m2" => Self::F8E5M2,
            "i64" | "int64" | "long" => Self::I64,
            "i32" | "int32" | "int" => Self::I32,
            "i16" | "int16" | "short" => Self::I16,
            "i8" | "int8" | "char" => Self::I8,
            "u64" | "uint64" => Self::U64,
            "u32" | "uint32" => Self::U32,
            "u16" | "uint16" => Self::U16,
            "u8" | "uint8" | "byte" => Self::U8,
            "bool" | "boolean" => Self::Bool,
            _ => return None,
        })
    }

    /// Elements and bytes of a block; one element but for GGUF's quantised types.
    pub(super) const fn block(self) -> (usize, usize) {
        match self {
            Self::F64 | Self::I64 | Self::U64 => (1, 8),
            Self::F32 | Self::I32 | Self::U32 => (1, 4),
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => (1, 2),
            Self::F8E4M3 | Self::F8E5M2 | Self::I8 | Self::U8 | Self::Bool => (1, 1),
            Self::Quant(kind) => kind.block(),
        }
    }

    /// Bytes of so many elements; `None` when they are no whole number of blocks or do not fit 64 bits.
    pub(super) fn bytes(self, elements: u64) -> Option<u64> {
        let (per, bytes) = self.block();
        let (per, bytes) = (u64::try_from(per).ok()?, u64::try_from(bytes).ok()?);
        elements.is_multiple_of(per).then_some(())?;
        elements.checked_div(per)?.checked_mul(bytes)
    }

    /// Explicit mantissa bits of a floating-point type.
    pub(super) const fn mantissa(self) -> Option<u32> {
        match self {
            Self::F64 => Some(52),
            Self::F32 => Some(23),
            Self::F16 => Some(10),
            Self::Bf16 => Some(7),
            Self::F8E4M3 => Some(3),
            Self::F8E5M2 => Some(2),
            _ => None,
        }
    }

    /// The least positive value of a floating-point type.
    pub(super) fn tiny(self) -> f64 {
        match self {
            Self::F64 => f64::from_bits(1),
            Self::F32 => f64::from(f32::from_bits(1)),
            Self::Bf16 => f64::from(f32::from_bits(1 << 16)),
            Self::F16 => 2f64.powi(-24),
            Self::F8E4M3 => 2f64.powi(-9),
            Self::F8E5M2 => 2f64.powi(-16),
            _ => 0.0,
        }
    }

    /// The greatest finite magnitude of a floating-point type.
    pub(super) fn greatest(self) -> f64 {
        match self {
            Self::F64 => f64::MAX,
            Self::F32 | Self::Bf16 => f64::from(f32::MAX),
            Self::F16 => 65504.0,
            Self::F8E4M3 => 448.0,
            Self::F8E5M2 => 57344.0,
            _ => f64::INFINITY,
        }
    }

    /// How many of the lowest bits may differ for a change to be in the low bits only; 0 where there is no such thing.
    pub(super) const fn low_bits(self) -> u32 {
        match self {
            Self::F64 => 32,
            Self::F32 => 8,
            Self::F16 | Self::Bf16 => 4,
            Self::I8 | Self::U8 => 2,
            Self::F8E4M3 | Self::F8E5M2 => 1,
            // Wider integers are indices and counts: a small step is no hidden bit.
            Self::I64 | Self::I32 | Self::I16 | Self::U64 | Self::U32 | Self::U16 => 0,
            Self::Bool | Self::Quant(_) => 0,
        }
    }

    /// Whether 32-bit floats hold every value.
    pub(super) const fn is_wide(self) -> bool {
        matches!(self, Self::F64 | Self::I64 | Self::U64 | Self::I32 | Self::U32)
    }

    /// The relative error up to which a tensor of this type passes for a rounded copy; `None` for types that hold more.
    pub(super) const fn coarse(self) -> Option<f64> {
        match self {
            Self::F8E4M3 | Self::F8E5M2 => Some(0.08),
            Self::Quant(kind) => Some(kind.coarse()),
            _ => None,
        }
    }

    /// Decodes `bytes` into as many floats as fit both; the rest of `out` is left alone.
    pub(super) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        match self {
            Self::F32 => each(bytes, out, f32::from_le_bytes),
            Self::Bf16 => each(bytes, out, |b: [u8; 2]| {
                f32::from_bits(u32::from(u16::from_le_bytes(b)) << 16)
            }),
            Self::F16 => each(bytes, out, |b| half(u16::from_le_bytes(b))),
            Self::F8E4M3 => each(bytes, out, |[b]: [u8; 1]| e4m3(b)),
            Self::F8E5M2 => each(bytes, out, |[b]: [u8; 1]| half(u16::from(b) << 8)),
            Self::F64 => each(bytes, out, |b| f64::from_le_bytes(b) as f32),
            Self::I64 => each(bytes, out, |b| i64::from_le_bytes(b) as f32),
            Self::U64 => each(bytes, out, |b| u64::from_le_bytes(b) as f32),
            Self::I32 => each(bytes, out, |b| i32::from_le_bytes(b) as f32),
            Self::U32 => each(bytes, out, |b| u32::from_le_bytes(b) as f32),
            Self::I16 => each(bytes, out, |b| f32::from(i16::from_le_bytes(b))),
            Self::U16 => each(bytes, out, |b| f32::from(u16::from_le_bytes(b))),
            Self::I8 => each(bytes, out, |b| f32::from(i8::from_le_bytes(b))),
            Self::U8 | Self::Bool => each(bytes, out, |[b]: [u8; 1]| f32::from(b)),
            Self::Quant(kind) => kind.decode(bytes, out),
        }
    }

    /// Decodes to 64-bit floats: for types that 32 bits do not hold.
    pub(super) fn decode_wide(self, bytes: &[u8], out: &mut [f64]) {
        match self {
            Self::F64 => each(bytes, out, f64::from_le_bytes),
            Self::I64 => each(bytes, out, |b| i64::from_le_bytes(b) as f64),
            Self::U64 => each(bytes, out, |b| u64::from_le_bytes(b) as f64),
            Self::I32 => each(bytes, out, |b| f64::from(i32::from_le_bytes(b))),
            Self::U32 => each(bytes, out, |b| f64::from(u32::from_le_bytes(b))),
            _ => {
                let mut narrow = vec![0f32; out.len()];
                self.decode(bytes, &mut narrow);
                for (to, from) in out.iter_mut().zip(narrow) {
                    *to = f64::from(from);
                }
            }
        }
    }
}

fn each<const N: usize, T>(bytes: &[u8], out: &mut [T], value: impl Fn([u8; N]) -> T) {
    let (whole, _) = bytes.as_chunks::<N>();
    for (to, from) in out.iter_mut().zip(whole) {
        *to = value(*from);
    }
}

/// IEEE 754 binary16, without a branch: the exponent is moved by a multiplication, which also makes subnormals right.
pub(super) fn half(bits: u16) -> f32 {
    let sign = u32::from(bits & 0x8000) << 16;
    let rest = u32::from(bits & 0x7fff);
    let moved = f32::from_bits(rest << 13) * f32::from_bits(0x7780_0000);
    // Infinities and NaN keep their exponent full.
    let full = if rest >= 0x7c00 { 0x7f80_0000 } else { 0 };
    f32::from_bits(moved.to_bits() | full | sign)
}

/// OCP E4M3: no infinity, 0x7f and 0xff are NaN.
fn e4m3(bits: u8) -> f32 {
    let sign = u32::from(bits & 0x80) << 24;
    if bits & 0x7f == 0x7f {
        return f32::NAN;
    }
    let moved = f32::from_bits(u32::from(bits & 0x7f) << 20) * f32::from_bits(0x7b80_0000);
    f32::from_bits(moved.to_bits() | sign)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_floats_are_decoded() {
        for (bits, value) in [
            (0x0000, 0.0),
            (0x3c00, 1.0),
            (0xc000, -2.0),
            (0x7bff, 65504.0),
            (0x0001, 5.960_464_5e-8),
            (0x03ff, 6.097_555e-5),
            (0x0400, 6.103_515_6e-5),
            (0x3555, 0.333_251_95),
        ] {
            assert_eq!(half(bits), value, "{bits:#x}");
        }
        assert_eq!(half(0xfc00), f32::NEG_INFINITY);
        assert!(half(0x7e00).is_nan());
        assert_eq!(half(0x8000).to_bits(), 0x8000_0000);
        for (bits, value) in [
            (0x38, 1.0),
            (0x7e, 448.0),
            (0x01, 0.001_953_125),
            (0xb8, -1.0),
            (0x08, 0.015_625),
        ] {
            assert_eq!(e4m3(bits), value, "{bits:#x}");
        }
        assert!(e4m3(0x7f).is_nan() && e4m3(0xff).is_nan());
    }

    #[test]
    fn spellings_of_several_formats_are_known() {
        for (text, element) in [
            ("F32", Some(Element::F32)),
            ("BF16", Some(Element::Bf16)),
            ("<f8", Some(Element::F64)),
            ("F8_E4M3", Some(Element::F8E4M3)),
            ("HalfStorage", Some(Element::F16)),
            ("Half", Some(Element::F16)),
            ("torch.bfloat16", Some(Element::Bf16)),
            ("FLOAT16", Some(Element::F16)),
            ("Q4_K", Some(Element::Quant(quant::Kind::Q4K))),
            (">f4", None),
            ("IQ2_XXS", None),
            ("", None),
        ] {
            assert_eq!(Element::parse(text), element, "{text}");
        }
        assert_eq!(Element::F32.bytes(3), Some(12));
        assert_eq!(Element::F64.bytes(u64::MAX), None);
        assert_eq!(Element::parse("Q8_0").unwrap().bytes(33), None);
        assert_eq!(Element::parse("Q8_0").unwrap().bytes(64), Some(68));
    }
}

//! Element types and their sizes.

use super::quant::QuantKind;
use super::spelling;

/// The type of a tensor's elements.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// IEEE 754 binary64.
    F64,
    /// IEEE 754 binary32.
    F32,
    /// IEEE 754 binary16.
    F16,
    /// The upper half of binary32.
    Bf16,
    /// OCP E4M3: no infinity, one NaN of each sign.
    F8E4M3,
    /// OCP E5M2: as IEEE 754.
    F8E5M2,
    /// E4M3 with bias 8, no infinity and no negative zero: 0x80 is NaN.
    F8E4M3Fnuz,
    /// E5M2 with bias 16, no infinity and no negative zero: 0x80 is NaN.
    F8E5M2Fnuz,
    /// A power of two, 2^(x - 127); 0xff is NaN.
    F8E8M0,
    /// OCP E2M3, finite only, packed from the lowest bit on.
    F6E2M3,
    /// OCP E3M2, finite only, packed from the lowest bit on.
    F6E3M2,
    /// OCP E2M1, finite only, the first of two in the lower nibble.
    F4,
    /// Signed, 64 bits.
    I64,
    /// Signed, 32 bits.
    I32,
    /// Signed, 16 bits.
    I16,
    /// Signed, 8 bits.
    I8,
    /// Signed, 4 bits, the first of two in the lower nibble.
    I4,
    /// Unsigned, 64 bits.
    U64,
    /// Unsigned, 32 bits.
    U32,
    /// Unsigned, 16 bits.
    U16,
    /// Unsigned, 8 bits.
    U8,
    /// Unsigned, 4 bits, the first of two in the lower nibble.
    U4,
    /// A byte; its value is taken as it is.
    Bool,
    /// Two [`Dtype::F32`]: real, imaginary.
    C64,
    /// Two [`Dtype::F64`]: real, imaginary.
    C128,
    /// Blocks of GGUF.
    Quant(QuantKind),
}

/// An element type and its byte order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Layout {
    /// The element type.
    pub dtype: Dtype,
    /// Whether the most significant byte of an element comes first. Without meaning for GGUF blocks and for elements of a
    /// byte or less.
    pub big_endian: bool,
}

impl Layout {
    /// The layout that a format spells so, as [`Dtype::parse`]; only NumPy's `>` tells of another byte order.
    #[must_use]
    pub fn parse(spelling: &str) -> Option<Self> {
        spelling::parse(spelling)
    }
}

impl From<Dtype> for Layout {
    fn from(dtype: Dtype) -> Self {
        Self {
            dtype,
            big_endian: false,
        }
    }
}

impl Dtype {
    /// Every type that is not of GGUF blocks.
    pub const PLAIN: [Self; 25] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::F8E4M3,
        Self::F8E5M2,
        Self::F8E4M3Fnuz,
        Self::F8E5M2Fnuz,
        Self::F8E8M0,
        Self::F6E2M3,
        Self::F6E3M2,
        Self::F4,
        Self::I64,
        Self::I32,
        Self::I16,
        Self::I8,
        Self::I4,
        Self::U64,
        Self::U32,
        Self::U16,
        Self::U8,
        Self::U4,
        Self::Bool,
        Self::C64,
        Self::C128,
    ];

    /// The type that a format spells so: safetensors (`F8_E4M3`), GGUF (`Q4_K`), torch (`HalfStorage`, `torch.float32`),
    /// NumPy (`<f4`, `float16`), ONNX (`FLOAT16`), TensorFlow (`DT_HALF`), TFLite, HDF5, Paddle, MXNet.
    #[must_use]
    pub fn parse(spelling: &str) -> Option<Self> {
        spelling::parse(spelling).map(|layout| layout.dtype)
    }

    /// The size in bytes of so many elements; packed types end with a whole byte, GGUF types with a whole block. `None`
    /// when 64 bits cannot hold it.
    #[must_use]
    pub fn bytes_for(&self, elements: u64) -> Option<u64> {
        if let Self::Quant(kind) = self {
            return elements.div_ceil(kind.block_elements()).checked_mul(kind.block_bytes());
        }
        let bits = self.bits();
        if bits.is_multiple_of(8) {
            return elements.checked_mul(bits.div_ceil(8));
        }
        // Eight elements fill `bits` bytes.
        let (whole, rest) = (elements.div_euclid(8), elements.rem_euclid(8));
        whole
            .checked_mul(bits)?
            .checked_add(rest.saturating_mul(bits).div_ceil(8))
    }

    /// The name, as safetensors and GGUF spell it where they have the type.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F8E4M3 => "F8_E4M3",
            Self::F8E5M2 => "F8_E5M2",
            Self::F8E4M3Fnuz => "F8_E4M3FNUZ",
            Self::F8E5M2Fnuz => "F8_E5M2FNUZ",
            Self::F8E8M0 => "F8_E8M0",
            Self::F6E2M3 => "F6_E2M3",
            Self::F6E3M2 => "F6_E3M2",
            Self::F4 => "F4",
            Self::I64 => "I64",
            Self::I32 => "I32",
            Self::I16 => "I16",
            Self::I8 => "I8",
            Self::I4 => "I4",
            Self::U64 => "U64",
            Self::U32 => "U32",
            Self::U16 => "U16",
            Self::U8 => "U8",
            Self::U4 => "U4",
            Self::Bool => "BOOL",
            Self::C64 => "C64",
            Self::C128 => "C128",
            Self::Quant(kind) => kind.name(),
        }
    }

    /// Whether elements are floating-point numbers, complex ones included; GGUF blocks are not.
    #[must_use]
    pub fn is_float(&self) -> bool {
        matches!(
            self,
            Self::F64
                | Self::F32
                | Self::F16
                | Self::Bf16
                | Self::F8E4M3
                | Self::F8E5M2
                | Self::F8E4M3Fnuz
                | Self::F8E5M2Fnuz
                | Self::F8E8M0
                | Self::F6E2M3
                | Self::F6E3M2
                | Self::F4
                | Self::C64
                | Self::C128
        )
    }

    /// Bits of an element; of a block's byte for GGUF types.
    fn bits(&self) -> u64 {
        match self {
            Self::C128 => 128,
            Self::F64 | Self::I64 | Self::U64 | Self::C64 => 64,
            Self::F32 | Self::I32 | Self::U32 => 32,
            Self::F16 | Self::Bf16 | Self::I16 | Self::U16 => 16,
            Self::F6E2M3 | Self::F6E3M2 => 6,
            Self::F4 | Self::I4 | Self::U4 => 4,
            _ => 8,
        }
    }
}

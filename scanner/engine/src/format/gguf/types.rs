//! The element types of GGUF tensors and the sizes of their blocks (`ggml.h`, `ggml-common.h`; numbers 4 and 5 were
//! never used in GGUF, 31 to 33 and 36 to 38 were withdrawn but are in published files).

/// One element type: number, name, elements in a block, bytes of a block.
pub(super) struct GgmlType {
    number: u32,
    /// The name in ggml, upper case.
    pub(super) name: &'static str,
    /// Elements in a block; a tensor's first dimension is a multiple of it.
    pub(super) block: u64,
    /// Bytes of a block.
    pub(super) bytes: u64,
}

const fn row(number: u32, name: &'static str, block: u64, bytes: u64) -> GgmlType {
    GgmlType {
        number,
        name,
        block,
        bytes,
    }
}

static TYPES: [GgmlType; 40] = [
    row(0, "F32", 1, 4),
    row(1, "F16", 1, 2),
    row(2, "Q4_0", 32, 18),
    row(3, "Q4_1", 32, 20),
    row(6, "Q5_0", 32, 22),
    row(7, "Q5_1", 32, 24),
    row(8, "Q8_0", 32, 34),
    row(9, "Q8_1", 32, 36),
    row(10, "Q2_K", 256, 84),
    row(11, "Q3_K", 256, 110),
    row(12, "Q4_K", 256, 144),
    row(13, "Q5_K", 256, 176),
    row(14, "Q6_K", 256, 210),
    row(15, "Q8_K", 256, 292),
    row(16, "IQ2_XXS", 256, 66),
    row(17, "IQ2_XS", 256, 74),
    row(18, "IQ3_XXS", 256, 98),
    row(19, "IQ1_S", 256, 50),
    row(20, "IQ4_NL", 32, 18),
    row(21, "IQ3_S", 256, 110),
    row(22, "IQ2_S", 256, 82),
    row(23, "IQ4_XS", 256, 136),
    row(24, "I8", 1, 1),
    row(25, "I16", 1, 2),
    row(26, "I32", 1, 4),
    row(27, "I64", 1, 8),
    row(28, "F64", 1, 8),
    row(29, "IQ1_M", 256, 56),
    row(30, "BF16", 1, 2),
    row(31, "Q4_0_4_4", 32, 18),
    row(32, "Q4_0_4_8", 32, 18),
    row(33, "Q4_0_8_8", 32, 18),
    row(34, "TQ1_0", 256, 54),
    row(35, "TQ2_0", 256, 66),
    row(36, "IQ4_NL_4_4", 32, 18),
    row(37, "IQ4_NL_4_8", 32, 18),
    row(38, "IQ4_NL_8_8", 32, 18),
    row(39, "MXFP4", 32, 17),
    row(40, "NVFP4", 64, 36),
    row(41, "Q1_0", 128, 18),
];

/// The type with this number.
pub(super) fn of(number: u32) -> Option<&'static GgmlType> {
    TYPES.iter().find(|t| t.number == number)
}

/// Why a type and dimensions have no size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSize {
    /// The number of elements or bytes exceeds a signed 64-bit integer, as ggml counts them.
    Overflow,
    /// The first dimension is not a multiple of the type's block.
    Fraction,
}

impl GgmlType {
    /// The size in bytes of a tensor with these dimensions, the fastest first.
    pub(super) fn size(&self, dims: &[u64]) -> Result<u64, NoSize> {
        let most = u64::MAX.wrapping_shr(1);
        let elements = dims
            .iter()
            .try_fold(1u64, |n, d| n.checked_mul(*d))
            .filter(|n| *n < most);
        let elements = elements.ok_or(NoSize::Overflow)?;
        if dims
            .first()
            .is_some_and(|first| first.checked_rem(self.block) != Some(0))
        {
            return Err(NoSize::Fraction);
        }
        let blocks = elements.checked_div(self.block).ok_or(NoSize::Fraction)?;
        blocks
            .checked_mul(self.bytes)
            .filter(|n| *n < most)
            .ok_or(NoSize::Overflow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_unique_and_block_sizes_divide_rows() {
        assert!(TYPES.is_sorted_by(|a, b| a.number < b.number));
        let size = |number: u32, dims: &[u64]| of(number).unwrap().size(dims);
        assert_eq!(size(0, &[8, 3]), Ok(96));
        assert_eq!(size(2, &[32, 2]), Ok(36));
        assert_eq!(size(14, &[512]), Ok(420));
        assert_eq!(size(2, &[16, 2]), Err(NoSize::Fraction));
        assert_eq!(size(0, &[1 << 40, 1 << 40]), Err(NoSize::Overflow));
        assert_eq!(size(0, &[1 << 62]), Err(NoSize::Overflow));
        assert_eq!(size(0, &[]), Ok(4));
        assert!(of(4).is_none() && of(42).is_none() && of(u32::MAX).is_none());
    }
}

//! The element types of safetensors and their widths (crate `safetensors` 0.8, `tensor::Dtype`).

/// The name and the width in bits of one element of every type.
const DTYPES: [(&str, u64); 22] = [
    ("BOOL", 8),
    ("F4", 4),
    ("F6_E2M3", 6),
    ("F6_E3M2", 6),
    ("U8", 8),
    ("I8", 8),
    ("F8_E5M2", 8),
    ("F8_E4M3", 8),
    ("F8_E8M0", 8),
    ("F8_E4M3FNUZ", 8),
    ("F8_E5M2FNUZ", 8),
    ("I16", 16),
    ("U16", 16),
    ("F16", 16),
    ("BF16", 16),
    ("I32", 32),
    ("U32", 32),
    ("F32", 32),
    ("C64", 64),
    ("F64", 64),
    ("I64", 64),
    ("U64", 64),
];

/// Why a dtype and a shape have no size in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NoSize {
    /// The dtype is not in the table.
    Unknown,
    /// The number of elements or of bits exceeds 64 bits.
    Overflow,
    /// The elements end inside a byte.
    Fraction,
}

/// The size in bytes of a tensor.
pub(super) fn size(dtype: &str, shape: &[u64]) -> Result<u64, NoSize> {
    let width = DTYPES.iter().find(|(name, _)| *name == dtype).map(|(_, bits)| *bits);
    let width = width.ok_or(NoSize::Unknown)?;
    let elements = shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d));
    let bits = elements.and_then(|n| n.checked_mul(width)).ok_or(NoSize::Overflow)?;
    if bits & 7 == 0 {
        Ok(bits.wrapping_shr(3))
    } else {
        Err(NoSize::Fraction)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use safetensors::Dtype;

    #[test]
    fn widths_are_those_of_the_crate() {
        for (name, width) in DTYPES {
            let theirs: Dtype = serde_json::from_str(&format!("\"{name}\"")).unwrap();
            assert_eq!(u64::try_from(theirs.bitsize()), Ok(width), "{name}");
            assert_eq!(theirs.to_string(), name);
        }
    }

    #[test]
    fn a_size_is_whole_bytes_that_fit_in_64_bits() {
        assert_eq!(size("F32", &[2, 3]), Ok(24));
        assert_eq!(size("F32", &[]), Ok(4));
        assert_eq!(size("F4", &[3, 2]), Ok(3));
        assert_eq!(size("F4", &[3]), Err(NoSize::Fraction));
        assert_eq!(size("U8", &[1 << 32, 1 << 32]), Err(NoSize::Overflow));
        assert_eq!(size("F64", &[1 << 60]), Err(NoSize::Overflow));
        assert_eq!(size("f32", &[1]), Err(NoSize::Unknown));
    }
}

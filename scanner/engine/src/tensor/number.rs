//! Conversions of numbers without loss, or rounded once to the nearest.

/// 2^32.
const WORD: f64 = 4_294_967_296.0;

/// The nearest `f64`, ties to even.
pub(crate) fn from_u64(n: u64) -> f64 {
    let [a, b, c, d, e, f, g, h] = n.to_le_bytes();
    // Both summands are exact: the sum rounds once.
    f64::from(u32::from_le_bytes([e, f, g, h])) * WORD + f64::from(u32::from_le_bytes([a, b, c, d]))
}

/// The nearest `f64`, ties to even.
pub(super) fn from_i64(n: i64) -> f64 {
    let [a, b, c, d, e, f, g, h] = n.to_le_bytes();
    f64::from(i32::from_le_bytes([e, f, g, h])) * WORD + f64::from(u32::from_le_bytes([a, b, c, d]))
}

/// The value of an IEEE 754 binary16.
pub(super) fn from_f16(bits: u16) -> f32 {
    let magnitude = u32::from(bits & 0x7fff);
    let sign = u32::from(bits & 0x8000).wrapping_shl(16);
    if magnitude >= 0x7c00 {
        return f32::from_bits(sign | 0x7f80_0000 | (magnitude & 0x03ff).wrapping_shl(13));
    }
    // The bits in binary32's places are the value times 2^-112, for denormals too.
    let value = f32::from_bits(magnitude.wrapping_shl(13)) * f32::from_bits(0x7780_0000);
    f32::from_bits(value.to_bits() | sign)
}

/// The value of a bfloat16.
pub(super) fn from_bf16(bits: u16) -> f32 {
    f32::from_bits(u32::from(bits).wrapping_shl(16))
}

/// `value` times 2 to the power `by`; overflows to infinity, underflows to zero.
pub(super) fn scale(mut value: f64, mut by: i64) -> f64 {
    while by > 1000 {
        value *= power(1000);
        by = by.saturating_sub(1000);
        if value.is_infinite() {
            return value;
        }
    }
    while by < -1000 {
        value *= power(-1000);
        by = by.saturating_add(1000);
        if value == 0.0 {
            return value;
        }
    }
    value * power(by)
}

/// 2 to a power from -1000 to 1000.
pub(super) fn power(exponent: i64) -> f64 {
    let biased = exponent.clamp(-1000, 1000).saturating_add(1023);
    f64::from_bits(u64::try_from(biased).unwrap_or(0).wrapping_shl(52))
}

/// A finite number other than zero as sign, significand and the power of two of its lowest bit.
pub(super) fn parts(value: f64) -> (bool, u64, i64) {
    let bits = value.to_bits();
    let fraction = bits & 0x000f_ffff_ffff_ffff;
    let exponent = i64::from(u16::try_from(bits.wrapping_shr(52) & 0x7ff).unwrap_or(0));
    match exponent {
        0 => (value.is_sign_negative(), fraction, -1074),
        _ => (
            value.is_sign_negative(),
            fraction | 0x0010_0000_0000_0000,
            exponent.saturating_sub(1075),
        ),
    }
}

/// A finite number other than zero as one of magnitude from 1 to 2 and a power of two.
pub(super) fn normal(value: f64) -> (f64, i64) {
    const ONE: u64 = 1023 << 52;
    let (_, significand, low) = parts(value);
    let zeros = significand.leading_zeros();
    // The leading one moves to where it is not written.
    let fraction = significand.wrapping_shl(zeros.saturating_sub(11)) & 0x000f_ffff_ffff_ffff;
    let magnitude = f64::from_bits(fraction | ONE);
    (
        magnitude.copysign(value),
        low.saturating_add(63).saturating_sub(i64::from(zeros)),
    )
}

//! Single precision to narrower types: to the nearest, ties to even.

/// A binary floating-point type of 16 bits or fewer.
#[derive(Clone, Copy)]
pub(super) struct Narrow {
    /// Bits of the fraction.
    fraction: u32,
    /// The exponent of the least normal number.
    least: i32,
    /// The code of the greatest finite number.
    greatest: u32,
    /// What is beyond it: infinity, or the greatest where a conversion saturates.
    beyond: u32,
    /// The code of a NaN.
    nan: u32,
    /// The bit of the sign.
    sign: u32,
}

/// IEEE 754 binary16.
pub(super) const F16: Narrow = Narrow {
    fraction: 10,
    least: -14,
    greatest: 0x7bff,
    beyond: 0x7c00,
    nan: 0x7e00,
    sign: 0x8000,
};

/// The upper half of binary32.
pub(super) const BF16: Narrow = Narrow {
    fraction: 7,
    least: -126,
    greatest: 0x7f7f,
    beyond: 0x7f80,
    nan: 0x7fc0,
    sign: 0x8000,
};

/// OCP E4M3, saturating as quantisers do.
pub(super) const F8_E4M3: Narrow = Narrow {
    fraction: 3,
    least: -6,
    greatest: 0x7e,
    beyond: 0x7e,
    nan: 0x7f,
    sign: 0x80,
};

/// OCP E5M2, saturating as quantisers do.
pub(super) const F8_E5M2: Narrow = Narrow {
    fraction: 2,
    least: -14,
    greatest: 0x7b,
    beyond: 0x7b,
    nan: 0x7e,
    sign: 0x80,
};

impl Narrow {
    /// The code of the number nearest to `value`.
    pub(super) fn of(self, value: f32) -> u32 {
        let sign = if value.is_sign_negative() { self.sign } else { 0 };
        if value.is_nan() {
            return sign | self.nan;
        }
        let magnitude = f64::from(value.abs());
        if magnitude.is_infinite() {
            return sign | self.beyond;
        }
        // Every binary32 is a normal binary64: this is `floor(log2)`, far below for zero.
        let exponent = ((magnitude.to_bits() >> 52) as i32 - 1023).max(self.least);
        let steps = (magnitude / 2f64.powi(exponent - self.fraction as i32)).round_ties_even();
        // A sum that rounds up to the next power of two carries into the exponent by itself.
        let code = (((exponent - self.least) as u32) << self.fraction) + steps as u32;
        sign | if code > self.greatest { self.beyond } else { code }
    }
}

/// The number that a binary16 stands for, of those that scales of blocks have: finite ones.
pub(super) fn from_f16(code: u32) -> f32 {
    let (exponent, fraction) = ((code >> 10) & 0x1f, code & 0x3ff);
    let magnitude = match exponent {
        0 => f64::from(fraction) * 2f64.powi(-24),
        _ => f64::from(1024 + fraction) * 2f64.powi(exponent as i32 - 25),
    };
    let magnitude = magnitude as f32;
    if code & 0x8000 == 0 { magnitude } else { -magnitude }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_the_standards_tables_are_met() {
        for (value, expected) in [
            (0.0, 0x0000),
            (-0.0, 0x8000),
            (1.0, 0x3c00),
            (-2.0, 0xc000),
            (65504.0, 0x7bff),
            (65519.9, 0x7bff),
            (65520.0, 0x7c00),
            (6.103_515_6e-5, 0x0400),
            (5.960_464_5e-8, 0x0001),
            (2.980_232_2e-8, 0x0000),
            (1.0 + 1.0 / 2048.0, 0x3c00),
            (1.0 + 3.0 / 2048.0, 0x3c02),
            (2047.9, 0x6800),
        ] {
            assert_eq!(F16.of(value), expected, "{value}");
        }
        for (value, expected) in [
            (448.0, 0x7e),
            (1e9, 0x7e),
            (1.0, 0x38),
            (2f32.powi(-9), 0x01),
            (-1.125, 0xb9),
        ] {
            assert_eq!(F8_E4M3.of(value), expected, "{value}");
        }
        for (value, expected) in [(57344.0, 0x7b), (1e9, 0x7b), (1.0, 0x3c), (2f32.powi(-16), 0x01)] {
            assert_eq!(F8_E5M2.of(value), expected, "{value}");
        }
    }

    #[test]
    fn bfloat16_is_the_upper_half_rounded() {
        let mut state = 0x2545_f491u32;
        for _ in 0..100_000 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let value = f32::from_bits(state);
            if value.is_nan() || value.is_infinite() {
                continue;
            }
            let bits = value.to_bits();
            let rounded = bits.wrapping_add(0x7fff + ((bits >> 16) & 1)) >> 16;
            assert_eq!(BF16.of(value), rounded, "{value:e}");
        }
    }

    #[test]
    fn half_precision_comes_back() {
        for code in (0..0x7c00).chain(0x8000..0xfc00) {
            assert_eq!(F16.of(from_f16(code)), code);
        }
    }
}

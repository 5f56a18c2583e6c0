//! Blocks of GGUF's quantised types, as floats (`ggml-common.h`, `ggml-quants.c`: `dequantize_row_*`).
//!
//! | type | elements | bytes | layout |
//! | --- | --- | --- | --- |
//! | `Q4_0` | 32 | 18 | scale f16; 16 bytes, the first half of the elements in the lower nibbles; minus 8 |
//! | `Q4_1` | 32 | 20 | scale f16, minimum f16; nibbles |
//! | `Q5_0` | 32 | 22 | scale f16; fifth bits u32; nibbles; minus 16 |
//! | `Q5_1` | 32 | 24 | scale f16, minimum f16; fifth bits u32; nibbles |
//! | `Q8_0` | 32 | 34 | scale f16; 32 i8 |
//! | `Q2_K` | 256 | 84 | 16 scales and minima of 4 bits; 64 bytes of 2 bits; scale f16, minimum f16 |
//! | `Q3_K` | 256 | 110 | 32 bytes of third bits; 64 bytes of 2 bits; 12 bytes of 6-bit scales; scale f16 |
//! | `Q4_K` | 256 | 144 | scale f16, minimum f16; 12 bytes of 6-bit scales and minima; 128 bytes of nibbles |
//! | `Q5_K` | 256 | 176 | as `Q4_K` with 32 bytes of fifth bits before the nibbles |
//! | `Q6_K` | 256 | 210 | 128 bytes of low nibbles; 64 bytes of upper 2 bits; 16 i8 scales; scale f16; minus 32 |

use super::element::half;

/// A type of blocks that is decoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
}

impl Kind {
    /// The type that GGUF spells so.
    pub(super) fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "Q4_0" => Self::Q4_0,
            "Q4_1" => Self::Q4_1,
            "Q5_0" => Self::Q5_0,
            "Q5_1" => Self::Q5_1,
            "Q8_0" => Self::Q8_0,
            "Q2_K" => Self::Q2K,
            "Q3_K" => Self::Q3K,
            "Q4_K" => Self::Q4K,
            "Q5_K" => Self::Q5K,
            "Q6_K" => Self::Q6K,
            _ => return None,
        })
    }

    /// Elements and bytes of a block.
    pub(super) const fn block(self) -> (usize, usize) {
        match self {
            Self::Q4_0 => (32, 18),
            Self::Q4_1 => (32, 20),
            Self::Q5_0 => (32, 22),
            Self::Q5_1 => (32, 24),
            Self::Q8_0 => (32, 34),
            Self::Q2K => (256, 84),
            Self::Q3K => (256, 110),
            Self::Q4K => (256, 144),
            Self::Q5K => (256, 176),
            Self::Q6K => (256, 210),
        }
    }

    /// The relative error up to which a tensor passes for a quantised copy: about twice that of Gaussian weights.
    pub(super) const fn coarse(self) -> f64 {
        match self {
            Self::Q8_0 => 0.02,
            Self::Q6K => 0.05,
            Self::Q5_0 | Self::Q5_1 | Self::Q5K => 0.10,
            Self::Q4_0 | Self::Q4_1 | Self::Q4K => 0.20,
            Self::Q3K => 0.35,
            Self::Q2K => 0.60,
        }
    }

    /// Decodes whole blocks.
    pub(super) fn decode(self, bytes: &[u8], out: &mut [f32]) {
        let (elements, size) = self.block();
        for (block, to) in bytes.chunks_exact(size).zip(out.chunks_exact_mut(elements)) {
            // A block of another length cannot come from `chunks_exact`.
            let _ = match self {
                Self::Q4_0 => q4_0(block, to),
                Self::Q4_1 => q4_1(block, to),
                Self::Q5_0 => q5_0(block, to),
                Self::Q5_1 => q5_1(block, to),
                Self::Q8_0 => q8_0(block, to),
                Self::Q2K => q2_k(block, to),
                Self::Q3K => q3_k(block, to),
                Self::Q4K => q4_k(block, to),
                Self::Q5K => q5_k(block, to),
                Self::Q6K => q6_k(block, to),
            };
        }
    }
}

fn scale(bytes: &[u8]) -> Option<(f32, &[u8])> {
    let (head, rest) = bytes.split_first_chunk::<2>()?;
    Some((half(u16::from_le_bytes(*head)), rest))
}

fn low(byte: u8) -> f32 {
    f32::from(byte & 15)
}

fn high(byte: u8) -> f32 {
    f32::from(byte >> 4)
}

fn nibbles(quants: &[u8], to: &mut [f32], value: impl Fn(f32) -> f32) {
    let (first, second) = to.split_at_mut(to.len() / 2);
    for ((q, a), b) in quants.iter().zip(first).zip(second) {
        *a = value(low(*q));
        *b = value(high(*q));
    }
}

fn q4_0(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (d, quants) = scale(block)?;
    nibbles(quants, to, |q| d * (q - 8.0));
    Some(())
}

fn q4_1(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(block)?;
    let (m, quants) = scale(rest)?;
    nibbles(quants, to, |q| d * q + m);
    Some(())
}

fn fives(rest: &[u8], to: &mut [f32], value: impl Fn(f32) -> f32) -> Option<()> {
    let (fifth, quants) = rest.split_first_chunk::<4>()?;
    let fifth = u32::from_le_bytes(*fifth);
    nibbles(quants, to, |q| q);
    for (n, x) in (0u32..).zip(to.iter_mut()) {
        let more = if fifth.wrapping_shr(n) & 1 == 1 { 16.0 } else { 0.0 };
        *x = value(*x + more);
    }
    Some(())
}

fn q5_0(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(block)?;
    fives(rest, to, |q| d * (q - 16.0))
}

fn q5_1(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(block)?;
    let (m, rest) = scale(rest)?;
    fives(rest, to, |q| d * q + m)
}

fn q8_0(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (d, quants) = scale(block)?;
    for (x, q) in to.iter_mut().zip(quants) {
        *x = d * f32::from(q.cast_signed());
    }
    Some(())
}

/// Elements stand in halves of 128, each in four groups of 32 that take two bits of the same 32 bytes.
fn q2_k(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (scales, rest) = block.split_at_checked(16)?;
    let (quants, rest) = rest.split_at_checked(64)?;
    let (d, rest) = scale(rest)?;
    let (min, _) = scale(rest)?;
    let mut scales = scales.iter();
    for (quants, to) in quants.chunks_exact(32).zip(to.chunks_exact_mut(128)) {
        for (shift, to) in [0u32, 2, 4, 6].into_iter().zip(to.chunks_exact_mut(32)) {
            for (quants, to) in quants.chunks_exact(16).zip(to.chunks_exact_mut(16)) {
                let s = *scales.next()?;
                let (dl, ml) = (d * low(s), min * high(s));
                for (q, x) in quants.iter().zip(to) {
                    *x = dl * f32::from(q.wrapping_shr(shift) & 3) - ml;
                }
            }
        }
    }
    Some(())
}

fn q3_k(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (mask, rest) = block.split_at_checked(32)?;
    let (quants, rest) = rest.split_at_checked(64)?;
    let (packed, rest) = rest.split_first_chunk::<12>()?;
    let (d, _) = scale(rest)?;
    // Four low bits in the first eight bytes, lower nibbles first; two high bits in the last four.
    let mut scales = [0i16; 16];
    for (n, s) in scales.iter_mut().enumerate() {
        let byte = *packed.get(n % 8)?;
        let low = if n < 8 { byte & 15 } else { byte >> 4 };
        let high = packed
            .get(8 + n % 4)?
            .wrapping_shr(u32::try_from(n / 4).ok()?.wrapping_mul(2))
            & 3;
        *s = i16::from(low | (high << 4)) - 32;
    }
    let mut scales = scales.into_iter();
    let mut bit = 1u8;
    for (quants, to) in quants.chunks_exact(32).zip(to.chunks_exact_mut(128)) {
        for (shift, to) in [0u32, 2, 4, 6].into_iter().zip(to.chunks_exact_mut(32)) {
            for ((quants, mask), to) in quants
                .chunks_exact(16)
                .zip(mask.chunks_exact(16))
                .zip(to.chunks_exact_mut(16))
            {
                let dl = d * f32::from(scales.next()?);
                for ((q, m), x) in quants.iter().zip(mask).zip(to) {
                    let less = if m & bit == 0 { 4.0 } else { 0.0 };
                    *x = dl * (f32::from(q.wrapping_shr(shift) & 3) - less);
                }
            }
            bit = bit.wrapping_shl(1);
        }
    }
    Some(())
}

/// The 6-bit scale and minimum of group `j` of eight.
fn scale_min(j: usize, packed: &[u8]) -> Option<(f32, f32)> {
    let at = |n: usize| packed.get(n).copied();
    let (s, m) = if j < 4 {
        (at(j)? & 63, at(j + 4)? & 63)
    } else {
        (
            (at(j + 4)? & 15) | ((at(j - 4)? >> 6) << 4),
            (at(j + 4)? >> 4) | ((at(j)? >> 6) << 4),
        )
    };
    Some((f32::from(s), f32::from(m)))
}

fn q4_k(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(block)?;
    let (min, rest) = scale(rest)?;
    let (packed, quants) = rest.split_at_checked(12)?;
    for (n, (quants, to)) in quants.chunks_exact(32).zip(to.chunks_exact_mut(64)).enumerate() {
        let (s1, m1) = scale_min(n * 2, packed)?;
        let (s2, m2) = scale_min(n * 2 + 1, packed)?;
        let (first, second) = to.split_at_mut(32);
        for ((q, a), b) in quants.iter().zip(first).zip(second) {
            *a = d * s1 * low(*q) - min * m1;
            *b = d * s2 * high(*q) - min * m2;
        }
    }
    Some(())
}

fn q5_k(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (d, rest) = scale(block)?;
    let (min, rest) = scale(rest)?;
    let (packed, rest) = rest.split_at_checked(12)?;
    let (fifth, quants) = rest.split_at_checked(32)?;
    for (n, (quants, to)) in quants.chunks_exact(32).zip(to.chunks_exact_mut(64)).enumerate() {
        let (s1, m1) = scale_min(n * 2, packed)?;
        let (s2, m2) = scale_min(n * 2 + 1, packed)?;
        let shift = u32::try_from(n).ok()?.wrapping_mul(2);
        let (first, second) = to.split_at_mut(32);
        for (((q, h), a), b) in quants.iter().zip(fifth).zip(first).zip(second) {
            let h = h.wrapping_shr(shift);
            let one = if h & 1 == 0 { 0.0 } else { 16.0 };
            let two = if h & 2 == 0 { 0.0 } else { 16.0 };
            *a = d * s1 * (low(*q) + one) - min * m1;
            *b = d * s2 * (high(*q) + two) - min * m2;
        }
    }
    Some(())
}

fn q6_k(block: &[u8], to: &mut [f32]) -> Option<()> {
    let (lower, rest) = block.split_at_checked(128)?;
    let (upper, rest) = rest.split_at_checked(64)?;
    let (scales, rest) = rest.split_at_checked(16)?;
    let (d, _) = scale(rest)?;
    let halves = lower
        .chunks_exact(64)
        .zip(upper.chunks_exact(32))
        .zip(scales.chunks_exact(8));
    for (((lower, upper), scales), to) in halves.zip(to.chunks_exact_mut(128)) {
        for (group, to) in to.chunks_exact_mut(32).enumerate() {
            for (l, x) in to.iter_mut().enumerate() {
                let byte = *lower.get(l + 32 * (group % 2))?;
                let four = if group < 2 { byte & 15 } else { byte >> 4 };
                let two = upper.get(l)?.wrapping_shr(u32::try_from(group).ok()?.wrapping_mul(2)) & 3;
                let s = scales.get(group * 2 + l / 16)?.cast_signed();
                *x = d * f32::from(s) * (f32::from(four | (two << 4)) - 32.0);
            }
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONE: [u8; 2] = [0x00, 0x3c];
    const TWO: [u8; 2] = [0x00, 0x40];

    fn decode(kind: Kind, bytes: &[u8]) -> Vec<f32> {
        let (elements, size) = kind.block();
        assert_eq!(bytes.len(), size);
        let mut out = vec![f32::NAN; elements];
        kind.decode(bytes, &mut out);
        assert!(out.iter().all(|x| x.is_finite()), "{kind:?}");
        out
    }

    #[test]
    fn blocks_of_thirty_two() {
        let out = decode(Kind::Q8_0, &[&TWO[..], &[0x80, 0x7f], &[1; 30]].concat());
        assert_eq!(&out[..3], [-256.0, 254.0, 2.0]);
        let out = decode(Kind::Q4_0, &[&TWO[..], &[0xf0], &[0x88; 15]].concat());
        assert_eq!((out[0], out[16], out[1]), (-16.0, 14.0, 0.0));
        let out = decode(Kind::Q4_1, &[&TWO[..], &ONE, &[0xf0], &[0x88; 15]].concat());
        assert_eq!((out[0], out[16], out[1]), (1.0, 31.0, 17.0));
        let out = decode(Kind::Q5_0, &[&ONE[..], &[1, 0, 1, 0], &[0x21; 16]].concat());
        assert_eq!((out[0], out[1], out[16], out[17]), (1.0, -15.0, 2.0, -14.0));
        let out = decode(Kind::Q5_1, &[&ONE[..], &TWO, &[1, 0, 0, 0x80], &[0x21; 16]].concat());
        assert_eq!((out[0], out[1], out[16], out[31]), (19.0, 3.0, 4.0, 20.0));
    }

    #[test]
    fn blocks_of_two_hundred_and_fifty_six() {
        // Scale 3, minimum 1 of group 0; quants 0b11100100: 0, 1, 2, 3 by group of 32.
        let mut scales = [0u8; 16];
        scales[0] = 0x13;
        scales[2] = 0x01;
        let out = decode(Kind::Q2K, &[&scales[..], &[0b1110_0100; 64], &TWO, &ONE].concat());
        assert_eq!((out[0], out[16], out[32]), (-1.0, 0.0, 2.0));
        // All scales 33 - 32 = 1: low bits 1, high bits 2.
        let packed = [[0x11u8; 8].as_slice(), &[0b1010_1010; 4]].concat();
        let out = decode(
            Kind::Q3K,
            &[&[0b0000_0001u8; 32][..], &[0b1110_0100; 64], &packed, &ONE].concat(),
        );
        assert_eq!(
            (out[0], out[32], out[64], out[96], out[128]),
            (0.0, -3.0, -2.0, -1.0, -4.0)
        );
        // Group 0: scale 5, minimum 7; group 1: scale 9; group 4: scale 1 + 16 x 1.
        let mut packed = [0u8; 12];
        (packed[0], packed[4], packed[1], packed[8]) = (5 | 0x40, 7, 9, 1);
        let out = decode(Kind::Q4K, &[&ONE[..], &TWO, &packed, &[0x32; 128]].concat());
        assert_eq!((out[0], out[32], out[128]), (5.0 * 2.0 - 14.0, 27.0, 34.0));
        let out = decode(
            Kind::Q5K,
            &[&ONE[..], &TWO, &packed, &[0b11; 32], &[0x32; 128]].concat(),
        );
        assert_eq!((out[0], out[32], out[128]), (5.0 * 18.0 - 14.0, 9.0 * 19.0, 34.0));
        let mut scales = [1u8; 16];
        scales[1] = 0xff;
        let out = decode(
            Kind::Q6K,
            &[&[0x21u8; 128][..], &[0b1110_0100; 64], &scales, &TWO].concat(),
        );
        assert_eq!(
            (out[0], out[16], out[32], out[64], out[96]),
            (-62.0, 62.0, -30.0, 4.0, 36.0)
        );
    }
}

//! Sums without rounding: a fixed-point number wide enough for every summand.
//!
//! Limbs hold 32 bits each in 64, so that carries are settled once in many additions. Adding is associative and
//! commutative: the sum is the same in any order.

use super::number;

const LIMB: i64 = 32;
const LOW: i64 = 0xffff_ffff;
/// Additions before a limb of 64 bits might overflow.
const MOST_PENDING: u32 = 1 << 30;

/// A sum.
#[derive(Clone, Debug)]
pub(super) struct Exact {
    /// The lowest first; the last has the sign.
    limbs: Box<[i64]>,
    /// The power of two of the lowest bit.
    floor: i64,
    pending: u32,
}

/// A number beyond the range of `f64`: `significand` (0, or of magnitude from 0.5 to 1) times 2 to the power `exponent`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Wide {
    pub(super) significand: f64,
    pub(super) exponent: i64,
}

impl Exact {
    /// A sum of up to 2^64 numbers, each a multiple of 2^`floor` below 2^`ceiling`.
    pub(super) fn new(floor: i64, ceiling: i64) -> Self {
        let bits = ceiling.saturating_sub(floor).saturating_add(64);
        let limbs = usize::try_from(bits.div_euclid(LIMB)).unwrap_or(0).saturating_add(4);
        Self {
            limbs: vec![0; limbs].into(),
            floor,
            pending: 0,
        }
    }

    /// Adds `value`, which is finite, times 2 to the power `shift`.
    pub(super) fn add(&mut self, value: f64, shift: i64) {
        if value == 0.0 {
            return;
        }
        let (negative, significand, low) = number::parts(value);
        let place = low.saturating_add(shift).saturating_sub(self.floor);
        // Bits below the floor are zero in every number of the type.
        let (significand, place) = match place {
            0.. => (significand, place),
            _ => (
                significand
                    .checked_shr(u32::try_from(place.unsigned_abs()).unwrap_or(64))
                    .unwrap_or(0),
                0,
            ),
        };
        let offset = u32::try_from(place.rem_euclid(LIMB)).unwrap_or(0);
        let at = usize::try_from(place.div_euclid(LIMB)).unwrap_or(usize::MAX);
        let wide = u128::from(significand).wrapping_shl(offset);
        let limbs = self.limbs.get_mut(at..).unwrap_or_default();
        for (limb, step) in limbs.iter_mut().zip([0, 32, 64]) {
            let piece = i64::from(u32::try_from(wide.wrapping_shr(step) & 0xffff_ffff).unwrap_or(0));
            *limb = limb.wrapping_add(if negative { piece.wrapping_neg() } else { piece });
        }
        self.pending = self.pending.saturating_add(1);
        if self.pending >= MOST_PENDING {
            self.settle();
        }
    }

    /// Brings every limb but the last into 32 bits.
    fn settle(&mut self) {
        self.pending = 0;
        let mut carry = 0i64;
        let Some((last, limbs)) = self.limbs.split_last_mut() else {
            return;
        };
        for limb in limbs {
            let sum = limb.wrapping_add(carry);
            *limb = sum & LOW;
            carry = sum.wrapping_shr(32);
        }
        *last = last.wrapping_add(carry);
    }

    /// The sum, rounded once to 53 bits.
    pub(super) fn total(mut self) -> Wide {
        self.settle();
        let negative = self.limbs.last().is_some_and(|last| *last < 0);
        if negative {
            self.limbs.iter_mut().for_each(|limb| *limb = limb.wrapping_neg());
            self.settle();
        }
        let Some(top) = self.limbs.iter().rposition(|limb| *limb != 0) else {
            return Wide {
                significand: 0.0,
                exponent: 0,
            };
        };
        // The highest limb and the two below it: more than 64 bits, of which 64 are kept, the last one sticky.
        let first = top.saturating_sub(2);
        let mut word = 0u128;
        for limb in self.limbs.iter().skip(first).take(3).rev() {
            word = word.wrapping_shl(32) | u128::from(limb.unsigned_abs());
        }
        if top < 2 {
            word = word.wrapping_shl(if top == 0 { 64 } else { 32 });
        }
        let below = self.limbs.iter().take(first).any(|limb| *limb != 0);
        let zeros = word.leading_zeros();
        let aligned = word.wrapping_shl(zeros);
        let kept = u64::try_from(aligned.wrapping_shr(64)).unwrap_or(u64::MAX);
        let lost = below || u64::try_from(aligned & u128::from(u64::MAX)).unwrap_or(1) != 0;
        let magnitude = number::scale(number::from_u64(kept | u64::from(lost)), -64);
        // `word` has its lowest bit two limbs below the top.
        let lowest = i64::try_from(top).unwrap_or(0).saturating_sub(2).saturating_mul(LIMB);
        Wide {
            significand: if negative { -magnitude } else { magnitude },
            exponent: lowest
                .saturating_add(self.floor)
                .saturating_add(128)
                .saturating_sub(i64::from(zeros)),
        }
    }
}

impl Wide {
    /// Divided by a count.
    pub(super) fn over(self, count: f64) -> Self {
        Self {
            significand: self.significand / count,
            ..self
        }
    }

    /// The nearest `f64`.
    pub(super) fn value(self) -> f64 {
        number::scale(self.significand, self.exponent)
    }

    /// The square root of a number that is not negative.
    pub(super) fn root(self) -> f64 {
        let odd = self.exponent.rem_euclid(2);
        let even = self.exponent.saturating_sub(odd);
        number::scale(number::scale(self.significand, odd).sqrt(), even.div_euclid(2))
    }

    /// This over the square of another; 0 when that is zero.
    pub(super) fn over_square(self, other: Self) -> f64 {
        if other.significand == 0.0 {
            return 0.0;
        }
        let ratio = self.significand / (other.significand * other.significand);
        number::scale(ratio, self.exponent.saturating_sub(other.exponent.saturating_mul(2)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(values: &[f64]) -> f64 {
        let mut exact = Exact::new(-1074, 1024);
        values.iter().for_each(|v| exact.add(*v, 0));
        exact.total().value()
    }

    #[test]
    fn sums_keep_what_rounding_loses() {
        assert_eq!(sum(&[]), 0.0);
        assert_eq!(sum(&[1e300, 1.0, -1e300]), 1.0);
        assert_eq!(sum(&[1e300, -1.0, -1e300]), -1.0);
        assert_eq!(sum(&[f64::MIN_POSITIVE, 5e-324, -f64::MIN_POSITIVE]), 5e-324);
        assert_eq!(sum(&[0.1; 10]), 1.0);
        assert_eq!(sum(&[f64::MAX, f64::MAX]), f64::INFINITY);
        assert_eq!(sum(&[f64::MAX, f64::MAX, -f64::MAX]), f64::MAX);
        assert_eq!(sum(&[-3.5]), -3.5);
        // Halfway between two numbers, and a hair more.
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0]), 1.0);
        assert_eq!(sum(&[1.0, f64::EPSILON / 2.0, 1e-300]), 1.0 + f64::EPSILON);
    }

    #[test]
    fn numbers_beyond_f64_keep_their_ratio() {
        let mut square = Exact::new(-2148, 2048);
        let mut fourth = Exact::new(-4296, 4096);
        square.add(1.5, 1600);
        fourth.add(2.25, 3200);
        let (square, fourth) = (square.total(), fourth.total());
        assert_eq!(square.value(), f64::INFINITY);
        assert_eq!(square.root(), 1.5f64.sqrt() * 2f64.powi(800));
        assert_eq!(fourth.over_square(square), 1.0);
    }
}

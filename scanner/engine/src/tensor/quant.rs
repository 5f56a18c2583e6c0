//! The block types of GGUF: where their scales and minima lie (`ggml-common.h`).
//!
//! Scales are read, weights are not: of a super-block the half-precision factors, not the packed 6-bit scales under them.

use super::isa::Isa;
use super::moments::Moments;
use super::number;
use super::portable::{GROUP, Wide};
use super::stats::{QuantStats, RUN_FLOOR, Stats};

/// A block type of GGUF.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[expect(
    missing_docs,
    reason = "the variants are ggml's type names; `QuantKind::name` spells them as ggml does"
)]
pub enum QuantKind {
    Q4_0,
    Q4_1,
    Q5_0,
    Q5_1,
    Q8_0,
    Q8_1,
    Q2K,
    Q3K,
    Q4K,
    Q5K,
    Q6K,
    Q8K,
    Iq2Xxs,
    Iq2Xs,
    Iq2S,
    Iq3Xxs,
    Iq3S,
    Iq1S,
    Iq1M,
    Iq4Nl,
    Iq4Xs,
    Tq1_0,
    Tq2_0,
    Mxfp4,
    Nvfp4,
    Q1_0,
    Q4_0x4x4,
    Q4_0x4x8,
    Q4_0x8x8,
    Iq4Nlx4x4,
    Iq4Nlx4x8,
    Iq4Nlx8x8,
}

/// How a scale is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scale {
    F16,
    F32,
    /// A power of two (OCP microscaling): 0xff is NaN.
    E8M0,
    /// E4M3 whose sign is ignored: 0x7f is NaN.
    Ue4M3,
    /// Binary16 in the upper four bits of four words, the lowest nibble first.
    Split,
}

/// A block type: name, elements and bytes of a block; what is read from the unit that blocks come in.
struct Row {
    kind: QuantKind,
    name: &'static str,
    elements: u64,
    bytes: u64,
    /// Blocks of as many rows, interleaved: their scales come first.
    together: u64,
    scale: Scale,
    scale_at: usize,
    scales: u64,
    /// Where a minimum in binary16 lies.
    min_at: Option<usize>,
}

#[rustfmt::skip]
static ROWS: [Row; 32] = [
    row(QuantKind::Q4_0, "Q4_0", (32, 18), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Q4_1, "Q4_1", (32, 20), 1, (Scale::F16, 0, 1), Some(2)),
    row(QuantKind::Q5_0, "Q5_0", (32, 22), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Q5_1, "Q5_1", (32, 24), 1, (Scale::F16, 0, 1), Some(2)),
    row(QuantKind::Q8_0, "Q8_0", (32, 34), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Q8_1, "Q8_1", (32, 36), 1, (Scale::F16, 0, 1), Some(2)),
    row(QuantKind::Q2K, "Q2_K", (256, 84), 1, (Scale::F16, 80, 1), Some(82)),
    row(QuantKind::Q3K, "Q3_K", (256, 110), 1, (Scale::F16, 108, 1), None),
    row(QuantKind::Q4K, "Q4_K", (256, 144), 1, (Scale::F16, 0, 1), Some(2)),
    row(QuantKind::Q5K, "Q5_K", (256, 176), 1, (Scale::F16, 0, 1), Some(2)),
    row(QuantKind::Q6K, "Q6_K", (256, 210), 1, (Scale::F16, 208, 1), None),
    row(QuantKind::Q8K, "Q8_K", (256, 292), 1, (Scale::F32, 0, 1), None),
    row(QuantKind::Iq2Xxs, "IQ2_XXS", (256, 66), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Iq2Xs, "IQ2_XS", (256, 74), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Iq2S, "IQ2_S", (256, 82), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Iq3Xxs, "IQ3_XXS", (256, 98), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Iq3S, "IQ3_S", (256, 110), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Iq1S, "IQ1_S", (256, 50), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Iq1M, "IQ1_M", (256, 56), 1, (Scale::Split, 48, 1), None),
    row(QuantKind::Iq4Nl, "IQ4_NL", (32, 18), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Iq4Xs, "IQ4_XS", (256, 136), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Tq1_0, "TQ1_0", (256, 54), 1, (Scale::F16, 52, 1), None),
    row(QuantKind::Tq2_0, "TQ2_0", (256, 66), 1, (Scale::F16, 64, 1), None),
    row(QuantKind::Mxfp4, "MXFP4", (32, 17), 1, (Scale::E8M0, 0, 1), None),
    row(QuantKind::Nvfp4, "NVFP4", (64, 36), 1, (Scale::Ue4M3, 0, 4), None),
    row(QuantKind::Q1_0, "Q1_0", (128, 18), 1, (Scale::F16, 0, 1), None),
    row(QuantKind::Q4_0x4x4, "Q4_0_4_4", (32, 18), 4, (Scale::F16, 0, 4), None),
    row(QuantKind::Q4_0x4x8, "Q4_0_4_8", (32, 18), 4, (Scale::F16, 0, 4), None),
    row(QuantKind::Q4_0x8x8, "Q4_0_8_8", (32, 18), 8, (Scale::F16, 0, 8), None),
    row(QuantKind::Iq4Nlx4x4, "IQ4_NL_4_4", (32, 18), 4, (Scale::F16, 0, 4), None),
    row(QuantKind::Iq4Nlx4x8, "IQ4_NL_4_8", (32, 18), 4, (Scale::F16, 0, 4), None),
    row(QuantKind::Iq4Nlx8x8, "IQ4_NL_8_8", (32, 18), 8, (Scale::F16, 0, 8), None),
];

const fn row(
    kind: QuantKind,
    name: &'static str,
    (elements, bytes): (u64, u64),
    together: u64,
    (scale, scale_at, scales): (Scale, usize, u64),
    min_at: Option<usize>,
) -> Row {
    Row {
        kind,
        name,
        elements,
        bytes,
        together,
        scale,
        scale_at,
        scales,
        min_at,
    }
}

impl QuantKind {
    /// Every block type.
    pub fn all() -> impl Iterator<Item = Self> {
        ROWS.iter().map(|row| row.kind)
    }

    /// The type that ggml spells so.
    pub(super) fn parse(spelling: &str) -> Option<Self> {
        let row = ROWS.iter().find(|row| row.name.eq_ignore_ascii_case(spelling))?;
        Some(row.kind)
    }

    fn row(self) -> &'static Row {
        // Every kind has its row (tested); the first stands in so that nothing can panic.
        static FIRST: Row = row(QuantKind::Q4_0, "Q4_0", (32, 18), 1, (Scale::F16, 0, 1), None);
        ROWS.iter().find(|row| row.kind == self).unwrap_or(&FIRST)
    }

    /// The name in ggml.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// Elements of a block.
    #[must_use]
    pub fn block_elements(self) -> u64 {
        self.row().elements
    }

    /// Bytes of a block.
    #[must_use]
    pub fn block_bytes(self) -> u64 {
        self.row().bytes
    }
}

/// Reads the scales and minima of blocks, one unit of interleaved blocks after the other.
#[derive(Clone, Debug)]
pub(super) struct Blocks {
    kind: QuantKind,
    /// Scales as little-endian binary32, until there are enough to be added up.
    waiting: Vec<[u8; 4]>,
    scales: Moments,
    quant: QuantStats,
    units: u64,
    /// The unit before this one.
    last: Vec<u8>,
    equal: u64,
    longest: u64,
}

/// Units that are read together.
const TOGETHER: usize = 256;

impl Blocks {
    pub(super) fn new(kind: QuantKind, isa: Isa) -> Self {
        Self {
            kind,
            waiting: Vec::new(),
            scales: Moments::new(Wide::F32, false, isa),
            quant: QuantStats::default(),
            units: 0,
            last: Vec::new(),
            equal: 0,
            longest: 0,
        }
    }

    /// Bytes of a unit: a block, or as many as are interleaved.
    pub(super) fn unit(kind: QuantKind) -> usize {
        let row = kind.row();
        usize::try_from(row.bytes.saturating_mul(row.together)).unwrap_or(1)
    }

    /// Takes whole units.
    pub(super) fn feed(&mut self, bytes: &[u8]) {
        let row = self.kind.row();
        let unit = Self::unit(self.kind);
        for units in bytes.chunks(unit.saturating_mul(TOGETHER)) {
            self.compare(units, unit);
            let parts = || units.chunks_exact(unit).filter_map(|unit| unit.get(row.scale_at..));
            let count = usize::try_from(row.scales).unwrap_or(1);
            let scales = parts();
            match (row.scale, count) {
                (Scale::F16, 1) => self.wait(scales.filter_map(|at| at.first_chunk()).map(half)),
                (Scale::F16, _) => self.wait(scales.flat_map(|at| at.as_chunks().0.iter().take(count)).map(half)),
                (Scale::F32, _) => self.wait(scales.filter_map(|at| at.first_chunk()).map(|b| f32::from_le_bytes(*b))),
                (Scale::E8M0, _) => self.wait(scales.filter_map(|at| at.first()).map(|b| power_of_two(*b))),
                (Scale::Ue4M3, _) => self.wait(scales.flat_map(|at| at.iter().take(count)).map(|b| ue4m3(*b))),
                (Scale::Split, _) => self.wait(scales.filter_map(|at| at.first_chunk()).map(split)),
            }
            if let Some(at) = row.min_at {
                self.minima(
                    units
                        .chunks_exact(unit)
                        .filter_map(|unit| unit.get(at..)?.first_chunk()),
                );
            }
            self.units = self.units.saturating_add(length(units.chunks_exact(unit).len()));
            let whole = self.waiting.as_chunks::<GROUP>().0.as_flattened();
            let taken = whole.len();
            self.scales.feed(whole.as_flattened());
            self.waiting.drain(..taken);
        }
    }

    fn wait(&mut self, scales: impl Iterator<Item = f32>) {
        self.waiting.extend(scales.map(f32::to_le_bytes));
    }

    fn minima<'a>(&mut self, minima: impl Iterator<Item = &'a [u8; 2]>) {
        let (mut greatest, mut count, mut nonfinite) = (0u16, 0u64, 0u64);
        for min in minima {
            // Magnitudes are in the order of their bits.
            let magnitude = u16::from_le_bytes(*min) & 0x7fff;
            if magnitude < 0x7c00 {
                greatest = greatest.max(magnitude);
            } else {
                if self.quant.min_nonfinite == 0 && nonfinite == 0 {
                    self.first_bad_min(count);
                }
                nonfinite = nonfinite.saturating_add(1);
            }
            count = count.saturating_add(1);
        }
        let quant = &mut self.quant;
        quant.mins = quant.mins.saturating_add(count);
        quant.min_nonfinite = quant.min_nonfinite.saturating_add(nonfinite);
        quant.min_abs_max = quant.min_abs_max.max(f64::from(number::from_f16(greatest)));
    }

    /// Types with minima have one block to a unit.
    fn first_bad_min(&mut self, block: u64) {
        self.quant.first_bad_block = Some(self.units.saturating_add(block));
    }

    /// Counts units that equal the one before them.
    fn compare(&mut self, units: &[u8], unit: usize) {
        let mut last = std::mem::take(&mut self.last);
        let mut before = last.as_slice();
        for unit in units.chunks_exact(unit) {
            // Most differ in the first bytes.
            let alike = before.first_chunk::<8>() == unit.first_chunk() && before == unit;
            self.equal = if alike { self.equal.saturating_add(1) } else { 1 };
            self.longest = self.longest.max(self.equal);
            before = unit;
        }
        if let Some(unit) = units.chunks_exact(unit).next_back() {
            last.clear();
            last.extend_from_slice(unit);
        }
        self.last = last;
    }

    /// The statistics; `rest` bytes came after the last whole unit.
    pub(super) fn finish(mut self, rest: u32) -> Stats {
        let row = self.kind.row();
        self.scales.feed(self.waiting.as_flattened());
        let mut stats = self.scales.finish();
        let per_unit = row.elements.saturating_mul(row.together);
        let unit = |scale: u64| scale.checked_div(row.scales).unwrap_or(0);
        let bad_scale = stats
            .first_nonfinite
            .map(|scale| unit(scale).saturating_mul(row.together));
        let bad = [self.quant.first_bad_block, bad_scale].into_iter().flatten().min();
        stats.elements = self.units.saturating_mul(per_unit);
        stats.first_nonfinite = stats.first_nonfinite.map(|scale| unit(scale).saturating_mul(per_unit));
        stats.first_abs_max = stats.first_abs_max.map(|scale| unit(scale).saturating_mul(per_unit));
        stats.constant = self.units > 0 && self.longest == self.units;
        let run = self.longest.saturating_mul(per_unit);
        stats.longest_run = if stats.constant || self.longest >= RUN_FLOOR {
            run
        } else {
            0
        };
        stats.low_byte = None;
        stats.partial_bytes = rest;
        stats.quant = Some(QuantStats {
            blocks: self.units.saturating_mul(row.together),
            scales: stats.values,
            scale_nonfinite: stats.nonfinite(),
            scale_zero: stats.zeros,
            scale_abs_max: stats.abs_max,
            first_bad_block: bad,
            ..self.quant
        });
        stats
    }
}

fn length(n: usize) -> u64 {
    u64::try_from(n).unwrap_or(u64::MAX)
}

fn split(bytes: &[u8; 8]) -> f32 {
    let words = bytes.as_chunks().0.iter().rev();
    let bits = words.fold(0u16, |bits, word| {
        bits.wrapping_shl(4) | u16::from_le_bytes(*word).wrapping_shr(12)
    });
    number::from_f16(bits)
}

fn half(bytes: &[u8; 2]) -> f32 {
    number::from_f16(u16::from_le_bytes(*bytes))
}

fn power_of_two(code: u8) -> f32 {
    match code {
        0 => f32::from_bits(0x0040_0000),
        255 => f32::NAN,
        _ => f32::from_bits(u32::from(code).wrapping_shl(23)),
    }
}

/// E4M3, whose sign bit is not looked at.
fn ue4m3(code: u8) -> f32 {
    let magnitude = u32::from(code & 0x7f);
    if magnitude == 0x7f {
        return f32::NAN;
    }
    // The bits in binary32's places are the value times 2^-120, for denormals too.
    f32::from_bits(magnitude.wrapping_shl(20)) * f32::from_bits(0x7b80_0000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_its_row_and_reads_inside_its_unit() {
        for row in &ROWS {
            assert_eq!(row.kind.name(), row.name);
            assert_eq!(QuantKind::parse(row.name), Some(row.kind));
            let width = match row.scale {
                Scale::F16 => 2,
                Scale::F32 => 4,
                Scale::E8M0 | Scale::Ue4M3 => 1,
                Scale::Split => 8,
            };
            let unit = Blocks::unit(row.kind);
            assert!(
                row.scale_at + width * usize::try_from(row.scales).unwrap() <= unit,
                "{}",
                row.name
            );
            assert!(row.min_at.is_none_or(|at| at + 2 <= unit), "{}", row.name);
        }
    }

    #[test]
    fn small_scales_have_their_values() {
        assert_eq!(power_of_two(0), 2f32.powi(-127));
        assert_eq!(power_of_two(1), 2f32.powi(-126));
        assert_eq!(power_of_two(127), 1.0);
        assert!(power_of_two(255).is_nan());
        assert_eq!(ue4m3(0), 0.0);
        assert_eq!(ue4m3(1), 2f32.powi(-9));
        assert_eq!(ue4m3(0x38), 1.0);
        assert_eq!(ue4m3(0xb8), 1.0);
        assert_eq!(ue4m3(0x7e), 448.0);
        assert!(ue4m3(0x7f).is_nan());
    }
}

//! Takes a tensor's bytes in pieces, carries what a cut divides, and leads whole units to what adds them up.

use super::codes::Codes;
use super::dtype::{Dtype, Layout};
use super::isa::Isa;
use super::moments::Moments;
use super::portable::Wide;
use super::quant::Blocks;
use super::runs::Runs;
use super::stats::Stats;

/// Bytes that are looked at together: whole units of every wide type.
const PIECE: usize = 16 * 1024;

/// Adds up one tensor.
///
/// It is fed ascending, contiguous pieces, cut anywhere. It holds a few KiB, whatever the tensor's size.
#[derive(Clone, Debug)]
pub struct Accumulator {
    /// Bytes of a unit: what must come together.
    unit: usize,
    /// Less than a unit.
    carry: Vec<u8>,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    Wide {
        moments: Box<Moments>,
        runs: Runs,
        /// Bytes of an element.
        width: usize,
        /// Values of an element: 2 for complex types.
        parts: u64,
    },
    Codes(Box<Codes>),
    Blocks(Box<Blocks>),
}

impl Accumulator {
    /// Makes ready for a tensor of this layout.
    #[must_use]
    pub fn new(layout: Layout) -> Self {
        Self::with(layout, Isa::best())
    }

    /// As [`Accumulator::new`], with the kernels of one instruction set; of the portable path when the processor does not
    /// have it.
    #[must_use]
    pub fn with(layout: Layout, isa: Isa) -> Self {
        let isa = Isa::all().find(|present| *present == isa).unwrap_or(Isa::Portable);
        let wide = match layout.dtype {
            Dtype::F64 => (Wide::F64, 1),
            Dtype::F32 => (Wide::F32, 1),
            Dtype::F16 => (Wide::F16, 1),
            Dtype::Bf16 => (Wide::Bf16, 1),
            Dtype::I64 => (Wide::I64, 1),
            Dtype::I32 => (Wide::I32, 1),
            Dtype::I16 => (Wide::I16, 1),
            Dtype::U64 => (Wide::U64, 1),
            Dtype::U32 => (Wide::U32, 1),
            Dtype::U16 => (Wide::U16, 1),
            Dtype::C64 => (Wide::F32, 2),
            Dtype::C128 => (Wide::F64, 2),
            Dtype::Quant(kind) => {
                return Self::of(Blocks::unit(kind), Kind::Blocks(Box::new(Blocks::new(kind, isa))));
            }
            dtype => return Self::of(Codes::unit(dtype), Kind::Codes(Box::new(Codes::new(dtype)))),
        };
        let (wide, parts) = wide;
        let width = wide.width().saturating_mul(if parts == 2 { 2 } else { 1 });
        let kind = Kind::Wide {
            moments: Box::new(Moments::new(wide, layout.big_endian, isa)),
            runs: Runs::new(width),
            width,
            parts,
        };
        Self::of(Moments::unit(wide), kind)
    }

    fn of(unit: usize, kind: Kind) -> Self {
        Self {
            unit,
            carry: Vec::new(),
            kind,
        }
    }

    /// Takes the next piece.
    pub fn feed(&mut self, mut bytes: &[u8]) {
        if !self.carry.is_empty() {
            let missing = self.unit.saturating_sub(self.carry.len()).min(bytes.len());
            let Some((head, rest)) = bytes.split_at_checked(missing) else {
                return;
            };
            self.carry.extend_from_slice(head);
            bytes = rest;
            if self.carry.len() < self.unit {
                return;
            }
            let unit = std::mem::take(&mut self.carry);
            self.take(&unit);
            self.carry = unit;
            self.carry.clear();
        }
        let whole = bytes
            .len()
            .checked_div(self.unit)
            .unwrap_or(0)
            .saturating_mul(self.unit);
        let Some((whole, rest)) = bytes.split_at_checked(whole) else {
            return;
        };
        self.take(whole);
        self.carry.extend_from_slice(rest);
    }

    fn take(&mut self, bytes: &[u8]) {
        match &mut self.kind {
            Kind::Wide { moments, runs, .. } => {
                // The second looks at what the first has brought near.
                for piece in bytes.chunks(PIECE) {
                    moments.feed(piece);
                    runs.feed(piece);
                }
            }
            Kind::Codes(codes) => codes.feed(bytes),
            Kind::Blocks(blocks) => blocks.feed(bytes),
        }
    }

    /// The statistics of what was fed.
    #[must_use]
    pub fn finish(mut self) -> Stats {
        let carry = std::mem::take(&mut self.carry);
        let whole = match &self.kind {
            Kind::Wide { width, .. } => carry.len().checked_div(*width).unwrap_or(0).saturating_mul(*width),
            Kind::Codes(_) => carry.len(),
            Kind::Blocks(_) => 0,
        };
        self.take(carry.get(..whole).unwrap_or_default());
        let rest = u32::try_from(carry.len().saturating_sub(whole)).unwrap_or(u32::MAX);
        match self.kind {
            Kind::Wide {
                moments, runs, parts, ..
            } => {
                let mut stats = moments.finish();
                let element = |value: u64| value.checked_div(parts).unwrap_or(0);
                stats.elements = stats.values.checked_div(parts).unwrap_or(0);
                stats.first_nonfinite = stats.first_nonfinite.map(element);
                stats.first_abs_max = stats.first_abs_max.map(element);
                stats.constant = runs.constant();
                stats.longest_run = runs.longest();
                stats.partial_bytes = rest;
                stats
            }
            Kind::Codes(codes) => codes.finish(),
            Kind::Blocks(blocks) => blocks.finish(rest),
        }
    }
}

//! One tensor's bytes: statistics of its elements, candidates for payloads in its bytes and planes, runs of text, and a
//! hash that tells equal tensors.
//!
//! What is needed while the bytes pass is made when the first of them comes, and becomes a small [`TensorScan`] with the
//! last: a million tensors, one behind the other, need the room of one.

mod digest;
mod hash;
mod magic;
mod pairs;
mod payload;
mod text;

pub use digest::TensorDigestSink;
pub use magic::PayloadKind;
pub(crate) use payload::turn;
pub use payload::{Carrier, PayloadHit};
pub use text::{TextRun, reads_as_text};

use crate::tensor::{Accumulator, Dtype, LOWEST_EXPONENT, Layout, QuantStats, Stats, number};
use payload::PayloadSearch;
use probity_signatures::tensors;
use text::TextRuns;

/// How the bytes of a tensor are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TensorSpec {
    /// The elements; `None` where the bytes are no elements (compressed chunks), which are searched as they stand.
    pub layout: Option<Layout>,
}

impl TensorSpec {
    /// Bytes of an element with planes of its own; 0 where there are none.
    pub fn width(&self) -> usize {
        match self.layout.map(|layout| layout.dtype) {
            Some(Dtype::F64 | Dtype::I64 | Dtype::U64 | Dtype::C128) => 8,
            Some(Dtype::F32 | Dtype::I32 | Dtype::U32 | Dtype::C64) => 4,
            Some(Dtype::F16 | Dtype::Bf16 | Dtype::I16 | Dtype::U16) => 2,
            Some(Dtype::I8 | Dtype::U8 | Dtype::F8E4M3 | Dtype::F8E5M2 | Dtype::F8E4M3Fnuz | Dtype::F8E5M2Fnuz) => 1,
            _ => 0,
        }
    }

    /// Whether the lowest byte of an element comes last.
    pub fn is_big_endian(&self) -> bool {
        self.layout.is_some_and(|layout| layout.big_endian)
    }

    /// Whether text has no place here: integers and single bytes may well be one.
    pub(crate) fn looks_for_text(&self) -> bool {
        let Some(layout) = self.layout else { return false };
        (layout.dtype.is_float() && self.width() > 1) || matches!(layout.dtype, Dtype::Quant(_))
    }
}

/// What is kept of a tensor's statistics.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorNumbers {
    /// Elements, and values that they hold (two of a complex one; the scales of quantised blocks).
    pub elements: u64,
    /// Values that the rest describes.
    pub values: u64,
    /// Values that are no number.
    pub nan: u64,
    /// Values that are infinite, positive and negative.
    pub infinite: (u64, u64),
    /// Values that are zero.
    pub zeros: u64,
    /// The least and the greatest finite value.
    pub range: (f64, f64),
    /// The greatest magnitude.
    pub abs_max: f64,
    /// The mean of the finite values.
    pub mean: f64,
    /// The root of their mean square.
    pub rms: f64,
    /// Their kurtosis about zero.
    pub kurtosis: f64,
    /// Values of the magnitude from which an element is told, and more.
    pub large: u64,
    /// The middle one of the sampled exponents: half of the values that are not zero are smaller than the double of 2
    /// to this power; `None` when none was sampled.
    pub typical_exponent: Option<i32>,
    /// The same of the share that is the bulk (`tensor-magnitude`): all but the greatest of them are smaller.
    pub bulk_exponent: Option<i32>,
    /// Pearson's statistic of the lowest byte, for each sample.
    pub low_byte: Option<LowBytes>,
    /// Whether all elements are equal.
    pub constant: bool,
    /// Bytes behind the last whole element or block.
    pub partial_bytes: u32,
    /// The first element that is not finite.
    pub first_nonfinite: Option<u64>,
    /// The first element of the greatest magnitude.
    pub first_abs_max: Option<u64>,
    /// Scales of quantised blocks.
    pub quant: Option<Box<QuantStats>>,
}

/// The lowest bytes of the sampled elements.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LowBytes {
    /// Samples.
    pub samples: u64,
    /// Values that occur.
    pub distinct: u16,
    /// Pearson's statistic: about 255 where all values are equally likely.
    pub chi_square: f64,
}

impl From<Stats> for TensorNumbers {
    fn from(stats: Stats) -> Self {
        let sampled = stats.exponents.iter().fold(0u64, |n, bin| n.saturating_add(*bin));
        // The bin of the sampled value that so great a share of them does not exceed.
        let exponent = |share: f64| {
            let mut below = 0u64;
            let bin = stats.exponents.iter().position(|bin| {
                below = below.saturating_add(*bin);
                below > 0 && number::from_u64(below) >= number::from_u64(sampled) * share
            });
            let bin = bin.and_then(|bin| i64::try_from(bin).ok());
            bin.and_then(|bin| i32::try_from(bin.saturating_add(LOWEST_EXPONENT)).ok())
        };
        let (typical_exponent, bulk_exponent) = (exponent(0.5), exponent(tensors().magnitude.bulk));
        Self {
            elements: stats.elements,
            values: stats.values,
            nan: stats.nan,
            infinite: (stats.pos_inf, stats.neg_inf),
            zeros: stats.zeros,
            range: (stats.min, stats.max),
            abs_max: stats.abs_max,
            mean: stats.mean,
            rms: stats.rms,
            kurtosis: stats.kurtosis,
            large: stats.large,
            typical_exponent,
            bulk_exponent,
            low_byte: stats.low_byte.map(|low| LowBytes {
                samples: low.samples(),
                distinct: u16::try_from(low.distinct()).unwrap_or(u16::MAX),
                chi_square: low.chi_square(),
            }),
            constant: stats.constant,
            partial_bytes: stats.partial_bytes,
            first_nonfinite: stats.first_nonfinite,
            first_abs_max: stats.first_abs_max,
            quant: stats.quant.map(Box::new),
        }
    }
}

impl TensorNumbers {
    /// The powers of two by which the greatest magnitude is over the middle one; `None` when nothing was sampled.
    pub fn over_middle(&self) -> Option<f64> {
        // `floor(log2)` of the greatest is its exponent.
        self.typical_exponent
            .map(|typical| self.abs_max.log2().floor() - f64::from(typical))
    }

    /// The same over the greatest of the bulk.
    pub fn over_bulk(&self) -> Option<f64> {
        self.bulk_exponent
            .map(|bulk| self.abs_max.log2().floor() - f64::from(bulk))
    }

    /// Values that are not finite.
    pub fn nonfinite(&self) -> u64 {
        self.nan.saturating_add(self.infinite.0).saturating_add(self.infinite.1)
    }
}

/// What one pass over a tensor's bytes gave.
#[derive(Clone, Debug, PartialEq)]
pub struct TensorScan {
    /// Statistics, where the bytes are elements.
    pub numbers: Option<Box<TensorNumbers>>,
    /// Candidates for payloads.
    pub payloads: Vec<PayloadHit>,
    /// How many more there are than are kept.
    pub dropped: u64,
    /// Runs of text.
    pub texts: Vec<TextRun>,
    /// A hash of all bytes.
    pub hash: u64,
}

struct State {
    accumulator: Option<Accumulator>,
    payloads: PayloadSearch,
    texts: Option<TextRuns>,
}

impl State {
    fn new(spec: TensorSpec) -> Self {
        Self {
            accumulator: spec.layout.map(Accumulator::new),
            payloads: PayloadSearch::new(spec.width(), spec.is_big_endian()),
            texts: spec.looks_for_text().then(TextRuns::default),
        }
    }

    fn finish(self) -> TensorScan {
        let (payloads, dropped, hash) = self.payloads.finish();
        TensorScan {
            numbers: self.accumulator.map(|all| Box::new(all.finish().into())),
            payloads,
            dropped,
            texts: self.texts.map(TextRuns::finish).unwrap_or_default(),
            hash,
        }
    }
}

/// A running examination of one tensor.
pub struct TensorSink {
    spec: TensorSpec,
    left: u64,
    state: Option<Box<State>>,
    done: Option<Box<TensorScan>>,
}

impl TensorSink {
    /// Expects `length` bytes.
    pub fn new(spec: TensorSpec, length: u64) -> Self {
        Self {
            spec,
            left: length,
            state: None,
            done: None,
        }
    }

    /// Takes the next bytes.
    pub fn feed(&mut self, bytes: &[u8]) {
        let spec = self.spec;
        let state = self.state.get_or_insert_with(|| Box::new(State::new(spec)));
        // Pieces that stay in the processor's cache from one look to the next.
        for bytes in bytes.chunks(32 << 10) {
            if let Some(accumulator) = &mut state.accumulator {
                accumulator.feed(bytes);
            }
            state.payloads.feed(bytes);
            if let Some(texts) = &mut state.texts {
                texts.feed(bytes);
            }
        }
        self.left = self.left.saturating_sub(u64::try_from(bytes.len()).unwrap_or(u64::MAX));
        if self.left == 0 {
            self.done = self.state.take().map(|state| Box::new(state.finish()));
        }
    }

    /// What was seen.
    pub fn finish(mut self) -> TensorScan {
        match self.done.take() {
            Some(done) => *done,
            None => self
                .state
                .take()
                .map_or_else(|| State::new(self.spec).finish(), |state| state.finish()),
        }
    }
}

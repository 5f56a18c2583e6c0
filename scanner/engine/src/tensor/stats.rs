//! What is known of a tensor's elements after one pass.

/// Bins of [`Stats::exponents`].
pub const EXPONENT_BINS: usize = 64;
/// The power of two of the first bin of [`Stats::exponents`].
pub const LOWEST_EXPONENT: i64 = -48;
/// Elements from the start that are all sampled.
pub const SAMPLE_ALL: u64 = 1024;
/// After [`SAMPLE_ALL`], an element is sampled when its index is a multiple of this.
pub const SAMPLE_STEP: u64 = 256;
/// The shortest run of equal elements that is told.
pub const RUN_FLOOR: u64 = 64;

/// Statistics of one tensor.
///
/// They describe *values*: the elements themselves; the real and imaginary parts of complex elements; the scales of
/// GGUF blocks. Moments and extremes are of finite values only, and 0 when there is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Stats {
    /// Whole elements. Two to a byte for 4-bit types, so an odd number of them counts one more.
    pub elements: u64,
    /// Values that the numbers below describe: `elements`, twice as many for complex types, scales for GGUF blocks.
    pub values: u64,
    /// Values that are not a number.
    pub nan: u64,
    /// Values that are positive infinity.
    pub pos_inf: u64,
    /// Values that are negative infinity.
    pub neg_inf: u64,
    /// Values that are zero, of either sign.
    pub zeros: u64,
    /// The least finite value.
    pub min: f64,
    /// The greatest finite value.
    pub max: f64,
    /// The greatest magnitude of a finite value.
    pub abs_max: f64,
    /// The mean of the finite values.
    pub mean: f64,
    /// The root of the mean square of the finite values.
    pub rms: f64,
    /// The mean fourth power of the finite values, about zero.
    pub fourth_moment: f64,
    /// The mean fourth power over the squared mean square of the finite values, about zero: 3 for a normal distribution
    /// around zero; 0 when all are zero.
    pub kurtosis: f64,
    /// Finite values of magnitude [`large`](super::large()) or more.
    pub large: u64,
    /// Sampled values by `floor(log2(|value|))`, one power of two to a bin from [`LOWEST_EXPONENT`] on; the first and the
    /// last bin hold what lies beyond too. Zeros and what is not finite are left out.
    pub exponents: [u64; EXPONENT_BINS],
    /// The lowest byte of the sampled values, for float types of 16 bits and more.
    pub low_byte: Option<Box<LowByte>>,
    /// The longest run of elements with equal bytes: exact from [`RUN_FLOOR`] on, 0 when there is none so long. Packed
    /// types and GGUF blocks are compared in whole bytes and blocks, and told in elements.
    pub longest_run: u64,
    /// Whether there are elements and all have equal bytes (packed types: all whole bytes, GGUF: all blocks).
    pub constant: bool,
    /// Bytes after the last whole element or block.
    pub partial_bytes: u32,
    /// The index of the first value that is not finite; for GGUF blocks of the first element of its block.
    pub first_nonfinite: Option<u64>,
    /// The index of the first value of magnitude `abs_max`; for GGUF blocks of the first element of its block.
    pub first_abs_max: Option<u64>,
    /// What the blocks' scales and minima say, for GGUF's quantised types.
    pub quant: Option<QuantStats>,
}

impl Default for Stats {
    /// Of no elements.
    fn default() -> Self {
        Self {
            elements: 0,
            values: 0,
            nan: 0,
            pos_inf: 0,
            neg_inf: 0,
            zeros: 0,
            min: 0.0,
            max: 0.0,
            abs_max: 0.0,
            mean: 0.0,
            rms: 0.0,
            fourth_moment: 0.0,
            kurtosis: 0.0,
            large: 0,
            exponents: [0; EXPONENT_BINS],
            low_byte: None,
            longest_run: 0,
            constant: false,
            partial_bytes: 0,
            first_nonfinite: None,
            first_abs_max: None,
            quant: None,
        }
    }
}

impl Stats {
    /// Values that are not finite.
    #[must_use]
    pub fn nonfinite(&self) -> u64 {
        self.nan.saturating_add(self.pos_inf).saturating_add(self.neg_inf)
    }

    /// Values that are finite.
    #[must_use]
    pub fn finite(&self) -> u64 {
        self.values.saturating_sub(self.nonfinite())
    }
}

/// How often the sampled elements' lowest byte had each value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LowByte {
    /// A count for each value of a byte.
    pub counts: [u32; 256],
}

impl LowByte {
    /// Elements that were sampled.
    #[must_use]
    pub fn samples(&self) -> u64 {
        self.counts.iter().fold(0, |n, c| n.saturating_add(u64::from(*c)))
    }

    /// Values that occur.
    #[must_use]
    pub fn distinct(&self) -> usize {
        self.counts.iter().filter(|c| **c > 0).count()
    }

    /// Pearson's statistic against equally likely values: about 255 for random bytes, far more for structured ones. 0
    /// without samples.
    #[must_use]
    pub fn chi_square(&self) -> f64 {
        let samples = super::number::from_u64(self.samples());
        if samples == 0.0 {
            return 0.0;
        }
        let squares = self.counts.iter().fold(0u64, |n, c| {
            n.saturating_add(u64::from(*c).saturating_mul(u64::from(*c)))
        });
        super::number::from_u64(squares) * 256.0 / samples - samples
    }
}

/// What the blocks of a GGUF tensor say of themselves.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct QuantStats {
    /// Whole blocks.
    pub blocks: u64,
    /// Scales that were read: one to a block, more where a block has several.
    pub scales: u64,
    /// Scales that are NaN or infinite.
    pub scale_nonfinite: u64,
    /// Scales that are zero.
    pub scale_zero: u64,
    /// The greatest magnitude of a finite scale.
    pub scale_abs_max: f64,
    /// Minima that were read (for `Q8_1`: the sums in their place).
    pub mins: u64,
    /// Minima that are NaN or infinite.
    pub min_nonfinite: u64,
    /// The greatest magnitude of a finite minimum.
    pub min_abs_max: f64,
    /// The index of the first block with a scale or minimum that is not finite.
    pub first_bad_block: Option<u64>,
}

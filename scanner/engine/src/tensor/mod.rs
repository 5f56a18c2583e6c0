//! Statistics of a tensor's elements: one pass over its bytes, in pieces cut anywhere, the same numbers on every machine.
//!
//! An [`Accumulator`] takes the bytes of one tensor and gives its [`Stats`]. It judges nothing: what a count means is for
//! an inspector. It looks for no text and no payload: those are sinks of their own.
//!
//! # What is exact, what is sampled
//!
//! | statistic | how |
//! | --- | --- |
//! | elements, NaN, infinities, zeros, large values, first places | counted, every element |
//! | min, max, greatest magnitude | every finite element; 64-bit integers rounded to `f64` |
//! | mean, root mean square, fourth moment, kurtosis (about zero) | every finite element, see below |
//! | exponents, lowest bytes | types of 16 bits and more: the first [`SAMPLE_ALL`] elements, then each whose index is a multiple of [`SAMPLE_STEP`]; 8 bits and less: every element |
//! | longest run of equal elements | exact from [`RUN_FLOOR`] on; shorter runs are not told apart |
//! | GGUF blocks | scales and minima of every block; the weights are not decoded |
//!
//! # Why the numbers are the same everywhere
//!
//! Elements of wide types are added as 64-bit floats in eight lanes: of each group of sixteen, which begins at a multiple of
//! sixteen, every lane gets the sum of two that their places decide. Every instruction set does the same additions in the
//! same order. After each 65,536 elements the lanes go into a fixed-point sum that holds every
//! power of two the type can give, so nothing depends on how many blocks came before. Types of 8 bits and less are counted
//! by code, and their sums are made from the counts. No result depends on where the pieces were cut or on the thread.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod accumulator;
#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
mod codes;
mod dtype;
mod exact;
mod isa;
mod moments;
#[cfg(target_arch = "aarch64")]
mod neon;
pub(crate) mod number;
mod portable;
mod quant;
mod runs;
mod spelling;
mod stats;
#[cfg(test)]
mod tests;

pub use accumulator::Accumulator;
pub use dtype::{Dtype, Layout};
pub use isa::Isa;
pub use quant::QuantKind;
pub use stats::{EXPONENT_BINS, LOWEST_EXPONENT, LowByte, QuantStats, RUN_FLOOR, SAMPLE_ALL, SAMPLE_STEP, Stats};

/// The magnitude from which a value counts as [`Stats::large`].
pub fn large() -> f64 {
    probity_signatures::tensors().magnitude.large
}

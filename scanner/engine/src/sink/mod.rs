//! The sinks: what one forward pass over the bytes feeds.
//!
//! A sink gets contiguous, ascending pieces of its tap's span, cut anywhere, and must give the same result however they
//! are cut: it carries whatever crosses a cut. Tests feed every sink in tiles of 1, 7 and 4096 bytes.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod compare;
mod crc;
mod digest;
mod fill;
mod histogram;
pub mod hosts;
mod magic;
mod packed;
mod patterns;
mod printable;
mod reach;
pub mod secrets;
pub(crate) mod signed;
pub mod tensor;
mod text;

pub use compare::CompareSink;
pub use crc::CrcSink;
pub use digest::DigestSink;
pub use fill::{FillResult, FillSink};
pub use histogram::HistogramSink;
pub use magic::{Magic, MagicHit, MagicSink};
pub use patterns::{PatternHit, PatternScan, PatternSet, PatternSink};
pub use tensor::{TensorDigestSink, TensorScan, TensorSink, TensorSpec};
pub use text::{TextResult, TextSink};

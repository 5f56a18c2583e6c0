//! Walkers that keep what decoders drop: byte positions, duplicate keys, unusual encodings.
//!
//! Each walks one notation over bytes in memory, without recursion, I/O or unbounded memory, and ends with a fault that
//! names the broken rule and its offset. None gives meaning to what it reads: that is the format's part.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub mod der;
pub mod flatbuffer;
pub mod jinja;
pub mod json;
pub mod protobuf;

/// `base` plus a position in memory, in bytes from the artifact's start, cut at `u64::MAX`.
fn absolute(base: u64, at: usize) -> u64 {
    base.saturating_add(u64::try_from(at).unwrap_or(u64::MAX))
}

//! Fixtures built by code: valid, real-shaped files of every format, and hostile variants of them.
//!
//! It deliberately does not depend on the engine: what it writes comes from the formats' specifications, so a parser and
//! its fixture cannot share a mistake. Every payload is inert (the command is always `true`).

pub mod build;
pub mod matrix;
pub mod samples;

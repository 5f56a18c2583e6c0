//! Accounts for every byte of an artifact: bytes to regions, facts, findings and a verdict.
//!
//! The engine reads artifacts through [`source`], recognises them by content ([`identify`]), lets a [`mod@format`] claim
//! their bytes in a [`ledger`] and state [`fact`]s, sweeps the bytes once through the [`sink`]s, lets the inspectors
//! judge, and closes each as an [`artifact`]. It never executes, imports or deserialises what it reads, never talks to a
//! network and never prints.

#![warn(missing_docs)]

pub mod artifact;
pub mod custom;
pub mod fact;
pub mod finding;
pub mod format;
pub mod identify;
pub mod inspect;
pub mod ledger;
pub mod name;
pub mod pipeline;
pub mod policy;
pub mod sink;
pub mod source;
pub mod span;
pub mod walk;
pub mod yara;

pub use probity_signatures::{Confidence, Severity};

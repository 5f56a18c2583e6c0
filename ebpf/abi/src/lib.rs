//! The types that Probity's eBPF programs and their loader share: map keys and values, the constants written into
//! `.rodata` before the verifier sees the programs, and the events that leave the kernel.
//!
//! Every type is `repr(C)`, has no padding, and its size is asserted here, so that both sides see the same bytes whatever
//! compiled them. Nothing here decides anything.
#![no_std]

pub mod access;
pub mod config;
pub mod event;
pub mod kind;
pub mod net;
pub mod offsets;
pub mod policy;
pub mod state;
#[cfg(feature = "user")]
mod user;

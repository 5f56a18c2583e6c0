//! Whole scans of bytes in memory: what a report says about fixtures, broken input and hidden bytes.

mod bad_input;
mod common;
mod fixtures;
mod hidden_bytes;
mod hostile;
mod packages;

//! Signatures: the four answers, the bytes that they are about, and what was done to them.

mod answers;
mod bad_input;
mod code;
mod common;
mod inside;
mod tampered;

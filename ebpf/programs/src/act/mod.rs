//! The decision that every backend shares: what the declared set says of this act on this object.

pub mod automaton;
pub mod file;
pub mod foreign;
pub mod kernel;
pub mod net;
pub mod walk;

//! Follows a process tree with eBPF and says what it did outside its declared set.

pub mod kernel;
pub mod launch;

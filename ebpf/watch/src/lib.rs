//! Follows a process tree with eBPF and says what it did outside its declared set.

pub mod act;
pub mod compile;
pub mod doctor;
pub mod kernel;
pub mod launch;
pub mod learn;
pub mod names;
pub mod pin;
pub mod report;
pub mod session;
pub mod subject;
pub mod tally;

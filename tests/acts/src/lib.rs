//! The scenario suite of the watcher: single acts, each one system call or one way round a watcher.
//!
//! The package holds the acts, the table that describes them (name, event expected, declared set) and what must run
//! outside the watched tree (fixtures, listeners, a victim). It deliberately judges nothing: whether a watcher saw an
//! act is the harness's question, and the harness reads the table (`acts list --json`).

pub mod blind;
pub mod command;
pub mod context;
pub mod outside;
pub mod table;

mod acts;
mod child;
mod elf;
mod net;
mod ring;
mod serve;
mod setup;
mod sys;
mod victim;

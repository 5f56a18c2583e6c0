//! The `hook` backend: fentry on the functions that call the security modules, where BPF is not among them.

mod attribute;
mod exec;
mod file;
mod name;
mod probe;
mod unix;

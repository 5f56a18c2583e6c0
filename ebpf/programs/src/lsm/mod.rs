//! The `lsm` backend: BPF LSM programs, where the kernel starts BPF among its security modules.

mod attribute;
mod exec;
mod file;
mod name;
mod probe;
mod unix;

//! The `trace` backend: BTF tracepoints, which every kernel of the matrix lets us load.

mod calls;
mod cgroup;
mod ctime;
mod exec;
mod filemap;
mod names;
mod open;
mod process;
mod ring;
mod signal;
mod sys_exit;
pub mod syscall;
pub mod unix;
mod words;

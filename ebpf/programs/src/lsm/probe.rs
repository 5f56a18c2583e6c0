//! Whether BPF LSM programs run at all: one that loads and attaches may never be called.

use aya_ebpf::{macros::lsm, programs::LsmContext};

use crate::security::probe;

#[lsm(hook = "file_open")]
pub fn lsm_probe(_ctx: LsmContext) -> i32 {
    probe::opened()
}

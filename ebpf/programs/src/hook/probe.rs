//! Whether fentry programs on the security functions run at all: one that loads and attaches may never be called.

use aya_ebpf::{macros::fentry, programs::FEntryContext};

use crate::security::probe;

#[fentry(function = "security_file_open")]
pub fn hook_probe(_ctx: FEntryContext) -> i32 {
    probe::opened()
}

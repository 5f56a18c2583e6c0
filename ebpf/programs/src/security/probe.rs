//! The probe's own program: it counts what the watcher itself opens.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use probity_abi::state::counter;

use crate::maps::{config, count};

/// The watcher, or its child in the role of one, opens a file.
#[inline(always)]
pub fn opened() -> i32 {
    if (bpf_get_current_pid_tgid() >> 32) as u32 == config!(watcher) {
        count(counter::PROBED);
    }
    0
}

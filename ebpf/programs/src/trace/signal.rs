//! Signals to processes outside the tree.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use probity_abi::{
    config::kernel_act,
    event::{OUTSIDER, TRACE},
    kind,
};

use crate::{
    act::kernel::{Act, judge},
    kernel::field,
    maps::offset,
    tree,
};

/// A signal was made by the current task for another. The kernel's own (SIGCHLD to the parent, faults) are not acts.
#[btf_tracepoint(function = "signal_generate")]
pub fn signal_generate(ctx: BtfTracePointContext) -> i32 {
    let Some(flags) = tree::current() else { return 0 };
    let info = ctx.arg::<*const u8>(1) as u64;
    let target = ctx.arg::<*const u8>(2) as u64;
    if tree::contains(target) {
        return 0;
    }
    // SEND_SIG_NOINFO is 0 (a user's, without details), SEND_SIG_PRIV is 1 (the kernel's).
    let code: i32 = if info > 1 { field(info, 8) } else { 0 };
    if info == 1 || code > 0 {
        return 0;
    }
    judge(&Act {
        kind: kind::SIGNAL,
        setting: kernel_act::SIGNAL,
        backend: TRACE,
        flags: flags | OUTSIDER,
        ret: 0,
        arg0: field::<u32>(target, offset!(task_tgid)) as u64,
        arg1: ctx.arg::<i32>(0) as u64,
        words: 0,
    });
    0
}

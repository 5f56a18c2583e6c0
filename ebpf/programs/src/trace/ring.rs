//! io_uring: that it is used, and with which operations.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use probity_abi::{
    config::kernel_act,
    event::{RING, TRACE},
    kind,
    state::counter,
};

use crate::{
    act::kernel::{Act, judge},
    kernel::field,
    maps::{count, offset},
    tree,
};

/// A request was submitted. A kernel thread of SQPOLL counts among the threads of the process that set it up.
#[btf_tracepoint(function = "io_uring_submit_req")]
pub fn io_uring_submit_req(ctx: BtfTracePointContext) -> i32 {
    request(ctx.arg::<*const u8>(0) as u64)
}

/// The same tracepoint under the name it has on 6.1.
#[btf_tracepoint(function = "io_uring_submit_sqe")]
pub fn io_uring_submit_sqe(ctx: BtfTracePointContext) -> i32 {
    request(ctx.arg::<*const u8>(0) as u64)
}

#[inline(always)]
fn request(request: u64) -> i32 {
    let Some(flags) = tree::current() else { return 0 };
    count(counter::RING_REQUESTS);
    let opcode: u8 = field(request, offset!(kiocb_opcode));
    judge(&Act {
        kind: kind::IO_URING,
        setting: kernel_act::IO_URING,
        backend: TRACE,
        flags: flags | RING,
        ret: 0,
        arg0: 0,
        arg1: opcode as u64,
        words: 0,
    });
    0
}

//! Which inodes a system call changes: every change of a directory entry moves a change time, and these tracepoints carry
//! the inode. What the change was is told when the call returns, by [`super::names`].

use aya_ebpf::{
    helpers::{bpf_get_current_pid_tgid, generated::bpf_probe_read_kernel},
    macros::btf_tracepoint,
    programs::BtfTracePointContext,
};
use probity_abi::state::{Inflight, TOUCHED, Touched, counter};

use super::{names, syscall};
use crate::{
    kernel::{self, field},
    maps::{INFLIGHT, count, offset},
    tree,
};

static NOTHING: Inflight = Inflight {
    nr: 0,
    count: 0,
    touched: [Touched {
        inode: 0,
        dentry: 0,
        parent: 0,
        nlink: 0,
        name_len: 0,
        hash: 0,
        reserved: 0,
        name: [0; 256],
    }; TOUCHED],
};

#[btf_tracepoint(function = "inode_set_ctime_to_ts")]
pub fn inode_set_ctime_to_ts(ctx: BtfTracePointContext) -> i32 {
    touched(ctx.arg::<*const u8>(0) as u64)
}

#[btf_tracepoint(function = "ctime_xchg_skip")]
pub fn ctime_xchg_skip(ctx: BtfTracePointContext) -> i32 {
    touched(ctx.arg::<*const u8>(0) as u64)
}

#[btf_tracepoint(function = "ctime_ns_xchg")]
pub fn ctime_ns_xchg(ctx: BtfTracePointContext) -> i32 {
    touched(ctx.arg::<*const u8>(0) as u64)
}

/// Notes an inode as it is before the call's effect.
#[inline(always)]
fn touched(inode: u64) -> i32 {
    if tree::current().is_none() {
        return 0;
    }
    let nr = syscall::current_number();
    if !names::concerns(nr) {
        return 0;
    }
    let thread = bpf_get_current_pid_tgid();
    let call = match INFLIGHT.get_ptr_mut(&thread) {
        // SAFETY: keyed by thread, so that nobody else writes to it.
        Some(call) if unsafe { (*call).nr } == nr => call,
        _ => {
            if INFLIGHT.insert(&thread, &NOTHING, 0).is_err() {
                count(counter::LOST_SCRATCH);
                return 0;
            }
            let Some(call) = INFLIGHT.get_ptr_mut(&thread) else {
                return 0;
            };
            // SAFETY: as above.
            unsafe { (*call).nr = nr };
            call
        }
    };
    // SAFETY: as above.
    let call = unsafe { &mut *call };
    let mut index = 0;
    while index < TOUCHED {
        if call.touched[index].inode == inode {
            return 0;
        }
        index += 1;
    }
    let slot = call.count as usize;
    if slot >= TOUCHED {
        call.count = TOUCHED as u32 + 1;
        return 0;
    }
    call.count += 1;
    let place = &mut call.touched[slot];
    let dentry = kernel::alias(inode);
    place.inode = inode;
    place.dentry = dentry;
    place.parent = 0;
    place.name_len = 0;
    place.nlink = field(inode, offset!(inode_nlink));
    if dentry != 0 {
        place.parent = field(dentry, offset!(dentry_parent));
        let name = dentry.wrapping_add(offset!(dentry_name) as u64);
        let length: u32 = field(name, offset!(qstr_len));
        let bytes: u64 = field(name, offset!(qstr_name));
        place.hash = field(name, offset!(qstr_hash));
        let length = length & 0xff;
        place.name_len = length;
        // SAFETY: at most 255 bytes into 256.
        unsafe { bpf_probe_read_kernel(place.name.as_mut_ptr().cast(), length, bytes as *const _) };
    }
    0
}

//! Reads of file content that no system call's arguments tell: the kernel's own read of a script while it is executed, and
//! reads through io_uring. Page cache only: tmpfs reads another way.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext};
use probity_abi::{
    access::READ,
    event::{RING, TRACE},
    kind,
    state::Scripts,
};

use super::syscall;
use crate::{
    act::file::{Act, judge},
    kernel::{self, field},
    maps::{SCRIPTS, offset},
    tree,
};

/// execve, execveat, io_uring_enter.
const EXECVE: u32 = 59;
const EXECVEAT: u32 = 322;
const IO_URING_ENTER: u32 = 426;
/// Tasks that only work for a ring.
const PF_IO_WORKER: u32 = 0x10;
const PF_USER_WORKER: u32 = 0x4000;

#[btf_tracepoint(function = "mm_filemap_get_pages")]
pub fn mm_filemap_get_pages(ctx: BtfTracePointContext) -> i32 {
    let Some(flags) = tree::current() else { return 0 };
    let nr = syscall::current_number();
    let mapping = ctx.arg::<*const u8>(0) as u64;
    let workers: u32 = kernel::load(kernel::typed_task(), offset!(task_flags));
    if nr == EXECVE || nr == EXECVEAT {
        note(field(mapping, offset!(mapping_host)));
    } else if nr == IO_URING_ENTER || workers & (PF_IO_WORKER | PF_USER_WORKER) != 0 {
        let inode: u64 = field(mapping, offset!(mapping_host));
        judge(&Act {
            dentry: kernel::alias(inode),
            mount: 0,
            need: READ,
            kind: kind::FILE_READ,
            backend: TRACE,
            flags: flags | RING,
            ret: 0,
            arg0: 0,
            arg1: 0,
        });
    }
    0
}

/// Remembers a file that the kernel read while executing, in order.
#[inline(always)]
fn note(inode: u64) {
    let thread = bpf_get_current_pid_tgid();
    let Some(scripts) = SCRIPTS.get_ptr_mut(&thread) else {
        let _ = SCRIPTS.insert(
            &thread,
            &Scripts {
                inodes: [inode, 0, 0, 0],
            },
            0,
        );
        return;
    };
    // SAFETY: keyed by thread, so that nobody else writes to it.
    let scripts = unsafe { &mut *scripts };
    let mut index = 0;
    while index < 4 {
        if scripts.inodes[index] == inode {
            return;
        }
        if scripts.inodes[index] == 0 {
            scripts.inodes[index] = inode;
            return;
        }
        index += 1;
    }
}

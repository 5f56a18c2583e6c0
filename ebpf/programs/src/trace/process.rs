//! The tree's life: forks, threads, exits.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use probity_abi::{
    config::{EXIT_TELLS_GROUP, kernel_act},
    event::TRACE,
    kind,
    state::counter,
};

use crate::{
    act::kernel::{Act, judge},
    emit,
    kernel::field,
    maps::{PROCESSES, config, count, offset},
    scratch, tree,
};

const CLONE_THREAD: u64 = 0x0001_0000;
const CLONE_NEWNS: u64 = 0x0002_0000;
const CLONE_NEWUSER: u64 = 0x1000_0000;
const OTHER_NAMESPACES: u64 = 0x0200_0000 | 0x0400_0000 | 0x0800_0000 | 0x2000_0000 | 0x4000_0000 | 0x80;

/// A task was made, with these clone flags: namespaces are seen here, whichever call made it.
#[btf_tracepoint(function = "task_newtask")]
pub fn task_newtask(ctx: BtfTracePointContext) -> i32 {
    let Some(flags) = tree::current() else { return 0 };
    let task = ctx.arg::<*const u8>(0) as u64;
    let clone: u64 = ctx.arg(1);
    if clone & CLONE_THREAD == 0 {
        let parent: u64 = field(task, offset!(task_real_parent));
        let ppid: u32 = field(parent, offset!(task_tgid));
        tree::adopt(task, ppid);
        let Some(space) = scratch::take() else { return 0 };
        emit::begin(space, kind::FORK, TRACE, flags);
        space.event.arg0 = field::<u32>(task, offset!(task_pid)) as u64;
        space.event.arg1 = crate::kernel::start(task);
        emit::send(space, false);
        space.free();
    }
    namespaces(clone, flags);
    0
}

/// Reports new namespaces, a user namespace apart from the others.
#[inline(always)]
pub fn namespaces(clone: u64, flags: u32) {
    if clone & (CLONE_NEWUSER | CLONE_NEWNS | OTHER_NAMESPACES) == 0 {
        return;
    }
    let user = clone & CLONE_NEWUSER != 0;
    judge(&Act {
        kind: if user { kind::USERNS } else { kind::NAMESPACE },
        setting: if user {
            kernel_act::USERNS
        } else if clone & CLONE_NEWNS != 0 {
            kernel_act::MOUNT
        } else {
            kernel_act::NAMESPACE
        },
        backend: TRACE,
        flags,
        ret: 0,
        arg0: clone & (CLONE_NEWUSER | CLONE_NEWNS | OTHER_NAMESPACES),
        arg1: 0,
        words: 0,
    });
}

/// A task ended; the process has when its last thread has.
#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> i32 {
    let Some(flags) = tree::current() else { return 0 };
    let task = ctx.arg::<*const u8>(0) as u64;
    let tgid: u32 = field(task, offset!(task_tgid));
    let ended = if config!(trace) & EXIT_TELLS_GROUP != 0 {
        ctx.arg::<u64>(1) & 1 != 0
    } else {
        let signal: u64 = field(task, offset!(task_signal));
        field::<u32>(signal, offset!(signal_live)) == 0
    };
    if !ended {
        return 0;
    }
    let Some(space) = scratch::take() else { return 0 };
    emit::begin(space, kind::EXIT, TRACE, flags);
    space.event.arg0 = field::<u32>(task, offset!(task_exit_code)) as u64;
    emit::send(space, false);
    space.free();
    if PROCESSES.remove(&tgid).is_err() && config!(cgroup) == 0 {
        count(counter::LOST_PROCESSES);
    }
    0
}

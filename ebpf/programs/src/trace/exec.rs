//! Programs started.

use aya_ebpf::{helpers::bpf_get_current_pid_tgid, macros::btf_tracepoint, programs::BtfTracePointContext};
use probity_abi::{
    access::EXEC,
    config::{ADOPT_BY_EXE, TRACE_EXEC},
    event::{DECLARED, INTERPRETER, LAUNCH, STARTED, TRACE},
    kind,
};

use crate::{
    act::file::{Act, judge},
    atomic, emit,
    kernel::{self, field},
    maps::{SCRIPTS, STARTERS, STATE, config, offset},
    scratch,
    trace::{open::mark_open, words},
    tree,
};

/// The new program is committed: `bprm->file` is what runs, the interpreter for a script.
#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> i32 {
    let task = ctx.arg::<*const u8>(0) as u64;
    let bprm = ctx.arg::<*const u8>(2) as u64;
    let awaited = join(task, bprm);
    let Some(flags) = tree::current() else { return 0 };
    let file: u64 = field(bprm, offset!(binprm_file));
    let filename: u64 = field(bprm, offset!(binprm_filename));
    let interp: u64 = field(bprm, offset!(binprm_interp));
    let script = if filename != interp { INTERPRETER } else { 0 };
    let first = if awaited { LAUNCH } else { launch() };
    let (dentry, mount) = kernel::path_of(file);
    let thread = bpf_get_current_pid_tgid();
    if script != 0 && first == 0 && config!(trace) & TRACE_EXEC != 0 {
        scripts(thread, field(file, offset!(file_inode)), filename, flags);
    }
    let _ = SCRIPTS.remove(&thread);
    if first == 0 && config!(trace) & TRACE_EXEC != 0 {
        judge(&Act {
            dentry,
            mount,
            need: EXEC,
            kind: kind::EXEC,
            backend: TRACE,
            flags: flags | script,
            ret: 0,
            arg0: 0,
            arg1: 0,
        });
    }
    announce(dentry, mount, flags | script | first);
    0
}

/// Judges the scripts whose interpreter `last` is: as objects where the kernel's reads of them were seen, else by the name
/// that was executed.
#[inline(always)]
fn scripts(thread: u64, last: u64, filename: u64, flags: u32) {
    // SAFETY: keyed by thread, and read while the program runs.
    let read = unsafe { SCRIPTS.get(&thread) }
        .map(|scripts| scripts.inodes)
        .unwrap_or([0; 4]);
    if read[0] == 0 || read[0] == last {
        words::judge_words(
            filename,
            words::CWD,
            words::KERNEL | (EXEC as u32) << 16 | kind::EXEC as u32,
            flags,
        );
        return;
    }
    let mut index = 0;
    while index < 4 {
        if read[index] == 0 || read[index] == last {
            break;
        }
        judge(&Act {
            dentry: kernel::alias(read[index]),
            mount: 0,
            need: EXEC,
            kind: kind::EXEC,
            backend: TRACE,
            flags,
            ret: 0,
            arg0: 0,
            arg1: 0,
        });
        index += 1;
    }
}

/// Takes a process into the lineage whose fork was not one of the tree's: one that starts an executable that is waited for,
/// or that is in the tree's cgroup and was put there. What it already has open it did not open under our eyes. Says whether
/// it is an awaited start: what the watcher was asked for is not an act of the tree.
#[inline(always)]
fn join(task: u64, bprm: u64) -> bool {
    let member = tree::current().is_some();
    let joins = if member {
        !tree::contains(task)
    } else if config!(flags) & ADOPT_BY_EXE != 0 {
        let file: u64 = field(bprm, offset!(binprm_file));
        let inode: u64 = field(file, offset!(file_inode));
        // SAFETY: the value is not read.
        unsafe { STARTERS.get(&inode) }.is_some()
    } else {
        false
    };
    if joins {
        let parent: u64 = field(task, offset!(task_real_parent));
        tree::adopt(task, field(parent, offset!(task_tgid)));
        mark_open(task);
    }
    joins && !member
}

/// [`LAUNCH`] for the first program of the tree: what the watcher was asked to start.
#[inline(always)]
fn launch() -> u32 {
    let Some(started) = STATE.get_ptr_mut(3) else { return 0 };
    // SAFETY: an aligned word of the map's value.
    if config!(cgroup) != 0 && unsafe { atomic::exchange(started, 0) } != 0 {
        LAUNCH
    } else {
        0
    }
}

/// Tells the watcher which program the process is now, declared or not: its later acts are that program's. The flag `STARTED`
/// tells this event from the act, which was judged before.
#[inline(always)]
fn announce(dentry: u64, mount: u64, flags: u32) {
    let Some(space) = scratch::take() else { return };
    emit::begin(space, kind::EXEC, TRACE, flags | STARTED);
    space.need = EXEC as u32;
    space.event.access = EXEC;
    let inode: u64 = field(dentry, offset!(dentry_inode));
    space.event.inode = inode;
    space.event.ino = field(inode, offset!(inode_ino));
    space.event.generation = field(inode, offset!(inode_generation));
    space.event.nlink = field(inode, offset!(inode_nlink));
    let sb: u64 = field(inode, offset!(inode_sb));
    space.event.dev = field(sb, offset!(sb_dev));
    if kernel::unhashed(dentry) {
        space.event.flags |= probity_abi::event::UNLINKED;
    }
    crate::act::walk::walk(space, dentry, mount);
    crate::act::walk::walk_aside(space);
    let act = Act {
        dentry,
        mount,
        need: EXEC,
        kind: kind::EXEC,
        backend: TRACE,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    };
    crate::act::file::conclude(space, &act, inode);
    if flags & LAUNCH != 0 {
        space.event.verdict = DECLARED;
        space.event.missing = 0;
    }
    emit::send(space, false);
    space.free();
}

//! The watcher's own descriptors, and those of a process it is about to follow: which `struct inode` and which
//! `struct file` each means. This is how an object is pinned: a number from `stat` is not what the kernel compares. And the
//! tasks of the host, with the starts that tell one use of a number from the next.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_seq_write;
use probity_abi::state::{HAS_MEMORY, Held, IS_KERNEL, Task};

use crate::{
    kernel::{self, field},
    maps::offset,
};

/// `struct bpf_iter__task_file`.
#[repr(C)]
struct Context {
    meta: *mut c_void,
    task: *mut c_void,
    fd: u32,
    reserved: u32,
    file: *mut c_void,
}

/// The process whose descriptors are wanted; 0 for all.
#[unsafe(no_mangle)]
static WANTED: u32 = 0;

/// Writes one [`Held`] a descriptor.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task_file")]
fn held_files(context: *mut Context) -> i32 {
    // SAFETY: the kernel passes this structure; a null file ends the pass.
    let context = unsafe { &*context };
    let (file, task) = (context.file as u64, context.task as u64);
    if file == 0 || task == 0 || context.meta.is_null() {
        return 0;
    }
    let tgid: u32 = field(task, offset!(task_tgid));
    // SAFETY: a plain read of a static.
    let wanted = unsafe { core::ptr::read_volatile(&raw const WANTED) };
    if wanted != 0 && tgid != wanted {
        return 0;
    }
    let inode: u64 = field(file, offset!(file_inode));
    let sb: u64 = field(inode, offset!(inode_sb));
    let held = Held {
        fd: context.fd,
        generation: field(inode, offset!(inode_generation)),
        inode,
        ino: field(inode, offset!(inode_ino)),
        file,
        dev: field(sb, offset!(sb_dev)),
        tgid,
    };
    // SAFETY: `meta` starts with the seq_file; the record is a local.
    unsafe {
        let seq = *context.meta.cast::<*mut aya_ebpf::bindings::seq_file>();
        bpf_seq_write(seq, (&raw const held).cast(), size_of::<Held>() as u32);
    }
    0
}

/// `struct bpf_iter__task`.
#[repr(C)]
struct TaskContext {
    meta: *mut c_void,
    task: *mut c_void,
}

/// Writes one [`Task`] a task.
#[unsafe(no_mangle)]
#[unsafe(link_section = "iter/task")]
fn all_tasks(context: *mut TaskContext) -> i32 {
    const PF_KTHREAD: u32 = 0x0020_0000;
    // SAFETY: the kernel passes this structure; a null task ends the pass.
    let context = unsafe { &*context };
    let task = context.task as u64;
    if task == 0 || context.meta.is_null() {
        return 0;
    }
    let parent: u64 = field(task, offset!(task_real_parent));
    let memory: u64 = field(task, offset!(task_mm));
    let flags: u32 = field(task, offset!(task_flags));
    let mut told = 0;
    if memory != 0 {
        told |= HAS_MEMORY;
    }
    if flags & PF_KTHREAD != 0 {
        told |= IS_KERNEL;
    }
    let record = Task {
        start: kernel::start(task),
        exe: kernel::executable(task),
        pid: field(task, offset!(task_pid)),
        tgid: field(task, offset!(task_tgid)),
        ppid: field(parent, offset!(task_tgid)),
        flags: told,
    };
    // SAFETY: `meta` starts with the seq_file; the record is a local.
    unsafe {
        let seq = *context.meta.cast::<*mut aya_ebpf::bindings::seq_file>();
        bpf_seq_write(seq, (&raw const record).cast(), size_of::<Task>() as u32);
    }
    0
}

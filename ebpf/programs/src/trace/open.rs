//! What a process that joins the tree has open already: its use is judged, as nobody saw it opened.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use probity_abi::access::WRITE;

use crate::{
    act::foreign::note_foreign,
    kernel::{self, S_IFDIR, S_IFREG, field},
    maps::{FOREIGN, offset},
};

/// Descriptors that are looked at; the watcher lists what lies above them.
const MOST: u32 = 256;
/// `BPF_NOEXIST`.
const IF_NEW: u64 = 1;

/// Marks the files behind a task's descriptors as foreign. Its standard output and error are its caller's choice: writing
/// to them needs no rule.
#[inline(always)]
pub fn mark_open(task: u64) {
    mark_table(field(task, offset!(task_files)));
}

/// The same for a `struct files_struct`: a plain number, as a function of global linkage takes no typed pointer.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn mark_table(files: u64) -> u32 {
    let table: u64 = field(files, offset!(files_fdt));
    let max: u32 = field(table, offset!(fdt_max_fds));
    let array: u64 = field(table, offset!(fdt_fd));
    let mut table = Table { array, found: 0 };
    let most = if max < MOST { max } else { MOST };
    // SAFETY: the callback takes what is passed here; the verifier checks both.
    unsafe { bpf_loop(most, step as *mut c_void, (&raw mut table).cast(), 0) };
    if table.found != 0 {
        note_foreign();
    }
    0
}

struct Table {
    array: u64,
    found: u64,
}

/// One descriptor.
extern "C" fn step(fd: u64, table: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` passes the `Table` on the caller's stack.
    let table = unsafe { &mut *table.cast::<Table>() };
    let file: u64 = field(table.array, (fd as u32).wrapping_mul(8));
    let inode: u64 = field(file, offset!(file_inode));
    let kind = kernel::file_type(inode);
    if file != 0 && (kind == S_IFREG || kind == S_IFDIR) {
        let standard = fd == 1 || fd == 2;
        let exempt = if standard { WRITE as u32 } else { 0 };
        let _ = FOREIGN.insert(&file, &exempt, if standard { 0 } else { IF_NEW });
        table.found = 1;
    }
    0
}

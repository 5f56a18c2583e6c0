//! What the security hooks decide, whoever calls: `lsm/` and `hook/` hold the same hooks in two sections and only take
//! their arguments apart.
//!
//! A hook runs before the act, in the task that acts, on the object itself: nothing can be swapped between what is judged
//! and what is done. Nothing is refused here yet: see [`answer`].

use aya_ebpf::EbpfContext;
use probity_abi::event::{COMPAT, RING};

use crate::{
    kernel::{self, field},
    maps::offset,
    trace::syscall,
};

pub mod attribute;
pub mod exec;
pub mod file;
pub mod name;
pub mod probe;
pub mod unix;

/// What a hook returns for a verdict: 0 lets the act go on, whatever was found.
#[inline(always)]
pub fn answer(_verdict: u8) -> i32 {
    0
}

/// An argument as a plain number.
///
/// Loaded from the context it would be a typed pointer, which the verifier does not let pass as a number to a function of
/// global linkage, and which it may take for never null.
#[inline(always)]
pub fn argument(context: &impl EbpfContext, index: usize) -> u64 {
    // SAFETY: nothing is read through the pointer but by the helper, which checks it.
    let place = unsafe { context.as_ptr().cast::<u64>().add(index) };
    kernel::read(place as u64).unwrap_or(0)
}

/// Which way the act came, beside the 64-bit entry.
///
/// A function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn origin() -> u32 {
    const PF_IO_WORKER: u32 = 0x10;
    const IO_URING_ENTER: u32 = 426;
    let task = kernel::task();
    let flags: u32 = field(task, offset!(task_flags));
    if flags & PF_IO_WORKER != 0 {
        return RING;
    }
    let ring = if syscall::current_number() == IO_URING_ENTER {
        RING
    } else {
        0
    };
    let status: u32 = field(task, offset!(task_status));
    if status & 2 != 0 { ring | COMPAT } else { ring }
}

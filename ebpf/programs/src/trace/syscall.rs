//! A system call as its registers hold it when it returns: its number in the 64-bit table, its arguments.

use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};

use crate::{kernel, maps::offset};

/// A returning system call.
#[derive(Clone, Copy)]
pub struct Call {
    /// Number in the 64-bit table; [`UNKNOWN`] for a 32-bit call that has no counterpart here.
    pub nr: u32,
    /// The six arguments.
    pub args: [u64; 6],
}

/// Not a system call that is looked at.
pub const UNKNOWN: u32 = u32::MAX;

/// `orig_rax` in `struct pt_regs`.
const ORIGINAL: usize = 120;

/// One saved register. The verifier knows the pointer's type, so that this is a load and not a call.
///
/// # Safety
///
/// `regs` is the argument of a tracepoint, unchanged.
#[inline(always)]
unsafe fn register(regs: *const u8, at: usize) -> u64 {
    // SAFETY: the caller's promise; every offset here is inside the structure.
    unsafe { core::ptr::read_volatile(regs.add(at).cast()) }
}

/// The number of a returning call as it was made.
#[inline(always)]
pub fn number(regs: *const u8) -> u32 {
    // SAFETY: `regs` is what the tracepoint gave.
    unsafe { register(regs, ORIGINAL) as u32 }
}

/// Whether the current task's call came through the 32-bit entry.
#[inline(always)]
pub fn compat() -> bool {
    const TS_COMPAT: u32 = 2;
    let status: u32 = kernel::load(kernel::typed_task(), offset!(task_status));
    status & TS_COMPAT != 0
}

/// Reads the call from the task's saved registers, the argument of the tracepoint; `compat`: it came through the 32-bit
/// entry.
#[inline(always)]
pub fn read(regs: *const u8, compat: bool) -> Call {
    let nr = number(regs);
    // 32-bit: ebx, ecx, edx, esi, edi, ebp; 64-bit: rdi, rsi, rdx, r10, r8, r9. Offsets into struct pt_regs.
    // SAFETY: `regs` is what the tracepoint gave.
    let args = unsafe {
        if compat {
            let low = |at| register(regs, at) & 0xffff_ffff;
            [low(40), low(88), low(96), low(104), low(112), low(32)]
        } else {
            let all = |at| register(regs, at);
            [all(112), all(104), all(96), all(56), all(72), all(64)]
        }
    };
    Call {
        nr: if compat { native(nr) } else { nr },
        args,
    }
}

/// The number of the call that the current task is in, in the 64-bit table.
#[inline(always)]
pub fn current_number() -> u32 {
    // SAFETY: both helpers are meant for each other; the register is inside the structure.
    let original = unsafe { register(bpf_task_pt_regs(bpf_get_current_task_btf()) as *const u8, ORIGINAL) } as u32;
    if compat() { native(original) } else { original }
}

/// The 64-bit number of a 32-bit call.
#[inline(always)]
fn native(nr: u32) -> u32 {
    match nr {
        3 => 0,
        4 => 1,
        5 => 2,
        8 => 85,
        9 => 86,
        10 => 87,
        14 => 133,
        15 => 90,
        21 => 165,
        26 => 101,
        30 => 132,
        37 => 62,
        38 => 82,
        39 => 83,
        40 => 84,
        52 => 166,
        61 => 161,
        83 => 88,
        92 | 193 => 76,
        93 | 194 => 77,
        94 => 91,
        128 => 175,
        145 => 19,
        146 => 20,
        180 => 17,
        181 => 18,
        192 => 9,
        198 => 94,
        207 => 93,
        212 => 92,
        217 => 155,
        226 => 188,
        227 => 189,
        228 => 190,
        235 => 197,
        236 => 198,
        237 => 199,
        295 => 257,
        296 => 258,
        297 => 259,
        298 => 260,
        301 => 263,
        302 => 264,
        303 => 265,
        304 => 266,
        306 => 268,
        310 => 272,
        320 | 412 => 280,
        324 => 285,
        336 => 298,
        342 => 304,
        346 => 308,
        347 => 310,
        348 => 311,
        350 => 313,
        353 => 316,
        357 => 321,
        359 => 41,
        361 => 49,
        362 => 42,
        363 => 50,
        364 => 288,
        369 => 44,
        370 => 46,
        374 => 323,
        377 => 326,
        424..=466 => nr,
        _ => UNKNOWN,
    }
}

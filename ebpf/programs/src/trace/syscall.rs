//! A system call as its registers hold it when it returns: its number in the 64-bit table, its arguments.

use aya_ebpf::helpers::generated::{bpf_get_current_task_btf, bpf_task_pt_regs};

use crate::{
    kernel::{self, field},
    maps::offset,
};

/// A returning system call.
#[derive(Clone, Copy)]
pub struct Call {
    /// Number in the 64-bit table; [`UNKNOWN`] for a 32-bit call that has no counterpart here.
    pub nr: u32,
    /// It came through the 32-bit entry.
    pub compat: bool,
    /// The six arguments.
    pub args: [u64; 6],
}

/// Not a system call that is looked at.
pub const UNKNOWN: u32 = u32::MAX;

/// Reads the call from the task's saved registers.
#[inline(always)]
pub fn read(regs: u64) -> Call {
    let original: u64 = field(regs, 120);
    let status: u32 = field(kernel::task(), offset!(task_status));
    let compat = status & 2 != 0;
    let mut args = [0; 6];
    // 32-bit: ebx, ecx, edx, esi, edi, ebp; 64-bit: rdi, rsi, rdx, r10, r8, r9. Offsets into struct pt_regs.
    let places: [u32; 6] = if compat {
        [40, 88, 96, 104, 112, 32]
    } else {
        [112, 104, 96, 56, 72, 64]
    };
    let mut index = 0;
    while index < 6 {
        let value: u64 = field(regs, places[index]);
        args[index] = if compat { value & 0xffff_ffff } else { value };
        index += 1;
    }
    let nr = original as u32;
    Call {
        nr: if compat { native(nr) } else { nr },
        compat,
        args,
    }
}

/// The number of the call that the current task is in, in the 64-bit table.
#[inline(always)]
pub fn current_number() -> u32 {
    // SAFETY: both helpers are meant for each other.
    let regs = unsafe { bpf_task_pt_regs(bpf_get_current_task_btf()) } as u64;
    let original: u64 = field(regs, 120);
    let status: u32 = field(kernel::task(), offset!(task_status));
    if status & 2 != 0 {
        native(original as u32)
    } else {
        original as u32
    }
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

//! Judging acts on the kernel itself: io_uring, namespaces, mounts, ptrace and the like.

use probity_abi::{
    config::{ALLOW, DENY, TREE_ONLY},
    event::{AS_WRITTEN, DECLARED, DENIED, NAMES, OUTSIDER, UNDECLARED},
};

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user_str};

use crate::{
    atomic, emit,
    maps::{config, count_rule},
    scratch::{self, HEAD, Scratch},
};

/// One act on the kernel.
#[derive(Clone, Copy)]
pub struct Act {
    /// One of [`probity_abi::kind`].
    pub kind: u16,
    /// Index of the setting, one of [`probity_abi::config::kernel_act`].
    pub setting: usize,
    /// Who saw it.
    pub backend: u8,
    /// Event flags known already.
    pub flags: u32,
    /// What the system call returned.
    pub ret: i32,
    /// The kind's arguments.
    pub arg0: u64,
    pub arg1: u64,
    /// Words in the caller's memory that say what it is done to, 0 for none.
    pub words: u64,
}

/// Judges an act and sends what must be sent.
#[inline(always)]
pub fn judge(act: &Act) -> u8 {
    let what = (act.flags as u64) << 32 | (act.kind as u64) << 16 | (act.setting as u64) << 8 | act.backend as u64;
    judge_kernel(what, act.ret as u32, act.arg0, act.arg1, act.words) as u8
}

/// The same with plain numbers: a function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn judge_kernel(what: u64, ret: u32, arg0: u64, arg1: u64, words: u64) -> u32 {
    let act = Act {
        kind: (what >> 16) as u16,
        setting: (what >> 8) as usize & 15,
        backend: what as u8,
        flags: (what >> 32) as u32,
        ret: ret as i32,
        arg0,
        arg1,
        words,
    };
    run(&act) as u32
}

#[inline(always)]
fn run(act: &Act) -> u8 {
    let setting = config!(kernel[act.setting & 15]);
    let rule = config!(kernel_rule[act.setting & 15]);
    let verdict = match setting {
        ALLOW => DECLARED,
        DENY => DENIED,
        TREE_ONLY if act.flags & OUTSIDER == 0 => DECLARED,
        TREE_ONLY => DENIED,
        _ => UNDECLARED,
    };
    if verdict == DECLARED {
        count_rule(rule);
    }
    let Some(space) = scratch::take() else { return verdict };
    emit::begin(space, act.kind, act.backend, act.flags);
    space.at = NAMES as u32;
    if act.words != 0 {
        read_words(space, act.words);
    }
    space.event.ret = act.ret;
    space.event.arg0 = act.arg0;
    space.event.arg1 = act.arg1;
    space.event.verdict = verdict;
    space.event.rule = rule;
    emit::judged(space, act.arg0, act.arg1 ^ ((act.setting as u64) << 56));
    space.free();
    verdict
}

/// Puts the caller's words where the event's name goes.
#[inline(always)]
fn read_words(space: &mut Scratch, words: u64) {
    // SAFETY: the second half of `bytes` is NAMES long.
    let source = unsafe { (&raw mut space.bytes).cast::<u8>().add(HEAD + NAMES) };
    // SAFETY: as above; the helper checks the user address.
    let length = unsafe { bpf_probe_read_user_str(source.cast(), NAMES as u32, words as *const _) };
    if length <= 1 || length > NAMES as i64 {
        return;
    }
    let length = atomic::opaque(length as u64 - 1) as u32 & (NAMES as u32 - 1);
    let at = atomic::opaque((NAMES as u32 - length) as u64) as u32 & (NAMES as u32 - 1);
    // SAFETY: `at + length` is NAMES.
    unsafe {
        bpf_probe_read_kernel(
            (&raw mut space.bytes).cast::<u8>().add(HEAD + at as usize).cast(),
            length,
            source.cast_const().cast(),
        )
    };
    space.at = at;
    space.event.flags |= AS_WRITTEN;
}

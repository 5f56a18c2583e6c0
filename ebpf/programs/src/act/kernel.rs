//! Judging acts on the kernel itself: io_uring, namespaces, mounts, ptrace and the like.

use probity_abi::{
    config::{ALLOW, DENY, TREE_ONLY},
    event::{DECLARED, DENIED, NAMES, OUTSIDER, UNDECLARED},
};

use crate::{
    emit,
    maps::{config, count_rule},
    scratch,
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
}

/// Judges an act and sends what must be sent.
#[inline(always)]
pub fn judge(act: &Act) -> u8 {
    let what = (act.flags as u64) << 32 | (act.kind as u64) << 16 | (act.setting as u64) << 8 | act.backend as u64;
    judge_kernel(what, act.ret as u32, act.arg0, act.arg1) as u8
}

/// The same with plain numbers: a function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn judge_kernel(what: u64, ret: u32, arg0: u64, arg1: u64) -> u32 {
    let act = Act {
        kind: (what >> 16) as u16,
        setting: (what >> 8) as usize & 15,
        backend: what as u8,
        flags: (what >> 32) as u32,
        ret: ret as i32,
        arg0,
        arg1,
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
    space.event.ret = act.ret;
    space.event.arg0 = act.arg0;
    space.event.arg1 = act.arg1;
    space.event.verdict = verdict;
    space.event.rule = rule;
    emit::judged(space, act.arg0, act.arg1 ^ ((act.setting as u64) << 56));
    space.free();
    verdict
}

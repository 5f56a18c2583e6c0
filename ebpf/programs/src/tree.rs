//! Who is followed: the tasks of the tree's cgroup, and whoever descends from one, wherever it went.

use aya_ebpf::helpers::{bpf_get_current_pid_tgid, generated::bpf_get_current_ancestor_cgroup_id};
use probity_abi::{
    config::LINEAGE,
    event::ESCAPED,
    state::{Process, counter},
};

use crate::{
    atomic,
    kernel::{self, field},
    maps::{PROCESSES, STATE, config, count, offset},
};

/// Whether the current task is followed, and the event flags that say how.
///
/// The common case, an untracked task of a host where nothing has left the cgroup, is one helper call and two compares.
#[inline(always)]
pub fn current() -> Option<u32> {
    let cgroup = config!(cgroup);
    let level = config!(cgroup_level) as i32;
    // SAFETY: no memory is passed.
    if cgroup != 0 && unsafe { bpf_get_current_ancestor_cgroup_id(level) } == cgroup {
        return Some(0);
    }
    if config!(flags) & LINEAGE == 0 && !anyone_left() {
        return None;
    }
    let tgid = (bpf_get_current_pid_tgid() >> 32) as u32;
    known(tgid, kernel::task()).then_some(if cgroup == 0 { 0 } else { ESCAPED })
}

/// Whether a task is of the tree, by lineage.
#[inline(always)]
pub fn contains(task: u64) -> bool {
    known(field(task, offset!(task_tgid)), task)
}

/// Whether a process of this number and this start is of the tree.
#[inline(always)]
fn known(tgid: u32, task: u64) -> bool {
    // SAFETY: the value is copied out field by field while the program runs, which keeps the element alive.
    let Some(process) = (unsafe { PROCESSES.get(&tgid) }) else {
        return false;
    };
    process.start == kernel::start(task)
}

/// Remembers a process of the tree.
#[inline(always)]
pub fn adopt(task: u64, ppid: u32) {
    let tgid: u32 = field(task, offset!(task_tgid));
    let process = Process {
        start: kernel::start(task),
        flags: 0,
        ppid,
        script: 0,
    };
    if PROCESSES.insert(&tgid, &process, 0).is_err() {
        count(counter::LOST_PROCESSES);
    }
}

/// Whether some process has left the tree's cgroup.
#[inline(always)]
fn anyone_left() -> bool {
    STATE.get(1).is_some_and(|left| *left != 0)
}

/// From here on, tasks outside the cgroup are looked up by lineage too.
#[inline(always)]
pub fn note_departure() {
    if let Some(left) = STATE.get_ptr_mut(1) {
        // SAFETY: a single aligned store; every writer writes the same.
        unsafe { *left = 1 };
    }
}

/// Something was renamed or mounted: what was decided on paths so far no longer holds.
#[inline(always)]
pub fn bump_epoch() {
    if let Some(epoch) = STATE.get_ptr_mut(0) {
        // SAFETY: an aligned word of the map's value.
        unsafe { atomic::increment(epoch) };
    }
}

/// The present epoch.
#[inline(always)]
pub fn epoch() -> u64 {
    STATE.get(0).copied().unwrap_or(0)
}

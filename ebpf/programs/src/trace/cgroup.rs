//! Leaving the tree's cgroup, and being put into it.

use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use probity_abi::{
    config::kernel_act,
    event::{ESCAPED, TRACE},
    kind,
};

use crate::{
    act::kernel::{Act, judge},
    kernel::field,
    maps::{config, offset},
    trace::open::mark_open,
    tree,
};

/// A task of the tree was moved to another cgroup, by itself or by someone else.
#[btf_tracepoint(function = "cgroup_attach_task")]
pub fn cgroup_attach_task(ctx: BtfTracePointContext) -> i32 {
    let own = config!(cgroup);
    if own == 0 {
        return 0;
    }
    let to = ctx.arg::<*const u8>(0) as u64;
    let task = ctx.arg::<*const u8>(2) as u64;
    let (known, inside) = (tree::contains(task), inside(to, own));
    if inside && !known {
        let parent: u64 = field(task, offset!(task_real_parent));
        tree::adopt(task, field(parent, offset!(task_tgid)));
        mark_open(task);
    }
    if inside || !known {
        return 0;
    }
    tree::note_departure();
    let node: u64 = field(to, offset!(cgroup_kn));
    judge(&Act {
        kind: kind::CGROUP_ESCAPE,
        setting: kernel_act::CGROUP,
        backend: TRACE,
        flags: ESCAPED,
        ret: 0,
        arg0: field::<u32>(task, offset!(task_tgid)) as u64,
        arg1: field(node, offset!(kernfs_id)),
        words: 0,
    });
    0
}

/// Whether a cgroup is the tree's or below it.
#[inline(always)]
fn inside(cgroup: u64, own: u64) -> bool {
    let level: i32 = field(cgroup, offset!(cgroup_level));
    let wanted = config!(cgroup_level);
    if level < wanted as i32 {
        return false;
    }
    let ancestor: u64 = field(cgroup, offset!(cgroup_ancestors).wrapping_add(wanted.wrapping_mul(8)));
    let node: u64 = field(ancestor, offset!(cgroup_kn));
    field::<u64>(node, offset!(kernfs_id)) == own
}

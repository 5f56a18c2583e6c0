//! Events on their way out: filled with the subject, sent once, afterwards counted.

use aya_ebpf::helpers::{
    bpf_get_current_comm, bpf_get_current_pid_tgid, bpf_get_current_uid_gid,
    generated::{bpf_ktime_get_boot_ns, bpf_probe_read_kernel, bpf_ringbuf_output},
};
use probity_abi::{
    config::SEND_ALL,
    event::{ALL, AMBIGUOUS, DECLARED, NAMES, SHARED_TABLE},
    state::{Seen, SeenKey, counter},
};

use crate::{
    atomic,
    kernel::{self, field},
    maps::{EVENTS, SEEN, VIOLATIONS, config, count, offset},
    scratch::{self, HEAD, Scratch},
};

/// Begins an event of the current task: who, when, nothing else.
#[inline(always)]
pub fn begin(space: &mut Scratch, kind: u16, backend: u8, flags: u32) {
    begin_event(space.slot, (kind as u32) << 16 | backend as u32, flags);
}

/// A function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn begin_event(slot: u32, kind_and_backend: u32, flags: u32) -> u32 {
    let Some(space) = scratch::taken(slot) else { return 0 };
    let (kind, backend) = ((kind_and_backend >> 16) as u16, kind_and_backend as u8);
    space.at = NAMES as u32;
    let event = &mut space.event;
    let task = kernel::task();
    let ids = bpf_get_current_pid_tgid();
    // SAFETY: no argument.
    event.time = unsafe { bpf_ktime_get_boot_ns() };
    event.start = kernel::start(task);
    event.inode = 0;
    event.ino = 0;
    event.arg0 = 0;
    event.arg1 = 0;
    event.flags = flags;
    event.pid = ids as u32;
    event.tgid = (ids >> 32) as u32;
    let parent: u64 = field(task, offset!(task_real_parent));
    event.ppid = field(parent, offset!(task_tgid));
    event.uid = bpf_get_current_uid_gid() as u32;
    let namespace = kernel::mount_namespace(task);
    event.mnt_ns = field(namespace, offset!(mnt_ns_inum));
    event.dev = 0;
    event.generation = 0;
    event.nlink = 0;
    event.ret = 0;
    event.kind = kind;
    event.rule = 0;
    event.verdict = DECLARED;
    event.backend = backend;
    event.access = 0;
    event.missing = 0;
    event.family = 0;
    event.port = 0;
    event.protocol = 0;
    event.sock_type = 0;
    event.addr = [0; 16];
    event.comm = bpf_get_current_comm().unwrap_or([0; 16]);
    event.name_len = 0;
    event.name2_len = 0;
    event.reserved = 0;
    0
}

/// Sends an act that has been judged: a violation once per object and executable, a declared one only when all are wanted.
#[inline(always)]
pub fn judged(space: &mut Scratch, object: u64, object2: u64) {
    send_judged(space.slot, object, object2);
}

/// A function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn send_judged(slot: u32, object: u64, object2: u64) -> u32 {
    let Some(space) = scratch::taken(slot) else { return 0 };
    judge_and_send(space, object, object2);
    0
}

#[inline(always)]
fn judge_and_send(space: &mut Scratch, object: u64, object2: u64) {
    if space.event.verdict == DECLARED {
        count(counter::DECLARED);
        if config!(flags) & SEND_ALL != 0 {
            space.event.flags |= ALL;
            send(space, false);
        }
        return;
    }
    if space.event.verdict == AMBIGUOUS || space.event.flags & SHARED_TABLE != 0 {
        count(counter::AMBIGUOUS);
    }
    let event = &space.event;
    let act = (event.kind as u64) << 48
        | (event.verdict as u64) << 40
        | (event.access as u64) << 32
        | (event.port as u64) << 16
        | (event.protocol as u64);
    space.seen = SeenKey {
        object,
        object2,
        exe: kernel::executable(kernel::task()),
        act,
    };
    if let Some(seen) = SEEN.get_ptr_mut(&space.seen) {
        // SAFETY: an aligned word of the map's value.
        unsafe { atomic::increment(&raw mut (*seen).count) };
        count(counter::REPEATED);
        return;
    }
    space.first = Seen {
        count: 1,
        time: space.event.time,
    };
    if SEEN.insert(&space.seen, &space.first, 0).is_err() {
        count(counter::UNREMEMBERED);
    }
    send(space, true);
}

/// Sends an event as it is.
#[inline(always)]
pub fn send(space: &mut Scratch, violation: bool) {
    let at = atomic::opaque(space.at as u64) as usize & (2 * NAMES - 1);
    if at > NAMES {
        return;
    }
    let names = atomic::opaque((NAMES - at) as u64) as usize & (2 * NAMES - 1);
    if names > NAMES {
        return;
    }
    space.event.name_len = names as u16;
    let head = &raw const space.event;
    // SAFETY: `at` is at most NAMES, so the head fits before the path; both lie in the same map value.
    let start = unsafe { space.bytes.as_mut_ptr().add(at) };
    // SAFETY: as above.
    let copied = unsafe { bpf_probe_read_kernel(start.cast(), HEAD as u32, head.cast()) };
    let length = (HEAD + names) as u64;
    // SAFETY: the ring is a map of this object; the bytes are initialised map memory.
    let sent = unsafe {
        if violation {
            bpf_ringbuf_output((&raw const VIOLATIONS).cast_mut().cast(), start.cast(), length, 0)
        } else {
            bpf_ringbuf_output((&raw const EVENTS).cast_mut().cast(), start.cast(), length, 0)
        }
    };
    count(match (copied == 0 && sent == 0, violation) {
        (true, _) => counter::SENT,
        (false, true) => counter::LOST_VIOLATIONS,
        (false, false) => counter::LOST_EVENTS,
    });
}

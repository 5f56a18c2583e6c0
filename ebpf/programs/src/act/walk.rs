//! From an object upwards to the root of its mount namespace: through directories and mounts, noting every pinned ancestor.
//!
//! At the root of a bind mount the walk goes on through the mount, since that is how the object was reached; a second walk
//! along the same directory's own parents then looks for denials only, so that mounting a denied directory elsewhere does
//! not make it readable. What lies in the acting process's own directory of procfs has a second name as well: `self` in
//! the place of the number. The rules of either name hold; the path that is told is the one with the number.
//! `/proc/thread-self` is no name of its own here: a rule says `/proc/self/task/*`.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::{bpf_loop, bpf_probe_read_kernel};
use probity_abi::{
    access::EXEC,
    event::{MOUNT_GUESSED, NAMES, PATH_CUT},
    policy::Pin,
};

use super::automaton;
use crate::{
    atomic::opaque,
    kernel::{self, field},
    maps::{PINS, offset},
    scratch::{self, HEAD, Scratch},
};

/// How many steps a walk may take: directories and mounts together.
const STEPS: u32 = 1024;

/// The walk reached the root of a mount namespace.
pub const ROOT: u8 = 1;
/// The object is in no mount namespace: a pipe, a memfd, a lazily unmounted file system.
pub const DETACHED: u8 = 2;
/// The path is longer than the space for it, or deeper than the walk.
pub const CUT: u8 = 3;

struct Walk {
    space: *mut Scratch,
}

/// Walks from `dentry` in `mount` (a `struct mount`, 0 when unknown), uniting the grants into `space`.
#[inline(always)]
pub fn walk(space: &mut Scratch, dentry: u64, mount: u64) {
    space.dentry = dentry;
    space.mount = mount;
    space.aside = 0;
    space.own = 0;
    space.previous = 0;
    space.allow = 0;
    space.deny = 0;
    space.exact = 0;
    space.end = 0;
    space.cut = 0;
    space.only_deny = 0;
    space.allow_rule = 0;
    space.deny_rule = 0;
    run(space);
}

/// Walks along the object's other names: from a bind mount's root along its own parents, for denials, and through `self`
/// where the path went through the acting process's own directory of procfs.
#[inline(always)]
pub fn walk_aside(space: &mut Scratch) {
    if space.aside == 0 && space.own == 0 {
        return;
    }
    let (at, end) = (space.at, space.end);
    copy(space, 0, NAMES);
    if space.own != 0 {
        space.dentry = space.own;
        space.mount = space.own_mount;
        space.at = space.own_at;
        space.end = 0;
        let name = *b"self";
        put(space, name.as_ptr() as u64, name.len() as u32);
        run(space);
    }
    if space.aside != 0 {
        space.dentry = space.aside;
        space.mount = 0;
        space.only_deny = 1;
        copy(space, NAMES, 0);
        space.at = space.aside_at;
        space.end = 0;
        run(space);
        space.only_deny = 0;
    }
    copy(space, NAMES, 0);
    space.at = at;
    space.end = end;
}

/// Copies the path's half of `bytes`, at `from`, over the other one.
#[inline(always)]
fn copy(space: &mut Scratch, from: usize, to: usize) {
    let bytes = (&raw mut space.bytes).cast::<u8>();
    // SAFETY: both halves lie inside `bytes` and do not overlap.
    unsafe { bpf_probe_read_kernel(bytes.add(HEAD + to).cast(), NAMES as u32, bytes.add(HEAD + from).cast()) };
}

#[inline(always)]
fn run(space: &mut Scratch) {
    walk_up(space.slot);
}

/// The walk itself. A function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn walk_up(slot: u32) -> u32 {
    let Some(space) = scratch::taken(slot) else { return 0 };
    let mut walk = Walk { space };
    // SAFETY: the callback takes what is passed here; the verifier checks both.
    unsafe { bpf_loop(STEPS, step as *mut c_void, (&raw mut walk).cast(), 0) };
    let Some(space) = scratch::taken(slot) else { return 0 };
    if space.end == 0 {
        space.end = CUT;
        space.event.flags |= PATH_CUT;
    }
    0
}

extern "C" fn step(_: u64, walk: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` passes the `Walk` on the caller's stack, whose space outlives the loop.
    let space = unsafe { &mut *(*walk.cast::<Walk>()).space };
    let dentry = space.dentry;
    let inode: u64 = field(dentry, offset!(dentry_inode));
    // SAFETY: the element is copied while the program runs.
    if let Some(pin) = unsafe { PINS.get(&inode) }
        && holds(inode, pin)
    {
        unite(space, pin.state);
    }
    if space.mount != 0 {
        let vfs = space.mount.wrapping_add(offset!(mount_vfs) as u64);
        let root: u64 = field(vfs, offset!(vfsmount_root));
        if dentry == root {
            return leave_mount(space, dentry);
        }
    }
    let parent: u64 = field(dentry, offset!(dentry_parent));
    if parent == dentry || parent == 0 {
        return leave_file_system(space, dentry);
    }
    space.previous = dentry;
    space.previous_at = space.at;
    prepend(space, dentry);
    space.dentry = parent;
    0
}

/// Whether a pin still means this inode.
#[inline(always)]
fn holds(inode: u64, pin: &Pin) -> bool {
    let ino: u64 = field(inode, offset!(inode_ino));
    let generation: u32 = field(inode, offset!(inode_generation));
    ino == pin.ino && generation == pin.generation
}

/// Adds what the rules say from this pinned ancestor.
#[inline(always)]
fn unite(space: &mut Scratch, state: u32) {
    let Some(grant) = automaton::grant(space, state) else {
        return;
    };
    let need = space.need as u8;
    let denied = grant.deny & need & !space.deny;
    if denied != 0 {
        space.deny |= denied;
        if space.deny_rule == 0 {
            space.deny_rule = grant.deny_rule[lowest(denied)];
        }
    }
    if space.only_deny != 0 {
        return;
    }
    let allowed = grant.allow & need & !space.allow;
    if allowed != 0 {
        space.allow |= allowed;
        if space.allow_rule == 0 {
            space.allow_rule = grant.allow_rule[lowest(allowed)];
        }
    }
    space.exact |= grant.exact & need;
}

/// The number of the lowest bit that is set.
#[inline(always)]
pub fn lowest(bits: u8) -> usize {
    let mut bit = 0;
    while bit < 7 && bits & (1 << bit) == 0 {
        bit += 1;
    }
    bit
}

/// At the root of a mount: on to where it is mounted.
#[inline(always)]
fn leave_mount(space: &mut Scratch, dentry: u64) -> i64 {
    let mount = space.mount;
    let parent: u64 = field(mount, offset!(mount_parent));
    let own: u64 = field(dentry, offset!(dentry_parent));
    if own != dentry && space.aside == 0 {
        space.aside = dentry;
        space.aside_at = space.at;
    }
    note_own(space, dentry);
    if parent == mount || parent == 0 {
        let namespace: i64 = field(mount, offset!(mount_ns));
        // MNT_NS_INTERNAL is an error pointer; a lazily unmounted mount has none.
        space.end = if namespace == 0 || (-4096..0).contains(&namespace) {
            DETACHED
        } else {
            ROOT
        };
        return 1;
    }
    space.dentry = field(mount, offset!(mount_mountpoint));
    space.mount = parent;
    0
}

/// At the root of a mount: whether the walk came through the directory that procfs has for the acting process.
#[inline(always)]
fn note_own(space: &mut Scratch, root: u64) {
    const PROC_SUPER_MAGIC: u64 = 0x9fa0;
    let sb: u64 = field(root, offset!(dentry_sb));
    let magic: u64 = field(sb, offset!(sb_magic));
    if magic != PROC_SUPER_MAGIC || space.own != 0 || space.previous == 0 {
        return;
    }
    let inode: u64 = field(space.previous, offset!(dentry_inode));
    if inode == 0 {
        return;
    }
    let entry = inode.wrapping_sub(offset!(proc_inode) as u64);
    let of: u64 = field(entry, offset!(proc_pid));
    let leader: u64 = field(kernel::task(), offset!(task_group_leader));
    let pid: u64 = field(leader, offset!(task_thread_pid));
    if pid != 0 && of == pid {
        space.own = root;
        space.own_mount = space.mount;
        space.own_at = space.previous_at;
    }
}

/// At the root of a file system with no mount known: the first mount of the task's namespace that shows it.
#[inline(always)]
fn leave_file_system(space: &mut Scratch, dentry: u64) -> i64 {
    if space.mount != 0 || space.only_deny != 0 {
        if space.need as u8 & EXEC != 0 && space.at as usize == NAMES {
            prepend(space, dentry);
        }
        space.end = DETACHED;
        return 1;
    }
    let inode: u64 = field(dentry, offset!(dentry_inode));
    let sb: u64 = field(inode, offset!(inode_sb));
    let found = mount_showing(sb, dentry);
    if found == 0 {
        space.end = DETACHED;
        return 1;
    }
    space.event.flags |= MOUNT_GUESSED;
    space.mount = found;
    0
}

struct Search {
    next: u64,
    root: u64,
    namespace: u64,
    found: u64,
    linked: u64,
}

/// The mount of a super block whose root is `root` (0: any root), in the current task's mount namespace.
#[inline(always)]
fn mount_showing(sb: u64, root: u64) -> u64 {
    let plain = offset!(mount_next_for_sb);
    let linked = plain == probity_abi::offsets::NONE;
    let next: u64 = field(sb, offset!(sb_mounts));
    let mut search = Search {
        next,
        root,
        namespace: kernel::mount_namespace(kernel::task()),
        found: 0,
        linked: linked as u64,
    };
    // SAFETY: the callback takes what is passed here; the verifier checks both.
    unsafe { bpf_loop(64, search_step as *mut c_void, (&raw mut search).cast(), 0) };
    search.found
}

extern "C" fn search_step(_: u64, search: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` passes the `Search` on the caller's stack.
    let search = unsafe { &mut *search.cast::<Search>() };
    if search.next == 0 {
        return 1;
    }
    // Since 6.18 a super block's mounts are a plain list of mounts; before, a ring of list heads inside them.
    let mount = if search.linked != 0 {
        search.next.wrapping_sub(offset!(mount_instance) as u64)
    } else {
        search.next
    };
    let vfs = mount.wrapping_add(offset!(mount_vfs) as u64);
    let root: u64 = field(vfs, offset!(vfsmount_root));
    let namespace: u64 = field(mount, offset!(mount_ns));
    if (search.root == 0 || root == search.root) && namespace == search.namespace {
        search.found = mount;
        return 1;
    }
    search.next = if search.linked != 0 {
        field(search.next, 0)
    } else {
        field(mount, offset!(mount_next_for_sb))
    };
    0
}

/// Puts `/name` before the path.
#[inline(always)]
fn prepend(space: &mut Scratch, dentry: u64) {
    let name = dentry.wrapping_add(offset!(dentry_name) as u64);
    let length: u32 = field(name, offset!(qstr_len));
    let bytes: u64 = field(name, offset!(qstr_name));
    put(space, bytes, length);
}

/// Puts a slash and `length` bytes of kernel memory before the path.
#[inline(always)]
pub fn put(space: &mut Scratch, bytes: u64, length: u32) {
    let length = length & 0xff;
    let at = space.at;
    if space.cut != 0 || at < length + 1 || at > NAMES as u32 {
        // The walk goes on for pins that need no bytes; the path starts in the middle.
        space.cut = 1;
        space.event.flags |= PATH_CUT;
        return;
    }
    let at = opaque((at - length - 1) as u64) as usize & (NAMES - 1);
    // SAFETY: `at` is below NAMES and the name at most 255 bytes, so both stay inside `bytes`.
    let to = unsafe { (&raw mut space.bytes).cast::<u8>().add(HEAD + at) };
    // SAFETY: as above.
    unsafe { *to = b'/' };
    if length != 0 {
        // SAFETY: as above; the helper checks the source.
        unsafe { bpf_probe_read_kernel(to.add(1).cast(), length, bytes as *const _) };
    }
    space.at = at as u32;
}

/// Whether the current task's mount namespace shows the file system that a dentry is on.
#[inline(always)]
pub fn visible(dentry: u64) -> bool {
    let mut sb: u64 = field(dentry, offset!(dentry_sb));
    if sb == 0 {
        let inode: u64 = field(dentry, offset!(dentry_inode));
        sb = field(inode, offset!(inode_sb));
    }
    mount_showing(sb, 0) != 0
}

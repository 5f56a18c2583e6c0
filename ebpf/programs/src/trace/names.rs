//! What a system call did to names, told from the inodes it changed: an inode that had no name and has one was made, a name
//! that moved was renamed, one that is gone was removed.

use aya_ebpf::helpers::bpf_get_current_pid_tgid;
use probity_abi::{
    access::{CREATE, DELETE, METADATA, WRITE},
    event::{MOUNT_GUESSED, TRACE},
    kind,
    state::{Inflight, TOUCHED, Touched, counter},
};

use super::syscall::Call;
use crate::{
    act::{
        file::{self, Act},
        walk,
    },
    atomic::opaque,
    emit,
    kernel::{self, S_IFDIR, field},
    maps::{INFLIGHT, count, offset},
    scratch,
};

/// What a class of calls does.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// mkdir, mknod, symlink.
    Make,
    /// link.
    Link,
    /// unlink, rmdir.
    Remove,
    /// rename.
    Rename,
    /// truncate.
    Truncate,
    /// chmod, chown, utime, xattr.
    Attributes,
}

/// The class of a call.
#[inline(always)]
pub fn class(nr: u32) -> Option<Class> {
    Some(match nr {
        83 | 258 | 133 | 259 | 88 | 266 => Class::Make,
        86 | 265 => Class::Link,
        84 | 87 | 263 => Class::Remove,
        82 | 264 | 316 => Class::Rename,
        76 => Class::Truncate,
        90 | 91 | 268 | 452 | 92 | 93 | 94 | 260 | 132 | 235 | 261 | 280 | 188..=190 | 197..=199 | 463 | 466 => {
            Class::Attributes
        }
        _ => return None,
    })
}

/// Whether a call changes names.
#[inline(always)]
pub fn concerns(nr: u32) -> bool {
    class(nr).is_some()
}

/// Judges what the returning call did. `false` when no inode was seen.
#[inline(always)]
pub fn judge(call: &Call, flags: u32) -> u32 {
    if class(call.nr).is_none() {
        return 0;
    }
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: keyed by thread; removed below.
    let Some(inflight) = (unsafe { INFLIGHT.get(&thread) }) else {
        return 0;
    };
    let inflight: &Inflight = inflight;
    if inflight.nr != call.nr {
        return 0;
    }
    if inflight.count as usize > TOUCHED {
        count(counter::LOST_SCRATCH);
    }
    let mut seen = 0;
    let mut index = 0;
    while index < TOUCHED {
        if inflight.touched[index].inode == 0 {
            break;
        }
        // Before what follows, and not below it: two walks do not fit on one stack.
        if class(call.nr) == Some(Class::Rename) {
            judge_former(index as u32, flags);
        }
        seen += judge_touched(index as u32, call.nr, flags);
        index += 1;
    }
    let _ = INFLIGHT.remove(&thread);
    seen
}

/// Judges what became of one inode. 1 when it was the call's object.
///
/// A function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_touched(index: u32, nr: u32, flags: u32) -> u32 {
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: keyed by thread, and read while the program runs.
    let Some(inflight) = (unsafe { INFLIGHT.get(&thread) }) else {
        return 0;
    };
    let inflight: &Inflight = inflight;
    let Some(touched) = inflight.touched.get(opaque(index as u64) as usize) else {
        return 0;
    };
    let Some(class) = class(nr) else { return 0 };
    let mut act = Act {
        dentry: touched.dentry,
        mount: 0,
        need: 0,
        kind: 0,
        backend: TRACE,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    };
    match class {
        Class::Make | Class::Link => {
            let now = kernel::alias(touched.inode);
            if now == touched.dentry || now == 0 {
                return 0;
            }
            act.dentry = now;
            act.need = CREATE;
            act.kind = if class == Class::Make {
                kind::FILE_CREATE
            } else {
                kind::FILE_LINK
            };
        }
        Class::Remove => {
            if touched.dentry == 0 || !gone(touched) {
                return 0;
            }
            act.need = DELETE;
            act.kind = kind::FILE_UNLINK;
        }
        Class::Rename => {
            if touched.dentry == 0 {
                return 0;
            }
            if gone(touched) {
                act.need = DELETE;
                act.kind = kind::FILE_RENAME;
            } else if moved(touched) {
                act.need = CREATE;
                act.kind = kind::FILE_RENAME;
            } else {
                return 0;
            }
        }
        Class::Truncate => {
            act.need = WRITE;
            act.kind = kind::FILE_TRUNCATE;
        }
        Class::Attributes => {
            act.need = METADATA;
            act.kind = kind::FILE_SETATTR;
        }
    }
    if !reachable(act.dentry) {
        return 0;
    }
    file::judge(&act);
    1
}

/// Whether the name is no longer there.
#[inline(always)]
fn gone(touched: &Touched) -> bool {
    let inode: u64 = field(touched.dentry, offset!(dentry_inode));
    let nlink: u32 = field(touched.inode, offset!(inode_nlink));
    inode == 0 || kernel::unhashed(touched.dentry) || nlink == 0 && kernel::file_type(touched.inode) == S_IFDIR
}

/// Whether the name is another now.
#[inline(always)]
fn moved(touched: &Touched) -> bool {
    let parent: u64 = field(touched.dentry, offset!(dentry_parent));
    if parent != touched.parent {
        return true;
    }
    let name = touched.dentry.wrapping_add(offset!(dentry_name) as u64);
    field::<u32>(name, offset!(qstr_hash)) != touched.hash
}

/// Judges the name that a moved file had: the thread's inode number `index`. Nothing for what was not moved.
///
/// A function of global linkage is verified once, not at each of its callers: it walks.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn judge_former(index: u32, flags: u32) -> u32 {
    let thread = bpf_get_current_pid_tgid();
    // SAFETY: keyed by thread, and read while the program runs.
    let Some(inflight) = (unsafe { INFLIGHT.get(&thread) }) else {
        return 0;
    };
    let inflight: &Inflight = inflight;
    let Some(touched) = inflight.touched.get(opaque(index as u64) as usize) else {
        return 0;
    };
    let (parent, inode, dentry) = (touched.parent, touched.inode, touched.dentry);
    if dentry == 0 || gone(touched) || !moved(touched) || !reachable(dentry) {
        return 0;
    }
    let (name, length) = (touched.name.as_ptr() as u64, touched.name_len);
    let Some(space) = scratch::take() else { return 0 };
    let flags = flags | MOUNT_GUESSED;
    emit::begin(space, kind::FILE_RENAME, TRACE, flags);
    space.need = DELETE as u32;
    space.event.access = DELETE;
    space.event.inode = inode;
    space.event.ino = field(inode, offset!(inode_ino));
    space.event.generation = field(inode, offset!(inode_generation));
    let first: u64 = kernel::read(name).unwrap_or(0);
    walk::put(space, name, length);
    walk::walk(space, parent, 0);
    walk::walk_aside(space);
    let act = Act {
        dentry,
        mount: 0,
        need: DELETE,
        kind: kind::FILE_RENAME,
        backend: TRACE,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    };
    file::conclude(space, &act, inode);
    emit::judged(space, dentry ^ first.rotate_left(length), parent);
    space.free();
    1
}

/// Whether the object is visible in some mount: overlay touches the inodes of its lower file systems too, which are not.
#[inline(always)]
fn reachable(dentry: u64) -> bool {
    walk::visible(dentry)
}

//! Mode, owner, times, extended attributes and access control lists.

use probity_abi::{access::METADATA, event::DECLARED, kind};

use crate::{
    act::{
        file::{self, Act},
        walk,
    },
    kernel::{self, field},
    maps::offset,
    tree,
};

/// chmod and chown, of a `struct path`.
#[inline(always)]
pub fn of_path(path: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    let (dentry, mount) = kernel::path_at(path);
    judge(dentry, mount, flags, backend)
}

/// Attributes of a dentry, through no known mount. An overlay sets its lower file systems' too, which nobody sees.
#[inline(always)]
pub fn of_dentry(dentry: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    visible(dentry, flags, backend)
}

/// Times that utime and its kin set; all else that the hook sees has another.
#[inline(always)]
pub fn times(dentry: u64, attributes: u64, backend: u8) -> u8 {
    const ATIME_SET: u32 = 1 << 7;
    const MTIME_SET: u32 = 1 << 8;
    const TIMES_SET: u32 = 1 << 16;
    const TOUCH: u32 = 1 << 17;
    let Some(flags) = tree::current() else { return DECLARED };
    let valid: u32 = field(attributes, offset!(iattr_valid));
    if valid & (ATIME_SET | MTIME_SET | TIMES_SET | TOUCH) == 0 {
        return DECLARED;
    }
    visible(dentry, flags, backend)
}

#[inline(always)]
fn visible(dentry: u64, flags: u32, backend: u8) -> u8 {
    if walk::visible(dentry) {
        judge(dentry, 0, flags, backend)
    } else {
        DECLARED
    }
}

#[inline(always)]
fn judge(dentry: u64, mount: u64, flags: u32, backend: u8) -> u8 {
    file::judge(&Act {
        dentry,
        mount,
        need: METADATA,
        kind: kind::FILE_SETATTR,
        backend,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    })
}

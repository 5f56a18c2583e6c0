//! Names: made, removed, moved, and the objects behind them truncated.
//!
//! A name that does not exist yet is a dentry without an inode, which has its parent already: the walk starts there, in
//! the directory's mount.

use probity_abi::{
    access::{CREATE, DELETE, WRITE},
    config::kernel_act,
    event::{DECLARED, DIRECTORY, RING},
    kind,
};

use super::origin;
use crate::{
    act::{
        file::{self, Act},
        kernel as kernel_acts,
    },
    kernel::{self, S_IFREG},
    trace::syscall,
    tree,
};

/// unlink.
#[inline(always)]
pub fn unlink(directory: u64, dentry: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    judge(directory, dentry, DELETE, kind::FILE_UNLINK, flags, backend)
}

/// rmdir.
#[inline(always)]
pub fn rmdir(directory: u64, dentry: u64, backend: u8) -> u8 {
    unlink(directory, dentry, backend)
}

/// mkdir.
#[inline(always)]
pub fn mkdir(directory: u64, dentry: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    judge(directory, dentry, CREATE, kind::FILE_CREATE, flags | DIRECTORY, backend)
}

/// symlink.
#[inline(always)]
pub fn symlink(directory: u64, dentry: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    judge(directory, dentry, CREATE, kind::FILE_CREATE, flags, backend)
}

/// mknod, and the name that bind gives to a socket. What open makes is judged when it is opened.
#[inline(always)]
pub fn mknod(directory: u64, dentry: u64, mode: u16, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    let of = mode & 0o170_000;
    if (of == S_IFREG || of == 0) && !matches!(syscall::current_number(), 133 | 259) {
        return DECLARED;
    }
    judge(directory, dentry, CREATE, kind::FILE_CREATE, flags, backend)
}

/// link: the new name.
#[inline(always)]
pub fn link(directory: u64, dentry: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    judge(directory, dentry, CREATE, kind::FILE_LINK, flags, backend)
}

/// rename: the old name goes, the new one comes, and takes the place of what had it. An exchange does both to both.
#[inline(always)]
pub fn rename(from: (u64, u64), to: (u64, u64), how: u32, backend: u8) -> u8 {
    const RENAME_EXCHANGE: u32 = 2;
    let current = tree::current();
    // Also for those outside: they may move what decisions were made on, by a request that no system call tells of.
    if origin() & RING != 0 {
        tree::bump_epoch();
    }
    let Some(flags) = current else { return DECLARED };
    let exchange = how & RENAME_EXCHANGE != 0;
    let replaced = kernel::field::<u64>(to.1, crate::maps::offset!(dentry_inode)) != 0;
    let source = if exchange { DELETE | CREATE } else { DELETE };
    let destination = if replaced { DELETE | CREATE } else { CREATE };
    let first = judge(from.0, from.1, source, kind::FILE_RENAME, flags, backend);
    let second = judge(to.0, to.1, destination, kind::FILE_RENAME, flags, backend);
    if first == DECLARED { second } else { first }
}

/// truncate and ftruncate, of a `struct path`. What open truncates was judged when it was opened.
#[inline(always)]
pub fn truncate(path: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    if matches!(syscall::current_number(), 2 | 85 | 257 | 304 | 437) {
        return DECLARED;
    }
    let (dentry, mount) = kernel::path_at(path);
    at(dentry, mount, WRITE, kind::FILE_TRUNCATE, flags, backend)
}

/// chroot.
#[inline(always)]
pub fn chroot(backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    kernel_acts::judge(&kernel_acts::Act {
        kind: kind::FILE_MOUNT,
        setting: kernel_act::MOUNT,
        backend,
        flags: flags | origin(),
        ret: 0,
        arg0: 0,
        arg1: 161,
        words: 0,
    })
}

/// Judges `dentry` in the mount of the `struct path` of its directory.
#[inline(always)]
fn judge(directory: u64, dentry: u64, need: u8, kind: u16, flags: u32, backend: u8) -> u8 {
    let (_, mount) = kernel::path_at(directory);
    at(dentry, mount, need, kind, flags, backend)
}

#[inline(always)]
fn at(dentry: u64, mount: u64, need: u8, kind: u16, flags: u32, backend: u8) -> u8 {
    file::judge(&Act {
        dentry,
        mount,
        need,
        kind,
        backend,
        flags,
        ret: 0,
        arg0: 0,
        arg1: 0,
    })
}

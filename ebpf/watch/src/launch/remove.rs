//! Removing a cgroup with all cgroups below it, without allocating: the guardian does it after a fork.

use std::ffi::CStr;
use std::mem::MaybeUninit;
use std::os::fd::BorrowedFd;

use rustix::fs::{AtFlags, FileType, Mode, OFlags, RawDir};

/// Cgroups may be nested deeper only where `cgroup.max.depth` is unset; a tree that does so keeps its directories.
const MAX_DEPTH: u32 = 64;

/// Removes the cgroup `name` in `parent`, children first; says whether it is gone.
///
/// Makes system calls only: no allocation, no lock, so that it may run between fork and exec.
pub(super) fn remove_tree(parent: BorrowedFd<'_>, name: &CStr) -> bool {
    remove_below(parent, name, MAX_DEPTH)
}

fn remove_below(parent: BorrowedFd<'_>, name: &CStr, depth: u32) -> bool {
    match rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR) {
        Ok(()) | Err(rustix::io::Errno::NOENT) => return true,
        // EBUSY: processes inside, or children; ENOTEMPTY does not occur in cgroup2.
        Err(_) if depth > 0 => {}
        Err(_) => return false,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(dir) = rustix::fs::openat(parent, name, flags, Mode::empty()) else {
        return false;
    };
    let mut buffer = [MaybeUninit::uninit(); 2048];
    let mut entries = RawDir::new(&dir, &mut buffer);
    while let Some(entry) = entries.next() {
        let Ok(entry) = entry else { return false };
        let child = entry.file_name();
        if entry.file_type() == FileType::Directory && child != c"." && child != c".." {
            remove_below(std::os::fd::AsFd::as_fd(&dir), child, depth.saturating_sub(1));
        }
    }
    rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR).is_ok()
}

//! Which object a descriptor stands for, as far as user space can tell.

use rustix::fs::{AtFlags, StatxFlags, statx};
use std::os::fd::AsFd;

/// What tells two objects apart while one of them is held: its number is then not given to another.
///
/// This is not the kernel's key (`stat` shows other devices than the super block's on btrfs and overlay file systems);
/// it only answers whether a name still means the object that is held.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Identity {
    /// Device as `stat` shows it: major and minor number.
    pub dev: (u32, u32),
    /// Inode number as `stat` shows it.
    pub ino: u64,
    /// Seconds and nanoseconds of its birth; zeros where the file system does not say.
    pub born: (i64, u32),
}

/// The identity and kind of an open object.
pub(crate) fn of(fd: impl AsFd) -> rustix::io::Result<(Identity, rustix::fs::FileType)> {
    let wanted = StatxFlags::TYPE | StatxFlags::INO | StatxFlags::BTIME;
    let found = statx(fd, c"", AtFlags::EMPTY_PATH, wanted)?;
    let born = if found.stx_mask & StatxFlags::BTIME.bits() != 0 {
        (found.stx_btime.tv_sec, found.stx_btime.tv_nsec)
    } else {
        (0, 0)
    };
    let identity = Identity {
        dev: (found.stx_dev_major, found.stx_dev_minor),
        ino: found.stx_ino,
        born,
    };
    Ok((identity, rustix::fs::FileType::from_raw_mode(found.stx_mode.into())))
}

/// Whether an open object still has a name somewhere; yes when in doubt.
pub(super) fn has_names(fd: impl AsFd) -> bool {
    let found = statx(fd, c"", AtFlags::EMPTY_PATH, StatxFlags::NLINK);
    found.map_or(true, |found| found.stx_nlink > 0)
}

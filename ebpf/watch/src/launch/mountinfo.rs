//! Where the caller's own cgroup lies in the file system: `/proc/self/mountinfo` against `/proc/self/cgroup`.
//!
//! Reads no other file and opens no directory. Formats: proc_pid_mountinfo(5), cgroups(7).

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Component, Path, PathBuf};

use super::{LaunchError, Result};

/// The caller's own cgroup as a directory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct OwnCgroup {
    /// The directory below a cgroup2 mount.
    pub(super) dir: PathBuf,
    /// The path in `/proc/self/cgroup`, which counts from the root of the cgroup namespace.
    pub(super) kernel_path: String,
}

/// Finds the directory of the cgroup that `cgroup` (the content of `/proc/self/cgroup`) names on the version 2 line, in
/// the mounts of `mountinfo`.
///
/// Of several mounts the last writable one that shows the cgroup is taken, since a later mount covers an earlier one.
///
/// # Errors
/// [`LaunchError::NoCgroup2`] without a mount or a `0::` line, [`LaunchError::CgroupHidden`] where no mount shows the
/// cgroup.
pub(super) fn own_cgroup(mountinfo: &[u8], cgroup: &[u8]) -> Result<OwnCgroup> {
    let own = cgroup
        .split(|&b| b == b'\n')
        .find_map(|line| line.strip_prefix(b"0::"))
        .ok_or(LaunchError::NoCgroup2)?;
    let own = String::from_utf8_lossy(own).into_owned();
    let mounts: Vec<Mount> = mountinfo.split(|&b| b == b'\n').filter_map(Mount::of_cgroup2).collect();
    if mounts.is_empty() {
        return Err(LaunchError::NoCgroup2);
    }
    let shown = |writable: bool| {
        mounts
            .iter()
            .rev()
            .filter(|m| m.writable == writable || !writable)
            .find_map(|mount| {
                let below = Path::new(&own).strip_prefix(&mount.root).ok()?;
                let plain = below.components().all(|c| matches!(c, Component::Normal(_)));
                // Component by component: joining an empty path would add a slash.
                (plain && !own.ends_with(" (deleted)")).then(|| mount.point.iter().chain(below).collect())
            })
    };
    match shown(true).or_else(|| shown(false)) {
        Some(dir) => Ok(OwnCgroup { dir, kernel_path: own }),
        None => Err(LaunchError::CgroupHidden { own }),
    }
}

/// A mount of version 2.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Cgroup2 {
    /// The cgroup that is seen at the mount point.
    pub(crate) root: PathBuf,
    /// Where it is mounted.
    pub(crate) point: PathBuf,
}

/// The mounts of version 2, the first first.
pub(crate) fn cgroup2_mounts(mountinfo: &[u8]) -> Vec<Cgroup2> {
    let mounts = mountinfo.split(|&b| b == b'\n').filter_map(Mount::of_cgroup2);
    mounts
        .map(|mount| Cgroup2 {
            root: mount.root,
            point: mount.point,
        })
        .collect()
}

/// One cgroup2 line of mountinfo: `36 35 98:0 /root /point opts [optional...] - cgroup2 source superopts`.
struct Mount {
    root: PathBuf,
    point: PathBuf,
    writable: bool,
}

impl Mount {
    fn of_cgroup2(line: &[u8]) -> Option<Self> {
        let fields: Vec<&[u8]> = line.split(|&b| b == b' ').collect();
        let dash = fields.iter().position(|f| *f == b"-")?;
        if *fields.get(dash + 1)? != b"cgroup2" {
            return None;
        }
        let read_only = |options: Option<&&[u8]>| options.is_some_and(|o| o.split(|&b| b == b',').any(|o| o == b"ro"));
        Some(Self {
            root: unescape(fields.get(3)?),
            point: unescape(fields.get(4)?),
            writable: !read_only(fields.get(5)) && !read_only(fields.get(dash + 3)),
        })
    }
}

/// Undoes the octal escapes of mountinfo (`\040` for a space).
fn unescape(field: &[u8]) -> PathBuf {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field;
    while let Some((&first, tail)) = rest.split_first() {
        let octal = tail.get(..3).filter(|_| first == b'\\').and_then(|d| {
            let digits = std::str::from_utf8(d).ok()?;
            u8::from_str_radix(digits, 8).ok()
        });
        match octal {
            Some(byte) => {
                bytes.push(byte);
                rest = &tail[3..];
            }
            None => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    PathBuf::from(OsString::from_vec(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755\n\
                          32 31 0:29 / /sys/fs/cgroup/cpu rw,relatime - cgroup cgroup rw,cpu\n\
                          41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 cgroup2 rw\n";

    fn check(mountinfo: &str, cgroup: &str, expect: &str) {
        let got = match own_cgroup(mountinfo.as_bytes(), cgroup.as_bytes()) {
            Ok(own) => own.dir.display().to_string(),
            Err(LaunchError::NoCgroup2) => "none".to_owned(),
            Err(LaunchError::CgroupHidden { own }) => format!("hidden {own}"),
            Err(other) => other.to_string(),
        };
        assert_eq!(got, expect, "{mountinfo}{cgroup}");
    }

    #[test]
    fn the_own_cgroup_is_found_in_every_layout() {
        check(HYBRID, "9:name=systemd:/x\n0::/\n", "/sys/fs/cgroup/unified");
        check(
            HYBRID,
            "0::/user.slice/user-1000.slice\n",
            "/sys/fs/cgroup/unified/user.slice/user-1000.slice",
        );
        check(
            "30 23 0:26 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n",
            "0::/a\n",
            "/sys/fs/cgroup/a",
        );
        check(
            "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "0::/docker/abc/in\n",
            "/sys/fs/cgroup/in",
        );
        check(
            "30 23 0:26 / /mnt/with\\040space rw - cgroup2 none rw\n",
            "0::/a\n",
            "/mnt/with space/a",
        );
    }

    #[test]
    fn a_writable_mount_wins_over_a_read_only_one() {
        let both = "30 23 0:26 / /rw rw - cgroup2 none rw\n31 23 0:26 / /ro ro - cgroup2 none rw\n";
        check(both, "0::/a\n", "/rw/a");
        check("31 23 0:26 / /ro ro - cgroup2 none rw\n", "0::/a\n", "/ro/a");
    }

    #[test]
    fn what_cannot_be_reached_is_named() {
        check(HYBRID, "9:name=systemd:/x\n", "none");
        check("31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw\n", "0::/\n", "none");
        check(HYBRID, "0::/../outside\n", "hidden /../outside");
        check(
            "30 23 0:26 /docker/abc /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n",
            "0::/other\n",
            "hidden /other",
        );
        check(HYBRID, "0::/gone (deleted)\n", "hidden /gone (deleted)");
    }
}

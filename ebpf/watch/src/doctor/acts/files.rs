//! Acts on files and their names.

use std::ffi::CString;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::SystemTime;

use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, XattrFlags};

use super::sys::{Acted, Stop, call, owned};
use super::{Object, Row, Scene};
use crate::act::Kind;

/// The file that gets a second name.
pub(super) const LINKED: &str = "linked";

const OPEN: Row = Row {
    name: "",
    group: "files",
    kind: Kind::FILE_OPEN,
    object: Object::OfChild,
    core: false,
    cost: "files opened this way are not held to `[[file]]` rules",
    run: |_| Ok(()),
};

const NAME: Row = Row {
    cost: "`create`, `delete` and `metadata` access are not held to `[[file]]` rules",
    ..OPEN
};

const FOREIGN: Row = Row {
    object: Object::File("inherited"),
    cost: "use of descriptors that CMD was started with is not held to `[[file]]` rules",
    ..OPEN
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "openat",
        object: Object::File("openat"),
        core: true,
        run: openat,
        ..OPEN
    },
    Row {
        name: "open",
        object: Object::File("open"),
        run: open,
        ..OPEN
    },
    Row {
        name: "openat2",
        object: Object::File("openat2"),
        core: true,
        run: openat2,
        ..OPEN
    },
    Row {
        name: "open for writing",
        object: Object::File("written"),
        core: true,
        run: write,
        ..OPEN
    },
    Row {
        name: "open by handle",
        object: Object::File("handle"),
        run: handle,
        ..OPEN
    },
    Row {
        name: "reopen of an O_PATH descriptor",
        object: Object::File("reopened"),
        run: reopen,
        ..OPEN
    },
    Row {
        name: "create",
        kind: Kind::FILE_CREATE,
        object: Object::File("created"),
        core: true,
        run: create,
        ..NAME
    },
    Row {
        name: "creat",
        kind: Kind::FILE_CREATE,
        object: Object::File("creat"),
        run: creat,
        ..NAME
    },
    Row {
        name: "mkdir",
        kind: Kind::FILE_CREATE,
        object: Object::File("mkdir"),
        run: mkdir,
        ..NAME
    },
    Row {
        name: "symlink",
        kind: Kind::FILE_CREATE,
        object: Object::File("symlink"),
        run: make_symlink,
        ..NAME
    },
    Row {
        name: "link",
        kind: Kind::FILE_LINK,
        object: Object::File("link"),
        core: true,
        run: link,
        ..NAME
    },
    Row {
        name: "rename",
        kind: Kind::FILE_RENAME,
        object: Object::File("renamed"),
        core: true,
        run: rename,
        ..NAME
    },
    Row {
        name: "unlink",
        kind: Kind::FILE_UNLINK,
        object: Object::File("removed"),
        core: true,
        run: unlink,
        ..NAME
    },
    Row {
        name: "truncate",
        kind: Kind::FILE_TRUNCATE,
        object: Object::File("truncated"),
        run: truncate,
        ..NAME
    },
    Row {
        name: "ftruncate",
        kind: Kind::FILE_TRUNCATE,
        object: Object::File("cut"),
        run: ftruncate,
        ..NAME
    },
    Row {
        name: "chmod",
        kind: Kind::FILE_SETATTR,
        object: Object::File("mode"),
        run: chmod,
        ..NAME
    },
    Row {
        name: "chown",
        kind: Kind::FILE_SETATTR,
        object: Object::File("owner"),
        run: chown,
        ..NAME
    },
    Row {
        name: "utime",
        kind: Kind::FILE_SETATTR,
        object: Object::File("times"),
        run: utime,
        ..NAME
    },
    Row {
        name: "setxattr",
        kind: Kind::FILE_SETATTR,
        object: Object::File("xattr"),
        run: xattr,
        ..NAME
    },
    Row {
        name: "setxattr on tmpfs",
        kind: Kind::FILE_SETATTR,
        object: Object::Tmpfs("xattr"),
        run: xattr_tmpfs,
        ..NAME
    },
    Row {
        name: "map as code",
        kind: Kind::FILE_MAP,
        object: Object::File("mapped"),
        core: true,
        cost: "libraries and code loaded by hand are not held to `map` access",
        run: map,
        ..OPEN
    },
    Row {
        name: "map made code by mprotect",
        kind: Kind::FILE_MAP,
        object: Object::File("protected"),
        cost: "code that is mapped as data and made executable later needs only `read`, not `map`",
        run: protect,
        ..OPEN
    },
    Row {
        name: "read of an inherited file",
        kind: Kind::FILE_READ,
        run: read_inherited,
        ..FOREIGN
    },
    Row {
        name: "write to an inherited file",
        kind: Kind::FILE_WRITE,
        run: write_inherited,
        ..FOREIGN
    },
    Row {
        name: "map of an inherited file",
        kind: Kind::FILE_MAP,
        run: map_inherited,
        ..FOREIGN
    },
    Row {
        name: "read of an inherited file on tmpfs",
        kind: Kind::FILE_READ,
        object: Object::Tmpfs("inherited"),
        run: read_inherited_tmpfs,
        ..FOREIGN
    },
    Row {
        name: "map of an inherited file on tmpfs",
        kind: Kind::FILE_MAP,
        object: Object::Tmpfs("inherited"),
        run: map_inherited_tmpfs,
        ..FOREIGN
    },
];

fn words(path: &Path) -> Acted<CString> {
    CString::new(path.as_os_str().as_bytes()).map_err(|_| Stop::Wrong)
}

fn openat(scene: &Scene) -> Acted {
    let path = words(&scene.file("openat"))?;
    owned(call!(
        libc::SYS_openat,
        libc::AT_FDCWD,
        path.as_ptr(),
        libc::O_RDONLY,
        0
    )?)
    .map(drop)
}

#[cfg(target_arch = "x86_64")]
fn open(scene: &Scene) -> Acted {
    let path = words(&scene.file("open"))?;
    owned(call!(libc::SYS_open, path.as_ptr(), libc::O_RDONLY, 0)?).map(drop)
}

#[cfg(not(target_arch = "x86_64"))]
fn open(_: &Scene) -> Acted {
    Err(Stop::Lacks)
}

fn openat2(scene: &Scene) -> Acted {
    let file = rustix::fs::openat2(
        CWD,
        scene.file("openat2"),
        OFlags::RDONLY,
        Mode::empty(),
        ResolveFlags::NO_MAGICLINKS,
    );
    Ok(file.map(drop)?)
}

fn write(scene: &Scene) -> Acted {
    Ok(OpenOptions::new().write(true).open(scene.file("written")).map(drop)?)
}

/// `struct file_handle` with room for `MAX_HANDLE_SZ` bytes.
#[repr(C)]
struct Handle {
    handle_bytes: u32,
    handle_type: i32,
    f_handle: [u8; 128],
}

fn handle(scene: &Scene) -> Acted {
    let path = words(&scene.file("handle"))?;
    let mut handle = Handle {
        handle_bytes: 128,
        handle_type: 0,
        f_handle: [0; 128],
    };
    let mut mount = 0_i32;
    call!(
        libc::SYS_name_to_handle_at,
        libc::AT_FDCWD,
        path.as_ptr(),
        &raw mut handle,
        &raw mut mount,
        0
    )?;
    let on = File::open(&scene.dir)?;
    owned(call!(
        libc::SYS_open_by_handle_at,
        on.as_raw_fd(),
        &raw mut handle,
        libc::O_RDONLY
    )?)
    .map(drop)
}

fn reopen(scene: &Scene) -> Acted {
    let path = rustix::fs::open(scene.file("reopened"), OFlags::PATH, Mode::empty())?;
    Ok(File::open(format!("/proc/self/fd/{}", path.as_raw_fd())).map(drop)?)
}

fn create(scene: &Scene) -> Acted {
    Ok(File::create_new(scene.file("created")).map(drop)?)
}

#[cfg(target_arch = "x86_64")]
fn creat(scene: &Scene) -> Acted {
    let path = words(&scene.file("creat"))?;
    owned(call!(libc::SYS_creat, path.as_ptr(), 0o600)?).map(drop)
}

#[cfg(not(target_arch = "x86_64"))]
fn creat(_: &Scene) -> Acted {
    Err(Stop::Lacks)
}

fn mkdir(scene: &Scene) -> Acted {
    Ok(fs::create_dir(scene.file("mkdir"))?)
}

fn make_symlink(scene: &Scene) -> Acted {
    Ok(symlink("nowhere", scene.file("symlink"))?)
}

fn link(scene: &Scene) -> Acted {
    Ok(fs::hard_link(scene.file(LINKED), scene.file("link"))?)
}

fn rename(scene: &Scene) -> Acted {
    Ok(fs::rename(scene.file("renamed"), scene.file("renamed-to"))?)
}

fn unlink(scene: &Scene) -> Acted {
    Ok(fs::remove_file(scene.file("removed"))?)
}

fn truncate(scene: &Scene) -> Acted {
    let path = words(&scene.file("truncated"))?;
    call!(libc::SYS_truncate, path.as_ptr(), 0).map(drop)
}

fn ftruncate(scene: &Scene) -> Acted {
    let file = OpenOptions::new().write(true).open(scene.file("cut"))?;
    Ok(file.set_len(0)?)
}

fn chmod(scene: &Scene) -> Acted {
    Ok(fs::set_permissions(
        scene.file("mode"),
        fs::Permissions::from_mode(0o600),
    )?)
}

fn chown(scene: &Scene) -> Acted {
    Ok(std::os::unix::fs::chown(
        scene.file("owner"),
        Some(rustix::process::geteuid().as_raw()),
        None,
    )?)
}

fn utime(scene: &Scene) -> Acted {
    let file = File::open(scene.file("times"))?;
    Ok(file.set_times(FileTimes::new().set_modified(SystemTime::UNIX_EPOCH))?)
}

fn xattr(scene: &Scene) -> Acted {
    Ok(rustix::fs::setxattr(
        scene.file("xattr"),
        "user.probity",
        b"1",
        XattrFlags::empty(),
    )?)
}

fn xattr_tmpfs(scene: &Scene) -> Acted {
    let file = scene.on_tmpfs("xattr")?;
    // Before 6.6 a tmpfs has no user attributes; trusted ones need a privilege that doctor has.
    Ok(rustix::fs::setxattr(
        file,
        "trusted.probity",
        b"1",
        XattrFlags::empty(),
    )?)
}

fn mapped(fd: i32, protection: i32) -> Acted<i64> {
    call!(libc::SYS_mmap, 0, 4096, protection, libc::MAP_PRIVATE, fd, 0)
}

fn map(scene: &Scene) -> Acted {
    let file = File::open(scene.file("mapped"))?;
    mapped(file.as_raw_fd(), libc::PROT_READ | libc::PROT_EXEC).map(drop)
}

fn protect(scene: &Scene) -> Acted {
    let file = File::open(scene.file("protected"))?;
    let at = mapped(file.as_raw_fd(), libc::PROT_READ)?;
    call!(libc::SYS_mprotect, at, 4096, libc::PROT_READ | libc::PROT_EXEC).map(drop)
}

fn read(fd: i32) -> Acted {
    let mut byte = 0_u8;
    let got = call!(libc::SYS_pread64, fd, &raw mut byte, 1, 0)?;
    if got == 1 { Ok(()) } else { Err(Stop::Wrong) }
}

fn read_inherited(scene: &Scene) -> Acted {
    read(scene.inherited)
}

fn write_inherited(scene: &Scene) -> Acted {
    call!(libc::SYS_pwrite64, scene.inherited, b"p".as_ptr(), 1, 0).map(drop)
}

fn map_inherited(scene: &Scene) -> Acted {
    mapped(scene.inherited, libc::PROT_READ).map(drop)
}

fn read_inherited_tmpfs(scene: &Scene) -> Acted {
    read(scene.inherited_tmpfs.ok_or(Stop::Lacks)?)
}

fn map_inherited_tmpfs(scene: &Scene) -> Acted {
    mapped(scene.inherited_tmpfs.ok_or(Stop::Lacks)?, libc::PROT_READ).map(drop)
}

//! Opening one file, in every form of the call and by every name of the file.

use std::ffi::CString;
use std::os::fd::AsRawFd;

use crate::acts::{allowed, files};
use crate::context::Context;
use crate::setup::content;
use crate::sys::{self, Acted, Stop, call, legacy, owned, sure};
use crate::table::Act;

const READ: Act = Act {
    group: "open",
    kind: "file.open",
    object: "${DIR}/${FORM}/secret",
    access: &["read"],
    core: true,
    set: allowed!("read"),
    ..Act::ROW
};
const WRITE: Act = Act {
    access: &["write"],
    set: allowed!("write"),
    object: "${DIR}/${FORM}/write-me",
    ..READ
};
const CREATE: Act = Act {
    kind: "file.create",
    access: &["create", "write"],
    set: allowed!("create", "write"),
    object: "${DIR}/${FORM}/new-file",
    ..READ
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "open",
        does: "open(2), read-only",
        needs: &["x86_64"],
        run: open,
        ..READ
    },
    Act {
        name: "openat",
        does: "openat(2) with an absolute path",
        run: openat,
        ..READ
    },
    Act {
        name: "openat2",
        does: "openat2(2)",
        needs: &["kernel>=5.6"],
        run: openat2,
        ..READ
    },
    Act {
        name: "creat",
        does: "creat(2) of a new file",
        needs: &["x86_64"],
        run: creat,
        ..CREATE
    },
    Act {
        name: "open-by-handle",
        does: "name_to_handle_at(2), then open_by_handle_at(2) with the working directory as the mount",
        needs: &["root"],
        run: by_handle,
        ..READ
    },
    Act {
        name: "open-o-path-reopen",
        does: "an O_PATH descriptor, reopened for reading through /proc/self/fd",
        run: reopen,
        ..READ
    },
    Act {
        name: "open-symlink",
        does: "through a symbolic link that lies in allowed",
        run: symlink,
        ..READ
    },
    Act {
        name: "open-hard-link",
        does: "through a hard link that lies in allowed",
        object: "${DIR}/${FORM}/linked",
        set: files!(["read"], r#""${DIR}/allowed/linked", "${DIR}/allowed/hard-allowed""#),
        undeclared_set: Some(concat!(
            allowed!("read"),
            "[[file]]\ndeny = [\"read\"]\npaths = [\"${DIR}/forbidden/linked\"]\n"
        )),
        run: hard_link,
        ..READ
    },
    Act {
        name: "open-dot-dot",
        does: "through allowed/sub/../../FORM/secret",
        run: dot_dot,
        ..READ
    },
    Act {
        name: "open-proc-root",
        does: "through /proc/self/root",
        run: proc_root,
        ..READ
    },
    Act {
        name: "open-dirfd",
        does: "openat(2) relative to an O_PATH directory",
        run: dirfd,
        ..READ
    },
    Act {
        name: "open-tmpfile",
        does: "O_TMPFILE: a file that never has a name",
        object: "${DIR}/${FORM}",
        run: tmpfile,
        set: files!(["create", "write"], r#""${DIR}/allowed", "${DIR}/allowed/**""#),
        ..CREATE
    },
    Act {
        name: "open-trunc",
        does: "O_WRONLY|O_TRUNC of a file with content",
        object: "${DIR}/${FORM}/truncate-me",
        run: trunc,
        ..WRITE
    },
    Act {
        name: "open-rdwr",
        does: "O_RDWR",
        access: &["read", "write"],
        set: allowed!("read", "write"),
        run: rdwr,
        ..WRITE
    },
    Act {
        name: "open-create-excl",
        does: "O_CREAT|O_EXCL of a new file",
        run: create_excl,
        ..CREATE
    },
    Act {
        name: "open-fifo",
        does: "a FIFO, read-only and non-blocking",
        core: false,
        object: "${DIR}/${FORM}/fifo",
        run: fifo,
        ..READ
    },
    Act {
        name: "open-append",
        does: "O_WRONLY|O_APPEND, and one write",
        core: false,
        run: append,
        ..WRITE
    },
];

/// Opens for reading and holds the content against what the form's folder has.
pub(crate) fn open_and_read(context: &Context, path: &CString) -> Acted {
    let file = sys::open(path, libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    holds_secret(context, &file)
}

/// Whether the descriptor reads as the form's known content.
pub(crate) fn holds_secret(context: &Context, file: &impl AsRawFd) -> Acted {
    let expected = content(context.form.folder());
    sure(
        sys::read(file)? == expected.as_bytes(),
        "the file opened is not the fixture",
    )
}

fn open(context: &Context) -> Acted {
    let path = context.own("secret")?;
    let file = owned(call!(legacy::number(legacy::OPEN)?, path.as_ptr(), libc::O_RDONLY, 0)?)?;
    holds_secret(context, &file)
}

fn openat(context: &Context) -> Acted {
    open_and_read(context, &context.own("secret")?)
}

fn openat2(context: &Context) -> Acted {
    let path = context.own("secret")?;
    let how = [libc::O_RDONLY as u64, 0, 0];
    let fd = call!(
        libc::SYS_openat2,
        libc::AT_FDCWD,
        path.as_ptr(),
        how.as_ptr(),
        size_of_val(&how)
    )?;
    holds_secret(context, &owned(fd)?)
}

fn creat(context: &Context) -> Acted {
    let path = context.own("new-file")?;
    owned(call!(legacy::number(legacy::CREAT)?, path.as_ptr(), 0o644)?).map(drop)
}

/// `struct file_handle` with room for `MAX_HANDLE_SZ` bytes.
#[repr(C)]
struct Handle {
    handle_bytes: u32,
    handle_type: i32,
    f_handle: [u8; 128],
}

fn by_handle(context: &Context) -> Acted {
    let path = context.own("secret")?;
    let mut handle = Handle {
        handle_bytes: 128,
        handle_type: 0,
        f_handle: [0; 128],
    };
    let mut mount = 0_i32;
    let at = call!(
        libc::SYS_name_to_handle_at,
        libc::AT_FDCWD,
        path.as_ptr(),
        &raw mut handle,
        &raw mut mount,
        0
    );
    sys::lacking(at, &[libc::EOPNOTSUPP], "file handles on this file system")?;
    let dir = context.path("${DIR}")?;
    call!(libc::SYS_chdir, dir.as_ptr())?;
    let opened = call!(
        libc::SYS_open_by_handle_at,
        libc::AT_FDCWD,
        &raw mut handle,
        libc::O_RDONLY
    );
    holds_secret(context, &owned(opened?)?)
}

fn reopen(context: &Context) -> Acted {
    let path = sys::open(&context.own("secret")?, libc::O_PATH | libc::O_CLOEXEC, 0)?;
    open_and_read(context, &context.path(&format!("/proc/self/fd/{}", path.as_raw_fd()))?)
}

fn symlink(context: &Context) -> Acted {
    open_and_read(context, &context.path("${DIR}/allowed/symlink-${FORM}")?)
}

fn hard_link(context: &Context) -> Acted {
    open_and_read(context, &context.path("${DIR}/allowed/hard-${FORM}")?)
}

fn dot_dot(context: &Context) -> Acted {
    open_and_read(context, &context.path("${DIR}/allowed/sub/../../${FORM}/secret")?)
}

fn proc_root(context: &Context) -> Acted {
    open_and_read(context, &context.path("/proc/self/root${DIR}/${FORM}/secret")?)
}

fn dirfd(context: &Context) -> Acted {
    let dir = sys::open(&context.own("")?, libc::O_PATH | libc::O_DIRECTORY | libc::O_CLOEXEC, 0)?;
    let fd = call!(
        libc::SYS_openat,
        dir.as_raw_fd(),
        c"secret".as_ptr(),
        libc::O_RDONLY | libc::O_CLOEXEC,
        0
    )?;
    holds_secret(context, &owned(fd)?)
}

fn tmpfile(context: &Context) -> Acted {
    let opened = sys::open(
        &context.own("")?,
        libc::O_TMPFILE | libc::O_WRONLY | libc::O_CLOEXEC,
        0o600,
    );
    sys::lacking(
        opened,
        &[libc::EOPNOTSUPP, libc::EISDIR],
        "O_TMPFILE on this file system",
    )
    .and_then(|file| sys::write(&file, b"nameless"))
}

fn trunc(context: &Context) -> Acted {
    let file = sys::open(
        &context.own("truncate-me")?,
        libc::O_WRONLY | libc::O_TRUNC | libc::O_CLOEXEC,
        0,
    )?;
    let end = call!(libc::SYS_lseek, file.as_raw_fd(), 0, libc::SEEK_END)?;
    sure(end == 0, "the file kept its content")
}

fn rdwr(context: &Context) -> Acted {
    let file = sys::open(&context.own("write-me")?, libc::O_RDWR | libc::O_CLOEXEC, 0)?;
    sys::write(&file, b"R")
}

fn create_excl(context: &Context) -> Acted {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    sys::open(&context.own("new-file")?, flags, 0o644).map(drop)
}

fn fifo(context: &Context) -> Acted {
    sys::open(
        &context.own("fifo")?,
        libc::O_RDONLY | libc::O_NONBLOCK | libc::O_CLOEXEC,
        0,
    )
    .map(drop)
}

fn append(context: &Context) -> Acted {
    let file = sys::open(
        &context.own("write-me")?,
        libc::O_WRONLY | libc::O_APPEND | libc::O_CLOEXEC,
        0,
    )?;
    sys::write(&file, b"more\n").map_err(|stop| match stop {
        Stop::Wrong(_) => Stop::Wrong(String::from("the write was cut short")),
        other => other,
    })
}

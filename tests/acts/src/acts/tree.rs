//! Changing the tree: names made, moved and removed, and files cut short.

use std::ffi::CString;

use crate::acts::{allowed, files};
use crate::context::Context;
use crate::sys::{self, Acted, call, legacy, sure};
use crate::table::Act;

const AT: i32 = libc::AT_FDCWD;

const ROW: Act = Act {
    group: "tree",
    ..Act::ROW
};
const LINK: Act = Act {
    kind: "file.link",
    object: "${DIR}/${FORM}/new-link",
    access: &["create"],
    set: allowed!("create"),
    ..ROW
};
const RENAME: Act = Act {
    kind: "file.rename",
    object: "${DIR}/${FORM}/rename-from",
    access: &["delete", "create"],
    set: allowed!("delete", "create"),
    ..ROW
};
const UNLINK: Act = Act {
    kind: "file.unlink",
    object: "${DIR}/${FORM}/unlink-me",
    access: &["delete"],
    set: allowed!("delete"),
    ..ROW
};
const CREATE: Act = Act {
    kind: "file.create",
    object: "${DIR}/${FORM}/new-name",
    access: &["create"],
    set: allowed!("create"),
    ..ROW
};
const TRUNCATE: Act = Act {
    kind: "file.truncate",
    object: "${DIR}/${FORM}/inherited",
    access: &["write"],
    takes: &["fd"],
    set: allowed!("write"),
    ..ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "link",
        does: "link(2)",
        needs: &["x86_64"],
        run: link,
        ..LINK
    },
    Act {
        name: "linkat",
        does: "linkat(2)",
        run: linkat,
        ..LINK
    },
    Act {
        name: "symlink",
        does: "symlink(2)",
        kind: "file.create",
        needs: &["x86_64"],
        run: symlink,
        ..LINK
    },
    Act {
        name: "symlinkat",
        does: "symlinkat(2)",
        kind: "file.create",
        run: symlinkat,
        ..LINK
    },
    Act {
        name: "rename",
        does: "rename(2)",
        needs: &["x86_64"],
        run: rename,
        ..RENAME
    },
    Act {
        name: "rename-replace",
        does: "renameat(2) onto a file that exists",
        run: replace,
        ..RENAME
    },
    Act {
        name: "rename-exchange",
        does: "renameat2(2) with RENAME_EXCHANGE",
        object: "${DIR}/${FORM}/exchange-a",
        run: exchange,
        ..RENAME
    },
    Act {
        name: "rename-noreplace",
        does: "renameat2(2) with RENAME_NOREPLACE",
        run: no_replace,
        ..RENAME
    },
    Act {
        name: "rename-out",
        does: "a file of FORM renamed into allowed: only where it comes from differs",
        noise: &[files!(["create"], r#""${DIR}/allowed/**""#)],
        run: rename_out,
        ..RENAME
    },
    Act {
        name: "unlink",
        does: "unlink(2)",
        needs: &["x86_64"],
        run: unlink,
        ..UNLINK
    },
    Act {
        name: "unlinkat",
        does: "unlinkat(2)",
        run: unlinkat,
        ..UNLINK
    },
    Act {
        name: "rmdir",
        does: "rmdir(2)",
        object: "${DIR}/${FORM}/rmdir-me",
        needs: &["x86_64"],
        run: rmdir,
        ..UNLINK
    },
    Act {
        name: "unlinkat-dir",
        does: "unlinkat(2) with AT_REMOVEDIR",
        object: "${DIR}/${FORM}/rmdir-me",
        run: unlinkat_dir,
        ..UNLINK
    },
    Act {
        name: "mkdir",
        does: "mkdir(2)",
        needs: &["x86_64"],
        run: mkdir,
        ..CREATE
    },
    Act {
        name: "mkdirat",
        does: "mkdirat(2)",
        run: mkdirat,
        ..CREATE
    },
    Act {
        name: "mknod-fifo",
        does: "mknod(2) of a FIFO",
        needs: &["x86_64"],
        run: fifo,
        ..CREATE
    },
    Act {
        name: "mknod-device",
        does: "mknodat(2) of a character device (1:3, as /dev/null), removed at once",
        needs: &["root"],
        noise: &[files!(["delete"], r#""${DIR}/*/new-name""#)],
        run: device,
        ..CREATE
    },
    Act {
        name: "truncate",
        does: "truncate(2) by path",
        object: "${DIR}/${FORM}/truncate-me",
        takes: &[],
        run: truncate,
        ..TRUNCATE
    },
    Act {
        name: "ftruncate",
        does: "ftruncate(2) of an inherited descriptor",
        run: ftruncate,
        ..TRUNCATE
    },
    Act {
        name: "fallocate",
        does: "fallocate(2) of an inherited descriptor",
        kind: "file.write",
        run: fallocate,
        ..TRUNCATE
    },
];

/// Whether the name exists, by faccessat(2): looking is never an event.
fn exists(path: &CString) -> bool {
    call!(libc::SYS_faccessat, AT, path.as_ptr(), libc::F_OK).is_ok()
}

fn link(context: &Context) -> Acted {
    let (from, to) = (context.own("link-from")?, context.own("new-link")?);
    call!(legacy::number(legacy::LINK)?, from.as_ptr(), to.as_ptr()).map(|_| ())
}

fn linkat(context: &Context) -> Acted {
    let (from, to) = (context.own("link-from")?, context.own("new-link")?);
    call!(libc::SYS_linkat, AT, from.as_ptr(), AT, to.as_ptr(), 0).map(|_| ())
}

fn symlink(context: &Context) -> Acted {
    let to = context.own("new-link")?;
    call!(legacy::number(legacy::SYMLINK)?, c"link-from".as_ptr(), to.as_ptr()).map(|_| ())
}

fn symlinkat(context: &Context) -> Acted {
    let to = context.own("new-link")?;
    call!(libc::SYS_symlinkat, c"link-from".as_ptr(), AT, to.as_ptr()).map(|_| ())
}

fn renamed(from: &CString, to: &CString, flags: u32) -> Acted {
    call!(libc::SYS_renameat2, AT, from.as_ptr(), AT, to.as_ptr(), flags)?;
    sure(exists(to), "the new name is not there")
}

fn rename(context: &Context) -> Acted {
    let (from, to) = (context.own("rename-from")?, context.own("renamed")?);
    call!(legacy::number(legacy::RENAME)?, from.as_ptr(), to.as_ptr())?;
    sure(!exists(&from) && exists(&to), "the file did not move")
}

fn replace(context: &Context) -> Acted {
    let (from, to) = (context.own("rename-from")?, context.own("replaced")?);
    call!(libc::SYS_renameat2, AT, from.as_ptr(), AT, to.as_ptr(), 0)?;
    sure(!exists(&from), "the file did not move")
}

fn exchange(context: &Context) -> Acted {
    renamed(
        &context.own("exchange-a")?,
        &context.own("exchange-b")?,
        libc::RENAME_EXCHANGE,
    )
}

fn no_replace(context: &Context) -> Acted {
    renamed(
        &context.own("rename-from")?,
        &context.own("renamed")?,
        libc::RENAME_NOREPLACE,
    )
}

fn rename_out(context: &Context) -> Acted {
    renamed(
        &context.own("rename-from")?,
        &context.path("${DIR}/allowed/moved-in")?,
        0,
    )
}

fn unlink(context: &Context) -> Acted {
    let path = context.own("unlink-me")?;
    call!(legacy::number(legacy::UNLINK)?, path.as_ptr())?;
    sure(!exists(&path), "the name is still there")
}

fn unlinkat(context: &Context) -> Acted {
    let path = context.own("unlink-me")?;
    call!(libc::SYS_unlinkat, AT, path.as_ptr(), 0)?;
    sure(!exists(&path), "the name is still there")
}

fn rmdir(context: &Context) -> Acted {
    let path = context.own("rmdir-me")?;
    call!(legacy::number(legacy::RMDIR)?, path.as_ptr()).map(|_| ())
}

fn unlinkat_dir(context: &Context) -> Acted {
    let path = context.own("rmdir-me")?;
    call!(libc::SYS_unlinkat, AT, path.as_ptr(), libc::AT_REMOVEDIR).map(|_| ())
}

fn mkdir(context: &Context) -> Acted {
    let path = context.own("new-name")?;
    call!(legacy::number(legacy::MKDIR)?, path.as_ptr(), 0o755).map(|_| ())
}

fn mkdirat(context: &Context) -> Acted {
    let path = context.own("new-name")?;
    call!(libc::SYS_mkdirat, AT, path.as_ptr(), 0o755).map(|_| ())
}

fn fifo(context: &Context) -> Acted {
    let path = context.own("new-name")?;
    call!(legacy::number(legacy::MKNOD)?, path.as_ptr(), libc::S_IFIFO | 0o644, 0).map(|_| ())
}

fn device(context: &Context) -> Acted {
    let path = context.own("new-name")?;
    call!(
        libc::SYS_mknodat,
        AT,
        path.as_ptr(),
        libc::S_IFCHR | 0o600,
        libc::makedev(1, 3)
    )?;
    call!(libc::SYS_unlinkat, AT, path.as_ptr(), 0).map(|_| ())
}

fn truncate(context: &Context) -> Acted {
    let path = context.own("truncate-me")?;
    call!(libc::SYS_truncate, path.as_ptr(), 3).map(|_| ())
}

fn ftruncate(context: &Context) -> Acted {
    let fd = context.fd()?;
    call!(libc::SYS_ftruncate, fd, 3)?;
    sure(
        call!(libc::SYS_lseek, fd, 0, libc::SEEK_END)? == 3,
        "the file kept its length",
    )
}

fn fallocate(context: &Context) -> Acted {
    let allocated = call!(libc::SYS_fallocate, context.fd()?, 0, 0, 4096);
    sys::lacking(allocated, &[libc::EOPNOTSUPP], "fallocate on this file system").map(|_| ())
}

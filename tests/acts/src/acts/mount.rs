//! Mounting, always in a mount namespace of the act's own (`unshare(CLONE_NEWNS)`, everything made private), so that
//! nothing reaches the host. The namespace is itself an act that a watcher sees first; the declared sets allow both.

use std::ffi::CStr;
use std::os::fd::AsRawFd;

use crate::acts::kernel_key;
use crate::child::forked;
use crate::context::Context;
use crate::sys::{self, Acted, call, owned};
use crate::table::Act;

const ROW: Act = Act {
    group: "mount",
    kind: "file.mount",
    object: "${DIR}/${FORM}/mount-point",
    needs: &["root"],
    set: kernel_key!("mount", "allow"),
    undeclared_set: Some(kernel_key!("mount", "deny")),
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "mount",
        does: "mount(2) of a tmpfs",
        run: mount,
        ..ROW
    },
    Act {
        name: "mount-bind",
        does: "a bind mount of DIR/FORM/sub",
        run: bind,
        ..ROW
    },
    Act {
        name: "umount",
        does: "umount2(2) of a tmpfs mounted a moment ago",
        run: umount,
        ..ROW
    },
    Act {
        name: "mount-move",
        does: "mount(2) with MS_MOVE",
        run: moved,
        ..ROW
    },
    Act {
        name: "open-tree-move-mount",
        does: "open_tree(2) with OPEN_TREE_CLONE, then move_mount(2)",
        run: open_tree,
        ..ROW
    },
    Act {
        name: "fsmount",
        does: "fsopen(2), fsconfig(2), fsmount(2), move_mount(2) of a tmpfs",
        run: fsmount,
        ..ROW
    },
    Act {
        name: "chroot",
        does: "chroot(2) into DIR/FORM, in a forked child",
        object: "${DIR}/${FORM}",
        run: chroot,
        ..ROW
    },
];

/// Does the act in a child with private mounts, which end with the child.
fn private(act: impl FnOnce() -> Acted) -> Acted {
    forked(|| {
        call!(libc::SYS_unshare, libc::CLONE_NEWNS)?;
        mounted(c"none", c"/", c"none", libc::MS_REC | libc::MS_PRIVATE)?;
        act()
    })
}

fn mounted(source: &CStr, target: &CStr, kind: &CStr, flags: libc::c_ulong) -> Acted {
    call!(
        libc::SYS_mount,
        source.as_ptr(),
        target.as_ptr(),
        kind.as_ptr(),
        flags,
        0
    )
    .map(|_| ())
}

fn mount(context: &Context) -> Acted {
    let at = context.own("mount-point")?;
    private(|| mounted(c"acts", &at, c"tmpfs", 0))
}

fn bind(context: &Context) -> Acted {
    let (from, at) = (context.own("sub")?, context.own("mount-point")?);
    private(|| mounted(&from, &at, c"none", libc::MS_BIND))
}

fn umount(context: &Context) -> Acted {
    let at = context.own("mount-point")?;
    private(|| {
        mounted(c"acts", &at, c"tmpfs", 0)?;
        call!(libc::SYS_umount2, at.as_ptr(), 0).map(|_| ())
    })
}

fn moved(context: &Context) -> Acted {
    let (at, to) = (context.own("other-mount")?, context.own("mount-point")?);
    private(|| {
        mounted(c"acts", &at, c"tmpfs", 0)?;
        mounted(&at, &to, c"none", libc::MS_MOVE)
    })
}

fn move_mount(from: &impl AsRawFd, to: &CStr) -> Acted {
    const F_EMPTY_PATH: u32 = 4;
    let fd = from.as_raw_fd();
    call!(
        libc::SYS_move_mount,
        fd,
        c"".as_ptr(),
        libc::AT_FDCWD,
        to.as_ptr(),
        F_EMPTY_PATH
    )
    .map(|_| ())
}

fn open_tree(context: &Context) -> Acted {
    const CLONE: i32 = 1;
    let (from, at) = (context.own("sub")?, context.own("mount-point")?);
    private(|| {
        let tree = call!(
            libc::SYS_open_tree,
            libc::AT_FDCWD,
            from.as_ptr(),
            CLONE | libc::O_CLOEXEC
        )?;
        move_mount(&owned(tree)?, &at)
    })
}

fn fsmount(context: &Context) -> Acted {
    const CMD_CREATE: u32 = 6;
    let at = context.own("mount-point")?;
    private(|| {
        let made = owned(call!(libc::SYS_fsopen, c"tmpfs".as_ptr(), 1)?)?;
        call!(libc::SYS_fsconfig, made.as_raw_fd(), CMD_CREATE, 0, 0, 0)?;
        let mount = owned(call!(libc::SYS_fsmount, made.as_raw_fd(), 1, 0)?)?;
        move_mount(&mount, &at)
    })
}

fn chroot(context: &Context) -> Acted {
    let path = context.own("")?;
    forked(|| {
        call!(libc::SYS_chroot, path.as_ptr())?;
        sys::sure(
            call!(libc::SYS_faccessat, libc::AT_FDCWD, c"/secret".as_ptr(), 0).is_ok(),
            "the root did not change",
        )
    })
}

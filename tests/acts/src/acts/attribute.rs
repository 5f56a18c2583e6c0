//! Changing what a file says about itself: mode, owner, times, extended attributes.

use crate::acts::allowed;
use crate::context::Context;
use crate::sys::{self, Acted, Stop, call, legacy};
use crate::table::Act;

const AT: i32 = libc::AT_FDCWD;
const SYS_FCHMODAT2: libc::c_long = 452;

const ROW: Act = Act {
    group: "attribute",
    kind: "file.setattr",
    object: "${DIR}/${FORM}/metadata",
    access: &["metadata"],
    set: allowed!("metadata"),
    ..Act::ROW
};
const INHERITED: Act = Act {
    object: "${DIR}/${FORM}/inherited",
    takes: &["fd"],
    ..ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "chmod",
        does: "chmod(2)",
        needs: &["x86_64"],
        run: chmod,
        ..ROW
    },
    Act {
        name: "fchmodat",
        does: "fchmodat(2)",
        run: fchmodat,
        ..ROW
    },
    Act {
        name: "fchmodat2",
        does: "fchmodat2(2)",
        needs: &["kernel>=6.6"],
        run: fchmodat2,
        ..ROW
    },
    Act {
        name: "fchmod",
        does: "fchmod(2) of an inherited descriptor",
        run: fchmod,
        ..INHERITED
    },
    Act {
        name: "chown",
        does: "chown(2) to the caller's own ids",
        needs: &["x86_64"],
        run: chown,
        ..ROW
    },
    Act {
        name: "fchownat",
        does: "fchownat(2) to the caller's own ids",
        run: fchownat,
        ..ROW
    },
    Act {
        name: "utimensat",
        does: "utimensat(2) to the epoch",
        run: utimensat,
        ..ROW
    },
    Act {
        name: "futimens",
        does: "utimensat(2) of an inherited descriptor, with no path",
        run: futimens,
        ..INHERITED
    },
    Act {
        name: "setxattr",
        does: "setxattr(2) of user.acts",
        run: setxattr,
        ..ROW
    },
    Act {
        name: "removexattr",
        does: "removexattr(2) of the user.acts that setup wrote",
        run: removexattr,
        ..ROW
    },
];

fn chmod(context: &Context) -> Acted {
    let path = context.own("metadata")?;
    call!(legacy::number(legacy::CHMOD)?, path.as_ptr(), 0o600).map(|_| ())
}

fn fchmodat(context: &Context) -> Acted {
    let path = context.own("metadata")?;
    call!(libc::SYS_fchmodat, AT, path.as_ptr(), 0o600).map(|_| ())
}

fn fchmodat2(context: &Context) -> Acted {
    let path = context.own("metadata")?;
    call!(SYS_FCHMODAT2, AT, path.as_ptr(), 0o600, 0).map(|_| ())
}

fn fchmod(context: &Context) -> Acted {
    call!(libc::SYS_fchmod, context.fd()?, 0o600).map(|_| ())
}

fn own_ids() -> (u32, u32) {
    // SAFETY: both take nothing and cannot fail.
    unsafe { (libc::geteuid(), libc::getegid()) }
}

fn chown(context: &Context) -> Acted {
    let (path, (uid, gid)) = (context.own("metadata")?, own_ids());
    call!(legacy::number(legacy::CHOWN)?, path.as_ptr(), uid, gid).map(|_| ())
}

fn fchownat(context: &Context) -> Acted {
    let (path, (uid, gid)) = (context.own("metadata")?, own_ids());
    call!(libc::SYS_fchownat, AT, path.as_ptr(), uid, gid, 0).map(|_| ())
}

const EPOCH: [libc::timespec; 2] = [libc::timespec { tv_sec: 0, tv_nsec: 0 }; 2];

fn utimensat(context: &Context) -> Acted {
    let path = context.own("metadata")?;
    call!(libc::SYS_utimensat, AT, path.as_ptr(), EPOCH.as_ptr(), 0).map(|_| ())
}

fn futimens(context: &Context) -> Acted {
    call!(libc::SYS_utimensat, context.fd()?, 0, EPOCH.as_ptr(), 0).map(|_| ())
}

fn setxattr(context: &Context) -> Acted {
    let path = context.own("metadata")?;
    let set = call!(
        libc::SYS_setxattr,
        path.as_ptr(),
        c"user.acts".as_ptr(),
        c"yes".as_ptr(),
        3,
        0
    );
    sys::lacking(set, &[libc::EOPNOTSUPP], "user.* attributes on this file system").map(|_| ())
}

fn removexattr(context: &Context) -> Acted {
    let path = context.own("metadata")?;
    match call!(libc::SYS_removexattr, path.as_ptr(), c"user.acts".as_ptr()) {
        Err(Stop::Errno(libc::EOPNOTSUPP | libc::ENODATA)) => sys::skip("setup could not write the attribute here"),
        other => other.map(|_| ()),
    }
}

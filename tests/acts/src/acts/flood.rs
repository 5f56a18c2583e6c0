//! More than a ring buffer holds: `--count` acts in a row. What must hold is the count, or an honest loss.

use std::mem::size_of_val;
use std::os::fd::AsRawFd;

use crate::acts::open::open_and_read;
use crate::acts::{allowed, files};
use crate::child::{self, forked};
use crate::context::Context;
use crate::net::{self, Address};
use crate::sys::{self, Acted, call};
use crate::table::Act;

const ROW: Act = Act {
    group: "flood",
    kind: "file.open",
    object: "${DIR}/${FORM}/secret",
    access: &["read"],
    set: allowed!("read"),
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "flood-open",
        does: "opens the secret --count times; with --distinct, as many new files of DIR/FORM/flood, each its own inode",
        access: &["read", "create", "write", "delete"],
        set: allowed!("read", "create", "write", "delete"),
        run: open,
        ..ROW
    },
    Act {
        name: "flood-fork",
        does: "--count children, of which the last opens the secret",
        run: fork,
        ..ROW
    },
    Act {
        name: "flood-connect",
        does: "connects --count times, each connection reset at once",
        kind: "net.connect",
        object: "127.0.0.1:${PORT}",
        access: &[],
        takes: &["port"],
        service: Some("tcp4"),
        set: "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
        run: connect,
        ..ROW
    },
    Act {
        name: "flood-then-open",
        does: "floods with declared opens, then opens the secret once",
        noise: &[files!(["read"], r#""${DIR}/allowed/target""#)],
        run: then_open,
        ..ROW
    },
];

/// How many of the flood's files exist at a time.
const WINDOW: u64 = 1024;

fn open(context: &Context) -> Acted {
    if context.distinct {
        return open_distinct(context);
    }
    let path = context.own("secret")?;
    (0..context.count).try_for_each(|_| sys::open(&path, libc::O_RDONLY | libc::O_CLOEXEC, 0).map(drop))
}

fn open_distinct(context: &Context) -> Acted {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_EXCL | libc::O_CLOEXEC;
    let name = |number: u64| context.own(&format!("flood/{number}"));
    let remove = |number: u64| call!(libc::SYS_unlinkat, libc::AT_FDCWD, name(number)?.as_ptr(), 0).map(|_| ());
    for number in 0..context.count {
        sys::open(&name(number)?, flags, 0o644)?;
        if number >= WINDOW {
            remove(number - WINDOW)?;
        }
    }
    (context.count.saturating_sub(WINDOW)..context.count).try_for_each(remove)
}

fn fork(context: &Context) -> Acted {
    for _ in 1..context.count {
        child::wait(child::fork(|| 0)?)?;
    }
    let path = context.own("secret")?;
    forked(|| open_and_read(context, &path))
}

fn connect(context: &Context) -> Acted {
    let to = Address::v4(context.port()?);
    let reset = libc::linger {
        l_onoff: 1,
        l_linger: 0,
    };
    for _ in 0..context.count {
        let socket = net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?;
        let (fd, size) = (socket.as_raw_fd(), size_of_val(&reset));
        call!(
            libc::SYS_setsockopt,
            fd,
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            &raw const reset,
            size
        )?;
        net::connect(&socket, &to)?;
    }
    Ok(())
}

fn then_open(context: &Context) -> Acted {
    let decoy = context.path("${DIR}/allowed/target")?;
    for _ in 0..context.count {
        sys::open(&decoy, libc::O_RDONLY | libc::O_CLOEXEC, 0)?;
    }
    open_and_read(context, &context.own("secret")?)
}

//! io_uring: the same acts with no system call of their name.

use std::os::fd::AsRawFd;

use crate::acts::allowed;
use crate::acts::open::holds_secret;
use crate::context::Context;
use crate::net::{self, Address};
use crate::ring::{OP_CONNECT, OP_OPENAT, OP_READ, Ring, SETUP_SQPOLL, SQE_ASYNC, SQE_FIXED_FILE, Submission};
use crate::setup::content;
use crate::sys::{Acted, owned, sure};
use crate::table::Act;

const READ: Act = Act {
    group: "uring",
    kind: "file.open",
    object: "${DIR}/${FORM}/secret",
    access: &["read"],
    core: true,
    needs: &["io_uring"],
    set: concat!(allowed!("read"), "[kernel]\nio_uring = \"allow\"\n"),
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "uring-setup",
        does: "io_uring_setup(2) and its mappings, no submission",
        kind: "io_uring",
        object: "anon_inode:[io_uring]",
        access: &[],
        set: "[kernel]\nio_uring = \"allow\"\n",
        undeclared_set: Some("[kernel]\nio_uring = \"deny\"\n"),
        run: |_| Ring::new(0).map(drop),
        ..READ
    },
    Act {
        name: "uring-openat",
        does: "IORING_OP_OPENAT, inline",
        run: openat,
        ..READ
    },
    Act {
        name: "uring-openat-async",
        does: "IORING_OP_OPENAT through a worker thread (IOSQE_ASYNC)",
        core: false,
        run: openat_async,
        ..READ
    },
    Act {
        name: "uring-openat-direct",
        does: "IORING_OP_OPENAT into the ring's own table, and a read: no descriptor ever exists",
        needs: &["io_uring", "kernel>=5.15"],
        run: openat_direct,
        ..READ
    },
    Act {
        name: "uring-connect",
        does: "IORING_OP_CONNECT over IPv4",
        kind: "net.connect",
        object: "127.0.0.1:${PORT}",
        access: &[],
        takes: &["port"],
        service: Some("tcp4"),
        set: concat!(
            "[[net]]\ncidr = [\"127.0.0.0/8\"]\nports = [${PORT}]\nproto = [\"tcp\"]\n",
            "[kernel]\nio_uring = \"allow\"\n"
        ),
        run: connect,
        ..READ
    },
    Act {
        name: "uring-sqpoll",
        does: "IORING_OP_OPENAT taken by the kernel's polling thread",
        run: sqpoll,
        ..READ
    },
];

fn opening(path: &std::ffi::CStr) -> Submission {
    Submission {
        opcode: OP_OPENAT,
        fd: libc::AT_FDCWD,
        addr: path.as_ptr().addr() as u64,
        op_flags: libc::O_RDONLY as u32,
        ..Submission::default()
    }
}

fn opened(context: &Context, flags: u32, entry_flags: u8) -> Acted {
    let path = context.own("secret")?;
    let fd = Ring::new(flags)?.submit(Submission {
        flags: entry_flags,
        ..opening(&path)
    })?;
    holds_secret(context, &owned(fd)?)
}

fn openat(context: &Context) -> Acted {
    opened(context, 0, 0)
}

fn openat_async(context: &Context) -> Acted {
    opened(context, 0, SQE_ASYNC)
}

fn sqpoll(context: &Context) -> Acted {
    opened(context, SETUP_SQPOLL, 0)
}

fn openat_direct(context: &Context) -> Acted {
    let path = context.own("secret")?;
    let mut ring = Ring::new(0)?;
    ring.register_slots(1)?;
    ring.submit(Submission {
        file_index: 1,
        ..opening(&path)
    })?;
    let expected = content(context.form.folder());
    let mut bytes = vec![0_u8; expected.len()];
    ring.submit(Submission {
        opcode: OP_READ,
        flags: SQE_FIXED_FILE,
        fd: 0,
        addr: bytes.as_mut_ptr().addr() as u64,
        len: bytes.len() as u32,
        ..Submission::default()
    })?;
    sure(bytes == expected.as_bytes(), "the slot does not hold the fixture")
}

fn connect(context: &Context) -> Acted {
    let (socket, to) = (
        net::socket(libc::AF_INET, libc::SOCK_STREAM, 0)?,
        Address::v4(context.port()?),
    );
    let entry = Submission {
        opcode: OP_CONNECT,
        fd: socket.as_raw_fd(),
        addr: to.as_ptr().addr() as u64,
        off: to.len() as u64,
        ..Submission::default()
    };
    Ring::new(0)?.submit(entry).map(|_| ())
}

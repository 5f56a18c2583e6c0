//! Using a descriptor that the harness opened before the tree was tracked: no open ever happens inside it.
//!
//! The harness opens `DIR/FORM/inherited` for reading and writing and leaves it open at `--fd`.

use std::os::fd::AsRawFd;
use std::ptr;

use crate::acts::{allowed, files};
use crate::context::Context;
use crate::ring::{OP_READ, Ring, Submission};
use crate::setup::content;
use crate::sys::{self, Acted, call, owned, sure};
use crate::table::Act;

const READ: Act = Act {
    group: "inherited",
    kind: "file.read",
    object: "${DIR}/${FORM}/inherited",
    access: &["read"],
    takes: &["fd"],
    set: allowed!("read"),
    ..Act::ROW
};

pub(crate) const ACTS: &[Act] = &[
    Act {
        name: "inherited-read",
        does: "read(2)",
        run: read,
        ..READ
    },
    Act {
        name: "inherited-pread",
        does: "pread64(2)",
        run: pread,
        ..READ
    },
    Act {
        name: "inherited-reopen",
        does: "reopened through /proc/self/fd, which opens anew",
        kind: "file.open",
        run: reopen,
        ..READ
    },
    Act {
        name: "inherited-write",
        does: "pwrite64(2)",
        kind: "file.write",
        access: &["write"],
        set: allowed!("write"),
        run: pwrite,
        ..READ
    },
    Act {
        name: "inherited-mmap",
        does: "mmap(2), and one load from the map",
        kind: "file.map",
        run: mmap,
        ..READ
    },
    Act {
        name: "inherited-mmap-write",
        does: "mmap(2) shared and writable, and one store into the map",
        kind: "file.map",
        access: &["write"],
        set: allowed!("read", "write"),
        run: mmap_write,
        ..READ
    },
    Act {
        name: "inherited-sendfile",
        does: "sendfile(2) into a pipe",
        run: sendfile,
        ..READ
    },
    Act {
        name: "inherited-splice",
        does: "splice(2) into a pipe",
        run: splice,
        ..READ
    },
    Act {
        name: "inherited-copy-file-range",
        does: "copy_file_range(2) into a file of allowed",
        noise: &[files!(["write"], r#""${DIR}/allowed/target""#)],
        run: copy_file_range,
        ..READ
    },
    Act {
        name: "inherited-uring-read",
        does: "IORING_OP_READ",
        needs: &["io_uring"],
        set: concat!(allowed!("read"), "[kernel]\nio_uring = \"allow\"\n"),
        run: uring_read,
        ..READ
    },
];

fn is_content(context: &Context, bytes: &[u8]) -> Acted {
    let expected = content(context.form.folder());
    let same = !bytes.is_empty() && expected.as_bytes().starts_with(bytes);
    sure(same, "what was read is not the fixture")
}

fn read(context: &Context) -> Acted {
    is_content(context, &sys::read(&context.fd()?)?)
}

fn pread(context: &Context) -> Acted {
    let mut bytes = [0_u8; 7];
    call!(libc::SYS_pread64, context.fd()?, bytes.as_mut_ptr(), bytes.len(), 0)?;
    is_content(context, &bytes)
}

fn reopen(context: &Context) -> Acted {
    let path = context.path(&format!("/proc/self/fd/{}", context.fd()?))?;
    is_content(
        context,
        &sys::read(&sys::open(&path, libc::O_RDONLY | libc::O_CLOEXEC, 0)?)?,
    )
}

fn pwrite(context: &Context) -> Acted {
    sure(
        call!(libc::SYS_pwrite64, context.fd()?, b"W".as_ptr(), 1, 0)? == 1,
        "a short write",
    )
}

/// The first page of the inherited file, mapped; it stays mapped, since the act's process ends at once.
fn mapped(context: &Context, protection: i32) -> Acted<*mut u8> {
    let address = call!(libc::SYS_mmap, 0, 4096, protection, libc::MAP_SHARED, context.fd()?, 0)?;
    Ok(ptr::with_exposed_provenance_mut(address as usize))
}

fn mmap(context: &Context) -> Acted {
    let page = mapped(context, libc::PROT_READ)?;
    // SAFETY: the page is mapped for reading, and the fixture is longer than one byte.
    is_content(context, &[unsafe { page.read_volatile() }])
}

fn mmap_write(context: &Context) -> Acted {
    let page = mapped(context, libc::PROT_READ | libc::PROT_WRITE)?;
    // SAFETY: the page is mapped for writing, and the fixture is longer than one byte.
    unsafe { page.write_volatile(b'M') };
    let mut byte = 0_u8;
    call!(libc::SYS_pread64, context.fd()?, &raw mut byte, 1, 0)?;
    sure(byte == b'M', "the store did not reach the file")
}

/// Fills a pipe by `fill`, which returns the number of bytes, and reads it back.
fn through_pipe(context: &Context, fill: impl FnOnce(i32) -> Acted<i64>) -> Acted {
    let mut ends = [0_i32; 2];
    call!(libc::SYS_pipe2, ends.as_mut_ptr(), libc::O_CLOEXEC)?;
    let (reader, writer) = (owned(i64::from(ends[0]))?, owned(i64::from(ends[1]))?);
    fill(writer.as_raw_fd())?;
    is_content(context, &sys::read(&reader)?)
}

fn sendfile(context: &Context) -> Acted {
    let fd = context.fd()?;
    through_pipe(context, |pipe| call!(libc::SYS_sendfile, pipe, fd, 0, 7))
}

fn splice(context: &Context) -> Acted {
    let fd = context.fd()?;
    through_pipe(context, |pipe| call!(libc::SYS_splice, fd, 0, pipe, 0, 7, 0))
}

fn copy_file_range(context: &Context) -> Acted {
    let to = sys::open(
        &context.path("${DIR}/allowed/target")?,
        libc::O_WRONLY | libc::O_CLOEXEC,
        0,
    )?;
    let copied = call!(libc::SYS_copy_file_range, context.fd()?, 0, to.as_raw_fd(), 0, 7, 0);
    let copied = sys::lacking(copied, &[libc::EOPNOTSUPP], "copy_file_range on this file system")?;
    sure(copied == 7, "less was copied than asked")
}

fn uring_read(context: &Context) -> Acted {
    let mut bytes = [0_u8; 7];
    Ring::new(0)?.submit(Submission {
        opcode: OP_READ,
        fd: context.fd()?,
        addr: bytes.as_mut_ptr().addr() as u64,
        len: 7,
        ..Submission::default()
    })?;
    is_content(context, &bytes)
}

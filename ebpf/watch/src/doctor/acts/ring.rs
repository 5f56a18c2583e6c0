//! Acts through io_uring: a ring of eight entries, one submission at a time, one completion awaited.
//!
//! Layouts and the order of loads and stores are those of `<linux/io_uring.h>` and io_uring(7).

#![expect(unsafe_code, reason = "the ring is memory that is shared with the kernel")]

use std::ffi::CString;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::sync::atomic::{AtomicU32, Ordering};

use super::sys::{Acted, Stop, call, owned};
use super::{Object, Row, Scene};
use crate::act::Kind;

const RING: Row = Row {
    name: "",
    group: "io_uring",
    kind: Kind::IO_URING,
    object: Object::OfChild,
    core: false,
    cost: "`[kernel] io_uring` does not hold",
    run: |_| Ok(()),
};

pub(super) const ROWS: &[Row] = &[
    Row {
        name: "io_uring set up",
        run: |_| Ring::new().map(drop),
        ..RING
    },
    Row {
        name: "io_uring request",
        run: |_| Ring::new()?.submit(Entry::default()).map(drop),
        ..RING
    },
    Row {
        name: "open through the ring",
        kind: Kind::FILE_OPEN,
        object: Object::File("ring"),
        cost: "a declared set with `[kernel] io_uring = \"allow\"` cannot be held: opens through the ring are not seen",
        run: |scene| open(scene, "ring", 0).and_then(owned).map(drop),
        ..RING
    },
    Row {
        name: "open into the ring's own table",
        kind: Kind::FILE_OPEN,
        object: Object::File("ring-direct"),
        cost: "a declared set with `[kernel] io_uring = \"allow\"` cannot be held: opens through the ring are not seen",
        run: |scene| open(scene, "ring-direct", 1).map(drop),
        ..RING
    },
    Row {
        name: "connect through the ring",
        kind: Kind::NET_CONNECT,
        cost: "connections through the ring are not held to `[[net]]` rules",
        run: |_| connect(),
        ..RING
    },
];

fn open(scene: &Scene, name: &str, slot: u32) -> Acted<i64> {
    const OPENAT: u8 = 18;
    let path = CString::new(scene.file(name).as_os_str().as_bytes()).map_err(|_| Stop::Wrong)?;
    let ring = Ring::new()?;
    if slot != 0 {
        ring.register_slot()?;
    }
    ring.submit(Entry {
        opcode: OPENAT,
        fd: libc::AT_FDCWD,
        addr: path.as_ptr().expose_provenance() as u64,
        file_index: slot,
        ..Entry::default()
    })
}

fn connect() -> Acted {
    const CONNECT: u8 = 16;
    let listener = std::net::TcpListener::bind((std::net::Ipv4Addr::LOCALHOST, 0))?;
    let port = listener.local_addr()?.port();
    let socket = owned(call!(
        libc::SYS_socket,
        libc::AF_INET,
        libc::SOCK_STREAM | libc::SOCK_CLOEXEC,
        0
    )?)?;
    // `struct sockaddr_in`: family, port, address, padding.
    let mut address = [0_u8; 16];
    address[..2].copy_from_slice(&2_u16.to_ne_bytes());
    address[2..4].copy_from_slice(&port.to_be_bytes());
    address[4..8].copy_from_slice(&[127, 0, 0, 1]);
    let entry = Entry {
        opcode: CONNECT,
        fd: socket.as_raw_fd(),
        addr: address.as_ptr().expose_provenance() as u64,
        off: 16,
        ..Entry::default()
    };
    Ring::new()?.submit(entry).map(drop)
}

/// `struct io_sqring_offsets`, `struct io_cqring_offsets` (which call `array` `cqes` and place it one word earlier).
#[repr(C)]
#[derive(Default)]
struct Offsets {
    head: u32,
    tail: u32,
    mask: u32,
    entries: u32,
    words: [u32; 4],
    user: u64,
}

/// `struct io_uring_params`, 120 bytes.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: [u32; 5],
    resv: [u32; 3],
    sq: Offsets,
    cq: Offsets,
}

const _: () = assert!(size_of::<Params>() == 120);

/// `struct io_uring_sqe`, 64 bytes; the default is `IORING_OP_NOP`.
#[repr(C)]
#[derive(Default)]
struct Entry {
    opcode: u8,
    flags: u8,
    ioprio: u16,
    fd: i32,
    off: u64,
    addr: u64,
    len: u32,
    op_flags: u32,
    user_data: u64,
    buf_index: u16,
    personality: u16,
    file_index: u32,
    pad: [u64; 2],
}

const _: () = assert!(size_of::<Entry>() == 64);

/// One ring, mapped for the life of the process.
struct Ring {
    fd: OwnedFd,
    params: Params,
    sq: *mut u8,
    cq: *mut u8,
    entries: *mut Entry,
}

impl Ring {
    fn new() -> Acted<Self> {
        let mut params = Params::default();
        let fd = match call!(libc::SYS_io_uring_setup, 8, &raw mut params) {
            Err(Stop::Errno(libc::EPERM)) => return Err(Stop::Lacks),
            made => owned(made?)?,
        };
        // `array` is the seventh word of the submission offsets, `cqes` the sixth of the others.
        let sq = map(&fd, params.sq.words[2] + params.sq_entries * 4, 0)?;
        let cq = map(&fd, params.cq.words[1] + params.cq_entries * 16, 0x800_0000)?;
        let entries = map(&fd, params.sq_entries * 64, 0x1000_0000)?.cast();
        Ok(Self {
            fd,
            params,
            sq,
            cq,
            entries,
        })
    }

    /// Gives the ring a table of one empty place.
    fn register_slot(&self) -> Acted {
        const FILES: u32 = 2;
        let empty = [-1_i32];
        call!(
            libc::SYS_io_uring_register,
            self.fd.as_raw_fd(),
            FILES,
            empty.as_ptr(),
            1
        )
        .map(drop)
    }

    /// Submits one entry and gives what the call would have returned.
    fn submit(&self, entry: Entry) -> Acted<i64> {
        const GETEVENTS: u32 = 1;
        let tail = self.word(self.sq, self.params.sq.tail);
        let at = tail.load(Ordering::Relaxed);
        let index = at & self.word(self.sq, self.params.sq.mask).load(Ordering::Relaxed);
        self.word(self.sq, self.params.sq.words[2] + 4 * index)
            .store(index, Ordering::Relaxed);
        // SAFETY: `index` is below the number of entries that `new` mapped, and the kernel reads the entry only after the
        // store of the tail below.
        unsafe { std::ptr::write_volatile(self.entries.add(index as usize), entry) };
        tail.store(at.wrapping_add(1), Ordering::SeqCst);
        call!(libc::SYS_io_uring_enter, self.fd.as_raw_fd(), 1, 1, GETEVENTS, 0, 0)?;
        let head = self.word(self.cq, self.params.cq.head);
        let at = head.load(Ordering::Relaxed);
        if self.word(self.cq, self.params.cq.tail).load(Ordering::Acquire) == at {
            return Err(Stop::Wrong);
        }
        let index = at & self.word(self.cq, self.params.cq.mask).load(Ordering::Relaxed);
        // The result is the third word of a 16-byte completion, after the 8 bytes of `user_data`.
        let result = self
            .word(self.cq, self.params.cq.words[1] + 16 * index + 8)
            .load(Ordering::Relaxed);
        head.store(at.wrapping_add(1), Ordering::Release);
        match result.cast_signed() {
            failed @ ..0 => Err(Stop::Errno(-failed)),
            value => Ok(value.into()),
        }
    }

    fn word(&self, base: *mut u8, offset: u32) -> &AtomicU32 {
        // SAFETY: the kernel's offsets lie within the mappings of `new`, are aligned to 4, and the mappings live as long as
        // the process.
        unsafe { AtomicU32::from_ptr(base.add(offset as usize).cast()) }
    }
}

fn map(fd: &OwnedFd, size: u32, offset: i64) -> Acted<*mut u8> {
    let (protection, flags) = (
        libc::PROT_READ | libc::PROT_WRITE,
        libc::MAP_SHARED | libc::MAP_POPULATE,
    );
    let address = call!(libc::SYS_mmap, 0, size, protection, flags, fd.as_raw_fd(), offset)?;
    Ok(std::ptr::with_exposed_provenance_mut(
        usize::try_from(address).map_err(|_| Stop::Wrong)?,
    ))
}

//! An io_uring small enough to read at once: one submission at a time, one completion awaited.
//!
//! Layouts and the order of loads and stores are those of `<linux/io_uring.h>` and io_uring(7).

use std::os::fd::{AsRawFd, OwnedFd};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use crate::sys::{self, Acted, Stop, call, owned};

const OFF_SQ_RING: i64 = 0;
const OFF_CQ_RING: i64 = 0x800_0000;
const OFF_SQES: i64 = 0x1000_0000;
const ENTER_GETEVENTS: u32 = 1;
const ENTER_SQ_WAKEUP: u32 = 2;
const SQ_NEED_WAKEUP: u32 = 1;
const REGISTER_FILES: u32 = 2;

/// `IORING_SETUP_SQPOLL`: a kernel thread takes the submissions, and no system call of ours marks them.
pub(crate) const SETUP_SQPOLL: u32 = 2;
/// `IOSQE_ASYNC`: always through a worker thread.
pub(crate) const SQE_ASYNC: u8 = 1 << 4;
/// `IORING_OP_CONNECT`.
pub(crate) const OP_CONNECT: u8 = 16;
/// `IORING_OP_OPENAT`.
pub(crate) const OP_OPENAT: u8 = 18;
/// `IORING_OP_READ`.
pub(crate) const OP_READ: u8 = 22;
/// `IOSQE_FIXED_FILE`: the descriptor is a slot of the ring's table.
pub(crate) const SQE_FIXED_FILE: u8 = 1;

/// `struct io_sqring_offsets`; the last word of it and of [`CompletionOffsets`] is `user_addr`.
#[repr(C)]
#[derive(Default)]
struct SubmissionOffsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    flags: u32,
    dropped: u32,
    array: u32,
    resv1: u32,
    user_addr: u64,
}

/// `struct io_cqring_offsets`.
#[repr(C)]
#[derive(Default)]
struct CompletionOffsets {
    head: u32,
    tail: u32,
    ring_mask: u32,
    ring_entries: u32,
    overflow: u32,
    cqes: u32,
    flags: u32,
    resv1: u32,
    user_addr: u64,
}

/// `struct io_uring_params`, 120 bytes.
#[repr(C)]
#[derive(Default)]
struct Params {
    sq_entries: u32,
    cq_entries: u32,
    flags: u32,
    sq_thread_cpu: u32,
    sq_thread_idle: u32,
    features: u32,
    wq_fd: u32,
    resv: [u32; 3],
    sq_off: SubmissionOffsets,
    cq_off: CompletionOffsets,
}

/// `struct io_uring_sqe`, 64 bytes, under the names of the operations used here.
#[repr(C)]
#[derive(Clone, Copy, Default)]
pub(crate) struct Submission {
    pub(crate) opcode: u8,
    pub(crate) flags: u8,
    pub(crate) ioprio: u16,
    pub(crate) fd: i32,
    pub(crate) off: u64,
    pub(crate) addr: u64,
    pub(crate) len: u32,
    pub(crate) op_flags: u32,
    pub(crate) user_data: u64,
    pub(crate) buf_index: u16,
    pub(crate) personality: u16,
    pub(crate) file_index: u32,
    pub(crate) addr3: u64,
    pub(crate) pad: u64,
}

/// One ring, mapped.
pub(crate) struct Ring {
    fd: OwnedFd,
    flags: u32,
    params: Params,
    sq: *mut u8,
    cq: *mut u8,
    sqes: *mut Submission,
}

impl Ring {
    /// io_uring_setup(2) with 8 entries, and the three mappings. A host that forbids rings skips.
    pub(crate) fn new(flags: u32) -> Acted<Ring> {
        let mut params = Params {
            flags,
            sq_thread_idle: 2000,
            ..Params::default()
        };
        let fd = match call!(libc::SYS_io_uring_setup, 8, &raw mut params) {
            Ok(fd) => owned(fd)?,
            Err(Stop::Errno(libc::EPERM)) if disabled() => return sys::skip("kernel.io_uring_disabled is set"),
            Err(other) => return Err(other),
        };
        let sq_size = params.sq_off.array + params.sq_entries * 4;
        let cq_size = params.cq_off.cqes + params.cq_entries * 16;
        let (sq, cq) = (map(&fd, sq_size, OFF_SQ_RING)?, map(&fd, cq_size, OFF_CQ_RING)?);
        let sqes = map(&fd, params.sq_entries * 64, OFF_SQES)?.cast();
        Ok(Ring {
            fd,
            flags,
            params,
            sq,
            cq,
            sqes,
        })
    }

    /// Gives the ring a table of `slots` empty places for direct descriptors.
    pub(crate) fn register_slots(&self, slots: u32) -> Acted {
        let empty = vec![-1_i32; slots as usize];
        call!(
            libc::SYS_io_uring_register,
            self.fd.as_raw_fd(),
            REGISTER_FILES,
            empty.as_ptr(),
            slots
        )
        .map(|_| ())
    }

    /// Submits one entry and waits for its completion. Returns what the call would have returned.
    pub(crate) fn submit(&mut self, entry: Submission) -> Acted<i64> {
        let tail = self.word(self.sq, self.params.sq_off.tail);
        let at = tail.load(Ordering::Relaxed);
        let index = at & self.word(self.sq, self.params.sq_off.ring_mask).load(Ordering::Relaxed);
        self.word(self.sq, self.params.sq_off.array + 4 * index)
            .store(index, Ordering::Relaxed);
        // SAFETY: `index` is below the number of entries that `new` mapped, and the kernel reads the entry only after
        // the store of the tail below.
        unsafe { ptr::write_volatile(self.sqes.add(index as usize), entry) };
        tail.store(at.wrapping_add(1), Ordering::SeqCst);
        self.enter()?;
        let result = self.completion()?;
        if result < 0 {
            Err(Stop::Errno(-result))
        } else {
            Ok(i64::from(result))
        }
    }

    fn enter(&self) -> Acted {
        let (submit, flags) = if self.flags & SETUP_SQPOLL == 0 {
            (1, ENTER_GETEVENTS)
        } else if self.word(self.sq, self.params.sq_off.flags).load(Ordering::SeqCst) & SQ_NEED_WAKEUP != 0 {
            (1, ENTER_GETEVENTS | ENTER_SQ_WAKEUP)
        } else {
            (0, ENTER_GETEVENTS)
        };
        call!(libc::SYS_io_uring_enter, self.fd.as_raw_fd(), submit, 1, flags, 0, 0).map(|_| ())
    }

    fn completion(&self) -> Acted<i32> {
        let head = self.word(self.cq, self.params.cq_off.head);
        let at = head.load(Ordering::Relaxed);
        if self.word(self.cq, self.params.cq_off.tail).load(Ordering::Acquire) == at {
            return Err(Stop::Wrong(String::from(
                "io_uring_enter returned without a completion",
            )));
        }
        let index = at & self.word(self.cq, self.params.cq_off.ring_mask).load(Ordering::Relaxed);
        // The result is the third word of a 16-byte entry, after the 8 bytes of `user_data`.
        let result = self
            .word(self.cq, self.params.cq_off.cqes + 16 * index + 8)
            .load(Ordering::Relaxed);
        head.store(at.wrapping_add(1), Ordering::Release);
        Ok(result as i32)
    }

    fn word(&self, base: *mut u8, offset: u32) -> &AtomicU32 {
        // SAFETY: the kernel's offsets lie within the mappings of `new`, are aligned to 4, and the mappings live as long
        // as the process.
        unsafe { AtomicU32::from_ptr(base.add(offset as usize).cast()) }
    }
}

/// Whether a refusal is the host's own rule: then even a ring of no consequence is refused. Only asked after EPERM.
fn disabled() -> bool {
    let flags = libc::O_RDONLY | libc::O_CLOEXEC;
    let setting = sys::open(c"/proc/sys/kernel/io_uring_disabled", flags, 0).and_then(|file| sys::read(&file));
    setting.is_ok_and(|value| value.first().is_some_and(|digit| *digit != b'0'))
}

fn map(fd: &OwnedFd, size: u32, offset: i64) -> Acted<*mut u8> {
    let protection = libc::PROT_READ | libc::PROT_WRITE;
    let flags = libc::MAP_SHARED | libc::MAP_POPULATE;
    let address = call!(libc::SYS_mmap, 0, size, protection, flags, fd.as_raw_fd(), offset)?;
    Ok(ptr::with_exposed_provenance_mut(address as usize))
}

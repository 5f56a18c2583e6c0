//! Opens through io_uring: the request and nothing else, in a ring of two entries.
#![expect(
    unsafe_code,
    reason = "io_uring has no safe interface in the crates at hand: its rings are shared memory"
)]

use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

/// Have a worker thread do it.
pub(crate) const ASYNC: u8 = 1 << 4;

/// `struct io_uring_params` of include/uapi/linux/io_uring.h, as words.
type Params = [u32; 30];
/// `sq_off.tail` and `sq_off.array` in it.
const SQ_TAIL: usize = 11;
const SQ_ARRAY: usize = 16;

const SQ_RING: i64 = 0;
const SQES: i64 = 0x1000_0000;
const ENTRIES: u32 = 2;
const SQE: usize = 64;
const OPENAT: u8 = 18;
const GETEVENTS: u32 = 1;

/// Opens a file for reading by one request with these `IOSQE` flags; `false` where this host has no io_uring.
pub(crate) fn open(path: &Path, flags: u8) -> bool {
    let path = CString::new(path.as_os_str().as_bytes()).expect("no zero byte");
    let mut params: Params = [0; 30];
    // SAFETY: the kernel fills the parameters, which are 120 bytes.
    let ring = unsafe { libc::syscall(libc::SYS_io_uring_setup, ENTRIES, params.as_mut_ptr()) };
    let Ok(ring) = i32::try_from(ring) else { return false };
    if ring < 0 {
        return false;
    }
    let map = |length: usize, offset: i64| {
        let (protection, shared) = (libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED);
        // SAFETY: a new mapping of the ring's own memory.
        let place = unsafe { libc::mmap(ptr::null_mut(), length, protection, shared, ring, offset) };
        assert_ne!(place, libc::MAP_FAILED);
        place.cast::<u8>()
    };
    let array = params[SQ_ARRAY] as usize;
    let (queue, sqes) = (
        map(array + 4 * ENTRIES as usize, SQ_RING),
        map(SQE * ENTRIES as usize, SQES),
    );
    let mut sqe = [0u8; SQE];
    sqe[0] = OPENAT;
    sqe[1] = flags;
    sqe[4..8].copy_from_slice(&libc::AT_FDCWD.to_ne_bytes());
    sqe[16..24].copy_from_slice(&(path.as_ptr().expose_provenance() as u64).to_ne_bytes());
    sqe[28..32].copy_from_slice(&libc::O_CLOEXEC.to_ne_bytes());
    // SAFETY: the first entry of the mapped array, of its size; the index array and the tail lie at the offsets that the
    // kernel gave, and nobody else submits to this ring.
    let done = unsafe {
        ptr::copy_nonoverlapping(sqe.as_ptr(), sqes, SQE);
        ptr::write_unaligned(queue.add(array).cast::<u32>(), 0);
        let tail = queue.add(params[SQ_TAIL] as usize).cast::<u32>();
        AtomicU32::from_ptr(tail).store(1, Ordering::Release);
        libc::syscall(libc::SYS_io_uring_enter, ring, 1, 1, GETEVENTS, ptr::null::<u8>(), 0)
    };
    // SAFETY: the ring is closed once and not used again; what it maps goes with the process.
    unsafe { libc::close(ring) };
    assert_eq!(done, 1, "{}", std::io::Error::last_os_error());
    true
}

//! Which system calls are looked at: a table by number, since most that return are of no interest, and every process of
//! the host pays for the question.
//!
//! A call that is judged anywhere below has its bit here; without it, it is never asked about.

use crate::atomic::opaque;

/// It may move what decisions were made on: rename, mount, umount, move_mount, pivot_root, open_tree, fsmount.
pub const MOVES: u8 = 1 << 0;
/// The same by the numbers of the 32-bit table. A task outside the tree is taken at its number, whichever table is meant.
pub const MOVES_COMPAT: u8 = 1 << 1;
/// Files and names.
pub const FILES: u8 = 1 << 2;
/// Use of a descriptor that counts only if the tree did not open it.
pub const FOREIGN: u8 = 1 << 3;
/// Sockets.
pub const SOCKETS: u8 = 1 << 4;
/// The kernel.
pub const KERNEL: u8 = 1 << 5;

/// Numbers that have a row.
const COUNT: usize = 512;

static ROUTES: [u8; COUNT] = routes();

/// What a number of the 64-bit table stands for; 0 for nothing that is looked at.
#[inline(always)]
pub fn route(nr: u32) -> u8 {
    if nr as usize >= COUNT {
        return 0;
    }
    let at = opaque(u64::from(nr)) as usize & (COUNT - 1);
    // SAFETY: the index is masked to the table. Volatile, or the compiler makes a tree of compares of it.
    unsafe { core::ptr::read_volatile((&raw const ROUTES).cast::<u8>().add(at)) }
}

const fn routes() -> [u8; COUNT] {
    let mut table = [0; COUNT];
    let mut nr = 0;
    while nr < COUNT {
        table[nr] = moves(nr) | files(nr) | sockets(nr) | kernel(nr);
        nr += 1;
    }
    table
}

const fn moves(nr: usize) -> u8 {
    match nr {
        82 | 155 | 165 | 166 | 264 | 316 | 428 | 429 | 432 => MOVES,
        38 | 302 | 353 => MOVES_COMPAT,
        _ => 0,
    }
}

const fn files(nr: usize) -> u8 {
    match nr {
        // open, creat, openat, openat2, open_by_handle_at; mmap; pidfd_getfd.
        2 | 85 | 257 | 304 | 437 | 9 | 438 => FILES,
        // fallocate, ftruncate, truncate.
        285 | 77 | 76 => FILES,
        // chmod, chown, utime and extended attributes.
        90..=94 | 132 | 188..=190 | 197..=199 | 235 | 260 | 261 | 268 | 280 | 452 | 463 | 466 => FILES,
        // rename, mkdir, rmdir, link, unlink, symlink, mknod.
        82..=84 | 86..=88 | 133 | 258 | 259 | 263..=266 | 316 => FILES,
        // read, write and their kin, getdents; sendfile, splice, copy_file_range.
        0 | 1 | 17..=20 | 40 | 78 | 217 | 275 | 295 | 296 | 326..=328 => FOREIGN,
        _ => 0,
    }
}

const fn sockets(nr: usize) -> u8 {
    match nr {
        // socket to accept, sendto, sendmsg, recvmsg, bind, listen, accept4, recvmmsg, sendmmsg.
        41..=44 | 46 | 47 | 49 | 50 | 288 | 299 | 307 => SOCKETS,
        _ => 0,
    }
}

const fn kernel(nr: usize) -> u8 {
    match nr {
        101 | 155 | 161 | 165 | 166 | 175 | 176 | 272 | 298 | 308 | 310 | 311 | 313 | 321 | 323 => KERNEL,
        425 | 428..=430 | 432 | 438 | 442 => KERNEL,
        _ => 0,
    }
}

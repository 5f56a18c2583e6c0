//! Unix sockets: the peer of a connection is a fact of the kernel; the address of an unconnected datagram is the caller's
//! word.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user};
use probity_abi::{
    access::UNIX,
    event::TRACE,
    kind,
    net::{ABSTRACT_NAME, AbstractKey},
};

use super::words;
use crate::{
    act::{
        file::{self, Act},
        net::{self, AF_UNIX},
    },
    emit,
    kernel::{self, S_IFSOCK, field},
    maps::offset,
    scratch,
};

/// The `struct sock` behind a descriptor of the current task.
#[inline(always)]
pub fn sock_of(fd: u32) -> Option<u64> {
    let (file, _) = kernel::file_of(fd)?;
    let inode: u64 = field(file, offset!(file_inode));
    if kernel::file_type(inode) != S_IFSOCK {
        return None;
    }
    let socket: u64 = field(file, offset!(file_private));
    let sock: u64 = field(socket, offset!(socket_sk));
    (sock != 0).then_some(sock)
}

/// Judges a unix socket that has just been connected.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn unix_connected(sock: u64, flags: u32, backend: u32) -> u32 {
    let peer: u64 = field(sock, offset!(unix_peer));
    judge_peer(peer, flags, backend)
}

/// Judges a connection to `peer`. Returns the verdict, 0 for a peer without a name.
#[inline(always)]
pub fn judge_peer(peer: u64, flags: u32, backend: u32) -> u32 {
    if peer == 0 {
        return 0;
    }
    // A peer that was accepted shares the listener's address; either has the path the name was bound at.
    let (dentry, mount) = kernel::path_at(peer.wrapping_add(offset!(unix_path) as u64));
    if dentry != 0 {
        return file::judge(&Act {
            dentry,
            mount,
            need: UNIX,
            kind: kind::UNIX_CONNECT,
            backend: backend as u8,
            flags,
            ret: 0,
            arg0: 0,
            arg1: 0,
        }) as u32;
    }
    let address: u64 = field(peer, offset!(unix_addr));
    if address == 0 {
        return 0;
    }
    let length: i32 = field(address, offset!(unix_address_len));
    let name = address.wrapping_add(offset!(unix_address_name) as u64);
    // Behind the family come a zero byte and the name.
    if length <= 3 {
        return 0;
    }
    abstract_name(name.wrapping_add(3), length as u32 - 3, flags, backend)
}

/// Judges an abstract name that stands in kernel memory.
#[inline(never)]
fn abstract_name(name: u64, length: u32, flags: u32, backend: u32) -> u32 {
    let mut key = AbstractKey {
        len: 0,
        name: [0; ABSTRACT_NAME],
    };
    let length = length & 127;
    if length as usize > ABSTRACT_NAME {
        return 0;
    }
    key.len = length;
    // SAFETY: at most ABSTRACT_NAME bytes.
    unsafe { bpf_probe_read_kernel(key.name.as_mut_ptr().cast(), length, name as *const _) };
    judge_abstract(&key, flags, backend)
}

#[inline(always)]
fn judge_abstract(key: &AbstractKey, flags: u32, backend: u32) -> u32 {
    let Some(space) = scratch::take() else { return 0 };
    emit::begin(space, kind::UNIX_CONNECT, backend as u8, flags);
    let verdict = net::judge_abstract(space, key);
    space.free();
    verdict as u32
}

/// Judges a datagram to the address at `address` in user memory, `length` bytes of it.
#[inline(always)]
pub fn sent_to(address: u64, length: u32, flags: u32) {
    // A path is walked from here and not from below: the frames of both do not fit on one stack.
    if unix_sent_to(address, length, flags) == BY_PATH {
        let words = address.wrapping_add(2);
        words::judge_words(
            words,
            words::CWD,
            (UNIX as u32) << 16 | kind::UNIX_CONNECT as u32,
            flags,
        );
    }
}

/// The address is a path, which is not judged yet.
const BY_PATH: u32 = 256;

/// Judges a datagram to an abstract name. Returns the verdict, 0 for what is no unix address, or [`BY_PATH`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn unix_sent_to(address: u64, length: u32, flags: u32) -> u32 {
    let mut key = AbstractKey {
        len: 0,
        name: [0; ABSTRACT_NAME],
    };
    let mut family = 0u16;
    // SAFETY: two bytes into a local.
    let failed = unsafe { bpf_probe_read_user((&raw mut family).cast(), 2, address as *const _) };
    if failed != 0 || family != AF_UNIX || length <= 3 {
        return 0;
    }
    let mut first = 0u8;
    // SAFETY: one byte into a local.
    unsafe { bpf_probe_read_user((&raw mut first).cast(), 1, address.wrapping_add(2) as *const _) };
    if first != 0 {
        return BY_PATH;
    }
    let length = (length - 3) & 127;
    if length as usize > ABSTRACT_NAME {
        return 0;
    }
    key.len = length;
    // SAFETY: at most ABSTRACT_NAME bytes.
    unsafe {
        bpf_probe_read_user(
            key.name.as_mut_ptr().cast(),
            length,
            address.wrapping_add(3) as *const _,
        )
    };
    judge_abstract(&key, flags, TRACE as u32)
}

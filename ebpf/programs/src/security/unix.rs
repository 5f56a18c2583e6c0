//! Unix sockets, by the peer that the kernel has found.

use probity_abi::event::DECLARED;

use super::origin;
use crate::{kernel::field, maps::offset, trace::unix::judge_peer, tree};

/// A stream is about to be connected to the listener `peer`, a `struct sock`.
#[inline(always)]
pub fn connect(peer: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    unix_peer(peer, flags | origin(), backend as u32) as u8
}

/// A datagram is about to be sent to `peer`, a `struct socket`.
#[inline(always)]
pub fn send(peer: u64, backend: u8) -> u8 {
    let Some(flags) = tree::current() else { return DECLARED };
    let sock: u64 = field(peer, offset!(socket_sk));
    unix_peer(sock, flags | origin(), backend as u32) as u8
}

/// Judges a `struct sock` as the other end. Returns the verdict.
///
/// A function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn unix_peer(peer: u64, flags: u32, backend: u32) -> u32 {
    match judge_peer(peer, flags, backend) {
        0 => DECLARED as u32,
        verdict => verdict,
    }
}

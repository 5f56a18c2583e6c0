//! connect, unconnected sends, bind.

use aya_ebpf::{bindings::bpf_sock_addr, macros::cgroup_sock_addr, programs::SockAddrContext};
use probity_abi::{event::CGROUP, kind, net::CONNECT, net::LISTEN};

use crate::act::net::{AF_INET, AF_INET6, Act, judge};

#[cgroup_sock_addr(connect4)]
pub fn connect4(ctx: SockAddrContext) -> i32 {
    four(ctx.sock_addr, kind::NET_CONNECT, CONNECT)
}

#[cgroup_sock_addr(connect6)]
pub fn connect6(ctx: SockAddrContext) -> i32 {
    six(ctx.sock_addr, kind::NET_CONNECT, CONNECT)
}

#[cgroup_sock_addr(sendmsg4)]
pub fn sendmsg4(ctx: SockAddrContext) -> i32 {
    four(ctx.sock_addr, kind::NET_SEND, CONNECT)
}

#[cgroup_sock_addr(sendmsg6)]
pub fn sendmsg6(ctx: SockAddrContext) -> i32 {
    six(ctx.sock_addr, kind::NET_SEND, CONNECT)
}

#[cgroup_sock_addr(bind4)]
pub fn bind4(ctx: SockAddrContext) -> i32 {
    four(ctx.sock_addr, kind::NET_BIND, LISTEN)
}

#[cgroup_sock_addr(bind6)]
pub fn bind6(ctx: SockAddrContext) -> i32 {
    six(ctx.sock_addr, kind::NET_BIND, LISTEN)
}

/// Always 1, which lets the call go on: what is undeclared is reported.
#[inline(always)]
fn four(context: *mut bpf_sock_addr, kind: u16, direction: u8) -> i32 {
    let mut addr = [0u8; 16];
    // SAFETY: the verifier rewrites loads of the context.
    let address = unsafe { core::ptr::read_volatile(&raw const (*context).user_ip4) };
    addr[..4].copy_from_slice(&address.to_ne_bytes());
    act(context, addr, AF_INET, kind, direction)
}

#[inline(always)]
fn six(context: *mut bpf_sock_addr, kind: u16, direction: u8) -> i32 {
    let mut addr = [0u8; 16];
    let mut word = 0;
    while word < 4 {
        // SAFETY: as above.
        let part: u32 = unsafe { core::ptr::read_volatile(&raw const (*context).user_ip6[word]) };
        addr[word * 4..word * 4 + 4].copy_from_slice(&part.to_ne_bytes());
        word += 1;
    }
    act(context, addr, AF_INET6, kind, direction)
}

#[inline(always)]
fn act(context: *mut bpf_sock_addr, addr: [u8; 16], family: u16, kind: u16, direction: u8) -> i32 {
    // SAFETY: the verifier rewrites loads of the context.
    let (port, protocol, sock_type) = unsafe {
        (
            core::ptr::read_volatile(&raw const (*context).user_port),
            core::ptr::read_volatile(&raw const (*context).protocol),
            core::ptr::read_volatile(&raw const (*context).type_),
        )
    };
    judge(&Act {
        addr,
        family,
        port: u16::from_be(port as u16),
        protocol: protocol as u16,
        sock_type: sock_type as u16,
        kind,
        backend: CGROUP,
        direction,
        flags: 0,
    });
    1
}

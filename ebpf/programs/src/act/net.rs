//! Judging sockets: addresses by longest prefix, then protocol and port; families by what `socket()` was asked for.

use aya_ebpf::maps::lpm_trie::Key;
use probity_abi::{
    config::{DECLARED_SET, FAMILIES_LIMITED},
    event::{ABSTRACT, DECLARED, DENIED, NAMES, UNDECLARED},
    net::{ABSTRACT_NAME, AbstractKey, FamilyKey, NetGrant, NetKey},
};

use crate::{
    atomic, emit,
    maps::{ABSTRACTS, FAMILIES, NET_PORTS, NET4, NET6, config, count_rule},
    scratch::{self, HEAD, Scratch},
};

/// AF_UNIX.
pub const AF_UNIX: u16 = 1;
/// AF_INET.
pub const AF_INET: u16 = 2;
/// AF_INET6.
pub const AF_INET6: u16 = 10;
/// TCP; MPTCP counts as TCP once its socket was allowed.
pub const TCP: u16 = 6;
const MPTCP: u16 = 262;

/// One act on one address.
#[derive(Clone, Copy)]
pub struct Act {
    /// Remote or local address: IPv4 in the first four bytes.
    pub addr: [u8; 16],
    /// AF_INET or AF_INET6.
    pub family: u16,
    /// Host order.
    pub port: u16,
    /// IP protocol.
    pub protocol: u16,
    /// SOCK_*.
    pub sock_type: u16,
    /// One of [`probity_abi::kind`].
    pub kind: u16,
    /// Who saw it.
    pub backend: u8,
    /// [`probity_abi::net::CONNECT`] or `LISTEN`.
    pub direction: u8,
    /// Event flags known already.
    pub flags: u32,
}

/// Judges an act on an address and sends what must be sent.
#[inline(always)]
pub fn judge(act: &Act) -> u8 {
    let [high, low] = halves(&act.addr);
    let socket =
        (act.family as u64) << 48 | (act.port as u64) << 32 | (act.protocol as u64) << 16 | act.sock_type as u64;
    let what = (act.kind as u64) << 16 | (act.direction as u64) << 8 | act.backend as u64;
    judge_address(high, low, socket, what, act.flags) as u8
}

/// The same with plain numbers: a function of global linkage is verified once, not at each of its callers.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn judge_address(high: u64, low: u64, socket: u64, what: u64, flags: u32) -> u32 {
    let act = Act {
        // SAFETY: same size, any bytes are valid.
        addr: unsafe { core::mem::transmute::<[u64; 2], [u8; 16]>([high, low]) },
        family: (socket >> 48) as u16,
        port: (socket >> 32) as u16,
        protocol: (socket >> 16) as u16,
        sock_type: socket as u16,
        kind: (what >> 16) as u16,
        backend: what as u8,
        direction: (what >> 8) as u8,
        flags,
    };
    run(&act) as u32
}

#[inline(always)]
fn run(act: &Act) -> u8 {
    let Some(space) = scratch::take() else {
        return UNDECLARED;
    };
    emit::begin(space, act.kind, act.backend, act.flags);
    fill(space, act);
    let grant = lookup(space, act.direction);
    space.event.verdict = if grant.deny_rule != 0 {
        space.event.rule = grant.deny_rule;
        DENIED
    } else if grant.allow_rule != 0 {
        space.event.rule = grant.allow_rule;
        count_rule(grant.allow_rule);
        DECLARED
    } else {
        UNDECLARED
    };
    let verdict = space.event.verdict;
    let [high, low] = halves(&space.event.addr);
    emit::judged(space, high, low);
    space.free();
    verdict
}

/// Writes the address down, an IPv4-mapped one as IPv4.
#[inline(always)]
fn fill(space: &mut Scratch, act: &Act) {
    let event = &mut space.event;
    event.port = act.port;
    event.protocol = if act.protocol == MPTCP { TCP } else { act.protocol };
    event.sock_type = act.sock_type;
    event.family = act.family;
    event.addr = act.addr;
    let [high, low] = halves(&act.addr);
    if act.family == AF_INET6 && high == 0 && (low as u32) == u32::from_ne_bytes([0, 0, 0xff, 0xff]) {
        event.family = AF_INET;
        event.addr = [0; 16];
        event.addr[..4].copy_from_slice(&act.addr[12..]);
    }
}

/// The two halves of an address, as memory holds them.
#[inline(always)]
fn halves(addr: &[u8; 16]) -> [u64; 2] {
    // SAFETY: same size, any bytes are valid.
    unsafe { core::mem::transmute(*addr) }
}

#[inline(always)]
fn lookup(space: &Scratch, direction: u8) -> NetGrant {
    const NONE: NetGrant = NetGrant {
        allow_rule: 0,
        deny_rule: 0,
    };
    let event = &space.event;
    let entry = if event.family == AF_INET {
        let address = u32::from_ne_bytes([event.addr[0], event.addr[1], event.addr[2], event.addr[3]]);
        NET4.get(&Key::new(32, address)).map(|found| found.entry)
    } else {
        NET6.get(&Key::new(128, event.addr)).map(|found| found.entry)
    };
    let Some(entry) = entry else { return NONE };
    let mut key = NetKey {
        entry,
        port: event.port,
        protocol: event.protocol as u8,
        direction,
    };
    // SAFETY: copied out while the program runs.
    let exact = unsafe { NET_PORTS.get(&key) }.copied().unwrap_or(NONE);
    key.port = 0;
    // SAFETY: as above.
    let any = unsafe { NET_PORTS.get(&key) }.copied().unwrap_or(NONE);
    NetGrant {
        allow_rule: if exact.allow_rule != 0 {
            exact.allow_rule
        } else {
            any.allow_rule
        },
        deny_rule: if exact.deny_rule != 0 {
            exact.deny_rule
        } else {
            any.deny_rule
        },
    }
}

/// Judges `socket(family, sock_type, protocol)`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn judge_family(family: u32, sock_type: u32, protocol: u32, kind_and_backend: u32) -> u32 {
    const ANY: u32 = 0xffff;
    const DENY: u16 = 0x8000;
    let (family, sock_type) = (family as u16, (sock_type & 0xf) as u16);
    let declared_set = config!(flags) & DECLARED_SET != 0;
    let plain = protocol != MPTCP as u32 && (sock_type == 1 || sock_type == 2);
    // With a declared set, what these sockets reach is judged when they reach for it.
    let ordinary = family == AF_UNIX || (family == AF_INET || family == AF_INET6) && (declared_set || plain);
    let mut allow = 0;
    let mut deny = 0;
    let mut turn = 0;
    while turn < 4 {
        let key = FamilyKey {
            family,
            sock_type: if turn & 1 == 0 { sock_type } else { 0 },
            protocol: if turn & 2 == 0 { protocol } else { ANY },
        };
        // SAFETY: copied out while the program runs.
        let rule = unsafe { FAMILIES.get(&key) }.copied().unwrap_or(0);
        if rule & DENY != 0 {
            deny = rule & !DENY;
        } else if rule != 0 {
            allow = rule;
        }
        turn += 1;
    }
    let flags = config!(flags);
    let verdict = if deny != 0 {
        DENIED
    } else if allow != 0 || ordinary && flags & FAMILIES_LIMITED == 0 {
        DECLARED
    } else {
        UNDECLARED
    };
    if verdict == DECLARED {
        count_rule(allow);
        if flags & probity_abi::config::SEND_ALL == 0 {
            crate::maps::count(probity_abi::state::counter::DECLARED);
            return verdict as u32;
        }
    }
    let Some(space) = scratch::take() else {
        return verdict as u32;
    };
    emit::begin(space, (kind_and_backend >> 8) as u16, kind_and_backend as u8, 0);
    space.event.family = family;
    space.event.sock_type = sock_type;
    space.event.protocol = protocol as u16;
    space.event.verdict = verdict;
    space.event.rule = if deny != 0 { deny } else { allow };
    emit::judged(space, (family as u64) << 32 | sock_type as u64, protocol as u64);
    space.free();
    verdict as u32
}

/// Judges a connection or datagram to the abstract unix address that stands in `space.bytes` behind `HEAD + NAMES`.
#[inline(always)]
pub fn judge_abstract(space: &mut Scratch, key: &AbstractKey) -> u8 {
    // SAFETY: copied out while the program runs.
    let rules = unsafe { ABSTRACTS.get(key) }.copied().unwrap_or(0);
    let (allow, deny) = (rules as u16, (rules >> 16) as u16);
    let length = (key.len as usize) & 127;
    let at = atomic::opaque(NAMES as u64 - length as u64) as usize & (NAMES - 1);
    // SAFETY: `at` plus at most 127 stays inside `bytes`.
    unsafe {
        aya_ebpf::helpers::generated::bpf_probe_read_kernel(
            (&raw mut space.bytes).cast::<u8>().add(HEAD + at).cast(),
            length as u32,
            key.name.as_ptr().cast(),
        )
    };
    space.at = at as u32;
    space.event.family = AF_UNIX;
    space.event.flags |= ABSTRACT;
    space.event.access = probity_abi::access::UNIX;
    space.event.verdict = if deny != 0 {
        space.event.rule = deny;
        DENIED
    } else if allow != 0 {
        space.event.rule = allow;
        count_rule(allow);
        DECLARED
    } else {
        UNDECLARED
    };
    // SAFETY: the key holds at least sixteen bytes of name.
    let halves: [u64; 2] = unsafe { core::ptr::read_unaligned(key.name.as_ptr().cast()) };
    emit::judged(space, halves[0], halves[1] ^ ((length as u64) << 56));
    space.event.verdict
}

const _: () = assert!(ABSTRACT_NAME < 128);

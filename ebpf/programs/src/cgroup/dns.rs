//! DNS answers on their way into the tree: UDP from port 53, copied for the watcher to read names from.

use aya_ebpf::{
    helpers::generated::{bpf_ktime_get_boot_ns, bpf_skb_load_bytes},
    macros::cgroup_skb,
    programs::SkBuffContext,
};
use probity_abi::{
    event::{CGROUP, NAMES},
    kind,
};

use crate::{
    atomic, emit,
    scratch::{self, HEAD},
};

const UDP: u8 = 17;
/// Longest answer that is read: what fits an Ethernet frame, and then some.
const LONGEST: u32 = 2048;

/// Always 1, which lets the packet pass.
#[cgroup_skb]
pub fn dns_ingress(ctx: SkBuffContext) -> i32 {
    answer(&ctx);
    1
}

#[inline(always)]
fn answer(ctx: &SkBuffContext) -> Option<()> {
    let version = ctx.load::<u8>(0).ok()? >> 4;
    let header = match version {
        4 => {
            if ctx.load::<u8>(9).ok()? != UDP {
                return None;
            }
            (ctx.load::<u8>(0).ok()? & 0xf) as u32 * 4
        }
        6 => {
            if ctx.load::<u8>(6).ok()? != UDP {
                return None;
            }
            40
        }
        _ => return None,
    };
    let port = u16::from_be(ctx.load::<u16>(header as usize).ok()?);
    if port != 53 {
        return None;
    }
    let from = header + 8;
    let length = ctx.len().checked_sub(from)?;
    if length == 0 || length > LONGEST {
        return None;
    }
    let space = scratch::take()?;
    // The packet arrives in whatever task is running: only time and bytes are true.
    space.event.kind = kind::NET_DNS;
    space.event.backend = CGROUP;
    space.event.flags = 0;
    space.event.pid = 0;
    space.event.tgid = 0;
    space.event.family = if version == 4 { 2 } else { 10 };
    space.event.port = port;
    space.event.verdict = probity_abi::event::DECLARED;
    // SAFETY: no argument.
    space.event.time = unsafe { bpf_ktime_get_boot_ns() };
    let at = NAMES as u32 - LONGEST;
    let length = atomic::opaque((length - 1) as u64) as u32 & (LONGEST - 1);
    // The datagram stands at the path's end, so that what is sent ends with it.
    let at = atomic::opaque((at + (LONGEST - 1 - length)) as u64) as u32 & (NAMES as u32 - 1);
    // SAFETY: `at + length + 1` is NAMES.
    let failed = unsafe {
        bpf_skb_load_bytes(
            ctx.skb.skb.cast(),
            from,
            (&raw mut space.bytes).cast::<u8>().add(HEAD + at as usize).cast(),
            length + 1,
        )
    };
    space.at = at;
    if failed == 0 {
        emit::send(space, false);
    }
    space.free();
    Some(())
}

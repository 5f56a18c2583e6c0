//! Running the declared set's automaton over path bytes.

use core::ffi::c_void;

use aya_ebpf::helpers::generated::bpf_loop;
use probity_abi::{
    event::NAMES,
    policy::{DEAD, Grant, UNIVERSAL},
};

use crate::{
    kernel::field,
    maps::{ACCEPTS, CLASSES, GRANTS, TRANSITIONS, config, offset},
    scratch::{HEAD, Scratch},
};

struct Run {
    space: *mut Scratch,
    at: u32,
    state: u32,
}

/// One byte: loops of a few thousand steps are verified once this way, not unrolled.
extern "C" fn step(_: u64, run: *mut c_void) -> i64 {
    // SAFETY: `bpf_loop` passes what `grant` passed: a `Run` on its stack.
    let run = unsafe { &mut *run.cast::<Run>() };
    let at = (run.at as usize) & (NAMES - 1);
    // SAFETY: the space outlives the loop; the index is masked.
    let byte = unsafe { *(&raw const (*run.space).bytes).cast::<u8>().add(HEAD + at) };
    run.at = run.at.wrapping_add(1);
    run.state = next(run.state, byte);
    if run.state == DEAD {
        return 1;
    }
    (ACCEPTS.get(run.state).copied().unwrap_or(0) & UNIVERSAL != 0) as i64
}

/// The state after one more byte.
#[inline(always)]
fn next(state: u32, byte: u8) -> u32 {
    // SAFETY: the table has an entry for every byte.
    let class = unsafe { core::ptr::read_volatile((&raw const CLASSES).cast::<u8>().add(byte as usize)) };
    let index = state.wrapping_mul(config!(classes)).wrapping_add(class as u32);
    TRANSITIONS.get(index).copied().unwrap_or(DEAD)
}

/// What the rules grant to the path that stands in `space`, seen from the object whose state is `state`.
#[inline(always)]
pub fn grant(space: &mut Scratch, state: u32) -> Option<&'static Grant> {
    let accept = ACCEPTS.get(state).copied().unwrap_or(0);
    let accept = if accept & UNIVERSAL != 0 || space.at as usize >= NAMES {
        accept
    } else if space.cut != 0 {
        // The bytes between are not known. What holds for everything below the next name holds here too.
        let name: u64 = field(
            space.previous.wrapping_add(offset!(dentry_name) as u64),
            offset!(qstr_name),
        );
        let below = next(next(state, b'/'), field::<u8>(name, 0));
        let accept = ACCEPTS.get(below).copied().unwrap_or(0);
        if accept & UNIVERSAL == 0 {
            return None;
        }
        accept
    } else {
        let mut run = Run {
            space,
            at: space.at,
            state,
        };
        let bytes = (NAMES as u32).wrapping_sub(space.at);
        // SAFETY: the callback takes what is passed here; the verifier checks both.
        unsafe { bpf_loop(bytes, step as *mut c_void, (&raw mut run).cast(), 0) };
        if run.state == DEAD {
            return None;
        }
        ACCEPTS.get(run.state).copied().unwrap_or(0)
    };
    let index = accept & !UNIVERSAL;
    if index == 0 { None } else { GRANTS.get(index) }
}

//! The working space of one decision, too large for the 512 bytes of stack.
//!
//! Per CPU there are four, each with a lock word of its own: a program that was preempted keeps its space, and the one that
//! runs meanwhile on the same CPU takes the next.

use probity_abi::{
    event::{Event, NAMES},
    state::{Seen, SeenKey, Verdict, VerdictKey, counter},
};

use crate::{
    atomic,
    maps::{SCRATCH, count},
};

/// Bytes of an event's head.
pub const HEAD: usize = size_of::<Event>();

/// A decision's space.
#[repr(C)]
pub struct Scratch {
    /// 1 while in use.
    pub busy: u64,
    /// The walk: this dentry,
    pub dentry: u64,
    /// in this mount (`struct mount`), 0 when unknown.
    pub mount: u64,
    /// The deepest bind-mount root on the way whose own parents the walk did not see.
    pub aside: u64,
    /// The root of procfs, where the walk came to it through the acting process's own directory; else 0.
    pub own: u64,
    /// The mount of `own`.
    pub own_mount: u64,
    /// The dentry whose name was put before the path last.
    pub previous: u64,
    /// Where the path started at `aside`, at the own directory, and before `previous`.
    pub aside_at: u32,
    pub own_at: u32,
    pub previous_at: u32,
    pub reserved3: u32,
    /// Bits that some rule allows, and denies, on the way so far.
    pub allow: u8,
    pub deny: u8,
    pub exact: u8,
    /// 1: reached the root of a mount namespace; 2: what is not in any; 3: gave up.
    pub end: u8,
    /// Only denials count: the walk goes along the parents of a bind mount's root.
    pub only_deny: u8,
    /// 1 once the path no longer fits: from there on only pins that need no bytes count.
    pub cut: u8,
    pub allow_rule: u16,
    pub deny_rule: u16,
    pub reserved2: u16,
    /// Its own index in the map: a function that is verified by itself finds it by this.
    pub slot: u32,
    pub reserved4: u32,
    /// Where the path starts in `bytes`, from [`HEAD`]; [`NAMES`] when it is empty.
    pub at: u32,
    /// What the act needs.
    pub need: u32,
    /// Keys and values on their way into maps: the frames of a walk leave no room for them on the stack.
    pub seen: SeenKey,
    pub first: Seen,
    pub way: VerdictKey,
    pub verdict: Verdict,
    /// The event that is being built.
    pub event: Event,
    /// The event's head lands right before the path's first byte; a path grows downwards from `HEAD + NAMES`.
    pub bytes: [u8; HEAD + NAMES + NAMES],
}

/// Takes a free space of this CPU.
#[inline(always)]
pub fn take() -> Option<&'static mut Scratch> {
    for slot in 0..4 {
        let space = SCRATCH.get_ptr_mut(slot)?;
        // SAFETY: the map's value lives as long as the map; the lock word keeps two users apart.
        let space = unsafe { &mut *space };
        // SAFETY: an aligned word of the map's value.
        if unsafe { atomic::exchange(&raw mut space.busy, 1) } == 0 {
            space.slot = slot;
            return Some(space);
        }
    }
    count(counter::LOST_SCRATCH);
    None
}

/// The space that was taken under this index.
///
/// A function of global linkage gets the index and not the space: before 6.2 the verifier takes memory that came as an
/// argument for no map key.
#[inline(always)]
pub fn taken(slot: u32) -> Option<&'static mut Scratch> {
    // SAFETY: the caller has taken it, and waits.
    SCRATCH.get_ptr_mut(slot).map(|space| unsafe { &mut *space })
}

impl Scratch {
    /// Gives the space back.
    #[inline(always)]
    pub fn free(&mut self) {
        // SAFETY: as in `take`.
        unsafe { atomic::exchange(&raw mut self.busy, 0) };
    }
}

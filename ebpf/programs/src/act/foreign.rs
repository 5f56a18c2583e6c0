//! Descriptors that the tree holds but did not open.

use crate::maps::{FOREIGN, STATE};

/// Whether there have been any.
#[inline(always)]
pub fn any() -> bool {
    STATE.get(2).copied().unwrap_or(0) != 0
}

/// The access that a foreign file needs no rule for; `None` for a file that the tree opened itself.
#[inline(always)]
pub fn exempt(file: u64) -> Option<u8> {
    // SAFETY: the value is copied while the program runs.
    unsafe { FOREIGN.get(&file) }.map(|exempt| *exempt as u8)
}

/// From here on, use of this file is looked at.
#[inline(always)]
pub fn mark(file: u64) {
    let _ = FOREIGN.insert(&file, &0, 0);
    note_foreign();
}

/// From here on, use of descriptors is looked up.
#[inline(always)]
pub fn note_foreign() {
    if let Some(any) = STATE.get_ptr_mut(2) {
        // SAFETY: a single aligned store; every writer writes the same.
        unsafe { *any = 1 };
    }
}

/// The tree has opened this file itself.
#[inline(always)]
pub fn forget(file: u64) {
    if any() {
        let _ = FOREIGN.remove(&file);
    }
}

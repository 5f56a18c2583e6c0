//! What the target can do and its `core` does not offer: atomic operations, and a value the optimiser cannot see through.

use core::arch::asm;

/// Adds one.
///
/// # Safety
///
/// `place` points to an aligned word of a map's value.
#[inline(always)]
pub unsafe fn increment(place: *mut u64) {
    // SAFETY: the caller's promise.
    unsafe { asm!("lock *(u64 *)({place} + 0) += {one}", place = in(reg) place, one = in(reg) 1u64) };
}

/// Stores `value` and returns what was there.
///
/// # Safety
///
/// As above.
#[inline(always)]
pub unsafe fn exchange(place: *mut u64, value: u64) -> u64 {
    let mut value = value;
    // SAFETY: the caller's promise.
    unsafe { asm!("{value} = xchg_64({place} + 0, {value})", place = in(reg) place, value = inout(reg) value) };
    value
}

/// The same value: bounds that follow are then checked where they are written, as the verifier wants them.
#[inline(always)]
pub fn opaque(value: u64) -> u64 {
    let mut value = value;
    // SAFETY: adds nothing.
    unsafe { asm!("{value} += 0", value = inout(reg) value) };
    value
}

//! Giving memory back: loading takes the kernel's type information apart, which is never needed again.
#![cfg_attr(
    target_env = "gnu",
    expect(unsafe_code, reason = "malloc_trim has no safe form, and takes no pointer")
)]

/// Hands free memory back to the system, where the allocator is the GNU C library's.
pub(super) fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: takes a number and touches only the allocator's own free memory.
    unsafe {
        libc::malloc_trim(0);
    }
}

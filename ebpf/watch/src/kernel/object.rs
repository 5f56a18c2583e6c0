//! The bytes of the eBPF object: the one that is committed, unless a test names another.

use std::borrow::Cow;

/// Environment variable that names another object to load: CI tests the one it has just built.
pub const OVERRIDE: &str = "PROBITY_BPF_OBJECT";

/// The object.
///
/// # Errors
///
/// When [`OVERRIDE`] names a file that cannot be read.
pub fn bytes() -> std::io::Result<Cow<'static, [u8]>> {
    match std::env::var_os(OVERRIDE) {
        Some(path) if cfg!(debug_assertions) => std::fs::read(path).map(Cow::Owned),
        _ => Ok(Cow::Borrowed(aya::include_bytes_aligned!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../programs/prebuilt/probity.bpf.o"
        )))),
    }
}

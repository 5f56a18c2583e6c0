//! Programs that carry other programs, one builder for each bundler. Contents are inert.

pub mod asar;
pub mod deno;
pub mod dotnet;
pub mod eszip;
pub mod node;
pub mod pyinstaller;
pub mod sea;

use super::bytes::Out;

/// Bytes behind their length in 8 bytes, little-endian.
fn counted(out: &mut Out, bytes: &[u8]) {
    out.u64(bytes.len() as u64).mark().bytes(bytes).mark();
}

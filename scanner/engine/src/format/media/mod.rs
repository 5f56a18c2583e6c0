//! Pictures, sound and video: containers of sized parts, walked from the first to the last byte.
//!
//! Nothing is decoded: what a part holds is claimed as it stands. What matters here is where the format ends, since
//! everything that shows pictures stops there and whatever follows travels along unseen.

pub(super) mod flac;
pub(super) mod gif;
pub(super) mod ico;
pub(super) mod isobmff;
pub(super) mod jpeg;
pub(super) mod mp3;
pub(super) mod ogg;
pub(super) mod png;
pub(super) mod riff;
#[cfg(test)]
mod tests;

use crate::name::printable;

/// A four-character code, printable and without surrounding blanks.
fn tag(code: [u8; 4]) -> String {
    printable(code.trim_ascii())
}

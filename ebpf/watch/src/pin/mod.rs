//! The objects at which the automaton is entered, held open.
//!
//! A pin is known to the kernel's programs by the address of its inode. [`PinSet`] holds an `O_PATH` descriptor on each,
//! so that neither the address nor the inode's number can come to mean another object; a program over our own
//! descriptors, which others load, says the addresses. Paths are looked up beneath the subject's root directory.
//!
//! A held directory keeps its file system from being unmounted; this is the price of knowing it.

mod identity;
mod leaves;
mod root;
mod set;
#[cfg(test)]
mod tests;

pub use identity::Identity;
pub(crate) use identity::of as identity_of;
pub(crate) use leaves::denied_leaves;
pub use root::Root;
pub(crate) use root::{Found, join, no_hard_links};
pub use set::{Change, Keys, PinRequest, PinSet, former_descriptor_limit};
pub(crate) use set::{denied_names, joint_names};

use thiserror::Error;

/// Why objects cannot be pinned.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum PinError {
    /// The subject's root directory.
    #[error("the root directory cannot be used")]
    Root(#[source] rustix::io::Errno),
}

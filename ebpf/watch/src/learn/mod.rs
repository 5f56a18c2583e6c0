//! From what a run did to the declared set that would have allowed it.
//!
//! [`Observations`] are the groups of a tally, object by object. What the file at hand declares already is left alone, and
//! what it denies is told and never added; the rest becomes patterns (`volatile` for names that the next run makes anew,
//! `fold` for directories of which many files were touched) and text that a person can review ([`write`], `merge`).
//! Whatever holds secrets ([`sensitive`]) stays literal, and no pattern that was made here covers it unseen.
//!
//! Nothing here starts a program or opens a file: the run is [`crate::session::observe`]'s, the file is the caller's.
//! The format is `docs/declared.md`.

mod filter;
mod fold;
mod lesson;
mod merge;
mod names;
mod observe;
pub mod sensitive;
mod shape;
mod text;
mod volatile;
mod write;

pub use lesson::{Existing, Lesson, learn, not_allowed};
pub use observe::{Observations, Peer, Seen};
pub use shape::Place;
pub use write::About;

#[cfg(test)]
mod tests;

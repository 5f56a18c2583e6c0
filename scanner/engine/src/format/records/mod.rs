//! Small binary formats with exact lengths: what a walk over one table accounts for.

pub(super) mod bitcode;
pub(super) mod class;
pub(super) mod icu;
pub(super) mod mo;
pub(super) mod sqlite;
pub(super) mod terminfo;
#[cfg(test)]
mod tests;
pub(super) mod tzif;

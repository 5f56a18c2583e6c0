//! The structure of programs: what they carry, how they are built, what they ask the loader for.

mod build;
mod bundle;
mod packed;
mod paths;

pub(super) use build::Builds;
pub(super) use bundle::Bundles;
pub(super) use packed::Packed;
pub(super) use paths::Paths;

#[cfg(test)]
mod tests;

//! The structure of programs: what they carry, how they are built, what they ask the loader for.

mod bundle;

pub(super) use bundle::Bundles;

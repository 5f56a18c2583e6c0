//! Renderers: one file per report format. They read the engine's report and decide nothing.

pub(crate) mod hex;
pub(crate) mod json;
pub(crate) mod text;
mod wrap;

//! Renderers: one file per report format. They read the engine's report and decide nothing.

mod cut;
pub(crate) mod diff;
pub(crate) mod hex;
pub(crate) mod json;
pub(crate) mod junit;
pub(crate) mod markdown;
mod pieces;
pub(crate) mod sarif;
pub(crate) mod text;
mod uri;
pub(crate) mod wrap;

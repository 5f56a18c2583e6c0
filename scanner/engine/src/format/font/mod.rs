//! Fonts: tables of bytes with a directory in front. Nothing is rendered, no glyph program is looked into.

pub(super) mod sfnt;
#[cfg(test)]
mod tests;
pub(super) mod woff;

//! Protobuf messages under a schema: what the graph formats share. Not a format by itself.
//!
//! [`walk`] reads a whole artifact as one message and claims every byte of it: structure in one region for each *unit*
//! (a node, an initialiser, a layer), payloads as the [`Visitor`] says. Only tags, numbers and short texts are read: a
//! gigabyte of weights is stepped over. What the schema does not have is told, and looked into as an artifact of its own.

mod look;
mod reader;
mod schema;
#[cfg(test)]
pub(in crate::format) mod tests;
mod walk;

pub(super) use look::{Seen, is_identifier, is_text, look};
pub(super) use schema::{Kind, Message, many, one};
pub(super) use walk::{At, Claim, Visitor, name_fact, walk};

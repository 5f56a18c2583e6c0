//! TensorFlow Lite models (`schema.fbs`, file identifier `TFL3`).
//!
//! | part | where |
//! | --- | --- |
//! | FlatBuffer: operators, tensors, buffers, metadata | from 0 on |
//! | buffers and options of models above 2 GiB | behind it, at offsets that the FlatBuffer states |
//! | associated files (labels, vocabularies), a ZIP archive | at the end |
//!
//! What is reachable from the root is claimed, buffers as the tensors they belong to; their elements are not read. What
//! options say is not given a meaning, but for the names of custom operators.

mod model;
mod schema;
#[cfg(test)]
mod tests;

use super::flat::{self, OBJECTS, Pages};
use super::{Format, Input, Parse};
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;
use crate::walk::flatbuffer;

/// The file identifier.
const MAGIC: &[u8; 4] = b"TFL3";

/// A TensorFlow Lite model.
pub(super) struct Tflite;

impl Format for Tflite {
    fn id(&self) -> &'static str {
        "tflite"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        flat::identify(probe, MAGIC)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let mut pages = Pages::new(input);
        let mut walked = flatbuffer::walk(&mut pages, &schema::MODEL, OBJECTS);
        let (names, outside) = match model::read(&mut pages, out) {
            Ok(found) => found,
            Err(fault) => {
                out.fault(&fault, "the model");
                Default::default()
            }
        };
        let mut end = flat::claim("tflite", &mut walked, &names, out);
        for (span, name) in outside {
            end = end.max(span.end());
            out.leaf(span, Role::Tensor, name);
        }
        if end > 0 {
            behind(input, end, out);
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["tflite", "lite", "bin", "data", "task"]
    }
}

/// What stands behind the model: an archive of associated files, or the next file of a pack.
fn behind(input: &Input<'_>, end: u64, out: &mut Parse) {
    /// Writers align what they append.
    const ALIGNMENT: u64 = 64;
    let Ok(bytes) = input.read_up_to(end, ALIGNMENT.saturating_add(8)) else {
        return;
    };
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    for skip in [0, zeros] {
        let rest = bytes.get(skip..).unwrap_or_default();
        let start = end.saturating_add(u64::try_from(skip).unwrap_or(0));
        let span = Span::new(start, input.len());
        // The second is an archive without members.
        if rest.starts_with(b"PK\x03\x04") || rest.starts_with(b"PK\x05\x06") {
            out.slice(span, "associated files", true);
            return;
        }
        if rest.get(4..8) == Some(MAGIC) {
            out.slice(span, "next model", true);
            return;
        }
    }
    if let Some(next) = next_model(input, end) {
        let between = Span::new(end, next);
        let message = "a file between two models: they are packed one behind the other";
        let finding = Finding::new(code::TRAILING_BYTES, between, message).case("packed");
        out.finding(finding.evidence("length", between.len()).key("packed"));
        out.slice(between, "packed file", false);
        out.slice(Span::new(next, input.len()), "next model", true);
    }
}

/// Where the next model of a pack begins, when files of other kinds stand before it.
fn next_model(input: &Input<'_>, end: u64) -> Option<u64> {
    const NEAR: u64 = 4 << 20;
    let bytes = input.read_up_to(end, NEAR).ok()?;
    memchr::memmem::find_iter(&bytes, MAGIC).take(64).find_map(|at| {
        let start = end.checked_add(u64::try_from(at.checked_sub(4)?).ok()?)?;
        let model = Span::new(start, input.len());
        let head = input
            .read_up_to(start, u64::try_from(crate::identify::HEAD).ok()?)
            .ok()?;
        let probe = Probe::new(&head, &[], model.len());
        (flat::identify(&probe, MAGIC)? == Match::CERTAIN).then_some(start)
    })
}

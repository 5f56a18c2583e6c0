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

use super::{Format, Input, Probe};
use crate::identify::Match;
pub(super) use look::{Seen, View, is_identifier, is_text, look};
pub(super) use schema::{Kind, Message, many, one, others};
pub(super) use walk::{At, Claim, FACTS, Visitor, crowded, fact, name_fact, walk};

/// A format whose artifacts are one message without a magic number.
pub(super) trait MessageFormat: Format {
    /// Whether what a view shows is this format.
    fn recognise(&self, view: &View<'_, '_, '_>) -> bool;

    /// [`Format::identify`] in these words.
    fn likely(&self, probe: &Probe<'_>) -> Option<Match> {
        self.recognise(&View::Ends(probe)).then_some(Match::LIKELY)
    }
}

/// The format of a message whose head shows nothing, because what comes first is long: what `data` asks for before it is
/// satisfied.
pub(super) fn further_down(input: &Input<'_>) -> Option<&'static dyn Format> {
    static ALL: &[&dyn MessageFormat] = &[
        &super::onnx::Onnx,
        &super::tensorflow::TensorFlow,
        &super::coreml::CoreMl,
        &super::paddle::Paddle,
        &super::sentencepiece::SentencePiece,
        &super::caffe::Caffe,
    ];
    // The probe held all of a short one.
    if usize::try_from(input.len()).is_ok_and(|length| length <= crate::identify::HEAD) {
        return None;
    }
    let view = View::Whole(input);
    let found = ALL.iter().find(|format| format.recognise(&view));
    let found: &'static dyn Format = *found?;
    Some(found)
}

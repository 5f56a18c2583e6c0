//! Core ML models (`Model.proto` and what it imports): `.mlmodel`, also inside a `.mlpackage`; no magic number.
//!
//! | field | holds |
//! | --- | --- |
//! | `specificationVersion`, `description` | version, inputs and outputs, metadata |
//! | one of many | the model: a neural network, an ML program, a pipeline of models, trees, a class of the application, a link to another file |
//!
//! Networks are read layer by layer and programs operation by operation; the parameters of other kinds of models are
//! payloads, swept but not understood.

mod graph;
mod schema;
#[cfg(test)]
mod tests;

use super::proto::{self, MessageFormat, Seen, View, is_text};
use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Gaps;

/// A Core ML model.
pub(super) struct CoreMl;

impl MessageFormat for CoreMl {
    fn recognise(&self, view: &View<'_, '_, '_>) -> bool {
        let (mut version, mut features, mut types, mut odd) = (0u64, 0u32, 0u32, 0u32);
        let look = proto::look(
            view,
            &schema::MODEL,
            &mut |message, field, seen| match (message, field, seen) {
                ("Model", "specificationVersion", Seen::Number(n)) => version = n,
                ("FeatureDescription", "name", Seen::Text(text, true)) if !text.is_empty() && is_text(text) => {
                    features = features.saturating_add(1);
                }
                ("FeatureDescription", "type", Seen::Message) => types = types.saturating_add(1),
                (_, _, Seen::Text(text, _)) if !is_text(text) => odd = odd.saturating_add(1),
                _ => {}
            },
        );
        let plausible = look.agrees() && odd == 0;
        (1..=64).contains(&version) && features > 0 && types > 0 && plausible
    }
}

impl Format for CoreMl {
    fn id(&self) -> &'static str {
        "coreml"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        self.likely(probe)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let mut graph = graph::Graph::default();
        proto::walk("coreml", input, &schema::MODEL, &mut graph, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["mlmodel", "pb", "bin"]
    }
}

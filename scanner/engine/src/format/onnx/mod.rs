//! ONNX models (`onnx/onnx.proto`, `onnx/docs/IR.md`, `onnx/docs/ExternalData.md`).
//!
//! A model is one protobuf message without a magic number:
//!
//! | field | holds |
//! | --- | --- |
//! | `ir_version`, `producer_name`, `opset_import` | what wrote it, which operators it may name |
//! | `graph` | nodes, initialisers, inputs and outputs; nodes hold graphs again (`If`, `Loop`, `Scan`) |
//! | `functions` | operators that the model defines for itself |
//! | `training_info` | two more graphs |
//! | `metadata_props` | key and value |
//!
//! Every field of every message is read by position; tensor elements are not read. No shape is inferred, no operator is
//! given a meaning: which ones are dangerous is the inspectors' to say.

mod functions;
mod model;
mod schema;
mod tensor;
#[cfg(test)]
mod tests;

pub(super) use tensor::elements;

use super::proto::{self, MessageFormat, Seen, View, is_identifier, is_text};
use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Gaps;

/// An ONNX model.
pub(super) struct Onnx;

impl MessageFormat for Onnx {
    fn recognise(&self, view: &View<'_, '_, '_>) -> bool {
        /// No version beyond it in this decade: it grows by one a year.
        const IR_VERSIONS: std::ops::RangeInclusive<u64> = 1..=64;
        let (mut version, mut graph, mut sets, mut operators, mut odd) = (None, false, 0u32, 0u32, 0u32);
        let look = proto::look(
            view,
            &schema::MODEL,
            &mut |message, field, seen| match (message, field, seen) {
                ("ModelProto", "ir_version", Seen::Number(n)) => version = Some(n),
                ("ModelProto", "graph", Seen::Message) => graph = true,
                ("OperatorSetIdProto", "version", Seen::Number(1..=1000)) => sets = sets.saturating_add(1),
                ("NodeProto", "op_type", Seen::Text(text, whole)) => {
                    if is_identifier(text) || text.is_empty() && !whole {
                        operators = operators.saturating_add(1);
                    } else {
                        odd = odd.saturating_add(4);
                    }
                }
                ("TensorProto", "data_type", Seen::Number(n)) if n > 64 => odd = odd.saturating_add(1),
                (_, _, Seen::Text(text, _)) if !is_text(text) => odd = odd.saturating_add(1),
                _ => {}
            },
        );
        let versioned = version.is_some_and(|n| IR_VERSIONS.contains(&n));
        let plausible = look.agrees() && look.known > odd.saturating_mul(4);
        let content = operators > 0 || sets > 0 || look.known >= 16;
        versioned && graph && plausible && content
    }
}

impl Format for Onnx {
    fn id(&self) -> &'static str {
        "onnx"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        self.likely(probe)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let mut model = model::Model::default();
        proto::walk("onnx", input, &schema::MODEL, &mut model, out);
        model.close(out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["onnx", "pb", "bin", "ort"]
    }
}

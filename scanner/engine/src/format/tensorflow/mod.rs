//! TensorFlow graphs: `saved_model.pb`, `.meta`, a frozen `.pb`, and `keras_metadata.pb`; none has a magic number.
//!
//! | file | message |
//! | --- | --- |
//! | `saved_model.pb` | `SavedModel`: meta graphs |
//! | `.meta` | `MetaGraphDef`: a graph, its library of functions, signatures, assets, objects |
//! | frozen `.pb` | `GraphDef`: nodes, and functions that hold nodes again |
//! | `keras_metadata.pb` | `SavedMetadata`: the JSON of Keras objects, each an artifact of its own |
//!
//! Every node is told, in graphs and in functions; what an operator may do is the inspectors' to say. Variables lie
//! in another file ([`super::checkpoint`]), assets beside the graph.

mod graph;
mod schema;
#[cfg(test)]
mod tests;

pub(super) use graph::data_type;

use super::proto::{self, Message, MessageFormat, Seen, View, is_identifier, is_text};
use super::{Format, Input, Parse, ReadFault};
use crate::identify::{HEAD, Match, Probe, TAIL};
use crate::ledger::Gaps;

/// A TensorFlow graph.
pub(super) struct TensorFlow;

impl MessageFormat for TensorFlow {
    fn recognise(&self, view: &View<'_, '_, '_>) -> bool {
        kind(view).is_some()
    }
}

impl Format for TensorFlow {
    fn id(&self) -> &'static str {
        "tensorflow"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        self.likely(probe)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let schema = match schema_of(input) {
            Ok(schema) => schema,
            Err(fault) => return out.fault(&fault, "the graph"),
        };
        let mut graph = graph::Graph::default();
        proto::walk("tensorflow", input, schema, &mut graph, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["pb", "meta", "pbmm", "graphdef", "bin"]
    }
}

/// The message that the artifact's ends show, as they did when it was recognised, or what lies further down. What shows
/// nothing is read as a graph.
fn schema_of(input: &Input<'_>) -> Result<&'static Message, ReadFault> {
    let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
    let head = input.read_up_to(0, wide(HEAD))?;
    let tail = input.read_up_to(input.len().saturating_sub(wide(TAIL)), wide(TAIL))?;
    let probe = Probe::new(&head, &tail, input.len());
    let found = kind(&View::Ends(&probe)).or_else(|| kind(&View::Whole(input)));
    Ok(found.unwrap_or(&schema::GRAPH))
}

/// The message that a view shows.
fn kind(view: &View<'_, '_, '_>) -> Option<&'static Message> {
    [
        &schema::SAVED_MODEL,
        &schema::META_GRAPH,
        &schema::GRAPH,
        &schema::KERAS_METADATA,
    ]
    .into_iter()
    .find(|schema| fits(view, schema))
}

fn fits(view: &View<'_, '_, '_>, schema: &'static Message) -> bool {
    let (mut version, mut operators, mut attributes, mut objects, mut information, mut odd) =
        (0u64, 0u32, 0u32, 0u32, 0u32, 0u32);
    let look = proto::look(view, schema, &mut |message, field, seen| match (message, field, seen) {
        ("SavedModel", "saved_model_schema_version", Seen::Number(n)) => version = n,
        ("NodeDef", "op", Seen::Text(text, _)) => {
            if is_identifier(text) {
                operators = operators.saturating_add(1);
            } else {
                odd = odd.saturating_add(4);
            }
        }
        ("AttrEntry", "value", Seen::Message) => attributes = attributes.saturating_add(1),
        ("OpDef", "name", Seen::Text(text, true)) if is_identifier(text) => information = information.saturating_add(1),
        ("keras.SavedObject", "identifier", Seen::Text(text, _)) if text.starts_with(b"_tf_keras_") => {
            objects = objects.saturating_add(1);
        }
        // These hold any bytes.
        ("AttrValue" | "AttrValue.ListValue" | "TensorProto" | "CollectionDef.BytesList", ..) => {}
        (_, _, Seen::Text(text, _)) if !is_text(text) => odd = odd.saturating_add(1),
        _ => {}
    });
    // A graph of one node without attributes, when every byte of the file is as the schema says.
    let exact = operators > 0 && look.complete && look.unknown == 0 && look.broken == 0 && odd == 0;
    let plausible = look.agrees() && look.known > odd.saturating_mul(4);
    let nodes = operators > 0 && attributes > 0 || operators > 2;
    plausible
        && match schema.name {
            "SavedModel" => (1..=8).contains(&version) && (nodes || information > 0 || exact),
            "MetaGraphDef" => nodes && information > 0 || information > 3,
            "SavedMetadata" => objects > 0,
            _ => nodes && (look.unknown == 0 || attributes > look.unknown.saturating_mul(2)),
        }
}

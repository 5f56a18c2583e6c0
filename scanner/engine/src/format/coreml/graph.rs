//! What a model's fields say: layers, operations, weights, classes of the application, other files.

use crate::fact::Fact;
use crate::format::Parse;
use crate::format::proto::{self, At, Claim, Visitor, name_fact};
use crate::ledger::Role;
use crate::name::printable;

/// Stands for the model's own directory in the paths of a program.
const MODEL_PATH: &[u8] = b"@model_path/";
/// Parameters below this belong to the structure around them.
const SMALL: u64 = 256;

#[derive(Default)]
struct Named {
    name: String,
    /// The operator, in a program.
    kind: String,
}

/// A model that is being read.
#[derive(Default)]
pub(super) struct Graph {
    /// The messages that are open; those with a name of their own hold it.
    open: Vec<Option<Named>>,
}

impl Graph {
    fn named(&mut self) -> Option<&mut Named> {
        self.open.iter_mut().rev().find_map(Option::as_mut)
    }

    fn name(&mut self) -> String {
        self.named()
            .map_or_else(String::new, |named| printable(named.name.as_bytes()))
    }
}

fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

impl Visitor for Graph {
    fn begin(&mut self, at: &At, _out: &mut Parse) {
        let own = matches!(
            (at.message, at.field),
            (_, "layers" | "operations" | "models") | ("FunctionEntry", "value")
        );
        self.open.push(own.then(Named::default));
    }

    fn end(&mut self, at: &At, out: &mut Parse) -> Option<String> {
        let Some(open) = self.open.pop() else {
            return Some("model".to_owned());
        };
        let named = open?;
        let name = printable(named.name.as_bytes());
        Some(match at.field {
            "operations" => {
                proto::fact(
                    Fact::Operator {
                        framework: "coreml",
                        domain: "".into(),
                        name: named.kind.as_str().into(),
                        node: named.name.into(),
                        span: at.span,
                    },
                    out,
                );
                format!("operation {name} ({})", printable(named.kind.as_bytes()))
            }
            "layers" => format!("layer {name}"),
            "models" => "model of the pipeline".to_owned(),
            _ => "function".to_owned(),
        })
    }

    fn text(&mut self, at: &At, raw: &[u8], out: &mut Parse) {
        match (at.message, at.field) {
            ("NeuralNetworkLayer" | "NamedValueType", "name") => {
                name_fact("layer", raw, at.span, out);
                if let Some(named) = self.named()
                    && named.name.is_empty()
                {
                    named.name = text(raw);
                }
            }
            ("Operation", "type") => {
                name_fact("operator", raw, at.span, out);
                if let Some(named) = self.named() {
                    named.kind = text(raw);
                }
            }
            ("CustomLayerParams" | "CustomModel", "className") => {
                let node = self.named().map_or_else(String::new, |named| named.name.clone());
                proto::fact(
                    Fact::Operator {
                        framework: "coreml",
                        domain: "custom".into(),
                        name: text(raw).into(),
                        node: node.into(),
                        span: at.span,
                    },
                    out,
                );
            }
            ("Value.BlobFileValue", "fileName") => proto::fact(
                Fact::Reference {
                    what: "weights file",
                    path: raw.strip_prefix(MODEL_PATH).unwrap_or(raw).into(),
                    span: at.span,
                    advisories: "",
                },
                out,
            ),
            ("StringParameter", "defaultValue") => proto::fact(
                Fact::Reference {
                    what: "linked model",
                    path: raw.into(),
                    span: at.span,
                    advisories: "",
                },
                out,
            ),
            _ => {}
        }
    }

    fn bulk(&mut self, at: &At, out: &mut Parse) -> Claim {
        let name = self.name();
        match (at.message, at.field) {
            ("WeightParams", field) => {
                let (dtype, width) = match field {
                    "floatValue" => ("FLOAT32", 4u64),
                    "float16Value" => ("FLOAT16", 2),
                    _ => ("UINT8", 1),
                };
                proto::fact(
                    Fact::Tensor {
                        name: name.as_str().into(),
                        dtype: dtype.into(),
                        shape: vec![at.span.len().checked_div(width).unwrap_or(0)],
                        span: at.span,
                    },
                    out,
                );
                Claim::Leaf(Role::Tensor, format!("weights of {name}"))
            }
            (_, "immediateValue") if at.span.len() >= SMALL => Claim::Leaf(Role::Tensor, format!("values of {name}")),
            ("SerializedModel", _) => Claim::Child("serialized model".to_owned(), false),
            ("Model", "other") if at.span.len() >= SMALL => Claim::Leaf(Role::Data, "parameters".to_owned()),
            (_, "other") if at.span.len() >= SMALL => Claim::Leaf(Role::Data, format!("parameters of {name}")),
            ("TextEntry" | "Metadata", field) => Claim::Child(format!("metadata {field}"), false),
            _ => Claim::Structure,
        }
    }
}

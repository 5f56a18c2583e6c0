//! What a model's fields say: operators, tensors, functions, metadata.

use super::functions::{Function, Functions, Key};
use super::tensor::Tensor;
use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::format::proto::{self, At, Claim, FACTS, Visitor, crowded, name_fact};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use std::collections::{HashMap, HashSet};

/// The domains that mean the standard operators.
const STANDARD: [&str; 2] = ["", "ai.onnx"];

/// More dimensions than any tensor has.
const RANK: usize = 1024;

/// A message that is open.
enum Open {
    Graph {
        name: String,
        initializers: HashSet<String>,
    },
    Node(Node),
    Attribute {
        name: String,
    },
    Tensor(Box<Tensor>),
    Entry {
        key: Vec<u8>,
        value: Vec<u8>,
    },
    Function {
        key: Key,
        calls: HashMap<Key, u64>,
    },
    Other,
}

#[derive(Default)]
struct Node {
    name: String,
    operator: String,
    domain: String,
    overload: String,
}

/// A model that is being read.
#[derive(Default)]
pub(super) struct Model {
    open: Vec<Open>,
    functions: Functions,
    /// Operators outside of the standard, until it is known which of them the model defines.
    operators: Vec<(Key, String, Span)>,
    metadata: HashSet<Vec<u8>>,
}

fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

impl Model {
    /// Judges what needs the whole model.
    pub(super) fn close(self, out: &mut Parse) {
        self.functions.check(out);
        for ((domain, name, overload), node, span) in self.operators {
            let own = self.functions.defines(&(domain.clone(), name.clone(), overload));
            if !own {
                operator(&domain, &name, &node, span, out);
            }
        }
    }

    fn node(&self) -> Option<&Node> {
        self.open.iter().rev().find_map(|open| match open {
            Open::Node(node) => Some(node),
            _ => None,
        })
    }

    fn end_node(&mut self, node: Node, at: &At, out: &mut Parse) -> String {
        let shown = format!(
            "node {} ({})",
            printable(node.name.as_bytes()),
            printable(node.operator.as_bytes())
        );
        let domain = if STANDARD.contains(&node.domain.as_str()) {
            String::new()
        } else {
            node.domain
        };
        let key = (domain, node.operator, node.overload);
        let function = self.open.iter_mut().rev().find_map(|open| match open {
            Open::Function { calls, .. } => Some(calls),
            _ => None,
        });
        if let Some(calls) = function {
            if calls.len() < FACTS {
                let times = calls.entry(key.clone()).or_default();
                *times = times.saturating_add(1);
            } else {
                crowded(out);
            }
        }
        if key.0.is_empty() {
            operator("", &key.1, &node.name, at.span, out);
        } else {
            if self.operators.len() < FACTS {
                self.operators.push((key, node.name, at.span));
            } else {
                crowded(out);
            }
        }
        shown
    }

    fn end_tensor(&mut self, mut tensor: Tensor, at: &At, out: &mut Parse) -> String {
        if let Some(Open::Graph { initializers, .. }) = self.open.last_mut()
            && at.field == "initializer"
            && initializers.len() < FACTS
            && !initializers.insert(tensor.name.clone())
        {
            let shown = printable(tensor.name.as_bytes());
            let message =
                format!("two initialisers of a graph are called {shown}, and readers differ in which one counts");
            out.finding(Finding::new(code::DUPLICATE_KEY, at.span, message).key(shown));
        }
        if tensor.name.is_empty()
            && let Some(node) = self.node()
        {
            tensor.name.clone_from(&node.name);
        }
        tensor.close(at.span, out);
        format!("tensor {}", printable(tensor.name.as_bytes()))
    }

    fn end_entry(&mut self, key: Vec<u8>, value: Vec<u8>, at: &At, out: &mut Parse) {
        match (at.message, at.field) {
            ("TensorProto", "external_data") => {
                if let Some(Open::Tensor(tensor)) = self.open.last_mut() {
                    // The specification has five keys.
                    if tensor.external.len() < RANK {
                        tensor.external.push((key, value, at.span));
                    }
                }
            }
            ("ModelProto", "metadata_props") if self.metadata.len() < FACTS && !self.metadata.insert(key.clone()) => {
                let shown = printable(&key);
                let message = format!("metadata_props has the key {shown} twice");
                out.finding(Finding::new(code::DUPLICATE_KEY, at.span, message).key(shown));
            }
            _ => {}
        }
    }
}

fn operator(domain: &str, name: &str, node: &str, span: Span, out: &mut Parse) {
    proto::fact(
        Fact::Operator {
            framework: "onnx",
            domain: domain.into(),
            name: name.into(),
            node: node.into(),
            span,
        },
        out,
    );
}

impl Visitor for Model {
    fn begin(&mut self, at: &At, _out: &mut Parse) {
        self.open.push(match at.field {
            "graph" | "g" | "graphs" | "initialization" | "algorithm" => Open::Graph {
                name: String::new(),
                initializers: HashSet::new(),
            },
            "node" => Open::Node(Node::default()),
            "attribute" | "attribute_proto" => Open::Attribute { name: String::new() },
            "initializer" | "t" | "tensors" | "values" | "indices" => Open::Tensor(Box::default()),
            "external_data" | "metadata_props" => Open::Entry {
                key: Vec::new(),
                value: Vec::new(),
            },
            "functions" => Open::Function {
                key: Key::default(),
                calls: HashMap::new(),
            },
            _ => Open::Other,
        });
    }

    fn end(&mut self, at: &At, out: &mut Parse) -> Option<String> {
        match self.open.pop() {
            Some(Open::Node(node)) => Some(self.end_node(node, at, out)),
            Some(Open::Tensor(tensor)) => Some(self.end_tensor(*tensor, at, out)),
            Some(Open::Graph { name, .. }) => Some(format!("graph {}", printable(name.as_bytes()))),
            Some(Open::Function { key, calls }) => {
                let name = format!("function {}", printable(key.1.as_bytes()));
                let span = at.span;
                self.functions.add(key, Function { span, calls }, out);
                Some(name)
            }
            Some(Open::Entry { key, value }) => {
                self.end_entry(key, value, at, out);
                None
            }
            Some(Open::Attribute { .. } | Open::Other) => None,
            None => Some("model".to_owned()),
        }
    }

    fn number(&mut self, at: &At, value: u64, _out: &mut Parse) {
        if let Some(Open::Tensor(tensor)) = self.open.last_mut() {
            match at.field {
                "dims" if tensor.dims.len() < RANK => tensor.dims.push(value),
                "data_type" => tensor.data_type = value,
                "data_location" => tensor.location = value,
                _ => {}
            }
        }
    }

    fn text(&mut self, at: &At, raw: &[u8], out: &mut Parse) {
        match self.open.last_mut() {
            Some(Open::Node(node)) => match at.field {
                "name" => {
                    node.name = text(raw);
                    name_fact("node", raw, at.span, out);
                }
                "op_type" => {
                    node.operator = text(raw);
                    name_fact("operator", raw, at.span, out);
                }
                "domain" => node.domain = text(raw),
                "overload" => node.overload = text(raw),
                _ => {}
            },
            Some(Open::Tensor(tensor)) if at.field == "name" => {
                tensor.name = text(raw);
                name_fact("tensor", raw, at.span, out);
            }
            Some(Open::Graph { name, .. }) if at.field == "name" => *name = text(raw),
            Some(Open::Attribute { name }) if at.field == "name" => *name = text(raw),
            Some(Open::Entry { key, value }) => match at.field {
                "key" => *key = raw.to_vec(),
                "value" => *value = raw.to_vec(),
                _ => {}
            },
            Some(Open::Function { key, .. }) => match at.field {
                "name" => key.1 = text(raw),
                "domain" if STANDARD.contains(&text(raw).as_str()) => key.0.clear(),
                "domain" => key.0 = text(raw),
                "overload" => key.2 = text(raw),
                _ => {}
            },
            _ => {}
        }
    }

    fn bulk(&mut self, at: &At, _out: &mut Parse) -> Claim {
        match self.open.last_mut() {
            Some(Open::Tensor(tensor)) => {
                match at.field {
                    "raw_data" => tensor.raw = Some(at.span),
                    "string_data" => return Claim::Structure,
                    field => tensor.typed = Some((field, at.span)),
                }
                let name = tensor.name.clone();
                let name = match self.node() {
                    Some(node) if name.is_empty() => printable(node.name.as_bytes()),
                    _ => printable(name.as_bytes()),
                };
                Claim::Leaf(Role::Tensor, format!("elements of {name}"))
            }
            Some(Open::Attribute { name }) => Claim::Child(format!("attribute {}", printable(name.as_bytes())), false),
            Some(Open::Entry { key, .. }) => Claim::Child(format!("metadata {}", printable(key)), false),
            _ => Claim::Structure,
        }
    }
}

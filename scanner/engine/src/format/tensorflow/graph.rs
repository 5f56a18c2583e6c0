//! What a graph's fields say: operators, constants, assets, objects.

use crate::fact::Fact;
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::format::onnx::elements;
use crate::format::proto::{self, At, Claim, Visitor, name_fact};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;

/// `DataType`: how it is spelt, and bits of an element (0 where it is none of fixed size).
const TYPES: [(&str, u64); 26] = [
    ("DT_INVALID", 0),
    ("DT_FLOAT", 32),
    ("DT_DOUBLE", 64),
    ("DT_INT32", 32),
    ("DT_UINT8", 8),
    ("DT_INT16", 16),
    ("DT_INT8", 8),
    ("DT_STRING", 0),
    ("DT_COMPLEX64", 64),
    ("DT_INT64", 64),
    ("DT_BOOL", 8),
    ("DT_QINT8", 8),
    ("DT_QUINT8", 8),
    ("DT_QINT32", 32),
    ("DT_BFLOAT16", 16),
    ("DT_QINT16", 16),
    ("DT_QUINT16", 16),
    ("DT_UINT16", 16),
    ("DT_COMPLEX128", 128),
    ("DT_HALF", 16),
    ("DT_RESOURCE", 0),
    ("DT_VARIANT", 0),
    ("DT_UINT32", 32),
    ("DT_UINT64", 64),
    ("DT_FLOAT8_E5M2", 8),
    ("DT_FLOAT8_E4M3FN", 8),
];

/// How a type number is spelt, and the bits of an element.
pub(in crate::format) fn data_type(number: u64) -> (&'static str, u64) {
    let known = usize::try_from(number).ok().and_then(|at| TYPES.get(at));
    known.copied().unwrap_or(("DT_OTHER", 0))
}

/// More dimensions than any tensor has.
const RANK: usize = 1024;

#[derive(Default)]
struct Node {
    name: String,
    operator: String,
    /// The key of the attribute that is open.
    key: String,
    /// Whether an attribute sends what the node prints to a file.
    to_file: bool,
}

#[derive(Default)]
struct Tensor {
    dtype: u64,
    shape: Vec<u64>,
    unknown_rank: bool,
    /// `tensor_content`, or packed elements.
    data: Option<Span>,
    content: bool,
}

enum Open {
    Node(Node),
    Tensor(Tensor),
    Function(String),
    Object(String),
    Other,
}

/// A graph that is being read.
#[derive(Default)]
pub(super) struct Graph {
    open: Vec<Open>,
}

fn text(raw: &[u8]) -> String {
    String::from_utf8_lossy(raw).into_owned()
}

impl Graph {
    fn node(&mut self) -> Option<&mut Node> {
        self.open.iter_mut().rev().find_map(|open| match open {
            Open::Node(node) => Some(node),
            _ => None,
        })
    }

    fn node_name(&mut self) -> String {
        self.node()
            .map_or_else(String::new, |node| printable(node.name.as_bytes()))
    }

    fn end_tensor(&mut self, tensor: Tensor, at: &At, out: &mut Parse) {
        let name = self.node_name();
        let (dtype, bits) = data_type(tensor.dtype);
        let count = elements(&tensor.shape);
        let size = count.and_then(|n| n.checked_mul(bits)).map(|bits| bits.div_ceil(8));
        if count.is_none() && !tensor.unknown_rank {
            let rule = format!("tensorflow: tensor of {name}: a dimension is negative or their product overflows");
            out.finding(Finding::new(code::MALFORMED, at.span, &*rule).case("crash").key(rule));
        } else if let (Some(data), Some(size)) = (tensor.data.filter(|_| tensor.content && bits > 0), size)
            && data.len() != size
        {
            let have = data.len();
            let rule =
                format!("tensorflow: tensor of {name}: tensor_content has {have} bytes, shape and type need {size}");
            let finding = Finding::new(code::MALFORMED, data, &*rule).key(rule);
            out.finding(if have < size { finding.case("crash") } else { finding });
        }
        if let Some(span) = tensor.data {
            proto::fact(
                Fact::Tensor {
                    name: name.into(),
                    dtype: dtype.into(),
                    shape: tensor.shape,
                    span,
                },
                out,
            );
        }
    }
}

impl Visitor for Graph {
    fn begin(&mut self, at: &At, _out: &mut Parse) {
        self.open.push(match (at.message, at.field) {
            (_, "node" | "node_def") => Open::Node(Node::default()),
            ("AttrValue" | "AttrValue.ListValue", "tensor") | ("DefaultEntry", "value") => {
                Open::Tensor(Tensor::default())
            }
            (_, "function") => Open::Function(String::new()),
            (_, "user_object") | ("SavedMetadata", "nodes") => Open::Object(String::new()),
            _ => Open::Other,
        });
    }

    fn end(&mut self, at: &At, out: &mut Parse) -> Option<String> {
        match self.open.pop() {
            Some(Open::Node(node)) => {
                let shown = format!(
                    "node {} ({})",
                    printable(node.name.as_bytes()),
                    printable(node.operator.as_bytes())
                );
                let (domain, name) = node.operator.split_once('>').unwrap_or(("", &node.operator));
                let name = if node.to_file && name == "PrintV2" {
                    "PrintV2:file"
                } else {
                    name
                };
                proto::fact(
                    Fact::Operator {
                        framework: "tensorflow",
                        domain: domain.into(),
                        name: name.into(),
                        node: node.name.into(),
                        span: at.span,
                    },
                    out,
                );
                Some(shown)
            }
            Some(Open::Tensor(tensor)) => {
                self.end_tensor(tensor, at, out);
                None
            }
            Some(Open::Function(name)) => Some(format!("function {}", printable(name.as_bytes()))),
            Some(Open::Object(name)) => Some(format!("object {}", printable(name.as_bytes()))),
            Some(Open::Other) => match at.field {
                "meta_graphs" => Some("meta graph".to_owned()),
                "graph_def" => Some("graph".to_owned()),
                "library" => Some("function library".to_owned()),
                "object_graph_def" => Some("object graph".to_owned()),
                _ => None,
            },
            None => Some("model".to_owned()),
        }
    }

    fn number(&mut self, at: &At, value: u64, _out: &mut Parse) {
        let tensor = self.open.iter_mut().rev().take(4).find_map(|open| match open {
            Open::Tensor(tensor) => Some(tensor),
            _ => None,
        });
        if let Some(tensor) = tensor {
            match (at.message, at.field) {
                ("TensorProto", "dtype") => tensor.dtype = value,
                ("TensorShapeProto.Dim", "size") if tensor.shape.len() < RANK => tensor.shape.push(value),
                ("TensorShapeProto", "unknown_rank") => tensor.unknown_rank = value != 0,
                _ => {}
            }
        }
    }

    fn text(&mut self, at: &At, raw: &[u8], out: &mut Parse) {
        match (at.message, at.field) {
            ("NodeDef", "name") => {
                name_fact("node", raw, at.span, out);
                if let Some(node) = self.node() {
                    node.name = text(raw);
                }
            }
            ("NodeDef", "op") => {
                name_fact("operator", raw, at.span, out);
                if let Some(node) = self.node() {
                    node.operator = text(raw);
                }
            }
            ("AttrEntry", "key") => {
                if let Some(node) = self.node() {
                    node.key = text(raw);
                }
            }
            ("AttrValue", "s") => {
                if let Some(node) = self.node()
                    && node.key == "output_stream"
                {
                    node.to_file = raw.starts_with(b"file:");
                }
            }
            ("OpDef", "name") => {
                if let Some(Open::Function(name)) = self.open.iter_mut().rev().nth(1) {
                    *name = text(raw);
                }
            }
            ("AssetFileDef", "filename") => proto::fact(
                Fact::Reference {
                    what: "asset",
                    path: raw.into(),
                    span: at.span,
                    advisories: "",
                },
                out,
            ),
            ("keras.SavedObject", "identifier" | "node_path") | ("SavedUserObject", "identifier") => {
                if let Some(Open::Object(name)) = self.open.last_mut() {
                    *name = text(raw);
                }
            }
            _ => {}
        }
    }

    fn bulk(&mut self, at: &At, _out: &mut Parse) -> Claim {
        /// Shorter metadata holds no object of its own.
        const SHORT: u64 = 64;
        match (self.open.last_mut(), at.field) {
            (Some(Open::Tensor(tensor)), field) if field != "string_val" => {
                tensor.data = Some(at.span);
                tensor.content = field == "tensor_content";
                Claim::Leaf(Role::Tensor, format!("elements of {}", self.node_name()))
            }
            (Some(Open::Object(name)), "metadata") if at.span.len() >= SHORT => {
                Claim::Child(format!("metadata of {}", printable(name.as_bytes())), false)
            }
            (_, "s" | "string_val" | "value") => Claim::Child(format!("{} of {}", at.field, self.node_name()), false),
            _ => Claim::Structure,
        }
    }
}

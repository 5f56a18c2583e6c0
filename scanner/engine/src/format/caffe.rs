//! Caffe networks with their weights (`caffe.proto`): `.caffemodel`; no magic number.
//!
//! Layers of both generations are read, their blobs are tensors. What a layer's own parameters say is stepped over, but
//! for those of the layer that runs Python.

use super::proto::{
    self, At, Claim, Kind, Message, MessageFormat, Seen, View, Visitor, is_identifier, is_text, many, name_fact, one,
    others,
};
use super::{Format, Input, Parse};
use crate::fact::Fact;
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;

static NET: Message = Message {
    name: "NetParameter",
    fields: &[
        one(1, "name", Kind::Text),
        many(2, "layers", Kind::Unit(&V1_LAYER)),
        many(3, "input", Kind::Text),
        many(4, "input_dim", Kind::Number),
        one(5, "force_backward", Kind::Number),
        one(6, "state", Kind::Skip),
        one(7, "debug_info", Kind::Number),
        many(8, "input_shape", Kind::Skip),
        many(100, "layer", Kind::Unit(&LAYER)),
    ],
};

static LAYER: Message = Message {
    name: "LayerParameter",
    fields: &[
        one(1, "name", Kind::Text),
        one(2, "type", Kind::Text),
        many(3, "bottom", Kind::Skip),
        many(4, "top", Kind::Skip),
        many(7, "blobs", Kind::Message(&BLOB)),
        one(130, "python_param", Kind::Message(&PYTHON)),
        others(Kind::Skip),
    ],
};

static V1_LAYER: Message = Message {
    name: "V1LayerParameter",
    fields: &[
        many(2, "bottom", Kind::Skip),
        many(3, "top", Kind::Skip),
        one(4, "name", Kind::Text),
        one(5, "type", Kind::Number),
        many(6, "blobs", Kind::Message(&BLOB)),
        others(Kind::Skip),
    ],
};

static PYTHON: Message = Message {
    name: "PythonParameter",
    fields: &[
        one(1, "module", Kind::Text),
        one(2, "layer", Kind::Text),
        one(3, "param_str", Kind::Text),
        one(4, "share_in_parallel", Kind::Number),
    ],
};

static BLOB: Message = Message {
    name: "BlobProto",
    fields: &[
        one(1, "num", Kind::Number),
        one(2, "channels", Kind::Number),
        one(3, "height", Kind::Number),
        one(4, "width", Kind::Number),
        many(5, "data", Kind::Bulk),
        many(6, "diff", Kind::Bulk),
        one(7, "shape", Kind::Message(&SHAPE)),
        many(8, "double_data", Kind::Bulk),
        many(9, "double_diff", Kind::Bulk),
    ],
};

static SHAPE: Message = Message {
    name: "BlobShape",
    fields: &[many(1, "dim", Kind::Number)],
};

/// A Caffe network.
pub(super) struct Caffe;

impl MessageFormat for Caffe {
    fn recognise(&self, view: &View<'_, '_, '_>) -> bool {
        let (mut layers, mut edges, mut odd) = (0u32, 0u32, 0u32);
        let look = proto::look(view, &NET, &mut |message, field, seen| match (message, field, seen) {
            ("LayerParameter", "type", Seen::Text(text, _)) if is_identifier(text) => layers = layers.saturating_add(1),
            ("V1LayerParameter", "type", Seen::Number(0..=64)) => layers = layers.saturating_add(1),
            ("LayerParameter" | "V1LayerParameter", "bottom" | "top", Seen::Bulk) => edges = edges.saturating_add(1),
            (_, _, Seen::Text(text, _)) if !is_text(text) => odd = odd.saturating_add(1),
            _ => {}
        });
        layers > 0 && edges > 0 && odd == 0 && look.unknown == 0 && look.agrees()
    }
}

impl Format for Caffe {
    fn id(&self) -> &'static str {
        "caffe"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        self.likely(probe)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        proto::walk("caffe", input, &NET, &mut Net::default(), out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["caffemodel", "binaryproto", "bin"]
    }
}

/// A network that is being read.
#[derive(Default)]
struct Net {
    name: String,
    kind: String,
    shape: Vec<u64>,
    tensor: Option<(&'static str, crate::span::Span)>,
}

impl Visitor for Net {
    fn begin(&mut self, at: &At, _out: &mut Parse) {
        match at.field {
            "layer" | "layers" => *self = Self::default(),
            "blobs" => {
                self.shape.clear();
                self.tensor = None;
            }
            _ => {}
        }
    }

    fn end(&mut self, at: &At, out: &mut Parse) -> Option<String> {
        let name = printable(self.name.as_bytes());
        match at.field {
            "layer" | "layers" => {
                proto::fact(
                    Fact::Operator {
                        framework: "caffe",
                        domain: "".into(),
                        name: self.kind.as_str().into(),
                        node: self.name.as_str().into(),
                        span: at.span,
                    },
                    out,
                );
                Some(format!("layer {name} ({})", printable(self.kind.as_bytes())))
            }
            "blobs" => {
                if let Some((dtype, span)) = self.tensor.take() {
                    proto::fact(
                        Fact::Tensor {
                            name: name.into(),
                            dtype: dtype.into(),
                            shape: std::mem::take(&mut self.shape),
                            span,
                        },
                        out,
                    );
                }
                None
            }
            "" => Some("network".to_owned()),
            _ => None,
        }
    }

    fn number(&mut self, at: &At, value: u64, _out: &mut Parse) {
        if matches!(at.field, "dim" | "num" | "channels" | "height" | "width") && self.shape.len() < 64 {
            self.shape.push(value);
        }
    }

    fn text(&mut self, at: &At, raw: &[u8], out: &mut Parse) {
        let text = || String::from_utf8_lossy(raw).into_owned();
        match (at.message, at.field) {
            ("LayerParameter" | "V1LayerParameter", "name") => {
                name_fact("layer", raw, at.span, out);
                self.name = text();
            }
            ("LayerParameter", "type") => self.kind = text(),
            _ => {}
        }
    }

    fn bulk(&mut self, at: &At, _out: &mut Parse) -> Claim {
        match (at.message, at.field) {
            ("BlobProto", field) => {
                let dtype = if field.starts_with("double") {
                    "FLOAT64"
                } else {
                    "FLOAT32"
                };
                self.tensor = Some((dtype, at.span));
                Claim::Leaf(Role::Tensor, format!("blob of {}", printable(self.name.as_bytes())))
            }
            (_, field) => Claim::Child(format!("{field} of {}", printable(self.name.as_bytes())), false),
        }
    }
}

//! ONNX models (`onnx.proto3`).

use super::protobuf::Proto;
use super::safetensors::weights;

/// A node.
pub fn node(name: &str, operator: &str, domain: &str) -> Proto {
    let node = Proto::new().text(1, "x").text(2, "y").text(3, name).text(4, operator);
    if domain.is_empty() { node } else { node.text(7, domain) }
}

/// An f32 tensor with its elements in `raw_data`.
pub fn tensor(name: &str, dims: &[u64]) -> Proto {
    let elements = dims.iter().product::<u64>() as usize;
    Proto::new()
        .packed(1, dims)
        .number(2, 1)
        .text(8, name)
        .bytes(9, &weights(elements))
}

/// An f32 tensor whose elements lie in another file; the entries of `external_data`.
pub fn external(name: &str, dims: &[u64], entries: &[(&str, &str)]) -> Proto {
    let tensor = Proto::new().packed(1, dims).number(2, 1).text(8, name);
    let tensor = entries
        .iter()
        .fold(tensor, |tensor, (key, value)| tensor.message(13, &entry(key, value)));
    tensor.number(14, 1)
}

/// A `StringStringEntryProto`.
pub fn entry(key: &str, value: &str) -> Proto {
    Proto::new().text(1, key).text(2, value)
}

/// A function of the model's own, with the operators of its nodes as (name, domain).
pub fn function(name: &str, domain: &str, calls: &[(&str, &str)]) -> Proto {
    let function = Proto::new().text(1, name);
    let function = calls.iter().fold(function, |function, (operator, domain)| {
        function.message(7, &node("call", operator, domain))
    });
    function.text(10, domain)
}

/// What to build. Start from [`Onnx::new`] and change fields.
#[derive(Clone, Debug)]
pub struct Onnx {
    /// `ir_version`.
    pub ir_version: u64,
    /// Nodes of the graph.
    pub nodes: Vec<Proto>,
    /// Initialisers of the graph.
    pub initializers: Vec<Proto>,
    /// Functions.
    pub functions: Vec<Proto>,
    /// `metadata_props`.
    pub metadata: Vec<(String, String)>,
    /// Fields written behind all others of the model.
    pub more: Proto,
    /// Fields written behind all others of the graph.
    pub more_graph: Proto,
}

impl Onnx {
    /// A model of two nodes and two initialisers.
    pub fn new() -> Self {
        Self {
            ir_version: 8,
            nodes: vec![node("first", "MatMul", ""), node("second", "Add", "")],
            initializers: vec![tensor("w", &[4, 3]), tensor("b", &[3])],
            functions: Vec::new(),
            metadata: vec![("author".into(), "fixture".into())],
            more: Proto::new(),
            more_graph: Proto::new(),
        }
    }

    /// The file.
    pub fn build(&self) -> Vec<u8> {
        let value = |name: &str| {
            let dimension = Proto::new().number(1, 4);
            let shape = Proto::new().message(1, &dimension);
            let kind = Proto::new().message(1, &Proto::new().number(1, 1).message(2, &shape));
            Proto::new().text(1, name).message(2, &kind)
        };
        let mut graph = Proto::new();
        for node in &self.nodes {
            graph = graph.message(1, node);
        }
        graph = graph.text(2, "graph");
        for tensor in &self.initializers {
            graph = graph.message(5, tensor);
        }
        graph = graph
            .message(11, &value("x"))
            .message(12, &value("y"))
            .raw(&self.more_graph.0);
        let mut model = Proto::new()
            .number(1, self.ir_version)
            .text(2, "fixture")
            .message(7, &graph)
            .message(8, &Proto::new().text(1, "").number(2, 17));
        for (key, value) in &self.metadata {
            model = model.message(14, &entry(key, value));
        }
        for function in &self.functions {
            model = model.message(25, function);
        }
        model.raw(&self.more.0).build()
    }
}

impl Default for Onnx {
    fn default() -> Self {
        Self::new()
    }
}

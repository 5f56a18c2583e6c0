//! TensorFlow graphs: `GraphDef`, `MetaGraphDef`, `SavedModel`, `SavedMetadata`.

use super::protobuf::Proto;
use super::safetensors::weights;

/// A node without attributes but its type's.
pub fn node(name: &str, operator: &str) -> Proto {
    let float = Proto::new().number(6, 1);
    attribute(Proto::new().text(1, name).text(2, operator).text(3, "x"), "T", &float)
}

/// `node` with an attribute more.
pub fn attribute(node: Proto, key: &str, value: &Proto) -> Proto {
    node.message(5, &Proto::new().text(1, key).message(2, value))
}

/// A constant of f32, its elements in `tensor_content`.
pub fn constant(name: &str, dims: &[u64]) -> Proto {
    let elements = dims.iter().product::<u64>() as usize;
    constant_of(name, dims, &weights(elements))
}

/// A constant of f32 with these bytes.
pub fn constant_of(name: &str, dims: &[u64], content: &[u8]) -> Proto {
    let shape = dims.iter().fold(Proto::new(), |shape, dim| {
        shape.message(2, &Proto::new().number(1, *dim))
    });
    let tensor = Proto::new().number(1, 1).message(2, &shape).bytes(4, content);
    attribute(node(name, "Const"), "value", &Proto::new().message(8, &tensor))
}

/// A graph of `nodes`.
pub fn graph(nodes: &[Proto]) -> Proto {
    let graph = nodes.iter().fold(Proto::new(), |graph, node| graph.message(1, node));
    graph.message(4, &Proto::new().number(1, 1087))
}

/// The nodes of a plain graph.
pub fn nodes() -> Vec<Proto> {
    vec![node("x", "Placeholder"), constant("w", &[4, 3]), node("y", "MatMul")]
}

/// A function of a library.
pub fn function(name: &str, nodes: &[Proto]) -> Proto {
    let function = Proto::new().message(1, &Proto::new().text(1, name));
    nodes.iter().fold(function, |function, node| function.message(3, node))
}

/// A meta graph around `graph`, with assets.
pub fn meta_graph(graph: &Proto, assets: &[&str]) -> Proto {
    let operators = ["Placeholder", "Const", "MatMul", "Identity"]
        .iter()
        .fold(Proto::new(), |list, name| list.message(1, &Proto::new().text(1, name)));
    let information = Proto::new().message(2, &operators).text(4, "serve").text(5, "2.15.0");
    let meta = Proto::new().message(1, &information).message(2, graph);
    assets.iter().fold(meta, |meta, name| {
        let tensor = Proto::new().text(1, "asset:0");
        meta.message(6, &Proto::new().message(1, &tensor).text(2, name))
    })
}

/// A saved model of one meta graph.
pub fn saved_model(meta_graph: &Proto) -> Proto {
    Proto::new().number(1, 1).message(2, meta_graph)
}

/// Keras metadata of one object.
pub fn keras_metadata(json: &str) -> Proto {
    let versions = Proto::new().number(1, 1).number(2, 1);
    let node = Proto::new()
        .number(2, 1)
        .text(3, "root.layer-0")
        .text(4, "_tf_keras_layer")
        .text(5, json)
        .message(6, &versions);
    Proto::new().message(1, &node)
}

//! Graphs of operators: ONNX, TensorFlow, TFLite and the others under a schema.

use super::Fixture::Built;
use super::{Row, row};
use crate::build::graphs::{caffe, coreml_custom_layer, coreml_network, coreml_program, paddle};
use crate::build::onnx::{self, Onnx};
use crate::build::protobuf::Proto;
use crate::build::tensorflow::{self, graph, meta_graph, saved_model};
use crate::build::tflite::{Code, Tflite};

const EXTERNAL: &str = "external data elsewhere";
const CODE: &str = "operator that runs Python or native code";
const READS: &str = "operator that reads files";
const WRITES: &str = "operator that writes files";
const NETWORK: &str = "operator that talks to the network";
const CUSTOM: &str = "operator from outside the framework";
const HEAD: &[u8] = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0";
const SIZES: &str = "sizes that lie or overflow";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row(CODE, "ONNX", ("unsafe-operator", "code"), Built("PyOp", || node("PyOp", "x")), Built("Relu", || node("Relu", ""))),
    row(CODE, "TensorFlow", ("unsafe-operator", "code"), Built("PyFunc", || tensor_flow("PyFunc")), Built("Relu", || tensor_flow("Relu"))),
    row(CODE, "TFLite", ("unsafe-operator", "code"), Built("FlexPyFunc", || flex("FlexPyFunc")), Built("FlexErf", || flex("FlexErf"))),
    row(CODE, "Caffe", ("unsafe-operator", "code"), Built("Python layer", || caffe(&[("p", "Python")]).0), Built("ReLU layer", || caffe(&[("r", "ReLU")]).0)),
    row(CODE, "PaddlePaddle", ("unsafe-operator", "code"), Built("py_func", || paddle(&["py_func"]).0), Built("softmax", || paddle(&["softmax"]).0)),
    row(READS, "TensorFlow", ("unsafe-operator", "read"), Built("ReadFile", || tensor_flow("ReadFile")), Built("SaveV2", || tensor_flow("SaveV2"))),
    row(READS, "TFLite", ("unsafe-operator", "read"), Built("FlexReadFile", || flex("FlexReadFile")), Built("FlexErf", || flex("FlexErf"))),
    row(READS, "PaddlePaddle", ("unsafe-operator", "read"), Built("load_combine", || paddle(&["load_combine"]).0), Built("softmax", || paddle(&["softmax"]).0)),
    row(WRITES, "TensorFlow", ("unsafe-operator", "write"), Built("WriteFile", || tensor_flow("WriteFile")), Built("SaveV2", || tensor_flow("SaveV2"))),
    row(WRITES, "SavedModel", ("unsafe-operator", "write"), Built("PrintV2 to a file", || print("file:///data/x")), Built("PrintV2 to stderr", || print("stderr"))),
    row(WRITES, "TFLite", ("unsafe-operator", "write"), Built("FlexWriteFile", || flex("FlexWriteFile")), Built("FlexErf", || flex("FlexErf"))),
    row(WRITES, "Caffe", ("unsafe-operator", "write"), Built("HDF5Output layer", || caffe(&[("d", "HDF5Output")]).0), Built("ReLU layer", || caffe(&[("r", "ReLU")]).0)),
    row(WRITES, "PaddlePaddle", ("unsafe-operator", "write"), Built("save", || paddle(&["save"]).0), Built("softmax", || paddle(&["softmax"]).0)),
    row(NETWORK, "ONNX", ("unsafe-operator", "network"), Built("OpenAIChat", || node("OpenAIChat", "com.microsoft.extensions")), Built("Gelu", || node("Gelu", "com.microsoft"))),
    row(NETWORK, "TensorFlow", ("unsafe-operator", "network"), Built("DebugIdentityV2", || tensor_flow("DebugIdentityV2")), Built("Relu", || tensor_flow("Relu"))),
    row(NETWORK, "PaddlePaddle", ("unsafe-operator", "network"), Built("listen_and_serv", || paddle(&["listen_and_serv"]).0), Built("softmax", || paddle(&["softmax"]).0)),
    row("operator in a graph or function below", "ONNX", ("unsafe-operator", "code"), Built("PyOp in a branch of If", branch), Built("Relu", || node("Relu", ""))),
    row("operator in a graph or function below", "TensorFlow", ("unsafe-operator", "read"), Built("MatchingFiles in a library function", || library("MatchingFiles")), Built("Relu in a library function", || library("Relu"))),
    row(CUSTOM, "ONNX", ("custom-operator", "foreign"), Built("Blur of example.ops", || node("Blur", "example.ops")), Built("Relu", || node("Relu", ""))),
    row(CUSTOM, "TensorFlow", ("custom-operator", "custom"), Built("Addons>Image", || tensor_flow("Addons>Image")), Built("Relu", || tensor_flow("Relu"))),
    row(CUSTOM, "TFLite", ("custom-operator", "custom"), Built("MaxPoolingWithArgmax2D", || flex("MaxPoolingWithArgmax2D")), Built("no custom operator", || Tflite::new().build())),
    row(CUSTOM, "TFLite, of no known library", ("custom-operator", "foreign"), Built("Acme", || flex("Acme")), Built("MaxPoolingWithArgmax2D", || flex("MaxPoolingWithArgmax2D"))),
    row("operator whose name says that it runs commands", "ONNX", ("unsafe-operator", "named"), Built("RunShell", || node("RunShell", "")), Built("Relu", || node("Relu", ""))),
    row("save, print and table operators, as inventory", "TensorFlow", ("custom-operator", "inventory"), Built("SaveV2", || tensor_flow("SaveV2")), Built("Relu", || tensor_flow("Relu"))),
    row("class of the application", "Core ML", ("custom-operator", "application"), Built("custom layer", || coreml_network(&[coreml_custom_layer("Own")]).0), Built("inner product", || coreml_network(&[]).0)),
    row(EXTERNAL, "ONNX: above", ("path-traversal", ""), Built("../weights.bin", || far(&[("location", "../weights.bin")])), Built("weights.bin", good)),
    row(EXTERNAL, "ONNX: absolute", ("path-traversal", "absolute"), Built("/data/passwords", || far(&[("location", "/data/passwords")])), Built("weights.bin", good)),
    row(EXTERNAL, "ONNX: remote", ("path-traversal", "remote"), Built("a URL", || far(&[("location", "https://example.org/w")])), Built("weights.bin", good)),
    row(EXTERNAL, "ONNX: process memory", ("malformed", "crash"), Built("the runtime's marker of an address", || far(&[("location", "*/_ORT_MEM_ADDR_/*"), ("offset", "4096"), ("length", "16")])), Built("weights.bin", good)),
    row(EXTERNAL, "SavedModel", ("path-traversal", ""), Built("asset ../vocab.txt", || assets("../vocab.txt")), Built("asset vocab.txt", || assets("vocab.txt"))),
    row(EXTERNAL, "Core ML", ("path-traversal", "absolute"), Built("weights in /data/x", || coreml_program("const", "/data/x").0), Built("weights in the package", || coreml_program("const", "@model_path/weights/weight.bin").0)),
    row("length of external data that lies", "ONNX", ("malformed", ""), Built("17 bytes for four floats", || far(&[("location", "weights.bin"), ("length", "17")])), Built("16 bytes for four floats", good)),
    row(SIZES, "ONNX", ("malformed", "crash"), Built("2^40 by 2^40", || tensor(&[1 << 40, 1 << 40])), Built("an empty tensor", || tensor(&[0, 5]))),
    row(SIZES, "TensorFlow", ("malformed", "crash"), Built("constant of 2^40 by 2^40", || constant(&[1 << 40, 1 << 40])), Built("constant of two by two", || constant(&[2, 2]))),
    row(SIZES, "TFLite", ("malformed", "crash"), Built("three dimensions of 2^31 - 1", || shape(&[i32::MAX; 3])), Built("two by two", || shape(&[2, 2]))),
    row("functions that call themselves", "ONNX", ("malformed", "crash"), Built("two functions in a ring", || functions("f")), Built("two functions in a line", || functions("h"))),
    row("program in a field that the schema lacks", "ONNX", ("embedded-executable", "hidden"), Built("ELF head in field 77", || unknown(&[HEAD, &[0; 5000]].concat())), Built("a short text in field 77", || unknown(b"text"))),
];

fn node(operator: &str, domain: &str) -> Vec<u8> {
    let mut model = Onnx::new();
    model.nodes.push(onnx::node("third", operator, domain));
    model.build()
}

fn branch() -> Vec<u8> {
    let inner = Proto::new().message(1, &onnx::node("inner", "PyOp", "x"));
    let attribute = Proto::new().text(1, "then_branch").message(6, &inner).number(20, 5);
    let mut model = Onnx::new();
    model.nodes.push(onnx::node("choice", "If", "").message(5, &attribute));
    model.build()
}

fn far(entries: &[(&str, &str)]) -> Vec<u8> {
    let mut model = Onnx::new();
    model.initializers.push(onnx::external("far", &[2, 2], entries));
    model.build()
}

fn good() -> Vec<u8> {
    far(&[("location", "weights.bin"), ("offset", "4096"), ("length", "16")])
}

fn tensor(dims: &[u64]) -> Vec<u8> {
    let mut model = Onnx::new();
    model
        .initializers
        .push(Proto::new().packed(1, dims).number(2, 1).text(8, "t").bytes(9, &[]));
    model.build()
}

fn functions(last: &str) -> Vec<u8> {
    let mut model = Onnx::new();
    model.functions = vec![
        onnx::function("f", "own", &[("g", "own")]),
        onnx::function("g", "own", &[(last, "own")]),
        onnx::function("h", "own", &[("Add", "")]),
    ];
    model.build()
}

fn unknown(content: &[u8]) -> Vec<u8> {
    let mut model = Onnx::new();
    model.more = Proto::new().bytes(77, content);
    model.build()
}

fn with(node: Proto) -> Proto {
    graph(&[tensorflow::nodes(), vec![node]].concat())
}

fn tensor_flow(operator: &str) -> Vec<u8> {
    with(tensorflow::node("n", operator)).0
}

fn print(stream: &str) -> Vec<u8> {
    let value = Proto::new().text(2, stream);
    let node = tensorflow::attribute(tensorflow::node("p", "PrintV2"), "output_stream", &value);
    saved_model(&meta_graph(&with(node), &[])).0
}

fn library(operator: &str) -> Vec<u8> {
    let function = tensorflow::function("f", &[tensorflow::node("inner", operator)]);
    graph(&tensorflow::nodes())
        .message(2, &Proto::new().message(1, &function))
        .0
}

fn assets(name: &str) -> Vec<u8> {
    saved_model(&meta_graph(&graph(&tensorflow::nodes()), &[name])).0
}

fn constant(dims: &[u64]) -> Vec<u8> {
    with(tensorflow::constant_of("c", dims, &[0; 16])).0
}

fn flex(name: &str) -> Vec<u8> {
    let mut model = Tflite::new();
    model.codes.push(Code::Custom(name.into()));
    model.build()
}

fn shape(dims: &[i32]) -> Vec<u8> {
    let mut model = Tflite::new();
    model.shape = dims.to_vec();
    model.data = vec![0; 16];
    model.build()
}

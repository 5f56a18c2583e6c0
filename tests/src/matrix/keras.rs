//! Keras configurations in each of their containers, and HDF5 files that lead elsewhere.

use super::Fixture::Built;
use super::{Row, row};
use crate::build::hdf5::{Attribute, Dataset, Hdf5, Layout as Place, Node};
use crate::build::keras::{archive, dense, hdf5, lambda, legacy, legacy_lambda, legacy_model, model, object};
use crate::build::marshal::{Code, Const, Layout};
use crate::build::safetensors::weights;
use crate::build::tensorflow;
use crate::build::zip::{Entry, Zip};

const EXECUTES: (&str, &str) = ("marshalled-code", "executes");
const LAMBDA: &str = "Lambda layer, code disassembled";
const OBJECT: &str = "module outside Keras";
const FILE: &str = "file that the configuration names";
const ELSEWHERE: &str = "data in another file";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row("Lambda layer with code", ".keras", ("config-lambda", "code"), Built("Lambda of arithmetic", || archive(&model(&[lambda(&code(&[]))]))), Built("Dense layer", || archive(&model(&[dense()])))),
    row(LAMBDA, ".keras", EXECUTES, Built("Lambda that names os.system", || archive(&model(&[lambda(&code(&["os", "system"]))]))), Built("Dense layer", || archive(&model(&[dense()])))),
    row(LAMBDA, ".h5", EXECUTES, Built("Lambda of version 2 that names os.system", || hdf5(&legacy_model(&[legacy_lambda(&code(&["os", "system"]))])).build()), Built("Dense layer of version 2", || hdf5(&legacy_model(&[plain()])).build())),
    row(LAMBDA, "JSON", EXECUTES, Built("configuration with such a Lambda", || model(&[lambda(&code(&["os", "system"]))]).into_bytes()), Built("configuration with a Dense layer", || model(&[dense()]).into_bytes())),
    row(LAMBDA, "SavedModel", EXECUTES, Built("metadata with such a Lambda", || tensorflow::keras_metadata(&legacy_lambda(&code(&["os", "system"]))).0), Built("metadata with a Dense layer", || tensorflow::keras_metadata(&plain()).0)),
    row("Lambda code with its payload in a constant", ".keras", EXECUTES, Built("marshalled code in zlib in a constant", || archive(&model(&[lambda(&wrapped())]))), Built("Dense layer", || archive(&model(&[dense()])))),
    row("Lambda code that nobody can read", ".keras", ("marshalled-code", "unreadable"), Built("bytes that are no code", || archive(&model(&[lambda(b"no code at all, but long enough")]))), Built("Dense layer", || archive(&model(&[dense()])))),
    row(OBJECT, ".keras", ("config-object", "dangerous"), Built("object of os", || archive(&model(&[object("os", "system", "{}")]))), Built("object of somebody's package", || archive(&model(&[object("keras_hub.layers", "Attention", "{}")])))),
    row(OBJECT, ".h5", ("config-object", "dangerous"), Built("Lambda of version 2 by the name os.system", || hdf5(&legacy_model(&[named("os", "system")])).build()), Built("Lambda by the name of a package", || hdf5(&legacy_model(&[named("my_package.layers", "resize")])).build())),
    row("class of a module that is no known library", ".keras", ("config-object", "unknown"), Built("object of somebody's package", || archive(&model(&[object("my_package.layers", "Attention", "{}")]))), Built("object of KerasHub", || archive(&model(&[object("keras_hub.layers", "Attention", "{}")])))),
    row("class of the standard library", ".keras", ("config-object", "stdlib"), Built("object of collections", || archive(&model(&[object("collections", "OrderedDict", "{}")]))), Built("Dense layer", || archive(&model(&[dense()])))),
    row("function of Keras that loads or downloads", ".keras", ("config-object", "loader"), Built("keras.utils.get_file", || archive(&model(&[function("keras.utils", "get_file")]))), Built("relu", || archive(&model(&[function("builtins", "relu")])))),
    row("function of the interpreter", ".keras", ("config-object", "dangerous"), Built("builtins.exec as an activation", || archive(&model(&[function("builtins", "exec")]))), Built("relu", || archive(&model(&[function("builtins", "relu")])))),
    row("module that one of Keras imported", ".keras", ("config-object", "dangerous"), Built("os.system through keras.src.utils", || archive(&model(&[object("keras.src.utils.file_utils.os", "system", "{}")]))), Built("a layer of keras.src", || archive(&model(&[object("keras.src.layers.core.dense", "Dense", "{}")])))),
    row("function of NumPy that loads", ".keras", ("config-object", "dangerous"), Built("numpy.load", || archive(&model(&[object("numpy", "load", "{}")]))), Built("numpy.float32", || archive(&model(&[object("numpy", "float32", "{}")])))),
    row("guard switched off", ".keras", ("config-object", "loader"), Built("keras.config.enable_unsafe_deserialization", || archive(&model(&[function("keras.config", "enable_unsafe_deserialization")]))), Built("relu", || archive(&model(&[function("builtins", "relu")])))),
    row("TFSMLayer and TorchModuleWrapper", ".keras", ("config-object", "nested"), Built("TorchModuleWrapper", || archive(&model(&[object("keras.layers", "TorchModuleWrapper", "{}")]))), Built("Dense layer", || archive(&model(&[dense()])))),
    row(FILE, ".keras", ("config-resource", "escape"), Built("vocabulary outside of the folder", || archive(&model(&[lookup("\"/data/passwords\"")]))), Built("vocabulary in the configuration", || archive(&model(&[lookup("[\"a\", \"b\"]")])))),
    row(FILE, ".keras in its folder", ("config-resource", "vocabulary"), Built("vocabulary beside the model", || archive(&model(&[lookup("\"words.txt\"")]))), Built("vocabulary in the configuration", || archive(&model(&[lookup("[\"a\", \"b\"]")])))),
    row("member that leads out", ".keras", ("path-traversal", ""), Built("member ../../x", || with_member("../../x")), Built("member assets/x", || with_member("assets/x"))),
    row(ELSEWHERE, "HDF5: external storage", ("external-storage", "escape"), Built("storage in /data/passwords", || storage("/data/passwords").build()), Built("float32 dataset", || float().build())),
    row(ELSEWHERE, "HDF5: external storage beside it", ("external-storage", "storage"), Built("storage in weights.bin", || storage("weights.bin").build()), Built("float32 dataset", || float().build())),
    row(ELSEWHERE, "HDF5: external link", ("external-storage", "escape"), Built("link to /data/passwords", || link("/data/passwords")), Built("link to part.h5", || link("part.h5"))),
    row(ELSEWHERE, "HDF5: virtual dataset", ("external-storage", "escape"), Built("sources in /data/secret.h5", || sources("/data/secret.h5")), Built("sources in part.h5", || sources("part.h5"))),
    row("pickle in an attribute", "HDF5", ("unsafe-callable", "called"), Built("os.system as an attribute", || attribute(crate::build::pickle::os_system(4))), Built("benign pickle as an attribute", || attribute(crate::build::pickle::benign(4)))),
    row("pickle in chunks that went through a filter", "HDF5", ("unsafe-callable", "called"), Built("os.system in deflated chunks", || chunks(&crate::build::pickle::os_system(2))), Built("benign pickle in deflated chunks", || chunks(&crate::build::pickle::benign(2)))),
    row("bytes that nothing refers to", "HDF5", ("unclaimed-bytes", "freed-model"), Built("300 bytes in a model's free space", || freed(300)), Built("a model without free space", || freed(0))),
    row("bytes behind the end", "HDF5", ("trailing-bytes", ""), Built("32 bytes behind the end", || Hdf5 { trailing: vec![0x41; 32], ..float() }.build()), Built("float32 dataset", || float().build())),
    row("class or tag in YAML", "Keras YAML", ("config-object", "dangerous"), Built("layer of os", || yaml("  - class_name: system\n    module: os\n")), Built("Dense layer", || yaml("  - class_name: Dense\n    config: {units: 4}\n"))),
    row("call in a YAML tag", "Keras YAML", ("unsafe-callable", "called"), Built("!!python/object/apply:os.system", || yaml("  - !!python/object/apply:os.system [\"true\"]\n")), Built("Dense layer", || yaml("  - class_name: Dense\n    config: {units: 4}\n"))),
];

fn code(names: &[&str]) -> Vec<u8> {
    Code::naming(Layout::Eleven, names).build()
}

fn wrapped() -> Vec<u8> {
    let inner = crate::build::compressed::zlib(&code(&["subprocess", "Popen"]));
    Code {
        consts: vec![Const::None, Const::Bytes(inner)],
        ..Code::new(Layout::Eleven)
    }
    .build()
}

fn plain() -> String {
    legacy("Dense", r#"{"name": "dense", "units": 4}"#)
}

fn named(module: &str, name: &str) -> String {
    legacy(
        "Lambda",
        &format!(r#"{{"name": "own", "function": "{name}", "function_type": "function", "module": "{module}"}}"#),
    )
}

fn function(module: &str, name: &str) -> String {
    format!(r#"{{"module": "{module}", "class_name": "function", "config": "{name}", "registered_name": "function"}}"#)
}

fn lookup(vocabulary: &str) -> String {
    object(
        "keras.layers",
        "StringLookup",
        &format!(r#"{{"name": "words", "vocabulary": {vocabulary}}}"#),
    )
}

fn with_member(name: &str) -> Vec<u8> {
    Zip::of(vec![
        Entry::stored("metadata.json", br#"{"keras_version": "3.8.0"}"#),
        Entry::stored("config.json", model(&[dense()]).as_bytes()),
        Entry::stored(name, b"x"),
    ])
    .build()
}

fn float() -> Hdf5 {
    Hdf5::of(vec![("data".into(), Node::dataset(&[3, 4], weights(12)))])
}

fn storage(file: &str) -> Hdf5 {
    let layout = Place::External(vec![(file.into(), 48)]);
    Hdf5::of(vec![(
        "data".into(),
        Node::Dataset(Dataset {
            layout,
            ..Dataset::new(&[3, 4], Vec::new())
        }),
    )])
}

fn link(file: &str) -> Vec<u8> {
    let external = Node::External {
        file: file.into(),
        path: "/data".into(),
    };
    Hdf5 {
        version: 3,
        ..Hdf5::of(vec![("group".into(), Node::group(vec![("there".into(), external)]))])
    }
    .build()
}

fn sources(file: &str) -> Vec<u8> {
    let data = Dataset {
        layout: Place::Virtual(file.into()),
        ..Dataset::new(&[3, 4], Vec::new())
    };
    Hdf5 {
        version: 3,
        ..Hdf5::of(vec![("data".into(), Node::Dataset(data))])
    }
    .build()
}

fn chunks(content: &[u8]) -> Vec<u8> {
    let chunk = crate::build::compressed::zlib(content);
    let data = Dataset {
        layout: Place::FixedArray,
        filtered: true,
        opaque: true,
        ..Dataset::new(&[4, 3], [chunk.clone(), chunk].concat())
    };
    Hdf5 {
        version: 3,
        ..Hdf5::of(vec![("data".into(), Node::Dataset(data))])
    }
    .build()
}

fn attribute(pickle: Vec<u8>) -> Vec<u8> {
    Hdf5 {
        attributes: vec![("state".into(), Attribute::Opaque(pickle))],
        ..float()
    }
    .build()
}

fn freed(length: usize) -> Vec<u8> {
    let attributes = vec![("keras_version".into(), Attribute::Text("2.4.0".into()))];
    Hdf5 {
        attributes,
        freed: vec![0x41; length],
        ..float()
    }
    .build()
}

fn yaml(layer: &str) -> Vec<u8> {
    format!("backend: tensorflow\nclass_name: Sequential\nconfig:\n  layers:\n{layer}keras_version: 2.4.0\n")
        .into_bytes()
}

//! Keras configurations: objects as version 3 and the versions before write them, with Lambda layers, and the archives
//! and HDF5 files around them.

use super::hdf5::{Attribute, Hdf5, Node};
use super::zip::{Entry, Zip};

/// Base64, with padding.
pub fn base64(data: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut out = String::new();
    for chunk in data.chunks(3) {
        let byte = |i: usize| u32::from(chunk.get(i).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for i in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * i) & 63) as usize];
            out.push(if i <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    out
}

/// An object of version 3.
pub fn object(module: &str, class: &str, config: &str) -> String {
    format!(r#"{{"module": "{module}", "class_name": "{class}", "config": {config}, "registered_name": null}}"#)
}

/// An object of the versions before.
pub fn legacy(class: &str, config: &str) -> String {
    format!(r#"{{"class_name": "{class}", "config": {config}}}"#)
}

/// A model of version 3 with these layers.
pub fn model(layers: &[String]) -> String {
    let config = format!(r#"{{"name": "model", "layers": [{}]}}"#, layers.join(", "));
    object("keras", "Sequential", &config)
}

/// A model as the versions before write it.
pub fn legacy_model(layers: &[String]) -> String {
    let config = format!(r#"{{"name": "model", "layers": [{}]}}"#, layers.join(", "));
    format!(r#"{{"class_name": "Sequential", "config": {config}, "keras_version": "2.4.0", "backend": "tensorflow"}}"#)
}

/// A plain layer of version 3.
pub fn dense() -> String {
    object(
        "keras.layers",
        "Dense",
        r#"{"name": "dense", "units": 4, "activation": "relu"}"#,
    )
}

/// A Lambda layer of version 3 around marshalled code.
pub fn lambda(code: &[u8]) -> String {
    let code = base64(code);
    let function = format!(
        r#"{{"class_name": "__lambda__", "config": {{"code": "{code}\n", "defaults": null, "closure": null}}}}"#
    );
    object(
        "keras.layers",
        "Lambda",
        &format!(r#"{{"name": "lambda", "function": {function}, "arguments": {{}}}}"#),
    )
}

/// A Lambda layer as the versions before write it.
pub fn legacy_lambda(code: &[u8]) -> String {
    let code = base64(code);
    legacy(
        "Lambda",
        &format!(
            r#"{{"name": "lambda", "function": ["{code}\n", null, null], "function_type": "lambda", "module": "__main__"}}"#
        ),
    )
}

/// A `.keras` archive.
pub fn archive(config: &str) -> Vec<u8> {
    Zip::of(vec![
        Entry::stored(
            "metadata.json",
            br#"{"keras_version": "3.8.0", "date_saved": "2025-01-01"}"#,
        ),
        Entry::stored("config.json", config.as_bytes()),
        Entry::stored("model.weights.h5", &weights().build()),
    ])
    .build()
}

/// An HDF5 model.
pub fn hdf5(config: &str) -> Hdf5 {
    let mut file = weights();
    file.attributes = vec![
        ("keras_version".into(), Attribute::Text("2.4.0".into())),
        ("model_config".into(), Attribute::HeapText(config.into())),
    ];
    file
}

/// The weights of one layer.
pub fn weights() -> Hdf5 {
    let kernel = Node::dataset(&[3, 4], super::safetensors::weights(12));
    Hdf5::of(vec![(
        "layers".into(),
        Node::group(vec![(
            "dense".into(),
            Node::group(vec![("vars".into(), Node::group(vec![("0".into(), kernel)]))]),
        )]),
    )])
}

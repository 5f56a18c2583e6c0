//! TensorFlow: each of the messages, every finding with its near-miss, truncation, single-byte changes.

use super::TensorFlow;
use crate::fact::Fact;
use crate::finding::code;
use crate::format::proto::tests::{check_clean, check_laws, found, identified, map, scan};
use crate::format::{Parse, fuzz};
use crate::walk::protobuf::tests::is_boundary;
use probity_tests::build::protobuf::Proto;
use probity_tests::build::tensorflow::{
    attribute, constant_of, function, graph, keras_metadata, meta_graph, node, nodes, saved_model,
};
use proptest::prelude::*;

fn with(more: Proto) -> Proto {
    let mut nodes = nodes();
    nodes.push(more);
    graph(&nodes)
}

#[test]
fn each_kind_of_file_claims_every_byte() {
    let plain = graph(&nodes());
    let out = check_clean(&TensorFlow, &plain.0);
    assert_eq!(
        map(&out),
        "0 30 table node x (Placeholder)\n\
         30 51 table node w (Const)\n\
         81 48 tensor elements of w\n\
         129 25 table node y (MatMul)\n\
         154 5 table model\n"
    );
    let tensor = out.facts().iter().find(|f| matches!(f, Fact::Tensor { .. })).unwrap();
    let Fact::Tensor {
        name,
        dtype,
        shape,
        span,
    } = tensor
    else {
        unreachable!()
    };
    assert_eq!(
        (&**name, &**dtype, shape.as_slice(), span.len()),
        ("w", "DT_FLOAT", &[4, 3][..], 48)
    );
    check_clean(&TensorFlow, &meta_graph(&plain, &["vocab.txt"]).0);
    check_clean(&TensorFlow, &saved_model(&meta_graph(&plain, &[])).0);
    let json = r#"{"class_name": "Dense", "config": {"name": "dense", "trainable": true, "units": 12}}"#;
    check_clean(&TensorFlow, &keras_metadata(json).0);
}

#[test]
fn a_saved_model_of_one_node_is_recognised() {
    let bytes = |name: &str| saved_model(&Proto::new().message(2, &graph(&[node("x", name)]))).0;
    assert!(identified(&TensorFlow, &bytes("ReadFile")).is_some());
    assert!(identified(&TensorFlow, &bytes("not an operator")).is_none());
}

#[test]
fn no_cut_is_silent_and_no_change_panics() {
    let bytes = graph(&nodes()).0;
    check_laws(&TensorFlow, &bytes, |end| end == 0 || is_boundary(&bytes, end));
    let bytes = saved_model(&meta_graph(&graph(&nodes()), &["a"])).0;
    check_laws(&TensorFlow, &bytes, |end| end == 0 || is_boundary(&bytes, end));
}

#[test]
fn what_is_no_graph_is_not_taken_for_one() {
    for (what, bytes) in [
        ("nothing", vec![]),
        (
            "text",
            b"node { name: 'x' op: 'Placeholder' } and some more prose behind it".to_vec(),
        ),
        (
            "one bare node",
            Proto::new().message(1, &Proto::new().text(1, "x").text(2, "Op")).0,
        ),
        ("zeros", vec![0; 100]),
    ] {
        assert_eq!(identified(&TensorFlow, &bytes), None, "{what}");
    }
    let odd = graph(&nodes()).bytes(99, b"unknown");
    assert!(
        identified(&TensorFlow, &odd.0).is_some(),
        "an unknown field hides no graph"
    );
}

#[test]
fn operators_that_reach_outside_are_told_wherever_they_stand() {
    let check = |operator: &str, expected: &[&str]| {
        assert_eq!(scan(&with(node("n", operator)).0).2, expected, "{operator}");
    };
    check("Relu", &[]);
    check("ReadFile", &["unsafe-operator read"]);
    check("WriteFile", &["unsafe-operator write"]);
    check("PyFunc", &["unsafe-operator code"]);
    check("EagerPyFunc", &["unsafe-operator code"]);
    check("DebugIdentityV2", &["unsafe-operator network"]);
    check("SaveV2", &["custom-operator inventory"]);
    check("Addons>Image", &["custom-operator custom"]);
    let library = Proto::new().message(1, &function("f", &[node("inner", "MatchingFiles")]));
    assert_eq!(
        scan(&graph(&nodes()).message(2, &library).0).2,
        ["unsafe-operator read"]
    );
    let deep = saved_model(&meta_graph(&with(node("n", "WriteFile")), &[]));
    assert_eq!(scan(&deep.0).2, ["unsafe-operator write"]);
}

#[test]
fn what_is_printed_to_a_file_is_written() {
    let print = |stream: &str| {
        let value = Proto::new().text(2, stream);
        scan(&with(attribute(node("p", "PrintV2"), "output_stream", &value)).0).2
    };
    assert_eq!(print("stderr"), ["custom-operator inventory"]);
    assert_eq!(print("file:///data/x"), ["unsafe-operator write"]);
}

#[test]
fn assets_stay_beside_the_graph() {
    let check = |name: &str, expected: &[&str]| {
        assert_eq!(
            scan(&saved_model(&meta_graph(&graph(&nodes()), &[name])).0).2,
            expected,
            "{name}"
        );
    };
    check("vocab.txt", &[]);
    check("../vocab.txt", &["path-traversal -"]);
    check("/data/vocab.txt", &["path-traversal absolute"]);
}

#[test]
fn constants_are_held_against_their_bytes() {
    let check = |dims: &[u64], length: usize, expected: &[(&str, &str)]| {
        let out = Parse::of_bytes(&TensorFlow, &with(constant_of("c", dims, &vec![0; length])).0);
        assert_eq!(found(&out), expected, "{dims:?} {length}");
    };
    check(&[2, 2], 16, &[]);
    check(&[2, 3], 16, &[(code::MALFORMED, "crash")]);
    check(&[2], 16, &[(code::MALFORMED, "-")]);
    check(&[u64::MAX], 16, &[(code::MALFORMED, "crash")]);
    check(&[1 << 40, 1 << 40], 16, &[(code::MALFORMED, "crash")]);
}

#[test]
fn the_json_of_keras_objects_is_an_artifact_of_its_own() {
    let json = r#"{"class_name": "Lambda", "config": {"name": "l", "function": {"items": ["4wEAAAA", null]}}}"#;
    let out = Parse::of_bytes(&TensorFlow, &keras_metadata(json).0);
    assert_eq!(out.children().len(), 1);
    assert_eq!(scan(&keras_metadata(json).0).1, 0);
}

proptest! {
    #[test]
    fn any_bytes_behind_a_node_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz("tensorflow", &[&graph(&nodes()).0[..], &bytes].concat());
        prop_assert!(identified(&TensorFlow, &bytes).is_none());
    }
}

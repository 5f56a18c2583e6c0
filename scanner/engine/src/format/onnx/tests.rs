//! ONNX: region map, every finding with its near-miss, truncation, single-byte changes, what is none.

#![expect(clippy::as_conversions, reason = "lengths of buffers in memory")]

use super::Onnx;
use crate::fact::Fact;
use crate::finding::code;
use crate::format::proto::tests::{check_clean, check_laws, found, identified, map, scan};
use crate::format::{Parse, fuzz};
use crate::identify::Match;
use probity_tests::build::onnx::{self, entry, external, function, node, tensor};
use probity_tests::build::protobuf::Proto;
use proptest::prelude::*;

fn sample() -> onnx::Onnx {
    onnx::Onnx::new()
}

fn parse(model: &onnx::Onnx) -> Parse {
    Parse::of_bytes(&Onnx, &model.build())
}

#[test]
fn a_model_claims_every_byte() {
    let out = check_clean(&Onnx, &sample().build());
    assert_eq!(
        map(&out),
        "0 11 table model\n\
         11 3 table graph graph\n\
         14 23 table node first (MatMul)\n\
         37 21 table node second (Add)\n\
         58 7 table graph graph\n\
         65 13 table tensor w\n\
         78 48 tensor elements of w\n\
         126 12 table tensor b\n\
         138 12 tensor elements of b\n\
         150 34 table graph graph\n\
         184 25 table model\n"
    );
    let tensors: Vec<_> = out
        .facts()
        .iter()
        .filter(|f| matches!(f, Fact::Tensor { .. }))
        .collect();
    assert_eq!(tensors.len(), 2);
    let Fact::Tensor {
        name,
        dtype,
        shape,
        span,
    } = tensors[0]
    else {
        unreachable!()
    };
    assert_eq!(
        (&**name, &**dtype, shape.as_slice(), span.len()),
        ("w", "FLOAT", &[4, 3][..], 48)
    );
}

#[test]
fn no_cut_is_silent_and_no_change_panics() {
    let bytes = sample().build();
    // A message may end behind any of its fields: the outermost one's.
    let ends = [2, 11, 184, 190];
    check_laws(&Onnx, &bytes, |end| end == 0 || ends.contains(&end));
}

#[test]
fn a_model_is_recognised_by_its_structure() {
    let likely = Some(Match::LIKELY);
    let bytes = sample().build();
    assert_eq!(identified(&Onnx, &bytes), likely);
    let mut far = sample();
    far.initializers.push(tensor("large", &[200_000]));
    assert_eq!(
        identified(&Onnx, &far.build()),
        likely,
        "the opset import is in the tail"
    );
    let mut odd = sample();
    odd.more = Proto::new().bytes(99, b"unknown");
    assert_eq!(
        identified(&Onnx, &odd.build()),
        likely,
        "an unknown field hides no model"
    );
    for (what, bytes) in [
        ("nothing", vec![]),
        ("a version alone", Proto::new().number(1, 8).0),
        ("a graph alone", Proto::new().bytes(7, b"").0),
        (
            "another version",
            onnx::Onnx {
                ir_version: 9999,
                ..sample()
            }
            .build(),
        ),
        (
            "text",
            b"The quick brown fox jumps over the lazy dog, and then again.".to_vec(),
        ),
        (
            "a pickle",
            b"\x80\x04\x95\x10\0\0\0\0\0\0\0}\x94\x8c\x01a\x94K\x01s.".to_vec(),
        ),
        ("zeros", vec![0; 300]),
        (
            "another message",
            Proto::new()
                .number(1, 8)
                .text(2, "x")
                .text(3, "y")
                .message(9, &Proto::new().number(1, 2))
                .0,
        ),
    ] {
        assert_eq!(identified(&Onnx, &bytes), None, "{what}");
    }
}

#[test]
fn operators_that_reach_outside_are_told() {
    let check = |name: &str, domain: &str, expected: &[&str]| {
        let mut model = sample();
        model.nodes.push(node("third", name, domain));
        assert_eq!(scan(&model.build()).2, expected, "{domain}::{name}");
    };
    check("Relu", "", &[]);
    check("Gelu", "com.microsoft", &[]);
    check("Blur", "example.ops", &["custom-operator foreign"]);
    check("Blur", "mmdeploy", &["custom-operator custom"]);
    check("RunShell", "mmdeploy", &["unsafe-operator named"]);
    check("PyOp", "example.ops", &["unsafe-operator code"]);
    check("PythonOp", "com.microsoft", &["unsafe-operator code"]);
    check("OpenAIChat", "com.microsoft.extensions", &["unsafe-operator network"]);
    check("EPContext", "com.microsoft", &["custom-operator inventory"]);
}

#[test]
fn nodes_of_nested_graphs_are_read() {
    let graph = Proto::new().message(1, &node("inner", "PyOp", "x"));
    let attribute = Proto::new().text(1, "then_branch").message(6, &graph).number(20, 5);
    let mut model = sample();
    model.nodes.push(node("choice", "If", "").message(5, &attribute));
    assert_eq!(scan(&model.build()).2, ["unsafe-operator code"]);
    let mut model = sample();
    let training = Proto::new().message(1, &graph);
    model.more = Proto::new().message(20, &training);
    assert_eq!(scan(&model.build()).2, ["unsafe-operator code"]);
}

#[test]
fn functions_of_the_model_are_no_custom_operators_and_may_not_recur() {
    let with = |functions: Vec<Proto>| {
        let mut model = sample();
        model.nodes.push(node("call", "f", "own"));
        model.functions = functions;
        scan(&model.build()).2
    };
    assert_eq!(with(vec![function("f", "own", &[("Add", "")])]), [""; 0]);
    assert_eq!(
        with(vec![function("f", "other", &[("Add", "")])]),
        ["custom-operator foreign"]
    );
    assert_eq!(with(vec![function("f", "own", &[("f", "own")])]), ["malformed crash"]);
    let two =
        |last: (&'static str, &'static str)| vec![function("f", "own", &[("g", "own")]), function("g", "own", &[last])];
    assert_eq!(with(two(("Add", ""))), [""; 0]);
    assert_eq!(with(two(("f", "own"))), ["malformed crash"]);
    assert_eq!(
        with(vec![function("f", "own", &[]), function("f", "own", &[])]),
        ["duplicate-key -"]
    );
    // Each of thirty functions calls the next twice.
    let names: Vec<String> = (0..=30).map(|n| format!("f{n}")).collect();
    let calls = |n: usize| [(names[n + 1].as_str(), "own"); 2];
    let doubling: Vec<Proto> = (0..30).map(|n| function(&names[n], "own", &calls(n))).collect();
    let mut model = sample();
    model.functions = doubling;
    model.functions.push(function("f30", "own", &[("Add", "")]));
    let out = parse(&model);
    assert!(out.findings().iter().all(|f| f.case == Some("crash")) && !out.findings().is_empty());
}

#[test]
fn external_data_is_held_against_the_specification() {
    let check = |what: &str, entries: &[(&str, &str)], expected: &[&str]| {
        let mut model = sample();
        model.initializers.push(external("far", &[2, 2], entries));
        assert_eq!(scan(&model.build()).2, expected, "{what}");
    };
    let good = [("location", "weights.bin"), ("offset", "4096"), ("length", "16")];
    check("good", &good, &[]);
    check("checksum", &[good[0], good[1], good[2], ("checksum", "00")], &[]);
    check("in a directory", &[("location", "data/weights.bin")], &[]);
    check("above", &[("location", "../weights.bin")], &["path-traversal -"]);
    check("far above", &[("location", "a/../../x")], &["path-traversal -"]);
    check(
        "absolute",
        &[("location", "/data/passwords")],
        &["path-traversal absolute"],
    );
    check("a drive", &[("location", "C:\\data")], &["path-traversal absolute"]);
    check(
        "a URL",
        &[("location", "https://example.org/w")],
        &["path-traversal remote"],
    );
    check(
        "in memory",
        &[("location", "*/_ORT_MEM_ADDR_/*"), good[1], good[2]],
        &["malformed crash"],
    );
    check("no location", &good[1..], &["malformed -"]);
    check("empty location", &[("location", "")], &["malformed -"]);
    check(
        "a length that lies",
        &[good[0], good[1], ("length", "17")],
        &["malformed -"],
    );
    check("no number", &[good[0], ("offset", "0x10")], &["malformed -"]);
    check("negative", &[good[0], ("offset", "-1")], &["malformed -"]);
    check(
        "overflow",
        &[good[0], ("offset", "18446744073709551615"), good[2]],
        &["malformed -"],
    );
    check("a key twice", &[good[0], good[0]], &["duplicate-key -"]);
    check("another key", &[good[0], ("__class__", "x")], &["malformed -"]);
}

#[test]
fn tensors_are_held_against_their_bytes() {
    let check = |what: &str, tensor: Proto, expected: &[(&str, &str)]| {
        let mut model = sample();
        model.initializers.push(tensor);
        assert_eq!(found(&parse(&model)), expected, "{what}");
    };
    let crash = [(code::MALFORMED, "crash")];
    let float = |dims: &[u64]| Proto::new().packed(1, dims).number(2, 1).text(8, "t");
    check("good", float(&[2]).bytes(9, &[0; 8]), &[]);
    check("scalar", float(&[]).bytes(9, &[0; 4]), &[]);
    check("empty", float(&[0, 5]).bytes(9, &[]), &[]);
    check(
        "unpacked dimensions",
        Proto::new().number(1, 2).number(1, 1).number(2, 1).bytes(9, &[0; 8]),
        &[],
    );
    check(
        "four bits",
        Proto::new().packed(1, &[3]).number(2, 22).bytes(9, &[0; 2]),
        &[],
    );
    check("too short", float(&[3]).bytes(9, &[0; 8]), &crash);
    check("too long", float(&[1]).bytes(9, &[0; 8]), &[(code::MALFORMED, "-")]);
    check("typed", float(&[2]).bytes(4, &[0; 8]), &[]);
    check("typed, too short", float(&[3]).bytes(4, &[0; 8]), &crash);
    check("negative", float(&[u64::MAX]).bytes(9, &[]), &crash);
    check("overflow", float(&[1 << 40, 1 << 40]).bytes(9, &[]), &crash);
    check("no type", Proto::new().number(2, 200), &[(code::MALFORMED, "-")]);
    check("a name twice", tensor("w", &[1]), &[(code::DUPLICATE_KEY, "-")]);
}

#[test]
fn metadata_and_attributes_are_looked_into() {
    let mut model = sample();
    model.metadata.push(("author".into(), "again".into()));
    assert_eq!(found(&parse(&model)), [(code::DUPLICATE_KEY, "-")]);
    let program = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"[..],
        &[0; 5000],
    ]
    .concat();
    let attribute = Proto::new().text(1, "blob").bytes(4, &program).number(20, 3);
    let mut model = sample();
    model.nodes.push(node("n", "Constant", "").message(5, &attribute));
    assert!(
        scan(&model.build())
            .2
            .contains(&"embedded-executable hidden".to_owned())
    );
    let mut model = sample();
    model.more = Proto::new().message(14, &entry("k", "v")).bytes(77, &program);
    let codes = scan(&model.build()).2;
    assert!(codes.contains(&"unknown-field -".to_owned()) && codes.contains(&"embedded-executable hidden".to_owned()));
}

#[test]
fn a_comment_that_is_none_is_looked_into() {
    let program = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"[..],
        &[0; 70_000],
    ]
    .concat();
    let mut model = sample();
    model.nodes.push(node("n", "Add", "").bytes(6, &program));
    assert!(
        scan(&model.build())
            .2
            .contains(&"embedded-executable hidden".to_owned())
    );
    let mut model = sample();
    model
        .nodes
        .push(node("n", "Add", "").bytes(6, &b"prose, line after line\n".repeat(4000)));
    assert_eq!(scan(&model.build()).2, [""; 0]);
}

#[test]
fn bytes_behind_the_model_are_told() {
    let bytes = [sample().build(), vec![0; 40]].concat();
    let (format, unclaimed, codes) = scan(&bytes);
    assert_eq!((format, unclaimed), ("onnx", 40));
    assert_eq!(codes, ["trailing-bytes -", "malformed -"]);
}

#[test]
fn names_that_deceive_are_told() {
    let mut model = sample();
    model.nodes.push(node("evil\u{202e}", "Add", ""));
    assert_eq!(scan(&model.build()).2, ["escape-sequence-name bidi"]);
}

#[test]
fn a_large_model_is_read_by_its_structure_alone() {
    let mut model = sample();
    model.initializers = (0..2000).map(|n| tensor(&format!("t{n}"), &[1000])).collect();
    let bytes = model.build();
    let out = check_clean(&Onnx, &bytes);
    let elements: u64 = out
        .view()
        .leaves()
        .filter(|r| r.role.as_str() == "tensor")
        .map(|r| r.span.len())
        .sum();
    assert_eq!(elements, 2000 * 4000);
    assert!(bytes.len() as u64 - elements < 100_000);
}

proptest! {
    #[test]
    fn any_bytes_behind_a_version_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz("onnx", &[&[0x08, 0x08, 0x3a][..], &bytes].concat());
        prop_assert!(identified(&Onnx, &bytes).is_none());
    }
}

#[test]
fn a_model_behind_a_long_first_field_is_read_all_the_same() {
    let mut model = sample();
    model.nodes.push(node("third", "PyOp", "x"));
    for filler in [b'x', 0xff] {
        let long = |length: usize| Proto::new().bytes(6, &vec![filler; length]).0;
        let bytes = [long(200_000), model.build(), long(80_000)].concat();
        assert_eq!(identified(&Onnx, &bytes), None, "neither end shows it");
        let codes = scan(&bytes).2;
        assert!(codes.contains(&"unsafe-operator code".to_owned()), "{codes:?}");
    }
}

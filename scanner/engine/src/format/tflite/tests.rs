//! TensorFlow Lite: region map, every finding with its near-miss, truncation, single-byte changes.

#![expect(clippy::as_conversions, reason = "lengths of buffers in memory")]

use super::Tflite;
use crate::fact::Fact;
use crate::finding::code;
use crate::format::proto::tests::{check_clean, check_laws, found, identified, map, scan};
use crate::format::{Parse, fuzz};
use crate::identify::Match;
use probity_tests::build::tflite::{self, Code};
use probity_tests::build::zip;
use proptest::prelude::*;

fn sample() -> tflite::Tflite {
    tflite::Tflite::new()
}

fn parse(model: &tflite::Tflite) -> Parse {
    Parse::of_bytes(&Tflite, &model.build())
}

#[test]
fn a_model_claims_every_byte() {
    let out = check_clean(&Tflite, &sample().build());
    let map = map(&out);
    for line in [
        "0 8 header header Model\n",
        " 48 tensor tensor w\n",
        " 16 payload metadata min_runtime_version\n",
    ] {
        assert!(map.contains(line), "{line} in {map}");
    }
    let tensors: Vec<_> = out
        .facts()
        .iter()
        .filter(|f| matches!(f, Fact::Tensor { .. }))
        .collect();
    assert_eq!(tensors.len(), 1);
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
        ("w", "FLOAT32", &[4, 3][..], 48)
    );
}

#[test]
fn no_cut_is_silent_and_no_change_panics() {
    check_laws(&Tflite, &sample().build(), |end| end == 0);
}

#[test]
fn a_model_is_recognised_by_identifier_and_root_table() {
    let bytes = sample().build();
    assert_eq!(identified(&Tflite, &bytes), Some(Match::CERTAIN));
    let mut broken = bytes.clone();
    broken[..4].fill(0xff);
    assert_eq!(identified(&Tflite, &broken), Some(Match::LIKELY));
    let mut other = bytes;
    other[4..8].copy_from_slice(b"TFL9");
    assert_eq!(identified(&Tflite, &other), None);
}

#[test]
fn custom_operators_are_inventory_and_flex_ones_are_what_they_stand_for() {
    let check = |name: &str, expected: &[&str]| {
        let mut model = sample();
        model.codes.push(Code::Custom(name.into()));
        assert_eq!(scan(&model.build()).2, expected, "{name}");
    };
    check("MaxPoolingWithArgmax2D", &["custom-operator custom"]);
    check("FlexErf", &["custom-operator custom"]);
    check("FlexReadFile", &["unsafe-operator read", "custom-operator custom"]);
    check("FlexWriteFile", &["unsafe-operator write", "custom-operator custom"]);
    check("FlexPyFunc", &["unsafe-operator code", "custom-operator custom"]);
    check("ReadFile", &["custom-operator foreign"]);
}

#[test]
fn tensors_are_held_against_their_buffers() {
    let check = |what: &str, shape: &[i32], length: usize, expected: &[(&str, &str)]| {
        let mut model = sample();
        model.shape = shape.to_vec();
        model.data = vec![0; length];
        assert_eq!(found(&parse(&model)), expected, "{what}");
    };
    check("good", &[2, 2], 16, &[]);
    check("no data", &[2, 2], 0, &[]);
    check("too short", &[2, 3], 16, &[(code::MALFORMED, "crash")]);
    check("too long", &[2, 1], 16, &[(code::MALFORMED, "-")]);
    check("negative", &[-1], 16, &[(code::MALFORMED, "crash")]);
    check(
        "overflow",
        &[i32::MAX, i32::MAX, i32::MAX],
        16,
        &[(code::MALFORMED, "crash")],
    );
}

#[test]
fn buffers_may_lie_behind_the_model() {
    let mut model = sample();
    model.outside = Some((0, 0));
    let length = model.build().len() as u64;
    model.outside = Some((length, 32));
    model.trailing = vec![5; 32];
    // No tensor names it: its bytes belong to nobody.
    assert_eq!(scan(&model.build()).1, 32);
    model.outside = Some((length, 33));
    assert!(found(&parse(&model)).contains(&(code::MALFORMED, "crash")));
}

#[test]
fn associated_files_are_an_archive_behind_the_model() {
    let mut model = sample();
    model.trailing = zip::small();
    let (format, unclaimed, codes) = scan(&model.build());
    assert_eq!(
        (format, unclaimed, codes.as_slice()),
        ("tflite", 0, &[][..] as &[String])
    );
    model.trailing = [&b"PK\x05\x06"[..], &[0; 18]].concat();
    assert_eq!(scan(&model.build()).2, [""; 0], "an archive without members");
    model.trailing = vec![7; 40];
    assert_eq!(scan(&model.build()).2, ["trailing-bytes -"]);
}

#[test]
fn models_may_be_packed_one_behind_the_other() {
    let mut model = sample();
    model.trailing = sample().build();
    assert_eq!(scan(&model.build()).2, [""; 0]);
    model.trailing = [b"labels of the first model\n".to_vec(), sample().build()].concat();
    assert_eq!(scan(&model.build()).2, ["trailing-bytes packed"]);
    let program = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"[..],
        &[0; 200],
    ]
    .concat();
    model.trailing = [program, sample().build()].concat();
    assert!(
        scan(&model.build())
            .2
            .contains(&"embedded-executable hidden".to_owned())
    );
}

#[test]
fn a_buffer_that_no_tensor_names_is_looked_into() {
    let program = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"[..],
        &[0; 200],
    ]
    .concat();
    let mut model = sample();
    model.unnamed = Some(program);
    assert!(
        scan(&model.build())
            .2
            .contains(&"embedded-executable hidden".to_owned())
    );
    model.unnamed = Some(vec![7; 200]);
    assert_eq!(scan(&model.build()).2, [""; 0]);
}

#[test]
fn what_metadata_holds_is_looked_into() {
    let mut model = sample();
    let program = [
        &b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x02\0\x3e\0\x01\0\0\0"[..],
        &[0; 200],
    ]
    .concat();
    model.metadata.push(("notes".into(), program));
    assert!(
        scan(&model.build())
            .2
            .contains(&"embedded-executable hidden".to_owned())
    );
}

proptest! {
    #[test]
    fn any_bytes_behind_the_identifier_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        fuzz("tflite", &[&[16, 0, 0, 0][..], b"TFL3", &bytes].concat());
    }
}

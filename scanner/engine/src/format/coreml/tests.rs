//! Core ML, SentencePiece and Caffe: region maps, findings with their near-misses, truncation, changes.

use super::CoreMl;
use crate::fact::Fact;
use crate::format::caffe::Caffe;
use crate::format::proto::tests::{check_clean, check_laws, identified, map, scan};
use crate::format::sentencepiece::SentencePiece;
use crate::format::{Format, fuzz};
use crate::walk::protobuf::tests::is_boundary;
use probity_tests::build::graphs::{caffe, coreml, coreml_custom_layer, coreml_network, coreml_program, sentencepiece};
use probity_tests::build::protobuf::Proto;
use proptest::prelude::*;

#[test]
fn a_network_claims_every_byte() {
    let out = check_clean(&CoreMl, &coreml_network(&[]).0);
    assert_eq!(
        map(&out),
        "0 39 table model\n39 25 table layer dense\n64 48 tensor weights of dense\n"
    );
    assert_eq!(
        out.facts().iter().filter(|f| matches!(f, Fact::Tensor { .. })).count(),
        1
    );
    check_clean(&CoreMl, &coreml_program("const", "@model_path/weights/weight.bin").0);
    let pipeline = coreml(202, &Proto::new().message(1, &coreml_network(&[])));
    check_clean(&CoreMl, &pipeline.0);
    check_clean(&CoreMl, &coreml(302, &Proto::new().bytes(1, &[1; 300])).0);
}

#[test]
fn classes_of_the_application_are_told_and_other_files_stay_inside() {
    let inventory = ["custom-operator application"];
    assert_eq!(scan(&coreml_network(&[coreml_custom_layer("Own")]).0).2, inventory);
    assert_eq!(scan(&coreml(555, &Proto::new().text(10, "Own")).0).2, inventory);
    let program = |file: &str| scan(&coreml_program("const", file).0).2;
    assert_eq!(program("@model_path/weights/../x"), [""; 0]);
    assert_eq!(program("@model_path/../x"), ["path-traversal -"]);
    assert_eq!(program("/data/x"), ["path-traversal absolute"]);
    let linked = |name: &str| {
        let file = Proto::new().message(1, &Proto::new().text(1, name));
        scan(&coreml(556, &Proto::new().message(1, &file)).0).2
    };
    assert_eq!(linked("other.mlmodelc"), [""; 0]);
    assert_eq!(linked("/data/other.mlmodelc"), ["path-traversal absolute"]);
}

#[test]
fn a_vocabulary_claims_every_byte() {
    let pieces = ["<unk>", "<s>", "</s>", "\u{2581}the", "a"];
    let out = check_clean(&SentencePiece, &sentencepiece(&pieces).0);
    assert_eq!(
        map(&out),
        "0 70 table pieces\n70 6 table trainer_spec\n76 14 table normalizer_spec\n90 40 data precompiled_charsmap\n"
    );
    assert_eq!(identified(&SentencePiece, &sentencepiece(&pieces[..2]).0), None);
}

#[test]
fn a_caffe_network_claims_every_byte_and_its_python_layers_are_told() {
    let out = check_clean(&Caffe, &caffe(&[("relu", "ReLU")]).0);
    assert_eq!(
        map(&out),
        "0 5 table network\n5 45 table layer dense (InnerProduct)\n50 48 tensor blob of dense\n98 25 table layer relu (ReLU)\n"
    );
    assert_eq!(scan(&caffe(&[("p", "Python")]).0).2, ["unsafe-operator code"]);
    assert_eq!(scan(&caffe(&[("d", "HDF5Output")]).0).2, ["unsafe-operator write"]);
}

#[test]
fn no_cut_is_silent_and_no_change_panics() {
    let samples: [(&dyn Format, Vec<u8>); 4] = [
        (&CoreMl, coreml_network(&[coreml_custom_layer("Own")]).0),
        (&CoreMl, coreml_program("const", "@model_path/w").0),
        (&SentencePiece, sentencepiece(&["<unk>", "<s>", "</s>", "a"]).0),
        (&Caffe, caffe(&[("p", "Python")]).0),
    ];
    for (format, bytes) in samples {
        check_laws(format, &bytes, |end| end == 0 || is_boundary(&bytes, end));
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived_and_are_none_of_these(bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let formats: [&dyn Format; 3] = [&CoreMl, &SentencePiece, &Caffe];
        for format in formats {
            fuzz(format.id(), &bytes);
            prop_assert!(identified(format, &bytes).is_none());
        }
    }
}

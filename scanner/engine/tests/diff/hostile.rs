//! Models that lie: every one is named, none ends the comparison.

use crate::common::{all, files, trees};
use probity_engine::diff::{Comparison, TensorKind};
use probity_tests::build::pairs::Model;
use probity_tests::build::safetensors::{SafeTensors, Tensor};
use probity_tests::build::{gguf, safetensors};

fn file(tensors: Vec<Tensor>) -> Vec<u8> {
    SafeTensors {
        tensors,
        align: 8,
        ..SafeTensors::default()
    }
    .build()
}

fn kinds(diff: &Comparison) -> Vec<(TensorKind, String)> {
    let changes = diff.model.iter().flat_map(|m| &m.changes);
    changes.map(|c| (c.kind, c.note.clone().unwrap_or_default())).collect()
}

#[test]
fn empty_and_scalar_tensors_are_compared() {
    let model = |x: f32| {
        file(vec![
            Tensor::new("empty", "F32", &[0, 4], vec![]),
            Tensor::new("scalar", "F32", &[], x.to_le_bytes().to_vec()),
        ])
    };
    let diff = files(&model(1.0), &model(2.0));
    let model = diff.model.as_ref().unwrap();
    assert_eq!((model.compared, model.identical), (2, 1));
    assert_eq!((model.changes[0].norm, model.changes[0].relative), (1.0, Some(1.0)));
    assert!(model.changes[0].rank.is_none());
}

#[test]
fn values_that_are_no_numbers_are_counted_and_hide_nothing() {
    let base = Model::new(2);
    let mut bad = base.clone().low_rank("layers.1.mlp.down_proj", 1, 0.4);
    for (n, x) in [(5, f32::NAN), (900, f32::INFINITY)] {
        bad.named("layers.1.mlp.down_proj").next().unwrap().values[n] = x;
    }
    let diff = files(&base.safetensors("F32"), &bad.safetensors("F32"));
    let change = &diff.model.as_ref().unwrap().changes[0];
    assert_eq!(change.nonfinite, 2);
    assert!(change.norm.is_finite() && change.relative.unwrap() < 1.0);
    assert!(all(&diff).contains(&"diff-tensor nonfinite".to_owned()));
}

#[test]
fn a_file_cut_in_a_tensor_is_incomplete_and_says_so() {
    let whole = Model::new(2).safetensors("F32");
    let diff = files(&whole, &whole[..whole.len() - 5000]);
    assert!(!diff.complete || diff.verdict == probity_engine::artifact::Verdict::Findings);
    assert!(
        kinds(&diff)
            .iter()
            .any(|(kind, note)| *kind == TensorKind::Unread && note.contains("bytes")),
        "{:?}",
        kinds(&diff)
    );
    assert!(all(&diff).contains(&"truncated ".to_owned()), "{:?}", all(&diff));
    let quantised = Model::new(2).gguf();
    // In the middle of a block of 34 bytes.
    let diff = files(&Model::new(2).safetensors("F32"), &quantised[..quantised.len() - 500]);
    assert!(
        kinds(&diff).iter().any(|(kind, _)| *kind == TensorKind::Unread),
        "{:?}",
        kinds(&diff)
    );
}

#[test]
fn shapes_that_overflow_and_tensors_that_overlap_are_named() {
    let base = file(vec![
        Tensor::new("a", "F32", &[4, 4], safetensors::weights(16)),
        Tensor::new("b", "F32", &[4, 4], safetensors::weights(16)),
    ]);
    let header = br#"{"a":{"dtype":"F32","shape":[4294967296,4294967296,4],"data_offsets":[0,64]},"b":{"dtype":"F32","shape":[4,4],"data_offsets":[64,128]}}"#;
    let lying = SafeTensors {
        header: Some(header.to_vec()),
        tensors: vec![Tensor::new("a", "F32", &[32], safetensors::weights(32))],
        align: 8,
        ..SafeTensors::default()
    };
    let diff = files(&base, &lying.build());
    assert!(all(&diff).contains(&"malformed crash".to_owned()), "{:?}", all(&diff));
    let mut second = Tensor::new("b", "F32", &[4, 4], safetensors::weights(16));
    second.overlap = 32;
    let overlapping = file(vec![Tensor::new("a", "F32", &[4, 4], safetensors::weights(16)), second]);
    let diff = files(&base, &overlapping);
    assert!(
        all(&diff).iter().any(|t| t.starts_with("overlapping-regions")),
        "{:?}",
        all(&diff)
    );
}

#[test]
fn an_index_that_names_itself_ends() {
    let model = Model::new(1);
    let index = |weight: &str| format!(r#"{{"metadata":{{}},"weight_map":{{"a":"{weight}"}}}}"#).into_bytes();
    let old = [("model.safetensors", model.safetensors("F32"))];
    let new = [
        ("model.safetensors", model.safetensors("F32")),
        ("model.safetensors.index.json", index("model.safetensors.index.json")),
        (
            "x/model.safetensors.index.json",
            index("../model.safetensors.index.json"),
        ),
    ];
    let diff = trees(&old, &new);
    assert!(
        all(&diff)
            .iter()
            .any(|t| t.starts_with("shard-index") || t.starts_with("path-traversal")),
        "{:?}",
        all(&diff)
    );
}

#[test]
fn many_tensors_are_compared_in_order_of_their_number() {
    let (old, mut new) = (safetensors::many(60_000), safetensors::many(60_000));
    let last = new.len() - 1;
    new[last] ^= 0x40;
    let diff = files(&old, &new);
    let model = diff.model.unwrap();
    assert_eq!(
        (model.compared, model.identical, model.changes.len()),
        (60_000, 59_999, 1)
    );
}

#[test]
fn every_truncation_and_every_byte_of_a_small_pair_is_survived() {
    let base = safetensors::small();
    for cut in (0..base.len()).step_by(7) {
        let diff = files(&base, &base[..cut]);
        assert!(!diff.identical, "{cut}");
    }
    let quantised = gguf::small();
    for at in (0..quantised.len()).step_by(11) {
        let mut bad = quantised.clone();
        bad[at] ^= 0x80;
        assert!(!files(&quantised, &bad).identical, "{at}");
    }
}

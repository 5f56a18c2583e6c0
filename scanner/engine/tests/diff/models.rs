//! What became of a model: each of the ways a model is changed looks like itself and like no other.

use crate::common::{all, files, told, trees};
use probity_engine::artifact::Verdict;
use probity_engine::diff::{Comparison, TensorKind};
use probity_tests::build::npy::Npy;
use probity_tests::build::pairs::{Model, Weights};
use probity_tests::build::safetensors::{SafeTensors, Tensor};
use probity_tests::build::zip::{Entry, Zip};

fn looks(diff: &Comparison) -> &str {
    diff.model.as_ref().map_or("no model", |m| m.looks)
}

fn against(new: &[u8], layers: usize) -> Comparison {
    files(&Model::new(layers).safetensors("F32"), new)
}

#[test]
fn equal_models_are_identical_and_nothing_is_told() {
    let diff = against(&Model::new(2).safetensors("F32"), 2);
    assert!(diff.identical && diff.complete && diff.changes.is_empty());
    assert_eq!((looks(&diff), diff.verdict), ("identical", Verdict::Clean));
    let model = diff.model.unwrap();
    assert_eq!((model.compared, model.identical), (11, 11));
}

#[test]
fn a_rank_one_edit_of_one_down_proj_among_32_layers_is_found() {
    let edited = Model::new(32).low_rank("layers.17.mlp.down_proj", 1, 0.3);
    let diff = against(&edited.safetensors("F32"), 32);
    assert_eq!((looks(&diff), diff.verdict), ("edited", Verdict::Findings));
    assert_eq!(told(&diff), ["tensor-low-rank-edit mlp"]);
    let model = diff.model.unwrap();
    assert_eq!((model.compared, model.identical), (161, 160));
    let [change] = model.changes.as_slice() else {
        panic!("one change: {:?}", model.changes)
    };
    assert_eq!(change.name, "model.layers.17.mlp.down_proj.weight");
    assert_eq!((change.kind, change.changed), (TensorKind::LowRank, change.elements));
    let rank = change.rank.as_ref().unwrap();
    assert_eq!(rank.effective, Some(1));
    assert!(rank.first > 0.999, "{rank:?}");
    assert!((0.2..0.4).contains(&change.relative.unwrap()), "{:?}", change.relative);
}

#[test]
fn an_edit_shows_through_a_fine_tune_and_a_cast() {
    let edited = Model::new(16)
        .noise("proj", 0.01)
        .low_rank("layers.3.mlp.down_proj", 1, 0.5);
    let diff = against(&edited.safetensors("F32"), 16);
    assert!(
        told(&diff).contains(&"tensor-low-rank-edit mlp".to_owned()),
        "{:?}",
        told(&diff)
    );
    let edited = Model::new(16).low_rank("layers.3.mlp.down_proj", 1, 0.5);
    let diff = against(&edited.safetensors("BF16"), 16);
    assert_eq!(looks(&diff), "edited");
    assert!(
        told(&diff).contains(&"tensor-low-rank-edit mlp".to_owned()),
        "{:?}",
        told(&diff)
    );
}

#[test]
fn an_edit_spread_over_a_few_layers_is_one_and_attention_is_less() {
    let mut edited = Model::new(32);
    for layer in [4, 5, 6] {
        edited = edited.low_rank(&format!("layers.{layer}.mlp.down_proj"), 1, 0.2);
    }
    assert_eq!(
        told(&against(&edited.safetensors("F32"), 32)),
        ["tensor-low-rank-edit mlp"]
    );
    let edited = Model::new(8).low_rank("layers.2.self_attn.v_proj", 1, 0.2);
    assert_eq!(
        told(&against(&edited.safetensors("F32"), 8)),
        ["tensor-low-rank-edit elsewhere"]
    );
}

#[test]
fn merged_adapters_are_no_edit() {
    for part in ["self_attn", "mlp.down_proj"] {
        let merged = Model::new(8).low_rank(part, 8, 0.05);
        let diff = against(&merged.safetensors("F32"), 8);
        assert_eq!(
            (looks(&diff), told(&diff).len()),
            ("lora-merged", 0),
            "{part}: {:?}",
            all(&diff)
        );
        let model = diff.model.unwrap();
        for change in &model.changes {
            let rank = change.rank.as_ref().unwrap().effective.unwrap();
            assert!((5..=8).contains(&rank), "{}: {rank}", change.name);
        }
    }
    // Rank one everywhere is an adapter too.
    let merged = Model::new(8).low_rank("mlp", 1, 0.05);
    let diff = against(&merged.safetensors("F32"), 8);
    assert_eq!(
        (looks(&diff), told(&diff).len()),
        ("lora-merged", 0),
        "{:?}",
        all(&diff)
    );
}

#[test]
fn a_fine_tune_is_no_edit_and_other_weights_are_others() {
    let tuned = Model::new(4).noise("", 0.02);
    let diff = against(&tuned.safetensors("F32"), 4);
    assert_eq!((looks(&diff), told(&diff).len()), ("fine-tuned", 0), "{:?}", all(&diff));
    // Of one tensor alone as well.
    let tuned = Model::new(8).noise("layers.5.mlp.down_proj", 0.02);
    assert_eq!(looks(&against(&tuned.safetensors("F32"), 8)), "fine-tuned");
    let other = Model::new(4).noise("", 3.0);
    assert_eq!(looks(&against(&other.safetensors("F32"), 4)), "other-weights");
}

#[test]
fn a_change_of_the_lowest_bits_of_one_tensor_is_found() {
    for (dtype, bits) in [("F32", 1), ("F32", 8)] {
        let hidden = Model::new(8).low_bits("layers.2.mlp.up_proj", bits);
        let diff = against(&hidden.safetensors(dtype), 8);
        assert_eq!(
            (looks(&diff), told(&diff)),
            ("low-bits", vec!["tensor-low-bits-change some".to_owned()])
        );
        let model = diff.model.unwrap();
        let [change] = model.changes.as_slice() else {
            panic!("one change")
        };
        assert_eq!((change.kind, change.low_bits), (TensorKind::LowBits, Some(bits)));
    }
    // Nine bits of 23 are a change of values.
    let more = Model::new(8).low_bits("layers.2.mlp.up_proj", 12);
    assert_eq!(looks(&against(&more.safetensors("F32"), 8)), "fine-tuned");
    // In every tensor: another library's rounding, or noise.
    let everywhere = Model::new(8).low_bits("", 2);
    let diff = against(&everywhere.safetensors("F32"), 8);
    assert_eq!(
        (looks(&diff), told(&diff)),
        ("low-bits", vec!["tensor-low-bits-change everywhere".to_owned()])
    );
}

#[test]
fn casts_and_quantised_copies_are_copies() {
    for dtype in ["F16", "BF16"] {
        let diff = against(&Model::new(3).safetensors(dtype), 3);
        assert_eq!(
            (looks(&diff), told(&diff).len()),
            ("cast", 0),
            "{dtype}: {:?}",
            diff.model
        );
    }
    let base = Model::new(3);
    let diff = files(&base.safetensors("F32"), &base.gguf());
    let model = diff.model.as_ref().unwrap();
    assert_eq!(
        (model.compared, looks(&diff)),
        (16, "re-quantised"),
        "{}",
        model.summary
    );
    assert!(model.added.is_empty() && model.removed.is_empty());
    assert!(
        !told(&diff)
            .iter()
            .any(|t| t.starts_with("tensor-") || t == "diff-tensor outlier"),
        "{:?}",
        told(&diff)
    );
}

#[test]
fn a_tensor_that_a_conversion_does_not_explain_stands_out() {
    let copy = Model::new(8).noise("layers.3.self_attn.v_proj", 0.3);
    let diff = files(&Model::new(8).safetensors("F32"), &copy.gguf());
    assert!(
        told(&diff).contains(&"diff-tensor outlier".to_owned()),
        "{:?}",
        told(&diff)
    );
}

#[test]
fn directories_of_shards_and_single_files_are_the_same_model() {
    let model = Model::new(4);
    let shards = |m: &Model| {
        vec![
            ("model-00001-of-00002.safetensors", m.shard("F32", |n| n % 2 == 0)),
            ("model-00002-of-00002.safetensors", m.shard("F32", |n| n % 2 == 1)),
        ]
    };
    let diff = trees(&shards(&model), &[("model.safetensors", model.safetensors("F32"))]);
    assert_eq!(looks(&diff), "identical");
    assert_eq!(diff.model.unwrap().compared, 21);
    let edited = model.clone().low_rank("layers.1.mlp.down_proj", 1, 0.3);
    let diff = trees(&shards(&model), &shards(&edited));
    assert_eq!(told(&diff), ["tensor-low-rank-edit mlp"]);
}

#[test]
fn added_removed_renamed_reshaped_and_retyped_are_told_apart() {
    let base = Model::new(2);
    let mut new = base.clone();
    new.tensors.remove(1);
    new.tensors[0].name = "something.else".to_owned();
    let last = new.tensors.len() - 1;
    new.tensors[last].shape = vec![12, 8];
    let mut extra = new.tensors[1].clone();
    extra.name = "extra.weight".to_owned();
    extra.values.reverse();
    new.tensors.push(extra);
    new.tensors[2].shape = vec![80, 96];
    new.tensors[2].values.truncate(80 * 96);
    let diff = files(&base.safetensors("F32"), &new.safetensors("F32"));
    let model = diff.model.unwrap();
    let kinds: Vec<(&str, u64)> = model.kinds.iter().map(|(k, n)| (*k, *n)).collect();
    assert_eq!(kinds, [("renamed", 1), ("reshaped", 1), ("resized", 1)]);
    assert_eq!((model.added.len(), model.removed.len()), (1, 1));
    assert_eq!(model.added[0].name, "extra.weight");
    assert_eq!(model.removed[0].name, "model.layers.0.self_attn.q_proj.weight");
}

#[test]
fn archives_of_torch_have_the_names_of_their_pickle() {
    let base = Model::new(3);
    let diff = files(&base.torch(), &base.safetensors("F32"));
    assert_eq!(
        (looks(&diff), diff.model.as_ref().unwrap().compared),
        ("identical", 16),
        "{:?}",
        diff.model
    );
    let edited = base.clone().low_rank("layers.1.mlp.down_proj", 1, 0.3);
    let diff = files(&base.torch(), &edited.torch());
    assert!(
        told(&diff).contains(&"tensor-low-rank-edit mlp".to_owned()),
        "{:?}",
        told(&diff)
    );
    assert_eq!(diff.model.unwrap().changes.len(), 1);
}

#[test]
fn steps_between_integers_are_no_hidden_bits() {
    let ids = |last: i64| {
        let data = [5i64, 6, last].iter().flat_map(|v| v.to_le_bytes()).collect();
        SafeTensors {
            tensors: vec![Tensor::new("position_ids", "I64", &[3], data)],
            align: 8,
            ..SafeTensors::default()
        }
        .build()
    };
    let diff = files(&ids(6), &ids(7));
    assert!(told(&diff).is_empty(), "{:?}", told(&diff));
}

#[test]
fn a_model_of_another_size_is_another_model() {
    let mut larger = Model::new(2);
    for tensor in larger.tensors.iter_mut().filter(|t| t.shape.len() == 2) {
        tensor.shape[0] *= 2;
        let again = tensor.values.clone();
        tensor.values.extend(again);
    }
    assert_eq!(looks(&against(&larger.safetensors("F32"), 2)), "different-model");
}

#[test]
fn an_edit_below_the_rounding_of_a_quantised_type_is_still_one() {
    let base = Model::new(8);
    // A hundredth of the weights' size: less than what Q8_0 is allowed to be off by.
    let edited = base.clone().low_rank("layers.3.mlp.down_proj", 1, 0.015);
    let diff = files(&base.gguf(), &edited.gguf());
    assert_eq!(told(&diff), ["tensor-low-rank-edit mlp"], "{:?}", diff.model);
    let diff = files(&base.safetensors("F32"), &edited.gguf());
    assert!(
        told(&diff).contains(&"tensor-low-rank-edit mlp".to_owned()),
        "{:?}",
        diff.model
    );
}

#[test]
fn arrays_are_called_as_their_files_and_compressed_ones_are_read_too() {
    let array = |seed: u64| {
        let mut npy = Npy::new(1);
        let values = Weights::new(seed).take(64 * 64, 1.0);
        (npy.descr, npy.shape) = ("'<f4'".into(), vec![64, 64]);
        npy.data = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        npy.build()
    };
    let stored = |a: u64, b: u64| {
        Zip::of(vec![
            Entry::stored("a.npy", &array(a)),
            Entry::stored("b.npy", &array(b)),
        ])
        .build()
    };
    let deflated = |a: u64, b: u64| {
        Zip::of(vec![
            Entry::deflated("a.npy", &array(a)),
            Entry::deflated("b.npy", &array(b)),
        ])
        .build()
    };
    assert_eq!(looks(&files(&stored(1, 2), &deflated(1, 2))), "identical");
    let diff = files(&deflated(1, 2), &deflated(1, 3));
    let model = diff.model.as_ref().unwrap();
    assert_eq!(
        (model.changes.len(), model.changes[0].name.as_str(), diff.complete),
        (1, "b", true)
    );
    assert_eq!(model.changes[0].changed, 64 * 64);
    let tree = |b: u64| [("x/a.npy", array(1)), ("x/b.npy", array(b))];
    let diff = trees(&tree(2), &tree(3));
    assert_eq!(diff.model.unwrap().changes[0].name, "x/b");
}

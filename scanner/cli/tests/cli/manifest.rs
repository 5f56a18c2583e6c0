//! `--manifest` and `--manifest-check`: written when absent, compared with when present; which tensor differs is told.

use crate::common::{Run, put, scan, temp};
use probity_tests::build::safetensors::{SafeTensors, Tensor, weights};
use serde_json::Value;
use std::fs;
use std::path::Path;

fn model(change: impl Fn(&str, &mut Vec<u8>)) -> Vec<u8> {
    let tensors = ["layers.0.q_proj.weight", "layers.0.k_proj.weight", "norm.weight"].map(|name| {
        let mut data = weights(if name == "norm.weight" { 64 } else { 4096 });
        change(name, &mut data);
        let shape: &[u64] = if name == "norm.weight" { &[64] } else { &[64, 64] };
        Tensor::new(name, "F32", shape, data)
    });
    SafeTensors {
        tensors: tensors.to_vec(),
        align: 8,
        ..SafeTensors::default()
    }
    .build()
}

/// `case tensor` of every `tensor-changed`.
fn changed(run: &Run) -> Vec<String> {
    let report: Value = run.json();
    let artifacts = report["artifacts"].as_array().unwrap();
    let findings = artifacts.iter().flat_map(|a| a["findings"].as_array().unwrap());
    findings
        .filter(|f| f["code"] == "tensor-changed")
        .map(|f| {
            let tensor = f["evidence"]["tensor"].as_str();
            let message = f["message"].as_str().unwrap();
            format!("{} {}", f["severity"].as_str().unwrap(), tensor.unwrap_or(message))
        })
        .collect()
}

fn written(dir: &Path) -> Value {
    serde_json::from_slice(&fs::read(dir.join("m.json")).unwrap()).unwrap()
}

#[test]
fn a_later_scan_says_which_tensor_differs() {
    let dir = temp();
    put(dir.path(), "base/model.safetensors", &model(|_, _| ()));
    let first = scan(dir.path(), &["--manifest", "m.json", "base"]);
    first.expect(0, "clean", true);
    assert!(
        first.stderr.contains("wrote the manifest m.json with 3 tensors"),
        "{}",
        first.stderr
    );
    let manifest = written(dir.path());
    assert_eq!(manifest["schema"], "probity.manifest/1");
    assert_eq!(manifest["tensors"][0]["path"], "model.safetensors");
    assert_eq!(manifest["tensors"][0]["sha256"].as_str().map(str::len), Some(64));
    let before = fs::read(dir.path().join("m.json")).unwrap();
    // The same tensors, in the file, in a copy of another name, and by either option.
    put(dir.path(), "other.safetensors", &model(|_, _| ()));
    for args in [
        ["--manifest", "m.json", "base"],
        ["--manifest-check", "m.json", "base"],
        ["--manifest-check", "m.json", "other.safetensors"],
    ] {
        let run = scan(dir.path(), &args);
        run.expect(0, "clean", true);
        assert_eq!(changed(&run), Vec::<String>::new());
    }
    // Low bits of one tensor, and nothing else.
    put(
        dir.path(),
        "tuned/model.safetensors",
        &model(|name, data| {
            if name.contains("k_proj") {
                data.iter_mut().step_by(4).for_each(|byte| *byte ^= 1);
            }
        }),
    );
    let run = scan(dir.path(), &["--manifest-check", "m.json", "tuned"]);
    run.expect(1, "findings", true);
    assert_eq!(changed(&run), ["high layers.0.k_proj.weight"]);
    // Other values of one tensor.
    put(
        dir.path(),
        "tuned/model.safetensors",
        &model(|name, data| {
            if name.contains("q_proj") {
                data[4 * 77 + 2] ^= 1;
            }
        }),
    );
    let run = scan(dir.path(), &["--manifest", "m.json", "tuned"]);
    run.expect(1, "findings", true);
    assert_eq!(changed(&run), ["medium layers.0.q_proj.weight"]);
    assert_eq!(
        fs::read(dir.path().join("m.json")).unwrap(),
        before,
        "what is compared with is left as it is"
    );
}

#[test]
fn tensors_that_came_and_went_are_told() {
    let dir = temp();
    put(dir.path(), "a.safetensors", &model(|_, _| ()));
    scan(dir.path(), &["--manifest", "m.json", "a.safetensors"]).expect(0, "clean", true);
    let other = SafeTensors {
        tensors: vec![
            Tensor::new("norm.weight", "F32", &[8, 8], weights(64)),
            Tensor::new("new.weight", "F32", &[64], weights(64)),
        ],
        align: 8,
        ..SafeTensors::default()
    };
    put(dir.path(), "b.safetensors", &other.build());
    let run = scan(dir.path(), &["--manifest-check", "m.json", "b.safetensors"]);
    run.expect(1, "findings", true);
    let mut all = changed(&run);
    all.sort();
    let missing = "medium 2 tensors of the manifest are not there: layers.0.q_proj.weight, layers.0.k_proj.weight";
    assert_eq!(all, [missing, "medium new.weight", "medium norm.weight"]);
}

#[test]
fn a_manifest_that_is_none_is_refused() {
    let dir = temp();
    put(dir.path(), "a.safetensors", &model(|_, _| ()));
    put(
        dir.path(),
        "m.json",
        b"{\"schema\": \"something/1\", \"tool\": {\"name\": \"x\", \"version\": \"1\"}, \"tensors\": []}",
    );
    for args in [
        ["--manifest", "m.json", "a.safetensors"],
        ["--manifest-check", "m.json", "a.safetensors"],
        ["--manifest-check", "absent.json", "a.safetensors"],
    ] {
        let run = scan(dir.path(), &args);
        assert_eq!(run.code, 2, "{args:?}: {}", run.stderr);
    }
    let quick = scan(
        dir.path(),
        &["--manifest", "new.json", "--depth", "quick", "a.safetensors"],
    );
    assert_eq!(quick.code, 2, "{}", quick.stderr);
}

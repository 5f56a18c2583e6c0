//! Model repositories.

use crate::common::{check, errors, found, scan_directory, scan_files};
use probity_tests::build::files::{INDEX, gguf_with_template, hex, model, shard};
use std::fs;
use std::os::unix::fs::symlink;

const FIRST: &str = "model-00001-of-00002.safetensors";
const SECOND: &str = "model-00002-of-00002.safetensors";
const SHARDS: &str = "model.safetensors.index.json";

#[test]
fn a_sound_repository_is_quiet() {
    check(&model(), &[]);
    check(&model().below("models/fixture"), &[]);
}

#[test]
fn the_index_is_held_against_the_files() {
    check(&model().without(SECOND), &["low shard-index missing"]);
    check(
        &model().with("model-00003-of-00003.safetensors", shard("x")),
        &["low shard-index extra"],
    );
    check(
        &model().with(SHARDS, INDEX.replace(SECOND, "../../x.safetensors")),
        &["high path-traversal -", "low shard-index extra"],
    );
    check(
        &model().with(SHARDS, INDEX.replace("\": 32", "\": 33")),
        &["low shard-index total-size"],
    );
    check(
        &model().with(SECOND, shard("other")),
        &["low shard-index tensor-unlisted", "medium shard-index tensor-missing"],
    );
    check(
        &model().with(SECOND, shard("first.weight")),
        &["medium shard-index tensor-missing", "medium shard-index tensor-twice"],
    );
    check(&model().with("other.index.json", r#"{"entries": ["a"]}"#), &[]);
    check(&model().with(SHARDS, "{\"weight_map\": {\"a\": "), &[]);
}

#[test]
fn an_index_of_a_million_files_is_bounded_and_said() {
    let rows: Vec<String> = (0..200_000).map(|n| format!(r#""t{n}": "s{n}.safetensors""#)).collect();
    let text = format!(r#"{{"weight_map": {{{}}}}}"#, rows.join(","));
    let report = scan_files(&model().with(SHARDS, text));
    assert!(
        errors(&report)[0].contains("more than 16384 files"),
        "{:?}",
        errors(&report)
    );
}

#[test]
fn named_code_is_told_by_where_it_is() {
    let config = |map: &str| model().with("config.json", format!(r#"{{"auto_map": {map}}}"#));
    let own = config(r#"{"AutoModel": "modeling.Model"}"#);
    let quiet = "import torch\n\nclass Model:\n    pass\n";
    check(&own, &["low remote-code absent"]);
    check(&own.clone().with("modeling.py", quiet), &["low remote-code own"]);
    check(
        &config(r#"{"AutoModel": "other/repo--modeling.Model"}"#),
        &["medium remote-code foreign"],
    );
    check(
        &config(r#"{"AutoTokenizer": ["a.B", null]}"#).with("a.py", quiet),
        &["low remote-code own"],
    );
    check(&config(r#"{"AutoModel": "../x.Model"}"#), &["high path-traversal -"]);
    check(
        &model().with("config.json", r#"{"a": {"trust_remote_code": true}}"#),
        &["medium remote-code trusted"],
    );
    check(&model().with("config.json", r#"{"trust_remote_code": false}"#), &[]);
    check(
        &model().with("config.json", r#"{"x": NaN, "trust_remote_code": true}"#),
        &["medium remote-code trusted"],
    );
    check(
        &model()
            .with("config.json", r#"{"custom_pipelines": {"p": {"impl": "pipe.Pipe"}}}"#)
            .with("pipe.py", quiet),
        &["low remote-code own"],
    );
    let report = scan_files(&model().with("config.json", "{'auto_map': 1}"));
    assert!(errors(&report)[0].contains("it is no JSON"), "{:?}", errors(&report));
}

#[test]
fn what_named_code_does_at_import_is_told() {
    let with = |source: &str| {
        let config = r#"{"auto_map": {"AutoModel": "modeling.Model"}}"#;
        model().with("config.json", config).with("modeling.py", source)
    };
    let own = "low remote-code own";
    check(
        &with("import os\nos.system('true')\n"),
        &["high import-code process", own],
    );
    check(
        &with("import requests\nrequests.get('x')\n"),
        &[own, "medium import-code network"],
    );
    check(
        &with("import base64\nexec(base64.b64decode('cGFzcw=='))\n"),
        &["high import-code decoded", own],
    );
    check(
        &with("import os\ndef f():\n    os.system('true')\n"),
        &[own, "medium import-code deferred"],
    );
    check(&with("import os\ndef f():\n    os.path.join('a', 'b')\n"), &[own]);
    let beside = model().with("convert.py", "import os\nos.system('true')\n");
    check(&beside, &["low import-code unreferenced"]);
    check(&beside.clone().with("__init__.py", ""), &[]);
    let decodes = model().with("convert.py", "import base64\nexec(base64.b64decode('cGFzcw=='))\n");
    check(&decodes, &["high import-code decoded"]);
}

#[test]
fn other_loaders_name_code_too() {
    let modules = |class: &str| model().with("modules.json", format!(r#"[{{"path": "", "type": "{class}"}}]"#));
    check(&modules("sentence_transformers.models.Transformer"), &[]);
    check(&modules("custom.Thing"), &["medium remote-code foreign"]);
    check(&modules("custom.Thing").with("custom.py", ""), &["low remote-code own"]);
    let pipeline = |pair: &str| model().with("model_index.json", format!(r#"{{"_class_name": "X", "unet": {pair}}}"#));
    check(&pipeline(r#"["diffusers", "UNet"]"#), &[]);
    check(&pipeline(r#"[null, null]"#), &[]);
    check(
        &pipeline(r#"["stable_diffusion", "Checker"]"#),
        &["info remote-code library"],
    );
    check(
        &pipeline(r#"["evil.module", "Checker"]"#),
        &["medium remote-code foreign"],
    );
    check(
        &pipeline(r#"["my_unet", "UNet"]"#).with("unet/my_unet.py", ""),
        &["low remote-code own"],
    );
    let adapter = |text: &str| model().with("adapter_config.json", text);
    check(&adapter(r#"{"base_model_name_or_path": "a/b"}"#), &[]);
    check(
        &adapter(r#"{"base_model_name_or_path": "/data/b"}"#),
        &["info remote-code local-base"],
    );
}

#[test]
fn copies_of_a_template_are_compared() {
    check(
        &model().with("chat_template.jinja", "{{ other }}"),
        &["low template-drift files"],
    );
    check(&model().with("m.gguf", gguf_with_template("{{ messages }}")), &[]);
    check(
        &model().with("m.gguf", gguf_with_template("{{ other }}")),
        &["info template-drift gguf"],
    );
}

#[test]
fn text_that_nobody_sees_is_told() {
    let template = |text: &str| {
        model()
            .with("tokenizer_config.json", text)
            .without("chat_template.jinja")
    };
    check(
        &template("{\"chat_template\": \"a\\u202eb\"}"),
        &["medium hidden-text bidi"],
    );
    check(
        &template("{\"chat_template\": \"a\u{e0041}\"}"),
        &["medium hidden-text tag"],
    );
    check(
        &template("{\"bos_token\": \"\u{e0041}\", \"added_tokens_decoder\": {\"1\": {\"content\": \"\u{202e}\"}}}"),
        &[],
    );
    check(&model().with("vocab.json", "{\"\u{e0041}\": 1}"), &[]);
    let zero = "\u{200b}".repeat(4);
    check(
        &model().with("generation_config.json", format!("{{\"prompt\": \"{zero}\"}}")),
        &["medium hidden-text zero-width"],
    );
}

/// `blobs` hold the files under their digests, `snapshots` hold links to them.
#[test]
fn a_cache_is_read_through_its_links() {
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("models--fixture");
    fs::create_dir_all(cache.join("blobs")).unwrap();
    let second = model().with("config.json", r#"{"auto_map": {"AutoModel": "modeling.Model"}}"#);
    let second = second.with("modeling.py", "import os\nos.system('true')\n");
    for (revision, files) in [("first", model()), ("second", second)] {
        let snapshot = cache.join("snapshots").join(revision);
        fs::create_dir_all(&snapshot).unwrap();
        for (name, data) in &files.0 {
            let digest = hex(data);
            let digest = if name.ends_with(".safetensors") {
                &digest[..]
            } else {
                &digest[..40]
            };
            fs::write(cache.join("blobs").join(digest), data).unwrap();
            symlink(format!("../../blobs/{digest}"), snapshot.join(name)).unwrap();
        }
    }
    let expected = ["high import-code process", "low remote-code own"];
    for place in [&cache, &cache.join("snapshots"), &cache.join("snapshots/second")] {
        let report = scan_directory(place);
        assert_eq!(
            found(&report).into_iter().collect::<Vec<_>>(),
            expected,
            "{}",
            place.display()
        );
        assert_eq!(errors(&report), [""; 0], "{}", place.display());
    }
    let report = scan_directory(&cache.join("snapshots/first"));
    assert!(found(&report).is_empty(), "{:?}", found(&report));
    let blob = cache.join("blobs").join(hex(&model().get(FIRST)));
    fs::remove_file(blob).unwrap();
    let report = scan_directory(&cache.join("snapshots/first"));
    assert!(
        errors(&report)[0].contains("link cannot be resolved"),
        "{:?}",
        errors(&report)
    );
}

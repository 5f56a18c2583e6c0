//! What only several files together say, and configurations that name code. Repositories are scanned as tar archives.

use super::Fixture::Built;
use super::{Row, row};
use crate::build::documents;
use crate::build::files::{Files, INDEX, Image, gguf_with_template, model, shard, signed_model, wheel};

const REMOTE: &str = "code that the loader is told to run";
const IMPORT: &str = "own code that acts when it is imported";
const SHARDS: &str = "index of shards that lies";
const INDEX_FILE: &str = "model.safetensors.index.json";
const SECOND: &str = "model-00002-of-00002.safetensors";
const HIDDEN: &str = "text that nobody sees";
const NAMED: &str = "callable by name in a configuration";
const ACTS: &str = "import os\nos.system('true')\n";
const QUIET: &str = "class Model:\n    pass\n";

#[rustfmt::skip]
pub(super) static ROWS: &[Row] = &[
    row(REMOTE, "auto_map, own file", ("remote-code", "own"), Built("modeling.py beside it", || own(QUIET).tar()), Built("no auto_map", || model().tar())),
    row(REMOTE, "auto_map, another repository", ("remote-code", "foreign"), Built("other/repo--modeling.Model", || config(r#"{"auto_map": {"AutoModel": "other/repo--modeling.Model"}}"#)), Built("modeling.py beside it", || own(QUIET).tar())),
    row(REMOTE, "auto_map, leads out", ("path-traversal", ""), Built("../x.Model", || config(r#"{"auto_map": {"AutoModel": "../x.Model"}}"#)), Built("modeling.py beside it", || own(QUIET).tar())),
    row(REMOTE, "trust_remote_code", ("remote-code", "trusted"), Built("true", || config(r#"{"a": {"trust_remote_code": true}}"#)), Built("false", || config(r#"{"a": {"trust_remote_code": false}}"#))),
    row(REMOTE, "modules.json", ("remote-code", "foreign"), Built("class of somebody's package", || modules("custom.Thing")), Built("class of sentence-transformers", || modules("sentence_transformers.models.Transformer"))),
    row(REMOTE, "model_index.json", ("remote-code", "foreign"), Built("class of another module", || pipeline(r#"["evil.module", "Checker"]"#)), Built("class of diffusers", || pipeline(r#"["diffusers", "UNet"]"#))),
    row(REMOTE, "adapter_config.json", ("remote-code", "local-base"), Built("base model by a path", || adapter("/data/b")), Built("base model by its name", || adapter("a/b"))),
    row(REMOTE, "auto_map, deep in a configuration", ("remote-code", "foreign"), Built("other/repo--m.M below text_config", || config(r#"{"text_config": {"auto_map": {"AutoConfig": "other/repo--m.M"}}}"#)), Built("text_config without one", || config(r#"{"text_config": {"model_type": "x"}}"#))),
    row(REMOTE, "generation_config.json", ("remote-code", "foreign"), Built("custom_generate of another repository", || beside("generation_config.json", r#"{"custom_generate": "other/repo"}"#)), Built("no custom_generate", || beside("generation_config.json", r#"{"do_sample": true}"#))),
    row(REMOTE, "attention implementation", ("remote-code", "foreign"), Built("kernel of another repository", || config(r#"{"_attn_implementation": "other/kernel"}"#)), Built("sdpa", || config(r#"{"_attn_implementation": "sdpa"}"#))),
    row(REMOTE, "model_index.json, standard library", ("remote-code", "foreign"), Built("class of os", || pipeline(r#"["os", "system"]"#)), Built("class of diffusers", || pipeline(r#"["diffusers", "UNet"]"#))),
    row(REMOTE, "MLmodel", ("remote-code", "foreign"), Built("loader_module: os", || mlflow("os")), Built("loader_module: mlflow.sklearn", || mlflow("mlflow.sklearn"))),
    row(REMOTE, "requirements", ("remote-code", "dependency"), Built("index at an address", || beside("requirements.txt", "--index-url http://203.0.113.7/simple\nx\n")), Built("index of PyTorch", || beside("requirements.txt", "--extra-index-url https://download.pytorch.org/whl/cpu\ntorch\n"))),
    row("item that leads out", "Core ML package", ("path-traversal", ""), Built("../../x", || coreml("../../x")), Built("com.apple.CoreML/model.mlmodel", || coreml("com.apple.CoreML/model.mlmodel"))),
    row(IMPORT, "Python that a tool imports by its name", ("import-code", "automatic"), Built("conftest.py that calls os.system", || beside("conftest.py", ACTS)), Built("conftest.py that defines", || beside("conftest.py", QUIET))),
    row(IMPORT, "custom_generate/generate.py", ("import-code", "automatic"), Built("os.system at the top", || beside("custom_generate/generate.py", ACTS)), Built("a function", || beside("custom_generate/generate.py", "def generate(model):\n    pass\n"))),
    row("own code that acts when it is used", "Python beside the model: method", ("import-code", "deferred"), Built("os.system in __init__", || own("import os\nclass Model:\n    def __init__(self):\n        os.system('true')\n").tar()), Built("os.getcwd in __init__", || own("import os\nclass Model:\n    def __init__(self):\n        os.getcwd()\n").tar())),
    row(IMPORT, "Python beside the model: process", ("import-code", "process"), Built("os.system at the top", || own("import os\nos.system('true')\n").tar()), Built("os.system below __main__", || own("import os\nif __name__ == '__main__':\n    os.system('true')\n").tar())),
    row(IMPORT, "Python beside the model: handed on", ("import-code", "process"), Built("os.system at exit", || own("import atexit, os\natexit.register(os.system, 'true')\n").tar()), Built("print at exit", || own("import atexit, os\natexit.register(print, 'true')\n").tar())),
    row(IMPORT, "Python beside the model: network", ("import-code", "network"), Built("request at the top", || own("import requests\nrequests.get('x')\n").tar()), Built("import alone", || own("import requests\n").tar())),
    row(IMPORT, "Python beside the model: decoded source", ("import-code", "decoded"), Built("exec of Base64", || own("import base64\nexec(base64.b64decode('cGFzcw=='))\n").tar()), Built("Base64 alone", || own("import base64\nx = base64.b64decode('cGFzcw==')\n").tar())),
    row(SHARDS, "leads out", ("path-traversal", ""), Built("../../x.safetensors", || model().with(INDEX_FILE, INDEX.replace(SECOND, "../../x.safetensors")).tar()), Built("the index as it is", || model().tar())),
    row(SHARDS, "file missing", ("shard-index", "missing"), Built("one shard gone", || model().without(SECOND).tar()), Built("the index as it is", || model().tar())),
    row(SHARDS, "tensor elsewhere", ("shard-index", "tensor-twice"), Built("the first tensor in both", || model().with(SECOND, shard("first.weight")).tar()), Built("the index as it is", || model().tar())),
    row("templates that differ", "two files", ("template-drift", "files"), Built("another chat_template.jinja", || model().with("chat_template.jinja", "{{ other }}").tar()), Built("the same template", || model().tar())),
    row("templates that differ", "tokenizer and GGUF", ("template-drift", "gguf"), Built("another template in the GGUF", || model().with("m.gguf", gguf_with_template("{{ other }}")).tar()), Built("the same template", || model().with("m.gguf", gguf_with_template("{{ messages }}")).tar())),
    row(HIDDEN, "tag characters", ("hidden-text", "tag"), Built("U+E0041 in a template", || hidden("a\u{e0041}")), Built("plain template", || hidden("ab"))),
    row(HIDDEN, "bidirectional controls", ("hidden-text", "bidi"), Built("U+202E in a template", || hidden("a\u{202e}b")), Built("plain template", || hidden("ab"))),
    row(HIDDEN, "zero-width characters", ("hidden-text", "zero-width"), Built("four times U+200B", || hidden("a\u{200b}\u{200b}\u{200b}\u{200b}")), Built("one U+200D, as in emoji", || hidden("\u{1f468}\u{200d}\u{1f469}"))),
    row(NAMED, "YAML", ("configured-callable", "unsafe"), Built("_target_: os.system", || file("model_config.yaml", b"model:\n  _target_: os.system\n")), Built("_target_: torch.nn.Linear", || file("model_config.yaml", b"model:\n  _target_: torch.nn.Linear\n"))),
    row(NAMED, "JSON", ("configured-callable", "unsafe"), Built("_target_ os.system", || file("config.json", br#"{"_target_": "os.system"}"#)), Built("_target_ torch.nn.Linear", || file("config.json", br#"{"_target_": "torch.nn.Linear"}"#))),
    row(NAMED, "jsonpickle", ("configured-callable", "unsafe"), Built("py/function os.system", || file("model.json", br#"{"py/reduce": [{"py/function": "os.system"}, {"py/tuple": ["true"]}]}"#)), Built("py/object collections.OrderedDict", || file("model.json", br#"{"py/object": "collections.OrderedDict"}"#))),
    row(NAMED, "argument of hydra.utils.get_method", ("configured-callable", "unsafe"), Built("path: os.system", || file("model_config.yaml", b"a:\n  _target_: hydra.utils.get_method\n  path: os.system\n")), Built("path: torch.nn.Linear", || file("model_config.yaml", b"a:\n  _target_: hydra.utils.get_method\n  path: torch.nn.Linear\n"))),
    row(NAMED, "skops", ("unsafe-callable", "called"), Built("OperatorFuncNode of methodcaller", || skops("operator", "methodcaller", "OperatorFuncNode")), Built("SVC of scikit-learn", || skops("sklearn.svm", "SVC", "ObjectNode"))),
    row("id that no vocabulary has", "tokenizer.json", ("tokenizer-oddity", "range"), Built("id 4294967295", || tokenizer(u32::MAX)), Built("id 2", || tokenizer(2))),
    row("expression without end", "tokenizer.json", ("tokenizer-oddity", "expression"), Built("(a+)+$", || splits("(a+)+$")), Built("[a-z]+|\\s+", || splits("[a-z]+|\\\\s+"))),
    row("words in the place of others", "tokenizer.json", ("tokenizer-oddity", "rewrites"), Built("safe to unsafe", || replaces("safe", "unsafe")), Built("blank to underscore", || replaces(" ", "_"))),
    row("characters nobody sees in a token", "tokenizer.json", ("tokenizer-oddity", "hidden"), Built("U+202E", || token("<s>\u{202e}")), Built("plain", || token("<s>x"))),
    row("tokens that contradict each other", "tokenizer.json", ("tokenizer-oddity", "duplicate-id"), Built("two tokens of one id", || tokenizer(1)), Built("two tokens of two ids", || tokenizer(2))),
    row("call in a tag", "YAML", ("unsafe-callable", "called"), Built("!!python/object/apply:os.system", || b"name: x\nhook: !!python/object/apply:os.system ['true']\n".to_vec()), Built("the same in a text", || b"name: x\nhook: \"!!python/object/apply:os.system ['true']\"\n".to_vec())),
    row("external entity", "XML and PMML", ("xml-entity", "file"), Built("entity of a file", || documents::xml("<!ENTITY a SYSTEM 'file:///data/x'>", "root")), Built("no entity", || documents::xml("", "root"))),
    row("start-up code in a package", "wheel", ("startup-code", "pth"), Built(".pth file with a call", || wheel(&[("a.pth", b"import os; os.system('true')\n")]).zip()), Built("wheel without one", || wheel(&[]).zip())),
    row("start-up code beside a model", "directory", ("startup-code", "acts"), Built(".pth file that calls os.system", || beside("a.pth", "import os; os.system('true')\n")), Built(".pth file that imports", || beside("a.pth", "import os\n"))),
    row("file that is not what a list gives", "wheel: RECORD", ("record-mismatch", "digest"), Built("changed module", || wheel(&[]).with("fixture/__init__.py", "VERSION = \"2.0\"\n").zip()), Built("wheel as it was built", || wheel(&[]).zip())),
    row("file that no list gives", "wheel: RECORD", ("record-mismatch", "unlisted"), Built("module added", || wheel(&[]).with("fixture/more.py", "").zip()), Built("wheel as it was built", || wheel(&[]).zip())),
    row("signature that does not hold", "wheel: RECORD.jws", ("signature-invalid", "malformed"), Built("empty signature", || wheel(&[]).with("fixture-1.0.dist-info/RECORD.jws", "{}").zip()), Built("wheel as it was built", || wheel(&[]).zip())),
    row("file that is not what was signed", "OpenSSF model signature", ("signed-file-changed", ""), Built("another config.json", || signed_model().with("config.json", "{}").tar()), Built("model as it was signed", || signed_model().tar())),
    row("layer that is not what it says", "OCI image", ("image-mismatch", "size"), Built("size that lies", lying_image), Built("sound image", || Image::default().files().tar())),
];

fn own(source: &str) -> Files {
    let config = r#"{"auto_map": {"AutoModel": "modeling.Model"}}"#;
    model().with("config.json", config).with("modeling.py", source)
}

fn config(text: &str) -> Vec<u8> {
    model().with("config.json", text).tar()
}

fn beside(name: &str, text: &str) -> Vec<u8> {
    model().with(name, text).tar()
}

fn mlflow(module: &str) -> Vec<u8> {
    beside(
        "MLmodel",
        &format!("flavors:\n  python_function:\n    loader_module: {module}\n"),
    )
}

fn coreml(path: &str) -> Vec<u8> {
    let manifest = format!(
        r#"{{"fileFormatVersion": "1.0.0", "itemInfoEntries": {{"A": {{"path": "{path}", "name": "m"}}}}, "rootModelIdentifier": "A"}}"#
    );
    Files::of(&[("m.mlpackage/Manifest.json", manifest.as_bytes())]).tar()
}

fn modules(class: &str) -> Vec<u8> {
    model()
        .with("modules.json", format!(r#"[{{"path": "", "type": "{class}"}}]"#))
        .tar()
}

fn pipeline(pair: &str) -> Vec<u8> {
    model()
        .with("model_index.json", format!(r#"{{"_class_name": "X", "unet": {pair}}}"#))
        .tar()
}

fn adapter(base: &str) -> Vec<u8> {
    model()
        .with(
            "adapter_config.json",
            format!(r#"{{"base_model_name_or_path": "{base}"}}"#),
        )
        .tar()
}

fn hidden(template: &str) -> Vec<u8> {
    let text = format!(r#"{{"chat_template": "{template}"}}"#);
    model()
        .with("tokenizer_config.json", text)
        .without("chat_template.jinja")
        .tar()
}

fn file(name: &str, data: &[u8]) -> Vec<u8> {
    Files::of(&[(name, data)]).tar()
}

fn skops(module: &str, class: &str, loader: &str) -> Vec<u8> {
    let schema = format!(
        r#"{{"__class__": "{class}", "__module__": "{module}", "__loader__": "{loader}", "content": {{}}, "protocol": 2}}"#
    );
    Files::of(&[("schema.json", schema.as_bytes())]).zip()
}

fn tokenizer(second: u32) -> Vec<u8> {
    let token = |id: u32, content: &str| format!(r#"{{"id": {id}, "content": "{content}", "special": true}}"#);
    let tokens = [token(1, "<s>"), token(second, "</s>")].join(", ");
    format!(r#"{{"version": "1.0", "added_tokens": [{tokens}], "model": {{}}}}"#).into_bytes()
}

fn splits(expression: &str) -> Vec<u8> {
    format!(
        r#"{{"version": "1.0", "added_tokens": [], "pre_tokenizer": {{"type": "Split", "pattern": {{"Regex": "{expression}"}}}}, "model": {{}}}}"#
    )
    .into_bytes()
}

fn replaces(from: &str, to: &str) -> Vec<u8> {
    format!(
        r#"{{"version": "1.0", "added_tokens": [], "normalizer": {{"type": "Replace", "pattern": {{"String": "{from}"}}, "content": "{to}"}}, "model": {{}}}}"#
    )
    .into_bytes()
}

fn token(content: &str) -> Vec<u8> {
    format!(
        r#"{{"version": "1.0", "added_tokens": [{{"id": 1, "content": "{content}", "special": true}}], "model": {{}}}}"#
    )
    .into_bytes()
}

fn lying_image() -> Vec<u8> {
    let files = Image::default().files();
    let index = String::from_utf8(files.get("index.json")).expect("the index is text");
    files
        .with("index.json", index.replace("\"size\": ", "\"size\": 1"))
        .tar()
}

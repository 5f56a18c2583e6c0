//! The configurations of a repository, and the code they name.

use crate::finding::{Value as Evidence, code};
use crate::inspect::container::{Container, Member, Outcome, join, json, leaves};
use crate::policy::shown;
use probity_signatures::callables;
use serde_json::Value;
use std::collections::BTreeSet;

/// The files that loaders read `auto_map` from.
const CONFIGS: [&[u8]; 10] = [
    b"config.json",
    b"tokenizer_config.json",
    b"processor_config.json",
    b"preprocessor_config.json",
    b"generation_config.json",
    b"adapter_config.json",
    b"video_preprocessor_config.json",
    b"image_processor_config.json",
    b"feature_extractor_config.json",
    b"quantization_config.json",
];
/// Entries of one configuration that are looked at.
const MOST: usize = 1024;

/// Tells what the configurations in `folder` name; the sources among it that are there.
pub(super) fn inspect(container: &Container<'_>, folder: &[u8], out: &mut Outcome<'_>) -> BTreeSet<Vec<u8>> {
    let mut reading = Reading {
        container,
        folder,
        named: BTreeSet::new(),
    };
    for name in CONFIGS {
        if let Some((member, value)) = reading.config(name, out) {
            reading.code(&member, &value, out);
            if name == b"adapter_config.json" {
                reading.adapter(&member, &value, out);
            }
        }
    }
    if let Some((member, value)) = reading.config(b"modules.json", out) {
        reading.modules(&member, &value, out);
    }
    if let Some((member, value)) = reading.config(b"model_index.json", out) {
        reading.pipeline(&member, &value, out);
        reading.code(&member, &value, out);
    }
    reading.named
}

struct Reading<'c, 'a> {
    container: &'c Container<'a>,
    folder: &'c [u8],
    named: BTreeSet<Vec<u8>>,
}

impl<'c, 'a> Reading<'c, 'a> {
    fn config(&self, name: &[u8], out: &mut Outcome<'_>) -> Option<(Member<'a>, Value)> {
        let path = join(self.folder, name);
        let file = self.container.file(&path)?;
        let text = out.text(file)?;
        let value = json::value(text);
        if value.is_none() && names_code(text) {
            out.not_held(file, "it is no JSON");
        }
        let member = Member {
            path: path.into(),
            ..file.clone()
        };
        Some((member, value?))
    }

    /// A compiled module in the place of the source that a class would be in.
    fn native(&self, module: &str) -> Option<&'c [u8]> {
        let stem = format!("{}.", module.rsplit('.').next().unwrap_or_default());
        let mut beside = self.container.directly_in(self.folder);
        let found = beside.find(|m| {
            let ends = [&b".so"[..], b".pyd", b".pyc", b".dylib"];
            m.name().starts_with(stem.as_bytes()) && ends.iter().any(|end| m.name().ends_with(end))
        });
        found.map(|m| &*m.path)
    }

    fn say(&self, member: &Member<'_>, case: &'static str, key: &str, message: String, out: &mut Outcome<'_>) {
        let key = format!("{} {}", shown(&member.path), shown(key.as_bytes()));
        out.push(
            self.container
                .finding(code::REMOTE_CODE, member, message)
                .case(case)
                .key(key),
        );
    }

    fn code(&mut self, member: &Member<'_>, value: &Value, out: &mut Outcome<'_>) {
        let mut classes: Vec<&str> = Vec::new();
        for map in everywhere(value, "auto_map") {
            gather(map, &mut classes);
        }
        if let Some(pipelines) = value.get("custom_pipelines").and_then(Value::as_object) {
            classes.extend(pipelines.values().take(MOST).filter_map(|p| json::text(p, &["impl"])));
        }
        classes.sort_unstable();
        classes.dedup();
        let (mut own, mut absent) = (Vec::new(), Vec::new());
        for class in classes {
            let (repository, name) = class.split_once("--").map_or((None, class), |(r, n)| (Some(r), n));
            let Some((module, _)) = name.rsplit_once('.') else {
                continue;
            };
            let file = format!("{}.py", module.replace('.', "/"));
            let shown_class = shown(class.as_bytes());
            let path = shown(&member.path);
            if leaves(&file) || module.contains(['/', '\\']) || repository.is_some_and(leaves) {
                let message = format!("{path} names {shown_class}, outside of the repository");
                let finding = self.container.finding(code::PATH_TRAVERSAL, member, message);
                out.push(finding.key(shown_class));
            } else if let Some(repository) = repository {
                let message = format!("{path} has code of another repository run: {shown_class}");
                self.say(member, "foreign", repository, message, out);
            } else {
                let file = join(self.folder, file.as_bytes());
                if self.container.has(&file) {
                    own.push(shown_class);
                    self.named.insert(file);
                } else if let Some(native) = self.native(module) {
                    let message = format!(
                        "{path} names {shown_class}, which is there as {}: nobody can read it",
                        shown(native)
                    );
                    self.say(member, "native", &shown_class, message, out);
                } else if self.container.around.whole && !self.container.is_excluded(&file) {
                    absent.push(shown_class);
                }
            }
        }
        for (case, list, what) in [
            ("own", own, "has code of this repository run"),
            ("absent", absent, "names code that is not there"),
        ] {
            if !list.is_empty() {
                let list: Vec<String> = list.into_iter().take(16).collect();
                let message = format!("{} {what}: {}", shown(&member.path), list.join(", "));
                let finding = self.container.finding(code::REMOTE_CODE, member, message).case(case);
                let key = format!("{} {case}", shown(&member.path));
                out.push(finding.evidence("classes", Evidence::List(list)).key(key));
            }
        }
        for key in ["custom_generate", "attn_implementation", "_attn_implementation"] {
            for text in everywhere(value, key).filter_map(Value::as_str).take(MOST) {
                // A repository is `owner/name`; kernels of the library's own are published there, too.
                let repository = text.split([':', '@']).next().unwrap_or_default();
                let own =
                    repository.starts_with("kernels-community/") || repository.starts_with("transformers-community/");
                if repository.split('/').count() == 2 && !own && !leaves(repository) {
                    let message = format!(
                        "{} has code of another repository run: {key} is {}",
                        shown(&member.path),
                        shown(text.as_bytes())
                    );
                    self.say(member, "foreign", text, message, out);
                }
            }
        }
        if trusts(value) {
            let message = format!(
                "{} asks to be trusted with code (trust_remote_code)",
                shown(&member.path)
            );
            self.say(member, "trusted", "trust_remote_code", message, out);
        }
    }

    fn adapter(&self, member: &Member<'_>, value: &Value, out: &mut Outcome<'_>) {
        if let Some(library) = json::text(value, &["auto_mapping", "parent_library"]) {
            let home = library.split('.').next().unwrap_or_default();
            if !matches!(
                home,
                "transformers"
                    | "peft"
                    | "diffusers"
                    | "torch"
                    | "timm"
                    | "sentence_transformers"
                    | "__main__"
                    | "transformers_modules"
            ) {
                let message = format!(
                    "{} adapts a model of {}",
                    shown(&member.path),
                    shown(library.as_bytes())
                );
                let case = if runs(library) { "foreign" } else { "library" };
                self.say(member, case, library, message, out);
            }
        }
        if let Some(base) = json::text(value, &["base_model_name_or_path"]).filter(|base| leaves(base)) {
            let message = format!("{} adapts the model at {}", shown(&member.path), shown(base.as_bytes()));
            self.say(member, "local-base", "base_model_name_or_path", message, out);
        }
    }

    /// `modules.json` of sentence-transformers: a list of classes and the folders they read.
    fn modules(&mut self, member: &Member<'_>, value: &Value, out: &mut Outcome<'_>) {
        let path = shown(&member.path);
        for module in value.as_array().into_iter().flatten().take(MOST) {
            let Some(class) = json::text(module, &["type"]) else {
                continue;
            };
            let class_shown = shown(class.as_bytes());
            if let Some(folder) = json::text(module, &["path"]).filter(|p| leaves(p)) {
                let message = format!("{path} reads {}, outside of the model", shown(folder.as_bytes()));
                let finding = self.container.finding(code::PATH_TRAVERSAL, member, message);
                out.push(finding.key(shown(folder.as_bytes())));
            }
            if class.starts_with("sentence_transformers.") {
                continue;
            }
            let name = class.rsplit("--").next().unwrap_or(class);
            let file = name
                .rsplit_once('.')
                .map(|(m, _)| format!("{}.py", m.replace('.', "/")));
            let own = file
                .map(|f| join(self.folder, f.as_bytes()))
                .filter(|f| !class.contains("--") && self.container.has(f));
            match own {
                Some(file) => {
                    self.named.insert(file);
                    let message = format!("{path} has code of this repository run: {class_shown}");
                    self.say(member, "own", class, message, out);
                }
                None => {
                    let message = format!("{path} has a class run that is not sentence_transformers': {class_shown}");
                    self.say(member, "foreign", class, message, out);
                }
            }
        }
    }

    /// `model_index.json` of diffusers: components as pairs of a library and a class.
    fn pipeline(&mut self, member: &Member<'_>, value: &Value, out: &mut Outcome<'_>) {
        let path = shown(&member.path);
        for (component, pair) in value.as_object().into_iter().flatten().take(MOST) {
            let Some(library) = pair.as_array().and_then(|p| p.first()).and_then(Value::as_str) else {
                continue;
            };
            if matches!(
                library,
                "diffusers"
                    | "transformers"
                    | "sentence_transformers"
                    | "onnxruntime"
                    | "k_diffusion"
                    | "optimum"
                    | "peft"
            ) {
                continue;
            }
            let text = shown(library.as_bytes());
            if leaves(component) || leaves(library) || library.contains(['/', '\\']) {
                let message = format!(
                    "{path} takes {} from {text}, outside of the model",
                    shown(component.as_bytes())
                );
                out.push(self.container.finding(code::PATH_TRAVERSAL, member, message).key(text));
                continue;
            }
            let own = [format!("{component}/{library}.py"), format!("{library}.py")]
                .into_iter()
                .map(|f| join(self.folder, f.as_bytes()))
                .find(|f| self.container.has(f));
            if let Some(file) = own {
                self.named.insert(file);
                let message = format!("{path} has code of this repository run: {text}");
                self.say(member, "own", library, message, out);
            } else if runs(library)
                || library.contains('.') && !library.starts_with("diffusers.") && !library.starts_with("transformers.")
            {
                let message = format!("{path} has a module run that is not of a known library: {text}");
                self.say(member, "foreign", library, message, out);
            } else {
                // Pipelines of diffusers are named by the folder they have there.
                let message = format!("{path} takes {} from {text}", shown(component.as_bytes()));
                self.say(member, "library", library, message, out);
            }
        }
    }
}

/// Texts of `auto_map`: one, a list (slow and fast tokenizers), or a map of either.
fn gather<'v>(value: &'v Value, out: &mut Vec<&'v str>) {
    let one = |value: &'v Value, out: &mut Vec<&'v str>| match value {
        Value::String(text) => out.push(text),
        Value::Array(list) => out.extend(list.iter().take(MOST).filter_map(Value::as_str)),
        _ => {}
    };
    match value {
        Value::Object(map) => map.values().take(MOST).for_each(|value| one(value, out)),
        value => one(value, out),
    }
}

/// Whether a module is the standard library's, where no model has a class.
fn runs(module: &str) -> bool {
    let root = module.split('.').next().unwrap_or_default();
    root != "__main__" && callables().is_stdlib(root)
}

/// The values at `key`, at whatever level.
fn everywhere<'v>(value: &'v Value, key: &'v str) -> impl Iterator<Item = &'v Value> {
    let mut open = vec![value];
    std::iter::from_fn(move || {
        while let Some(value) = open.pop() {
            match value {
                Value::Object(map) => {
                    open.extend(map.values());
                    if let Some(found) = map.get(key) {
                        return Some(found);
                    }
                }
                Value::Array(list) => open.extend(list),
                _ => {}
            }
        }
        None
    })
}

/// Whether a key `trust_remote_code` says yes.
fn trusts(value: &Value) -> bool {
    everywhere(value, "trust_remote_code").any(|v| *v == Value::Bool(true))
}

fn names_code(text: &[u8]) -> bool {
    [&b"auto_map"[..], b"trust_remote_code", b"custom_pipelines", b"\\u0"]
        .iter()
        .any(|needle| memchr::memmem::find(text, needle).is_some())
}

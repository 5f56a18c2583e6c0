//! Model repositories: configurations that name code, and what that code does when it is imported.
//!
//! Which folder is one, a file says that only loaders of models read. Named code runs when somebody loads the model and
//! trusts it to (`trust_remote_code`), so naming it is told and weighs little while the code is there and quiet.

mod configs;

use super::python::{self, Act, ActKind};
use super::{Container, Export, Inspection, Kind, Member, Outcome, join};
use crate::finding::{Value as Evidence, code};
use crate::policy::shown;
use std::collections::{BTreeMap, BTreeSet};

/// `remote-code`, `import-code`, `path-traversal`.
pub(super) struct Model;

impl Inspection for Model {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        for folder in folders(container) {
            let named = configs::inspect(container, folder, out);
            sources(container, folder, &named, out);
        }
    }
}

/// The folders that are model repositories, or parts of one.
pub(super) fn folders<'c>(container: &'c Container<'_>) -> BTreeSet<&'c [u8]> {
    let marks = |m: &&Member<'_>| {
        matches!(
            m.name(),
            b"config.json"
                | b"tokenizer_config.json"
                | b"model_index.json"
                | b"adapter_config.json"
                | b"modules.json"
                | b"generation_config.json"
                | b"processor_config.json"
                | b"preprocessor_config.json"
                | b"chat_template.jinja"
                | b"chat_template.json"
        ) && m.kind != Kind::Directory
    };
    container.members.iter().filter(marks).map(Member::folder).collect()
}

/// Whether weights lie directly in `folder`.
fn has_weights(container: &Container<'_>, folder: &[u8]) -> bool {
    const ENDINGS: [&[u8]; 10] = [
        b".safetensors",
        b".gguf",
        b".bin",
        b".pt",
        b".pth",
        b".onnx",
        b".h5",
        b".msgpack",
        b".ckpt",
        b".pkl",
    ];
    container
        .directly_in(folder)
        .any(|m| ENDINGS.iter().any(|e| m.name().ends_with(e)))
}

/// What the sources of a repository do when they are imported.
fn sources(container: &Container<'_>, folder: &[u8], named: &BTreeSet<Vec<u8>>, out: &mut Outcome<'_>) {
    // A package of its own, which happens to hold a model, is imported by those who installed it.
    let package = container.has(&join(folder, b"__init__.py"));
    if named.is_empty() && (package || !has_weights(container, folder)) {
        return;
    }
    let mut files: BTreeMap<&[u8], &Member<'_>> = BTreeMap::new();
    for path in named {
        if let Some(member) = container.at(path) {
            files.insert(&member.path, member);
        }
    }
    let beside = container.directly_in(folder).filter(|m| m.name().ends_with(b".py"));
    files.extend(beside.map(|m| (&*m.path, m)));
    for member in files.values() {
        let Some(file) = container.file(&member.path) else {
            continue;
        };
        // Code that is named may import all that lies beside it.
        let reached = !named.is_empty() && member.name() != b"setup.py";
        let found = match file.export() {
            Some(Export::Python(acts)) => acts.to_vec(),
            Some(Export::Text(text)) => python::acts(text),
            _ => continue,
        };
        report(container, member, &found, reached, out);
    }
}

fn report(container: &Container<'_>, member: &Member<'_>, acts: &[Act], reached: bool, out: &mut Outcome<'_>) {
    let mut by_case: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for act in acts {
        let case = match (act.kind, reached) {
            (ActKind::Decoded, _) => "decoded",
            (ActKind::Process, true) => "process",
            (ActKind::Network, true) => "network",
            (ActKind::Dynamic, true) => "dynamic",
            (_, false) => "unreferenced",
        };
        by_case
            .entry(case)
            .or_default()
            .push(format!("{} (line {})", act.call, act.line));
    }
    for (case, calls) in by_case {
        let message = format!(
            "{} calls {} as soon as it is imported",
            shown(&member.path),
            calls.join(", ")
        );
        let finding = container.finding(code::IMPORT_CODE, member, message).case(case);
        out.push(finding.evidence("calls", Evidence::List(calls)));
    }
}

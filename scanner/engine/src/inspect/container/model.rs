//! Model repositories: configurations that name code, and what that code does when it is imported.
//!
//! Servers' own files (MLflow, TorchServe) and the sources that tools import for their name count as well.
//!
//! Which folder is one, a file says that only loaders of models read. Named code runs when somebody loads the model and
//! trusts it to (`trust_remote_code`), so naming it is told and weighs little while the code is there and quiet.

mod configs;
mod serving;
mod shapes;

pub(crate) use shapes::Outline;

use super::python::{self, Act, ActKind};
use super::{Container, Export, Inspection, Kind, Member, Outcome, join};
use crate::finding::{Value as Evidence, code};
use crate::policy::shown;
use std::collections::{BTreeMap, BTreeSet};

/// `remote-code`, `import-code`, `path-traversal`, `tensor-shape`.
pub(super) struct Model;

impl Inspection for Model {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        for folder in folders(container) {
            let mut named = configs::inspect(container, folder, out);
            serving::inspect(container, folder, &mut named, out);
            sources(container, folder, &named, out);
            shapes::inspect(container, folder, out);
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
                | b"video_preprocessor_config.json"
                | b"image_processor_config.json"
                | b"feature_extractor_config.json"
                | b"Manifest.json"
                | b"MLmodel"
                | b"config.pbtxt"
                | b"cog.yaml"
                | b"bentofile.yaml"
                | b"MANIFEST.json"
        ) && m.kind != Kind::Directory
    };
    // Weights beside a source that tools import by its name: no configuration has to name it.
    let weights = |m: &&Member<'_>| {
        [&b".safetensors"[..], b".gguf", b".onnx", b".keras", b".h5"]
            .iter()
            .any(|e| m.name().ends_with(e))
            || matches!(
                m.name(),
                b"pytorch_model.bin" | b"model.pt" | b"model.pth" | b"model.pkl" | b"model.joblib"
            )
    };
    let marked = container.members.iter().filter(|m| marks(m) || weights(m));
    // A serving archive has its manifest in a folder of its own.
    marked
        .map(|m| m.folder())
        .map(|f| {
            f.strip_suffix(b"MAR-INF")
                .map_or(f, |f| f.strip_suffix(b"/").unwrap_or(f))
        })
        .collect()
}

/// Sources that a tool imports for their name alone: pytest, pip, the interpreter, and servers of models.
const AUTOMATIC: [&[u8]; 9] = [
    b"__init__.py",
    b"hubconf.py",
    b"conftest.py",
    b"setup.py",
    b"sitecustomize.py",
    b"usercustomize.py",
    b"handler.py",
    b"predict.py",
    b"service.py",
];
/// The same below a model's folder: transformers' generation, SageMaker, Triton.
const AUTOMATIC_BELOW: [&[u8]; 4] = [
    b"custom_generate/generate.py",
    b"code/inference.py",
    b"code/model.py",
    b"1/model.py",
];

/// Sources that people run or import first, by their names: what they do there counts, what their functions do does not.
const LIKELY: [&[u8]; 5] = [b"__main__.py", b"app.py", b"inference.py", b"model.py", b"modeling.py"];

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
    let below: Vec<&Member<'_>> = AUTOMATIC_BELOW
        .iter()
        .filter_map(|f| container.at(&join(folder, f)))
        .collect();
    if named.is_empty() && below.is_empty() && !has_weights(container, folder) {
        return;
    }
    let mut files: BTreeMap<&[u8], &Member<'_>> = BTreeMap::new();
    for path in named {
        if let Some(member) = container.at(path) {
            files.insert(&member.path, member);
        }
    }
    // Of a package, the file that importing it runs.
    let alone = package && named.is_empty();
    let beside = container
        .directly_in(folder)
        .filter(|m| m.name().ends_with(b".py") && (!alone || m.name() == b"__init__.py"));
    files.extend(beside.map(|m| (&*m.path, m)));
    files.extend(below.iter().map(|m| (&*m.path, *m)));
    for member in files.values() {
        let Some(file) = container.file(&member.path) else {
            continue;
        };
        // Code that is named may import all that lies beside it.
        let reach = if !named.is_empty() && member.name() != b"setup.py" {
            Reach::Named
        } else if AUTOMATIC.contains(&member.name()) || below.iter().any(|m| m.path == member.path) {
            Reach::Automatic
        } else if LIKELY.contains(&member.name()) {
            Reach::Likely
        } else {
            Reach::Beside
        };
        let found = match file.export() {
            Some(Export::Python(acts)) => acts.to_vec(),
            Some(Export::Text(text)) => python::acts(text),
            _ => continue,
        };
        report(container, member, &found, reach, out);
    }
}

/// How a source comes to be imported.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Reach {
    /// A configuration names it, or something beside it.
    Named,
    /// Tools import a file of its name.
    Automatic,
    /// People start with a file of its name.
    Likely,
    /// It lies there.
    Beside,
}

fn report(container: &Container<'_>, member: &Member<'_>, acts: &[Act], reach: Reach, out: &mut Outcome<'_>) {
    let mut by_case: BTreeMap<&'static str, Vec<String>> = BTreeMap::new();
    for act in acts {
        let case = match (act.kind, reach) {
            (_, Reach::Named | Reach::Automatic) if act.deferred => "deferred",
            _ if act.deferred => continue,
            (ActKind::Decoded, _) => "decoded",
            (ActKind::Process, Reach::Named) => "process",
            (ActKind::Network, Reach::Named) => "network",
            (ActKind::Dynamic, Reach::Named) => "dynamic",
            (ActKind::Process, Reach::Automatic | Reach::Likely) => "automatic",
            (_, Reach::Automatic | Reach::Likely | Reach::Beside) => "unreferenced",
        };
        by_case
            .entry(case)
            .or_default()
            .push(format!("{} (line {})", act.call, act.line));
    }
    for (case, calls) in by_case {
        let when = if case == "deferred" {
            "when the model is used"
        } else {
            "as soon as it is imported"
        };
        let message = format!("{} calls {} {when}", shown(&member.path), calls.join(", "));
        let finding = container.finding(code::IMPORT_CODE, member, message).case(case);
        out.push(finding.evidence("calls", Evidence::List(calls)));
    }
}

//! What a model's configuration makes its loader look up, call and read.

use super::external::leads_away;
use super::{Closing, Inspector};
use crate::fact::{ConfigObject, Fact, Resource};
use crate::finding::{Finding, Findings, Value, code};
use crate::policy::shown;
use crate::span::Span;
use probity_signatures::{ConfigClass, keras};
use std::collections::BTreeSet;

/// `config-object`, `config-lambda`, `config-resource`.
pub(super) struct Config;

impl Inspector for Config {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let mut seen = BTreeSet::new();
        let mut codes: Vec<Span> = artifact
            .facts
            .iter()
            .filter_map(|f| match f {
                Fact::ConfigCode { span, .. } => Some(*span),
                _ => None,
            })
            .collect();
        codes.sort_unstable();
        let mut lambdas: Vec<(Span, &str)> = Vec::new();
        for fact in artifact.facts {
            match fact {
                Fact::ConfigObject(found) => {
                    let key = (found.module.as_deref(), &*found.name, found.registered.as_deref());
                    if seen.insert(key) {
                        object(found, out);
                    }
                }
                Fact::ConfigLambda { layer, span } => lambdas.push((*span, layer)),
                Fact::Resource(found) => resource(found, out),
                _ => {}
            }
        }
        // Version 3 writes a function inside its layer: one of the two is told.
        lambdas.sort_by_key(|(span, _)| (span.start(), std::cmp::Reverse(span.end())));
        let mut end = 0;
        for (span, layer) in lambdas {
            if span.end() > end {
                end = span.end();
                let next = codes.partition_point(|code| code.start() < span.start());
                let holds_code = codes.get(next).is_some_and(|code| span.encloses(*code));
                lambda(artifact, layer, span, holds_code, out);
            }
        }
    }
}

fn object(found: &ConfigObject, out: &mut Findings) {
    let ConfigObject {
        module,
        name,
        is_function,
        registered,
        layer,
        span,
    } = found;
    let (mut case, why, mut references): (&'static str, String, &[String]) =
        match keras().classify(module.as_deref(), name, *is_function) {
            ConfigClass::Inert if registered.as_deref().is_some_and(super::operators::tells) => {
                ("registered", "a package registered it".to_owned(), &[])
            }
            ConfigClass::Inert => return,
            ConfigClass::Unsaid => {
                let own = registered.as_deref().and_then(|r| r.split_once('>'));
                if own.is_none_or(|(package, _)| matches!(package, "keras" | "Keras")) {
                    return;
                }
                ("registered", "a package registered it".to_owned(), &[])
            }
            ConfigClass::Gadget {
                case,
                reason,
                references,
            } => {
                let case = if case == "nested" { "nested" } else { "loader" };
                (case, reason.to_owned(), references)
            }
            ConfigClass::Dangerous { reason } => ("dangerous", reason.to_owned(), &[]),
            ConfigClass::Stdlib => ("stdlib", "the standard library holds no layers".to_owned(), &[]),
            ConfigClass::Unlisted => ("unlisted", "a part of Keras that holds no layers".to_owned(), &[]),
            ConfigClass::Foreign => ("foreign", "a module outside Keras".to_owned(), &[]),
        };
    // A Lambda names the module in which its function was written; nothing of it is called.
    if &**name == "*" && case == "foreign" {
        case = "registered";
    }
    if case == "foreign" && !*is_function && !module.as_deref().is_some_and(is_library) {
        case = "unknown";
    }
    if case == "registered" && registered.as_deref().is_some_and(super::operators::tells) {
        case = "unknown";
    }
    static IMPORTS: std::sync::LazyLock<Vec<String>> = std::sync::LazyLock::new(|| vec!["CVE-2025-1550".to_owned()]);
    if references.is_empty() && matches!(case, "dangerous" | "stdlib") {
        references = &IMPORTS;
    }
    let path = match module {
        Some(module) => format!("{}.{}", shown(module.as_bytes()), shown(name.as_bytes())),
        None => shown(name.as_bytes()),
    };
    let mut finding = Finding::new(
        code::CONFIG_OBJECT,
        *span,
        format!("the configuration names {path}: {why}"),
    )
    .case(case)
    .evidence(
        "module",
        module.as_deref().map_or_else(String::new, |m| shown(m.as_bytes())),
    )
    .evidence("name", shown(name.as_bytes()))
    .key(path);
    if let Some(registered) = registered {
        finding = finding.evidence("registered", shown(registered.as_bytes()));
    }
    if !layer.is_empty() {
        finding = finding.evidence("layer", shown(layer.as_bytes()));
    }
    if !references.is_empty() {
        finding = finding.evidence("advisories", Value::List(references.to_vec()));
    }
    out.push(finding);
}

/// Whether a module is one of the libraries of layers that published models use, or a place in which everyone writes
/// classes of their own.
fn is_library(module: &str) -> bool {
    const ROOTS: [&str; 34] = [
        "__main__",
        "builtins",
        "keras_hub",
        "keras_nlp",
        "keras_cv",
        "keras_core",
        "keras_tuner",
        "keras_rs",
        "tf_keras",
        "tensorflow",
        "tensorflow_hub",
        "tensorflow_addons",
        "tensorflow_text",
        "tensorflow_model_optimization",
        "tensorflow_probability",
        "tensorflow_datasets",
        "tensorflow_recommenders",
        "tensorflow_ranking",
        "transformers",
        "larq",
        "qkeras",
        "kapre",
        "autokeras",
        "spektral",
        "official",
        "bayesflow",
        "deepchem",
        "stellargraph",
        "efficientnet",
        "segmentation_models",
        "keras_contrib",
        "keras_bert",
        "kgcnn",
        "tcn",
    ];
    let root = module.split('.').next().unwrap_or_default();
    ROOTS.contains(&root) && !super::operators::tells(module)
}

fn lambda(artifact: &Closing<'_>, layer: &str, span: Span, holds_code: bool, out: &mut Findings) {
    let layer = shown(layer.as_bytes());
    let (case, what) = if holds_code {
        ("code", "marshalled code in this file")
    } else {
        ("named", "a function that it only names")
    };
    let advisory = if artifact.within.contains(&"hdf5") {
        "CVE-2025-9905"
    } else {
        "CVE-2024-3660"
    };
    let message = if layer.is_empty() {
        format!("a Lambda layer calls {what}")
    } else {
        format!("the Lambda layer {layer} calls {what}")
    };
    let finding = Finding::new(code::CONFIG_LAMBDA, span, message)
        .case(case)
        .evidence("layer", layer.clone())
        .evidence("advisory", advisory)
        .key(layer);
    out.push(finding);
}

fn resource(found: &Resource, out: &mut Findings) {
    let Resource {
        case,
        owner,
        key,
        value,
        span,
    } = found;
    if value.is_empty() {
        return;
    }
    let path = shown(value.as_bytes());
    let away = leads_away(value.as_bytes());
    let advisory = match *case {
        "vocabulary" => "CVE-2025-12058",
        "saved-model" => "CVE-2026-1462",
        _ => "CVE-2025-12060",
    };
    let message = format!("{owner} reads {path} ({key}) when the model is loaded");
    let finding = Finding::new(code::CONFIG_RESOURCE, *span, message)
        .case(if away { "escape" } else { case })
        .evidence("class", &**owner)
        .evidence("key", &**key)
        .evidence("path", path.clone())
        .evidence("advisory", advisory)
        .key(format!("{owner} {path}"));
    out.push(finding);
}

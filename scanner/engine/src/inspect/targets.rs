//! Callables that configurations name: `_target_` in JSON documents (facts) and in YAML files.
//!
//! YAML is not parsed here: lines are searched for the key, in block and in flow style, quoted or not, with the value on its
//! own line or below. That finds every spelling that loaders read but complex keys (`? _target_`) and aliases.

use super::{Closing, Inspector};
use crate::fact::Fact;
use crate::finding::{Finding, Findings, code};
use crate::policy::shown;
use crate::span::Span;
use probity_signatures::{Classification, callables};
use std::collections::BTreeSet;

/// `configured-callable`.
pub(super) struct Targets;

/// The longest YAML file that is searched, in bytes.
const LONGEST: u64 = 32 << 20;
/// Hydra's key, then NeMo's and Lightning's.
const KEYS: [&str; 10] = [
    "_target_",
    "target",
    "cls",
    "class_path",
    // What `hydra.utils.get_method` and its like take, MLflow's and TorchServe's names of modules, and common spellings.
    "path",
    "loader_module",
    "func",
    "function",
    "callable",
    "handler",
];

impl Inspector for Targets {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let mut seen = BTreeSet::new();
        for fact in artifact.facts {
            if let Fact::Configured { name, span } = fact
                && seen.insert(name.to_string())
            {
                out_of(name, *span, out);
            }
        }
        let name = artifact.name.to_ascii_lowercase();
        // By the name: what reads YAML does not ask what else the text may be.
        if name.ends_with(b".yaml") || name.ends_with(b".yml") {
            for (name, span, key) in search(&String::from_utf8_lossy(&artifact.beginning(LONGEST))) {
                // Other keys of this meaning are ordinary words: they count with a name that has no other reading.
                let told = key == KEYS[0] || runs(&name);
                if told && seen.insert(name.clone()) {
                    out_of(&name, span, out);
                }
            }
        }
    }
}

fn out_of(name: &str, span: Span, out: &mut Findings) {
    let Some((case, why)) = judge(name) else { return };
    let target = shown(name.as_bytes());
    let finding = Finding::new(
        code::CONFIGURED_CALLABLE,
        span,
        format!("instantiating calls {target}: {why}"),
    )
    .case(case)
    .evidence("target", target.clone())
    .key(target);
    out.push(finding);
}

/// Libraries whose configurations these are.
const LIBRARIES: &[&str] = &[
    "nemo",
    "torch",
    "torchvision",
    "torchaudio",
    "torchmetrics",
    "pytorch_lightning",
    "lightning",
    "hydra",
    "omegaconf",
    "transformers",
    "diffusers",
    "timm",
    "megatron",
    "nemo_run",
    "sklearn",
    "numpy",
    "monai",
    "datasets",
    "wandb",
];

/// Dangerous as a pickle's callables, ordinary as a configuration's: they read, combine or select, and run nothing.
const ORDINARY: &[&str] = &[
    "os.path.",
    "os.getcwd",
    "os.cpu_count",
    "os.getenv",
    "os.environ.get",
    "os.getpid",
    "multiprocessing.cpu_count",
    "functools.partial",
    "operator.itemgetter",
    "operator.attrgetter",
    "builtins.getattr",
    "builtins.map",
    "builtins.filter",
    "builtins.sorted",
    "builtins.min",
    "builtins.max",
    "builtins.property",
    "torch.load",
    "numpy.load",
    "hydra.utils.get_",
    "socket.gethostname",
    "typing.NamedTuple",
    "types.SimpleNamespace",
    "torch.utils.data.",
    "torch.compile",
];

/// The case for a dotted name, and why; `None` for one that is the configuration's own library's.
fn judge(name: &str) -> Option<(&'static str, String)> {
    // What is no dotted name cannot be imported: `os.environ/NAME` is how some configurations spell a variable.
    if !name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '.')) {
        return None;
    }
    // A module imported inside another one is reached through it: `library.os.system`.
    let name = imported(name).unwrap_or(name);
    let (module, attribute) = name.rsplit_once('.').unwrap_or(("builtins", name));
    let full = format!("{module}.{attribute}");
    let ordinary = ORDINARY.iter().any(|known| full.starts_with(known));
    let root = module.split('.').next().unwrap_or_default();
    match callables().classify(module, attribute) {
        Classification::Dangerous { reason, .. } if !ordinary => Some(("unsafe", reason.to_owned())),
        Classification::Inert => None,
        _ if LIBRARIES.contains(&root) => None,
        Classification::Dangerous { .. } | Classification::UnknownStdlib => Some((
            "stdlib",
            "a standard library callable that nobody has reviewed".to_owned(),
        )),
        Classification::Unknown => Some(("foreign", "a callable of a library that is not known".to_owned())),
    }
}

/// The part of a dotted name from a module on that no library has a submodule named like.
fn imported(name: &str) -> Option<&str> {
    const MODULES: &[&str] = &[
        "os",
        "posix",
        "subprocess",
        "builtins",
        "shutil",
        "importlib",
        "runpy",
        "ctypes",
        "_os",
    ];
    let mut rest = name;
    while let Some((_, behind)) = rest.split_once('.') {
        let (module, attribute) = behind.split_once('.')?;
        if MODULES.contains(&module) && !attribute.is_empty() {
            return Some(behind.trim_start_matches('_'));
        }
        rest = behind;
    }
    None
}

/// Whether a dotted name begins with a module that runs programs or source, and is known to.
fn runs(name: &str) -> bool {
    const MODULES: &[&str] = &[
        "os",
        "posix",
        "subprocess",
        "builtins",
        "shutil",
        "importlib",
        "runpy",
        "pty",
        "nt",
    ];
    let root = name.split('.').next().unwrap_or_default();
    MODULES.contains(&root) && name.contains('.') && judge(name).is_some_and(|(case, _)| case == "unsafe")
}

/// The values of every key that names a callable, with the places of their lines and the keys.
fn search(yaml: &str) -> Vec<(String, Span, &'static str)> {
    let mut found = Vec::new();
    let mut offset = 0u64;
    // A key whose value must be on a line below, and its place.
    let mut pending: Option<(Span, &'static str)> = None;
    for line in yaml.split_inclusive('\n') {
        let start = offset;
        offset = offset.saturating_add(u64::try_from(line.len()).unwrap_or(u64::MAX));
        let bare = line.trim();
        if bare.is_empty() || bare.starts_with('#') {
            continue;
        }
        if let Some((place, key)) = pending.take() {
            found.extend(scalar(bare).map(|name| (name, place, key)));
        }
        let spelt = if line.contains("\\x") || line.contains("\\u") {
            unescaped(line)
        } else {
            line.to_owned()
        };
        let place = Span::new(start, offset);
        for key in KEYS {
            for (at, _) in spelt.match_indices(key) {
                let before = spelt.get(..at).unwrap_or_default();
                if before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '.') {
                    continue;
                }
                let behind = spelt.get(at + key.len()..).unwrap_or_default();
                let value = behind.trim_start_matches(['"', '\'']).trim_start();
                let Some(value) = value.strip_prefix(':') else { continue };
                match scalar(value.trim()) {
                    Some(name) => found.push((name, place, key)),
                    None => pending = Some((place, key)),
                }
            }
        }
    }
    found
}

/// The scalar at the start of `text`, without its anchor, tag and quotes; `None` when it stands on a line below.
fn scalar(text: &str) -> Option<String> {
    let mut text = text.trim_start();
    while text.starts_with(['&', '!']) {
        let (_, behind) = text.split_once(char::is_whitespace)?;
        text = behind.trim_start();
    }
    if text.is_empty() || text.starts_with(['#', '|', '>']) {
        return None;
    }
    let quote = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    let value = match quote {
        Some(quote) => text.get(1..)?.split(quote).next().unwrap_or_default(),
        None => text.split([',', '}', '#', ' ', '\t']).next().unwrap_or_default(),
    };
    let fits = !value.is_empty() && value.len() <= 512;
    fits.then(|| value.trim().to_owned())
}

/// `\xHH` and `\uHHHH` of double-quoted scalars.
fn unescaped(line: &str) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some((plain, behind)) = rest.split_once('\\') {
        out.push_str(plain);
        let digits = match behind.chars().next() {
            Some('x') => 2,
            Some('u') => 4,
            _ => 0,
        };
        let code = behind
            .get(1..digits + 1)
            .and_then(|hex| u32::from_str_radix(hex, 16).ok());
        match code.filter(|_| digits > 0).and_then(char::from_u32) {
            Some(c) => {
                out.push(c);
                rest = behind.get(digits + 1..).unwrap_or_default();
            }
            None => {
                out.push('\\');
                rest = behind;
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_found_in_every_style_of_yaml() {
        for (yaml, expected) in [
            ("_target_: a.B\n", vec!["a.B"]),
            ("model:\n  _target_: a.B # why\n  x: 1\n", vec!["a.B"]),
            ("m: {_target_: a.B, x: {_target_: 'c.D'}}", vec!["a.B", "c.D"]),
            ("\"_target_\" : \"a.B\"", vec!["a.B"]),
            ("\"\\x5ftarget\\u005f\": os.system", vec!["os.system"]),
            ("_target_: !!str &t a.B", vec!["a.B"]),
            ("_target_:\n  a.B\n", vec!["a.B"]),
            ("_target_: >-\n  a.B\n", vec!["a.B"]),
            ("- _target_: a.B\n- _target_: c.D\n", vec!["a.B", "c.D"]),
            ("# _target_: a.B\nmy_target: a.B\ntext: the _target_ key\n", vec![]),
            ("_target_:\n", vec![]),
        ] {
            let names: Vec<String> = search(yaml).into_iter().map(|(name, ..)| name).collect();
            assert_eq!(names, expected, "{yaml}");
        }
        assert_eq!(search("target: a.B")[0].2, "target");
        for (name, expected) in [
            ("os.system", true),
            ("os.path.join", false),
            ("test.thing", false),
            ("os", false),
        ] {
            assert_eq!(runs(name), expected, "{name}");
        }
    }

    #[test]
    fn a_target_is_judged_by_what_it_would_call() {
        for (name, expected) in [
            ("os.system", Some("unsafe")),
            ("subprocess.Popen", Some("unsafe")),
            ("builtins.eval", Some("unsafe")),
            ("eval", Some("unsafe")),
            ("nemo.os.system", Some("unsafe")),
            ("pickle.loads", Some("unsafe")),
            ("nemo.collections.asr.models.EncDecCTCModel", None),
            ("torch.optim.AdamW", None),
            ("torch.load", None),
            ("pytorch_lightning.callbacks.ModelCheckpoint", None),
            ("os.environ/API_BASE", None),
            ("${model.target}", None),
            ("os.path.join", Some("stdlib")),
            ("functools.partial", Some("stdlib")),
            ("builtins.dict", None),
            ("mypackage.models.Net", Some("foreign")),
        ] {
            assert_eq!(judge(name).map(|(case, _)| case), expected, "{name}");
        }
    }

    #[test]
    fn configurations_are_searched_whatever_their_format() {
        let scanner = crate::pipeline::Scanner::new(crate::pipeline::Options {
            jobs: 1,
            ..crate::pipeline::Options::default()
        })
        .unwrap();
        for (name, text, expected) in [
            ("model_config.yaml", "model:\n  _target_: os.system\n", 1),
            ("hparams.yml", "target: subprocess.run\n", 1),
            ("config.json", "{\"_target_\": \"os.system\"}", 1),
            ("model_config.yaml", "model:\n  _target_: torch.nn.Linear\n", 0),
            ("notes.md", "    _target_: os.system\n", 0),
        ] {
            let report = scanner.scan_bytes(name, text.as_bytes().to_vec());
            let findings = report.artifacts.iter().flat_map(|a| &a.findings);
            let told = findings.filter(|j| j.finding.case == Some("unsafe")).count();
            assert_eq!(told, expected, "{name}: {text}");
        }
    }
}

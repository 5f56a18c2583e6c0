//! Source in torch archives: TorchScript, whose compiler writes a small language, and `torch.package`, whose modules are
//! Python that the importer executes.
//!
//! TorchScript source is tokenised, not parsed: strings and comments are passed over, and words that the compiler cannot have
//! written (`import` of anything but its own modules, `eval`, `os.system`) are told, as are operators that read or write
//! files. What such source computes is not judged.

use super::container::python;
use super::{Closing, Inspector};
use crate::fact::{EntryKind, Fact};
use crate::finding::{Finding, Findings, Value, code};
use crate::policy::shown;
use crate::span::Span;

/// `bundled-code`, cases `imports`, `files` and `package`.
pub(super) struct TorchScript;

/// The longest source that is read, in bytes.
const LONGEST: u64 = 32 << 20;

impl Inspector for TorchScript {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        if artifact.format == "zip" {
            package(artifact, out);
        } else if matches!(artifact.within.last(), Some(&("zip" | "tar")))
            && artifact.name.ends_with(b".py")
            && !is_code(artifact.name)
        {
            carried(artifact, out);
        } else if artifact.within.last() == Some(&"zip") && is_code(artifact.name) {
            let source = artifact.beginning(LONGEST);
            for (case, span, words) in unusual(&String::from_utf8_lossy(&source)) {
                let what = match case {
                    "imports" => "which its compiler cannot have written",
                    "foreign" => "which only a library beside PyTorch has",
                    _ => "which reads or writes files, or loads code",
                };
                let words = shown(words.as_bytes());
                let message = format!("TorchScript source holds {words}, {what}");
                let finding = Finding::new(code::BUNDLED_CODE, span, message).case(case);
                out.push(finding.evidence("source", words.clone()).key(words));
            }
        }
    }
}

/// `code/__torch__/x.py` inside an archive's own folder, or without one. Packages have folders called `code`, too.
fn is_code(name: &[u8]) -> bool {
    let inside = name.starts_with(b"code/__torch__") || memchr::memmem::find(name, b"/code/__torch__").is_some();
    inside && name.ends_with(b".py")
}

/// Python that a model's archive brings: what it does when it is imported, and programs that its functions start. A
/// package that is installed is another thing, and so is an archive of sources.
fn carried(artifact: &Closing<'_>, out: &mut Findings) {
    const LONGEST: u64 = 1 << 20;
    const ARCHIVES: [&[u8]; 8] = [
        b".pt", b".pth", b".ptl", b".bin", b".ckpt", b".mar", b".keras", b".nemo",
    ];
    let lower = artifact.path.to_ascii_lowercase();
    let root = artifact.within.iter().filter(|f| **f != "gzip").count() == 1;
    if !root || !ARCHIVES.iter().any(|end| lower.as_bytes().ends_with(end)) {
        return;
    }
    let acts = python::acts(&artifact.beginning(LONGEST));
    let calls: Vec<String> = acts
        .iter()
        .filter(|act| act.deferred || act.kind != python::ActKind::Network)
        .map(|act| format!("{} (line {})", shown(act.call.as_bytes()), act.line))
        .collect();
    if calls.is_empty() {
        return;
    }
    let message = format!("Python source in a model's archive calls {}", calls.join(", "));
    let finding = Finding::new(code::BUNDLED_CODE, artifact.ledger.whole(), message).case("acts");
    out.push(finding.key(calls.join(" ")).evidence("calls", Value::List(calls)));
}

/// A `torch.package` has a folder `.data` with the list of modules it takes from outside.
fn package(artifact: &Closing<'_>, out: &mut Findings) {
    let entries = artifact.facts.iter().filter_map(|fact| match fact {
        Fact::Entry(entry) if entry.kind == EntryKind::File => Some(entry),
        _ => None,
    });
    let (mut marked, mut first, mut sources) = (false, None, Vec::new());
    for entry in entries {
        marked |= entry.name.ends_with(b".data/extern_modules");
        if entry.name.ends_with(b".py") && !is_code(&entry.name) {
            first.get_or_insert(entry.span);
            if sources.len() < 16 {
                sources.push(shown(&entry.name));
            }
        }
    }
    if let (true, Some(span)) = (marked, first) {
        let message = format!(
            "a torch.package with Python source: importing it runs {}",
            sources.join(", ")
        );
        let finding = Finding::new(code::BUNDLED_CODE, span, message).case("package");
        out.push(finding.key("package").evidence("sources", Value::List(sources)));
    }
}

/// Functions of the interpreter that no TorchScript calls; `getattr` is how the compiler spells members such as `0`.
const INTERPRETER: &[&str] = &["eval", "exec", "compile", "__import__", "open", "globals"];
/// Modules that TorchScript has no name for.
const MODULES: &[&str] = &[
    "os",
    "sys",
    "subprocess",
    "builtins",
    "importlib",
    "socket",
    "shutil",
    "ctypes",
    "pickle",
];
/// Operators on files and libraries, as the compiler spells them.
const FILES: &[&str] = &[
    "torch.save",
    "torch.load",
    "torch.from_file",
    "ops.aten.save",
    "ops.aten.from_file",
    "ops.load_library",
    "torch.ops.load_library",
    "ops.aten.load",
    "ops.image.read_file",
    "ops.image.write_file",
    "ops.torchaudio.sox_io_load_audio_file",
    "ops.torchaudio.sox_io_save_audio_file",
    "ops.torchaudio.ffmpeg_StreamReader",
    "ops.rpc.rpc_sync",
    "ops.rpc.rpc_async",
    "ops.rpc.rpc_remote",
    "ops.prim.PythonOp",
];

/// Whether an operator or class belongs to a library that is loaded beside PyTorch, and to none that is widely used.
fn is_foreign(words: &str) -> bool {
    const KNOWN: [&str; 28] = [
        "aten",
        "prim",
        "prims",
        "torchvision",
        "torchaudio",
        "torchtext",
        "quantized",
        "quantized_decomposed",
        "mkldnn",
        "mkl",
        "mkldnn_prepacked",
        "xnnpack",
        "prepacked",
        "sparse",
        "rnn",
        "image",
        "vision",
        "fbgemm",
        "torch_scatter",
        "torch_sparse",
        "torch_cluster",
        "torch_spline_conv",
        "pyg",
        "inductor",
        "debugprims",
        "_caffe2",
        "tensorrt",
        "profiler",
    ];
    let namespace = words
        .strip_prefix("ops.")
        .or_else(|| words.strip_prefix("torch.ops."))
        .or_else(|| words.strip_prefix("__torch__.torch.classes."));
    let namespace = namespace.and_then(|n| n.split_once('.')).map(|(n, _)| n);
    namespace.is_some_and(|n| !KNOWN.contains(&n))
}

/// What in the source is unusual: the case, the place, the words. One of each kind of words.
fn unusual(source: &str) -> Vec<(&'static str, Span, String)> {
    let mut found: Vec<(&'static str, Span, String)> = Vec::new();
    let mut add = |case, at: usize, words: &str| {
        let wide = |n: usize| u64::try_from(n).unwrap_or(u64::MAX);
        if found.len() < 32 && !found.iter().any(|(.., known)| known == words) {
            found.push((case, Span::saturating_at(wide(at), wide(words.len())), words.to_owned()));
        }
    };
    let mut begins_line = true;
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let at = source.len() - rest.len();
        let length = match first {
            '\n' => {
                begins_line = true;
                1
            }
            ' ' | '\t' | '\r' => 1,
            '#' => rest.find('\n').unwrap_or(rest.len()),
            '"' | '\'' => {
                begins_line = false;
                string(rest)
            }
            c if c.is_alphabetic() || c == '_' => {
                let path = rest
                    .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '.'))
                    .unwrap_or(rest.len());
                let words = rest.get(..path).unwrap_or_default();
                let behind = rest.get(path..).unwrap_or_default().trim_start_matches([' ', '\t']);
                if begins_line && matches!(words, "import" | "from") {
                    let target = behind.split(['\n', '#']).next().unwrap_or_default().trim();
                    if !target.starts_with("__torch__") {
                        add("imports", at, &format!("{words} {target}"));
                    }
                }
                let root = words.split('.').next().unwrap_or_default();
                // A class is named where a member is declared, too.
                if words.starts_with("__torch__.torch.classes.") && is_foreign(words) {
                    add("foreign", at, words);
                }
                if behind.starts_with('(') {
                    if INTERPRETER.contains(&words) || (words.contains('.') && MODULES.contains(&root)) {
                        add("imports", at, words);
                    }
                    if is_foreign(words) {
                        add("foreign", at, words);
                    }
                    if FILES
                        .iter()
                        .any(|known| words == *known || words.ends_with(&format!(".{known}")))
                    {
                        add("files", at, words);
                    }
                }
                begins_line = false;
                path
            }
            c => {
                begins_line = c == ';';
                c.len_utf8()
            }
        };
        rest = rest.get(length.max(1)..).unwrap_or_default();
    }
    found
}

/// The length of a string literal, of one or of three quotes.
fn string(rest: &str) -> usize {
    let quote = rest.get(..1).unwrap_or_default();
    let triple = quote.repeat(3);
    let close = if rest.starts_with(&triple) {
        triple.as_str()
    } else {
        quote
    };
    let mut at = close.len();
    while let Some(inside) = rest.get(at..).filter(|r| !r.is_empty()) {
        if inside.starts_with(close) {
            return at + close.len();
        }
        let step = if inside.starts_with('\\') { 2 } else { 1 };
        at += step;
        while !rest.is_char_boundary(at.min(rest.len())) {
            at += 1;
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pipeline::{Options, Scanner};
    use probity_tests::build::zip::{Entry, Zip};

    fn told(source: &str) -> Vec<(&'static str, String)> {
        unusual(source)
            .into_iter()
            .map(|(case, _, words)| (case, words))
            .collect()
    }

    #[test]
    fn what_the_compiler_writes_is_quiet_and_what_it_cannot_write_is_told() {
        let ordinary = "op_version_set = 1\nimport __torch__.torch.nn\nclass Net(Module):\n  __parameters__ = [\"weight\", ]\n  \
                        training : bool\n  def forward(self: __torch__.Net,\n    x: Tensor) -> Tensor:\n    # eval(x) import os\n    _0 \
                        = uninitialized(Tensor)\n    _1 = torch.format(\"import os; open({})\", 1)\n    ops.prim.RaiseException(_1)\n    \
                        _2 = (self.open).forward(x, )\n    _3 = getattr(self, \"0\")\n    return torch.add(x, self.weight.os)\n";
        assert_eq!(told(ordinary), []);
        for (source, case, words) in [
            ("import os\n", "imports", "import os"),
            (
                "  from subprocess import run\n",
                "imports",
                "from subprocess import run",
            ),
            ("x = 1; import sys", "imports", "import sys"),
            ("eval (x)", "imports", "eval"),
            ("os.system(\"true\")", "imports", "os.system"),
            (
                "_0 = torch.from_file(\"/data/x\", False, 4)",
                "files",
                "torch.from_file",
            ),
            ("ops.aten.save(x, \"/data/y\")", "files", "ops.aten.save"),
            ("torch.ops.load_library(\"x.so\")", "files", "torch.ops.load_library"),
            (
                "h : __torch__.torch.classes.acme.Own",
                "foreign",
                "__torch__.torch.classes.acme.Own",
            ),
            ("_0 = ops.acme.run(x)", "foreign", "ops.acme.run"),
        ] {
            assert_eq!(told(source), [(case, words.to_owned())], "{source}");
        }
        for odd in ["'", "'''", "\"\\", "'\u{e9}\\\u{e9}", "import", "#"] {
            assert!(told(odd).len() <= 1, "{odd}");
        }
    }

    #[test]
    fn sources_are_told_by_their_place_in_the_archive() {
        let cases = |members: &[(&str, &str)]| -> Vec<String> {
            let entries = members
                .iter()
                .map(|(name, content)| Entry::stored(name, content.as_bytes()));
            let zip = Zip::of(entries.collect());
            let scanner = Scanner::new(Options {
                jobs: 1,
                ..Options::default()
            })
            .unwrap();
            let report = scanner.scan_bytes("model.pt", zip.build());
            let findings = report.artifacts.iter().flat_map(|a| &a.findings);
            findings
                .filter(|j| j.finding.code == code::BUNDLED_CODE)
                .map(|j| j.finding.case.unwrap_or("-").to_owned())
                .collect()
        };
        let evil = "import os\nos.system(\"true\")\n";
        assert_eq!(cases(&[("m/code/__torch__.py", evil)]), ["imports", "imports"]);
        assert_eq!(cases(&[("m/scripts/run.py", evil)]), ["acts"]);
        assert_eq!(
            cases(&[("m/scripts/run.py", "import os\nprint(os.getcwd())\n")]),
            [""; 0]
        );
        assert_eq!(
            cases(&[("m/.data/extern_modules", "torch\n"), ("m/net.py", "class Net: pass\n")]),
            ["package"]
        );
        assert_eq!(
            cases(&[("m/.data/extern_modules", "torch\n"), ("m/data.txt", "x")]),
            [""; 0]
        );
    }
}

//! From text to model, with every mistake told at once.

mod lint;
mod merge;
mod network;
mod sections;
mod values;

use super::Declared;
use super::diagnostic::{Diagnostics, Level, Source};
use super::rule::{
    Embedded, ExecRule, FileRule, Hardlinks, KernelPolicy, Mode, NetPolicy, NetRule, OnEventLoss, OnUnsupported,
    RuleRef, Subject, UnixRule, WatcherExit,
};
use super::vars::Scope;
use std::collections::BTreeMap;
use std::ops::Range;
use toml::de::DeTable;

/// The largest file, in bytes.
pub const LARGEST: usize = 1 << 20;
/// The most patterns, braces expanded, in all files of a set.
pub const MOST_PATTERNS: usize = 4096;

/// Loads one file. `environment` gives variables that neither `overrides` nor `[vars]` give.
///
/// # Errors
///
/// Everything that is wrong with the file.
pub fn load(
    file: &str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    overrides: &BTreeMap<String, String>,
) -> Result<Declared, Diagnostics> {
    load_all(&[(file, text)], environment, overrides)
}

/// Loads several files, given as (name, text), that are held together: what one allows is allowed, and what one denies
/// is denied. Of settings the strictest counts; two subjects must be the same.
///
/// # Errors
///
/// Everything that is wrong with the files.
pub fn load_all(
    files: &[(&str, &str)],
    environment: &dyn Fn(&str) -> Option<String>,
    overrides: &BTreeMap<String, String>,
) -> Result<Declared, Diagnostics> {
    let mut found = Vec::new();
    let mut parts = Vec::new();
    let mut patterns = 0;
    for (file, text) in files {
        let (part, diagnostics) = one(file, text, environment, overrides, &mut patterns);
        found.extend(diagnostics);
        parts.push(part);
    }
    let merged = merge::merge(files, parts, &mut found);
    let wrong = found.iter().any(|d| d.level == Level::Error);
    // A file with mistakes has lost rules: what the others would say about it is noise.
    if !wrong {
        lint::lint(files, &merged, &mut found);
    }
    let order = |name: &str| files.iter().position(|(file, _)| *file == name);
    found.sort_by_key(|d| (order(&d.file), d.span.start, d.span.end));
    match merged.declared {
        Some(declared) if !wrong => Ok(Declared {
            warnings: found,
            ..declared
        }),
        _ => Err(Diagnostics(found)),
    }
}

/// What one file says.
#[derive(Default)]
struct Part {
    name: Option<String>,
    subject: Option<(Subject, Range<usize>)>,
    default: Option<Mode>,
    sections: [Option<Mode>; 5],
    on_unsupported: Option<OnUnsupported>,
    on_event_loss: Option<OnEventLoss>,
    watcher_exit: Option<WatcherExit>,
    vars: BTreeMap<String, String>,
    files: Vec<Sited<FileRule>>,
    execs: Vec<Sited<ExecRule>>,
    nets: Vec<Sited<NetRule>>,
    net_policy: NetPolicy,
    unixes: Vec<Sited<UnixRule>>,
    kernel: KernelPolicy,
    embedded: Option<Embedded>,
    hardlinks: Option<Hardlinks>,
}

/// A rule, the bytes of its header, and those of the text of each of its patterns (what it allows, then what it denies).
#[derive(Clone)]
struct Sited<R> {
    rule: R,
    header: Range<usize>,
    spans: Vec<Range<usize>>,
}

/// The state of reading one file.
struct Loader<'t, 'e> {
    source: Source<'t>,
    scope: Scope<'e>,
    patterns: &'e mut usize,
}

impl Loader<'_, '_> {
    /// The rule that stands at a byte.
    fn at(&self, at: usize) -> RuleRef {
        RuleRef {
            file: self.source.file.to_owned(),
            line: self.source.line(at),
        }
    }
}

fn one(
    file: &str,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
    overrides: &BTreeMap<String, String>,
    patterns: &mut usize,
) -> (Part, Vec<super::Diagnostic>) {
    let mut source = Source::new(file, text);
    if text.len() > LARGEST {
        let help = "a declared set is written by people, for people: write patterns instead of lists";
        source.error(0..0, "larger than 1 MiB", help);
        return (Part::default(), source.found);
    }
    let (document, syntax) = DeTable::parse_recoverable(text);
    for error in &syntax {
        let title = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
        let help = syntax_help(text, error.message());
        source.error(error.span().unwrap_or_default(), title, help);
    }
    let broken: Vec<u32> = source.found.iter().map(|d| d.line).collect();
    let mut loader = Loader {
        source,
        scope: Scope {
            overrides,
            own: BTreeMap::new(),
            environment,
        },
        patterns,
    };
    let part = loader.document(document.get_ref());
    let mut found = loader.source.found;
    if !syntax.is_empty() {
        // What a broken line lost is not missing, and what is left of it is not what was meant.
        let keep = |(index, d): &(usize, super::Diagnostic)| {
            *index < syntax.len() || (!broken.contains(&d.line) && d.span.start < d.span.end)
        };
        found = found.into_iter().enumerate().filter(keep).map(|(_, d)| d).collect();
    }
    (part, found)
}

fn syntax_help(text: &str, message: &str) -> &'static str {
    if message.contains("duplicate key") && text.contains("[net.policy]") {
        "keep one of the two; [net.policy] stands behind the last [[net]] entry, once"
    } else if message.contains("duplicate key") {
        "keep one of the two; each entry starts with its own [[file]], [[exec]], [[net]] or [[unix]]"
    } else {
        "a declared set is TOML: key = \"text\", key = [\"a\", \"b\"], and [[file]] before each entry"
    }
}

#[cfg(test)]
mod tests;

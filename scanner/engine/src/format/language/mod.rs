//! Texts whose language their first lines tell: configuration files and scripts.
//!
//! | id | what tells it |
//! | --- | --- |
//! | `python`, `javascript`, `shell` | the interpreter in a `#!` line, or (but for the shell) statements of the language |
//! | `toml` | every line is a comment, a table's header or a key with a TOML value |
//! | `ini` | a section comes first, then sections, keys and comments |
//! | `yaml` | a directive, a document marker, or nothing but keys and items |
//!
//! Only the first lines are looked at, and what they leave open stays `text`: the language is information, and every
//! text is claimed whole and swept alike. All of it is likely, never certain: binary formats come first.

mod lines;
#[cfg(test)]
mod tests;

use super::text::{Encoding, controls_are_few};
use super::xml::decoded;
use super::{Format, Input, Parse};
use crate::identify::{Match, Probe};
use crate::ledger::Role;

/// How much of a text is looked at.
const LOOK: usize = 2 << 10;

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Python,
    JavaScript,
    Shell,
    Toml,
    Ini,
    Yaml,
}

/// The language of the text that `probe` shows; `None` when its first lines do not tell.
pub(super) fn of(probe: &Probe<'_>) -> Option<Language> {
    *probe.language.get_or_init(|| look(probe))
}

fn look(probe: &Probe<'_>) -> Option<Language> {
    let head = probe.head.get(..LOOK).unwrap_or(probe.head);
    let whole = probe.is_whole() && head.len() == probe.head.len();
    if head.contains(&0) && !matches!(head, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]) {
        return None;
    }
    // What begins well and is binary behind belongs to whoever reads the rest.
    match Encoding::of_probe(probe)? {
        _ if whole => {}
        // What begins a text in UTF-8 is UTF-8 too.
        Encoding::Utf8 if controls_are_few(head) => {}
        Encoding::Utf8 => return None,
        Encoding::Utf16 | Encoding::EightBit => {
            Encoding::of(head, false)?;
        }
    }
    let text = decoded(head);
    // One line more than is looked at, so that the last may be taken away.
    let mut lines: Vec<&str> = Vec::with_capacity(lines::MOST.saturating_add(1));
    lines.extend(text.lines().take(lines::MOST.saturating_add(1)));
    // The last line may be cut.
    if !whole && lines.len() > 1 {
        lines.pop();
    }
    lines::language(&lines)
}

fn is(probe: &Probe<'_>, language: Language) -> Option<Match> {
    (of(probe) == Some(language)).then_some(Match::LIKELY)
}

/// Whether a format is text from its first to its last byte, so that binary content in it is a finding.
pub(crate) fn is_text(format: &str) -> bool {
    matches!(
        format,
        "text"
            | "script"
            | "json"
            | "python"
            | "javascript"
            | "shell"
            | "toml"
            | "ini"
            | "yaml"
            | "xml"
            | "pmml"
            | "openvino"
    )
}

/// Whether a format is a program for an interpreter.
pub(crate) fn is_script(format: &str) -> bool {
    matches!(format, "script" | "python" | "javascript" | "shell")
}

/// Claims a text whole. A message whose first field is a long text begins like one, and a configuration may be wrapped in
/// what another reader skips.
fn claim(what: &'static str, input: &Input<'_>, out: &mut Parse) {
    if let Some(format) = super::proto::further_down(input) {
        return format.parse(input, out);
    }
    out.leaf(input.whole(), Role::Text, what);
    super::keras::look_in_text(input, out);
}

/// Python source.
pub(super) struct Python;
/// JavaScript source, TypeScript among it.
pub(super) struct JavaScript;
/// A shell script.
pub(super) struct Shell;
/// A TOML document (TOML 1.0).
pub(super) struct Toml;
/// Sections of keys and values.
pub(super) struct Ini;

impl Format for Python {
    fn id(&self) -> &'static str {
        "python"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        is(probe, Language::Python)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        claim("source", input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["py", "pyi", "pyw"]
    }
}

impl Format for JavaScript {
    fn id(&self) -> &'static str {
        "javascript"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        is(probe, Language::JavaScript)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        claim("source", input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["js", "mjs", "cjs", "ts", "tsx", "jsx"]
    }
}

impl Format for Shell {
    fn id(&self) -> &'static str {
        "shell"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        is(probe, Language::Shell)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        claim("script", input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["sh", "bash", "zsh", "ksh"]
    }
}

impl Format for Toml {
    fn id(&self) -> &'static str {
        "toml"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        is(probe, Language::Toml)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        claim("document", input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["toml"]
    }
}

impl Format for Ini {
    fn id(&self) -> &'static str {
        "ini"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        is(probe, Language::Ini)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        claim("document", input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["ini", "cfg", "conf", "desktop", "properties"]
    }
}

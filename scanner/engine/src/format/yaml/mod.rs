//! YAML documents (YAML 1.2.2), claimed whole as text; their tags read for what an unsafe loader would call.
//!
//! | tag | what PyYAML's `unsafe_load` does |
//! | --- | --- |
//! | `!!python/object/apply:m.f` | calls `m.f` with the node's values |
//! | `!!python/object/new:m.C` | `m.C.__new__`, then sets state |
//! | `!!python/object:m.C` | constructs without arguments, then sets state |
//! | `!!python/name:m.f`, `!!python/module:m` | imports, and takes it as a value |
//! | `!!a.b.C` | SnakeYAML constructs the class with the node's values |
//! | `!!js/function` | js-yaml before 4 evaluates the source |
//!
//! Tags are found by a [`lexer`] that knows quotes, comments, block scalars and tag handles; nothing is constructed.
//! Ruby's local tags are not read.

mod lexer;
mod tags;
#[cfg(test)]
mod tests;

use super::language::{self, Language};
use super::xml::decoded;
use super::{Format, Input, Parse};
use crate::finding::{ErrorCode, ScanError};
use crate::identify::{Match, Probe};
use crate::ledger::Role;
use crate::span::Span;
use memchr::memmem::Finder;
use std::sync::LazyLock;

/// The longest document that is read for tags.
const MOST: u64 = 32 << 20;

/// What a text with tags holds.
static MARKS: LazyLock<[Finder<'static>; 3]> =
    LazyLock::new(|| [Finder::new("!!"), Finder::new("tag:yaml.org"), Finder::new("%TAG ")]);

/// A YAML document.
pub(super) struct Yaml;

impl Format for Yaml {
    fn id(&self) -> &'static str {
        "yaml"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        (language::of(probe) == Some(Language::Yaml)).then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.leaf(input.whole(), Role::Text, "document");
        if input.len() > MOST {
            out.error(too_long());
        }
        let bytes = match input.read_up_to(0, MOST) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault(&fault, "the document"),
        };
        super::keras::look_for_classes(&bytes, out);
        // Documents without a tag are the rule.
        if memchr::memchr(b'!', &bytes).is_none() {
            return;
        }
        report(&lexer::tags(&decoded(&bytes)), &bytes, input, out);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["yaml", "yml"]
    }
}

/// Looks for tags in a text that its first lines do not show to be YAML: behind comments of any length, behind a value
/// that fills the view, under keys of several words.
pub(super) fn look_in_text(input: &Input<'_>, out: &mut Parse) {
    let Ok(bytes) = input.read_up_to(0, MOST) else { return };
    let wide = matches!(*bytes, [0xff, 0xfe, ..] | [0xfe, 0xff, ..]);
    let marked = wide || MARKS.iter().any(|mark| mark.find(&bytes).is_some());
    if !marked && input.len() <= MOST {
        return;
    }
    let text = decoded(&bytes);
    if input.len() > MOST && reads_as_yaml(&text) {
        out.error(too_long());
    }
    if !marked {
        return;
    }
    // Prose shows examples of tags, and programs are full of their mark: what stands before the first one has to be YAML
    // to its last line. No tag stands before the first `!`, and the lines before that are looked at first.
    let whole_lines = |end: usize| text.get(..end).and_then(|before| before.rfind('\n'));
    let lead = text.find('!').and_then(whole_lines).and_then(|end| text.get(..end));
    if lead.is_some_and(|lead| !reads_as_yaml(lead)) {
        return;
    }
    let Some(first) = lexer::first_tag(&text) else { return };
    let start = usize::try_from(first.span.start()).unwrap_or(usize::MAX);
    if reads_as_yaml(text.get(..start).unwrap_or_default()) {
        report(&lexer::tags(&text), &bytes, input, out);
    }
}

/// Whether every line in the first column is a comment, a marker, a key or an item, or ends a collection.
fn reads_as_yaml(text: &str) -> bool {
    let mut lines = text.trim_start_matches('\u{feff}').lines();
    lines.all(|line| {
        let end = line.trim_end();
        let bare = end.is_empty() || line.starts_with(['#', ' ', '\t', '%', ']', '}', '{', '-', '?', '!', '&']);
        bare || end == "..." || end.ends_with(':') || end.contains(": ")
    })
}

fn too_long() -> ScanError {
    let message = format!("a YAML document of more than {MOST} bytes is not read for tags");
    ScanError::new(ErrorCode::LimitExceeded, message).at(0)
}

fn report(tags: &[lexer::Tag], bytes: &[u8], input: &Input<'_>, out: &mut Parse) {
    if tags.is_empty() {
        return;
    }
    let plain = std::str::from_utf8(bytes).is_ok_and(|text| !text.starts_with('\u{feff}'));
    for tag in tags {
        // Offsets in what was decoded are not offsets in the file.
        let span = if plain { tag.span } else { input.whole() };
        tags::callable(&tag.full, span.intersect(Span::new(0, input.len())), out);
    }
}

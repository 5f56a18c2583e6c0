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

/// The longest document that is read for tags.
const MOST: u64 = 32 << 20;

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
            let message = format!("a YAML document of more than {MOST} bytes is not read for tags");
            out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(0));
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
        let plain = std::str::from_utf8(&bytes).is_ok_and(|text| !text.starts_with('\u{feff}'));
        let text = decoded(&bytes);
        for tag in lexer::tags(&text) {
            // Offsets in what was decoded are not offsets in the file.
            let span = if plain { tag.span } else { input.whole() };
            tags::callable(&tag.full, span.intersect(Span::new(0, input.len())), out);
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["yaml", "yml"]
    }
}

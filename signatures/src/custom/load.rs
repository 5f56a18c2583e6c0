//! From files to rules, with every mistake told and each rule's line known.
//!
//! The documents are walked with their positions rather than deserialised: a mistake in one rule does not hide those of
//! the others. Everything is bounded: the files by their bytes, the rules and patterns by their number, the mistakes by
//! how many a person reads.

use super::model::{CustomRule, Pattern, Sought};
use crate::declared::{Diagnostic, Level};
use std::collections::HashMap;
use std::ops::Range;
use toml::de::{DeArray, DeTable, DeValue};

/// The largest file, in bytes.
pub const LARGEST: usize = 8 << 20;
/// The most rules in all files.
pub const MOST_RULES: usize = 100_000;
/// The most patterns in all rules.
pub const MOST_PATTERNS: usize = 200_000;
/// The most regular expressions and byte sequences with holes in all rules.
pub const MOST_EXPRESSIONS: usize = 5_000;
/// The most mistakes that are told.
const MOST_MISTAKES: usize = 64;
/// The most patterns, hosts or digests of one rule.
const MOST_IN_RULE: usize = 100_000;
/// What rules may speak of and this crate does not know.
pub struct Surroundings<'a> {
    /// The ids of all formats.
    pub formats: &'a [&'a str],
    /// Says what is wrong with a glob over paths.
    pub path_glob: &'a dyn Fn(&str) -> Result<(), String>,
}

/// Whether a text is a rule of Probity's own, which has a `code` where a rule of the user has an `id`.
pub fn is_built_in(text: &str) -> bool {
    DeTable::parse(text).is_ok_and(|document| document.get_ref().contains_key("code"))
}

/// Loads the rules of all files, given as (name, text), in their order.
///
/// # Errors
///
/// What is wrong with them, in the order of the files; at most 64 mistakes.
pub fn load(files: &[(&str, &str)], around: &Surroundings<'_>) -> Result<Vec<CustomRule>, Vec<Diagnostic>> {
    let mut loader = Loader {
        around,
        file: "",
        text: "",
        lines: Vec::new(),
        found: Vec::new(),
        rules: Vec::new(),
        ids: HashMap::new(),
        patterns: 0,
        expressions: 0,
    };
    for (file, text) in files {
        if loader.is_full() {
            break;
        }
        loader.file(file, text);
    }
    if loader.found.is_empty() {
        Ok(loader.rules)
    } else {
        Err(loader.found)
    }
}

/// The state of reading.
pub(super) struct Loader<'t, 'a> {
    pub(super) around: &'a Surroundings<'a>,
    pub(super) file: &'t str,
    text: &'t str,
    /// The offset of each line feed of the file at hand.
    lines: Vec<usize>,
    pub(super) found: Vec<Diagnostic>,
    pub(super) rules: Vec<CustomRule>,
    pub(super) ids: HashMap<String, String>,
    pub(super) patterns: usize,
    pub(super) expressions: usize,
}

impl<'t> Loader<'t, '_> {
    fn file(&mut self, file: &'t str, text: &'t str) {
        self.file = file;
        self.text = text;
        self.lines = text
            .bytes()
            .enumerate()
            .filter(|(_, b)| *b == b'\n')
            .map(|(at, _)| at)
            .collect();
        if text.len() > LARGEST {
            let help = "split it: rules are written by people, for people";
            return self.wrong(0..0, format!("larger than {} MiB", LARGEST >> 20), help);
        }
        let document = match DeTable::parse(text) {
            Ok(document) => document,
            Err(error) => {
                let title = error.message().split_whitespace().collect::<Vec<_>>().join(" ");
                let help = if title.contains("duplicate key") {
                    "keep one of the two; several rules in one file start with [[rule]] each"
                } else {
                    "a rule is TOML: id = \"my-rule\", strings = [\"text\"]; '...' around a text keeps its backslashes"
                };
                return self.wrong(error.span().unwrap_or_default(), title, help);
            }
        };
        let top = document.get_ref();
        match top.get("rule").map(|value| (value.span(), value.get_ref())) {
            Some((_, DeValue::Array(list))) => {
                if let Some((key, _)) = top.iter().find(|(key, _)| key.get_ref() != "rule") {
                    let title = format!("`{}` stands outside of [[rule]]", key.get_ref());
                    self.wrong(key.span(), title, "write it below the [[rule]] it belongs to");
                }
                if list.is_empty() {
                    self.wrong(0..0, "a file without a rule", "write a rule, or remove the file");
                }
                for item in list.iter() {
                    match item.get_ref() {
                        DeValue::Table(table) => self.rule(table, item.span()),
                        _ => self.wrong(
                            item.span(),
                            "an entry of `rule` is a table",
                            "write [[rule]] before each rule",
                        ),
                    }
                    if self.is_full() {
                        return;
                    }
                }
            }
            Some((span, _)) => self.wrong(span, "`rule` is a list of tables", "write [[rule]] before each rule"),
            None if top.is_empty() => self.wrong(0..0, "a file without a rule", "write a rule, or remove the file"),
            None => self.rule(top, 0..0),
        }
    }

    /// Whether no more mistakes are wanted.
    fn is_full(&self) -> bool {
        self.found.len() >= MOST_MISTAKES
    }

    pub(super) fn wrong(&mut self, span: Range<usize>, title: impl Into<String>, help: impl Into<String>) {
        if self.is_full() {
            return;
        }
        let start = (0..=span.start.min(self.text.len()))
            .rev()
            .find(|at| self.text.is_char_boundary(*at))
            .unwrap_or(0);
        let line = self.lines.partition_point(|feed| *feed < start);
        let line_start = line
            .checked_sub(1)
            .and_then(|n| self.lines.get(n))
            .map_or(0, |feed| feed + 1);
        let line_end = self.lines.get(line).copied().unwrap_or(self.text.len());
        let column = self.text.get(line_start..start).map_or(0, |head| head.chars().count());
        self.found.push(Diagnostic {
            level: Level::Error,
            file: self.file.to_owned(),
            line: count(line + 1),
            column: count(column + 1),
            span,
            quoted: self
                .text
                .get(line_start..line_end)
                .unwrap_or_default()
                .trim_end_matches('\r')
                .to_owned(),
            title: title.into(),
            help: help.into(),
        });
    }

    /// The line of a byte.
    pub(super) fn line(&self, at: usize) -> u32 {
        count(self.lines.partition_point(|feed| *feed < at) + 1)
    }

    pub(super) fn known(&mut self, table: &DeTable<'t>, keys: &[&str], what: &str) {
        for key in table.keys().filter(|key| !keys.contains(&key.get_ref().as_ref())) {
            let title = format!("unknown key `{}`", key.get_ref());
            self.wrong(key.span(), title, format!("the keys of {what} are {}", keys.join(", ")));
        }
    }

    pub(super) fn text(&mut self, table: &DeTable<'t>, key: &'static str) -> Option<(String, Range<usize>)> {
        let value = table.get(key)?;
        if let DeValue::String(text) = value.get_ref() {
            return Some((text.clone().into_owned(), value.span()));
        }
        let title = format!("`{key}` is text, not {}", value.get_ref().type_str());
        self.wrong(value.span(), title, format!("write {key} = \"...\""));
        None
    }

    pub(super) fn list<'d>(&mut self, table: &'d DeTable<'t>, key: &'static str) -> Option<&'d DeArray<'t>> {
        let value = table.get(key)?;
        let help = format!("write {key} = [...], with something in it");
        match value.get_ref() {
            DeValue::Array(list) if !list.is_empty() && list.len() <= MOST_IN_RULE => Some(list),
            DeValue::Array(list) if list.is_empty() => {
                self.wrong(value.span(), format!("`{key}` is empty"), help);
                None
            }
            DeValue::Array(_) => {
                let title = format!("more than {MOST_IN_RULE} entries");
                self.wrong(value.span(), title, "make several rules");
                None
            }
            other => {
                self.wrong(
                    value.span(),
                    format!("`{key}` is a list, not {}", other.type_str()),
                    help,
                );
                None
            }
        }
    }

    pub(super) fn texts(&mut self, table: &DeTable<'t>, key: &'static str) -> Vec<String> {
        self.sited_texts(table, key).into_iter().map(|(text, _)| text).collect()
    }

    pub(super) fn sited_texts(&mut self, table: &DeTable<'t>, key: &'static str) -> Vec<(String, Range<usize>)> {
        let mut texts = Vec::new();
        let Some(list) = self.list(table, key) else {
            return texts;
        };
        for item in list.iter() {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.clone().into_owned(), item.span())),
                other => {
                    let title = format!("an entry of `{key}` is text, not {}", other.type_str());
                    self.wrong(item.span(), title, format!("write {key} = [\"...\"]"));
                }
            }
        }
        texts
    }
}

/// The bytes of 64 hexadecimal digits.
pub(super) fn digest(text: &str) -> Option<[u8; 32]> {
    let bytes = super::expression::hex(text)?;
    <[u8; 32]>::try_from(bytes).ok().filter(|_| text.len() == 64)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// Counts expressions, which are costly, and all patterns.
impl Loader<'_, '_> {
    pub(super) fn room(&mut self, pattern: &Pattern, span: Range<usize>) {
        self.patterns += 1;
        self.expressions += usize::from(matches!(pattern.sought, Sought::Expression(_)));
        if self.patterns > MOST_PATTERNS {
            self.wrong(
                span,
                format!("more than {MOST_PATTERNS} patterns"),
                "load fewer rules at once",
            );
        } else if self.expressions > MOST_EXPRESSIONS {
            let help = "load fewer rules at once, or write strings where nothing varies";
            self.wrong(span, format!("more than {MOST_EXPRESSIONS} expressions"), help);
        }
    }
}

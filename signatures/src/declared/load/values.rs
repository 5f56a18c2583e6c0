//! Values of the document: texts, lists, words, patterns.

use super::Loader;
use crate::declared::net::NetError;
use crate::declared::pattern::{Pattern, Space};
use crate::declared::words::{Word, nearest};
use std::ops::Range;
use std::str::FromStr;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// A table of the document, what people call it, and where it starts.
#[derive(Clone)]
pub(super) struct Table<'d, 't> {
    pub(super) what: &'static str,
    pub(super) table: &'d DeTable<'t>,
    pub(super) header: Range<usize>,
}

impl<'d, 't> Table<'d, 't> {
    pub(super) fn get(&self, key: &str) -> Option<&'d Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.table.contains_key(key)
    }

    /// Where a key stands; the header when it does not.
    pub(super) fn span(&self, key: &str) -> Range<usize> {
        let found = self.table.keys().find(|k| k.get_ref() == key);
        found.map_or_else(|| self.header.clone(), Spanned::span)
    }
}

/// A text and where it stands.
pub(super) type Text = (String, Range<usize>);

impl<'t> Loader<'t, '_> {
    /// Tells keys that are none.
    pub(super) fn known(&mut self, table: &Table<'_, 't>, keys: &[&'static str]) {
        for key in table.table.keys() {
            let name = key.get_ref().as_ref();
            if keys.contains(&name) {
                continue;
            }
            let all = format!("the keys of {} are {}", table.what, keys.join(", "));
            let help = match nearest(name, keys.iter().copied()) {
                Some(near) => format!("did you mean `{near}`? {all}"),
                None => all,
            };
            self.source.error(key.span(), format!("unknown key `{name}`"), help);
        }
    }

    /// A table under a key.
    pub(super) fn table<'d>(
        &mut self,
        top: &Table<'d, 't>,
        key: &'static str,
        what: &'static str,
    ) -> Option<Table<'d, 't>> {
        let value = top.get(key)?;
        match value.get_ref() {
            DeValue::Table(table) => Some(Table {
                what,
                table,
                header: value.span(),
            }),
            other => {
                let title = format!("`{key}` is a table, not {}", named(other));
                self.source
                    .error(value.span(), title, format!("write {what} once, and its keys below it"));
                None
            }
        }
    }

    /// The tables of a list of tables.
    pub(super) fn entries<'d>(
        &mut self,
        top: &Table<'d, 't>,
        key: &'static str,
        what: &'static str,
    ) -> Vec<Table<'d, 't>> {
        let Some(value) = top.get(key) else {
            return Vec::new();
        };
        let help = format!("write {what} before each entry");
        let DeValue::Array(list) = value.get_ref() else {
            let title = format!("`{key}` is a list of entries, not {}", named(value.get_ref()));
            self.source.error(value.span(), title, help);
            return Vec::new();
        };
        let mut entries = Vec::new();
        for item in list.iter() {
            match item.get_ref() {
                DeValue::Table(table) => entries.push(Table {
                    what,
                    table,
                    header: item.span(),
                }),
                other => {
                    let title = format!("an entry of `{key}` is a table, not {}", named(other));
                    self.source.error(item.span(), title, help.clone());
                }
            }
        }
        entries
    }

    /// A text.
    pub(super) fn text(&mut self, table: &Table<'_, 't>, key: &'static str) -> Option<Text> {
        let value = table.get(key)?;
        let DeValue::String(text) = value.get_ref() else {
            let title = format!("`{key}` is a text, not {}", named(value.get_ref()));
            self.source.error(value.span(), title, format!("write {key} = \"...\""));
            return None;
        };
        if text.trim().is_empty() {
            self.source.error(
                value.span(),
                format!("`{key}` is empty"),
                "write it out, or take the key out",
            );
            return None;
        }
        Some((text.clone().into_owned(), value.span()))
    }

    /// A list of texts; `None` when the key is absent or no list.
    pub(super) fn texts(&mut self, table: &Table<'_, 't>, key: &'static str) -> Option<Vec<Text>> {
        let list = self.list(table, key)?;
        let mut texts = Vec::new();
        for item in list {
            match item.get_ref() {
                DeValue::String(text) => texts.push((text.clone().into_owned(), item.span())),
                other => {
                    let title = format!("an entry of `{key}` is a text, not {}", named(other));
                    self.source
                        .error(item.span(), title, format!("write {key} = [\"...\"]"));
                }
            }
        }
        Some(texts)
    }

    /// A list; `None` when the key is absent or no list.
    pub(super) fn list<'d>(
        &mut self,
        table: &Table<'d, 't>,
        key: &'static str,
    ) -> Option<impl Iterator<Item = &'d Spanned<DeValue<'t>>> + use<'d, 't>> {
        let value = table.get(key)?;
        let DeValue::Array(list) = value.get_ref() else {
            let written = self.source.text.get(value.span()).unwrap_or("...");
            let short = if written.len() > 60 || written.contains('\n') {
                "..."
            } else {
                written
            };
            let title = format!("`{key}` is a list, not {}", named(value.get_ref()));
            self.source
                .error(value.span(), title, format!("write {key} = [{short}]"));
            return None;
        };
        Some(list.iter())
    }

    /// A word.
    pub(super) fn word<W: Word>(&mut self, table: &Table<'_, 't>, key: &'static str) -> Option<W> {
        let (text, span) = self.text(table, key)?;
        self.as_word(&text, span, key)
    }

    /// A list of words; `None` when the key is absent or no list.
    pub(super) fn word_list<W: Word>(
        &mut self,
        table: &Table<'_, 't>,
        key: &'static str,
    ) -> Option<Vec<(W, Range<usize>)>> {
        let texts = self.texts(table, key)?;
        let words = texts.into_iter().filter_map(|(text, span)| {
            let word = self.as_word(&text, span.clone(), key)?;
            Some((word, span))
        });
        Some(words.collect())
    }

    pub(super) fn as_word<W: Word>(&mut self, text: &str, span: Range<usize>, key: &str) -> Option<W> {
        let found = W::ALL.iter().copied().find(|value| value.word() == text);
        if found.is_none() {
            let words: Vec<&str> = W::ALL.iter().map(|value| value.word()).collect();
            self.no_word(text, span, key, &words);
        }
        found
    }

    pub(super) fn no_word(&mut self, text: &str, span: Range<usize>, key: &str, words: &[&'static str]) {
        let all = match words {
            [only] => format!("`{key}` is \"{only}\""),
            [first @ .., last] => {
                let first: Vec<String> = first.iter().map(|w| format!("\"{w}\"")).collect();
                format!("`{key}` knows {} and \"{last}\"", first.join(", "))
            }
            [] => String::new(),
        };
        let help = match nearest(text, words.iter().copied()) {
            Some(near) => format!("did you mean \"{near}\"? {all}"),
            None => all,
        };
        self.source.error(span, format!("unknown word \"{text}\""), help);
    }

    /// The patterns of a list of texts, with the place of each; `spaces` are those it may be about.
    pub(super) fn patterns(
        &mut self,
        table: &Table<'_, 't>,
        key: &'static str,
        spaces: &[Space],
    ) -> Option<Vec<(Pattern, Range<usize>)>> {
        let texts = self.texts(table, key)?;
        let mut patterns: Vec<(Pattern, Range<usize>)> = Vec::new();
        for (text, span) in texts {
            let read = match Pattern::read(&text, &self.scope) {
                Ok(read) => read,
                Err(error) => {
                    self.source.error(span, error.to_string(), error.help());
                    continue;
                }
            };
            if read.iter().any(|pattern| !spaces.contains(&pattern.space())) {
                let title = format!("`{text}` is an abstract socket, not a path");
                self.source.error(span, title, "write it in a [[unix]] entry");
                continue;
            }
            let before = *self.patterns;
            *self.patterns = before.saturating_add(read.len());
            if before <= super::MOST_PATTERNS && *self.patterns > super::MOST_PATTERNS {
                let title = format!("more than {} patterns in all", super::MOST_PATTERNS);
                self.source
                    .error(span.clone(), title, "write `*` and `**` instead of lists");
            }
            if *self.patterns <= super::MOST_PATTERNS {
                patterns.extend(read.into_iter().map(|pattern| (pattern, span.clone())));
            }
        }
        Some(patterns)
    }

    /// A list of texts that parse, variables replaced.
    pub(super) fn parsed<T: FromStr<Err = NetError>>(
        &mut self,
        table: &Table<'_, 't>,
        key: &'static str,
    ) -> Option<Vec<(T, Range<usize>)>> {
        let texts = self.texts(table, key)?;
        let mut values = Vec::new();
        for (text, span) in texts {
            let text = match self.scope.text(&text) {
                Ok(text) => text,
                Err(error) => {
                    self.source.error(span, error.to_string(), error.help());
                    continue;
                }
            };
            match text.parse() {
                Ok(value) => values.push((value, span)),
                Err(NetError { what, help }) => self.source.error(span, what, help),
            }
        }
        Some(values)
    }
}

/// The kind of a value, in words.
pub(super) fn named(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a text",
        DeValue::Integer(_) => "a number",
        DeValue::Float(_) => "a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

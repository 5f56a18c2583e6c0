//! `strings`, `bytes` and `regex`: a text each, or a table with what else is said about it.

use super::expression::{self, Refused};
use super::load::Loader;
use super::model::{Encoding, Literal, Pattern, Sought};
use std::collections::HashSet;
use std::ops::Range;
use toml::de::{DeTable, DeValue};

const STRING: &[&str] = &["text", "encodings", "nocase"];
const BYTES: &[&str] = &["hex"];
const REGEX: &[&str] = &["pattern", "nocase"];

impl<'t> Loader<'t, '_> {
    /// Everything that a rule about content looks for.
    pub(super) fn all_patterns(&mut self, table: &DeTable<'t>) -> Vec<Pattern> {
        let mut all: Vec<Pattern> = Vec::new();
        let mut seen = HashSet::new();
        for key in ["strings", "bytes", "regex"] {
            let Some(list) = self.list(table, key) else { continue };
            for item in list.iter() {
                let empty = DeTable::new();
                let (options, text) = match item.get_ref() {
                    DeValue::String(text) => (&empty, Some((text.clone().into_owned(), item.span()))),
                    DeValue::Table(options) => (options, None),
                    other => {
                        let title = format!("an entry of `{key}` is text or a table, not {}", other.type_str());
                        self.wrong(item.span(), title, format!("write {key} = [\"...\"]"));
                        continue;
                    }
                };
                let made = match key {
                    "strings" => self.string(options, text, item.span()),
                    "bytes" => self.sequence(options, text, item.span()),
                    _ => self.regex(options, text, item.span()),
                };
                let Some((pattern, span)) = made else { continue };
                // A pattern that stands twice would count twice for "2 of".
                if !seen.insert(pattern.shown.clone()) {
                    self.wrong(span, "a pattern that stands twice", "remove one of the two");
                    continue;
                }
                self.room(&pattern, span);
                all.push(pattern);
            }
        }
        all
    }

    fn string(
        &mut self,
        options: &DeTable<'t>,
        text: Option<(String, Range<usize>)>,
        whole: Range<usize>,
    ) -> Option<(Pattern, Range<usize>)> {
        self.known(options, STRING, "a string");
        let (text, span) = self.inside(options, text, "text", whole)?;
        let nocase = self.flag(options, "nocase");
        let encodings = self.encodings(options)?;
        if nocase && !text.is_ascii() {
            self.wrong(
                span,
                "`nocase` knows the letters of ASCII only",
                "write both cases as strings of their own",
            );
            return None;
        }
        let literals: Vec<Literal> = encodings
            .into_iter()
            .map(|encoding| Literal {
                bytes: encoding.encode(&text),
                nocase,
                encoding,
            })
            .collect();
        if text.len() > Literal::LONGEST {
            let title = format!("a string of more than {} bytes", Literal::LONGEST);
            self.wrong(span, title, "a part of it is enough");
            return None;
        }
        if text.chars().count() < Literal::SHORTEST {
            let title = format!(
                "a string of fewer than {} characters stands everywhere",
                Literal::SHORTEST
            );
            self.wrong(
                span,
                title,
                "write a longer string, or bytes with what stands around it",
            );
            return None;
        }
        let case = if nocase { " (any case)" } else { "" };
        let pattern = Pattern {
            shown: format!("{text:?}{case}"),
            sought: Sought::Literals(literals),
        };
        Some((pattern, span))
    }

    fn encodings(&mut self, options: &DeTable<'t>) -> Option<Vec<Encoding>> {
        if !options.contains_key("encodings") {
            return Some(vec![Encoding::Ascii]);
        }
        let mut encodings = Vec::new();
        for item in self.list(options, "encodings")?.iter() {
            match item.get_ref() {
                DeValue::String(text) if text == "ascii" => encodings.push(Encoding::Ascii),
                DeValue::String(text) if text == "utf-16" => {
                    encodings.extend([Encoding::Utf16Le, Encoding::Utf16Be]);
                }
                _ => {
                    let help = "write encodings = [\"ascii\", \"utf-16\"]; ascii is UTF-8 too";
                    self.wrong(item.span(), "an encoding that is not known", help);
                    return None;
                }
            }
        }
        encodings.sort_unstable();
        encodings.dedup();
        Some(encodings)
    }

    fn sequence(
        &mut self,
        options: &DeTable<'t>,
        text: Option<(String, Range<usize>)>,
        whole: Range<usize>,
    ) -> Option<(Pattern, Range<usize>)> {
        self.known(options, BYTES, "a byte sequence");
        let (text, span) = self.inside(options, text, "hex", whole)?;
        let sought = match expression::hex(&text).filter(|bytes| bytes.len() >= Literal::SHORTEST) {
            Some(bytes) if bytes.len() <= Literal::LONGEST => Ok(Sought::Literals(vec![Literal {
                bytes,
                nocase: false,
                encoding: Encoding::Ascii,
            }])),
            _ => expression::bytes(&text).map(|e| Sought::Expression(Box::new(e))),
        };
        self.made(sought, format!("{{ {} }}", text.trim()), span)
    }

    fn regex(
        &mut self,
        options: &DeTable<'t>,
        text: Option<(String, Range<usize>)>,
        whole: Range<usize>,
    ) -> Option<(Pattern, Range<usize>)> {
        self.known(options, REGEX, "a regular expression");
        let (text, span) = self.inside(options, text, "pattern", whole)?;
        let nocase = self.flag(options, "nocase");
        let sought = expression::regex(&text, nocase).map(|e| Sought::Expression(Box::new(e)));
        self.made(sought, format!("/{text}/{}", if nocase { "i" } else { "" }), span)
    }

    fn made(
        &mut self,
        sought: Result<Sought, Refused>,
        shown: String,
        span: Range<usize>,
    ) -> Option<(Pattern, Range<usize>)> {
        match sought {
            Ok(sought) => Some((Pattern { shown, sought }, span)),
            Err(refused) => {
                self.wrong(span, refused.title, refused.help);
                None
            }
        }
    }

    /// The text of a pattern: the entry itself, or what its table has under `key`.
    fn inside(
        &mut self,
        options: &DeTable<'t>,
        text: Option<(String, Range<usize>)>,
        key: &'static str,
        whole: Range<usize>,
    ) -> Option<(String, Range<usize>)> {
        if text.is_some() {
            return text;
        }
        if !options.contains_key(key) {
            self.wrong(
                whole,
                format!("a pattern without `{key}`"),
                format!("write {{ {key} = \"...\" }}"),
            );
        }
        self.text(options, key)
    }

    fn flag(&mut self, options: &DeTable<'t>, key: &'static str) -> bool {
        match options.get(key).map(|value| (value.span(), value.get_ref())) {
            None => false,
            Some((_, DeValue::Boolean(flag))) => *flag,
            Some((span, _)) => {
                self.wrong(span, format!("`{key}` is true or false"), format!("write {key} = true"));
                false
            }
        }
    }
}

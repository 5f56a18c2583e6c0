//! Chat templates and other texts of a model: that all copies are one, and that a person sees all of what is there.
//!
//! A template stands in up to three places, and which one counts depends on the loader. Vocabularies hold invisible
//! characters rightly; configurations, prompts and templates do not. What a template does is not judged here.

use super::model::folders;
use super::{Container, Inspection, Member, Outcome, join, json};
use crate::finding::code;
use crate::policy::shown;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::borrow::Cow;

/// `template-drift`, `hidden-text`.
pub(super) struct Templates;

impl Inspection for Templates {
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>) {
        for folder in folders(container) {
            drift(container, folder, out);
            hidden(container, folder, out);
        }
    }
}

/// The template that a folder's files state: where, and its text.
fn stated<'c>(container: &'c Container<'_>, folder: &[u8]) -> Vec<(&'c Member<'c>, String)> {
    let mut found = Vec::new();
    for name in [
        &b"tokenizer_config.json"[..],
        b"chat_template.json",
        b"chat_template.jinja",
        b"processor_config.json",
    ] {
        let Some(member) = container.file(&join(folder, name)) else {
            continue;
        };
        let Some(text) = member.text() else { continue };
        if name.ends_with(b".jinja") {
            found.push((member, String::from_utf8_lossy(text).into_owned()));
            continue;
        }
        let Some(value) = json::value(text) else { continue };
        match value.get("chat_template") {
            Some(Value::String(template)) => found.push((member, template.clone())),
            Some(Value::Array(list)) => {
                let named = list.iter().find(|t| json::text(t, &["name"]) == Some("default"));
                if let Some(template) = named.and_then(|t| json::text(t, &["template"])) {
                    found.push((member, template.to_owned()));
                }
            }
            _ => {}
        }
    }
    found
}

fn drift(container: &Container<'_>, folder: &[u8], out: &mut Outcome<'_>) {
    let stated = stated(container, folder);
    let Some(((first, text), others)) = stated.split_first() else {
        return;
    };
    for (other, template) in others {
        if template.trim() != text.trim() {
            let message = format!(
                "{} and {} state different chat templates",
                shown(&first.path),
                shown(&other.path)
            );
            let finding = container.finding(code::TEMPLATE_DRIFT, other, message).case("files");
            out.push(container.pointing(finding, first));
        }
    }
    // A GGUF file holds its template as an artifact, of which the digest is known.
    let digests = [text.as_str(), text.trim_end()].map(Sha256::digest);
    for member in container.directly_in(folder).filter(|m| m.format() == "gguf") {
        let template = member.artifacts.iter().find(|a| {
            a.nested
                .as_deref()
                .is_some_and(|n| n.ends_with("tokenizer.chat_template"))
        });
        if let Some(sha256) = template.and_then(|t| t.sha256)
            && !digests.iter().any(|d| d[..] == sha256[..])
        {
            let message = format!(
                "{} states another chat template than {}",
                shown(&member.path),
                shown(&first.path)
            );
            let finding = container.finding(code::TEMPLATE_DRIFT, member, message).case("gguf");
            out.push(container.pointing(finding, first));
        }
    }
}

fn hidden(container: &Container<'_>, folder: &[u8], out: &mut Outcome<'_>) {
    for member in container.directly_in(folder) {
        let name = member.name();
        let template = name.ends_with(b".jinja") || name.ends_with(b".jinja2");
        let config = matches!(
            name,
            b"config.json"
                | b"tokenizer_config.json"
                | b"generation_config.json"
                | b"chat_template.json"
                | b"processor_config.json"
                | b"preprocessor_config.json"
                | b"adapter_config.json"
                | b"config_sentence_transformers.json"
                | b"model_index.json"
        );
        if !template && !config {
            continue;
        }
        let Some(file) = container.file(&member.path) else {
            continue;
        };
        let Some(text) = out.text(file) else { continue };
        let found = if template {
            look(&unescaped(&String::from_utf8_lossy(text)))
        } else {
            json::value(text).and_then(|value| in_value(&value))
        };
        if let Some((case, what)) = found {
            let message = format!("{} holds {what}", shown(&member.path));
            out.push(container.finding(code::HIDDEN_TEXT, member, message).case(case));
        }
    }
}

/// Looks through all texts of a configuration but those that list tokens.
fn in_value(value: &Value) -> Option<(&'static str, String)> {
    let mut open = vec![value];
    while let Some(value) = open.pop() {
        match value {
            Value::String(text) => {
                if let Some(found) = look(&unescaped(text)) {
                    return Some(found);
                }
            }
            Value::Array(list) => open.extend(list.iter().rev()),
            Value::Object(map) => {
                let vocabulary = |key: &str| {
                    key.ends_with("_token")
                        || key.ends_with("_tokens")
                        || key.ends_with("_tokens_decoder")
                        || matches!(key, "vocab" | "id2label" | "label2id")
                };
                if let Some(found) = map.keys().filter(|k| !vocabulary(k)).find_map(|key| look(key)) {
                    return Some(found);
                }
                open.extend(
                    map.iter()
                        .rev()
                        .filter(|(key, _)| !vocabulary(key))
                        .map(|(_, value)| value),
                );
            }
            _ => {}
        }
    }
    None
}

/// Templates write characters as `\uXXXX`, too.
fn unescaped(text: &str) -> Cow<'_, str> {
    if !text.contains("\\u") && !text.contains("\\U") {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("\\u").into_iter().chain(rest.find("\\U")).min() {
        let (before, behind) = rest.split_at(at);
        out.push_str(before);
        let digits = if behind.starts_with("\\U") { 8 } else { 4 };
        let end = digits + 2;
        let code = behind
            .get(2..end)
            .and_then(|d| u32::from_str_radix(d, 16).ok())
            .and_then(char::from_u32);
        match code {
            Some(c) => {
                out.push(c);
                rest = behind.get(end..).unwrap_or_default();
            }
            None => {
                out.push_str(behind.get(..2).unwrap_or_default());
                rest = behind.get(2..).unwrap_or_default();
            }
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Runs of invisible characters shorter than this occur in emoji and in scripts that join letters.
const RUN: usize = 4;

/// The first that no person sees, escapes of templates undone.
pub(in crate::inspect) fn look_unescaped(text: &str) -> Option<(&'static str, String)> {
    look(&unescaped(text))
}

/// The first that no person sees.
fn look(text: &str) -> Option<(&'static str, String)> {
    if text.is_ascii() {
        return None;
    }
    let (mut run, mut flag) = (0usize, false);
    for c in text.chars() {
        match c {
            // A black flag followed by tags is the flag of a region.
            '\u{e0000}'..='\u{e007f}' if !flag => {
                return Some((
                    "tag",
                    format!(
                        "a tag character (U+{:04X}), which spells text nobody sees",
                        u32::from(c)
                    ),
                ));
            }
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                return Some((
                    "bidi",
                    format!("a character that reorders text (U+{:04X})", u32::from(c)),
                ));
            }
            '\u{200b}'..='\u{200d}'
            | '\u{2060}'..='\u{2064}'
            | '\u{feff}'
            | '\u{180e}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{e0100}'..='\u{e01ef}' => {
                run = run.saturating_add(1);
                if run >= RUN {
                    return Some(("zero-width", format!("{RUN} invisible characters and more in a row")));
                }
                continue;
            }
            _ => {}
        }
        run = 0;
        flag = c == '\u{1f3f4}' || (flag && ('\u{e0020}'..='\u{e007e}').contains(&c));
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_sees_is_told_from_what_languages_need() {
        for (text, expected) in [
            ("plain", None),
            ("a\u{e0041}", Some("tag")),
            ("\u{1f3f4}\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}", None),
            ("\u{1f3f4}\u{e0067}\u{e007f}\u{e0041}", Some("tag")),
            ("a\u{202e}b", Some("bidi")),
            ("\u{1f468}\u{200d}\u{1f469}\u{200d}\u{1f467}", None),
            ("\u{200b}\u{200c}\u{200b}\u{200c}", Some("zero-width")),
            ("\u{645}\u{6cc}\u{200c}\u{62e}", None),
            ("{{ '\\u202e' }}", Some("bidi")),
            ("{{ '\\U000e0041' }}", Some("tag")),
            ("\\u20", None),
            ("<\u{ff5c}begin\u{2581}of\u{2581}sentence\u{ff5c}>", None),
        ] {
            assert_eq!(look(&unescaped(text)).map(|f| f.0), expected, "{text:?}");
        }
    }
}

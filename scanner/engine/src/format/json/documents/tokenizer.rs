//! `tokenizer.json`: added tokens, which bypass the vocabulary (`tokenizers` documentation, "Added tokens").

use super::{Event, Path, Reader};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::Parse;
use crate::name::printable;
use crate::span::Span;
use std::collections::HashMap;

/// A token longer than this is text: the longest published ones are runs of blanks and names of about 40 characters.
const LONG: usize = 256;
/// The most tokens that are compared.
const MOST: usize = 1_000_000;

/// No vocabulary has as many entries.
const VAST: u64 = 50_000_000;

#[derive(Default)]
pub(super) struct AddedTokens {
    /// The pattern of a replacement whose content comes next.
    pattern: Option<String>,
    id: Option<(String, Span)>,
    content: Option<(String, Span)>,
    ids: HashMap<String, String>,
    contents: HashMap<String, Span>,
}

impl Reader for AddedTokens {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse) {
        if let Event::Text(text) = event {
            self.rule(path, text, span, out);
        }
        if path.depth() == 3 && path.key(2) == "added_tokens" && path.key(1).is_empty() {
            match (path.key(0), event) {
                ("id", Event::Number(number)) => self.id = Some(((*number).to_owned(), span)),
                ("content", Event::Text(text)) => self.content = Some(((*text).to_owned(), span)),
                _ => {}
            }
        }
        if path.depth() == 2
            && path.key(1) == "added_tokens"
            && path.key(0).is_empty()
            && let Event::Close = event
        {
            let (id, content) = (self.id.take(), self.content.take());
            if let (Some((id, place)), Some((content, span))) = (id, content) {
                self.token(id, place, content, span, out);
            }
        }
    }
}

impl AddedTokens {
    /// Normalisers, splitters and decoders: what they look for, and what they put in its place.
    fn rule(&mut self, path: &Path<'_>, text: &str, span: Span, out: &mut Parse) {
        let say = |case: &'static str, message: String| {
            let short: String = text.chars().take(80).collect();
            let shown = printable(short.as_bytes());
            Finding::new(code::TOKENIZER_ODDITY, span, format!("{message}: {shown}"))
                .case(case)
                .key(format!("{case} {shown}"))
        };
        match (path.key(1), path.key(0)) {
            ("pattern", "Regex") => {
                if backtracks(text) {
                    out.finding(say("expression", "an expression that takes time without end".into()));
                }
                self.pattern = Some(text.to_owned());
            }
            ("pattern", "String") => self.pattern = Some(text.to_owned()),
            (_, "content") if path.key(2) != "added_tokens" => {
                let from = self.pattern.take().unwrap_or_default();
                let url = from.contains("://") || from.contains("https?") || text.contains("://");
                if url || (is_word(&from) && is_word(text) && from != text) {
                    let from = printable(from.as_bytes());
                    out.finding(say(
                        "rewrites",
                        format!("the tokenizer puts other words in the place of {from}"),
                    ));
                }
            }
            (_, "prepend") if text.split_whitespace().filter(|w| is_word(w)).count() >= 4 => {
                out.finding(say("rewrites", "the tokenizer puts words before each text".into()));
            }
            _ => {}
        }
    }

    fn token(&mut self, id: String, place: Span, content: String, span: Span, out: &mut Parse) {
        let short: String = content.chars().take(80).collect();
        let shown = printable(short.as_bytes());
        let finding = |case: &'static str, span: Span, message: String| {
            Finding::new(code::TOKENIZER_ODDITY, span, message)
                .case(case)
                .evidence("token", shown.clone())
                .evidence("id", id.clone())
                .key(format!("{case} {shown}"))
        };
        if content.len() > LONG {
            let message = format!("the added token {shown} has {} bytes", content.len());
            out.finding(finding("long", span, message));
        }
        if id.parse::<u64>().map_or(true, |id| id > VAST) {
            let message = format!(
                "the added token {shown} has the id {}, which no vocabulary has",
                printable(id.as_bytes())
            );
            out.finding(finding("range", place, message));
        }
        // Alone, such a character is a token like any other; inside of a name it makes two names look like one.
        let named = content.bytes().filter(u8::is_ascii_alphabetic).count() > 0;
        let unseen = |c: char| match c {
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{e0001}'..='\u{e007f}' => true,
            '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}' => named,
            _ => false,
        };
        if content.chars().any(unseen) {
            out.finding(finding(
                "hidden",
                span,
                format!("the added token {shown} holds characters nobody sees"),
            ));
        }
        if content.contains("://") {
            out.finding(finding("url", span, format!("the added token {shown} holds a URL")));
        }
        if self.ids.len() >= MOST {
            let message = format!("more than {MOST} added tokens; the rest was not compared");
            return out.error(ScanError::new(ErrorCode::LimitExceeded, message));
        }
        if let Some(other) = self.ids.get(&id).filter(|other| **other != content) {
            let message = format!(
                "the added tokens {} and {shown} share the id {id}",
                printable(other.as_bytes())
            );
            out.finding(finding("duplicate-id", place, message));
        }
        if let Some(first) = self.contents.get(&content) {
            let message = format!("the added token {shown} stands twice");
            out.finding(finding("duplicate-token", span, message).related("first", *first));
        }
        self.contents.insert(content.clone(), span);
        self.ids.insert(id, content);
    }
}

/// A word that people read: three ASCII letters or more.
fn is_word(text: &str) -> bool {
    text.len() >= 3 && text.bytes().all(|b| b.is_ascii_alphabetic())
}

/// Whether a repeated group is itself made of something repeated without end, so that an engine which tries all ways never
/// comes back: `(a+)+`, `(.*a){25}`.
fn backtracks(expression: &str) -> bool {
    let bytes = expression.as_bytes();
    // For each open group: whether something in it repeats without end.
    let mut open: Vec<bool> = Vec::new();
    let (mut at, mut class) = (0usize, false);
    while let Some(byte) = bytes.get(at) {
        let next = bytes.get(at.saturating_add(1));
        match byte {
            b'\\' => at = at.saturating_add(1),
            b'[' => class = true,
            b']' => class = false,
            _ if class => {}
            b'(' => open.push(false),
            b'+' | b'*' if next != Some(&b'+') => {
                if let Some(last) = open.last_mut() {
                    *last = true;
                }
            }
            b')' => {
                let repeats = open.pop().unwrap_or(false);
                let again = match next {
                    Some(b'+' | b'*') => true,
                    Some(b'{') => {
                        let rest = expression.get(at.saturating_add(2)..).unwrap_or_default();
                        let count = rest.split(['}', ',']).next().and_then(|n| n.parse::<u32>().ok());
                        count.is_some_and(|n| n >= 10)
                    }
                    _ => false,
                };
                if repeats && again {
                    return true;
                }
                if let Some(above) = open.last_mut() {
                    *above |= repeats;
                }
            }
            _ => {}
        }
        at = at.saturating_add(1);
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_without_end_are_told_from_those_of_published_tokenizers() {
        for (expression, expected) in [
            ("(a+)+$", true),
            ("(.*a){25}", true),
            ("^(([a-z])+.)+[A-Z]([a-z])+$", true),
            (
                r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
                false,
            ),
            (
                r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?",
                false,
            ),
            ("(?:ab)+", false),
            (r"\p{N}{1,3}(?=(?:\p{N}{3})*\b)", false),
            ("[(+)+]+", false),
        ] {
            assert_eq!(backtracks(expression), expected, "{expression}");
        }
    }
}

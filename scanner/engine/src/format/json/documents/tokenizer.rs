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

#[derive(Default)]
pub(super) struct AddedTokens {
    id: Option<(String, Span)>,
    content: Option<(String, Span)>,
    ids: HashMap<String, String>,
    contents: HashMap<String, Span>,
}

impl Reader for AddedTokens {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse) {
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

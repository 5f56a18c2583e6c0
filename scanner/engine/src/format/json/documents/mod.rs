//! Documents of model repositories, known by their keys: what they hand to loaders becomes facts and findings.
//!
//! | key | document | what is read |
//! | --- | --- | --- |
//! | `chat_template` | `tokenizer_config.json`, `chat_template.json`, `processor_config.json` | each template, as a fact |
//! | `_target_` | configurations of the Hydra family | the callable it names, as a fact |
//! | `py/function`, `py/object` | jsonpickle | the same |
//! | `__module__`, `__class__`, `__loader__` | `schema.json` of skops | the callable of each node, as a fact |
//! | `added_tokens` | `tokenizer.json` | tokens that contradict each other or say more than a token |
//! | `archiverVersion` | `MANIFEST.json` of TorchServe | a handler of its own |
//!
//! A document is walked a second time only when it holds one of these words, or escapes that could spell one. Gives no other
//! key a meaning, and judges no callable: inspectors do.

mod archiver;
mod skops;
mod targets;
mod templates;
#[cfg(test)]
mod tests;
mod tokenizer;

use crate::format::Parse;
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind};
use std::borrow::Cow;

const WORDS: [&[u8]; 6] = [
    b"chat_template",
    b"_target_",
    b"__loader__",
    b"added_tokens",
    b"archiverVersion",
    b"\"py/",
];

/// Where a value stands: the keys above it, outermost first; an array's elements have the empty key.
pub(super) struct Path<'a> {
    open: Vec<Level<'a>>,
}

struct Level<'a> {
    key: Cow<'a, str>,
    object: bool,
}

impl<'a> Path<'a> {
    /// The number of containers that are open.
    fn depth(&self) -> usize {
        self.open.len()
    }

    /// The key of the value, `up` levels above.
    fn key(&self, up: usize) -> &str {
        let at = self.open.len().checked_sub(up.saturating_add(1));
        at.and_then(|at| self.open.get(at))
            .filter(|l| l.object)
            .map_or("", |l| &l.key)
    }
}

/// A scalar, or the edge of a container.
pub(super) enum Event<'e> {
    Open,
    Close,
    Text(&'e str),
    Number(&'e str),
}

/// What reads one kind of document.
trait Reader {
    fn see(&mut self, path: &Path<'_>, event: &Event<'_>, span: Span, out: &mut Parse);
}

/// Reads a sound document whose first byte lies at `base`.
pub(super) fn read(document: &[u8], base: u64, depth: usize, out: &mut Parse) {
    let escaped = memchr::memmem::find(document, b"\\u00").is_some();
    let holds = |word: &[u8]| escaped || memchr::memmem::find(document, word).is_some();
    let [template, target, loader, tokens, archiver, jsonpickle] = WORDS.map(holds);
    let mut readers: Vec<Box<dyn Reader>> = Vec::new();
    if template {
        readers.push(Box::<templates::Templates>::default());
    }
    if target || jsonpickle {
        readers.push(Box::new(targets::Targets));
    }
    if loader {
        readers.push(Box::<skops::Nodes>::default());
    }
    if tokens {
        readers.push(Box::<tokenizer::AddedTokens>::default());
    }
    if archiver {
        readers.push(Box::<archiver::Manifest>::default());
    }
    if readers.is_empty() {
        return;
    }
    let mut path = Path { open: Vec::new() };
    for token in JsonWalker::new(document, base, depth) {
        let Ok(token) = token else { return };
        let event = match &token.kind {
            TokenKind::Key(key) => {
                if let Some(level) = path.open.last_mut() {
                    level.key = key.clone();
                }
                continue;
            }
            TokenKind::ObjectStart | TokenKind::ArrayStart => Event::Open,
            TokenKind::ObjectEnd | TokenKind::ArrayEnd => {
                path.open.pop();
                Event::Close
            }
            TokenKind::String(text) => Event::Text(text),
            TokenKind::Number(number) => Event::Number(number),
            TokenKind::Bool(_) | TokenKind::Null => continue,
        };
        for reader in &mut readers {
            reader.see(&path, &event, token.span, out);
        }
        if let Event::Open = event {
            path.open.push(Level {
                key: Cow::Borrowed(""),
                object: matches!(token.kind, TokenKind::ObjectStart),
            });
        }
    }
}

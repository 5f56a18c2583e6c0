//! The keys of one object of the header, to find those that stand twice, at 16 bytes a key.

use super::PREFIX;
use crate::finding::{Finding, code};
use crate::format::Parse;
use crate::name;
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind};
use std::borrow::Cow;
use std::hash::{BuildHasher, RandomState};

/// Keys seen so far: a keyed hash of the text and where the key stands in the header.
#[derive(Default)]
pub(super) struct Keys {
    state: RandomState,
    seen: Vec<(u64, u32, u32)>,
}

/// The most bytes of a value that evidence shows.
const SHOWN: usize = 240;

impl Keys {
    /// Adds a key; `span` is that of its token in the artifact.
    pub(super) fn push(&mut self, text: &str, span: Span) {
        let start = u32::try_from(span.start().saturating_sub(PREFIX));
        if let (Ok(start), Ok(length)) = (start, u32::try_from(span.len())) {
            self.seen.push((self.state.hash_one(text), start, length));
        }
    }

    /// Reports every key that repeats an earlier one; returns whether there is one.
    pub(super) fn report(mut self, header: &[u8], what: &str, out: &mut Parse) -> bool {
        self.seen.sort_unstable();
        let mut repeated: Vec<(Place, Place)> = Vec::new();
        for group in self.seen.chunk_by(|a, b| a.0 == b.0) {
            let [first, rest @ ..] = group else { continue };
            let first = Place {
                start: first.1,
                length: first.2,
            };
            for again in rest {
                let again = Place {
                    start: again.1,
                    length: again.2,
                };
                if first.text(header) == again.text(header) {
                    repeated.push((again, first));
                }
            }
        }
        repeated.sort_unstable_by_key(|(again, _)| again.start);
        for (again, first) in &repeated {
            let shown = again.text(header).unwrap_or_default();
            let shown = name::printable(shown.as_bytes());
            let message = format!("{what} {shown} stands twice, and readers differ in which one counts");
            let finding = Finding::new(code::DUPLICATE_KEY, again.span(), message)
                .evidence("first", first.value(header))
                .evidence("again", again.value(header))
                .related("first", first.span())
                .key(shown);
            out.finding(finding);
        }
        !repeated.is_empty()
    }
}

/// Where a key stands in the header, quotes included.
#[derive(Clone, Copy)]
struct Place {
    start: u32,
    length: u32,
}

impl Place {
    fn range(self) -> (usize, usize) {
        let start = usize::try_from(self.start).unwrap_or(usize::MAX);
        (
            start,
            start.saturating_add(usize::try_from(self.length).unwrap_or(usize::MAX)),
        )
    }

    fn span(self) -> Span {
        Span::saturating_at(u64::from(self.start), u64::from(self.length)).shifted(PREFIX)
    }

    fn text(self, header: &[u8]) -> Option<Cow<'_, str>> {
        let (start, end) = self.range();
        match JsonWalker::new(header.get(start..end)?, 0, 1).next()?.ok()?.kind {
            TokenKind::String(text) => Some(text),
            _ => None,
        }
    }

    /// The beginning of the key's value as it is written.
    fn value(self, header: &[u8]) -> String {
        let rest = header.get(self.range().1..).unwrap_or_default().trim_ascii_start();
        let rest = rest.strip_prefix(b":").unwrap_or(rest).trim_ascii_start();
        let rest = rest.get(..SHOWN).unwrap_or(rest);
        let whole = JsonWalker::new(rest, 0, super::MAX_DEPTH).skip_value().ok();
        let length = whole
            .and_then(|span| usize::try_from(span.end()).ok())
            .unwrap_or(rest.len());
        name::printable(rest.get(..length).unwrap_or(rest))
    }
}

//! Keys that an object holds twice: RFC 8259 (section 4) leaves their meaning open, so readers disagree about them.

use std::borrow::Cow;
use std::collections::HashSet;

use super::{JsonFault, JsonWalker, TokenKind};
use crate::span::Span;

/// The keys that repeat an earlier key of the same object, at any depth: the span of the repetition and its text.
///
/// Keys are compared after unescaping. Reads the whole text, and returns the first `max_reported` repetitions in its
/// order. Holds the keys of the objects open at a time.
///
/// # Errors
///
/// The first fault of the text, as [`JsonWalker`] finds it.
pub fn duplicate_keys(
    bytes: &[u8],
    base: u64,
    max_depth: usize,
    max_reported: usize,
) -> Result<Vec<(Span, String)>, JsonFault> {
    let mut open: Vec<HashSet<Cow<'_, str>>> = Vec::new();
    let mut repeated = Vec::new();
    for token in JsonWalker::new(bytes, base, max_depth) {
        let token = token?;
        match token.kind {
            TokenKind::ObjectStart => open.push(HashSet::new()),
            TokenKind::ObjectEnd => {
                open.pop();
            }
            TokenKind::Key(key) => {
                let earlier = open.last_mut().and_then(|keys| keys.replace(key));
                if let Some(key) = earlier
                    && repeated.len() < max_reported
                {
                    repeated.push((token.span, key.into_owned()));
                }
            }
            _ => {}
        }
    }
    Ok(repeated)
}

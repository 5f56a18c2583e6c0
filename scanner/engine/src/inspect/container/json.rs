//! JSON as the loaders of models and packages read it: with a byte order mark, and with Python's `NaN` and `Infinity`.

use crate::walk::json::{JsonFault, JsonWalker, Token};
use serde_json::Value;
use std::borrow::Cow;

/// The value of a text; `None` when it is no JSON for any of those loaders.
pub(super) fn value(text: &[u8]) -> Option<Value> {
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    match serde_json::from_slice(text) {
        Ok(value) => Some(value),
        Err(_) => serde_json::from_slice(&without_numbers_of_python(text)?).ok(),
    }
}

/// Python reads and writes `NaN`, `Infinity` and `-Infinity`; outside strings they become `null`.
fn without_numbers_of_python(text: &[u8]) -> Option<Cow<'_, [u8]>> {
    let mut out = Vec::with_capacity(text.len());
    let (mut at, mut quoted, mut changed) = (0usize, false, false);
    while let Some(byte) = text.get(at) {
        let rest = text.get(at..).unwrap_or_default();
        let word = [&b"-Infinity"[..], b"Infinity", b"NaN"]
            .into_iter()
            .find(|w| !quoted && rest.starts_with(w));
        if let Some(word) = word {
            out.extend_from_slice(b"null");
            at = at.saturating_add(word.len());
            changed = true;
            continue;
        }
        out.push(*byte);
        at = at.saturating_add(1);
        match byte {
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                out.extend(text.get(at));
                at = at.saturating_add(1);
            }
            _ => {}
        }
    }
    changed.then_some(Cow::Owned(out))
}

/// A walker over a text that is too long to be held as a value.
pub(super) fn walker(text: &[u8]) -> impl Iterator<Item = Result<Token<'_>, JsonFault>> {
    const DEPTH: usize = 64;
    JsonWalker::new(text, 0, DEPTH)
}

/// The text at a path of keys.
pub(super) fn text<'v>(value: &'v Value, keys: &[&str]) -> Option<&'v str> {
    let mut at = value;
    for key in keys {
        at = at.get(key)?;
    }
    at.as_str()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_loaders_take_is_read() {
        for (text, expected) in [
            (&br#"{"a": 1}"#[..], Some(r#"{"a":1}"#)),
            (b"\xef\xbb\xbf{}", Some("{}")),
            (
                br#"{"a": NaN, "b": "NaN \" Infinity", "c": -Infinity}"#,
                Some(r#"{"a":null,"b":"NaN \" Infinity","c":null}"#),
            ),
            (b"{,}", None),
            (b"", None),
        ] {
            let found = value(text).map(|v| v.to_string());
            assert_eq!(found.as_deref(), expected);
        }
    }
}

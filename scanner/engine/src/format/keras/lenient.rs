//! What Python's JSON reader takes and RFC 8259 refuses, made acceptable byte for byte: positions stay.
//!
//! A configuration with a `NaN` in it loads, so it must be read here as well.

use std::borrow::Cow;

/// The same document, with `NaN`, `Infinity`, halves of surrogate pairs and control characters in texts replaced by
/// something of the same length.
pub(super) fn strict(bytes: &[u8]) -> Cow<'_, [u8]> {
    let mut out: Option<Vec<u8>> = None;
    let (mut text, mut at) = (false, 0usize);
    while let Some(rest) = bytes.get(at..).filter(|rest| !rest.is_empty()) {
        let (step, put): (usize, &[u8]) = match (text, rest) {
            (true, [b'\\', b'u', b'd' | b'D', b'8'..=b'9' | b'a'..=b'f' | b'A'..=b'F', ..]) => (6, b"\\u0020"),
            (true, [b'\\', _, ..]) => (2, b""),
            (true, [0..=0x1f | 0x7f, ..]) => (1, b" "),
            (true, [b'"', ..]) => {
                text = false;
                (1, b"")
            }
            (false, [b'"', ..]) => {
                text = true;
                (1, b"")
            }
            (false, [b'N', b'a', b'N', ..]) => (3, b"0.0"),
            (false, [b'I', ..]) if rest.starts_with(b"Infinity") => (8, b"1.000000"),
            _ => (1, b""),
        };
        if !put.is_empty() {
            let copy = out.get_or_insert_with(|| bytes.to_vec());
            if let Some(room) = copy.get_mut(at..at.saturating_add(put.len())) {
                room.copy_from_slice(put);
            }
        }
        at = at.saturating_add(step);
    }
    out.map_or(Cow::Borrowed(bytes), Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::strict;

    #[test]
    fn only_what_is_refused_is_replaced() {
        for (from, to) in [
            (r#"{"a": NaN, "b": "NaN"}"#, r#"{"a": 0.0, "b": "NaN"}"#),
            (r#"[-Infinity, "x\"NaN"]"#, r#"[-1.000000, "x\"NaN"]"#),
            (r#"["\ud800x", "\u00e9"]"#, r#"["\u0020x", "\u00e9"]"#),
            ("[\"a\tb\"]", "[\"a b\"]"),
            (r#"{"a": 1}"#, r#"{"a": 1}"#),
        ] {
            assert_eq!(strict(from.as_bytes()), to.as_bytes());
        }
    }
}

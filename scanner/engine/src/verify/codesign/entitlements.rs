//! Entitlements: what the system is asked to let the code do. By name, from the property list and from its DER twin.
//!
//! The list is read no further than its top level's keys: values that are dictionaries or arrays are skipped.

use crate::name::printable;
use crate::verify::cms::element::Elements;
use memchr::memmem;

/// The most entitlements that are told.
const MOST: usize = 256;
/// The deepest nesting that is followed.
const DEEPEST: usize = 64;

/// The keys of the top level of an XML property list; `name=false` where that is the value.
pub(super) fn of_list(text: &[u8]) -> Vec<String> {
    let (mut keys, mut depth, mut at) = (Vec::new(), 0usize, 0usize);
    while let Some(open) = text.get(at..).and_then(|rest| memchr::memchr(b'<', rest)) {
        let start = at.saturating_add(open).saturating_add(1);
        let rest = text.get(start..).unwrap_or_default();
        let Some(length) = memchr::memchr(b'>', rest) else {
            break;
        };
        let tag = rest.get(..length).unwrap_or_default();
        at = start.saturating_add(length).saturating_add(1);
        match tag {
            b"dict" | b"array" => depth = depth.saturating_add(1),
            b"/dict" | b"/array" => depth = depth.saturating_sub(1),
            b"key" if depth == 1 && keys.len() < MOST => {
                let value = text.get(at..).unwrap_or_default();
                let Some(end) = memmem::find(value, b"</key>") else {
                    break;
                };
                keys.push(printable(value.get(..end).unwrap_or_default()));
            }
            b"false/" if depth == 1 => withhold(&mut keys),
            _ => {}
        }
        if depth > DEEPEST {
            break;
        }
    }
    keys
}

/// The keys of a DER dictionary: `[APPLICATION 16] { INTEGER 1, [16] { SEQUENCE { UTF8String key, value } ... } }`.
pub(super) fn of_der(bytes: &[u8]) -> Option<Vec<String>> {
    let whole = Elements::one(bytes, 0).ok()?;
    let mut parts = Elements::of(whole);
    parts.universal(2).ok()?;
    let dictionary = parts.context(16).ok()??;
    let mut keys = Vec::new();
    for pair in dictionary.children().take(MOST) {
        let mut pair = Elements::of(pair.ok()?);
        let key = pair.universal(12).ok()?;
        keys.push(printable(key.bytes));
        let value = pair.next_element().ok()??;
        if value.tag.is_universal(1) && value.boolean() == Ok(false) {
            withhold(&mut keys);
        }
    }
    Some(keys)
}

fn withhold(keys: &mut [String]) {
    if let Some(last) = keys.last_mut() {
        last.push_str("=false");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_of_the_top_level_are_told() {
        let list = b"<?xml version=\"1.0\"?><plist version=\"1.0\"><dict>\n<key>com.a</key><true/>\n<key>com.b</key><false/>\
            <key>com.c</key><dict><key>inner</key><false/></dict><key>com.d</key><array><string>x</string></array></dict></plist>";
        assert_eq!(of_list(list), ["com.a", "com.b=false", "com.c", "com.d"]);
        assert_eq!(of_list(b"<dict><key>com.a"), [""; 0]);
    }

    #[test]
    fn the_twin_in_der_says_the_same() {
        let der = b"\x70\x1a\x02\x01\x01\xb0\x15\x30\x0a\x0c\x05com.a\x01\x01\xff\x30\x07\x0c\x02co\x01\x01\x00";
        assert_eq!(of_der(der).unwrap(), ["com.a", "co=false"]);
        assert_eq!(of_der(&der[..20]), None);
    }
}

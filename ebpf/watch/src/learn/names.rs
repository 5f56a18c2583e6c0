//! Bytes of names as pattern text, and what is special about single names.

/// A name, or a part of one, that stands for itself. A byte that TOML cannot hold becomes `?`.
pub(super) fn literal(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if "?*[]{}\\".contains(c) {
                out.push('\\');
            }
            if c == '\0' {
                out.push('?');
            } else {
                out.push(c);
            }
        }
        chunk.invalid().iter().for_each(|_| out.push('?'));
    }
    out
}

/// Whether pattern text has a wildcard.
pub(super) fn is_wild(text: &str) -> bool {
    let mut quoted = false;
    for byte in text.bytes() {
        if !quoted && matches!(byte, b'?' | b'*' | b'[') {
            return true;
        }
        quoted = byte == b'\\' && !quoted;
    }
    false
}

/// The names of an absolute path.
pub(super) fn names(path: &[u8]) -> Vec<&[u8]> {
    path.split(|byte| *byte == b'/')
        .filter(|name| !name.is_empty())
        .collect()
}

/// Control characters escaped, for a comment of one line.
pub(super) fn printable(bytes: &[u8]) -> String {
    let mut out = String::new();
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            if c.is_control() || ('\u{202a}'..='\u{202e}').contains(&c) || ('\u{2066}'..='\u{2069}').contains(&c) {
                out.extend(c.escape_default());
            } else {
                out.push(c);
            }
        }
        for byte in chunk.invalid() {
            out.push_str(&format!("\\x{byte:02x}"));
        }
    }
    out
}

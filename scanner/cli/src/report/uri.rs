//! Paths as URI references, RFC 3986: what a report calls `path`, for formats that want a URI.
//!
//! A report's path is escaped already: `%XX` stands for one byte of the name and is kept. Nothing is resolved: a link may
//! stand before a `..`.

use std::fmt::Write;

/// A path of a report as a URI reference: `file:///...` for an absolute one, else relative, without empty and `.`
/// components. A directory's ends in a slash.
pub(crate) fn from_path(path: &str, directory: bool) -> String {
    let mut out = match path.starts_with('/') {
        true => "file:///".to_owned(),
        false => String::new(),
    };
    for component in path.split('/').filter(|c| !c.is_empty() && *c != ".") {
        if !(out.is_empty() || out.ends_with('/')) {
            out.push('/');
        }
        push(&mut out, component);
    }
    if out.is_empty() {
        out.push('.');
    }
    if directory && !out.ends_with('/') {
        out.push('/');
    }
    out
}

/// The name of a member inside what holds it. It is no path of the file system: its leading slashes go, since a reference
/// that starts with one would be absolute, and its `..` stay.
pub(crate) fn of_member(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for component in name.trim_start_matches('/').split('/') {
        if !out.is_empty() {
            out.push('/');
        }
        push(&mut out, component);
    }
    if out.is_empty() { ".".to_owned() } else { out }
}

/// One component: unreserved characters and `%XX` stay, all else becomes `%XX`. A colon is encoded, so that no first
/// component looks like a scheme.
fn push(out: &mut String, component: &str) {
    let bytes = component.as_bytes();
    for (at, &byte) in bytes.iter().enumerate() {
        let follows = |n: usize| bytes.get(at.saturating_add(n)).is_some_and(u8::is_ascii_hexdigit);
        let kept = byte.is_ascii_alphanumeric()
            || matches!(byte, b'-' | b'.' | b'_' | b'~')
            || (byte == b'%' && follows(1) && follows(2));
        if kept {
            out.push(char::from(byte));
        } else {
            // A `write!` to a `String` cannot fail.
            let _ = write!(out, "%{byte:02X}");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{from_path, of_member};

    #[test]
    fn paths_become_references_that_name_the_same_file() {
        for (path, directory, uri) in [
            ("model.pt", false, "model.pt"),
            ("./a//b/./c.gguf", false, "a/b/c.gguf"),
            ("../up/x", false, "../up/x"),
            ("/opt/models/a b", false, "file:///opt/models/a%20b"),
            ("//x", false, "file:///x"),
            ("/", true, "file:///"),
            (".", true, "./"),
            ("dir", true, "dir/"),
            ("dir/", true, "dir/"),
            ("c:/x?y#z[0]", false, "c%3A/x%3Fy%23z%5B0%5D"),
            ("esc%1B%21%25", false, "esc%1B%21%25"),
            ("cut%..17 more bytes", false, "cut%25..17%20more%20bytes"),
            ("\u{fc}", false, "%C3%BC"),
            ("-", false, "-"),
        ] {
            assert_eq!(from_path(path, directory), uri, "{path}");
        }
        for (name, uri) in [
            ("data.pkl", "data.pkl"),
            ("/etc/passwd", "etc/passwd"),
            ("../../up", "../../up"),
            ("a b!c", "a%20b%21c"),
            ("", "."),
            ("//", "."),
        ] {
            assert_eq!(of_member(name), uri, "{name}");
        }
    }
}

//! Files that an artifact makes its loader open: whether they lie beside it.

use super::entries::{Escape, escapes};
use super::{Closing, Inspector};
use crate::fact::Fact;
use crate::finding::{Finding, Findings, code};
use crate::policy::shown;

/// `path-traversal`.
pub(super) struct References;

impl Inspector for References {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        for fact in artifact.facts {
            let Fact::Reference {
                what,
                path,
                span,
                advisories,
            } = fact
            else {
                continue;
            };
            let (case, how) = if is_url(path) {
                (Some("remote"), "is a URL")
            } else {
                match escapes(path, &[]) {
                    Escape::None => continue,
                    Escape::Absolute => (Some("absolute"), "is absolute"),
                    Escape::Parent => (None, "leads above the artifact's own directory"),
                }
            };
            let name = shown(path);
            let mut finding = Finding::new(code::PATH_TRAVERSAL, *span, format!("{what} {name} {how}"));
            finding.case = case;
            if !advisories.is_empty() {
                finding = finding.evidence("advisories", *advisories);
            }
            out.push(finding.evidence("name", name.clone()).key(name));
        }
    }
}

/// Whether `path` begins with a scheme and an authority (RFC 3986, 3.1).
fn is_url(path: &[u8]) -> bool {
    let Some(at) = memchr::memmem::find(path, b"://") else {
        return false;
    };
    let scheme = path.get(..at).unwrap_or_default();
    let sound = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'-' | b'.');
    scheme.first().is_some_and(u8::is_ascii_alphabetic) && scheme.len() > 1 && scheme.iter().all(sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_from_a_file() {
        for (path, expected) in [
            (&b"https://example.org/w.bin"[..], true),
            (b"s3://bucket/w", true),
            (b"file:///data/w", true),
            (b"weights.bin", false),
            (b"a/b://c", false),
            (b"://x", false),
        ] {
            assert_eq!(is_url(path), expected, "{}", String::from_utf8_lossy(path));
        }
    }
}

//! Names that are a whole quoted ASCII string, under the few top-level domains that program text seldom uses otherwise.

use super::name::is_public;
use super::{Candidate, Confidence, HostKind};

/// What a sweep searches for; each ends a bare name when a quote follows.
pub(super) const ENDINGS: &[&str] = &[".com", ".org", ".net", ".dev", ".app", ".cloud", ".io", ".ai"];

/// Endings that are as often a property or a product: these want three labels.
const WANT_THREE_LABELS: &[&str] = &["app", "cloud", "dev", "net"];

/// First labels of reverse-DNS identifiers (`com.example.app`).
const REVERSE: &[&str] = &["ai", "app", "com", "dev", "edu", "gov", "io", "net", "org"];

/// Names of packages that look like hosts.
const PACKAGES: &[&str] = &["engine.io", "socket.io"];

/// Longest name, in bytes.
const MAX_NAME: usize = 253;

/// The quoted name whose ending (`.com`) starts at `dot` and has `len` bytes.
pub(super) fn read(bytes: &[u8], dot: usize, len: usize) -> Option<Candidate> {
    let end = dot.checked_add(len)?;
    let after = bytes.get(end..)?;
    let (escaped, quote) = match (after.first()?, after.get(1)) {
        (b'\\', Some(&quote)) => (true, quote),
        (&quote, _) => (false, quote),
    };
    if !matches!(quote, b'"' | b'\'' | b'`') {
        return None;
    }
    let mut start = dot;
    while let Some(at) = start.checked_sub(1)
        && bytes
            .get(at)
            .is_some_and(|&b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-'))
    {
        start = at;
        if end.checked_sub(start)? > MAX_NAME {
            return None;
        }
    }
    let open = start.checked_sub(1)?;
    let is_escaped = open.checked_sub(1).is_some_and(|at| bytes.get(at) == Some(&b'\\'));
    if bytes.get(open) != Some(&quote) || is_escaped != escaped {
        return None;
    }
    let host = std::str::from_utf8(bytes.get(start..end)?).ok()?;
    is_plausible(host).then(|| Candidate {
        url_at: start,
        host_at: start,
        host_end: end,
        scheme: String::new(),
        host: host.to_owned(),
        kind: HostKind::Name,
        confidence: Confidence::Possible,
        disguise: None,
        port: None,
    })
}

fn is_plausible(host: &str) -> bool {
    let Some((front, ending)) = host.rsplit_once('.') else {
        return false;
    };
    let first = front.split('.').next().unwrap_or_default();
    let versioned = front.split('.').all(|label| label.bytes().all(|b| b.is_ascii_digit()));
    is_public(host)
        && !versioned
        && !REVERSE.contains(&first)
        && !PACKAGES.contains(&host)
        && (front.contains('.') || !WANT_THREE_LABELS.contains(&ending))
}

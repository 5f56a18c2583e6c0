//! What a written host part is: a name under an ICANN suffix, `localhost`, an IPv4 address, or one of these with
//! unrelated text run on behind it.

use psl::Type;

use super::ip::{self, Form};
use super::{Confidence, HostKind};

/// Top-level domains that are cut out of lower-case run-on text, each with beginnings of longer words that start alike.
const CUT_ANYWHERE: &[(&str, &[&str])] = &[
    (
        "com",
        &[
            "comb", "comed", "comes", "comet", "comf", "comi", "comm", "compa", "compe", "compi", "compl", "compo",
            "compr", "compu",
        ],
    ),
    ("net", &["nets", "netw"]),
    ("org", &["orga", "orgs"]),
    ("edu", &["educ"]),
    ("gov", &["gove"]),
    ("dev", &["deve", "devi", "devo", "devs", "devt"]),
    ("app", &["appd", "appe", "appl", "appr", "apps", "appx"]),
    ("io", &["ioc", "ion", "ios", "iot"]),
    ("ai", &["aid", "aim", "ain", "air"]),
    ("info", &["infor", "infos"]),
    ("cloud", &["cloudf", "clouds"]),
];

/// Further top-level domains cut only where the text itself changes: a digit, a capital, a hyphen, another script.
const CUT_AT_A_CHANGE: &[&str] = &[
    "at", "au", "be", "br", "ca", "cc", "ch", "cn", "co", "cz", "de", "es", "eu", "fi", "fm", "fr", "gg", "hu", "ie",
    "it", "jp", "kr", "ly", "me", "nl", "no", "nz", "pl", "pt", "ro", "ru", "se", "sh", "sk", "so", "tech", "tv", "tw",
    "uk", "us", "xyz",
];

/// Domains after which a whole further label may be unrelated text (`example.org.Then`).
const CUT_BEFORE_A_LABEL: &[&str] = &["com", "org", "net"];

/// Generic domains older than the agreements that withhold `www`.
const WITH_WWW: &[&str] = &["biz", "com", "edu", "gov", "info", "int", "mil", "net", "org"];

/// Last labels of names that are real but never public (RFC 2606, RFC 6761, RFC 6762, and custom).
const NEVER_PUBLIC: &[&str] = &[
    "corp",
    "domain",
    "example",
    "home",
    "host",
    "internal",
    "intranet",
    "invalid",
    "lan",
    "local",
    "localdomain",
    "svc",
    "test",
    "tld",
];

/// Longest name in UTF-8: 253 characters of at most four bytes.
const MAX_NAME_BYTES: usize = 4 * 253;

/// What stands behind a written host.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Tail {
    /// A delimiter or the end.
    Delimiter,
    /// A placeholder that may continue the host.
    Placeholder,
}

/// A host at the beginning of the written text.
pub(super) struct Found {
    /// Bytes of the written text it takes.
    pub(super) len: usize,
    /// Normalised.
    pub(super) host: String,
    pub(super) kind: HostKind,
    pub(super) confidence: Confidence,
}

/// The host that `written` (letters, digits, `.`, `-`, `_`) begins with; `web` admits numeric forms.
pub(super) fn resolve(written: &str, tail: Tail, web: bool) -> Option<Found> {
    if tail == Tail::Placeholder && written.ends_with(['.', '-', '_']) {
        return None;
    }
    let body = written.strip_suffix('.').unwrap_or(written);
    if ip::is_numeric(body) {
        return address(body, tail, web);
    }
    let lower = body.to_lowercase();
    if lower == "localhost" || (lower.ends_with(".localhost") && labels_are_valid(&lower)) {
        return Some(Found {
            len: body.len(),
            host: lower,
            kind: HostKind::Localhost,
            confidence: certainty(tail),
        });
    }
    let runs_on = match body.rsplit_once('.') {
        Some((_, last)) => case_change(last).is_some_and(|at| is_cut_domain(last, at)),
        None => false,
    };
    if !runs_on && is_public(&lower) && (tail == Tail::Delimiter || ends_in_a_common_domain(&lower)) {
        let confidence = match lower.strip_prefix("www.") {
            Some(suffix) if !suffix.contains('.') => www_itself(suffix)?,
            _ => certainty(tail),
        };
        return Some(Found {
            len: body.len(),
            host: lower,
            kind: HostKind::Name,
            confidence,
        });
    }
    if tail == Tail::Placeholder {
        return None;
    }
    let (len, kind) = if let Some(len) = ip::dotted_prefix(body) {
        (len, HostKind::Ipv4)
    } else if let Some(len) = cut_localhost(&lower, body) {
        (len, HostKind::Localhost)
    } else {
        (cut(body)?, HostKind::Name)
    };
    Some(Found {
        len,
        host: body.get(..len)?.to_lowercase(),
        kind,
        confidence: Confidence::Possible,
    })
}

/// Whether `www` directly under a top-level domain is believed: the registry agreements of the newer generic domains
/// withhold that name (ICANN base agreement, specification 5), so there it is a dictionary fragment (`www.style`).
fn www_itself(suffix: &str) -> Option<Confidence> {
    (suffix.len() == 2 || WITH_WWW.contains(&suffix)).then_some(Confidence::Possible)
}

fn certainty(tail: Tail) -> Confidence {
    match tail {
        Tail::Delimiter => Confidence::Likely,
        Tail::Placeholder => Confidence::Possible,
    }
}

fn address(body: &str, tail: Tail, web: bool) -> Option<Found> {
    let v4 = ip::v4(body)?;
    let host = v4.addr.to_string();
    let obfuscated = || HostKind::ObfuscatedIpv4 {
        written: body.to_owned(),
    };
    let (kind, confidence) = match v4.form {
        Form::Dotted => (HostKind::Ipv4, certainty(tail)),
        _ if !web || tail == Tail::Placeholder => return None,
        Form::Encoded => (obfuscated(), Confidence::Likely),
        Form::Short => (obfuscated(), Confidence::Possible),
    };
    Some(Found {
        len: body.len(),
        host,
        kind,
        confidence,
    })
}

/// Whether a lower-case name has a label in front of an ICANN suffix.
pub(super) fn is_public(name: &str) -> bool {
    labels_are_valid(name) && icann_suffix_len(name).is_some_and(|len| len < name.len())
}

fn labels_are_valid(name: &str) -> bool {
    name.len() <= MAX_NAME_BYTES && name.chars().count() <= 253 && name.split('.').all(label_is_valid)
}

fn label_is_valid(label: &str) -> bool {
    (1..=63).contains(&label.chars().count())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label
            .chars()
            .all(|c| c.is_alphanumeric() || c == '-' || c == '_' || !c.is_ascii())
}

/// The length of the longest ICANN suffix; a private suffix (`github.io`) is an ordinary name under one.
fn icann_suffix_len(name: &str) -> Option<usize> {
    let mut rest = name;
    loop {
        let suffix = psl::suffix(rest.as_bytes())?;
        match suffix.typ()? {
            Type::Icann => return Some(suffix.as_bytes().len()),
            Type::Private => {
                let private = rest.get(rest.len().checked_sub(suffix.as_bytes().len())?..)?;
                rest = private.split_once('.')?.1;
            }
        }
    }
}

/// Whether a name is under one of the domains that program text names most.
pub(super) fn ends_in_a_common_domain(name: &str) -> bool {
    name.rsplit('.')
        .next()
        .is_some_and(|last| CUT_ANYWHERE.iter().any(|&(domain, _)| domain == last))
}

fn cut_localhost(lower: &str, body: &str) -> Option<usize> {
    let rest = lower.strip_prefix("localhost")?;
    let glued = rest.chars().next().is_some_and(char::is_alphanumeric) && !rest.contains('.');
    (glued && body.is_char_boundary("localhost".len())).then_some("localhost".len())
}

/// The length of the host in front of run-on text, judged label by label from the left.
fn cut(body: &str) -> Option<usize> {
    let last_label = body.rsplit('.').next()?.to_lowercase();
    if NEVER_PUBLIC.contains(&last_label.as_str()) {
        return None;
    }
    let mut at = 0_usize;
    for (index, label) in body.split('.').enumerate() {
        let label_end = at.checked_add(label.len())?;
        if index > 0
            && let Some(domain_len) = cut_label(label, index, label_end == body.len())
        {
            let end = at.checked_add(domain_len)?;
            let host = body.get(..end)?.to_lowercase();
            if host.rsplit('.').nth(1)? == "www" {
                return None;
            }
            if is_public(&host) {
                return Some(end);
            }
        }
        // No host reaches past a label that DNS does not allow; stopping here also bounds the work on hostile text.
        if !label_is_valid(label) || label_end > MAX_NAME_BYTES {
            return None;
        }
        at = label_end.checked_add(1)?;
    }
    None
}

/// How much of `label`, the name's `index`-th, is a top-level domain in front of unrelated text.
///
/// Longer words (`common`) are spared only in second place: with two labels in front the text was meant as a name.
fn cut_label(label: &str, index: usize, is_last: bool) -> Option<usize> {
    let lower = label.to_ascii_lowercase();
    if CUT_BEFORE_A_LABEL.contains(&lower.as_str()) {
        return (!is_last).then_some(label.len());
    }
    if is_last && let Some(len) = der_tail(&lower) {
        return Some(len);
    }
    if let Some(at) = case_change(label)
        && is_cut_domain(label, at)
    {
        return Some(at);
    }
    let change = lower
        .char_indices()
        .find(|&(_, c)| !c.is_ascii_lowercase())
        .map(|(at, _)| at);
    if let Some(at) = change
        && at > 0
        && is_cut_domain(&lower, at)
    {
        return Some(at);
    }
    let longest = CUT_ANYWHERE
        .iter()
        .filter(|(domain, _)| lower.starts_with(domain) && lower.len() > domain.len());
    let &(domain, words) = longest.max_by_key(|(domain, _)| domain.len())?;
    (index > 1 || !words.iter().any(|word| lower.starts_with(word))).then_some(domain.len())
}

/// In DER a URL is followed by the next element: the tag of a SEQUENCE (`0`) or SET (`1`) and a length byte.
fn der_tail(lower: &str) -> Option<usize> {
    let tag = lower
        .bytes()
        .rposition(|b| matches!(b, b'0' | b'1'))
        .filter(|&at| at >= 2)?;
    let first = lower
        .get(..tag)?
        .bytes()
        .position(|b| matches!(b, b'0' | b'1'))
        .unwrap_or(tag);
    (lower.len().checked_sub(first)? <= 2).then_some(first)
}

/// Where a label that began in lower case turns to a capital or to another script.
fn case_change(label: &str) -> Option<usize> {
    let (at, c) = label.char_indices().find(|(_, c)| !c.is_ascii_lowercase())?;
    (at > 0 && (c.is_ascii_uppercase() || !c.is_ascii())).then_some(at)
}

fn is_cut_domain(label: &str, at: usize) -> bool {
    label.get(..at).is_some_and(|domain| {
        CUT_AT_A_CHANGE.contains(&domain) || CUT_ANYWHERE.iter().any(|&(common, _)| common == domain)
    })
}

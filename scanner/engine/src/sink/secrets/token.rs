//! Tokens that carry their issuer's mark: a prefix, and a checksum or a structure behind it.

use super::{Found, SecretKind};
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE, URL_SAFE_NO_PAD};

/// What a needle may begin, or stand in.
#[derive(Clone, Copy)]
enum Shape {
    GitHub,
    FineGrained,
    Npm,
    Aws,
    Google,
    Slack,
    Stripe,
    Anthropic,
    OpenAi,
    HuggingFace,
    PyPi,
    Jwt,
}

const NEEDLES: &[(&str, Shape)] = &[
    ("ghp_", Shape::GitHub),
    ("gho_", Shape::GitHub),
    ("ghu_", Shape::GitHub),
    ("ghs_", Shape::GitHub),
    ("ghr_", Shape::GitHub),
    ("github_pat_", Shape::FineGrained),
    ("npm_", Shape::Npm),
    ("AKIA", Shape::Aws),
    ("ASIA", Shape::Aws),
    ("AIza", Shape::Google),
    ("xoxb-", Shape::Slack),
    ("xoxp-", Shape::Slack),
    ("xoxa-", Shape::Slack),
    ("sk_live_", Shape::Stripe),
    ("rk_live_", Shape::Stripe),
    ("sk-ant-", Shape::Anthropic),
    ("T3BlbkFJ", Shape::OpenAi),
    ("hf_", Shape::HuggingFace),
    ("pypi-AgEIcHlwaS5vcmc", Shape::PyPi),
    ("eyJhbGci", Shape::Jwt),
    ("eyJ0eXAi", Shape::Jwt),
    ("eyJraWQi", Shape::Jwt),
];

/// The digits of base 62 in the order that checksums of GitHub and npm use.
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

/// Bytes on either side of an access key in which its secret is looked for.
const NEAR: usize = 256;

/// Words of tokens that are none.
const PLACEHOLDERS: &[&str] = &[
    "example",
    "xxxxx",
    "00000",
    "11111",
    "aaaaa",
    "12345678",
    "abcdefgh",
    "redacted",
    "placeholder",
    "your",
    "dummy",
    "fake",
    "sample",
    "secret",
    "changeme",
    "test_",
    "token",
];

pub(super) fn patterns() -> Vec<&'static str> {
    NEEDLES.iter().map(|(needle, _)| *needle).collect()
}

/// The token that the needle `which` at `at` stands in.
pub(super) fn read(bytes: &[u8], at: usize, which: usize) -> Option<Found> {
    let (needle, shape) = NEEDLES.get(which)?;
    let body = at.checked_add(needle.len())?;
    let whole = |kind, len: usize| token(bytes, at, body.checked_add(len)?, kind);
    match shape {
        Shape::GitHub => checked(bytes, body).then(|| whole(SecretKind::GitHub, 36)).flatten(),
        Shape::Npm => checked(bytes, body).then(|| whole(SecretKind::Npm, 36)).flatten(),
        Shape::FineGrained => {
            let (id, rest) = run(bytes, body, alphanumeric, 83).split_at_checked(22)?;
            let underscore = body.checked_add(id.len())?;
            let rest_at = underscore.checked_add(1)?;
            let tail = run(bytes, rest_at, alphanumeric, 60);
            let fits = rest.is_empty() && bytes.get(underscore) == Some(&b'_') && tail.len() == 59;
            (fits && random(tail))
                .then(|| whole(SecretKind::GitHubFineGrained, 82))
                .flatten()
        }
        Shape::Aws => aws(bytes, at),
        Shape::Google => {
            let rest = run(bytes, body, url_safe, 36);
            (rest.len() == 35 && random(rest))
                .then(|| whole(SecretKind::GoogleApi, 35))
                .flatten()
        }
        Shape::Slack => {
            let rest = run(bytes, body, |b| b.is_ascii_alphanumeric() || b == b'-', 256);
            slack(rest).then(|| whole(SecretKind::Slack, rest.len())).flatten()
        }
        Shape::Stripe => {
            let rest = run(bytes, body, alphanumeric, 128);
            ((24..=107).contains(&rest.len()) && random(rest))
                .then(|| whole(SecretKind::Stripe, rest.len()))
                .flatten()
        }
        Shape::Anthropic => {
            let rest = run(bytes, body, url_safe, 128);
            let (version, key) = rest.split_at_checked(6)?;
            let known = matches!(version, b"api03-" | b"oat01-") || (version == b"admin0" && key.starts_with(b"1-"));
            let key = key.strip_prefix(b"1-").filter(|_| version == b"admin0").unwrap_or(key);
            (known && key.len() == 95 && key.ends_with(b"AA") && random(key))
                .then(|| whole(SecretKind::Anthropic, rest.len()))
                .flatten()
        }
        Shape::OpenAi => {
            let before = bytes.get(at.saturating_sub(200)..at)?;
            let len = before.iter().rev().take_while(|b| url_safe(**b)).count();
            let start = at.checked_sub(len)?;
            let head = bytes.get(start..at)?.strip_prefix(b"sk-")?;
            let tail = run(bytes, body, url_safe, 200);
            let head = [&b"proj-"[..], b"svcacct-", b"admin-"]
                .iter()
                .find_map(|prefix| head.strip_prefix(*prefix))
                .unwrap_or(head);
            let fits = head.len() >= 20 && head.len() == tail.len() && random(head) && random(tail);
            let end = body.checked_add(tail.len())?;
            fits.then(|| token(bytes, start, end, SecretKind::OpenAi)).flatten()
        }
        Shape::HuggingFace => {
            let rest = run(bytes, body, alphanumeric, 41);
            ((34..=40).contains(&rest.len()) && random(rest))
                .then(|| whole(SecretKind::HuggingFace, rest.len()))
                .flatten()
        }
        Shape::PyPi => {
            let start = at.checked_add("pypi-".len())?;
            let rest = run(bytes, start, url_safe, 1024);
            let end = start.checked_add(rest.len())?;
            macaroon(&decoded(rest)?)?;
            token(bytes, at, end, SecretKind::PyPi)
        }
        Shape::Jwt => jwt(bytes, at),
    }
}

/// The token at `from..to`, when it is a word of its own.
fn token(bytes: &[u8], from: usize, to: usize, kind: SecretKind) -> Option<Found> {
    let apart = |at: Option<usize>| {
        at.and_then(|at| bytes.get(at))
            .is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'_')
    };
    // An escape of a string literal may stand in front: its letter is no part of a word.
    let escaped = from
        .checked_sub(2)
        .and_then(|at| bytes.get(at..from))
        .is_some_and(|before| matches!(before, br"\n" | br"\t" | br"\r"));
    ((apart(from.checked_sub(1)) || escaped) && apart(Some(to))).then_some(())?;
    Some(Found {
        at: from..to,
        kind,
        identity: bytes.get(from..to)?.to_vec(),
    })
}

fn alphanumeric(byte: u8) -> bool {
    byte.is_ascii_alphanumeric()
}

fn url_safe(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_')
}

/// The bytes of a kind from `at` on, `most` at most.
fn run(bytes: &[u8], at: usize, of: fn(u8) -> bool, most: usize) -> &[u8] {
    let rest = bytes.get(at..).unwrap_or_default();
    let len = rest.iter().take(most).take_while(|b| of(**b)).count();
    rest.get(..len).unwrap_or_default()
}

/// Whether the last six of 36 characters are the CRC-32 of the others in base 62.
fn checked(bytes: &[u8], at: usize) -> bool {
    let body = run(bytes, at, alphanumeric, 37);
    let Some((secret, sum)) = body.split_at_checked(30).filter(|(_, sum)| sum.len() == 6) else {
        return false;
    };
    let mut value = crc32fast::hash(secret);
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        let index = usize::try_from(value % 62).unwrap_or(0);
        *digit = BASE62.get(index).copied().unwrap_or(b'0');
        value /= 62;
    }
    digits == *sum
}

/// Whether letters and digits are varied as in a random text, and hold none of the words of placeholders.
fn random(text: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in text {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    let distinct = seen.iter().filter(|seen| **seen).count();
    let lower = text.to_ascii_lowercase();
    let needed = (text.len() / 2).min(14);
    let upper = text.iter().any(u8::is_ascii_uppercase);
    distinct >= needed
        && upper
        && text.iter().any(u8::is_ascii_lowercase)
        && !PLACEHOLDERS
            .iter()
            .any(|word| lower.windows(word.len()).any(|w| w == word.as_bytes()))
}

/// An access key with forty characters near it that can be its secret.
fn aws(bytes: &[u8], at: usize) -> Option<Found> {
    let key = run(bytes, at, |b| b.is_ascii_uppercase() || b.is_ascii_digit(), 21);
    let base32 = |b: &u8| b.is_ascii_uppercase() || (b'2'..=b'7').contains(b);
    let end = at.checked_add(20)?;
    if key.len() != 20 || !key.iter().all(base32) || key.ends_with(b"EXAMPLE") {
        return None;
    }
    let near = bytes.get(at.saturating_sub(NEAR)..end.saturating_add(NEAR).min(bytes.len()))?;
    let secret = |word: &&[u8]| {
        word.len() == 40
            && random(word)
            && word.iter().any(u8::is_ascii_digit)
            && !word.iter().all(u8::is_ascii_hexdigit)
    };
    let is_part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/');
    near.split(|b| !is_part(b)).find(secret)?;
    token(bytes, at, end, SecretKind::Aws)
}

/// `xoxb-<digits>-<digits>-<secret>`, with one group of digits more for users.
fn slack(rest: &[u8]) -> bool {
    let mut parts: Vec<&[u8]> = rest.split(|b| *b == b'-').collect();
    let Some(secret) = parts.pop() else { return false };
    let digits = |part: &&[u8]| (9..=14).contains(&part.len()) && part.iter().all(u8::is_ascii_digit);
    let distinct = |part: &&[u8]| part.iter().any(|b| part.first() != Some(b));
    let hex = secret.len() == 32 && secret.iter().all(u8::is_ascii_hexdigit);
    (2..=3).contains(&parts.len())
        && parts.iter().all(|p| digits(p) && distinct(p))
        && ((24..=34).contains(&secret.len()) && (random(secret) || (hex && distinct(&secret))))
}

/// Base64 in either alphabet, with or without padding.
fn decoded(text: &[u8]) -> Option<Vec<u8>> {
    [&URL_SAFE_NO_PAD, &STANDARD_NO_PAD, &URL_SAFE, &STANDARD]
        .iter()
        .find_map(|engine| engine.decode(text).ok())
}

/// A macaroon of version 2 of the Python registry: location, identifier, caveats and a signature of 32 bytes (libmacaroons).
fn macaroon(bytes: &[u8]) -> Option<()> {
    let rest = bytes.strip_prefix(b"\x02\x01\x08")?;
    let rest = rest.strip_prefix(concat!("pypi", ".org").as_bytes())?;
    let rest = rest.strip_prefix(b"\x02")?;
    let (length, rest) = rest.split_first()?;
    let rest = rest.get(usize::from(*length)..)?.strip_prefix(b"\x00")?;
    let (rest, signature) = rest.split_at_checked(rest.len().checked_sub(34)?)?;
    (signature.starts_with(b"\x06\x20") && rest.ends_with(b"\x00") && *length >= 16).then_some(())
}

/// Three parts: a header with an algorithm, claims, and a signature.
fn jwt(bytes: &[u8], at: usize) -> Option<Found> {
    if at
        .checked_sub(1)
        .and_then(|before| bytes.get(before))
        .is_some_and(|b| url_safe(*b))
    {
        return None;
    }
    let header = run(bytes, at, url_safe, 1024);
    let body_at = at.checked_add(header.len())?.checked_add(1)?;
    let body = run(bytes, body_at, url_safe, 4096);
    let end = body_at.checked_add(body.len())?;
    let dots = bytes.get(body_at.checked_sub(1)?) == Some(&b'.') && bytes.get(end) == Some(&b'.');
    let sign_at = end.checked_add(1)?;
    let signature = run(bytes, sign_at, url_safe, 1024);
    if !dots || signature.len() < 20 {
        return None;
    }
    let object = |part| serde_json::from_slice::<serde_json::Map<String, serde_json::Value>>(&decoded(part)?).ok();
    object(header)?.get("alg")?.as_str().filter(|alg| *alg != "none")?;
    object(body)?;
    let end = sign_at.checked_add(signature.len())?;
    Some(Found {
        at: at..end,
        kind: SecretKind::Jwt,
        identity: bytes.get(at..end)?.to_vec(),
    })
}

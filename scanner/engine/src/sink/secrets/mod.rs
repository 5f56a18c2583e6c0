//! Keys and tokens in arbitrary bytes, found in one pass over tiles of any size.
//!
//! Only what can be told from a word that looks alike counts: a private key parses as one, a token has its issuer's
//! checksum or structure. A PEM header alone, a public DSN, a placeholder or a public key is not a secret. Nothing here
//! keeps a secret: a hit has its kind, its place, a digest, and a few of its characters.
//!
//! Deliberately absent: passwords, keys that are encrypted under a passphrase, tokens without a structure of their own.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

mod key;
mod token;

#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::ops::Range;
use std::sync::LazyLock;

use sha2::{Digest, Sha256};

use super::packed::Packed;
use super::reach::{Tiles, Window, wide};
use crate::span::Span;

/// Bytes before a needle that its reading may look at.
const BEHIND: usize = 512;

/// Bytes from a needle's start on that its reading may look at: a PEM of an RSA key of 8192 bits, with escapes.
const AHEAD: usize = 8192;

/// Bytes behind the last place searched that a needle may reach into.
const LONGEST: usize = 32;

/// What one sweep found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SecretScan {
    /// Distinct secrets, by the offset of their first occurrence.
    pub hits: Vec<SecretHit>,
    /// Occurrences of further distinct secrets that found no room under the limit.
    pub dropped: u64,
}

/// One distinct secret of one segment, at its first occurrence.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SecretHit {
    /// Its bytes in the artifact.
    pub span: Span,
    /// What it is.
    pub kind: SecretKind,
    /// Its first four and last two characters; empty for a key.
    pub shown: String,
    /// SHA-256 of the token, or of the key's encoding.
    pub sha256: [u8; 32],
    /// Whether it is a key that its publisher has given to the world, for tests and examples.
    pub published: bool,
    /// Index of the owner whose bytes hold it; 0 without owners.
    pub segment: usize,
    /// How often it stands there.
    pub count: u64,
}

/// Kinds of secrets.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum SecretKind {
    /// A private key in PEM or DER.
    PrivateKey,
    /// A token of GitHub with its checksum.
    GitHub,
    /// A fine-grained token of GitHub.
    GitHubFineGrained,
    /// A token of npm with its checksum.
    Npm,
    /// An access key of AWS beside its secret.
    Aws,
    /// A key of Google's programming interfaces, which is often public.
    GoogleApi,
    /// A token of Slack.
    Slack,
    /// A live key of Stripe.
    Stripe,
    /// A key of Anthropic.
    Anthropic,
    /// A key of OpenAI.
    OpenAi,
    /// A token of Hugging Face.
    HuggingFace,
    /// A token of PyPI.
    PyPi,
    /// A JSON Web Token.
    Jwt,
}

impl SecretKind {
    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PrivateKey => "private key",
            Self::GitHub => "GitHub token",
            Self::GitHubFineGrained => "fine-grained GitHub token",
            Self::Npm => "npm token",
            Self::Aws => "AWS access key with its secret",
            Self::GoogleApi => "Google API key",
            Self::Slack => "Slack token",
            Self::Stripe => "Stripe live key",
            Self::Anthropic => "Anthropic API key",
            Self::OpenAi => "OpenAI API key",
            Self::HuggingFace => "Hugging Face token",
            Self::PyPi => "PyPI token",
            Self::Jwt => "JSON Web Token",
        }
    }
}

/// A secret beside one needle: its place in the window, and the bytes that identify it.
struct Found {
    at: Range<usize>,
    kind: SecretKind,
    identity: Vec<u8>,
}

/// The byte strings that mark a possible secret, in two searches.
struct Needles {
    tokens: Packed,
    keys: Packed,
}

static NEEDLES: LazyLock<Needles> = LazyLock::new(|| Needles {
    tokens: Packed::new(&token::patterns()),
    keys: Packed::new(key::NEEDLES),
});

/// Finds secrets in bytes fed in ascending tiles.
pub struct SecretSink {
    tiles: Tiles,
    table: Table,
}

impl SecretSink {
    /// A sink that keeps at most `limit` distinct secrets.
    pub fn new(limit: usize) -> Self {
        Self::with_owners(limit, Vec::new())
    }

    /// A sink that keeps secrets per owner: segment `i` is `boundaries[i]..boundaries[i + 1]`, and nothing spans two.
    pub fn with_owners(limit: usize, boundaries: Vec<u64>) -> Self {
        Self {
            tiles: Tiles::new(BEHIND, AHEAD, boundaries),
            table: Table {
                limit,
                entries: HashMap::new(),
                dropped: 0,
            },
        }
    }

    /// Searches, in each of the sorted `spans`, only rows of twelve printable bytes and more, plain or in UTF-16.
    #[must_use]
    pub fn quiet_in(mut self, spans: Vec<Span>) -> Self {
        self.tiles.quiet(spans);
        self
    }

    /// Takes the bytes at `offset`. An offset other than the previous end begins a new region; nothing spans both.
    pub fn feed(&mut self, offset: u64, bytes: &[u8]) {
        let Self { tiles, table } = self;
        tiles.feed(offset, bytes, &mut |window| search(table, window));
    }

    /// The secrets found.
    pub fn finish(self) -> SecretScan {
        let Self { mut tiles, mut table } = self;
        tiles.finish(&mut |window| search(&mut table, window));
        let mut hits: Vec<SecretHit> = table.entries.into_values().collect();
        hits.sort_by_key(|hit| (hit.span, hit.kind));
        SecretScan {
            hits,
            dropped: table.dropped,
        }
    }
}

/// Distinct secrets up to a limit.
struct Table {
    limit: usize,
    entries: HashMap<(usize, [u8; 32]), SecretHit>,
    dropped: u64,
}

impl Table {
    fn add(&mut self, window: &Window<'_>, found: Found) {
        let Found { at, kind, identity } = found;
        let sha256: [u8; 32] = Sha256::digest(&identity).into();
        let segment = window.segment(at.start);
        let is_full = self.entries.len() >= self.limit;
        let place = |index: usize| window.base.saturating_add(wide(index));
        match self.entries.entry((segment, sha256)) {
            Entry::Occupied(mut known) => {
                let hit = known.get_mut();
                hit.count = hit.count.saturating_add(1);
            }
            Entry::Vacant(_) if is_full => self.dropped = self.dropped.saturating_add(1),
            Entry::Vacant(room) => {
                room.insert(SecretHit {
                    span: Span::new(place(at.start), place(at.end)),
                    kind,
                    shown: shown(kind, &identity),
                    sha256,
                    published: key::PUBLISHED.contains(&sha256),
                    segment,
                    count: 1,
                });
            }
        }
    }
}

/// What may be shown of a token.
fn shown(kind: SecretKind, token: &[u8]) -> String {
    if kind == SecretKind::PrivateKey {
        return String::new();
    }
    let text = |bytes: Option<&[u8]>| String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned();
    let last = token.len().saturating_sub(2);
    format!("{}...{}", text(token.get(..4)), text(token.get(last..)))
}

fn search(table: &mut Table, window: &Window<'_>) {
    for places in window.places() {
        read(table, window, &places);
    }
}

/// Reads every needle that starts in `places`, in ascending order.
fn read(table: &mut Table, window: &Window<'_>, places: &Range<usize>) {
    let next = |packed: &Packed, from: usize| {
        let cut = places.end.saturating_add(LONGEST).min(window.bytes.len());
        let (which, hit) = packed.find(window.bytes.get(..cut)?, from)?;
        (hit.start < places.end).then_some((hit.start, which))
    };
    let from = places.start;
    let (mut token, mut key) = (next(&NEEDLES.tokens, from), next(&NEEDLES.keys, from));
    loop {
        let is_token = match (token, key) {
            (None, None) => return,
            (Some((at, _)), Some((other, _))) => at <= other,
            (head, _) => head.is_some(),
        };
        let Some((at, which)) = (if is_token { token } else { key }) else {
            return;
        };
        let behind = at.saturating_sub(BEHIND);
        let end = at.saturating_add(AHEAD).min(window.bytes.len());
        let reach = window.bytes.get(behind..end).unwrap_or_default();
        let here = at.saturating_sub(behind);
        let found = if is_token {
            token::read(reach, here, which)
        } else {
            key::read(reach, here, which)
        };
        if let Some(mut found) = found {
            found.at = found.at.start.saturating_add(behind)..found.at.end.saturating_add(behind);
            table.add(window, found);
        }
        if is_token {
            token = next(&NEEDLES.tokens, at.saturating_add(1));
        } else {
            key = next(&NEEDLES.keys, at.saturating_add(1));
        }
    }
}

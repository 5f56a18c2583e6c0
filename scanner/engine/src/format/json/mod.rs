//! JSON documents (RFC 8259): one object or array, claimed as one region, its keys checked at every depth.
//!
//! What reads like JSON and is not strict is text, without a finding: comments and trailing commas (tsconfig), `NaN`
//! (Python), several documents in a row (JSON lines). Bare scalars are text as well. A document is read whole, up to
//! `--max-structure`; one that nests deeper than loaders survive is not walked to its end, which is an error and a finding.

use super::text::Encoding;
use super::{Format, Input, Parse, ReadFault};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};

mod documents;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests may stop at once, and their sizes are small"
)]
mod tests;

/// A JSON document.
pub(super) struct Json;

impl Format for Json {
    fn id(&self) -> &'static str {
        "json"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let (document, _) = without_mark(probe.head);
        let fits = match walk(document, 0, &mut |_| {}) {
            Walked::Document { after, object } => match follows(document.get(after..).unwrap_or_default()) {
                Follows::Nothing => true,
                // The next document of JSON lines.
                Follows::Value => false,
                Follows::Other { same_line } => object || !same_line,
            },
            // A few tokens say nothing about a text that ends with them: `[1`, `{`.
            Walked::Cut { tokens } if probe.is_whole() => tokens >= 3,
            Walked::Cut { tokens } => tokens >= 2 || opens_string(document),
            Walked::TooDeep { .. } => true,
            Walked::Broken | Walked::Scalar => false,
        };
        fits.then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        // Most of a large file may be something else than the first document: it is read in growing parts.
        for part in [1 << 20, 16 << 20, u64::MAX] {
            let bytes = match input.read_up_to(0, part) {
                Ok(bytes) => bytes,
                Err(fault) => {
                    out.fault(&fault, "document");
                    out.leaf(input.whole(), Role::Text, "document, not read to its end");
                    return;
                }
            };
            if document(&bytes, input, out) {
                return;
            }
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &[
            "json",
            "map",
            "webmanifest",
            "ipynb",
            "geojson",
            "jsonld",
            "har",
            "sarif",
        ]
    }
}

/// Containers inside each other beyond which real loaders overflow their stacks or refuse.
const DEPTH: usize = 1_000;
/// Repeated keys that are reported.
const REPEATED: usize = 64;

/// How a walk over one document ended.
enum Walked {
    /// Sound; `after` is the offset behind its last bracket.
    Document { after: usize, object: bool },
    /// Sound as far as the bytes go.
    Cut { tokens: usize },
    /// Deeper than [`DEPTH`].
    TooDeep { offset: u64 },
    /// Not JSON.
    Broken,
    /// A bare string, number or literal.
    Scalar,
}

/// Walks one object or array, showing each key.
fn walk<'a>(bytes: &'a [u8], base: u64, see: &mut dyn FnMut(Seen<'a>)) -> Walked {
    let mut walker = JsonWalker::new(bytes, base, DEPTH);
    let (mut tokens, mut object) = (0usize, false);
    while let Some(token) = walker.next() {
        let token = match token {
            Ok(token) => token,
            Err(fault) if fault.is_truncation() => return Walked::Cut { tokens },
            Err(fault) if walker.depth() >= DEPTH => return Walked::TooDeep { offset: fault.offset },
            Err(_) => return Walked::Broken,
        };
        tokens = tokens.saturating_add(1);
        match token.kind {
            TokenKind::ObjectStart => {
                object |= tokens == 1;
                see(Seen::Open);
            }
            TokenKind::ArrayStart => {}
            TokenKind::ObjectEnd => see(Seen::Close),
            TokenKind::Key(key) => see(Seen::Key(key, token.span)),
            _ if tokens == 1 => return Walked::Scalar,
            _ => {}
        }
        if walker.depth() == 0 {
            let after = usize::try_from(token.span.end().saturating_sub(base)).unwrap_or(usize::MAX);
            return Walked::Document { after, object };
        }
    }
    Walked::Scalar
}

enum Seen<'a> {
    Open,
    Key(std::borrow::Cow<'a, str>, Span),
    Close,
}

/// What stands behind a document.
enum Follows {
    Nothing,
    Value,
    Other { same_line: bool },
}

fn follows(rest: &[u8]) -> Follows {
    let blank = rest
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))
        .count();
    match rest.get(blank) {
        None => Follows::Nothing,
        Some(b'{' | b'[' | b'"' | 0x1e) => Follows::Value,
        Some(_) => Follows::Other {
            same_line: !rest.iter().take(blank).any(|byte| *byte == b'\n'),
        },
    }
}

/// Whether a long string is all that the head shows behind the bracket.
fn opens_string(document: &[u8]) -> bool {
    let mut inside = document
        .trim_ascii_start()
        .iter()
        .skip(1)
        .skip_while(|byte| byte.is_ascii_whitespace());
    inside.next() == Some(&b'"')
}

fn without_mark(bytes: &[u8]) -> (&[u8], u64) {
    bytes.strip_prefix(b"\xef\xbb\xbf").map_or((bytes, 0), |rest| (rest, 3))
}

/// Accounts for the artifact by the first of its bytes; `false` when more of them are needed.
fn document(bytes: &[u8], input: &Input<'_>, out: &mut Parse) -> bool {
    let whole = u64::try_from(bytes.len()).is_ok_and(|length| length == input.len());
    let (document, base) = without_mark(bytes);
    let mut keys = Keys::new(bytes);
    let walked = walk(document, base, &mut |seen| keys.see(seen));
    match walked {
        Walked::Document { after, .. } => {
            let end = base.saturating_add(u64::try_from(after).unwrap_or(u64::MAX));
            let rest = document.get(after..).unwrap_or_default();
            match follows(rest) {
                Follows::Nothing if !whole => return false,
                Follows::Nothing => {
                    out.leaf(input.whole(), Role::Text, "document");
                }
                Follows::Value => {
                    out.leaf(input.whole(), Role::Text, "documents");
                    super::keras::look_in_text(input, out);
                    return true;
                }
                Follows::Other { .. } => {
                    out.leaf(Span::new(0, end), Role::Text, "document");
                    behind(rest, Span::new(end, input.len()), whole, out);
                }
            }
        }
        Walked::Cut { .. } if !whole => return false,
        Walked::Cut { .. } => {
            out.leaf(input.whole(), Role::Text, "document");
            let fault = ReadFault::PastEnd {
                offset: input.len(),
                wanted: 1,
                length: input.len(),
            };
            out.fault(&fault, "the document");
        }
        Walked::TooDeep { offset } => {
            out.leaf(input.whole(), Role::Text, "document, not walked to its end");
            let message =
                format!("json: containers nest more than {DEPTH} deep, which overflows loaders' stacks (RFC 8259 9)");
            let span = Span::saturating_at(offset, 1);
            out.finding(Finding::new(code::MALFORMED, span, message).case("crash").key("depth"));
            out.error(
                ScanError::new(
                    ErrorCode::LimitExceeded,
                    format!("nesting over {DEPTH} levels was not walked"),
                )
                .at(offset),
            );
        }
        Walked::Broken | Walked::Scalar => {
            out.leaf(input.whole(), Role::Text, "text that begins like a document");
            super::keras::look_in_text(input, out);
            return true;
        }
    }
    keys.report(out);
    if let Walked::Document { after, .. } = walked {
        documents::read(document.get(..after).unwrap_or_default(), base, DEPTH, out);
    }
    super::keras::look(document, base, out);
    true
}

/// Content behind a document: text is accounted for and named; anything else stays unclaimed.
fn behind(rest: &[u8], span: Span, whole: bool, out: &mut Parse) {
    let shown = rest.get(..rest.len().min(crate::identify::HEAD)).unwrap_or_default();
    if Encoding::of(shown, whole && shown.len() == rest.len()).is_some() {
        out.leaf(span, Role::Text, "text behind the document");
        let message = format!("{} bytes of text follow the document", span.len());
        out.finding(
            Finding::new(code::TRAILING_BYTES, span, message)
                .case("text")
                .key("trailing"),
        );
    }
}

/// The keys of the objects that are open, to find those that stand twice in one.
///
/// Holds a keyed hash and a place for each key, not the key: a document of nothing but keys stays within a small
/// multiple of its own size. Equal hashes are compared before they count.
struct Keys<'a> {
    bytes: &'a [u8],
    hasher: RandomState,
    open: Vec<HashMap<u64, Span>>,
    repeated: Vec<(Span, Span, String)>,
    more: u64,
}

impl<'a> Keys<'a> {
    fn new(bytes: &'a [u8]) -> Self {
        Self {
            bytes,
            hasher: RandomState::new(),
            open: Vec::new(),
            repeated: Vec::new(),
            more: 0,
        }
    }

    fn see(&mut self, seen: Seen<'_>) {
        match seen {
            Seen::Open => self.open.push(HashMap::new()),
            Seen::Close => {
                self.open.pop();
            }
            Seen::Key(key, span) => {
                let hash = self.hasher.hash_one(&*key);
                let Some(first) = self.open.last_mut().and_then(|keys| keys.insert(hash, span)) else {
                    return;
                };
                if self.repeated.len() >= REPEATED {
                    self.more = self.more.saturating_add(1);
                } else if self.text(first).as_deref() == Some(&*key) {
                    self.repeated.push((first, span, key.into_owned()));
                }
            }
        }
    }

    /// The unescaped text of the key at `span`.
    fn text(&self, span: Span) -> Option<String> {
        let (start, end) = (usize::try_from(span.start()).ok()?, usize::try_from(span.end()).ok()?);
        match JsonWalker::new(self.bytes.get(start..end)?, 0, 0).next()?.ok()?.kind {
            TokenKind::String(text) => Some(text.into_owned()),
            _ => None,
        }
    }

    fn report(self, out: &mut Parse) {
        for (first, second, key) in &self.repeated {
            let key = printable(key.as_bytes());
            let (one, other) = (self.value(*first), self.value(*second));
            let finding = Finding::new(
                code::DUPLICATE_KEY,
                *second,
                format!("the key {key} occurs twice in one object"),
            )
            .case(if one == other { "same-value" } else { "document" })
            .related("first occurrence", *first)
            .evidence("key", key.clone())
            .evidence("first", printable(one.unwrap_or_default()))
            .evidence("second", printable(other.unwrap_or_default()))
            .key(key);
            out.finding(finding);
        }
        if self.more > 0 {
            let message = format!("and {} more keys that occur twice", self.more);
            out.finding(
                Finding::new(code::DUPLICATE_KEY, Span::new(0, 0), message)
                    .case("document")
                    .key("more"),
            );
        }
    }

    /// The raw value behind the key at `span`, when it is short.
    fn value(&self, span: Span) -> Option<&'a [u8]> {
        const LONGEST: usize = 256;
        let from = usize::try_from(span.end()).ok()?;
        let rest = self
            .bytes
            .get(from..from.saturating_add(LONGEST).min(self.bytes.len()))?;
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let after = rest.get(colon.checked_add(1)?..)?;
        let value = JsonWalker::new(after, 0, DEPTH).skip_value().ok()?;
        after.get(usize::try_from(value.start()).ok()?..usize::try_from(value.end()).ok()?)
    }
}

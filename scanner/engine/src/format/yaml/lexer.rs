//! Finds the tags of YAML documents (YAML 1.2.2, chapters 5 to 9) without building nodes.
//!
//! A tag stands where a node may begin: not inside quotes, comments, block scalars or plain text. The lexer keeps what
//! is needed to know that, line by line: the depth of brackets, an open quote, the indentation that a block scalar or
//! a plain scalar of several lines goes beyond. Where a document is not YAML it finds a tag too many rather than too few.

use super::tags::CORE;
use crate::span::Span;
use std::collections::HashMap;

/// A tag, resolved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag {
    /// The full tag, its `%xx` escapes read.
    pub(super) full: String,
    /// Where it stands.
    pub(super) span: Span,
}

/// The most tags that are kept.
const MOST: usize = 256 << 10;

/// The tags of all documents in `text`.
pub(super) fn tags(text: &str) -> Vec<Tag> {
    read(text, MOST)
}

/// The first of the tags; nothing behind it is read.
pub(super) fn first_tag(text: &str) -> Option<Tag> {
    read(text, 1).into_iter().next()
}

/// The tags up to the line with the first `most`.
fn read(text: &str, most: usize) -> Vec<Tag> {
    let mut lexer = Lexer {
        most,
        ..Lexer::default()
    };
    let mut at = 0usize;
    for line in text.split_inclusive('\n') {
        lexer.line(line.trim_end_matches(['\n', '\r']).as_bytes(), at);
        if lexer.found.len() >= most {
            break;
        }
        at = at.saturating_add(line.len());
    }
    lexer.found
}

#[derive(Default)]
struct Lexer {
    found: Vec<Tag>,
    /// How many tags are read.
    most: usize,
    /// Prefixes of tag handles, of the document at hand.
    handles: HashMap<Vec<u8>, Vec<u8>>,
    /// Open flow collections.
    depth: u32,
    /// The quote that is open.
    quote: Option<u8>,
    /// The indentation that the lines of a block scalar go beyond.
    block: Option<i64>,
    /// The indentation that the lines of a plain scalar go beyond.
    plain: Option<i64>,
}

impl Lexer {
    fn line(&mut self, line: &[u8], at: usize) {
        let indent = line.iter().take_while(|byte| **byte == b' ').count();
        let blank = line.iter().all(u8::is_ascii_whitespace);
        let column = i64::try_from(indent).unwrap_or(i64::MAX);
        let marker = matches!(line.get(..3), Some(b"---" | b"..."))
            && line.get(3).is_none_or(|byte| matches!(byte, b' ' | b'\t'));
        if marker {
            let handles = std::mem::take(&mut self.handles);
            let found = std::mem::take(&mut self.found);
            *self = Self {
                found,
                most: self.most,
                // Directives stand in front of `---` and hold for the document behind it.
                handles: if line.starts_with(b"---") {
                    handles
                } else {
                    HashMap::new()
                },
                ..Self::default()
            };
            return self.nodes(line, 3, at, -1);
        }
        if blank {
            return;
        }
        if let Some(parent) = self.block {
            if column > parent {
                return;
            }
            self.block = None;
        }
        if self.quote.is_some() {
            return self.nodes(line, 0, at, column);
        }
        if self.depth == 0 && line.starts_with(b"%") {
            return self.directive(line);
        }
        let first = line.get(indent).copied();
        let goes_on = |depth: u32, parent: i64| match first {
            Some(b'#') => false,
            Some(b',' | b'[' | b']' | b'{' | b'}') if depth > 0 => false,
            _ => depth > 0 || column > parent,
        };
        if let Some(parent) = self.plain.take()
            && goes_on(self.depth, parent)
        {
            let behind = self.plain_text(line, indent, parent);
            return self.nodes(line, behind, at, column);
        }
        self.nodes(line, indent, at, column);
    }

    /// `%TAG !handle! prefix`.
    fn directive(&mut self, line: &[u8]) {
        let mut words = line.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
        if words.next() == Some(b"%TAG")
            && let (Some(handle), Some(prefix)) = (words.next(), words.next())
            && self.handles.len() < 256
        {
            self.handles.insert(handle.to_vec(), prefix.to_vec());
        }
    }

    /// Reads `line` from `from` on. `parent` is the column of the node that holds what follows.
    fn nodes(&mut self, line: &[u8], from: usize, base: usize, column: i64) {
        let mut at = from;
        // Nodes of this line go beyond the column of the innermost key or dash before them.
        let mut parent = if column < 0 { -1 } else { column.saturating_sub(1) };
        let mut start = self.quote.is_none();
        let mut key = at;
        while let Some(byte) = line.get(at).copied() {
            if let Some(quote) = self.quote {
                at = self.quoted(line, at, quote);
                start = false;
                continue;
            }
            let next = line.get(at.saturating_add(1)).copied();
            let ends = next.is_none_or(|byte| matches!(byte, b' ' | b'\t'));
            let before = at.checked_sub(1).and_then(|at| line.get(at)).copied();
            let apart = before.is_none_or(|byte| matches!(byte, b' ' | b'\t'));
            match byte {
                b' ' | b'\t' => at = at.saturating_add(1),
                b'#' if apart => return,
                b'-' | b'?' if start && ends && self.depth == 0 => {
                    parent = i64::try_from(at).unwrap_or(i64::MAX);
                    at = at.saturating_add(1);
                    key = at;
                }
                b':' if ends || self.depth > 0 && !start => {
                    if self.depth == 0 {
                        parent = i64::try_from(key).unwrap_or(i64::MAX);
                    }
                    start = true;
                    at = at.saturating_add(1);
                }
                b'[' | b'{' if start || self.depth > 0 => {
                    self.depth = self.depth.saturating_add(1);
                    start = true;
                    at = at.saturating_add(1);
                }
                b']' | b'}' if self.depth > 0 => {
                    self.depth = self.depth.saturating_sub(1);
                    start = false;
                    at = at.saturating_add(1);
                }
                b',' if self.depth > 0 => {
                    start = true;
                    at = at.saturating_add(1);
                }
                b'!' if start => {
                    at = self.tag(line, at, base);
                    if self.found.len() >= self.most {
                        return;
                    }
                }
                b'&' | b'*' if start => {
                    at = self.word(line, at);
                    start = byte == b'&';
                }
                b'"' | b'\'' if start => {
                    key = key_column(line, key, at);
                    self.quote = Some(byte);
                    at = at.saturating_add(1);
                }
                b'|' | b'>' if start && self.depth == 0 && is_block_header(line.get(at..).unwrap_or_default()) => {
                    self.block = Some(parent);
                    return;
                }
                _ => {
                    key = key_column(line, key, at);
                    at = self.plain_text(line, at, parent);
                    start = false;
                }
            }
        }
    }

    /// Behind a quoted scalar, or at the end of the line when it goes on.
    fn quoted(&mut self, line: &[u8], from: usize, quote: u8) -> usize {
        let mut at = from;
        while let Some(byte) = line.get(at).copied() {
            let next = line.get(at.saturating_add(1)).copied();
            if quote == b'"' && byte == b'\\' || quote == b'\'' && byte == quote && next == Some(quote) {
                at = at.saturating_add(2);
            } else if byte == quote {
                self.quote = None;
                return at.saturating_add(1);
            } else {
                at = at.saturating_add(1);
            }
        }
        line.len()
    }

    /// Behind a plain scalar: at a `:` that ends a key, a comment, a flow indicator, or the end of the line, where it
    /// may go on.
    fn plain_text(&mut self, line: &[u8], from: usize, parent: i64) -> usize {
        let mut at = from.saturating_add(1);
        while let Some(byte) = line.get(at).copied() {
            let next = line.get(at.saturating_add(1)).copied();
            let flow = self.depth > 0;
            let stops = match byte {
                b':' => next
                    .is_none_or(|b| matches!(b, b' ' | b'\t') || flow && matches!(b, b',' | b'[' | b']' | b'{' | b'}')),
                b'#' => at
                    .checked_sub(1)
                    .and_then(|at| line.get(at))
                    .is_some_and(|b| matches!(b, b' ' | b'\t')),
                b',' | b'[' | b']' | b'{' | b'}' => flow,
                _ => false,
            };
            if stops {
                return at;
            }
            at = at.saturating_add(1);
        }
        self.plain = Some(parent);
        line.len()
    }

    /// Behind an anchor, an alias or a tag without brackets.
    fn word(&self, line: &[u8], from: usize) -> usize {
        let rest = line.get(from..).unwrap_or_default();
        let end = rest.iter().position(|byte| {
            matches!(byte, b' ' | b'\t') || self.depth > 0 && matches!(byte, b',' | b'[' | b']' | b'{' | b'}')
        });
        from.saturating_add(end.unwrap_or(rest.len()).max(1))
    }

    /// Takes the tag at `from`.
    fn tag(&mut self, line: &[u8], from: usize, base: usize) -> usize {
        let rest = line.get(from..).unwrap_or_default();
        let verbatim = rest.starts_with(b"!<");
        let closes = rest.iter().position(|byte| *byte == b'>').filter(|_| verbatim);
        let end = match closes {
            Some(at) => from.saturating_add(at).saturating_add(1),
            None => self.word(line, from),
        };
        let raw = line.get(from..end).unwrap_or_default();
        if self.found.len() < self.most {
            let full = String::from_utf8_lossy(&unescaped(&self.resolve(raw))).into_owned();
            let start = u64::try_from(base.saturating_add(from)).unwrap_or(u64::MAX);
            let length = u64::try_from(raw.len()).unwrap_or(0);
            self.found.push(Tag {
                full,
                span: Span::saturating_at(start, length),
            });
        }
        end
    }

    /// The full tag of a shorthand (6.8.2).
    fn resolve(&self, raw: &[u8]) -> Vec<u8> {
        if let Some(inside) = raw.strip_prefix(b"!<") {
            return inside.strip_suffix(b">").unwrap_or(inside).to_vec();
        }
        let second = raw.iter().skip(1).position(|byte| *byte == b'!');
        let (handle, suffix) = raw.split_at(second.map_or(1, |at| at.saturating_add(2)).min(raw.len()));
        let prefix = match self.handles.get(handle) {
            Some(prefix) => prefix.as_slice(),
            None if handle == b"!!" => CORE.as_bytes(),
            None => handle,
        };
        [prefix, suffix].concat()
    }
}

/// The column at which the key begins that ends at `at`: where the first word of this entry stands.
fn key_column(line: &[u8], from: usize, at: usize) -> usize {
    let words = line.get(from..at).unwrap_or_default();
    let blanks = words.iter().take_while(|byte| byte.is_ascii_whitespace()).count();
    from.saturating_add(blanks).min(at)
}

/// `|` or `>`, indicators in any order, then nothing but a comment (8.1.1).
fn is_block_header(rest: &[u8]) -> bool {
    let behind = rest.get(1..).unwrap_or_default();
    let indicators = behind
        .iter()
        .take_while(|byte| matches!(byte, b'+' | b'-' | b'0'..=b'9'))
        .count();
    let after = behind.get(indicators..).unwrap_or_default();
    indicators <= 2 && (after.is_empty() || after.starts_with(b" ") || after.starts_with(b"\t"))
}

/// The bytes with `%xx` read (5.6).
fn unescaped(raw: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0usize;
    while let Some(byte) = raw.get(at).copied() {
        let digits = raw.get(at.saturating_add(1)..at.saturating_add(3));
        let escaped = digits
            .filter(|digits| byte == b'%' && digits.iter().all(u8::is_ascii_hexdigit))
            .and_then(|digits| std::str::from_utf8(digits).ok())
            .and_then(|digits| u8::from_str_radix(digits, 16).ok());
        out.push(escaped.unwrap_or(byte));
        at = at.saturating_add(if escaped.is_some() { 3 } else { 1 });
    }
    out
}

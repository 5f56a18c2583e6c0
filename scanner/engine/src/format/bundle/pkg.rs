//! pkg: the files of a project behind a Node executable, and behind them the script that reads them.
//!
//! | part | content |
//! | --- | --- |
//! | payload | contents, one behind the other, as they are or each compressed |
//! | prelude | `(function(process, require, console, EXECPATH_FD, PAYLOAD_POSITION, PAYLOAD_SIZE) { .. })` |
//!
//! The prelude's last lines are the arguments of its inner function: the table `{"path": {"1": [offset, length]}}`, the
//! entry point, and in later versions links, a dictionary of path components and the compression (0 none, 1 gzip, 2
//! Brotli). What is stored of a path: 0 bytecode, 1 the content, 2 a directory's list, 3 its `stat`. Offsets count
//! from the start of the payload, which ends where the prelude begins: the table's last byte tells where it starts.
//! Nothing marks the payload's start, so the host claims its parts.
//!
//! Specification: pkg, `lib/producer.ts` and `lib/packer.ts`.

use super::{MOST_MEMBERS, again, bundle, limit, odd_name};
use crate::finding::{ErrorCode, ScanError};
use crate::format::{Input, Parse, ReadFault};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind, as_u64};
use std::collections::{BTreeSet, HashMap};

/// How a prelude begins; before 4.5 there was no descriptor.
const BEGINS: &[u8] = b"(function(process, require, console, EXECPATH_FD, PAYLOAD_POSITION, PAYLOAD_SIZE) {";
/// How it ends.
const ENDS: &[u8] = b"\n})";
/// What stands before the table: the end of the common functions, or, since 6.0, of the shared ones.
const TABLES: [&[u8]; 2] = [b"\n},\n{", b"})(),\n{"];
/// What stands between the arguments.
const NEXT: &[u8] = b"\n,\n";
/// The longest prelude that is read, in bytes.
const LONGEST: u64 = 64 << 20;

/// What is stored at one place.
struct Stored {
    span: Span,
    kind: u64,
    key: String,
    /// Where the path stands.
    place: Span,
}

/// Claims payload and prelude that end at the end of `gap`; where they start.
pub(super) fn claim(input: &Input<'_>, gap: Span, out: &mut Parse) -> Result<Option<u64>, ReadFault> {
    let tail = input.read(Span::new(gap.end().saturating_sub(64).max(gap.start()), gap.end()))?;
    if !tail.trim_ascii_end().ends_with(ENDS) {
        return Ok(None);
    }
    let Some(start) = begins(input, gap)? else {
        return Ok(None);
    };
    let place = Span::new(start, gap.end());
    let prelude = input.read(place)?;
    let before = |mark: &&[u8]| {
        memchr::memmem::rfind(&prelude, mark)?
            .checked_add(mark.len())?
            .checked_sub(1)
    };
    let Some(at) = TABLES.iter().filter_map(before).max() else {
        return Ok(None);
    };
    let json = prelude.get(at..).unwrap_or_default();
    let base = start.saturating_add(u64::try_from(at).unwrap_or(u64::MAX));
    let mut stored = Vec::new();
    let Some(end) = table(json, base, &mut stored, out) else {
        return Ok(None);
    };
    let size = stored.iter().map(|s| s.span.end()).max().unwrap_or(0);
    let Some(first) = start.checked_sub(size).filter(|first| *first >= gap.start()) else {
        out.malformed(
            place,
            "pkg: the table of the prelude names more bytes than stand before it",
        );
        return Ok(None);
    };
    let rest = json.get(end..).unwrap_or_default();
    let arguments = Arguments::read(rest);
    out.slice(place, "prelude.js", true);
    out.parent(Span::new(first, start), Role::Payload, "pkg payload");
    contents(stored, first, start, &arguments, out);
    Ok(Some(first))
}

/// Where the last prelude of `gap` begins.
fn begins(input: &Input<'_>, gap: Span) -> Result<Option<u64>, ReadFault> {
    const CHUNK: u64 = 1 << 20;
    let least = gap.end().saturating_sub(LONGEST).max(gap.start());
    let overlap = u64::try_from(BEGINS.len()).unwrap_or(0);
    let mut end = gap.end();
    while end > least {
        let start = end.saturating_sub(CHUNK).max(least);
        let to = end.saturating_add(overlap).min(gap.end());
        let bytes = input.read(Span::new(start, to))?;
        if let Some(at) = memchr::memmem::rfind(&bytes, BEGINS) {
            return Ok(start.checked_add(u64::try_from(at).unwrap_or(u64::MAX)));
        }
        end = start;
    }
    Ok(None)
}

/// Reads the table at the start of `json`; where it ends.
fn table(json: &[u8], base: u64, stored: &mut Vec<Stored>, out: &mut Parse) -> Option<usize> {
    // One line: what follows it is no JSON.
    let line = memchr::memmem::find(json, NEXT)?;
    let mut walker = JsonWalker::new(json.get(..line)?, base, 8);
    let (mut path, mut kind, mut numbers) = (None, 0u64, Vec::new());
    while let Some(token) = walker.next() {
        let token = token.ok()?;
        match token.kind {
            TokenKind::Key(key) if walker.depth() == 1 => path = Some((key.into_owned(), token.span)),
            TokenKind::Key(key) => kind = as_u64(&key).unwrap_or(u64::MAX),
            TokenKind::Number(raw) => numbers.push(as_u64(raw)?),
            TokenKind::ArrayEnd => {
                let ([offset, length], Some((key, place))) = (numbers.as_slice(), &path) else {
                    return None;
                };
                if u64::try_from(stored.len()).unwrap_or(u64::MAX) >= MOST_MEMBERS {
                    limit("more files than are read of one bundle", place.start(), out);
                    return Some(line);
                }
                stored.push(Stored {
                    span: Span::saturating_at(*offset, *length),
                    kind,
                    key: key.clone(),
                    place: *place,
                });
                numbers.clear();
            }
            _ => {}
        }
    }
    Some(line)
}

/// The other arguments of the prelude's inner function.
#[derive(Default)]
struct Arguments {
    entry: String,
    /// Path components by what stands for them.
    dictionary: HashMap<String, String>,
    compression: u64,
}

impl Arguments {
    fn read(rest: &[u8]) -> Self {
        let mut out = Self::default();
        let text = String::from_utf8_lossy(rest);
        let mut parts = text.split("\n,\n").skip(1);
        if let Some(entry) = parts.next() {
            let line = entry.lines().next().unwrap_or_default();
            let mut walker = JsonWalker::new(line.as_bytes(), 0, 1);
            if let Some(Ok(token)) = walker.next()
                && let TokenKind::String(entry) = token.kind
            {
                out.entry = printable(entry.as_bytes());
            }
        }
        let _links = parts.next();
        if let Some(dictionary) = parts.next() {
            let mut walker = JsonWalker::new(dictionary.trim().as_bytes(), 0, 2);
            let mut key = None;
            while let Some(Ok(token)) = walker.next() {
                match (token.kind, key.take()) {
                    (TokenKind::Key(name), _) => key = Some(name.into_owned()),
                    (TokenKind::String(value), Some(name)) => {
                        out.dictionary.insert(value.into_owned(), name);
                    }
                    _ => {}
                }
            }
        }
        if let Some(last) = parts.next() {
            let digits: String = last.trim_start().chars().take_while(char::is_ascii_digit).collect();
            out.compression = digits.parse().unwrap_or(0);
        }
        out
    }

    fn path(&self, key: &str) -> Vec<u8> {
        if self.dictionary.is_empty() {
            return key.as_bytes().to_vec();
        }
        let between = if key.contains('$') { '$' } else { '/' };
        let parts: Vec<&str> = key
            .split(between)
            .map(|part| self.dictionary.get(part).map_or(part, String::as_str))
            .collect();
        parts.join("/").into_bytes()
    }
}

fn contents(list: Vec<Stored>, first: u64, start: u64, arguments: &Arguments, out: &mut Parse) {
    const GZIP: u64 = 1;
    const BROTLI: u64 = 2;
    let mut seen = BTreeSet::new();
    let mut members = 0u64;
    for stored in list.into_iter().filter(|s| !s.span.is_empty()) {
        let span = stored.span.shifted(first);
        let name = arguments.path(&stored.key);
        odd_name("file", &name, stored.place.len(), stored.place, out);
        if !seen.insert(span) {
            again(span, &name, out);
            continue;
        }
        let text = printable(&name);
        match stored.kind {
            0 => {
                members = members.saturating_add(1);
                out.leaf(span, Role::Code, format!("bytecode of {text}"));
            }
            1 if arguments.compression == BROTLI => {
                members = members.saturating_add(1);
                out.leaf(span, Role::Opaque, text);
                let message = "members compressed with Brotli are recognised and not decoded by this build";
                out.error(ScanError::new(ErrorCode::Unsupported, message).at(first));
            }
            1 => {
                members = members.saturating_add(1);
                // Its bytes are not what its name says.
                let suffix: &[u8] = if arguments.compression == GZIP { b".gz" } else { b"" };
                out.slice(span, [name.as_slice(), suffix].concat(), true);
            }
            2 => {
                out.leaf(span, Role::Metadata, format!("list of {text}"));
            }
            _ => {
                out.leaf(span, Role::Metadata, format!("stat of {text}"));
            }
        }
    }
    let entry = std::slice::from_ref(&arguments.entry);
    bundle("pkg", entry, members, Vec::new(), Span::new(first, start), out);
}

//! Deno's compiled programs: modules and a virtual file system between two marks.
//!
//! | size | field, little-endian |
//! | --- | --- |
//! | 8 | `d3n0l4nd` |
//! | 8, .. | metadata, JSON: entry point, arguments, permissions |
//! | 8, .. | npm resolution |
//! | 4, then 4, .., 4 each | specifiers: text and id |
//! | 4, then 4, 4 each | redirects: id to id |
//! | 4, then the entry each | remote modules: `u32` id, `u8` media type, `u32` length, source, `u8` flags, then for each flag of 1 transpiled, 2 source map, 4 exports: `u32` length, content |
//! | 8, .. | directory of the file system, JSON |
//! | 8, .. | contents of its files |
//! | 8 | `d3n0l4nd` |
//!
//! In the directory `n` is a name, `e` a directory's entries, `o` a file's `[offset, length]`, `m`, `c` and `s` those of its
//! transpiled text, its exports and its source map. Older programs spell the fields out (`name`, `entries`, `offset`,
//! `len`). Payloads with an eszip, as those of Deno 1 and of 2.0 are, are read by `former`.
//!
//! Specification: Deno, `cli/standalone/binary.rs`, `cli/rt/binary.rs`, `cli/lib/standalone/virtual_fs.rs`.

pub(super) mod former;

use super::{LONGEST_NAME, MOST_MEMBERS, again, arguments, bundle, counted, limit, odd_name};
use crate::finding::{Finding, Value, code};
use crate::format::{Cursor, Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name::printable;
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind, as_u64};
use std::collections::{BTreeSet, HashMap};

pub(super) const MAGIC: &[u8; 8] = b"d3n0l4nd";
const TRANSPILED: u8 = 1;
const SOURCE_MAP: u8 = 2;
const EXPORTS: u8 = 4;
/// How deep directories and metadata may nest.
const DEPTH: usize = 512;

/// A Deno payload.
pub(in crate::format) struct Deno;

impl Format for Deno {
    fn id(&self) -> &'static str {
        "deno"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let rest = probe.head.strip_prefix(MAGIC)?;
        if former::begins(probe.head) {
            return Some(Match::CERTAIN);
        }
        let length = u64::from_le_bytes(*rest.first_chunk::<8>()?);
        let json = rest.get(8) == Some(&b'{');
        let fits = length.checked_add(32)? <= probe.length;
        Some(if json && fits { Match::CERTAIN } else { Match::LIKELY })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if input.read_up_to(0, 64).is_ok_and(|head| former::begins(&head)) {
            return former::parse(input, out);
        }
        let mut payload = Payload::default();
        if let Err(fault) = payload.read(input, out) {
            out.fault(&fault, "deno payload");
        }
        let entry = std::slice::from_ref(&payload.entry);
        let place = Span::new(0, 8).intersect(input.whole());
        bundle("deno", entry, payload.members, payload.flags, place, out);
    }
}

#[derive(Default)]
struct Payload {
    entry: String,
    flags: Vec<String>,
    members: u64,
    specifiers: HashMap<u32, Vec<u8>>,
}

impl Payload {
    fn read(&mut self, input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
        let mut cursor = Cursor::new(input, input.whole());
        mark(&mut cursor, out)?;
        let (prefix, metadata) = counted(&mut cursor)?;
        out.leaf(prefix, Role::Header, "metadata length");
        if !metadata.is_empty() {
            out.slice(metadata, "metadata.json", true);
        }
        self.metadata(&input.read(metadata)?, metadata, out);
        let (prefix, npm) = counted(&mut cursor)?;
        out.leaf(prefix, Role::Header, "npm resolution length");
        out.leaf(npm, Role::Table, "npm resolution");
        self.specifiers(&mut cursor, out)?;
        let start = cursor.position();
        let redirects = count(&mut cursor, 8, "redirects", out)?;
        cursor.skip(redirects.saturating_mul(8))?;
        out.leaf(Span::new(start, cursor.position()), Role::Table, "redirects");
        self.modules(&mut cursor, out)?;
        let (prefix, directory) = counted(&mut cursor)?;
        out.leaf(prefix, Role::Header, "file system length");
        out.leaf(directory, Role::Table, "file system");
        let (prefix, files) = counted(&mut cursor)?;
        out.leaf(prefix, Role::Header, "files length");
        self.files(&input.read(directory)?, directory, files, out);
        mark(&mut cursor, out)
    }

    /// Entry point, arguments, and what the program is allowed to do.
    fn metadata(&mut self, bytes: &[u8], place: Span, out: &mut Parse) {
        let mut walker = JsonWalker::new(bytes, place.start(), DEPTH);
        let (mut argv, mut flags) = (Vec::new(), Vec::new());
        let mut key = String::new();
        while let Some(token) = walker.next() {
            let token = match token {
                Ok(token) => token,
                Err(fault) => {
                    let rule = format!("deno: the metadata are no JSON: {}", fault.rule);
                    return out.malformed(Span::saturating_at(fault.offset, 1), &rule);
                }
            };
            match token.kind {
                TokenKind::Key(name) => {
                    if walker.depth() == 1 {
                        key = name.into_owned();
                    } else if key == "permissions" && name.starts_with("allow_") {
                        let name = name.into_owned();
                        // `null` is not granted, a list grants what it names, an empty one everything.
                        if let Some(Ok(next)) = walker.clone().next()
                            && !matches!(next.kind, TokenKind::Null | TokenKind::Bool(false))
                        {
                            self.flags.push(name.replace('_', "-"));
                        }
                    }
                }
                TokenKind::String(text) => match key.as_str() {
                    "entrypoint_key" | "entrypoint" => self.entry = printable(text.as_bytes()),
                    "argv" => argv.push(text.into_owned()),
                    "v8_flags" => flags.push(text.into_owned()),
                    "ca_stores" | "unsafely_ignore_certificate_errors" => self.flags.push(key.replace('_', "-")),
                    _ => {}
                },
                _ => {}
            }
        }
        self.flags.dedup();
        let list: Vec<&[u8]> = flags.iter().map(|f| f.as_bytes()).collect();
        arguments::judge(&list, place, "metadata.json", out);
        if !argv.is_empty() {
            let arguments: Vec<String> = argv.iter().map(|a| printable(a.as_bytes())).collect();
            let finding = Finding::new(code::BUNDLE_AUTOLOAD, place, "arguments for the program are embedded");
            let finding = finding.case("tuning").region("metadata.json");
            out.finding(finding.evidence("arguments", Value::List(arguments)).key("argv"));
        }
    }

    fn specifiers(&mut self, cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
        let start = cursor.position();
        let number = count(cursor, 8, "specifiers", out)?;
        for _ in 0..number {
            let length = u64::from(cursor.u32_le()?);
            let text = cursor.ahead(length.min(LONGEST_NAME))?.to_vec();
            cursor.skip(length)?;
            let id = cursor.u32_le()?;
            self.specifiers.insert(id, text);
        }
        out.leaf(Span::new(start, cursor.position()), Role::Table, "specifiers");
        Ok(())
    }

    fn modules(&mut self, cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
        let start = cursor.position();
        let number = count(cursor, 10, "remote modules", out)?;
        out.leaf(
            Span::new(start, cursor.position()),
            Role::Header,
            "number of remote modules",
        );
        for index in 0..number {
            let at = cursor.position();
            let id = cursor.u32_le()?;
            let _media = cursor.u8()?;
            let length = u64::from(cursor.u32_le()?);
            out.leaf(Span::new(at, cursor.position()), Role::Table, format!("module {index}"));
            let name = match self.specifiers.get(&id) {
                Some(name) => name.clone(),
                None => {
                    out.malformed(
                        Span::saturating_at(at, 4),
                        "deno: a module has an id that no specifier has",
                    );
                    format!("module {index}").into_bytes()
                }
            };
            let content = cursor.skip(length)?;
            self.content(content, name.clone(), out);
            let at = cursor.position();
            let flags = cursor.u8()?;
            out.leaf(
                Span::saturating_at(at, 1),
                Role::Header,
                format!("parts of module {index}"),
            );
            for (bit, suffix) in [(TRANSPILED, ".js"), (SOURCE_MAP, ".map"), (EXPORTS, ".exports")] {
                if flags & bit == 0 {
                    continue;
                }
                let at = cursor.position();
                let length = u64::from(cursor.u32_le()?);
                out.leaf(
                    Span::saturating_at(at, 4),
                    Role::Header,
                    format!("length of {suffix} {index}"),
                );
                let part = cursor.skip(length)?;
                if bit == EXPORTS {
                    out.leaf(part, Role::Metadata, format!("exports of module {index}"));
                } else {
                    self.content(part, [name.as_slice(), suffix.as_bytes()].concat(), out);
                }
            }
        }
        Ok(())
    }

    fn content(&mut self, span: Span, name: Vec<u8>, out: &mut Parse) {
        if !span.is_empty() {
            self.members = self.members.saturating_add(1);
            out.slice(span, name, true);
        }
    }

    /// Claims the contents that the directory names; equal files are stored once.
    fn files(&mut self, bytes: &[u8], place: Span, files: Span, out: &mut Parse) {
        let mut walker = JsonWalker::new(bytes, place.start(), DEPTH);
        let mut open: Vec<Entry> = Vec::new();
        let mut path: Vec<Vec<u8>> = Vec::new();
        let mut stored = BTreeSet::new();
        for token in walker.by_ref() {
            let token = match token {
                Ok(token) => token,
                Err(fault) => {
                    let rule = format!("deno: the directory is no JSON: {}", fault.rule);
                    return out.malformed(Span::saturating_at(fault.offset, 1), &rule);
                }
            };
            let Some(top) = open.last_mut() else {
                if token.kind == TokenKind::ObjectStart {
                    open.push(Entry::default());
                }
                continue;
            };
            match token.kind {
                TokenKind::Key(name) => top.key = name.into_owned(),
                TokenKind::ObjectStart => open.push(Entry::default()),
                TokenKind::ArrayStart => {
                    top.numbers.clear();
                    if matches!(top.key.as_str(), "e" | "entries") && !top.inside {
                        top.inside = true;
                        path.push(top.name.clone());
                    }
                }
                TokenKind::Number(raw) => top.number(as_u64(raw).unwrap_or(u64::MAX)),
                TokenKind::String(text) if matches!(top.key.as_str(), "n" | "name") => {
                    top.name = text.as_bytes().to_vec();
                    top.place = Some(token.span);
                }
                TokenKind::ObjectEnd => {
                    let Some(entry) = open.pop() else { continue };
                    if entry.inside {
                        path.pop();
                    }
                    let mut name = path.iter().filter(|n| !n.is_empty()).cloned().collect::<Vec<_>>();
                    name.push(entry.name.clone());
                    let name = name.join(&b'/');
                    for (part, suffix) in entry.parts() {
                        if self.members >= MOST_MEMBERS {
                            return limit("more files than are read of one bundle", token.span.start(), out);
                        }
                        self.file(
                            part,
                            &[&name, suffix].concat(),
                            entry.place.unwrap_or(place),
                            files,
                            &mut stored,
                            out,
                        );
                    }
                }
                _ => {}
            }
        }
    }

    fn file(
        &mut self,
        part: Span,
        name: &[u8],
        place: Span,
        files: Span,
        stored: &mut BTreeSet<Span>,
        out: &mut Parse,
    ) {
        let span = part.shifted(files.start());
        odd_name("file", name, place.len(), place, out);
        if span.is_empty() {
            return;
        }
        if !files.encloses(span) {
            return out.malformed(place, "deno: a file lies outside the contents");
        }
        if !stored.insert(span) {
            return again(span, name, out);
        }
        self.members = self.members.saturating_add(1);
        if name.ends_with(b".exports") {
            out.leaf(span, Role::Metadata, printable(name));
        } else {
            out.slice(span, name, true);
        }
    }
}

/// What an object of the directory says.
#[derive(Default)]
struct Entry {
    key: String,
    name: Vec<u8>,
    place: Option<Span>,
    inside: bool,
    numbers: Vec<u64>,
    found: Vec<(Span, &'static [u8])>,
    offset: Option<u64>,
}

impl Entry {
    fn number(&mut self, value: u64) {
        let suffix: &'static [u8] = match self.key.as_str() {
            "o" => b"",
            "m" => b".js",
            "s" => b".map",
            "c" => b".exports",
            "offset" => {
                self.offset = Some(value);
                return;
            }
            "len" => {
                if let Some(offset) = self.offset.take() {
                    self.found.push((Span::saturating_at(offset, value), b""));
                }
                return;
            }
            _ => return,
        };
        self.numbers.push(value);
        if let [offset, length] = self.numbers.as_slice() {
            self.found.push((Span::saturating_at(*offset, *length), suffix));
        }
    }

    fn parts(&self) -> impl Iterator<Item = (Span, &'static [u8])> + '_ {
        self.found.iter().copied()
    }
}

fn mark(cursor: &mut Cursor<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
    let at = cursor.position();
    let found = cursor.array::<8>()?;
    let place = Span::saturating_at(at, 8);
    if found == *MAGIC {
        out.leaf(place, if at == 0 { Role::Header } else { Role::Trailer }, "mark");
    } else {
        out.malformed(
            place,
            "deno: the mark d3n0l4nd does not stand where the payload begins or ends",
        );
    }
    Ok(())
}

/// A count that the bytes behind it can hold.
fn count(cursor: &mut Cursor<'_, '_>, each: u64, what: &str, out: &mut Parse) -> Result<u64, ReadFault> {
    let at = cursor.position();
    let count = u64::from(cursor.u32_le()?);
    let room = cursor.remaining().checked_div(each).unwrap_or(0);
    if count > room {
        let message = format!("{count} {what} are announced, there is room for {room}");
        out.finding(Finding::new(code::TRUNCATED, Span::saturating_at(at, 4), message).key(what));
    }
    Ok(count.min(room))
}

//! asar archives: the source of an Electron application.
//!
//! | offset | size | field, little-endian |
//! | --- | --- | --- |
//! | 0 | 4 | 4: a pickle of one number |
//! | 4 | 4 | length of the header's pickle |
//! | 8 | 4 | length of the pickle's content: four less |
//! | 12 | 4 | length of the JSON text |
//! | 16 | .. | the text, zeros up to a multiple of 4 |
//! | .. | .. | contents, one behind the other |
//!
//! In the text, `files` holds a directory's members: another `files`, a `link`, or `size` with `offset` (a decimal number
//! in quotes, from the end of the header) or `unpacked: true`, which means that the file lies beside the archive. `integrity`
//! states the SHA-256 of a file, which the sweep computes; the digests of its blocks are not held against it.
//!
//! Specification: `@electron/asar`, README, "Format".

use super::{LONGEST_NAME, MOST_MEMBERS, again, bundle, limit};
use crate::fact::{Entry, EntryKind, Fact};
use crate::format::{Format, Input, Parse, ReadFault};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind, as_u64};
use std::collections::BTreeSet;

/// The fixed fields.
const FIXED: u64 = 16;
/// Directories deeper than this are nobody's source.
const DEPTH: usize = 512;

/// An asar archive.
pub(in crate::format) struct Asar;

impl Format for Asar {
    fn id(&self) -> &'static str {
        "asar"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let (text, end) = header(probe.head)?;
        let whole = end <= probe.length;
        let json = probe.head.get(16..)?.trim_ascii_start().starts_with(b"{\"files\"");
        Some(match (whole && !text.is_empty(), json) {
            (true, true) => Match::CERTAIN,
            (_, true) => Match::LIKELY,
            _ => return None,
        })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        if let Err(fault) = archive(input, out) {
            out.fault(&fault, "asar header");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["asar"]
    }
}

/// Where the JSON text stands, and where the header ends.
fn header(head: &[u8]) -> Option<(Span, u64)> {
    let word = |at: usize| Some(u64::from(u32::from_le_bytes(*head.get(at..)?.first_chunk::<4>()?)));
    let (size, content, text) = (word(4)?, word(8)?, word(12)?);
    let padded = text.checked_next_multiple_of(4)?.checked_add(4)?;
    let sound = word(0)? == 4 && size.checked_sub(4)? == content && content == padded;
    sound.then_some((Span::saturating_at(FIXED, text), size.checked_add(8)?))
}

fn archive(input: &Input<'_>, out: &mut Parse) -> Result<(), ReadFault> {
    let head = input.read(Span::new(0, FIXED))?;
    out.leaf(Span::new(0, FIXED), Role::Header, "header sizes");
    let Some((text, end)) = header(&head) else {
        out.malformed(
            Span::new(0, FIXED),
            "asar: the sizes of the header contradict each other",
        );
        return Ok(());
    };
    let bytes = input.read(text)?;
    out.leaf(text, Role::Table, "header");
    let fill = Span::new(text.end(), end).intersect(input.whole());
    if !fill.is_empty() {
        out.padding(fill, Fill::Zero, "header fill");
    }
    let mut tree = Tree {
        base: end,
        length: input.len(),
        path: Vec::new(),
        stored: BTreeSet::new(),
        members: 0,
        unpacked: 0,
        main: None,
    };
    tree.read(&bytes, text, out);
    let flags = if tree.unpacked > 0 {
        vec![format!("{} files beside the archive", tree.unpacked)]
    } else {
        Vec::new()
    };
    let entry: Vec<String> = tree.main.into_iter().collect();
    bundle("asar", &entry, tree.members, flags, text, out);
    Ok(())
}

/// What stands between the braces of one member.
#[derive(Default)]
struct Member {
    /// Where its name stands.
    place: Option<Span>,
    size: Option<u64>,
    offset: Option<u64>,
    link: Option<Vec<u8>>,
    unpacked: bool,
    directory: bool,
    sha256: Option<[u8; 32]>,
}

struct Tree {
    base: u64,
    length: u64,
    /// The names of the members that are open.
    path: Vec<Vec<u8>>,
    stored: BTreeSet<Span>,
    members: u64,
    unpacked: u64,
    main: Option<String>,
}

/// An object that is open.
enum Open {
    /// The members of a directory.
    Files,
    Member(Member),
}

impl Tree {
    fn read(&mut self, bytes: &[u8], text: Span, out: &mut Parse) {
        let mut walker = JsonWalker::new(bytes, text.start(), DEPTH.saturating_mul(2));
        let mut open: Vec<Open> = Vec::new();
        let mut key: Option<(String, Span)> = None;
        while let Some(token) = walker.next() {
            let token = match token {
                Ok(token) => token,
                Err(fault) => {
                    let rule = format!("asar: the header is no JSON: {}", fault.rule);
                    return out.malformed(Span::saturating_at(fault.offset, 1), &rule);
                }
            };
            let named = key.take();
            match token.kind {
                TokenKind::Key(name) => key = Some((name.into_owned(), token.span)),
                TokenKind::ObjectStart => match (open.last_mut(), named) {
                    (None, _) => open.push(Open::Member(Member::default())),
                    (Some(Open::Files), Some((name, place))) => {
                        if self.members >= MOST_MEMBERS {
                            return limit("more members than are read of one archive", token.span.start(), out);
                        }
                        self.path.push(name.into_bytes());
                        open.push(Open::Member(Member {
                            place: Some(place),
                            ..Member::default()
                        }));
                    }
                    (Some(Open::Member(member)), Some((name, _))) if name == "files" => {
                        member.directory = true;
                        open.push(Open::Files);
                    }
                    (Some(Open::Member(member)), Some((name, _))) if name == "integrity" => {
                        if !integrity(&mut walker, member) {
                            return out.malformed(token.span, "asar: an integrity that is no object of texts");
                        }
                    }
                    _ => {
                        if let Err(fault) = walker.skip_value() {
                            let rule = format!("asar: the header is no JSON: {}", fault.rule);
                            return out.malformed(Span::saturating_at(fault.offset, 1), &rule);
                        }
                    }
                },
                TokenKind::ArrayStart => {
                    if walker.skip_value().is_err() {
                        return out.malformed(token.span, "asar: the header is no JSON");
                    }
                }
                TokenKind::ObjectEnd => match open.pop() {
                    Some(Open::Member(member)) if member.place.is_some() => {
                        self.member(member, out);
                        self.path.pop();
                    }
                    _ => {}
                },
                kind => {
                    if let (Some(Open::Member(member)), Some((name, _))) = (open.last_mut(), named) {
                        member.field(&name, &kind);
                    }
                }
            }
        }
    }

    fn member(&mut self, member: Member, out: &mut Parse) {
        self.members = self.members.saturating_add(1);
        let place = member.place.unwrap_or(Span::new(0, 0));
        let mut name = self.path.join(&b'/');
        name.truncate(usize::try_from(LONGEST_NAME).unwrap_or(usize::MAX));
        // A name that holds a separator leads somewhere else than the tree says.
        let kind = match (&member.link, member.directory) {
            (Some(target), _) => EntryKind::Symlink(target.as_slice().into()),
            (None, true) => EntryKind::Directory,
            (None, false) => EntryKind::File,
        };
        if member.directory {
            return;
        }
        let file = matches!(kind, EntryKind::File);
        out.fact(Fact::Entry(Entry {
            name: name.as_slice().into(),
            span: place,
            // Targets count from the archive's root.
            kind: match kind {
                EntryKind::Symlink(target) => EntryKind::HardLink(target),
                kind => kind,
            },
            content: None,
        }));
        if !file {
            return;
        }
        if member.unpacked {
            self.unpacked = self.unpacked.saturating_add(1);
            return;
        }
        let (Some(size), Some(offset)) = (member.size, member.offset) else {
            return out.malformed(place, "asar: a file has no size or no offset");
        };
        let content = Span::saturating_at(self.base.saturating_add(offset), size);
        if content.end() > self.length {
            let fault = ReadFault::PastEnd {
                offset: content.start(),
                wanted: size,
                length: self.length,
            };
            return out.fault(&fault, "an asar member");
        }
        if name == b"package.json" {
            self.main = Some("package.json".to_owned());
        }
        if let Some(sha256) = member.sha256 {
            out.fact(Fact::Digest { span: content, sha256 });
        }
        if content.is_empty() {
            return;
        }
        if self.stored.insert(content) {
            out.slice(content, name, true);
        } else {
            again(content, &name, out);
        }
    }
}

impl Member {
    fn field(&mut self, name: &str, kind: &TokenKind<'_>) {
        match (name, kind) {
            ("size", TokenKind::Number(raw)) => self.size = as_u64(raw),
            ("offset", TokenKind::String(text)) => self.offset = as_u64(text),
            ("offset", TokenKind::Number(raw)) => self.offset = as_u64(raw),
            ("unpacked", TokenKind::Bool(unpacked)) => self.unpacked = *unpacked,
            ("link", TokenKind::String(target)) => self.link = Some(target.as_bytes().to_vec()),
            _ => {}
        }
    }
}

/// Reads an `integrity` whose brace was read: the digest of the whole file.
fn integrity(walker: &mut JsonWalker<'_>, member: &mut Member) -> bool {
    let (mut algorithm, mut hash) = (String::new(), String::new());
    loop {
        let (Some(Ok(token)), mut value) = (walker.next(), None) else {
            return false;
        };
        match token.kind {
            TokenKind::ObjectEnd => break,
            TokenKind::Key(name) if matches!(&*name, "algorithm" | "hash") => {
                if let Some(Ok(next)) = walker.next()
                    && let TokenKind::String(text) = next.kind
                {
                    value = Some((name, text.into_owned()));
                }
                let Some((name, text)) = value else { return false };
                if name == "hash" {
                    hash = text;
                } else {
                    algorithm = text;
                }
            }
            TokenKind::Key(_) => {
                if walker.skip_value().is_err() {
                    return false;
                }
            }
            _ => return false,
        }
    }
    if algorithm.eq_ignore_ascii_case("sha256") {
        member.sha256 = hex(&hash);
    }
    true
}

fn hex(text: &str) -> Option<[u8; 32]> {
    let mut out = [0u8; 32];
    let pairs = text.as_bytes().chunks_exact(2);
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (byte, pair) in out.iter_mut().zip(pairs) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(out)
}

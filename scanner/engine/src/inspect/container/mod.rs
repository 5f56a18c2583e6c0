//! Inspections of a container over the files it holds: one file for each detection, and the table that lists them.
//!
//! A container is a directory argument, an archive or a package inside one; all are the same to an inspection: names,
//! digests and formats of the members, and the little that some of them hand up ([`export`]). An inspection reads no
//! other bytes, does no I/O and is deterministic. It never looks into a member that is a container of its own: that one
//! was judged when it was closed.

mod conda;
mod export;
mod image;
mod json;
mod layer;
mod model;
mod names;
mod npm;
pub(super) mod python;
mod shards;
mod signed;
mod startup;
mod templates;
mod wheel;

#[cfg(test)]
mod tests;

pub(crate) use export::{Export, Want};
pub(crate) use layer::is_layer;
pub(super) use templates::look_unescaped;
pub(crate) use wheel::fuzz as fuzz_record;

use crate::artifact::Artifact;
use crate::fact::{EntryKind, Fact};
use crate::finding::{Elsewhere, ErrorCode, Finding, Findings, ScanError};
use crate::name;
use crate::policy::shown;
use crate::span::Span;
use globset::GlobSet;
use std::borrow::Cow;
use std::collections::HashMap;
use std::path::Path;

/// What is known of a container beside its members.
#[derive(Clone, Copy)]
pub(crate) struct Around<'a> {
    /// The last level of its name, raw.
    pub(crate) name: &'a [u8],
    /// Its format's id.
    pub(crate) format: &'static str,
    /// What the user left out: it is not missing.
    pub(crate) excluded: &'a GlobSet,
    /// Whether all members are known.
    pub(crate) whole: bool,
}

/// What a member is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Kind<'a> {
    /// A regular file.
    File,
    /// A directory.
    Directory,
    /// A link, symbolic or hard, with the path it leads to, resolved in the container.
    Link(Cow<'a, [u8]>),
    /// A device, a FIFO, a socket.
    Special,
}

/// One member of a container.
#[derive(Clone, Debug)]
pub(crate) struct Member<'a> {
    /// Its path from the container, levels separated by `/`.
    pub(crate) path: Cow<'a, [u8]>,
    /// What it is.
    pub(crate) kind: Kind<'a>,
    /// Where the container names it; empty for a directory.
    pub(crate) span: Span,
    /// Itself, examined, and what it holds; empty when it was not examined.
    pub(crate) artifacts: &'a [Artifact],
}

impl Member<'_> {
    /// The last level of its path.
    pub(crate) fn name(&self) -> &[u8] {
        split(&self.path).1
    }

    /// Its path without the last level.
    pub(crate) fn folder(&self) -> &[u8] {
        split(&self.path).0
    }

    /// What it handed up.
    pub(crate) fn export(&self) -> Option<&Export> {
        self.artifacts.first()?.export.as_deref()
    }

    /// Its text, when it handed that up.
    pub(crate) fn text(&self) -> Option<&[u8]> {
        match self.export()? {
            Export::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The digest of its bytes.
    pub(crate) fn sha256(&self) -> Option<[u8; 32]> {
        self.artifacts.first()?.sha256
    }

    /// Its length in bytes, when it was examined.
    pub(crate) fn size(&self) -> Option<u64> {
        self.artifacts.first().map(|a| a.size)
    }

    /// Its format's id.
    pub(crate) fn format(&self) -> &'static str {
        self.artifacts.first().map_or("unknown", |a| a.format)
    }

    /// Whether it was read to its end.
    pub(crate) fn is_examined(&self) -> bool {
        self.artifacts.first().is_some_and(|a| a.errors.is_empty())
    }
}

/// The members of one container, sorted by path.
pub(crate) struct Container<'a> {
    pub(crate) around: Around<'a>,
    pub(crate) members: Vec<Member<'a>>,
    /// Members that run with the rights of their owner, with their permission bits.
    pub(crate) privileged: Vec<(&'a [u8], u32, Span)>,
}

/// Links are followed this many times (Linux: `MAXSYMLINKS`).
const MOST_LINKS: usize = 40;

impl<'a> Container<'a> {
    /// The container that an archive is: what its directory says, and its members, closed. The artifacts at `direct`
    /// are the members; each is followed by what it holds.
    pub(crate) fn of_archive(around: Around<'a>, facts: &'a [Fact], nested: &'a [Artifact], direct: &[usize]) -> Self {
        let mut examined: HashMap<Vec<u8>, &[Artifact]> = HashMap::new();
        for (number, at) in direct.iter().enumerate() {
            let end = direct.get(number.saturating_add(1)).copied().unwrap_or(nested.len());
            let artifacts = nested.get(*at..end).unwrap_or_default();
            let level = artifacts.first().and_then(|a| a.nested.as_deref()).unwrap_or_default();
            let level = level.rsplit('!').next().unwrap_or_default();
            examined.insert(name::unescape_level(level), artifacts);
        }
        let mut members = Vec::new();
        let mut privileged = Vec::new();
        for fact in facts {
            match fact {
                Fact::Entry(entry) => {
                    let path = clean(&entry.name);
                    let kind = match &entry.kind {
                        EntryKind::File => Kind::File,
                        EntryKind::Directory => Kind::Directory,
                        EntryKind::Symlink(target) => Kind::Link(Cow::Owned(join(split(path).0, target))),
                        EntryKind::HardLink(target) => Kind::Link(Cow::Owned(join(b"", target))),
                        EntryKind::Special(_) => Kind::Special,
                    };
                    let artifacts = examined.get(&*entry.name).copied().unwrap_or_default();
                    members.push(Member {
                        path: Cow::Borrowed(path),
                        kind,
                        span: entry.span,
                        artifacts,
                    });
                }
                Fact::Privileged { name, mode, span } => privileged.push((clean(name), *mode, *span)),
                _ => {}
            }
        }
        Self::new(around, members, privileged)
    }

    /// The container that a directory is.
    pub(crate) fn of_directory(around: Around<'a>, members: Vec<Member<'a>>) -> Self {
        Self::new(around, members, Vec::new())
    }

    fn new(around: Around<'a>, mut members: Vec<Member<'a>>, privileged: Vec<(&'a [u8], u32, Span)>) -> Self {
        members.retain(|m| !m.path.is_empty());
        members.sort_by(|a, b| a.path.cmp(&b.path));
        Self {
            around,
            members,
            privileged,
        }
    }

    /// Runs every inspection.
    pub(crate) fn inspect(&self, findings: &mut Findings, errors: &mut Vec<ScanError>) {
        let mut out = Outcome { findings, errors };
        for inspection in INSPECTIONS {
            inspection.inspect(self, &mut out);
        }
    }

    /// The member at exactly `path`; of several of one name the last, which overwrites the others.
    pub(crate) fn at(&self, path: &[u8]) -> Option<&Member<'a>> {
        let next = self.members.partition_point(|m| &*m.path <= path);
        let member = self.members.get(next.checked_sub(1)?)?;
        (&*member.path == path).then_some(member)
    }

    /// The regular file at `path`, links followed.
    pub(crate) fn file(&self, path: &[u8]) -> Option<&Member<'a>> {
        let mut member = self.at(path)?;
        for _ in 0..MOST_LINKS {
            match &member.kind {
                Kind::Link(target) => member = self.at(target)?,
                Kind::File => return Some(member),
                Kind::Directory | Kind::Special => return None,
            }
        }
        None
    }

    /// Whether something stands at `path`, whether or not it could be read.
    pub(crate) fn has(&self, path: &[u8]) -> bool {
        self.at(path).is_some() || !self.below(path).is_empty()
    }

    /// Everything below `folder`; the whole container for the empty path.
    pub(crate) fn below(&self, folder: &[u8]) -> &[Member<'a>] {
        if folder.is_empty() {
            return &self.members;
        }
        let prefix = [folder, b"/"].concat();
        let from = self.members.partition_point(|m| *m.path < *prefix);
        let rest = self.members.get(from..).unwrap_or_default();
        let length = rest.partition_point(|m| m.path.starts_with(&prefix));
        rest.get(..length).unwrap_or_default()
    }

    /// The members directly in `folder`, in time that does not depend on how much lies deeper.
    pub(crate) fn directly_in(&self, folder: &[u8]) -> impl Iterator<Item = &Member<'a>> {
        let skip = if folder.is_empty() {
            0
        } else {
            folder.len().saturating_add(1)
        };
        let mut rest = self.below(folder);
        std::iter::from_fn(move || {
            loop {
                let (member, behind) = rest.split_first()?;
                let level = member.path.get(skip..).unwrap_or_default();
                let Some(slash) = memchr::memchr(b'/', level) else {
                    rest = behind;
                    return Some(member);
                };
                let deeper = member
                    .path
                    .get(..skip.saturating_add(slash).saturating_add(1))
                    .unwrap_or_default();
                let over = rest.partition_point(|m| m.path.starts_with(deeper));
                rest = rest.get(over.max(1)..).unwrap_or_default();
            }
        })
    }

    /// Whether the user left `path` out, by itself or by one of its folders.
    pub(crate) fn is_excluded(&self, path: &[u8]) -> bool {
        let text = String::from_utf8_lossy(path);
        Path::new(&*text)
            .ancestors()
            .filter(|p| !p.as_os_str().is_empty())
            .any(|p| {
                self.around.excluded.is_match(p)
                    || p.file_name()
                        .is_some_and(|name| self.around.excluded.is_match(Path::new(name)))
            })
    }

    /// A finding about `member`, which it points at.
    pub(crate) fn finding(&self, code: &'static str, member: &Member<'_>, message: impl Into<String>) -> Finding {
        let path = shown(&member.path);
        let finding = Finding::new(code, member.span, message).region(path.clone()).key(path);
        self.pointing(finding, member)
    }

    /// Adds to a finding the place that `member` is.
    pub(crate) fn pointing(&self, finding: Finding, member: &Member<'_>) -> Finding {
        let Some(artifact) = member.artifacts.first() else {
            return finding;
        };
        let elsewhere = Elsewhere {
            path: artifact.path.clone(),
            nested: artifact.nested.clone(),
        };
        finding.related_in(shown(&member.path), Span::new(0, artifact.size), elsewhere)
    }
}

/// What inspections say.
pub(crate) struct Outcome<'o> {
    findings: &'o mut Findings,
    errors: &'o mut Vec<ScanError>,
}

impl Outcome<'_> {
    /// Says a finding.
    pub(crate) fn push(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Says that `member` is too long, or not of a kind, to be held against the rest.
    pub(crate) fn not_held(&mut self, member: &Member<'_>, why: &str) {
        /// The container is incomplete by the first; a person needs no more of them than this.
        const MOST: usize = 64;
        let message = format!("{} is not held against the other members: {why}", shown(&member.path));
        if self.errors.len() < MOST {
            self.errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
        }
    }

    /// The text of a member; says so when it is longer than what is taken.
    pub(crate) fn text<'m>(&mut self, member: &'m Member<'_>) -> Option<&'m [u8]> {
        match member.export()? {
            Export::Text(text) => Some(text),
            Export::TooLong(length) => {
                self.not_held(member, &format!("it is {length} bytes long"));
                None
            }
            _ => None,
        }
    }
}

/// Judges one container.
pub(crate) trait Inspection: Sync {
    /// Looks at the container.
    fn inspect(&self, container: &Container<'_>, out: &mut Outcome<'_>);
}

/// Every inspection.
pub(crate) static INSPECTIONS: &[&dyn Inspection] = &[
    &conda::Conda,
    &image::Image,
    &layer::Layer,
    &model::Model,
    &names::Names,
    &npm::Npm,
    &shards::Shards,
    &signed::Signed,
    &startup::Startup,
    &templates::Templates,
    &wheel::Wheel,
];

/// A member's path without what does not matter: leading `./` and a trailing `/`.
pub(crate) fn clean(mut path: &[u8]) -> &[u8] {
    while let Some(rest) = path.strip_prefix(b"./") {
        path = rest;
    }
    while let Some(rest) = path.strip_suffix(b"/") {
        path = rest;
    }
    if path == b"." { b"" } else { path }
}

/// The folder and the last level of a path.
pub(crate) fn split(path: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memrchr(b'/', path) {
        Some(at) => (
            path.get(..at).unwrap_or_default(),
            path.get(at.saturating_add(1)..).unwrap_or_default(),
        ),
        None => (b"", path),
    }
}

/// `path` from `folder`, `.` and `..` resolved. One that leaves the container resolves to what no member is called.
pub(crate) fn join(folder: &[u8], path: &[u8]) -> Vec<u8> {
    const OUTSIDE: &[u8] = b"/";
    if path.first() == Some(&b'/') {
        return OUTSIDE.to_vec();
    }
    let mut levels: Vec<&[u8]> = Vec::new();
    for level in folder.split(|b| *b == b'/').chain(path.split(|b| *b == b'/')) {
        match level {
            b"" | b"." => {}
            b".." => {
                if levels.pop().is_none() {
                    return OUTSIDE.to_vec();
                }
            }
            level => levels.push(level),
        }
    }
    levels.join(&b'/')
}

/// Whether all bytes are hexadecimal digits.
pub(crate) fn is_hexadecimal(text: &[u8]) -> bool {
    text.iter().all(u8::is_ascii_hexdigit)
}

/// Whether a path leaves the folder it is taken from, as Unix or as Windows reads it.
pub(crate) fn leaves(path: &str) -> bool {
    let drive = path.as_bytes().get(1) == Some(&b':') && path.starts_with(|c: char| c.is_ascii_alphabetic());
    let mut level = 0i64;
    drive
        || path.starts_with(['/', '\\'])
        || path.split(['/', '\\']).any(|part| {
            match part {
                "" | "." => {}
                ".." => level = level.saturating_sub(1),
                _ => level = level.saturating_add(1),
            }
            level < 0
        })
}

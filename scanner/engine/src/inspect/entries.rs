//! Names of archive members, tensors and sections: where they lead, whether they are unique, what they hide.

use super::{Closing, Inspector};
use crate::fact::{Entry, EntryKind, Fact};
use crate::finding::{Finding, Findings, code};
use crate::name::hidden;
use crate::policy::shown;
use crate::span::Span;
use std::collections::HashMap;

/// Names longer than this are abuse.
const LONG: u64 = 4096;
/// Pairs of members of one name that are read once more, and the longest of them, in bytes.
const COMPARED: usize = 64;
const MOST_COMPARED: u64 = 16 << 20;

/// `path-traversal`, `symlink-escape`, `duplicate-entry`, `escape-sequence-name`, `special-file`.
pub(super) struct Entries;

impl Inspector for Entries {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let mut names: HashMap<&[u8], &Entry> = HashMap::new();
        let mut compared = 0_usize;
        let at_root = artifact.at_root;
        for fact in artifact.facts {
            match fact {
                Fact::Entry(entry) => {
                    traversal(entry, out);
                    link(entry, at_root, out);
                    duplicate(&mut names, entry, artifact, &mut compared, out);
                    let length = u64::try_from(entry.name.len()).unwrap_or(u64::MAX);
                    unprintable("member", &entry.name, length, entry.span, out);
                }
                Fact::Name {
                    what,
                    raw,
                    length,
                    span,
                } => unprintable(what, raw, *length, *span, out),
                _ => {}
            }
        }
    }
}

fn traversal(entry: &Entry, out: &mut Findings) {
    let (what, absolute) = match escapes(&entry.name, &[]) {
        Escape::None => return,
        Escape::Absolute => ("is absolute", true),
        Escape::Parent => ("leads above the place of extraction", false),
    };
    let name = shown(&entry.name);
    let finding =
        Finding::new(code::PATH_TRAVERSAL, entry.span, format!("member name {name} {what}")).key(name.clone());
    let finding = finding.evidence("name", name);
    out.push(if absolute { finding.case("absolute") } else { finding });
}

/// `at_root`: absolute targets are where the member's own tree goes, and lead nowhere else.
fn link(entry: &Entry, at_root: bool, out: &mut Findings) {
    let name = shown(&entry.name);
    match &entry.kind {
        EntryKind::Symlink(target) => {
            let folder = entry.name.rsplitn(2, |b| *b == b'/').nth(1).unwrap_or_default();
            let escape = escapes(target, folder);
            if escape != Escape::None && !(at_root && escape == Escape::Absolute) {
                let to = shown(target);
                let message = format!("link {name} leads to {to}, outside the place of extraction");
                let finding = Finding::new(code::SYMLINK_ESCAPE, entry.span, message).key(name);
                out.push(finding.evidence("target", to));
            }
        }
        EntryKind::HardLink(target) => {
            if escapes(target, &[]) != Escape::None {
                let to = shown(target);
                let message = format!("hard link {name} leads to {to}, outside the place of extraction");
                let finding = Finding::new(code::SYMLINK_ESCAPE, entry.span, message)
                    .case("hardlink")
                    .key(name);
                out.push(finding.evidence("target", to));
            }
        }
        EntryKind::Special(what) => {
            let message = format!("member {name} is {what}");
            out.push(Finding::new(code::SPECIAL_FILE, entry.span, message).key(name));
        }
        EntryKind::File | EntryKind::Directory => {}
    }
}

fn duplicate<'a>(
    names: &mut HashMap<&'a [u8], &'a Entry>,
    entry: &'a Entry,
    artifact: &Closing<'_>,
    compared: &mut usize,
    out: &mut Findings,
) {
    // A directory may be listed again and again; that overwrites nothing.
    if entry.kind == EntryKind::Directory {
        return;
    }
    let clean = entry.name.strip_prefix(b"./").unwrap_or(&entry.name);
    let Some(first) = names.insert(clean, entry) else {
        return;
    };
    let name = shown(&entry.name);
    let finding = Finding::new(
        code::DUPLICATE_ENTRY,
        entry.span,
        format!("two members are called {name}"),
    )
    .related("first member of this name", first.span)
    .evidence("name", name.clone())
    .key(name);
    let alike = first.kind == EntryKind::File && first.kind == entry.kind;
    let same = match (first.content, entry.content) {
        (None, None) if alike && artifact.format == "tar" && *compared < COMPARED => {
            *compared = compared.saturating_add(1);
            is_copy(artifact, first, entry)
        }
        (first_content, content) => first_content.is_some() && first_content == content && first.kind == entry.kind,
    };
    out.push(if same { finding.case("identical") } else { finding });
}

/// Whether the contents behind the headers of two members, where an archive without checksums has them, are the same bytes.
fn is_copy(artifact: &Closing<'_>, first: &Entry, second: &Entry) -> bool {
    let content = |entry: &Entry| {
        let slices = artifact.slices.iter().map(|(span, ..)| *span);
        slices.into_iter().find(|span| span.start() == entry.span.end())
    };
    let (Some(first), Some(second)) = (content(first), content(second)) else {
        return false;
    };
    if first.len() != second.len() || first.len() > MOST_COMPARED {
        return false;
    }
    let mut at = 0_u64;
    while at < first.len() {
        let left = first.len().saturating_sub(at);
        let a = artifact.bytes(first.start().saturating_add(at), left);
        let b = artifact.bytes(second.start().saturating_add(at), left);
        if a.is_empty() || a != b {
            return false;
        }
        at = at.saturating_add(u64::try_from(a.len()).unwrap_or(u64::MAX));
    }
    true
}

fn unprintable(what: &str, raw: &[u8], length: u64, span: Span, out: &mut Findings) {
    let text = String::from_utf8_lossy(raw);
    let name = shown(raw);
    let short: String = name.chars().take(80).collect();
    let (case, message) = if text.chars().any(char::is_control) {
        ("control", format!("{what} name {short} holds control characters"))
    } else if text.chars().any(hidden) {
        (
            "bidi",
            format!("{what} name {short} holds invisible or reordering characters"),
        )
    } else if length > LONG {
        ("long", format!("{what} name is {length} bytes long"))
    } else {
        return;
    };
    out.push(
        Finding::new(code::ESCAPE_SEQUENCE_NAME, span, message)
            .case(case)
            .evidence("name", name)
            .key(case),
    );
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Escape {
    None,
    Absolute,
    Parent,
}

/// Whether `path`, resolved from `folder`, leaves the root; both separators count, as some extractors take them.
pub(super) fn escapes(path: &[u8], folder: &[u8]) -> Escape {
    let drive = matches!(path, [letter, b':', rest @ ..] if letter.is_ascii_alphabetic() && matches!(rest.first(), None | Some(b'/' | b'\\')));
    if drive || path.first().is_some_and(|b| matches!(b, b'/' | b'\\')) {
        return Escape::Absolute;
    }
    let separators = |b: &u8| matches!(*b, b'/' | b'\\');
    let mut level = 0i64;
    for part in folder.split(separators).chain(path.split(separators)) {
        match part {
            b"" | b"." => {}
            b".." => level = level.saturating_sub(1),
            _ => level = level.saturating_add(1),
        }
        if level < 0 {
            return Escape::Parent;
        }
    }
    Escape::None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_leave_the_root_are_told_from_those_that_only_look_so() {
        for (path, folder, expected) in [
            (&b"a/b.py"[..], &b""[..], Escape::None),
            (b"a/../b", b"", Escape::None),
            (b"a/../../b", b"", Escape::Parent),
            (b"..", b"", Escape::Parent),
            (b"..\\x", b"", Escape::Parent),
            (b"/etc/passwd", b"", Escape::Absolute),
            (b"C:\\x", b"", Escape::Absolute),
            (b"C:/x", b"", Escape::Absolute),
            (b"c:x", b"", Escape::None),
            (b"..data", b"", Escape::None),
            (b"a..b/c", b"", Escape::None),
            (b"../lib/x", b"bin", Escape::None),
            (b"../../lib/x", b"bin", Escape::Parent),
        ] {
            assert_eq!(escapes(path, folder), expected, "{}", String::from_utf8_lossy(path));
        }
    }
}

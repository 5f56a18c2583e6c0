//! The manifest against the directory: what changed, what is gone, and what nobody signed.

use super::digest::{Algorithm, digest};
use super::manifest::{Manifest, Stated};
use crate::finding::{ErrorCode, Finding, Findings, ScanError, code};
use crate::policy::shown;
use crate::source::listing::{Listed, Regular, Standing};
use crate::source::{FileSource, ReadAt};
use crate::span::Span;
use crate::verify::document::hex;
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::os::unix::fs::MetadataExt;

/// A path that the manifest leaves unsigned on purpose, where something stands under it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ignored {
    /// The path as the manifest gives it.
    pub path: String,
    /// Files that stand there.
    pub files: u64,
}

/// What the comparison says.
#[derive(Default)]
pub(super) struct Compared {
    pub(super) findings: Findings,
    pub(super) errors: Vec<ScanError>,
    pub(super) ignored: Vec<Ignored>,
    /// Files that are as they were signed.
    pub(super) same: u64,
    /// Their bytes.
    pub(super) bytes: u64,
    /// Whether something is not as it was signed.
    pub(super) differs: bool,
    /// Whether the directory was compared at all.
    pub(super) done: bool,
}

/// Errors that are told; the rest is counted in the last.
const MOST_ERRORS: usize = 64;

impl Compared {
    fn finding(&mut self, code: &'static str, case: Option<&'static str>, name: &str, message: String) {
        let mut finding = Finding::new(code, Span::new(0, 0), message).region(name).key(name);
        finding.case = case;
        self.findings.push(finding);
    }

    fn error(&mut self, code: ErrorCode, message: String) {
        if self.errors.len() < MOST_ERRORS {
            self.errors.push(ScanError::new(code, message));
        }
    }
}

/// A digest to compute.
struct Task<'m> {
    name: &'m str,
    file: &'m Regular,
    algorithm: Algorithm,
    span: Span,
    expected: &'m [u8],
}

enum Answer {
    Same,
    Differs(Vec<u8>),
    Cut,
    Unreadable(ErrorCode, String),
}

/// Compares; `own` is the name of the signature itself, when it lies in the directory.
pub(super) fn compare(manifest: &Manifest, listed: &[Listed], own: Option<&[u8]>) -> Compared {
    let mut out = Compared {
        done: true,
        ..Compared::default()
    };
    let mut ignored: BTreeMap<&str, u64> = BTreeMap::new();
    let mut present: BTreeMap<&str, &Regular> = BTreeMap::new();
    for item in listed {
        if own == Some(item.name.as_slice()) {
            continue;
        }
        let signed = std::str::from_utf8(&item.name)
            .ok()
            .and_then(|name| manifest.files.get_key_value(name));
        if signed.is_none()
            && let Some(path) = under(&manifest.ignored, &item.name)
        {
            let count = ignored.entry(path).or_default();
            *count = count.saturating_add(1);
            continue;
        }
        if let Some(file) = stands(item, signed.is_some(), manifest, &mut out)
            && let Some((name, _)) = signed
        {
            present.insert(name, file);
        }
    }
    let mut tasks = Vec::new();
    for (name, stated) in &manifest.files {
        match present.get(name.as_str()) {
            Some(file) => plan(name, stated, file, &mut tasks, &mut out),
            None => {
                let blocked = listed
                    .binary_search_by(|item| item.name.as_slice().cmp(name.as_bytes()))
                    .is_ok();
                if !blocked {
                    out.differs = true;
                    let message = format!("{} is signed and not there", shown(name.as_bytes()));
                    out.finding(code::SIGNED_FILE_MISSING, None, name, message);
                }
            }
        }
    }
    let answers: Vec<Answer> = tasks.par_iter().map(look).collect();
    judge(&tasks, &answers, &mut out);
    for (path, files) in ignored {
        let what = match files {
            1 => "1 file".to_owned(),
            n => format!("{n} files"),
        };
        let message = format!(
            "{what} at {}: explicitly unsigned, the manifest says so",
            shown(path.as_bytes())
        );
        out.finding(code::UNSIGNED_FILE, Some("ignored"), path, message);
        out.ignored.push(Ignored {
            path: path.to_owned(),
            files,
        });
    }
    out
}

/// The first of `paths` that `name` is, or lies under.
pub(super) fn under<'m>(paths: &'m [String], name: &[u8]) -> Option<&'m str> {
    let found = paths.iter().find(|path| {
        name.strip_prefix(path.as_bytes())
            .is_some_and(|rest| rest.is_empty() || rest.first() == Some(&b'/'))
    });
    found.map(String::as_str)
}

/// The file that stands under a name, when it is one whose bytes can be held against the manifest.
fn stands<'l>(item: &'l Listed, signed: bool, manifest: &Manifest, out: &mut Compared) -> Option<&'l Regular> {
    let name = shown(&item.name);
    let text = String::from_utf8_lossy(&item.name).into_owned();
    match &item.what {
        Standing::File(file) | Standing::Blob(file) if signed => Some(file),
        Standing::Link(file) if signed && manifest.allow_symlinks => Some(file),
        Standing::Outside(target) => {
            out.differs = true;
            let message = format!("{name} is a link to {}, outside of the directory", shown(target));
            out.finding(code::SYMLINK_ESCAPE, None, &text, message);
            None
        }
        Standing::Unreadable(why) => {
            out.error(ErrorCode::Unreadable, format!("{name}: {why}"));
            None
        }
        Standing::Link(_) if signed => {
            out.differs = true;
            let message = format!("{name} was signed as a file, and is a link");
            out.finding(code::SIGNED_FILE_CHANGED, Some("link"), &text, message);
            None
        }
        _ if signed => {
            out.differs = true;
            let message = format!("{name} was signed as a file, and is none");
            out.finding(code::SIGNED_FILE_CHANGED, Some("link"), &text, message);
            None
        }
        Standing::File(file) | Standing::Blob(file) | Standing::Link(file) => {
            // A manifest of parts has none for a file without bytes.
            let empty = manifest.sharded && file.length == 0;
            out.differs |= !empty;
            let message = format!("{name} is in the directory, and nobody signed it");
            out.finding(code::UNSIGNED_FILE, empty.then_some("empty"), &text, message);
            None
        }
        Standing::Folder | Standing::Broken => {
            out.differs = true;
            let message = format!("{name} is a link that nobody signed");
            out.finding(code::UNSIGNED_FILE, Some("link"), &text, message);
            None
        }
        Standing::Special => {
            out.differs = true;
            let message = format!("{name} is a device, a FIFO or a socket, and nobody signed it");
            out.finding(code::UNSIGNED_FILE, Some("special"), &text, message);
            None
        }
    }
}

fn plan<'m>(name: &'m str, stated: &'m Stated, file: &'m Regular, tasks: &mut Vec<Task<'m>>, out: &mut Compared) {
    match stated {
        Stated::Whole(algorithm, expected) => tasks.push(Task {
            name,
            file,
            algorithm: *algorithm,
            span: Span::new(0, file.length),
            expected,
        }),
        Stated::Parts(algorithm, parts) => {
            let end = parts.last().map_or(0, |(_, end, _)| *end);
            if end != file.length {
                out.differs = true;
                let message = format!(
                    "{} was signed with {end} bytes, and has {}",
                    shown(name.as_bytes()),
                    file.length
                );
                out.finding(code::SIGNED_FILE_CHANGED, None, name, message);
                return;
            }
            tasks.extend(parts.iter().map(|(start, end, expected)| Task {
                name,
                file,
                algorithm: *algorithm,
                span: Span::new(*start, *end),
                expected,
            }));
        }
    }
}

fn look(task: &Task<'_>) -> Answer {
    let unreadable = |error: std::io::Error| Answer::Unreadable(ErrorCode::Unreadable, error.to_string());
    let source = match FileSource::open(&task.file.path) {
        Ok(source) => source,
        Err(error) => return unreadable(error),
    };
    // What was listed and what is opened must be one file: a link could have been put in its place.
    match source.file().metadata() {
        Ok(meta) if (meta.dev(), meta.ino()) == task.file.identity => {}
        Ok(_) => {
            let why = "another file was put in its place while it was looked at";
            return Answer::Unreadable(ErrorCode::ChangedDuringScan, why.to_owned());
        }
        Err(error) => return unreadable(error),
    }
    let found = match digest(task.algorithm, &source, task.span) {
        Ok(Some(found)) => found,
        Ok(None) => return Answer::Cut,
        Err(error) => return unreadable(error),
    };
    if let Some(why) = source.changed() {
        return Answer::Unreadable(ErrorCode::ChangedDuringScan, why);
    }
    if found == task.expected {
        Answer::Same
    } else {
        Answer::Differs(found)
    }
}

fn judge(tasks: &[Task<'_>], answers: &[Answer], out: &mut Compared) {
    let mut at = 0usize;
    while let Some(task) = tasks.get(at) {
        // The tasks of one file follow each other.
        let rest = tasks.get(at..).unwrap_or_default();
        let parts = rest.iter().take_while(|other| other.name == task.name).count().max(1);
        let until = at.saturating_add(parts);
        let name = shown(task.name.as_bytes());
        let mut sound = true;
        for (part, answer) in tasks.iter().zip(answers).skip(at).take(parts) {
            let place = if parts > 1 {
                format!(" (bytes {} to {})", part.span.start(), part.span.end())
            } else {
                String::new()
            };
            match answer {
                Answer::Same => continue,
                Answer::Unreadable(code, why) => out.error(*code, format!("{name}: {why}")),
                Answer::Cut => out.error(
                    ErrorCode::ChangedDuringScan,
                    format!("{name} became shorter while it was read"),
                ),
                Answer::Differs(found) => {
                    out.differs = true;
                    let message = format!("{name} is not what was signed{place}");
                    let finding = Finding::new(code::SIGNED_FILE_CHANGED, Span::new(0, 0), message)
                        .region(task.name)
                        .key(task.name)
                        .evidence("algorithm", part.algorithm.as_str())
                        .evidence("signed", hex(part.expected))
                        .evidence("found", hex(found));
                    out.findings.push(finding);
                }
            }
            sound = false;
            break;
        }
        if sound {
            out.same = out.same.saturating_add(1);
            out.bytes = out.bytes.saturating_add(task.file.length);
        }
        at = until;
    }
}

//! The whole way: filter, shape, fold, write, merge.

use super::filter::filter;
use super::fold::{Denials, Guard, fold};
use super::merge::merge;
use super::names::{is_wild, literal, names, printable};
use super::observe::{Observations, Seen};
use super::sensitive::{is_sensitive, is_sensitive_socket};
use super::shape::{Line, Place};
use super::volatile::Volatile;
use super::write::{self, About, Draft};
use probity_signatures::declared::{Declared, Hardlinks, Pattern};
use std::collections::{BTreeMap, BTreeSet};

/// The file that is there already.
pub struct Existing<'a> {
    /// Its text.
    pub text: &'a str,
    /// The same, loaded.
    pub set: &'a Declared,
}

/// What was learned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lesson {
    /// The file's new text; that of the file at hand, byte for byte, when nothing is new.
    pub text: String,
    /// Patterns, peers and words that were added.
    pub added: usize,
    /// What a person should know: denials that were hit, sections that could not be extended.
    pub warnings: Vec<String>,
    /// Why the set does not allow all that the run did.
    pub incomplete: Vec<String>,
}

/// Writes the declared set that would have allowed what was seen, on top of `existing` if there is one.
#[must_use]
pub fn learn(seen: &Observations, place: &Place, about: &About, existing: Option<&Existing<'_>>) -> Lesson {
    let (left, mut warnings) = match existing {
        Some(existing) => filter(seen, existing),
        None => (seen.clone(), Vec::new()),
    };
    let mut incomplete = about.incomplete.clone();
    incomplete.extend(left.beyond.iter().cloned());
    let volatile = Volatile::new(seen, place);
    let guard = Guard::new(seen.files.iter().map(|(path, seen)| (path.as_slice(), seen.access)));
    let mut denials = Denials::new();
    let mut shaped = Vec::new();
    for (path, seen) in &left.files {
        shaped.push(shape(path, seen, &volatile, &guard, &mut denials));
    }
    let linked = shaped
        .iter()
        .any(|line| line.seen.linked && line.names.iter().any(|name| is_wild(name)));
    let (files, more) = fold(unite(shaped), place, &guard);
    for (names, access) in more {
        *denials.entry(names).or_default() |= access;
    }
    let files = without_covered(files);
    let execs = unite(left.execs.iter().map(|(path, seen)| plain(path, seen, &volatile)));
    let unixes = unite(left.unixes.iter().map(|(path, seen)| socket(path, seen, &volatile)));
    for line in files
        .iter()
        .filter(|line| line.secret && line.text().starts_with("/proc/"))
    {
        let (text, own) = (line.text(), line.names.get(1).map(String::as_str));
        if own.is_some_and(|name| name.bytes().all(|byte| byte.is_ascii_digit())) {
            warnings.push(format!(
                "{text} belongs to a process of this run: the next run will be reported"
            ));
        }
    }
    let draft = Draft {
        files,
        denials,
        execs,
        unixes,
        peers: left.peers,
        listens: write::listens(&left.listens, place),
        families: left.families,
        kernel: left.kernel,
        memfd: left.memfd,
        hardlinks: linked && existing.is_none_or(|existing| existing.set.hardlinks == Hardlinks::Report),
    };
    let added = draft.size();
    let text = match existing {
        None => write::whole(&draft, place, about, &incomplete),
        Some(existing) if added == 0 => existing.text.to_owned(),
        Some(existing) => merge(existing, &draft, place, about, &incomplete, &mut warnings),
    };
    Lesson {
        text,
        added,
        warnings,
        incomplete,
    }
}

/// A file as a line: secrets stay as they are, and so does what would cover a secret.
fn shape(path: &[u8], seen: &Seen, volatile: &Volatile<'_>, guard: &Guard<'_>, denials: &mut Denials) -> Line {
    let secret = is_sensitive(path);
    let own_proc = path.starts_with(b"/proc/");
    let mut line = Line {
        names: names(path).into_iter().map(literal).collect(),
        seen: seen.clone(),
        example: path.to_vec(),
        objects: 1,
        secret,
    };
    if secret && !own_proc {
        return line;
    }
    let changed = volatile.names(path, seen);
    if own_proc {
        line.names = changed;
    } else if changed.iter().any(|name| is_wild(name))
        && let Some(more) = guard.denials(&changed, seen.access)
    {
        line.names = changed;
        for (names, access) in more {
            *denials.entry(names).or_default() |= access;
        }
    }
    line
}

/// A program as a line: programs are never folded.
fn plain(path: &[u8], seen: &Seen, volatile: &Volatile<'_>) -> Line {
    let secret = is_sensitive(path);
    Line {
        names: if secret {
            names(path).into_iter().map(literal).collect()
        } else {
            volatile.names(path, seen)
        },
        seen: seen.clone(),
        example: path.to_vec(),
        objects: 1,
        secret,
    }
}

fn socket(path: &[u8], seen: &Seen, volatile: &Volatile<'_>) -> Line {
    if path.first() == Some(&b'@') {
        return Line {
            names: vec![literal(path)],
            seen: seen.clone(),
            example: path.to_vec(),
            objects: 1,
            // Whoever is first may take an abstract name: that is worth a look.
            secret: true,
        };
    }
    let mut line = plain(path, seen, volatile);
    if is_sensitive_socket(path) {
        line.secret = true;
        line.names = names(path).into_iter().map(literal).collect();
    }
    line
}

fn unite(lines: impl IntoIterator<Item = Line>) -> Vec<Line> {
    let mut all: BTreeMap<Vec<String>, Line> = BTreeMap::new();
    for line in lines {
        match all.get_mut(&line.names) {
            Some(known) => known.join(&line),
            None => {
                all.insert(line.names.clone(), line);
            }
        }
    }
    all.into_values().collect()
}

/// Leaves out what the patterns among the lines allow already.
fn without_covered(lines: Vec<Line>) -> Vec<Line> {
    let patterns: Vec<(Pattern, u8)> = lines
        .iter()
        .filter(|line| line.names.iter().any(|name| is_wild(name)))
        .filter_map(|line| Some((Pattern::parse(&line.text()).ok()?.pop()?, line.seen.access)))
        .collect();
    let covered = |line: &Line| {
        if line.secret || line.seen.linked || line.names.iter().any(|name| is_wild(name)) {
            return false;
        }
        let given = patterns.iter().fold(0, |given, (pattern, access)| {
            given | (pattern.grants(&line.example).bits() & access)
        });
        given & line.seen.access == line.seen.access
    };
    lines.into_iter().filter(|line| !covered(line)).collect()
}

/// What of the observations a set does not allow, in words; for a last look at what was written.
#[must_use]
pub fn not_allowed(seen: &Observations, set: &Declared, text: &str) -> Vec<String> {
    let existing = Existing { text, set };
    let (left, told) = filter(seen, &existing);
    let mut words: BTreeSet<String> = told.into_iter().collect();
    let object = |path: &Vec<u8>| printable(path);
    words.extend(left.execs.keys().chain(left.unixes.keys()).map(object));
    words.extend(
        left.files
            .iter()
            .filter(|(_, seen)| !seen.linked)
            .map(|(path, _)| object(path)),
    );
    words.extend(left.peers.keys().map(|peer| format!("{}:{}", peer.ip, peer.port)));
    words.extend(
        left.listens
            .keys()
            .map(|(ip, port)| format!("listening on {ip}:{port}")),
    );
    words.extend(left.families.keys().map(ToString::to_string));
    words.extend(left.kernel.keys().map(ToString::to_string));
    words.into_iter().collect()
}

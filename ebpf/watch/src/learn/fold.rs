//! Many files of one directory as one pattern, and what that pattern must not cover.
//!
//! Each access is folded by itself. Eight files or more of a directory become `DIR/*.EXT` or `DIR/*`; a directory of which
//! eight directories or more were used becomes `DIR/**`. A pattern that would cover a secret which nobody touched comes with
//! the denial of that secret; where the run itself touched what would have to be denied, its files stay one by one.

use super::names::is_wild;
use super::sensitive::{self, intersect, is_key_name, is_public};
use super::shape::{Line, Place, absolute};
use probity_abi::access::{MAP, READ};
use probity_signatures::declared::Pattern;
use std::collections::{BTreeMap, BTreeSet};

/// Files, or directories, of one directory that are told one by one.
const FEW: usize = 8;
/// The longest suffix that files are told apart by, in bytes.
const SUFFIX: usize = 8;

/// Denials: the pattern's names, and the accesses.
pub(super) type Denials = BTreeMap<Vec<String>, u8>;

/// What patterns may not cover, and what was touched of it.
pub(super) struct Guard<'a> {
    /// Touched paths that a denial might hit, with their accesses.
    touched: Vec<(&'a [u8], u8)>,
}

impl<'a> Guard<'a> {
    pub(super) fn new(files: impl Iterator<Item = (&'a [u8], u8)>) -> Self {
        let touched = files.filter(|(path, _)| sensitive::patterns().iter().any(|secret| secret.matches(path)));
        Self {
            touched: touched.collect(),
        }
    }

    /// What must be denied with a pattern; `None` when the pattern cannot be made.
    pub(super) fn denials(&self, names: &[String], access: u8) -> Option<Denials> {
        let text = absolute(names);
        if is_public(text.as_bytes()) && access & !(READ | MAP) == 0 {
            return Some(Denials::new());
        }
        let pattern = Pattern::parse(&text).ok()?.pop()?;
        let dotted = names.last().is_some_and(|last| last != "**" && has_dot(last));
        let mut denials = Denials::new();
        for secret in sensitive::patterns() {
            if (dotted && is_key_name(secret)) || !intersect(&pattern, secret) {
                continue;
            }
            for denied in denied(names, secret.as_str()) {
                let pattern = Pattern::parse(&absolute(&denied)).ok()?.pop()?;
                let hits = |(path, used): &(&[u8], u8)| used & access != 0 && pattern.matches(path);
                if self.touched.iter().any(hits) {
                    return None;
                }
                *denials.entry(denied).or_default() |= access;
            }
        }
        Some(denials)
    }
}

/// Whether every name that a pattern matches has a dot.
fn has_dot(name: &str) -> bool {
    let mut inside = false;
    name.chars().any(|c| {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ => {}
        }
        c == '.' && !inside
    })
}

/// The part of a secret's pattern that another pattern covers, as narrow as the two allow.
fn denied(names: &[String], secret: &str) -> Vec<Vec<String>> {
    let whole: Vec<String> = secret.split('/').skip(1).map(str::to_owned).collect();
    let (Some((first, tail)), Some((last, base))) = (whole.split_first(), names.split_last()) else {
        return vec![whole];
    };
    if first != "**" {
        return vec![whole];
    }
    if last != "**" {
        return match tail {
            [name] => vec![[base, std::slice::from_ref(name)].concat()],
            _ => vec![whole],
        };
    }
    let mut all = vec![[names, tail].concat()];
    for length in 1..tail.len() {
        let (head, rest) = tail.split_at(length);
        if base.ends_with(head) {
            all.push([base, rest].concat());
        }
    }
    all
}

/// Folds lines; gives what is left and what must be denied with it.
pub(super) fn fold(lines: Vec<Line>, place: &Place, guard: &Guard<'_>) -> (Vec<Line>, Denials) {
    let mut denials = Denials::new();
    let mut whole: BTreeMap<Vec<String>, Line> = BTreeMap::new();
    let mut add = |line: Line| match whole.get_mut(&line.names) {
        // The same acts, seen by another of their accesses.
        Some(known) => {
            let (count, objects) = (known.seen.count.max(line.seen.count), known.objects.max(line.objects));
            known.join(&line);
            (known.seen.count, known.objects) = (count, objects);
        }
        None => {
            whole.insert(line.names.clone(), line);
        }
    };
    for bit in (0..6).map(|shift| 1u8 << shift) {
        let mut apart = Vec::new();
        for line in lines.iter().filter(|line| line.seen.access & bit != 0) {
            let mut line = line.clone();
            line.seen.access = bit;
            let stays = line.secret || (line.seen.linked && !line.names.iter().any(|name| is_wild(name)));
            if stays {
                add(line);
            } else {
                apart.push(line);
            }
        }
        let apart = deep(apart, place, guard, bit, &mut denials);
        for line in flat(apart, place, guard, bit, &mut denials) {
            add(line);
        }
    }
    (whole.into_values().collect(), denials)
}

/// Directories of which many directories were used, the uppermost first.
fn deep(mut lines: Vec<Line>, place: &Place, guard: &Guard<'_>, bit: u8, denials: &mut Denials) -> Vec<Line> {
    // Of a directory its directories count; of a root of packages every file does.
    let mut inner: BTreeMap<(usize, &[String]), BTreeSet<&[String]>> = BTreeMap::new();
    for line in &lines {
        for depth in 1..line.names.len() {
            let (directory, below) = line.names.split_at(depth);
            let public = is_root_of_packages(directory) && bit & (READ | MAP) != 0;
            let part = if public {
                Some(below)
            } else {
                below.get(..1).filter(|_| below.len() > 1)
            };
            if let Some(part) = part {
                inner.entry((depth, directory)).or_default().insert(part);
            }
        }
    }
    let candidates: Vec<Vec<String>> = inner
        .into_iter()
        .filter(|((_, directory), names)| {
            names.len() >= FEW && (place.may_cover(directory) || is_root_of_packages(directory))
        })
        .map(|((_, directory), _)| directory.to_vec())
        .collect();
    let mut done: Vec<Line> = Vec::new();
    for directory in candidates {
        if done.iter().any(|line| {
            line.names
                .split_last()
                .is_some_and(|(_, above)| directory.starts_with(above))
        }) {
            continue;
        }
        let names = [directory.as_slice(), &["**".to_owned()]].concat();
        let Some(more) = guard.denials(&names, bit) else {
            continue;
        };
        let (inside, outside): (Vec<Line>, Vec<Line>) = lines
            .into_iter()
            .partition(|line| line.names.len() > directory.len() && line.names.starts_with(&directory));
        lines = outside;
        join_denials(denials, more);
        done.extend(as_one(names, inside));
    }
    lines.extend(done);
    lines
}

/// `/usr/lib` and its like.
fn is_root_of_packages(directory: &[String]) -> bool {
    directory.len() <= 3 && !directory.is_empty() && {
        let text = absolute(directory) + "/";
        is_public(text.as_bytes())
            && !directory
                .split_last()
                .is_some_and(|(_, above)| !above.is_empty() && is_public((absolute(above) + "/").as_bytes()))
    }
}

/// Directories of which many files were used.
fn flat(lines: Vec<Line>, place: &Place, guard: &Guard<'_>, bit: u8, denials: &mut Denials) -> Vec<Line> {
    let mut by_directory: BTreeMap<Vec<String>, Vec<Line>> = BTreeMap::new();
    let mut out = Vec::new();
    for line in lines {
        match line.names.split_last() {
            Some((last, directory)) if last != "**" && place.may_cover(directory) => {
                by_directory.entry(directory.to_vec()).or_default().push(line);
            }
            _ => out.push(line),
        }
    }
    for (directory, mut inside) in by_directory {
        let mut by_suffix: BTreeMap<String, Vec<Line>> = BTreeMap::new();
        let (suffixed, mut rest): (Vec<Line>, Vec<Line>) =
            inside.drain(..).partition(|line| suffix(&line.names).is_some());
        for line in suffixed {
            let suffix = suffix(&line.names).unwrap_or_default();
            by_suffix.entry(suffix).or_default().push(line);
        }
        for (suffix, group) in by_suffix {
            let names = [directory.as_slice(), &[format!("*.{suffix}")]].concat();
            match guard.denials(&names, bit).filter(|_| group.len() >= FEW) {
                Some(more) => {
                    join_denials(denials, more);
                    out.extend(as_one(names, group));
                }
                None => rest.extend(group),
            }
        }
        let names = [directory.as_slice(), &["*".to_owned()]].concat();
        match guard.denials(&names, bit).filter(|_| rest.len() >= FEW) {
            Some(more) => {
                join_denials(denials, more);
                out.extend(as_one(names, rest));
            }
            None => out.extend(rest),
        }
    }
    out
}

fn suffix(names: &[String]) -> Option<String> {
    let (stem, suffix) = names.last()?.rsplit_once('.')?;
    let plain = suffix.bytes().all(|byte| byte.is_ascii_alphanumeric());
    (plain && !stem.is_empty() && (1..=SUFFIX).contains(&suffix.len())).then(|| suffix.to_owned())
}

fn as_one(names: Vec<String>, lines: Vec<Line>) -> Option<Line> {
    let mut lines = lines.into_iter();
    let mut one = lines.next()?;
    one.names = names;
    for line in lines {
        one.join(&line);
    }
    Some(one)
}

fn join_denials(all: &mut Denials, more: Denials) {
    for (names, access) in more {
        *all.entry(names).or_default() |= access;
    }
}

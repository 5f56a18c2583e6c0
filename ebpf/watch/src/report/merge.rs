//! Many paths as few: files counted under the directories that hold them.

use super::text::printable;
use crate::tally::parent;
use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};
use std::fmt;

/// Files under one name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Merged {
    /// A path, or a directory.
    pub(super) path: Vec<u8>,
    /// Whether it is a directory that stands for what is below it.
    pub(super) below: bool,
    /// Objects it stands for.
    pub(super) objects: u64,
    /// Acts.
    pub(super) count: u64,
}

impl fmt::Display for Merged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.below, self.path.as_slice()) {
            (true, b"/") => f.write_str("/**"),
            (true, path) => write!(f, "{}/**", printable(path)),
            (false, path) => f.write_str(&printable(path)),
        }
    }
}

/// Above this many rows whole levels are folded at a time; below it, the directory with the most rows.
const FINE: usize = 512;

/// Folds rows into directories until at most `most` are left, or until everything is below `/`.
pub(super) fn merge(rows: impl IntoIterator<Item = Merged>, most: usize) -> Vec<Merged> {
    let mut rows = unite(rows);
    while rows.len() > most.max(1) {
        let before = rows.len();
        rows = if before > FINE {
            fold_level(rows)
        } else {
            fold_largest(rows)
        };
        if rows.len() == before && rows.iter().all(|row| row.path == b"/") {
            break;
        }
    }
    rows.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.path.cmp(&b.path)));
    rows
}

fn depth(row: &Merged) -> usize {
    match row.path.as_slice() {
        b"/" => 0,
        path => path.iter().filter(|byte| **byte == b'/').count(),
    }
}

fn lift(row: Merged) -> Merged {
    Merged {
        path: parent(&row.path).to_vec(),
        below: true,
        ..row
    }
}

/// Lifts every row of the deepest level.
fn fold_level(rows: Vec<Merged>) -> Vec<Merged> {
    let deepest = rows.iter().map(depth).max().unwrap_or(0);
    unite(
        rows.into_iter()
            .map(|row| if depth(&row) == deepest { lift(row) } else { row }),
    )
}

/// Lifts the rows of the directory that holds the most of them, of equals the deepest; where no directory
/// holds two, the deepest row is lifted.
fn fold_largest(rows: Vec<Merged>) -> Vec<Merged> {
    let mut held: HashMap<&[u8], usize> = HashMap::new();
    for row in &rows {
        *held.entry(parent(&row.path)).or_default() += 1;
    }
    let of = |path: &[u8]| path.iter().filter(|byte| **byte == b'/').count();
    let best = held
        .iter()
        .filter(|(dir, n)| **n > 1 && **dir != b"/")
        .max_by(|(a, n), (b, m)| n.cmp(m).then_with(|| of(a).cmp(&of(b))).then_with(|| b.cmp(a)));
    let directory = match best {
        Some((directory, _)) => directory.to_vec(),
        None => match rows
            .iter()
            .max_by(|a, b| depth(a).cmp(&depth(b)).then_with(|| b.path.cmp(&a.path)))
        {
            Some(row) => parent(&row.path).to_vec(),
            None => return rows,
        },
    };
    unite(
        rows.into_iter()
            .map(|row| if parent(&row.path) == directory { lift(row) } else { row }),
    )
}

/// Adds up rows of one name; what lies below a directory that is there for what is below it joins that directory.
fn unite(rows: impl IntoIterator<Item = Merged>) -> Vec<Merged> {
    let rows: Vec<Merged> = rows.into_iter().collect();
    let directories: HashSet<Vec<u8>> = rows
        .iter()
        .filter(|row| row.below)
        .map(|row| row.path.clone())
        .collect();
    let mut out: Vec<Merged> = Vec::with_capacity(rows.len());
    let mut index: HashMap<(Vec<u8>, bool), usize> = HashMap::new();
    for row in rows {
        let highest = std::iter::successors(above(&row.path), |path| above(path))
            .filter(|p| directories.contains(*p))
            .last();
        let row = match highest {
            Some(directory) => Merged {
                path: directory.to_vec(),
                below: true,
                ..row
            },
            None => row,
        };
        match index.entry((row.path.clone(), row.below)) {
            Entry::Occupied(at) => {
                let known = &mut out[*at.get()];
                known.objects += row.objects;
                known.count += row.count;
            }
            Entry::Vacant(place) => {
                place.insert(out.len());
                out.push(row);
            }
        }
    }
    out
}

/// The directory that holds a path; none for the root.
fn above(path: &[u8]) -> Option<&[u8]> {
    (path != b"/").then(|| parent(path))
}

/// The row of one item, if it is a file.
pub(super) fn row(path: &[u8], below: bool, count: u64) -> Merged {
    Merged {
        path: path.to_vec(),
        below,
        objects: 1,
        count,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn merged(paths: &[&str], most: usize) -> Vec<String> {
        merge(paths.iter().map(|path| row(path.as_bytes(), false, 1)), most)
            .into_iter()
            .map(|m| format!("{m} {}", m.objects))
            .collect()
    }

    #[test]
    fn files_are_counted_under_the_directories_that_hold_them() {
        for (paths, most, want) in [
            (&["/a/x", "/b/y"][..], 2, &["/a/x 1", "/b/y 1"][..]),
            (&["/a/x", "/a/y", "/b/z"], 2, &["/a/** 2", "/b/z 1"]),
            (&["/a/x", "/a/x", "/b/z"], 2, &["/a/x 2", "/b/z 1"]),
            (
                &["/u/l/1", "/u/l/2", "/u/l/3", "/u/b/1", "/u/b/2", "/e/p"],
                2,
                &["/u/** 5", "/e/p 1"],
            ),
            (
                &["/u/l/1", "/u/l/2", "/u/l/3", "/u/b/1", "/u/b/2", "/e/p"],
                3,
                &["/u/l/** 3", "/u/b/** 2", "/e/p 1"],
            ),
            (&["/a/1", "/b/2", "/c/3"], 1, &["/** 3"]),
            (&["/1", "/2", "/3"], 1, &["/** 3"]),
        ] {
            assert_eq!(merged(paths, most), want, "{paths:?} as {most}");
        }
    }

    #[test]
    fn a_flood_is_folded_in_a_moment() {
        let paths: Vec<String> = (0..60_000)
            .map(|n| format!("/w/{}/{}/f{n}", n % 300, n % 7_000))
            .collect();
        let rows = merge(paths.iter().map(|path| row(path.as_bytes(), false, 1)), 6);
        assert!(rows.len() <= 6);
        assert_eq!(rows.iter().map(|row| row.objects).sum::<u64>(), 60_000);
    }
}

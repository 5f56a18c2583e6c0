//! Which artifact of the old side is which of the new one.
//!
//! 1. The same path and the same bytes: nothing happened, also to what is inside.
//! 2. The same bytes at another path: moved, with what is inside.
//! 3. The same path: changed.
//! 4. The same path but for what rotates from build to build (digests in the names of chunks, versions in folders):
//!    changed. Where several could be meant, the ones of the same format and nearest length.
//! 5. The rest was added or removed.
//!
//! Paths are those inside the argument. What is the only content of a compressed stream has no name worth comparing.

use crate::artifact::{Artifact, Kind};
use std::collections::HashMap;

/// Artifacts of one rotating name from which on they are paired in the order of their lengths.
const LONG: usize = 4096;

/// The pairs of two reports.
pub(super) struct Pairs<'a> {
    /// Changed: old, new.
    pub(super) changed: Vec<(Node<'a>, Node<'a>)>,
    /// The same bytes elsewhere: old, new.
    pub(super) moved: Vec<(Node<'a>, Node<'a>)>,
    /// On the new side alone.
    pub(super) added: Vec<Node<'a>>,
    /// On the old side alone.
    pub(super) removed: Vec<Node<'a>>,
    /// Artifacts with the same bytes on both sides, nested ones included.
    pub(super) unchanged: u64,
    /// Whether the roots themselves are one and the same.
    same_roots: bool,
}

impl Pairs<'_> {
    /// Whether nothing differs at all.
    pub(super) fn identical(&self) -> bool {
        let directories =
            |(a, b): &(Node<'_>, Node<'_>)| a.artifact.kind == Kind::Directory && b.artifact.kind == Kind::Directory;
        let alone = self.moved.is_empty() && self.added.is_empty() && self.removed.is_empty();
        self.same_roots || (alone && self.changed.iter().all(directories))
    }
}

/// An artifact and its path inside the argument.
#[derive(Clone)]
pub(super) struct Node<'a> {
    pub(super) artifact: &'a Artifact,
    pub(super) key: String,
    /// Where it and what it holds end in the report.
    end: usize,
    /// Its holder, by place in the report.
    above: Option<usize>,
}

/// Formats that hold one stream of bytes, whose name is that of the file or made up.
fn is_wrapper(format: &str) -> bool {
    matches!(
        format,
        "gzip" | "xz" | "bzip2" | "zstd" | "lz4" | "lzma" | "zlib" | "brotli"
    )
}

fn nodes(artifacts: &[Artifact]) -> Vec<Node<'_>> {
    let mut out: Vec<Node<'_>> = Vec::with_capacity(artifacts.len());
    let root = artifacts.first();
    let directory = root.is_some_and(|a| a.kind == Kind::Directory);
    let prefix = root.map_or("", |a| a.path.as_str()).trim_end_matches('/');
    // Artifacts follow what holds them: those that are still open.
    let mut open: Vec<usize> = Vec::new();
    for (index, artifact) in artifacts.iter().enumerate() {
        let inside = |holder: &Node<'_>| {
            let above = holder.artifact;
            match (above.kind, artifact.kind) {
                (Kind::Directory, Kind::Root) => true,
                (Kind::Directory, _) | (_, Kind::Directory | Kind::Root) => false,
                (Kind::Root, Kind::Nested) => above.path == artifact.path,
                (Kind::Nested, Kind::Nested) => {
                    above.path == artifact.path
                        && match (above.nested.as_deref(), artifact.nested.as_deref()) {
                            (Some(a), Some(b)) => b.strip_prefix(a).is_some_and(|rest| rest.starts_with('!')),
                            _ => false,
                        }
                }
            }
        };
        while let Some(last) = open.last().copied() {
            if out.get(last).is_some_and(&inside) {
                break;
            }
            open.pop();
            if let Some(node) = out.get_mut(last) {
                node.end = index;
            }
        }
        let above = open.last().copied();
        let holder = above.and_then(|n| out.get(n));
        let key = match holder {
            None => String::new(),
            Some(holder) if artifact.kind == Kind::Root => {
                let name = artifact
                    .path
                    .strip_prefix(prefix)
                    .filter(|_| directory)
                    .unwrap_or(&artifact.path);
                debug_assert!(holder.key.is_empty());
                name.trim_start_matches('/').to_owned()
            }
            Some(holder) => {
                let nested = artifact.nested.as_deref().unwrap_or_default();
                let level = match holder.artifact.nested.as_deref() {
                    Some(above) => nested.get(above.len().saturating_add(1)..).unwrap_or(nested),
                    None => nested,
                };
                let level = if is_wrapper(holder.artifact.format) { "*" } else { level };
                match holder.key.is_empty() {
                    true => level.to_owned(),
                    false => format!("{}!{level}", holder.key),
                }
            }
        };
        out.push(Node {
            artifact,
            key,
            end: artifacts.len(),
            above,
        });
        open.push(index);
    }
    out
}

/// Pairs two reports of one root each.
pub(super) fn pair<'a>(old: &'a [Artifact], new: &'a [Artifact]) -> Pairs<'a> {
    let (old, new) = (nodes(old), nodes(new));
    let mut out = Pairs {
        changed: Vec::new(),
        moved: Vec::new(),
        added: Vec::new(),
        removed: Vec::new(),
        unchanged: 0,
        same_roots: false,
    };
    let mut sides = (Side::new(&old), Side::new(&new));
    if let (Some(a), Some(b)) = (old.first(), new.first()) {
        out.same_roots = same(a, b) && a.artifact.kind == Kind::Root && b.artifact.kind == Kind::Root;
        if out.same_roots {
            out.unchanged = old.len() as u64;
            return out;
        }
        // The arguments are each other's, whatever they are called.
        sides.0.take(0);
        sides.1.take(0);
        out.changed.push((a.clone(), b.clone()));
    }
    sides.by(&mut out, Found::Same, |n| {
        n.artifact.sha256.map(|d| (n.key.clone(), Some(d)))
    });
    sides.by(&mut out, Found::Moved, |n| {
        n.artifact
            .sha256
            .filter(|_| n.artifact.size > 0)
            .map(|d| (String::new(), Some(d)))
    });
    sides.by(&mut out, Found::Changed, |n| Some((n.key.clone(), None)));
    sides.nearest(&mut out);
    out.removed = sides.0.rest();
    out.added = sides.1.rest();
    out
}

fn same(a: &Node<'_>, b: &Node<'_>) -> bool {
    a.artifact.sha256.is_some() && a.artifact.sha256 == b.artifact.sha256 && a.artifact.size == b.artifact.size
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Found {
    Same,
    Moved,
    Changed,
}

struct Side<'n, 'a> {
    nodes: &'n [Node<'a>],
    taken: Vec<bool>,
}

impl<'n, 'a> Side<'n, 'a> {
    fn new(nodes: &'n [Node<'a>]) -> Self {
        Self {
            nodes,
            taken: vec![false; nodes.len()],
        }
    }

    fn take(&mut self, at: usize) {
        if let Some(slot) = self.taken.get_mut(at) {
            *slot = true;
        }
    }

    /// Takes a node with what it holds; how many that are.
    fn take_all(&mut self, at: usize) -> u64 {
        let end = self.nodes.get(at).map_or(at, |n| n.end);
        let mut n = 0u64;
        for slot in self.taken.get_mut(at..end).unwrap_or_default() {
            n = n.saturating_add(u64::from(!*slot));
            *slot = true;
        }
        n
    }

    fn free(&self) -> impl Iterator<Item = (usize, &'n Node<'a>)> + '_ {
        let free = |(n, _): &(usize, &Node<'a>)| self.taken.get(*n) == Some(&false);
        self.nodes.iter().enumerate().filter(free)
    }

    /// What is left: of a holder that is left itself, only the holder.
    fn rest(&self) -> Vec<Node<'a>> {
        let free = |at: usize| self.taken.get(at) == Some(&false);
        let alone = |node: &&Node<'a>| !node.above.is_some_and(free);
        self.free().map(|(_, node)| node).filter(alone).cloned().collect()
    }
}

type Key = (String, Option<[u8; 32]>);

trait Sides<'a> {
    fn by(&mut self, out: &mut Pairs<'a>, found: Found, key: impl Fn(&Node<'a>) -> Option<Key>);
    fn nearest(&mut self, out: &mut Pairs<'a>);
}

impl<'a> Sides<'a> for (Side<'_, 'a>, Side<'_, 'a>) {
    /// Pairs what has the same key, in the order of the reports; holders come before what they hold.
    fn by(&mut self, out: &mut Pairs<'a>, found: Found, key: impl Fn(&Node<'a>) -> Option<Key>) {
        let mut waiting: HashMap<Key, Vec<usize>> = HashMap::new();
        for (at, node) in self.1.free() {
            if let Some(key) = key(node) {
                waiting.entry(key).or_default().push(at);
            }
        }
        for list in waiting.values_mut() {
            list.reverse();
        }
        let all: Vec<usize> = self.0.free().map(|(at, _)| at).collect();
        for at in all {
            if self.0.taken.get(at) != Some(&false) {
                continue;
            }
            let Some(node) = self.0.nodes.get(at) else { continue };
            let Some(list) = key(node).and_then(|key| waiting.get_mut(&key)) else {
                continue;
            };
            let other = loop {
                match list.pop() {
                    Some(n) if self.1.taken.get(n) == Some(&false) => break Some(n),
                    Some(_) => {}
                    None => break None,
                }
            };
            let Some((n, other)) = other.and_then(|n| Some((n, self.1.nodes.get(n)?))) else {
                continue;
            };
            match found {
                Found::Same | Found::Moved => {
                    out.unchanged = out.unchanged.saturating_add(self.0.take_all(at));
                    self.1.take_all(n);
                    if found == Found::Moved && rotating(&node.key) != rotating(&other.key) {
                        out.moved.push((node.clone(), other.clone()));
                    }
                }
                Found::Changed => {
                    self.0.take(at);
                    self.1.take(n);
                    out.changed.push((node.clone(), other.clone()));
                }
            }
        }
    }

    fn nearest(&mut self, out: &mut Pairs<'a>) {
        let class = |n: &Node<'a>| (rotating(&n.key), n.artifact.format);
        let mut waiting: HashMap<(String, &'static str), Vec<usize>> = HashMap::new();
        for (at, node) in self.1.free() {
            waiting.entry(class(node)).or_default().push(at);
        }
        for list in waiting.values_mut() {
            list.sort_by_key(|n| (self.1.nodes.get(*n).map_or(0, |node| node.artifact.size), *n));
        }
        let mut all: Vec<(usize, u64)> = self.0.free().map(|(at, node)| (at, node.artifact.size)).collect();
        all.sort_by_key(|(at, size)| (std::cmp::Reverse(*size), *at));
        for (at, size) in all {
            let Some(node) = self.0.nodes.get(at) else { continue };
            let Some(list) = waiting.get_mut(&class(node)).filter(|list| !list.is_empty()) else {
                continue;
            };
            let length = |n: &usize| self.1.nodes.get(*n).map_or(0, |node| node.artifact.size);
            let next = list.partition_point(|n| length(n) < size);
            let before = next.checked_sub(1);
            let distance = |slot: usize| list.get(slot).map(|n| length(n).abs_diff(size));
            let slot = match (before.and_then(distance), distance(next)) {
                // Taking from the middle of a long list costs its length; the longest goes with the longest there.
                _ if list.len() > LONG => list.len().checked_sub(1),
                (Some(a), Some(b)) if a < b => before,
                (Some(_), None) => before,
                _ => Some(next),
            };
            let Some(n) = slot.filter(|s| *s < list.len()).map(|s| list.remove(s)) else {
                continue;
            };
            let Some(other) = self.1.nodes.get(n) else { continue };
            self.0.take(at);
            self.1.take(n);
            out.changed.push((node.clone(), other.clone()));
        }
    }
}

/// A path without what rotates: parts of six and more characters that mix digits and letters or are all hexadecimal
/// behind `-`, `.` or `_`, and versions.
fn rotating(key: &str) -> String {
    let mut out = String::with_capacity(key.len());
    for level in key.split_inclusive(['/', '!']) {
        let (name, end) = match level.strip_suffix(['/', '!']) {
            Some(name) => (name, level.get(name.len()..).unwrap_or_default()),
            None => (level, ""),
        };
        let parts = name.split_inclusive(['-', '.', '_']);
        for part in parts {
            let (word, mark) = match part.strip_suffix(['-', '.', '_']) {
                Some(word) => (word, part.get(word.len()..).unwrap_or_default()),
                None => (part, ""),
            };
            let kept = if is_version(word) || is_digest(word) { "#" } else { word };
            // `1.2.3` and `1.10` are one version each.
            if !(kept == "#" && out.ends_with("#.")) {
                out.push_str(kept);
                out.push_str(mark);
            } else if mark != "." {
                out.pop();
                out.push_str(mark);
            }
        }
        out.push_str(end);
    }
    out
}

fn is_version(word: &str) -> bool {
    let digits = word.strip_prefix('v').unwrap_or(word);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

fn is_digest(word: &str) -> bool {
    let plain = word.len() >= 6 && word.bytes().all(|b| b.is_ascii_alphanumeric());
    let digits = word.bytes().filter(u8::is_ascii_digit).count();
    let upper = word.bytes().filter(u8::is_ascii_uppercase).count();
    let lower = word.bytes().filter(u8::is_ascii_lowercase).count();
    let hex = word.bytes().all(|b| b.is_ascii_hexdigit());
    // `utf8`, `sha256` and `base64` are words.
    plain
        && ((hex && digits > 0)
            || (upper > 0 && lower > 0 && digits > 0)
            || (word.len() == 8 && upper > 1 && lower > 0)
            || (word.len() == 8 && upper > 1 && digits > 0))
}

#[cfg(test)]
mod tests {
    use super::rotating;

    #[test]
    fn names_that_rotate_are_the_same() {
        for (a, b) in [
            ("chunk-7A3F9B21.js", "chunk-0C5D11AE.js"),
            ("assets/index-BkT3x9Qa.js", "assets/index-D8aLw0Zz.js"),
            ("pkg-1.2.3.dist-info/RECORD", "pkg-1.10.0.dist-info/RECORD"),
            ("vendor/v2/a.node", "vendor/v3/a.node"),
            ("main.4f9c2ab1.js!x", "main.99aa01cd.js!x"),
        ] {
            assert_eq!(rotating(a), rotating(b), "{a}");
        }
        for (a, b) in [
            ("cli.js", "sdk.js"),
            ("sha256.js", "base64.js"),
            ("vendor/linux/rg", "vendor/darwin/rg"),
            ("README.md", "LICENSE.md"),
        ] {
            assert_ne!(rotating(a), rotating(b), "{a}");
        }
    }
}

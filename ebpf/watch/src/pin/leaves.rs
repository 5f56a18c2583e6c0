//! The files that exist under patterns which deny, so that their other names are denied as well.
//!
//! The walk follows the automaton: a directory from which no denial can be reached is not opened. It is bounded, and says
//! when it stopped before the end. Symbolic links are not followed.

use super::{Root, no_hard_links};
use crate::compile::Denials;
use rustix::fs::{Dir, FileType};
use std::collections::{HashSet, VecDeque};

/// The most files that are pinned because a pattern denies them.
pub(crate) const MOST_LEAVES: usize = 4096;
/// The most directory entries that are looked at in search of them.
pub(crate) const MOST_ENTRIES: usize = 1 << 16;

/// What was found.
#[derive(Debug, Default)]
pub(crate) struct Leaves {
    /// Paths of files that are denied.
    pub(crate) paths: Vec<Vec<u8>>,
    /// Entries looked at.
    pub(crate) entries: usize,
    /// There may be more.
    pub(crate) cut: bool,
    /// Directories that could not be read.
    pub(crate) unread: Vec<Vec<u8>>,
}

/// Looks for denied files beneath directories, given by canonical path.
pub(crate) fn denied_leaves(root: &Root, denials: &Denials<'_>, directories: &[Vec<u8>]) -> Leaves {
    let mut found = Leaves::default();
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut open: VecDeque<(Vec<u8>, u32)> = VecDeque::new();
    // The deepest first: what is under a whole file system may not be finished.
    let mut directories = directories.to_vec();
    directories.sort_by_key(|path| {
        (
            std::cmp::Reverse(path.iter().filter(|byte| **byte == b'/').count()),
            path.len(),
        )
    });
    for start in directories {
        let state = denials.at(&start);
        open.push_back((start, state));
        while let Some((path, state)) = open.pop_front() {
            if !denials.may_follow(state) || !seen.insert(path.clone()) {
                continue;
            }
            let listed = root.directory(&path).and_then(|fd| {
                let skip = no_hard_links(&fd);
                Dir::new(fd).map(|directory| (directory, skip))
            });
            let Ok((directory, skip)) = listed else {
                found.unread.push(path);
                continue;
            };
            if skip {
                continue;
            }
            for entry in directory {
                let Ok(entry) = entry else {
                    found.unread.push(path.clone());
                    break;
                };
                let name = entry.file_name().to_bytes();
                if name == b"." || name == b".." {
                    continue;
                }
                found.entries += 1;
                if found.entries > MOST_ENTRIES || found.paths.len() >= MOST_LEAVES {
                    found.cut = true;
                    return found;
                }
                let next = denials.step(state, name);
                let mut child = if path == b"/" { Vec::new() } else { path.clone() };
                child.push(b'/');
                child.extend(name);
                match entry.file_type() {
                    FileType::Directory => open.push_back((child, next)),
                    FileType::Symlink => {}
                    // The kind is not in every file system's entries; reading a file as a directory only fails.
                    FileType::Unknown if denials.may_follow(next) && root.directory(&child).is_ok() => {
                        open.push_back((child, next));
                    }
                    _ if denials.denied(next) => found.paths.push(child),
                    _ => {}
                }
            }
        }
    }
    found.paths.sort();
    found.paths.dedup();
    found
}

//! From file rules to one automaton, entered at several places.
//!
//! All places share the automaton; a place is entered in the state that its path from the root leads to, so that the
//! rules of every pattern which passes through it hold there. An object that is denied by name is entered in a state
//! which only denies: its other names, hard links, are then denied as well, and what they allow is theirs. So is a
//! directory that lost its name: moving it does not take what is denied below it away.

use super::builder::{Builder, Denials};
use super::pattern::{literal_prefix, parse};
use super::places::Places;
use super::{Automaton, CompileError, Limits};
use crate::pin::{Root, denied_leaves};
use probity_abi::access;
use std::fmt;

/// A rule for one pattern. A rule of the declared set with several patterns is several of these.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRule {
    /// The rule's number, counted from 1.
    pub rule: u16,
    /// Bits of [`probity_abi::access`] that it allows.
    pub allow: u8,
    /// Bits that it denies.
    pub deny: u8,
    /// An absolute pattern, braces and variables expanded.
    pub pattern: Vec<u8>,
}

/// A name of an object, by canonical path, and how the object is entered under it.
pub type Named = (Entry, Vec<u8>);

/// How an object is entered.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Entry {
    /// With all rules for its path and for what is below.
    Whole,
    /// Only with what is denied for its path and for what is below.
    Denied,
}

/// A place at which the automaton is entered: an object to be held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// How it is entered.
    pub entry: Entry,
    /// Its path beneath the root, through no symbolic link. It need not exist.
    pub path: Vec<u8>,
    /// The places on the way, `/` first. Of a base that is entered only with denials there is one: the path itself.
    pub depths: Vec<Depth>,
}

/// A place on the way to a base.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Depth {
    /// Bytes of the base's path that name it; 0 for the root.
    pub length: usize,
    /// The automaton's state there.
    pub state: u32,
    /// The state that knows the denials alone: for what once had this name.
    pub denials: u32,
}

impl Base {
    /// The first bytes of the path; `/` for none.
    pub fn name(&self, length: usize) -> &[u8] {
        match self.path.get(..length) {
            None | Some(b"") => b"/",
            Some(name) => name,
        }
    }

    /// The place with that many bytes; in the dead state when there is none.
    pub fn depth(&self, length: usize) -> Depth {
        let found = self.depths.iter().find(|depth| depth.length == length);
        found.copied().unwrap_or_default()
    }
}

/// What the rules could not say in full.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Note {
    /// A prefix could not be followed to its end, for another reason than that it does not exist.
    Unresolved {
        /// The prefix.
        path: Vec<u8>,
        /// The error number.
        errno: i32,
    },
    /// The object's canonical name cannot be told: the rule holds under the written path only.
    Nameless {
        /// The prefix.
        path: Vec<u8>,
    },
    /// The search for existing denied files stopped at its bound: other names of the rest are not denied.
    DeniedCut {
        /// Files found.
        found: usize,
        /// Directory entries looked at.
        entries: usize,
    },
    /// A directory that may hold denied files could not be read.
    DeniedUnread {
        /// The directory.
        path: Vec<u8>,
    },
}

impl fmt::Display for Note {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unresolved { path, errno } => {
                let error = std::io::Error::from_raw_os_error(*errno);
                write!(f, "`{}` could not be followed: {error}", path.escape_ascii())
            }
            Self::Nameless { path } => write!(f, "`{}` has no name beneath the root", path.escape_ascii()),
            Self::DeniedCut { found, entries } => {
                write!(
                    f,
                    "the search for denied files stopped after {entries} entries and {found} files"
                )
            }
            Self::DeniedUnread { path } => {
                write!(f, "`{}` could not be searched for denied files", path.escape_ascii())
            }
        }
    }
}

/// Compiled file rules.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// The tables.
    pub automaton: Automaton,
    /// The state at the subject's root directory.
    pub root: u32,
    /// The objects to hold.
    pub bases: Vec<Base>,
    /// The states for objects that have several of these names.
    pub joint: Vec<(Vec<Named>, u32)>,
    /// Denied files that were found and are among the bases.
    pub denied: usize,
    /// What could not be said in full.
    pub notes: Vec<Note>,
}

/// Compiles rules for a subject whose root directory is `root`.
///
/// # Errors
///
/// A pattern that is none, or patterns that together need too large an automaton.
pub fn compile(root: &Root, rules: &[FileRule], limits: Limits) -> Result<Files, CompileError> {
    let mut places = Places::new(root);
    let mut lines = Vec::new();
    let mut searched = Vec::new();
    for rule in rules {
        let components = parse(&rule.pattern)?;
        lines.extend(places.lines(rule, &components));
        if rule.deny != 0 && !literal_prefix(&components).1.is_empty() {
            searched.extend(places.existing_directory(&components));
        }
    }
    let mut builder = Builder::new(&lines, limits)?;
    searched.sort();
    searched.dedup();
    let leaves = denied_leaves(root, &Denials::of(&builder), &searched);
    let mut notes = std::mem::take(&mut places.notes);
    if leaves.cut {
        notes.push(Note::DeniedCut {
            found: leaves.paths.len(),
            entries: leaves.entries,
        });
    }
    notes.extend(
        leaves
            .unread
            .iter()
            .map(|path| Note::DeniedUnread { path: path.clone() }),
    );
    let denied = leaves.paths.len();
    let bases = places.bases(leaves.paths);
    let groups = places.groups(&bases);

    let mut starts = Vec::new();
    for (entry, path) in &bases {
        for length in depths(*entry, path) {
            let name = &path[..length];
            starts.extend([builder.at(*entry, name), builder.at(Entry::Denied, name)]);
        }
    }
    for group in &groups {
        starts.push(builder.joint(group)?);
    }
    let (automaton, root, states) = builder.finish(&starts, true)?;
    let mut states = states.into_iter();
    let bases = bases.into_iter().map(|(entry, path)| {
        let depths = depths(entry, &path).into_iter().map(|length| Depth {
            length,
            state: states.next().unwrap_or_default(),
            denials: states.next().unwrap_or_default(),
        });
        Base {
            entry,
            depths: depths.collect(),
            path,
        }
    });
    Ok(Files {
        bases: bases.collect(),
        automaton,
        root,
        joint: groups.into_iter().zip(states).collect(),
        denied,
        notes,
    })
}

/// The lengths of a path that name a place to be held: 0 for the root, then each component's end.
fn depths(entry: Entry, path: &[u8]) -> Vec<usize> {
    if entry == Entry::Denied {
        return vec![path.len()];
    }
    let path = below_root(path);
    let inner = (1..=path.len()).filter(|end| *end == path.len() || path[*end] == b'/');
    std::iter::once(0).chain(inner).collect()
}

/// Access that follows a symbolic link in the last component; the rest is about the link itself.
pub(crate) const FOLLOWS: u8 = !(access::CREATE | access::DELETE);

/// The bytes that lead from the root to a path: nothing for the root itself.
pub(crate) fn below_root(path: &[u8]) -> &[u8] {
    if path == b"/" { b"" } else { path }
}

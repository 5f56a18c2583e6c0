//! From file rules to one automaton, entered at several places.
//!
//! All places share the automaton; a place is entered in the state that its path from the root leads to, so that the
//! rules of every pattern which passes through it hold there. An object that is denied by name is entered in a state
//! which only denies: its other names, hard links, are then denied as well, and what they allow is theirs.

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
    /// Only with what is denied for its path.
    Denied,
}

/// A place at which the automaton is entered: an object to be held.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Base {
    /// How it is entered.
    pub entry: Entry,
    /// Its path beneath the root, through no symbolic link. It need not exist.
    pub path: Vec<u8>,
    /// Lengths of `path` that name a place on the way, `/` first, each with the automaton's state there. Of a base that is
    /// entered only with denials there is one: all of it.
    pub depths: Vec<(usize, u32)>,
}

impl Base {
    /// The first bytes of the path; `/` for none.
    pub fn name(&self, length: usize) -> &[u8] {
        match self.path.get(..length) {
            None | Some(b"") => b"/",
            Some(name) => name,
        }
    }

    /// The state at a length of [`Self::depths`]; dead for another.
    pub fn state(&self, length: usize) -> u32 {
        let found = self.depths.iter().find(|depth| depth.0 == length);
        found.map_or(probity_abi::policy::DEAD, |depth| depth.1)
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
        match entry {
            Entry::Whole => {
                let lengths = depths(path);
                starts.extend(lengths.iter().map(|length| builder.at(&path[..*length])));
            }
            Entry::Denied => starts.push(builder.start(&[(Entry::Denied, path.clone())])?),
        }
    }
    for group in &groups {
        starts.push(builder.start(group)?);
    }
    let (automaton, root, states) = builder.finish(&starts, true)?;
    let mut states = states.into_iter();
    let bases = bases
        .into_iter()
        .map(|(entry, path)| {
            let lengths = if entry == Entry::Whole {
                depths(&path)
            } else {
                vec![path.len()]
            };
            Base {
                entry,
                depths: lengths.into_iter().zip(states.by_ref()).collect(),
                path,
            }
        })
        .collect();
    Ok(Files {
        automaton,
        root,
        bases,
        joint: groups.into_iter().zip(states).collect(),
        denied,
        notes,
    })
}

/// The lengths of a path that name a place on the way to it: 0 for the root, then each component's end.
fn depths(path: &[u8]) -> Vec<usize> {
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

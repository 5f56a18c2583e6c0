//! From file rules to one automaton, entered at several places.
//!
//! All places share the automaton; a place is entered in the state that its path from the root leads to, so that the
//! rules of every pattern which passes through it hold there. An object that is denied by name is entered in a state
//! which only denies: its other names, hard links, are then denied as well, and what they allow is theirs.

use super::dfa::Dfa;
use super::nfa::{Nfa, Part};
use super::pattern::{Component, literal_prefix, parse};
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

/// One pattern as it goes into the automaton.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Line {
    pub(crate) rule: u16,
    pub(crate) allow: u8,
    pub(crate) deny: u8,
    pub(crate) components: Vec<Component>,
    /// As it was written, for errors.
    pub(crate) written: String,
}

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
    let leads = builder.dfa.leads_to_denial();
    let denials = Denials {
        builder: &builder,
        leads: &leads,
    };
    let leaves = denied_leaves(root, &denials, &searched);
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
                starts.extend(
                    lengths
                        .iter()
                        .map(|length| builder.dfa.run(builder.root, &path[..*length])),
                );
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

/// Where denials are, for the search for denied files.
pub(crate) struct Denials<'a> {
    builder: &'a Builder,
    leads: &'a [bool],
}

impl Denials<'_> {
    /// The state at a path.
    pub(crate) fn at(&self, path: &[u8]) -> u32 {
        self.builder.dfa.run(self.builder.root, below_root(path))
    }

    /// The state at a name in a directory.
    pub(crate) fn step(&self, state: u32, name: &[u8]) -> u32 {
        self.builder.dfa.run(self.builder.dfa.run(state, b"/"), name)
    }

    /// Whether something denied may be here or below.
    pub(crate) fn may_follow(&self, state: u32) -> bool {
        self.leads.get(state as usize).copied().unwrap_or(false)
    }

    /// Whether something is denied here.
    pub(crate) fn denied(&self, state: u32) -> bool {
        self.builder.dfa.grant(state).deny != 0
    }
}

/// The automaton while places to enter it are still being added.
pub(crate) struct Builder {
    nfa: Nfa,
    dfa: Dfa,
    root: u32,
    written: Vec<String>,
    limits: Limits,
}

impl Builder {
    pub(crate) fn new(lines: &[Line], limits: Limits) -> Result<Self, CompileError> {
        let mut nfa = Nfa::new();
        for (owner, line) in lines.iter().enumerate() {
            let part = Part {
                rule: line.rule,
                allow: line.allow,
                deny: line.deny,
                exact: line.components.iter().all(|component| component.as_literal().is_some()),
            };
            nfa.add(&line.components, part, owner as u32);
        }
        let written: Vec<String> = lines.iter().map(|line| line.written.clone()).collect();
        let mut dfa = Dfa::new(&nfa, limits).map_err(|error| named(error, &written))?;
        let root = dfa
            .start(&nfa, nfa.starts.clone())
            .map_err(|error| named(error, &written))?;
        Ok(Self {
            nfa,
            dfa,
            root,
            written,
            limits,
        })
    }

    /// The state for an object that has all of these names; a number for [`Self::finish`].
    pub(crate) fn start(&mut self, names: &[Named]) -> Result<u32, CompileError> {
        let mut subset = Vec::new();
        for (entry, path) in names {
            let states = self.nfa.run(&self.nfa.starts, below_root(path));
            match entry {
                Entry::Whole => subset.extend(states),
                Entry::Denied => subset.extend(self.nfa.denials(&states)),
            }
        }
        self.dfa
            .start(&self.nfa, subset)
            .map_err(|error| named(error, &self.written))
    }

    /// The tables, the state at the root, and the states of `starts`.
    pub(crate) fn finish(self, starts: &[u32], smallest: bool) -> Result<(Automaton, u32, Vec<u32>), CompileError> {
        let built = Automaton::of(&self.dfa, &self.nfa, self.limits, smallest);
        let (automaton, renamed) = built.map_err(|error| named(error, &self.written))?;
        let starts = starts.iter().map(|start| renamed[*start as usize]).collect();
        Ok((automaton, renamed[self.root as usize], starts))
    }
}

/// The bytes that lead from the root to a path: nothing for the root itself.
pub(crate) fn below_root(path: &[u8]) -> &[u8] {
    if path == b"/" { b"" } else { path }
}

fn named(error: CompileError, written: &[String]) -> CompileError {
    match error {
        CompileError::Explosion { states, owners } => CompileError::TooLarge {
            states,
            patterns: owners
                .iter()
                .filter_map(|owner| written.get(*owner as usize).cloned())
                .collect(),
        },
        other => other,
    }
}

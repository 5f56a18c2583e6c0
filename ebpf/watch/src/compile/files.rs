//! From file rules to one automaton, entered at several places.
//!
//! All places share the automaton; a place is entered in the state that its path from the root leads to, so that the
//! rules of every pattern which passes through it hold there. An object that is denied by name is entered in a state
//! which only denies: its other names, hard links, are then denied as well, and what they allow is theirs.

use super::dfa::Dfa;
use super::nfa::{Nfa, Part};
use super::pattern::Component;
use super::{Automaton, CompileError, Limits};

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
    pub(crate) fn start(&mut self, names: &[(Entry, Vec<u8>)]) -> Result<u32, CompileError> {
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

    /// The unfinished automaton, and its state at the root.
    pub(crate) fn dfa(&self) -> (&Dfa, u32) {
        (&self.dfa, self.root)
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

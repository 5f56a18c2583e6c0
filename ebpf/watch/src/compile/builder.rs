//! The automaton while places to enter it are still being added.

use super::dfa::{Dfa, TooMany};
use super::files::{Entry, Named, below_root};
use super::nfa::{Nfa, Part};
use super::pattern::Component;
use super::{Automaton, CompileError, Limits};

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

/// The automaton while places to enter it are still being added.
pub(crate) struct Builder {
    nfa: Nfa,
    dfa: Dfa,
    root: u32,
    /// The state at the root of an automaton that knows the denials alone.
    denials: u32,
    written: Vec<String>,
    limits: Limits,
}

impl Builder {
    pub(crate) fn new(lines: &[Line], limits: Limits) -> Result<Self, CompileError> {
        let mut nfa = Nfa::new();
        let (mut all, mut denials) = (Vec::new(), Vec::new());
        for (owner, line) in lines.iter().enumerate() {
            let part = Part {
                rule: line.rule,
                allow: line.allow,
                deny: line.deny,
                exact: line.components.iter().all(|component| component.as_literal().is_some()),
            };
            all.extend(nfa.add(&line.components, part, owner as u32));
            if line.deny != 0 {
                let part = Part {
                    allow: 0,
                    exact: false,
                    ..part
                };
                denials.extend(nfa.add(&line.components, part, owner as u32));
            }
        }
        let written: Vec<String> = lines.iter().map(|line| line.written.clone()).collect();
        let build = || {
            let mut dfa = Dfa::new(&nfa, limits)?;
            let root = dfa.start(&nfa, all)?;
            let denials = dfa.start(&nfa, denials)?;
            Ok((dfa, root, denials))
        };
        let (dfa, root, denials) = build().map_err(|error| named(error, &written))?;
        Ok(Self {
            nfa,
            dfa,
            root,
            denials,
            written,
            limits,
        })
    }

    /// The state at a path; a number for [`Self::finish`].
    pub(crate) fn at(&self, entry: Entry, path: &[u8]) -> u32 {
        let root = match entry {
            Entry::Whole => self.root,
            Entry::Denied => self.denials,
        };
        self.dfa.run(root, below_root(path))
    }

    /// The state for an object that has all of these names; a number for [`Self::finish`].
    pub(crate) fn joint(&mut self, names: &[Named]) -> Result<u32, CompileError> {
        let states = names.iter().map(|(entry, path)| self.at(*entry, path));
        let subset = states.flat_map(|state| self.dfa.subset(state).to_vec()).collect();
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

/// Where denials are, for the search for denied files.
pub(crate) struct Denials<'a> {
    builder: &'a Builder,
    leads: Vec<bool>,
}

impl<'a> Denials<'a> {
    pub(crate) fn of(builder: &'a Builder) -> Self {
        Self {
            leads: builder.dfa.leads_to_denial(),
            builder,
        }
    }

    /// The state at a path.
    pub(crate) fn at(&self, path: &[u8]) -> u32 {
        self.builder.at(Entry::Denied, path)
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

fn named(error: TooMany, written: &[String]) -> CompileError {
    CompileError::TooLarge {
        states: error.states,
        patterns: error
            .owners
            .iter()
            .filter_map(|owner| written.get(*owner as usize).cloned())
            .collect(),
    }
}

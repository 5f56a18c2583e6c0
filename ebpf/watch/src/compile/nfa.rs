//! The nondeterministic automaton over path bytes: one chain of states for each pattern.
//!
//! States have no empty transitions: a `*` or `**` that may match nothing carries the transitions of what follows it.
//! Every state can still reach an end, which the minimisation relies on.

use super::pattern::{ByteSet, Component, Token};
use probity_abi::access;
use std::collections::HashMap;

/// What a rule says about the paths that end in a state.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(crate) struct Part {
    pub(crate) rule: u16,
    pub(crate) allow: u8,
    pub(crate) deny: u8,
    /// The pattern has no wildcard.
    pub(crate) exact: bool,
}

impl Part {
    fn says_nothing(self) -> bool {
        self.allow | self.deny == 0
    }
}

#[derive(Clone, Default, Debug)]
pub(crate) struct State {
    /// Followed by every byte but `/`.
    pub(crate) any: Vec<u32>,
    /// Followed by the bytes of a label.
    pub(crate) edges: Vec<(u32, u32)>,
    /// What holds for a path that ends here.
    pub(crate) accept: Option<Part>,
    /// The pattern it comes from, for the error that names it.
    pub(crate) owner: u32,
}

/// The label of `/` alone.
pub(crate) const SLASH: u32 = 0;

#[derive(Debug)]
pub(crate) struct Nfa {
    pub(crate) states: Vec<State>,
    /// The sets of bytes on the transitions; none but the first holds `/`.
    pub(crate) labels: Vec<ByteSet>,
    known: HashMap<ByteSet, u32>,
}

impl Nfa {
    pub(crate) fn new() -> Self {
        let slash = ByteSet::of(b'/');
        Self {
            states: Vec::new(),
            labels: vec![slash],
            known: HashMap::from([(slash, SLASH)]),
        }
    }

    /// Adds a pattern and gives the state in which it starts; `owner` numbers it.
    pub(crate) fn add(&mut self, components: &[Component], part: Part, owner: u32) -> Option<u32> {
        if part.says_nothing() {
            return None;
        }
        let mut components = components;
        let end = State {
            owner,
            ..State::default()
        };
        let mut next = if let Some((Component::AnyDepth, head)) = components.split_last() {
            components = head;
            let below = self.push(State {
                accept: Some(Part { exact: false, ..part }),
                ..end.clone()
            });
            self.states[below as usize].any.push(below);
            self.states[below as usize].edges.push((SLASH, below));
            // The directory itself: listing it says what is below.
            let itself = Part {
                allow: part.allow & access::READ,
                deny: part.deny & access::READ,
                exact: false,
                ..part
            };
            self.push(State {
                edges: vec![(SLASH, below)],
                accept: (!itself.says_nothing()).then_some(itself),
                ..end
            })
        } else {
            self.push(State {
                accept: Some(part),
                ..end
            })
        };
        for component in components.iter().rev() {
            next = match component {
                Component::AnyDepth => self.depth(next, owner),
                Component::Name(tokens) => {
                    for token in tokens.iter().rev() {
                        next = self.token(*token, next, owner);
                    }
                    self.push(State {
                        edges: vec![(SLASH, next)],
                        owner,
                        ..State::default()
                    })
                }
            };
        }
        Some(next)
    }

    /// `**` before another component: nothing, or `/` and any bytes; then what follows.
    fn depth(&mut self, next: u32, owner: u32) -> u32 {
        let after = self.states[next as usize].clone();
        let within = self.push(State { owner, ..after.clone() });
        self.states[within as usize].any.push(within);
        self.states[within as usize].edges.push((SLASH, within));
        let before = self.push(State { owner, ..after });
        self.states[before as usize].edges.push((SLASH, within));
        before
    }

    fn token(&mut self, token: Token, next: u32, owner: u32) -> u32 {
        let mut state = State {
            owner,
            ..State::default()
        };
        match token {
            Token::Byte(byte) => state.edges.push((self.label(ByteSet::of(byte)), next)),
            Token::OneOf(set) => state.edges.push((self.label(set), next)),
            Token::AnyByte => state.any.push(next),
            Token::AnyRun => {
                state = self.states[next as usize].clone();
                let itself = self.push(state);
                self.states[itself as usize].any.push(itself);
                return itself;
            }
        }
        self.push(state)
    }

    fn label(&mut self, set: ByteSet) -> u32 {
        let fresh = self.labels.len() as u32;
        let label = *self.known.entry(set).or_insert(fresh);
        if label == fresh {
            self.labels.push(set);
        }
        label
    }

    fn push(&mut self, state: State) -> u32 {
        self.states.push(state);
        (self.states.len() - 1) as u32
    }
}

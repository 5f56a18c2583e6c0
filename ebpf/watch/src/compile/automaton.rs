//! The finished automaton: the tables that the programs read, and an interpreter that reads them the same way.

use super::dfa::{Dfa, Limits, TooMany};
use super::grant::unite;
use super::minimise::minimise;
use super::nfa::Nfa;

use probity_abi::policy::{self, Grant};
use std::collections::HashMap;

/// An automaton over path bytes: `/name/name`, nothing for the place where it starts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Automaton {
    /// The class of each byte.
    pub classes: policy::Classes,
    /// How many classes there are; at least 1, at most 256.
    pub class_count: u32,
    /// The next state, at `state * class_count + class`.
    pub transitions: Vec<u32>,
    /// By state: the number of a grant, with [`policy::UNIVERSAL`] where every byte stays in the state.
    pub accepts: Vec<u32>,
    /// Entry 0 grants nothing.
    pub grants: Vec<Grant>,
}

impl Automaton {
    /// The tables of `dfa`, minimised unless told otherwise, and where its states went.
    pub(crate) fn of(dfa: &Dfa, nfa: &Nfa, limits: Limits, smallest: bool) -> Result<(Self, Vec<u32>), TooMany> {
        let count = dfa.accepts.len() as u32;
        let (renamed, chosen) = if smallest {
            let minimal = minimise(dfa);
            (minimal.renamed, minimal.chosen)
        } else {
            ((0..count).collect(), (0..count).collect())
        };
        let width = dfa.class_count;
        let row = |state: u32| &dfa.rows[state as usize * width..][..width];
        // What patterns once told apart may lead to the same states.
        let mut columns: HashMap<Vec<u32>, u8> = HashMap::new();
        let mut kept: Vec<usize> = Vec::new();
        let merged: Vec<u8> = (0..width)
            .map(|class| {
                let column: Vec<u32> = chosen
                    .iter()
                    .map(|state| renamed[row(*state)[class] as usize])
                    .collect();
                // At most 256 classes have at most 256 columns.
                let fresh = columns.len() as u8;
                let number = *columns.entry(column).or_insert(fresh);
                if number == fresh && kept.len() == usize::from(fresh) {
                    kept.push(class);
                }
                number
            })
            .collect();
        if chosen.len() > limits.states || chosen.len() * kept.len() > limits.transitions {
            return Err(TooMany {
                owners: dfa.culprits(nfa),
                states: chosen.len(),
            });
        }
        let mut transitions = Vec::with_capacity(chosen.len() * kept.len());
        let mut accepts = Vec::with_capacity(chosen.len());
        for (state, old) in chosen.iter().enumerate() {
            let from = transitions.len();
            transitions.extend(kept.iter().map(|class| renamed[row(*old)[*class] as usize]));
            let stays = transitions[from..].iter().all(|target| *target as usize == state);
            accepts.push(dfa.accepts[*old as usize] | if stays { policy::UNIVERSAL } else { 0 });
        }
        let automaton = Self {
            classes: dfa.classes.map(|class| merged[usize::from(class)]),
            class_count: kept.len() as u32,
            transitions,
            accepts,
            grants: dfa.grants.clone(),
        };
        Ok((automaton, renamed))
    }

    /// How many states there are, the dead one included.
    pub fn states(&self) -> usize {
        self.accepts.len()
    }

    /// The state that the bytes lead to. A state that does not exist is dead.
    pub fn run(&self, start: u32, bytes: &[u8]) -> u32 {
        let mut state = start;
        for byte in bytes {
            let accept = self.accepts.get(state as usize).copied().unwrap_or(policy::UNIVERSAL);
            if accept & policy::UNIVERSAL != 0 {
                break;
            }
            let at = state as usize * self.class_count as usize + usize::from(self.classes[usize::from(*byte)]);
            state = self.transitions.get(at).copied().unwrap_or(policy::DEAD);
        }
        state
    }

    /// What holds for a path that ends in a state.
    pub fn grant(&self, state: u32) -> &Grant {
        const NOTHING: &Grant = &Grant {
            allow: 0,
            deny: 0,
            exact: 0,
            reserved: 0,
            allow_rule: [0; 8],
            deny_rule: [0; 8],
        };
        let accept = self.accepts.get(state as usize).copied().unwrap_or(0);
        self.grants
            .get((accept & !policy::UNIVERSAL) as usize)
            .unwrap_or(NOTHING)
    }

    /// What all pins on the way up say together: of each its state, and the bytes of the path below it.
    pub fn united<'a>(&self, pins: impl IntoIterator<Item = (u32, &'a [u8])>) -> Grant {
        let grants = pins
            .into_iter()
            .map(|(state, below)| *self.grant(self.run(state, below)));
        grants.fold(Grant::default(), |sum, grant| unite(&sum, &grant))
    }
}

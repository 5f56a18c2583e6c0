//! Subset construction: from the nondeterministic automaton to one with a single state at a time.
//!
//! Bytes that no pattern tells apart are one class. The work is bounded: patterns can be written whose automaton has
//! 2^n states, and the error then names the patterns that multiply most.

use super::grant;
use super::nfa::{Nfa, Part, SLASH, State};
use probity_abi::policy::{self, Grant};
use std::collections::{HashMap, HashSet};

/// What the construction may cost.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// States of the finished automaton.
    pub states: usize,
    /// Transitions of the finished automaton.
    pub transitions: usize,
    /// States before the automaton is minimised.
    pub raw_states: usize,
    /// Transitions before the automaton is minimised.
    pub raw_transitions: usize,
    /// Nondeterministic states looked at.
    pub work: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            states: 1 << 16,
            transitions: policy::MAX_TRANSITIONS,
            raw_states: 1 << 17,
            raw_transitions: 4 * policy::MAX_TRANSITIONS,
            work: 1 << 25,
        }
    }
}

/// The patterns need more than [`Limits`] allows.
#[derive(Debug)]
pub(crate) struct TooMany {
    /// How many states there were.
    pub(crate) states: usize,
    /// The patterns that multiply most, by number.
    pub(crate) owners: Vec<u32>,
}

/// A deterministic automaton in the making. State 0 is dead.
#[derive(Debug)]
pub(crate) struct Dfa {
    pub(crate) classes: [u8; 256],
    pub(crate) class_count: usize,
    /// `state * class_count + class`.
    pub(crate) rows: Vec<u32>,
    /// By state: the grant.
    pub(crate) accepts: Vec<u32>,
    /// Entry 0 grants nothing.
    pub(crate) grants: Vec<Grant>,
    grant_numbers: HashMap<Vec<Part>, u32>,
    grant_values: HashMap<Grant, u32>,
    /// By state: the nondeterministic states it stands for.
    subsets: Vec<Box<[u32]>>,
    known: HashMap<Box<[u32]>, u32>,
    /// States whose row is written.
    done: usize,
    work: usize,
    limits: Limits,
}

impl Dfa {
    pub(crate) fn new(nfa: &Nfa, limits: Limits) -> Result<Self, TooMany> {
        let (classes, class_count) = classes(nfa);
        let mut dfa = Self {
            classes,
            class_count,
            rows: Vec::new(),
            accepts: Vec::new(),
            grants: vec![Grant::default()],
            grant_numbers: HashMap::new(),
            grant_values: HashMap::from([(Grant::default(), 0)]),
            subsets: Vec::new(),
            known: HashMap::new(),
            done: 0,
            work: 0,
            limits,
        };
        dfa.start(nfa, Vec::new())?;
        Ok(dfa)
    }

    /// The state for a set of nondeterministic ones, and all that can be reached from it.
    pub(crate) fn start(&mut self, nfa: &Nfa, subset: Vec<u32>) -> Result<u32, TooMany> {
        let start = self.enter(nfa, subset);
        if self.done == self.subsets.len() {
            return Ok(start);
        }
        let by_label: Vec<Vec<u8>> = nfa
            .labels
            .iter()
            .map(|label| {
                let mut held: Vec<u8> = (0..=255u8)
                    .filter(|byte| label.contains(*byte))
                    .map(|byte| self.classes[usize::from(byte)])
                    .collect();
                held.sort_unstable();
                held.dedup();
                held
            })
            .collect();
        let slash = usize::from(self.classes[usize::from(b'/')]);
        let mut targets: Vec<Vec<u32>> = vec![Vec::new(); self.class_count];
        while self.done < self.subsets.len() {
            let subset = self.subsets[self.done].clone();
            let mut any: Vec<u32> = Vec::new();
            for state in &subset {
                let State { any: wide, edges, .. } = &nfa.states[*state as usize];
                any.extend(wide);
                for (label, target) in edges {
                    for class in &by_label[*label as usize] {
                        targets[usize::from(*class)].push(*target);
                    }
                    self.work += by_label[*label as usize].len();
                }
                self.work += 1 + wide.len();
            }
            let mut elsewhere = None;
            for (class, list) in targets.iter_mut().enumerate() {
                let target = if class == slash {
                    self.enter(nfa, std::mem::take(list))
                } else if list.is_empty() {
                    match elsewhere {
                        Some(target) => target,
                        None => *elsewhere.insert(self.enter(nfa, any.clone())),
                    }
                } else {
                    list.extend(&any);
                    self.work += list.len();
                    let target = self.enter(nfa, list.clone());
                    list.clear();
                    target
                };
                self.rows.push(target);
            }
            self.done += 1;
            let states = self.subsets.len();
            if states > self.limits.raw_states
                || states * self.class_count > self.limits.raw_transitions
                || self.work > self.limits.work
            {
                return Err(TooMany {
                    owners: self.culprits(nfa),
                    states: self.subsets.len(),
                });
            }
        }
        Ok(start)
    }

    /// Up to three patterns whose own states differ most from one state of the automaton to the next.
    pub(crate) fn culprits(&self, nfa: &Nfa) -> Vec<u32> {
        let mut seen: HashMap<u32, HashSet<Vec<u32>>> = HashMap::new();
        for subset in &self.subsets {
            let mut own: HashMap<u32, Vec<u32>> = HashMap::new();
            for state in subset {
                own.entry(nfa.states[*state as usize].owner).or_default().push(*state);
            }
            for (owner, states) in own {
                seen.entry(owner).or_default().insert(states);
            }
        }
        let mut ranked: Vec<(usize, u32)> = seen.into_iter().map(|(owner, own)| (own.len(), owner)).collect();
        ranked.sort_by_key(|(count, owner)| (std::cmp::Reverse(*count), *owner));
        ranked.into_iter().take(3).map(|(_, owner)| owner).collect()
    }

    /// The nondeterministic states that a state stands for.
    pub(crate) fn subset(&self, state: u32) -> &[u32] {
        &self.subsets[state as usize]
    }

    /// Where the bytes lead.
    pub(crate) fn run(&self, state: u32, bytes: &[u8]) -> u32 {
        bytes.iter().fold(state, |state, byte| {
            self.rows[state as usize * self.class_count + usize::from(self.classes[usize::from(*byte)])]
        })
    }

    /// The grant of a state.
    pub(crate) fn grant(&self, state: u32) -> &Grant {
        &self.grants[self.accepts[state as usize] as usize]
    }

    /// By state: whether something that is denied can be reached from it.
    pub(crate) fn leads_to_denial(&self) -> Vec<bool> {
        let count = self.accepts.len();
        let mut before: Vec<Vec<u32>> = vec![Vec::new(); count];
        for (state, row) in self.rows.chunks_exact(self.class_count).enumerate() {
            let mut last = policy::DEAD;
            for target in row {
                if *target != last && *target != policy::DEAD {
                    before[*target as usize].push(state as u32);
                    last = *target;
                }
            }
        }
        let mut leads = vec![false; count];
        let mut open: Vec<u32> = (0..count as u32).filter(|state| self.grant(*state).deny != 0).collect();
        open.iter().for_each(|state| leads[*state as usize] = true);
        while let Some(state) = open.pop() {
            for earlier in &before[state as usize] {
                if !std::mem::replace(&mut leads[*earlier as usize], true) {
                    open.push(*earlier);
                }
            }
        }
        leads
    }

    fn enter(&mut self, nfa: &Nfa, mut subset: Vec<u32>) -> u32 {
        subset.sort_unstable();
        subset.dedup();
        if let Some(state) = self.known.get(subset.as_slice()) {
            return *state;
        }
        let mut parts: Vec<Part> = subset
            .iter()
            .filter_map(|state| nfa.states[*state as usize].accept)
            .collect();
        parts.sort_unstable();
        parts.dedup();
        let number = match self.grant_numbers.get(&parts) {
            Some(number) => *number,
            None => {
                let value = parts
                    .iter()
                    .fold(Grant::default(), |sum, part| grant::unite(&sum, &grant::of(*part)));
                let fresh = self.grants.len() as u32;
                let number = *self.grant_values.entry(value).or_insert(fresh);
                if number == fresh {
                    self.grants.push(value);
                }
                self.grant_numbers.insert(parts, number);
                number
            }
        };
        let state = self.subsets.len() as u32;
        let subset = subset.into_boxed_slice();
        self.accepts.push(number);
        self.known.insert(subset.clone(), state);
        self.subsets.push(subset);
        state
    }
}

/// Numbers the bytes so that two have one number when every label holds both or neither.
fn classes(nfa: &Nfa) -> ([u8; 256], usize) {
    debug_assert!(
        nfa.labels[SLASH as usize].contains(b'/'),
        "the slash is a class of its own"
    );
    let mut numbers: HashMap<Vec<u64>, u8> = HashMap::new();
    let mut classes = [0; 256];
    for (byte, class) in classes.iter_mut().enumerate() {
        let mut member = vec![0u64; nfa.labels.len().div_ceil(64)];
        for (label, set) in nfa.labels.iter().enumerate() {
            member[label / 64] |= u64::from(set.contains(byte as u8)) << (label % 64);
        }
        // At most 256 bytes have at most 256 numbers.
        let fresh = numbers.len() as u8;
        *class = *numbers.entry(member).or_insert(fresh);
    }
    (classes, numbers.len())
}

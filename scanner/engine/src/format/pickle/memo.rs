//! The memo: indices are dense in real streams, and anything in others.
//!
//! Beyond [`MOST`] entries only what can matter later is kept: a missing entry of plain data is plain data.

use super::term::Value;
use std::collections::HashMap;

/// Entries kept: 64 MiB.
const MOST: usize = 1 << 22;
/// Entries kept beyond, and entries with an index of their own.
const SPARSE: usize = 1 << 18;
/// The longest text that is kept beyond: longer ones name nothing.
const NAME: u32 = 128;

/// What an entry holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Entry {
    /// This.
    Kept(Value),
    /// Nothing was stored.
    Missing,
}

#[derive(Default)]
pub(super) struct Memo {
    dense: Vec<Value>,
    sparse: HashMap<u64, Value>,
    /// How many were stored, and the highest index among those that were not kept.
    stored: u64,
    left_out: Option<u64>,
}

impl Memo {
    /// How many entries were stored: the index of the next `MEMOIZE`.
    pub(super) fn len(&self) -> u64 {
        self.stored
    }

    /// Stores `value` under `at`.
    pub(super) fn put(&mut self, at: u64, value: Value) {
        let next = u64::try_from(self.dense.len()).unwrap_or(u64::MAX);
        if at == next && self.dense.len() < MOST {
            if self.sparse.remove(&at).is_none() {
                self.stored = self.stored.saturating_add(1);
            }
            self.dense.push(value);
        } else if let Some(slot) = usize::try_from(at).ok().and_then(|at| self.dense.get_mut(at)) {
            *slot = value;
        } else {
            let known = self.sparse.contains_key(&at);
            let matters = self.dense.len() < MOST
                || match value {
                    Value::Text(text) => text.length <= NAME,
                    other => !other.is_data(),
                };
            if known || (matters && self.sparse.len() < SPARSE) {
                self.sparse.insert(at, value);
            } else {
                self.left_out = self.left_out.max(Some(at));
            }
            if !known {
                self.stored = self.stored.saturating_add(1);
            }
        }
    }

    /// What is stored under `at`.
    pub(super) fn get(&self, at: u64) -> Entry {
        let dense = usize::try_from(at).ok().and_then(|at| self.dense.get(at));
        match dense.or_else(|| self.sparse.get(&at)) {
            Some(value) => Entry::Kept(*value),
            // Plain data was left out first; once there is no room for the rest either, anything may stand there.
            None if self.left_out.is_some_and(|most| at <= most) => Entry::Kept(if self.sparse.len() < SPARSE {
                Value::Plain
            } else {
                Value::Other
            }),
            None => Entry::Missing,
        }
    }
}

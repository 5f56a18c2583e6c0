//! Patterns of the user's rules in arbitrary bytes, found in one pass over tiles of any size.
//!
//! [`PatternSet`] is built once: every byte string, and the fixed bytes that each expression's matches hold, go into a few
//! tables that say how far a search may jump (Wu and Manber, "A fast algorithm for multi-pattern searching", 1994).
//! Where a table says stop, the string is compared, or the expression's automaton runs over at most
//! [`LONGEST_MATCH`](probity_signatures::custom::LONGEST_MATCH) bytes. Expressions without fixed bytes run over everything.
//!
//! A result depends on the bytes only, never on where tiles begin. Strings are found wherever they stand; matches of one
//! expression do not overlap, the leftmost counts.

mod sink;
mod skip;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    reason = "inputs of tests are written in the tests"
)]
mod tests;

pub use sink::{PatternHit, PatternScan, PatternSink};

use probity_signatures::custom::{Encoding, Expression, Pattern, Sought};
use skip::Skip;
use std::collections::BTreeMap;
use std::fmt;

/// Fewer strings than this are told apart by two bytes.
const FEW: usize = 300;
/// The longest window that is looked at.
const LONGEST_WINDOW: usize = 16;
/// Windows of a string that are weighed against each other.
const MOST_WINDOWS: usize = 64;

/// What a search looks for, built once for all sources.
pub struct PatternSet {
    groups: Vec<Skip>,
    entries: Vec<Entry>,
    expressions: Vec<(u32, Expression)>,
    /// Expressions without fixed bytes.
    free: Vec<usize>,
    /// How far behind a window the thing it belongs to begins, at most.
    behind: usize,
}

/// Fixed bytes and what they are a part of.
struct Entry {
    bytes: Vec<u8>,
    /// Where in them the window stands that the tables know.
    window: usize,
    nocase: bool,
    whole: Whole,
}

#[derive(Clone, Copy)]
enum Whole {
    /// The bytes are the pattern.
    Pattern(u32, Encoding),
    /// A match of the expression begins `lead` bytes before them.
    Expression { index: usize, lead: usize },
}

impl PatternSet {
    /// A set over `patterns`, which hits name by their place.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p Pattern>) -> Self {
        let (mut entries, mut expressions, mut free) = (Vec::new(), Vec::new(), Vec::new());
        for (pattern, number) in patterns.into_iter().zip(0u32..) {
            match &pattern.sought {
                Sought::Literals(literals) => entries.extend(literals.iter().map(|literal| Entry {
                    bytes: literal.bytes.clone(),
                    window: 0,
                    nocase: literal.nocase,
                    whole: Whole::Pattern(number, literal.encoding),
                })),
                Sought::Expression(expression) => {
                    let index = expressions.len();
                    if expression.anchors().is_empty() {
                        free.push(index);
                    }
                    entries.extend(expression.anchors().iter().map(|anchor| Entry {
                        bytes: anchor.clone(),
                        window: 0,
                        nocase: false,
                        whole: Whole::Expression {
                            index,
                            lead: expression.lead(),
                        },
                    }));
                    expressions.push((number, (**expression).clone()));
                }
            }
        }
        let groups = group(&mut entries);
        let behind = entries.iter().map(Entry::behind).max().unwrap_or(0);
        Self {
            groups,
            entries,
            expressions,
            free,
            behind,
        }
    }
}

impl Entry {
    fn behind(&self) -> usize {
        match self.whole {
            Whole::Pattern(..) => self.window,
            Whole::Expression { lead, .. } => lead.saturating_add(self.window),
        }
    }

    /// Whether the bytes stand where their window was found, and where they begin.
    fn stands(&self, bytes: &[u8], window_at: usize) -> Option<usize> {
        let start = window_at.checked_sub(self.window)?;
        let there = bytes.get(start..start.checked_add(self.bytes.len())?)?;
        let same = if self.nocase {
            there.eq_ignore_ascii_case(&self.bytes)
        } else {
            there == self.bytes
        };
        same.then_some(start)
    }
}

/// Sorts the entries into tables by length, since the shortest of a table says how far it may jump, and chooses each
/// entry's window.
fn group(entries: &mut [Entry]) -> Vec<Skip> {
    let mut by_length: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
    for (index, entry) in entries.iter().enumerate() {
        let class = match entry.bytes.len() {
            0..=3 => 0,
            4..=7 => 1,
            8..=15 => 2,
            _ => 3,
        };
        by_length.entry(class).or_default().push(index);
    }
    let mut groups = Vec::new();
    for members in by_length.into_values() {
        let lengths = members
            .iter()
            .filter_map(|index| entries.get(*index))
            .map(|e| e.bytes.len());
        let window = lengths.min().unwrap_or(0).min(LONGEST_WINDOW);
        if window < 2 {
            continue;
        }
        let wide = window >= 8 || (window >= 4 && members.len() > FEW);
        let mut skip = Skip::new(window, wide);
        for index in members {
            let Some(entry) = entries.get_mut(index) else { continue };
            // The starts of an expression's matches must come in order: its window is the first.
            let last = match entry.whole {
                Whole::Pattern(..) => entry.bytes.len().saturating_sub(window).min(MOST_WINDOWS),
                Whole::Expression { .. } => 0,
            };
            let windows = (0..=last).filter_map(|at| Some((skip.cost(entry.bytes.get(at..)?.get(..window)?), at)));
            entry.window = windows.min().map_or(0, |(_, at)| at);
            let chosen = entry.bytes.get(entry.window..).and_then(|rest| rest.get(..window));
            skip.add(chosen.unwrap_or_default(), index);
        }
        groups.push(skip);
    }
    groups
}

impl fmt::Debug for PatternSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PatternSet")
            .field("groups", &self.groups.len())
            .field("entries", &self.entries.len())
            .field("expressions", &self.expressions.len())
            .finish_non_exhaustive()
    }
}

//! A few byte strings searched together: vector code where the machine has it, the same matches elsewhere.

use aho_corasick::packed::{MatchKind, Searcher};
use aho_corasick::{AhoCorasick, Input};
use std::ops::Range;

/// A search for constant patterns; of two that match at one place the earlier in the list wins.
pub(super) enum Packed {
    Vector(Searcher),
    Automaton(AhoCorasick),
    /// Both builders refused the constant patterns, which the tests of each list rule out.
    None,
}

impl Packed {
    pub(super) fn new<P: AsRef<[u8]>>(patterns: &[P]) -> Self {
        let packed = aho_corasick::packed::Config::new()
            .match_kind(MatchKind::LeftmostFirst)
            .builder()
            .extend(patterns)
            .build();
        match packed {
            Some(searcher) => Self::Vector(searcher),
            None => AhoCorasick::builder()
                .match_kind(aho_corasick::MatchKind::LeftmostFirst)
                .build(patterns)
                .map_or(Self::None, Self::Automaton),
        }
    }

    /// The next match in `bytes` at or behind `from`: which pattern, and where.
    pub(super) fn find(&self, bytes: &[u8], from: usize) -> Option<(usize, Range<usize>)> {
        if from >= bytes.len() {
            return None;
        }
        let hit = match self {
            Self::Vector(searcher) => searcher.find_in(bytes, (from..bytes.len()).into()),
            Self::Automaton(automaton) => automaton.find(Input::new(bytes).range(from..)),
            Self::None => None,
        }?;
        Some((hit.pattern().as_usize(), hit.start()..hit.end()))
    }
}

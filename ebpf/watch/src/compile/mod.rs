//! From the rules of a declared set to the tables of the kernel's programs (see `probity_abi::policy` and
//! `probity_abi::net`).
//!
//! Nothing here loads eBPF, and nothing here knows how a declared set is written. [`files`] makes the automaton and the
//! list of objects at which it is entered; [`crate::pin`] holds those objects.

mod automaton;
mod dfa;
pub mod files;
mod grant;
mod minimise;
mod nfa;
mod pattern;
#[cfg(test)]
mod tests;

pub use automaton::Automaton;
pub use dfa::Limits;
pub use grant::{Decision, decide, unite};

use thiserror::Error;

/// Why rules cannot be compiled.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum CompileError {
    /// A text that is no pattern.
    #[error("`{pattern}`: {what}, at byte {offset}")]
    Pattern {
        /// The pattern.
        pattern: String,
        /// Where in it, in bytes.
        offset: usize,
        /// What is wrong.
        what: &'static str,
    },
    /// Patterns that together need too large an automaton.
    #[error("the patterns need more than {states} states together; these multiply most: {}", .patterns.join(", "))]
    TooLarge {
        /// How many states there were when it was given up.
        states: usize,
        /// The patterns that multiply most, worst first; at most three.
        patterns: Vec<String>,
    },
    /// The same, by number of pattern.
    #[error("the patterns need more than {states} states together")]
    Explosion {
        /// How many states there were when it was given up.
        states: usize,
        /// The patterns by number.
        owners: Vec<u32>,
    },
}

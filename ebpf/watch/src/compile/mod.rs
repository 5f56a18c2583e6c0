//! From the rules of a declared set to the tables of the kernel's programs (see `probity_abi::policy` and
//! `probity_abi::net`).
//!
//! Nothing here loads eBPF, and nothing here knows how a declared set is written. [`files`] makes the automaton and the
//! list of objects at which it is entered; [`crate::pin`] holds those objects.

mod automaton;
mod builder;
mod dfa;
pub mod files;
mod grant;
mod minimise;
pub mod net;
mod nfa;
mod pattern;
mod places;
pub mod sockets;
#[cfg(test)]
mod tests;

pub use automaton::Automaton;
pub(crate) use builder::Denials;
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
    /// A rule that needs more entries than the map `NET_PORTS` may get.
    #[error("rule {rule} and those before it need more than {most} ports by number; use fewer or every port")]
    Ports {
        /// The rule, counted from 1.
        rule: u16,
        /// The most entries.
        most: usize,
    },
    /// A rule's number that the tables cannot hold.
    #[error("rule {rule} is beyond the {most} rules that a table can name")]
    RuleNumber {
        /// The rule, counted from 1.
        rule: u16,
        /// The last.
        most: u16,
    },
    /// A prefix longer than its address.
    #[error("`{address}/{length}` is longer than the address")]
    Prefix {
        /// The address.
        address: std::net::IpAddr,
        /// The length, in bits.
        length: u8,
    },
    /// An abstract socket name of more bytes than a socket address holds.
    #[error("an abstract socket name of {length} bytes; {most} are the most")]
    AbstractName {
        /// Its length.
        length: usize,
        /// The most.
        most: usize,
    },
}

//! What people and scripts read: `--events` ([`EventWriter`]), `--report` ([`Report`]), the closing table ([`table`]).
//!
//! The other parts of the watcher fill [`Facts`] with what they know of the run; the rest comes from the
//! [`Tally`](crate::tally::Tally). Nothing here prints, and no verdict on a single act is made here.

pub mod clock;
mod document;
mod events;
mod facts;
mod journal;
mod merge;
mod object;
mod rules;
pub mod table;
pub mod target;
pub mod text;
pub mod verdict;

pub use clock::Clock;
pub use document::{Entry, Report, RuleUse, SCHEMA, Sums, Tool};
pub use events::{EventWriter, SCHEMA as EVENT_SCHEMA, Written};
pub use facts::{Attached, Blind, Facts, Inherited, Lingering, Observable, ProgramUse, Uncovered};
pub use journal::{Decide, Journal};
pub use object::{Object, Subject};
pub use rules::Rules;
pub use verdict::{Ended, Outcome, Verdict, exit_code};

#[cfg(test)]
mod tests;

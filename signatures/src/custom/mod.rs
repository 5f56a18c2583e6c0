//! Rules of the user: what a directory given with `--rules` says to look for.
//!
//! [`load`] reads the files together; all that is wrong is told at once, with the line and what to write instead. The
//! model holds compiled patterns and matches nothing by itself: the engine's sweep does. The format is `docs/rules.md`.

mod expression;
mod load;
mod model;
mod pattern;
mod rule;
#[cfg(test)]
mod tests;
mod vector;

pub use expression::{Expression, LONGEST_MATCH};
pub use load::{LARGEST, MOST_EXPRESSIONS, MOST_PATTERNS, MOST_RULES, Surroundings, is_built_in, load};
pub use model::{CustomRule, Detect, Encoding, Known, Literal, Pattern, Place, Sought, Vector, VectorContent};

//! The verdict on a run, and the exit code that stands for it.

use serde::Serialize;

/// The watcher failed.
pub const FAILED: u8 = 125;
/// An act that the declared set does not allow.
pub const VIOLATION: u8 = 120;
/// Something was not seen.
pub const INCOMPLETE: u8 = 121;
/// CMD exists and cannot be run.
pub const NOT_EXECUTABLE: u8 = 126;
/// CMD does not exist.
pub const NOT_FOUND: u8 = 127;

/// What a run amounts to.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything was seen, and all of it is declared.
    Clean,
    /// Something was not seen, or could not be told with certainty.
    Incomplete,
    /// Something was done that no rule allows.
    Violation,
}

impl Verdict {
    /// Its word.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Incomplete => "incomplete",
            Self::Violation => "violation",
        }
    }
}

/// How CMD ended.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub enum Ended {
    /// It was not started by the watcher, or it still runs.
    #[default]
    Unknown,
    /// By itself, with this code.
    Exited(u8),
    /// By this signal.
    Signalled(u8),
    /// It could not be run: 126 or 127 ([`NOT_EXECUTABLE`], [`NOT_FOUND`]).
    NotRun(u8),
}

/// What the exit code is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The watcher itself failed: nothing it says of the run counts.
    pub failed: bool,
    /// The verdict.
    pub verdict: Verdict,
    /// How CMD ended.
    pub cmd: Ended,
}

/// The exit code of `watch` and `learn`: 125, 120, 121, else CMD's own, 128 + n for signal n.
#[must_use]
pub fn exit_code(outcome: Outcome) -> u8 {
    match (outcome.failed, outcome.verdict, outcome.cmd) {
        (true, ..) => FAILED,
        (_, Verdict::Violation, _) => VIOLATION,
        (_, Verdict::Incomplete, _) => INCOMPLETE,
        (_, Verdict::Clean, Ended::Exited(code) | Ended::NotRun(code)) => code,
        (_, Verdict::Clean, Ended::Signalled(signal)) => signal.saturating_add(128),
        (_, Verdict::Clean, Ended::Unknown) => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_precedence_of_the_contract() {
        use Ended::{Exited, NotRun, Signalled, Unknown};
        use Verdict::{Clean, Incomplete, Violation};
        for (failed, verdict, cmd, want) in [
            (true, Violation, Exited(0), 125),
            (true, Incomplete, NotRun(127), 125),
            (true, Clean, Exited(3), 125),
            (false, Violation, Exited(3), 120),
            (false, Violation, Signalled(9), 120),
            (false, Incomplete, Exited(0), 121),
            (false, Incomplete, NotRun(126), 121),
            (false, Clean, Exited(0), 0),
            (false, Clean, Exited(120), 120),
            (false, Clean, Signalled(15), 143),
            (false, Clean, NotRun(126), 126),
            (false, Clean, NotRun(127), 127),
            (false, Clean, Unknown, 0),
        ] {
            assert_eq!(
                exit_code(Outcome { failed, verdict, cmd }),
                want,
                "{failed} {verdict:?} {cmd:?}"
            );
        }
    }
}

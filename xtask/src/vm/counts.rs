//! How many tests passed, failed and could not run, from what a command printed and how it ended.

use super::guest::Ran;
use crate::test::SKIP;

/// Tests by how they went; a program that is not a test counts as one.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Counts {
    /// Tests that passed, those that could not run among them.
    pub(super) passed: u64,
    /// Tests that failed; a program that crashed is one at least.
    pub(super) failed: u64,
    /// Tests that said they cannot run there.
    pub(super) skipped: u64,
}

impl Counts {
    /// Adds another sum to this one.
    pub(super) fn add(&mut self, other: &Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
    }

    /// What a command's output and exit code say.
    pub(super) fn of(ran: &Ran) -> Self {
        let results: Vec<(u64, u64)> = ran.output.iter().filter_map(|line| result(line)).collect();
        let good = ran.code == Some(0);
        let mut counts = Self {
            passed: results.iter().map(|(passed, _)| passed).sum(),
            failed: results.iter().map(|(_, failed)| failed).sum(),
            skipped: ran.output.iter().map(|line| u64::from(line.contains(SKIP))).sum(),
        };
        if results.is_empty() && good {
            counts.passed = 1;
        }
        if !good {
            counts.failed = counts.failed.max(1);
        }
        counts
    }
}

/// Passed and failed tests in libtest's closing line: `test result: ok. 3 passed; 0 failed; ...`.
fn result(line: &str) -> Option<(u64, u64)> {
    let (_, rest) = line.strip_prefix("test result: ")?.split_once(". ")?;
    let mut parts = rest.split("; ");
    let passed = parts.next()?.strip_suffix(" passed")?.parse().ok()?;
    let failed = parts.next()?.strip_suffix(" failed")?.parse().ok()?;
    Some((passed, failed))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ran(code: Option<i32>, output: &[&str]) -> Counts {
        Counts::of(&Ran {
            name: String::new(),
            code,
            time: Duration::ZERO,
            output: output.iter().map(|line| (*line).to_owned()).collect(),
        })
    }

    fn counts(passed: u64, failed: u64, skipped: u64) -> Counts {
        Counts {
            passed,
            failed,
            skipped,
        }
    }

    #[test]
    fn a_command_is_counted_by_its_tests_and_its_exit_code() {
        let ok = "test result: ok. 12 passed; 0 failed; 0 ignored";
        let bad = "test result: FAILED. 3 passed; 2 failed; 0 ignored";
        assert_eq!(ran(Some(0), &["probity-skip: no BTF", ok]), counts(12, 0, 1));
        assert_eq!(ran(Some(101), &[bad]), counts(3, 2, 0));
        assert_eq!(ran(Some(0), &["kernel 6.1"]), counts(1, 0, 0));
        assert_eq!(ran(Some(139), &[]), counts(0, 1, 0));
        assert_eq!(ran(Some(1), &[ok]), counts(12, 1, 0));
        assert_eq!(ran(None, &[]), counts(0, 1, 0));
    }
}

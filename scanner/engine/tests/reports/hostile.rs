//! Files that ask for much, through the whole scan: each is done in bounded time, and none is clean in silence.

use crate::common::{check_laws, codes, scan};
use probity_engine::artifact::Verdict;
use probity_tests::samples::HEAVY;
use std::time::{Duration, Instant};

/// Generous: an unoptimised build on a busy machine.
const BOUND: Duration = Duration::from_secs(20);

#[test]
fn files_that_ask_for_much_are_bounded_and_told() {
    let mut wrong = Vec::new();
    for heavy in HEAVY {
        let bytes = (heavy.build)();
        let started = Instant::now();
        let report = scan("sample", &bytes);
        let took = started.elapsed();
        check_laws(&report);
        let mut found = codes(&report);
        found.sort_unstable();
        found.dedup();
        let root = &report.artifacts[0];
        let told = format!(
            "{} ({}, {} bytes, {took:.1?}): {found:?}",
            heavy.name,
            root.format,
            bytes.len()
        );
        if took > BOUND {
            wrong.push(format!("slow: {told}"));
        }
        if !heavy.said.is_empty() && !heavy.said.iter().any(|code| found.contains(code)) {
            wrong.push(format!("none of {:?}: {told}", heavy.said));
        }
        // What is read to its end may be clean, unless something was to be said.
        let silent = report.verdict == Verdict::Clean && (!heavy.said.is_empty() || root.bytes.unclaimed > 0);
        if silent && found.is_empty() {
            wrong.push(format!("clean: {told}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! Commands started contained, from outside: each test runs this binary again as a watcher in miniature
//! (`contain`, see [`contain`]), because signal handlers, the reaping of children and the death of a watcher concern a
//! whole process. So this target has no libtest; what libtest's and nextest's callers rely on is kept: filters,
//! `--exact`, `--list`, and the closing line.

mod contain;
mod descriptors;
mod ends;
mod hosts;
mod lingering;
mod subjects;
mod terminal;
mod users;
mod watcher;

use std::panic::catch_unwind;
use std::process::ExitCode;

/// A test and the name it is listed by.
type Test = (&'static str, fn());

const TESTS: &[(&str, &[Test])] = &[
    ("descriptors", descriptors::TESTS),
    ("ends", ends::TESTS),
    ("hosts", hosts::TESTS),
    ("lingering", lingering::TESTS),
    ("subjects", subjects::TESTS),
    ("terminal", terminal::TESTS),
    ("users", users::TESTS),
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.first().is_some_and(|first| first == "contain") {
        return ExitCode::from(contain::run(&args[1..]));
    }
    let exact = args.iter().any(|a| a == "--exact");
    let filters: Vec<&String> = args.iter().filter(|a| !a.starts_with('-') && *a != "terse").collect();
    let wanted = |name: &str| {
        filters.is_empty()
            || filters
                .iter()
                .any(|f| if exact { name == *f } else { name.contains(f.as_str()) })
    };
    let all = TESTS
        .iter()
        .flat_map(|(module, tests)| tests.iter().map(move |(n, t)| (format!("{module}::{n}"), t)));
    let chosen: Vec<_> = all.filter(|(name, _)| wanted(name)).collect();
    if args.iter().any(|a| a == "--list") {
        // No test is ignored here.
        for (name, _) in chosen.iter().filter(|_| !args.iter().any(|a| a == "--ignored")) {
            println!("{name}: test");
        }
        return ExitCode::SUCCESS;
    }
    let mut failed = 0;
    for (name, test) in &chosen {
        let passed = match watcher::unable() {
            Some(reason) => {
                eprintln!("probity-skip: {reason}");
                true
            }
            None => catch_unwind(test).is_ok(),
        };
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    let verdict = if failed == 0 { "ok" } else { "FAILED" };
    let passed = chosen.len() - failed;
    println!("test result: {verdict}. {passed} passed; {failed} failed; 0 ignored; 0 measured; 0 filtered out");
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(101)
    }
}

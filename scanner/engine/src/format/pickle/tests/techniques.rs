//! The table of techniques, through the whole pipeline, and the table of what must stay quiet.

use crate::pipeline::{Options, Scanner};
use probity_signatures::{Severity, rules};
use probity_tests::build::pickle::{QUIET, TECHNIQUES};

fn scanner() -> Scanner {
    Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap()
}

/// Code, case and severity of every finding.
fn findings(scanner: &Scanner, bytes: Vec<u8>) -> Vec<(&'static str, &'static str, Severity)> {
    let report = scanner.scan_bytes("model.pkl", bytes);
    let all = report.artifacts.iter().flat_map(|a| &a.findings);
    all.map(|f| (f.finding.code, f.finding.case.unwrap_or(""), f.severity))
        .collect()
}

#[test]
fn every_technique_is_said_by_its_name() {
    assert!(TECHNIQUES.len() >= 150);
    let scanner = scanner();
    let missed: Vec<String> = TECHNIQUES
        .iter()
        .filter_map(|technique| {
            let found = findings(&scanner, technique.bytes());
            let said = found.iter().any(|f| (f.0, f.1) == (technique.code, technique.case));
            (!said).then(|| format!("{}: {found:?}", technique.name))
        })
        .collect();
    assert!(missed.is_empty(), "{missed:#?}");
}

#[test]
fn nothing_that_calls_stays_below_medium() {
    let weak: Vec<&str> = TECHNIQUES
        .iter()
        .filter(|t| rules().severity(t.code, Some(t.case)).is_none_or(|s| s < Severity::Medium))
        .map(|t| t.name)
        .collect();
    assert_eq!(weak, ["library class, constructed", "library class, named"]);
}

#[test]
fn what_real_files_hold_is_inventory_at_most() {
    let scanner = scanner();
    let loud: Vec<String> = QUIET
        .iter()
        .filter_map(|quiet| {
            let found = findings(&scanner, quiet.bytes());
            found.iter().any(|f| f.2 > Severity::Info).then(|| format!("{}: {found:?}", quiet.name))
        })
        .collect();
    assert!(loud.is_empty(), "{loud:#?}");
}

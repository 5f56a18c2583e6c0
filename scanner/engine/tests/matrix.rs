//! The detection matrix, proved: every row's fixture gives its finding, every near miss gives nothing of medium or above.

use probity_engine::Severity;
use probity_engine::artifact::Report;
use probity_engine::pipeline::{Options, Scanner};
use probity_tests::matrix::SECTIONS;

/// Code and case of every finding, code of every error.
fn said(report: &Report) -> Vec<(&str, &str)> {
    let all = report.artifacts.iter();
    let findings = all
        .clone()
        .flat_map(|a| &a.findings)
        .map(|f| (f.finding.code, f.finding.case.unwrap_or("")));
    findings
        .chain(all.flat_map(|a| &a.errors).map(|e| (e.code.as_str(), "")))
        .collect()
}

/// Findings of medium or above, and errors.
fn loud(report: &Report) -> Vec<String> {
    let all = report.artifacts.iter();
    let findings = all
        .clone()
        .flat_map(|a| &a.findings)
        .filter(|f| f.severity >= Severity::Medium);
    let findings = findings.map(|f| format!("{} {} {}", f.severity, f.finding.code, f.finding.message));
    findings
        .chain(
            all.flat_map(|a| &a.errors)
                .map(|e| format!("{}: {}", e.code.as_str(), e.message)),
        )
        .collect()
}

#[test]
fn every_fixture_gives_its_finding_and_every_near_miss_stays_quiet() {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .expect("threads can be started");
    let mut wrong = Vec::new();
    for (section, row) in SECTIONS
        .iter()
        .flat_map(|s| s.rows.iter().map(move |row| (s.title, row)))
    {
        let place = format!("{section}: {} in {}", row.class, row.format);
        let report = scanner.scan_bytes("fixture", row.fires.bytes());
        let found = said(&report);
        if !found.contains(&(row.code, row.case)) {
            wrong.push(format!(
                "{place}: {} gives {found:?}, not {} {}",
                row.fires.name(),
                row.code,
                row.case
            ));
        }
        let quiet = loud(&scanner.scan_bytes("fixture", row.quiet.bytes()));
        if !quiet.is_empty() {
            wrong.push(format!("{place}: near miss {}: {quiet:?}", row.quiet.name()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

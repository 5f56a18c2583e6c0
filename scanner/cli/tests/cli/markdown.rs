//! `--format markdown` over every fixture: a table stays a table, and no text of an artifact is markup.

use crate::common::{bytes_of, put, run_in, scan, temp};
use crate::json::fixtures;
use probity_tests::build::tar::{Entry, Tar};
use std::os::unix::fs::symlink;
use std::path::Path;

fn markdown(dir: &Path, args: &[&str]) -> (i32, String) {
    let run = run_in(dir, &[&["scan", "--format", "markdown"], args].concat());
    (run.code, run.stdout)
}

/// The cells of a row; pipes inside a cell would be cells.
fn cells(line: &str) -> usize {
    line.matches('|').count().saturating_sub(1)
}

/// A line without its code spans.
fn outside(line: &str) -> String {
    assert_eq!(line.matches('`').count() % 2, 0, "an open code span: {line}");
    line.split('`').step_by(2).collect()
}

/// Checks each line; returns the rows under a heading.
fn check<'a>(page: &'a str, heading: &str) -> Vec<&'a str> {
    let mut columns = None;
    for line in page.lines() {
        assert!(!line.chars().any(char::is_control), "{line:?}");
        let bare = outside(line);
        let prose = line.starts_with("- **");
        assert!(prose || !bare.contains(['<', '>', '[', ']', '@', '&']), "{bare}");
        assert!(!bare.contains("://"), "{bare}");
        if line.starts_with('|') {
            assert_eq!(*columns.get_or_insert(cells(line)), cells(line), "{line}");
        } else {
            columns = None;
        }
    }
    let under = page.lines().skip_while(|l| *l != heading).skip(1);
    let table = under
        .skip_while(|l| !l.starts_with('|'))
        .take_while(|l| l.starts_with('|'));
    table.skip(2).collect()
}

#[test]
fn the_worst_hundred_come_first_and_the_rest_is_counted() {
    let dir = temp();
    fixtures(dir.path());
    symlink("nowhere", dir.path().join("dangling")).unwrap();
    for depth in ["quick", "standard"] {
        let (code, page) = markdown(dir.path(), &["--depth", depth, "."]);
        let report = scan(dir.path(), &["--depth", depth, "."]);
        assert_eq!(code, report.code);
        let report = report.json();
        assert!(page.starts_with("## Probity: findings, and incomplete\n"), "{page}");
        let counts = &report["summary"]["findings"];
        let rows = check(&page, "### Findings");
        let all: u64 = counts.as_object().unwrap().values().map(|n| n.as_u64().unwrap()).sum();
        assert_eq!(rows.len(), 100);
        assert!(page.contains(&format!("\nand {} more\n", all - 100)), "{all}");
        let critical = counts["critical"].as_u64().unwrap();
        let first = rows.iter().take_while(|r| r.starts_with("| **critical** |")).count();
        assert_eq!(first as u64, critical.min(100), "worst first");
        for (severity, n) in counts.as_object().unwrap() {
            assert!(page.contains(&format!("| {severity} | {n} |\n")), "{severity}");
        }
        assert!(!check(&page, "### Not examined").is_empty());
        assert_eq!(page.contains("Structure only"), depth == "quick");
    }
}

#[test]
fn a_clean_scan_is_a_verdict_and_totals() {
    let dir = temp();
    put(dir.path(), "none", &bytes_of(None));
    let (code, page) = markdown(dir.path(), &["none"]);
    assert_eq!(code, 0);
    assert!(page.starts_with("## Probity: clean\n\nFails on: medium.\n"), "{page}");
    assert!(!page.contains("###") && page.contains("| files | 1 |"), "{page}");
    check(&page, "");
}

#[test]
fn names_and_messages_stay_in_their_code_spans() {
    let dir = temp();
    let name = "a|b`c`` <img src=x onerror=y>&amp;[x](y)\n# @me \\|";
    put(dir.path(), name, &bytes_of(Some("high")));
    let member = Entry::file("../`|[go](http://x.example)<b>\n", b"text");
    put(dir.path(), "evil.tar", &Tar::of(vec![member]).build());
    let (_, page) = markdown(dir.path(), &["."]);
    let rows = check(&page, "### Findings");
    let shown = "`./a%7Cb%60c%60%60 <img src=x onerror=y>&amp;[x](y)%0A# @me \\%7C` at ";
    assert!(rows.iter().any(|row| row.contains(shown)), "{page}");
    assert!(rows.iter().any(|row| row.contains("`./evil.tar")), "{page}");
}

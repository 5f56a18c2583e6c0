//! Names that some file systems take for one.

use crate::common::{check, found, scan};
use probity_tests::build::files::Files;

#[test]
fn names_that_differ_only_in_writing_are_told() {
    check(
        &Files::of(&[("a/File.py", b"1"), ("a/file.py", b"2")]),
        &["low duplicate-entry case-insensitive"],
    );
    check(
        &Files::of(&[("a/File.py", b"1"), ("a/file.py", b"1")]),
        &["low duplicate-entry identical"],
    );
    check(&Files::of(&[("a/File.py", b"1"), ("b/file.py", b"2")]), &[]);
    check(
        &Files::of(&[("A/x", b"1"), ("a/X", b"2")]),
        &["low duplicate-entry case-insensitive"],
    );
    let (one, apart) = ("caf\u{e9}", "cafe\u{301}");
    check(
        &Files::of(&[(one, b"1"), (apart, b"2")]),
        &["low duplicate-entry normal-form"],
    );
}

#[test]
fn a_flood_of_names_is_bounded() {
    let names: Vec<String> = (0..2000)
        .map(|n| format!("{}{n}", if n % 2 == 0 { "a" } else { "A" }))
        .collect();
    let all: Vec<(String, Vec<u8>)> = names
        .iter()
        .flat_map(|n| [(n.to_lowercase(), vec![0]), (n.to_uppercase(), vec![1])])
        .collect();
    let report = scan("a.tar", Files(all).tar());
    assert_eq!(found(&report).len(), 1, "{:?}", found(&report));
    assert!(report.artifacts[0].findings.len() <= 65);
}

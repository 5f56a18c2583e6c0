//! conda packages, and what a directory is in a report.

use crate::common::{check, found, scan_directory, scan_files};
use probity_engine::artifact::Kind;
use probity_tests::build::files::{Files, model};
use std::os::unix::fs::symlink;

#[test]
fn link_scripts_of_conda_are_named() {
    check(
        &Files::of(&[("bin/.fixture-post-link.sh", b"true\n")]),
        &["info install-script conda"],
    );
    check(
        &Files::of(&[("Scripts/.fixture-pre-unlink.bat", b"rem\n")]),
        &["info install-script conda"],
    );
    check(&Files::of(&[("bin/fixture-post-link.sh", b"true\n")]), &[]);
    let link = br#"{"noarch": {"type": "python", "entry_points": ["fixture = fixture:main"]}}"#;
    check(
        &Files::of(&[("info/index.json", b"{}"), ("info/link.json", link)]),
        &["info package-inventory entry-points"],
    );
}

#[test]
fn a_directory_has_its_own_row_and_counts_nothing_twice() {
    let report = scan_files(&model());
    let directory = &report.artifacts[0];
    assert_eq!((directory.kind, directory.format), (Kind::Directory, "directory"));
    let bytes: u64 = model().0.iter().map(|(_, data)| data.len() as u64).sum();
    assert_eq!((report.bytes, directory.size), (bytes, bytes));
    assert!(directory.findings.is_empty() && report.complete);
}

#[test]
fn links_that_lead_to_each_other_end() {
    let folder = tempfile::tempdir().unwrap();
    model().write(folder.path()).unwrap();
    symlink("b", folder.path().join("a")).unwrap();
    symlink("a", folder.path().join("b")).unwrap();
    symlink(".", folder.path().join("loop")).unwrap();
    let report = scan_directory(folder.path());
    assert!(found(&report).is_empty());
    assert!(!report.complete, "what could not be followed is said");
}

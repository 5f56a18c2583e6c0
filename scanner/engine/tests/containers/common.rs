//! Scans a list of files in every form, and says which findings the containers gave.

use probity_engine::artifact::{Artifact, Report};
use probity_engine::pipeline::{Options, Scanner, Silent};
use probity_tests::build::files::Files;
use std::collections::BTreeSet;
use std::path::Path;
use std::sync::LazyLock;

/// The codes that inspections of containers give.
const CODES: &[&str] = &[
    "duplicate-entry",
    "hidden-text",
    "image-inventory",
    "image-mismatch",
    "import-code",
    "install-script",
    "package-inventory",
    "package-manifest",
    "path-traversal",
    "record-mismatch",
    "remote-code",
    "shard-index",
    "signature-invalid",
    "signed-file-changed",
    "startup-code",
    "symlink-escape",
    "template-drift",
];

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let options = Options {
        jobs: 2,
        ..Options::default()
    };
    Scanner::new(options).expect("threads can be started")
});

/// Scans bytes as a file called `name`.
pub(crate) fn scan(name: &str, bytes: Vec<u8>) -> Report {
    SCANNER.scan_bytes(name, bytes)
}

/// Scans a directory.
pub(crate) fn scan_directory(path: &Path) -> Report {
    let root = SCANNER.resolve(path).expect("the directory is there");
    SCANNER.scan(&[root], None, &Silent)
}

/// Writes files and scans the directory that holds them.
pub(crate) fn scan_files(files: &Files) -> Report {
    let folder = tempfile::tempdir().expect("a directory can be made");
    files.write(folder.path()).expect("files can be written");
    scan_directory(folder.path())
}

/// The findings of containers, as `severity code case`, each once.
pub(crate) fn found(report: &Report) -> BTreeSet<String> {
    let findings = report.artifacts.iter().flat_map(|a| &a.findings);
    findings
        .filter(|f| CODES.contains(&f.finding.code))
        .map(|f| {
            let case = f.finding.case.unwrap_or("-");
            format!("{} {} {case}", f.severity, f.finding.code)
        })
        .collect()
}

/// What a container could not do.
pub(crate) fn errors(report: &Report) -> Vec<String> {
    let errors = report.artifacts.iter().flat_map(|a| &a.errors);
    errors.map(|e| format!("{}: {}", e.code.as_str(), e.message)).collect()
}

/// The artifact that says a code.
pub(crate) fn holder<'r>(report: &'r Report, code: &str) -> &'r Artifact {
    let says = |a: &&Artifact| a.findings.iter().any(|f| f.finding.code == code);
    report.artifacts.iter().find(says).expect("somebody says it")
}

/// The files give the same findings as a directory, a ZIP, a tarball, and a tarball inside a ZIP: those in `expected`,
/// written `severity code case`, and no others.
#[track_caller]
pub(crate) fn check(files: &Files, expected: &[&str]) {
    let expected: BTreeSet<String> = expected.iter().map(|e| (*e).to_owned()).collect();
    let nested = Files::of(&[("inner.tar.gz", &files.tgz())]);
    for (form, report) in [
        ("directory", scan_files(files)),
        ("zip", scan("fixture.zip", files.zip())),
        ("tarball", scan("fixture.tgz", files.tgz())),
        ("nested", scan("outer.zip", nested.zip())),
    ] {
        assert_eq!(found(&report), expected, "{form}");
        assert_eq!(errors(&report), [""; 0], "{form}");
    }
}

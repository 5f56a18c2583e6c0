//! Two directories with files, compared.

use probity_engine::diff::{Comparison, compare};
use probity_engine::pipeline::{Options, Silent};
use std::fs;

/// Compares two single files.
pub(crate) fn files(old: &[u8], new: &[u8]) -> Comparison {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("old"), dir.path().join("new"));
    fs::write(&a, old).unwrap();
    fs::write(&b, new).unwrap();
    compare(options(), &a, &b, &Silent).unwrap()
}

/// Compares two directories of files.
pub(crate) fn trees(old: &[(&str, Vec<u8>)], new: &[(&str, Vec<u8>)]) -> Comparison {
    let dir = tempfile::tempdir().unwrap();
    let (a, b) = (dir.path().join("old"), dir.path().join("new"));
    for (root, files) in [(&a, old), (&b, new)] {
        fs::create_dir(root).unwrap();
        for (name, bytes) in files {
            let path = root.join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, bytes).unwrap();
        }
    }
    compare(options(), &a, &b, &Silent).unwrap()
}

fn options() -> Options {
    Options {
        jobs: 2,
        ..Options::default()
    }
}

/// Code and case of every change above info, worst first.
pub(crate) fn told(diff: &Comparison) -> Vec<String> {
    let loud = diff
        .changes
        .iter()
        .filter(|c| c.judged.severity > probity_engine::Severity::Info);
    loud.map(name).collect()
}

/// Code and case of every change.
pub(crate) fn all(diff: &Comparison) -> Vec<String> {
    diff.changes.iter().map(name).collect()
}

fn name(change: &probity_engine::diff::Change) -> String {
    let f = &change.judged.finding;
    format!("{} {}", f.code, f.case.unwrap_or(""))
}

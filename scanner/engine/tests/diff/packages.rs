//! What became of a package or binary.

use crate::common::{all, files, told, trees};
use probity_engine::artifact::Verdict;
use probity_tests::build::tar::{Entry, Tar};
use probity_tests::build::{elf, gzip, zip};

fn package(entries: &[(&str, &str)]) -> Vec<u8> {
    let entries = entries
        .iter()
        .map(|(name, text)| Entry::file(&format!("package/{name}"), text.as_bytes()));
    gzip::gzip(&Tar::of(entries.collect()).build())
}

const MANIFEST: &str = r#"{"name":"agent","version":"1.0.0","bin":{"agent":"cli.js"},"dependencies":{"left":"1"}}"#;

#[test]
fn identical_copies_give_nothing() {
    let archive = package(&[("package.json", MANIFEST), ("cli.js", "console.log(1)\n")]);
    for (old, new) in [
        (archive.clone(), archive),
        (elf::small(), elf::small()),
        (vec![], vec![]),
    ] {
        let diff = files(&old, &new);
        assert!(diff.identical && diff.changes.is_empty() && diff.complete);
        assert_eq!(diff.verdict, Verdict::Clean);
    }
    let tree = [("a/x.txt", b"text".to_vec()), ("b.bin", elf::small())];
    let diff = trees(&tree, &tree);
    assert!(diff.identical && diff.changes.is_empty());
    // What is wrong with both is no change.
    let bad = b"cos\nsystem\n(S'true'\ntR.".to_vec();
    assert!(files(&bad, &bad).changes.is_empty());
}

#[test]
fn install_scripts_hosts_and_dependencies_of_a_new_version_are_told() {
    let old = package(&[
        ("package.json", MANIFEST),
        ("cli.js", "fetch('https://api.example.com/v1')\n"),
    ]);
    let manifest = r#"{"name":"agent","version":"1.0.1","bin":{"agent":"cli.js"},"scripts":{"postinstall":"node setup.js"},"dependencies":{"left":"1","right":"^2"}}"#;
    let new = package(&[
        ("package.json", manifest),
        (
            "cli.js",
            "fetch('https://api.example.com/v1');fetch('https://collector.example.net/x')\n",
        ),
        ("setup.js", "console.log('set up')\n"),
    ]);
    let diff = files(&old, &new);
    assert_eq!(diff.verdict, Verdict::Findings);
    assert_eq!(
        told(&diff),
        ["diff-script added", "diff-host added", "diff-script dependency"]
    );
    let everything = all(&diff);
    for expected in ["diff-content version", "diff-content added", "diff-content changed"] {
        assert!(everything.contains(&expected.to_owned()), "{expected}: {everything:?}");
    }
    let back = files(&new, &old);
    assert!(told(&back).is_empty(), "{:?}", told(&back));
    assert_eq!(back.verdict, Verdict::Clean);
    assert!(all(&back).contains(&"diff-script removed".to_owned()));
}

#[test]
fn chunks_whose_names_rotate_are_matched_by_content_and_by_shape() {
    let old = trees_of(&[
        ("chunk-7A3F9B21.js", "export const a = 1\n"),
        ("chunk-0C5D11AE.js", "export const b = 2\n"),
    ]);
    let new = trees_of(&[
        ("chunk-1B2C3D4E.js", "export const a = 1\n"),
        ("chunk-9F8E7D6C.js", "export const b = 3\n"),
    ]);
    let diff = trees(&old, &new);
    let kinds = all(&diff);
    assert_eq!(kinds, ["diff-content changed"], "one chunk changed, one is the same");
    let moved = trees(&trees_of(&[("a.js", "let a\n")]), &trees_of(&[("lib/b.js", "let a\n")]));
    assert_eq!(all(&moved), ["diff-content moved"]);
}

fn trees_of<'a>(files: &[(&'a str, &str)]) -> Vec<(&'a str, Vec<u8>)> {
    files
        .iter()
        .map(|(name, text)| (*name, text.as_bytes().to_vec()))
        .collect()
}

#[test]
fn a_program_that_is_new_and_a_file_that_is_another_format_are_told() {
    let old = trees_of(&[("readme.txt", "text\n"), ("data.bin", "text\n")]);
    let mut new = trees_of(&[("readme.txt", "text\n")]);
    new.push(("data.bin", elf::small()));
    new.push(("lib/helper.node", elf::small()));
    let diff = trees(&old, &new);
    assert!(
        told(&diff).contains(&"diff-content executable".to_owned()),
        "{:?}",
        all(&diff)
    );
    assert!(
        told(&diff).contains(&"diff-content format".to_owned()),
        "{:?}",
        all(&diff)
    );
}

#[test]
fn a_pickle_that_begins_to_call_is_told_with_its_finding() {
    let old = zip::torch_benign().bytes;
    let new = zip::torch_like(b"cos\nsystem\n(S'true'\ntR.").bytes;
    let diff = files(&old, &new);
    let first = told(&diff);
    assert_eq!(
        first.first().map(String::as_str),
        Some("unsafe-callable called"),
        "{first:?}"
    );
    assert!(first.contains(&"diff-callable added".to_owned()), "{first:?}");
    assert!(
        told(&files(&new, &old)).is_empty(),
        "what is gone is no alarm: {:?}",
        told(&files(&new, &old))
    );
}

#[test]
fn the_names_of_the_arguments_do_not_count() {
    let archive = package(&[("package.json", MANIFEST)]);
    let diff = trees(&[("agent-1.0.0.tgz", archive.clone())], &[("agent-1.0.1.tgz", archive)]);
    assert!(told(&diff).is_empty() && diff.verdict == Verdict::Clean);
}

//! Each folder of plain-table members agrees with its table: nothing written is left out.

use std::fs;
use std::path::{Path, PathBuf};

/// Every Rust source below `folder`.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("the folder can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|e| e == "rs") {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// The types for which `folder` implements `trait_name` and that the table in its `mod.rs` does not name.
fn left_out(folder: &str, trait_name: &str, table: &str) -> (usize, Vec<String>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src").join(folder);
    let module = fs::read_to_string(folder.join("mod.rs")).expect("the folder has a mod.rs");
    let rows = module.split_once(table).expect("the table is there").1;
    let rows = rows.split_once("];").expect("the table ends").0;
    let (mut found, mut missing) = (0, Vec::new());
    for source in sources(&folder) {
        let text = fs::read_to_string(&source).expect("a source is text");
        let marker = format!("impl {trait_name} for ");
        for name in text
            .split(&marker)
            .skip(1)
            .filter_map(|rest| rest.split([' ', '<', '{']).next())
        {
            found += 1;
            if !rows.contains(&format!("::{name},")) {
                missing.push(format!("{name} ({})", source.display()));
            }
        }
    }
    (found, missing)
}

#[test]
fn every_format_is_in_the_table() {
    let (found, missing) = left_out("format", "Format", "static FORMATS");
    // A type may stand for several formats; each of its values has a row.
    let several = ["Opaque ", "Weights "];
    let stands = |name: &&String| several.iter().any(|kind| name.starts_with(kind));
    let missing: Vec<_> = missing.iter().filter(|name| !stands(name)).collect();
    assert!(missing.is_empty(), "not in FORMATS: {missing:?}");
    let opaque = include_str!("../src/format/opaque.rs");
    let weights = include_str!("../src/format/weights/mod.rs");
    let values = opaque.matches("pub(super) static ").count() + weights.matches("pub(super) static ").count();
    assert_eq!(found - several.len() + values, probity_engine::formats().len());
}

#[test]
fn every_inspector_is_in_the_table() {
    let (found, missing) = left_out("inspect", "Inspector", "static INSPECTORS");
    assert!(missing.is_empty(), "not in INSPECTORS: {missing:?}");
    let table = include_str!("../src/inspect/mod.rs")
        .split_once("static INSPECTORS")
        .unwrap()
        .1;
    let table = table.split_once("];").unwrap().0;
    let rows = table.lines().filter(|line| line.trim_start().starts_with('&')).count();
    assert_eq!(found, rows);
}

#[test]
fn every_code_has_a_rule_and_every_rule_a_code() {
    let rules: Vec<&str> = probity_signatures::rules().iter().map(|r| r.code.as_str()).collect();
    let mut codes = probity_engine::finding::code::ALL.to_vec();
    codes.sort_unstable();
    assert_eq!(rules, codes);
}

#[test]
fn every_format_has_an_id_of_its_own_and_a_fuzz_target() {
    let mut ids: Vec<&str> = probity_engine::formats().collect();
    ids.sort_unstable();
    let before = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), before);
    let targets = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fuzz/fuzz_targets");
    let texts: String = sources(&targets)
        .iter()
        .filter_map(|p| fs::read_to_string(p).ok())
        .collect();
    // gzip's content is only known by decoding, and data has no structure: the whole pipeline is their target.
    let without: Vec<&str> = ids
        .into_iter()
        .filter(|id| !matches!(*id, "gzip" | "data") && !texts.contains(&format!("\"{id}\"")))
        .collect();
    assert!(without.is_empty(), "no fuzz target calls {without:?}");
}

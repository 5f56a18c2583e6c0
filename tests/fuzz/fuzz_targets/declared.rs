//! Declared sets: any text loads or is refused with places inside it, and what loads decides by its own laws.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probity_signatures::declared::{Access, Decision, Pattern, diff, load};
use std::collections::BTreeMap;

fuzz_target!(|input: (String, Vec<u8>)| {
    let (text, path) = input;
    let environment = |name: &str| (name == "HOME").then(|| "/home/u".to_owned());
    match load("fuzz.toml", &text, &environment, &BTreeMap::new()) {
        Ok(set) => {
            assert!(diff(&set, &set).is_empty());
            for access in Access::FILE.singles() {
                let decision = set.decide_file(&path, access);
                let allows = set.files.iter().any(|rule| {
                    rule.allow.contains(access) && rule.paths.iter().any(|p| p.grants(&path).contains(access))
                });
                let denies = set.files.iter().any(|rule| {
                    rule.deny.contains(access) && rule.paths.iter().any(|p| p.grants(&path).contains(access))
                });
                match decision {
                    Decision::Denied(_) => assert!(denies),
                    Decision::Declared(_) => assert!(allows && !denies),
                    Decision::Undeclared { missing } => assert!(!allows && !denies && missing == access),
                }
            }
            for pattern in set.files.iter().flat_map(|rule| &rule.paths) {
                again(pattern, &path);
            }
        }
        Err(diagnostics) => {
            assert!(!diagnostics.0.is_empty());
            for found in &diagnostics.0 {
                assert!(found.line >= 1 && found.column >= 1);
                assert!(!found.title.is_empty() && !found.help.is_empty());
            }
        }
    }
    for pattern in Pattern::parse(&text).into_iter().flatten() {
        again(&pattern, &path);
    }
});

/// A pattern reads back from its own text, and a literal matches itself.
fn again(pattern: &Pattern, path: &[u8]) {
    let read = Pattern::parse(pattern.as_str()).expect("its own text is a pattern");
    assert_eq!(read.len(), 1);
    assert_eq!(read[0].components(), pattern.components());
    assert_eq!(read[0].matches(path), pattern.matches(path));
    if let Some(literal) = pattern.literal() {
        assert!(pattern.matches(&literal));
    }
}

//! The tamper matrix of Mach-O images on published ones, where `cargo xtask corpus` has fetched them: each way of changing
//! one is named, and the image as it was is quiet.

use crate::common::{answers, said, scan};
use probity_engine::Severity;
use probity_engine::verify::{Answer, ChainAnswer};
use probity_tests::build::signed::tamper_code::TAMPERS;
use std::path::{Path, PathBuf};

/// The largest image that every tamper is tried on, in bytes.
const LARGEST: u64 = 600_000;

/// Images below the corpus, by path.
fn images() -> Vec<PathBuf> {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/corpus/unpacked/codex-darwin-arm64");
    let (mut open, mut images) = (vec![corpus], Vec::new());
    while let Some(directory) = open.pop() {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            let small = entry.metadata().is_ok_and(|m| m.len() < LARGEST);
            if path.is_dir() {
                open.push(path);
            } else if small && path.extension().is_some_and(|e| e == "dylib") {
                images.push(path);
            }
        }
    }
    images.sort();
    images
}

#[test]
fn every_tamper_of_a_published_image_is_named() {
    let images = images();
    if images.is_empty() {
        eprintln!("probity-skip: no published images; cargo xtask corpus fetches them");
    }
    let mut wrong = Vec::new();
    for path in images.iter().take(8) {
        let name = path.display();
        let image = std::fs::read(path).unwrap();
        let before = scan(image.clone(), false);
        let (intact, chain, _) = answers(&before, 0);
        let quiet = before.findings.iter().all(|f| f.severity < Severity::Low);
        if (intact, chain, before.bytes.uncovered) != (Answer::Yes, ChainAnswer::Anchored, Some(0)) || !quiet {
            wrong.push(format!("{name}: as it was: {:?}", said(&before)));
        }
        assert!(before.signatures[0].meets("apple:2DC432GLL2"), "{name}");
        for tamper in TAMPERS {
            let Some(changed) = (tamper.apply)(&image) else {
                continue;
            };
            let found = scan(changed, false);
            let (code, case) = tamper.told;
            let mut findings = found.findings.iter().map(|f| &f.finding);
            let told = findings.any(|f| f.code == code && f.case.unwrap_or("") == case);
            if !told || (found.signatures[0].intact == Answer::Yes) != tamper.intact {
                wrong.push(format!("{name}: {}: {:?}", tamper.name, said(&found)));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

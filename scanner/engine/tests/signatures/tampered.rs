//! The tamper matrix: each way of changing a signed image is named, and the image as it was is quiet.

use crate::common::{said, scan};
use probity_engine::Severity;
use probity_engine::artifact::Artifact;
use probity_engine::verify::Answer;
use probity_tests::build::pe::Pe;
use probity_tests::build::tamper::TAMPERS;
use std::path::Path;

fn loud(artifact: &Artifact) -> Vec<String> {
    let loud = artifact.findings.iter().filter(|f| f.severity >= Severity::Low);
    loud.map(|f| format!("{} {}", f.severity, f.finding.code)).collect()
}

/// Every tamper on `image` is told by the finding that names it, or by the one that a published file gives.
fn check(name: &str, image: &[u8], trusted: bool) -> Vec<String> {
    let before = scan(image.to_vec(), trusted);
    let mut wrong = Vec::new();
    if before.signatures.iter().any(|s| s.intact != Answer::Yes) || !loud(&before).is_empty() {
        wrong.push(format!("{name}: as it was: {:?}", said(&before)));
    }
    for tamper in TAMPERS {
        let Some(changed) = (tamper.apply)(image) else { continue };
        let found = scan(changed, trusted);
        let (code, case) = tamper.told;
        let told = found
            .findings
            .iter()
            .any(|f| f.finding.code == code && (f.finding.case.unwrap_or("") == case));
        // What the last bytes of a message are differs from signer to signer: that it is told at all is what counts.
        let told = told || (code == "signature-time" && loud(&found).iter().any(|f| f.contains("signature-")));
        let intact = found.signatures.first().is_some_and(|s| s.intact == Answer::Yes);
        if !told || (intact != tamper.intact && code != "signature-time") {
            wrong.push(format!("{name}: {}: {:?}, intact {intact}", tamper.name, said(&found)));
        }
    }
    wrong
}

#[test]
fn every_tamper_of_a_built_image_is_named() {
    for plus in [true, false] {
        let wrong = check("built", &Pe::signed(plus).build(), true);
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    }
}

#[test]
fn what_hides_in_the_certificate_table_is_high_and_names_its_host() {
    let stuffed = TAMPERS.iter().find(|t| t.name.contains("CVE-2013-3900")).unwrap();
    let found = scan((stuffed.apply)(&Pe::signed(true).build()).unwrap(), true);
    let judged = found
        .findings
        .iter()
        .find(|f| f.finding.code == "uncovered-bytes")
        .unwrap();
    assert_eq!(judged.severity, Severity::High);
    assert!(
        judged.finding.message.contains("stage-two.example.com"),
        "{}",
        judged.finding.message
    );
    assert!(judged.finding.span.len() >= 512);
}

#[test]
fn a_signature_of_another_image_is_not_one_of_this() {
    let other = Pe {
        data: b"another".to_vec(),
        ..Pe::signed(true)
    }
    .build();
    let (at, _) = probity_tests::build::pe::security_directory(&other);
    let transplanted = Pe {
        signing: None,
        certificate: Some(other[at as usize + 8..].to_vec()),
        ..Pe::signed(true)
    };
    let found = scan(transplanted.build(), true);
    assert_eq!(found.signatures[0].intact, Answer::No);
    assert!(
        said(&found).contains(&"signature-invalid digest".to_owned()),
        "{:?}",
        said(&found)
    );
}

/// Published images, where `cargo xtask corpus` has fetched them.
#[test]
fn every_tamper_of_a_published_image_is_named() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/corpus/unpacked/codex-win32-x64");
    let mut open = vec![corpus];
    let mut images = Vec::new();
    while let Some(directory) = open.pop() {
        let Ok(entries) = std::fs::read_dir(directory) else {
            continue;
        };
        for entry in entries.flatten() {
            let path = entry.path();
            let small = entry.metadata().is_ok_and(|m| m.len() < 600_000);
            if path.is_dir() {
                open.push(path);
            } else if small && path.extension().is_some_and(|e| e == "dll" || e == "exe") {
                images.push(path);
            }
        }
    }
    images.sort();
    if images.is_empty() {
        eprintln!("probity-skip: no published images; cargo xtask corpus fetches them");
    }
    let mut wrong = Vec::new();
    for path in images.iter().take(8) {
        wrong.append(&mut check(
            &path.display().to_string(),
            &std::fs::read(path).unwrap(),
            false,
        ));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

//! What a signed image holds inherits its coverage: as a slice byte for byte, decoded as a whole or not at all.

use probity_engine::artifact::Artifact;
use probity_engine::pipeline::{Options, Scanner};
use probity_tests::build::gzip::gzip;
use probity_tests::build::pe::Pe;
use probity_tests::build::tamper::TAMPERS;
use probity_tests::build::tar::{Entry, Tar};

fn scan(bytes: Vec<u8>) -> Vec<Artifact> {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let artifacts = Scanner::new(options).unwrap().scan_bytes("image.exe", bytes).artifacts;
    for artifact in &artifacts {
        let bytes = artifact.bytes;
        if let (Some(covered), Some(excluded), Some(uncovered)) = (bytes.covered, bytes.excluded, bytes.uncovered) {
            assert_eq!(covered + excluded + uncovered, artifact.size, "the law of coverage");
        }
    }
    artifacts
}

/// Covered, excluded and uncovered bytes of the artifact whose nested path ends so.
fn coverage(artifacts: &[Artifact], end: &str) -> (u64, Option<u64>, Option<u64>, Option<u64>) {
    let named = |a: &&Artifact| a.nested.as_deref().is_some_and(|name| name.ends_with(end));
    let found = artifacts.iter().find(named).unwrap_or_else(|| {
        let all: Vec<_> = artifacts.iter().map(|a| (&a.nested, a.format)).collect();
        panic!("{end}: {all:?}")
    });
    (
        found.size,
        found.bytes.covered,
        found.bytes.excluded,
        found.bytes.uncovered,
    )
}

fn with_overlay(overlay: Vec<u8>) -> Vec<u8> {
    Pe {
        overlay,
        ..Pe::signed(true)
    }
    .build()
}

/// A compressed archive of one program.
fn packed(program: &[u8]) -> Vec<u8> {
    gzip(&Tar::of(vec![Entry::file("bin/tool.exe", program)]).build())
}

#[test]
fn a_slice_inherits_byte_for_byte() {
    let inner = Pe::new(false).build();
    let all = scan(with_overlay(inner));
    let nested = all.iter().find(|a| a.nested.is_some()).unwrap();
    assert_eq!((nested.format, nested.signatures.len()), ("pe", 0));
    assert_eq!(
        (nested.bytes.covered, nested.bytes.uncovered),
        (Some(nested.size), Some(0))
    );
}

#[test]
fn what_is_decoded_from_covered_bytes_is_covered_with_all_that_it_holds() {
    let all = scan(with_overlay(packed(&Pe::new(true).build())));
    for end in ["!content", "!bin/tool.exe"] {
        let (size, covered, excluded, uncovered) = coverage(&all, end);
        assert_eq!((covered, excluded, uncovered), (Some(size), Some(0), Some(0)), "{end}");
    }
}

#[test]
fn what_is_decoded_from_bytes_that_nobody_signed_is_uncovered() {
    let mut image = Pe::signed(true).build();
    image.extend(packed(&Pe::new(true).build()));
    let all = scan(image);
    for end in ["!content", "!bin/tool.exe"] {
        let (size, covered, excluded, uncovered) = coverage(&all, end);
        assert_eq!((covered, excluded, uncovered), (Some(0), Some(0), Some(size)), "{end}");
    }
    // A signature of its own is over what it is over, wherever it lies.
    let signed = Pe::signed(true).build();
    let own = scan(signed.clone()).remove(0).bytes;
    let mut image = Pe::signed(true).build();
    image.extend(packed(&signed));
    let found = coverage(&scan(image), "!bin/tool.exe");
    assert_eq!(found, (signed.len() as u64, own.covered, own.excluded, own.uncovered));
}

#[test]
fn a_signature_that_does_not_hold_covers_nothing_that_is_decoded() {
    let image = with_overlay(packed(&Pe::new(true).build()));
    let changed = TAMPERS.iter().find(|t| t.name == "a byte of code changed").unwrap();
    let (size, covered, _, uncovered) = coverage(&scan((changed.apply)(&image).unwrap()), "!bin/tool.exe");
    assert_eq!((covered, uncovered), (Some(0), Some(size)));
}

#[test]
fn where_nothing_is_signed_nothing_is_said_of_what_is_decoded() {
    let (_, covered, excluded, uncovered) = coverage(&scan(packed(&Pe::new(true).build())), "!bin/tool.exe");
    assert_eq!((covered, excluded, uncovered), (None, None, None));
}

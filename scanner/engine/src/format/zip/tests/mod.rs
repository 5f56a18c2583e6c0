//! Whole archives through the whole engine: maps, damage, and one archive for each finding.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "offsets and lengths here are those of small fixtures"
)]

mod findings;
mod places;

use crate::artifact::Artifact;
use crate::identify::{HEAD, Probe, TAIL, identify};
use crate::pipeline::{Options, Scanner};
use probity_tests::build::zip;
use probity_tests::samples;
use proptest::prelude::*;

fn scanner() -> Scanner {
    Scanner::new(Options {
        jobs: 1,
        keep_ledgers: true,
        ..Options::default()
    })
    .unwrap()
}

/// The root, followed by what it holds; the ledger law is checked on each.
fn scan(scanner: &Scanner, bytes: Vec<u8>) -> Vec<Artifact> {
    let artifacts = scanner.scan_bytes("a.zip", bytes).artifacts;
    for artifact in &artifacts {
        assert_eq!(
            artifact.bytes.claimed + artifact.bytes.unclaimed,
            artifact.size,
            "{:?}",
            artifact.nested
        );
        let internal = artifact.errors.iter().find(|e| e.code.as_str() == "internal");
        assert_eq!(internal, None, "{:?}", artifact.nested);
    }
    artifacts
}

/// Offset, length, role and name of each leaf, in file order.
fn map(artifact: &Artifact) -> Vec<String> {
    let mut leaves: Vec<_> = artifact.ledger.as_ref().unwrap().leaves().collect();
    leaves.sort_by_key(|l| (l.span, l.name.clone()));
    let line =
        |l: &&crate::ledger::Region| format!("{} {} {} {}", l.span.start(), l.span.len(), l.role.as_str(), l.name);
    leaves.iter().map(line).collect()
}

fn identified(bytes: &[u8]) -> Option<u64> {
    let probe = Probe::new(
        &bytes[..bytes.len().min(HEAD)],
        &bytes[bytes.len().saturating_sub(TAIL)..],
        bytes.len() as u64,
    );
    identify(&probe)
        .into_iter()
        .find(|c| c.format.id() == "zip")
        .map(|c| c.matched.start)
}

#[test]
fn a_small_archive_is_claimed_to_the_last_byte() {
    let artifacts = scan(&scanner(), zip::small());
    let expected = [
        "0 30 header local header readme.txt",
        "30 10 strings name readme.txt",
        "40 16 payload readme.txt",
        "56 30 header local header src/lib.txt",
        "86 11 strings name src/lib.txt",
        "97 26 payload src/lib.txt",
        "123 56 table central record readme.txt",
        "179 57 table central record src/lib.txt",
        "236 22 trailer end of central directory",
    ];
    assert_eq!(map(&artifacts[0]), expected);
    let names: Vec<_> = artifacts[1..]
        .iter()
        .map(|a| (a.nested.as_deref().unwrap(), a.size))
        .collect();
    assert_eq!(names, [("readme.txt", 16), ("src/lib.txt", 380)]);
}

#[test]
fn zip64_records_and_their_extra_fields_are_claimed() {
    let sample = samples::all().into_iter().find(|s| s.name == "zip-zip64").unwrap();
    let expected = [
        "0 30 header local header readme.txt",
        "30 10 strings name readme.txt",
        "40 20 metadata extra fields of readme.txt",
        "60 16 payload readme.txt",
        "76 30 header local header src/lib.txt",
        "106 11 strings name src/lib.txt",
        "117 20 metadata extra fields of src/lib.txt",
        "137 26 payload src/lib.txt",
        "163 56 table central record readme.txt",
        "219 28 metadata extra fields of readme.txt",
        "247 57 table central record src/lib.txt",
        "304 28 metadata extra fields of src/lib.txt",
        "332 56 trailer ZIP64 end of central directory",
        "388 20 trailer ZIP64 end of central directory locator",
        "408 22 trailer end of central directory",
    ];
    assert_eq!(map(&scan(&scanner(), sample.bytes)[0]), expected);
}

#[test]
fn a_torch_archive_has_descriptors_and_padding() {
    let artifact = &scan(&scanner(), zip::torch_benign().bytes)[0];
    let expected = [
        "0 30 header local header archive/data.pkl",
        "30 16 strings name archive/data.pkl",
        "46 4 metadata extra fields of archive/data.pkl",
        "50 14 padding alignment padding of archive/data.pkl",
        "64 171 payload archive/data.pkl",
        "235 16 trailer data descriptor archive/data.pkl",
    ];
    assert_eq!(map(artifact)[..6], expected);
    assert_eq!(
        (artifact.bytes.unclaimed, artifact.bytes.padding),
        (0, 14 + 18 + 58 + 15)
    );
}

#[test]
fn every_benign_sample_is_claimed_whole_without_a_finding() {
    let scanner = scanner();
    let mut seen = 0;
    for sample in samples::all().into_iter().filter(|s| s.format == "zip") {
        let root = scan(&scanner, sample.bytes).remove(0);
        assert_eq!(root.format, "zip", "{}", sample.name);
        assert_eq!(root.bytes.unclaimed, 0, "{}", sample.name);
        assert!(
            root.findings.is_empty() && root.errors.is_empty(),
            "{}: {:?} {:?}",
            sample.name,
            root.findings,
            root.errors
        );
        seen += 1;
    }
    assert!(seen >= 10);
}

#[test]
fn a_cut_is_never_clean() {
    let scanner = scanner();
    for sample in samples::all().into_iter().filter(|s| s.format == "zip") {
        for cut in 1..sample.bytes.len() {
            let root = scan(&scanner, sample.bytes[..cut].to_vec()).remove(0);
            let told = !root.findings.is_empty() || !root.errors.is_empty() || root.bytes.unclaimed > 0;
            assert!(told || root.format != "zip", "{} cut at {cut}", sample.name);
            assert!(
                cut < 64 || root.format == "zip",
                "{} cut at {cut} is {}",
                sample.name,
                root.format
            );
        }
    }
}

#[test]
fn every_changed_byte_is_survived() {
    let scanner = scanner();
    for sample in samples::all().into_iter().filter(|s| s.format == "zip") {
        for at in 0..sample.bytes.len() {
            for change in [|_| 0x00, |_| 0xff, |b| b ^ 0x01, |b: u8| b ^ 0x80] {
                let mut bytes = sample.bytes.clone();
                bytes[at] = change(bytes[at]);
                scan(&scanner, bytes);
            }
        }
    }
}

proptest! {
    #[test]
    fn any_bytes_are_survived(
        head in proptest::sample::select(vec![&b"PK\x03\x04"[..], b"PK\x05\x06", b"PK\x01\x02", b"PK\x07\x08PK\x03\x04"]),
        body in proptest::collection::vec(any::<u8>(), 0..300),
        end in proptest::collection::vec(0u8..4, 0..22),
    ) {
        crate::format::fuzz("zip", &[head, &body].concat());
        crate::format::fuzz("zip", &[head, &body, b"PK\x05\x06", &end].concat());
    }

    #[test]
    fn any_splice_of_two_archives_is_survived(from in 0usize..400, to in 0usize..400, length in 0usize..80) {
        let mut bytes = zip::torch_benign().bytes;
        let other = samples::all().into_iter().find(|s| s.name == "zip-zip64").unwrap().bytes;
        for (to, byte) in bytes.iter_mut().skip(to).zip(other.iter().skip(from).take(length)) {
            *to = *byte;
        }
        crate::format::fuzz("zip", &bytes);
    }
}

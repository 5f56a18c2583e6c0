use crate::artifact::Report;
use crate::fact::{EntryKind, Fact};
use crate::format::fuzz;
use crate::format::laws::{cases, map, parse, survives};
use crate::pipeline::{Options, Scanner};
use crate::source::Limits;
use probity_tests::build::compressed::prose;
use probity_tests::build::sevenzip::{Coding, SevenZip};

fn scan(bytes: Vec<u8>) -> Report {
    let limits = Limits {
        max_decoded: 64 << 20,
        ..Limits::default()
    };
    let options = Options {
        jobs: 1,
        limits,
        ..Options::default()
    };
    Scanner::new(options).unwrap().scan_bytes("a.7z", bytes)
}

/// Nested paths and formats, and the codes of findings and errors of everything.
fn account(report: &Report) -> (Vec<String>, Vec<String>) {
    let nested = report
        .artifacts
        .iter()
        .filter_map(|a| a.nested.as_ref().map(|n| format!("{n} {}", a.format)));
    let told = report.artifacts.iter().flat_map(|a| {
        let findings = a
            .findings
            .iter()
            .map(|j| format!("{} {}", j.finding.code, j.finding.case.unwrap_or("-")));
        findings
            .chain(a.errors.iter().map(|e| e.code.as_str().to_owned()))
            .collect::<Vec<_>>()
    });
    (nested.collect(), told.collect())
}

#[test]
fn an_archive_is_claimed_and_its_members_are_decoded() {
    for coding in [
        Coding::Copy,
        Coding::Deflate,
        Coding::Bzip2,
        Coding::Lzma,
        Coding::Lzma2,
        Coding::BcjLzma,
    ] {
        for packed_header in [false, true] {
            let prose = prose();
            let one = SevenZip {
                packed_header,
                ..SevenZip::of(coding, &[("a/prose.txt", &prose)])
            };
            let report = scan(one.build().bytes);
            let (nested, told) = account(&report);
            assert_eq!(nested, ["a/prose.txt text"], "{coding:?} {told:?}");
            assert!(told.is_empty(), "{coding:?}: {told:?}");
            assert_eq!(report.artifacts[0].bytes.unclaimed, 0);
            assert_eq!(report.artifacts[1].size, u64::try_from(prose.len()).unwrap());
            let solid = SevenZip {
                packed_header,
                ..SevenZip::of(
                    coding,
                    &[("b.json", b"{\"a\": 1}"), ("prose.txt", &prose), ("c.json", b"[1]")],
                )
            };
            let report = scan(solid.build().bytes);
            let (nested, told) = account(&report);
            let expected = [
                "folder 1 7z-folder",
                "folder 1!b.json json",
                "folder 1!prose.txt text",
                "folder 1!c.json json",
            ];
            assert_eq!(nested, expected, "{coding:?}");
            assert!(told.is_empty(), "{coding:?}: {told:?}");
            assert!(report.artifacts.iter().all(|a| a.bytes.unclaimed == 0));
        }
    }
}

#[test]
fn the_regions_of_an_archive_are_its_parts() {
    let file = SevenZip {
        packed_header: true,
        ..SevenZip::of(Coding::Copy, &[("a.txt", b"text\n")])
    };
    let parsed = parse("7z", &file.build().bytes);
    let map = map(&parsed);
    assert_eq!(map[0], "0 32 header signature header");
    assert!(
        map[1].ends_with(" table header") && map[2].ends_with(" table header, packed"),
        "{map:?}"
    );
    assert_eq!(map.len(), 3, "the codec claims the packed streams");
    let names: Vec<_> = parsed
        .facts()
        .iter()
        .map(|f| matches!(f, Fact::Entry(e) if &*e.name == b"a.txt"))
        .collect();
    assert_eq!(names, [true]);
}

#[test]
fn members_without_content_and_links_are_stated() {
    let file = SevenZip {
        empty: vec![("folder".into(), true), ("empty.txt".into(), false)],
        modes: vec![0o120_777, 0],
        ..SevenZip::of(Coding::Copy, &[("link", b"../../etc/passwd"), ("a.txt", b"text\n")])
    };
    let parsed = parse("7z", &file.build().bytes);
    let kinds: Vec<String> = parsed
        .facts()
        .iter()
        .filter_map(|fact| match fact {
            Fact::Entry(entry) => Some(format!("{} {:?}", String::from_utf8_lossy(&entry.name), entry.kind)),
            _ => None,
        })
        .collect();
    assert_eq!(kinds, ["a.txt File", "folder Directory", "empty.txt File"]);
    let (nested, told) = account(&scan(file.build().bytes));
    assert_eq!(nested, ["folder 1 7z-folder", "folder 1!a.txt text"]);
    assert_eq!(told, ["symlink-escape -"]);
    let target: &[u8] = b"../../etc/passwd";
    assert!(matches!(EntryKind::Symlink(target.into()), EntryKind::Symlink(_)));
}

#[test]
fn names_that_lead_out_are_told() {
    let (_, told) = account(&scan(SevenZip::of(Coding::Copy, &[("../x", b"text\n")]).build().bytes));
    assert_eq!(told, ["path-traversal -"]);
    let (_, told) = account(&scan(SevenZip::of(Coding::Copy, &[("x..", b"text\n")]).build().bytes));
    assert_eq!(told, [""; 0]);
}

#[test]
fn what_is_not_decoded_makes_the_verdict_incomplete() {
    for (coding, expected) in [
        (Coding::Aes, &["encrypted-entry -", "encrypted"][..]),
        (Coding::Ppmd, &["unsupported"]),
        (Coding::HugeLzma, &["limit-exceeded"]),
    ] {
        let report = scan(
            SevenZip::of(coding, &[("a.txt", b"text, or what stands for it\n")])
                .build()
                .bytes,
        );
        assert_eq!(account(&report).1, expected, "{coding:?}");
        assert!(!report.complete);
        assert_eq!(report.artifacts[0].bytes.unclaimed, 0, "{coding:?}");
    }
}

#[test]
fn a_wrong_checksum_is_told() {
    for members in [
        &[("a.txt", &b"one text\n"[..])][..],
        &[("a.txt", b"one text\n"), ("b.txt", b"two\n")],
    ] {
        let mut file = SevenZip::of(Coding::Copy, members).build().bytes;
        file[33] ^= 1;
        assert_eq!(account(&scan(file)).1, ["header-mismatch crc"]);
    }
    let mut file = SevenZip::of(Coding::Copy, &[("a.txt", b"text\n")]).build().bytes;
    file[8] ^= 1;
    assert_eq!(cases(&parse("7z", &file)), ["header-mismatch crc"]);
}

#[test]
fn a_million_empty_members_and_lying_counts_are_cheap() {
    let many = SevenZip {
        empty: (0..1_000_000).map(|_| (String::new(), false)).collect(),
        ..SevenZip::default()
    };
    let parsed = parse("7z", &many.build().bytes);
    assert_eq!(parsed.facts().len(), 1_000_000);
    assert!(parsed.findings().is_empty());
    for lie in [2, 1 << 20, 1 << 40, u64::MAX] {
        let file = SevenZip {
            lying_count: Some(lie),
            ..SevenZip::of(Coding::Copy, &[("a.txt", b"text\n")])
        };
        let parsed = parse("7z", &file.build().bytes);
        assert_eq!(cases(&parsed), ["malformed -"], "{lie}");
        assert!(!parsed.errors().is_empty());
    }
}

#[test]
fn cuts_and_changes_are_never_silent_and_always_survived() {
    for packed_header in [false, true] {
        let file = SevenZip {
            packed_header,
            empty: vec![("d".into(), true)],
            ..SevenZip::of(Coding::BcjLzma, &[("a.txt", b"text\n"), ("b.txt", b"more\n")])
        };
        let file = file.build().bytes;
        for cut in 1..file.len() {
            let report = scan(file[..cut].to_vec());
            let (_, told) = account(&report);
            let silent = told.is_empty() && report.artifacts[0].format == "7z";
            assert!(!silent, "cut at {cut}");
        }
        for at in 0..file.len() {
            for value in [0, 0xff, file[at] ^ 1, file[at] ^ 0x80] {
                let mut changed = file.clone();
                changed[at] = value;
                fuzz("7z", &changed);
                let report = scan(changed);
                assert!(
                    account(&report).1.iter().all(|told| told != "internal"),
                    "{at} {value:x}"
                );
            }
        }
    }
    survives("7z", b"7z\xbc\xaf\x27\x1c\0\x04");
}

#[test]
fn random_headers_are_survived() {
    use proptest::prelude::*;
    proptest!(ProptestConfig::with_cases(512), |(header in proptest::collection::vec(prop_oneof![0u8..26, any::<u8>()], 1..120))| {
        for first in [1u8, 0x17] {
            let header = [&[first][..], &header].concat();
            let mut start = (8u64).to_le_bytes().to_vec();
            start.extend(u64::try_from(header.len()).unwrap().to_le_bytes());
            start.extend(crc32fast::hash(&header).to_le_bytes());
            let file = [b"7z\xbc\xaf\x27\x1c\0\x04", &crc32fast::hash(&start).to_le_bytes()[..], &start, &[7; 8], &header].concat();
            fuzz("7z", &file);
        }
    });
}

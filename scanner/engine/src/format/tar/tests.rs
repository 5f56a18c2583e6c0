use super::Tar;
use crate::fact::{EntryKind, Fact};
use crate::finding::{ErrorCode, code};
use crate::format::{Format, Parse, Source};
use crate::identify::{Match, Probe};
use crate::ledger::Ledger;
use crate::pipeline::{Options, Scanner};
use probity_tests::build::tar::{self, Entry};
use probity_tests::samples;
use proptest::prelude::*;
use std::io::Read;

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Tar, bytes)
}

fn identify(bytes: &[u8]) -> Option<Match> {
    let head = &bytes[..bytes.len().min(8192)];
    Tar.identify(&Probe::new(head, head, bytes.len() as u64))
}

fn map(parse: &Parse) -> Vec<String> {
    let leaves = parse.view().leaves();
    leaves
        .map(|r| format!("{:#x} {} {} {}", r.span.start(), r.span.len(), r.role.as_str(), r.name))
        .collect()
}

/// Codes with their cases.
fn found(parse: &Parse) -> Vec<String> {
    let name = |f: &crate::finding::Finding| f.case.map_or(f.code.to_owned(), |case| format!("{} {case}", f.code));
    parse.findings().iter().map(name).collect()
}

fn unclaimed(bytes: &[u8], parse: &Parse) -> u64 {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(parse.view().clone());
    assert_eq!(
        ledger.claimed().total() + ledger.unclaimed().total(),
        bytes.len() as u64
    );
    ledger.unclaimed().total()
}

fn entries(parse: &Parse) -> Vec<(String, EntryKind)> {
    let entry = |fact: &Fact| match fact {
        Fact::Entry(entry) => Some((String::from_utf8_lossy(&entry.name).into_owned(), entry.kind.clone())),
        _ => None,
    };
    parse.facts().iter().filter_map(entry).collect()
}

#[test]
fn every_byte_of_a_ustar_archive_has_a_place() {
    let bytes = tar::small();
    let parse = parse(&bytes);
    assert_eq!(identify(&bytes), Some(Match::CERTAIN));
    assert_eq!(found(&parse), [""; 0]);
    assert_eq!(unclaimed(&bytes, &parse), 0);
    assert_eq!(
        map(&parse),
        [
            "0x0 512 header entry 1: header",
            "0x200 512 header entry 2: header",
            "0x400 40 payload package/package.json",
            "0x428 472 padding entry 2: fill",
            "0x600 512 header entry 3: header",
            "0x800 900 payload package/index.js",
            "0xb84 124 padding entry 3: fill",
            "0xc00 512 header entry 4: header",
            "0xe00 512 header entry 5: header",
            "0x1000 1024 trailer end of archive",
        ]
    );
    let kinds = [
        ("package/", EntryKind::Directory),
        ("package/package.json", EntryKind::File),
        ("package/index.js", EntryKind::File),
        ("package/main.js", EntryKind::Symlink((*b"index.js").into())),
        ("package/copy.js", EntryKind::HardLink((*b"package/index.js").into())),
    ];
    assert_eq!(entries(&parse), kinds.map(|(name, kind)| (name.to_owned(), kind)));
}

#[test]
fn pax_and_gnu_extensions_name_and_size_their_members() {
    let long = format!("package/{}file.txt", "deep/".repeat(40));
    for (bytes, names) in [
        (tar::pax().build(), vec![long.as_str()]),
        (
            tar::gnu().build(),
            vec![long.as_str(), "package/link", "package/sparse.bin"],
        ),
    ] {
        let parse = parse(&bytes);
        assert_eq!(found(&parse), [""; 0]);
        assert_eq!(unclaimed(&bytes, &parse), 0);
        assert_eq!(
            entries(&parse).into_iter().map(|(name, _)| name).collect::<Vec<_>>(),
            names
        );
        let Some(Source::Slice(span)) = parse.children().first().map(|c| &c.source) else {
            panic!("a slice")
        };
        assert_eq!(&bytes[span.start() as usize..span.end() as usize], b"hello");
    }
    let gnu = tar::gnu().build();
    assert_eq!(entries(&parse(&gnu))[1].1, EntryKind::Symlink(long.as_bytes().into()));
}

#[test]
fn the_child_of_a_sparse_member_is_the_file_with_its_holes() {
    let leading = {
        let mut data = b"2\n0\n3\n5\n3\n".to_vec();
        data.resize(512, 0);
        data.extend_from_slice(b"onetwo");
        let records = [
            ("GNU.sparse.major", "1"),
            ("GNU.sparse.minor", "0"),
            ("GNU.sparse.name", "s"),
            ("GNU.sparse.realsize", "9"),
        ];
        tar::Tar::of(vec![
            Entry::pax(b'x', &records),
            Entry::file("GNUSparseFile.0/s", &data),
        ])
        .build()
    };
    let listed = {
        let records = [
            ("GNU.sparse.size", "9"),
            ("GNU.sparse.map", "0,3,5,3"),
            ("GNU.sparse.name", "s"),
        ];
        tar::Tar::of(vec![
            Entry::pax(b'x', &records),
            Entry::file("GNUSparseFile.0/s", b"onetwo"),
        ])
        .build()
    };
    let old = tar::Tar::of(vec![Entry::gnu_sparse("s", 3, b"onetwo", 12)]).build();
    for (bytes, expected) in [
        (leading, &b"one\0\0two\0"[..]),
        (listed, b"one\0\0two\0"),
        (old, b"\0\0\0onetwo\0\0\0"),
    ] {
        let mut parse = parse(&bytes);
        assert_eq!(found(&parse), [""; 0]);
        assert_eq!(unclaimed(&bytes, &parse), 0);
        let child = parse.children.pop().unwrap();
        assert_eq!(child.name, b"s");
        let Source::Decoded { span, mut codec } = child.source else {
            panic!("decoded")
        };
        let mut input = (&bytes[span.start() as usize..span.end() as usize]).take(span.len());
        let mut output = Vec::new();
        codec.decode(&mut input, &mut output, &mut parse).unwrap();
        assert_eq!(output, expected);
    }
}

#[test]
fn a_file_of_holes_is_no_bomb_and_its_stored_runs_are_examined() {
    for (real, whole) in [(16 << 20, true), ((16 << 20) + 1, false), (1 << 32, false)] {
        let bytes = tar::Tar::of(vec![Entry::gnu_sparse("s", 3, b"[1, 2]", real)]).build();
        let parse = parse(&bytes);
        assert_eq!(found(&parse), [""; 0]);
        let codes: Vec<ErrorCode> = parse.errors().iter().map(|e| e.code).collect();
        let expected: &[ErrorCode] = if whole { &[] } else { &[ErrorCode::LimitExceeded] };
        assert_eq!(codes, expected, "{real}");
        assert_eq!(matches!(parse.children()[0].source, Source::Decoded { .. }), whole);
        assert_eq!(unclaimed(&bytes, &parse), 0);
    }
}

#[test]
fn a_base_256_size_counts_and_one_that_cannot_be_is_named() {
    let with_size = |field: &[u8; 12]| {
        let mut bytes = tar::Tar::of(vec![Entry::file("a", b"hello")]).build();
        bytes[124..136].copy_from_slice(field);
        bytes[148..156].fill(b' ');
        let sum: u32 = bytes[..512].iter().map(|b| u32::from(*b)).sum();
        bytes[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        found(&parse(&bytes))
    };
    assert_eq!(with_size(b"\x80\0\0\0\0\0\0\0\0\0\0\x05"), [""; 0]);
    assert_eq!(
        with_size(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")[0],
        "malformed crash"
    );
    assert_eq!(with_size(b"\x80\0\0\0\x80\0\0\0\0\0\0\0")[0], "malformed crash");
    assert_eq!(with_size(b"00000000009\0")[0], "malformed");
    assert_eq!(
        with_size(b"\x80\0\0\0\x7f\xff\xff\xff\xff\xff\xff\xff"),
        ["truncated", "truncated end-marker"]
    );
}

#[test]
fn what_two_readers_read_differently_is_a_finding_and_what_they_read_alike_is_not() {
    let one = |entries: Vec<Entry>| found(&parse(&tar::Tar::of(entries).build()));
    let inner = tar::Tar::of(vec![Entry::file("inner", b"x")]).build();
    let none: [&str; 0] = [];
    let pax = |records: &[(&str, &str)], entry: Entry| one(vec![Entry::pax(b'x', records), entry]);
    let sized = |size: u64, data: &[u8]| Entry {
        size: Some(size),
        ..Entry::file("a", data)
    };
    // The pax size.
    assert_eq!(pax(&[("size", "5")], sized(0, b"hello")), none);
    assert_eq!(pax(&[("size", "5")], sized(5, b"hello")), none);
    assert_eq!(pax(&[("size", "5")], sized(4, b"hello")), ["header-mismatch size"]);
    assert_eq!(
        pax(&[("size", &inner.len().to_string())], sized(0, &inner)),
        ["header-mismatch size"]
    );
    assert_eq!(
        pax(&[("size", &inner.len().to_string())], sized(inner.len() as u64, &inner)),
        none
    );
    // The pax and GNU names.
    assert_eq!(pax(&[("path", "b")], Entry::file("a", b"")), ["header-mismatch name"]);
    assert_eq!(pax(&[("path", "./a")], Entry::file("a", b"")), none);
    assert_eq!(pax(&[("path", "\u{e9}")], Entry::file("?", b"")), none);
    assert_eq!(
        pax(&[("linkpath", "b")], Entry::special(b'2', "l", "a")),
        ["header-mismatch name"]
    );
    assert_eq!(
        one(vec![Entry::gnu_long(b'L', "b"), Entry::file("a", b"")]),
        ["header-mismatch name"]
    );
    // Sizes of members without data.
    let folder = |size: u64, data: &[u8]| Entry {
        size: Some(size),
        data: data.to_vec(),
        ..Entry::special(b'5', "d/", "")
    };
    assert_eq!(one(vec![folder(0, b""), Entry::file("a", b"x")]), none);
    assert_eq!(one(vec![folder(9, b""), Entry::file("a", b"x")]), ["malformed lenient"]);
    assert_eq!(
        one(vec![folder(1024, &inner[..1024]), Entry::file("a", b"x")]),
        ["header-mismatch size"]
    );
    // A lone zero block.
    let blocks = [
        tar::Tar {
            end_blocks: 1,
            ..tar::sample()
        }
        .build(),
        tar::small(),
    ]
    .concat();
    assert_eq!(found(&parse(&blocks)), ["malformed"]);
    assert_eq!(entries(&parse(&blocks)).len(), 10);
}

#[test]
fn broken_rules_are_named_and_their_neighbours_are_not() {
    let one = |entries: Vec<Entry>| found(&parse(&tar::Tar::of(entries).build()));
    let none: [&str; 0] = [];
    let records = |data: &[u8]| {
        vec![
            Entry {
                kind: b'x',
                ..Entry::file("x", data)
            },
            Entry::file("a", b""),
        ]
    };
    assert_eq!(one(records(b"6 k=v\n")), none);
    assert_eq!(one(records(b"7 k=v\n")), ["malformed"]);
    assert_eq!(one(records(b"11 size=-1\n")), ["malformed"]);
    assert_eq!(
        one(vec![Entry::pax(b'g', &[("path", "p")]), Entry::file("a", b"")]),
        ["malformed"]
    );
    assert_eq!(
        one(vec![Entry::pax(b'g', &[("comment", "p")]), Entry::file("a", b"")]),
        none
    );
    assert_eq!(
        one(vec![Entry::file("a", b""), Entry::pax(b'x', &[("mtime", "1")])]),
        ["malformed lenient"]
    );
    let two = |name: &str| {
        vec![
            Entry::gnu_long(b'L', name),
            Entry::gnu_long(b'L', name),
            Entry::file("a", b""),
        ]
    };
    assert_eq!(one(two("a")), ["malformed"]);
    assert_eq!(
        one(vec![Entry {
            kind: b'Q',
            ..Entry::file("a", b"x")
        }]),
        ["malformed lenient"]
    );
    assert_eq!(
        one(vec![Entry {
            kind: b'7',
            ..Entry::file("a", b"x")
        }]),
        none
    );
    assert_eq!(one(vec![Entry::file("", b"x")]), ["malformed"]);
    assert_eq!(one(vec![Entry::file("a\0b", b"x")]), ["malformed lenient"]);
    let sparse = |offset: u64, real: u64| vec![Entry::gnu_sparse("s", offset, b"island", real)];
    assert_eq!(one(sparse(4, 10)), none);
    assert_eq!(one(sparse(5, 10)), ["malformed"]);
    assert_eq!(one(sparse(u64::MAX >> 4, 10)), ["malformed"]);
}

#[test]
fn a_damaged_header_hides_neither_what_follows_nor_itself() {
    let mut sample = tar::sample();
    sample.entries[1].checksum_error = 1;
    let bytes = sample.build();
    let parse = parse(&bytes);
    assert_eq!(found(&parse), ["malformed"]);
    assert_eq!(unclaimed(&bytes, &parse), 1024, "the damaged header and its data");
    assert_eq!(entries(&parse).len(), 4);
}

#[test]
fn the_end_is_claimed_with_its_fill_and_what_follows_is_not() {
    for (end_blocks, trailing, codes, rest) in [
        (2, vec![], &[][..], 0),
        (20, vec![], &[], 0),
        (2, b"sixteen bytes or more".to_vec(), &[], 21),
        (20, b"sixteen bytes or more".to_vec(), &[], 21),
        (1, vec![], &["truncated end-marker"], 0),
        (0, vec![], &["truncated end-marker"], 0),
        (1, vec![0; 100], &["truncated end-marker"], 0),
        (0, b"x".to_vec(), &["truncated"], 1),
        (2, tar::small(), &[], tar::small().len() as u64),
    ] {
        let bytes = tar::Tar {
            end_blocks,
            trailing,
            ..tar::sample()
        }
        .build();
        let parse = parse(&bytes);
        assert_eq!(
            (found(&parse), unclaimed(&bytes, &parse)),
            (codes.iter().map(|c| (*c).to_owned()).collect(), rest)
        );
    }
}

#[test]
fn a_part_of_an_archive_never_passes_for_the_whole() {
    for whole in [tar::small(), tar::pax().build(), tar::gnu().build()] {
        let end = whole.len() - 1024;
        for length in (0..whole.len()).filter(|n| *n < 4096 || n % 512 == 0) {
            let bytes = &whole[..length];
            let parse = parse(bytes);
            let seen = !parse.findings().is_empty() || !parse.errors().is_empty() || unclaimed(bytes, &parse) > 0;
            assert!(seen || (length < 512 && identify(bytes).is_none()), "{length} of {end}");
        }
    }
}

#[test]
fn no_changed_byte_of_a_header_is_fatal() {
    let whole = tar::gnu().build();
    for at in 0..whole.len().min(3072) {
        for change in [0x00, 0xff, whole[at] ^ 0x01, whole[at] ^ 0x80] {
            let mut bytes = whole.clone();
            bytes[at] = change;
            unclaimed(&bytes, &parse(&bytes));
        }
    }
}

#[test]
fn text_and_zeros_are_no_archive() {
    assert_eq!(identify(&[0; 10_240]), None);
    assert_eq!(identify(&b"prose ".repeat(200)), None);
    assert_eq!(identify(&tar::small()[..511]), None);
    let mut damaged = tar::small();
    damaged[0] = b'q';
    assert_eq!(identify(&damaged), Some(Match::LIKELY));
}

#[test]
fn only_headers_are_read_whatever_the_data_weigh() {
    let many: Vec<Entry> = (0..2_000).map(|n| Entry::file(&format!("f{n}"), &[7; 600])).collect();
    let bytes = tar::Tar::of(many).build();
    let parse = parse(&bytes);
    assert_eq!((found(&parse).len(), parse.children().len()), (0, 2_000));
    assert_eq!(unclaimed(&bytes, &parse), 0);
}

#[test]
fn another_reader_sees_the_same_members() {
    // It wants a closing entry in a sparse map, which the format does not.
    let mut gnu = tar::gnu();
    gnu.entries.pop();
    for bytes in [tar::small(), tar::pax().build(), gnu.build()] {
        let mut archive = ::tar::Archive::new(&bytes[..]);
        let theirs: Vec<String> = archive
            .entries()
            .unwrap()
            .map(Result::unwrap)
            // It lists a global header as a member.
            .filter(|entry| !entry.header().entry_type().is_pax_global_extensions())
            .map(|entry| String::from_utf8_lossy(&entry.path_bytes()).into_owned())
            .collect();
        let ours: Vec<String> = entries(&parse(&bytes)).into_iter().map(|(name, _)| name).collect();
        assert_eq!(ours, theirs);
    }
}

#[test]
fn a_volume_of_several_is_incomplete() {
    let bytes = tar::Tar::of(vec![Entry {
        kind: b'M',
        ..Entry::file("part", b"rest")
    }])
    .build();
    assert_eq!(parse(&bytes).errors()[0].code, ErrorCode::Unsupported);
    assert!(found(&parse(&bytes)).iter().all(|found| found != code::MALFORMED));
}

#[test]
fn an_archive_behind_an_archive_is_examined_and_told() {
    let bytes = [tar::small(), tar::small()].concat();
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    let artifacts = scanner.scan_bytes("two.tar", bytes).artifacts;
    let told: Vec<&str> = artifacts[0].findings.iter().map(|j| j.finding.code).collect();
    assert_eq!(told, [code::TRAILING_BYTES]);
    let second = artifacts.iter().find(|a| {
        a.nested
            .as_deref()
            .is_some_and(|n| n.starts_with("unclaimed@") && !n.contains('!'))
    });
    assert_eq!(second.map(|a| (a.format, a.bytes.unclaimed)), Some(("tar", 0)));
    let members = artifacts.iter().filter(|a| {
        a.nested
            .as_deref()
            .is_some_and(|n| n.starts_with("unclaimed@") && n.contains('!'))
    });
    assert!(members.count() > 0, "its members are nested artifacts");
}

#[test]
fn samples_are_clean_and_hostile_ones_are_called_by_their_code() {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    let ours = |name: &str| {
        ["tar-", "json-", "text-", "script"]
            .iter()
            .any(|prefix| name.starts_with(prefix))
    };
    let mut seen = 0;
    for sample in samples::all()
        .into_iter()
        .filter(|s| ours(s.name) && s.format != "gzip")
    {
        let root = scanner.scan_bytes(sample.name, sample.bytes).artifacts.remove(0);
        let codes: Vec<&str> = root
            .findings
            .iter()
            .filter(|j| j.severity > crate::Severity::Info)
            .map(|j| j.finding.code)
            .collect();
        assert_eq!(
            (root.format, root.bytes.unclaimed, codes, root.complete),
            (sample.format, 0, vec![], true),
            "{}",
            sample.name
        );
        seen += 1;
    }
    for hostile in samples::hostile().into_iter().filter(|h| ours(h.name)) {
        let artifacts = scanner.scan_bytes(hostile.name, hostile.bytes).artifacts;
        let mut codes = artifacts.iter().flat_map(|a| {
            a.findings
                .iter()
                .map(|j| j.finding.code)
                .chain(a.errors.iter().map(|e| e.code.as_str()))
        });
        assert!(
            codes.any(|code| code == hostile.expect_code),
            "{} lacks {}",
            hostile.name,
            hostile.expect_code
        );
        seen += 1;
    }
    assert!(seen > 20);
}

proptest! {
    #[test]
    fn random_bytes_behind_a_header_are_survived(
        tail in proptest::collection::vec(prop_oneof![Just(0u8), Just(b'0'), any::<u8>()], 0..3000),
        kind in prop_oneof![Just(b'x'), Just(b'g'), Just(b'L'), Just(b'S'), Just(b'0'), Just(b'1'), any::<u8>()],
        size in 0u64..2000,
    ) {
        let head = tar::Tar { end_blocks: 0, ..tar::Tar::of(vec![Entry { kind, size: Some(size), ..Entry::file("a", b"") }]) }.build();
        let bytes = [head, tail].concat();
        unclaimed(&bytes, &parse(&bytes));
        super::super::fuzz("tar", &bytes);
    }
}

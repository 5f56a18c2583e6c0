use super::*;
use crate::pipeline::{Options, Scanner};
use crate::span::SpanSet;
use probity_tests::build::bun::{self as build, Graph};
use probity_tests::build::elf;
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Bun, bytes)
}

fn unix() -> Graph {
    Graph::new("/$bunfs/", true)
}

fn said(parse: &Parse) -> Vec<String> {
    let text = |f: &Finding| format!("{} {} {}", f.code, f.case.unwrap_or("-"), f.message);
    parse.findings().iter().map(text).collect()
}

/// Findings after the whole pipeline above `info`, as `code/case`, of the artifact and all it holds.
fn scanned(bytes: &[u8]) -> (Vec<String>, u64) {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    let report = scanner.scan_bytes("sample", bytes.to_vec());
    assert!(report.complete, "{:?}", report.artifacts[0].errors);
    let findings = report.artifacts.iter().flat_map(|a| &a.findings);
    let loud = findings.filter(|f| f.severity > probity_signatures::Severity::Info);
    let codes = loud
        .map(|f| format!("{}/{}", f.finding.code, f.finding.case.unwrap_or("-")))
        .collect();
    (codes, report.artifacts[0].bytes.unclaimed)
}

fn map(parse: &Parse) -> String {
    let mut lines: Vec<_> = parse.view().leaves().collect();
    lines.sort_by_key(|r| r.span);
    let line = |r: &&crate::ledger::Region| {
        format!(
            "{:#x} {:#x} {} {}\n",
            r.span.start(),
            r.span.len(),
            r.role.as_str(),
            r.name
        )
    };
    lines.iter().map(line).collect()
}

fn strength(bytes: &[u8]) -> Option<Match> {
    Bun.identify(&Probe::new(bytes, bytes, bytes.len() as u64))
}

fn names(parse: &Parse) -> Vec<String> {
    parse
        .children()
        .iter()
        .map(|c| String::from_utf8_lossy(&c.name).into_owned())
        .collect()
}

#[test]
fn a_payload_is_claimed_to_the_last_byte() {
    for (graph, expected) in [
        (
            unix(),
            "\
0x0 0x8 header payload length
0x8 0x78 padding alignment
0x80 0x18 strings bytecode string table
0x98 0x14 strings module-info string table
0xac 0x80 code bytecode
0x12c 0x29 payload /$bunfs/root/cli
0x155 0x1 padding terminator
0x156 0x2d payload /$bunfs/root/chunk-a.js
0x183 0x1 padding terminator
0x184 0x12 payload /$bunfs/root/notes.txt
0x196 0x1 padding terminator
0x197 0x10 strings name 0
0x1a7 0x1 padding terminator
0x1a8 0x10 strings origin path 0
0x1b8 0x1 padding terminator
0x1b9 0x17 strings name 1
0x1d0 0x1 padding terminator
0x1d1 0x17 strings origin path 1
0x1e8 0x1 padding terminator
0x1e9 0x16 strings name 2
0x1ff 0x1 padding terminator
0x200 0x9c table module table
0x29c 0xc table source hashes
0x2a8 0x10 table built-in bytecode table
0x2b8 0x8 table bytecode string table pointer
0x2c0 0x4 table startup module count
0x2c4 0x8 table module-info string table pointer
0x2cc 0x6 text compile_exec_argv
0x2d2 0x1 padding terminator
0x2d3 0x20 table offsets
0x2f3 0x10 trailer trailer
",
        ),
        (
            Graph::new("B:/~BUN/", false),
            "\
0x0 0x8 header payload length
0x8 0x78 padding alignment
0x80 0x80 code bytecode
0x100 0x29 payload B:/~BUN/root/cli
0x129 0x1 padding terminator
0x12a 0x2d payload B:/~BUN/root/chunk-a.js
0x157 0x1 padding terminator
0x158 0x12 payload B:/~BUN/root/notes.txt
0x16a 0x1 padding terminator
0x16b 0x10 strings name 0
0x17b 0x1 padding terminator
0x17c 0x17 strings name 1
0x193 0x1 padding terminator
0x194 0x16 strings name 2
0x1aa 0x1 padding terminator
0x1ab 0x6c table module table
0x217 0x6 text compile_exec_argv
0x21d 0x1 padding terminator
0x21e 0x20 table offsets
0x23e 0x10 trailer trailer
",
        ),
    ] {
        let bytes = graph.section();
        let parse = parse(&bytes);
        assert_eq!(map(&parse), expected);
        assert_eq!(scanned(&bytes), (Vec::new(), 0));
        assert!(parse.children().iter().all(|c| c.expected));
        assert_eq!(
            names(&parse),
            graph.modules.iter().map(|m| m.name.clone()).collect::<Vec<_>>()
        );
    }
}

#[test]
fn every_embedding_is_identified_and_a_mention_of_the_trailer_is_not() {
    assert_eq!(strength(&unix().section()), Some(Match::CERTAIN));
    let payload = unix().payload();
    let mut narrow = (payload.len() as u32).to_le_bytes().to_vec();
    narrow.extend_from_slice(&payload);
    assert_eq!(strength(&narrow), Some(Match::CERTAIN));
    let mut padded = unix().section();
    padded.resize(padded.len() + 300, 0);
    assert_eq!(strength(&padded), Some(Match::CERTAIN));
    let appended = Graph::new("/$bunfs/", false).appended().bytes;
    let found = strength(&appended).unwrap();
    assert_eq!(
        (found.strength, found.start),
        (
            Strength::Certain,
            elf::Elf {
                rodata: vec![b'r'; 4096],
                ..elf::Elf::new(true, false)
            }
            .build()
            .len() as u64
        )
    );
    let mut ends = elf::small();
    ends.extend_from_slice(build::TRAILER);
    let mut totals = ends.clone();
    totals.extend_from_slice(&(ends.len() as u64 + 8).to_le_bytes());
    for other in [&ends[..], &totals, &payload[..payload.len() - 1], build::TRAILER, b""] {
        assert_eq!(strength(other), None);
    }
}

#[test]
fn an_appended_payload_is_read_from_its_end() {
    let graph = Graph::new("/$bunfs/", false);
    let whole = graph.appended().bytes;
    let slice = &whole[strength(&whole).unwrap().start as usize..];
    let parse = parse(slice);
    assert_eq!(names(&parse).len(), 3);
    let claimed = SpanSet::from_spans(parse.view().leaves().map(|r| r.span));
    assert_eq!(claimed.total(), slice.len() as u64);
    assert_eq!(scanned(&whole), (Vec::new(), 0));
}

#[test]
fn in_executables_every_module_becomes_an_artifact() {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    let report = scanner.scan_bytes("agent", unix().in_elf().bytes);
    let nested: Vec<_> = report.artifacts.iter().filter_map(|a| a.nested.clone()).collect();
    assert_eq!(
        nested,
        [
            ".bun",
            ".bun!/$bunfs/root/cli",
            ".bun!/$bunfs/root/chunk-a.js",
            ".bun!/$bunfs/root/notes.txt"
        ]
    );
    assert!(report.artifacts.iter().all(|a| a.bytes.unclaimed == 0 && a.complete));
}

#[test]
fn a_table_that_both_record_sizes_divide_is_read_by_its_names() {
    for (wide, count) in [(true, 9), (false, 13)] {
        let mut graph = Graph::new("/$bunfs/", wide);
        let asset = graph.modules[2].clone();
        graph.modules.resize(count, asset);
        for (i, module) in graph.modules.iter_mut().enumerate() {
            module.name = format!("/$bunfs/root/module-{i}.js");
        }
        let bytes = graph.section();
        assert_eq!(names(&parse(&bytes)).len(), count);
        assert_eq!(scanned(&bytes), (Vec::new(), 0));
    }
}

#[test]
fn source_maps_are_nested_and_shared_contents_are_nested_once() {
    let mut graph = unix();
    graph.modules[0].sourcemap = b"a serialised source map".to_vec();
    let bytes = graph.section();
    assert_eq!(names(&parse(&bytes))[1], "/$bunfs/root/cli.map");
    // The third module's contents become the second's.
    let mut bytes = unix().section();
    let table = unix().payload().len() - 48 - 7 - 56 - 3 * 52 + 8;
    let table = find_table(&bytes).unwrap_or(table);
    let second: Vec<u8> = bytes[table + 52 + 8..table + 52 + 16].to_vec();
    bytes[table + 104 + 8..table + 104 + 16].copy_from_slice(&second);
    let parse = parse(&bytes);
    assert_eq!(names(&parse), ["/$bunfs/root/cli", "/$bunfs/root/chunk-a.js"]);
    let shared = parse.view().leaves().filter(|r| r.shares == Some("modules")).count();
    assert_eq!(shared, 1);
}

/// The offset of the module table in a section.
fn find_table(bytes: &[u8]) -> Option<usize> {
    let offsets = bytes.len() - 48;
    let at = u32::from_le_bytes(bytes.get(offsets + 8..offsets + 12)?.try_into().ok()?);
    Some(at as usize + 8)
}

#[test]
fn each_broken_rule_is_named() {
    let offsets = |at: usize, value: [u8; 4]| {
        let mut bytes = unix().section();
        let from = bytes.len() - 48 + at;
        bytes[from..from + 4].copy_from_slice(&value);
        bytes
    };
    let record = |at: usize, value: [u8; 4]| {
        let mut bytes = unix().section();
        let from = find_table(&bytes).unwrap() + at;
        bytes[from..from + 4].copy_from_slice(&value);
        bytes
    };
    let renamed = |root: &str| Graph::new(root, true).section();
    let mut one = unix();
    one.modules[1].name = "/etc/passwd".into();
    let cases = [
        ("malformed - bun: byte_count", offsets(4, [1; 4])),
        (
            "malformed - bun: the module table is no whole number",
            offsets(12, [101, 0, 0, 0]),
        ),
        ("malformed - bun: the module table lies outside", offsets(8, [0xff; 4])),
        ("malformed - bun: entry_point_id", offsets(16, [9, 0, 0, 0])),
        (
            "malformed - bun: compile_exec_argv lies outside",
            offsets(20, [0xff; 4]),
        ),
        ("malformed - bun: no module has a name under", renamed("/somewhere/")),
        ("malformed - bun: 1 modules have a name outside", one.section()),
        ("malformed - bun: 1 module names lie outside", record(52, [0xff; 4])),
        ("malformed - bun: 1 contents or source maps", record(8, [0xff; 4])),
        ("malformed - bun: 1 bytecode slices", record(24, [0xff; 4])),
        ("malformed - bun: 1 origin paths", record(40, [0xff; 4])),
    ];
    for (expected, bytes) in cases {
        let findings = said(&parse(&bytes));
        assert!(
            findings.iter().any(|f| f.starts_with(expected)),
            "{expected}: {findings:#?}"
        );
    }
    assert!(
        said(&parse(&unix().section()))
            .iter()
            .all(|f| f.starts_with("bundle-autoload tuning"))
    );
}

#[test]
fn records_that_share_one_long_name_do_not_multiply_it() {
    let mut graph = unix();
    graph.modules[0].name = format!("/$bunfs/{}", "x".repeat(4000));
    let asset = graph.modules[2].clone();
    graph.modules.resize(6000, asset);
    let mut bytes = graph.section();
    let table = find_table(&bytes).unwrap();
    let name: Vec<u8> = bytes[table..table + 8].to_vec();
    for i in 1..6000 {
        bytes[table + 52 * i..table + 52 * i + 8].copy_from_slice(&name);
    }
    let parse = parse(&bytes);
    let kept: usize = parse.children().iter().map(|c| c.name.len()).sum();
    assert!(kept <= 16 << 20 && parse.errors().len() == 1);
}

#[test]
fn bytes_nothing_refers_to_stay_unclaimed() {
    let stuffed = Graph {
        stuffing: b"a second program that no module names".to_vec(),
        ..unix()
    };
    let (codes, unclaimed) = scanned(&stuffed.section());
    assert_eq!((codes, unclaimed > 30), (vec!["unclaimed-bytes/gap".to_owned()], true));
    // Behind a terminator and in the alignment, content is checked.
    let mut bytes = unix().section();
    bytes[8..40].fill(0x41);
    assert_eq!(scanned(&bytes).0, ["nonzero-padding/-"]);
    // A slice of bytecode that is stretched over the modules overlaps them.
    let mut bytes = unix().section();
    let at = find_table(&bytes).unwrap() + 28;
    bytes[at..at + 4].copy_from_slice(&300u32.to_le_bytes());
    assert!(scanned(&bytes).0.contains(&"overlapping-regions/-".to_owned()));
    // What follows the payload in its section.
    let mut bytes = unix().section();
    bytes.extend_from_slice(b"something more than nothing");
    assert!(scanned(&bytes).0.contains(&"trailing-bytes/-".to_owned()));
}

#[test]
fn arguments_and_autoload_are_judged_by_what_they_load() {
    let with = |argv: &str, flags: u32| {
        let graph = Graph {
            exec_argv: argv.into(),
            flags,
            ..unix()
        };
        let findings = parse(&graph.section()).findings().to_vec();
        findings
            .into_iter()
            .filter(|f| f.code == code::BUNDLE_AUTOLOAD)
            .filter_map(|f| f.case)
            .collect::<Vec<_>>()
    };
    let off = unix().flags;
    for (argv, flags, expected) in [
        ("", off, &[][..]),
        ("", off & !1, &["autoload"]),
        (
            "--smol --zero-fill-buffers --tls-extra-distrusted-keys=00ff,11ee",
            off,
            &["tuning"],
        ),
        ("--smol --user-agent=agent/1.0", off, &["exec-argv"]),
        ("--smolder", off, &["exec-argv"]),
        ("--smol --preload ./x.js", off, &["preload"]),
        ("--preload=./x.js", off, &["preload"]),
        ("-r ./x.js", off, &["preload"]),
        ("-r./x.js", off, &["preload"]),
        ("--require ./x.js", off, &["preload"]),
        ("--import ./x.js", off & !8, &["autoload", "preload"]),
        ("--import-map=x.json", off, &["exec-argv"]),
    ] {
        assert_eq!(with(argv, flags), expected, "{argv}");
    }
}

#[test]
fn the_record_of_the_unpublished_flags_is_claimed_only_in_its_form() {
    let word = |n: u32| n.to_le_bytes();
    let record = |order: [u32; 3], last: u32| -> Vec<u8> {
        let words = [
            150,
            10,
            3,
            order[0],
            order[1],
            order[2],
            2,
            0x4100_0000,
            20,
            100,
            1,
            2,
            3,
            3,
            50,
            last,
        ];
        words.into_iter().flat_map(word).collect()
    };
    let mut bytes = vec![0; 48];
    bytes[28..32].copy_from_slice(&word(7 << 11));
    let offsets = Offsets::parse(&bytes).unwrap();
    let code = [Span::new(20, 120)];
    let read = |bytes: &[u8], code: &[Span]| records::read(bytes, 1000, &offsets, 2000, 5, code).tables.len();
    assert_eq!(read(&record([2, 0, 1], 100), &code), 1);
    for (bytes, code) in [
        (record([2, 2, 1], 100), &code[..]),
        (record([2, 0, 3], 100), &code),
        (record([2, 0, 1], 99), &code),
        (record([2, 0, 1], 100), &[Span::new(20, 121)]),
        (record([2, 0, 1], 100)[..60].to_vec(), &code),
    ] {
        assert_eq!(read(&bytes, code), 0);
    }
}

#[test]
fn a_cut_payload_is_never_silently_clean() {
    for graph in [unix(), Graph::new("/$bunfs/", false)] {
        let bytes = graph.section();
        for cut in 0..bytes.len() {
            let part = &bytes[..cut];
            crate::format::fuzz("bun", part);
            assert_eq!(strength(part), None, "cut at {cut}");
            assert!(!said(&parse(part)).is_empty(), "cut at {cut}");
        }
    }
}

#[test]
fn no_single_byte_breaks_the_parser() {
    let started = Instant::now();
    for graph in [unix(), Graph::new("/$bunfs/", false)] {
        for sample in [graph.section(), graph.appended().bytes] {
            let from = sample.len().saturating_sub(1200);
            for at in (0..8).chain(from..sample.len()) {
                for change in [|_| 0, |_| 0xff, |b: u8| b ^ 1, |b: u8| b ^ 0x80] {
                    let mut bytes = sample.clone();
                    bytes[at] = change(bytes[at]);
                    crate::format::fuzz("bun", &bytes);
                }
            }
        }
    }
    assert!(started.elapsed() < Duration::from_secs(60));
}

proptest! {
    #[test]
    fn random_graphs_before_the_trailer_are_survived(mut body in prop::collection::vec(any::<u8>(), 40..600), size in prop::sample::select(vec![36u32, 52])) {
        let count = body.len() as u64 - 32;
        let table = count.min(u64::from(size)) as u32 / size * size;
        let at = body.len() - 32;
        body[at..at + 8].copy_from_slice(&count.to_le_bytes());
        body[at + 8..at + 12].copy_from_slice(&0u32.to_le_bytes());
        body[at + 12..at + 16].copy_from_slice(&table.to_le_bytes());
        body.extend_from_slice(build::TRAILER);
        let mut bytes = (body.len() as u64).to_le_bytes().to_vec();
        bytes.extend(body);
        crate::format::fuzz("bun", &bytes);
    }
}

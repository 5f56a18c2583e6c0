use super::*;
use crate::fact::Fact;
use crate::ledger::Role;
use crate::pipeline::{Options, Scanner};
use probity_tests::build::{bun, elf};
use proptest::prelude::*;
use std::time::{Duration, Instant};

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Elf, bytes)
}

/// Findings after the whole pipeline, as `code/case`.
fn scanned(bytes: &[u8]) -> (Vec<String>, bool, u64) {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    let report = scanner.scan_bytes("sample", bytes.to_vec());
    let root = &report.artifacts[0];
    let codes = root.findings.iter().map(|f| match f.finding.case {
        Some(case) => format!("{}/{case}", f.finding.code),
        None => f.finding.code.to_owned(),
    });
    (codes.collect(), root.complete, root.bytes.unclaimed)
}

fn said(parse: &Parse) -> Vec<String> {
    let text = |f: &crate::finding::Finding| format!("{} {} {}", f.code, f.case.unwrap_or("-"), f.message);
    parse.findings().iter().map(text).collect()
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

fn put(bytes: &mut [u8], at: usize, value: &[u8]) {
    bytes[at..at + value.len()].copy_from_slice(value);
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

const SECTION: usize = 64;
const SEGMENT: usize = 56;

fn shoff(bytes: &[u8]) -> usize {
    word(bytes, 40) as usize
}

/// The sample without its section headers and what only they name.
fn stripped(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let phnum = u16::from_le_bytes([bytes[56], bytes[57]]) as usize;
    let ends = (0..phnum)
        .map(|i| 64 + SEGMENT * i)
        .map(|at| word(&bytes, at + 8) + word(&bytes, at + 32));
    let end = ends.max().unwrap() as usize;
    bytes.truncate(end);
    put(&mut bytes, 40, &[0; 8]);
    put(&mut bytes, 60, &[0; 4]);
    bytes
}

#[test]
fn every_class_and_order_is_claimed_to_the_last_byte() {
    let maps = [
        (
            true,
            false,
            "\
0x0 0x40 header ELF header
0x40 0x118 table program headers
0x158 0x24 metadata .note.gnu.build-id
0x17c 0x4 padding zero fill
0x180 0x2d data .rodata
0x1ad 0x33 padding zero fill
0x1e0 0x9 code .text
0x1e9 0x7 padding zero fill
0x1f0 0x40 data .data
0x230 0x48 table .symtab
0x278 0x10 strings .strtab
0x288 0x47 strings .shstrtab
0x2cf 0x1 padding zero fill
0x2d0 0x240 table section headers
",
        ),
        (
            true,
            true,
            "\
0x0 0x40 header ELF header
0x40 0x118 table program headers
0x158 0x24 metadata .note.gnu.build-id
0x17c 0x4 padding zero fill
0x180 0x2d data .rodata
0x1ad 0x33 padding zero fill
0x1e0 0x8 code .text
0x1e8 0x8 padding zero fill
0x1f0 0x40 data .data
0x230 0x48 table .symtab
0x278 0x10 strings .strtab
0x288 0x47 strings .shstrtab
0x2cf 0x1 padding zero fill
0x2d0 0x240 table section headers
",
        ),
        (
            false,
            false,
            "\
0x0 0x34 header ELF header
0x34 0xa0 table program headers
0xd4 0x24 metadata .note.gnu.build-id
0xf8 0x8 padding zero fill
0x100 0x2d data .rodata
0x12d 0x33 padding zero fill
0x160 0x9 code .text
0x169 0x7 padding zero fill
0x170 0x40 data .data
0x1b0 0x30 table .symtab
0x1e0 0x10 strings .strtab
0x1f0 0x47 strings .shstrtab
0x237 0x1 padding zero fill
0x238 0x168 table section headers
",
        ),
        (
            false,
            true,
            "\
0x0 0x34 header ELF header
0x34 0xa0 table program headers
0xd4 0x24 metadata .note.gnu.build-id
0xf8 0x8 padding zero fill
0x100 0x2d data .rodata
0x12d 0x33 padding zero fill
0x160 0x8 code .text
0x168 0x8 padding zero fill
0x170 0x40 data .data
0x1b0 0x30 table .symtab
0x1e0 0x10 strings .strtab
0x1f0 0x47 strings .shstrtab
0x237 0x1 padding zero fill
0x238 0x168 table section headers
",
        ),
    ];
    for (wide, big, expected) in maps {
        let bytes = elf::Elf::new(wide, big).build();
        let parse = parse(&bytes);
        assert_eq!(said(&parse), [""; 0]);
        assert_eq!(map(&parse), expected, "wide {wide} big {big}");
        assert_eq!(scanned(&bytes), (Vec::new(), true, 0));
        let entry = parse.facts().iter().any(|f| {
            matches!(
                f,
                Fact::EntryPoint {
                    offset: Some(_),
                    inside_code: true
                }
            )
        });
        assert!(
            entry
                && parse
                    .facts()
                    .iter()
                    .filter(|f| matches!(f, Fact::Segment { .. }))
                    .count()
                    == 4
        );
    }
}

#[test]
fn without_section_headers_the_segments_hold_the_content() {
    let bytes = stripped(&elf::small());
    let parse = parse(&bytes);
    let told = "unusual-structure no-sections there are no section headers, which linkers write and `strip` keeps";
    assert_eq!(said(&parse), [told]);
    assert_eq!(
        map(&parse),
        "\
0x0 0x40 header ELF header
0x40 0x118 table program headers
0x158 0x24 metadata notes 3
0x17c 0x31 data content of PT_LOAD 0
0x1ad 0x33 padding zero fill
0x1e0 0x9 code content of PT_LOAD 1
0x1e9 0x7 padding zero fill
0x1f0 0x40 data content of PT_LOAD 2
"
    );
    assert_eq!(
        scanned(&bytes),
        (vec!["unusual-structure/no-sections".to_owned()], true, 0)
    );
}

#[test]
fn a_relocatable_object_has_sections_and_no_entry() {
    let mut bytes = elf::small();
    put(&mut bytes, 16, &[1, 0]);
    put(&mut bytes, 24, &[0; 16]);
    put(&mut bytes, 54, &[0; 4]);
    let length = SEGMENT * 5;
    put(&mut bytes, 64, &vec![0; length]);
    assert_eq!(scanned(&bytes), (Vec::new(), true, 0));
    assert!(parse(&bytes).facts().is_empty());
}

#[test]
fn counts_that_do_not_fit_stand_in_section_zero() {
    let mut bytes = elf::small();
    let zero = shoff(&bytes);
    let (count, names) = (bytes[60], bytes[62]);
    put(&mut bytes, zero + 32, &[count]);
    put(&mut bytes, zero + 40, &[names]);
    put(&mut bytes, zero + 44, &[5]);
    put(&mut bytes, 56, &[0xff, 0xff]);
    put(&mut bytes, 60, &[0, 0, 0xff, 0xff]);
    let parse = parse(&bytes);
    assert_eq!(map(&parse), map(&super::tests::parse(&elf::small())));
    assert_eq!(said(&parse), [""; 0]);
}

#[test]
fn a_payload_section_is_an_expected_child() {
    let parse = parse(&bun::Graph::new("/$bunfs/", true).in_elf().bytes);
    let [child] = parse.children() else { panic!("one child") };
    assert!(child.name == b".bun" && child.expected);
    assert_eq!(said(&parse), [""; 0]);
}

#[test]
fn each_broken_rule_is_named() {
    type Edit = fn(&mut Vec<u8>);
    let cases: &[(&str, Edit)] = &[
        ("malformed - elf: EI_CLASS", |b| b[4] = 3),
        ("malformed - elf: EI_DATA", |b| b[5] = 7),
        ("reader-disagreement rejects", |b| b[5] = 7),
        ("malformed - elf: the version", |b| b[6] = 0),
        ("malformed - elf: the version", |b| b[20] = 9),
        ("malformed - elf: e_ehsize", |b| b[52] = 63),
        ("malformed - elf: e_phentsize", |b| b[54] = 57),
        ("malformed - elf: program headers are counted", |b| put(b, 32, &[0; 8])),
        ("malformed - elf: e_shentsize", |b| b[58] = 40),
        ("malformed - elf: section headers are counted", |b| put(b, 40, &[0; 8])),
        ("malformed - elf: e_entry lies in no PT_LOAD", |b| {
            put(b, 24, &[0xff; 7])
        }),
        ("malformed - elf: section header 0", |b| {
            let at = shoff(b) + 4;
            b[at] = 1;
        }),
        ("malformed - elf: e_shstrndx names no section", |b| b[62] = 200),
        ("malformed - elf: section e_shstrndx is not", |b| b[62] = 3),
        ("malformed - elf: the section names do not end", |b| {
            let names = shoff(b) + 8 * SECTION + 24;
            let end = (word(b, names) + word(b, names + 8)) as usize;
            b[end - 1] = b'x';
        }),
        ("malformed - elf: sh_name lies outside", |b| {
            let at = shoff(b) + 3 * SECTION;
            put(b, at, &[0xff; 4]);
        }),
        ("malformed crash elf: the end of section .text overflows", |b| {
            let at = shoff(b) + 3 * SECTION + 24;
            put(b, at, &[0xff; 16]);
        }),
        ("malformed crash elf: a segment's end in the file", |b| {
            put(b, 64 + SEGMENT + 32, &[0xff; 8])
        }),
        ("malformed crash elf: a segment's end in memory", |b| {
            put(b, 64 + SEGMENT + 40, &[0xff; 8])
        }),
        ("malformed - elf: p_filesz exceeds p_memsz", |b| {
            put(b, 64 + SEGMENT + 40, &[1, 0, 0, 0])
        }),
        ("malformed - elf: p_align is not", |b| b[64 + SEGMENT + 48] = 3),
        ("malformed lenient elf: p_offset and p_vaddr differ", |b| {
            b[64 + SEGMENT + 16] ^= 1
        }),
        ("malformed lenient elf: PT_LOAD segments do not ascend", |b| {
            let first: Vec<u8> = b[64..64 + SEGMENT].to_vec();
            let second: Vec<u8> = b[64 + SEGMENT..64 + 2 * SEGMENT].to_vec();
            put(b, 64, &second);
            put(b, 64 + SEGMENT, &first);
        }),
        ("truncated - 60000 section headers are announced", |b| {
            put(b, 60, &60_000u16.to_le_bytes())
        }),
        ("truncated - section header table needs", |b| put(b, 40, &[0xff; 5])),
        ("truncated - 40000 program headers are announced", |b| {
            put(b, 56, &40_000u16.to_le_bytes())
        }),
        ("truncated - 1 sections lie past the end", |b| {
            let at = shoff(b) + 2 * SECTION + 24;
            put(b, at, &[0xff; 4]);
        }),
        ("truncated - 1 segments lie past the end", |b| {
            let at = 64 + 3 * SEGMENT;
            put(b, at + 8, &[0xff; 4]);
        }),
    ];
    for (expected, edit) in cases {
        let mut bytes = elf::small();
        edit(&mut bytes);
        let findings = said(&parse(&bytes));
        assert!(
            findings.iter().any(|f| f.starts_with(expected)),
            "{expected}: {findings:#?}"
        );
    }
}

/// The sample with its note header turned into a segment over `code` appended, where execution starts.
fn infected(flags: u8, entry: bool) -> Vec<u8> {
    let mut bytes = elf::Elf {
        appended: vec![0x90; 64],
        ..elf::Elf::new(true, false)
    }
    .build();
    let offset = bytes.len() as u64 - 64;
    let address = 0x2000_0000 + offset;
    let at = 64 + 3 * SEGMENT;
    put(&mut bytes, at, &[1, 0, 0, 0, flags]);
    for (field, value) in [
        (8, offset),
        (16, address),
        (24, address),
        (32, 64),
        (40, 64),
        (48, 0x1000),
    ] {
        put(&mut bytes, at + field, &value.to_le_bytes());
    }
    if entry {
        put(&mut bytes, 24, &address.to_le_bytes());
    }
    bytes
}

#[test]
fn a_note_turned_into_an_entered_segment_is_found_and_a_payload_segment_is_not() {
    let (codes, ..) = scanned(&infected(5, true));
    assert!(codes.contains(&"suspicious-entry/note-load".to_owned()), "{codes:?}");
    assert!(codes.contains(&"trailing-bytes".to_owned()), "{codes:?}");
    for near in [infected(4, false), infected(5, false)] {
        let (codes, ..) = scanned(&near);
        assert!(!codes.iter().any(|c| c.starts_with("suspicious-entry")), "{codes:?}");
    }
}

#[test]
fn mapping_facts_follow_the_flags() {
    let mut bytes = elf::Elf {
        writable_text: true,
        ..elf::Elf::new(true, false)
    }
    .build();
    assert_eq!(scanned(&bytes).0, ["writable-executable/segment"]);
    bytes = elf::small();
    let stack = 64 + 4 * SEGMENT + 4;
    bytes[stack] = 7;
    assert_eq!(scanned(&bytes).0, ["writable-executable/stack"]);
    // No stack header at all is normal.
    bytes[stack - 4] = 0;
    assert_eq!(scanned(&bytes).0, [""; 0]);
}

/// The sample with `gap` 8-aligned behind its read-only data.
fn with_gap(gap: &[u8], extra: Vec<elf::ExtraSection>) -> Vec<u8> {
    let build = |gap: Vec<u8>| {
        elf::Elf {
            gap,
            extra: extra.clone(),
            ..elf::Elf::new(true, false)
        }
        .build()
    };
    let probe = build(vec![0xcc; 16]);
    let start = probe.windows(16).position(|w| w == [0xcc; 16]).unwrap();
    let mut padded = vec![0; start.next_multiple_of(8) - start];
    padded.extend_from_slice(gap);
    build(padded)
}

#[test]
fn what_editing_tools_leave_in_gaps_is_recognised_by_content() {
    let sample = elf::small();
    let headers = sample[64..64 + 5 * SEGMENT].to_vec();
    let sections = sample[shoff(&sample) + SECTION..].to_vec();
    let note = [4u32, 20, 3]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .chain(*b"GNU\0")
        .chain([7; 20])
        .collect::<Vec<u8>>();
    let (fill, later_fill) = (vec![b'X'; 100], vec![b'Z'; 100]);
    // Headers moved with the bytes they describe differ in their offsets; these do not.
    for (name, role, gap) in [
        ("old notes", Role::Metadata, &note),
        ("patchelf fill", Role::Padding, &fill),
        ("patchelf fill", Role::Padding, &later_fill),
        ("old section headers", Role::Table, &sections),
    ] {
        let bytes = with_gap(gap, Vec::new());
        let parse = parse(&bytes);
        let found = parse
            .view()
            .leaves()
            .find(|r| &*r.name == name)
            .unwrap_or_else(|| panic!("{name}: {}", map(&parse)));
        assert_eq!((found.role, found.span.len()), (role, gap.len() as u64), "{name}");
        assert_eq!(scanned(&bytes), (Vec::new(), true, 0), "{name}");
    }
    // In the file itself a gap changes the offsets, so the old headers are those of the edited file.
    let mut bytes = with_gap(&headers, Vec::new());
    let now = bytes[64..64 + 5 * SEGMENT].to_vec();
    let at = bytes.windows(headers.len()).rposition(|w| w == headers).unwrap();
    put(&mut bytes, at, &now);
    assert_eq!(
        parse(&bytes)
            .view()
            .leaves()
            .filter(|r| &*r.name == "old program headers")
            .count(),
        1
    );
    assert_eq!(scanned(&bytes), (Vec::new(), true, 0));
}

#[test]
fn a_gap_that_only_begins_like_something_known_is_reported() {
    let secret = b"an archive of something that was not meant to leave the house";
    let mut after_fill = vec![b'X'; 40];
    after_fill.extend_from_slice(secret);
    let mixed_fill = b"XZ".repeat(20);
    let mut after_note = [4u32, 4, 3]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .chain(*b"GNU\0\0\0\0\x01")
        .collect::<Vec<u8>>();
    after_note.extend_from_slice(secret);
    let mut huge_note = [4u32, 4000, 3]
        .iter()
        .flat_map(|n| n.to_le_bytes())
        .chain(*b"GNU\0")
        .collect::<Vec<u8>>();
    huge_note.resize(4016, b'z');
    for gap in [after_fill, mixed_fill, after_note, huge_note, secret.to_vec()] {
        let (codes, _, unclaimed) = scanned(&with_gap(&gap, Vec::new()));
        assert_eq!(codes, ["unclaimed-bytes/gap"]);
        assert!(unclaimed >= 40);
    }
}

#[test]
fn the_address_of_the_payload_is_claimed_where_its_section_is_there() {
    let graph = bun::Graph::new("/$bunfs/", true);
    let extra = vec![elf::ExtraSection {
        name: ".bun".into(),
        data: graph.section(),
    }];
    let file = with_gap(&[0; 8], extra.clone());
    let header = shoff(&file) + 6 * SECTION;
    let address = file[header + 16..header + 24].to_vec();
    let bytes = with_gap(&address, extra.clone());
    assert!(
        parse(&bytes)
            .view()
            .leaves()
            .any(|r| &*r.name == "address of the payload" && r.span.len() == 8)
    );
    assert_eq!(scanned(&bytes).2, 0);
    let other = with_gap(&[1, 2, 3, 4, 5, 6, 7, 8], extra);
    assert_eq!(scanned(&other).0, ["unclaimed-bytes/gap"]);
}

#[test]
fn what_is_appended_is_claimed_only_when_it_says_what_it_is() {
    let with = |appended: Vec<u8>| {
        elf::Elf {
            appended,
            ..elf::Elf::new(true, false)
        }
        .build()
    };
    let signature = |length: u32| {
        let mut tail = vec![0x5b; 200];
        tail.extend_from_slice(&[0, 0, 2, 0, 0, 0, 0, 0]);
        tail.extend_from_slice(&length.to_be_bytes());
        tail.extend_from_slice(b"~Module signature appended~\n");
        with(tail)
    };
    let signed = parse(&signature(200));
    assert_eq!(
        signed
            .view()
            .leaves()
            .filter(|r| r.role == Role::Signature)
            .map(|r| r.span.len())
            .sum::<u64>(),
        240
    );
    assert_eq!(scanned(&signature(200)), (Vec::new(), true, 0));
    for stuffed in [signature(150), signature(u32::MAX), with(b"hidden".repeat(20))] {
        let (codes, ..) = scanned(&stuffed);
        assert!(
            codes
                .iter()
                .any(|c| c == "trailing-bytes" || c == "unclaimed-bytes/gap"),
            "{codes:?}"
        );
    }
    let bundle = bun::Graph::new("/$bunfs/", false).appended().bytes;
    let parse = parse(&bundle);
    assert!(parse.children().iter().all(|c| c.expected) && parse.children().len() == 1);
    assert_eq!(scanned(&bundle).2, 0);
}

#[test]
fn imports_are_read_as_the_loader_reads_them() {
    // `.data` becomes a dynamic table whose strings are `.rodata`.
    let rodata = b"\0libc.so.6\0/tmp/evil\0".to_vec();
    let mut bytes = elf::Elf {
        rodata: rodata.clone(),
        data: vec![0; 96],
        ..elf::Elf::new(true, false)
    }
    .build();
    let section = |bytes: &[u8], i: usize, field: usize| word(bytes, shoff(bytes) + i * SECTION + field);
    let (strings, table) = (section(&bytes, 2, 16), section(&bytes, 4, 24) as usize);
    for (i, (tag, value)) in [(5u64, strings), (10, rodata.len() as u64), (1, 1), (29, 11), (0, 0)]
        .iter()
        .enumerate()
    {
        put(&mut bytes, table + 16 * i, &tag.to_le_bytes());
        put(&mut bytes, table + 16 * i + 8, &value.to_le_bytes());
    }
    let note = 64 + 3 * SEGMENT;
    bytes[note] = 2;
    put(&mut bytes, note + 8, &(table as u64).to_le_bytes());
    put(&mut bytes, note + 32, &96u64.to_le_bytes());
    let imports = |bytes: &[u8]| -> Vec<String> {
        let facts = parse(bytes).facts().to_vec();
        facts
            .into_iter()
            .filter_map(|f| {
                if let Fact::Import { library, .. } = f {
                    Some(library.into())
                } else {
                    None
                }
            })
            .collect()
    };
    assert_eq!(imports(&bytes), ["libc.so.6", "/tmp/evil"]);
    let mut outside = bytes.clone();
    put(&mut outside, table + 24, &[4]);
    assert!(
        said(&parse(&outside))
            .iter()
            .any(|f| f.contains("lies outside DT_STRSZ"))
    );
    put(&mut bytes, table + 8, &[0xff; 8]);
    assert!(
        said(&parse(&bytes))
            .iter()
            .any(|f| f.contains("DT_STRTAB is in no PT_LOAD"))
    );
}

#[test]
fn a_cut_file_is_never_silently_clean() {
    for (wide, big) in [(true, false), (false, true)] {
        let built = elf::Elf::new(wide, big).built();
        let cuts = (0..built.bytes.len().min(4096)).chain(built.boundaries.iter().map(|b| *b as usize));
        for cut in cuts.filter(|cut| *cut < built.bytes.len()) {
            let bytes = &built.bytes[..cut];
            crate::format::fuzz("elf", bytes);
            let parse = parse(bytes);
            let claimed = crate::span::SpanSet::from_spans(parse.view().leaves().map(|r| r.span)).total();
            let silent = parse.findings().is_empty() && parse.errors().is_empty() && claimed >= cut as u64;
            assert!(!silent, "cut at {cut}");
        }
    }
}

#[test]
fn no_single_byte_breaks_the_parser() {
    for (wide, big) in [(true, false), (true, true), (false, false), (false, true)] {
        let sample = elf::Elf::new(wide, big).build();
        let started = Instant::now();
        for at in 0..sample.len() {
            for change in [|_| 0, |_| 0xff, |b: u8| b ^ 1, |b: u8| b ^ 0x80] {
                let mut bytes = sample.clone();
                bytes[at] = change(bytes[at]);
                crate::format::fuzz("elf", &bytes);
            }
        }
        assert!(started.elapsed() < Duration::from_secs(60));
    }
}

#[test]
fn counts_that_lie_cost_nothing() {
    let mut bytes = elf::small();
    let zero = shoff(&bytes);
    put(&mut bytes, zero + 32, &[0xff; 8]);
    put(&mut bytes, zero + 44, &[0xff; 4]);
    put(&mut bytes, 56, &[0xff, 0xff]);
    put(&mut bytes, 60, &[0, 0]);
    let started = Instant::now();
    let findings = said(&parse(&bytes));
    assert!(
        findings.iter().any(|f| f.contains("section headers are announced")),
        "{findings:?}"
    );
    assert!(started.elapsed() < Duration::from_secs(1));
}

#[test]
fn only_a_header_that_agrees_with_its_magic_is_certain() {
    let strength = |bytes: &[u8]| {
        let probe = Probe::new(bytes, bytes, bytes.len() as u64);
        Elf.identify(&probe).map(|m| m.strength)
    };
    use crate::identify::Strength;
    let sample = elf::small();
    assert_eq!(strength(&sample), Some(Strength::Certain));
    assert_eq!(strength(b"\x7fELF is how such files begin"), Some(Strength::Likely));
    assert_eq!(strength(&sample[1..]), None);
    let mut class = sample;
    class[4] = 0;
    assert_eq!(strength(&class), Some(Strength::Likely));
}

proptest! {
    #[test]
    fn random_bytes_with_the_magic_are_survived(class in 0u8..4, order in 0u8..4, rest in prop::collection::vec(any::<u8>(), 0..600)) {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', class, order, 1];
        bytes.extend(rest);
        crate::format::fuzz("elf", &bytes);
    }

    #[test]
    fn small_numbers_in_the_header_are_survived(fields in prop::collection::vec(0u8..80, 48), rest in prop::collection::vec(0u8..12, 64..1500)) {
        let mut bytes = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        for (i, byte) in fields.into_iter().enumerate() {
            bytes.push(if i % 8 == 0 || i > 36 { byte } else { 0 });
        }
        bytes.extend(rest);
        crate::format::fuzz("elf", &bytes);
    }
}

#[test]
fn code_that_bolt_left_behind_is_claimed_where_bolt_has_been() {
    let build = |name: &str| {
        let mut bytes = elf::Elf {
            gap: b"\x55\x48\x89\xe5".repeat(16),
            extra: vec![elf::ExtraSection {
                name: name.into(),
                data: vec![0xc3; 16],
            }],
            ..elf::Elf::new(true, false)
        }
        .build();
        let word = |bytes: &[u8], at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let at = (0..6)
            .map(|i| 64 + 56 * i)
            .find(|at| bytes[*at] == 1 && bytes[at + 4] & 1 != 0)
            .unwrap();
        // The segment starts with the gap.
        let gap = scanned(&bytes).2;
        assert!(gap == 0 || gap >= 64);
        for (field, less) in [(8, true), (16, true), (24, true), (32, false), (40, false)] {
            let value = word(&bytes, at + field);
            let value = if less { value - gap } else { value + gap };
            bytes[at + field..at + field + 8].copy_from_slice(&value.to_le_bytes());
        }
        bytes
    };
    assert!(scanned(&build(".other")).0.contains(&"unclaimed-bytes/gap".to_owned()));
    let bolted = build(".bolt.org.text");
    assert_eq!(scanned(&bolted).2, 0, "{}", map(&parse(&bolted)));
    assert!(map(&parse(&bolted)).contains("code left behind by BOLT"));
}

#[test]
fn kernels_of_intel_have_no_version() {
    let mut bytes = elf::Elf::new(true, false).build();
    bytes[6] = 0;
    bytes[20..24].fill(0);
    let broken = |bytes: &[u8]| {
        said(&parse(bytes))
            .iter()
            .any(|line| line.contains("the version is not 1"))
    };
    assert!(broken(&bytes));
    bytes[16..20].copy_from_slice(&[0x04, 0xff, 0, 0]);
    assert!(!broken(&bytes));
}

//! What is claimed, what is reported, and that no input breaks it.

#![expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    reason = "tests place their own numbers in files they built"
)]

mod maps;

use crate::fact::Fact;
use crate::finding::code;
use crate::format::Parse;
use crate::identify::{HEAD, Match, Probe, TAIL, identify};
use crate::ledger::Ledger;
use crate::pipeline::{Options, Scanner};
use maps::{ARM64, FAT, FAT_64, I386};
use probity_signatures::Severity;
use probity_tests::build::macho::{Cpu, Fat, MachO};
use probity_tests::samples;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    Scanner::new(Options {
        jobs: 1,
        keep_ledgers: true,
        ..Options::default()
    })
    .unwrap()
});

fn parse(id: &str, bytes: &[u8]) -> Parse {
    crate::format::fuzz(id, bytes);
    let format = crate::format::FORMATS.iter().find(|f| f.id() == id).unwrap();
    Parse::of_bytes(*format, bytes)
}

fn matched(bytes: &[u8]) -> (&'static str, Match) {
    let tail = bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap();
    let head = bytes.get(..bytes.len().min(HEAD)).unwrap();
    let found = identify(&Probe::new(head, tail, bytes.len() as u64));
    let first = found.first().unwrap();
    (first.format.id(), first.matched)
}

/// Offset, length, role and name of every leaf, by offset.
fn map(bytes: &[u8]) -> String {
    let report = SCANNER.scan_bytes("sample", bytes.to_vec());
    let ledger = report.artifacts.first().unwrap().ledger.as_ref().unwrap();
    let mut leaves: Vec<_> = ledger.leaves().collect();
    leaves.sort_by_key(|r| r.span);
    let lines = leaves.iter().map(|r| {
        format!(
            "{:#x} {} {} {}\n",
            r.span.start(),
            r.span.len(),
            r.role.as_str(),
            r.name
        )
    });
    lines.collect()
}

/// Code, case and message of each finding of low or more, in all artifacts.
fn findings(bytes: &[u8]) -> Vec<String> {
    let report = SCANNER.scan_bytes("sample", bytes.to_vec());
    let all = report
        .artifacts
        .iter()
        .flat_map(|a| &a.findings)
        .filter(|f| f.severity >= Severity::Low)
        // What is changed here was signed: that is told too, and looked at where signatures are verified.
        .filter(|f| !matches!(f.finding.code, code::SIGNATURE_INVALID | code::UNCOVERED_BYTES));
    all.map(|f| {
        format!(
            "{} {} {}",
            f.finding.code,
            f.finding.case.unwrap_or("-"),
            f.finding.message
        )
    })
    .collect()
}

/// The offset of the first load command with the number `cmd` in a thin little-endian file.
fn command(bytes: &[u8], cmd: u32) -> usize {
    let word = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap());
    let mut at = if bytes[0] == 0xcf { 32 } else { 28 };
    while word(at) != cmd {
        at += word(at + 4) as usize;
    }
    at
}

fn set(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn set_be(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
}

fn super_blob(bytes: &[u8]) -> usize {
    probity_tests::build::bytes::find(bytes, &[0xfa, 0xde, 0x0c, 0xc0]).unwrap()
}

#[test]
fn a_signed_image_is_claimed_to_the_last_byte() {
    assert_eq!(map(&MachO::new(Cpu::Arm64).build()), ARM64);
}

#[test]
fn an_unsigned_image_of_32_bits_is_claimed_to_the_last_byte() {
    let file = MachO {
        signed: false,
        bun: Some(b"not a bundle".to_vec()),
        ..MachO::new(Cpu::I386)
    }
    .build();
    assert_eq!(map(&file), I386);
}

#[test]
fn universal_files_are_claimed_to_the_last_byte() {
    for (wide, expected) in [(false, FAT), (true, FAT_64)] {
        assert_eq!(map(&Fat::new(wide).build()), expected);
    }
}

#[test]
fn benign_samples_are_certain_and_quiet() {
    let mine = |s: &samples::Sample| s.format.starts_with("macho");
    let mut seen = 0;
    for sample in samples::all().into_iter().filter(mine) {
        assert_eq!(
            matched(&sample.bytes),
            (sample.format, Match::CERTAIN),
            "{}",
            sample.name
        );
        if sample.name != "bun-in-macho" {
            assert_eq!(findings(&sample.bytes), [""; 0], "{}", sample.name);
        }
        let parse = parse(sample.format, &sample.bytes);
        assert!(
            parse.findings().is_empty() && parse.errors().is_empty(),
            "{}: {:?}",
            sample.name,
            parse.findings()
        );
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[test]
fn hostile_samples_provoke_their_code() {
    let mut seen = 0;
    for sample in samples::hostile().into_iter().filter(|s| s.name.starts_with("macho")) {
        let found = findings(&sample.bytes);
        assert!(
            found.iter().any(|f| f.starts_with(sample.expect_code)),
            "{}: {found:?}",
            sample.name
        );
        seen += 1;
    }
    assert_eq!(seen, 7);
}

#[test]
fn a_table_of_four_thousand_million_images_is_one_lie_with_a_place() {
    for magic in [[0xca, 0xfe, 0xba, 0xbe], [0xca, 0xfe, 0xba, 0xbf]] {
        let bytes = [&magic[..], &[0xff; 4], &[0; 4096]].concat();
        assert_eq!(matched(&bytes), ("macho-fat", Match::LIKELY));
        let parse = parse("macho-fat", &bytes);
        assert_eq!(parse.findings().len(), 1, "{:?}", parse.findings());
        let finding = &parse.findings()[0];
        assert_eq!(
            (finding.code, finding.span),
            ("malformed", crate::span::Span::new(4, 8))
        );
    }
}

#[test]
fn a_java_class_is_no_universal_file() {
    for (head, expected) in [
        (&b"\xca\xfe\xba\xbe\0\0\0\x34\0\x10\x0a\0\x03\0\x0d\x07"[..], false),
        (b"\xca\xfe\xba\xbe\0\x03\0\x2d\0\x10\x0a\0\x03\0\x0d\x07", false),
        (b"\xca\xfe\xba\xbe\0\0\0\x02\x01\0\0\x07\0\0\0\x03", true),
    ] {
        assert_eq!(matched(head).0 == "macho-fat", expected);
        let (format, certainty) = matched(head);
        assert!(format == "java-class" || certainty != Match::CERTAIN, "{format}");
    }
}

#[test]
fn a_cut_file_never_looks_whole() {
    for sample in samples::all().into_iter().filter(|s| s.format.starts_with("macho")) {
        let bytes = &sample.bytes;
        let early = 4..bytes.len().min(4096) as u64;
        for cut in sample
            .boundaries
            .iter()
            .copied()
            .chain(early)
            .chain([bytes.len() as u64 - 1])
        {
            let cut = bytes.get(..cut as usize).unwrap();
            let parse = parse(sample.format, cut);
            let quiet = parse.findings().is_empty() && parse.errors().is_empty();
            let mut ledger = Ledger::new(cut.len() as u64);
            ledger.push(parse.view);
            assert!(
                !quiet || !ledger.unclaimed().is_empty(),
                "{} cut at {}",
                sample.name,
                cut.len()
            );
            assert_eq!(matched(cut).0, sample.format, "{} cut at {}", sample.name, cut.len());
        }
    }
}

#[test]
fn every_change_of_a_structure_byte_is_survived() {
    let thin = MachO::new(Cpu::X86_64).build();
    let signature = super_blob(&thin);
    let fat = Fat::new(false).build();
    for (id, file, places) in [
        (
            "macho",
            &thin,
            (0..0x300).chain(signature..signature + 200).collect::<Vec<_>>(),
        ),
        ("macho-fat", &fat, (0..64).collect()),
    ] {
        for at in places {
            for change in [|_| 0x00, |_| 0xff, |b: u8| b ^ 0x01, |b: u8| b ^ 0x80] {
                let mut changed = file.clone();
                changed[at] = change(changed[at]);
                parse(id, &changed);
            }
        }
    }
}

/// A change to a well-formed arm64 image, and the start of a finding that it must cause (none: it must stay quiet).
type Case = (&'static str, fn(&mut Vec<u8>), Option<&'static str>);

const CASES: &[Case] = &[
    ("nothing", |_| {}, None),
    (
        "cputype",
        |b| set(b, 4, 0x0100_0063),
        Some("malformed - mach-o: unknown cputype"),
    ),
    (
        "word size",
        |b| set(b, 4, 12),
        Some("malformed - mach-o: magic and cputype disagree"),
    ),
    (
        "filetype",
        |b| set(b, 12, 99),
        Some("malformed - mach-o: unknown filetype"),
    ),
    ("another filetype", |b| set(b, 12, 8), None),
    (
        "no commands",
        |b| set(b, 16, 0),
        Some("malformed - mach-o: no load commands"),
    ),
    (
        "too many commands",
        |b| b[16] += 1,
        Some("malformed - mach-o: ncmds commands do not fit"),
    ),
    (
        "too few commands",
        |b| b[16] -= 1,
        Some("malformed - mach-o: sizeofcmds is more"),
    ),
    (
        "sizeofcmds past the end",
        |b| set(b, 20, 0x0100_0000),
        Some("truncated - load commands"),
    ),
    (
        "cmdsize 4",
        |b| set_size(b, 0x1d, 4),
        Some("malformed - mach-o: cmdsize is less"),
    ),
    (
        "cmdsize 4, which goblin takes",
        |b| set_size(b, 0x1d, 4),
        Some("reader-disagreement accepts goblin"),
    ),
    (
        "cmdsize past sizeofcmds",
        |b| set_size(b, 0x1d, 0x4000),
        Some("malformed - mach-o: cmdsize runs past"),
    ),
    (
        "cmdsize 20",
        |b| set_size(b, 0x1b, 20),
        Some("malformed - mach-o: cmdsize is not a multiple"),
    ),
    (
        "cmdsize of another command",
        |b| set_size(b, 0x1d, 8),
        Some("malformed - mach-o: LC_CODE_SIGNATURE has a size"),
    ),
    (
        "a command twice",
        |b| set_field(b, 0x1b, 0, 2),
        Some("malformed - mach-o: LC_SYMTAB stands twice"),
    ),
    ("an unknown command", |b| set_field(b, 0x1b, 0, 0x77), None),
    (
        "filesize over vmsize",
        |b| text(b, 32, 0x1000),
        Some("malformed - mach-o: filesize is more than vmsize"),
    ),
    (
        "text past the end",
        |b| text(b, 48, 0x00ff_0000),
        Some("truncated - segment __TEXT"),
    ),
    (
        "segments overlap",
        |b| text(b, 48, 0x4010),
        Some("malformed - mach-o: segments __TEXT and __LINKEDIT share"),
    ),
    (
        "more sections",
        |b| text(b, 64, 9),
        Some("malformed - mach-o: nsects and cmdsize disagree"),
    ),
    (
        "writable text",
        |b| text(b, 60, 7),
        Some("writable-executable segment __TEXT"),
    ),
    ("maxprot of everything", |b| text(b, 56, 7), None),
    (
        "section outside",
        |b| text(b, 72 + 48, 0x4001),
        Some("malformed - mach-o: a section lies outside its segment"),
    ),
    (
        "section moved",
        |b| text(b, 72 + 48, 0x3f00),
        Some("malformed - mach-o: a section's offset is not where"),
    ),
    (
        "section over the header",
        |b| text(b, 72 + 48, 0),
        Some("overlapping-regions - "),
    ),
    (
        "a zerofill section",
        |b| text(b, 72 + 64, 1),
        Some("suspicious-entry entry-outside-sections"),
    ),
    (
        "entry in padding",
        |b| set_field(b, 0x8000_0028, 8, 0x3ff0),
        Some("suspicious-entry entry-outside-sections"),
    ),
    (
        "symbols past the end",
        |b| set_field(b, 2, 12, 0x00ff_ffff),
        Some("truncated - symbol table"),
    ),
    (
        "symbols in __TEXT",
        |b| set_field(b, 2, 8, 0x3000),
        Some("malformed - mach-o: the symbol table lies outside"),
    ),
    ("no symbols", |b| set_field(b, 2, 12, 0), Some("unclaimed-bytes gap")),
    (
        "two starts",
        |b| set_field(b, 0x1b, 0, 0x8000_0028),
        Some("malformed - mach-o: more than one command says"),
    ),
    (
        "signature past the end",
        |b| set_field(b, 0x1d, 12, 0x0100_0000),
        Some("truncated - code signature"),
    ),
    (
        "signature too small",
        |b| set_field(b, 0x1d, 12, 64),
        Some("malformed - code signature: the SuperBlob's length"),
    ),
    (
        "signature before the strings",
        |b| set_field(b, 0x1d, 8, 0x4000),
        Some("malformed - mach-o: the code signature is not"),
    ),
    (
        "SuperBlob magic",
        |b| blob(b, 0, 0),
        Some("malformed - code signature: the magic number is not"),
    ),
    (
        "SuperBlob length",
        |b| blob(b, 4, 0x4000),
        Some("malformed - code signature: the SuperBlob's length"),
    ),
    ("SuperBlob longer by a zero", |b| blob_add(b, 4, 1), None),
    (
        "blob count",
        |b| blob(b, 8, 0x4000_0000),
        Some("malformed - code signature: the index does not fit"),
    ),
    (
        "blob offset in the index",
        |b| blob(b, 16, 8),
        Some("malformed - code signature: the CodeDirectory lies outside"),
    ),
    (
        "blob offset past the end",
        |b| blob(b, 24, 0x4000),
        Some("malformed - code signature: the requirements lies outside"),
    ),
    (
        "blob length",
        |b| blob(b, 40, 0x4000),
        Some("malformed - code signature: the length of the CodeDirectory"),
    ),
    (
        "blob magic",
        |b| blob(b, 36, 0xfade_0c03),
        Some("malformed - code signature: the CodeDirectory has the magic"),
    ),
    (
        "two blobs of a slot",
        |b| blob(b, 20, 0),
        Some("malformed - code signature: two blobs for one slot"),
    ),
    ("an unknown slot", |b| blob(b, 20, 0x77), None),
    (
        "hashOffset",
        |b| blob(b, 36 + 16, 0x4000),
        Some("malformed - code signature: CodeDirectory: the slots do not fit"),
    ),
    (
        "identOffset",
        |b| blob(b, 36 + 20, 0),
        Some("malformed - code signature: CodeDirectory: identOffset"),
    ),
    (
        "nSpecialSlots",
        |b| blob(b, 36 + 24, 99),
        Some("malformed - code signature: CodeDirectory: the slots do not fit"),
    ),
    (
        "nCodeSlots",
        |b| blob(b, 36 + 28, 1),
        Some("malformed - code signature: CodeDirectory: nCodeSlots"),
    ),
    (
        "codeLimit",
        |b| blob(b, 36 + 32, 0x4001),
        Some("malformed - code signature: CodeDirectory: codeLimit"),
    ),
    (
        "hashSize",
        |b| blob(b, 36 + 36, 0x2102_000e),
        Some("malformed - code signature: CodeDirectory: hashSize"),
    ),
    (
        "pageSize",
        |b| blob(b, 36 + 36, 0x2002_0003),
        Some("malformed - code signature: CodeDirectory: pageSize"),
    ),
];

fn set_field(bytes: &mut [u8], cmd: u32, at: usize, value: u32) {
    let place = command(bytes, cmd) + at;
    set(bytes, place, value);
}

fn set_size(bytes: &mut [u8], cmd: u32, value: u32) {
    set_field(bytes, cmd, 4, value);
}

/// Changes a field of `__TEXT`, the second segment.
fn text(bytes: &mut [u8], at: usize, value: u32) {
    set(bytes, 32 + 72 + at, value);
}

fn blob(bytes: &mut [u8], at: usize, value: u32) {
    let place = super_blob(bytes) + at;
    set_be(bytes, place, value);
}

fn blob_add(bytes: &mut [u8], at: usize, value: u32) {
    let place = super_blob(bytes) + at;
    let old = u32::from_be_bytes(bytes[place..place + 4].try_into().unwrap());
    set_be(bytes, place, old + value);
}

#[test]
fn each_broken_rule_is_reported() {
    for (name, change, expected) in CASES {
        let mut bytes = MachO::new(Cpu::Arm64).build();
        change(&mut bytes);
        let found = findings(&bytes);
        match expected {
            Some(start) => assert!(found.iter().any(|f| f.starts_with(start)), "{name}: {found:#?}"),
            None => assert_eq!(found, [""; 0], "{name}"),
        }
    }
}

#[test]
fn each_broken_rule_of_a_universal_file_is_reported() {
    const CASES: &[Case] = &[
        ("nothing", |_| {}, None),
        (
            "no images",
            |b| set_be(b, 4, 0),
            Some("malformed - fat: nfat_arch is zero"),
        ),
        (
            "cputype of no processor",
            |b| set_be(b, 8, 99),
            Some("malformed - fat: unknown cputype"),
        ),
        (
            "cputype of another",
            |b| set_be(b, 8, 7),
            Some("header-mismatch - the table says the image is i386"),
        ),
        ("capability bits", |b| set_be(b, 12, 0x8000_0003), None),
        (
            "one processor twice",
            |b| b.copy_within(8..16, 28),
            Some("malformed - fat: two images for one processor"),
        ),
        (
            "alignment",
            |b| set_be(b, 24, 15),
            Some("malformed - fat: an image is not at a multiple"),
        ),
        (
            "alignment of half the file",
            |b| set_be(b, 24, 40),
            Some("malformed - fat: an image is not at a multiple"),
        ),
        (
            "inside the table",
            |b| set_be(b, 16, 0),
            Some("malformed - fat: an image starts inside the table"),
        ),
        (
            "no bytes",
            |b| set_be(b, 20, 0),
            Some("malformed - fat: an image of no bytes"),
        ),
        (
            "past the end",
            |b| set_be(b, 40, 0x0fff_ffff),
            Some("truncated - image arm64"),
        ),
        (
            "not an image",
            |b| b[0x1000] = 0,
            Some("malformed - fat: an image is neither"),
        ),
    ];
    for (name, change, expected) in CASES {
        let mut bytes = Fat::new(false).build();
        change(&mut bytes);
        let found = findings(&bytes);
        match expected {
            Some(start) => assert!(found.iter().any(|f| f.starts_with(start)), "{name}: {found:#?}"),
            None => assert_eq!(found, [""; 0], "{name}"),
        }
    }
    let mut reserved = Fat::new(true).build();
    reserved[39] = 1;
    assert!(findings(&reserved)[0].starts_with("malformed - fat: the reserved word"));
}

/// A PowerPC executable: a header, `__TEXT` with one section of four bytes, and a start by `LC_UNIXTHREAD`.
fn big_endian() -> Vec<u8> {
    let mut out = probity_tests::build::bytes::Out::be();
    let words = |out: &mut probity_tests::build::bytes::Out, words: &[u32]| {
        for word in words {
            out.u32(*word);
        }
    };
    words(&mut out, &[0xfeed_face, 18, 0, 2, 2, 56 + 68 + 56, 0]);
    out.u32(1).u32(56 + 68).fixed(b"__TEXT", 16);
    words(&mut out, &[0x1000, 0x1000, 0, 0xe0, 7, 5, 1, 0]);
    out.fixed(b"__text", 16).fixed(b"__TEXT", 16);
    words(&mut out, &[0x10dc, 4, 0xdc, 2, 0, 0, 0x8000_0400, 0, 0]);
    words(&mut out, &[5, 56, 1, 10, 0x10dc]);
    out.zeros_to(0xdc).u32(0x4e80_0020);
    out.into_bytes()
}

#[test]
fn a_big_endian_image_is_read_in_its_own_order() {
    let mut bytes = big_endian();
    assert_eq!(matched(&bytes), ("macho", Match::CERTAIN));
    assert_eq!(findings(&bytes), [""; 0]);
    assert!(map(&bytes).ends_with("0xdc 4 code __TEXT,__text\n"));
    set_be(&mut bytes, 28 + 56 + 68 + 16, 0x1000);
    assert!(findings(&bytes)[0].starts_with("suspicious-entry entry-outside-sections"));
}

#[test]
fn an_encrypted_image_is_incomplete() {
    for (cryptid, encrypted) in [(0, false), (1, true)] {
        let mut bytes = MachO::new(Cpu::Arm64).build();
        let at = command(&bytes, 0x1b);
        set(&mut bytes, at, 0x2c);
        for (field, value) in [(8, 0x1000), (12, 0x1000), (16, cryptid), (20, 0)] {
            set(&mut bytes, at + field, value);
        }
        let parse = parse("macho", &bytes);
        assert_eq!(parse.findings().iter().any(|f| f.code == "encrypted-entry"), encrypted);
        assert_eq!(parse.errors().len(), usize::from(encrypted));
    }
}

/// A file whose slack begins `phase` bytes into the slots that follow slot `first - 1` of a table over 4 KiB pages.
fn with_leftover(phase: usize, first: usize, length: usize) -> (Vec<u8>, usize) {
    let mut bytes = MachO {
        slack: vec![0; length],
        ..MachO::new(Cpu::Arm64)
    }
    .build();
    let blob = super_blob(&bytes);
    let end = blob + u32::from_be_bytes(bytes[blob + 4..blob + 8].try_into().unwrap()) as usize;
    let slots: Vec<u8> = bytes[..blob]
        .chunks(4096)
        .flat_map(|page| Sha256::digest(page).to_vec())
        .collect();
    let from = first * 32 - phase;
    let kept = &slots[from..slots.len().min(from + bytes.len() - end)];
    bytes[end..end + kept.len()].copy_from_slice(kept);
    (bytes, end)
}

#[test]
fn leftover_slots_of_an_earlier_directory_explain_themselves() {
    for (phase, first, length) in [(0, 1, 128), (19, 1, 100), (31, 2, 80), (0, 0, 64)] {
        let (mut bytes, end) = with_leftover(phase, first, length);
        assert_eq!(findings(&bytes), [""; 0], "phase {phase}");
        assert!(
            map(&bytes).contains("padding leftover CodeDirectory slots\n"),
            "phase {phase}"
        );
        bytes[end + 40] ^= 1;
        let found = findings(&bytes);
        assert!(
            found.iter().any(|f| f.starts_with("nonzero-padding")),
            "phase {phase}: {found:?}"
        );
    }
}

#[test]
fn slack_after_leftover_slots_must_be_zero() {
    let (mut bytes, end) = with_leftover(0, 3, 256);
    assert_eq!(findings(&bytes), [""; 0]);
    bytes[end + 100..end + 120].fill(b'x');
    assert!(findings(&bytes).iter().any(|f| f.starts_with("nonzero-padding")));
}

#[test]
fn the_end_of_an_earlier_signature_without_a_certificate_may_follow_its_slots() {
    const END: &[u8] = b"\xfa\xde\x0c\x01\0\0\0\x0c\0\0\0\0\xfa\xde\x0b\x01\0\0\0\x08";
    // Slot 4 is that of the last page.
    let (mut bytes, end) = with_leftover(0, 3, 256);
    bytes[end + 64..end + 64 + END.len()].copy_from_slice(END);
    assert_eq!(findings(&bytes), [""; 0]);
    for at in [0, 11, 12, END.len() - 1, END.len()] {
        let mut changed = bytes.clone();
        changed[end + 64 + at] ^= 1;
        let found = findings(&changed);
        assert!(
            found.iter().any(|f| f.starts_with("nonzero-padding")),
            "{at}: {found:?}"
        );
    }
}

#[test]
fn the_tail_of_an_earlier_signature_is_named_as_such() {
    let cms = b"\x30\x0d\x06\x09\x2a\x86\x48\x86\xf7\x0d\x01\x07\x02\xa0\x00";
    let wrapper = [&b"\xfa\xde\x0b\x01\0\0\0\x17"[..], cms].concat();
    let tail = |tail: &[u8], after: &[u8]| {
        let slack = [tail, &wrapper, after].concat();
        let found = findings(
            &MachO {
                slack,
                ..MachO::new(Cpu::Arm64)
            }
            .build(),
        );
        assert_eq!(found.len(), 1, "{found:?}");
        found[0].split(' ').nth(1).unwrap().to_owned()
    };
    assert_eq!(tail(b"the tail of requirements", b""), "earlier-signature");
    assert_eq!(tail(b"", b""), "earlier-signature");
    assert_eq!(tail(b"", b"and something after it"), "-");
    assert_eq!(tail(&[b'x'; 300], b""), "-");
}

#[test]
fn facts_name_libraries_segments_and_the_entry() {
    let mut bytes = MachO::new(Cpu::X86_64).build();
    let at = command(&bytes, 0x1b);
    set(&mut bytes, at, 0x8000_001c);
    bytes[at + 8..at + 24].copy_from_slice(b"\x0c\0\0\0@rpath/lib\0\0");
    let parse = parse("macho", &bytes);
    assert!(parse.findings().is_empty());
    let library = |f: &Fact| match f {
        Fact::Import { library, .. } => Some(library.to_string()),
        _ => None,
    };
    let imports: Vec<_> = parse.facts().iter().filter_map(library).collect();
    assert_eq!(imports, ["@rpath/lib"]);
    let entry = parse.facts().iter().any(|f| {
        matches!(
            f,
            Fact::EntryPoint {
                offset: Some(_),
                inside_code: true
            }
        )
    });
    let segments = parse
        .facts()
        .iter()
        .filter(|f| matches!(f, Fact::Segment { .. }))
        .count();
    assert!(entry && segments == 3);
    bytes[at + 22..at + 24].copy_from_slice(b"ry");
    assert_eq!(findings(&bytes), [""; 0], "a string that fills its command");
    bytes[at + 8] = 24;
    assert!(findings(&bytes)[0].starts_with("malformed - mach-o: the string of LC_RPATH"));
}

proptest! {
    #[test]
    fn random_bytes_behind_a_magic_number_are_survived(rest in prop::collection::vec(any::<u8>(), 0..600), kind in 0usize..6) {
        let magics: [(&str, [u8; 4]); 6] = [
            ("macho", [0xcf, 0xfa, 0xed, 0xfe]),
            ("macho", [0xce, 0xfa, 0xed, 0xfe]),
            ("macho", [0xfe, 0xed, 0xfa, 0xcf]),
            ("macho", [0xfe, 0xed, 0xfa, 0xce]),
            ("macho-fat", [0xca, 0xfe, 0xba, 0xbe]),
            ("macho-fat", [0xca, 0xfe, 0xba, 0xbf]),
        ];
        let (id, magic) = magics[kind];
        parse(id, &[&magic[..], &rest].concat());
    }
}

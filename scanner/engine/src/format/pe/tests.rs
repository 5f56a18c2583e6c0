//! What the PE format claims, says and survives.

#![expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "offsets into small fixtures"
)]

mod broken;

use super::image::{Image, Window};
use super::{Pe, header, second, section as sections};
use crate::artifact::Artifact;
use crate::fact::Fact;
use crate::finding::code;
use crate::format::{Format, Input, Parse, fuzz};
use crate::identify::{Match, Probe};
use crate::ledger::Ledger;
use crate::pipeline::{Options, Scanner};
use crate::span::Span;
use probity_tests::build::elf;
use probity_tests::build::pe::{ExtraSection, Pe as Builder, security_directory, small};
use proptest::prelude::*;
use std::fmt::Write;

/// Where the builder puts things.
const PE: usize = 0x80;
const OPTIONAL: usize = PE + 24;
const TABLE: usize = OPTIONAL + 240;
const TEXT: usize = 0x400;
/// Bytes of the signature of a signed image.
const VALUE: u64 = 0x10a6;
const HIDDEN: &[u8] = b"sixteen or more bytes that nothing refers to";

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Pe, bytes)
}

fn ledger(bytes: &[u8]) -> Ledger {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(parse(bytes).view);
    ledger
}

fn unclaimed(bytes: &[u8]) -> Vec<(u64, u64)> {
    ledger(bytes).unclaimed().iter().map(|s| (s.start(), s.end())).collect()
}

fn map(bytes: &[u8]) -> String {
    let mut out = String::new();
    let mut regions = parse(bytes).view.regions;
    regions.sort_by_key(|r| (r.span.start(), r.leaf, r.span.end()));
    for region in regions {
        let (at, length) = (region.span.start(), region.span.len());
        let indent = if region.parent.is_some() { "  " } else { "" };
        let group = if region.leaf { "" } else { ":" };
        writeln!(
            out,
            "{at:#x} {length:#x} {indent}{} {}{group}",
            region.role.as_str(),
            region.name
        )
        .unwrap();
    }
    out
}

fn scan(bytes: &[u8]) -> Artifact {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    scanner.scan_bytes("image", bytes.to_vec()).artifacts.swap_remove(0)
}

fn set16(bytes: &mut [u8], at: usize, value: u16) {
    bytes[at..at + 2].copy_from_slice(&value.to_le_bytes());
}

fn set32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

/// The offset of field `at` of the entry of section `index`.
fn section(index: usize, at: usize) -> usize {
    TABLE + 40 * index + at
}

/// The offset of the entry of data directory `index`.
fn directory(index: usize) -> usize {
    OPTIONAL + 112 + 8 * index
}

/// The offset in the file of the resource tree of an unchanged image.
const RSRC: usize = 0xa00;

/// The offset in the file of `.data`, which is mapped at 0x3000 and holds 96 bytes.
const DATA: usize = 0x800;

fn data_directory(bytes: &mut [u8], index: usize, address: u32, size: u32) {
    set32(bytes, directory(index), address);
    set32(bytes, directory(index) + 4, size);
}

fn certificate(at: usize) -> usize {
    security_directory(&Builder::signed(true).build()).0 as usize + at
}

#[test]
fn a_signed_image_of_64_bits_is_claimed_to_the_last_byte() {
    let file = Builder::signed(true).build();
    let expected = "\
0x0 0x40 header DOS header
0x40 0x39 code DOS stub
0x79 0x7 padding DOS stub padding
0x80 0x4 header PE signature
0x84 0x14 header COFF header
0x98 0x70 header optional header
0x108 0x80 table data directories
0x188 0xc8 table section table
0x250 0x1b0 padding header padding
0x400 0x200 code .text:
0x400 0x3   code .text
0x403 0x1fd   padding .text tail
0x600 0x200 data .rdata:
0x600 0x28   table import directory
0x628 0x3b   data .rdata
0x663 0x19d   padding .rdata tail
0x800 0x200 data .data:
0x800 0x60   data .data
0x860 0x1a0   padding .data tail
0xa00 0x200 data .rsrc:
0xa00 0x48   table resource directories
0xa48 0x10   table resource data entries
0xa58 0x5c   data resource RT_VERSION/1/1033
0xab4 0x14c   padding .rsrc tail
0xc00 0x200 data .reloc:
0xc00 0xc   table base relocations
0xc0c 0x1f4   padding .reloc tail
0xe00 0x10b0 table certificate table:
0xe00 0x8   header certificate 1 header
0xe08 0x10a6   signature certificate 1
0x1eae 0x2   padding certificate 1 pad
";
    assert_eq!(map(&file), expected);
    assert_eq!(unclaimed(&file), []);
    let artifact = scan(&file);
    let told: Vec<&str> = artifact.findings.iter().map(|f| f.finding.code).collect();
    // The fixture's signer is nobody's.
    assert_eq!((told, artifact.complete), (vec![code::SIGNATURE_UNANCHORED], true));
    assert_eq!(artifact.format, "pe");
}

#[test]
fn an_unsigned_image_of_32_bits_is_claimed_to_the_last_byte() {
    let file = Builder::new(false).build();
    let expected = "\
0x0 0x40 header DOS header
0x40 0x39 code DOS stub
0x79 0x7 padding DOS stub padding
0x80 0x4 header PE signature
0x84 0x14 header COFF header
0x98 0x60 header optional header
0xf8 0x80 table data directories
0x178 0xc8 table section table
0x240 0x1c0 padding header padding
0x400 0x200 code .text:
0x400 0x3   code .text
0x403 0x1fd   padding .text tail
0x600 0x200 data .rdata:
0x600 0x28   table import directory
0x628 0x2b   data .rdata
0x653 0x1ad   padding .rdata tail
0x800 0x200 data .data:
0x800 0x60   data .data
0x860 0x1a0   padding .data tail
0xa00 0x200 data .rsrc:
0xa00 0x48   table resource directories
0xa48 0x10   table resource data entries
0xa58 0x5c   data resource RT_VERSION/1/1033
0xab4 0x14c   padding .rsrc tail
0xc00 0x200 data .reloc:
0xc00 0xc   table base relocations
0xc0c 0x1f4   padding .reloc tail
";
    assert_eq!(map(&file), expected);
    let artifact = scan(&file);
    assert!(
        artifact.findings.is_empty() && artifact.complete,
        "{:?}",
        artifact.findings
    );
}

#[test]
fn symbols_terminators_rich_headers_and_long_names_are_claimed() {
    let mut file = Builder::new(true).build();
    let symbols = file.len();
    file.extend([0u8; 36]);
    file.extend(27u32.to_le_bytes());
    file.extend(b".a_section_name_of_22\0\0");
    set32(&mut file, PE + 12, symbols as u32);
    set32(&mut file, PE + 16, 2);
    file[section(2, 0)..section(2, 8)].copy_from_slice(b"/4\0\0\0\0\0\0");
    set32(&mut file, section(5, 12), 0x6000);
    set32(&mut file, section(5, 20), 0xe00);
    set32(&mut file, section(5, 36), 0x4000_0040);
    let map = map(&file);
    for line in [
        "0x250 0x28 table section table terminator",
        "0x278 0x188 padding header padding",
        "0x800 0x60   data .a_section_name_of_22",
        "0xe00 0x24 table COFF symbol table",
        "0xe24 0x1b strings COFF string table",
    ] {
        assert!(map.lines().any(|l| l == line), "{line} in\n{map}");
    }
    assert_eq!(unclaimed(&file), []);
    assert!(parse(&file).findings.is_empty());
    set32(&mut file, section(5, 20), 0xc00);
    assert!(
        scan(&file)
            .findings
            .iter()
            .any(|f| f.finding.code == code::NONZERO_PADDING),
        "a terminator that lies"
    );

    let mut rich = Builder::new(true).build();
    let key = 0x1234_5678u32;
    for (index, word) in [u32::from_le_bytes(*b"DanS"), 0, 0, 0, 0x0101_0202, 3]
        .into_iter()
        .enumerate()
    {
        set32(&mut rich, 0x40 + 4 * index, word ^ key);
    }
    rich[0x58..0x5c].copy_from_slice(b"Rich");
    set32(&mut rich, 0x5c, key);
    rich[0x60..PE].fill(0);
    let map = self::map(&rich);
    assert!(
        map.contains("0x40 0x20 metadata Rich header\n0x60 0x20 padding DOS stub padding\n"),
        "{map}"
    );
}

#[test]
fn facts_say_what_is_mapped_imported_and_started() {
    let parse = parse(&small());
    let segments: Vec<(&str, bool, bool)> = parse
        .facts
        .iter()
        .filter_map(|f| match f {
            Fact::Segment {
                name,
                write,
                execute,
                kind: "section",
                ..
            } => Some((&**name, *write, *execute)),
            _ => None,
        })
        .collect();
    let expected = [
        (".text", false, true),
        (".rdata", false, false),
        (".data", true, false),
        (".rsrc", false, false),
        (".reloc", false, false),
    ];
    assert_eq!(segments, expected);
    assert!(
        parse
            .facts
            .iter()
            .any(|f| matches!(f, Fact::Import { library, .. } if &**library == "KERNEL32.dll"))
    );
    let entry = |f: &Fact| {
        matches!(
            f,
            Fact::EntryPoint {
                offset: Some(0x400),
                inside_code: true
            }
        )
    };
    assert_eq!(parse.facts.iter().filter(|f| entry(f)).count(), 1);
}

#[test]
fn overlays_are_told_by_their_place_and_what_hides_behind_a_certificate_shows_where_it_starts() {
    let overlay = Builder {
        overlay: vec![7; 100],
        ..Builder::signed(true)
    }
    .build();
    assert_eq!(unclaimed(&overlay), []);
    let found = scan(&overlay).findings;
    let told = found.iter().find(|f| f.finding.code == code::TRAILING_BYTES).unwrap();
    assert_eq!(
        (told.finding.span, told.severity),
        (Span::new(0xe00, 0xe68), crate::Severity::Info)
    );
    let bare = Builder {
        overlay: vec![7; 100],
        ..Builder::new(true)
    }
    .build();
    assert_eq!(unclaimed(&bare), [(bare.len() as u64 - 100, bare.len() as u64)]);
    let start = certificate(8) as u64 + VALUE;
    for (length, end) in [(64, start + 64), (512, start + 512)] {
        let file = Builder {
            certificate_stuffing: vec![0x41; length],
            ..Builder::signed(true)
        }
        .build();
        assert_eq!(unclaimed(&file), [(start, end)]);
        assert_eq!(
            rules(&file),
            ["pe: more than 7 bytes follow the DER value of a certificate"]
        );
        let found = scan(&file).findings;
        let high = found.iter().find(|f| f.severity >= crate::Severity::High).unwrap();
        assert_eq!(
            (high.finding.span.start(), high.finding.code),
            (start, code::UNCLAIMED_BYTES)
        );
    }
    let appended = Builder {
        appended: HIDDEN.to_vec(),
        ..Builder::signed(true)
    }
    .build();
    let end = Builder::signed(true).build().len() as u64;
    assert_eq!(unclaimed(&appended), [(end, appended.len() as u64)]);
    assert_eq!(rules(&appended), ["pe: the certificate table does not end the file"]);
}

#[test]
fn padding_is_checked_for_what_it_may_hold() {
    for (file, expected) in [
        (
            Builder {
                certificate_pad: 0x41,
                ..Builder::signed(true)
            }
            .build(),
            Some(certificate(8) as u64 + VALUE),
        ),
        (
            Builder {
                text_slack: HIDDEN.to_vec(),
                ..Builder::new(true)
            }
            .build(),
            Some(TEXT as u64 + 3),
        ),
        (
            Builder {
                text_slack: b"PADDINGXXPADDING\xcc\xcc\x90".to_vec(),
                ..Builder::new(true)
            }
            .build(),
            None,
        ),
    ] {
        let found = scan(&file).findings;
        let padding = found.iter().find(|f| f.finding.code == code::NONZERO_PADDING);
        assert_eq!(padding.map(|f| f.finding.span.start()), expected);
    }
    let mut file = small();
    file[0x300..0x310].fill(1);
    let found = scan(&file).findings;
    assert!(
        found
            .iter()
            .any(|f| f.finding.code == code::NONZERO_PADDING && f.finding.span == Span::new(0x300, 0x310))
    );
}

#[test]
fn a_stub_longer_than_any_linkers_is_not_claimed() {
    let mut file = small();
    let moved = file.split_off(PE);
    file.resize(0x2800, 0x41);
    set32(&mut file, 0x3c, 0x2800);
    file.extend(moved);
    // The sections stand where they stood, in the middle of it.
    assert_eq!(unclaimed(&file)[..2], [(0xc0, TEXT as u64), (0xe00, 0x2800)]);
    let head = &file[..crate::identify::HEAD];
    let probe = Probe::new(head, head, file.len() as u64);
    assert_eq!(Pe.identify(&probe), Some(Match::LIKELY));
}

#[test]
fn resources_and_bun_sections_that_hold_artifacts_are_nested() {
    let bun = ExtraSection {
        name: ".bun".into(),
        data: vec![5; 700],
    };
    let file = Builder {
        extra: vec![bun],
        ..Builder::new(true)
    }
    .build();
    let out = parse(&file);
    let child = &out.children[0];
    assert_eq!(
        (&*child.name, child.expected, out.children.len()),
        (&b".bun"[..], true, 1)
    );
    assert!(map(&file).contains("0xe00 0x2bc   payload .bun\n0x10bc 0x144   padding .bun tail\n"));

    for (kind, expected) in [(10, true), (24, false), (300, true)] {
        let mut file = small();
        set32(&mut file, RSRC + 16, kind);
        file[RSRC + 0x58..RSRC + 0x5c].copy_from_slice(b"MZ\x90\0");
        let out = parse(&file);
        assert_eq!(
            (out.children.len(), out.children[0].expected),
            (1, expected),
            "type {kind}"
        );
        assert_eq!(unclaimed(&file), []);
    }
    assert!(parse(&small()).children.is_empty());
    let inside = Builder {
        overlay: elf::small(),
        ..Builder::new(true)
    }
    .build();
    assert!(
        scan(&inside)
            .findings
            .iter()
            .any(|f| f.finding.code == code::EMBEDDED_EXECUTABLE)
    );
}

fn rules(bytes: &[u8]) -> Vec<String> {
    let found = parse(bytes).findings;
    found
        .iter()
        .filter(|f| f.code == code::MALFORMED)
        .map(|f| f.message.clone())
        .collect()
}

type Change = fn(&mut Vec<u8>);

#[test]
fn structures_past_the_end_are_truncated() {
    let past: &[Change] = &[
        |b| set32(b, 0x3c, 0x1_0000),
        |b| set32(b, section(4, 16), 0x1_0000),
        |b| set32(b, PE + 12, 0x1_0000),
        |b| data_directory(b, 4, 0x1_0000, 64),
        |b| b.truncate(0x200),
        |b| b.truncate(0x100),
        |b| b.truncate(0x300),
        |b| b.truncate(30),
    ];
    for (number, change) in past.iter().enumerate() {
        let mut file = Builder::signed(true).build();
        change(&mut file);
        assert!(
            parse(&file).findings.iter().any(|f| f.code == code::TRUNCATED),
            "change {number}"
        );
    }
}

#[test]
fn callbacks_and_entries_outside_code_are_facts() {
    for (target, inside) in [(0x1000u32, true), (0x3000, false), (0x9000, false)] {
        let mut file = Builder::new(true).build();
        data_directory(&mut file, 9, 0x3000, 40);
        file[DATA..DATA + 96].fill(0);
        for (at, rva) in [(24, 0x3028), (40, target)] {
            let address = 0x1_4000_0000u64 + u64::from(rva);
            file[DATA + at..DATA + at + 8].copy_from_slice(&address.to_le_bytes());
        }
        let facts = parse(&file).facts;
        let entries: Vec<bool> = facts
            .iter()
            .filter_map(|f| match f {
                Fact::EntryPoint { inside_code, .. } => Some(*inside_code),
                _ => None,
            })
            .collect();
        assert_eq!(entries, [inside, true]);
        let suspicious = scan(&file)
            .findings
            .iter()
            .any(|f| f.finding.code == code::SUSPICIOUS_ENTRY);
        assert_eq!(suspicious, !inside);
    }
    let writable = Builder {
        writable_text: true,
        ..Builder::new(true)
    }
    .build();
    assert!(
        scan(&writable)
            .findings
            .iter()
            .any(|f| f.finding.code == code::WRITABLE_EXECUTABLE)
    );
}

#[test]
fn a_second_reader_is_compared_and_its_refusal_is_said() {
    let file = small();
    let found = Input::with_bytes(&file, |input| {
        let mut out = Parse::new("pe");
        let headers = header::parse(input, &mut out).unwrap();
        let window = Window::new(input);
        let mut read = sections::parse(&window, &headers, &mut out);
        read[0].fields[3] = 0x1234;
        read[1].raw_name = *b".other\0\0";
        let mut other = headers.clone();
        other.entry = 0x2000;
        second::compare(&Image::new(window, &other, read), &mut out);
        out.findings
    });
    let said: Vec<(&str, Option<&str>, &str)> = found.iter().map(|f| (f.code, f.case, &*f.key)).collect();
    let disagreement = code::READER_DISAGREEMENT;
    let expected = [
        (disagreement, Some("extent"), "AddressOfEntryPoint"),
        (disagreement, Some("extent"), "extent of .text"),
        (disagreement, Some("name"), "section name"),
    ];
    assert_eq!(said, expected);

    let mut odd = small();
    odd[section(2, 0)..section(2, 8)].copy_from_slice(b"//%%%%%%");
    let found = parse(&odd).findings;
    assert_eq!(
        found.iter().map(|f| (f.code, f.case)).collect::<Vec<_>>(),
        [(disagreement, Some("rejects"))]
    );
}

#[test]
fn relocations_left_behind_by_an_installer_are_not_an_overlap() {
    let stale = |referred: bool| {
        let mut file = Builder::new(true).build();
        set32(&mut file, section(4, 20), 0xa00);
        file.truncate(0xc00);
        if !referred {
            data_directory(&mut file, 5, 0x3000, 12);
        }
        let found = scan(&file).findings;
        // Nobody computes the checksum again here.
        found
            .into_iter()
            .map(|f| (f.finding.code, f.finding.case))
            .filter(|(code, _)| *code != code::IMAGE_CHECKSUM)
            .collect::<Vec<_>>()
    };
    assert_eq!(stale(false), [(code::MALFORMED, Some("lenient"))]);
    assert!(stale(true).iter().any(|(code, _)| *code == code::OVERLAPPING_REGIONS));
}

#[test]
fn the_line_of_a_script_launcher_is_claimed_before_its_archive_only() {
    for (overlay, first) in [
        (&b"#!C:\\Python\\python.exe\r\nPK\x03\x04rest"[..], 0xe00 + 24),
        (b"#!python\nPK\x05\x06rest", 0xe00),
        (b"#!py\x1b[31m\nPK\x03\x04rest", 0xe00),
        (b"#python\nPK\x03\x04rest", 0xe00),
    ] {
        let file = Builder {
            overlay: overlay.to_vec(),
            ..Builder::new(true)
        }
        .build();
        assert_eq!(unclaimed(&file), [(first, file.len() as u64)]);
    }
}

#[test]
fn identification_needs_a_magic_number_and_a_structure_that_agrees() {
    let identify = |bytes: &[u8]| {
        let head = &bytes[..bytes.len().min(crate::identify::HEAD)];
        Pe.identify(&Probe::new(head, head, bytes.len() as u64))
    };
    assert_eq!(identify(&small()), Some(Match::CERTAIN));
    assert_eq!(identify(&small()[..0x50]), Some(Match::LIKELY));
    assert_eq!(
        identify(b"MZ is how this text starts, and it goes on for a while after that, as texts do."),
        None
    );
    assert_eq!(identify(b"MZ"), None);
    for (at, value) in [(0, b'Z'), (PE, b'N'), (OPTIONAL, 7)] {
        let mut file = small();
        file[at] = value;
        assert_eq!(identify(&file), None, "byte {at:#x}");
    }
}

#[test]
fn a_cut_anywhere_is_never_silently_clean() {
    for builder in [Builder::signed(true), Builder::new(false)] {
        let built = builder.built();
        let every = 0..built.bytes.len().min(4096);
        let boundaries = built.boundaries.iter().map(|b| *b as usize);
        for cut in every.chain(boundaries).filter(|cut| *cut < built.bytes.len()) {
            let bytes = &built.bytes[..cut];
            fuzz("pe", bytes);
            let out = parse(bytes);
            let said = !out.findings.is_empty() || !out.errors.is_empty();
            assert!(said || !unclaimed(bytes).is_empty() || cut == 0, "cut at {cut:#x}");
        }
    }
}

#[test]
fn a_change_of_any_byte_of_the_structures_is_survived() {
    for builder in [Builder::signed(true), Builder::new(false)] {
        let file = builder.build();
        for at in (0..TEXT)
            .chain(0x600..0x680)
            .chain(RSRC..RSRC + 0x60)
            .chain(0xc00..0xc0c)
            .chain(0xe00..file.len().min(0xe20))
        {
            for value in [0, 0xff, file[at] ^ 1, file[at] ^ 0x80] {
                let mut changed = file.clone();
                changed[at] = value;
                fuzz("pe", &changed);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_behind_the_headers_are_survived(
        noise in proptest::collection::vec(any::<u8>(), 0..2048),
        keep in 0usize..0x600,
    ) {
        let mut file = small();
        file.truncate(keep);
        file.extend(noise);
        fuzz("pe", &file);
    }

    #[test]
    fn scattered_changes_are_survived(changes in proptest::collection::vec((0usize..0xf38, any::<u8>()), 1..24)) {
        let mut file = Builder::signed(true).build();
        for (at, value) in changes {
            file[at] = value;
        }
        fuzz("pe", &file);
    }
}

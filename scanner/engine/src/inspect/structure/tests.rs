//! What the structure of whole files tells, next to the file that it does not tell it of.

use crate::finding::Value;
use crate::pipeline::{Options, Scanner};
use probity_tests::build::{elf, macho, pe};

/// `code/case` of the root's findings, sorted.
fn told(bytes: &[u8]) -> Vec<String> {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("sample", bytes.to_vec());
    let findings = report.artifacts[0].findings.iter();
    let mut told: Vec<String> = findings
        .map(|f| match f.finding.case {
            Some(case) => format!("{}/{case}", f.finding.code),
            None => f.finding.code.to_owned(),
        })
        .collect();
    told.sort();
    told
}

/// The evidence called `key` of the root's finding `code`.
fn evidence(bytes: &[u8], code: &str, key: &str) -> Option<Value> {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("sample", bytes.to_vec());
    let findings = &report.artifacts[0].findings;
    let finding = findings.iter().find(|f| f.finding.code == code)?;
    let found = finding.finding.evidence.iter().find(|(k, _)| *k == key);
    found.map(|(_, value)| value.clone())
}

fn put(bytes: &mut [u8], at: usize, with: &[u8]) {
    bytes[at..at + with.len()].copy_from_slice(with);
}

fn word(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap())
}

#[test]
fn libraries_from_places_of_others_are_told_and_own_ones_are_not() {
    const RPATH: u64 = 15;
    const RUNPATH: u64 = 29;
    for (tag, path, expected) in [
        (1, "libc.so.6", None),
        (1, "/tmp/libevil.so", Some("library-path/writable")),
        (1, "./libevil.so", Some("library-path/relative")),
        (RUNPATH, "$ORIGIN/../lib:/usr/lib", None),
        (RUNPATH, "$ORIGIN:/dev/shm/x", Some("library-path/searched")),
        (RPATH, "/home/runner/lib", Some("library-path/home")),
        (RPATH, "$ORIGIN::/usr/lib", Some("library-path/searched-relative")),
    ] {
        let told = told(&elf::asking(tag, path));
        let found: Vec<&String> = told.iter().filter(|t| t.starts_with("library-path")).collect();
        assert_eq!(found, expected.iter().copied().collect::<Vec<_>>(), "{path}");
    }
}

#[test]
fn an_initialiser_in_data_is_told_and_one_in_code_is_not() {
    let probe = elf::dynamic(b"\0a\0", &[]);
    let shoff = word(&probe, 40) as usize;
    let (text, data) = (word(&probe, shoff + 3 * 64 + 16), word(&probe, shoff + 2 * 64 + 16));
    for (tag, address, expected) in [(12, data, true), (12, text, false), (13, data, true), (12, 0, false)] {
        let told = told(&elf::dynamic(b"\0a\0", &[(tag, address)]));
        assert_eq!(
            told.contains(&"suspicious-entry/initialiser".to_owned()),
            expected,
            "{told:?}"
        );
    }
    // An array: its only entry is the address of the read-only data, or of the code.
    for (value, expected) in [(data, true), (text, false), (0, false), (u64::MAX, false)] {
        let strings = [b"\0a\0\0\0\0\0\0".as_slice(), &value.to_le_bytes()].concat();
        let told = told(&elf::dynamic(&strings, &[(25, data + 8), (27, 8)]));
        assert_eq!(
            told.contains(&"suspicious-entry/initialiser".to_owned()),
            expected,
            "{told:?}"
        );
    }
}

#[test]
fn missing_protections_are_one_inventory_entry() {
    const FLAGS: u64 = 30;
    const BIND_NOW: u64 = 8;
    let missing = |bytes: &[u8]| match evidence(bytes, "hardening", "missing") {
        Some(Value::List(missing)) => missing,
        _ => Vec::new(),
    };
    let mut program = elf::asking(1, "libinert.so");
    let usual = [
        "position-independent code (PIE)",
        "read-only relocations (RELRO)",
        "immediate binding (BIND_NOW)",
    ];
    assert_eq!(missing(&program), usual);
    let bound = elf::dynamic(b"\0libinert.so\0", &[(1, 1), (FLAGS, BIND_NOW)]);
    assert_eq!(missing(&bound), usual[..2]);
    let glibc = elf::dynamic(b"\0libc.so.6\0GLIBC_2.34\0__stack_chk_fail\0", &[(1, 1)]);
    // Names count where the section of dynamic names holds them.
    assert_eq!(missing(&glibc), usual);
    // A library is not asked, nor is what is linked statically.
    program[16] = 3;
    assert_eq!(told(&program), [""; 0]);
    assert_eq!(told(&elf::small()), [""; 0]);
}

#[test]
fn a_library_without_code_has_no_entry_and_a_program_has() {
    let mut data = elf::Elf {
        entry: Some(0x40_0000),
        ..elf::Elf::new(true, false)
    }
    .build();
    assert!(told(&data).contains(&"suspicious-entry/entry-outside-sections".to_owned()));
    data[16] = 3;
    assert!(told(&data).contains(&"suspicious-entry/entry-outside-sections".to_owned()));
    for header in 0..5 {
        let at = 64 + header * 56;
        if data[at..at + 4] == [1, 0, 0, 0] {
            data[at + 4] &= !1;
        }
    }
    assert!(
        !told(&data).iter().any(|t| t.starts_with("suspicious-entry")),
        "{:?}",
        told(&data)
    );
}

#[test]
fn a_program_without_section_headers_is_told() {
    let mut bytes = elf::small();
    put(&mut bytes, 40, &[0; 8]);
    put(&mut bytes, 60, &[0; 4]);
    assert!(told(&bytes).contains(&"unusual-structure/no-sections".to_owned()));
    assert!(!told(&elf::small()).contains(&"unusual-structure/no-sections".to_owned()));
}

#[test]
fn a_file_of_symbols_named_by_a_path_is_told() {
    for (name, expected) in [("/tmp/evil.debug", true), ("agent.debug", false)] {
        let mut data = name.as_bytes().to_vec();
        data.resize(name.len().next_multiple_of(4) + 8, 0);
        let extra = elf::ExtraSection {
            name: ".gnu_debuglink".into(),
            data,
        };
        let bytes = elf::Elf {
            extra: vec![extra],
            ..elf::Elf::new(true, false)
        }
        .build();
        assert_eq!(
            told(&bytes).contains(&"unusual-structure/debug-link".to_owned()),
            expected,
            "{name}"
        );
    }
}

/// Bytes that no model of their order predicts.
fn dense(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(next).collect()
}

#[test]
fn packing_is_told_by_entropy_and_structure_together() {
    for (text, writable, expected) in [
        (dense(32 << 10), true, true),
        (dense(32 << 10), false, false),
        (b"\x55\x48\x89\xe5".repeat(8 << 10), true, false),
    ] {
        let bytes = elf::Elf {
            text: text.clone(),
            writable_text: writable,
            ..elf::Elf::new(true, false)
        }
        .build();
        assert_eq!(
            told(&bytes).contains(&"packed/structure".to_owned()),
            expected,
            "elf {writable}"
        );
        let image = pe::Pe {
            text,
            writable_text: writable,
            ..pe::Pe::new(true)
        }
        .build();
        assert_eq!(
            told(&image).contains(&"packed/structure".to_owned()),
            expected,
            "pe {writable}"
        );
    }
}

#[test]
fn upx_is_recognised_by_its_name_in_its_place() {
    let mut packed = elf::Elf {
        appended: [b"UPX!\x0d\x16\x08\x02".as_slice(), &[7; 28]].concat(),
        ..elf::Elf::new(true, false)
    }
    .build();
    put(&mut packed, 40, &[0; 8]);
    put(&mut packed, 60, &[0; 4]);
    assert!(
        !told(&packed).contains(&"packed/upx".to_owned()),
        "a header behind is not the one in front"
    );
    let headers = 64 + 5 * 56;
    put(&mut packed, headers + 4, b"UPX!");
    assert!(told(&packed).contains(&"packed/upx".to_owned()), "{:?}", told(&packed));
    let mut named = elf::small();
    put(&mut named, headers + 4, b"UPX!");
    assert!(
        !told(&named).contains(&"packed/upx".to_owned()),
        "a program with sections"
    );
}

/// What could not be done with the root.
fn undone(bytes: &[u8]) -> Vec<String> {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("sample", bytes.to_vec());
    let errors = report.artifacts[0].errors.iter().map(|e| e.message.clone());
    assert_eq!(report.complete, errors.len() == 0);
    errors.collect()
}

#[test]
fn packed_code_is_never_taken_for_looked_at() {
    let named = |mut bytes: Vec<u8>, from: &[u8], to: &[u8]| {
        let at = probity_tests::build::bytes::find(&bytes, from).unwrap();
        put(&mut bytes, at, to);
        bytes
    };
    let mut front = elf::Elf::new(true, false).build();
    put(&mut front, 40, &[0; 8]);
    put(&mut front, 60, &[0; 4]);
    put(&mut front, 64 + 5 * 56 + 4, b"UPX!");
    let image = pe::Pe::new(true).build();
    let mach = macho::MachO::new(macho::Cpu::X86_64).build();
    let cases = [
        ("elf", front),
        // The mark is in no place: the names of the sections stay.
        ("pe", named(image.clone(), b".data\0\0\0", b"UPX1\0\0\0\0")),
        (
            "macho",
            named(mach.clone(), b"__LINKEDIT\0\0\0\0\0\0", b"__XHDR\0\0\0\0\0\0\0\0\0\0"),
        ),
    ];
    for (what, packed) in cases {
        assert!(
            told(&packed).contains(&"packed/upx".to_owned()),
            "{what}: {:?}",
            told(&packed)
        );
        let message = "packed code is recognised and not unpacked by this build".to_owned();
        assert!(undone(&packed).contains(&message), "{what}: {:?}", undone(&packed));
    }
    for sound in [elf::small(), image, mach] {
        assert_eq!(undone(&sound), [""; 0]);
    }
}

#[test]
fn images_of_a_universal_file_that_differ_are_told() {
    let fat = macho::Fat::new(false);
    assert!(
        !told(&fat.build()).iter().any(|t| t.ends_with("fat-differs")),
        "{:?}",
        told(&fat.build())
    );
    let mut unsigned = fat.clone();
    let slice = macho::MachO {
        signed: false,
        ..macho::MachO::new(unsigned.slices[1].0)
    };
    unsigned.slices[1].2 = slice.build();
    assert!(
        !told(&unsigned.build()).iter().any(|t| t.ends_with("fat-differs")),
        "linkers sign for one processor and not for the other: {:?}",
        told(&unsigned.build())
    );
    let mut changed = fat.clone();
    // `filetype`, behind the magic number and the two fields of the processor: a library beside a program.
    changed.slices[1].2[12] = 6;
    let after = told(&changed.build());
    assert!(after.contains(&"unusual-structure/fat-differs".to_owned()), "{after:?}");
}

//! The module tables of bundles, to the last byte, and what is said when they lie.

use super::super::{law, laws};
use crate::artifact::{Artifact, Verdict};
use crate::format::Parse;
use crate::pipeline::{Options, Scanner};
use probity_tests::build::bundle::{
    asar::Asar,
    deno::Deno,
    dotnet::DotNet,
    eszip::{self, Eszip},
    node::{Nexe, Pkg},
    pyinstaller::{Member, PyInstaller, Pyz},
    sea::{self, Sea},
};
use probity_tests::build::{elf, macho, pe};
use proptest::prelude::*;

/// The artifacts of a scan, the root first.
pub(super) fn scan(bytes: &[u8]) -> Vec<Artifact> {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    Scanner::new(options)
        .unwrap()
        .scan_bytes("sample", bytes.to_vec())
        .artifacts
}

/// `nested format` of each artifact below the root.
pub(super) fn table(bytes: &[u8]) -> Vec<String> {
    let all = scan(bytes);
    let line = |a: &Artifact| a.nested.as_ref().map(|n| format!("{n} {}", a.format));
    all.iter().filter_map(line).collect()
}

/// Bytes that nobody claims, in the whole tree.
pub(super) fn unclaimed(bytes: &[u8]) -> u64 {
    let all = scan(bytes);
    for artifact in &all {
        let sum = artifact.bytes.claimed + artifact.bytes.unclaimed;
        assert_eq!(sum, artifact.size, "{:?}", artifact.nested);
    }
    all.iter().map(|a| a.bytes.unclaimed).sum()
}

/// `code/case` of all findings of all artifacts but inventories, sorted.
pub(super) fn told(bytes: &[u8]) -> Vec<String> {
    let all = scan(bytes);
    let findings = all.iter().flat_map(|a| &a.findings);
    let mut told: Vec<String> = findings
        .map(|f| format!("{}/{}", f.finding.code, f.finding.case.unwrap_or("-")))
        .filter(|f| {
            !matches!(
                f.as_str(),
                "embedded-executable/bundled" | "overlapping-regions/modules"
            )
        })
        .filter(|f| !f.starts_with("bundle-inventory/"))
        .collect();
    told.sort();
    told.dedup();
    told
}

pub(super) fn parse(id: &str, bytes: &[u8]) -> Parse {
    laws::parse(id, bytes)
}

pub(super) fn said(parse: &Parse) -> Vec<String> {
    let findings = parse.findings().iter().map(|f| f.message.clone());
    findings
        .chain(parse.errors().iter().map(|e| e.message.clone()))
        .collect()
}

#[test]
fn a_sea_blob_is_told_apart_to_the_last_byte() {
    let blob = Sea {
        cache: Some(vec![0xc0; 20]),
        arguments: vec!["--max-old-space-size=4096".into()],
        ..Sea::new()
    };
    let bytes = blob.build();
    let parse = parse("node-sea", &bytes);
    let zip = blob.assets[0].1.len();
    let expected = [
        "0 9 header header".to_owned(),
        "9 8 header code path length".into(),
        "17 13 strings code path".into(),
        "30 8 header main length".into(),
        "38 51 payload sea-loader.js".into(),
        "89 8 header code cache length".into(),
        "97 20 code code cache".into(),
        "117 8 header number of assets".into(),
        "125 8 header name of asset 0 length".into(),
        "133 7 strings name of asset 0".into(),
        "140 8 header length of asset 0".into(),
        format!("148 {zip} payload app.zip"),
    ];
    assert_eq!(laws::map(&parse)[..12], expected);
    assert_eq!(laws::unclaimed(parse, bytes.len()), 0);
    assert_eq!(table(&bytes)[..2], ["sea-loader.js javascript", "app.zip zip"]);
    assert_eq!(told(&bytes), ["bundle-autoload/environment", "bundle-autoload/tuning"]);
}

#[test]
fn every_header_of_a_sea_blob_is_read_by_what_fits() {
    for later in [vec![], vec![0], vec![1], vec![2], vec![0, 0], vec![2, 1]] {
        let blob = Sea {
            later: later.clone(),
            ..Sea::new()
        };
        let bytes = blob.build();
        assert_eq!(laws::identified(&bytes), "node-sea", "{later:?}");
        assert_eq!(unclaimed(&bytes), 0, "{later:?}");
        let open = later.first() != Some(&0);
        assert_eq!(
            told(&bytes).iter().any(|f| f.ends_with("environment")),
            open,
            "{later:?}"
        );
    }
}

#[test]
fn programs_in_executables_are_nested_and_account_for_every_byte() {
    let mut image = pe::Pe::new(true);
    image.overlay = PyInstaller::new().build();
    let mut signed = pe::Pe::signed(true);
    signed.overlay = PyInstaller::new().build();
    let members = ["sea-loader.js", "app.zip", "notes.txt"];
    let cases: Vec<(&str, Vec<u8>, Vec<String>)> = vec![
        (
            "node-sea in elf",
            Sea::new().in_elf(),
            members.iter().map(|m| format!("NODE_SEA_BLOB!{m}")).collect(),
        ),
        (
            "deno in elf",
            Deno::new().in_elf(),
            [
                "main.ts",
                "data/notes.txt",
                "https://modules.example.com/a.ts",
                "https://modules.example.com/a.ts.js",
            ]
            .iter()
            .map(|m| format!("d3n0l4nd!{m}"))
            .collect(),
        ),
        (
            "deno behind elf",
            Deno::new().appended(),
            vec!["Deno payload!main.ts".into()],
        ),
        (
            "pyinstaller behind pe",
            image.build(),
            vec!["PyInstaller archive!PYZ.pyz!agent.tools".into()],
        ),
        (
            "pyinstaller in a signed pe",
            signed.build(),
            vec!["PyInstaller archive!agent".into()],
        ),
        (
            "pyinstaller behind elf",
            elf::Elf {
                appended: PyInstaller::new().build(),
                ..elf::Elf::new(true, false)
            }
            .build(),
            vec![
                "PyInstaller archive!lib/data.txt".into(),
                "PyInstaller archive!libinert.so".into(),
            ],
        ),
        (
            "nexe",
            Nexe::new().in_elf(),
            vec!["nexe payload!nexe.js".into(), "nexe payload!./lib.js".into()],
        ),
        (
            "pkg",
            Pkg::new(0).in_elf(),
            vec!["prelude.js".into(), "/snapshot/app/index.js".into()],
        ),
        (
            "pkg with gzip",
            Pkg::new(1).in_elf(),
            vec!["/snapshot/app/index.js.gz!content".into()],
        ),
        (
            "pkg 6",
            Pkg {
                shared: true,
                ..Pkg::new(1)
            }
            .in_elf(),
            vec!["prelude.js".into(), "/snapshot/app/index.js.gz!content".into()],
        ),
        (
            "dotnet 1",
            DotNet::new(1).build(),
            vec!["agent.dll".into(), "libinert.so".into()],
        ),
        (
            "dotnet 6",
            DotNet::new(6).build(),
            vec!["agent.dll".into(), "libinert.so".into(), "agent.deps.json".into()],
        ),
    ];
    for (name, bytes, expected) in cases {
        let found = table(&bytes);
        for member in expected {
            let there = found
                .iter()
                .any(|f| f.rsplit_once(' ').is_some_and(|(n, _)| n == member));
            assert!(there, "{name}: {member} in {found:#?}");
        }
        assert_eq!(unclaimed(&bytes), 0, "{name}: {found:#?}");
        let grave: Vec<String> = told(&bytes)
            .into_iter()
            .filter(|f| !f.starts_with("bundle-autoload/") && !f.starts_with("trailing-bytes/overlay"))
            // The fixtures sign with a key of their own.
            .filter(|f| !f.starts_with("signature-unanchored/"))
            .collect();
        assert!(grave.is_empty(), "{name}: {grave:?}");
    }
}

#[test]
fn a_string_table_that_runs_on_over_a_payload_is_cut_where_it_starts() {
    for (carried, member) in [
        (PyInstaller::new().build(), "PyInstaller archive!agent"),
        (Pkg::new(0).build(), "/snapshot/app/index.js"),
    ] {
        for signed in [false, true] {
            let file = macho::MachO {
                signed,
                carried: carried.clone(),
                ..macho::MachO::new(macho::Cpu::Arm64)
            }
            .build();
            let found = table(&file);
            let there = found
                .iter()
                .any(|f| f.rsplit_once(' ').is_some_and(|(n, _)| n == member));
            assert!(there, "{found:?}");
            assert_eq!(unclaimed(&file), 0);
        }
    }
}

#[test]
fn sea_lengths_that_lie_are_named_with_their_offset() {
    for length in [1u64 << 60, u64::MAX, 5000] {
        let bytes = Sea {
            main_length: Some(length),
            ..Sea::new()
        }
        .build();
        let parse = parse("node-sea", &bytes);
        let found = parse.findings().iter().find(|f| f.code == "truncated").unwrap();
        assert!(found.message.contains("at offset 0x"), "{}", found.message);
        assert!(found.message.contains(&length.to_string()), "{}", found.message);
    }
    for count in [1u64 << 60, 1 << 20] {
        let bytes = Sea {
            asset_count: Some(count),
            ..Sea::new()
        }
        .build();
        assert!(
            said(&parse("node-sea", &bytes))
                .iter()
                .any(|m| m.contains("assets are announced"))
        );
    }
}

#[test]
fn an_argument_that_loads_code_is_grave_and_one_that_tunes_is_not() {
    for (argument, case) in [
        ("--require=/tmp/hook.js", "preload"),
        ("--import", "preload"),
        ("-r", "preload"),
        ("--eval", "preload"),
        ("--inspect=0.0.0.0:9229", "debugger"),
        ("--inspect-brk", "debugger"),
        ("--env-file=.env", "exec-argv"),
        ("--importance", "exec-argv"),
        ("--no-warnings", "tuning"),
    ] {
        let bytes = Sea {
            arguments: vec!["--no-deprecation".into(), argument.into()],
            ..Sea::new()
        }
        .build();
        assert!(
            told(&bytes).contains(&format!("bundle-autoload/{case}")),
            "{argument}: {:?}",
            told(&bytes)
        );
    }
    let mut deno = Deno::new();
    deno.metadata = deno.metadata.replace("--expose-gc", "--inspect");
    assert!(told(&deno.in_elf()).contains(&"bundle-autoload/debugger".to_owned()));
}

#[test]
fn two_assets_of_one_name_and_bytes_that_nothing_names_are_told() {
    let mut twice = Sea::new();
    twice.assets.push(("notes.txt".into(), b"another one\n".to_vec()));
    assert!(told(&twice.build()).contains(&"duplicate-entry/-".to_owned()));
    let appended = [
        Sea::new().build(),
        b"a payload that hides behind the last asset".to_vec(),
    ]
    .concat();
    assert!(told(&appended).contains(&"trailing-bytes/-".to_owned()));
    let stuffed = PyInstaller {
        stuffing: b"a payload that hides before the table".to_vec(),
        ..PyInstaller::new()
    };
    assert!(told(&stuffed.build()).contains(&"unclaimed-bytes/gap".to_owned()));
}

#[test]
fn a_frozen_program_is_listed_with_its_modules() {
    let bytes = PyInstaller::new().build();
    let found = table(&bytes);
    assert_eq!(
        found,
        [
            "struct marshal",
            "pyiboot01_bootstrap marshal",
            "agent marshal",
            "lib/data.txt text",
            "libinert.so elf",
            "PYZ.pyz pyz",
            "PYZ.pyz!agent marshal",
            "PYZ.pyz!agent.tools marshal",
        ]
    );
    assert_eq!(unclaimed(&bytes), 0);
    assert_eq!(told(&bytes), [""; 0]);
    let inventory = &scan(&bytes)[0].findings[0];
    assert_eq!(
        inventory.finding.message,
        "a Python program frozen by PyInstaller of 6 members, entered at agent"
    );
}

#[test]
fn a_member_that_is_written_outside_is_told_and_a_module_with_dots_is_not() {
    let member = |name: &str, kind| PyInstaller {
        members: vec![Member {
            name: name.into(),
            kind,
            data: b"inert\n".to_vec(),
            compressed: false,
        }],
        ..PyInstaller::new()
    };
    for (name, kind, expected) in [
        ("../../.profile", b'x', true),
        ("/etc/cron.d/a", b'b', true),
        ("..agent", b'x', false),
        ("a/../b", b'x', false),
    ] {
        let told = told(&member(name, kind).build());
        assert_eq!(
            told.iter().any(|f| f.starts_with("path-traversal")),
            expected,
            "{name}: {told:?}"
        );
    }
}

#[test]
fn a_table_of_modules_is_read_as_python_writes_it() {
    let many = Pyz {
        modules: (0..40u32)
            .map(|n| (format!("m{n}"), n % 3, b"inert".repeat(n as usize + 1)))
            .collect(),
        ..Pyz::new()
    };
    for archive in [
        many.clone(),
        Pyz {
            dictionary: true,
            ..many
        },
    ] {
        let bytes = archive.build();
        assert_eq!(parse("pyz", &bytes).children().len(), 40);
        assert_eq!(unclaimed(&bytes), 0);
    }
    let locked = Pyz {
        encrypted: true,
        ..Pyz::new()
    }
    .build();
    let found = parse("pyz", &locked);
    assert_eq!(laws::cases(&found), ["encrypted-entry -"]);
    assert_eq!(found.errors().len(), 1);
}

#[test]
fn an_asar_archive_is_read_and_its_digests_are_held_against_its_files() {
    let sound = Asar::new();
    assert_eq!(
        table(&sound.build()),
        ["package.json json", "src/main.js text", "src/view.html text"]
    );
    assert_eq!((told(&sound.build()), unclaimed(&sound.build())), (Vec::new(), 0));
    let mut swapped = sound.build();
    let at = swapped.windows(4).rposition(|w| w == b"fetc").unwrap();
    swapped[at] = b'F';
    assert_eq!(told(&swapped), ["header-mismatch/digest"]);
    let plain = Asar {
        integrity: false,
        ..Asar::new()
    };
    assert_eq!(told(&plain.build()), [""; 0]);
}

#[test]
fn what_asar_names_outside_is_told() {
    let with = |raw: &str| {
        told(
            &Asar {
                raw: vec![raw.into()],
                ..Asar::new()
            }
            .build(),
        )
    };
    assert_eq!(with("\"up\":{\"link\":\"../../secret\"}"), ["symlink-escape/hardlink"]);
    assert_eq!(with("\"in\":{\"link\":\"src/main.js\"}"), [""; 0]);
    assert!(with("\"a\":{\"size\":5,\"offset\":\"9999999\"}").contains(&"truncated/-".to_owned()));
    assert!(with("\"a\":{\"size\":5}").contains(&"malformed/-".to_owned()));
    let appended = Asar {
        appended: b"bytes behind the last file".to_vec(),
        ..Asar::new()
    };
    assert_eq!(told(&appended.build()), ["trailing-bytes/-"]);
}

#[test]
fn a_bundle_of_dotnet_that_points_elsewhere_is_told() {
    let mut bytes = DotNet::new(6).build();
    let at = bytes
        .windows(32)
        .position(|w| w == probity_tests::build::bundle::dotnet::MARKER)
        .unwrap();
    bytes[at - 8..at].copy_from_slice(&100u64.to_le_bytes());
    assert!(told(&bytes).iter().any(|f| f.starts_with("malformed")));
    let mut version = DotNet::new(2).build();
    let header = u64::from_le_bytes(version[at - 8..at].try_into().unwrap_or_default()) as usize;
    version[header] = 3;
    assert!(told(&version).iter().any(|f| f.starts_with("malformed")));
}

#[test]
fn brotli_is_recognised_and_said_not_to_be_read() {
    let all = scan(&Pkg::new(2).in_elf());
    assert!(all[0].errors.iter().any(|e| e.message.contains("Brotli")));
    assert_eq!(unclaimed(&Pkg::new(2).in_elf()), 0);
}

#[test]
fn sound_bundles_survive_cuts_and_changes() {
    // A blob of Node says who may add arguments, which is a finding: only cuts and changes are tried.
    for (id, bytes) in [
        ("node-sea", Sea::new().build()),
        ("deno", Deno::new().build()),
        ("deno", eszip::deno_2(&Eszip::new("2.1"))),
        ("eszip", Eszip::new("_V2").build()),
        ("eszip", Eszip::new("2.3").build()),
        ("pyinstaller", PyInstaller::new().build()),
        ("pyz", Pyz::new().build()),
        ("nexe", Nexe::new().build()),
        ("asar", Asar::new().build()),
    ] {
        assert_eq!(laws::identified(&bytes), id);
        for cut in 0..bytes.len() {
            let part = &bytes[..cut];
            crate::format::fuzz(id, part);
            let parse = parse(id, part);
            let silent = parse.findings().iter().all(|f| f.code == "bundle-autoload") && parse.errors().is_empty();
            assert!(
                !silent || laws::unclaimed(parse, cut) > 0 || cut == 0,
                "{id}: cut at {cut} is silent"
            );
        }
        for at in 0..bytes.len().min(1500) {
            for value in [0, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80] {
                let mut changed = bytes.clone();
                changed[at] = value;
                crate::format::fuzz(id, &changed);
            }
        }
    }
}

#[test]
fn hosts_with_payloads_survive_changes_behind_their_structures() {
    for bytes in [
        Nexe::new().in_elf(),
        Pkg::new(0).in_elf(),
        DotNet::new(6).build(),
        Deno::new().appended(),
        eszip::deno_1(&Eszip::new("2.1"), 4),
    ] {
        let start = elf::small().len().min(bytes.len());
        for at in start..bytes.len() {
            for value in [0, 0xff, bytes[at] ^ 1] {
                let mut changed = bytes.clone();
                changed[at] = value;
                crate::format::fuzz("elf", &changed);
            }
        }
    }
}

#[test]
fn the_file_system_of_an_app_image_is_not_taken_for_looked_at() {
    let mut system = b"hsqs".to_vec();
    system.resize(4096, 7);
    system[28..30].copy_from_slice(&[4, 0]);
    system[40..48].copy_from_slice(&4000u64.to_le_bytes());
    let mut image = elf::Elf {
        appended: system,
        ..elf::Elf::new(true, false)
    }
    .build();
    image[8..11].copy_from_slice(b"AI\x02");
    assert_eq!(table(&image), ["AppImage file system squashfs"]);
    assert_eq!(unclaimed(&image), 0);
    let all = scan(&image);
    assert!(all.iter().all(|a| !a.complete && a.verdict != Verdict::Clean));
    let undone = |a: &Artifact| {
        a.errors
            .iter()
            .any(|e| e.message.contains("squashfs content is recognised"))
    };
    assert!(all.iter().any(undone));
}

#[test]
fn a_note_of_another_name_stays_a_note() {
    let blob = Sea {
        assets: Vec::new(),
        ..Sea::new()
    };
    let bytes = sea::noted(b"NODE_SEA_BLOC\0", &blob.build());
    assert_eq!(table(&bytes), [""; 0]);
    assert_eq!(
        law::map(&super::super::elf::Elf, &bytes)
            .1
            .iter()
            .filter(|l| l.ends_with("unclaimed"))
            .count(),
        0
    );
}

proptest! {
    #[test]
    fn random_bytes_behind_the_marks_are_survived(noise in prop::collection::vec(any::<u8>(), 0..600)) {
        crate::format::fuzz("node-sea", &[&[0x20, 0xda, 0x43, 0x01, 0x1f, 0, 0, 0][..], &noise].concat());
        crate::format::fuzz("deno", &[&b"d3n0l4nd"[..], &noise].concat());
        crate::format::fuzz("deno", &[&b"d3n0l4nd"[..], &[0; 32], b"ESZIP2.1", &noise].concat());
        crate::format::fuzz("eszip", &[&b"ESZIP2.2"[..], &noise].concat());
        crate::format::fuzz("pyz", &[&b"PYZ\0\xa7\x0d\x0d\x0a\0\0\0\x11"[..], &noise].concat());
        let mut cookie = noise.clone();
        cookie.extend(b"MEI\x0c\x0b\x0a\x0b\x0e");
        let length = (noise.len() + 88) as u32;
        for word in [length, 0, noise.len() as u32, 311] {
            cookie.extend(word.to_be_bytes());
        }
        cookie.resize(noise.len() + 88, 0);
        crate::format::fuzz("pyinstaller", &cookie);
    }

    #[test]
    fn small_numbers_in_tables_are_survived(noise in prop::collection::vec(0u8..12, 0..400)) {
        crate::format::fuzz("node-sea", &[&[0x20, 0xda, 0x43, 0x01, 0x1f, 0, 0, 0][..], &noise].concat());
        crate::format::fuzz("deno", &[&b"d3n0l4nd"[..], &noise].concat());
        crate::format::fuzz("eszip", &[&b"ESZIP_V2"[..], &noise].concat());
    }
}

//! Files of both kinds, every layout of datasets, what leads out of a file, and broken ones.

use super::Hdf5;
use crate::fact::{Fact, Outside};
use crate::finding::{ErrorCode, code};
use crate::format::{Format, Parse, Source, fuzz};
use crate::identify::{Probe, Strength};
use crate::ledger::Ledger;
use crate::pipeline::{Options, Scanner};
use probity_tests::build::bytes::find;
use probity_tests::build::hdf5::{self as build, Attribute, Dataset, Hdf5 as Build, Layout, Node};
use probity_tests::build::pickle;
use probity_tests::build::safetensors::weights;
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Hdf5, bytes)
}

fn ledger(bytes: &[u8], out: &Parse) -> Ledger {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    let sum = ledger.claimed().total() + ledger.unclaimed().total();
    assert_eq!(sum, bytes.len() as u64);
    ledger
}

fn found(out: &Parse) -> Vec<(&'static str, Option<&'static str>)> {
    out.findings().iter().map(|f| (f.code, f.case)).collect()
}

/// A sound file: nothing is said, gaps hold zeros only, and the leaves as lines.
fn check_sound(bytes: &[u8]) -> (Parse, Vec<String>) {
    let out = parse(bytes);
    assert!(
        found(&out).is_empty() && out.errors().is_empty(),
        "{:?} {:?}",
        out.findings(),
        out.errors()
    );
    let ledger = ledger(bytes, &out);
    for gap in ledger.unclaimed().iter() {
        let content = &bytes[gap.start() as usize..gap.end() as usize];
        assert!(content.iter().all(|b| *b == 0), "{gap:?} is not padding");
    }
    assert!(ledger.overlaps(1).0.is_empty(), "{:?}", ledger.overlaps(1));
    let mut leaves: Vec<_> = ledger.leaves().collect();
    leaves.sort_by_key(|r| r.span.start());
    let lines = leaves
        .iter()
        .map(|r| format!("{:#x} {} {} {}", r.span.start(), r.span.len(), r.role.as_str(), r.name))
        .collect();
    (out, lines)
}

/// The codes and cases of a whole scan, worst first, `info` left out.
fn scanned(bytes: Vec<u8>) -> Vec<String> {
    let options = Options {
        jobs: 1,
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("model.h5", bytes);
    let findings = report.artifacts.iter().flat_map(|a| &a.findings);
    findings
        .filter(|f| f.severity > crate::Severity::Info)
        .map(|f| format!("{} {} {}", f.finding.code, f.finding.case.unwrap_or("-"), f.severity))
        .collect()
}

fn versions(file: &Build) -> [Build; 2] {
    [0, 3].map(|version| Build {
        version,
        ..file.clone()
    })
}

fn with(dataset: Dataset) -> Build {
    Build::of(vec![("data".into(), Node::Dataset(dataset))])
}

#[test]
fn a_file_of_the_first_version_claims_every_byte() {
    let bytes = build::small();
    let (out, lines) = check_sound(&bytes);
    assert_eq!(
        lines.join("\n"),
        "0x0 96 header superblock\n\
        0x60 48 tensor elements of /group/data\n\
        0x90 112 metadata object header of /group/data\n\
        0x100 16 strings names in /group\n\
        0x110 32 table local heap of /group\n\
        0x130 328 table symbols of /group\n\
        0x278 544 table group tree of /group\n\
        0x498 40 metadata object header of /group\n\
        0x4c0 16 strings names in /\n\
        0x4d0 32 table local heap of /\n\
        0x4f0 328 table symbols of /\n\
        0x638 544 table group tree of /\n\
        0x858 40 metadata object header of /"
    );
    let tensors: Vec<_> = out
        .facts()
        .iter()
        .filter_map(|f| match f {
            Fact::Tensor { name, dtype, shape, .. } => Some(format!("{name} {dtype} {shape:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(tensors, ["/group/data float32 [3, 4]"]);
}

#[test]
fn a_file_of_the_last_version_claims_every_byte() {
    let bytes = Build {
        version: 3,
        ..Build::of(vec![("data".into(), Node::dataset(&[3, 4], weights(12)))])
    }
    .build();
    let (_, lines) = check_sound(&bytes);
    assert_eq!(
        lines.join("\n"),
        "0x0 48 header superblock\n\
        0x30 48 tensor elements of /data\n\
        0x60 88 metadata object header of /data\n\
        0xb8 33 metadata object header of /"
    );
}

#[test]
fn every_layout_of_a_dataset_is_claimed() {
    for (layout, expected) in [
        (Layout::Compact, 0),
        (Layout::Contiguous, 48),
        (Layout::ChunkedTree, 48),
        (Layout::Single, 48),
        (Layout::Implicit, 48),
        (Layout::FixedArray, 48),
        (Layout::ExtensibleArray, 48),
        (Layout::Tree2, 48),
    ] {
        for filtered in [false, true] {
            let alone = matches!(
                layout,
                Layout::Single | Layout::Implicit | Layout::Compact | Layout::Contiguous
            );
            if filtered && alone {
                continue;
            }
            let file = with(Dataset {
                layout: layout.clone(),
                filtered,
                ..Dataset::new(&[4, 3], weights(12))
            });
            for file in versions(&file) {
                let (out, _) = check_sound(&file.build());
                let claimed: u64 = out
                    .view()
                    .leaves()
                    .filter(|r| r.role == crate::ledger::Role::Tensor)
                    .map(|r| r.span.len())
                    .sum();
                assert_eq!(claimed, expected, "{layout:?}, filtered {filtered}");
            }
        }
    }
}

#[test]
fn chunks_that_went_through_filters_are_decoded_where_they_hold_bytes() {
    use flate2::{Compression, write::ZlibEncoder};
    use std::io::Write;
    let plain = pickle::os_system(2);
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(&plain).unwrap();
    let chunk = encoder.finish().unwrap();
    for (layout, opaque, expected) in [
        (Layout::FixedArray, true, true),
        (Layout::ExtensibleArray, true, true),
        (Layout::Tree2, true, true),
        (Layout::ChunkedTree, true, true),
        (Layout::Tree2, false, false),
    ] {
        let bytes = with(Dataset {
            layout: layout.clone(),
            filtered: true,
            opaque,
            ..Dataset::new(&[4, 3], [chunk.clone(), chunk.clone()].concat())
        })
        .build();
        let (out, _) = check_sound(&bytes);
        assert_eq!(out.children().is_empty(), !expected, "{layout:?}");
        let scanner = crate::pipeline::Scanner::new(crate::pipeline::Options {
            jobs: 1,
            ..crate::pipeline::Options::default()
        })
        .unwrap();
        let report = scanner.scan_bytes("m.h5", bytes);
        let told = report
            .artifacts
            .iter()
            .flat_map(|a| &a.findings)
            .any(|f| f.finding.code == crate::finding::code::UNSAFE_CALLABLE);
        assert_eq!(told, expected, "{layout:?}");
    }
}

#[test]
fn attributes_that_hold_documents_or_pickles_become_artifacts() {
    let json = r#"{"class_name": "Sequential", "config": {}}"#;
    for (value, expected) in [
        (Attribute::Text(json.into()), true),
        (Attribute::HeapText(json.into()), true),
        (Attribute::Opaque(pickle::benign(2)), true),
        (Attribute::Text("plain text, and nothing else".into()), false),
        (Attribute::HeapText("plain text, and nothing else".into()), false),
    ] {
        let mut file = Build::of(Vec::new());
        file.attributes = vec![("model_config".into(), value)];
        for file in versions(&file) {
            let bytes = file.build();
            let (out, _) = check_sound(&bytes);
            let children: Vec<_> = out
                .children()
                .iter()
                .map(|c| match &c.source {
                    Source::Slice(span) => &bytes[span.start() as usize..span.end() as usize],
                    _ => &[],
                })
                .collect();
            assert_eq!(children.len(), usize::from(expected));
            assert!(children.iter().all(|c| *c == json.as_bytes() || c.ends_with(b".")));
        }
    }
}

#[test]
fn what_leads_out_of_the_file_is_told_by_where_it_leads() {
    let storage = |name: &str| {
        with(Dataset {
            layout: Layout::External(vec![(name.into(), 48)]),
            ..Dataset::new(&[3, 4], Vec::new())
        })
    };
    let link = |name: &str, dense: bool| {
        let external = Node::External {
            file: name.into(),
            path: "/data".into(),
        };
        let members = vec![("there".into(), external), ("here".into(), Node::group(Vec::new()))];
        let group = if dense {
            Node::DenseGroup(members)
        } else {
            Node::group(members)
        };
        Build {
            version: 3,
            ..Build::of(vec![("group".into(), group)])
        }
    };
    let sources = |name: &str| Build {
        version: 3,
        ..with(Dataset {
            layout: Layout::Virtual(name.into()),
            ..Dataset::new(&[3, 4], Vec::new())
        })
    };
    for (file, expected) in [
        (storage("/etc/passwd"), "external-storage escape high"),
        (storage("../../weights.bin"), "external-storage escape high"),
        (storage("/proc/self/environ"), "external-storage escape high"),
        (storage("weights.bin"), "external-storage storage medium"),
        (link("/etc/passwd", false), "external-storage escape high"),
        (link("/etc/passwd", true), "external-storage escape high"),
        (link("part.h5", false), "external-storage link low"),
        (link("part.h5", true), "external-storage link low"),
        (sources("/data/secret.h5"), "external-storage escape high"),
    ] {
        assert_eq!(scanned(file.build()), [expected]);
    }
    assert!(scanned(sources("part.h5").build()).is_empty());
    let facts = parse(&storage("a.bin").build());
    assert!(facts.facts().iter().any(|f| matches!(
        f,
        Fact::Outside { how: Outside::Storage, by, target, .. } if &**by == "/data" && &**target == b"a.bin"
    )));
}

#[test]
fn freed_space_is_told_by_size_and_by_writer() {
    let freed = |n: usize, model: bool| {
        let mut file = Build {
            freed: vec![0x41; n],
            ..Build::of(vec![("data".into(), Node::dataset(&[3, 4], weights(12)))])
        };
        if model {
            file.attributes = vec![("keras_version".into(), Attribute::Text("2.4.0".into()))];
        }
        scanned(file.build())
    };
    assert_eq!(freed(100, false), ["unclaimed-bytes freed low"]);
    assert_eq!(freed(70_000, false), ["unclaimed-bytes freed-large medium"]);
    assert_eq!(freed(100, true), ["unclaimed-bytes freed low"]);
    assert_eq!(freed(300, true), ["unclaimed-bytes freed-model medium"]);
    assert!(freed(0, true).is_empty());
    let trailing = |bytes: &[u8]| {
        scanned(
            Build {
                trailing: bytes.to_vec(),
                ..Build::of(Vec::new())
            }
            .build(),
        )
    };
    assert_eq!(trailing(&[0x41; 32]), ["trailing-bytes - high"]);
    assert!(trailing(b"\n\n\n\n\n\n").is_empty());
}

#[test]
fn stale_entries_of_a_node_are_its_own_and_a_payload_is_not() {
    let sound = build::small();
    let rest = find(&sound, b"TREE").unwrap() + 48;
    let with = |content: &[u8]| {
        let mut file = sound.clone();
        file[rest..rest + content.len()].copy_from_slice(content);
        scanned(file)
    };
    assert!(with(&[8u64.to_le_bytes(), 0x60u64.to_le_bytes(), u64::MAX.to_le_bytes()].concat()).is_empty());
    assert_eq!(with(&[0x41; 100]), ["unclaimed-bytes freed low"]);
}

#[test]
fn a_user_block_is_an_artifact_and_the_rest_is_read_behind_it() {
    for block in [512, 1024, 8192] {
        let file = Build {
            user_block: vec![b' '; block],
            ..Build::of(vec![("data".into(), Node::dataset(&[3, 4], weights(12)))])
        };
        let bytes = file.build();
        let (out, lines) = check_sound(&bytes);
        assert_eq!(out.children().len(), 1);
        assert!(lines[0].ends_with("payload user block"), "{}", lines[0]);
    }
    let bytes = Build {
        user_block: vec![0; 1024],
        ..Build::of(Vec::new())
    }
    .build();
    let probe = Probe::new(&bytes, &bytes, bytes.len() as u64);
    let matched = Hdf5.identify(&probe).unwrap();
    assert_eq!((matched.strength, matched.start), (Strength::Certain, 1024));
}

#[test]
fn a_superblock_far_behind_the_head_is_still_found() {
    let file = Build {
        user_block: vec![0; 65_536],
        ..with(Dataset {
            layout: Layout::External(vec![("/etc/passwd".into(), 48)]),
            ..Dataset::new(&[3, 4], Vec::new())
        })
    };
    assert_eq!(scanned(file.build()), ["external-storage escape high"]);
}

#[test]
fn cycles_end_and_shared_objects_are_claimed_once() {
    let group = || {
        Node::group(vec![
            ("up".into(), Node::Root),
            ("self".into(), Node::Root),
            ("deeper".into(), Node::group(vec![("up".into(), Node::Root)])),
        ])
    };
    for file in versions(&Build::of(vec![("a".into(), group()), ("b".into(), group())])) {
        check_sound(&file.build());
    }
}

#[test]
fn lies_are_named() {
    let sound = build::small();
    let change = |at: usize, bytes: &[u8]| {
        let mut file = sound.clone();
        file[at..at + bytes.len()].copy_from_slice(bytes);
        parse(&file)
    };
    let tree = find(&sound, b"TREE").unwrap();
    let node = find(&sound, b"SNOD").unwrap();
    let layout = find(&sound, &[8, 0, 24, 0]).unwrap() + 8;
    for (name, out, expected) in [
        (
            "more children than a node has",
            change(tree + 6, &[0xff, 0xff]),
            code::TRUNCATED,
        ),
        ("another kind of node", change(tree + 4, &[1]), code::MALFORMED),
        ("another signature", change(node, b"SNOT"), code::MALFORMED),
        (
            "more symbols than a node has",
            change(node + 6, &[9, 0]),
            code::MALFORMED,
        ),
        ("elements past the end", change(layout + 2, &[0xff, 0xff, 0, 0]), "-"),
        (
            "a longer header",
            change(0x98, &[0xff, 0xff, 0xff, 0x7f]),
            code::TRUNCATED,
        ),
        ("an end past the end", change(40, &[0xff, 0xff]), code::TRUNCATED),
    ] {
        let codes: Vec<_> = found(&out).iter().map(|(code, _)| *code).collect();
        if expected == "-" {
            assert!(out.view().leaves().any(|r| r.span.end() > sound.len() as u64), "{name}");
        } else {
            assert!(codes.contains(&expected), "{name}: {codes:?}");
        }
    }
    let new = Build {
        version: 3,
        ..Build::of(vec![("data".into(), Node::dataset(&[3, 4], weights(12)))])
    }
    .build();
    let mut changed = new.clone();
    let at = find(&new, b"OHDR").unwrap() + 12;
    changed[at] ^= 1;
    let rules: Vec<_> = parse(&changed).findings().iter().map(|f| f.message.clone()).collect();
    assert!(rules.iter().any(|r| r.contains("checksum")), "{rules:?}");
}

#[test]
fn elements_past_the_end_are_a_truncation() {
    let file = with(Dataset {
        address: Some(1 << 40),
        ..Dataset::new(&[3, 4], weights(12))
    });
    assert_eq!(found(&parse(&file.build())), [(code::TRUNCATED, None)]);
}

#[test]
fn two_datasets_over_the_same_bytes_overlap() {
    let shared = Node::Dataset(Dataset {
        address: Some(8),
        ..Dataset::new(&[3, 4], weights(12))
    });
    let bytes = Build::of(vec![("a".into(), shared)]).build();
    let (overlaps, _) = ledger(&bytes, &parse(&bytes)).overlaps(4);
    assert_eq!(overlaps.len(), 1);
}

#[test]
fn what_is_not_read_is_said() {
    let mut bytes = build::small();
    // The address of a driver information block.
    bytes[48..56].copy_from_slice(&96u64.to_le_bytes());
    let out = parse(&bytes);
    assert!(out.errors().iter().any(|e| e.code == ErrorCode::Unsupported));
}

#[test]
fn a_cut_file_is_never_clean() {
    for file in versions(&Build {
        attributes: vec![("model_config".into(), Attribute::HeapText("{\"a\": [1, 2, 3]}".into()))],
        ..Build::of(vec![(
            "group".into(),
            Node::group(vec![("data".into(), Node::dataset(&[3, 4], weights(12)))]),
        )])
    }) {
        let built = file.built();
        let bytes = built.bytes;
        for end in 16..bytes.len() {
            let cut = &bytes[..end];
            let out = parse(cut);
            let told = !found(&out).is_empty() || !out.errors().is_empty();
            assert!(told || !ledger(cut, &out).unclaimed().is_empty(), "cut at {end}");
        }
        assert!(built.boundaries.len() > 4);
    }
}

#[test]
fn no_single_byte_breaks_the_reader() {
    let files = [
        build::small(),
        Build {
            version: 3,
            attributes: vec![("model_config".into(), Attribute::HeapText("{\"a\": [1, 2, 3]}".into()))],
            ..Build::of(vec![
                ("link".into(), Node::DenseGroup(vec![("up".into(), Node::Root)])),
                (
                    "data".into(),
                    Node::Dataset(Dataset {
                        layout: Layout::ExtensibleArray,
                        filtered: true,
                        ..Dataset::new(&[4, 3], weights(12))
                    }),
                ),
            ])
        }
        .build(),
    ];
    for bytes in files {
        for at in 0..bytes.len() {
            for change in [|_| 0u8, |_| 0xff, |b| b ^ 1, |b| b ^ 0x80] {
                let mut changed = bytes.clone();
                changed[at] = change(bytes[at]);
                let out = parse(&changed);
                ledger(&changed, &out);
            }
        }
    }
}

#[test]
fn many_links_are_bounded() {
    let members = (0..2000).map(|n| (format!("member {n}"), Node::Root)).collect();
    let bytes = Build {
        version: 3,
        ..Build::of(members)
    }
    .build();
    check_sound(&bytes);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn random_bytes_behind_the_signature_are_read(
        version in 0u8..4,
        bytes in proptest::collection::vec(prop_oneof![Just(0u8), Just(8), any::<u8>()], 0..400),
    ) {
        let file = [&b"\x89HDF\r\n\x1a\n"[..], &[version], &bytes].concat();
        fuzz("hdf5", &file);
    }

    #[test]
    fn random_changes_are_read(changes in proptest::collection::vec((0usize..2184, any::<u8>()), 1..12)) {
        let mut file = build::small();
        for (at, byte) in changes {
            let at = at % file.len();
            file[at] = byte;
        }
        fuzz("hdf5", &file);
    }
}

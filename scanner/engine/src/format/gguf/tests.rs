//! GGUF: region maps, every finding with its near-miss, truncation, single-byte changes, random bytes.

#![expect(
    clippy::as_conversions,
    clippy::panic,
    reason = "lengths of buffers in memory, and a test stops where its sample is not what it expects"
)]

use super::Gguf;
use crate::fact::Fact;
use crate::finding::{ErrorCode, code};
use crate::format::{Format, Parse, Source, fuzz};
use crate::identify::{Match, Probe, Strength};
use crate::ledger::{Ledger, Region};
use crate::pipeline::{Options, Scanner};
use crate::span::Span;
use probity_tests::build::gguf::{self, Tensor, Value, nested, small};
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Gguf, bytes)
}

fn ledger(bytes: &[u8], out: &Parse) -> Ledger {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    ledger
}

fn identify(bytes: &[u8]) -> Option<Match> {
    Gguf.identify(&Probe::new(bytes, bytes, bytes.len() as u64))
}

/// Code and case of every finding.
fn found(out: &Parse) -> Vec<(&'static str, Option<&'static str>)> {
    out.findings().iter().map(|f| (f.code, f.case)).collect()
}

fn check_clean(bytes: &[u8]) -> Parse {
    let out = parse(bytes);
    assert!(
        out.findings().is_empty() && out.errors().is_empty(),
        "{:?} {:?}",
        out.findings(),
        out.errors()
    );
    let ledger = ledger(bytes, &out);
    assert!(ledger.unclaimed().is_empty(), "{:?}", ledger.unclaimed());
    assert!(ledger.overlaps(1).0.is_empty());
    assert_eq!(identify(bytes), Some(Match::CERTAIN));
    out
}

fn sample() -> gguf::Gguf {
    gguf::Gguf::new(3, false)
}

/// The sample with one more pair.
fn with_kv(key: &str, value: Value) -> Vec<u8> {
    let mut file = sample();
    file.kv.push((key.into(), value));
    file.build()
}

/// The sample with its second tensor changed.
fn with_tensor(change: impl Fn(&mut Tensor)) -> Vec<u8> {
    let mut file = sample();
    change(&mut file.tensors[1]);
    file.build()
}

/// A version 3 header with these counts, and `rest`.
fn raw(tensors: u64, kvs: u64, rest: &[u8]) -> Vec<u8> {
    [&b"GGUF\x03\0\0\0"[..], &tensors.to_le_bytes(), &kvs.to_le_bytes(), rest].concat()
}

/// A key and a type.
fn key(name: &str, kind: u32) -> Vec<u8> {
    [
        &(name.len() as u64).to_le_bytes()[..],
        name.as_bytes(),
        &kind.to_le_bytes(),
    ]
    .concat()
}

#[test]
fn a_sound_file_is_claimed_to_the_last_byte() {
    let mut file = sample();
    file.kv.retain(|(key, _)| {
        matches!(
            key.as_str(),
            "general.architecture" | "tokenizer.ggml.tokens" | "tokenizer.chat_template"
        )
    });
    let out = check_clean(&file.build());
    let line = |r: &Region| format!("{:#x} {} {} {}", r.span.start(), r.span.len(), r.role.as_str(), r.name);
    let mut leaves: Vec<_> = out.view().leaves().collect();
    leaves.sort_by_key(|r| r.span.start());
    let map: Vec<_> = leaves.into_iter().map(line).collect();
    let expected = "0x0 24 header header\n\
        0x18 45 metadata general.architecture\n\
        0x45 77 metadata tokenizer.ggml.tokens\n\
        0x92 43 metadata tokenizer.chat_template\n\
        0xbd 50 payload tokenizer.chat_template\n\
        0xef 223 table tensor infos\n\
        0x1ce 18 padding padding before the data\n\
        0x1e0 96 tensor tensor token_embd.weight\n\
        0x240 16 tensor tensor blk.0.attn_norm.weight\n\
        0x250 16 padding padding after blk.0.attn_norm.weight\n\
        0x260 36 tensor tensor blk.0.ffn_up.weight\n\
        0x284 28 padding padding after blk.0.ffn_up.weight\n\
        0x2a0 102 tensor tensor output.weight\n\
        0x306 26 padding padding after output.weight";
    assert_eq!(map.join("\n"), expected);
    let tensors: Vec<_> = out
        .facts()
        .iter()
        .filter_map(|f| match f {
            Fact::Tensor {
                name,
                dtype,
                shape,
                span,
            } => Some(format!("{name} {dtype} {shape:?} {span:?}")),
            _ => None,
        })
        .collect();
    assert_eq!(tensors[0], "token_embd.weight F32 [3, 8] 0x1e0..0x240");
    assert_eq!(tensors.len(), 4);
}

#[test]
fn versions_byte_orders_and_alignments_are_quiet() {
    for (version, big) in [(1, false), (2, false), (3, false), (3, true)] {
        let out = check_clean(&gguf::Gguf::new(version, big).build());
        assert_eq!(out.facts().len(), 4);
    }
    for alignment in [8, 64, 4096] {
        let mut file = gguf::Gguf { alignment, ..sample() };
        file.kv.push(("general.alignment".into(), Value::U32(alignment as u32)));
        check_clean(&file.build());
    }
    check_clean(
        &gguf::Gguf {
            tensors: Vec::new(),
            ..sample()
        }
        .build(),
    );
    check_clean(
        &gguf::Gguf {
            tensors: Vec::new(),
            kv: Vec::new(),
            ..sample()
        }
        .build(),
    );
    let mut padded = gguf::Gguf {
        tensors: Vec::new(),
        ..sample()
    }
    .build();
    padded.resize(padded.len().next_multiple_of(32), 0);
    check_clean(&padded);
    let mut unpadded = small();
    unpadded.truncate(unpadded.len() - 26);
    assert_eq!(
        parse(&unpadded)
            .view()
            .leaves()
            .filter(|r| r.name.contains("output.weight"))
            .count(),
        1
    );
    check_clean(&unpadded);
    let long = vec![Value::text("token"); 150_000];
    check_clean(&with_kv("tokenizer.ggml.merges", Value::Array(8, long)));
    check_clean(&with_kv(
        "fixture.strings",
        Value::Array(
            9,
            vec![Value::Array(8, Vec::new()), Value::Array(8, vec![Value::text("x")])],
        ),
    ));
    check_clean(&with_kv("fixture.big", Value::String(vec![b'x'; 300_000])));
}

#[test]
fn arrays_about_one_vocabulary_are_of_one_length() {
    let scores = |n: usize| {
        parse(&with_kv(
            "tokenizer.ggml.scores",
            Value::Array(6, vec![Value::F32(0.0); n]),
        ))
    };
    assert!(found(&scores(3)).is_empty());
    assert_eq!(found(&scores(2)), [(code::TOKENIZER_ODDITY, Some("lengths"))]);
    let merges = with_kv("tokenizer.ggml.merges", Value::Array(8, vec![Value::text("a b")]));
    assert!(found(&parse(&merges)).is_empty());
}

#[test]
fn a_chat_template_is_an_artifact_of_its_own() {
    let bytes = small();
    let out = parse(&bytes);
    let [child] = out.children() else {
        panic!("one template")
    };
    let Source::Slice(span) = child.source else {
        panic!("a slice")
    };
    assert_eq!(child.name, b"tokenizer.chat_template");
    let text = &bytes[span.start() as usize..span.end() as usize];
    assert!(text.starts_with(b"{% for m") && text.ends_with(b"endfor %}"));
    let named = parse(&with_kv("tokenizer.chat_template.tool_use", Value::text("{{ x }}")));
    assert_eq!(named.children().len(), 2);
    assert_eq!(
        parse(&with_kv(
            "tokenizer.chat_templates",
            Value::Array(8, vec![Value::text("x")])
        ))
        .children()
        .len(),
        1
    );
    assert_eq!(
        parse(&with_kv("tokenizer.chat_template.none", Value::text("")))
            .children()
            .len(),
        1
    );
}

#[test]
fn each_broken_rule_gives_its_finding() {
    let malformed = (code::MALFORMED, None);
    let crash = (code::MALFORMED, Some("crash"));
    let lenient = (code::MALFORMED, Some("lenient"));
    let truncated = (code::TRUNCATED, None);
    let duplicate = (code::DUPLICATE_KEY, None);
    let check = |what: &str, bytes: &[u8], expected: &[(&'static str, Option<&'static str>)]| {
        assert_eq!(found(&parse(bytes)), expected, "{what}");
    };
    check(
        "duplicate key",
        &with_kv("general.name", Value::text("again")),
        &[duplicate],
    );
    check("empty key", &with_kv("", Value::U8(1)), &[malformed]);
    check("long key", &with_kv(&"k".repeat(65_536), Value::U8(1)), &[malformed]);
    check("longest key", &with_kv(&"k".repeat(65_535), Value::U8(1)), &[]);
    check("bool", &with_kv("fixture.odd", Value::Bool(2)), &[lenient]);
    check("alignment 0", &with_kv("general.alignment", Value::U32(0)), &[crash]);
    check(
        "alignment 33",
        &with_kv("general.alignment", Value::U32(33)),
        &[malformed],
    );
    check("alignment 4", &with_kv("general.alignment", Value::U32(4)), &[lenient]);
    check(
        "alignment u64",
        &with_kv("general.alignment", Value::U64(32)),
        &[malformed],
    );
    check(
        "alignment text",
        &with_kv("general.alignment", Value::text("32")),
        &[malformed],
    );
    check(
        "duplicate tensor",
        &with_tensor(|t| t.name = "output.weight".into()),
        &[duplicate],
    );
    check("long name", &with_tensor(|t| t.name = "n".repeat(128)), &[lenient]);
    check("image name", &with_tensor(|t| t.name = "n".repeat(127)), &[]);
    check("five dims", &with_tensor(|t| t.dims = vec![8, 1, 1, 1, 1]), &[crash]);
    check("overflow", &with_tensor(|t| t.dims = vec![1 << 40, 1 << 40]), &[crash]);
    check("negative", &with_tensor(|t| t.dims = vec![1 << 63]), &[crash]);
    check("row", &with_tensor(|t| (t.kind, t.dims) = (2, vec![16])), &[malformed]);
    check("zero dimension", &with_tensor(|t| t.dims = vec![8, 0]), &[lenient]);
    check("unknown type", &with_tensor(|t| t.kind = 9999), &[malformed]);
    check("misaligned", &with_tensor(|t| t.offset = Some(97)), &[malformed]);
    check(
        "outside",
        &with_tensor(|t| t.offset = Some(1 << 40)),
        &[lenient, truncated],
    );
    check(
        "offset overflow",
        &with_tensor(|t| t.offset = Some(u64::MAX - 31)),
        &[lenient, crash],
    );
    check("out of order", &with_tensor(|t| t.offset = Some(192)), &[lenient]);
    check("tensor count", &raw(1 << 60, 0, &[]), &[crash, truncated, truncated]);
    check("metadata count", &raw(0, u64::MAX, &[]), &[crash, truncated, truncated]);
    check("more tensors than bytes", &raw(5, 0, &[]), &[truncated, truncated]);
    check("key length", &raw(0, 1, &[0xff; 16]), &[crash, truncated]);
    check(
        "key past the end",
        &raw(0, 1, &[200, 0, 0, 0, 0, 0, 0, 0, b'k', 0, 0, 0, 0, 0]),
        &[truncated],
    );
    check(
        "text length",
        &raw(0, 1, &[key("a", 8), vec![0xff; 8]].concat()),
        &[crash, truncated],
    );
    check(
        "array size",
        &raw(0, 1, &[key("a", 9), vec![10, 0, 0, 0], vec![0xff; 8]].concat()),
        &[crash, truncated],
    );
    check(
        "array past the end",
        &raw(0, 1, &[key("a", 9), vec![10, 0, 0, 0, 9, 0, 0, 0, 0, 0, 0, 0]].concat()),
        &[truncated],
    );
    check(
        "unknown metadata type",
        &raw(0, 1, &[key("a", 13), vec![0; 8]].concat()),
        &[malformed],
    );
    check(
        "unknown element type",
        &raw(0, 1, &[key("a", 9), vec![0xee; 12]].concat()),
        &[malformed],
    );
    check("name length", &raw(1, 0, &[0xff; 24]), &[crash, truncated]);
    check("big-endian version 2", &gguf::Gguf::new(2, true).build(), &[lenient]);
    check("version 0", b"GGUF\0\0\0\0aaaaaaaaaaaaaaaa", &[malformed]);
    check("short", b"GGUF\x03", &[truncated]);
}

#[test]
fn what_is_not_read_is_incomplete() {
    let check = |bytes: &[u8], expected| assert_eq!(parse(bytes).errors().first().map(|e| e.code), expected);
    check(&with_kv("fixture.deep", nested(2_000)), Some(ErrorCode::LimitExceeded));
    check(&with_kv("fixture.deep", nested(60)), None);
    check(&with_tensor(|t| t.kind = 9999), Some(ErrorCode::Unsupported));
    check(&with_tensor(|t| t.dims = vec![1; 65]), Some(ErrorCode::Unsupported));
    check(
        &raw(0, 1, &[key("a", 13), vec![0; 8]].concat()),
        Some(ErrorCode::Unsupported),
    );
    check(b"GGUF\x04\0\0\0", Some(ErrorCode::Unsupported));
    assert_eq!(identify(b"GGUF\x04\0\0\0").map(|m| m.strength), Some(Strength::Likely));
    assert_eq!(identify(b"GGUF").map(|m| m.strength), Some(Strength::Likely));
    assert_eq!(identify(b"GGUE\x03\0\0\0"), None);
}

#[test]
fn what_no_tensor_accounts_for_stays_unclaimed() {
    let unclaimed = |bytes: &[u8]| ledger(bytes, &parse(bytes)).unclaimed().iter().collect::<Vec<_>>();
    let length = small().len() as u64;
    let trailing = gguf::Gguf {
        trailing: vec![7; 64],
        ..sample()
    }
    .build();
    assert_eq!(unclaimed(&trailing), [Span::new(length, length + 64)]);
    let hole = with_tensor(|t| t.data.extend_from_slice(&[7; 64]));
    assert_eq!(found(&parse(&hole)), []);
    assert_eq!(unclaimed(&hole).iter().map(|s| s.len()).collect::<Vec<_>>(), [64]);
    let none = gguf::Gguf {
        tensors: Vec::new(),
        trailing: vec![7; 64],
        ..sample()
    }
    .build();
    assert_eq!(unclaimed(&none).iter().map(|s| s.len()).collect::<Vec<_>>(), [64]);
}

#[test]
fn tensors_that_share_bytes_are_told_by_the_ledger() {
    let bytes = with_tensor(|t| t.offset = Some(32));
    let (overlaps, _) = ledger(&bytes, &parse(&bytes)).overlaps(4);
    assert_eq!(overlaps.len(), 1);
    assert_eq!(overlaps[0].shares, Some("tensors"));
}

#[test]
fn suspicious_names_become_facts_and_others_do_not() {
    let names = |bytes: &[u8]| {
        parse(bytes)
            .facts()
            .iter()
            .filter(|f| matches!(f, Fact::Name { .. }))
            .count()
    };
    assert_eq!(names(&with_kv("a\u{1b}[31m", Value::U8(1))), 1);
    assert_eq!(names(&with_tensor(|t| t.name = "a\u{202e}b".into())), 1);
    assert_eq!(names(&with_kv("caf\u{e9} x", Value::U8(1))), 0);
    assert_eq!(names(&small()), 0);
}

#[test]
fn a_truncated_file_is_never_silently_clean() {
    for (version, big) in [(1, false), (3, false), (3, true)] {
        let file = gguf::Gguf::new(version, big);
        let built = file.built();
        let last = built.bytes.len() - 26;
        for cut in built
            .boundaries
            .iter()
            .map(|b| *b as usize)
            .chain(0..built.bytes.len().min(4096))
        {
            let bytes = &built.bytes[..cut];
            fuzz("gguf", bytes);
            let out = parse(bytes);
            // What follows the last tensor is padding, which published files may lack.
            assert!(
                cut >= last || !out.findings().is_empty() || !out.errors().is_empty(),
                "cut at {cut}"
            );
        }
    }
}

#[test]
fn no_single_byte_change_breaks_the_parser() {
    for file in [
        gguf::Gguf::new(1, false),
        gguf::Gguf::new(3, false),
        gguf::Gguf::new(3, true),
    ] {
        let sound = file.build();
        for at in 0..sound.len() {
            for change in [|_| 0u8, |_| 0xff, |b: u8| b ^ 1, |b: u8| b ^ 0x80] {
                let mut bytes = sound.clone();
                bytes[at] = change(bytes[at]);
                fuzz("gguf", &bytes);
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_keep_the_laws(version in 1u8..4, tail in proptest::collection::vec(any::<u8>(), 0..300)) {
        let bytes = [&[b'G', b'G', b'U', b'F', version, 0, 0, 0][..], &tail].concat();
        fuzz("gguf", &bytes);
        identify(&bytes);
    }

    #[test]
    fn small_counts_over_random_bytes_keep_the_laws(tensors in 0u64..4, kvs in 0u64..4, tail in proptest::collection::vec(0u8..16, 0..300)) {
        fuzz("gguf", &raw(tensors, kvs, &tail));
    }
}

#[test]
fn the_fixtures_come_out_of_the_pipeline_as_they_should() {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    for sample in probity_tests::samples::all().into_iter().filter(|s| s.format == "gguf") {
        let report = scanner.scan_bytes(sample.name, sample.bytes);
        let root = &report.artifacts[0];
        assert_eq!((root.format, root.bytes.unclaimed), ("gguf", 0), "{}", sample.name);
        assert!(
            report.complete && root.findings.is_empty(),
            "{} {:?}",
            sample.name,
            root.findings
        );
    }
    for sample in probity_tests::samples::hostile() {
        if !sample.name.starts_with("gguf-") {
            continue;
        }
        let report = scanner.scan_bytes(sample.name, sample.bytes);
        let root = &report.artifacts[0];
        let found = root.findings.iter().any(|f| f.finding.code == sample.expect_code);
        let failed = root.errors.iter().any(|e| e.code.as_str() == sample.expect_code);
        assert!(found || failed, "{} {:?} {:?}", sample.name, root.findings, root.errors);
    }
}

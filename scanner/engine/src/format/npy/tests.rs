//! Arrays of every version, plain, structured and of objects, and broken ones.

use super::*;
use crate::identify::Strength;
use crate::ledger::Ledger;
use probity_tests::build::npy::{self as build, Npy as Build};
use proptest::prelude::*;

fn parse(bytes: &[u8]) -> Parse {
    Parse::of_bytes(&Npy, bytes)
}

fn map(bytes: &[u8], parse: &Parse) -> Vec<String> {
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(parse.view().clone());
    assert_eq!(
        ledger.claimed().total() + ledger.unclaimed().total(),
        bytes.len() as u64
    );
    let mut lines: Vec<String> = ledger
        .leaves()
        .map(|r| format!("{}..{} {} {}", r.span.start(), r.span.end(), r.role.as_str(), r.name))
        .collect();
    lines.extend(
        ledger
            .unclaimed()
            .iter()
            .map(|s| format!("{}..{} unclaimed", s.start(), s.end())),
    );
    lines
}

fn codes(parse: &Parse) -> Vec<&'static str> {
    parse.findings().iter().map(|f| f.code).collect()
}

#[test]
fn arrays_of_every_version_claim_every_byte() {
    for (version, prefix) in [(1, 10), (2, 12), (3, 12)] {
        let bytes = Build::new(version).build();
        let found = parse(&bytes);
        assert_eq!(
            map(&bytes, &found),
            [
                format!("0..{prefix} header npy magic"),
                format!("{prefix}..128 metadata npy header"),
                "128..176 tensor elements".to_owned(),
            ]
        );
        assert!(codes(&found).is_empty() && found.errors().is_empty());
        assert!(matches!(found.facts(), [Fact::Tensor { dtype, shape, .. }] if &**dtype == "<f4" && *shape == [3, 4]));
        let probe = Probe::new(&bytes, &bytes, bytes.len() as u64);
        assert_eq!(Npy.identify(&probe).map(|m| m.strength), Some(Strength::Certain));
    }
}

#[test]
fn sizes_follow_from_shape_and_type() {
    for (descr, shape, data, expected) in [
        ("'<f4'", vec![], 4, "128..132 tensor elements"),
        ("'|S3'", vec![2, 2], 12, "128..140 tensor elements"),
        ("[('a', '<i4'), ('b', '|u1')]", vec![2], 10, "128..138 tensor elements"),
        ("'<f8'", vec![0, u64::MAX, 2], 0, "128..128 tensor elements"),
    ] {
        let bytes = Build {
            descr: descr.into(),
            shape,
            data: vec![0; data],
            ..Build::new(1)
        }
        .build();
        let found = parse(&bytes);
        assert_eq!(codes(&found), [] as [&str; 0], "{descr}");
        assert_eq!(
            map(&bytes, &found).last().map(String::as_str),
            Some(expected),
            "{descr}"
        );
    }
}

#[test]
fn what_does_not_fit_is_named() {
    let new = || Build::new(1);
    let header = |text: &str| Build {
        header: Some(text.into()),
        ..new()
    };
    for (name, file, codes_expected) in [
        (
            "short data",
            Build {
                data: vec![0; 40],
                ..new()
            },
            vec![code::TRUNCATED],
        ),
        (
            "huge dimension",
            Build {
                shape: vec![1 << 40, 4],
                ..new()
            },
            vec![code::TRUNCATED],
        ),
        (
            "dimensions overflow",
            Build {
                shape: vec![1 << 40, 1 << 40],
                ..new()
            },
            vec![code::MALFORMED, code::TRUNCATED],
        ),
        (
            "header length",
            Build {
                header_length: Some(60_000),
                ..new()
            },
            vec![code::TRUNCATED],
        ),
        (
            "header of 4 GiB",
            Build {
                header_length: Some(u32::MAX),
                ..Build::new(2)
            },
            vec![code::TRUNCATED],
        ),
        ("code", header("__import__('os').system('true')"), vec![code::MALFORMED]),
        ("no dictionary", header("(1, 2)"), vec![code::MALFORMED]),
        (
            "missing key",
            header("{'descr': '<f4', 'shape': (3, 4)}"),
            vec![code::MALFORMED],
        ),
        (
            "negative",
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (-3, 4)}"),
            vec![code::MALFORMED],
        ),
        (
            "twice",
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), 'shape': (1,)}"),
            vec![code::MALFORMED],
        ),
        (
            "extra",
            header("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), 'x': 1}"),
            vec![code::MALFORMED],
        ),
        (
            "type",
            Build {
                descr: "'<f5'".into(),
                ..new()
            },
            vec![code::MALFORMED],
        ),
        ("empty object array", Build::object(vec![]), vec![code::TRUNCATED]),
        ("unaligned is fine", Build { align: 1, ..new() }, vec![]),
    ] {
        assert_eq!(codes(&parse(&file.build())), codes_expected, "{name}");
    }
    let version = Build { version: 9, ..new() }.build();
    assert_eq!(parse(&version).errors().len(), 1);
}

#[test]
fn trailing_bytes_stay_unclaimed_and_object_arrays_are_pickles() {
    let trailing = Build {
        trailing: b"hidden".to_vec(),
        ..Build::new(1)
    }
    .build();
    assert_eq!(
        map(&trailing, &parse(&trailing)).last().map(String::as_str),
        Some("176..182 unclaimed")
    );
    let objects = build::object_hostile();
    let found = parse(&objects);
    assert_eq!(found.children().len(), 1);
    assert_eq!(map(&objects, &found).len(), 3);
}

#[test]
fn a_cut_or_changed_byte_is_never_silent_nor_fatal() {
    let bytes = Build::new(2).build();
    for end in 1..bytes.len() {
        assert!(!codes(&parse(&bytes[..end])).is_empty() || end == 0, "cut at {end}");
    }
    for at in 0..bytes.len() {
        for change in [|_| 0, |_| 0xff, |b: u8| b ^ 1, |b: u8| b ^ 0x80] {
            let mut changed = bytes.clone();
            changed[at] = change(changed[at]);
            crate::format::fuzz("npy", &changed);
        }
    }
}

proptest! {
    #[test]
    fn random_headers_are_survived(text in "[-{}()\\[\\]'a-z0-9:, <|]{0,120}", version in 1u8..4) {
        crate::format::fuzz("npy", &Build { header: Some(text), ..Build::new(version) }.build());
    }

    #[test]
    fn random_bytes_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        crate::format::fuzz("npy", &[MAGIC, &bytes].concat());
    }
}

//! ExecuTorch: a program with segments, operators and backends, segments that lie.

#![expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "lengths of buffers in memory"
)]

use super::ExecuTorch;
use crate::finding::code;
use crate::format::proto::tests::{check_clean, check_laws, found, identified, scan};
use crate::format::{Parse, fuzz};
use crate::identify::Match;
use probity_tests::build::flatbuffer::{self, Value, ints, number, text, wide};
use proptest::prelude::*;

/// A program with these operators and backends, and one segment of `size` bytes, of which 32 are there.
fn program(operators: &[&str], delegates: &[&str], size: u64) -> Vec<u8> {
    let named = |names: &[&str]| Value::Tables(names.iter().map(|name| vec![text(name)]).collect());
    let plan = vec![
        text("forward"),
        Value::None,
        Value::Tables(vec![]),
        ints(&[0]),
        ints(&[1]),
        Value::Tables(vec![]),
        named(operators),
        named(delegates),
    ];
    let segment = vec![wide(0), wide(size)];
    let root = [
        number(0),
        Value::Tables(vec![plan]),
        Value::None,
        Value::None,
        Value::Tables(vec![segment]),
    ];
    let plain = flatbuffer::build(b"ET12", &root);
    // The extended header stands between the identifier and the root table: all is moved up by its length.
    let length = 32;
    let base = (plain.len() + length).next_multiple_of(16);
    let mut out = plain[..8].to_vec();
    let root = u32::from_le_bytes(plain[..4].try_into().unwrap()) + 32;
    out[..4].copy_from_slice(&root.to_le_bytes());
    out.extend(b"eh00");
    out.extend(32u32.to_le_bytes());
    for word in [(plain.len() + length) as u64, base as u64, 32] {
        out.extend(word.to_le_bytes());
    }
    out.extend(&plain[8..]);
    out.resize(base, 0);
    out.extend([9; 32]);
    out
}

#[test]
fn a_program_claims_every_byte() {
    let bytes = program(&["aten::add"], &[], 32);
    let out = check_clean(&ExecuTorch, &bytes);
    assert!(
        out.view()
            .leaves()
            .any(|r| &*r.name == "segment 0" && r.span.len() == 32)
    );
    assert!(out.view().leaves().any(|r| &*r.name == "extended header"));
    assert_eq!(identified(&ExecuTorch, &bytes), Some(Match::CERTAIN));
}

#[test]
fn operators_of_others_and_backends_are_inventory() {
    assert_eq!(scan(&program(&["own::blur"], &[], 32)).2, ["custom-operator custom"]);
    assert_eq!(
        scan(&program(&["aten::add"], &["XnnpackBackend"], 32)).2,
        ["custom-operator inventory"]
    );
}

#[test]
fn segments_are_held_against_the_file() {
    let out = Parse::of_bytes(&ExecuTorch, &program(&["aten::add"], &[], 33));
    assert_eq!(found(&out), [(code::MALFORMED, "crash")]);
    let mut bytes = program(&["aten::add"], &[], 32);
    bytes[12] = 8;
    assert!(found(&Parse::of_bytes(&ExecuTorch, &bytes)).contains(&(code::MALFORMED, "-")));
}

#[test]
fn no_cut_is_silent_and_no_change_panics() {
    check_laws(&ExecuTorch, &program(&["aten::add"], &[], 32), |end| end == 0);
}

proptest! {
    #[test]
    fn any_bytes_behind_the_identifier_are_survived(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzz("executorch", &[&[16, 0, 0, 0][..], b"ET12eh00", &bytes].concat());
    }
}

//! The laws that every format is held to in its tests.

use super::{FORMATS, Format, Parse, fuzz};
use crate::ledger::Ledger;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};

/// What the format called `id` says about `bytes`.
pub(super) fn parse(id: &str, bytes: &[u8]) -> Parse {
    Parse::of_bytes(format(id), bytes)
}

fn format(id: &str) -> &'static dyn Format {
    *FORMATS.iter().find(|f| f.id() == id).unwrap()
}

/// The leaves, a line each: offset, length, role, name.
pub(super) fn map(parse: &Parse) -> Vec<String> {
    let line =
        |r: &crate::ledger::Region| format!("{} {} {} {}", r.span.start(), r.span.len(), r.role.as_str(), r.name);
    parse.view().leaves().map(line).collect()
}

/// The codes and cases of the findings.
pub(super) fn cases(parse: &Parse) -> Vec<String> {
    let each = parse.findings().iter();
    each.map(|f| format!("{} {}", f.code, f.case.unwrap_or("-"))).collect()
}

/// Bytes that no leaf claims.
pub(super) fn unclaimed(parse: Parse, length: usize) -> u64 {
    let mut ledger = Ledger::new(u64::try_from(length).unwrap());
    ledger.push(parse.view);
    ledger.unclaimed().total()
}

/// A sound file is claimed whole without a word, is what it is identified as, and survives cuts and changes. A cut is
/// never silent, except where the format has no end of its own (`ends` is false).
pub(super) fn holds(id: &str, file: &[u8], ends: bool) {
    let whole = parse(id, file);
    assert!(whole.findings().is_empty(), "{id}: {:?}", whole.findings());
    assert!(whole.errors().is_empty(), "{id}: {:?}", whole.errors());
    assert_eq!(unclaimed(whole, file.len()), 0, "{id}: everything is claimed");
    assert_eq!(identified(file), id);
    for cut in 0..file.len() {
        let part = &file[..cut];
        fuzz(id, part);
        let parse = parse(id, part);
        let told = !parse.findings().is_empty() || !parse.errors().is_empty();
        assert!(
            !ends || told || cut == 0 || unclaimed(parse, cut) > 0,
            "{id}: cut at {cut} is silent"
        );
    }
    for at in 0..file.len().min(2048) {
        for value in [0, 0xff, file[at] ^ 1, file[at] ^ 0x80] {
            let mut changed = file.to_vec();
            changed[at] = value;
            fuzz(id, &changed);
        }
    }
}

/// The primary format of `bytes`.
pub(super) fn identified(bytes: &[u8]) -> &'static str {
    let probe = crate::identify::Probe::new(
        &bytes[..bytes.len().min(crate::identify::HEAD)],
        &bytes[bytes.len().saturating_sub(crate::identify::TAIL)..],
        u64::try_from(bytes.len()).unwrap(),
    );
    crate::identify::identify(&probe)[0].format.id()
}

/// Random bytes behind `magic` neither stop the parser nor break its account.
pub(super) fn survives(id: &str, magic: &[u8]) {
    let mut runner = TestRunner::new(Config {
        cases: 192,
        failure_persistence: None,
        ..Config::default()
    });
    let small = prop_oneof![2 => any::<u8>(), 1 => 0u8..4];
    let outcome = runner.run(&proptest::collection::vec(small, 0..600), |rest| {
        fuzz(id, &[magic, &rest[..]].concat());
        Ok(())
    });
    assert!(outcome.is_ok(), "{id}: {outcome:?}");
}

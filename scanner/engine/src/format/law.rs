//! What the tests of small binary formats share: region maps, and the laws that hold for cut and changed files.

use super::{Format, Parse};
use crate::ledger::Ledger;
use crate::pipeline::{Options, Scanner};

/// What `format` says of `bytes`, and the region map: `start..end role name` a line, unclaimed bytes last.
pub(super) fn map(format: &'static dyn Format, bytes: &[u8]) -> (Parse, Vec<String>) {
    let parse = Parse::of_bytes(format, bytes);
    let length = u64::try_from(bytes.len()).unwrap();
    let mut ledger = Ledger::new(length);
    ledger.push(parse.view().clone());
    let (claimed, unclaimed) = (ledger.claimed().total(), ledger.unclaimed().total());
    assert_eq!(claimed.checked_add(unclaimed), Some(length));
    let leaf =
        |r: &crate::ledger::Region| format!("{}..{} {} {}", r.span.start(), r.span.end(), r.role.as_str(), r.name);
    let mut lines: Vec<String> = ledger.leaves().map(leaf).collect();
    lines.extend(
        ledger
            .unclaimed()
            .iter()
            .map(|s| format!("{}..{} unclaimed", s.start(), s.end())),
    );
    (parse, lines)
}

/// The codes and cases of findings.
pub(super) fn told(parse: &Parse) -> Vec<(&'static str, Option<&'static str>)> {
    parse.findings().iter().map(|f| (f.code, f.case)).collect()
}

/// A sound file is quiet and wholly claimed; cut anywhere it is not silently clean; with any byte changed, or more bytes
/// behind it, nothing panics and the ledger adds up.
pub(super) fn check(format: &'static dyn Format, sample: &[u8]) {
    let (whole, lines) = map(format, sample);
    assert!(
        whole.errors().is_empty() && whole.findings().is_empty(),
        "{:?} {:?}",
        told(&whole),
        whole.errors()
    );
    assert!(!lines.iter().any(|l| l.ends_with("unclaimed")), "{lines:?}");
    for end in 0..sample.len() {
        let (parse, lines) = map(format, &sample[..end]);
        let silent = parse.errors().is_empty() && parse.findings().is_empty();
        assert!(
            !silent || lines.iter().any(|l| l.ends_with("unclaimed")) || end == 0,
            "cut at {end}: {lines:?}"
        );
    }
    for at in 0..sample.len() {
        for change in [0, 0xff, sample[at] ^ 1, sample[at] ^ 0x80] {
            let mut changed = sample.to_vec();
            changed[at] = change;
            crate::format::fuzz(format.id(), &changed);
        }
    }
    let (_, lines) = map(format, &[sample, b"appended"].concat());
    assert!(lines.last().is_some_and(|l| l.ends_with("unclaimed")), "{lines:?}");
}

/// The format that a scan takes `bytes` for.
pub(super) fn identified(bytes: &[u8]) -> &'static str {
    let scanner = Scanner::new(Options {
        jobs: 1,
        ..Options::default()
    })
    .unwrap();
    scanner.scan_bytes("name", bytes.to_vec()).artifacts[0].format
}

//! Broken input of every kind: cut anywhere, changed anywhere, random. Nothing panics, the laws hold, and a file that
//! lost bytes of its structure is never clean without a word.

use crate::common::{OPEN_ENDED, PLAIN, check_laws, codes, scan};
use probity_engine::artifact::Verdict;
use probity_engine::span::Span;
use probity_tests::samples;
use proptest::prelude::*;

/// Where to cut a fixture of `length` bytes: every byte of small ones, spread out over larger ones.
fn cuts(length: usize, boundaries: &[u64]) -> Vec<usize> {
    let step = (length / 400).max(1);
    let mut cuts: Vec<usize> = (0..length).step_by(step).collect();
    for boundary in boundaries.iter().filter_map(|b| usize::try_from(*b).ok()) {
        cuts.extend([boundary.saturating_sub(1), boundary, boundary + 1]);
    }
    cuts.retain(|cut| *cut < length);
    cuts.sort_unstable();
    cuts.dedup();
    cuts
}

#[test]
fn a_prefix_of_a_file_is_never_clean_as_that_format_without_a_word() {
    let mut silent = Vec::new();
    for sample in samples::all() {
        let whole = scan("sample", &sample.bytes);
        let padding = whole.artifacts[0].ledger.as_ref().expect("ledgers are kept").padding();
        for cut in cuts(sample.bytes.len(), &sample.boundaries) {
            let report = scan("sample", &sample.bytes[..cut]);
            check_laws(&report);
            let root = &report.artifacts[0];
            let open = PLAIN.contains(&sample.format) || OPEN_ENDED.contains(&sample.format);
            let same = root.format == sample.format && !open;
            // Some formats may leave out their last padding, and streams may end at a boundary.
            let lost = Span::new(cut as u64, sample.bytes.len() as u64);
            // A few zeros behind a boundary are its alignment.
            let aligned = sample.boundaries.iter().any(|b| {
                let between = usize::try_from(*b).ok().and_then(|b| sample.bytes.get(b..cut));
                between.is_some_and(|zeros| zeros.len() < 16 && zeros.iter().all(|byte| *byte == 0))
            });
            let whole_prefix = aligned || padding.encloses(lost);
            if same && report.verdict == Verdict::Clean && codes(&report).is_empty() && !whole_prefix {
                silent.push(format!("{} cut at {cut} of {}", sample.name, sample.bytes.len()));
            }
        }
    }
    assert!(
        silent.is_empty(),
        "{} silent cuts:\n{}",
        silent.len(),
        silent[..silent.len().min(40)].join("\n")
    );
}

#[test]
fn single_byte_changes_never_break_the_laws() {
    for sample in samples::all() {
        let step = (sample.bytes.len() / 256).max(1);
        let head = 0..sample.bytes.len().min(256);
        let spread = (0..sample.bytes.len()).step_by(step);
        let tail = sample.bytes.len().saturating_sub(128)..sample.bytes.len();
        for at in head.chain(spread).chain(tail) {
            for change in [0x00u8, 0xff, sample.bytes[at] ^ 0x01, sample.bytes[at] ^ 0x80] {
                let mut bytes = sample.bytes.clone();
                bytes[at] = change;
                check_laws(&scan("sample", &bytes));
            }
        }
    }
}

proptest! {
    #[test]
    fn random_bytes_never_break_the_laws(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        check_laws(&scan("sample", &bytes));
    }

    #[test]
    fn spliced_fixtures_never_break_the_laws(first in any::<prop::sample::Index>(), second in any::<prop::sample::Index>(), at in any::<prop::sample::Index>()) {
        let all = samples::all();
        let (a, b) = (&all[first.index(all.len())].bytes, &all[second.index(all.len())].bytes);
        let at = at.index(a.len().max(1));
        let spliced = [&a[..at], &b[..], &a[at..]].concat();
        check_laws(&scan("sample", &spliced));
    }
}

/// A universal Mach-O whose images are all the file itself, each with that table again.
#[test]
fn slices_that_hold_each_other_are_bounded_and_said_to_overlap() {
    let mut bytes = vec![0xca, 0xfe, 0xba, 0xbf, 0, 0, 0, 16];
    let length: u64 = 12 << 10;
    for image in 0..16u64 {
        bytes.extend([1, 0, 0, 7, 0, 0, 0, 3]);
        bytes.extend(0u64.to_be_bytes());
        bytes.extend((length - image).to_be_bytes());
        bytes.extend([0; 8]);
    }
    bytes.resize(length as usize, 0);
    let report = scan("loop", &bytes);
    check_laws(&report);
    assert!(
        report.artifacts.len() < 3000,
        "{} artifacts of {length} bytes",
        report.artifacts.len()
    );
    let overlap = |a: &probity_engine::artifact::Artifact| {
        a.findings.iter().any(|f| f.finding.case == Some("overlap")) && !a.errors.is_empty()
    };
    assert!(report.artifacts.iter().any(overlap));
    assert!(!report.complete);
}

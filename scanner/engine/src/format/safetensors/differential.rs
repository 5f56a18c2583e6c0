//! Acceptance, held against the `safetensors` crate: over every fixture, and over mutants of small files.
//!
//! A file is accepted here when the parse has no finding of `low` or above and no error, and claims every byte. Each way in which
//! the two may differ has its row in `REASONS`; a difference without one fails, and so does a row that nothing needs.

#![expect(clippy::as_conversions, reason = "lengths of buffers in memory")]

use super::Safetensors;
use crate::finding::code;
use crate::format::Parse;
use crate::ledger::Ledger;
use probity_tests::build::safetensors::{SafeTensors, Tensor, many, sample, small, weights};
use safetensors::SafeTensors as Peer;
use std::collections::BTreeSet;

/// Why the two may differ: who accepts, what is said here, the reason.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Reason {
    /// Whether the crate is the one that accepts.
    peer: bool,
    /// What this parser says, or the crate: the code of a finding, or the start of the crate's error.
    said: &'static str,
    why: &'static str,
}

const REASONS: &[Reason] = &[
    Reason {
        peer: true,
        said: code::DUPLICATE_KEY,
        why: "serde keeps the last of two values of a key, other loaders the first: one file, two models",
    },
    Reason {
        peer: true,
        said: code::MALFORMED,
        why: "the crate takes any JSON that its types read: unknown keys of a tensor, blanks before the brace",
    },
    Reason {
        peer: true,
        said: code::READER_DISAGREEMENT,
        why: "the same, where the second opinion itself tells the difference",
    },
];

/// Whether the file is accepted here, and the codes said.
fn ours(bytes: &[u8]) -> (bool, BTreeSet<&'static str>) {
    let out = Parse::of_bytes(&Safetensors, bytes);
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    let mut said: BTreeSet<&'static str> = out.findings().iter().map(|f| f.code).collect();
    said.extend(out.errors().iter().map(|e| e.code.as_str()));
    if ledger.unclaimed().iter().next().is_some() {
        said.insert(code::UNCLAIMED_BYTES);
    }
    (said.is_empty(), said)
}

fn mutants(bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut out = Vec::new();
    for at in 0..bytes.len() {
        for change in [0u8, 0xff, bytes[at] ^ 1, bytes[at] ^ 0x80, b' ', b'9', b'"', b'}'] {
            let mut changed = bytes.to_vec();
            changed[at] = change;
            out.push(changed);
        }
        out.push(bytes[..at].to_vec());
        let mut longer = bytes.to_vec();
        longer.insert(at, b' ');
        out.push(longer);
    }
    out.push([bytes, &[0]].concat());
    out
}

fn fixtures() -> Vec<Vec<u8>> {
    let all = probity_tests::samples::all().into_iter().map(|s| (s.name, s.bytes));
    let hostile = probity_tests::samples::hostile().into_iter().map(|s| (s.name, s.bytes));
    let named = all.chain(hostile).filter(|(name, _)| name.starts_with("safetensors"));
    let mut out: Vec<Vec<u8>> = named.map(|(_, bytes)| bytes).collect();
    out.extend([small(), sample().build(), many(40), SafeTensors::default().build()]);
    out
}

#[test]
fn every_difference_to_the_crate_has_its_reason() {
    let mut cases = fixtures();
    let tiny = SafeTensors {
        tensors: vec![Tensor::new("w", "F32", &[2], weights(2))],
        ..SafeTensors::default()
    };
    for file in [tiny.build(), small()] {
        cases.extend(mutants(&file));
    }
    let (mut unexplained, mut used) = (Vec::new(), BTreeSet::new());
    for bytes in &cases {
        let (accepted, said) = ours(bytes);
        let peer = Peer::deserialize(bytes);
        if accepted == peer.is_ok() {
            continue;
        }
        let answer = peer.as_ref().err().map(ToString::to_string).unwrap_or_default();
        let reason = REASONS.iter().find(|r| {
            r.peer == peer.is_ok()
                && (if r.peer {
                    said.contains(r.said)
                } else {
                    answer.starts_with(r.said)
                })
        });
        match reason {
            Some(reason) => {
                used.insert(*reason);
            }
            None => unexplained.push(format!("{said:?} {answer} {:?}", String::from_utf8_lossy(bytes))),
        }
    }
    assert!(
        unexplained.is_empty(),
        "{}: {}",
        unexplained.len(),
        unexplained[..unexplained.len().min(20)].join("\n")
    );
    let idle: Vec<_> = REASONS.iter().filter(|r| !used.contains(r)).collect();
    assert!(idle.is_empty(), "{idle:?}");
    assert!(cases.len() > 2000);
}

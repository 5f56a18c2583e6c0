//! Acceptance, held against the `safetensors` crate: over every fixture, and over mutants of small files.
//!
//! A file is accepted here when the parse has no finding and no error, and claims every byte. Each way in which
//! the two may differ has its row in `REASONS`; a difference without one fails, and so does a row that nothing needs.

#![expect(clippy::as_conversions, reason = "lengths of buffers in memory")]

use super::Safetensors;
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
    /// A part of what this parser says, or of the crate's error.
    said: &'static str,
    why: &'static str,
}

const REASONS: &[Reason] = &[
    Reason {
        peer: true,
        said: "stands twice",
        why: "serde keeps the last of two values of a key, other loaders the first: one file, two models",
    },
    Reason {
        peer: true,
        said: "the header does not begin with {",
        why: "serde passes over blanks; the format wants the brace first, and other loaders look for it",
    },
    Reason {
        peer: true,
        said: "__metadata__ is null",
        why: "an optional map in the crate, a map of texts in the format",
    },
    Reason {
        peer: true,
        said: "an unknown key in a tensor's entry",
        why: "serde passes over keys that it does not know, where anything could be kept",
    },
];

/// Headers in front of eight bytes, each with one thing unusual.
const HEADERS: &[&str] = &[
    r#"  {"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}   "#,
    r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"x":1}}"#,
    r#"{"w":{"dtype":"f32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[2.0],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":["2"],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[02],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}"#,
    r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[2]}}"#,
    r#"{"w":{"dtype":"F64","shape":[],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F4","shape":[16],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F4","shape":[15],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F8_E8M0","shape":[8],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,8]}}"#,
    r#"{"a":{"dtype":"F32","shape":[0,18446744073709551615],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#,
    r#"{"__metadata__":null,"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"__metadata__":{"a":1},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"__metadata__":{"a":"b","a":"c"},"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"__metadata__":[],"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"w":{"dtype":"F32","shape":[2],"data_offsets":[0,8]},}"#,
    r#"{"":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    r#"{"\ud800":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
    "[]",
    "null",
    "{}",
];

/// Whether the file is accepted here, and what is said.
fn ours(bytes: &[u8]) -> (bool, String) {
    let out = Parse::of_bytes(&Safetensors, bytes);
    let mut ledger = Ledger::new(bytes.len() as u64);
    ledger.push(out.view().clone());
    let mut said: Vec<String> = out.findings().iter().map(|f| f.message.to_string()).collect();
    said.extend(out.errors().iter().map(|e| e.message.to_string()));
    if ledger.unclaimed().iter().next().is_some() {
        said.push("bytes that nothing claims".to_owned());
    }
    (said.is_empty(), said.join("; "))
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
    for header in HEADERS {
        let file = SafeTensors {
            header: Some(header.as_bytes().to_vec()),
            trailing: vec![0; 8],
            ..SafeTensors::default()
        };
        cases.push(file.build());
    }
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
            None => unexplained.push(format!("{said} | {answer} {:?}", String::from_utf8_lossy(bytes))),
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

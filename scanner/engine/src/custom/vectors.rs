//! Test vectors: the same search and the same decision as in a scan, over the bytes that a rule's file gives.
//!
//! What a vector does not say about its place (region, format, path) is taken to be as the rule wants it.

use super::{CustomRules, Ready};
use crate::sink::hosts::HostSink;
use crate::sink::{PatternSet, PatternSink};
use probity_signatures::custom::{CustomRule, Detect, Vector, VectorContent};
use sha2::{Digest, Sha256};
use std::collections::BTreeSet;
use std::sync::Arc;

/// What came of one test vector.
#[derive(Clone, Debug)]
pub struct Outcome<'r> {
    /// The rule.
    pub rule: &'r CustomRule,
    /// The vector.
    pub vector: &'r Vector,
    /// Its number in the rule, counted from 1.
    pub number: usize,
    /// Whether the rule fired.
    pub fired: bool,
}

impl Outcome<'_> {
    /// Whether it did what the vector expects.
    pub fn passed(&self) -> bool {
        self.fired == self.vector.fires
    }
}

impl CustomRules {
    /// Runs the test vectors of every rule, in order.
    pub fn test(&self) -> impl Iterator<Item = Outcome<'_>> {
        self.rules.iter().flat_map(|ready| {
            let set = Arc::new(PatternSet::new(super::patterns_of(&ready.rule)));
            let vectors = ready.rule.tests.iter().zip(1..);
            vectors.map(move |(vector, number)| Outcome {
                rule: &ready.rule,
                vector,
                number,
                fired: fires(ready, vector, &set),
            })
        })
    }
}

/// Whether the rule fires on the vector; `set` holds its patterns alone.
fn fires(ready: &Ready, vector: &Vector, set: &Arc<PatternSet>) -> bool {
    let place = &ready.rule.place;
    let format = vector.format.as_deref().is_none_or(|format| place.holds_format(format));
    let path = vector.path.as_deref().is_none_or(|path| {
        let (path, nested) = path
            .split_once('!')
            .map_or((path, None), |(path, nested)| (path, Some(nested)));
        ready.paths.is_empty() || ready.paths.iter().any(|glob| glob.holds(path, nested))
    });
    let region = vector
        .region
        .as_deref()
        .is_none_or(|region| place.holds_region(region, region));
    if !(format && path && region) {
        return false;
    }
    let bytes = match (&vector.content, &ready.rule.detect) {
        (VectorContent::Sha256(digest), Detect::Digests { digests, .. }) => return digests.contains(digest),
        (VectorContent::Sha256(_), _) => return false,
        (VectorContent::Bytes(bytes), _) => bytes,
    };
    match &ready.rule.detect {
        Detect::Digests { digests, .. } => digests.contains(&<[u8; 32]>::from(Sha256::digest(bytes))),
        Detect::Hosts(hosts) => {
            let mut sink = HostSink::with_owners(usize::MAX, vec![0]);
            sink.feed(0, bytes);
            let found = sink.finish().hits;
            found.iter().any(|hit| hosts.iter().any(|host| host.matches(&hit.host)))
        }
        Detect::Patterns { needed, .. } => {
            let mut sink = PatternSink::new(Arc::clone(set), vec![0]);
            sink.feed(0, bytes);
            let found: BTreeSet<u32> = sink.finish().hits.iter().map(|hit| hit.pattern).collect();
            found.len() >= *needed
        }
        _ => false,
    }
}

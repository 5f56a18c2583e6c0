//! The door of the fuzz target: any bytes as a message, and as an image with signatures.

use super::cms::chain::{Budget, Need, build};
use super::cms::time::Moment;
use super::cms::{SignedData, ber, oid, timestamp};
use super::{Artifact, Coverage, Outcome, Parsed, TrustStore, VERIFIERS, Verified};
use crate::format::{Input, parse_for_fuzzing};

/// Reads `bytes` as a signed message, and judges them as an image.
///
/// # Panics
/// When a law is broken.
pub fn fuzz(bytes: &[u8]) {
    let trust = TrustStore::built_in();
    message(bytes, &trust);
    if let Ok((der, used)) = ber::to_der(bytes) {
        assert!(used <= bytes.len(), "more was read than there is");
        message(&der, &trust);
    }
    let facts = parse_for_fuzzing("pe", bytes);
    let mut all = Verified::default();
    Input::with_bytes(bytes, |input| {
        let parsed = Parsed { input, facts: &facts };
        for plan in VERIFIERS.iter().filter_map(|verifier| verifier.plan(&parsed)) {
            let artifact = Artifact {
                length: input.len(),
                trust: &trust,
                swept: true,
            };
            let outcomes = vec![Outcome::Digest(vec![0; 32]); plan.requests.len()];
            all.append(plan.pending.close(&outcomes, &artifact));
        }
    });
    let length = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    if let Some(coverage) = Coverage::new(length, &all, None) {
        let (covered, excluded, uncovered) = coverage.counts();
        let sum = covered.checked_add(excluded).and_then(|n| n.checked_add(uncovered));
        assert_eq!(sum, Some(length), "covered, excluded and uncovered bytes do not add up");
    }
}

fn message(bytes: &[u8], trust: &TrustStore) {
    let Ok(data) = SignedData::parse(bytes, 0) else { return };
    let mut budget = Budget::default();
    for signer in &data.signers {
        let content = data.content.map(|c| c.bytes).unwrap_or_default();
        let _ = signer.verify(&data.certificates, Some(data.content_type), content);
        timestamp::of(signer, &data, trust, &mut budget);
        if let Some(at) = signer.certificate(&data.certificates) {
            for need in [Need::of(oid::EKU_CODE_SIGNING, Moment(0)), Need::strict(Moment(0))] {
                build(&data.certificates, at, trust, need, &mut budget);
            }
        }
    }
}

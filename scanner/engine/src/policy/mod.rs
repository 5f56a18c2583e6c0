//! The last word: severities, order and verdicts. Nothing else sets a final severity.
//!
//! Here the rules give each finding its severity; a declared set adds what contradicts it; [`Policy`] then applies what the user decided beforehand.

mod baseline;
mod decide;
mod declared;
mod manifest;
mod scope;
#[cfg(test)]
mod tests;

pub use baseline::{Baseline, BaselineEntry};
pub use decide::{Allow, Override, Policy};
pub(crate) use declared::hold;
pub(crate) use manifest::hold_tensors;
pub use manifest::{ManifestEntry, TensorManifest};
pub use scope::{PathGlob, Scope};

use crate::artifact::{Judged, Verdict};
use crate::finding::Finding;
use crate::name;
use probity_signatures::{Confidence, Rules, Severity};
use sha2::{Digest, Sha256};

/// Gives findings their severities from the rules, their fingerprints and their order: worst first, then by place.
pub(crate) fn judge(findings: Vec<Finding>, nested: Option<&str>, rules: &Rules) -> Vec<Judged> {
    let mut judged: Vec<Judged> = findings.into_iter().map(|f| judge_one(f, nested, rules)).collect();
    order(&mut judged);
    judged
}

fn order(judged: &mut [Judged]) {
    judged.sort_by(|a, b| {
        let key = |j: &Judged| (std::cmp::Reverse(j.severity), j.finding.span, j.finding.code);
        key(a)
            .cmp(&key(b))
            .then_with(|| a.finding.message.cmp(&b.finding.message))
    });
}

pub(crate) fn judge_one(finding: Finding, nested: Option<&str>, rules: &Rules) -> Judged {
    // A code without a rule is a defect that the tests catch; until then it is treated as the worst.
    let severity = rules.severity(finding.code, finding.case).unwrap_or(Severity::Critical);
    let confidence = rules
        .get(finding.code)
        .map_or(Confidence::Certain, |rule| rule.confidence);
    let mut hash = Sha256::new();
    for part in [finding.code, nested.unwrap_or_default(), &finding.region, &finding.key] {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part.as_bytes());
    }
    let fingerprint = hash.finalize().iter().take(16).map(|b| format!("{b:02x}")).collect();
    Judged {
        severity,
        confidence,
        fingerprint,
        finding,
    }
}

/// The verdict for the worst severity seen and whether everything was examined. `threshold` is `None` for
/// `--fail-on never`.
pub(crate) fn verdict(worst: Option<Severity>, complete: bool, threshold: Option<Severity>) -> Verdict {
    match (worst, threshold) {
        (Some(worst), Some(threshold)) if worst >= threshold => Verdict::Findings,
        _ if !complete => Verdict::Incomplete,
        _ => Verdict::Clean,
    }
}

/// Text from an artifact inside a message.
pub(crate) fn shown(raw: &[u8]) -> String {
    name::printable(raw)
}

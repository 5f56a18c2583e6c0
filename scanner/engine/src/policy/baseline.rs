//! Baselines: findings that are accepted as they stand, so that only new ones count.
//!
//! A finding is known by its code and fingerprint, which hold no offset, version or root directory; one that has become
//! worse is new. Where that would accept too much the digest of the artifact must be the same too: at `high` and above,
//! and for the finding that only counts how many more there are. Errors are not findings and are never accepted.

use crate::artifact::{Judged, Report};
use probity_signatures::Severity;
use std::collections::HashMap;

/// One accepted finding.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct BaselineEntry {
    /// The root's path, for people: it is not compared.
    pub path: String,
    /// The nested path, for people: the fingerprint holds it.
    pub nested: Option<String>,
    /// The code.
    pub code: String,
    /// The fingerprint.
    pub fingerprint: String,
    /// The severity it had.
    pub severity: Severity,
    /// The digest of the artifact; where it stands it must be the same.
    pub sha256: Option<[u8; 32]>,
}

/// Findings that are accepted as they stand.
#[derive(Clone, Debug, Default)]
pub struct Baseline {
    name: String,
    by_fingerprint: HashMap<String, Vec<BaselineEntry>>,
}

impl Baseline {
    /// The lowest severity that a baseline holds: `info` is inventory.
    pub const LOWEST: Severity = Severity::Low;

    /// A baseline that people know as `name`.
    pub fn new(name: impl Into<String>, entries: impl IntoIterator<Item = BaselineEntry>) -> Self {
        let mut by_fingerprint: HashMap<String, Vec<BaselineEntry>> = HashMap::new();
        for entry in entries {
            by_fingerprint.entry(entry.fingerprint.clone()).or_default().push(entry);
        }
        Self {
            name: name.into(),
            by_fingerprint,
        }
    }

    /// What people know it as.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The entries that accept the findings of `report` at [`Self::LOWEST`] or above, sorted, and how many findings no
    /// entry can accept: they need the digest of an artifact that was not read to its end.
    pub fn of(report: &Report) -> (Vec<BaselineEntry>, u64) {
        let (mut entries, mut without_digest) = (Vec::new(), 0u64);
        for artifact in &report.artifacts {
            for judged in artifact.findings.iter().filter(|f| f.severity >= Self::LOWEST) {
                let sha256 = artifact.sha256.filter(|_| needs_digest(judged));
                if sha256.is_none() && needs_digest(judged) {
                    without_digest = without_digest.saturating_add(1);
                    continue;
                }
                entries.push(BaselineEntry {
                    path: artifact.path.clone(),
                    nested: artifact.nested.clone(),
                    code: judged.finding.code.to_owned(),
                    fingerprint: judged.fingerprint.clone(),
                    severity: judged.severity,
                    sha256,
                });
            }
        }
        entries.sort_unstable();
        entries.dedup();
        (entries, without_digest)
    }

    /// How many entries accept nothing that is in `report`.
    pub fn gone(&self, report: &Report) -> u64 {
        let mut seen: HashMap<&str, Vec<Place<'_>>> = HashMap::new();
        for artifact in &report.artifacts {
            let suppressed = artifact.suppressed.iter().map(|s| &s.judged);
            for judged in artifact.findings.iter().chain(suppressed) {
                let places = seen.entry(&judged.fingerprint).or_default();
                places.push((artifact.sha256, judged));
            }
        }
        let stands = |entry: &&BaselineEntry| {
            let places = seen.get(entry.fingerprint.as_str()).map_or(&[][..], Vec::as_slice);
            places.iter().any(|(sha256, judged)| accepts(entry, *sha256, judged))
        };
        self.by_fingerprint.values().flatten().filter(|e| !stands(e)).count() as u64
    }

    /// Whether an entry accepts a finding about an artifact with the digest `sha256`.
    pub(super) fn accepts(&self, sha256: Option<[u8; 32]>, judged: &Judged) -> bool {
        let entries = self.by_fingerprint.get(&judged.fingerprint);
        entries.is_some_and(|e| e.iter().any(|entry| accepts(entry, sha256, judged)))
    }
}

/// A finding and the digest of its artifact.
type Place<'a> = (Option<[u8; 32]>, &'a Judged);

fn accepts(entry: &BaselineEntry, sha256: Option<[u8; 32]>, judged: &Judged) -> bool {
    let digest = match entry.sha256 {
        None => entry.severity < Severity::High && !needs_digest(judged),
        same => same == sha256,
    };
    let level = judged.severity >= Baseline::LOWEST && judged.severity <= entry.severity;
    digest && level && entry.code == judged.finding.code
}

/// At `high` and above the same place in another file is another finding. The finding that counts the rest has the same
/// fingerprint whatever the rest is.
fn needs_digest(judged: &Judged) -> bool {
    judged.severity >= Severity::High || judged.finding.key == "more"
}

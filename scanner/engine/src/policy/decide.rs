//! A policy of the user: severities of their own, findings they allow, findings a baseline accepts.
//!
//! It is applied when a root is closed, to the root and all that it holds. An allowed finding is kept apart with who
//! allowed it and why; it counts for no severity, no verdict and no exit code. Errors cannot be allowed: what was not
//! examined stays incomplete.

use super::{Baseline, Scope, order, verdict};
use crate::artifact::{Artifact, Judged, Kind, Report, Suppressed};
use probity_signatures::{Rules, Severity};

/// An entry that gives findings another severity.
#[derive(Clone, Debug)]
pub struct Override {
    /// Which findings.
    pub scope: Scope,
    /// Their severity.
    pub level: Severity,
}

/// An entry that allows findings.
#[derive(Clone, Debug)]
pub struct Allow {
    /// Which findings.
    pub scope: Scope,
    /// Why, in the words of whoever reviewed it.
    pub reason: String,
    /// Where the entry stands: `probity.toml:12`.
    pub origin: String,
}

/// What the user decided beforehand.
///
/// Severities come first (the last entry that holds a finding wins), then allow entries (the first wins), then the
/// baseline. An entry without a digest neither lowers nor allows what its rule calls critical, whatever it says.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// Severities, in the order of the file.
    pub overrides: Vec<Override>,
    /// Allowed findings, in the order of the file.
    pub allows: Vec<Allow>,
    /// Findings accepted as they stand.
    pub baseline: Option<Baseline>,
}

impl Policy {
    /// Whether it decides nothing.
    pub fn is_empty(&self) -> bool {
        self.overrides.is_empty() && self.allows.is_empty() && self.baseline.is_none()
    }

    /// The allow entries that matched nothing in a report made under this policy.
    pub fn unused(&self, report: &Report) -> Vec<&Allow> {
        let mut used = vec![false; self.allows.len()];
        for entry in report
            .artifacts
            .iter()
            .flat_map(|a| &a.suppressed)
            .filter_map(|s| s.allow)
        {
            if let Some(slot) = used.get_mut(entry) {
                *slot = true;
            }
        }
        let entries = self.allows.iter().zip(used);
        entries.filter(|(_, used)| !used).map(|(entry, _)| entry).collect()
    }

    /// Decides over `group`: artifacts in the order of the report, each followed by what it holds.
    pub(crate) fn decide(&self, group: &mut [Artifact], rules: &Rules, fail_on: Option<Severity>) {
        if self.is_empty() {
            return;
        }
        let parents = parents(group);
        for index in 0..group.len() {
            let mut digests = Vec::new();
            let mut at = Some(index);
            while let Some(holder) = at {
                digests.extend(group.get(holder).and_then(|a| a.sha256));
                at = parents.get(holder).copied().flatten();
            }
            if let Some(artifact) = group.get_mut(index) {
                self.decide_one(artifact, &digests, rules);
            }
        }
        settle(group, fail_on);
    }

    fn decide_one(&self, artifact: &mut Artifact, digests: &[[u8; 32]], rules: &Rules) {
        let mut kept = Vec::new();
        for mut judged in std::mem::take(&mut artifact.findings) {
            let critical = is_critical(&judged, rules);
            let holds = |scope: &Scope| scope.holds(artifact, digests, &judged);
            let level = self
                .overrides
                .iter()
                .rev()
                .find(|o| (!critical || o.scope.sha256.is_some() || o.level == Severity::Critical) && holds(&o.scope))
                .map(|o| o.level);
            let allowed = self
                .allows
                .iter()
                .enumerate()
                .find(|(_, a)| (!critical || a.scope.sha256.is_some()) && holds(&a.scope));
            judged.severity = level.unwrap_or(judged.severity);
            let (allow, by, reason) = match (allowed, &self.baseline) {
                (Some((entry, allow)), _) => (Some(entry), allow.origin.clone(), allow.reason.clone()),
                (None, Some(baseline)) if baseline.accepts(artifact.sha256, &judged) => {
                    (None, "baseline".to_owned(), format!("in {}", baseline.name()))
                }
                _ => {
                    kept.push(judged);
                    continue;
                }
            };
            artifact.suppressed.push(Suppressed {
                judged,
                allow,
                by,
                reason,
            });
        }
        order(&mut kept);
        artifact.findings = kept;
    }
}

/// Gives each artifact of a group its verdict again: over itself and all that it holds, which also makes it as
/// incomplete as that.
pub(super) fn settle(group: &mut [Artifact], fail_on: Option<Severity>) {
    let parents = parents(group);
    let mut worst: Vec<Option<Severity>> = group.iter().map(|a| a.findings.first().map(|f| f.severity)).collect();
    for index in (0..group.len()).rev() {
        let mine = worst.get(index).copied().flatten();
        let parent = parents.get(index).copied().flatten();
        if let Some(above) = parent.and_then(|p| worst.get_mut(p)) {
            *above = (*above).max(mine);
        }
        let Some(artifact) = group.get_mut(index) else { continue };
        artifact.verdict = verdict(mine, artifact.complete, fail_on);
        if !artifact.complete
            && let Some(above) = parent.and_then(|p| group.get_mut(p))
        {
            above.complete = false;
        }
    }
}

/// Whether the rule of a finding calls it critical, whatever a policy says.
fn is_critical(judged: &Judged, rules: &Rules) -> bool {
    rules
        .severity(judged.finding.code, judged.finding.case)
        .is_none_or(|severity| severity == Severity::Critical)
}

/// For each artifact the one that holds it. `!` separates levels and stands in no name.
fn parents(group: &[Artifact]) -> Vec<Option<usize>> {
    let mut open: Vec<(usize, usize)> = Vec::new();
    let mut parents = Vec::with_capacity(group.len());
    for (index, artifact) in group.iter().enumerate() {
        let level = match (artifact.kind, &artifact.nested) {
            (Kind::Directory, _) => 0,
            (_, None) => 1,
            (_, Some(nested)) => nested.matches('!').count().saturating_add(2),
        };
        while open.last().is_some_and(|(_, above)| *above >= level) {
            open.pop();
        }
        parents.push(open.last().map(|(holder, _)| *holder));
        open.push((index, level));
    }
    parents
}

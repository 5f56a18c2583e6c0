//! YARA rules of the user (`--yara`), where the feature `yara` is compiled in.
//!
//! Unlike everything else here YARA needs all bytes of an artifact at once, so that what is larger than 256 MiB is not
//! looked at, and said to be incomplete. Each artifact is looked at by itself: roots, members, decoded content. Without the
//! feature the type has no value, and a scan with YARA rules cannot be asked for.

#[cfg(not(feature = "yara"))]
mod absent;
#[cfg(feature = "yara")]
mod present;
#[cfg(all(test, feature = "yara"))]
mod tests;

#[cfg(not(feature = "yara"))]
pub use absent::YaraRules;
#[cfg(feature = "yara")]
pub use present::YaraRules;

use crate::finding::{ErrorCode, Finding, Findings, ScanError, Value, code};
use crate::source::{ReadAt, read_full_at};
use crate::span::Span;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use thiserror::Error;

/// The largest artifact that YARA rules are applied to, in bytes.
pub(crate) const LARGEST: u64 = 256 << 20;
/// Artifacts above this length are held in memory one at a time.
const LARGE: u64 = 16 << 20;
/// Offsets that a finding lists.
const MOST_OFFSETS: usize = 16;

/// What a report says about the YARA rules that were on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct YaraInfo {
    /// The files, as named by the user, in their order.
    pub files: Vec<String>,
    /// How many rules they hold.
    pub rules: u64,
    /// `sha256:<hex>` over their contents.
    pub digest: String,
}

/// Why YARA rules are refused.
#[derive(Clone, Debug, Error)]
#[error("{file}: {message}")]
#[non_exhaustive]
pub struct YaraError {
    /// The file, as named by the user.
    pub file: String,
    /// What YARA says, on as many lines as it takes.
    pub message: String,
}

/// One rule that matched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct YaraMatch {
    /// The rule's name.
    pub(crate) rule: String,
    /// Its namespace: the stem of its file.
    pub(crate) namespace: String,
    /// Its tags.
    pub(crate) tags: Vec<String>,
    /// The severity that its metadata names, as a case of `yara-match`.
    pub(crate) case: Option<&'static str>,
    /// `description` of its metadata.
    pub(crate) description: Option<String>,
    /// Its matching strings: identifier and place, by place.
    pub(crate) places: Vec<(String, Span)>,
}

impl YaraRules {
    /// Applies the rules to the artifact that is `window` of `source`.
    pub(crate) fn examine(
        &self,
        source: &dyn ReadAt,
        window: Span,
        timeout: Duration,
        findings: &mut Findings,
        errors: &mut Vec<ScanError>,
    ) {
        static ONE: Mutex<()> = Mutex::new(());
        if window.len() > LARGEST {
            let message = format!("larger than {} MiB: the YARA rules were not applied", LARGEST >> 20);
            errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
            return;
        }
        let _one = (window.len() > LARGE).then(|| ONE.lock().unwrap_or_else(PoisonError::into_inner));
        let (start, end) = (usize::try_from(window.start()), usize::try_from(window.end()));
        let held = source.as_slice().zip(start.ok().zip(end.ok()));
        let outcome = match held.and_then(|(all, (start, end))| all.get(start..end)) {
            Some(bytes) => self.matches(bytes, timeout),
            None => {
                let mut bytes = vec![0u8; usize::try_from(window.len()).unwrap_or(0)];
                match read_full_at(source, &mut bytes, window.start()) {
                    Ok(n) if n == bytes.len() => self.matches(&bytes, timeout),
                    Ok(_) => Err(ScanError::new(ErrorCode::ChangedDuringScan, "the file became shorter")),
                    Err(error) => Err(ScanError::new(ErrorCode::Unreadable, format!("cannot read: {error}"))),
                }
            }
        };
        match outcome {
            Ok(matches) => {
                for found in matches {
                    findings.push(finding(found, window.len()));
                }
            }
            Err(error) => errors.push(error),
        }
    }
}

fn finding(found: YaraMatch, length: u64) -> Finding {
    let first = found.places.first().map(|(_, span)| *span);
    let about = found.description.map_or_else(String::new, |text| format!(": {text}"));
    let message = format!("YARA rule {}{about}", found.rule);
    let offsets = found.places.iter().take(MOST_OFFSETS);
    let offsets: Vec<String> = offsets
        .map(|(name, span)| format!("{name} at {:#x}", span.start()))
        .collect();
    let count = u64::try_from(found.places.len()).unwrap_or(u64::MAX);
    let mut finding = Finding::new(code::YARA_MATCH, first.unwrap_or(Span::new(0, length)), message)
        .key(format!("{}:{}", found.namespace, found.rule))
        .evidence("rule", found.rule)
        .evidence("namespace", found.namespace)
        .evidence("count", count);
    finding.case = found.case;
    finding.evidence.push(("tags", Value::List(found.tags)));
    finding.evidence.push(("strings", Value::List(offsets)));
    finding
}

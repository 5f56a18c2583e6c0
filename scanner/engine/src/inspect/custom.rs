//! The user's rules: which of them hold, and where.
//!
//! A rule about content that any one pattern satisfies gives a finding for each of its patterns and each region, at the
//! first place there. One that needs several gives a single finding, at the first place of all, with the others beside
//! it. Fewer findings hide nothing: the places are counted.

use super::{Closing, Inspector};
use crate::custom::{CustomRules, Ready};
use crate::finding::{Finding, Findings};
use crate::sink::PatternHit;
use crate::sink::hosts::Confidence;
use crate::span::Span;
use probity_signatures::custom::{Detect, Encoding, Known};
use std::collections::BTreeMap;

/// The most related places of a finding.
const MOST_RELATED: usize = 32;

/// The ids of the user's rules.
pub(super) struct Custom;

impl Inspector for Custom {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let Some(rules) = artifact.custom else { return };
        digests(rules, artifact, out);
        hosts(rules, artifact, out);
        patterns(rules, artifact, out);
    }
}

fn looks_at(ready: &Ready, artifact: &Closing<'_>) -> bool {
    ready.looks_at(artifact.format, artifact.path, artifact.nested)
}

/// The name and the role of the region at `offset`, as findings name it.
fn region<'a>(artifact: &'a Closing<'_>, offset: u64) -> (&'a str, &'static str) {
    match artifact.leaf_at(offset) {
        Some(region) if region.name.is_empty() => (region.role.as_str(), region.role.as_str()),
        Some(region) => (&region.name, region.role.as_str()),
        None => ("unclaimed", "unclaimed"),
    }
}

fn digests(rules: &CustomRules, artifact: &Closing<'_>, out: &mut Findings) {
    let Some(digest) = artifact.sha256 else { return };
    for (ready, known) in rules.knowing(&digest).filter(|(ready, _)| looks_at(ready, artifact)) {
        let (word, why) = match known {
            Known::Good => ("known good", &ready.rule.reason),
            Known::Bad => ("known bad", &ready.rule.rule.summary),
        };
        let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
        let finding = Finding::new(
            ready.code,
            Span::new(0, artifact.ledger.length()),
            format!("{word}: {why}"),
        )
        .region("artifact")
        .evidence("known", if known == Known::Good { "good" } else { "bad" })
        .evidence("sha256", hex.clone())
        .key(hex);
        out.push(finding);
    }
}

fn hosts(rules: &CustomRules, artifact: &Closing<'_>, out: &mut Findings) {
    for hit in artifact.hosts {
        for (index, pattern) in rules.naming(&hit.host) {
            let Some(ready) = rules.rule(index).filter(|ready| looks_at(ready, artifact)) else {
                continue;
            };
            let (name, role) = region(artifact, hit.span.start());
            if !ready.rule.place.holds_region(name, role) {
                continue;
            }
            let message = format!("{}: names {}", ready.rule.rule.summary, hit.host);
            let finding = Finding::new(ready.code, hit.span, message)
                .evidence("host", hit.host.clone())
                .evidence("pattern", pattern)
                .evidence("count", hit.count)
                .evidence(
                    "reading",
                    if hit.confidence == Confidence::Likely {
                        "likely"
                    } else {
                        "possible"
                    },
                )
                .key(hit.host.clone());
            out.push(finding);
        }
    }
}

/// The places of one pattern in one region.
struct Places<'a> {
    first: &'a PatternHit,
    region: String,
    shown: &'a str,
    count: u64,
}

fn patterns(rules: &CustomRules, artifact: &Closing<'_>, out: &mut Findings) {
    // Hits come by pattern: those of one rule stand together.
    let rule_of = |hit: &PatternHit| rules.pattern(hit.pattern).map(|(index, ..)| index);
    for hits in artifact.matches.chunk_by(|a, b| rule_of(a) == rule_of(b)) {
        let Some((_, ready, ..)) = hits.first().and_then(|hit| rules.pattern(hit.pattern)) else {
            continue;
        };
        let Detect::Patterns { needed, .. } = ready.rule.detect else {
            continue;
        };
        if !looks_at(ready, artifact) {
            continue;
        }
        let mut places: BTreeMap<(u32, String), Places<'_>> = BTreeMap::new();
        for hit in hits {
            let Some((_, _, _, pattern)) = rules.pattern(hit.pattern) else {
                continue;
            };
            let (name, role) = region(artifact, hit.span.start());
            if !ready.rule.place.holds_region(name, role) {
                continue;
            }
            let known = places.entry((hit.pattern, name.to_owned())).or_insert_with(|| Places {
                first: hit,
                region: name.to_owned(),
                shown: &pattern.shown,
                count: 0,
            });
            known.count = known.count.saturating_add(1);
        }
        // Places that were counted and not kept go to the first region of their pattern.
        for (pattern, more) in artifact.more {
            if let Some((_, known)) = places.iter_mut().find(|((number, _), _)| number == pattern) {
                known.count = known.count.saturating_add(*more);
            }
        }
        let places: Vec<Places<'_>> = places.into_values().collect();
        if needed <= 1 {
            for place in &places {
                out.push(finding(ready, place));
            }
        } else if let Some(found) = together(ready, &places, needed) {
            out.push(found);
        }
    }
}

fn finding(ready: &Ready, place: &Places<'_>) -> Finding {
    let rule = &ready.rule.rule;
    let encoding = match place.first.encoding {
        Some(encoding @ (Encoding::Utf16Le | Encoding::Utf16Be)) => format!(" in {}", encoding.as_str()),
        _ => String::new(),
    };
    let message = format!("{}: {}{encoding}", rule.summary, place.shown);
    let mut finding = Finding::new(ready.code, place.first.span, message)
        .region(place.region.clone())
        .evidence("pattern", place.shown)
        .evidence("count", place.count);
    if let Some(encoding) = place.first.encoding {
        finding = finding.evidence("encoding", encoding.as_str());
    }
    finding.key(place.shown)
}

/// The finding of a rule that needs several patterns; `None` when too few are there.
fn together(ready: &Ready, places: &[Places<'_>], needed: usize) -> Option<Finding> {
    let mut firsts: BTreeMap<u32, &Places<'_>> = BTreeMap::new();
    for place in places {
        let known = firsts.entry(place.first.pattern).or_insert(place);
        if place.first.span < known.first.span {
            *known = place;
        }
    }
    if firsts.len() < needed {
        return None;
    }
    let mut order: Vec<&Places<'_>> = firsts.into_values().collect();
    let shown: Vec<String> = order.iter().map(|place| place.shown.to_owned()).collect();
    order.sort_by_key(|place| (place.first.span, place.first.pattern));
    let (first, others) = order.split_first()?;
    let all = order.len();
    let rule = &ready.rule.rule;
    let message = format!("{}: {} and {} more", rule.summary, first.shown, all.saturating_sub(1));
    let mut finding = Finding::new(ready.code, first.first.span, message)
        .region(first.region.clone())
        .evidence("needed", u64::try_from(needed).unwrap_or(u64::MAX))
        .key(shown.join("+"));
    finding.evidence.push(("patterns", crate::finding::Value::List(shown)));
    for other in others.iter().take(MOST_RELATED) {
        finding = finding.related(other.region.clone(), other.first.span);
    }
    Some(finding)
}

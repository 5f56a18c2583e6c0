//! The declared set held against what the scan found: the subject's digest, and the hosts the artifact names.
//!
//! It runs when all roots are closed, before the policy of the user, who may so allow what it finds. What could not be
//! compared makes the artifact incomplete: a digest that was not computed is not the declared one.

use super::decide::settle;
use super::{judge, order};
use crate::artifact::{Artifact, HostPlace, Kind};
use crate::finding::{ErrorCode, Finding, Findings, ScanError, code};
use crate::name::escape_level;
use crate::span::Span;
use crate::verify::Signature;
use probity_signatures::declared::{Declared, Embedded, Subject};
use probity_signatures::{Rules, Severity};
use std::collections::BTreeMap;

/// A place in the groups: which group, which artifact of it.
type Place = (usize, usize);

/// Holds `set` against `groups`: the artifacts of each root, in the order of the report.
pub(crate) fn hold(set: &Declared, groups: &mut [Vec<Artifact>], rules: &Rules, fail_on: Option<Severity>) {
    let mut held = Held::default();
    if let Some(subject) = &set.subject {
        held.subject(subject, groups);
    }
    if let Some(embedded) = &set.embedded {
        held.embedded(embedded, groups);
    }
    for (place, findings) in held.findings {
        if let Some(artifact) = at(groups, place) {
            let judged = judge(findings.close(), artifact.nested.as_deref(), rules);
            artifact.findings.extend(judged);
            order(&mut artifact.findings);
        }
    }
    for (place, message) in held.errors {
        if let Some(artifact) = at(groups, place) {
            artifact.errors.push(ScanError::new(ErrorCode::Unsupported, message));
            artifact.complete = false;
        }
    }
    for group in groups {
        settle(group, fail_on);
    }
}

fn at(groups: &mut [Vec<Artifact>], place: Place) -> Option<&mut Artifact> {
    groups.get_mut(place.0)?.get_mut(place.1)
}

/// What the comparison says about each artifact.
#[derive(Default)]
struct Held {
    findings: BTreeMap<Place, Findings>,
    errors: Vec<(Place, String)>,
}

impl Held {
    fn tell(&mut self, place: Place, finding: Finding) {
        self.findings.entry(place).or_default().push(finding);
    }

    fn subject(&mut self, subject: &Subject, groups: &[Vec<Artifact>]) {
        let all = || {
            let groups = groups.iter().enumerate();
            groups.flat_map(|(g, group)| group.iter().enumerate().map(move |(a, artifact)| ((g, a), artifact)))
        };
        let Some((first, _)) = all().next() else { return };
        let name = subject.exec.as_deref().and_then(|exec| exec.rsplit('/').next());
        let name = name.map(|name| escape_level(name.as_bytes()));
        let named = |artifact: &Artifact| name.as_deref().is_some_and(|name| file_name(artifact) == name);
        let is_subject = |artifact: &Artifact| artifact.sha256.is_some_and(|d| subject.sha256.contains(&d));
        let found: Vec<Place> = all().filter(|(_, a)| is_subject(a)).map(|(place, _)| place).collect();
        if !subject.signers.is_empty() {
            let place = found.first().copied();
            let place = place.or_else(|| all().find(|(_, a)| named(a)).map(|(place, _)| place));
            let place = place.unwrap_or(first);
            let artifact = all().find(|(other, _)| *other == place).map(|(_, artifact)| artifact);
            self.signer(subject, place, artifact.map_or(&[][..], |a| &a.signatures));
        }
        if subject.sha256.is_empty() {
            return;
        }
        let wanted: Vec<String> = subject.sha256.iter().map(hex).collect();
        let about = |artifact: &Artifact, message: String| {
            Finding::new(code::DECLARED_DIGEST, Span::new(0, artifact.size), message)
                .region(artifact.format)
                .evidence("declared", crate::finding::Value::List(wanted.clone()))
                .evidence("rule", subject.at.to_string())
        };
        let mut namesakes = 0u64;
        for (place, artifact) in all().filter(|(_, a)| named(a) && !is_subject(a)) {
            // Inside a package the name may be given twice, to a launcher and to what it starts.
            if artifact.kind == Kind::Nested && !found.is_empty() {
                continue;
            }
            namesakes = namesakes.saturating_add(1);
            let Some(digest) = artifact.sha256 else {
                let message = "the declared digest was not compared: the file was not read to its end";
                self.errors.push((place, message.to_owned()));
                continue;
            };
            let message = format!("the subject's digest is not the one declared at {}", subject.at);
            let finding = about(artifact, message).evidence("sha256", hex(&digest)).key("subject");
            self.tell(place, finding);
        }
        if found.is_empty()
            && namesakes == 0
            && let Some((place, artifact)) = all().next()
        {
            let message = format!("nothing that was scanned is the subject declared at {}", subject.at);
            self.tell(place, about(artifact, message).case("absent").key("absent"));
        }
    }

    /// Whether one of the declared signers signed the subject. Where nothing that is verified here signs it, nobody knows.
    fn signer(&mut self, subject: &Subject, place: Place, signatures: &[Signature]) {
        let wanted: Vec<String> = subject.signers.iter().map(ToString::to_string).collect();
        if signatures.is_empty() {
            let message = "the declared signer was not compared: the subject has no signature that is verified here";
            self.errors.push((place, message.to_owned()));
        } else if !wanted.iter().any(|pin| signatures.iter().any(|s| s.meets(pin))) {
            let signers: Vec<String> = signatures.iter().filter_map(|s| s.signer.clone()).collect();
            let message = format!("the subject is not signed by whom is declared at {}", subject.at);
            let finding = Finding::new(code::DECLARED_SIGNER, Span::new(0, 0), message)
                .evidence("declared", crate::finding::Value::List(wanted))
                .evidence("signers", crate::finding::Value::List(signers))
                .evidence("rule", subject.at.to_string())
                .region("signature")
                .key("signer");
            self.tell(place, finding);
        }
    }

    fn embedded(&mut self, embedded: &Embedded, groups: &[Vec<Artifact>]) {
        let mut used = vec![false; embedded.hosts.len()];
        let (mut first, mut unread) = (None, false);
        for (g, group) in groups.iter().enumerate() {
            for (a, root) in group.iter().enumerate().filter(|(_, root)| root.kind == Kind::Root) {
                first.get_or_insert((g, a));
                if root.sha256.is_none() {
                    unread = true;
                    let message = "the declared hosts were not compared: the file was not read to its end";
                    self.errors.push(((g, a), message.to_owned()));
                }
                for (host, found) in &root.hosts {
                    let mut declared = false;
                    for ((pattern, _), used) in embedded.hosts.iter().zip(&mut used) {
                        if pattern.matches(host) {
                            declared = true;
                            *used = true;
                        }
                    }
                    if !declared {
                        let holder = holder(group, a, found);
                        self.tell((g, holder), undeclared(host, found));
                    }
                }
            }
        }
        // What was not read may name them all.
        let Some(first) = first.filter(|_| !unread) else { return };
        for ((pattern, rule), _) in embedded.hosts.iter().zip(used).filter(|(_, used)| !used) {
            let message = format!("{pattern} is declared and nothing that was scanned names it");
            let finding = Finding::new(code::DECLARED_UNUSED, Span::new(0, 0), message)
                .region("declared set")
                .evidence("rule", rule.to_string())
                .key(pattern.to_string());
            self.tell(first, finding);
        }
    }
}

fn undeclared(host: &str, found: &HostPlace) -> Finding {
    let length = u64::try_from(host.len()).unwrap_or(0);
    let span = Span::new(found.offset, found.offset.saturating_add(length));
    let finding = Finding::new(
        code::UNDECLARED_HOST,
        span,
        format!("names {host}, which is not declared"),
    )
    .region(found.region.clone())
    .evidence("host", host)
    .evidence("count", found.count)
    .evidence("encoding", found.encoding)
    .key(host);
    if found.likely {
        finding
    } else {
        finding.case("possible")
    }
}

/// The artifact of the root at `root` that holds a host; the root itself when it is not listed.
fn holder(group: &[Artifact], root: usize, found: &HostPlace) -> usize {
    let path = group.get(root).map(|artifact| &artifact.path);
    let below = group.iter().enumerate().skip(root);
    let mut inside = below.take_while(|(at, artifact)| *at == root || artifact.kind == Kind::Nested);
    let same = inside.find(|(_, artifact)| Some(&artifact.path) == path && artifact.nested == found.nested);
    same.map_or(root, |(at, _)| at)
}

/// The last component of an artifact's name, escaped; empty for a directory.
fn file_name(artifact: &Artifact) -> &str {
    if artifact.kind == Kind::Directory {
        return "";
    }
    let name = artifact.nested.as_deref().unwrap_or(&artifact.path);
    let name = name.rsplit('!').next().unwrap_or(name);
    name.rsplit('/').next().unwrap_or(name)
}

fn hex(digest: &[u8; 32]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

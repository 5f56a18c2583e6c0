//! A manifest of tensors held against what was scanned: which of them are not those that it describes.
//!
//! Tensors are found again by the place of their artifact below its root and their name; where a manifest has the name
//! only once, the name is enough, so that a file may have been moved. What was not read cannot be compared, and makes
//! its artifact incomplete.

use super::decide::settle;
use super::{judge, order};
use crate::artifact::{Artifact, Kind, TensorDigest};
use crate::finding::{Finding, Findings, code};
use crate::span::Span;
use probity_signatures::{Rules, Severity};
use std::collections::{BTreeMap, HashMap};

/// A tensor as a manifest describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ManifestEntry {
    /// The place of the artifact below its root; empty for a root that is a file.
    pub path: String,
    /// Its nested path.
    pub nested: Option<String>,
    /// The tensor.
    pub tensor: TensorDigest,
}

/// What an earlier scan wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TensorManifest {
    /// The tensors, in the order of that scan.
    pub entries: Vec<ManifestEntry>,
}

/// The most names of missing tensors that one finding lists.
const EXAMPLES: usize = 8;

impl TensorManifest {
    /// The manifest of what was scanned: `groups` are the artifacts of each root.
    pub(crate) fn of(groups: &[Vec<Artifact>]) -> Self {
        let mut entries = Vec::new();
        for group in groups {
            for artifact in group {
                for tensor in &artifact.tensor_digests {
                    entries.push(ManifestEntry {
                        path: below(group, artifact),
                        nested: artifact.nested.clone(),
                        tensor: tensor.clone(),
                    });
                }
            }
        }
        Self { entries }
    }
}

/// Where the artifact lies below the root of its group.
fn below(group: &[Artifact], artifact: &Artifact) -> String {
    let root = group.first().filter(|root| root.kind == Kind::Directory);
    let rest = root.and_then(|root| artifact.path.strip_prefix(root.path.as_str()));
    rest.unwrap_or_default().trim_start_matches('/').to_owned()
}

/// Holds `manifest` against `groups`: the artifacts of each root, in the order of the report.
pub(crate) fn hold_tensors(
    manifest: &TensorManifest,
    groups: &mut [Vec<Artifact>],
    rules: &Rules,
    fail_on: Option<Severity>,
) {
    type Key<'m> = (&'m str, Option<&'m str>, &'m str);
    let mut by_place: HashMap<Key<'_>, Vec<usize>> = HashMap::new();
    let mut by_name: HashMap<&str, Vec<usize>> = HashMap::new();
    for (at, entry) in manifest.entries.iter().enumerate() {
        let name = &*entry.tensor.name;
        by_place
            .entry((&entry.path, entry.nested.as_deref(), name))
            .or_default()
            .push(at);
        by_name.entry(name).or_default().push(at);
    }
    let mut taken = vec![false; manifest.entries.len()];
    let mut told: BTreeMap<(usize, usize), Findings> = BTreeMap::new();
    for (g, group) in groups.iter().enumerate() {
        for (a, artifact) in group.iter().enumerate() {
            let path = below(group, artifact);
            for tensor in &artifact.tensor_digests {
                let free = |list: Option<&Vec<usize>>| {
                    list.and_then(|list| list.iter().copied().find(|at| taken.get(*at) == Some(&false)))
                };
                let found = free(by_place.get(&(path.as_str(), artifact.nested.as_deref(), &*tensor.name)));
                let only = by_name.get(&*tensor.name).filter(|list| list.len() == 1);
                let Some(at) = found.or_else(|| free(only)) else {
                    let message = format!("tensor {} is not in the manifest", tensor.shown());
                    told.entry((g, a))
                        .or_default()
                        .push(about(tensor, message).case("added"));
                    continue;
                };
                if let Some(slot) = taken.get_mut(at) {
                    *slot = true;
                }
                if let Some(entry) = manifest.entries.get(at)
                    && let Some(finding) = differs(&entry.tensor, tensor)
                {
                    told.entry((g, a)).or_default().push(finding);
                }
            }
        }
    }
    missing(manifest, &taken, groups, &mut told);
    for ((g, a), findings) in told {
        if let Some(artifact) = groups.get_mut(g).and_then(|group| group.get_mut(a)) {
            let judged = judge(findings.close(), artifact.nested.as_deref(), rules);
            artifact.findings.extend(judged);
            order(&mut artifact.findings);
        }
    }
    for group in groups {
        settle(group, fail_on);
    }
}

fn about(tensor: &TensorDigest, message: String) -> Finding {
    let shape: Vec<String> = tensor.shape.iter().take(16).map(u64::to_string).collect();
    Finding::new(code::TENSOR_CHANGED, tensor.span, message)
        .region(format!("tensor {}", tensor.shown()))
        .key(tensor.shown())
        .evidence("tensor", tensor.shown())
        .evidence("dtype", &*tensor.dtype)
        .evidence("shape", format!("[{}]", shape.join(", ")))
}

fn differs(before: &TensorDigest, now: &TensorDigest) -> Option<Finding> {
    let shown = now.shown();
    if before.dtype != now.dtype || before.shape != now.shape {
        let message = format!(
            "tensor {shown} is {} {:?}, the manifest says {} {:?}",
            now.dtype, now.shape, before.dtype, before.shape
        );
        return Some(about(now, message).case("shape"));
    }
    if before.sha256 == now.sha256 {
        return None;
    }
    let low = now.high.is_some() && before.high == now.high;
    let finding = if low {
        let message = format!(
            "tensor {shown} is not the one of the manifest: the lowest bytes of its elements differ, and nothing else"
        );
        about(now, message).case("low-bits")
    } else {
        about(now, format!("tensor {shown} is not the one of the manifest")).case("values")
    };
    let hex = |digest: &[u8; 32]| digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
    Some(
        finding
            .evidence("sha256", hex(&now.sha256))
            .evidence("manifest", hex(&before.sha256)),
    )
}

/// What the manifest has and nothing that was scanned: told where it should be.
fn missing(
    manifest: &TensorManifest,
    taken: &[bool],
    groups: &[Vec<Artifact>],
    told: &mut BTreeMap<(usize, usize), Findings>,
) {
    let mut absent: BTreeMap<(usize, usize), Vec<&ManifestEntry>> = BTreeMap::new();
    for (entry, _) in manifest.entries.iter().zip(taken).filter(|(_, taken)| !**taken) {
        let place = groups.iter().enumerate().find_map(|(g, group)| {
            let at = group.iter().position(|artifact| {
                artifact.nested == entry.nested
                    && artifact.kind != Kind::Directory
                    && below(group, artifact) == entry.path
            });
            at.map(|a| (g, a))
        });
        absent.entry(place.unwrap_or((0, 0))).or_default().push(entry);
    }
    for (place, entries) in absent {
        let names: Vec<String> = entries
            .iter()
            .take(EXAMPLES)
            .map(|entry| entry.tensor.shown())
            .collect();
        let message = format!(
            "{} tensors of the manifest are not there: {}{}",
            entries.len(),
            names.join(", "),
            if entries.len() > EXAMPLES { ", ..." } else { "" }
        );
        let finding = Finding::new(code::TENSOR_CHANGED, Span::new(0, 0), message)
            .region("tensors")
            .case("missing")
            .key(names.join(","));
        let finding = finding.evidence("tensors", crate::finding::Value::List(names));
        told.entry(place).or_default().push(finding);
    }
}

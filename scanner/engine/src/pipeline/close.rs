//! Close: sinks become results, inspectors run, artifacts are closed, children before parents.

use super::owners::Owners;
use super::plan::{Plan, Sink, zero_gaps_are_padding};
use super::tree::{Below, Node, Tree};
use super::{Context, export, quiet, signed};
use crate::artifact::{Artifact, ByteCounts, HostPlace, Kind, TensorDigest, TensorSummary};
use crate::fact::{Fact, Storage};
use crate::finding::{ErrorCode, Finding, Findings, ScanError, code};
use crate::inspect::container::{self, Around, Container};
use crate::inspect::tensors::{Swept as SweptTensor, measure};
use crate::inspect::{Closing, INSPECTORS, LeafIndex};
use crate::inventory::{Inventory, MANIFEST};
use crate::ledger::{Fill, Ledger, Region, Role};
use crate::policy;
use crate::sink::hosts::{Confidence, HostHit};
use crate::sink::secrets::SecretHit;
use crate::sink::{FillResult, MagicHit, PatternHit, PatternScan, TensorDigestSink, TextResult};
use crate::source::{Quota, ReadAt, read_full_at};
use crate::span::Span;
use crate::verify::{Coverage, Signature};
use std::collections::BTreeMap;

/// SHA-256 of the bytes of a tensor, and of its high bytes, by its place and by whether they are elements.
type TensorDigests = BTreeMap<(Span, bool), ([u8; 32], Option<[u8; 32]>)>;

/// What the sweep found for one node, in the node's own offsets.
#[derive(Default)]
struct Swept {
    sha256: Option<[u8; 32]>,
    entropy: Option<f64>,
    text: Option<TextResult>,
    fills: Vec<(Span, FillResult)>,
    hosts: Vec<HostHit>,
    secrets: Vec<SecretHit>,
    magics: Vec<MagicHit>,
    matches: Vec<PatternHit>,
    more: Vec<(u32, u64)>,
    tensors: Vec<SweptTensor>,
    digests: TensorDigests,
    findings: Findings,
    errors: Vec<ScanError>,
    outcomes: signed::Outcomes,
    /// Its signatures, judged, and what they are over.
    signed: (Vec<Signature>, Option<Coverage>),
}

/// What a node holds, closed.
#[derive(Default)]
struct Held {
    /// Slices of the node: where, what, and whether code is expected there.
    slices: Vec<(Span, &'static str, bool)>,
    /// Everything below, each child followed by what it holds.
    nested: Vec<Artifact>,
    /// Where in `nested` the children themselves stand.
    direct: Vec<usize>,
}

impl Held {
    /// Takes a child and what it holds; a child that was not admitted is empty.
    fn take(&mut self, mut artifacts: Vec<Artifact>) {
        if !artifacts.is_empty() {
            self.direct.push(self.nested.len());
            self.nested.append(&mut artifacts);
        }
    }

    /// Drops what the children handed up: their container is closed.
    fn forget(&mut self, quota: &mut Quota) {
        for at in &self.direct {
            let export = self.nested.get_mut(*at).and_then(|child| child.export.take());
            quota.release(export.map_or(0, |export| export.weight()));
        }
    }
}

/// Closes every node of the tree; the result is the root's artifact followed by what it holds, in order.
/// `plan` is `None` when the sweep did not reach the end or was not asked for.
pub(super) fn close(
    ctx: &Context<'_>,
    quota: &mut Quota,
    source: &dyn ReadAt,
    mut tree: Tree,
    plan: Option<Plan>,
    owners: &Owners,
) -> Vec<Artifact> {
    let swept_all = plan.is_some();
    let mut swept = share_out(ctx, &tree, plan, owners);
    let outcomes = swept.iter_mut().map(|s| std::mem::take(&mut s.outcomes)).collect();
    let complete = swept_all && !ctx.quick();
    let mut judged = signed::judge(ctx, quota, source, &mut tree, outcomes, complete);
    let mut slices: Vec<Vec<(Span, &'static str, bool)>> = vec![Vec::new(); tree.nodes.len()];
    for (index, node) in tree.nodes.iter().enumerate() {
        for below in &node.below {
            if let Below::Node(child) = below
                && let Some(child) = tree.nodes.get(*child)
                && let Some(list) = slices.get_mut(index)
            {
                let start = child.window.start().saturating_sub(node.window.start());
                list.push((
                    Span::saturating_at(start, child.window.len()),
                    child.format,
                    child.place.expected,
                ));
            }
        }
    }
    stated_digests(&tree, &mut swept);
    let mut closed: Vec<Option<Vec<Artifact>>> = tree.nodes.iter().map(|_| None).collect();
    for (index, mut node) in tree.nodes.into_iter().enumerate().rev() {
        let mut held = Held {
            slices: slices.get_mut(index).map(std::mem::take).unwrap_or_default(),
            ..Held::default()
        };
        for below in std::mem::take(&mut node.below) {
            held.take(match below {
                Below::Node(child) => closed.get_mut(child).and_then(Option::take).unwrap_or_default(),
                Below::Closed(closed) => closed.artifacts,
            });
        }
        let mut results = swept.get_mut(index).map(std::mem::take).unwrap_or_default();
        results.signed = judged.get_mut(index).map(std::mem::take).unwrap_or_default();
        let artifact = close_node(ctx, quota, source, node, results, swept_all, &held);
        held.forget(quota);
        let mut all = Vec::with_capacity(held.nested.len().saturating_add(1));
        all.push(artifact);
        all.append(&mut held.nested);
        if let Some(slot) = closed.get_mut(index) {
            *slot = Some(all);
        }
    }
    closed.into_iter().next().flatten().unwrap_or_default()
}

fn share_out(ctx: &Context<'_>, tree: &Tree, plan: Option<Plan>, owners: &Owners) -> Vec<Swept> {
    let mut swept: Vec<Swept> = tree.nodes.iter().map(|_| Swept::default()).collect();
    let Some(plan) = plan else { return swept };
    for (node, error) in plan.errors {
        if let Some(mine) = swept.get_mut(node) {
            mine.errors.push(error);
        }
    }
    let base = |node: usize| tree.nodes.get(node).map_or(0, |n| n.window.start());
    for tap in plan.digests.into_iter().chain(plan.others) {
        let Some(mine) = swept.get_mut(tap.owner) else { continue };
        let start = base(tap.owner);
        match tap.sink {
            Sink::Digest(sink) => mine.sha256 = Some(sink.finish()),
            Sink::Histogram(sink) => mine.entropy = Some(sink.finish()),
            Sink::Text(sink) => {
                let mut result = sink.finish();
                result.span = result.span.map(|s| lowered(s, start));
                mine.text = Some(result);
            }
            Sink::Fill(sink) => {
                let mut result = sink.finish();
                result.foreign = result.foreign.map(|s| lowered(s, start));
                mine.fills.push((lowered(tap.span, start), result));
            }
            Sink::Compare(sink) => {
                if !sink.finish() && mine.errors.len() < 16 {
                    let message = "the bytes that were parsed are not the bytes that were swept";
                    mine.errors
                        .push(ScanError::new(ErrorCode::ChangedDuringScan, message).at(tap.span.start()));
                }
            }
            Sink::Crc(sink) => {
                if let Some((stated, found)) = sink.finish() {
                    let message = format!("the bytes have CRC-32 {found:08x}, their headers say {stated:08x}");
                    let finding = Finding::new(code::HEADER_MISMATCH, lowered(tap.span, start), message);
                    mine.findings.push(finding.case("crc").key("crc"));
                }
            }
            Sink::Hosts(sink) => {
                let scan = sink.finish();
                if scan.dropped > 0 {
                    let message = format!("{} more distinct hosts than are kept", scan.dropped);
                    mine.errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
                }
                for mut hit in scan.hits {
                    let node = owners.of_segment(hit.segment);
                    hit.span = lowered(hit.span, base(node));
                    hit.url_offset = hit.url_offset.saturating_sub(base(node));
                    if let Some(swept) = swept.get_mut(node) {
                        swept.hosts.push(hit);
                    }
                }
            }
            Sink::Secrets(sink) => {
                let scan = sink.finish();
                if scan.dropped > 0 {
                    let message = format!("{} more secrets than are kept", scan.dropped);
                    mine.errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
                }
                for mut hit in scan.hits {
                    let node = owners.of_segment(hit.segment);
                    hit.span = lowered(hit.span, base(node));
                    if let Some(swept) = swept.get_mut(node) {
                        swept.secrets.push(hit);
                    }
                }
            }
            Sink::Magic(sink) => {
                let (hits, dropped) = sink.finish();
                if dropped > 0 {
                    let message = format!("{dropped} more executable candidates than are kept");
                    mine.errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
                }
                share_magics(hits, owners, &base, &mut swept);
            }
            Sink::Signed(sink, place) => mine.outcomes.take(place, sink.finish()),
            Sink::Tensor(tensor) => {
                let (spec, sink) = *tensor;
                let scan = sink.finish();
                if scan.dropped > 0 && mine.errors.len() < 16 {
                    let message = format!(
                        "{} more candidates for payloads in a tensor than are kept",
                        scan.dropped
                    );
                    let at = tap.span.start().saturating_sub(start);
                    mine.errors
                        .push(ScanError::new(ErrorCode::LimitExceeded, message).at(at));
                }
                let executables: Vec<MagicHit> = quiet::executables(tap.span, &scan).collect();
                mine.tensors.push(SweptTensor {
                    span: lowered(tap.span, start),
                    spec,
                    scan,
                });
                share_magics(executables, owners, &base, &mut swept);
            }
            Sink::TensorDigest(tensor) => {
                let (spec, sink) = *tensor;
                let span = lowered(tap.span, start);
                mine.digests.insert((span, spec.layout.is_some()), sink.finish());
            }
            Sink::Patterns(sink) => share_patterns(ctx, tree, owners, sink.finish(), &mut swept),
        }
    }
    swept
}

/// Hands candidates for executables to the artifacts whose bytes hold them.
fn share_magics(hits: Vec<MagicHit>, owners: &Owners, base: &dyn Fn(usize) -> u64, swept: &mut [Swept]) {
    for mut hit in hits {
        let node = owners.of_offset(hit.offset);
        hit.offset = hit.offset.saturating_sub(base(node));
        if let Some(swept) = swept.get_mut(node) {
            swept.magics.push(hit);
        }
    }
}

/// Holds the digests that containers state of their slices against those that the sweep found.
fn stated_digests(tree: &Tree, swept: &mut [Swept]) {
    for (index, node) in tree.nodes.iter().enumerate() {
        let stated: BTreeMap<Span, [u8; 32]> = node
            .facts
            .iter()
            .filter_map(|fact| match fact {
                Fact::Digest { span, sha256 } => Some((*span, *sha256)),
                _ => None,
            })
            .collect();
        if stated.is_empty() {
            continue;
        }
        let mut findings = Vec::new();
        for below in &node.below {
            let Below::Node(at) = below else { continue };
            let (Some(child), Some(found)) = (tree.nodes.get(*at), swept.get(*at).and_then(|s| s.sha256)) else {
                continue;
            };
            let span = lowered(child.window, node.window.start());
            if stated.get(&span).is_some_and(|sha256| *sha256 != found) {
                let name = policy::shown(&child.place.name);
                let message = format!("{name} does not have the SHA-256 that is stated for it");
                let finding = Finding::new(code::HEADER_MISMATCH, span, message).case("digest");
                findings.push(finding.evidence("name", name.as_str()).key(name.clone()));
            }
        }
        if let Some(swept) = swept.get_mut(index) {
            findings.into_iter().for_each(|finding| swept.findings.push(finding));
        }
    }
}

/// A place goes to the innermost artifact that holds all of it: bytes that run on from a member into what follows it
/// stand in the archive.
fn share_patterns(ctx: &Context<'_>, tree: &Tree, owners: &Owners, scan: PatternScan, swept: &mut [Swept]) {
    let Some(custom) = &ctx.options.custom else { return };
    let mut holder: Vec<Option<usize>> = vec![None; tree.nodes.len()];
    for (index, node) in tree.nodes.iter().enumerate() {
        for below in &node.below {
            if let Below::Node(child) = below
                && let Some(slot) = holder.get_mut(*child)
            {
                *slot = Some(index);
            }
        }
    }
    for mut hit in scan.hits {
        let mut node = owners.of_segment(hit.segment);
        let holds = |node: usize| tree.nodes.get(node).is_some_and(|n| n.window.end() >= hit.span.end());
        while !holds(node)
            && let Some(above) = holder.get(node).copied().flatten()
        {
            node = above;
        }
        let base = tree.nodes.get(node).map_or(0, |n| n.window.start());
        hit.span = lowered(hit.span, base);
        if let Some(swept) = swept.get_mut(node) {
            swept.matches.push(hit);
        }
    }
    let id = |pattern: u32| custom.pattern(pattern).map_or("", |(_, ready, ..)| ready.code);
    for (pattern, segment, more) in scan.more {
        let Some(swept) = swept.get_mut(owners.of_segment(segment)) else {
            continue;
        };
        swept.more.push((pattern, more));
        let regions = custom
            .pattern(pattern)
            .is_some_and(|(_, ready, ..)| !ready.rule.place.regions.is_empty());
        if regions && swept.errors.len() < 16 {
            let message = format!(
                "rule {}: {more} more places than are kept, and their regions count",
                id(pattern)
            );
            swept.errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
        }
    }
    if let Some(first) = swept.first_mut() {
        for pattern in scan.given_up {
            let message = format!("rule {}: a pattern was not looked for to the end", id(pattern));
            let error = ScanError::new(ErrorCode::LimitExceeded, message);
            if first.errors.len() < 16 && !first.errors.contains(&error) {
                first.errors.push(error);
            }
        }
    }
}

fn lowered(span: Span, base: u64) -> Span {
    Span::new(span.start().saturating_sub(base), span.end().saturating_sub(base))
}

fn close_node(
    ctx: &Context<'_>,
    quota: &mut Quota,
    source: &dyn ReadAt,
    mut node: Node,
    mut swept: Swept,
    swept_all: bool,
    held: &Held,
) -> Artifact {
    swept.fills.sort_by_key(|(span, _)| *span);
    if zero_gaps_are_padding(&node.ledger) {
        claim_zero_gaps(&mut node.ledger, &swept.fills);
    }
    swept
        .tensors
        .sort_by_key(|tensor| (tensor.span, tensor.spec.layout.is_none()));
    swept.magics.sort_unstable();
    swept.magics.dedup();
    swept.matches.sort_by_key(|hit| (hit.pattern, hit.span));
    let (signatures, coverage) = std::mem::take(&mut swept.signed);
    let mut swept_errors = std::mem::take(&mut swept.errors);
    let mut findings = std::mem::take(&mut node.findings);
    findings.append(std::mem::take(&mut swept.findings));
    let closing = Closing {
        format: node.format,
        within: &node.place.within,
        at_root: node.place.layer || node.place.within.contains(&"ar"),
        name: &node.place.name,
        path: &node.place.path,
        nested: node.place.nested.as_deref(),
        sha256: swept.sha256,
        custom: ctx.options.custom.as_deref(),
        matches: &swept.matches,
        more: &swept.more,
        ledger: &node.ledger,
        facts: &node.facts,
        fills: &swept.fills,
        magics: &swept.magics,
        text: swept.text.as_ref(),
        hosts: &swept.hosts,
        secrets: &swept.secrets,
        tensors: &swept.tensors,
        slices: &held.slices,
        cut_short: node.cut_short,
        signatures: &signatures,
        coverage: coverage.as_ref(),
        leaves: LeafIndex::new(&node.ledger),
        source,
        window: node.window,
    };
    for inspector in INSPECTORS {
        inspector.inspect(&closing, &mut findings);
    }
    let mut errors = std::mem::take(&mut node.errors);
    errors.append(&mut swept_errors);
    if let Some(yara) = ctx.options.yara.as_ref().filter(|_| swept_all) {
        let timeout = ctx.options.limits.timeout;
        yara.examine(source, node.window, timeout, &mut findings, &mut errors);
    }
    if node.facts.iter().any(|fact| matches!(fact, Fact::Entry(_))) {
        let excluded = globset::GlobSet::empty();
        let around = Around {
            name: container::split(&node.place.name).1,
            format: node.format,
            excluded: &excluded,
            whole: errors.is_empty() && !node.cut_short,
        };
        let container = Container::of_archive(around, &node.facts, &held.nested, &held.direct);
        container.inspect(&mut findings, &mut errors);
    }
    let mut findings = findings.close();
    debug_assert!(
        findings.iter().all(|f| ctx.options.rules().get(f.code).is_some()),
        "every code is declared"
    );
    if let Some(packed) = findings.iter().find(|f| f.code == code::PACKED) {
        let message = "packed code is recognised and not unpacked by this build";
        errors.push(ScanError::new(ErrorCode::Unsupported, message).at(packed.span.start()));
    }
    let length = node.window.len();
    for finding in &mut findings {
        // A structure that lies points anywhere; its message says where, the span stays inside.
        finding.span = Span::new(finding.span.start().min(length), finding.span.end().min(length));
        if finding.region.is_empty() {
            let region = closing.leaf_at(finding.span.start());
            finding.region = match region {
                Some(region) if region.name.is_empty() => region.role.as_str().to_owned(),
                Some(region) => region.name.to_string(),
                None => "unclaimed".to_owned(),
            };
        }
        let around = finding.span.start() & !15;
        // A report is read by more people than the artifact: it must not hand on what opens something.
        if finding.code != code::EMBEDDED_SECRET {
            finding.excerpt = closing.bytes(around, 64);
        }
    }
    let mut hosts = own_hosts(&closing, node.place.nested.as_deref());
    let measured = if ctx.options.measure_tensors {
        measure(&closing)
    } else {
        Vec::new()
    };
    drop(closing);
    let handed_up = export::take(quota, source, &node, swept.sha256, &mut errors);
    let tensors = tensors(&node.facts);
    let tensor_digests = tensor_digests(&node, &swept.digests, swept_all && ctx.digests_tensors());
    let storages = storages(&node.facts, node.place.level);
    let inventory = ctx.options.keep_inventory.then(|| {
        let facts = std::mem::take(&mut node.facts);
        Box::new(inventory(
            source,
            node.format,
            &node.place.name,
            node.window,
            facts,
            &node.ledger,
        ))
    });
    errors.sort_by_key(|e| e.offset);
    errors.dedup();
    let place = &node.place;
    for child in held.direct.iter().filter_map(|at| held.nested.get(*at)) {
        for (host, found) in &child.hosts {
            let known = hosts.entry(host.clone()).or_insert_with(|| HostPlace {
                count: 0,
                ..found.clone()
            });
            known.likely |= found.likely;
            known.count = known.count.saturating_add(found.count);
        }
    }
    let complete = errors.is_empty() && held.nested.iter().all(|a| a.complete);
    let findings = policy::judge(findings, place.nested.as_deref(), ctx.options.rules());
    let worst = findings.first().map(|f| f.severity);
    let worst = held
        .nested
        .iter()
        .filter_map(|a| a.findings.first().map(|f| f.severity))
        .chain(worst)
        .max();
    let claimed = node.ledger.claimed().total();
    let signed = !signatures.is_empty() || node.ledger.leaves().any(|r| r.role == Role::Signature);
    let also = node.ledger.views().iter().skip(1).map(|v| v.format).collect();
    let bytes = ByteCounts {
        claimed,
        unclaimed: node.ledger.length().saturating_sub(claimed),
        padding: node.ledger.padding().total(),
        ..ByteCounts::default()
    }
    .with_coverage(coverage.as_ref());
    Artifact {
        path: place.path.clone(),
        nested: place.nested.clone(),
        kind: if place.nested.is_some() {
            Kind::Nested
        } else {
            Kind::Root
        },
        format: node.format,
        also,
        size: node.window.len(),
        sha256: swept.sha256,
        bytes,
        tensors,
        tensor_digests,
        measured,
        entropy: swept.entropy,
        verdict: policy::verdict(worst, complete, ctx.options.fail_on),
        hosts,
        findings,
        suppressed: Vec::new(),
        errors,
        complete,
        signed,
        signatures,
        coverage,
        ledger: ctx.options.keep_ledgers.then_some(node.ledger),
        export: handed_up,
        storages,
        inventory,
    }
}

fn inventory(
    source: &dyn ReadAt,
    format: &'static str,
    name: &[u8],
    window: Span,
    facts: Vec<Fact>,
    ledger: &Ledger,
) -> Inventory {
    let read = |span: Span| {
        let span = span.intersect(ledger.whole());
        let mut out = vec![0u8; usize::try_from(span.len().min(MANIFEST)).unwrap_or(0)];
        let n = read_full_at(source, &mut out, span.start().saturating_add(window.start())).unwrap_or(0);
        out.truncate(n);
        out
    };
    Inventory::take(format, name, window.start(), facts, ledger, &read)
}

/// Gaps that hold only zeros become padding where the format allows fill between its parts. At the end of the file that
/// is so up to an alignment; more zeros there are told.
fn claim_zero_gaps(ledger: &mut Ledger, fills: &[(Span, FillResult)]) {
    /// Linkers and patchers align the end of what they write to 16 bytes at most.
    const ALIGNMENT: u64 = 16;
    let end = ledger.length();
    let gaps = ledger.gaps();
    let zero = |gap: &&Span| {
        let at = fills.partition_point(|(span, _)| span < *gap);
        let seen = fills.get(at).filter(|(span, _)| span == *gap);
        let inside = gap.end() != end || gap.len() < ALIGNMENT;
        inside && seen.is_some_and(|(_, result)| result.nonzero == 0)
    };
    let claimed: Vec<Span> = gaps.iter().filter(zero).copied().collect();
    if let Some(view) = ledger.views_mut().first_mut() {
        for span in claimed {
            view.regions.push(Region {
                span,
                role: Role::Padding,
                name: "zero fill".into(),
                parent: None,
                leaf: true,
                fill: Some(Fill::Zero),
                shares: None,
            });
        }
    }
}

fn own_hosts(closing: &Closing<'_>, nested: Option<&str>) -> BTreeMap<String, HostPlace> {
    let mut hosts: BTreeMap<String, HostPlace> = BTreeMap::new();
    for hit in closing.hosts {
        let place = HostPlace {
            nested: nested.map(str::to_owned),
            region: closing
                .leaf_at(hit.span.start())
                .map_or_else(|| "unclaimed".to_owned(), |r| r.name.to_string()),
            offset: hit.span.start(),
            encoding: hit.encoding.as_str(),
            likely: hit.confidence == Confidence::Likely,
            count: 0,
        };
        let known = hosts.entry(hit.host.clone()).or_insert(place);
        known.likely |= hit.confidence == Confidence::Likely;
        known.count = known.count.saturating_add(hit.count);
    }
    hosts
}

/// The tensors of a node with their digests.
fn tensor_digests(node: &Node, digests: &TensorDigests, wanted: bool) -> Vec<TensorDigest> {
    let facts = node.facts.iter().filter(|_| wanted);
    facts
        .filter_map(|fact| match fact {
            Fact::Tensor {
                name,
                dtype,
                shape,
                span,
            } => {
                let spec = super::spec(dtype, shape, *span, node.window.len());
                let cut = span.intersect(Span::new(0, node.window.len()));
                let known = digests.get(&(cut, spec.layout.is_some())).copied();
                let (sha256, high) = match known {
                    Some(known) => known,
                    None if cut.is_empty() => TensorDigestSink::new(spec.width(), false).finish(),
                    None => return None,
                };
                Some(TensorDigest::new(name, dtype, shape.clone(), cut, sha256, high))
            }
            _ => None,
        })
        .collect()
}

/// The storages that a pickle names, which the archive around it holds.
fn storages(facts: &[Fact], level: u32) -> Vec<Storage> {
    let nested = facts.iter().filter(|_| level > 0);
    nested
        .filter_map(|fact| match fact {
            Fact::Storage(storage) => Some(Storage::clone(storage)),
            _ => None,
        })
        .collect()
}

fn tensors(facts: &[Fact]) -> Option<TensorSummary> {
    let mut summary = TensorSummary::default();
    for fact in facts {
        if let Fact::Tensor { dtype, shape, .. } = fact {
            summary.count = summary.count.saturating_add(1);
            let elements = shape.iter().fold(1u64, |n, d| n.saturating_mul(*d));
            summary.parameters = summary.parameters.saturating_add(elements);
            let known = summary.dtypes.entry(dtype.to_string()).or_default();
            *known = known.saturating_add(1);
        }
    }
    (summary.count > 0).then_some(summary)
}

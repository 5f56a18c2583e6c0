//! Signatures in the three stages: planned with the parse, fed by the sweep, judged before anything is closed, since what
//! lies in a signed artifact inherits its coverage. What was decoded from it is closed by then, and gets it afterwards.

use super::Context;
use super::plan::{Sink, Tap};
use super::tree::{Below, Node, Tree};
use crate::finding::{ErrorCode, ScanError};
use crate::format::Input;
use crate::sink::signed::{Running, SignedSink};
use crate::source::{Quota, ReadAt, read_full_at};
use crate::span::Span;
use crate::verify::{self, Artifact, Coverage, Outcome, Parsed, Plan, Request, VERIFIERS, Verified};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What the verifiers need of a node that was parsed. A verifier must not panic; should one do so all the same, the node is
/// incomplete and the scan goes on.
pub(super) fn plans(node: &mut Node, input: &Input<'_>) {
    let parsed = Parsed {
        input,
        facts: &node.facts,
    };
    for verifier in VERIFIERS {
        match catch_unwind(AssertUnwindSafe(|| verifier.plan(&parsed))) {
            Ok(plan) => node.signed.extend(plan),
            Err(_) => node.errors.push(failed()),
        }
    }
}

fn failed() -> ScanError {
    ScanError::new(ErrorCode::Internal, "a signature verifier failed")
}

/// The taps of a node's requests: digests apart, since they go to the thread that hashes.
pub(super) fn taps(owner: usize, node: &Node, digests: &mut Vec<Tap>, others: &mut Vec<Tap>) {
    let base = node.window.start();
    for (plan, request, asked) in requests(node) {
        let Some(sink) = SignedSink::new(asked, base) else {
            continue;
        };
        let tap = Tap {
            span: asked.hull().shifted(base).intersect(node.window),
            owner,
            sink: Sink::Signed(Box::new(sink), (plan, request)),
        };
        match asked {
            Request::ImageChecksum { .. } => others.push(tap),
            _ => digests.push(tap),
        }
    }
}

fn requests(node: &Node) -> impl Iterator<Item = (usize, usize, &Request)> {
    let plans = node.signed.iter().enumerate();
    plans.flat_map(|(plan, p)| p.requests.iter().enumerate().map(move |(n, r)| (plan, n, r)))
}

/// The outcomes of a node's requests, as they come.
#[derive(Default)]
pub(super) struct Outcomes {
    found: Vec<((usize, usize), Outcome)>,
}

impl Outcomes {
    /// Takes one.
    pub(super) fn take(&mut self, place: (usize, usize), outcome: Outcome) {
        self.found.push((place, outcome));
    }

    /// Those of one plan, in the order of its requests.
    fn of(&mut self, plan: usize, count: usize) -> Vec<Outcome> {
        let mut all = vec![Outcome::Missing; count];
        for ((of, request), outcome) in &mut self.found {
            if *of == plan
                && let Some(slot) = all.get_mut(*request)
            {
                *slot = std::mem::replace(outcome, Outcome::Missing);
            }
        }
        all
    }
}

/// Computes the digests whose spans do not ascend, by reading them again.
///
/// # Errors
/// What kept them from being read.
pub(super) fn late(
    ctx: &Context<'_>,
    quota: &Quota,
    source: &dyn ReadAt,
    node: &Node,
    outcomes: &mut Outcomes,
) -> Result<(), ScanError> {
    const PART: u64 = 256 << 10;
    let base = node.window.start();
    for (plan, request, asked) in requests(node) {
        let Request::Digest {
            algorithm,
            spans,
            zeros: after,
        } = asked
        else {
            continue;
        };
        if SignedSink::new(asked, base).is_some() {
            continue;
        }
        let mut state = Running::new(*algorithm);
        let mut buffer = vec![0u8; usize::try_from(PART).unwrap_or(0)];
        for span in spans {
            let mut at = span.start();
            while at < span.end() {
                let now = Span::new(at, span.end().min(at.saturating_add(PART)));
                let wanted = usize::try_from(now.len()).unwrap_or(0);
                let room = buffer.get_mut(..wanted).unwrap_or_default();
                let n = read_full_at(source, room, base.saturating_add(at))
                    .map_err(|e| ScanError::new(ErrorCode::Unreadable, format!("cannot read: {e}")).at(at))?;
                if n < wanted {
                    return Err(ScanError::new(ErrorCode::ChangedDuringScan, "the file became shorter").at(at));
                }
                state.feed(buffer.get(..n).unwrap_or_default());
                ctx.count_read(now.len());
                at = now.end();
                if quota.expired() {
                    return Err(quota.timeout_error().at(at));
                }
            }
        }
        state.zeros(*after);
        outcomes.take((plan, request), Outcome::Digest(state.finish()));
    }
    Ok(())
}

/// Judges the signatures of every node, and says what covers it: by its own signatures, and by those of what holds it.
pub(super) fn judge(
    ctx: &Context<'_>,
    quota: &Quota,
    source: &dyn ReadAt,
    tree: &mut Tree,
    mut outcomes: Vec<Outcomes>,
    swept: bool,
) -> Vec<(Vec<verify::Signature>, Option<Coverage>)> {
    let mut inherited: Vec<Option<Coverage>> = tree.nodes.iter().map(|_| None).collect();
    let mut judged: Vec<(Vec<verify::Signature>, Option<Coverage>)> = Vec::with_capacity(tree.nodes.len());
    let windows: Vec<Span> = tree.nodes.iter().map(|node| node.window).collect();
    for index in 0..tree.nodes.len() {
        let Some(node) = tree.nodes.get_mut(index) else {
            continue;
        };
        let mut found = outcomes.get_mut(index).map(std::mem::take).unwrap_or_default();
        if swept && let Err(error) = late(ctx, quota, source, node, &mut found) {
            node.errors.push(error);
        }
        let artifact = Artifact {
            length: node.window.len(),
            trust: &ctx.options.trust,
            swept,
        };
        let mut all = Verified::default();
        for (number, Plan { requests, pending }) in std::mem::take(&mut node.signed).into_iter().enumerate() {
            let outcomes = found.of(number, requests.len());
            match catch_unwind(AssertUnwindSafe(|| pending.close(&outcomes, &artifact))) {
                Ok(verified) => all.append(verified),
                Err(_) => node.errors.push(failed()),
            }
        }
        let above = inherited.get_mut(index).and_then(Option::take);
        let coverage = Coverage::new(node.window.len(), &all, above.as_ref());
        node.findings.append(all.findings);
        node.errors.append(&mut all.errors);
        let (window, below) = (node.window, children(node));
        if let Some(coverage) = &coverage {
            inside(node, coverage);
            for child in below {
                let inner = tree.nodes.get(child).map(|n| n.window);
                if let (Some(inner), Some(slot)) = (inner, inherited.get_mut(child)) {
                    let start = inner.start().saturating_sub(window.start());
                    *slot = Some(coverage.of_slice(Span::saturating_at(start, inner.len())));
                }
            }
        }
        judged.push((all.reports, coverage));
    }
    for node in &mut tree.nodes {
        let signers: Vec<(Span, &[verify::Signature])> = children(node)
            .into_iter()
            .filter_map(|child| Some((*windows.get(child)?, judged.get(child)?.0.as_slice())))
            .map(|(inner, reports)| {
                let start = inner.start().saturating_sub(node.window.start());
                (Span::saturating_at(start, inner.len()), reports)
            })
            .collect();
        if let Some(finding) = verify::between_slices(node.format, &signers) {
            node.findings.push(finding);
        }
    }
    judged
}

/// Hands the coverage of a node on to what was decoded from it, and to all that this holds.
fn inside(node: &mut Node, coverage: &Coverage) {
    for below in &mut node.below {
        let Below::Closed(closed) = below else { continue };
        let covered = coverage.is_over(&closed.made_of);
        for artifact in &mut closed.artifacts {
            let inherits = Coverage::of_decoded(artifact.size, covered, artifact.coverage.as_ref());
            artifact.bytes = artifact.bytes.with_coverage(Some(&inherits));
            artifact.coverage = Some(inherits);
        }
    }
}

fn children(node: &Node) -> Vec<usize> {
    let below = node.below.iter();
    below
        .filter_map(|b| match b {
            Below::Node(child) => Some(*child),
            Below::Closed(_) => None,
        })
        .collect()
}

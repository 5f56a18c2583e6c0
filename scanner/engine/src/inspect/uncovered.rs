//! Bytes of a signed artifact that no signature is over: what lies there.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, Value, code};
use crate::identify::{self, HEAD, Probe, Strength, TAIL};
use crate::ledger::Role;
use crate::sink::hosts::HostSink;
use crate::span::Span;
use crate::verify::Answer;

/// Below this many bytes there is no room for a payload.
const SMALL: u64 = 16;
/// Bytes of one place that are looked at.
const LOOKED_AT: u64 = 64 << 10;
/// Places that are told one by one.
const MOST: usize = 64;
/// Hosts that are named.
const HOSTS: usize = 16;

/// `uncovered-bytes`.
pub(super) struct Uncovered;

impl Inspector for Uncovered {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let Some(coverage) = artifact.coverage else { return };
        // Where no signature is intact, none is over anything, and that is told.
        if artifact.signatures.iter().any(|s| s.intact == Answer::Yes) {
            for span in coverage.uncovered().iter().take(MOST) {
                out.push(finding(artifact, span));
            }
        }
    }
}

fn finding(artifact: &Closing<'_>, span: Span) -> Finding {
    let bytes = artifact.bytes(span.start(), LOOKED_AT.min(span.len()));
    let hosts = hosts(&bytes);
    let holds = executable(artifact, span).or_else(|| format(&bytes));
    let blank = span.len() <= LOOKED_AT && bytes.iter().all(|b| *b == 0);
    let message = format!("{} bytes of a signed artifact are covered by no signature", span.len());
    let mut finding = Finding::new(code::UNCOVERED_BYTES, span, message)
        .evidence("length", span.len())
        .evidence("content", holds.unwrap_or_else(|| kind(&bytes)))
        .key("uncovered");
    if let Some(format) = holds {
        finding.message = format!("{}; they hold {format}", finding.message);
    }
    if let Some(host) = hosts.first() {
        finding.message = format!("{} and name {host}", finding.message);
    }
    let named = holds.is_some() || !hosts.is_empty();
    if !hosts.is_empty() {
        finding = finding.evidence("hosts", Value::List(hosts));
    }
    let in_message = artifact
        .leaf_at(span.start())
        .is_some_and(|r| r.role == Role::Signature);
    match (named, blank) {
        (true, _) => finding,
        (false, true) => finding.case("zeros"),
        (false, false) if span.len() < SMALL => finding.case("small"),
        (false, false) if in_message => finding.case("message"),
        (false, false) => finding,
    }
}

fn hosts(bytes: &[u8]) -> Vec<String> {
    let mut sink = HostSink::new(HOSTS);
    sink.feed(0, bytes);
    let mut hosts: Vec<String> = sink.finish().hits.into_iter().map(|hit| hit.host).collect();
    hosts.dedup();
    hosts
}

/// An executable that is known to stand there.
fn executable(artifact: &Closing<'_>, span: Span) -> Option<&'static str> {
    let held = artifact.slices.iter().find(|(slice, ..)| span.encloses(*slice));
    held.map(|(_, format, _)| *format)
        .filter(|format| *format != "data" && *format != "text")
}

/// The format that the bytes begin like.
fn format(bytes: &[u8]) -> Option<&'static str> {
    let probe = Probe::new(
        bytes.get(..HEAD).unwrap_or(bytes),
        bytes.get(bytes.len().saturating_sub(TAIL)..).unwrap_or(bytes),
        bytes.len() as u64,
    );
    let candidates = identify::identify(&probe);
    let certain = candidates.iter().find(|c| c.matched.strength == Strength::Certain);
    certain.map(|c| c.format.id())
}

fn kind(bytes: &[u8]) -> &'static str {
    if bytes.iter().all(|b| *b == 0) {
        "zeros"
    } else if bytes.iter().all(|b| matches!(b, 9..=13 | b' '..=b'~')) {
        "text"
    } else {
        "binary"
    }
}

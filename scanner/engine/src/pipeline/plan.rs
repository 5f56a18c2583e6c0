//! Plan: one sorted list of taps for the whole tree, each a span of the source and the sink that it feeds.

use super::owners::Owners;
use super::quiet::Quiet;
use super::signed;
use super::tensors;
use super::tree::{Node, Tree};
use crate::fact::Fact;
use crate::finding::ScanError;
use crate::ledger::{Fill, Gaps, Role};
use crate::sink::hosts::HostSink;
use crate::sink::secrets::SecretSink;
use crate::sink::signed::SignedSink;
use crate::sink::{
    CompareSink, CrcSink, DigestSink, FillSink, HistogramSink, MagicSink, PatternSet, PatternSink, TensorDigestSink,
    TensorSink, TensorSpec, TextSink,
};
use crate::span::Span;
use std::sync::Arc;

/// Distinct hosts kept for one source.
const MOST_HOSTS: usize = 200_000;
/// Secrets kept for one source.
const MOST_SECRETS: usize = 10_000;
/// Executable candidates kept for one source.
const MOST_MAGICS: usize = 100_000;

/// What a tap feeds.
pub(super) enum Sink {
    Digest(DigestSink),
    Fill(FillSink),
    Compare(CompareSink),
    Crc(CrcSink),
    Histogram(Box<HistogramSink>),
    Hosts(Box<HostSink>),
    Magic(Box<MagicSink>),
    Patterns(Box<PatternSink>),
    Secrets(Box<SecretSink>),
    /// A request of a verifier, with the places of its plan and of itself.
    Signed(Box<SignedSink>, (usize, usize)),
    Tensor(Box<(TensorSpec, TensorSink)>),
    TensorDigest(Box<(TensorSpec, TensorDigestSink)>),
    Text(Box<TextSink>),
}

/// A span of the source, the node it belongs to, and a sink.
pub(super) struct Tap {
    pub(super) span: Span,
    pub(super) owner: usize,
    pub(super) sink: Sink,
}

impl Sink {
    pub(super) fn feed(&mut self, offset: u64, bytes: &[u8]) {
        match self {
            Sink::Digest(sink) => sink.feed(bytes),
            Sink::Fill(sink) => sink.feed(offset, bytes),
            Sink::Compare(sink) => sink.feed(bytes),
            Sink::Crc(sink) => sink.feed(bytes),
            Sink::Histogram(sink) => sink.feed(bytes),
            Sink::Hosts(sink) => sink.feed(offset, bytes),
            Sink::Magic(sink) => sink.feed(offset, bytes),
            Sink::Patterns(sink) => sink.feed(offset, bytes),
            Sink::Secrets(sink) => sink.feed(offset, bytes),
            Sink::Signed(sink, _) => {
                let mut digests = Vec::new();
                sink.feed_beside(offset, bytes, &mut digests);
                DigestSink::feed_all(digests);
            }
            Sink::Tensor(tensor) => tensor.1.feed(bytes),
            Sink::TensorDigest(tensor) => tensor.1.feed(bytes),
            Sink::Text(sink) => sink.feed(offset, bytes),
        }
    }
}

/// Taps that must see every byte in order on one thread (digests), and the others.
pub(super) struct Plan {
    pub(super) digests: Vec<Tap>,
    pub(super) others: Vec<Tap>,
    /// Bytes that the searches for hosts and secrets hardly cost anything in.
    pub(super) quiet: u64,
    /// What will not be looked at, and by which node that is told.
    pub(super) errors: Vec<(usize, ScanError)>,
}

/// All taps of the tree over a source of `length` bytes; `patterns` are those of the user's rules.
pub(super) fn plan(
    tree: &Tree,
    length: u64,
    owners: &Owners,
    patterns: Option<&Arc<PatternSet>>,
    digests_tensors: bool,
) -> Plan {
    let whole = Span::new(0, length);
    let (mut digests, mut others, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    for (owner, node) in tree.nodes.iter().enumerate() {
        digests.push(Tap {
            span: node.window,
            owner,
            sink: Sink::Digest(DigestSink::default()),
        });
        signed::taps(owner, node, &mut digests, &mut others);
        others.extend(fills(owner, node));
        let of_tensors = digests_tensors.then_some(&mut digests);
        errors.extend(tensors::taps(owner, node, &mut others, of_tensors).map(|error| (owner, error)));
        if crate::format::language::is_text(node.format) {
            others.push(Tap {
                span: node.window,
                owner,
                sink: Sink::Text(Box::default()),
            });
        }
        for fact in &node.facts {
            if let Fact::Checksum { span, crc32 } = fact {
                others.push(Tap {
                    span: span.shifted(node.window.start()),
                    owner,
                    sink: Sink::Crc(CrcSink::new(*crc32)),
                });
            }
        }
        if node.format == "data" {
            others.push(Tap {
                span: node.window,
                owner,
                sink: Sink::Histogram(Box::default()),
            });
        }
    }
    for (span, hash) in &tree.log.reads {
        others.push(Tap {
            span: *span,
            owner: 0,
            sink: Sink::Compare(CompareSink::new(&tree.log.key, *hash)),
        });
    }
    let quiet = Quiet::of(&others);
    let numbers = quiet
        .numbers
        .iter()
        .fold(0u64, |sum, span| sum.saturating_add(span.len()));
    let hosts = HostSink::with_owners(MOST_HOSTS, owners.boundaries()).quiet_in(quiet.numbers.clone());
    others.push(Tap {
        span: whole,
        owner: 0,
        sink: Sink::Hosts(Box::new(hosts)),
    });
    let secrets = SecretSink::with_owners(MOST_SECRETS, owners.boundaries()).quiet_in(quiet.numbers);
    others.push(Tap {
        span: whole,
        owner: 0,
        sink: Sink::Secrets(Box::new(secrets)),
    });
    others.push(Tap {
        span: whole,
        owner: 0,
        sink: Sink::Magic(Box::new(MagicSink::new(MOST_MAGICS).quiet_in(quiet.elements))),
    });
    if let Some(patterns) = patterns {
        others.push(Tap {
            span: whole,
            owner: 0,
            sink: Sink::Patterns(Box::new(PatternSink::new(Arc::clone(patterns), owners.boundaries()))),
        });
    }
    for taps in [&mut digests, &mut others] {
        taps.sort_by_key(|t| t.span.start());
    }
    Plan {
        digests,
        others,
        quiet: numbers,
        errors,
    }
}

/// The taps of `--depth quick`: padding and unclaimed bytes only, in ascending order.
pub(super) fn fills_only(tree: &Tree) -> Plan {
    let mut others: Vec<Tap> = tree
        .nodes
        .iter()
        .enumerate()
        .flat_map(|(owner, node)| fills(owner, node))
        .collect();
    others.sort_by_key(|t| t.span.start());
    Plan {
        digests: Vec::new(),
        others,
        quiet: 0,
        errors: Vec::new(),
    }
}

fn fills(owner: usize, node: &Node) -> Vec<Tap> {
    let base = node.window.start();
    let tap = |span: Span, fill| Tap {
        span: span.shifted(base),
        owner,
        sink: Sink::Fill(FillSink::new(fill)),
    };
    let padding = node.ledger.leaves().filter(|r| r.role == Role::Padding);
    let padding = padding.filter_map(|r| r.fill.map(|fill| tap(r.span, fill)));
    padding
        .chain(node.ledger.gaps().into_iter().map(|gap| tap(gap, Fill::Zero)))
        .collect()
}

/// Whether zero gaps are padding in every view of a ledger.
pub(super) fn zero_gaps_are_padding(ledger: &crate::ledger::Ledger) -> bool {
    ledger.views().iter().all(|v| v.gaps == Gaps::ZeroIsPadding)
}

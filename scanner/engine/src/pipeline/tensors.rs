//! Tensors: which bytes of a tree are whose elements, and which of them a sweep looks at.
//!
//! Tensors that share their bytes and their element type are looked at once. What they sum to is bounded, since those that
//! overlap could be made to cost any number of passes.

use super::plan::{Sink, Tap};
use super::tree::{Below, Node, Tree};
use crate::fact::{Fact, Storage};
use crate::finding::{ErrorCode, ScanError};
use crate::ledger::Role;
use crate::sink::{TensorDigestSink, TensorSink, TensorSpec};
use crate::span::Span;
use crate::tensor::Layout;
use std::collections::{BTreeSet, HashMap, HashSet};

/// How the bytes at `span` of an artifact of `length` bytes are read, when they are said to be elements of `dtype` in
/// `shape`. Where they are not as many as that takes, and the file does not end there, they are taken for plain bytes:
/// chunks that went through filters, words between vectors.
pub(crate) fn spec(dtype: &str, shape: &[u64], span: Span, length: u64) -> TensorSpec {
    let layout = Layout::parse(dtype).filter(|layout| {
        let elements = shape.iter().try_fold(1u64, |n, dim| n.checked_mul(*dim));
        let needs = elements.and_then(|n| layout.dtype.bytes_for(n));
        needs.is_some_and(|needs| span.len() == needs || (span.len() < needs && span.end() == length))
    });
    TensorSpec { layout }
}

/// The storages of a PyTorch archive: the pickle `NAME/data.pkl` names them, members `NAME/data/KEY` hold them. Those that
/// are stored become tensors of the archive.
pub(super) fn attach(tree: &mut Tree) {
    let mut found: Vec<(usize, Fact)> = Vec::new();
    for (index, archive) in tree.nodes.iter().enumerate().filter(|(_, node)| node.format == "zip") {
        let members: HashMap<&[u8], &Node> = archive
            .below
            .iter()
            .filter_map(|below| match below {
                Below::Node(child) => tree.nodes.get(*child).map(|node| (node.place.name.as_slice(), node)),
                Below::Closed(_) => None,
            })
            .collect();
        for (name, node) in &members {
            let Some(folder) = name.strip_suffix(b"data.pkl") else {
                continue;
            };
            for fact in &node.facts {
                let Fact::Storage(storage) = fact else { continue };
                if let Some(member) = members.get(&*member_name(folder, &storage.key)) {
                    let start = member.window.start().saturating_sub(archive.window.start());
                    let span = Span::saturating_at(start, member.window.len());
                    found.push((index, tensor(storage, span)));
                }
            }
        }
    }
    found.sort_by_key(|(index, fact)| match fact {
        Fact::Tensor { span, .. } => (*index, *span),
        _ => (*index, Span::new(0, 0)),
    });
    for (index, fact) in found {
        if let Some(node) = tree.nodes.get_mut(index) {
            node.facts.push(fact);
        }
    }
}

/// The member that holds the storage `key` of the model in `folder`.
pub(super) fn member_name(folder: &[u8], key: &str) -> Vec<u8> {
    [folder, b"data/", key.as_bytes()].concat()
}

/// The tensor that `storage` is, at `span`.
pub(super) fn tensor(storage: &Storage, span: Span) -> Fact {
    Fact::Tensor {
        name: match &storage.name {
            Some(name) => name.clone(),
            None => format!("data/{}", storage.key).into(),
        },
        dtype: storage.dtype.clone(),
        shape: storage.shape.clone(),
        span,
    }
}

/// The taps over the tensors of one node, and what keeps some from being looked at.
pub(super) fn taps(
    owner: usize,
    node: &Node,
    taps: &mut Vec<Tap>,
    mut digests: Option<&mut Vec<Tap>>,
) -> Option<ScanError> {
    const SMALL: u64 = 1 << 20;
    let length = node.window.len();
    let most = length.saturating_mul(2).saturating_add(SMALL);
    let (mut sum, mut left_out) = (0u64, 0u64);
    let mut seen: HashSet<(Span, Option<Layout>)> = HashSet::new();
    let mut named: BTreeSet<Span> = BTreeSet::new();
    let facts = node.facts.iter().filter_map(|fact| match fact {
        Fact::Tensor { dtype, shape, span, .. } if !span.is_empty() => Some((*span, spec(dtype, shape, *span, length))),
        _ => None,
    });
    let mut add = |span: Span, spec: TensorSpec| {
        let span = span.intersect(Span::new(0, length));
        if span.is_empty() || !seen.insert((span, spec.layout)) {
            return;
        }
        sum = sum.saturating_add(span.len());
        if sum > most {
            left_out = left_out.saturating_add(1);
            return;
        }
        if let Some(digests) = &mut digests {
            digests.push(Tap {
                span: span.shifted(node.window.start()),
                owner,
                sink: Sink::TensorDigest(Box::new((
                    spec,
                    TensorDigestSink::new(spec.width(), spec.is_big_endian()),
                ))),
            });
        }
        taps.push(Tap {
            span: span.shifted(node.window.start()),
            owner,
            sink: Sink::Tensor(Box::new((spec, TensorSink::new(spec, span.len())))),
        });
    };
    for (span, spec) in facts {
        named.insert(span);
        add(span, spec);
    }
    // Elements that no fact names: further chunks of a dataset.
    for leaf in node.ledger.leaves().filter(|leaf| leaf.role == Role::Tensor) {
        if !named.contains(&leaf.span) {
            add(leaf.span, TensorSpec { layout: None });
        }
    }
    (left_out > 0).then(|| {
        let message = format!(
            "tensors overlap and sum to more than twice the bytes that hold them: {left_out} of them were not looked at"
        );
        ScanError::new(ErrorCode::LimitExceeded, message)
    })
}

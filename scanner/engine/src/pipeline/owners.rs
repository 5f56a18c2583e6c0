//! Owners: which node's own bytes an offset of the source belongs to, so that one tap over everything can be shared
//! out afterwards.

use super::tree::Tree;
use crate::span::Span;

/// The source cut into segments, each owned by the innermost node over it.
pub(super) struct Owners {
    starts: Vec<u64>,
    nodes: Vec<usize>,
}

impl Owners {
    pub(super) fn new(tree: &Tree) -> Self {
        let mut order: Vec<(Span, usize)> = tree.nodes.iter().enumerate().map(|(i, n)| (n.window, i)).collect();
        order.sort_by_key(|(span, index)| (span.start(), std::cmp::Reverse(span.end()), *index));
        let mut cuts: Vec<u64> = order.iter().flat_map(|(span, _)| [span.start(), span.end()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let (mut starts, mut nodes) = (Vec::new(), Vec::new());
        let mut open: Vec<(u64, usize)> = Vec::new();
        let mut next = 0usize;
        for cut in cuts {
            open.retain(|(end, _)| *end > cut);
            while let Some((span, index)) = order.get(next).filter(|(span, _)| span.start() <= cut) {
                if span.end() > cut {
                    open.push((span.end(), *index));
                }
                next = next.saturating_add(1);
            }
            let owner = open.last().map_or(0, |(_, index)| *index);
            if nodes.last() != Some(&owner) {
                starts.push(cut);
                nodes.push(owner);
            }
        }
        if starts.is_empty() {
            starts.push(0);
            nodes.push(0);
        }
        Self { starts, nodes }
    }

    /// The starts of the segments, ascending.
    pub(super) fn boundaries(&self) -> Vec<u64> {
        self.starts.clone()
    }

    /// The node that owns segment `index`.
    pub(super) fn of_segment(&self, index: usize) -> usize {
        self.nodes.get(index).copied().unwrap_or(0)
    }

    /// The node that owns the byte at `offset`.
    pub(super) fn of_offset(&self, offset: u64) -> usize {
        let next = self.starts.partition_point(|s| *s <= offset);
        self.of_segment(next.saturating_sub(1))
    }
}

//! Claims for formats of very many small parts: a file of a hundred million empty chunks must not become as many
//! regions. After [`Leaves::MOST`] of them the rest is one.

use super::Parse;
use crate::ledger::{RegionId, Role};
use crate::span::Span;

/// Claims leaves in ascending order, in bounded number.
#[derive(Default)]
pub(super) struct Leaves {
    count: usize,
    rest: Option<RegionId>,
}

impl Leaves {
    /// The most leaves that are kept apart.
    pub(super) const MOST: usize = 32 << 10;

    /// Whether the next leaf is one of its own.
    pub(super) fn apart(&self) -> bool {
        self.count < Self::MOST
    }

    /// Claims `span`, which begins where the last one ended or later. Empty spans claim nothing.
    pub(super) fn leaf(&mut self, out: &mut Parse, span: Span, role: Role, name: impl FnOnce() -> String) {
        if span.is_empty() {
            return;
        }
        if self.apart() {
            self.count = self.count.saturating_add(1);
            out.leaf(span, role, name());
            return;
        }
        let id = match self.rest {
            Some(id) => id,
            None => out.leaf(span, Role::Data, "further parts"),
        };
        self.rest = Some(id);
        if let Some(region) = out.region_mut(id) {
            region.span = Span::new(region.span.start().min(span.start()), span.end());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_beyond_the_most_are_one_leaf() {
        let mut out = Parse::new("test");
        let mut leaves = Leaves::default();
        let most = u64::try_from(Leaves::MOST).unwrap();
        for at in 0..most + 100 {
            leaves.leaf(&mut out, Span::saturating_at(at, 1), Role::Data, || "part".to_owned());
        }
        assert_eq!(out.view().leaves().count(), Leaves::MOST + 1);
        let last = out.view().leaves().last().unwrap();
        assert_eq!(last.span, Span::new(most, most + 100));
    }
}

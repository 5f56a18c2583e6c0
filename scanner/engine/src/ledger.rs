//! The byte ledger: which parsed region accounts for which byte of an artifact.
//!
//! Only *leaves* claim bytes; containers, segments and slices are *parents* that group leaves. A file may be read as
//! more than one format: each reading is a [`View`]. Claimed bytes are the union over the views, unclaimed bytes the
//! complement; overlaps are judged inside one view only. The law, tested as a property:
//! `claimed + unclaimed == length` for every artifact.
//!
//! The ledger does not judge: findings are made from it by the inspectors.

use crate::span::{Span, SpanSet};

/// What the bytes of a region are for. Kebab-case names appear in `probity map`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Role {
    /// A magic number, a fixed header.
    Header,
    /// A table that points at other regions: section headers, a central directory, a tensor index.
    Table,
    /// Machine code or bytecode.
    Code,
    /// Data the format carries without structure known to this parser.
    Data,
    /// Names and string tables.
    Strings,
    /// Human-readable text or source.
    Text,
    /// Key-value metadata, notes, comments, extra fields.
    Metadata,
    /// Fill that carries no information; its content is checked against the region's [`Fill`].
    Padding,
    /// The bytes of a nested artifact, which has a ledger of its own.
    Payload,
    /// A signature blob.
    Signature,
    /// The elements of a tensor.
    Tensor,
    /// A checksum, a footer, an end marker.
    Trailer,
    /// Bytes of a file in no known format: claimed whole.
    Opaque,
}

impl Role {
    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Header => "header",
            Self::Table => "table",
            Self::Code => "code",
            Self::Data => "data",
            Self::Strings => "strings",
            Self::Text => "text",
            Self::Metadata => "metadata",
            Self::Padding => "padding",
            Self::Payload => "payload",
            Self::Signature => "signature",
            Self::Tensor => "tensor",
            Self::Trailer => "trailer",
            Self::Opaque => "opaque",
        }
    }
}

/// What the bytes of a padding region are allowed to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fill {
    /// Zero bytes only.
    Zero,
    /// Any mixture of the given byte values (resource filler `PADDINGXX`, `int3`, spaces ...).
    AnyOf(&'static [u8]),
}

/// The index of a region inside its view.
pub type RegionId = u32;

/// One region of a view.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Region {
    /// The bytes, as offsets into the artifact.
    pub span: Span,
    /// What they are for.
    pub role: Role,
    /// The name from the specification or the file (`.text`, `tensor lm_head.weight`, `central directory`).
    pub name: Box<str>,
    /// The enclosing parent region of the same view.
    pub parent: Option<RegionId>,
    /// Whether the region claims its bytes (a leaf) or groups others (a parent).
    pub leaf: bool,
    /// The content allowed, for padding.
    pub fill: Option<Fill>,
    /// Known-benign sharing: the case of `overlapping-regions` that applies when this leaf shares bytes.
    pub shares: Option<&'static str>,
}

/// What an all-zero byte range that no region claims means in a format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Gaps {
    /// The format allows fill between its parts: zero gaps are padding (executables).
    #[default]
    ZeroIsPadding,
    /// Every byte has a place: a gap is a finding whatever it holds (safetensors, ZIP).
    Never,
}

/// One reading of the artifact as one format.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct View {
    /// The format's id.
    pub format: &'static str,
    /// All regions, parents before their children.
    pub regions: Vec<Region>,
    /// How gaps are read.
    pub gaps: Gaps,
}

impl View {
    /// An empty view for `format`.
    pub(crate) fn new(format: &'static str) -> Self {
        Self {
            format,
            regions: Vec::new(),
            gaps: Gaps::default(),
        }
    }

    /// The leaves, in the order they were claimed.
    pub fn leaves(&self) -> impl Iterator<Item = &Region> {
        self.regions.iter().filter(|r| r.leaf)
    }
}

/// Two leaves of one view that share bytes.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Overlap {
    /// The shared bytes.
    pub span: Span,
    /// The leaf that starts first.
    pub first: Box<str>,
    /// The other leaf.
    pub second: Box<str>,
    /// The benign case, when both sides or the second declared one.
    pub shares: Option<&'static str>,
}

/// The account of one artifact's bytes.
#[derive(Clone, Debug)]
pub struct Ledger {
    length: u64,
    views: Vec<View>,
}

impl Ledger {
    /// A ledger over `length` bytes with nothing claimed.
    pub(crate) fn new(length: u64) -> Self {
        Self {
            length,
            views: Vec::new(),
        }
    }

    /// The artifact's length in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// The whole artifact as a span.
    pub fn whole(&self) -> Span {
        Span::new(0, self.length)
    }

    /// Adds a view. Leaves are cut to the artifact's length: a region past the end claims nothing there.
    pub(crate) fn push(&mut self, mut view: View) {
        for region in &mut view.regions {
            region.span = Span::new(region.span.start().min(self.length), region.span.end().min(self.length));
        }
        self.views.push(view);
    }

    /// The views, the primary one first.
    pub fn views(&self) -> &[View] {
        &self.views
    }

    /// The views, to be completed before the ledger is closed.
    pub(crate) fn views_mut(&mut self) -> &mut Vec<View> {
        &mut self.views
    }

    /// All leaves of all views.
    pub fn leaves(&self) -> impl Iterator<Item = &Region> {
        self.views.iter().flat_map(View::leaves)
    }

    /// The bytes some leaf accounts for.
    pub fn claimed(&self) -> SpanSet {
        SpanSet::from_spans(self.leaves().map(|r| r.span))
    }

    /// The bytes no leaf accounts for.
    pub fn unclaimed(&self) -> SpanSet {
        self.claimed().complement(self.whole())
    }

    /// The unclaimed bytes as gaps, ascending, cut where a parent region begins or ends: what fills a segment up is not
    /// what follows it.
    pub fn gaps(&self) -> Vec<Span> {
        let parents = self.views.iter().flat_map(|v| v.regions.iter().filter(|r| !r.leaf));
        let mut cuts: Vec<u64> = parents.flat_map(|r| [r.span.start(), r.span.end()]).collect();
        cuts.sort_unstable();
        cuts.dedup();
        let mut gaps = Vec::new();
        for gap in self.unclaimed().iter() {
            let mut start = gap.start();
            let from = cuts.partition_point(|cut| *cut <= start);
            for cut in cuts.iter().skip(from).take_while(|cut| **cut < gap.end()) {
                gaps.push(Span::new(start, *cut));
                start = *cut;
            }
            gaps.push(Span::new(start, gap.end()));
        }
        gaps
    }

    /// The bytes claimed as padding.
    pub fn padding(&self) -> SpanSet {
        SpanSet::from_spans(self.leaves().filter(|r| r.role == Role::Padding).map(|r| r.span))
    }

    /// The innermost leaf that holds `offset`: the shortest one over all views.
    pub fn leaf_at(&self, offset: u64) -> Option<&Region> {
        self.leaves()
            .filter(|r| r.span.contains(offset))
            .min_by_key(|r| r.span.len())
    }

    /// Pairs of leaves of one view that share bytes, at most `limit`, with the number of pairs not listed.
    pub fn overlaps(&self, limit: usize) -> (Vec<Overlap>, u64) {
        let (mut found, mut more) = (Vec::new(), 0u64);
        for view in &self.views {
            let mut order: Vec<&Region> = view.leaves().filter(|r| !r.span.is_empty()).collect();
            order.sort_by_key(|r| (r.span.start(), std::cmp::Reverse(r.span.end())));
            let mut furthest: Option<&Region> = None;
            for region in order {
                if let Some(before) = furthest
                    && before.span.overlaps(region.span)
                {
                    if found.len() < limit {
                        found.push(Overlap {
                            span: before.span.intersect(region.span),
                            first: before.name.clone(),
                            second: region.name.clone(),
                            shares: region.shares.or(before.shares),
                        });
                    } else {
                        more = more.saturating_add(1);
                    }
                }
                if furthest.is_none_or(|f| f.span.end() < region.span.end()) {
                    furthest = Some(region);
                }
            }
        }
        (found, more)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ledger(length: u64, views: &[Vec<(u64, u64)>]) -> Ledger {
        let mut ledger = Ledger::new(length);
        for spans in views {
            let mut view = View::new("test");
            for (start, size) in spans {
                view.regions.push(Region {
                    span: Span::saturating_at(*start, *size),
                    role: Role::Data,
                    name: "part".into(),
                    parent: None,
                    leaf: true,
                    fill: None,
                    shares: None,
                });
            }
            ledger.push(view);
        }
        ledger
    }

    fn spans() -> impl Strategy<Value = Vec<(u64, u64)>> {
        proptest::collection::vec((0u64..300, prop_oneof![0u64..80, Just(u64::MAX)]), 0..24)
    }

    proptest! {
        #[test]
        fn claimed_and_unclaimed_bytes_are_each_byte_once(length in 0u64..256, views in proptest::collection::vec(spans(), 0..3)) {
            let ledger = ledger(length, &views);
            let (claimed, unclaimed) = (ledger.claimed(), ledger.unclaimed());
            prop_assert_eq!(claimed.total() + unclaimed.total(), length);
            prop_assert!(claimed.intersection(&unclaimed).is_empty());
            for byte in 0..length {
                let held = views.iter().flatten().any(|(s, n)| *s <= byte && byte < s.saturating_add(*n));
                prop_assert_eq!(claimed.encloses(Span::new(byte, byte + 1)), held);
            }
        }

        #[test]
        fn gaps_are_the_unclaimed_bytes_cut_at_the_edges_of_parents(length in 1u64..256, view in spans(), parents in spans()) {
            let mut ledger = ledger(length, &[view, parents]);
            for region in &mut ledger.views_mut()[1].regions {
                region.leaf = false;
            }
            let gaps = ledger.gaps();
            prop_assert_eq!(SpanSet::from_spans(gaps.iter().copied()), ledger.unclaimed());
            prop_assert!(gaps.windows(2).all(|w| w[0].end() <= w[1].start()) && gaps.iter().all(|g| !g.is_empty()));
            for parent in &ledger.views()[1].regions {
                for edge in [parent.span.start(), parent.span.end()] {
                    prop_assert!(gaps.iter().all(|g| edge <= g.start() || g.end() <= edge));
                }
            }
        }

        #[test]
        fn an_overlap_is_found_exactly_when_two_leaves_of_one_view_share_a_byte(length in 0u64..256, view in spans()) {
            let ledger = ledger(length, std::slice::from_ref(&view));
            let leaves: Vec<Span> = ledger.leaves().map(|r| r.span).collect();
            let shared = leaves.iter().enumerate().any(|(i, a)| leaves.iter().skip(i + 1).any(|b| a.overlaps(*b)));
            let (found, more) = ledger.overlaps(4);
            prop_assert_eq!(!found.is_empty(), shared);
            prop_assert!(found.len() <= 4 && (more == 0 || found.len() == 4));
            for overlap in found {
                prop_assert!(leaves.iter().filter(|s| s.encloses(overlap.span)).count() >= 2);
            }
        }

        #[test]
        fn two_views_may_share_every_byte_without_an_overlap(length in 1u64..256) {
            let ledger = ledger(length, &[vec![(0, length)], vec![(0, length)]]);
            prop_assert!(ledger.overlaps(8).0.is_empty());
        }
    }
}

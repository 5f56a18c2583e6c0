//! The inspectors: one file per detection that needs logic, and the table that lists them.
//!
//! An inspector reads one closed artifact's ledger, facts and sweep results and emits findings. It never sees a format,
//! does no I/O beyond the bounded [`Closing::bytes`], and is deterministic.

mod bytes;
mod callables;
mod config;
pub(crate) mod container;
mod custom;
mod embedded;
mod entries;
mod external;
mod hosts;
mod naming;
mod operators;
mod planted;
mod python;
mod references;
mod secrets;
mod segments;
mod structure;
mod targets;
mod template;
pub(crate) mod tensors;
mod texts;
mod torchscript;
mod trees;
mod uncovered;

use crate::custom::CustomRules;
use crate::fact::Fact;
use crate::finding::Findings;
use crate::ledger::{Ledger, Region};
use crate::sink::hosts::HostHit;
use crate::sink::secrets::SecretHit;
use crate::sink::{FillResult, MagicHit, PatternHit, TextResult};
use crate::source::{ReadAt, read_full_at};
use crate::span::Span;
use crate::verify::{Coverage, Signature};

/// One artifact at the moment it is closed: everything is known, its children are closed.
pub(crate) struct Closing<'a> {
    /// The primary format's id.
    pub(crate) format: &'static str,
    /// The formats of what holds the artifact, the root's first.
    pub(crate) within: &'a [&'static str],
    /// Whether it is unpacked at the root of a file system: absolute links lead where its own tree goes.
    pub(crate) at_root: bool,
    /// The last level of the artifact's name, raw.
    pub(crate) name: &'a [u8],
    /// The root's path, escaped.
    pub(crate) path: &'a str,
    /// The nested path, escaped; `None` for a root.
    pub(crate) nested: Option<&'a str>,
    /// SHA-256 of the bytes, when they were swept.
    pub(crate) sha256: Option<[u8; 32]>,
    /// The user's rules, when there are any.
    pub(crate) custom: Option<&'a CustomRules>,
    /// Places of their patterns in this artifact's own bytes, by pattern and place.
    pub(crate) matches: &'a [PatternHit],
    /// How many more places of a pattern there are than are kept.
    pub(crate) more: &'a [(u32, u64)],
    /// The byte account.
    pub(crate) ledger: &'a Ledger,
    /// What the formats learned.
    pub(crate) facts: &'a [Fact],
    /// What the fill checks saw, sorted by span: padding regions and unclaimed bytes.
    pub(crate) fills: &'a [(Span, FillResult)],
    /// Magic numbers in this artifact's own bytes (its slices have their own).
    pub(crate) magics: &'a [MagicHit],
    /// What is no text in an artifact that is read as text.
    pub(crate) text: Option<&'a TextResult>,
    /// Hosts in this artifact's own bytes.
    pub(crate) hosts: &'a [HostHit],
    /// Secrets in this artifact's own bytes.
    pub(crate) secrets: &'a [SecretHit],
    /// What the sweep saw of its tensors, by place.
    pub(crate) tensors: &'a [tensors::Swept],
    /// Children that are slices, with their formats and whether code is expected there.
    pub(crate) slices: &'a [(Span, &'static str, bool)],
    /// Whether a limit or a failing read ended the parse: unclaimed bytes were then not looked at, and an error says so.
    pub(crate) cut_short: bool,
    /// Its signatures.
    pub(crate) signatures: &'a [Signature],
    /// What they, and those of what holds it, are over.
    pub(crate) coverage: Option<&'a Coverage>,
    pub(crate) leaves: LeafIndex<'a>,
    pub(crate) source: &'a dyn ReadAt,
    pub(crate) window: Span,
}

impl Closing<'_> {
    /// Up to `length` bytes (64 KiB at most) at `offset` of the artifact.
    pub(crate) fn bytes(&self, offset: u64, length: u64) -> Vec<u8> {
        let span = Span::saturating_at(offset, length.min(64 << 10)).intersect(self.ledger.whole());
        let mut out = vec![0u8; usize::try_from(span.len()).unwrap_or(0)];
        let n = read_full_at(self.source, &mut out, span.start().saturating_add(self.window.start())).unwrap_or(0);
        out.truncate(n);
        out
    }

    /// The bytes from the start on, `most` at most: for texts that are judged as a whole.
    pub(crate) fn beginning(&self, most: u64) -> Vec<u8> {
        const PART: u64 = 64 << 10;
        let mut all = Vec::new();
        let mut at = 0u64;
        while at < most {
            let part = self.bytes(at, PART.min(most.saturating_sub(at)));
            if part.is_empty() {
                break;
            }
            at = at.saturating_add(u64::try_from(part.len()).unwrap_or(u64::MAX));
            all.extend_from_slice(&part);
        }
        all
    }

    /// What the fill check of exactly `span` saw, when there was one.
    pub(crate) fn fill_of(&self, span: Span) -> Option<&FillResult> {
        let at = self.fills.partition_point(|(other, _)| *other < span);
        self.fills
            .get(at)
            .filter(|(other, _)| *other == span)
            .map(|(_, result)| result)
    }

    /// The innermost leaf that holds `offset`.
    pub(crate) fn leaf_at(&self, offset: u64) -> Option<&Region> {
        self.leaves.at(offset)
    }
}

/// Leaves by start, to find the one at an offset without a pass over all of them.
pub(crate) struct LeafIndex<'a> {
    leaves: Vec<&'a Region>,
}

impl<'a> LeafIndex<'a> {
    /// How far back a lookup goes: more leaves than this starting between a long leaf's start and the offset hide it.
    const BACK: usize = 256;

    pub(crate) fn new(ledger: &'a Ledger) -> Self {
        let mut leaves: Vec<&Region> = ledger.leaves().filter(|r| !r.span.is_empty()).collect();
        leaves.sort_by_key(|r| (r.span.start(), std::cmp::Reverse(r.span.end())));
        Self { leaves }
    }

    pub(crate) fn at(&self, offset: u64) -> Option<&'a Region> {
        let next = self.leaves.partition_point(|r| r.span.start() <= offset);
        let before = self.leaves.get(..next)?;
        let near = before.iter().rev().take(Self::BACK).filter(|r| r.span.contains(offset));
        near.min_by_key(|r| r.span.len()).copied()
    }
}

/// Emits findings about one artifact.
pub(crate) trait Inspector: Sync {
    /// Looks at the artifact.
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings);
}

/// Every inspector.
pub(crate) static INSPECTORS: &[&dyn Inspector] = &[
    &bytes::Bytes,
    &callables::Callables,
    &custom::Custom,
    &config::Config,
    &embedded::Embedded,
    &entries::Entries,
    &external::External,
    &hosts::Hosts,
    &naming::Naming,
    &operators::Operators,
    &references::References,
    &python::Python,
    &secrets::Secrets,
    &segments::Segments,
    &structure::Bundles,
    &structure::Builds,
    &structure::Paths,
    &structure::Packed,
    &targets::Targets,
    &template::Templates,
    &planted::Planted,
    &tensors::Tensors,
    &texts::Texts,
    &torchscript::TorchScript,
    &trees::Trees,
    &uncovered::Uncovered,
];

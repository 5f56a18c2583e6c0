//! What changed between two artifacts: packages, binaries, models.
//!
//! [`compare`] scans both sides and holds them against each other, in two halves.
//!
//! - **Contents**: files and nested artifacts are paired by content first and by name second, since the names of bundled
//!   chunks rotate from version to version. Of each pair, what it asks for and does is compared: hosts, libraries,
//!   callables, install scripts, entitlements, signatures, and the findings of the scan itself.
//! - **Tensors**: paired by name across formats and read side by side: by how much each changed, in which of its bits, in
//!   how many directions, and what that looks like for the model as a whole.
//!
//! Every change has a code, and its rule says how much it matters. Equal bytes give an empty comparison, whatever is wrong
//! with both; `scan` tells that.
//!
//! ```no_run
//! use probity_engine::pipeline::{Options, Silent};
//!
//! let diff = probity_engine::diff::compare(Options::default(), "old.tgz".as_ref(), "new.tgz".as_ref(), &Silent)?;
//! for change in &diff.changes {
//!     println!("{} {}: {}", change.judged.severity, change.judged.finding.code, change.judged.finding.message);
//! }
//! # Ok::<(), std::io::Error>(())
//! ```

#![deny(clippy::indexing_slicing, clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod contents;
mod pairs;
mod tensor;

use crate::artifact::{Artifact, Judged, Kind, Verdict};
use crate::finding::{Elsewhere, Finding, ScanError};
use crate::pipeline::{Options, Progress, Scanner};
use crate::policy;
use probity_signatures::{Rules, Severity};
use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::sync::Arc;

/// One side of a comparison.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Side {
    /// The argument as given, escaped.
    pub path: String,
    /// The format, `directory` for one.
    pub format: &'static str,
    /// The length in bytes; of all files of a directory.
    pub size: u64,
    /// SHA-256 of a file.
    pub sha256: Option<[u8; 32]>,
    /// Artifacts, nested ones included.
    pub artifacts: u64,
    /// What was not examined, and where.
    pub errors: Vec<(Elsewhere, ScanError)>,
    /// Whether everything was examined.
    pub complete: bool,
}

/// One change.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Change {
    /// What changed and how much that matters.
    pub judged: Judged,
    /// Where it is on the old side; `None` for what was added.
    pub old: Option<Elsewhere>,
    /// Where it is on the new side; `None` for what was removed.
    pub new: Option<Elsewhere>,
}

/// What became of one tensor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum TensorKind {
    /// Few directions hold the change.
    LowRank,
    /// All differing elements differ in their lowest bits only.
    LowBits,
    /// Few of many elements changed.
    Sparse,
    /// Changed in all directions.
    #[default]
    Changed,
    /// Another number of elements.
    Resized,
    /// Bytes differ, and the type is not decoded.
    Bytes,
    /// It could not be compared; the note says why.
    Unread,
    /// Rows were reordered by a converter; only norms were compared.
    Permuted,
    /// A copy in a coarser type, within what that type explains.
    Requantised,
    /// A copy in another floating-point type, exact up to rounding.
    Cast,
    /// The same bytes in another shape.
    Reshaped,
    /// The same under another name.
    Renamed,
}

impl TensorKind {
    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::LowRank => "low-rank",
            Self::LowBits => "low-bits",
            Self::Sparse => "sparse",
            Self::Changed => "changed",
            Self::Resized => "resized",
            Self::Bytes => "bytes",
            Self::Unread => "unread",
            Self::Permuted => "permuted",
            Self::Requantised => "re-quantised",
            Self::Cast => "cast",
            Self::Reshaped => "reshaped",
            Self::Renamed => "renamed",
        }
    }

    const fn rank(self) -> u8 {
        self as u8
    }
}

/// How a change is spread over directions, as parts of its energy `||new - old||^2`.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Rank {
    /// The least number of directions that hold 99 % of it, less what rounding adds; `None` when 32 are not enough.
    pub effective: Option<u32>,
    /// What the strongest direction holds.
    pub first: f64,
    /// What the 32 strongest hold together.
    pub captured: f64,
}

/// A tensor that is not the same on both sides.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct TensorChange {
    /// Its name on the new side.
    pub name: String,
    /// Its name on the old side, when that is another.
    pub old_name: Option<String>,
    /// Whether the two were paired by their order alone.
    pub by_order: bool,
    /// What became of it.
    pub kind: TensorKind,
    /// Element types, old and new.
    pub dtypes: [String; 2],
    /// Shapes, old and new, outermost dimension first.
    pub shapes: [Vec<u64>; 2],
    /// Elements.
    pub elements: u64,
    /// Elements that differ.
    pub changed: u64,
    /// Elements that are not finite on a side.
    pub nonfinite: u64,
    /// `||new - old||`, over finite elements.
    pub norm: f64,
    /// The same over `||old||`; `None` where that is 0.
    pub relative: Option<f64>,
    /// The greatest difference of an element.
    pub largest: f64,
    /// How many of the lowest bits hold all differences, when they are few enough to say so.
    pub low_bits: Option<u32>,
    /// How the difference is spread over directions; `None` for what is no matrix.
    pub rank: Option<Rank>,
    /// Whether it changed far more than others of the same types.
    pub outlier: bool,
    /// What else is to say.
    pub note: Option<String>,
    pub(crate) layer: Option<u32>,
    pub(crate) mlp: bool,
    pub(crate) embedding: bool,
    /// The rank of a low-rank change.
    pub(crate) directions: Option<u32>,
    /// The same of a change that rounding may explain, until its siblings are known.
    pub(crate) hidden: Option<u32>,
}

/// A tensor that one side alone has.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct TensorName {
    /// Its name.
    pub name: String,
    /// Its element type, as the format spells it.
    pub dtype: String,
    /// Its shape, outermost dimension first.
    pub shape: Vec<u64>,
}

/// What became of a model.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Model {
    /// Tensors of the old side.
    pub old: u64,
    /// Tensors of the new side.
    pub new: u64,
    /// Tensors that both have.
    pub compared: u64,
    /// Those of them with equal elements, whatever their names.
    pub identical: u64,
    /// Changes by kind.
    pub kinds: BTreeMap<&'static str, u64>,
    /// `identical`, `renamed`, `cast`, `re-quantised`, `low-bits`, `edited`, `lora-merged`, `fine-tuned`, `other-weights`,
    /// `different-model`, `resized`, `added-or-removed`, `unread`.
    pub looks: &'static str,
    /// Why, in words.
    pub summary: String,
    /// The changes, the most telling first.
    pub changes: Vec<TensorChange>,
    /// Tensors of the new side alone.
    pub added: Vec<TensorName>,
    /// Tensors of the old side alone.
    pub removed: Vec<TensorName>,
    /// Changes, additions and removals that are counted and not listed.
    pub unlisted: u64,
    /// Layers that the names of the new side speak of.
    pub(crate) layers: u64,
}

/// Everything that changed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Comparison {
    /// What was there before.
    pub old: Side,
    /// What is there now.
    pub new: Side,
    /// Whether both are the same, byte for byte and name for name.
    pub identical: bool,
    /// The changes, worst first.
    pub changes: Vec<Change>,
    /// The models, when a side holds tensors.
    pub model: Option<Model>,
    /// Artifacts that are on both sides with the same bytes.
    pub unchanged: u64,
    /// The rules that changes were judged by.
    pub rules: Arc<Rules>,
    /// Whether everything was examined on both sides.
    pub complete: bool,
    /// The verdict: `findings` when a change reaches the threshold.
    pub verdict: Verdict,
}

impl Comparison {
    /// Changes by severity.
    pub fn count(&self, severity: Severity) -> u64 {
        self.changes.iter().filter(|c| c.judged.severity == severity).count() as u64
    }
}

/// Scans both sides and compares them. Of `options`, ledgers are not kept whatever they say.
///
/// # Errors
/// When a side does not exist, or no worker can be started.
pub fn compare(options: Options, old: &Path, new: &Path, progress: &dyn Progress) -> io::Result<Comparison> {
    let (fail_on, jobs) = (options.fail_on, options.jobs);
    let scanner = Scanner::new(Options {
        keep_inventory: true,
        keep_ledgers: false,
        ..options
    })
    .map_err(io::Error::other)?;
    let named = |path: &Path| {
        let wrong = |e: io::Error| io::Error::new(e.kind(), format!("{}: {e}", path.display()));
        scanner.resolve(path).map_err(wrong)
    };
    let (old_root, new_root) = (named(old)?, named(new)?);
    let before = scanner.scan(&[old_root], None, progress);
    let after = scanner.scan(&[new_root], None, progress);
    let rules = Arc::clone(&after.rules);
    let (old_side, new_side) = (side(&before.artifacts, old), side(&after.artifacts, new));
    let paired = pairs::pair(&before.artifacts, &after.artifacts);
    let mut found: Vec<Raw> = contents::changes(&paired);
    let named = (
        tensor::torch_tensors(&before.artifacts),
        tensor::torch_tensors(&after.artifacts),
    );
    let (old_models, new_models) = (
        tensor::Models::of(&before.artifacts, &named.0),
        tensor::Models::of(&after.artifacts, &named.1),
    );
    let model = tensor::compare(&old_models, &new_models, jobs);
    let mut unread = 0u64;
    if let Some(model) = &model {
        let place = |side: &Side| Elsewhere {
            path: side.path.clone(),
            nested: None,
        };
        unread = model.kinds.get(TensorKind::Unread.as_str()).copied().unwrap_or(0);
        found.extend(tensor::findings(model).into_iter().map(|finding| Raw {
            finding,
            severity: None,
            old: Some(place(&old_side)),
            new: Some(place(&new_side)),
        }));
    }
    let mut changes: Vec<Change> = found.into_iter().map(|raw| judge(raw, &rules)).collect();
    changes.sort_by(|a, b| {
        let place = |c: &Change| {
            let at = c.new.as_ref().or(c.old.as_ref());
            at.map(|e| (e.path.clone(), e.nested.clone()))
        };
        let key = |c: &Change| {
            (
                std::cmp::Reverse(c.judged.severity),
                c.judged.finding.code,
                c.judged.finding.case,
            )
        };
        key(a)
            .cmp(&key(b))
            .then_with(|| place(a).cmp(&place(b)))
            .then_with(|| a.judged.finding.message.cmp(&b.judged.finding.message))
    });
    // That bytes are equal needs no more than their digests.
    let complete = paired.identical() || (before.complete && after.complete && unread == 0);
    let worst = changes.first().map(|c| c.judged.severity);
    Ok(Comparison {
        identical: paired.identical(),
        unchanged: paired.unchanged,
        verdict: policy::verdict(worst, complete, fail_on),
        old: old_side,
        new: new_side,
        changes,
        model,
        rules,
        complete,
    })
}

/// A change before its rule is asked; `severity` stands for what the scan has decided.
struct Raw {
    finding: Finding,
    severity: Option<Severity>,
    old: Option<Elsewhere>,
    new: Option<Elsewhere>,
}

fn judge(raw: Raw, rules: &Rules) -> Change {
    let nested = raw.new.as_ref().or(raw.old.as_ref()).and_then(|e| e.nested.clone());
    let mut judged = policy::judge_one(raw.finding, nested.as_deref(), rules);
    judged.severity = raw.severity.unwrap_or(judged.severity);
    Change {
        judged,
        old: raw.old,
        new: raw.new,
    }
}

fn side(artifacts: &[Artifact], path: &Path) -> Side {
    let root = artifacts.first();
    let mut errors: Vec<(Elsewhere, ScanError)> = Vec::new();
    for artifact in artifacts {
        let place = Elsewhere {
            path: artifact.path.clone(),
            nested: artifact.nested.clone(),
        };
        errors.extend(artifact.errors.iter().map(|error| (place.clone(), error.clone())));
    }
    Side {
        path: root.map_or_else(|| path.display().to_string(), |a| a.path.clone()),
        format: root.map_or("unknown", |a| a.format),
        size: root.map_or(0, |a| a.size),
        sha256: root.filter(|a| a.kind == Kind::Root).and_then(|a| a.sha256),
        artifacts: artifacts.len() as u64,
        complete: artifacts.iter().all(|a| a.complete),
        errors,
    }
}

//! What the change of a whole model looks like, and which changes are findings.

use crate::diff::{Model, TensorChange, TensorKind};
use crate::finding::{Finding, Value, code};
use crate::span::Span;
use std::collections::{BTreeSet, HashMap};

/// Tensors that an edit in one place touches at most: methods that spread one over a few layers take six.
const PLACES: usize = 8;
/// The rank up to which a change is an edit.
const EDIT_RANK: u32 = 4;
/// Names that a finding lists.
const EXAMPLES: usize = 16;

/// Marks what a copy in another type does not explain: a change of more than four times the median of its kind.
///
/// Small changes of quantised tensors look like another rounding; where only few of one type changed, or one of few
/// directions changed more than its siblings, they are none.
pub(super) fn outliers(changes: &mut [TensorChange]) {
    const FEWEST: usize = 8;
    let copy = |c: &TensorChange| {
        let other = c.dtypes[0] != c.dtypes[1] || c.kind == TensorKind::Requantised;
        other && c.relative.is_some() && c.kind != TensorKind::Permuted
    };
    let mut groups: HashMap<[String; 2], Vec<f64>> = HashMap::new();
    for change in changes.iter().filter(|c| copy(c)) {
        groups.entry(change.dtypes.clone()).or_default().extend(change.relative);
    }
    let mut medians: HashMap<[String; 2], f64> = HashMap::new();
    for (types, mut all) in groups.into_iter().filter(|(_, all)| all.len() >= FEWEST) {
        all.sort_by(f64::total_cmp);
        medians.extend(all.get(all.len() / 2).map(|median| (types, *median)));
    }
    for change in changes.iter_mut().filter(|c| copy(c)) {
        let relative = change.relative.unwrap_or(0.0);
        let median = medians.get(&change.dtypes).copied().filter(|m| *m > 0.0);
        if change.kind == TensorKind::Requantised {
            let one_type = change.dtypes[0] == change.dtypes[1];
            let more = median.map_or(one_type, |median| relative > 2.0 * median);
            if let Some(directions) = change.hidden.filter(|_| more) {
                change.kind = TensorKind::LowRank;
                change.directions = Some(directions);
            } else if one_type && median.is_none() {
                change.kind = TensorKind::Changed;
            }
        }
        // A cast is exact by itself; the rounding of small values alone makes no outlier.
        let explained = matches!(change.kind, TensorKind::Cast);
        change.outlier = !explained && median.is_some_and(|m| relative > 4.0 * m) && relative > 0.01;
    }
}

/// Low-rank changes that are few, in few of the layers: the mark of an edit.
fn edits<'c>(model: &Model, changes: &'c [TensorChange]) -> Vec<&'c TensorChange> {
    let low = changes
        .iter()
        .filter(|c| c.directions.is_some_and(|k| k <= EDIT_RANK) && !c.embedding);
    let low: Vec<&TensorChange> = low.collect();
    let touched: BTreeSet<Option<u32>> = low.iter().map(|c| c.layer).collect();
    let few = low.len() <= PLACES && (touched.len() == 1 || (touched.len() as u64).saturating_mul(2) <= model.layers);
    // Adapters are merged into one or two projections of each layer: of a small model, these are few as well.
    let everywhere = changes.iter().filter(|c| c.directions.is_some()).count() > low.len().max(1).saturating_mul(2);
    match few && !everywhere {
        true => low,
        false => Vec::new(),
    }
}

/// Names what became of the model.
pub(super) fn name(model: &mut Model, changes: &[TensorChange]) {
    let count = |kind: TensorKind| changes.iter().filter(|c| c.kind == kind).count();
    let (cast, requantised) = (
        count(TensorKind::Cast),
        count(TensorKind::Requantised) + count(TensorKind::Permuted),
    );
    let low_bits = count(TensorKind::LowBits);
    let low_rank = count(TensorKind::LowRank);
    let full = count(TensorKind::Changed) + count(TensorKind::Sparse) + count(TensorKind::Bytes);
    let unread = count(TensorKind::Unread);
    let moved = count(TensorKind::Renamed) + count(TensorKind::Reshaped);
    let resized = count(TensorKind::Resized);
    let touched = cast + requantised + low_bits + low_rank + full + resized;
    let edits = edits(model, changes);
    let mut parts: Vec<String> = Vec::new();
    if model.compared == 0 {
        model.looks = "different-model";
        model.summary = "no tensor of one model is in the other".to_owned();
        return;
    }
    if (resized as u64).saturating_mul(2) > model.compared {
        model.looks = "different-model";
        model.summary = format!("{resized} of {} tensors of one name have other shapes", model.compared);
        return;
    }
    let types: BTreeSet<String> = changes
        .iter()
        .filter(|c| c.dtypes[0] != c.dtypes[1])
        .map(|c| format!("{} to {}", c.dtypes[0], c.dtypes[1]))
        .collect();
    let types: Vec<String> = types.into_iter().take(6).collect();
    model.looks = if touched == 0 && unread == 0 {
        match (model.added.is_empty() && model.removed.is_empty(), moved) {
            (true, 0) => "identical",
            (true, _) => "renamed",
            (false, _) => "added-or-removed",
        }
    } else if !edits.is_empty() && full <= edits.len() {
        parts.push(places(&edits));
        "edited"
    } else if low_rank > 0 && low_rank >= full {
        let layers: BTreeSet<u32> = changes
            .iter()
            .filter(|c| c.kind == TensorKind::LowRank)
            .filter_map(|c| c.layer)
            .collect();
        parts.push(format!(
            "{} changed by low-rank updates, in {} layers",
            tensors(low_rank),
            layers.len().max(1)
        ));
        "lora-merged"
    } else if full > 0 && full.saturating_mul(20) >= touched {
        let mut sizes: Vec<f64> = changes
            .iter()
            .filter(|c| matches!(c.kind, TensorKind::Changed | TensorKind::Sparse))
            .filter_map(|c| c.relative)
            .collect();
        sizes.sort_by(f64::total_cmp);
        let median = sizes.get(sizes.len() / 2).copied().unwrap_or(0.0);
        parts.push(format!(
            "{} changed in all directions, by {:.2} % at the median",
            tensors(full),
            median * 100.0
        ));
        if median > 0.9 { "other-weights" } else { "fine-tuned" }
    } else if requantised > 0 {
        parts.push(format!(
            "{requantised} tensors are rounded copies ({})",
            types.join(", ")
        ));
        "re-quantised"
    } else if cast > 0 {
        parts.push(format!("{} exact casts ({})", are(cast), types.join(", ")));
        "cast"
    } else if low_bits > 0 {
        parts.push(format!("{} in the lowest bits only", differs(low_bits)));
        "low-bits"
    } else if full > 0 {
        "fine-tuned"
    } else if unread > 0 && touched == 0 {
        "unread"
    } else {
        "resized"
    };
    if low_bits > 0 && model.looks != "low-bits" {
        parts.push(format!("{} in the lowest bits only", differs(low_bits)));
    }
    if matches!(model.looks, "edited" | "lora-merged" | "fine-tuned") && cast + requantised > 0 {
        parts.push(format!(
            "{} others are rounded copies ({})",
            cast + requantised,
            types.join(", ")
        ));
    }
    if unread > 0 {
        parts.push(format!("{unread} could not be compared"));
    }
    if model.identical > 0 && model.looks != "identical" {
        parts.push(format!("{} are identical", model.identical));
    }
    for (list, what) in [(&model.added, "added"), (&model.removed, "removed")] {
        if !list.is_empty() {
            parts.push(format!("{} {what}", list.len()));
        }
    }
    if moved > 0 {
        parts.push(format!("{moved} renamed or reshaped"));
    }
    if parts.is_empty() {
        parts.push(format!("all {} tensors are identical", model.compared));
    }
    model.summary = parts.join(", ");
}

fn tensors(n: usize) -> String {
    if n == 1 {
        "1 tensor".to_owned()
    } else {
        format!("{n} tensors")
    }
}

fn are(n: usize) -> String {
    let verb = if n == 1 { "is" } else { "are" };
    format!("{} {verb}", tensors(n))
}

fn differs(n: usize) -> String {
    let verb = if n == 1 { "differs" } else { "differ" };
    format!("{} {verb}", tensors(n))
}

fn places(edits: &[&TensorChange]) -> String {
    let most = edits.iter().filter_map(|c| c.directions).max().unwrap_or(1);
    let names: Vec<&str> = edits.iter().take(4).map(|c| c.name.as_str()).collect();
    let more = match edits.len().saturating_sub(names.len()) {
        0 => String::new(),
        n => format!(" and {n} more"),
    };
    let rank = if most == 1 {
        "rank one".to_owned()
    } else {
        format!("rank {most} at most")
    };
    format!("{rank} in {}{more}", names.join(", "))
}

/// The findings of a model's change.
pub(in crate::diff) fn findings(model: &Model) -> Vec<Finding> {
    let mut out = Vec::new();
    let none = Span::new(0, 0);
    let edits = edits(model, &model.changes);
    if !edits.is_empty() {
        let mlp = edits.iter().any(|c| c.mlp);
        let names: Vec<String> = edits.iter().map(|c| c.name.clone()).collect();
        let message = format!("an edit in one place: {}, and no such change elsewhere", places(&edits));
        let energy = edits
            .iter()
            .filter_map(|c| c.rank.as_ref())
            .map(|r| r.first)
            .fold(f64::INFINITY, f64::min);
        let mut finding = Finding::new(code::TENSOR_LOW_RANK_EDIT, none, message)
            .evidence("tensors", Value::List(names.clone()))
            .evidence(
                "rank",
                u64::from(edits.iter().filter_map(|c| c.directions).max().unwrap_or(1)),
            )
            .key(names.join(" "))
            .region(names.first().cloned().unwrap_or_default());
        if energy.is_finite() {
            finding = finding.evidence("energy", Value::Real((energy * 1e4).round() / 1e4));
        }
        out.push(if mlp {
            finding.case("mlp")
        } else {
            finding.case("elsewhere")
        });
    }
    let low: Vec<&TensorChange> = model.changes.iter().filter(|c| c.kind == TensorKind::LowBits).collect();
    if let Some(first) = low.first() {
        const FEW: u64 = 16;
        let changed = low.iter().fold(0u64, |n, c| n.saturating_add(c.changed));
        let bits = low.iter().filter_map(|c| c.low_bits).max().unwrap_or(1);
        let names: Vec<String> = low.iter().take(EXAMPLES).map(|c| c.name.clone()).collect();
        let case = if changed <= FEW {
            "few"
        } else if low.len() > 8 && (low.len() as u64).saturating_mul(2) > model.compared {
            "everywhere"
        } else {
            "some"
        };
        let whom = match low.len() {
            1 => first.name.clone(),
            n => tensors(n),
        };
        let (elements, what) = match changed {
            1 => ("1 element".to_owned(), "differs"),
            n => (format!("{n} elements"), "differ"),
        };
        let place = if bits == 1 {
            "the lowest bit".to_owned()
        } else {
            format!("the lowest {bits} bits")
        };
        let message = format!("{elements} of {whom} {what} in {place} and in no other: training does not do that");
        let finding = Finding::new(code::TENSOR_LOW_BITS_CHANGE, none, message)
            .case(case)
            .evidence("tensors", Value::List(names))
            .evidence("elements", changed)
            .evidence("bits", u64::from(bits))
            .region(first.name.clone())
            .key(first.name.clone());
        out.push(finding);
    }
    for change in model.changes.iter().filter(|c| c.outlier).take(EXAMPLES) {
        let message = format!(
            "{} differs by {:.1} %, far more than a copy from {} to {} explains in the others",
            change.name,
            change.relative.unwrap_or(0.0) * 100.0,
            change.dtypes[0],
            change.dtypes[1]
        );
        let finding = Finding::new(code::DIFF_TENSOR, none, message).case("outlier");
        out.push(finding.region(change.name.clone()).key(change.name.clone()));
    }
    let nonfinite: Vec<&TensorChange> = model.changes.iter().filter(|c| c.nonfinite > 0).collect();
    if let Some(first) = nonfinite.first() {
        let message = format!(
            "{} of the changed tensors hold values that are not finite, {} first: they count as changed and in no norm",
            nonfinite.len(),
            first.name
        );
        let finding = Finding::new(code::DIFF_TENSOR, none, message).case("nonfinite");
        out.push(finding.region(first.name.clone()).key("nonfinite"));
    }
    if !matches!(model.looks, "identical") {
        let message = format!("the model looks {}: {}", model.looks, model.summary);
        out.push(
            Finding::new(code::DIFF_TENSOR, none, message)
                .case("changed")
                .key("model"),
        );
    }
    out
}

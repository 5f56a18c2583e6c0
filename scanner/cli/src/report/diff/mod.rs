//! Comparisons: for people, for machines, for a pull request.

pub(crate) mod json;
pub(crate) mod markdown;
pub(crate) mod text;

use probity_engine::diff::{Change, Rank, TensorChange};
use probity_engine::finding::Elsewhere;
use std::collections::BTreeMap;

/// How much is shown, and how wide.
#[derive(Clone, Copy)]
pub(crate) struct View {
    /// Every change and every tensor.
    pub(crate) verbose: bool,
    /// The terminal's width; `None` when the text does not go to one.
    pub(crate) columns: Option<usize>,
}

/// Where a change is.
fn place(change: &Change) -> String {
    change.new.as_ref().or(change.old.as_ref()).map_or_else(String::new, at)
}

fn at(place: &Elsewhere) -> String {
    match &place.nested {
        Some(nested) => format!("{}!{nested}", place.path),
        None => place.path.clone(),
    }
}

/// Changes of one kind, counted: `content changed`.
fn tally<'c>(changes: impl Iterator<Item = &'c Change>) -> BTreeMap<String, u64> {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    for change in changes {
        let f = &change.judged.finding;
        let what = match (f.code.strip_prefix("diff-"), f.case) {
            (Some(what), Some(case)) => format!("{what} {case}"),
            _ => f.code.to_owned(),
        };
        let n = counts.entry(what).or_default();
        *n = n.saturating_add(1);
    }
    counts
}

/// `3.12 %`, `0.00041 %`; a dash where there is no norm to hold it against.
fn percent(part: Option<f64>) -> String {
    match part.map(|p| p * 100.0) {
        None => "-".to_owned(),
        Some(0.0) => "0 %".to_owned(),
        Some(p) if p < 0.01 => format!("{p:.1e} %"),
        Some(p) => format!("{p:.2} %"),
    }
}

/// The part of the elements that changed.
fn changed(tensor: &TensorChange) -> String {
    match tensor.elements {
        0 => "-".to_owned(),
        _ if tensor.changed == tensor.elements => "all".to_owned(),
        all if tensor.changed < 1000 => format!("{} of {all}", tensor.changed),
        all => percent(Some(tensor.changed as f64 / all as f64)),
    }
}

/// `1 (100 %)`: directions, and what the strongest holds.
fn rank(rank: Option<&Rank>) -> String {
    match rank {
        None => "-".to_owned(),
        Some(rank) => {
            let directions = rank.effective.map_or_else(|| "> 32".to_owned(), |n| n.to_string());
            format!("{directions} ({:.0} %)", rank.first * 100.0)
        }
    }
}

/// `F32 [4096, 14336]`, with what it was before where that is something else.
fn kind_of(tensor: &TensorChange) -> String {
    let [old, new] = &tensor.dtypes;
    let [before, after] = &tensor.shapes;
    let dtype = if old == new {
        new.clone()
    } else {
        format!("{old} -> {new}")
    };
    match before == after {
        true => format!("{dtype} {after:?}"),
        false => format!("{dtype} {before:?} -> {after:?}"),
    }
}

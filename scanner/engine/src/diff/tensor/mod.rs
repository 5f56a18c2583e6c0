//! The model half of a comparison: which tensors are there, which changed, and what the change looks like.
//!
//! Tensors are paired by name, then by name across conventions (Hugging Face and GGUF), then by content, and, where names
//! say nothing, by order. A pair is read side by side ([`stream`]); the shape of its change is named here, and that of the
//! whole model in [`looks`].

mod element;
mod looks;
mod names;
mod quant;
mod sketch;
mod stream;
mod torch;

use super::{Model, Rank, TensorChange, TensorKind, TensorName};
use crate::artifact::{Artifact, Kind};
use crate::inventory::{Inventory, Place, TensorEntry};
use crate::name::{printable, unescape_level};
use crate::source::{FileSource, ReadAt, read_full_at};
use crate::span::Span;
use element::Element;
use rayon::prelude::*;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, HashSet};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::Arc;
use stream::{Compared, Measure, Side};

pub(super) use looks::findings;
pub(super) use torch::tensors as torch_tensors;

/// Changes that are listed; more are counted.
const LISTED: usize = 10_000;
/// Workers: each takes up to 40 MiB.
const WORKERS: usize = 4;
/// Files that are held open at a time; more are opened again for each tensor.
const OPEN: usize = 256;

/// One side of the comparison: its artifacts, in the order of the report.
pub(super) struct Models<'a> {
    artifacts: &'a [Artifact],
    tensors: Vec<Tensor<'a>>,
    files: HashMap<&'a str, Arc<dyn ReadAt>>,
}

#[derive(Clone, Copy)]
struct Tensor<'a> {
    /// Where its artifact stands.
    at: usize,
    entry: &'a TensorEntry,
    /// What its name says nothing without: the artifact's own name, for files of one tensor.
    shown: &'a str,
}

/// How two tensors were found to belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Matched {
    Name,
    Convention,
    Content,
    Order,
}

impl<'a> Models<'a> {
    /// The tensors of these artifacts, sorted by name.
    /// `named` are those whose names stand in another artifact than their elements, with the places of the latter.
    pub(super) fn of(artifacts: &'a [Artifact], named: &'a [(usize, TensorEntry)]) -> Self {
        let mut tensors = Vec::new();
        let directory = artifacts
            .first()
            .filter(|a| a.kind == Kind::Directory)
            .map(|a| a.path.as_str());
        let mut files: HashMap<&'a str, Arc<dyn ReadAt>> = HashMap::new();
        for (at, artifact) in artifacts.iter().enumerate() {
            let Some(held) = artifact.inventory.as_deref().filter(|held| !held.tensors.is_empty()) else {
                continue;
            };
            if matches!(held.place, Place::File(_)) && files.len() < OPEN && !files.contains_key(&*artifact.path) {
                files.extend(open(artifact).ok().map(|source| (&*artifact.path, source)));
            }
            // `arr_0.npy` of an archive holds one array without a name of its own.
            let single = held.tensors.len() == 1 && held.tensors.first().is_some_and(|t| plain_name(&t.name));
            let outer = match (single, artifact.nested.as_deref()) {
                (false, _) => "",
                (true, Some(nested)) => nested.rsplit('!').next().unwrap_or(nested),
                (true, None) => directory
                    .and_then(|root| artifact.path.strip_prefix(root))
                    .unwrap_or("")
                    .trim_start_matches('/'),
            };
            let outer = outer.strip_suffix(".npy").unwrap_or(outer);
            tensors.extend(held.tensors.iter().map(|entry| Tensor {
                at,
                entry,
                shown: if outer.is_empty() { &entry.name } else { outer },
            }));
        }
        // What the scan has named by itself is there already.
        let known: HashSet<(&str, &str)> = match named.is_empty() {
            true => HashSet::new(),
            false => tensors
                .iter()
                .filter_map(|t: &Tensor<'a>| Some((&*artifacts.get(t.at)?.path, t.shown)))
                .collect(),
        };
        for (at, entry) in named {
            let there = artifacts
                .get(*at)
                .is_some_and(|a| known.contains(&(&*a.path, &*entry.name)));
            if there {
                continue;
            }
            let holder = artifacts
                .get(*at)
                .filter(|a| !files.contains_key(&*a.path) && files.len() < OPEN);
            files.extend(holder.and_then(|a| Some((&*a.path, open(a).ok()?))));
            tensors.push(Tensor {
                at: *at,
                entry,
                shown: &entry.name,
            });
        }
        tensors.sort_by(|a, b| a.shown.cmp(b.shown));
        Self {
            artifacts,
            tensors,
            files,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    fn artifact(&self, tensor: &Tensor<'_>) -> Option<&'a Artifact> {
        self.artifacts.get(tensor.at)
    }

    /// The bytes of a tensor: a source and where in it.
    fn bytes(&self, tensor: &Tensor<'_>) -> Result<(Arc<dyn ReadAt>, Span), String> {
        let artifact = self.artifact(tensor).ok_or("its file is not there")?;
        let held: &Inventory = artifact.inventory.as_deref().ok_or("its file was not looked at")?;
        match &held.place {
            Place::File(start) => {
                let source = match self.files.get(&*artifact.path) {
                    Some(source) => Arc::clone(source),
                    None => open(artifact)?,
                };
                Ok((source, tensor.entry.span.shifted(*start)))
            }
            Place::Copy(source, start) => Ok((Arc::clone(source), tensor.entry.span.shifted(*start))),
            Place::Gone => Err("it was decoded, and more copies were needed than are kept".to_owned()),
        }
    }
}

fn open(artifact: &Artifact) -> Result<Arc<dyn ReadAt>, String> {
    let raw = unescape_level(&artifact.path);
    let file = FileSource::open(Path::new(OsStr::from_bytes(&raw))).map_err(|e| format!("cannot read again: {e}"))?;
    let root_changed = artifact.nested.is_none() && file.len() != artifact.size;
    if root_changed {
        return Err("the file changed since it was scanned".to_owned());
    }
    Ok(Arc::new(file))
}

fn plain_name(name: &str) -> bool {
    name.is_empty() || name == "array" || names::is_anonymous(name)
}

struct Pair<'a> {
    old: Tensor<'a>,
    new: Tensor<'a>,
    matched: Matched,
}

/// Compares two models. `None` when neither side holds a tensor.
pub(super) fn compare(old: &Models<'_>, new: &Models<'_>, jobs: usize) -> Option<Model> {
    if old.is_empty() && new.is_empty() {
        return None;
    }
    let threads = match jobs {
        0 => std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        n => n,
    };
    let pool = rayon::ThreadPoolBuilder::new()
        .num_threads(threads.min(WORKERS))
        .build()
        .ok();
    let work = || {
        let (pairs, gone, come) = pair(old, new);
        let changes: Vec<Option<TensorChange>> = pairs.par_iter().map(|pair| change(old, new, pair)).collect();
        (pairs.len(), changes, gone, come)
    };
    let (compared, changes, gone, come) = match &pool {
        Some(pool) => pool.install(work),
        None => work(),
    };
    let mut model = Model {
        old: old.tensors.len() as u64,
        new: new.tensors.len() as u64,
        compared: compared as u64,
        layers: layers(new),
        ..Model::default()
    };
    let mut changes: Vec<TensorChange> = changes.into_iter().flatten().collect();
    model.identical =
        (compared as u64).saturating_sub(changes.iter().filter(|c| c.kind != TensorKind::Renamed).count() as u64);
    looks::outliers(&mut changes);
    for change in &changes {
        let n = model.kinds.entry(change.kind.as_str()).or_default();
        *n = n.saturating_add(1);
    }
    let named = |tensors: Vec<Tensor<'_>>| -> Vec<TensorName> {
        let names = tensors.iter().map(|t| TensorName {
            name: printable(t.shown.as_bytes()),
            dtype: printable(t.entry.dtype.as_bytes()),
            shape: t.entry.shape.to_vec(),
        });
        names.collect()
    };
    (model.removed, model.added) = (named(gone), named(come));
    looks::name(&mut model, &changes);
    changes.sort_by(|a, b| {
        let weight = |c: &TensorChange| (c.kind.rank(), std::cmp::Reverse(c.relative.unwrap_or(0.0).to_bits()));
        weight(a).cmp(&weight(b)).then_with(|| a.name.cmp(&b.name))
    });
    model.unlisted = (changes.len().saturating_sub(LISTED)) as u64;
    changes.truncate(LISTED);
    for list in [&mut model.removed, &mut model.added] {
        model.unlisted = model.unlisted.saturating_add(list.len().saturating_sub(LISTED) as u64);
        list.truncate(LISTED);
    }
    model.changes = changes;
    Some(model)
}

/// How many layers the names of a model speak of.
fn layers(models: &Models<'_>) -> u64 {
    let numbers = models.tensors.iter().filter_map(|t| names::layer(t.shown));
    numbers.collect::<std::collections::BTreeSet<u32>>().len() as u64
}

type Paired<'a> = (Vec<Pair<'a>>, Vec<Tensor<'a>>, Vec<Tensor<'a>>);

/// Pairs, tensors of the old side alone, tensors of the new side alone.
fn pair<'a>(old: &Models<'a>, new: &Models<'a>) -> Paired<'a> {
    let mut pairs = Vec::new();
    let (mut gone, mut come) = (Vec::new(), Vec::new());
    let (mut left, mut right) = (old.tensors.iter().peekable(), new.tensors.iter().peekable());
    loop {
        let order = match (left.peek(), right.peek()) {
            (Some(a), Some(b)) => a.shown.cmp(b.shown),
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (None, None) => break,
        };
        match order {
            std::cmp::Ordering::Less => gone.extend(left.next().copied()),
            std::cmp::Ordering::Greater => come.extend(right.next().copied()),
            std::cmp::Ordering::Equal => {
                if let (Some(a), Some(b)) = (left.next(), right.next()) {
                    pairs.push(Pair {
                        old: *a,
                        new: *b,
                        matched: Matched::Name,
                    });
                }
            }
        }
    }
    by_key(&mut pairs, &mut gone, &mut come, Matched::Convention, |t| {
        Some(names::canonical(t.shown))
    });
    if !gone.is_empty() && !come.is_empty() {
        by_content(old, new, &mut pairs, &mut gone, &mut come);
        by_order(&mut pairs, &mut gone, &mut come);
    }
    pairs.sort_by(|a, b| a.new.shown.cmp(b.new.shown));
    (pairs, gone, come)
}

/// Pairs what has the same key, where the key is one tensor's alone on both sides.
fn by_key<'a, K: std::hash::Hash + Eq>(
    pairs: &mut Vec<Pair<'a>>,
    gone: &mut Vec<Tensor<'a>>,
    come: &mut Vec<Tensor<'a>>,
    matched: Matched,
    key: impl Fn(&Tensor<'a>) -> Option<K>,
) {
    if gone.is_empty() || come.is_empty() {
        return;
    }
    let mut known: HashMap<K, (Option<usize>, u64)> = HashMap::new();
    for (n, tensor) in come.iter().enumerate() {
        if let Some(key) = key(tensor) {
            let slot = known.entry(key).or_insert((Some(n), 0));
            slot.1 = slot.1.saturating_add(1);
        }
    }
    let mut twice: HashMap<K, u64> = HashMap::new();
    for key in gone.iter().filter_map(&key) {
        let n = twice.entry(key).or_default();
        *n = n.saturating_add(1);
    }
    let mut taken = vec![false; come.len()];
    gone.retain(|old| {
        let Some(key) = key(old) else { return true };
        if twice.get(&key).copied() != Some(1) {
            return true;
        }
        let Some((slot, 1)) = known.get_mut(&key) else {
            return true;
        };
        let Some((n, new)) = slot.take().and_then(|n| Some((n, *come.get(n)?))) else {
            return true;
        };
        if let Some(slot) = taken.get_mut(n) {
            *slot = true;
        }
        pairs.push(Pair {
            old: *old,
            new,
            matched,
        });
        false
    });
    let mut taken = taken.into_iter();
    come.retain(|_| !taken.next().unwrap_or(false));
}

/// Tensors with the same bytes under another name. Only those are read that have a counterpart of the same length.
fn by_content<'a>(
    old: &Models<'a>,
    new: &Models<'a>,
    pairs: &mut Vec<Pair<'a>>,
    gone: &mut Vec<Tensor<'a>>,
    come: &mut Vec<Tensor<'a>>,
) {
    let lengths = |tensors: &[Tensor<'_>]| -> std::collections::HashSet<u64> {
        tensors.iter().map(|t| t.entry.span.len()).filter(|n| *n > 0).collect()
    };
    let (a, b) = (lengths(gone), lengths(come));
    let digests = |models: &Models<'a>, tensors: &[Tensor<'a>]| -> HashMap<(usize, Span), [u8; 32]> {
        let wanted = tensors.par_iter().filter(|t| {
            let n = t.entry.span.len();
            a.contains(&n) && b.contains(&n)
        });
        wanted
            .filter_map(|t| Some(((t.at, t.entry.span), digest(models, t)?)))
            .collect()
    };
    let (a, b) = (digests(old, gone), digests(new, come));
    // A key holds on one side what the other says, so both tables are asked; a tensor is in one list only.
    let old_keys: Vec<Option<[u8; 32]>> = gone.iter().map(|t| a.get(&(t.at, t.entry.span)).copied()).collect();
    let new_keys: Vec<Option<[u8; 32]>> = come.iter().map(|t| b.get(&(t.at, t.entry.span)).copied()).collect();
    // Equal contents of several tensors (norms of ones) are paired in the order of their names.
    let mut waiting: HashMap<[u8; 32], Vec<usize>> = HashMap::new();
    for (n, key) in new_keys.iter().enumerate().rev() {
        if let Some(key) = key {
            waiting.entry(*key).or_default().push(n);
        }
    }
    let mut taken = vec![false; come.len()];
    let mut keys = old_keys.into_iter();
    gone.retain(|tensor| {
        let Some(n) = keys.next().flatten().and_then(|key| waiting.get_mut(&key)?.pop()) else {
            return true;
        };
        if let (Some(slot), Some(new)) = (taken.get_mut(n), come.get(n)) {
            *slot = true;
            pairs.push(Pair {
                old: *tensor,
                new: *new,
                matched: Matched::Content,
            });
        }
        false
    });
    let mut taken = taken.into_iter();
    come.retain(|_| !taken.next().unwrap_or(false));
}

fn digest(models: &Models<'_>, tensor: &Tensor<'_>) -> Option<[u8; 32]> {
    let (source, span) = models.bytes(tensor).ok()?;
    let mut hash = Sha256::new();
    let mut block = vec![0u8; usize::try_from(span.len().min(1 << 20)).ok()?];
    let mut at = span.start();
    while at < span.end() {
        let n = usize::try_from(span.end().saturating_sub(at))
            .unwrap_or(usize::MAX)
            .min(block.len());
        let part = block.get_mut(..n)?;
        if read_full_at(source.as_ref(), part, at).ok()? != n {
            return None;
        }
        hash.update(&*part);
        at = at.saturating_add(n as u64);
    }
    Some(hash.finalize().into())
}

/// Where one side has no names, tensors with as many elements are paired in the order in which they lie.
fn by_order<'a>(pairs: &mut Vec<Pair<'a>>, gone: &mut Vec<Tensor<'a>>, come: &mut Vec<Tensor<'a>>) {
    let nameless = |tensors: &[Tensor<'_>]| tensors.iter().all(|t| names::is_anonymous(t.shown));
    if !nameless(gone) && !nameless(come) {
        return;
    }
    let mut classes: HashMap<u64, (Vec<Tensor<'a>>, Vec<Tensor<'a>>)> = HashMap::new();
    for tensor in gone.iter() {
        classes
            .entry(elements(tensor.entry).unwrap_or(0))
            .or_default()
            .0
            .push(*tensor);
    }
    for tensor in come.iter() {
        classes
            .entry(elements(tensor.entry).unwrap_or(0))
            .or_default()
            .1
            .push(*tensor);
    }
    let mut done: Vec<(usize, Span, bool)> = Vec::new();
    for (_, (mut a, mut b)) in classes.into_iter().filter(|(n, (a, b))| *n > 0 && a.len() == b.len()) {
        for list in [&mut a, &mut b] {
            list.sort_by_key(|t| (t.at, t.entry.span));
        }
        for (old, new) in a.into_iter().zip(b) {
            done.push((old.at, old.entry.span, true));
            done.push((new.at, new.entry.span, false));
            pairs.push(Pair {
                old,
                new,
                matched: Matched::Order,
            });
        }
    }
    let done: std::collections::HashSet<(usize, Span, bool)> = done.into_iter().collect();
    gone.retain(|t| !done.contains(&(t.at, t.entry.span, true)));
    come.retain(|t| !done.contains(&(t.at, t.entry.span, false)));
}

/// The number of elements; `None` when 64 bits do not hold it.
fn elements(entry: &TensorEntry) -> Option<u64> {
    entry.shape.iter().try_fold(1u64, |n, d| n.checked_mul(*d))
}

/// The columns of the matrix that a shape is: everything but its first dimension. 0 for what is none.
fn columns(shape: &[u64]) -> u64 {
    match shape {
        [] | [_] => 0,
        [_, rest @ ..] => rest.iter().try_fold(1u64, |n, d| n.checked_mul(*d)).unwrap_or(0),
    }
}

/// What became of one pair; `None` when nothing did.
fn change(old: &Models<'_>, new: &Models<'_>, pair: &Pair<'_>) -> Option<TensorChange> {
    let (a, b) = (pair.old.entry, pair.new.entry);
    let renamed = pair.old.shown != pair.new.shown;
    let mut change = TensorChange {
        name: printable(pair.new.shown.as_bytes()),
        old_name: renamed.then(|| printable(pair.old.shown.as_bytes())),
        by_order: pair.matched == Matched::Order,
        dtypes: [printable(a.dtype.as_bytes()), printable(b.dtype.as_bytes())],
        shapes: [a.shape.to_vec(), b.shape.to_vec()],
        layer: names::layer(pair.new.shown),
        ..TensorChange::default()
    };
    let whole = |models: &Models<'_>, tensor: &Tensor<'_>| models.artifact(tensor).and_then(|a| a.sha256);
    let same_place = whole(old, &pair.old).is_some_and(|d| Some(d) == whole(new, &pair.new)) && a.span == b.span;
    let (element_a, element_b) = (Element::parse(&a.dtype), Element::parse(&b.dtype));
    // `Half` and `F16` are one type.
    let one_type = a.dtype == b.dtype || (element_a.is_some() && element_a == element_b);
    let same_type = one_type && a.shape == b.shape;
    if one_type {
        let [old, new] = &mut change.dtypes;
        old.clone_from(new);
    }
    if (same_place || pair.matched == Matched::Content) && same_type {
        return renamed.then(|| {
            change.kind = TensorKind::Renamed;
            change
        });
    }
    let (Some(n), Some(m)) = (elements(a), elements(b)) else {
        return Some(unread(change, "its shape has more elements than 64 bits can count"));
    };
    change.elements = m;
    if n != m {
        change.kind = TensorKind::Resized;
        return Some(change);
    }
    let ((source_a, span_a), (source_b, span_b)) = match (old.bytes(&pair.old), new.bytes(&pair.new)) {
        (Ok(a), Ok(b)) => (a, b),
        (Err(why), _) | (_, Err(why)) => return Some(unread(change, &why)),
    };
    let columns = columns(&b.shape).max(if a.shape.len() > 1 && b.shape.len() < 2 {
        columns(&a.shape)
    } else {
        0
    });
    let side = |source, span, element| Side { source, span, element };
    let compared = stream::compare(
        side(source_a.as_ref(), span_a, element_a),
        side(source_b.as_ref(), span_b, element_b),
        n,
        columns,
        &change.name,
    );
    let changed_meanwhile = source_a.changed().or_else(|| source_b.changed());
    if let Some(why) = changed_meanwhile {
        return Some(unread(change, &why));
    }
    match compared {
        Compared::Identical if same_type => renamed.then(|| {
            change.kind = TensorKind::Renamed;
            change
        }),
        Compared::Identical => {
            change.kind = TensorKind::Reshaped;
            Some(change)
        }
        Compared::Bytes(differ) => {
            change.kind = TensorKind::Bytes;
            change.note = Some(format!("elements of this type are not decoded: {differ} bytes differ"));
            Some(change)
        }
        Compared::Unread(why) => Some(unread(change, &why)),
        Compared::Measured(measure) => {
            let permuted = names::is_permuted(pair.old.shown, pair.new.shown);
            judge(&mut change, &measure, element_a?, element_b?, n, columns, permuted);
            Some(change)
        }
    }
}

fn unread(mut change: TensorChange, why: &str) -> TensorChange {
    change.kind = TensorKind::Unread;
    change.note = Some(why.to_owned());
    change
}

/// Names the change of one tensor from its measures.
fn judge(out: &mut TensorChange, m: &Measure, a: Element, b: Element, n: u64, columns: u64, permuted: bool) {
    out.changed = m.changed;
    out.nonfinite = m.nonfinite;
    out.norm = m.energy.sqrt();
    out.largest = m.largest;
    out.relative = (m.old_energy > 0.0).then(|| (m.energy / m.old_energy).sqrt());
    let relative = out.relative.unwrap_or(if m.energy > 0.0 { f64::INFINITY } else { 0.0 });
    let rows = n.checked_div(columns).unwrap_or(0);
    // What rounding to the coarser type adds to any change.
    let bits = [a, b].iter().filter_map(|e| e.mantissa()).min();
    let rounding = bits.map_or(0.0, |bits| {
        0.05 * 4f64.powi(-i32::try_from(bits).unwrap_or(0)) * m.new_energy
    });
    let coarse = [a, b].iter().filter_map(|e| e.coarse()).fold(0.0, f64::max);
    // Quantised weights are off by about two fifths of what is still called a copy.
    let rounding = f64::max(rounding, (0.4 * coarse).powi(2) * m.new_energy);
    let noise = match m.energy > 0.0 {
        true => (rounding / m.energy).min(0.9),
        false => 0.0,
    };
    let low = m.spectrum.as_ref().and_then(|s| low_rank(s, rows, columns, noise));
    out.rank = m.spectrum.as_ref().map(|s| Rank {
        effective: s.rank(0.99 * (1.0 - noise)).and_then(|k| u32::try_from(k).ok()),
        first: s.top(1),
        captured: s.top(sketch::DIRECTIONS),
    });
    let low_bits = (a == b && m.changed > 0).then(|| u64::BITS.saturating_sub(m.mask.leading_zeros()));
    // A step of one between small integers is in the lowest bit too: a payload needs room.
    let room = a.mantissa().is_some() || n >= 1024;
    out.low_bits = low_bits.filter(|bits| room && *bits > 0 && *bits <= a.low_bits());
    let norms = (m.old_energy > 0.0).then(|| (m.new_energy / m.old_energy).sqrt());
    out.kind = if out.low_bits.is_some() {
        TensorKind::LowBits
    } else if a != b && (m.changed == 0 || (m.not_rounded == 0 && a.mantissa().is_some() && b.mantissa().is_some())) {
        TensorKind::Cast
    } else if permuted && relative > coarse.max(0.01) && norms.is_some_and(|r| (r - 1.0).abs() < 0.05) {
        out.note = Some("converters to GGUF reorder its rows: only its norm was compared".to_owned());
        TensorKind::Permuted
    } else if coarse > 0.0 && relative <= coarse {
        TensorKind::Requantised
    } else if low.is_some() {
        TensorKind::LowRank
    } else if m.changed.saturating_mul(100) <= n && n >= 1000 {
        TensorKind::Sparse
    } else {
        TensorKind::Changed
    };
    let rounded = out.kind == TensorKind::Requantised && low.is_none();
    if rounded || matches!(out.kind, TensorKind::Cast | TensorKind::Permuted) {
        // Of rounding, or of another order of rows, directions say nothing.
        out.rank = None;
    }
    out.mlp = names::role(&out.name) == names::Role::Mlp;
    out.embedding = names::role(&out.name) == names::Role::Embedding;
    match out.kind {
        TensorKind::LowRank => out.directions = low,
        TensorKind::Requantised => out.hidden = low,
        _ => {}
    }
}

/// The number of directions that the change consists of, when they are few for a matrix of this size and hold far more
/// than as many directions of noise would.
fn low_rank(spectrum: &sketch::Spectrum, rows: u64, columns: u64, noise: f64) -> Option<u32> {
    let short = rows.min(columns);
    let most = usize::try_from(short / 4).unwrap_or(usize::MAX).min(sketch::DIRECTIONS);
    let (m, n) = (rows as f64, columns as f64);
    // The greatest singular value of noise, squared, as a part of all.
    let chance = (m.sqrt() + n.sqrt()).powi(2) / (m * n);
    for wanted in [0.99, 0.9] {
        if let Some(k) = spectrum.rank(wanted * (1.0 - noise)).filter(|k| *k <= most) {
            let held = spectrum.top(k);
            return (held > 0.1 && held > (2.0 * chance * k as f64).min(0.8))
                .then(|| u32::try_from(k).ok())
                .flatten();
        }
    }
    None
}

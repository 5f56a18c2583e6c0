//! Tensors beside each other: of the same role in other layers, and of the same bytes.
//!
//! All of these are hints. What stands out is told with how far; honest models have layers that stand out.

use super::{Tensor, real};
use crate::finding::{Findings, code};
use crate::span::Span;
use crate::tensor::Dtype;
use probity_signatures::tensors;
use std::collections::BTreeMap;

/// `tensor-duplicate`, `tensor-sibling`, `tensor-low-bits`.
pub(super) fn inspect(all: &[Tensor<'_>], out: &mut Findings) {
    duplicates(all, out);
    for group in groups(all).values() {
        norms(group, out);
        low_bits(group, out);
    }
}

/// How far each tensor of `all` is from the middle of its siblings: of the root mean square, then of the lowest byte.
pub(super) fn standings(all: &[Tensor<'_>]) -> Vec<(Option<Standing>, Option<Standing>)> {
    let mut out = vec![(None, None); all.len()];
    for group in groups(all).values() {
        for (tensor, standing) in norm_standings(group) {
            if let Some(slot) = out.get_mut(tensor.place) {
                slot.0 = Some(standing);
            }
        }
        for (tensor, standing) in low_standings(group) {
            if let Some(slot) = out.get_mut(tensor.place) {
                slot.1 = Some(standing);
            }
        }
    }
    out
}

/// Tensors of one role: the name without the number of the layer, the type and the shape.
fn groups<'t, 'a>(all: &'t [Tensor<'a>]) -> BTreeMap<(String, &'a str, &'a [u64]), Vec<&'t Tensor<'a>>> {
    let mut groups: BTreeMap<(String, &str, &[u64]), Vec<&Tensor<'_>>> = BTreeMap::new();
    for tensor in all {
        let layer = without_numbers(tensor.name);
        if layer != tensor.name && tensor.scan().numbers.is_some() && !tensor.is_buffer() {
            groups
                .entry((layer, tensor.dtype, tensor.shape))
                .or_default()
                .push(tensor);
        }
    }
    groups
}

/// The name with `#` for each run of digits that is a level of it.
fn without_numbers(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, part) in name.split_inclusive(['.', '/', '_', ':']).enumerate() {
        let number = part.trim_end_matches(['.', '/', '_', ':']);
        if at > 0 && !number.is_empty() && number.len() <= 9 && number.bytes().all(|b| b.is_ascii_digit()) {
            out.push('#');
            out.push_str(part.get(number.len()..).unwrap_or_default());
        } else {
            out.push_str(part);
        }
    }
    out
}

/// Middle and robust standard deviation, the latter at least `floor`.
fn spread(values: &[f64], floor: f64) -> (f64, f64) {
    let middle = |mut values: Vec<f64>| {
        values.sort_by(f64::total_cmp);
        let half = values.len() / 2;
        values.get(half).copied().unwrap_or(0.0)
    };
    let center = middle(values.to_vec());
    let away = middle(values.iter().map(|v| (v - center).abs()).collect());
    (center, (away * 1.4826).max(floor))
}

/// Where a number of one tensor is among those of its siblings.
#[derive(Clone, Copy, Debug)]
pub(super) struct Standing {
    /// The number.
    value: f64,
    /// The middle of all.
    center: f64,
    /// Robust standard deviations of the logarithm from the middle.
    pub(super) deviations: f64,
    /// The factor from the middle, 1 or more.
    pub(super) factor: f64,
    /// Its siblings.
    others: usize,
}

/// What each tensor of `known` is beside the others.
fn stand<'t, 'a>(known: &[(&'t Tensor<'a>, f64)], floor: f64) -> Vec<(&'t Tensor<'a>, Standing)> {
    let logs: Vec<f64> = known.iter().map(|(_, value)| value.ln()).collect();
    let (center, deviation) = spread(&logs, floor);
    let standing = |((tensor, value), log): (&(&'t Tensor<'a>, f64), &f64)| {
        let away = (log - center).abs();
        let standing = Standing {
            value: *value,
            center: center.exp(),
            deviations: away / deviation,
            factor: away.exp(),
            others: known.len().saturating_sub(1),
        };
        (*tensor, standing)
    };
    known.iter().zip(&logs).map(standing).collect()
}

fn norm_standings<'t, 'a>(group: &[&'t Tensor<'a>]) -> Vec<(&'t Tensor<'a>, Standing)> {
    let limits = tensors().sibling;
    let known: Vec<(&Tensor<'_>, f64)> = group
        .iter()
        .filter_map(|tensor| {
            let numbers = tensor.scan().numbers.as_ref()?;
            let float = tensor.swept.spec.layout.is_some_and(|layout| layout.dtype.is_float());
            (float && numbers.rms > 0.0 && numbers.elements > 1).then_some((*tensor, numbers.rms))
        })
        .collect();
    if known.len() < limits.least {
        return Vec::new();
    }
    stand(&known, limits.floor)
}

fn norms(group: &[&Tensor<'_>], out: &mut Findings) {
    let limits = tensors().sibling;
    for (tensor, standing) in norm_standings(group) {
        if standing.deviations > limits.deviations && standing.factor > limits.factor {
            let message = format!(
                "tensor {}: its root mean square is {:.3e}, that of its {} siblings {:.3e}",
                tensor.shown(),
                standing.value,
                standing.others,
                standing.center
            );
            let finding = tensor.finding(code::TENSOR_SIBLING, tensor.span(), message);
            let finding = real(finding, "rms", standing.value);
            let finding = real(finding, "siblings_rms", standing.center);
            out.push(real(finding, "deviations", standing.deviations));
        }
    }
}

fn low_standings<'t, 'a>(group: &[&'t Tensor<'a>]) -> Vec<(&'t Tensor<'a>, Standing)> {
    let limits = tensors().low_bits;
    let known: Vec<(&Tensor<'_>, f64)> = group
        .iter()
        .filter_map(|tensor| {
            let low = tensor.scan().numbers.as_ref()?.low_byte?;
            // Pearson's statistic grows with the samples where bytes are not equally likely: siblings have as many.
            (low.samples >= limits.least_samples).then_some((*tensor, low.chi_square.max(1.0)))
        })
        .collect();
    if known.len() < limits.least {
        return Vec::new();
    }
    stand(&known, limits.floor)
}

fn low_bits(group: &[&Tensor<'_>], out: &mut Findings) {
    let limits = tensors().low_bits;
    for (tensor, standing) in low_standings(group) {
        if standing.deviations > limits.deviations && standing.factor > limits.factor {
            let message = format!(
                "tensor {}: its lowest bytes are distributed unlike those of its {} siblings",
                tensor.shown(),
                standing.others
            );
            let finding = tensor.finding(code::TENSOR_LOW_BITS, tensor.span(), message);
            let finding = real(finding, "chi_square", standing.value);
            let finding = real(finding, "siblings_chi_square", standing.center);
            out.push(real(finding, "deviations", standing.deviations));
        }
    }
}

fn duplicates(all: &[Tensor<'_>], out: &mut Findings) {
    let mut by_content: BTreeMap<(u64, u64), Vec<&Tensor<'_>>> = BTreeMap::new();
    for tensor in all {
        let constant = tensor.scan().numbers.as_ref().is_none_or(|numbers| numbers.constant);
        let bool = tensor
            .swept
            .spec
            .layout
            .is_some_and(|layout| matches!(layout.dtype, Dtype::Bool));
        if tensor.span().len() >= tensors().duplicate.least_bytes && !constant && !bool {
            by_content
                .entry((tensor.scan().hash, tensor.span().len()))
                .or_default()
                .push(tensor);
        }
    }
    let mut groups: Vec<Vec<&Tensor<'_>>> = by_content.into_values().filter(|group| group.len() > 1).collect();
    groups.sort_by_key(|group| group.first().map(|tensor| tensor.span()));
    for group in groups {
        let Some((first, others)) = group.split_first() else {
            continue;
        };
        let names: Vec<String> = others.iter().take(8).map(|tensor| tensor.shown()).collect();
        let message = format!(
            "tensor {} has the bytes of {} other{}: {}",
            first.shown(),
            others.len(),
            if others.len() == 1 { "" } else { "s" },
            names.join(", ")
        );
        let mut finding = first.finding(code::TENSOR_DUPLICATE, first.span(), message);
        for other in others.iter().take(8) {
            let span: Span = other.span();
            finding = finding.related(format!("tensor {}", other.shown()), span);
        }
        out.push(finding.evidence("bytes", first.span().len()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_that_are_levels_of_a_name_are_layers() {
        for (name, expected) in [
            (
                "model.layers.11.mlp.down_proj.weight",
                "model.layers.#.mlp.down_proj.weight",
            ),
            ("blk.3.attn_q.weight", "blk.#.attn_q.weight"),
            ("layer_3/kernel:0", "layer_#/kernel:#"),
            ("conv1.weight", "conv1.weight"),
            ("3.weight", "3.weight"),
        ] {
            assert_eq!(without_numbers(name), expected);
        }
    }

    #[test]
    fn the_spread_does_not_follow_what_stands_out() {
        let (center, deviation) = spread(&[1.0, 1.1, 0.9, 1.0, 1.05, 50.0], 0.02);
        assert!((center - 1.05).abs() < 0.06 && deviation < 0.2, "{center} {deviation}");
    }
}

//! What the values of one tensor say: not finite, out of scale, all equal, scales of blocks.

use super::{Tensor, real};
use crate::finding::{Finding, Findings, code};
use crate::sink::tensor::TensorNumbers;
use crate::span::Span;
use crate::tensor::Dtype;
use probity_signatures::tensors;

/// `tensor-nonfinite`, `tensor-magnitude`, `tensor-constant`, `tensor-quant-scale`.
pub(super) fn inspect(tensor: &Tensor<'_>, out: &mut Findings) {
    let (Some(numbers), Some(layout)) = (&tensor.scan().numbers, tensor.swept.spec.layout) else {
        return;
    };
    if matches!(layout.dtype, Dtype::Quant(_)) {
        scales(tensor, numbers, layout.dtype, out);
        return;
    }
    if !layout.dtype.is_float() {
        return;
    }
    nonfinite(tensor, numbers, layout.dtype, out);
    magnitude(tensor, numbers, layout.dtype, out);
    constant(tensor, numbers, out);
}

/// The bytes of element `index`.
fn element(tensor: &Tensor<'_>, dtype: Dtype, index: u64) -> Span {
    let at = dtype.bytes_for(index).unwrap_or(0);
    let length = dtype.bytes_for(1).unwrap_or(0);
    Span::saturating_at(tensor.span().start().saturating_add(at), length).intersect(tensor.span())
}

fn nonfinite(tensor: &Tensor<'_>, numbers: &TensorNumbers, dtype: Dtype, out: &mut Findings) {
    let count = numbers.nonfinite();
    let Some(first) = numbers.first_nonfinite.filter(|_| count > 0) else {
        return;
    };
    let infinite = numbers.infinite.0.saturating_add(numbers.infinite.1);
    // A mask: nothing but zeros beside infinities of one sign.
    let mask = numbers.nan == 0
        && numbers.zeros.saturating_add(infinite) == numbers.values
        && (numbers.infinite.0 == 0 || numbers.infinite.1 == 0);
    let case = if tensor.is_buffer() || mask {
        "mask"
    } else if is_measured(tensor, dtype, count, numbers.values) {
        "measured"
    } else if numbers.nan > 0 {
        "nan"
    } else {
        "infinite"
    };
    let message = format!(
        "tensor {}: {} of {} elements are NaN and {infinite} infinite, the first is element {first}",
        tensor.shown(),
        numbers.nan,
        numbers.values,
    );
    let finding = tensor
        .finding(code::TENSOR_NONFINITE, element(tensor, dtype, first), message)
        .case(case)
        .evidence("nan", numbers.nan)
        .evidence("infinite", infinite)
        .evidence("elements", numbers.elements)
        .evidence("first", first);
    out.push(finding);
}

/// Whether the numbers are rather measurements than weights: an array of NumPy without a name, in double precision or
/// with more than a hundredth of such values, as tables with gaps have them.
fn is_measured(tensor: &Tensor<'_>, dtype: Dtype, such: u64, of: u64) -> bool {
    let all_over = of >= tensors().magnitude.least_elements && such.saturating_mul(100) > of;
    tensor.name == crate::format::UNNAMED_ARRAY && (dtype == Dtype::F64 || all_over)
}

fn magnitude(tensor: &Tensor<'_>, numbers: &TensorNumbers, dtype: Dtype, out: &mut Findings) {
    let limits = tensors().magnitude;
    if numbers.large == 0 {
        return;
    }
    // Of a few large ones at the start many are sampled, and may be the bulk: the middle one holds against that.
    let towers = numbers
        .over_middle()
        .is_none_or(|powers| powers >= limits.outlier_exponent)
        || numbers
            .over_bulk()
            .is_some_and(|powers| powers >= limits.outlier_exponent_bulk);
    let few = numbers.large.saturating_mul(limits.outlier_share) <= numbers.values;
    let weight = numbers.elements >= limits.least_elements && tensor.is_weight();
    let case = match (weight, few && towers) {
        (true, true) if is_measured(tensor, dtype, numbers.large, numbers.values) => "large",
        (true, true) => "outlier",
        (true, false) => "large",
        (false, _) => "other",
    };
    let first = numbers.first_abs_max.unwrap_or(0);
    let message = format!(
        "tensor {}: {} of {} elements are of magnitude {} and more; the greatest, {:e}, is element {first}",
        tensor.shown(),
        numbers.large,
        numbers.values,
        limits.large,
        numbers.abs_max,
    );
    let finding = tensor
        .finding(code::TENSOR_MAGNITUDE, element(tensor, dtype, first), message)
        .case(case)
        .evidence("large", numbers.large)
        .evidence("elements", numbers.elements)
        .evidence("element", first);
    let finding = real(finding, "greatest", numbers.abs_max);
    let finding = real(finding, "rms", numbers.rms);
    let finding = match numbers.typical_exponent {
        Some(typical) => real(finding, "typical", f64::from(typical).exp2()),
        None => finding,
    };
    out.push(match numbers.bulk_exponent {
        Some(bulk) => real(finding, "bulk", f64::from(bulk).exp2()),
        None => finding,
    });
}

fn constant(tensor: &Tensor<'_>, numbers: &TensorNumbers, out: &mut Findings) {
    if !numbers.constant || !tensor.is_weight() || numbers.elements < tensors().constant.least_elements {
        return;
    }
    let message = format!(
        "tensor {}: all {} elements are {:e}",
        tensor.shown(),
        numbers.elements,
        numbers.mean
    );
    let finding = tensor.finding(code::TENSOR_CONSTANT, tensor.span(), message);
    out.push(real(
        finding.evidence("elements", numbers.elements),
        "value",
        numbers.mean,
    ));
}

fn scales(tensor: &Tensor<'_>, numbers: &TensorNumbers, dtype: Dtype, out: &mut Findings) {
    let Some(quant) = &numbers.quant else { return };
    let bad = quant.scale_nonfinite.saturating_add(quant.min_nonfinite);
    let greatest = quant.scale_abs_max.max(quant.min_abs_max);
    let most = tensors().quant.scale;
    let add = |finding: Finding| {
        let finding = finding
            .evidence("blocks", quant.blocks)
            .evidence("nonfinite", bad)
            .evidence("zero", quant.scale_zero);
        real(finding, "greatest", greatest)
    };
    if bad > 0 {
        let block = quant.first_bad_block.unwrap_or(0);
        let size = dtype.bytes_for(1).unwrap_or(0);
        let at = tensor.span().start().saturating_add(block.saturating_mul(size));
        let message = format!(
            "tensor {}: scales or minima of {bad} blocks are not finite, block {block} is the first",
            tensor.shown()
        );
        let span = Span::saturating_at(at, size).intersect(tensor.span());
        let finding = tensor
            .finding(code::TENSOR_QUANT_SCALE, span, message)
            .case("nonfinite")
            .evidence("block", block);
        out.push(add(finding));
    } else if greatest >= most {
        let message = format!("tensor {}: a block has the scale {greatest:e}", tensor.shown());
        let first = numbers.first_abs_max.unwrap_or(0);
        let span = element(tensor, dtype, first);
        let finding = tensor.finding(code::TENSOR_QUANT_SCALE, span, message).case("large");
        out.push(add(finding));
    }
}

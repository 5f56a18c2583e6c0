//! Tensors: what their values, their bytes and their siblings say.
//!
//! From which numbers on something is told, the rules `signatures/rules/tensor-*.toml` say; what a name says of a tensor,
//! `signatures/known/tensors.toml`; what the numbers are in honest models, `docs/calibration.md`. What cannot be seen, `docs/tensors.md` says: a payload that is encrypted and spread over low bits, a model that was
//! trained to misbehave.

mod measure;
mod payload;
mod siblings;
#[cfg(test)]
mod tests;
mod values;

use super::{Closing, Inspector};
use crate::fact::Fact;
use crate::finding::{Finding, Findings, Value};
use crate::name::printable;
use crate::pipeline::spec;
use crate::sink::{TensorScan, TensorSpec};
use crate::span::Span;
use probity_signatures::{TensorRole, tensors};

/// The `tensor-` findings of one artifact.
pub(super) struct Tensors;

pub(crate) use measure::measure;

/// What the sweep saw of the bytes of a tensor.
#[derive(Clone, Debug)]
pub(crate) struct Swept {
    /// The elements' bytes, in the artifact.
    pub(crate) span: Span,
    /// How they were read.
    pub(crate) spec: TensorSpec,
    /// What was seen.
    pub(crate) scan: TensorScan,
}

/// One tensor and all that is known of it.
struct Tensor<'a> {
    name: &'a str,
    dtype: &'a str,
    shape: &'a [u64],
    swept: &'a Swept,
    role: Option<&'static TensorRole>,
    /// Which of the artifact's tensors it is.
    place: usize,
}

impl Tensor<'_> {
    /// Whether its values are judged as those of a weight: rows and columns, and no name of a buffer.
    fn is_weight(&self) -> bool {
        self.shape.len() >= 2 && !self.is_buffer()
    }

    fn is_buffer(&self) -> bool {
        self.role.is_some_and(|role| role.buffer)
    }

    fn span(&self) -> Span {
        self.swept.span
    }

    fn scan(&self) -> &TensorScan {
        &self.swept.scan
    }

    fn shown(&self) -> String {
        printable(self.name.as_bytes())
    }

    /// A finding about the tensor: what it is goes along.
    fn finding(&self, code: &'static str, span: Span, message: String) -> Finding {
        let shown = self.shown();
        let finding = Finding::new(code, span, message).key(shown.as_str());
        let shape: Vec<String> = self.shape.iter().take(16).map(u64::to_string).collect();
        let finding = finding
            .evidence("tensor", shown)
            .evidence("dtype", self.dtype)
            .evidence("shape", format!("[{}]", shape.join(", ")))
            .evidence("offset", self.span().start());
        match self.role {
            Some(role) => finding.evidence("role", role.name.as_str()),
            None => finding,
        }
    }
}

/// Adds a number as evidence.
fn real(finding: Finding, key: &'static str, number: f64) -> Finding {
    finding.evidence(key, Value::Real(number))
}

impl Inspector for Tensors {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        if artifact.tensors.is_empty() {
            return;
        }
        let (named, taken) = named(artifact);
        let unnamed: Vec<(String, &Swept)> = artifact
            .tensors
            .iter()
            .zip(taken)
            .filter(|(swept, taken)| !taken && !swept.scan.payloads.is_empty())
            .map(|(swept, _)| {
                let leaf = artifact.leaf_at(swept.span.start());
                (leaf.map_or_else(String::new, |leaf| leaf.name.to_string()), swept)
            })
            .collect();
        for tensor in &named {
            values::inspect(tensor, out);
            payload::inspect(artifact, tensor, out);
        }
        for (name, swept) in &unnamed {
            let tensor = Tensor {
                name,
                dtype: "",
                shape: &[],
                swept,
                role: None,
                place: 0,
            };
            payload::inspect(artifact, &tensor, out);
        }
        siblings::inspect(&named, out);
    }
}

/// The tensors that facts name and the sweep looked at, and which of the swept ones have a name.
fn named<'a>(artifact: &'a Closing<'_>) -> (Vec<Tensor<'a>>, Vec<bool>) {
    let length = artifact.window.len();
    let mut named: Vec<Tensor<'_>> = Vec::new();
    let mut taken = vec![false; artifact.tensors.len()];
    for fact in artifact.facts {
        let Fact::Tensor {
            name,
            dtype,
            shape,
            span,
        } = fact
        else {
            continue;
        };
        let spec = spec(dtype, shape, *span, length);
        let Some(at) = find(artifact.tensors, *span, spec) else {
            continue;
        };
        if let (Some(swept), Some(taken)) = (artifact.tensors.get(at), taken.get_mut(at)) {
            // Names for the same bytes: the first one counts, the others are told with it nowhere else.
            if !std::mem::replace(taken, true) {
                named.push(Tensor {
                    name,
                    dtype,
                    shape,
                    swept,
                    role: tensors().role(name),
                    place: named.len(),
                });
            }
        }
    }
    (named, taken)
}

/// The scan of `span` as `spec`.
fn find(all: &[Swept], span: Span, spec: TensorSpec) -> Option<usize> {
    let first = all.partition_point(|swept| swept.span < span);
    let same = all.get(first..)?.iter().take_while(|swept| swept.span == span);
    same.enumerate()
        .find(|(_, swept)| swept.spec == spec)
        .and_then(|(at, _)| first.checked_add(at))
}

//! What the thresholds are held against, tensor by tensor: by the same code that the findings come from.

use super::{Tensor, named, payload, siblings, values};
use crate::calibration::{Fired, Measured, Sibling};
use crate::finding::Findings;
use crate::inspect::Closing;

/// All named tensors of the artifact, in the order of its facts.
pub(crate) fn measure(artifact: &Closing<'_>) -> Vec<Measured> {
    let (named, _) = named(artifact);
    let standings = siblings::standings(&named);
    let mut beside = Findings::default();
    siblings::inspect(&named, &mut beside);
    let beside = beside.as_slice();
    let measured = named.iter().zip(standings).map(|(tensor, (norm, low))| {
        let mut alone = Findings::default();
        values::inspect(tensor, &mut alone);
        payload::inspect(artifact, tensor, &mut alone);
        let beside = beside.iter().filter(|finding| finding.span == tensor.span());
        let fired = alone.iter().chain(beside).map(|finding| Fired {
            code: finding.code,
            case: finding.case,
        });
        let sibling = |standing: siblings::Standing| Sibling {
            deviations: standing.deviations,
            factor: standing.factor,
        };
        Measured {
            text: payload::read_texts(artifact, tensor)
                .iter()
                .map(|(run, _)| run.length)
                .max()
                .unwrap_or(0),
            norm: norm.map(sibling),
            low: low.map(sibling),
            fired: fired.collect(),
            ..plain(tensor)
        }
    });
    measured.collect()
}

fn plain(tensor: &Tensor<'_>) -> Measured {
    let scan = tensor.scan();
    let kept = u64::try_from(scan.payloads.len()).unwrap_or(u64::MAX);
    Measured {
        name: tensor.shown(),
        layout: tensor.swept.spec.layout,
        shape: tensor.shape.to_vec(),
        span: tensor.span(),
        role: tensor.role.map(|role| role.name.as_str()),
        weight: tensor.is_weight(),
        numbers: scan.numbers.clone(),
        hash: scan.hash,
        printable: scan.texts.iter().map(|run| run.length).max().unwrap_or(0),
        text: 0,
        candidates: kept.saturating_add(scan.dropped),
        norm: None,
        low: None,
        fired: Vec::new(),
    }
}

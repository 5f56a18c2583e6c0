//! `diff --format json`: schema `probity.diff/1` (docs/diff.md).

use super::at;
use crate::report::json::{error, hex, value};
use probity_engine::Severity;
use probity_engine::diff::{Change, Comparison, Model, Side, TensorChange, TensorName};
use probity_engine::finding::Elsewhere;
use probity_engine::name::printable;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// The schema this renderer writes.
const SCHEMA: &str = "probity.diff/1";

/// Writes one document.
pub(crate) fn render(diff: &Comparison, out: &mut dyn Write) -> io::Result<()> {
    let counts: Map<String, Value> = Severity::ALL
        .iter()
        .rev()
        .map(|s| (s.as_str().to_owned(), json!(diff.count(*s))))
        .collect();
    let document = json!({
        "schema": SCHEMA,
        "tool": { "name": "probity", "version": env!("CARGO_PKG_VERSION"), "rules": diff.rules.digest() },
        "verdict": diff.verdict.as_str(),
        "complete": diff.complete,
        "identical": diff.identical,
        "old": side(&diff.old),
        "new": side(&diff.new),
        "summary": { "unchanged": diff.unchanged, "changes": counts },
        "changes": diff.changes.iter().map(change).collect::<Vec<_>>(),
        "model": diff.model.as_ref().map(model),
    });
    serde_json::to_writer_pretty(&mut *out, &document)?;
    writeln!(out)
}

fn side(side: &Side) -> Value {
    let errors: Vec<Value> = side
        .errors
        .iter()
        .map(|(place, one)| json!({ "at": at(place), "error": error(one) }))
        .collect();
    json!({
        "path": side.path,
        "format": side.format,
        "size": side.size,
        "digests": side.sha256.map(|d| json!({ "sha256": hex(&d) })),
        "artifacts": side.artifacts,
        "complete": side.complete,
        "errors": errors,
    })
}

fn place(place: Option<&Elsewhere>) -> Value {
    match place {
        Some(place) => json!({ "path": place.path, "nested": place.nested }),
        None => Value::Null,
    }
}

fn change(change: &Change) -> Value {
    let f = &change.judged.finding;
    let evidence: Map<String, Value> = f.evidence.iter().map(|(k, v)| ((*k).to_owned(), value(v))).collect();
    json!({
        "code": f.code,
        "case": f.case,
        "severity": change.judged.severity.as_str(),
        "confidence": change.judged.confidence.as_str(),
        "message": printable(f.message.as_bytes()),
        "fingerprint": change.judged.fingerprint,
        "old": place(change.old.as_ref()),
        "new": place(change.new.as_ref()),
        "region": printable(f.region.as_bytes()),
        "evidence": evidence,
    })
}

fn model(model: &Model) -> Value {
    json!({
        "looks": model.looks,
        "summary": model.summary,
        "tensors": { "old": model.old, "new": model.new, "compared": model.compared, "identical": model.identical },
        "kinds": model.kinds,
        "changes": model.changes.iter().map(tensor).collect::<Vec<_>>(),
        "added": model.added.iter().map(name).collect::<Vec<_>>(),
        "removed": model.removed.iter().map(name).collect::<Vec<_>>(),
        "unlisted": model.unlisted,
    })
}

fn name(tensor: &TensorName) -> Value {
    json!({ "name": tensor.name, "dtype": tensor.dtype, "shape": tensor.shape })
}

fn tensor(t: &TensorChange) -> Value {
    let [old, new] = &t.dtypes;
    let [before, after] = &t.shapes;
    json!({
        "name": t.name,
        "old_name": t.old_name,
        "paired_by_order": t.by_order,
        "kind": t.kind.as_str(),
        "dtype": { "old": old, "new": new },
        "shape": { "old": before, "new": after },
        "elements": t.elements,
        "changed": t.changed,
        "changed_fraction": (t.elements > 0).then(|| round(t.changed as f64 / t.elements as f64)),
        "nonfinite": t.nonfinite,
        "norm": round(t.norm),
        "relative_norm": t.relative.map(round),
        "largest": round(t.largest),
        "low_bits": t.low_bits,
        "rank": t.rank.as_ref().map(|r| json!({
            "effective": r.effective, "energy_first": round(r.first), "energy_captured": round(r.captured),
        })),
        "outlier": t.outlier,
        "note": t.note.as_ref().map(|n| printable(n.as_bytes())),
    })
}

/// Six significant digits: the rest is rounding of sums.
fn round(x: f64) -> f64 {
    format!("{x:.5e}").parse().unwrap_or(x)
}

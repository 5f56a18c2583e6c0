//! Scans paths and prints one JSON line for each artifact with tensors, and one for each tensor: what `cargo xtask calibrate` reads.
//!
//! ```sh
//! cargo run --release -p probity-engine --example tensor_statistics -- model.safetensors
//! ```
//!
//! A line with `format` is an artifact, and what could not be done with it; one with `dtype` a tensor of the artifact before it.

use probity_engine::artifact::Artifact;
use probity_engine::calibration::{Measured, Sibling};
use probity_engine::pipeline::{Options, Scanner, Silent};
use serde_json::{Value, json};
use std::error::Error;
use std::io::{BufWriter, Write, stdout};
use std::path::Path;

fn main() -> Result<(), Box<dyn Error>> {
    let options = Options {
        measure_tensors: true,
        ..Options::default()
    };
    let scanner = Scanner::new(options)?;
    let mut roots = Vec::new();
    for path in std::env::args_os().skip(1) {
        let path = Path::new(&path);
        let root = scanner.resolve(path);
        roots.push(root.map_err(|error| format!("{}: {error}", path.display()))?);
    }
    let report = scanner.scan(&roots, None, &Silent);
    let mut out = BufWriter::new(stdout().lock());
    for artifact in report.artifacts.iter().filter(|artifact| told(artifact)) {
        writeln!(out, "{}", of_artifact(artifact))?;
        for tensor in &artifact.measured {
            writeln!(out, "{}", of_tensor(tensor))?;
        }
    }
    out.flush()?;
    Ok(())
}

fn told(artifact: &Artifact) -> bool {
    !artifact.measured.is_empty() || !artifact.errors.is_empty()
}

fn of_artifact(artifact: &Artifact) -> Value {
    let errors: Vec<&str> = artifact.errors.iter().map(|error| error.message.as_str()).collect();
    let findings = artifact.findings.iter().map(|judged| {
        json!({
            "code": judged.finding.code,
            "case": judged.finding.case,
            "severity": judged.severity.as_str(),
            "message": judged.finding.message,
        })
    });
    json!({
        "path": artifact.path,
        "nested": artifact.nested,
        "format": artifact.format,
        "errors": errors,
        "findings": findings.collect::<Vec<_>>(),
    })
}

fn of_tensor(tensor: &Measured) -> Value {
    let sibling = |known: &Option<Sibling>| known.map(|known| json!([known.deviations, known.factor]));
    let numbers = tensor.numbers.as_ref().map(|n| {
        json!({
            "elements": n.elements,
            "values": n.values,
            "nonfinite": n.nonfinite(),
            "zeros": n.zeros,
            "greatest": n.abs_max,
            "large": n.large,
            "rms": n.rms,
            "kurtosis": n.kurtosis,
            "over_middle": n.over_middle(),
            "over_bulk": n.over_bulk(),
            "constant": n.constant,
            "low_samples": n.low_byte.map(|low| low.samples),
            "low_chi_square": n.low_byte.map(|low| low.chi_square),
            "scale": n.quant.as_ref().map(|quant| quant.scale_abs_max.max(quant.min_abs_max)),
            "bad_scales": n.quant.as_ref().map(|quant| quant.scale_nonfinite.saturating_add(quant.min_nonfinite)),
        })
    });
    let fired: Vec<Value> = tensor
        .fired
        .iter()
        .map(|fired| json!([fired.code, fired.case]))
        .collect();
    json!({
        "name": tensor.name,
        "dtype": tensor.layout.map(|layout| layout.dtype.name()),
        "float": tensor.layout.is_some_and(|layout| layout.dtype.is_float()),
        "big_endian": tensor.layout.is_some_and(|layout| layout.big_endian),
        "shape": tensor.shape,
        "offset": tensor.span.start(),
        "length": tensor.span.len(),
        "role": tensor.role,
        "weight": tensor.weight,
        "hash": format!("{:016x}", tensor.hash),
        "numbers": numbers,
        "printable": tensor.printable,
        "text": tensor.text,
        "candidates": tensor.candidates,
        "norm": sibling(&tensor.norm),
        "low": sibling(&tensor.low),
        "fired": fired,
    })
}

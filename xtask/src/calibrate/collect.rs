//! Runs the engine's example and reads what it prints: artifacts, each with its tensors.

use std::collections::BTreeSet;
use std::path::Path;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::run::Cmd;

/// What one run saw.
#[derive(Default)]
pub(super) struct Scanned {
    /// Artifacts with tensors.
    pub(super) artifacts: Vec<Artifact>,
    /// What could not be examined.
    pub(super) problems: Vec<String>,
}

/// An artifact with tensors: a model file.
#[derive(Deserialize)]
pub(super) struct Artifact {
    /// Below the folder that was scanned.
    pub(super) path: String,
    pub(super) nested: Option<String>,
    pub(super) format: String,
    errors: Vec<String>,
    pub(super) findings: Vec<Finding>,
    #[serde(skip)]
    pub(super) tensors: Vec<Tensor>,
}

impl Artifact {
    /// The package, or the folder of variants, that it belongs to.
    pub(super) fn package(&self) -> &str {
        self.path.split('/').next().unwrap_or_default()
    }

    /// What is told of it at medium or above, whatever the code.
    pub(super) fn serious(&self) -> impl Iterator<Item = String> {
        let serious = self
            .findings
            .iter()
            .filter(|finding| !matches!(finding.severity.as_str(), "low" | "info"));
        serious.map(|finding| format!("{} {}: {}", finding.severity, finding.code, finding.message))
    }
}

#[derive(Deserialize)]
pub(super) struct Finding {
    pub(super) code: String,
    pub(super) severity: String,
    message: String,
}

/// One tensor, as the example prints it.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Tensor {
    pub(super) name: String,
    /// The engine's name of its type; empty where its bytes are no elements.
    #[serde(deserialize_with = "or_empty")]
    pub(super) dtype: String,
    pub(super) float: bool,
    pub(super) big_endian: bool,
    pub(super) shape: Vec<u64>,
    pub(super) offset: u64,
    pub(super) length: u64,
    pub(super) weight: bool,
    hash: String,
    pub(super) numbers: Option<Numbers>,
    pub(super) printable: u64,
    pub(super) text: u64,
    pub(super) candidates: u64,
    pub(super) norm: Option<(f64, f64)>,
    pub(super) low: Option<(f64, f64)>,
    pub(super) fired: Vec<(String, Option<String>)>,
}

/// The statistics of its elements.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Numbers {
    pub(super) elements: u64,
    pub(super) values: u64,
    pub(super) nonfinite: u64,
    pub(super) zeros: u64,
    pub(super) greatest: f64,
    pub(super) large: u64,
    pub(super) rms: f64,
    pub(super) kurtosis: f64,
    pub(super) over_middle: Option<f64>,
    pub(super) over_bulk: Option<f64>,
    pub(super) low_samples: Option<u64>,
    pub(super) low_chi_square: Option<f64>,
    pub(super) scale: Option<f64>,
    pub(super) bad_scales: Option<u64>,
}

fn or_empty<'de, D: serde::Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(Option::<String>::deserialize(from)?.unwrap_or_default())
}

impl Tensor {
    pub(super) fn elements(&self) -> u64 {
        self.numbers.as_ref().map_or(0, |numbers| numbers.elements)
    }

    /// Its shape, when that is one of `elements`; else a row of them.
    pub(super) fn shape_of(&self, elements: usize) -> Vec<u64> {
        let elements = elements as u64;
        let product = self.shape.iter().try_fold(1u64, |n, dim| n.checked_mul(*dim));
        if product == Some(elements) && !self.shape.is_empty() {
            self.shape.clone()
        } else {
            vec![elements]
        }
    }

    /// What tensors with the same elements share.
    pub(super) fn identity(&self) -> (String, u64, String, [u64; 3]) {
        let numbers = self.numbers.as_ref();
        let bits = |pick: fn(&Numbers) -> f64| numbers.map_or(0, |numbers| pick(numbers).to_bits());
        let bits = [bits(|n| n.greatest), bits(|n| n.rms), bits(|n| n.kurtosis)];
        (self.hash.clone(), self.length, self.dtype.clone(), bits)
    }

    /// The family it is counted in.
    pub(super) fn family(&self) -> Family {
        match self.dtype.as_str() {
            "F64" => Family::F64,
            "F32" => Family::F32,
            "F16" => Family::F16,
            "BF16" => Family::Bf16,
            name if name.starts_with("F8") => Family::F8,
            "" => Family::Bytes,
            _ if self.float => Family::OtherFloat,
            _ if self.numbers.as_ref().is_some_and(|numbers| numbers.scale.is_some()) => Family::Blocks,
            _ => Family::Integers,
        }
    }
}

/// Element types that are counted together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Family {
    F64,
    F32,
    F16,
    Bf16,
    F8,
    OtherFloat,
    Blocks,
    Integers,
    Bytes,
}

impl Family {
    pub(super) const ALL: [Self; 9] = [
        Self::F64,
        Self::F32,
        Self::F16,
        Self::Bf16,
        Self::F8,
        Self::OtherFloat,
        Self::Blocks,
        Self::Integers,
        Self::Bytes,
    ];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::F64 => "F64",
            Self::F32 => "F32",
            Self::F16 => "F16",
            Self::Bf16 => "BF16",
            Self::F8 => "F8",
            Self::OtherFloat => "other floats",
            Self::Blocks => "quantised blocks",
            Self::Integers => "integers",
            Self::Bytes => "bytes",
        }
    }

    pub(super) fn is_float(self) -> bool {
        self <= Self::OtherFloat
    }
}

/// Scans the folders `names` below `dir` with the engine's example.
///
/// # Errors
///
/// When the example fails or prints what is not understood.
pub(super) fn scan(program: &Path, dir: &Path, names: &[&str]) -> Result<Scanned> {
    let text = Cmd::new(program).args(names).dir(dir).read()?;
    let mut scanned = parse(&text)?;
    for name in names {
        if !scanned.artifacts.iter().any(|artifact| artifact.package() == *name) {
            scanned.problems.push(format!("{name}: no tensors"));
        }
    }
    Ok(scanned)
}

fn parse(text: &str) -> Result<Scanned> {
    let mut scanned = Scanned::default();
    for (number, line) in text.lines().enumerate() {
        let context = || format!("line {} of the example's output", number + 1);
        let value: serde_json::Value = serde_json::from_str(line).with_context(context)?;
        if value.get("format").is_some() {
            let artifact: Artifact = serde_json::from_value(value).with_context(context)?;
            let errors = artifact
                .errors
                .iter()
                .map(|error| format!("{}: {error}", artifact.path));
            scanned.problems.extend(errors);
            scanned.artifacts.push(artifact);
        } else {
            let tensor = serde_json::from_value(value).with_context(context)?;
            match scanned.artifacts.last_mut() {
                Some(artifact) => artifact.tensors.push(tensor),
                None => bail!("a tensor before any artifact"),
            }
        }
    }
    scanned.artifacts.retain(|artifact| !artifact.tensors.is_empty());
    Ok(scanned)
}

/// The tensors of all artifacts, of those with the same elements the first; what was told of any of them is told of it.
pub(super) fn distinct(scanned: &Scanned) -> Vec<Tensor> {
    let mut places = std::collections::BTreeMap::new();
    let mut out: Vec<Tensor> = Vec::new();
    for tensor in scanned.artifacts.iter().flat_map(|artifact| &artifact.tensors) {
        let at = *places.entry(tensor.identity()).or_insert_with(|| {
            out.push(tensor.clone());
            out.len() - 1
        });
        let known = &mut out[at];
        known.norm = known.norm.or(tensor.norm);
        known.low = known.low.or(tensor.low);
        known.weight |= tensor.weight;
        let fired: BTreeSet<_> = known.fired.drain(..).chain(tensor.fired.iter().cloned()).collect();
        known.fired = fired.into_iter().collect();
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, hash: &str, fired: &str) -> String {
        format!(
            r#"{{"name":"{name}","dtype":"F32","float":true,"big_endian":false,"shape":[2],"offset":8,"length":8,"role":null,"weight":false,"hash":"{hash}","numbers":null,"printable":0,"text":0,"candidates":0,"norm":null,"low":null,"fired":{fired}}}"#
        )
    }

    #[test]
    fn tensors_belong_to_the_artifact_before_them_and_equal_ones_count_once() {
        let artifact = r#"{"errors":[],"findings":[],"format":"npy","nested":null,"path":"a/b.npy"}"#;
        let broken = r#"{"errors":["cut"],"findings":[],"format":"zip","nested":null,"path":"a/c.zip"}"#;
        let fired = r#"[["tensor-duplicate",null]]"#;
        let text = [
            artifact,
            &line("x", "1", "[]"),
            &line("y", "1", fired),
            &line("z", "2", "[]"),
            broken,
        ]
        .join("\n");
        let scanned = parse(&text).unwrap();
        assert_eq!((scanned.artifacts.len(), scanned.artifacts[0].tensors.len()), (1, 3));
        assert_eq!(scanned.artifacts[0].package(), "a");
        assert_eq!(scanned.problems, ["a/c.zip: cut"]);
        let distinct = distinct(&scanned);
        assert_eq!(distinct.len(), 2);
        assert_eq!(distinct[0].fired, [("tensor-duplicate".to_owned(), None)]);
        assert!(parse(&line("x", "1", "[]")).is_err());
    }
}

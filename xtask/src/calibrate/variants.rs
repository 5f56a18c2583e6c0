//! The published weights of single precision in the types that they are published in elsewhere: safetensors of BF16, F16 and
//! both kinds of F8, and GGUF files of quantised blocks.
//!
//! A variant has the names and shapes of its source, so that siblings stay siblings. Quantised are weights with rows and columns, as
//! converters do: no vectors, no buffers. Where a row is no multiple of a block the whole tensor is taken for one row; what holds
//! no whole number of blocks is left out.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::os::unix::fs::FileExt as _;
use std::path::Path;

use anyhow::{Context, Result};
use probity_tests::build::{gguf, safetensors};

use super::cast::{BF16, F8_E4M3, F8_E5M2, F16, Narrow};
use super::collect::{Scanned, Tensor};
use super::quantise::{BLOCKS, Block};

const NARROW: [(&str, Narrow, usize); 4] = [
    ("BF16", BF16, 2),
    ("F16", F16, 2),
    ("F8_E4M3", F8_E4M3, 1),
    ("F8_E5M2", F8_E5M2, 1),
];

/// The folders that variants are written to, one for each type.
pub(super) fn folders() -> Vec<&'static str> {
    let narrow = NARROW.iter().map(|(name, ..)| *name);
    narrow.chain(BLOCKS.iter().map(|block| block.name)).collect()
}

/// Writes the variants of all distinct tensors of single precision that lie in place in a file below `from`.
pub(super) fn write(published: &Scanned, from: &Path, into: &Path) -> Result<()> {
    for folder in folders() {
        fs::create_dir_all(into.join(folder))?;
    }
    let mut seen = BTreeSet::new();
    let sources = published.artifacts.iter().filter(|artifact| artifact.nested.is_none());
    for (number, artifact) in sources.enumerate() {
        let path = from.join(&artifact.path);
        let in_place = artifact.tensors.iter().filter(|tensor| {
            tensor.dtype == "F32" && !tensor.big_endian && tensor.elements() > 0 && seen.insert(tensor.identity())
        });
        let mut weights: BTreeMap<String, (&Tensor, Vec<f32>)> = BTreeMap::new();
        let mut file = None;
        for tensor in in_place {
            let open = match file.take() {
                Some(open) => open,
                None => File::open(&path).with_context(|| path.display().to_string())?,
            };
            let mut bytes = vec![0u8; usize::try_from(tensor.length)?];
            open.read_exact_at(&mut bytes, tensor.offset)
                .with_context(|| format!("{}: {}", path.display(), tensor.name))?;
            file = Some(open);
            let values = bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
            weights.insert(file_name(&tensor.name, &weights), (tensor, values.collect()));
        }
        if !weights.is_empty() {
            narrow(&weights, into, number)?;
            blocks(&weights, into, number)?;
        }
    }
    Ok(())
}

/// A name that a header holds without escapes, and that is not taken. Its end, by which its role is known, stays.
fn file_name<T>(name: &str, taken: &BTreeMap<String, T>) -> String {
    let plain: String = name
        .chars()
        .map(|c| {
            if matches!(c, '"' | '\\') || c.is_control() {
                '_'
            } else {
                c
            }
        })
        .collect();
    let mut free = plain.clone();
    let mut copy = 1;
    while free.is_empty() || taken.contains_key(&free) {
        copy += 1;
        free = format!("copy{copy}.{plain}");
    }
    free
}

fn narrow(weights: &BTreeMap<String, (&Tensor, Vec<f32>)>, into: &Path, number: usize) -> Result<()> {
    for (name, kind, width) in NARROW {
        let tensors = weights.iter().map(|(tensor, (known, values))| {
            let codes = values.iter().map(|value| kind.of(*value).to_le_bytes());
            let data = codes.flat_map(|code| code.into_iter().take(width)).collect();
            safetensors::Tensor::new(tensor, name, &known.shape_of(values.len()), data)
        });
        let file = safetensors::SafeTensors {
            tensors: tensors.collect(),
            align: 8,
            ..safetensors::SafeTensors::default()
        };
        fs::write(into.join(name).join(format!("{number:04}.safetensors")), file.build())?;
    }
    Ok(())
}

fn blocks(weights: &BTreeMap<String, (&Tensor, Vec<f32>)>, into: &Path, number: usize) -> Result<()> {
    for block in BLOCKS {
        let whole = weights
            .iter()
            .filter(|(_, (known, values))| known.weight && values.len().is_multiple_of(block.elements));
        let tensors: Vec<gguf::Tensor> = whole
            .map(|(tensor, (known, values))| gguf::Tensor {
                name: tensor.clone(),
                kind: block.kind,
                dims: dims(&block, known, values.len()),
                data: block.quantise(values),
                offset: None,
            })
            .collect();
        if tensors.is_empty() {
            continue;
        }
        let file = gguf::Gguf {
            kv: vec![("general.architecture".to_owned(), gguf::Value::text("llama"))],
            tensors,
            ..gguf::Gguf::new(3, false)
        };
        fs::write(into.join(block.name).join(format!("{number:04}.gguf")), file.build())?;
    }
    Ok(())
}

/// Dimensions, the fastest first; one where the rows are no multiple of a block, or there are more than GGUF has.
fn dims(block: &Block, tensor: &Tensor, elements: usize) -> Vec<u64> {
    let shape = tensor.shape_of(elements);
    let rows = shape
        .last()
        .is_some_and(|row| row.is_multiple_of(block.elements as u64));
    if rows && shape.len() <= 4 {
        shape.into_iter().rev().collect()
    } else {
        vec![elements as u64]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_plain_and_never_taken_twice() {
        let mut taken = BTreeMap::new();
        for expected in ["a_b", "copy2.a_b", "copy3.a_b"] {
            let name = file_name("a\"b", &taken);
            assert_eq!(name, expected);
            taken.insert(name, ());
        }
        assert_eq!(file_name("", &taken), "copy2.");
    }
}

//! `--manifest FILE`: the digests of all tensors, written when FILE is not there, compared with when it is.
//! `--manifest-check FILE` compares and never writes. Schema `probity.manifest/1`.

use crate::fresh;
use anyhow::{Context, Result, bail};
use probity_engine::artifact::{Report, TensorDigest};
use probity_engine::policy::{ManifestEntry, TensorManifest};
use probity_engine::span::Span;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

const SCHEMA: &str = "probity.manifest/1";
/// The largest manifest that is read: a million tensors.
const LARGEST: u64 = 512 << 20;

#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    tool: Tool,
    tensors: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Tool {
    name: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Item {
    /// The artifact below its root; empty for a root that is a file.
    path: String,
    nested: Option<String>,
    name: String,
    dtype: String,
    shape: Vec<u64>,
    offset: u64,
    length: u64,
    sha256: String,
    /// Over all but the lowest byte of each element.
    high_bytes_sha256: Option<String>,
}

/// Reads a manifest; `None` when there is no such file.
///
/// # Errors
/// When it cannot be read, is too large, or is not a manifest of this schema.
pub(crate) fn read(path: &Path) -> Result<Option<TensorManifest>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(error).with_context(|| path.display().to_string()),
    };
    parse(file).map(Some).with_context(|| path.display().to_string())
}

fn parse(file: File) -> Result<TensorManifest> {
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bail!("larger than 512 MiB");
    }
    let document: Document =
        serde_json::from_slice(&bytes).context("not a manifest (remove the file to have it written)")?;
    if document.schema != SCHEMA {
        bail!("its schema is {:?}, this build reads {SCHEMA:?}", document.schema);
    }
    let mut entries = Vec::with_capacity(document.tensors.len());
    for (number, item) in (1..).zip(document.tensors) {
        entries.push(entry(item).with_context(|| format!("tensor {number}"))?);
    }
    Ok(TensorManifest { entries })
}

fn entry(item: Item) -> Result<ManifestEntry> {
    let digest = |text: &str| crate::policy::digest(text).context("a digest is not 64 hexadecimal digits");
    let high = item.high_bytes_sha256.as_deref().map(digest).transpose()?;
    let span = Span::at(item.offset, item.length).context("offset and length overflow")?;
    Ok(ManifestEntry {
        path: item.path,
        nested: item.nested,
        tensor: TensorDigest::new(&item.name, &item.dtype, item.shape, span, digest(&item.sha256)?, high),
    })
}

/// A manifest that will be written: its place is taken before anything is scanned.
pub(crate) struct Fresh(fresh::Fresh);

impl Fresh {
    /// Makes the file beside its place, under another name.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        Ok(Self(fresh::Fresh::new("manifest", path)?))
    }

    /// Writes the tensors of `report` and puts the file in its place, whole or not at all. Tells what was written.
    ///
    /// # Errors
    /// What the operating system reports; a file that has come to stand there is left as it is.
    pub(crate) fn write(self, report: &Report) -> Result<String> {
        let entries = report.manifest.as_ref().map(|manifest| manifest.entries.as_slice());
        let tensors: Vec<Item> = entries.unwrap_or_default().iter().map(item).collect();
        let count = tensors.len();
        let document = Document {
            schema: SCHEMA.to_owned(),
            tool: Tool {
                name: "probity".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            tensors,
        };
        let mut bytes = serde_json::to_vec_pretty(&document)?;
        bytes.push(b'\n');
        let name = self.0.name();
        self.0.put(&bytes)?;
        let plural = if count == 1 { "tensor" } else { "tensors" };
        let partial = if report.complete {
            ""
        } else {
            "; the scan was not complete, and neither is the manifest"
        };
        Ok(format!("wrote the manifest {name} with {count} {plural}{partial}"))
    }
}

fn item(entry: &ManifestEntry) -> Item {
    let hex = |digest: &[u8; 32]| digest.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let tensor = &entry.tensor;
    Item {
        path: entry.path.clone(),
        nested: entry.nested.clone(),
        name: tensor.name.to_string(),
        dtype: tensor.dtype.to_string(),
        shape: tensor.shape.clone(),
        offset: tensor.span.start(),
        length: tensor.span.len(),
        sha256: hex(&tensor.sha256),
        high_bytes_sha256: tensor.high.as_ref().map(hex),
    }
}

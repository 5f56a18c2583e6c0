//! `--baseline FILE`: written when it is not there, compared with when it is. Schema `probity.baseline/1`.
//!
//! A run that writes a baseline is judged without it: what is accepted is accepted by whoever commits the file.

use crate::fresh;
use anyhow::{Context, Result, bail};
use probity_engine::Severity;
use probity_engine::artifact::Report;
use probity_engine::policy::{Baseline, BaselineEntry};
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::Path;

const SCHEMA: &str = "probity.baseline/1";
/// The largest baseline that is read: some 150,000 findings.
const LARGEST: u64 = 64 << 20;

/// The start of every schema.
#[derive(Deserialize)]
struct Header {
    schema: String,
}

#[derive(Serialize, Deserialize)]
struct Document {
    schema: String,
    tool: Tool,
    findings: Vec<Item>,
}

#[derive(Serialize, Deserialize)]
struct Tool {
    name: String,
    version: String,
}

#[derive(Serialize, Deserialize)]
struct Item {
    code: String,
    fingerprint: String,
    severity: Severity,
    path: String,
    nested: Option<String>,
    sha256: Option<String>,
}

/// Reads a baseline; `None` when there is no such file.
///
/// # Errors
/// When it cannot be read, is too large, or is not a baseline of this schema.
pub(crate) fn read(path: &Path) -> Result<Option<Baseline>> {
    let name = path.display().to_string();
    read_file(path, &name).with_context(|| format!("--baseline {name}"))
}

fn read_file(path: &Path, name: &str) -> Result<Option<Baseline>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    };
    let mut bytes = Vec::new();
    file.take(LARGEST + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > LARGEST {
        bail!("larger than 64 MiB");
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&bytes);
    let again = "not a baseline (remove the file to have it written)";
    let header: Header = serde_json::from_slice(bytes).context(again)?;
    if header.schema != SCHEMA {
        bail!("its schema is {:?}, this build reads {SCHEMA:?}", header.schema);
    }
    let document: Document = serde_json::from_slice(bytes).context(again)?;
    let mut entries = Vec::with_capacity(document.findings.len());
    for (number, item) in (1..).zip(document.findings) {
        entries.push(entry(item).with_context(|| format!("finding {number}"))?);
    }
    Ok(Some(Baseline::new(name, entries)))
}

fn entry(item: Item) -> Result<BaselineEntry> {
    let sha256 = match &item.sha256 {
        None if item.severity >= Severity::High => bail!("at high and above an entry needs the artifact's sha256"),
        None => None,
        Some(text) => Some(crate::policy::digest(text).context("sha256 is not 64 hexadecimal digits")?),
    };
    Ok(BaselineEntry {
        path: item.path,
        nested: item.nested,
        code: item.code,
        fingerprint: item.fingerprint,
        severity: item.severity,
        sha256,
    })
}

/// A baseline that will be written: its place is taken before anything is scanned.
pub(crate) struct Fresh(fresh::Fresh);

impl Fresh {
    /// Makes the file beside its place, under another name.
    ///
    /// # Errors
    /// When it cannot be written there.
    pub(crate) fn new(path: &Path) -> Result<Self> {
        Ok(Self(fresh::Fresh::new("baseline", path)?))
    }

    /// Writes what `report` found and puts the file in its place, whole or not at all. Tells what was written.
    ///
    /// # Errors
    /// What the operating system reports; a file that has come to stand there is left as it is.
    pub(crate) fn write(self, report: &Report) -> Result<String> {
        let (entries, left_out) = Baseline::of(report);
        let count = entries.len();
        let document = Document {
            schema: SCHEMA.to_owned(),
            tool: Tool {
                name: "probity".to_owned(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
            },
            findings: entries.into_iter().map(item).collect(),
        };
        let mut bytes = serde_json::to_vec_pretty(&document)?;
        bytes.push(b'\n');
        let name = self.0.name();
        self.0.put(&bytes)?;
        let missing = match left_out {
            0 => String::new(),
            n => format!("; {n} left out, whose artifacts were not read to their end"),
        };
        let plural = if count == 1 { "finding" } else { "findings" };
        Ok(format!(
            "wrote the baseline {name} with {count} {plural}{missing}; this run is judged without it"
        ))
    }
}

fn item(entry: BaselineEntry) -> Item {
    Item {
        code: entry.code,
        fingerprint: entry.fingerprint,
        severity: entry.severity,
        path: entry.path,
        nested: entry.nested,
        sha256: entry
            .sha256
            .map(|digest| digest.iter().map(|b| format!("{b:02x}")).collect()),
    }
}

//! What a comparison needs of an artifact once its facts are gone: kept on request only, bounded, and without judgement.
//!
//! A scan drops facts when an artifact is closed. `diff` looks at two artifacts at once, so it asks for an inventory:
//! what is imported, exported and called, what runs at installation, which tensors lie where. The bytes themselves are
//! read again from the file, or, where they had to be decoded, from the decoded copy, which then lives as long as the
//! inventory.

use crate::fact::{CallableUse, Fact};
use crate::ledger::{Ledger, Role};
use crate::name::printable;
use crate::source::ReadAt;
use crate::span::Span;
use probity_signatures::{Classification, callables};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;

/// Names of one kind that are kept of one artifact; more are counted.
const MOST: usize = 16_384;
/// The longest manifest that is read.
pub(crate) const MANIFEST: u64 = 1 << 20;
/// What npm runs without being asked, and what a checkout or a publisher runs.
const STAGES: [&str; 6] = [
    "preinstall",
    "install",
    "postinstall",
    "prepare",
    "preprepare",
    "postprepare",
];

/// Where the bytes of an artifact can be read again.
#[derive(Clone, Default)]
pub(crate) enum Place {
    /// In the root's file, from this offset on.
    File(u64),
    /// In a decoded copy, from this offset on.
    Copy(Arc<dyn ReadAt>, u64),
    /// Nowhere: they were decoded, and the copy is gone.
    #[default]
    Gone,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(start) => write!(f, "File({start})"),
            Self::Copy(_, start) => write!(f, "Copy({start})"),
            Self::Gone => f.write_str("Gone"),
        }
    }
}

/// One tensor.
#[derive(Clone, Debug)]
pub(crate) struct TensorEntry {
    /// The name as the format has it.
    pub(crate) name: Box<str>,
    /// The element type as the format spells it.
    pub(crate) dtype: Box<str>,
    /// Outermost dimension first.
    pub(crate) shape: Box<[u64]>,
    /// The elements' bytes, in the artifact.
    pub(crate) span: Span,
}

/// One named part.
#[derive(Clone, Debug)]
pub(crate) struct Part {
    pub(crate) name: Box<str>,
    pub(crate) role: Role,
    pub(crate) span: Span,
}

/// How loading uses a callable.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) strongest: CallableUse,
    /// Whether it was reviewed and does nothing.
    pub(crate) inert: bool,
}

/// What one artifact holds, by kind.
#[derive(Clone, Debug, Default)]
pub(crate) struct Inventory {
    pub(crate) place: Place,
    pub(crate) tensors: Vec<TensorEntry>,
    /// Libraries that the loader is asked for.
    pub(crate) imports: BTreeSet<Box<str>>,
    /// Symbols offered to others.
    pub(crate) exports: BTreeSet<Box<str>>,
    /// What loading imports, constructs or calls.
    pub(crate) callables: BTreeMap<Box<str>, Usage>,
    /// Operators of graphs that are not the framework's own.
    pub(crate) operators: BTreeSet<Box<str>>,
    /// Commands of a package's manifest, by stage, and what it puts on the path.
    pub(crate) scripts: BTreeMap<Box<str>, Box<str>>,
    /// Packages that a manifest asks for, with their ranges.
    pub(crate) dependencies: BTreeMap<Box<str>, Box<str>>,
    /// The version that a manifest states.
    pub(crate) version: Option<Box<str>>,
    /// Entitlements of a Mach-O signature.
    pub(crate) entitlements: BTreeSet<Box<str>>,
    /// The leaves of an executable or a bundle.
    pub(crate) parts: Vec<Part>,
    /// Names that were not kept.
    pub(crate) dropped: u64,
}

/// Formats whose parts are worth comparing one by one.
fn has_parts(format: &str) -> bool {
    matches!(format, "elf" | "pe" | "macho" | "fat" | "bun" | "wasm" | "coff")
}

impl Inventory {
    /// Takes the facts of a closed artifact that starts at `start` of its source. `read` gives bytes of the artifact.
    pub(crate) fn take(
        format: &str,
        name: &[u8],
        start: u64,
        facts: Vec<Fact>,
        ledger: &Ledger,
        read: &dyn Fn(Span) -> Vec<u8>,
    ) -> Self {
        let mut out = Self {
            place: Place::File(start),
            ..Self::default()
        };
        for fact in facts {
            out.fact(fact);
        }
        if has_parts(format) {
            out.regions(ledger, read);
        }
        if name.rsplit(|b| *b == b'/').next() == Some(b"package.json")
            && format == "json"
            && ledger.length() <= MANIFEST
        {
            out.manifest(&read(ledger.whole()));
        }
        out
    }

    fn fact(&mut self, fact: Fact) {
        match fact {
            Fact::Tensor {
                name,
                dtype,
                shape,
                span,
            } => self.tensors.push(TensorEntry {
                name,
                dtype,
                shape: shape.into(),
                span,
            }),
            Fact::Import { library, .. } => keep(&mut self.imports, &mut self.dropped, library),
            Fact::Export { name, .. } => keep(&mut self.exports, &mut self.dropped, name),
            Fact::Callable {
                module, name, usage, ..
            } => {
                let full = format!("{module}.{name}").into_boxed_str();
                if self.callables.len() >= MOST && !self.callables.contains_key(&full) {
                    self.dropped = self.dropped.saturating_add(1);
                    return;
                }
                let inert = matches!(callables().classify(&module, &name), Classification::Inert);
                let known = self.callables.entry(full).or_insert(Usage {
                    strongest: usage,
                    inert,
                });
                known.strongest = known.strongest.max(usage);
            }
            Fact::Configured { name, .. } => {
                let usage = Usage {
                    strongest: CallableUse::Called,
                    inert: false,
                };
                self.callables.entry(name).or_insert(usage);
            }
            Fact::Operator {
                framework,
                domain,
                name,
                ..
            } if !domain.is_empty() => {
                let full = format!("{framework} {domain}.{name}").into_boxed_str();
                keep(&mut self.operators, &mut self.dropped, full);
            }
            _ => {}
        }
    }

    fn regions(&mut self, ledger: &Ledger, read: &dyn Fn(Span) -> Vec<u8>) {
        const ENTITLEMENTS: u64 = 256 << 10;
        for region in ledger.leaves().filter(|r| !r.span.is_empty()) {
            let wanted = region.name.contains("entitlements") && !region.name.contains("DER");
            if wanted && region.span.len() <= ENTITLEMENTS {
                self.entitled(&read(region.span));
            }
            if region.role == Role::Padding {
                continue;
            }
            if self.parts.len() >= MOST {
                self.dropped = self.dropped.saturating_add(1);
                continue;
            }
            self.parts.push(Part {
                name: region.name.clone(),
                role: region.role,
                span: region.span,
            });
        }
    }

    /// The keys of a property list, with their values where these are short: `KEY = true`.
    fn entitled(&mut self, text: &[u8]) {
        let text = String::from_utf8_lossy(text);
        for piece in text.split("<key>").skip(1) {
            let Some((key, rest)) = piece.split_once("</key>") else {
                continue;
            };
            let value = rest.trim_start();
            let shown = if value.starts_with("<true") {
                " = true".to_owned()
            } else if value.starts_with("<false") {
                " = false".to_owned()
            } else {
                let inner = value.split_once('>').and_then(|(_, v)| v.split_once("</"));
                let inner = inner
                    .map(|(v, _)| v.trim())
                    .filter(|v| !v.is_empty() && v.len() <= 120 && !v.contains('<'));
                inner.map_or_else(String::new, |v| format!(" = {v}"))
            };
            let entry = printable(format!("{}{shown}", key.trim()).as_bytes());
            keep(&mut self.entitlements, &mut self.dropped, entry.into_boxed_str());
        }
    }

    fn manifest(&mut self, text: &[u8]) {
        let Ok(value) = serde_json::from_slice::<Value>(text) else {
            return;
        };
        self.version = value
            .get("version")
            .and_then(Value::as_str)
            .map(|v| v.chars().take(80).collect());
        for stage in STAGES {
            let command = value.get("scripts").and_then(|s| s.get(stage)).and_then(Value::as_str);
            if let Some(command) = command.filter(|c| !c.trim().is_empty()) {
                self.scripts.insert(stage.into(), command.chars().take(400).collect());
            }
        }
        match value.get("bin") {
            Some(Value::String(target)) => {
                self.scripts.insert("bin".into(), target.chars().take(400).collect());
            }
            Some(Value::Object(map)) => {
                for (name, target) in map.iter().take(1024) {
                    let target = target.as_str().unwrap_or_default().chars().take(400).collect();
                    self.scripts.insert(format!("bin {name}").into_boxed_str(), target);
                }
            }
            _ => {}
        }
        for table in ["dependencies", "optionalDependencies", "peerDependencies"] {
            let Some(Value::Object(map)) = value.get(table) else {
                continue;
            };
            for (name, range) in map.iter().take(MOST) {
                let range = range.as_str().unwrap_or_default().chars().take(200).collect();
                self.dependencies.insert(name.clone().into_boxed_str(), range);
            }
        }
    }

    /// Whether it holds tensors whose bytes lie in the source it was made from.
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.place, Place::File(_)) && !self.tensors.is_empty()
    }

    /// Keeps the decoded bytes that `place` points into, or says that they are gone.
    pub(crate) fn decoded(&mut self, source: &Arc<dyn ReadAt>, room: bool) {
        if let Place::File(start) = self.place {
            self.place = match room && !self.tensors.is_empty() {
                true => Place::Copy(Arc::clone(source), start),
                false => Place::Gone,
            };
        }
    }
}

fn keep(set: &mut BTreeSet<Box<str>>, dropped: &mut u64, name: Box<str>) {
    if set.len() < MOST || set.contains(&name) {
        set.insert(name);
    } else {
        *dropped = dropped.saturating_add(1);
    }
}

//! The closed result for one artifact, and the report over all of them.

use crate::calibration::Measured;
use crate::fact::Storage;
use crate::finding::{Finding, ScanError};
use crate::inspect::container::Export;
use crate::inventory::Inventory;
use crate::ledger::Ledger;
use crate::policy::TensorManifest;
use crate::span::Span;
use crate::verify::{Coverage, Signature};
use crate::yara::YaraInfo;
use probity_signatures::{Confidence, Rules, Severity};
use std::collections::BTreeMap;
use std::sync::Arc;

/// One host that an artifact names, with the first place where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct HostPlace {
    /// The nested artifact that holds it, `None` for the root itself.
    pub nested: Option<String>,
    /// The region of that artifact.
    pub region: String,
    /// The offset in that artifact.
    pub offset: u64,
    /// `ascii`, `utf-16le` or `utf-16be`; `base64`, `hex`, `percent`, `escaped`, `joined` or `xor` for a host that had to
    /// be decoded.
    pub encoding: &'static str,
    /// Whether the text ended where a host ends (`likely`) or had to be cut (`possible`).
    pub likely: bool,
    /// How often it stands in all.
    pub count: u64,
}

/// What kind of tensors an artifact holds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorSummary {
    /// How many tensors.
    pub count: u64,
    /// How many elements in all.
    pub parameters: u64,
    /// Tensors by element type.
    pub dtypes: BTreeMap<String, u64>,
}

/// A tensor and its digests.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct TensorDigest {
    /// The tensor's name.
    pub name: Box<str>,
    /// The element type, as the format spells it.
    pub dtype: Box<str>,
    /// The shape, outermost dimension first.
    pub shape: Vec<u64>,
    /// The elements' bytes, in the artifact.
    pub span: Span,
    /// SHA-256 of the elements' bytes.
    pub sha256: [u8; 32],
    /// SHA-256 of all but the lowest byte of each element; `None` where elements have no bytes of their own.
    pub high: Option<[u8; 32]>,
}

impl TensorDigest {
    /// A tensor of these digests.
    pub fn new(name: &str, dtype: &str, shape: Vec<u64>, span: Span, sha256: [u8; 32], high: Option<[u8; 32]>) -> Self {
        Self {
            name: name.into(),
            dtype: dtype.into(),
            shape,
            span,
            sha256,
            high,
        }
    }

    /// The name, printable.
    pub fn shown(&self) -> String {
        crate::name::printable(self.name.as_bytes())
    }
}

/// The byte account in numbers. `claimed + unclaimed` is the artifact's length.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct ByteCounts {
    /// Bytes some region accounts for, padding among them.
    pub claimed: u64,
    /// Bytes no region accounts for.
    pub unclaimed: u64,
    /// Bytes claimed as padding.
    pub padding: u64,
    /// Bytes a verified signature covers; `None` where no signature scheme applies.
    pub covered: Option<u64>,
    /// Bytes the scheme excludes by design.
    pub excluded: Option<u64>,
    /// Bytes nobody vouches for.
    pub uncovered: Option<u64>,
}

impl ByteCounts {
    /// Adds what signatures are over.
    #[must_use]
    pub(crate) fn with_coverage(mut self, coverage: Option<&Coverage>) -> Self {
        if let Some(coverage) = coverage {
            let (covered, excluded, uncovered) = coverage.counts();
            self.covered = Some(covered);
            self.excluded = Some(excluded);
            self.uncovered = Some(uncovered);
        }
        self
    }
}

/// A finding after policy.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Judged {
    /// What the bytes say.
    pub finding: Finding,
    /// How bad it is.
    pub severity: Severity,
    /// How sure it is.
    pub confidence: Confidence,
    /// Stable across versions and places: no offset, version or root directory goes in.
    pub fingerprint: String,
}

/// A finding that the user's policy or baseline allows: it is shown on request and counts for nothing else.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Suppressed {
    /// The finding, with the severity it would have.
    pub judged: Judged,
    /// The allow entry of the policy, by its place among them; `None` for the baseline.
    pub allow: Option<usize>,
    /// Who allows it: the file and line of the entry, or `baseline`.
    pub by: String,
    /// Why.
    pub reason: String,
}

/// The verdict on an artifact or a whole scan.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Everything was examined and nothing reached the threshold.
    Clean,
    /// Something reached the threshold.
    Findings,
    /// Something was not examined, and nothing reached the threshold.
    Incomplete,
}

impl Verdict {
    /// The name shown to people and in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Clean => "clean",
            Self::Findings => "findings",
            Self::Incomplete => "incomplete",
        }
    }
}

/// What kind of thing an artifact is in a report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory given as an argument.
    Directory,
    /// A file, or standard input.
    Root,
    /// Something inside a root.
    Nested,
}

/// One artifact, examined and closed.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Artifact {
    /// The argument as given, joined with the walk's components, escaped.
    pub path: String,
    /// The nested path, levels joined with `!`, escaped; `None` for a root.
    pub nested: Option<String>,
    /// What it is in the report.
    pub kind: Kind,
    /// The primary format's id.
    pub format: &'static str,
    /// Further formats the same bytes are read as.
    pub also: Vec<&'static str>,
    /// The length in bytes.
    pub size: u64,
    /// SHA-256 of the bytes; `None` when they were not swept.
    pub sha256: Option<[u8; 32]>,
    /// The byte account.
    pub bytes: ByteCounts,
    /// Hosts named here or in anything nested.
    pub hosts: BTreeMap<String, HostPlace>,
    /// The tensors, when there are any.
    pub tensors: Option<TensorSummary>,
    /// Digests of the tensors, when they were asked for.
    pub tensor_digests: Vec<TensorDigest>,
    /// What its tensors were judged by, when it was asked for.
    #[doc(hidden)]
    pub measured: Vec<Measured>,
    /// Entropy in bits per byte, for data in no known format.
    pub entropy: Option<f64>,
    /// Findings, worst first, then by offset.
    pub findings: Vec<Judged>,
    /// Findings that the user's policy or baseline allows, in the same order.
    pub suppressed: Vec<Suppressed>,
    /// What could not be done.
    pub errors: Vec<ScanError>,
    /// Whether this and everything nested was examined.
    pub complete: bool,
    /// The verdict, over this and everything nested.
    pub verdict: Verdict,
    /// Whether a signature was found.
    pub signed: bool,
    /// Its signatures, the outermost first.
    pub signatures: Vec<Signature>,
    /// What they are over; `None` where nothing is signed.
    pub coverage: Option<Coverage>,
    /// The ledger, when the caller asked to keep it.
    pub ledger: Option<Ledger>,
    /// What the container that holds it is judged by, until that is done.
    pub(crate) export: Option<Box<Export>>,
    /// What it names in other members of the archive that holds it, until those are decoded.
    pub(crate) storages: Vec<Storage>,
    /// What it holds, when the caller asked to keep it.
    pub(crate) inventory: Option<Box<Inventory>>,
}

impl Artifact {
    /// Whether reports list it without being asked for all artifacts.
    pub fn is_listed(&self) -> bool {
        self.kind != Kind::Nested
            || !self.findings.is_empty()
            || !self.suppressed.is_empty()
            || !self.errors.is_empty()
            || self.signed
    }
}

/// Everything a scan found.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Report {
    /// All artifacts: roots in the order of the walk, each followed by what it holds.
    pub artifacts: Vec<Artifact>,
    /// Nested artifacts in all.
    pub nested: u64,
    /// Bytes of the roots.
    pub bytes: u64,
    /// Bytes read, structure and sweep together.
    pub bytes_read: u64,
    /// Wall-clock seconds.
    pub seconds: f64,
    /// Files and directories left out by the user.
    pub excluded: u64,
    /// The rules that findings were judged by: Probity's own, and the user's.
    pub rules: Arc<Rules>,
    /// The digests of all tensors, when they were asked for.
    pub manifest: Option<TensorManifest>,
    /// The YARA rules that were on.
    pub yara: Option<YaraInfo>,
    /// Whether everything was examined.
    pub complete: bool,
    /// The verdict on the whole scan.
    pub verdict: Verdict,
}

impl Report {
    /// Findings by severity.
    pub fn count(&self, severity: Severity) -> u64 {
        let all = self.artifacts.iter().flat_map(|a| &a.findings);
        all.filter(|f| f.severity == severity).count() as u64
    }

    /// Findings that the user's policy or baseline allows.
    pub fn suppressed(&self) -> u64 {
        let all = self.artifacts.iter().map(|a| a.suppressed.len() as u64);
        all.fold(0, u64::saturating_add)
    }
}

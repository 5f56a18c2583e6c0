//! Verification: what a signature says of the bytes that hold it, in four answers that never stand for each other.
//!
//! | answer | question | asked of |
//! | --- | --- | --- |
//! | intact | are these the bytes that were signed? | the bytes and the signer's key |
//! | signer | whose key is it, by its certificate? | the certificate |
//! | chain | does somebody who is trusted beforehand vouch for that? | the roots |
//! | time | when, by somebody other than the signer? | the countersignature |
//!
//! And the fifth, which no verifier gives and everything here is for: **of which bytes?** Coverage is made in this folder and
//! nowhere else. Each byte of a signed artifact is *covered* (an intact signature's digest is over it), *excluded* (the
//! scheme has to leave it out, for a reason that has a name), or *uncovered*.
//!
//! # How a scheme is verified
//!
//! A format emits a fact that says where its signatures stand. At the end of the parse each `Verifier` of the table is
//! asked for a `Plan`: it reads the blobs (they count as structure), and says which digests over which spans it needs.
//! The sweep computes them while everything else is looked at. At close the plan's `Pending` half gets the outcomes, in
//! the order of the requests, and gives a `Verified`: reports, covered and excluded bytes, findings, errors.
//!
//! To add a scheme: a fact in `fact.rs`, a folder here with a `Verifier`, its row in `VERIFIERS`. `cms/` reads and
//! verifies signed messages, builds chains and judges countersignatures; `algorithm.rs` names digests.
//!
//! Signatures that lie *beside* what they sign (OpenSSF model signing, Sigstore bundles, npm, minisign, and the digests that
//! packages list) are no part of a scan's plan: they are checked over a file or a directory, by name, and each gives a
//! [`Checked`].
//!
//! Nothing here reads the clock or a network: a signature without a countersignature is judged at the last moment of its
//! certificate's validity, and revocation is not known.

#![deny(
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic
)]

pub(crate) mod algorithm;
mod authenticode;
mod checked;
pub(crate) mod cms;
mod codesign;
mod coverage;
pub mod deb;
mod document;
mod fuzz;
pub mod key;
pub mod minisign;
pub mod npm;
pub mod oms;
pub mod record;
mod report;
pub mod sigstore;
mod trust;

pub use checked::Checked;
#[doc(hidden)]
pub use codesign::fuzz as fuzz_codesign;
pub use coverage::{Coverage, Why};
#[doc(hidden)]
pub use fuzz::fuzz;
pub use report::{Answer, ChainAnswer, CodeIdentity, Countersignature, Signature, Time};
pub use trust::{TrustError, TrustStore};

use crate::fact::Fact;
use crate::finding::{Finding, Findings, ScanError};
use crate::format::Input;
use crate::span::{Span, SpanSet};
use algorithm::Algorithm;

/// What a verifier sees of an artifact that was parsed.
pub(crate) struct Parsed<'a> {
    /// The bytes, bounded by `--max-structure`.
    pub(crate) input: &'a Input<'a>,
    /// What the formats learned.
    pub(crate) facts: &'a [Fact],
}

/// Something that the sweep computes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Request {
    /// The digest of several spans, one after the other, and of `zeros` zero bytes after them. Spans that ascend and do not
    /// overlap are digested as they pass; others are read again.
    Digest {
        /// By what.
        algorithm: Algorithm,
        /// Of what, in this order.
        spans: Vec<Span>,
        /// How many zero bytes follow.
        zeros: u64,
    },
    /// Whether each page of `span` has the digest that is stated for it.
    Pages {
        /// By what.
        algorithm: Algorithm,
        /// The bytes; the last page may be shorter.
        span: Span,
        /// The bytes of a page, not 0.
        page: u64,
        /// Whether zeros bring the last page to its full length.
        pad: bool,
        /// How many bytes of each digest are stated, from its first.
        kept: usize,
        /// The digests, one after the other.
        expected: Vec<u8>,
    },
    /// The checksum of a PE image: a 16-bit one's complement sum of `span` with the four bytes at `field` as zeros.
    ImageChecksum {
        /// The bytes.
        span: Span,
        /// The field's own place.
        field: Span,
    },
}

impl Request {
    /// The first to the last byte that it needs.
    pub(crate) fn hull(&self) -> Span {
        match self {
            Self::Digest { spans, .. } => {
                let start = spans.iter().map(|s| s.start()).min().unwrap_or(0);
                Span::new(start, spans.iter().map(|s| s.end()).max().unwrap_or(0))
            }
            Self::Pages { span, .. } | Self::ImageChecksum { span, .. } => *span,
        }
    }
}

/// What became of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing: the sweep did not reach the end, or there was none.
    Missing,
    /// The digest.
    Digest(Vec<u8>),
    /// The pages.
    Pages(Pages),
    /// The sum, folded, without the length of the file.
    Sum(u32),
}

/// What became of pages.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Pages {
    /// How many there are.
    pub(crate) count: u64,
    /// How many have another digest than is stated, or none stated.
    pub(crate) wrong: u64,
    /// The first of them, by number; at most [`Pages::MOST`].
    pub(crate) first_wrong: Vec<u64>,
}

impl Pages {
    /// The most pages that are told by number.
    pub(crate) const MOST: usize = 4096;
}

/// A verifier's plan for one artifact.
pub(crate) struct Plan {
    /// What the sweep is to compute.
    pub(crate) requests: Vec<Request>,
    /// Who takes the outcomes.
    pub(crate) pending: Box<dyn Pending>,
}

/// A signature scheme.
pub(crate) trait Verifier: Sync {
    /// Says what it needs to verify the artifact's signatures; `None` when it has none of this scheme.
    fn plan(&self, parsed: &Parsed<'_>) -> Option<Plan>;
}

/// A signature that waits for the sweep.
pub(crate) trait Pending: Send {
    /// Judges; `outcomes` are those of the plan's requests, in their order.
    fn close(self: Box<Self>, outcomes: &[Outcome], artifact: &Artifact<'_>) -> Verified;
}

/// What a verifier knows at close, beyond what it planned.
pub(crate) struct Artifact<'a> {
    /// The length in bytes.
    pub(crate) length: u64,
    /// The roots.
    pub(crate) trust: &'a TrustStore,
    /// Whether the sweep saw every byte: otherwise nothing can be said of any.
    pub(crate) swept: bool,
}

/// What a scheme says about one artifact.
#[derive(Debug, Default)]
pub(crate) struct Verified {
    /// One for each signature, the outermost first.
    pub(crate) reports: Vec<Signature>,
    /// The bytes that an intact signature is over.
    pub(crate) covered: SpanSet,
    /// Bytes that the scheme leaves out, and why.
    pub(crate) excluded: Vec<(Span, Why)>,
    /// What the bytes say.
    pub(crate) findings: Findings,
    /// What could not be done.
    pub(crate) errors: Vec<ScanError>,
}

impl Verified {
    /// Adds a finding.
    pub(crate) fn finding(&mut self, finding: Finding) {
        self.findings.push(finding);
    }

    /// Adds what another scheme says.
    pub(crate) fn append(&mut self, mut other: Self) {
        self.reports.append(&mut other.reports);
        self.covered = SpanSet::from_spans(self.covered.iter().chain(other.covered.iter()));
        self.excluded.append(&mut other.excluded);
        self.findings.append(other.findings);
        self.errors.append(&mut other.errors);
    }
}

/// What the signatures of an artifact's slices say of each other; `slices` are in the artifact's own offsets.
pub(crate) fn between_slices(format: &str, slices: &[(Span, &[Signature])]) -> Option<Finding> {
    match format {
        "macho-fat" => codesign::between_images(slices),
        _ => None,
    }
}

/// Every scheme.
pub(crate) static VERIFIERS: &[&dyn Verifier] = &[&authenticode::Authenticode, &codesign::CodeSign];

//! Accounts for every byte of an artifact: bytes to regions, facts, findings and a verdict.
//!
//! This is the library behind `probity scan`. It reads agent binaries, model files and packages, says of every byte what
//! it is, and judges what that means. Nothing that is scanned is executed, imported or deserialised into live objects; the
//! engine never talks to a network and never prints.
//!
//! # A scan in memory
//!
//! A [`Scanner`](pipeline::Scanner) is made once, from [`Options`](pipeline::Options), and may scan any number of times.
//! Here it looks at a pickle that would call `os.system` when it is loaded:
//!
//! ```
//! use probity_engine::Severity;
//! use probity_engine::artifact::Verdict;
//! use probity_engine::pipeline::{Options, Scanner};
//!
//! let scanner = Scanner::new(Options::default())?;
//! let report = scanner.scan_bytes("model.pkl", b"cos\nsystem\n(S'true'\ntR.".to_vec());
//!
//! // The root comes first; what is nested in it follows.
//! let root = &report.artifacts[0];
//! assert_eq!((root.format, report.verdict, report.complete), ("pickle", Verdict::Findings, true));
//! assert_eq!(root.bytes.claimed + root.bytes.unclaimed, root.size);
//!
//! let judged = root.findings.iter().find(|judged| judged.finding.code == "unsafe-callable").unwrap();
//! assert_eq!(judged.severity, Severity::Critical);
//! // The place is the name of the callable: `os\nsystem`.
//! assert_eq!((judged.finding.span.start(), judged.finding.span.len()), (1, 9));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Files and directories are resolved first, so that an argument which does not exist is an error before anything is read:
//! `scanner.scan(&[scanner.resolve(path)?], None, &Silent)`. `examples/scan.rs` does so, line by line.
//!
//! # What comes back
//!
//! | question | answer |
//! | --- | --- |
//! | is it clean? | [`Report::verdict`](artifact::Report::verdict), by [`Options::fail_on`](pipeline::Options::fail_on) and the policy |
//! | was everything examined? | [`Report::complete`](artifact::Report::complete): findings never hide an unfinished scan |
//! | what is wrong? | [`Artifact::findings`](artifact::Artifact::findings): a code, a severity, a [`Span`](span::Span) and a region |
//! | what could not be done? | [`Artifact::errors`](artifact::Artifact::errors): they have no severity and make the verdict `incomplete` |
//! | what is every byte? | [`Artifact::ledger`](artifact::Artifact::ledger), kept with [`Options::keep_ledgers`](pipeline::Options::keep_ledgers) |
//! | what does a code mean? | [`Report::rules`](artifact::Report::rules): summary, reason and action of each |
//!
//! A malformed artifact is data, not an error: it comes back with findings. Paths, names and messages come from the
//! artifact and are hostile; `path` and `nested` are escaped, and [`name::printable`] does the same for any other text that
//! is meant for people.
//!
//! # Modules
//!
//! - [`pipeline`] runs a scan; [`artifact`] and [`finding`] are what it gives; [`span`] and [`ledger`] are places in bytes.
//! - [`source`] has the [`Limits`](source::Limits) of a scan, and [`ReadAt`](source::ReadAt) for bytes that lie elsewhere.
//! - [`policy`], [`custom`] and [`mod@yara`] hold what a user decided or looks for beyond what Probity knows.
//! - [`formats()`] lists the formats.
//!
//! # What is stable
//!
//! What these pages show. All of it stands in `public-api.txt` beside this crate's manifest, which is compared with the
//! sources in CI, so that no change of it goes unseen. Types of results are `#[non_exhaustive]`: fields and variants are
//! added freely, and codes of findings are never renamed or reused. [`Options`](pipeline::Options) and
//! [`Limits`](source::Limits) grow too: end a literal with `..Options::default()`.
//!
//! Five modules are reachable and hidden here (`calibration`, `format`, `sink`, `tensor`, `walk`): the doors through which
//! this repository's fuzz targets, its calibration and `probity map` reach single readers. They change without notice.

#![warn(missing_docs)]

pub mod artifact;
#[doc(hidden)]
pub mod calibration;
pub mod custom;
pub mod diff;
mod fact;
pub mod finding;
#[doc(hidden)]
pub mod format;
mod identify;
mod inspect;
mod inventory;
pub mod ledger;
pub mod name;
pub mod pipeline;
pub mod policy;
#[doc(hidden)]
pub mod sink;
pub mod source;
pub mod span;
#[doc(hidden)]
pub mod tensor;
pub mod verify;
#[doc(hidden)]
pub mod walk;
pub mod yara;

pub use format::ids as formats;
pub use probity_signatures::{Confidence, Rules, Severity};

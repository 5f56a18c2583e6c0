//! The pipeline: parse, sweep, close.
//!
//! One root file is parsed with positioned reads, recursively through every child that is a slice of it; then one
//! forward pass over it feeds every sink; then the artifacts are closed, children before parents. A child that must be
//! decoded goes through the same three stages by itself, before its parent's sweep, and is dropped when it is closed.
//! Roots are independent of each other and feed a pool of workers; inside a root the order is fixed, so that limits
//! strike at the same place whatever the number of threads.

mod asking;
mod close;
mod decode;
mod directory;
mod export;
mod owners;
mod plan;
mod quiet;
mod root;
mod signed;
mod sweep;
mod tensors;
mod tree;

pub use root::{Scanner, Stream};
pub(crate) use tensors::spec;

use crate::custom::CustomRules;
use crate::policy::{Policy, TensorManifest};
use crate::sink::PatternSet;
use crate::source::{Limits, MemoryBudget};
use crate::verify::TrustStore;
use crate::yara::YaraRules;
use probity_signatures::declared::Declared;
use probity_signatures::{Rules, rules};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How far a scan goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Depth {
    /// Structure only: no content is swept, nothing is decoded.
    Quick,
    /// Everything.
    Standard,
    /// Everything, and what is costly.
    Deep,
}

/// What a scan is asked to do.
#[derive(Clone, Debug)]
pub struct Options {
    /// How far it goes.
    pub depth: Depth,
    /// Worker threads; 0 means one per core.
    pub jobs: usize,
    /// Limits for each root.
    pub limits: Limits,
    /// Where decoded bytes that do not fit in memory go.
    pub scratch: PathBuf,
    /// Names and paths (relative to the root) that are left out, and counted.
    pub exclude: globset::GlobSet,
    /// The lowest severity that makes a verdict `findings`; `None` for never.
    pub fail_on: Option<probity_signatures::Severity>,
    /// What the artifact is said to be and to name; findings say where it is not so.
    pub declared: Option<Arc<Declared>>,
    /// What the user looks for beyond what Probity knows.
    pub custom: Option<Arc<CustomRules>>,
    /// YARA rules of the user.
    pub yara: Option<Arc<YaraRules>>,
    /// What the user decided beforehand about findings.
    pub policy: Policy,
    /// The roots that signers are trusted by.
    pub trust: Arc<TrustStore>,
    /// Whether every tensor gets digests of its own.
    pub digest_tensors: bool,
    /// What the tensors are held against; takes their digests.
    pub manifest: Option<Arc<TensorManifest>>,
    /// Whether closed artifacts keep their ledgers (for region maps).
    pub keep_ledgers: bool,
    /// Whether closed artifacts keep what a comparison asks for: imports, callables, tensors ([`diff`](crate::diff) sets it).
    pub keep_inventory: bool,
    /// Whether closed artifacts keep what their tensors were judged by.
    #[doc(hidden)]
    pub measure_tensors: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            depth: Depth::Standard,
            jobs: 0,
            limits: Limits::default(),
            scratch: std::env::temp_dir(),
            exclude: globset::GlobSet::empty(),
            fail_on: Some(probity_signatures::Severity::Medium),
            declared: None,
            custom: None,
            yara: None,
            policy: Policy::default(),
            trust: TrustStore::built_in(),
            digest_tensors: false,
            manifest: None,
            keep_ledgers: false,
            keep_inventory: false,
            measure_tensors: false,
        }
    }
}

impl Options {
    /// The rules that findings are judged by: Probity's own, and the user's.
    pub fn rules(&self) -> &Rules {
        self.custom
            .as_ref()
            .map_or_else(|| rules(), |custom| custom.catalogue())
    }
}

/// What a scan tells while it runs. Called from worker threads.
pub trait Progress: Sync {
    /// The walk is done: what there is to do. As many roots will be started and finished as `files` says.
    fn planned(&self, _files: u64, _bytes: u64) {}
    /// A root is being examined.
    fn started(&self, _path: &str) {}
    /// `n` more bytes of roots were swept.
    fn advanced(&self, _n: u64) {}
    /// A root is closed.
    fn finished(&self) {}
}

/// Progress that nobody looks at.
pub struct Silent;

impl Progress for Silent {}

/// What all roots of one scan share.
pub(crate) struct Context<'a> {
    pub(crate) options: &'a Options,
    pub(crate) memory: Arc<MemoryBudget>,
    pub(crate) progress: &'a dyn Progress,
    pub(crate) bytes_read: AtomicU64,
    /// Decoded copies that inventories keep.
    pub(crate) copies: AtomicU64,
    /// Whether a large sweep may use a thread of its own for digests.
    pub(crate) two_threads: bool,
}

impl Context<'_> {
    pub(crate) fn quick(&self) -> bool {
        self.options.depth == Depth::Quick
    }

    /// Whether tensors get digests of their own.
    pub(crate) fn digests_tensors(&self) -> bool {
        self.options.digest_tensors || self.options.manifest.is_some()
    }

    /// The patterns of the user's rules.
    pub(crate) fn patterns(&self) -> Option<&Arc<PatternSet>> {
        self.options.custom.as_ref()?.patterns()
    }

    pub(crate) fn count_read(&self, n: u64) {
        self.bytes_read.fetch_add(n, Ordering::Relaxed);
    }
}

//! Roots: from arguments to closed artifacts, in parallel, in the order of the walk.

use super::owners::Owners;
use super::tree::Place;
use super::{Context, Options, Progress, close, directory, plan, sweep, tensors, tree};
use crate::artifact::{Artifact, ByteCounts, Kind, Report};
use crate::finding::{ErrorCode, ScanError};
use crate::inspect::container::{Want, is_layer};
use crate::name;
use crate::policy;
use crate::source::walk::{Item, Root, resolve};
use crate::source::{FileSource, MemoryBudget, MemorySource, Quota, ReadAt, Spool};
use probity_signatures::{Rules, rules};
use rayon::prelude::*;
use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Instant;

/// Files up to this length are read whole, once, before they are parsed.
const SMALL: u64 = 1 << 20;
/// Nested formats recurse through decoded children: sixteen levels fit many times over.
pub(super) const STACK: usize = 16 << 20;

/// Standard input among the arguments.
pub struct Stream<'a> {
    /// How many roots stand before it.
    pub after: usize,
    /// Where its bytes come from. An error of kind `TimedOut` means that `--timeout` passed while it gave nothing.
    pub reader: &'a mut (dyn Read + Send),
}

/// Scans files, directories and streams.
pub struct Scanner {
    options: Options,
    pool: rayon::ThreadPool,
}

impl Scanner {
    /// A scanner with its pool of workers.
    ///
    /// # Errors
    /// When the operating system gives no threads.
    pub fn new(options: Options) -> Result<Self, rayon::ThreadPoolBuildError> {
        let pool = rayon::ThreadPoolBuilder::new()
            .num_threads(options.jobs)
            .stack_size(STACK)
            .build()?;
        Ok(Self { options, pool })
    }

    /// Resolves one argument: which files it stands for.
    ///
    /// # Errors
    /// When it does not exist or cannot be examined at all.
    pub fn resolve(&self, argument: &Path) -> io::Result<Root> {
        self.pool.install(|| resolve(argument, &self.options.exclude))
    }

    /// Examines everything the roots stand for, and `stream` (standard input) when given. The report keeps the order
    /// of the arguments.
    pub fn scan(&self, roots: &[Root], stream: Option<Stream<'_>>, progress: &dyn Progress) -> Report {
        let started = Instant::now();
        let ctx = Context {
            options: &self.options,
            memory: Arc::new(MemoryBudget::new()),
            progress,
            bytes_read: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            two_threads: self.pool.current_num_threads() > 1,
        };
        let sizes = roots.iter().flat_map(|r| &r.items).filter_map(|i| i.what.as_ref().ok());
        let items = roots.iter().fold(u64::from(stream.is_some()), |n, r| {
            n.saturating_add(r.items.len() as u64)
        });
        progress.planned(items, sizes.fold(0, |n, size| n.saturating_add(*size)));
        let mut streamed = stream.map(|s| {
            let group = self.pool.install(|| examine_stream(&ctx, s.reader, "-"));
            (s.after, group)
        });
        let jobs: Vec<(&Item, Want)> = roots.iter().flat_map(directory::wanted).collect();
        let done: Vec<Found> = self.pool.install(|| {
            jobs.par_iter()
                .with_max_len(1)
                .map(|(item, want)| Found::new(examine_item(&ctx, item, *want)))
                .collect()
        });
        // All of it belongs to one root in most scans, and moves there as it lies.
        let (mut only, mut done) = match roots.len() {
            1 => (Some(done), Vec::new().into_iter()),
            _ => (None, done.into_iter()),
        };
        let mut groups: Vec<Vec<Artifact>> = Vec::new();
        for (index, root) in roots.iter().enumerate() {
            if streamed.as_ref().is_some_and(|(after, _)| *after == index) {
                groups.extend(streamed.take().map(|(_, group)| group));
            }
            let files = only
                .take()
                .unwrap_or_else(|| done.by_ref().take(root.items.len()).collect());
            let directory = root.directory.then(|| directory::close(&ctx, root, &files));
            let mut group = Found::flat(files);
            for artifact in &mut group {
                artifact.export = None;
            }
            if let Some(directory) = directory {
                group.reserve_exact(1);
                group.insert(0, directory);
            }
            groups.push(group);
        }
        groups.extend(streamed.map(|(_, group)| group));
        self.decide(&mut groups);
        let manifest = self.options.digest_tensors.then(|| policy::TensorManifest::of(&groups));
        // One root is the usual case, and its artifacts need no second copy.
        let artifacts = match groups.len() {
            1 => groups.pop().unwrap_or_default(),
            _ => groups.into_iter().flatten().collect(),
        };
        let complete = artifacts.iter().all(|a| a.complete);
        let worst = artifacts.iter().flat_map(|a| &a.findings).map(|f| f.severity).max();
        let mut report = Report {
            nested: artifacts.iter().filter(|a| a.kind == Kind::Nested).count() as u64,
            bytes: artifacts
                .iter()
                .filter(|a| a.kind == Kind::Root)
                .fold(0, |n, a| n.saturating_add(a.size)),
            bytes_read: ctx.bytes_read.load(Ordering::Relaxed),
            seconds: 0.0,
            excluded: roots.iter().fold(0, |n, r| n.saturating_add(r.excluded)),
            complete,
            verdict: policy::verdict(worst, complete, self.options.fail_on),
            manifest,
            yara: self.options.yara.as_ref().map(|yara| yara.info().clone()),
            rules: match &self.options.custom {
                Some(custom) => Arc::clone(custom.catalogue()),
                None => built_in(),
            },
            artifacts,
        };
        report.seconds = started.elapsed().as_secs_f64();
        report
    }

    /// Examines bytes in memory as one root called `name`.
    pub fn scan_bytes(&self, name: &str, bytes: Vec<u8>) -> Report {
        self.scan_source(name, Arc::new(MemorySource::new(bytes)))
    }

    /// Examines one source as one root called `name`.
    pub fn scan_source(&self, name: &str, source: Arc<dyn ReadAt>) -> Report {
        let ctx = Context {
            options: &self.options,
            memory: Arc::new(MemoryBudget::new()),
            progress: &super::Silent,
            bytes_read: AtomicU64::new(0),
            copies: AtomicU64::new(0),
            two_threads: self.pool.current_num_threads() > 1,
        };
        let mut quota = Quota::new(&self.options.limits, source.len());
        let artifacts = self
            .pool
            .install(|| examine(&ctx, &mut quota, &source, place(Path::new(name))));
        let mut groups = [artifacts];
        self.decide(&mut groups);
        let [artifacts] = groups;
        self.scan(&[], None, &super::Silent).with_root(artifacts)
    }

    /// What was said beforehand, over the artifacts of each root: the declared set, then the user's policy.
    fn decide(&self, groups: &mut [Vec<Artifact>]) {
        if let Some(set) = &self.options.declared {
            policy::hold(set, groups, self.options.rules(), self.options.fail_on);
        }
        if let Some(manifest) = &self.options.manifest {
            policy::hold_tensors(manifest, groups, self.options.rules(), self.options.fail_on);
        }
        for group in groups {
            self.options
                .policy
                .decide(group, self.options.rules(), self.options.fail_on);
        }
    }
}

/// What one item gave. Nearly always it is one artifact, which lies in the list of all: 100,000 files do not stand in
/// memory once as lists of one and once as a whole.
#[expect(
    clippy::large_enum_variant,
    reason = "behind a pointer each would be copied from there into the list of all"
)]
pub(super) enum Found {
    One(Artifact),
    Many(Vec<Artifact>),
}

impl Found {
    fn new(mut artifacts: Vec<Artifact>) -> Self {
        match artifacts.pop() {
            Some(only) if artifacts.is_empty() => Self::One(only),
            last => {
                artifacts.extend(last);
                Self::Many(artifacts)
            }
        }
    }

    /// Itself and what it holds.
    pub(super) fn artifacts(&self) -> &[Artifact] {
        match self {
            Self::One(only) => std::slice::from_ref(only),
            Self::Many(all) => all,
        }
    }

    /// All artifacts, in order.
    fn flat(found: Vec<Self>) -> Vec<Artifact> {
        if found.iter().all(|found| matches!(found, Self::One(_))) {
            let one = |found| match found {
                Self::One(only) => Some(only),
                Self::Many(_) => None,
            };
            return found.into_iter().filter_map(one).collect();
        }
        let all = found.iter().map(|found| found.artifacts().len());
        // One more, for the directory that holds them.
        let mut flat = Vec::with_capacity(all.fold(1, usize::saturating_add));
        for found in found {
            match found {
                Self::One(only) => flat.push(only),
                Self::Many(all) => flat.extend(all),
            }
        }
        flat
    }
}

/// The rules of this build, shared.
fn built_in() -> Arc<Rules> {
    static BUILT_IN: LazyLock<Arc<Rules>> = LazyLock::new(|| Arc::new(rules().clone()));
    Arc::clone(&BUILT_IN)
}

impl Report {
    fn with_root(mut self, mut artifacts: Vec<Artifact>) -> Self {
        if let Some(root) = artifacts.first() {
            self.verdict = root.verdict;
            self.complete = root.complete;
            self.bytes = root.size;
        }
        self.nested = artifacts.len().saturating_sub(1) as u64;
        self.artifacts.append(&mut artifacts);
        self
    }
}

/// Parses, sweeps and closes one source.
pub(super) fn examine(ctx: &Context<'_>, quota: &mut Quota, source: &Arc<dyn ReadAt>, place: Place) -> Vec<Artifact> {
    let level = place.level;
    let mut tree = tree::parse(ctx, quota, source, place);
    tensors::attach(&mut tree);
    let owners = Owners::new(&tree);
    let mut taps = if ctx.quick() {
        plan::fills_only(&tree)
    } else {
        plan::plan(&tree, source.len(), &owners, ctx.patterns(), ctx.digests_tensors())
    };
    let outcome = match (source.is_empty(), ctx.quick()) {
        (true, _) => Ok(()),
        (false, true) => sweep::visit(ctx, quota, source.as_ref(), &mut taps),
        (false, false) => sweep::sweep(ctx, quota, source.as_ref(), level, &mut taps),
    };
    let mut swept = None;
    match (outcome, tree.nodes.first_mut()) {
        (Err(error), Some(node)) => node.errors.push(error),
        _ => swept = Some(taps),
    }
    let asked = ctx.options.custom.is_some() || ctx.options.yara.is_some();
    if let (true, true, Some(node)) = (asked, ctx.quick(), tree.nodes.first_mut()) {
        let message = "rules of the user look at content, which is not read at --depth quick";
        node.errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
    }
    if let (Some(change), Some(node)) = (source.changed(), tree.nodes.first_mut()) {
        node.errors.push(ScanError::new(ErrorCode::ChangedDuringScan, change));
    }
    let mut artifacts = close::close(ctx, quota, source.as_ref(), tree, swept, &owners);
    if ctx.options.keep_inventory && level > 0 {
        keep_copies(ctx, source, &mut artifacts);
    }
    artifacts
}

/// Decoded bytes with tensors are read once more by a comparison: each copy kept is a scratch file, or memory of the
/// shared budget.
fn keep_copies(ctx: &Context<'_>, source: &Arc<dyn ReadAt>, artifacts: &mut [Artifact]) {
    const COPIES: u64 = 256;
    let wanted = |a: &Artifact| a.inventory.as_ref().is_some_and(|held| held.is_open());
    let room = artifacts.iter().any(wanted) && ctx.copies.fetch_add(1, Ordering::Relaxed) < COPIES;
    for held in artifacts.iter_mut().filter_map(|a| a.inventory.as_mut()) {
        held.decoded(source, room);
    }
}

pub(super) fn place(path: &Path) -> Place {
    Place {
        path: name::escape_path(path.as_os_str().as_bytes()),
        nested: None,
        name: path.file_name().unwrap_or(path.as_os_str()).as_bytes().to_vec(),
        level: 0,
        expected: true,
        within: Vec::new(),
        want: Want::Nothing,
        layer: is_layer(path.as_os_str().as_bytes()),
        layout: None,
        storage: None,
    }
}

fn examine_item(ctx: &Context<'_>, item: &Item, want: Want) -> Vec<Artifact> {
    let place = Place {
        want,
        ..place(&item.path)
    };
    ctx.progress.started(&place.path);
    let artifacts = match &item.what {
        Err(error) => vec![unexamined(ctx, place, error.clone())],
        Ok(_) => match open(ctx, &item.path) {
            Ok((source, mut quota)) => examine(ctx, &mut quota, &source, place),
            Err(error) => vec![unexamined(ctx, place, error)],
        },
    };
    ctx.progress.finished();
    artifacts
}

/// Opens a file. What was read counts, not what the walk saw: the length is that of the open file.
fn open(ctx: &Context<'_>, path: &Path) -> Result<(Arc<dyn ReadAt>, Quota), ScanError> {
    let unreadable = |e: io::Error| ScanError::new(ErrorCode::Unreadable, format!("cannot read: {e}"));
    let file = FileSource::open(path).map_err(unreadable)?;
    let length = file.len();
    let mut quota = Quota::new(&ctx.options.limits, length);
    if length > SMALL {
        return Ok((Arc::new(file), quota));
    }
    let bytes = read_small(&file, length).map_err(unreadable)?;
    if length == 0 && !bytes.is_empty() {
        let mut rest = io::Cursor::new(bytes).chain(file.file());
        let source = spool(ctx, &mut quota, &mut rest)?;
        return Ok((source, quota));
    }
    // The copy is read once and cannot change any more, but it may be half old and half new.
    if let Some(change) = file.changed() {
        return Err(ScanError::new(ErrorCode::ChangedDuringScan, change));
    }
    if bytes.len() as u64 != length {
        let message = format!(
            "the file says that it is {length} bytes long, and gives {}",
            bytes.len()
        );
        return Err(ScanError::new(ErrorCode::Unreadable, message));
    }
    Ok((Arc::new(MemorySource::new(bytes)), quota))
}

/// The bytes of a file that should hold `length`, or one byte more when it grew; a file of `/proc` says 0 and holds more.
/// The read asks for that byte too: one that brings exactly the length met the end, and most files take no other.
fn read_small(file: &FileSource, length: u64) -> io::Result<Vec<u8>> {
    let most = usize::try_from(length).unwrap_or(0).saturating_add(1);
    let mut bytes = Vec::new();
    let mut reader = file.file().take(length.saturating_add(1));
    if length > 0 {
        bytes = vec![0; most];
        let n = loop {
            match reader.read(&mut bytes) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                n => break n?,
            }
        };
        bytes.truncate(n);
        if n as u64 == length {
            return Ok(bytes);
        }
    }
    reader.read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn examine_stream(ctx: &Context<'_>, stream: &mut (dyn Read + Send), path: &str) -> Vec<Artifact> {
    ctx.progress.started(path);
    let mut quota = Quota::new(&ctx.options.limits, 0);
    let artifacts = match spool(ctx, &mut quota, stream) {
        Ok(source) => {
            let mut quota = Quota::new(&ctx.options.limits, source.len());
            examine(ctx, &mut quota, &source, place(Path::new(path)))
        }
        Err(error) => vec![unexamined(ctx, place(Path::new(path)), error)],
    };
    ctx.progress.finished();
    artifacts
}

/// Reads a stream to its end, bounded by `--max-decoded` and `--timeout`.
fn spool(ctx: &Context<'_>, quota: &mut Quota, stream: &mut dyn Read) -> Result<Arc<dyn ReadAt>, ScanError> {
    let failed = |e: io::Error| ScanError::new(ErrorCode::Unreadable, format!("cannot read: {e}"));
    let mut spool = Spool::new(&ctx.memory, &ctx.options.scratch);
    let mut buffer = vec![0u8; 256 << 10];
    loop {
        let n = match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(n) => n,
            Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
            Err(e) if e.kind() == io::ErrorKind::TimedOut => return Err(quota.timeout_error()),
            Err(e) => return Err(failed(e)),
        };
        spool.write_all(buffer.get(..n).unwrap_or_default()).map_err(failed)?;
        if spool.len() > quota.limits().max_decoded {
            let most = quota.limits().max_decoded;
            return Err(ScanError::new(
                ErrorCode::LimitExceeded,
                format!("a stream of more than --max-decoded {most} bytes"),
            ));
        }
        if quota.expired() {
            return Err(quota.timeout_error());
        }
    }
    spool.finish().map_err(failed)
}

pub(super) fn unexamined(ctx: &Context<'_>, place: Place, error: ScanError) -> Artifact {
    Artifact {
        path: place.path,
        nested: None,
        kind: Kind::Root,
        format: "unknown",
        also: Vec::new(),
        size: 0,
        sha256: None,
        bytes: ByteCounts::default(),
        hosts: BTreeMap::new(),
        tensors: None,
        tensor_digests: Vec::new(),
        measured: Vec::new(),
        entropy: None,
        findings: Vec::new(),
        suppressed: Vec::new(),
        errors: vec![error],
        complete: false,
        verdict: policy::verdict(None, false, ctx.options.fail_on),
        signed: false,
        signatures: Vec::new(),
        coverage: None,
        ledger: None,
        export: None,
        storages: Vec::new(),
        inventory: None,
    }
}

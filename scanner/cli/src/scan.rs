//! `probity scan`: resolve the arguments, scan, render, decide the exit code.

use crate::args::{Color, DepthArg, Format, LimitArgs, ScanArgs};
use crate::progress::Bar;
use crate::report::text::View;
use crate::stdin::Stdin;
use crate::{baseline, complain, declare, manifest, output, policy, report, rules, trust, yara};
use anyhow::{Context, Result, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use probity_engine::artifact::{Report, Verdict};
use probity_engine::custom::CustomRules;
use probity_engine::pipeline::{Depth, Options, Scanner, Stream};
use probity_engine::policy::{Policy, TensorManifest};
use probity_engine::source::Limits;
use probity_signatures::declared::Declared;
use probity_signatures::{Rules, rules as built_in};
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// Scans; returns the exit code.
pub(crate) fn run(args: &ScanArgs) -> Result<u8> {
    let Some(custom) = rules::load(&args.rules)? else {
        return Ok(crate::USAGE);
    };
    if custom.is_some() && args.depth == DepthArg::Quick {
        bail!("--rules looks at content, which --depth quick does not read");
    }
    let Some(yara) = yara::load(&args.yara)? else {
        return Ok(crate::USAGE);
    };
    if yara.is_some() && args.depth == DepthArg::Quick {
        bail!("--yara looks at content, which --depth quick does not read");
    }
    let Some(decided) = decided(args, custom.as_deref())? else {
        return Ok(crate::USAGE);
    };
    let declared = match args.declared.as_slice() {
        [] => None,
        files => match declare::load(files, &args.vars.values())? {
            Some((_, set)) => Some(Arc::new(set)),
            None => return Ok(crate::USAGE),
        },
    };
    let held = held_tensors(args)?;
    let scanner = Scanner::new(Options {
        yara,
        digest_tensors: args.manifest.is_some() && held.is_none(),
        manifest: held.clone(),
        ..options(args, declared, custom, decided.clone())?
    })
    .context("cannot start worker threads")?;
    let (mut roots, mut before_stream) = (Vec::new(), None);
    for path in &args.paths {
        if path.as_os_str() == "-" {
            if before_stream.replace(roots.len()).is_some() {
                bail!("standard input (-) is given twice");
            }
            continue;
        }
        let root = scanner
            .resolve(path)
            .map_err(|e| anyhow::anyhow!("{}: {e}", path.display()))?;
        roots.push(root);
    }
    // After the walk: the file is not among what is scanned.
    let fresh = match &args.baseline {
        Some(path) if decided.baseline.is_none() => Some(baseline::Fresh::new(path)?),
        _ => None,
    };
    let fresh_manifest = match &args.manifest {
        Some(path) if held.is_none() => Some(manifest::Fresh::new(path)?),
        _ => None,
    };
    let file = args.output.as_deref().map(|path| output_file(path, args)).transpose()?;
    let bar = Bar::new(!args.no_progress);
    let mut stdin = before_stream.map(|after| (after, Stdin::new(Duration::from_secs_f64(args.limits.timeout))));
    let stream = stdin.as_mut().map(|(after, reader)| Stream { after: *after, reader });
    let report = scanner.scan(&roots, stream, &bar);
    bar.clear();
    let cannot_write = || {
        let path = args.output.as_deref().unwrap_or("-".as_ref());
        format!("cannot write {}", path.display())
    };
    let mut text = Vec::new();
    // JSON has no colours to take away, and a long one need not stand in memory.
    let plain = matches!(args.format, Format::Json | Format::Ndjson);
    match file {
        Some(file) if plain => {
            output::stream_to(file, |out| render(args, &report, None, out)).with_context(cannot_write)?
        }
        None if plain => output::stream(|out| render(args, &report, None, out))?,
        Some(file) => {
            render(args, &report, None, &mut text)?;
            let plain = anstream::adapter::strip_bytes(&text).into_vec();
            let bytes = if args.color == Color::Always { text } else { plain };
            output::replace(file, &bytes).with_context(cannot_write)?;
        }
        None => {
            render(args, &report, output::columns(), &mut text)?;
            print(args.color, &text)?;
        }
    }
    if let Some(fresh) = fresh {
        complain(&fresh.write(&report)?);
    }
    if let Some(fresh) = fresh_manifest {
        complain(&fresh.write(&report)?);
    }
    tell_unused(&decided, &report);
    Ok(exit_code(report.verdict))
}

/// The manifest that tensors are held against; `None` when there is none yet.
fn held_tensors(args: &ScanArgs) -> Result<Option<Arc<TensorManifest>>> {
    let asked = args.manifest.as_ref().or(args.manifest_check.as_ref());
    if asked.is_some() && args.depth == DepthArg::Quick {
        bail!("a manifest is of content, which --depth quick does not read");
    }
    let found = match (&args.manifest, &args.manifest_check) {
        (Some(path), _) => manifest::read(path).context("--manifest")?,
        (None, Some(path)) => {
            let found = manifest::read(path).context("--manifest-check")?;
            if found.is_none() {
                bail!("--manifest-check {}: no such file", path.display());
            }
            found
        }
        (None, None) => None,
    };
    Ok(found.map(Arc::new))
}

/// What the user decided beforehand; `None` when the policy is refused, and why is told.
fn decided(args: &ScanArgs, custom: Option<&CustomRules>) -> Result<Option<Policy>> {
    let known: &Rules = match custom {
        Some(custom) => custom.catalogue(),
        None => built_in(),
    };
    let mut decided = match &args.policy {
        Some(path) => match policy::load(path, args.color, known)? {
            Some(policy) => policy,
            None => return Ok(None),
        },
        None => Policy::default(),
    };
    if let Some(path) = &args.baseline {
        decided.baseline = baseline::read(path)?;
    }
    Ok(Some(decided))
}

/// Tells what of the policy and the baseline was of no use: it can be removed.
fn tell_unused(decided: &Policy, report: &Report) {
    for entry in decided.unused(report) {
        complain(&format!(
            "warning: {}: this allow entry for {} matched nothing",
            entry.origin, entry.scope.code
        ));
    }
    match decided.baseline.as_ref().map(|b| b.gone(report)) {
        None | Some(0) => {}
        Some(1) => complain("1 baseline entry no longer occurs"),
        Some(n) => complain(&format!("{n} baseline entries no longer occur")),
    }
}

/// Opens `--output`, which must be neither a file to scan nor one that decides about it.
fn output_file(path: &Path, args: &ScanArgs) -> Result<File> {
    let same = |other: &PathBuf| match (fs::metadata(path), fs::metadata(other)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    };
    if args.paths.iter().any(same) {
        bail!("--output {} is a file to scan", path.display());
    }
    let mut deciding = args
        .policy
        .iter()
        .chain(&args.baseline)
        .chain(&args.declared)
        .chain(&args.manifest)
        .chain(&args.manifest_check)
        .chain(&args.yara);
    if deciding.any(|other| same(other) || other == path) {
        bail!(
            "--output {} is the policy or the baseline or the declared set or the manifest or a YARA rule",
            path.display()
        );
    }
    if rules::Files::holds(&args.rules, path) {
        bail!("--output {} is one of the rules", path.display());
    }
    output::open(path)
}

fn options(
    args: &ScanArgs,
    declared: Option<Arc<Declared>>,
    custom: Option<Arc<CustomRules>>,
    policy: Policy,
) -> Result<Options> {
    let scratch = scratch(args.scratch.as_deref())?;
    Ok(Options {
        depth: match args.depth {
            DepthArg::Quick => Depth::Quick,
            DepthArg::Standard => Depth::Standard,
            DepthArg::Deep => Depth::Deep,
        },
        jobs: args.jobs,
        limits: limits(&args.limits),
        scratch,
        exclude: globs(&args.exclude)?,
        fail_on: args.fail_on.0,
        declared,
        custom,
        yara: None,
        policy,
        trust: trust::load(&args.trust)?,
        digest_tensors: false,
        measure_tensors: false,
        manifest: None,
        keep_ledgers: false,
        keep_inventory: false,
    })
}

/// The limits on one root.
pub(crate) fn limits(args: &LimitArgs) -> Limits {
    Limits {
        max_depth: args.max_depth,
        max_ratio: args.max_ratio,
        max_members: args.max_members,
        max_decoded: args.max_decoded,
        max_structure: args.max_structure,
        timeout: Duration::from_secs_f64(args.timeout),
    }
}

/// Where decoded content goes.
pub(crate) fn scratch(given: Option<&Path>) -> Result<PathBuf> {
    match given {
        Some(path) if !path.is_dir() => bail!("--scratch {} is not a directory", path.display()),
        Some(path) => Ok(path.to_owned()),
        None => Ok(std::env::temp_dir()),
    }
}

/// What `--exclude` leaves out.
pub(crate) fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).with_context(|| format!("--exclude {pattern:?}"))?);
    }
    Ok(set.build()?)
}

fn render(args: &ScanArgs, report: &Report, columns: Option<usize>, out: &mut dyn Write) -> io::Result<()> {
    let view = View {
        verbose: args.verbose,
        quick: args.depth == DepthArg::Quick,
        columns,
    };
    match args.format {
        Format::Text => report::text::render(report, view, out)?,
        Format::Json => report::json::render(report, args.all_artifacts, out)?,
        Format::Ndjson => report::json::render_lines(report, args.all_artifacts, out)?,
        Format::Sarif => report::sarif::render(report, args.all_artifacts, exit_code(report.verdict), out)?,
        Format::Junit => report::junit::render(report, args.fail_on.0, out)?,
        Format::Markdown => report::markdown::render(report, args.fail_on.0, view.quick, out)?,
    }
    Ok(())
}

/// Writes to standard output, with colours or without.
pub(crate) fn print(color: Color, text: &[u8]) -> Result<()> {
    let stdout = io::stdout().lock();
    let choice = match color {
        Color::Auto => anstream::AutoStream::choice(&stdout),
        Color::Always => anstream::ColorChoice::Always,
        Color::Never => anstream::ColorChoice::Never,
    };
    let mut out = anstream::AutoStream::new(stdout, choice);
    match out.write_all(text).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("cannot write to standard output"),
    }
}

/// The exit code of CONTRACT for a verdict.
pub(crate) fn exit_code(verdict: Verdict) -> u8 {
    match verdict {
        Verdict::Clean => 0,
        Verdict::Findings => 1,
        Verdict::Incomplete => 3,
    }
}

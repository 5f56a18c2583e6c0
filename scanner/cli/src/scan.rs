//! `probity scan`: resolve the arguments, scan, render, decide the exit code.

use crate::args::{Color, DepthArg, Format, ScanArgs};
use crate::progress::Bar;
use crate::report::text::View;
use crate::stdin::Stdin;
use crate::{output, report};
use anyhow::{Context, Result, bail};
use globset::{Glob, GlobSet, GlobSetBuilder};
use probity_engine::artifact::{Report, Verdict};
use probity_engine::pipeline::{Depth, Options, Scanner, Stream};
use probity_engine::source::Limits;
use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Scans; returns the exit code.
pub(crate) fn run(args: &ScanArgs) -> Result<u8> {
    let scanner = Scanner::new(options(args)?).context("cannot start worker threads")?;
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
    let file = args
        .output
        .as_deref()
        .map(|path| output_file(path, &args.paths))
        .transpose()?;
    let bar = Bar::new(!args.no_progress);
    let mut stdin = before_stream.map(|after| (after, Stdin::new(Duration::from_secs_f64(args.limits.timeout))));
    let stream = stdin.as_mut().map(|(after, reader)| Stream { after: *after, reader });
    let report = scanner.scan(&roots, stream, &bar);
    bar.clear();
    let mut text = Vec::new();
    match file {
        Some(file) => {
            render(args, &report, None, &mut text)?;
            let plain = anstream::adapter::strip_bytes(&text).into_vec();
            let bytes = if args.color == Color::Always { text } else { plain };
            output::replace(file, &bytes).with_context(|| {
                format!(
                    "cannot write {}",
                    args.output.as_deref().unwrap_or("-".as_ref()).display()
                )
            })?;
        }
        None => {
            render(args, &report, output::columns(), &mut text)?;
            print(args.color, &text)?;
        }
    }
    Ok(exit_code(report.verdict))
}

/// Opens `--output`, which must not be one of the files to scan.
fn output_file(path: &Path, scanned: &[PathBuf]) -> Result<File> {
    let same = |other: &PathBuf| match (fs::metadata(path), fs::metadata(other)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    };
    if scanned.iter().any(same) {
        bail!("--output {} is a file to scan", path.display());
    }
    output::open(path)
}

fn options(args: &ScanArgs) -> Result<Options> {
    let limits = &args.limits;
    let scratch = args.scratch.clone().unwrap_or_else(std::env::temp_dir);
    if args.scratch.is_some() && !scratch.is_dir() {
        bail!("--scratch {} is not a directory", scratch.display());
    }
    Ok(Options {
        depth: match args.depth {
            DepthArg::Quick => Depth::Quick,
            DepthArg::Standard => Depth::Standard,
            DepthArg::Deep => Depth::Deep,
        },
        jobs: args.jobs,
        limits: Limits {
            max_depth: limits.max_depth,
            max_ratio: limits.max_ratio,
            max_members: limits.max_members,
            max_decoded: limits.max_decoded,
            max_structure: limits.max_structure,
            timeout: Duration::from_secs_f64(limits.timeout),
        },
        scratch,
        exclude: globs(&args.exclude)?,
        fail_on: args.fail_on.0,
        keep_ledgers: false,
    })
}

fn globs(patterns: &[String]) -> Result<GlobSet> {
    let mut set = GlobSetBuilder::new();
    for pattern in patterns {
        set.add(Glob::new(pattern).with_context(|| format!("--exclude {pattern:?}"))?);
    }
    Ok(set.build()?)
}

fn render(args: &ScanArgs, report: &Report, columns: Option<usize>, out: &mut Vec<u8>) -> Result<()> {
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

fn print(color: Color, text: &[u8]) -> Result<()> {
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

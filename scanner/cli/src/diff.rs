//! `probity diff`: compare two artifacts, render, decide the exit code.

use crate::args::{Color, DiffArgs, DiffFormat};
use crate::progress::Bar;
use crate::scan::{exit_code, globs, limits, print, scratch};
use crate::{output, report};
use anyhow::{Context, Result, bail};
use probity_engine::diff::{Comparison, compare};
use probity_engine::pipeline::Options;
use report::diff::View;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Compares; returns the exit code.
pub(crate) fn run(args: &DiffArgs) -> Result<u8> {
    for side in [&args.old, &args.new] {
        if side.as_os_str() == "-" {
            bail!("diff reads files and directories, not standard input (-)");
        }
        fs::metadata(side).map_err(|e| anyhow::anyhow!("{}: {e}", side.display()))?;
    }
    let options = Options {
        jobs: args.jobs,
        limits: limits(&args.limits),
        scratch: scratch(args.scratch.as_deref())?,
        exclude: globs(&args.exclude)?,
        fail_on: args.fail_on.0,
        ..Options::default()
    };
    let file = match &args.output {
        Some(path) if same(path, &args.old) || same(path, &args.new) => {
            bail!("--output {} is a file to compare", path.display())
        }
        Some(path) => Some((path, output::open(path)?)),
        None => None,
    };
    let bar = Bar::new(!args.no_progress);
    let outcome = compare(options, &args.old, &args.new, &bar);
    bar.clear();
    let comparison = outcome?;
    let mut text = Vec::new();
    match file {
        Some((path, file)) => {
            render(args, &comparison, None, &mut text)?;
            let plain = anstream::adapter::strip_bytes(&text).into_vec();
            let bytes = if args.color == Color::Always { text } else { plain };
            output::replace(file, &bytes).with_context(|| format!("cannot write {}", path.display()))?;
        }
        None => {
            render(args, &comparison, output::columns(), &mut text)?;
            print(args.color, &text)?;
        }
    }
    Ok(exit_code(comparison.verdict))
}

fn same(path: &Path, other: &Path) -> bool {
    match (fs::metadata(path), fs::metadata(other)) {
        (Ok(a), Ok(b)) => a.is_file() && (a.dev(), a.ino()) == (b.dev(), b.ino()),
        _ => false,
    }
}

fn render(args: &DiffArgs, comparison: &Comparison, columns: Option<usize>, out: &mut Vec<u8>) -> Result<()> {
    match args.format {
        DiffFormat::Text => {
            let view = View {
                verbose: args.verbose,
                columns,
            };
            report::diff::text::render(comparison, view, out)?;
        }
        DiffFormat::Json => report::diff::json::render(comparison, out)?,
        DiffFormat::Markdown => report::diff::markdown::render(comparison, args.fail_on.0, out)?,
    }
    Ok(())
}

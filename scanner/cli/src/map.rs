//! `probity map FILE`: the region tree, so that a person can see what every byte is.

use crate::args::{MapArgs, MapFormat};
use crate::output;
use crate::report::text::size;
use crate::scan::exit_code;
use anyhow::{Context, Result, bail};
use probity_engine::artifact::Artifact;
use probity_engine::ledger::{Ledger, Region};
use probity_engine::name::printable;
use probity_engine::pipeline::{Options, Scanner, Silent};
use probity_engine::sink::HistogramSink;
use probity_engine::source::{FileSource, ReadAt, read_full_at};
use probity_engine::span::{Span, SpanSet};
use probity_engine::verify::Coverage;
use serde_json::json;
use std::fmt::Write;

/// Bytes read of a region for its entropy.
const SAMPLE: u64 = 64 << 10;

/// One row: a region or an unclaimed gap.
struct Row<'a> {
    span: Span,
    region: Option<&'a Region>,
    view: &'a str,
    level: usize,
    entropy: f64,
}

/// Prints the map; exits like a scan of the same file.
pub(crate) fn run(args: &MapArgs) -> Result<u8> {
    let meta = std::fs::metadata(&args.file).map_err(|e| anyhow::anyhow!("{}: {e}", args.file.display()))?;
    if !meta.is_file() {
        bail!("{} is not a regular file", args.file.display());
    }
    let options = Options {
        keep_ledgers: true,
        ..Options::default()
    };
    let scanner = Scanner::new(options).context("cannot start worker threads")?;
    let root = scanner.resolve(&args.file)?;
    let report = scanner.scan(&[root], None, &Silent);
    let Some(artifact) = report.artifacts.first() else {
        bail!("{} was not examined", args.file.display())
    };
    let Some(ledger) = &artifact.ledger else {
        let why = artifact.errors.first().map_or_else(String::new, |e| e.message.clone());
        crate::complain(&format!("{}: {why}", args.file.display()));
        return Ok(exit_code(report.verdict));
    };
    let source = FileSource::open(&args.file).with_context(|| args.file.display().to_string())?;
    let rows = rows(ledger, &source);
    let text = match args.format {
        MapFormat::Text => table(artifact, &rows)?,
        MapFormat::Json => document(artifact, &rows)?,
    };
    output::print(text.as_bytes())?;
    Ok(exit_code(report.verdict))
}

fn rows<'a>(ledger: &'a Ledger, source: &dyn ReadAt) -> Vec<Row<'a>> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for view in ledger.views() {
        for region in &view.regions {
            let entropy = if region.leaf { entropy(source, region.span) } else { 0.0 };
            rows.push(Row {
                span: region.span,
                region: Some(region),
                view: view.format,
                level: 0,
                entropy,
            });
        }
    }
    for gap in ledger.unclaimed().iter() {
        rows.push(Row {
            span: gap,
            region: None,
            view: "",
            level: 0,
            entropy: entropy(source, gap),
        });
    }
    let leaf = |row: &Row<'_>| row.region.is_none_or(|r| r.leaf);
    rows.sort_by(|a, b| {
        let key = |r: &Row<'a>| (r.span.start(), std::cmp::Reverse(r.span.end()), leaf(r));
        key(a).cmp(&key(b))
    });
    let mut open: Vec<Span> = Vec::new();
    for row in &mut rows {
        open.retain(|parent| parent.encloses(row.span));
        row.level = open.len();
        if row.region.is_some_and(|r| !r.leaf) {
            open.push(row.span);
        }
    }
    rows
}

fn entropy(source: &dyn ReadAt, span: Span) -> f64 {
    let mut bytes = vec![0u8; usize::try_from(span.len().min(SAMPLE)).unwrap_or(0)];
    let n = read_full_at(source, &mut bytes, span.start()).unwrap_or(0);
    let mut histogram = HistogramSink::default();
    histogram.feed(bytes.get(..n).unwrap_or_default());
    histogram.finish()
}

fn table(artifact: &Artifact, rows: &[Row<'_>]) -> Result<String> {
    let mut text = String::new();
    writeln!(text, "{}  {}, {}", artifact.path, artifact.format, size(artifact.size))?;
    writeln!(
        text,
        "{:>12} {:>12} {:<9} {:>7}  name",
        "offset", "length", "role", "entropy"
    )?;
    for row in rows {
        let (role, name) = match row.region {
            Some(region) => (region.role.as_str(), printable(region.name.as_bytes())),
            None => ("UNCLAIMED", "claimed by no region".to_owned()),
        };
        let entropy = if row.region.is_none_or(|r| r.leaf) {
            format!("{:.2}", row.entropy)
        } else {
            String::new()
        };
        let (start, length) = (row.span.start(), row.span.len());
        writeln!(
            text,
            "{start:>#12x} {length:>12} {role:<9} {entropy:>7}  {}{name}",
            "  ".repeat(row.level)
        )?;
    }
    let bytes = &artifact.bytes;
    writeln!(
        text,
        "{} claimed ({} padding) + {} unclaimed = {} bytes",
        bytes.claimed, bytes.padding, bytes.unclaimed, artifact.size
    )?;
    Ok(text)
}

/// How many bytes of `span` signatures are over; `None` where nothing is signed.
fn covered(artifact: &Artifact, span: Span) -> Option<u64> {
    let both = |c: &Coverage| c.covered().intersection(&SpanSet::from_spans([span])).total();
    artifact.coverage.as_ref().map(both)
}

fn document(artifact: &Artifact, rows: &[Row<'_>]) -> Result<String> {
    let regions: Vec<_> = rows
        .iter()
        .map(|row| {
            let leaf = row.region.is_some_and(|r| r.leaf);
            json!({
                "offset": row.span.start(),
                "length": row.span.len(),
                "role": row.region.map_or("unclaimed", |r| r.role.as_str()),
                "name": row.region.map(|r| printable(r.name.as_bytes())),
                "level": row.level,
                "leaf": leaf,
                "view": row.region.map(|_| row.view),
                "claimed": leaf,
                "covered": row.region.is_some_and(|r| r.leaf).then(|| covered(artifact, row.span)).flatten(),
                "entropy": row.region.is_none_or(|r| r.leaf).then(|| (row.entropy * 1e4).round() / 1e4),
            })
        })
        .collect();
    let document = json!({
        "schema": "probity.map/1",
        "path": artifact.path,
        "format": artifact.format,
        "size": artifact.size,
        "bytes": { "claimed": artifact.bytes.claimed, "unclaimed": artifact.bytes.unclaimed, "padding": artifact.bytes.padding },
        "regions": regions,
    });
    Ok(format!("{}\n", serde_json::to_string_pretty(&document)?))
}

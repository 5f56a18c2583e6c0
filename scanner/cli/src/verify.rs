//! `probity verify PATH`: the signatures of artifacts and nothing else, four answers apart, and the bytes that they are about.
//!
//! The whole scan runs, since what is nested must be found first; findings of other kinds neither show nor count here.
//! Where nothing at all is signed there is nothing to answer: that is told, and is not clean.
//!
//! Before it, what lies beside a path, or was given for it, is checked (`given`). A model's directory with a signature of its
//! own is not scanned besides.

mod beside;
pub(crate) mod given;

use crate::args::{VerifyArgs, VerifyFormat};
use crate::progress::Bar;
use crate::report::json::{self, signature};
use crate::report::text::{count, size};
use crate::report::wrap::wrap;
use crate::scan::exit_code;
use crate::{output, trust};
use anyhow::{Context, Result};
use given::{Found, Target};
use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Judged, Kind, Report, Verdict};
use probity_engine::finding::code;
use probity_engine::name::printable;
use probity_engine::pipeline::{Options, Scanner};
use probity_engine::verify::{Answer, ChainAnswer, Signature};
use serde_json::{Value, json};
use std::fmt::Write;

/// Where the answers begin.
const INDENT: usize = 12;
/// Places that are shown of one artifact.
const SHOWN: usize = 8;

/// Verifies; returns the exit code.
pub(crate) fn run(args: &VerifyArgs) -> Result<u8> {
    for path in &args.paths {
        std::fs::metadata(path).with_context(|| path.display().to_string())?;
    }
    let given = args.given.load()?;
    let mut targets = Vec::new();
    for path in &args.paths {
        targets.push(given.check(path)?);
    }
    let options = Options {
        jobs: args.jobs,
        fail_on: args.fail_on.0,
        trust: trust::load(&args.trust)?,
        ..Options::default()
    };
    let scanner = Scanner::new(options).context("cannot start worker threads")?;
    let mut roots = Vec::new();
    for target in targets.iter().filter(|target| !target.is_model()) {
        let root = scanner
            .resolve(&target.path)
            .map_err(|e| anyhow::anyhow!("{}: {e}", target.path.display()))?;
        roots.push(root);
    }
    let bar = Bar::new(!args.no_progress);
    let report = scanner.scan(&roots, None, &bar);
    bar.clear();
    for target in &mut targets {
        target.add_record(&report);
    }
    let verdict = verdict(&report, &targets, args.fail_on.0);
    let text = match args.format {
        VerifyFormat::Text => text(&report, &targets, output::columns())?,
        VerifyFormat::Json => format!(
            "{}\n",
            serde_json::to_string_pretty(&document(&report, &targets, verdict))?
        ),
    };
    output::print(text.as_bytes())?;
    Ok(exit_code(verdict))
}

/// Whether a finding is about a signature.
fn is_shown(judged: &&Judged) -> bool {
    let finding = &judged.finding;
    match finding.code {
        code::SIGNATURE_INVALID
        | code::SIGNATURE_UNANCHORED
        | code::SIGNATURE_WEAK
        | code::SIGNATURE_TIME
        | code::SIGNATURE_ORDER
        | code::MIXED_SIGNERS
        | code::UNCOVERED_BYTES
        | code::IMAGE_CHECKSUM
        | code::RECORD_MISMATCH => true,
        code::MALFORMED => finding.message.contains("certificate"),
        _ => false,
    }
}

/// Artifacts that are signed or have something told of them, and roots about which nothing else is.
fn listed<'r>(report: &'r Report, targets: &'r [Target]) -> impl Iterator<Item = &'r Artifact> {
    let all = report.artifacts.iter();
    let told = |a: &Artifact| !a.signatures.is_empty() || a.findings.iter().any(|f| is_shown(&f));
    all.filter(move |a| told(a) || (a.kind == Kind::Root && !holds_signed(report, a) && !is_beside(targets, a)))
}

/// Whether something beside a root signs it.
fn is_beside(targets: &[Target], root: &Artifact) -> bool {
    targets
        .iter()
        .any(|target| target.name() == root.path && !target.signatures.is_empty())
}

/// Whether something nested in `root` is signed.
fn holds_signed(report: &Report, root: &Artifact) -> bool {
    let mut inside = report
        .artifacts
        .iter()
        .filter(|a| a.path == root.path && a.nested.is_some());
    inside.any(|a| !a.signatures.is_empty())
}

fn verdict(report: &Report, targets: &[Target], fail_on: Option<Severity>) -> Verdict {
    let findings = report.artifacts.iter().flat_map(|a| a.findings.iter().filter(is_shown));
    let beside = targets.iter().flat_map(|target| &target.signatures);
    let of_beside = beside.clone().flat_map(|found| &found.checked.findings);
    let worst = findings.chain(of_beside).map(|f| f.severity).max();
    let complete = report.complete && beside.clone().all(|found| found.is_known());
    let signed = beside.clone().next().is_some() || report.artifacts.iter().any(|a| !a.signatures.is_empty());
    if fail_on.is_some_and(|least| worst.is_some_and(|worst| worst >= least)) {
        Verdict::Findings
    } else if complete && signed {
        Verdict::Clean
    } else {
        Verdict::Incomplete
    }
}

fn text(report: &Report, targets: &[Target], columns: Option<usize>) -> Result<String> {
    let mut out = String::new();
    for target in targets.iter().filter(|target| !target.signatures.is_empty()) {
        beside::text(target, columns, &mut out)?;
    }
    for a in listed(report, targets) {
        artifact(a, is_beside(targets, a), columns, &mut out)?;
    }
    let signed = report.artifacts.iter().filter(|a| !a.signatures.is_empty());
    let good = signed
        .clone()
        .filter(|a| a.signatures.iter().all(|s| s.intact == Answer::Yes));
    let beside = targets.iter().flat_map(|target| &target.signatures);
    let beside_good = beside
        .clone()
        .filter(|found| found.checked.intact == Answer::Yes)
        .count();
    let (signed, good) = (
        signed.count().saturating_add(beside.count()),
        good.count().saturating_add(beside_good),
    );
    let (signed, good) = (u64::try_from(signed)?, u64::try_from(good)?);
    writeln!(out, "{}, {good} intact", count(signed, "signed artifact"))?;
    Ok(out)
}

fn row(out: &mut String, label: &str, text: &str, columns: Option<usize>) -> Result<()> {
    writeln!(out, "  {label:<9} {}", wrap(text, INDENT, INDENT, columns))?;
    Ok(())
}

fn artifact(a: &Artifact, beside: bool, columns: Option<usize>, out: &mut String) -> Result<()> {
    let nested = a.nested.as_ref().map_or_else(String::new, |n| format!("!{n}"));
    writeln!(out, "{}{nested}  {}, {}", a.path, a.format, size(a.size))?;
    if a.signatures.is_empty() && !beside {
        row(out, "signature", "none that is known here", columns)?;
    }
    for signature in &a.signatures {
        answers(signature, columns, out)?;
    }
    if let (Some(covered), Some(excluded), Some(uncovered)) = (a.bytes.covered, a.bytes.excluded, a.bytes.uncovered) {
        let sum = format!(
            "{covered} covered + {excluded} excluded + {uncovered} uncovered = {}",
            a.size
        );
        row(out, "bytes", &sum, columns)?;
    }
    for judged in a.findings.iter().filter(is_shown).take(SHOWN) {
        let finding = &judged.finding;
        let place = if finding.span.is_empty() {
            String::new()
        } else {
            format!(
                " (at {:#x}, {})",
                finding.span.start(),
                count(finding.span.len(), "byte")
            )
        };
        let text = format!("{}: {}{place}", finding.code, printable(finding.message.as_bytes()));
        row(out, judged.severity.as_str(), &text, columns)?;
    }
    for error in &a.errors {
        row(out, "error", &printable(error.message.as_bytes()), columns)?;
    }
    out.push('\n');
    Ok(())
}

fn answers(s: &Signature, columns: Option<usize>, out: &mut String) -> Result<()> {
    let digest = s.digest.map_or_else(String::new, |d| format!(", {d}"));
    let nested = if s.nested { ", inside the one above" } else { "" };
    row(out, "signature", &format!("{}{digest}{nested}", s.scheme), columns)?;
    let intact = match &s.reason {
        Some(why) => format!("{}: {why}", s.intact.as_str()),
        None => s.intact.as_str().to_owned(),
    };
    row(out, "  intact", &intact, columns)?;
    let signer = match (&s.signer, &s.publisher) {
        (Some(signer), Some(publisher)) => format!("{signer} (pinned as {publisher})"),
        (Some(signer), None) => signer.clone(),
        (None, _) => "unknown".to_owned(),
    };
    row(out, "  signer", &signer, columns)?;
    if let Some(code) = &s.code {
        let team = code
            .team
            .as_ref()
            .map_or_else(String::new, |team| format!(", team {team}"));
        let flags = if code.flags.is_empty() {
            "none".to_owned()
        } else {
            code.flags.join(" ")
        };
        let text = format!("{} ({}{team}; flags: {flags})", code.identifier, code.kind);
        row(out, "  code", &text, columns)?;
        if !code.entitlements.is_empty() {
            row(out, "  entitled", &code.entitlements.join(", "), columns)?;
        }
    }
    let chain = match &s.anchor {
        Some(anchor) => format!("{}: {anchor}", s.chain.as_str()),
        None => s.chain.as_str().to_owned(),
    };
    row(out, "  chain", &chain, columns)?;
    let time = match &s.time {
        Some(time) => {
            let known = if time.chain == ChainAnswer::Anchored {
                ""
            } else {
                ", which is not known"
            };
            format!("{} by {}{known}", time.at, time.authority)
        }
        None => "nobody says".to_owned(),
    };
    row(out, "  time", &time, columns)
}

fn document(report: &Report, targets: &[Target], verdict: Verdict) -> Value {
    let beside = targets
        .iter()
        .filter(|target| !target.signatures.is_empty())
        .map(beside::json);
    let embedded = listed(report, targets).map(|a| {
        let coverage = a.coverage.as_ref();
        let uncovered: Vec<Value> = coverage
            .iter()
            .flat_map(|c| c.uncovered().iter().collect::<Vec<_>>())
            .map(|s| json!({ "offset": s.start(), "length": s.len() }))
            .collect();
        let excluded: Vec<Value> = coverage
            .iter()
            .flat_map(|c| c.excluded())
            .map(|(s, why)| json!({ "offset": s.start(), "length": s.len(), "why": why }))
            .collect();
        json!({
            "path": a.path,
            "nested": a.nested,
            "format": a.format,
            "size": a.size,
            "bytes": {
                "covered": a.bytes.covered, "excluded": a.bytes.excluded, "uncovered": a.bytes.uncovered,
            },
            "signatures": a.signatures.iter().map(signature).collect::<Vec<_>>(),
            "excluded": excluded,
            "uncovered": uncovered,
            "findings": a.findings.iter().filter(is_shown).map(|f| json::finding(a, f)).collect::<Vec<_>>(),
            "errors": a.errors.iter().map(json::error).collect::<Vec<_>>(),
        })
    });
    let artifacts: Vec<Value> = beside.chain(embedded).collect();
    let known = targets
        .iter()
        .flat_map(|target| &target.signatures)
        .all(Found::is_known);
    json!({
        "schema": "probity.verify/1",
        "tool": { "name": "probity", "version": env!("CARGO_PKG_VERSION") },
        "verdict": verdict.as_str(),
        "complete": report.complete && known,
        "artifacts": artifacts,
    })
}

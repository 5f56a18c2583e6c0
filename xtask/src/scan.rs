//! `cargo xtask scan`: the release scanner over the corpus, packed and unpacked, and over its own build.
//!
//! A mainstream publisher's artifact should show nothing at medium or above; what it does show must be in
//! `xtask/expected.toml` with a reason. Full reports stay under `target/scan`.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;

use crate::corpus::corpus_dir;
use crate::run::{Cmd, root, target_dir};
use crate::table::table;

const SEVERITIES: [&str; 5] = ["critical", "high", "medium", "low", "info"];

#[derive(clap::Args)]
pub(crate) struct Args {
    /// The corpus names to scan; everything when none is given
    name: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expectations {
    expected: Vec<Expected>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Expected {
    artifact: String,
    code: String,
    path: Option<String>,
    reason: String,
}

/// Scans each artifact, prints one line for each, then what nobody expected.
///
/// # Errors
///
/// When a finding at medium or above is not expected, a scan is incomplete, or the scanner itself failed.
pub(crate) fn scan(args: &Args) -> Result<()> {
    let text = fs::read_to_string(root().join("xtask/expected.toml")).context("cannot read xtask/expected.toml")?;
    let expectations: Expectations = toml::from_str(&text).context("xtask/expected.toml")?;
    if let Some(bare) = expectations
        .expected
        .iter()
        .find(|entry| entry.reason.trim().is_empty())
    {
        bail!("xtask/expected.toml: {} {} has no reason", bare.artifact, bare.code);
    }
    let program = release_build()?;
    let mut subjects = subjects(&args.name)?;
    subjects.push(("probity".to_owned(), "own", program.clone()));

    let reports = target_dir().join("scan");
    fs::create_dir_all(&reports)?;
    let mut rows = Vec::new();
    let mut problems = Vec::new();
    let mut used = vec![false; expectations.expected.len()];
    for (name, kind, path) in &subjects {
        let start = Instant::now();
        let output = Cmd::new(&program)
            .quiet()
            .args(["scan", "--no-progress", "--format", "json"])
            .arg(path)
            .output()?;
        let seconds = start.elapsed().as_secs_f64();
        let code = output.status.code();
        fs::write(reports.join(format!("{name}.{kind}.json")), &output.stdout)?;
        let label = format!("{name} ({kind})");
        let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
            let said = String::from_utf8_lossy(&output.stderr);
            problems.push(format!(
                "{label}: no JSON report; {}: {}",
                output.status,
                said.trim_end()
            ));
            continue;
        };
        rows.push(row(&label, &report, seconds, code));
        if !matches!(code, Some(0 | 1)) {
            problems.push(format!("{label}: {}{}", output.status, errors(&report)));
        } else if report["complete"] != true {
            problems.push(format!("{label}: incomplete beside its findings{}", errors(&report)));
        }
        for finding in serious(&report) {
            let matching = |entry: &Expected| {
                entry.artifact == *name
                    && entry.code == finding.code
                    && entry
                        .path
                        .as_ref()
                        .is_none_or(|part| finding.place.contains(part.as_str()))
            };
            match expectations.expected.iter().position(matching) {
                Some(at) => used[at] = true,
                None => problems.push(format!(
                    "{label}: {} {} at {}: {}",
                    finding.severity, finding.code, finding.place, finding.message
                )),
            }
        }
    }
    let head = [
        "artifact",
        "format",
        "bytes",
        "seconds",
        "nested",
        "hosts",
        "c/h/m/l/i",
        "unclaimed",
        "verdict",
        "exit",
    ];
    print!("{}", table(&head, &rows));
    if args.name.is_empty() {
        for (entry, _) in expectations.expected.iter().zip(&used).filter(|(_, used)| !**used) {
            println!("no longer seen: {} {} ({})", entry.artifact, entry.code, entry.reason);
        }
    }
    if problems.is_empty() {
        return Ok(());
    }
    bail!("{} unexpected:\n  {}", problems.len(), problems.join("\n  "));
}

/// Builds the release scanner; its path.
pub(crate) fn release_build() -> Result<PathBuf> {
    Cmd::cargo()
        .args(["build", "--release", "--package", "probity"])
        .run()?;
    Ok(target_dir().join("release/probity"))
}

/// What to scan: corpus name, how it lies there, where.
fn subjects(names: &[String]) -> Result<Vec<(String, &'static str, PathBuf)>> {
    let mut out = Vec::new();
    for kind in ["packed", "unpacked"] {
        let dir = corpus_dir().join(kind);
        let entries =
            fs::read_dir(&dir).with_context(|| format!("{} is not there: cargo xtask corpus", dir.display()))?;
        for entry in entries {
            let path = entry?.path();
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let wanted = names.is_empty() || names.contains(&name);
            if !wanted || name.ends_with(".partial") {
                continue;
            }
            out.push((name, kind, if kind == "packed" { single(&path)? } else { path }));
        }
    }
    out.sort();
    if out.is_empty() {
        bail!("nothing to scan: cargo xtask corpus");
    }
    Ok(out)
}

fn single(dir: &Path) -> Result<PathBuf> {
    let first = fs::read_dir(dir)?
        .next()
        .with_context(|| format!("{} is empty", dir.display()))?;
    Ok(first?.path())
}

fn list<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> + use<'a> {
    value[key].as_array().into_iter().flatten()
}

fn row(label: &str, report: &Value, seconds: f64, code: Option<i32>) -> Vec<String> {
    let summary = &report["summary"];
    let number = |value: &Value| value.as_u64().unwrap_or(0);
    let unclaimed: u64 = list(report, "artifacts")
        .map(|artifact| number(&artifact["bytes"]["unclaimed"]))
        .sum();
    let mut hosts: Vec<&str> = list(report, "artifacts")
        .flat_map(|artifact| list(artifact, "hosts"))
        .filter_map(Value::as_str)
        .collect();
    hosts.sort_unstable();
    hosts.dedup();
    let counts = SEVERITIES.map(|severity| number(&summary["findings"][severity]).to_string());
    vec![
        label.to_owned(),
        report["artifacts"][0]["format"].as_str().unwrap_or("?").to_owned(),
        number(&summary["bytes"]).to_string(),
        format!("{seconds:.2}"),
        number(&summary["nested"]).to_string(),
        hosts.len().to_string(),
        counts.join("/"),
        unclaimed.to_string(),
        report["verdict"].as_str().unwrap_or("?").to_owned(),
        code.map_or_else(|| "signal".to_owned(), |code| code.to_string()),
    ]
}

struct Serious {
    code: String,
    severity: String,
    place: String,
    message: String,
}

/// The findings at medium or above, each with its place.
fn serious(report: &Value) -> Vec<Serious> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut out = Vec::new();
    for artifact in list(report, "artifacts") {
        for finding in list(artifact, "findings") {
            let severity = text(&finding["severity"]);
            if matches!(severity.as_str(), "low" | "info") {
                continue;
            }
            let place = [&artifact["path"], &artifact["nested"], &finding["region"]].map(text);
            let place = place
                .iter()
                .filter(|part| !part.is_empty())
                .map(String::as_str)
                .collect::<Vec<_>>()
                .join("!");
            out.push(Serious {
                code: text(&finding["code"]),
                severity,
                place,
                message: text(&finding["message"]),
            });
        }
    }
    out
}

/// Why a scan is incomplete: the first few errors.
fn errors(report: &Value) -> String {
    let mut out = String::new();
    for artifact in list(report, "artifacts") {
        for error in list(artifact, "errors") {
            out.push_str(&format!(
                "; {} {}: {}",
                artifact["path"], error["code"], error["message"]
            ));
            if out.len() > 600 {
                out.push_str("; ...");
                return out;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_findings_at_medium_or_above_need_a_reason() {
        let report = serde_json::json!({ "artifacts": [ { "path": "a.whl", "nested": "b.pkl", "findings": [
            { "code": "x", "severity": "low" }, { "code": "y", "severity": "medium", "region": "header", "message": "m" } ] } ] });
        let found = serious(&report);
        assert_eq!(found.len(), 1);
        assert_eq!(
            (found[0].code.as_str(), found[0].place.as_str()),
            ("y", "a.whl!b.pkl!header")
        );
    }

    #[test]
    fn the_expected_findings_are_well_formed() {
        let table: Expectations = toml::from_str(include_str!("../expected.toml")).unwrap();
        assert!(table.expected.iter().all(|entry| !entry.reason.trim().is_empty()));
    }
}

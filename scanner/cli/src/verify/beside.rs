//! What lies beside a path and signs it, for people and as JSON.

use super::given::{Found, Target};
use super::row;
use crate::report::json::{error, value};
use anyhow::Result;
use probity_engine::artifact::Judged;
use probity_engine::name::printable;
use serde_json::{Map, Value, json};
use std::fmt::Write;
use std::path::Path;

fn shown(path: &Path) -> String {
    printable(path.as_os_str().as_encoded_bytes())
}

/// For people.
pub(super) fn text(target: &Target, columns: Option<usize>, out: &mut String) -> Result<()> {
    writeln!(out, "{}", target.name())?;
    for found in &target.signatures {
        let checked = &found.checked;
        let scheme = match &found.by {
            Some(by) => format!("{}, in {}", checked.scheme, shown(by)),
            None => checked.scheme.to_owned(),
        };
        let or = |text: &Option<String>, none: &str| {
            text.as_deref()
                .map_or_else(|| none.to_owned(), |text| printable(text.as_bytes()))
        };
        row(out, "signature", &scheme, columns)?;
        row(out, "  intact", checked.intact.as_str(), columns)?;
        row(out, "  signer", &or(&checked.signer, "unknown"), columns)?;
        row(out, "  chain", checked.chain.as_str(), columns)?;
        row(out, "  time", &or(&checked.time, "nobody says"), columns)?;
        for note in &checked.notes {
            row(out, "", &printable(note.as_bytes()), columns)?;
        }
        for judged in &checked.findings {
            let finding = &judged.finding;
            let text = format!("{}: {}", finding.code, printable(finding.message.as_bytes()));
            row(out, judged.severity.as_str(), &text, columns)?;
        }
        for error in &checked.errors {
            row(out, "error", &printable(error.message.as_bytes()), columns)?;
        }
    }
    out.push('\n');
    Ok(())
}

/// One artifact of the document.
pub(super) fn json(target: &Target) -> Value {
    let each = |take: fn(&Found) -> Vec<Value>| target.signatures.iter().flat_map(take).collect::<Vec<_>>();
    json!({
        "path": target.name(),
        "nested": null,
        "signatures": target.signatures.iter().map(signature).collect::<Vec<_>>(),
        "findings": each(|found| found.checked.findings.iter().map(finding).collect()),
        "errors": each(|found| found.checked.errors.iter().map(error).collect()),
    })
}

fn signature(found: &Found) -> Value {
    let checked = &found.checked;
    let text = |text: &Option<String>| text.as_deref().map(|t| printable(t.as_bytes()));
    json!({
        "scheme": checked.scheme,
        "file": found.by.as_deref().map(shown),
        "intact": checked.intact.as_str(),
        "signer": text(&checked.signer),
        "chain": checked.chain.as_str(),
        "time": text(&checked.time),
        "covered": checked.covered,
        "notes": checked.notes.iter().map(|note| printable(note.as_bytes())).collect::<Vec<_>>(),
    })
}

fn finding(judged: &Judged) -> Value {
    let finding = &judged.finding;
    let evidence: Map<String, Value> = finding
        .evidence
        .iter()
        .map(|(k, v)| ((*k).to_owned(), value(v)))
        .collect();
    json!({
        "code": finding.code,
        "case": finding.case,
        "severity": judged.severity.as_str(),
        "confidence": judged.confidence.as_str(),
        "message": printable(finding.message.as_bytes()),
        "fingerprint": judged.fingerprint,
        "region": printable(finding.region.as_bytes()),
        "offset": finding.span.start(),
        "length": finding.span.len(),
        "evidence": evidence,
        "related": [],
    })
}

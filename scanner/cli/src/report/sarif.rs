//! `--format sarif`: SARIF 2.1.0, one run. What code scanning services, editors and converters read.
//!
//! Offsets are byte offsets: a region never has a `startLine`, which 3.30.4 forbids to guess. A nested artifact is an
//! entry of `artifacts` with its parent, and a logical location of each of its results; the physical location is then
//! the root, without a region, since offsets are into the artifact named. The same bytes and rules give the same
//! document: no time, no machine, no absolute path that was not given.
//!
//! Text of artifacts stands in messages (3.11) only with its braces doubled, so that it is no placeholder, and with no
//! `](` left, so that it is no link.

use super::cut::cut;
use super::markdown::prose;
use super::uri;
use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Judged, Kind, Report, Suppressed, Verdict};
use probity_engine::finding::{Elsewhere, ErrorCode, ScanError, Value as Evidence};
use probity_signatures::{Rule, Rules};
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;
use std::io::{self, Write};

/// Where the schema is published.
const SCHEMA: &str = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json";
/// What relative paths are relative to.
const BASE: &str = "WORKDIR";
/// What absolute paths with a `..` are relative to: a `file` URI must hold none, and nothing here may resolve it.
const ROOT: &str = "ROOTDIR";
/// Characters of one text.
const TEXT: usize = 1000;
/// Elements of one list of evidence, and related places of one result.
const LIST: usize = 64;

/// Writes the log.
pub(crate) fn render(report: &Report, all: bool, exit_code: u8, out: &mut dyn Write) -> io::Result<()> {
    let occurring = occurring(report);
    let artifacts = Artifacts::new(report, all);
    let rule_index: BTreeMap<&str, usize> = occurring.keys().enumerate().map(|(n, code)| (*code, n)).collect();
    let mut results = Vec::new();
    let mut notifications = Vec::new();
    for (a, place) in report.artifacts.iter().zip(&artifacts.places) {
        let Some(place) = *place else { continue };
        results.extend(a.findings.iter().map(|f| result(a, place, f, &rule_index)));
        results.extend(a.suppressed.iter().map(|s| suppressed(a, place, s, &rule_index)));
        notifications.extend(a.errors.iter().map(|e| notification(a, place, e)));
    }
    let log = json!({
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": driver(&occurring, report) },
            "invocations": [{
                "executionSuccessful": report.complete,
                "exitCode": exit_code,
                "exitCodeDescription": described(report),
                "toolExecutionNotifications": notifications,
            }],
            "originalUriBaseIds": {
                BASE: { "description": { "text": "The directory that probity was started in." } },
                ROOT: { "uri": "file:///", "description": { "text": "The root directory." } },
            },
            "artifacts": artifacts.entries,
            "results": results,
            "properties": {
                "verdict": report.verdict.as_str(), "complete": report.complete, "nested": report.nested,
                "bytes": report.bytes, "excluded": report.excluded,
            },
        }],
    });
    serde_json::to_writer_pretty(&mut *out, &log)?;
    writeln!(out)
}

/// The codes that occur, each with its worst severity.
fn occurring(report: &Report) -> BTreeMap<&'static str, Severity> {
    let mut codes = BTreeMap::new();
    let all = |a: &Artifact| {
        a.findings
            .iter()
            .chain(a.suppressed.iter().map(|s| &s.judged))
            .map(|j| (j.finding.code, j.severity))
            .collect::<Vec<_>>()
    };
    for (code, severity) in report.artifacts.iter().flat_map(all) {
        let worst = codes.entry(code).or_insert(severity);
        *worst = (*worst).max(severity);
    }
    codes
}

fn described(report: &Report) -> &'static str {
    match (report.verdict, report.complete) {
        (Verdict::Clean, _) => "clean",
        (Verdict::Findings, true) => "findings at or above the threshold",
        (Verdict::Findings, false) => "findings at or above the threshold, and not everything was examined",
        (Verdict::Incomplete, _) => "not everything was examined",
    }
}

fn driver(occurring: &BTreeMap<&'static str, Severity>, report: &Report) -> Value {
    let rules = &report.rules;
    let mut properties = json!({ "rules": rules.digest() });
    if let Some(yara) = &report.yara {
        properties["yara"] = json!(yara.digest);
    }
    let described: Vec<Value> = occurring
        .iter()
        .map(|(code, worst)| rule(code, *worst, rules))
        .collect();
    let errors: Vec<Value> = ErrorCode::ALL
        .iter()
        .map(|e| {
            let mut out = descriptor(e.as_str());
            out["shortDescription"] = json!({ "text": error_summary(*e) });
            out["defaultConfiguration"] = json!({ "level": "error" });
            out
        })
        .collect();
    json!({
        "name": "probity",
        "version": env!("CARGO_PKG_VERSION"),
        "semanticVersion": env!("CARGO_PKG_VERSION"),
        "rules": described,
        "notifications": errors,
        "properties": properties,
    })
}

/// What describes a code. The name is for people and must differ from the id in more than case (3.49.7).
fn descriptor(code: &str) -> Value {
    match pascal(code) {
        name if name.eq_ignore_ascii_case(code) => json!({ "id": code }),
        name => json!({ "id": code, "name": name }),
    }
}

/// A rule's own file. `security-severity` is one number for a code, where severities are one for each finding: it is
/// the worst that occurs.
fn rule(code: &str, worst: Severity, rules: &Rules) -> Value {
    let mut out = descriptor(code);
    if let Some(rule) = rules.get(code) {
        out["shortDescription"] = json!({ "text": format!("{}.", capital(&rule.summary)) });
        out["fullDescription"] = json!({ "text": one_line(&rule.what) });
        out["help"] = help(rule);
        out["defaultConfiguration"] = json!({ "level": level(rule.severity) });
        out["properties"] = json!({ "tags": ["security", "ai-artifact"], "precision": precision(rule) });
        match &rule.origin {
            Some(origin) => out["properties"]["origin"] = json!(origin),
            None => out["properties"]["since"] = json!(rule.since),
        }
    }
    out["properties"]["security-severity"] = json!(security_severity(worst));
    out
}

fn help(rule: &Rule) -> Value {
    let (what, why) = (one_line(&rule.what), one_line(&rule.why));
    let mut text = format!("{what}\n\nWhy it is bad: {why}\n\nWhat to do: {}", rule.action);
    let mut markdown = format!(
        "{}\n\n**Why it is bad.** {}\n\n**What to do:** {}",
        prose(&what),
        prose(&why),
        prose(&rule.action)
    );
    if !rule.cases.is_empty() {
        text.push_str("\n\nCases:");
        markdown.push_str("\n\n**Cases**\n");
    }
    for (name, case) in &rule.cases {
        let line = format!("{name} ({}): {}", case.severity, case.when);
        text.push_str(&format!("\n- {line}"));
        markdown.push_str(&format!("\n- {}", prose(&line)));
    }
    if !rule.references.is_empty() {
        text.push_str("\n\nReferences:");
        markdown.push_str("\n\n**References**\n");
    }
    for reference in &rule.references {
        text.push_str(&format!("\n- {reference}"));
        markdown.push_str(&format!("\n- {}", prose(reference)));
    }
    json!({ "text": text, "markdown": markdown })
}

/// Where an artifact stands in `artifacts`, and its root.
#[derive(Clone, Copy)]
struct Place<'a> {
    index: usize,
    root: &'a Artifact,
    root_index: usize,
}

/// The artifacts that are listed, and all that hold them.
struct Artifacts<'a> {
    entries: Vec<Value>,
    /// For each artifact of the report, where its entry stands when it has one.
    places: Vec<Option<Place<'a>>>,
}

impl<'a> Artifacts<'a> {
    fn new(report: &'a Report, all: bool) -> Self {
        let parents = parents(&report.artifacts);
        let mut needed: Vec<bool> = report.artifacts.iter().map(|a| all || a.is_listed()).collect();
        // Parents stand before their children: from the last to the first, need reaches the root.
        for (at, parent) in parents.iter().enumerate().rev() {
            if let (true, Some(parent)) = (needed[at], parent) {
                needed[*parent] = true;
            }
        }
        let mut made = Self {
            entries: Vec::new(),
            places: Vec::with_capacity(report.artifacts.len()),
        };
        for ((a, parent), needed) in report.artifacts.iter().zip(parents).zip(needed) {
            if !needed {
                made.places.push(None);
                continue;
            }
            let index = made.entries.len();
            let holder = parent.and_then(|p| Some((report.artifacts.get(p)?, (*made.places.get(p)?)?)));
            let place = match holder {
                Some((_, outer)) => Place { index, ..outer },
                None => Place {
                    index,
                    root: a,
                    root_index: index,
                },
            };
            made.entries.push(entry(a, holder.map(|(h, outer)| (h, outer.index))));
            made.places.push(Some(place));
        }
        made
    }
}

/// For each artifact the one that holds it. Artifacts come as a walk of the tree, each before what it holds; names may
/// repeat.
fn parents(artifacts: &[Artifact]) -> Vec<Option<usize>> {
    let mut open: Vec<usize> = Vec::new();
    let mut out = Vec::with_capacity(artifacts.len());
    for (at, a) in artifacts.iter().enumerate() {
        while let Some(&last) = open.last() {
            let holds = artifacts.get(last).is_some_and(|holder| holds(holder, a));
            if holds {
                break;
            }
            open.pop();
        }
        out.push(open.last().copied());
        open.push(at);
    }
    out
}

fn holds(holder: &Artifact, a: &Artifact) -> bool {
    let Some(nested) = &a.nested else { return false };
    holder.kind != Kind::Directory
        && holder.path == a.path
        && match &holder.nested {
            None => true,
            Some(outer) => nested
                .strip_prefix(outer.as_str())
                .is_some_and(|rest| rest.starts_with('!')),
        }
}

/// The name inside the artifact that holds it.
fn inner<'a>(a: &'a Artifact, holder: &Artifact) -> &'a str {
    let nested = a.nested.as_deref().unwrap_or_default();
    let rest = holder.nested.as_deref().and_then(|outer| nested.strip_prefix(outer));
    rest.and_then(|r| r.strip_prefix('!')).unwrap_or(nested)
}

fn entry(a: &Artifact, parent: Option<(&Artifact, usize)>) -> Value {
    let mut out = Map::new();
    match parent {
        None => {
            out.insert("location".to_owned(), location(a));
            out.insert("roles".to_owned(), json!([role(a)]));
        }
        Some((holder, index)) => {
            let uri = uri::of_member(inner(a, holder));
            out.insert("location".to_owned(), json!({ "uri": uri }));
            out.insert("parentIndex".to_owned(), json!(index));
        }
    }
    if a.format != "unknown" && a.kind != Kind::Directory {
        out.insert("length".to_owned(), json!(a.size));
    }
    if let Some(digest) = a.sha256 {
        let hex: String = digest.iter().map(|b| format!("{b:02x}")).collect();
        out.insert("hashes".to_owned(), json!({ "sha-256": hex }));
    }
    let properties = json!({
        "format": a.format, "claimed": a.bytes.claimed, "unclaimed": a.bytes.unclaimed,
        "verdict": a.verdict.as_str(), "complete": a.complete,
    });
    out.insert("properties".to_owned(), properties);
    Value::Object(out)
}

fn role(a: &Artifact) -> &'static str {
    match a.kind {
        Kind::Directory => "directory",
        Kind::Root | Kind::Nested => "analysisTarget",
    }
}

/// The location of a root. Standard input has no place that a base could be put before.
fn location(root: &Artifact) -> Value {
    located(&root.path, root.kind == Kind::Directory)
}

fn located(path: &str, directory: bool) -> Value {
    let uri = uri::from_path(path, directory);
    match uri.strip_prefix("file:///") {
        Some(below) if below.split('/').any(|c| c == "..") => json!({ "uri": below, "uriBaseId": ROOT }),
        None if path != "-" => json!({ "uri": uri, "uriBaseId": BASE }),
        _ => json!({ "uri": uri }),
    }
}

/// A place in an artifact, `offset` and `length` in bytes.
fn position(a: &Artifact, place: Place<'_>, region: Option<(u64, Option<u64>)>) -> Value {
    let mut artifact = location(place.root);
    artifact["index"] = json!(place.root_index);
    let mut physical = json!({ "artifactLocation": artifact });
    let mut out = Map::new();
    let bytes = region.map(|(offset, length)| match length {
        Some(length) => json!({ "byteOffset": offset, "byteLength": length }),
        None => json!({ "byteOffset": offset }),
    });
    match (&a.nested, bytes) {
        (None, Some(bytes)) if a.kind != Kind::Directory => physical["region"] = bytes,
        (Some(nested), bytes) => {
            let name = nested.rsplit('!').next().unwrap_or(nested);
            let logical =
                json!({ "name": name, "fullyQualifiedName": format!("{}!{nested}", a.path), "kind": "member" });
            out.insert("logicalLocations".to_owned(), json!([logical]));
            let mut properties = json!({ "artifactIndex": place.index });
            if let Some(bytes) = bytes {
                properties["region"] = bytes;
            }
            out.insert("properties".to_owned(), properties);
        }
        _ => {}
    }
    out.insert("physicalLocation".to_owned(), physical);
    Value::Object(out)
}

/// A place in another artifact than the one the result is about.
fn elsewhere(other: &Elsewhere) -> Value {
    match &other.nested {
        Some(nested) => {
            let name = nested.rsplit('!').next().unwrap_or(nested);
            let full = format!("{}!{nested}", other.path);
            json!({ "logicalLocations": [{ "name": name, "fullyQualifiedName": full, "kind": "member" }] })
        }
        None => json!({ "physicalLocation": { "artifactLocation": located(&other.path, false) } }),
    }
}

fn result(a: &Artifact, place: Place<'_>, judged: &Judged, rule_index: &BTreeMap<&str, usize>) -> Value {
    let f = &judged.finding;
    let evidence: Map<String, Value> = f.evidence.iter().map(|(k, v)| ((*k).to_owned(), value(v))).collect();
    let mut properties = json!({
        "case": f.case, "severity": judged.severity.as_str(), "confidence": judged.confidence.as_str(),
        "region": cut(&f.region, TEXT), "evidence": evidence,
    });
    let related: Vec<Value> = f
        .related
        .iter()
        .take(LIST)
        .map(|r| {
            let mut out = match &r.elsewhere {
                Some(other) => elsewhere(other),
                None => position(a, place, Some((r.span.start(), Some(r.span.len())))),
            };
            out["message"] = json!({ "text": message(&r.region) });
            out
        })
        .collect();
    if f.related.len() > LIST {
        properties["relatedLeftOut"] = json!(f.related.len().saturating_sub(LIST));
    }
    let mut out = json!({
        "ruleId": f.code,
        "ruleIndex": rule_index.get(f.code),
        "level": level(judged.severity),
        "message": { "text": message(&f.message) },
        "locations": [position(a, place, Some((f.span.start(), Some(f.span.len()))))],
        "partialFingerprints": { "probity/v1": judged.fingerprint },
        "properties": properties,
    });
    if !related.is_empty() {
        out["relatedLocations"] = json!(related);
    }
    out
}

/// A result that the policy or the baseline allows (3.35): it is in the log, and no consumer counts it.
fn suppressed(a: &Artifact, place: Place<'_>, allowed: &Suppressed, rule_index: &BTreeMap<&str, usize>) -> Value {
    let mut out = result(a, place, &allowed.judged, rule_index);
    let why = if allowed.reason.is_empty() {
        allowed.by.clone()
    } else {
        format!("{}: {}", allowed.by, allowed.reason)
    };
    out["suppressions"] = json!([{ "kind": "external", "status": "accepted", "justification": message(&why) }]);
    out
}

fn notification(a: &Artifact, place: Place<'_>, error: &ScanError) -> Value {
    let index = ErrorCode::ALL.iter().position(|e| *e == error.code);
    json!({
        "descriptor": { "id": error.code.as_str(), "index": index },
        "level": "error",
        "message": { "text": format!("Not examined: {}", message(&error.message)) },
        "locations": [position(a, place, error.offset.map(|o| (o, None)))],
    })
}

fn value(value: &Evidence) -> Value {
    match value {
        Evidence::Text(text) => json!(cut(text, TEXT)),
        Evidence::Number(n) => json!(n),
        Evidence::Real(n) => json!(n),
        Evidence::List(list) => {
            let mut shown: Vec<String> = list.iter().take(LIST).map(|t| cut(t, TEXT)).collect();
            if list.len() > LIST {
                shown.push(format!("and {} more", list.len().saturating_sub(LIST)));
            }
            json!(shown)
        }
    }
}

/// A sentence that no reader takes for a placeholder or a link.
fn message(text: &str) -> String {
    let text = cut(text, TEXT)
        .replace('{', "{{")
        .replace('}', "}}")
        .replace("](", "]%28");
    if text.is_empty() { "-".to_owned() } else { text }
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// The score by which code scanning services sort: over 9.0 critical, 7.0 high, 4.0 medium, below low.
fn security_severity(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.5",
        Severity::Low => "3.0",
        Severity::Info => "1.0",
    }
}

fn precision(rule: &Rule) -> &'static str {
    match rule.confidence.as_str() {
        "certain" => "very-high",
        "likely" => "high",
        _ => "medium",
    }
}

fn error_summary(code: ErrorCode) -> &'static str {
    match code {
        ErrorCode::Unreadable => "Bytes could not be read.",
        ErrorCode::ChangedDuringScan => "The file was not the same when it was read twice.",
        ErrorCode::LimitExceeded => "A limit was reached.",
        ErrorCode::Encrypted => "Content is encrypted.",
        ErrorCode::Unsupported => "A codec, version or kind of file that this build does not read.",
        ErrorCode::NotFollowed => "A link was not followed.",
        ErrorCode::Internal => "A defect of probity itself, caught at the edge of one artifact.",
        _ => "Something was not examined.",
    }
}

/// `unsafe-callable` as `UnsafeCallable`.
fn pascal(code: &str) -> String {
    code.split('-').map(capital).collect()
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    match letters.next() {
        Some(first) => first.to_uppercase().chain(letters).collect(),
        None => String::new(),
    }
}

/// Prose without the line breaks of its file.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

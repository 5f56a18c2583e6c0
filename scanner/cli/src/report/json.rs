//! `--format json` (schema `probity.scan/1`) and `--format ndjson`.

use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Judged, Report, Suppressed};
use probity_engine::finding::{ScanError, Value as Evidence};
use probity_engine::name::printable;
use probity_engine::verify::{CodeIdentity, Signature, Time};
use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// The schema this renderer writes.
const SCHEMA: &str = "probity.scan/1";

/// Writes one document.
pub(crate) fn render(report: &Report, all: bool, out: &mut dyn Write) -> io::Result<()> {
    serde_json::to_writer_pretty(&mut *out, &Document { report, all })?;
    writeln!(out)
}

/// The whole document. Its artifacts become values one at a time: a tree of 100,000 files does not stand in memory twice.
struct Document<'r> {
    report: &'r Report,
    all: bool,
}

impl Serialize for Document<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut document = serializer.serialize_map(None)?;
        for (key, value) in header(self.report) {
            document.serialize_entry(&key, &value)?;
        }
        document.serialize_entry("artifacts", &Listed(self))?;
        document.end()
    }
}

struct Listed<'r>(&'r Document<'r>);

impl Serialize for Listed<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(listed(self.0.report, self.0.all).map(artifact))
    }
}

/// Writes one artifact a line, then the summary.
pub(crate) fn render_lines(report: &Report, all: bool, out: &mut dyn Write) -> io::Result<()> {
    for one in listed(report, all) {
        serde_json::to_writer(&mut *out, &artifact(one))?;
        writeln!(out)?;
    }
    serde_json::to_writer(&mut *out, &header(report))?;
    writeln!(out)
}

fn listed(report: &Report, all: bool) -> impl Iterator<Item = &Artifact> {
    report.artifacts.iter().filter(move |a| all || a.is_listed())
}

fn header(report: &Report) -> Map<String, Value> {
    let findings: Map<String, Value> = Severity::ALL
        .iter()
        .rev()
        .map(|s| (s.as_str().to_owned(), json!(report.count(*s))))
        .collect();
    let roots = report.artifacts.iter().filter(|a| a.nested.is_none()).count();
    let mut tool = json!({
        "name": "probity", "version": env!("CARGO_PKG_VERSION"), "rules": report.rules.digest(),
    });
    if let Some(yara) = &report.yara {
        tool["yara"] = json!({ "files": yara.files, "rules": yara.rules, "digest": yara.digest });
    }
    let document = json!({
        "schema": SCHEMA,
        "tool": tool,
        "verdict": report.verdict.as_str(),
        "complete": report.complete,
        "summary": {
            "artifacts": roots,
            "nested": report.nested,
            "bytes": report.bytes,
            "bytes_read": report.bytes_read,
            "seconds": (report.seconds * 1e6).round() / 1e6,
            "excluded": report.excluded,
            "findings": findings,
            "suppressed": report.suppressed(),
        },
    });
    match document {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn artifact(a: &Artifact) -> Value {
    let places: Vec<Value> = a
        .hosts
        .iter()
        .map(|(host, place)| {
            json!({
                "host": host, "nested": place.nested, "region": printable(place.region.as_bytes()), "offset": place.offset,
                "encoding": place.encoding, "confidence": if place.likely { "likely" } else { "possible" },
                "count": place.count,
            })
        })
        .collect();
    json!({
        "path": a.path,
        "nested": a.nested,
        "format": a.format,
        "also": a.also,
        "size": a.size,
        "digests": a.sha256.map(|d| json!({ "sha256": hex(&d) })),
        "bytes": {
            "claimed": a.bytes.claimed, "unclaimed": a.bytes.unclaimed, "padding": a.bytes.padding,
            "covered": a.bytes.covered, "excluded": a.bytes.excluded, "uncovered": a.bytes.uncovered,
        },
        "entropy": a.entropy.map(|e| (e * 1e4).round() / 1e4),
        "signatures": a.signatures.iter().map(signature).collect::<Vec<_>>(),
        "hosts": a.hosts.keys().collect::<Vec<_>>(),
        "host_places": places,
        "tensors": a.tensors.as_ref().map(|t| json!({ "count": t.count, "parameters": t.parameters, "dtypes": t.dtypes })),
        "findings": a.findings.iter().map(|f| finding(a, f)).collect::<Vec<_>>(),
        "suppressed": a.suppressed.iter().map(suppressed).collect::<Vec<_>>(),
        "errors": a.errors.iter().map(error).collect::<Vec<_>>(),
        "verdict": a.verdict.as_str(),
        "complete": a.complete,
    })
}

/// One signature: the four answers, and what each rests on.
pub(crate) fn signature(s: &Signature) -> Value {
    let time = |t: &Time| json!({ "at": t.at, "authority": t.authority, "chain": t.chain.as_str() });
    let stamps: Vec<Value> = s
        .countersignatures
        .iter()
        .map(|c| json!({ "kind": c.kind, "time": c.time.as_ref().map(time), "fault": c.fault }))
        .collect();
    json!({
        "scheme": s.scheme,
        "intact": s.intact.as_str(),
        "reason": s.reason,
        "signer": s.signer,
        "certificate": s.certificate.as_ref().map(|d| hex(d)),
        "publisher": s.publisher,
        "pins": s.pins,
        "chain": s.chain.as_str(),
        "anchor": s.anchor,
        "time": s.time.as_ref().map(|t| &t.at),
        "time_authority": s.time.as_ref().map(|t| &t.authority),
        "time_chain": s.time.as_ref().map(|t| t.chain.as_str()),
        "countersignatures": stamps,
        "digest": s.digest,
        "nested": s.nested,
        "covered": s.covered,
        "code": s.code.as_deref().map(code),
    })
}

/// What an Apple code signature says of the code.
fn code(c: &CodeIdentity) -> Value {
    json!({
        "kind": c.kind,
        "identifier": c.identifier,
        "team": c.team,
        "flags": c.flags,
        "cdhash": hex(&c.cdhash),
        "digests": c.digests,
        "page_size": c.page,
        "platform": c.platform,
        "runtime": c.runtime,
        "requirement": c.requirement,
        "entitlements": c.entitlements,
        "ticket": c.ticket,
    })
}

pub(crate) fn finding(a: &Artifact, judged: &Judged) -> Value {
    let f = &judged.finding;
    let evidence: Map<String, Value> = f.evidence.iter().map(|(k, v)| ((*k).to_owned(), value(v))).collect();
    let related: Vec<Value> = f
        .related
        .iter()
        .map(|r| {
            let (path, nested) = match &r.elsewhere {
                Some(other) => (&other.path, &other.nested),
                None => (&a.path, &a.nested),
            };
            json!({
                "path": path, "nested": nested, "region": printable(r.region.as_bytes()),
                "offset": r.span.start(), "length": r.span.len(),
            })
        })
        .collect();
    json!({
        "code": f.code,
        "case": f.case,
        "severity": judged.severity.as_str(),
        "confidence": judged.confidence.as_str(),
        "message": printable(f.message.as_bytes()),
        "fingerprint": judged.fingerprint,
        "region": printable(f.region.as_bytes()),
        "offset": f.span.start(),
        "length": f.span.len(),
        "evidence": evidence,
        "related": related,
    })
}

fn suppressed(s: &Suppressed) -> Value {
    let f = &s.judged.finding;
    json!({
        "code": f.code,
        "case": f.case,
        "severity": s.judged.severity.as_str(),
        "message": printable(f.message.as_bytes()),
        "fingerprint": s.judged.fingerprint,
        "region": printable(f.region.as_bytes()),
        "offset": f.span.start(),
        "length": f.span.len(),
        "by": printable(s.by.as_bytes()),
        "reason": printable(s.reason.as_bytes()),
    })
}

pub(crate) fn error(error: &ScanError) -> Value {
    json!({ "code": error.code.as_str(), "message": printable(error.message.as_bytes()), "offset": error.offset })
}

pub(crate) fn value(value: &Evidence) -> Value {
    match value {
        Evidence::Text(text) => json!(printable(text.as_bytes())),
        Evidence::Number(n) => json!(n),
        Evidence::Real(n) => json!(n),
        Evidence::List(list) => json!(list.iter().map(|t| printable(t.as_bytes())).collect::<Vec<_>>()),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

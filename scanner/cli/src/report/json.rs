//! `--format json` (schema `probity.scan/1`) and `--format ndjson`.

use super::pieces;
use probity_engine::Severity;
use probity_engine::artifact::{Artifact, ByteCounts, HostPlace, Judged, Report, Suppressed};
use probity_engine::finding::{ScanError, Value as Evidence};
use probity_engine::name::printable;
use probity_engine::verify::{CodeIdentity, Signature, Time};
use serde::ser::{self, Serialize, SerializeMap};
use serde_json::ser::{Formatter, PrettyFormatter};
use serde_json::{Map, Serializer, Value, json};
use std::io::{self, Write};

/// The schema this renderer writes.
const SCHEMA: &str = "probity.scan/1";

/// Writes one document. Its artifacts are made piece by piece: a tree of 100,000 files does not stand in memory twice.
pub(crate) fn render(report: &Report, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let mut head = serde_json::to_vec_pretty(&header(report))?;
    // The artifacts are the last member.
    let end = head.strip_suffix(b"\n}").map_or(head.len(), <[u8]>::len);
    head.truncate(end);
    head.extend_from_slice(b",\n  \"artifacts\": [");
    out.write_all(&head)?;
    let artifacts: Vec<&Artifact> = listed(report, all).collect();
    pieces::write(&artifacts, b",", out, &|one, piece| {
        piece.extend_from_slice(b"\n    ");
        let formatter = inside_the_list()?;
        One(one).serialize(&mut Serializer::with_formatter(piece, formatter))?;
        Ok(())
    })?;
    let close: &[u8] = if artifacts.is_empty() { b"]\n}\n" } else { b"\n  ]\n}\n" };
    out.write_all(close)
}

/// What indents an element of the list of artifacts.
fn inside_the_list() -> io::Result<PrettyFormatter<'static>> {
    let mut formatter = PrettyFormatter::new();
    formatter.begin_object(&mut io::sink())?;
    formatter.begin_array(&mut io::sink())?;
    Ok(formatter)
}

/// Writes one artifact a line, then the summary.
pub(crate) fn render_lines(report: &Report, all: bool, out: &mut dyn Write) -> io::Result<()> {
    let artifacts: Vec<&Artifact> = listed(report, all).collect();
    pieces::write(&artifacts, b"", out, &|one, piece| {
        serde_json::to_writer(&mut *piece, &One(one))?;
        piece.push(b'\n');
        Ok(())
    })?;
    let mut last = serde_json::to_vec(&header(report))?;
    last.push(b'\n');
    out.write_all(&last)
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

/// One artifact. What nearly all of them have is written as it stands; the rest becomes values first.
struct One<'a>(&'a Artifact);

impl Serialize for One<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let a = self.0;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("path", &a.path)?;
        map.serialize_entry("nested", &a.nested)?;
        map.serialize_entry("format", a.format)?;
        map.serialize_entry("also", &a.also)?;
        map.serialize_entry("size", &a.size)?;
        map.serialize_entry("digests", &a.sha256.as_ref().map(Digests))?;
        map.serialize_entry("bytes", &Bytes(&a.bytes))?;
        map.serialize_entry("entropy", &a.entropy.map(|e| (e * 1e4).round() / 1e4))?;
        map.serialize_entry("signatures", &Each(|| a.signatures.iter().map(signature)))?;
        map.serialize_entry("hosts", &Each(|| a.hosts.keys()))?;
        map.serialize_entry("host_places", &Each(|| a.hosts.iter().map(host_place)))?;
        let tensors = a
            .tensors
            .as_ref()
            .map(|t| json!({ "count": t.count, "parameters": t.parameters, "dtypes": t.dtypes }));
        map.serialize_entry("tensors", &tensors)?;
        map.serialize_entry("findings", &Each(|| a.findings.iter().map(|f| finding(a, f))))?;
        map.serialize_entry("suppressed", &Each(|| a.suppressed.iter().map(suppressed)))?;
        map.serialize_entry("errors", &Each(|| a.errors.iter().map(error)))?;
        map.serialize_entry("verdict", a.verdict.as_str())?;
        map.serialize_entry("complete", &a.complete)?;
        map.end()
    }
}

/// A list whose elements are made while it is written.
struct Each<F>(F);

impl<I: Iterator<Item: Serialize>, F: Fn() -> I> Serialize for Each<F> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

struct Digests<'a>(&'a [u8; 32]);

impl Serialize for Digests<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(1))?;
        map.serialize_entry("sha256", &hex(self.0))?;
        map.end()
    }
}

struct Bytes<'a>(&'a ByteCounts);

impl Serialize for Bytes<'_> {
    fn serialize<S: ser::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let bytes = self.0;
        let mut map = serializer.serialize_map(Some(6))?;
        map.serialize_entry("claimed", &bytes.claimed)?;
        map.serialize_entry("unclaimed", &bytes.unclaimed)?;
        map.serialize_entry("padding", &bytes.padding)?;
        map.serialize_entry("covered", &bytes.covered)?;
        map.serialize_entry("excluded", &bytes.excluded)?;
        map.serialize_entry("uncovered", &bytes.uncovered)?;
        map.end()
    }
}

fn host_place((host, place): (&String, &HostPlace)) -> Value {
    json!({
        "host": host, "nested": place.nested, "region": printable(place.region.as_bytes()), "offset": place.offset,
        "encoding": place.encoding, "confidence": if place.likely { "likely" } else { "possible" },
        "count": place.count,
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
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    let mut text = String::with_capacity(bytes.len() * 2);
    text.extend(bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]));
    text
}

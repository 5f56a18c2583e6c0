//! What the engine's integration tests share: scanning bytes in memory and asking short questions of the report.

use probity_engine::Severity;
use probity_engine::artifact::{Artifact, Report};
use probity_engine::pipeline::{Options, Scanner};
use std::sync::LazyLock;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    Scanner::new(Options {
        jobs: 1,
        keep_ledgers: true,
        ..Options::default()
    })
    .expect("threads can be started")
});

/// Formats of which a part, or more text behind, is a file of the same or a plainer kind.
pub(crate) const PLAIN: [&str; 13] = [
    "text",
    "script",
    "data",
    "json",
    "shell",
    "python",
    "javascript",
    "toml",
    "ini",
    "yaml",
    "xml",
    "pmml",
    "openvino",
];

/// Formats that run to the end of the file without saying where that is, whole as they may be at any unit.
pub(crate) const OPEN_ENDED: [&str; 9] = [
    "flac", "mp3", "ogg", "pdf", "icu", "isobmff", "wasm", "bitcode", "terminfo",
];

/// Scans `bytes` as a root called `name`, on one thread, keeping ledgers.
pub(crate) fn scan(name: &str, bytes: &[u8]) -> Report {
    SCANNER.scan_bytes(name, bytes.to_vec())
}

/// Every code of the report, findings and errors of all artifacts.
pub(crate) fn codes(report: &Report) -> Vec<&'static str> {
    let findings = report
        .artifacts
        .iter()
        .flat_map(|a| a.findings.iter().map(|f| f.finding.code));
    let errors = report
        .artifacts
        .iter()
        .flat_map(|a| a.errors.iter().map(|e| e.code.as_str()));
    findings.chain(errors).collect()
}

/// What is wrong with a report that should be spotless: one line for each finding of `low` or above, error, or
/// unclaimed byte.
pub(crate) fn complaints(report: &Report) -> Vec<String> {
    let mut out = Vec::new();
    for a in &report.artifacts {
        let place = a.nested.as_deref().unwrap_or("root");
        for f in a.findings.iter().filter(|f| f.severity >= Severity::Low) {
            out.push(format!(
                "{place}: {} {} {:?}: {}",
                f.severity, f.finding.code, f.finding.span, f.finding.message
            ));
        }
        out.extend(
            a.errors
                .iter()
                .map(|e| format!("{place}: {} {}", e.code.as_str(), e.message)),
        );
        if a.bytes.unclaimed > 0 {
            out.push(format!("{place}: {} bytes unclaimed", a.bytes.unclaimed));
        }
    }
    out
}

/// The laws that hold for every report, whatever the bytes were.
pub(crate) fn check_laws(report: &Report) {
    for a in &report.artifacts {
        check_artifact(a);
    }
    let root = &report.artifacts[0];
    let all = report.artifacts.iter().all(|a| a.errors.is_empty());
    assert_eq!(root.complete, all, "a root is as incomplete as what it holds");
}

fn check_artifact(a: &Artifact) {
    assert_eq!(
        a.bytes.claimed + a.bytes.unclaimed,
        a.size,
        "claimed and unclaimed bytes add up"
    );
    assert!(a.bytes.padding <= a.bytes.claimed, "padding is claimed");
    let ledger = a.ledger.as_ref().expect("ledgers are kept");
    assert_eq!(ledger.length(), a.size);
    for region in ledger.leaves() {
        assert!(region.span.end() <= a.size, "{} lies inside", region.name);
    }
    if a.bytes.unclaimed > 0 {
        let told = a
            .findings
            .iter()
            .any(|f| matches!(f.finding.code, "unclaimed-bytes" | "trailing-bytes"));
        assert!(told || !a.errors.is_empty(), "{:?}: unclaimed bytes are told", a.nested);
    }
    for f in &a.findings {
        assert!(f.finding.span.start() <= a.size, "{} lies inside", f.finding.code);
        assert!(
            !f.finding.region.is_empty() || f.finding.key == "more",
            "{} names its region",
            f.finding.code
        );
    }
}

//! Keys and tokens that whoever has the artifact has too.

use super::{Closing, Inspector};
use crate::finding::{Finding, Findings, code};
use crate::sink::secrets::{SecretHit, SecretKind};

/// Findings that are told one by one.
const MOST: usize = 64;

/// Words of paths in which keys and tokens are made up, or given away on purpose.
const FIXTURES: &[&str] = &[
    "test", "tests", "testing", "testdata", "fixture", "fixtures", "example", "examples", "spec", "specs", "sample",
    "samples", "bench", "benches", "demo", "demos", "mock", "mocks", "docs", "readme", "snakeoil", "dummy",
];

/// `embedded-secret`.
pub(super) struct Secrets;

impl Inspector for Secrets {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        let fixture = is_fixture(artifact);
        for hit in artifact.secrets.iter().take(MOST) {
            out.push(finding(hit, fixture));
        }
    }
}

fn finding(hit: &SecretHit, fixture: bool) -> Finding {
    let case = match hit.kind {
        SecretKind::Jwt => "jwt",
        _ if hit.published || fixture => "test",
        SecretKind::PrivateKey => "private-key",
        SecretKind::GoogleApi => "api-key",
        SecretKind::GitHub | SecretKind::Npm | SecretKind::PyPi => "checked",
        _ => "token",
    };
    let digest: String = hit.sha256.iter().take(8).map(|b| format!("{b:02x}")).collect();
    let kind = hit.kind.as_str();
    let message = match hit.shown.as_str() {
        "" => format!("the bytes are a {kind}"),
        shown => format!("a text has the form of a {kind}: {shown}"),
    };
    let mut finding = Finding::new(code::EMBEDDED_SECRET, hit.span, message)
        .case(case)
        .evidence("kind", kind)
        .evidence("count", hit.count)
        .evidence("sha256-prefix", digest.clone())
        .key(digest);
    if !hit.shown.is_empty() {
        finding = finding.evidence("shown", hit.shown.clone());
    }
    finding
}

/// Whether the artifact's path inside of what holds it is one of tests and examples. The root's own name says nothing:
/// whoever scans it has given it.
fn is_fixture(artifact: &Closing<'_>) -> bool {
    artifact.nested.is_some_and(|nested| {
        nested
            .split(|c: char| !c.is_ascii_alphanumeric())
            .any(|word| FIXTURES.iter().any(|known| known.eq_ignore_ascii_case(word)))
    })
}

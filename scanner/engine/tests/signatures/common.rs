//! One scan of bytes that knows the root of the fixtures, and its answer in short.

use probity_engine::artifact::Artifact;
use probity_engine::pipeline::{Options, Scanner};
use probity_engine::verify::{Answer, ChainAnswer, TrustStore};
use probity_tests::build::signed::Certificate;
use std::sync::Arc;

/// Scans `image`; `trusted` says whether the root of the fixtures is known. The root's artifact comes back.
pub(crate) fn scan(image: Vec<u8>, trusted: bool) -> Artifact {
    let mut trust = (*TrustStore::built_in()).clone();
    if trusted {
        assert_eq!(trust.add(&Certificate::root().build()), Ok(1));
    }
    let options = Options {
        jobs: 1,
        trust: Arc::new(trust),
        ..Options::default()
    };
    let report = Scanner::new(options).unwrap().scan_bytes("image.exe", image);
    let root = report.artifacts.into_iter().next().unwrap();
    let bytes = root.bytes;
    if let (Some(covered), Some(excluded), Some(uncovered)) = (bytes.covered, bytes.excluded, bytes.uncovered) {
        assert_eq!(covered + excluded + uncovered, root.size, "the law of coverage");
    }
    root
}

/// Code and case of every finding, as `code` or `code case`.
pub(crate) fn said(artifact: &Artifact) -> Vec<String> {
    let findings = artifact.findings.iter().map(|j| &j.finding);
    findings
        .map(|f| {
            f.case
                .map_or_else(|| f.code.to_owned(), |case| format!("{} {case}", f.code))
        })
        .collect()
}

/// Intact, chain and time of the signature at `index`.
pub(crate) fn answers(artifact: &Artifact, index: usize) -> (Answer, ChainAnswer, Option<&str>) {
    let signature = &artifact.signatures[index];
    let time = signature.time.as_ref().map(|t| t.at.as_str());
    (signature.intact, signature.chain, time)
}

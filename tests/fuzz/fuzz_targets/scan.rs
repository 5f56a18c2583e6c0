//! The whole pipeline over arbitrary bytes: identify, parse, decode, sweep, close. The laws of every report hold.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probity_engine::pipeline::{Options, Scanner};
use probity_engine::source::Limits;
use std::sync::LazyLock;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let limits = Limits {
        max_decoded: 8 << 20,
        ..Limits::default()
    };
    let options = Options {
        jobs: 1,
        limits,
        ..Options::default()
    };
    Scanner::new(options).expect("a thread can be started")
});

fuzz_target!(|data: &[u8]| {
    let report = SCANNER.scan_bytes("fuzzed", data.to_vec());
    for artifact in &report.artifacts {
        assert_eq!(artifact.bytes.claimed + artifact.bytes.unclaimed, artifact.size);
        for judged in &artifact.findings {
            assert!(judged.finding.span.end() <= artifact.size);
        }
        assert!(artifact.errors.iter().all(|e| e.code.as_str() != "internal"), "{:?}", artifact.errors);
    }
    assert_eq!(report.complete, report.artifacts.iter().all(|a| a.errors.is_empty()));
});

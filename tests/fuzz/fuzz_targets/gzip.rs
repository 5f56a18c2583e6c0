//! gzip members behind a sound magic number, decoded within limits; what they hold is examined too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probity_engine::pipeline::{Options, Scanner};
use probity_engine::source::Limits;
use std::sync::LazyLock;

static SCANNER: LazyLock<Scanner> = LazyLock::new(|| {
    let limits = Limits {
        max_decoded: 8 << 20,
        max_depth: 4,
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
    let mut bytes = data.to_vec();
    if let Some(magic) = bytes.get_mut(..3) {
        magic.copy_from_slice(&[0x1f, 0x8b, 8]);
    }
    let report = SCANNER.scan_bytes("fuzzed.gz", bytes);
    for artifact in &report.artifacts {
        assert_eq!(artifact.bytes.claimed + artifact.bytes.unclaimed, artifact.size);
        assert!(artifact.errors.iter().all(|e| e.code.as_str() != "internal"), "{:?}", artifact.errors);
    }
});

//! 7z archives behind a sound signature: headers parse, folders decode within limits, and what they hold is examined.

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
    probity_engine::format::fuzz("7z", data);
    let mut bytes = data.to_vec();
    if let Some(magic) = bytes.get_mut(..7) {
        magic.copy_from_slice(b"7z\xbc\xaf\x27\x1c\0");
    }
    let report = SCANNER.scan_bytes("fuzzed.7z", bytes);
    for artifact in &report.artifacts {
        assert_eq!(artifact.bytes.claimed + artifact.bytes.unclaimed, artifact.size);
        assert!(artifact.errors.iter().all(|e| e.code.as_str() != "internal"), "{:?}", artifact.errors);
    }
});

//! Compressed streams behind a sound magic number, chosen by the first byte, decoded within limits; what they hold is
//! examined too.

#![no_main]

use libfuzzer_sys::fuzz_target;
use probity_engine::pipeline::{Options, Scanner};
use probity_engine::source::Limits;
use std::sync::LazyLock;

const MAGICS: [(&str, &[u8]); 7] = [
    ("bzip2", b"BZh91AY&SY"),
    ("xz", b"\xfd7zXZ\0\0\x04\xe6\xd6\xb4\x46"),
    ("lzma", b"\x5d\0\0\x10\0\xff\xff\xff\xff\xff\xff\xff\xff\0"),
    ("zstd", b"\x28\xb5\x2f\xfd"),
    ("lz4", b"\x04\x22\x4d\x18\x60\x40\x82"),
    ("lz4", b"\x02\x21\x4c\x18"),
    ("zlib", b"\x78\x9c"),
];

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
    let Some((choice, rest)) = data.split_first() else { return };
    let (name, magic) = MAGICS[usize::from(*choice) % MAGICS.len()];
    let bytes = [magic, rest].concat();
    let report = SCANNER.scan_bytes(name, bytes);
    for artifact in &report.artifacts {
        assert_eq!(artifact.bytes.claimed + artifact.bytes.unclaimed, artifact.size);
        assert!(artifact.errors.iter().all(|e| e.code.as_str() != "internal"), "{:?}", artifact.errors);
    }
});

//! Every fixture by name: benign files of every format, hostile variants with the code they should provoke, and inputs
//! that need only be survived.

mod benign;
mod heavy;
mod hostile;

pub use benign::all;
pub use heavy::{HEAVY, Heavy};
pub use hostile::{hostile, stress};

use crate::build::bytes::Built;

/// A valid, benign file.
#[derive(Clone, Debug)]
pub struct Sample {
    /// Unique name, usable as a file name.
    pub name: &'static str,
    /// The format id Probity should name. A bundle inside an executable has the executable's.
    pub format: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
    /// Structure boundaries, ascending, each inside the file: cutting there must never look like a whole file unseen.
    pub boundaries: Vec<u64>,
}

/// A file with one thing wrong.
#[derive(Clone, Debug)]
pub struct Hostile {
    /// Unique name, usable as a file name.
    pub name: &'static str,
    /// The file.
    pub bytes: Vec<u8>,
    /// A finding or error code that the scan must report, possibly among others.
    pub expect_code: &'static str,
}

impl Sample {
    fn new(name: &'static str, format: &'static str, built: Built) -> Self {
        Self {
            name,
            format,
            bytes: built.bytes,
            boundaries: built.boundaries,
        }
    }

    fn plain(name: &'static str, format: &'static str, bytes: Vec<u8>) -> Self {
        Self {
            name,
            format,
            bytes,
            boundaries: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const FORMATS: [&str; 58] = [
        "png",
        "jpeg",
        "gif",
        "riff",
        "ico",
        "ogg",
        "flac",
        "mp3",
        "isobmff",
        "font",
        "woff",
        "woff2",
        "wasm",
        "java-class",
        "sqlite",
        "mo",
        "bitcode",
        "icu",
        "terminfo",
        "tzif",
        "7z",
        "shell",
        "python",
        "javascript",
        "toml",
        "ini",
        "yaml",
        "xml",
        "pmml",
        "pdf",
        "safetensors",
        "gguf",
        "elf",
        "pe",
        "macho",
        "macho-fat",
        "zip",
        "tar",
        "gzip",
        "bzip2",
        "xz",
        "lzma",
        "zstd",
        "lz4",
        "zlib",
        "ar",
        "bun",
        "node-sea",
        "deno",
        "eszip",
        "pyz",
        "asar",
        "pickle",
        "npy",
        "json",
        "text",
        "script",
        "data",
    ];
    const CODES: [&str; 27] = [
        "active-content",
        "xml-entity",
        "unclaimed-bytes",
        "overlapping-regions",
        "nonzero-padding",
        "trailing-bytes",
        "polyglot",
        "malformed",
        "truncated",
        "path-traversal",
        "symlink-escape",
        "header-mismatch",
        "duplicate-entry",
        "duplicate-key",
        "archive-bomb",
        "encrypted-entry",
        "embedded-executable",
        "writable-executable",
        "unsafe-callable",
        "unknown-callable",
        "ip-literal-url",
        "escape-sequence-name",
        "special-file",
        "limit-exceeded",
        "unsupported",
        "encrypted",
        "unreadable",
    ];

    #[test]
    fn every_format_has_a_sample_and_every_boundary_lies_inside_it() {
        let samples = all();
        let seen: BTreeSet<_> = samples.iter().map(|s| s.format).collect();
        assert_eq!(seen, FORMATS.into_iter().collect());
        for sample in &samples {
            assert!(sample.boundaries.is_sorted(), "{}", sample.name);
            assert!(
                sample
                    .boundaries
                    .iter()
                    .all(|&b| b > 0 && b < sample.bytes.len() as u64),
                "{}",
                sample.name
            );
        }
    }

    #[test]
    fn names_are_unique_and_codes_are_known() {
        let mut names = BTreeSet::new();
        for name in all()
            .iter()
            .map(|s| s.name)
            .chain(hostile().iter().map(|h| h.name))
            .chain(stress().iter().map(|s| s.0))
            .chain(HEAVY.iter().map(|h| h.name))
        {
            assert!(names.insert(name), "{name} twice");
            assert!(
                name.bytes()
                    .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'),
                "{name}"
            );
        }
        for case in hostile() {
            assert!(CODES.contains(&case.expect_code), "{}", case.name);
        }
    }

    #[test]
    fn building_twice_gives_the_same_bytes() {
        for (a, b) in all().iter().zip(all()) {
            assert_eq!(a.bytes, b.bytes, "{}", a.name);
        }
    }

    #[test]
    fn hostile_files_differ_from_every_benign_one() {
        let benign: BTreeSet<_> = all().into_iter().map(|s| s.bytes).collect();
        for case in hostile() {
            assert!(!benign.contains(&case.bytes), "{}", case.name);
        }
    }
}

//! `provenance.toml`: which sources the committed object was built from, and with what.
//!
//! It proves nothing by itself: it lets a drift be seen without a toolchain, and tells a rebuild whether equal bytes may
//! be expected.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;
use sha2::{Digest, Sha256};

use crate::run::root;

const FILE: &str = "ebpf/programs/prebuilt/provenance.toml";

/// What decides the object's bytes: files, and folders with all below them.
const SOURCES: [&str; 5] = [
    "ebpf/abi/Cargo.toml",
    "ebpf/abi/src",
    "ebpf/programs/Cargo.lock",
    "ebpf/programs/Cargo.toml",
    "ebpf/programs/src",
];

/// The record beside the object.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Provenance {
    /// SHA-256 of the object.
    pub(super) object: String,
    /// SHA-256 over the sorted list of source files with their digests: see [`sources`].
    pub(super) sources: String,
    /// `rustc -V` of the compiler.
    pub(super) rustc: String,
    /// `bpf-linker --version`.
    pub(super) linker: String,
    /// The version of the LLVM the linker generated code with.
    pub(super) llvm: String,
    /// The compiler's flags, without those that only rewrite paths.
    pub(super) flags: Vec<String>,
}

impl Provenance {
    pub(super) fn load() -> Result<Self> {
        let text = fs::read_to_string(root().join(FILE)).with_context(|| format!("cannot read {FILE}"))?;
        toml::from_str(&text).with_context(|| format!("cannot read {FILE}"))
    }

    pub(super) fn save(&self) -> Result<()> {
        fs::write(root().join(FILE), self.text()?).with_context(|| format!("cannot write {FILE}"))
    }

    fn text(&self) -> Result<String> {
        let mut out =
            String::from("# Written by `cargo xtask ebpf`; do not edit. The fields are explained in ../README.md.\n");
        for (key, value) in [
            ("object", &self.object),
            ("sources", &self.sources),
            ("rustc", &self.rustc),
            ("linker", &self.linker),
            ("llvm", &self.llvm),
        ] {
            writeln!(out, "{key} = {value:?}")?;
        }
        writeln!(out, "flags = {:?}", self.flags)?;
        Ok(out)
    }

    /// The names of the tools in which two records differ, for people; empty when the bytes should be the same.
    pub(super) fn tools_that_differ(&self, other: &Self) -> String {
        let mut names = Vec::new();
        for (name, same) in [
            ("rustc", self.rustc == other.rustc),
            ("linker", self.linker == other.linker),
            ("llvm", self.llvm == other.llvm),
            ("flags", self.flags == other.flags),
        ] {
            if !same {
                names.push(name);
            }
        }
        names.join(", ")
    }
}

/// `sha256:` and the digest in hexadecimal.
pub(super) fn digest(bytes: &[u8]) -> String {
    let mut out = String::from("sha256:");
    for byte in Sha256::digest(bytes) {
        out.push_str(&format!("{byte:02x}"));
    }
    out
}

/// The digest of the sources: of one line `DIGEST  PATH` a file, sorted by path, paths from the repository's root.
pub(super) fn sources() -> Result<String> {
    list(&root(), &SOURCES)
}

fn list(base: &Path, sources: &[&str]) -> Result<String> {
    let mut names = Vec::new();
    for source in sources {
        collect(base, source, &mut names)?;
    }
    names.sort();
    let mut lines = String::new();
    for name in names {
        let bytes = fs::read(base.join(&name)).with_context(|| format!("cannot read {name}"))?;
        writeln!(lines, "{}  {name}", digest(&bytes))?;
    }
    Ok(digest(lines.as_bytes()))
}

fn collect(base: &Path, name: &str, out: &mut Vec<String>) -> Result<()> {
    let path = base.join(name);
    if !path.is_dir() {
        out.push(name.to_owned());
        return Ok(());
    }
    for entry in fs::read_dir(&path).with_context(|| format!("cannot list {name}"))? {
        let below = entry?.file_name();
        let below = below
            .to_str()
            .with_context(|| format!("a name below {name} is not UTF-8"))?;
        collect(base, &format!("{name}/{below}"), out)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Provenance {
        Provenance {
            object: digest(b"object"),
            sources: digest(b"sources"),
            rustc: "rustc 1.0 (\"quoted\")".to_owned(),
            linker: "bpf-linker 1".to_owned(),
            llvm: "22".to_owned(),
            flags: vec!["-Ca=b".to_owned(), "-Cc".to_owned()],
        }
    }

    #[test]
    fn a_record_reads_back_as_it_was_written() {
        let read: Provenance = toml::from_str(&record().text().unwrap()).unwrap();
        assert_eq!(read.text().unwrap(), record().text().unwrap());
        assert_eq!(read.tools_that_differ(&record()), "");
    }

    #[test]
    fn another_tool_is_named() {
        let mut other = record();
        other.llvm = "21".to_owned();
        other.rustc.push('+');
        assert_eq!(other.tools_that_differ(&record()), "rustc, llvm");
    }

    #[test]
    fn the_sources_change_with_a_byte_and_with_a_name() {
        let home = tempfile::tempdir().unwrap();
        let at = |name: &str| home.path().join(name);
        fs::create_dir_all(at("src/deep")).unwrap();
        fs::write(at("Cargo.toml"), "a").unwrap();
        fs::write(at("src/deep/one.rs"), "b").unwrap();
        let now = || list(home.path(), &["Cargo.toml", "src"]).unwrap();
        let first = now();
        assert_eq!(first, now());
        fs::write(at("src/deep/one.rs"), "c").unwrap();
        let edited = now();
        fs::rename(at("src/deep/one.rs"), at("src/deep/two.rs")).unwrap();
        assert!(first != edited && edited != now());
        assert!(list(home.path(), &["absent"]).is_err());
    }
}

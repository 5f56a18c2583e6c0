//! What toolchains write into programs about how they were built.
//!
//! | what | where | content |
//! | --- | --- | --- |
//! | Go | `.go.buildinfo`, `__go_buildinfo`, the start of PE's `.data` | `\xff Go buildinf:`, `u8` pointer size, `u8` flags; with flag 2 at 32: version and module text, each behind a varint |
//! | cargo-auditable | `.dep-v0` | JSON in a zlib stream: `{"packages": [{"name", "version"}]}` |
//!
//! Before 1.18 Go wrote pointers to its texts instead, which are not followed.
//!
//! Specification: Go, `src/debug/buildinfo/buildinfo.go`; cargo-auditable, `PARSING.md`.

use crate::name::printable;
use crate::walk::json::{JsonWalker, TokenKind};
use flate2::read::ZlibDecoder;
use std::io::Read;

/// What a Go program begins its build information with.
pub(super) const GO: &[u8; 14] = b"\xff Go buildinf:";
/// The most bytes of build information that are looked at.
pub(super) const MOST: u64 = 1 << 20;
/// The most bytes that a list of crates decodes to.
const LIST: u64 = 8 << 20;
/// The most modules that are kept.
const MODULES: usize = 1 << 14;

/// A toolchain's version and the modules.
pub(super) struct Built {
    pub(super) version: String,
    pub(super) modules: Vec<Box<str>>,
}

/// The build information of Go at the start of `bytes`.
pub(super) fn go(bytes: &[u8]) -> Option<Built> {
    const INLINE: u8 = 2;
    /// What surrounds the module text, on either side.
    const SENTINEL: usize = 16;
    bytes.strip_prefix(GO)?;
    let mut built = Built {
        version: String::new(),
        modules: Vec::new(),
    };
    if bytes.get(15)? & INLINE == 0 {
        return Some(built);
    }
    let (version, rest) = text(bytes.get(32..)?)?;
    built.version = printable(version.get(..64).unwrap_or(version));
    let Some((modules, _)) = text(rest) else {
        return Some(built);
    };
    let inner = modules
        .len()
        .checked_sub(SENTINEL)
        .and_then(|end| modules.get(SENTINEL..end));
    for line in inner.unwrap_or_default().split(|b| *b == b'\n').take(MODULES) {
        let mut words = line.split(|b| *b == b'\t');
        if let (Some(b"mod" | b"dep" | b"=>"), Some(path), Some(version)) = (words.next(), words.next(), words.next()) {
            built
                .modules
                .push(format!("{} {}", printable(path), printable(version)).into());
        }
    }
    built.modules.sort();
    Some(built)
}

/// A text behind its length, and what follows it.
fn text(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut length = 0u64;
    for (at, shift) in (0usize..).zip([0u32, 7, 14, 21, 28]) {
        let byte = *bytes.get(at)?;
        length |= u64::from(byte & 0x7f).checked_shl(shift)?;
        if byte & 0x80 == 0 {
            return bytes
                .get(at.checked_add(1)?..)?
                .split_at_checked(usize::try_from(length).ok()?);
        }
    }
    None
}

/// The crates that `stream`, the content of `.dep-v0`, lists.
pub(super) fn crates(stream: &[u8]) -> Option<Built> {
    let mut json = Vec::new();
    ZlibDecoder::new(stream).take(LIST).read_to_end(&mut json).ok()?;
    let mut walker = JsonWalker::new(&json, 0, 8);
    let (mut modules, mut key) = (Vec::<Box<str>>::new(), String::new());
    let (mut name, mut version) = (String::new(), String::new());
    while let Some(Ok(token)) = walker.next() {
        match token.kind {
            TokenKind::Key(found) => key = found.into_owned(),
            TokenKind::String(text) if key == "name" => name = printable(text.as_bytes()),
            TokenKind::String(text) if key == "version" => version = printable(text.as_bytes()),
            TokenKind::ObjectEnd if !name.is_empty() => {
                if modules.len() >= MODULES {
                    break;
                }
                modules.push(format!("{name} {version}").into());
                name.clear();
                version.clear();
            }
            _ => {}
        }
    }
    modules.sort();
    (!modules.is_empty()).then_some(Built {
        version: String::new(),
        modules,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use probity_tests::build::compressed::zlib;

    fn counted(text: &[u8]) -> Vec<u8> {
        let length = u16::try_from(text.len()).unwrap();
        let [low, _] = length.to_le_bytes();
        let [high, _] = (length >> 7).to_le_bytes();
        let mut out = vec![low | 0x80, high];
        out.extend_from_slice(text);
        out
    }

    #[test]
    fn versions_and_modules_are_read_and_what_is_cut_is_not() {
        let mut bytes = GO.to_vec();
        bytes.extend([8, 2]);
        bytes.resize(32, 0);
        bytes.extend(counted(b"go1.24.1"));
        let list = b"path\texample.com/a\nmod\texample.com/a\tv1.2.0\th1:x\ndep\texample.com/b\tv0.1.0\th1:y\nbuild\tCGO_ENABLED=0\n";
        bytes.extend(counted(&[&[0x30; 16][..], list, &[0x31; 16]].concat()));
        let built = go(&bytes).unwrap();
        assert_eq!(built.version, "go1.24.1");
        assert_eq!(
            built.modules,
            ["example.com/a v1.2.0".into(), "example.com/b v0.1.0".into()]
        );
        for cut in 0..bytes.len() {
            let part = go(&bytes[..cut]);
            assert!(part.is_none_or(|b| b.modules.is_empty()), "cut at {cut}");
        }
        assert!(go(b"\xff Go buildinfX\x08\x02").is_none());
    }

    #[test]
    fn crates_are_listed_with_their_versions() {
        let json = br#"{"packages":[{"name":"serde","version":"1.0.0","source":"crates.io"},{"name":"agent","version":"0.1.0","source":"local","dependencies":[0],"root":true}]}"#;
        let built = crates(&zlib(json)).unwrap();
        assert_eq!(built.modules, ["agent 0.1.0".into(), "serde 1.0.0".into()]);
        assert!(crates(b"no stream").is_none() && crates(&zlib(b"{}")).is_none());
    }
}

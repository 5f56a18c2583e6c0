//! Who is trusted beforehand: roots of certificate chains, and publishers by the names that their certificates carry.
//!
//! `trust/roots/` holds the roots as DER, and `roots.toml` where each came from. Every other `trust/<publisher>.toml` is a
//! publisher with its pins: `authenticode:CN=...`, `apple:TEAMID`, `sigstore:...`.

use crate::embedded::{ROOT_FILES, TRUST_FILES};
use serde::Deserialize;
use std::sync::LazyLock;

/// The file that says where the roots came from.
const ROOTS: &str = "roots.toml";

/// A root of certificate chains.
#[derive(Clone, Debug)]
pub struct Root {
    /// The subject, as people write it.
    pub subject: String,
    /// The SHA-256 digest of the certificate, in hexadecimal.
    pub sha256: String,
    /// Where the certificate came from: package and version.
    pub source: String,
    /// The certificate, in DER.
    pub der: &'static [u8],
}

/// A publisher.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Publisher {
    /// What people call it.
    pub name: String,
    /// The names that its certificates carry: `authenticode:CN=...`, `authenticode:O=...`, `apple:TEAMID`, `sigstore:...`.
    pub pins: Vec<String>,
    /// Where the pins were seen.
    pub evidence: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootFile {
    root: Vec<RootEntry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RootEntry {
    file: String,
    subject: String,
    sha256: String,
    source: String,
}

/// The roots compiled into this build, by file name.
///
/// # Panics
/// When the embedded list is invalid, which a test of this crate rules out.
pub fn roots() -> &'static [Root] {
    static ALL: LazyLock<Vec<Root>> = LazyLock::new(|| {
        let text = TRUST_FILES
            .iter()
            .find(|(name, _)| *name == ROOTS)
            .map(|(_, text)| *text);
        let file: RootFile = match toml::from_str(text.unwrap_or_default()) {
            Ok(file) => file,
            Err(error) => panic!("embedded roots: {error}"),
        };
        let found = file.root.into_iter().filter_map(|entry| {
            let (_, der) = ROOT_FILES.iter().find(|(name, _)| *name == entry.file)?;
            Some(Root {
                subject: entry.subject,
                sha256: entry.sha256,
                source: entry.source,
                der,
            })
        });
        found.collect()
    });
    &ALL
}

/// The publishers compiled into this build, by file name.
///
/// # Panics
/// When an embedded file is invalid, which a test of this crate rules out.
pub fn publishers() -> &'static [Publisher] {
    static ALL: LazyLock<Vec<Publisher>> = LazyLock::new(|| {
        let files = TRUST_FILES.iter().filter(|(name, _)| *name != ROOTS);
        files
            .map(|(name, text)| match toml::from_str(text) {
                Ok(publisher) => publisher,
                Err(error) => panic!("embedded publisher {name}: {error}"),
            })
            .collect()
    });
    &ALL
}

/// The name of the publisher one of whose pins is among `names`. Ask only for a signer whose chain leads to a root: anybody
/// can write a name.
pub fn publisher(names: &[String]) -> Option<&'static str> {
    let found = publishers()
        .iter()
        .find(|p| names.iter().any(|name| p.pins.contains(name)));
    found.map(|p| p.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use sha2::{Digest, Sha256};

    #[test]
    fn every_root_is_the_one_that_its_entry_names() {
        assert_eq!(roots().len(), ROOT_FILES.len(), "each root has one entry");
        for root in roots() {
            let digest: String = Sha256::digest(root.der).iter().map(|b| format!("{b:02x}")).collect();
            assert_eq!(digest, root.sha256, "{}", root.subject);
            let known = ["ca-certificates ", "apple-codesign "];
            assert!(
                known.iter().any(|package| root.source.starts_with(package)),
                "{}: {}",
                root.subject,
                root.source
            );
        }
    }

    #[test]
    fn publishers_are_found_by_any_of_their_names() {
        assert!(!publishers().is_empty());
        for entry in publishers() {
            assert!(!entry.pins.is_empty() && !entry.evidence.is_empty(), "{}", entry.name);
            for pin in &entry.pins {
                assert!(pin.contains(':'), "{pin}");
                assert_eq!(publisher(std::slice::from_ref(pin)), Some(entry.name.as_str()));
            }
        }
        assert_eq!(publisher(&["authenticode:CN=Nobody".to_owned()]), None);
    }
}

//! npm: the `integrity` of a tarball, as a lock file or the registry gives it, and the registry's signature over it.
//!
//! `integrity` is a text of Subresource Integrity (W3C): digests in base64, of which the strongest counts. The registry
//! signs `name@version:integrity` with ECDSA P-256 and publishes its keys; both files are given by whoever checks, since
//! nothing here asks a network.

use super::checked::Draft;
use super::document::base64;
use super::key::PublicKey;
use super::{Answer, ChainAnswer, Checked};
use crate::finding::{ErrorCode, code};
use crate::policy::shown;
use crate::source::ReadAt;
use aws_lc_rs::digest::{Algorithm, Context, SHA1_FOR_LEGACY_USE_ONLY, SHA256, SHA384, SHA512};
use base64::Engine as _;
use serde_json::Value;
use std::io::{self, Read};

/// The longest lock file, metadata or key file that is read.
pub const LONGEST: u64 = 256 << 20;

/// What a package says it is.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Package {
    /// Its name, with its scope.
    pub name: String,
    /// Its version.
    pub version: String,
}

/// What a package is to be held against.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Expected {
    /// A text of Subresource Integrity.
    pub integrity: Option<String>,
    /// A `package-lock.json` or `npm-shrinkwrap.json`.
    pub lockfile: Option<Vec<u8>>,
    /// What the registry says of the version: its metadata, or the `dist.signatures` in it.
    pub signatures: Option<Vec<u8>>,
    /// The registry's keys, as its keys endpoint gives them.
    pub keys: Option<Vec<u8>>,
}

/// Calls `take` with all bytes of `source`, in order.
pub(super) fn tiles(source: &dyn ReadAt, mut take: impl FnMut(&[u8])) -> io::Result<()> {
    let mut tile = vec![0u8; 1 << 18];
    let mut at = 0u64;
    loop {
        let n = match source.read_at(&mut tile, at) {
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if n == 0 {
            return Ok(());
        }
        take(tile.get(..n).unwrap_or_default());
        at = at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
    }
}

/// Algorithms of Subresource Integrity, the strongest first; the last only where a lock file has nothing better.
static ALGORITHMS: [(&str, &Algorithm); 4] = [
    ("sha512", &SHA512),
    ("sha384", &SHA384),
    ("sha256", &SHA256),
    ("sha1", &SHA1_FOR_LEGACY_USE_ONLY),
];

/// The strongest digests of an integrity text.
fn strongest(text: &str) -> Option<(&'static str, &'static Algorithm, Vec<Vec<u8>>)> {
    for (name, algorithm) in ALGORITHMS {
        let digests: Vec<Vec<u8>> = text
            .split_ascii_whitespace()
            .filter_map(|word| word.split_once('-').filter(|(kind, _)| *kind == name))
            .filter_map(|(_, digest)| base64(digest.split('?').next()?))
            .collect();
        if !digests.is_empty() {
            return Some((name, algorithm, digests));
        }
    }
    None
}

fn digest(source: &dyn ReadAt, algorithm: &'static Algorithm) -> io::Result<Vec<u8>> {
    let mut context = Context::new(algorithm);
    tiles(source, |tile| context.update(tile))?;
    Ok(context.finish().as_ref().to_vec())
}

/// Checks all that is expected of `source`, one answer for each.
pub fn check(source: &dyn ReadAt, expected: &Expected) -> Vec<Checked> {
    let mut all = Vec::new();
    if let Some(text) = &expected.integrity {
        all.push(integrity(source, text, "npm-integrity", "the integrity given"));
    }
    let package = if expected.lockfile.is_some() || expected.signatures.is_some() {
        package(source)
    } else {
        Err(String::new())
    };
    if let Some(lockfile) = &expected.lockfile {
        all.push(locked(source, lockfile, &package));
    }
    if let Some(signatures) = &expected.signatures {
        all.push(registry(source, signatures, expected.keys.as_deref(), &package));
    }
    all
}

fn integrity(source: &dyn ReadAt, text: &str, scheme: &'static str, whose: &str) -> Checked {
    let mut draft = Draft::new(scheme);
    let Some((name, algorithm, digests)) = strongest(text) else {
        let message = format!("{whose} is no text of digests: {}", shown(text.as_bytes()));
        draft.refuse(code::SIGNATURE_INVALID, Some("malformed"), message);
        return draft.close();
    };
    match digest(source, algorithm) {
        Ok(found) if digests.contains(&found) => {
            draft.checked.intact = Answer::Yes;
            draft.checked.covered = source.len();
            if name == "sha1" {
                draft.note("only a SHA-1 is given, of which collisions are known");
            }
        }
        Ok(found) => {
            let found = base64::engine::general_purpose::STANDARD.encode(found);
            let message = format!("the package has {name}-{found}, which {whose} does not give");
            draft.refuse(code::SIGNED_FILE_CHANGED, None, message);
        }
        Err(error) => draft.error(ErrorCode::Unreadable, error.to_string()),
    }
    draft.close()
}

fn locked(source: &dyn ReadAt, lockfile: &[u8], package: &Result<Package, String>) -> Checked {
    let scheme = "npm-lockfile";
    let mut draft = Draft::new(scheme);
    let package = match package {
        Ok(package) => package,
        Err(why) => {
            draft.error(
                ErrorCode::Unsupported,
                format!("what package it is cannot be told: {why}"),
            );
            return draft.close();
        }
    };
    let Ok(value) = serde_json::from_slice::<Value>(lockfile) else {
        draft.refuse(code::SIGNATURE_INVALID, Some("malformed"), "the lock file is no JSON");
        return draft.close();
    };
    let texts = entries(&value, package);
    let label = format!(
        "{}@{}",
        shown(package.name.as_bytes()),
        shown(package.version.as_bytes())
    );
    match texts.as_slice() {
        [] => {
            draft.error(
                ErrorCode::Unsupported,
                format!("the lock file has no integrity of {label}"),
            );
            draft.close()
        }
        all => {
            // One package may be locked several times, and every time to the same bytes.
            let mut checked = integrity(
                source,
                &all.join(" "),
                scheme,
                &format!("the lock file's entry for {label}"),
            );
            for text in all.iter().filter(|_| checked.intact == Answer::Yes) {
                let each = integrity(
                    source,
                    text,
                    scheme,
                    &format!("one of the lock file's entries for {label}"),
                );
                if each.intact != Answer::Yes {
                    return each;
                }
            }
            checked.notes.push(format!("locked as {label}"));
            checked
        }
    }
}

/// What a lock file gives for a package, once for each different text.
fn entries(lockfile: &Value, package: &Package) -> Vec<String> {
    const MOST: usize = 16;
    let mut found: Vec<String> = Vec::new();
    let mut add = |name: &str, entry: &Value| {
        let version = entry.get("version").and_then(Value::as_str);
        let integrity = entry.get("integrity").and_then(Value::as_str);
        if let Some(text) = integrity.filter(|_| name == package.name && version == Some(&package.version))
            && found.len() < MOST
            && !found.iter().any(|known| known == text)
        {
            found.push(text.to_owned());
        }
    };
    // Versions 2 and 3: by the place where each is installed.
    if let Some(packages) = lockfile.get("packages").and_then(Value::as_object) {
        for (place, entry) in packages {
            let by_place = place.rsplit("node_modules/").next().unwrap_or_default();
            // An alias is installed under another name than its own.
            let name = entry.get("name").and_then(Value::as_str).unwrap_or(by_place);
            add(name, entry);
        }
    }
    // Version 1: nested by who needs it.
    let mut open: Vec<&Value> = lockfile.get("dependencies").into_iter().collect();
    while let Some(dependencies) = open.pop() {
        for (name, entry) in dependencies.as_object().into_iter().flatten() {
            add(name, entry);
            open.extend(entry.get("dependencies"));
        }
    }
    found
}

fn registry(source: &dyn ReadAt, text: &[u8], keys: Option<&[u8]>, package: &Result<Package, String>) -> Checked {
    let mut draft = Draft::new("npm-registry");
    let Ok(value) = serde_json::from_slice::<Value>(text) else {
        draft.refuse(
            code::SIGNATURE_INVALID,
            Some("malformed"),
            "what the registry says is no JSON",
        );
        return draft.close();
    };
    let package = match package {
        Ok(package) => package,
        Err(why) => {
            draft.error(
                ErrorCode::Unsupported,
                format!("what package it is cannot be told: {why}"),
            );
            return draft.close();
        }
    };
    let signatures = signatures(&value, package);
    let [first, ..] = signatures.as_slice() else {
        draft.refuse(
            code::SIGNATURE_INVALID,
            Some("malformed"),
            "the registry gives no signature of this version",
        );
        return draft.close();
    };
    draft.checked.signer = Some(shown(first.0.as_bytes()));
    let Some(keys) = keys else {
        draft.error(
            ErrorCode::Unsupported,
            "the registry's keys are not at hand: give them (--keys)",
        );
        return draft.close();
    };
    let integrity = match digest(source, &SHA512) {
        Ok(found) => format!("sha512-{}", base64::engine::general_purpose::STANDARD.encode(found)),
        Err(error) => {
            draft.error(ErrorCode::Unreadable, error.to_string());
            return draft.close();
        }
    };
    let message = format!("{}@{}:{integrity}", package.name, package.version);
    let keys = serde_json::from_slice::<Value>(keys).unwrap_or_default();
    for (keyid, signature) in &signatures {
        draft.checked.signer = Some(shown(keyid.as_bytes()));
        let Some((key, expires)) = key(&keys, keyid) else {
            continue;
        };
        let Some(signature) = base64(signature) else {
            draft.refuse(
                code::SIGNATURE_INVALID,
                Some("malformed"),
                "the registry's signature is not base64",
            );
            return draft.close();
        };
        if key.verifies(message.as_bytes(), &signature) {
            draft.checked.intact = Answer::Yes;
            draft.checked.chain = ChainAnswer::Anchored;
            draft.checked.covered = source.len();
            if let Some(expires) = expires {
                draft.note(format!("the key is used no longer since {}", shown(expires.as_bytes())));
            }
        } else {
            draft.checked.chain = ChainAnswer::Unanchored;
            let message = format!("the registry's signature is not one of {}", shown(message.as_bytes()));
            draft.refuse(code::SIGNATURE_INVALID, Some("broken"), message);
        }
        return draft.close();
    }
    draft.checked.chain = ChainAnswer::Unanchored;
    let message = format!(
        "it is signed by {}, which is none of the keys given",
        shown(first.0.as_bytes())
    );
    draft.refuse(code::SIGNATURE_INVALID, Some("key"), message);
    draft.close()
}

/// Key and signature, of a version's metadata, of all versions' metadata, or as they stand in it.
fn signatures(value: &Value, package: &Package) -> Vec<(String, String)> {
    let version = value
        .get("versions")
        .and_then(|v| v.get(&package.version))
        .unwrap_or(value);
    let list = [
        version.get("dist").and_then(|dist| dist.get("signatures")),
        version.get("signatures"),
        Some(version),
    ];
    let list = list.into_iter().flatten().find_map(Value::as_array);
    let pair = |v: &Value| {
        let text = |key: &str| Some(v.get(key)?.as_str()?.to_owned());
        Some((text("keyid")?, text("sig")?))
    };
    list.into_iter().flatten().filter_map(pair).take(16).collect()
}

/// The key of a number, and until when it is used.
fn key(keys: &Value, keyid: &str) -> Option<(PublicKey, Option<String>)> {
    let all = keys.get("keys").unwrap_or(keys).as_array()?;
    let entry = all
        .iter()
        .find(|key| key.get("keyid").and_then(Value::as_str) == Some(keyid))?;
    let text = entry.get("key")?.as_str()?;
    let key = base64(text)
        .and_then(|der| PublicKey::from_spki(&der).ok())
        .or_else(|| PublicKey::read(text.as_bytes()).ok())?;
    Some((key, entry.get("expires").and_then(Value::as_str).map(str::to_owned)))
}

/// The name and version that `package.json` in a tarball gives.
///
/// # Errors
/// Why it gives none.
pub fn package(source: &dyn ReadAt) -> Result<Package, String> {
    /// Decoded bytes that are looked through for it: it comes first in most.
    const MOST_DECODED: u64 = 1 << 30;
    const LONGEST_MANIFEST: u64 = 4 << 20;
    struct Positioned<'s>(&'s dyn ReadAt, u64);
    impl Read for Positioned<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let n = self.0.read_at(buffer, self.1)?;
            self.1 = self.1.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
            Ok(n)
        }
    }
    let said = |error: io::Error| format!("it is no tarball: {error}");
    let decoder = flate2::read::MultiGzDecoder::new(Positioned(source, 0));
    let mut stream = decoder.take(MOST_DECODED);
    loop {
        let mut header = [0u8; 512];
        stream.read_exact(&mut header).map_err(said)?;
        if header.iter().all(|b| *b == 0) {
            return Err("it holds no package.json".to_owned());
        }
        let name = header.get(..100).unwrap_or_default();
        let name = name.split(|b| *b == 0).next().unwrap_or_default();
        let size = octal(header.get(124..136).unwrap_or_default()).ok_or("a member has no size")?;
        let plain = matches!(header.get(156), Some(b'0' | 0));
        let levels: Vec<&[u8]> = name.strip_prefix(b"./").unwrap_or(name).split(|b| *b == b'/').collect();
        if plain && matches!(levels.as_slice(), [_, b"package.json"]) {
            if size > LONGEST_MANIFEST {
                return Err(format!("its package.json is {size} bytes long"));
            }
            let mut text = vec![0u8; usize::try_from(size).unwrap_or_default()];
            stream.read_exact(&mut text).map_err(said)?;
            let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(&text);
            let value: Value = serde_json::from_slice(text).map_err(|_| "its package.json is no JSON")?;
            let field = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
            return match (field("name"), field("version")) {
                (Some(name), Some(version)) => Ok(Package { name, version }),
                _ => Err("its package.json gives no name and version".to_owned()),
            };
        }
        let padded = size.checked_next_multiple_of(512).ok_or("a member is too long")?;
        let skipped = io::copy(&mut (&mut stream).take(padded), &mut io::sink()).map_err(said)?;
        if skipped < padded {
            return Err("it ends inside a member".to_owned());
        }
    }
}

pub(super) fn octal(field: &[u8]) -> Option<u64> {
    let text = std::str::from_utf8(field).ok()?;
    u64::from_str_radix(text.trim_matches(['\0', ' ']), 8).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use crate::verify::key::PrivateKey;
    use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair};
    use base64::engine::general_purpose::STANDARD;
    use probity_tests::build::{gzip, tar};

    fn tarball(manifest: &str) -> MemorySource {
        let members = tar::Tar::of(vec![
            tar::Entry::file("package/index.js", b"1"),
            tar::Entry::file("package/package.json", manifest.as_bytes()),
        ]);
        MemorySource::new(gzip::gzip(&members.build()))
    }

    const MANIFEST: &str = r#"{"name": "@a/b", "version": "1.2.3"}"#;

    fn sha512(source: &MemorySource) -> String {
        format!("sha512-{}", STANDARD.encode(digest(source, &SHA512).unwrap()))
    }

    #[test]
    fn the_strongest_digest_counts() {
        let source = tarball(MANIFEST);
        let wrong = STANDARD.encode([0u8; 20]);
        let right = sha512(&source);
        for (text, expected) in [
            (right.clone(), Answer::Yes),
            (format!("sha1-{wrong} {right}?opt"), Answer::Yes),
            (format!("sha1-{wrong}"), Answer::No),
            (
                format!("{} sha1-{wrong}", right.replace("sha512-", "sha512-AAAA")),
                Answer::No,
            ),
            ("md5-AAAA".to_owned(), Answer::No),
        ] {
            let expected_of = Expected {
                integrity: Some(text.clone()),
                ..Expected::default()
            };
            let [checked] = check(&source, &expected_of).try_into().unwrap();
            assert_eq!(checked.intact, expected, "{text}");
            assert_eq!(checked.findings.is_empty(), expected == Answer::Yes);
        }
    }

    #[test]
    fn a_lock_file_is_asked_by_name_and_version() {
        let source = tarball(MANIFEST);
        let right = sha512(&source);
        let wrong = format!("sha512-{}", STANDARD.encode([0u8; 64]));
        let entry = |text: &str, version: &str| format!(r#"{{"version": "{version}", "integrity": "{text}"}}"#);
        for (lockfile, expected) in [
            (
                format!(r#"{{"packages": {{"node_modules/@a/b": {}}}}}"#, entry(&right, "1.2.3")),
                Answer::Yes,
            ),
            (
                format!(
                    r#"{{"packages": {{"node_modules/x/node_modules/@a/b": {}}}}}"#,
                    entry(&wrong, "1.2.3")
                ),
                Answer::No,
            ),
            (
                format!(
                    r#"{{"dependencies": {{"x": {{"dependencies": {{"@a/b": {}}}}}}}}}"#,
                    entry(&right, "1.2.3")
                ),
                Answer::Yes,
            ),
            (
                format!(
                    r#"{{"packages": {{"node_modules/@a/b": {}, "node_modules/y/node_modules/@a/b": {}}}}}"#,
                    entry(&right, "1.2.3"),
                    entry(&wrong, "1.2.3")
                ),
                Answer::No,
            ),
            (
                format!(r#"{{"packages": {{"node_modules/@a/b": {}}}}}"#, entry(&right, "1.2.4")),
                Answer::Unknown,
            ),
            (
                format!(r#"{{"packages": {{"node_modules/b": {}}}}}"#, entry(&right, "1.2.3")),
                Answer::Unknown,
            ),
            ("[".to_owned(), Answer::No),
        ] {
            let expected_of = Expected {
                lockfile: Some(lockfile.clone().into_bytes()),
                ..Expected::default()
            };
            let [checked] = check(&source, &expected_of).try_into().unwrap();
            assert_eq!(checked.intact, expected, "{lockfile}: {checked:?}");
            assert_eq!(checked.errors.is_empty(), expected != Answer::Unknown);
        }
    }

    #[test]
    fn the_registry_signs_name_version_and_integrity() {
        let source = tarball(MANIFEST);
        let pair = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        let private = PrivateKey::read(pair.to_pkcs8v1().unwrap().as_ref()).unwrap();
        let pem = private.public().to_pem();
        let der: String = pem.lines().filter(|l| !l.starts_with('-')).collect();
        let keys = format!(r#"{{"keys": [{{"keyid": "SHA256:k", "key": "{der}", "expires": null}}]}}"#);
        let sign = |message: String| STANDARD.encode(private.sign(message.as_bytes()).unwrap());
        let good = sign(format!("@a/b@1.2.3:{}", sha512(&source)));
        let other = sign(format!("@a/b@1.2.4:{}", sha512(&source)));
        let metadata = |keyid: &str, sig: &str| {
            format!(r#"{{"dist": {{"signatures": [{{"keyid": "{keyid}", "sig": "{sig}"}}]}}}}"#)
        };
        for (text, keys, intact, case) in [
            (metadata("SHA256:k", &good), Some(&keys), Answer::Yes, None),
            (
                format!(r#"[{{"keyid": "SHA256:k", "sig": "{good}"}}]"#),
                Some(&keys),
                Answer::Yes,
                None,
            ),
            (metadata("SHA256:k", &other), Some(&keys), Answer::No, Some("broken")),
            (metadata("SHA256:other", &good), Some(&keys), Answer::No, Some("key")),
            (metadata("SHA256:k", &good), None, Answer::Unknown, None),
            ("{}".to_owned(), Some(&keys), Answer::No, Some("malformed")),
        ] {
            let expected_of = Expected {
                signatures: Some(text.clone().into_bytes()),
                keys: keys.map(|k| k.clone().into_bytes()),
                ..Expected::default()
            };
            let [checked] = check(&source, &expected_of).try_into().unwrap();
            assert_eq!(checked.intact, intact, "{text}: {checked:?}");
            assert_eq!(checked.findings.first().and_then(|j| j.finding.case), case);
        }
    }

    #[test]
    fn a_signature_of_the_public_registry_is_one_of_its_key() {
        // @anthropic-ai/claude-code 2.1.112 as published in April 2026, and the signature of the version before.
        const KEYID: &str = "SHA256:DhQ8wR5APBvFHLF/+Tc+AYvPOdTpcIDqOhxsBHRwC7U";
        let keys = serde_json::json!({"keys": [{
            "expires": null,
            "keyid": KEYID,
            "keytype": "ecdsa-sha2-nistp256",
            "key": "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEY6Ya7W++7aUPzvMTrezH6Ycx3c+HOKYCcNGybJZSCJq/fd7Qa8uuAKtdIkUQtQiEKERhAmE5lMMJhP8OkDOa2g==",
        }]});
        let message = "@anthropic-ai/claude-code@2.1.112:sha512-9FUgJ0EOvILyhIqxFKNVliebiUjL68dwpEW3eGSSe0vkVDJ1c5qMDNWc22gW3zkD7zRAqtfQPSGv0t4vMM2DPA==";
        let (key, expires) = key(&keys, KEYID).unwrap();
        assert_eq!(expires, None);
        for (signature, good) in [
            (
                "MEUCIQDNq+V7L+Ux4Tqk1/LPdRRGFISaAt8swegEx6TzM4T+cAIgaIK07ApqnGOyp4GGh7oejfKBxqufKt5pL6R7l8cU1RU=",
                true,
            ),
            (
                "MEUCIQC97Pc4ImppUNA04ADBVMy7QpBk+ATo/1yVuK8e73kW9AIgX7iaTn/nILL5W65lxj2sMUPntrayOQY651Sb9N8MoG8=",
                false,
            ),
        ] {
            assert_eq!(key.verifies(message.as_bytes(), &base64(signature).unwrap()), good);
        }
    }

    #[test]
    fn what_is_no_package_is_told() {
        assert!(package(&MemorySource::new(b"no".to_vec())).is_err());
        assert_eq!(
            package(&tarball("{}")).unwrap_err(),
            "its package.json gives no name and version"
        );
        assert_eq!(package(&tarball("[")).unwrap_err(), "its package.json is no JSON");
    }
}

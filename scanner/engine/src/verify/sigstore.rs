//! Signatures of Sigstore's authority: bundles v0.1 to v0.3 (cosign, GitHub, model-signing) and PEP 740 attestations.
//!
//! The arithmetic, the certificate chain, the transparency log and the timestamps are checked by `sigstore-verify`, offline,
//! against a trusted root: the one given, else the snapshots of Sigstore's public instance and of GitHub's own that the
//! crate carries. Here its answers are told apart, and the files that carry more than one bundle are taken to pieces.
//!
//! A bundle proves that *somebody* signed. Who it must have been is for whoever checks to say (`--identity`, `--issuer`);
//! until then the signer is an answer, not a verdict.

use super::checked::Draft;
use super::document::base64;
use super::{Answer, ChainAnswer, Checked};
use crate::finding::code;
use crate::policy::shown;
use crate::source::ReadAt;
use serde_json::{Value, json};
use sigstore_verify::trust_root::{SigstoreInstance, TrustedRoot};
use sigstore_verify::types::{Artifact, Bundle, Sha256Hash};
use sigstore_verify::{CertificateError, Error, VerificationPolicy, VerificationResult, Verifier};
use std::io::{self, Read};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// What whoever checks expects.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Expected {
    /// The trusted root, in JSON; without it the embedded ones.
    pub root: Option<String>,
    /// The identity in the signer's certificate: an address or a URI.
    pub identity: Option<String>,
    /// Who vouched for that identity: the issuer of the OpenID Connect token.
    pub issuer: Option<String>,
}

/// A bundle that holds.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Seen {
    /// The identity, and who vouched for it.
    pub signer: Option<String>,
    /// When, by the log or by a timestamp authority (RFC 3339).
    pub time: Option<String>,
}

/// A bundle that does not.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsound {
    /// The case of `signature-invalid`.
    pub case: &'static str,
    /// Why, in words.
    pub message: String,
    /// Whom the certificate names, true or not.
    pub signer: Option<String>,
    /// Whether the signature is one of the bytes; `None` when that was not found out.
    pub sound: Option<bool>,
    /// Whether the certificate leads to the trusted root.
    pub chain: ChainAnswer,
}

/// The longest file of bundles that is read.
pub const LONGEST: u64 = 64 << 20;
/// Bundles of one file.
const MOST_BUNDLES: usize = 256;
/// The longest file for schemes that sign the bytes and not their digest.
const LONGEST_WHOLE: u64 = 256 << 20;

/// Whether a text looks like one that [`bundles`] reads.
pub fn is_bundle(text: &[u8]) -> bool {
    let head = text.get(..text.len().min(4096)).unwrap_or_default();
    let has = |needle: &[u8]| memchr::memmem::find(head, needle).is_some();
    has(b"application/vnd.dev.sigstore.bundle")
        || (has(b"\"attestation_bundles\""))
        || has(b"\"verification_material\"")
}

/// The bundles that a file holds, each as the JSON of one: a bundle, one a line, the answer of GitHub's attestations
/// endpoint, or a PEP 740 attestation or provenance.
///
/// # Errors
/// Why it holds none.
pub fn bundles(text: &[u8]) -> Result<Vec<Vec<u8>>, String> {
    let mut values: Vec<Value> = Vec::new();
    match serde_json::from_slice::<Value>(text) {
        Ok(value) => values.push(value),
        Err(whole) => {
            for line in text.split(|b| *b == b'\n').filter(|line| !line.trim_ascii().is_empty()) {
                let value = serde_json::from_slice(line).map_err(|_| format!("it is no JSON: {whole}"))?;
                values.push(value);
                if values.len() > MOST_BUNDLES {
                    return Err(format!("it holds more than {MOST_BUNDLES} bundles"));
                }
            }
        }
    }
    let mut found = Vec::new();
    for value in &values {
        pieces(value, &mut found)?;
    }
    if found.is_empty() {
        return Err("it holds no bundle".to_owned());
    }
    Ok(found)
}

fn pieces(value: &Value, found: &mut Vec<Vec<u8>>) -> Result<(), String> {
    let mut keep = |value: &Value| {
        if found.len() >= MOST_BUNDLES {
            return Err(format!("it holds more than {MOST_BUNDLES} bundles"));
        }
        found.push(serde_json::to_vec(value).map_err(|e| e.to_string())?);
        Ok(())
    };
    let list = |value: &'_ Value, key: &str| value.get(key).and_then(Value::as_array).cloned();
    if value.get("mediaType").is_some() {
        return keep(value);
    }
    if value.get("verification_material").is_some() {
        return keep(&of_attestation(value)?);
    }
    for publisher in list(value, "attestation_bundles").unwrap_or_default() {
        for attestation in list(&publisher, "attestations").unwrap_or_default() {
            keep(&of_attestation(&attestation)?)?;
        }
    }
    for attestation in list(value, "attestations").unwrap_or_default() {
        match attestation.get("bundle") {
            Some(bundle) => keep(bundle)?,
            None if attestation.get("verification_material").is_some() => keep(&of_attestation(&attestation)?)?,
            None => {}
        }
    }
    Ok(())
}

/// The bundle that a PEP 740 attestation is.
fn of_attestation(value: &Value) -> Result<Value, String> {
    let at = |keys: [&str; 2]| {
        let found = value.get(keys[0]).and_then(|v| v.get(keys[1]));
        found.ok_or_else(|| format!("the attestation has no {}.{}", keys[0], keys[1]))
    };
    if value.get("version").and_then(Value::as_u64) != Some(1) {
        return Err("the attestation is not of version 1 (PEP 740)".to_owned());
    }
    Ok(json!({
        "mediaType": "application/vnd.dev.sigstore.bundle.v0.3+json",
        "verificationMaterial": {
            "certificate": {"rawBytes": at(["verification_material", "certificate"])?},
            "tlogEntries": at(["verification_material", "transparency_entries"])?,
        },
        "dsseEnvelope": {
            "payload": at(["envelope", "statement"])?,
            "payloadType": "application/vnd.in-toto+json",
            "signatures": [{"sig": at(["envelope", "signature"])?}],
        },
    }))
}

/// The names of the files that a bundle's statement is about; none where it signs bytes.
pub fn subjects(bundle: &[u8]) -> Vec<String> {
    let names = || {
        let value: Value = serde_json::from_slice(bundle).ok()?;
        let payload = base64(value.get("dsseEnvelope")?.get("payload")?.as_str()?)?;
        let statement: Value = serde_json::from_slice(&payload).ok()?;
        let subjects = statement.get("subject")?.as_array()?.iter();
        Some(
            subjects
                .filter_map(|s| Some(s.get("name")?.as_str()?.to_owned()))
                .take(64)
                .collect(),
        )
    };
    names().unwrap_or_default()
}

/// Checks a bundle over a digest.
pub(crate) fn check(bundle: &[u8], sha256: [u8; 32], expected: &Expected) -> Result<Seen, Unsound> {
    let digest = Sha256Hash::new(sha256);
    checked(bundle, expected, |verifier, bundle, policy| {
        verifier.verify(Artifact::from(digest), bundle, policy)
    })
}

/// Checks a bundle over the bytes of `source`.
///
/// # Errors
/// Why it does not hold.
pub fn check_source(bundle: &[u8], source: &dyn ReadAt, expected: &Expected) -> Result<Seen, Unsound> {
    checked(bundle, expected, |verifier, bundle, policy| {
        let streamed = verifier.verify_reader(Streamed { source, at: 0 }, bundle, policy);
        match streamed {
            Err(Error::UnsupportedArtifact(_)) if source.len() <= LONGEST_WHOLE => {
                let mut whole = Vec::new();
                Streamed { source, at: 0 }
                    .read_to_end(&mut whole)
                    .map_err(Error::ArtifactRead)?;
                verifier.verify(whole.as_slice(), bundle, policy)
            }
            other => other,
        }
    })
}

/// Checks every bundle of a file over the bytes of `source`, one answer for each.
pub fn check_file(source: &dyn ReadAt, text: &[u8], expected: &Expected) -> Vec<Checked> {
    let bundles = match bundles(text) {
        Ok(bundles) => bundles,
        Err(why) => {
            let mut draft = Draft::new("sigstore");
            draft.refuse(
                code::SIGNATURE_INVALID,
                Some("malformed"),
                format!("it is no bundle: {why}"),
            );
            return vec![draft.close()];
        }
    };
    let each = bundles.iter().map(|bundle| {
        let mut draft = Draft::new("sigstore");
        match check_source(bundle, source, expected) {
            Ok(seen) => {
                draft.checked.intact = Answer::Yes;
                draft.checked.chain = ChainAnswer::Anchored;
                draft.checked.signer = seen.signer;
                draft.checked.time = seen.time;
                draft.checked.covered = source.len();
            }
            Err(fault) => {
                draft.refuse(code::SIGNATURE_INVALID, Some(fault.case), fault.message);
                draft.checked.signer = fault.signer;
                draft.checked.chain = fault.chain;
                if fault.sound.is_none() {
                    draft.checked.intact = Answer::Unknown;
                }
            }
        }
        let names = subjects(bundle);
        if !names.is_empty() {
            let names: Vec<String> = names.iter().take(8).map(|name| shown(name.as_bytes())).collect();
            draft.note(format!("it is about {}", names.join(", ")));
        }
        if expected.identity.is_none() {
            draft.note("who must have signed was not said (--identity)");
        }
        draft.close()
    });
    each.collect()
}

struct Streamed<'s> {
    source: &'s dyn ReadAt,
    at: u64,
}

impl Read for Streamed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let n = self.source.read_at(buffer, self.at)?;
        self.at = self.at.saturating_add(u64::try_from(n).unwrap_or(u64::MAX));
        Ok(n)
    }
}

type Verified = Result<VerificationResult, Error>;

fn checked(
    text: &[u8],
    expected: &Expected,
    verify: impl Fn(&Verifier, &Bundle, &VerificationPolicy) -> Verified,
) -> Result<Seen, Unsound> {
    let unsound = |case, message: String| Unsound {
        case,
        message,
        signer: None,
        sound: Some(false),
        chain: ChainAnswer::Unknown,
    };
    let text = std::str::from_utf8(text).map_err(|_| unsound("malformed", "the bundle is not UTF-8".to_owned()))?;
    let bundle = guarded(|| Bundle::from_json(text))
        .ok_or_else(|| unsound("malformed", "the bundle cannot be read".to_owned()))?
        .map_err(|e| unsound("malformed", format!("the bundle cannot be read: {e}")))?;
    let signer = bundle.signing_certificate().and_then(|der| {
        let info = guarded(|| sigstore_verify::crypto::parse_certificate_info(der))?.ok()?;
        named(info.identity.map(|identity| identity.as_str().to_owned()), info.issuer)
    });
    if signer.is_none() && bundle.signing_certificate().is_none() {
        return Err(Unsound {
            sound: None,
            ..unsound(
                "key",
                "the bundle names a key that it does not hold: it cannot be checked".to_owned(),
            )
        });
    }
    let roots: Vec<TrustedRoot> = match &expected.root {
        Some(json) => vec![
            TrustedRoot::from_json(json)
                .map_err(|e| unsound("chain", format!("the trusted root cannot be read: {e}")))?,
        ],
        None => [SigstoreInstance::PublicGood, SigstoreInstance::GitHub]
            .into_iter()
            .filter_map(|instance| TrustedRoot::from_embedded(instance).ok())
            .collect(),
    };
    let mut last = None;
    for root in &roots {
        let mut policy = VerificationPolicy::any_identity();
        // What a root has no logs for cannot be logged: GitHub's own instance uses timestamps instead.
        if root.ctlogs.is_empty() {
            policy = policy.skip_sct();
        }
        if root.tlogs.is_empty() {
            policy = policy.skip_tlog_unsafe();
        }
        if let Some(identity) = &expected.identity {
            policy = policy.require_identity(identity.as_str());
        }
        if let Some(issuer) = &expected.issuer {
            policy = policy.require_issuer(issuer.as_str());
        }
        let outcome = guarded(|| Verifier::new(root).and_then(|verifier| verify(&verifier, &bundle, &policy)));
        match outcome {
            Some(Ok(result)) => return Ok(seen(&result, signer)),
            Some(Err(error)) => {
                // The other root is asked only when this one does not know the signer.
                let unknown = is_unknown(&error);
                last = Some(refused(&error, signer.clone()));
                if !unknown {
                    break;
                }
            }
            None => last = Some(unsound("malformed", "the bundle makes its reader fail".to_owned())),
        }
    }
    Err(last.unwrap_or_else(|| unsound("chain", "there is no trusted root".to_owned())))
}

/// What `action` gives; `None` when a library panics over hostile bytes.
fn guarded<T>(action: impl FnOnce() -> T) -> Option<T> {
    catch_unwind(AssertUnwindSafe(action)).ok()
}

fn named(identity: Option<String>, issuer: Option<String>) -> Option<String> {
    match (identity, issuer) {
        (Some(identity), Some(issuer)) => Some(format!("{identity} ({issuer})")),
        (identity, _) => identity,
    }
}

fn seen(result: &VerificationResult, signer: Option<String>) -> Seen {
    let time = result
        .integrated_time()
        .or_else(|| result.verified_timestamps().first().copied());
    Seen {
        signer,
        time: time.map(|t| t.to_string()),
    }
}

/// Whether another root may know better.
fn is_unknown(error: &Error) -> bool {
    matches!(
        error,
        Error::Certificate(CertificateError::ChainInvalid(_) | CertificateError::NoValidAuthority { .. })
            | Error::Timestamp(_)
            | Error::TransparencyLog(_)
    )
}

fn refused(error: &Error, signer: Option<String>) -> Unsound {
    let (case, sound, chain) = match error {
        // Who signed is decided last but the signature itself, after certificate and log.
        Error::IdentityMismatch { .. } | Error::IssuerMismatch { .. } => ("identity", None, ChainAnswer::Anchored),
        Error::SignatureInvalid(_) | Error::ArtifactMismatch(_) => ("broken", Some(false), ChainAnswer::Unknown),
        Error::Certificate(_) | Error::TrustRoot(_) | Error::InvalidTrustRoot(_) | Error::TrustedCertificate(_) => {
            ("chain", None, ChainAnswer::Unanchored)
        }
        Error::TransparencyLog(_) | Error::Timestamp(_) => ("log", None, ChainAnswer::Unknown),
        Error::UnsupportedArtifact(_) | Error::UnsupportedBundle(_) => ("unsupported", None, ChainAnswer::Unknown),
        Error::ArtifactRead(_) => ("unsupported", None, ChainAnswer::Unknown),
        _ => ("malformed", Some(false), ChainAnswer::Unknown),
    };
    Unsound {
        case,
        message: error.to_string(),
        signer,
        sound,
        chain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::MemorySource;
    use std::path::PathBuf;

    /// Published bundles that the crate brings for its own tests; they lie where cargo unpacked it.
    fn published() -> Option<PathBuf> {
        let home = std::env::var_os("CARGO_HOME").map_or_else(
            || std::env::home_dir().unwrap_or_default().join(".cargo"),
            PathBuf::from,
        );
        let sources = std::fs::read_dir(home.join("registry/src")).ok()?;
        let crates = sources
            .flatten()
            .flat_map(|index| std::fs::read_dir(index.path()).into_iter().flatten());
        let found = crates
            .flatten()
            .find(|e| e.file_name().to_string_lossy().starts_with("sigstore-verify-0.15"));
        let data = found.map(|e| e.path().join("test_data"));
        let data = data.filter(|d| d.is_dir());
        if data.is_none() {
            eprintln!("probity-skip: the published bundles of sigstore-verify are not unpacked here");
        }
        data
    }

    #[test]
    fn published_bundles_hold_over_their_files_and_no_others() {
        let Some(data) = published() else { return };
        for (file, bundle, signer) in [
            ("bundles/cosign-v3-blob.txt", "bundles/cosign-v3-blob.sigstore.json", ""),
            (
                "bundles/signed-package-2.1.0-hb0f4dca_0.conda",
                "bundles/conda-attestation.sigstore.json",
                "https://github.com/",
            ),
        ] {
            let bytes = std::fs::read(data.join(file)).unwrap();
            let text = std::fs::read(data.join(bundle)).unwrap();
            let [bundle] = bundles(&text).unwrap().try_into().unwrap();
            let source = MemorySource::new(bytes.clone());
            let seen = check_source(&bundle, &source, &Expected::default()).unwrap();
            assert!(
                seen.signer.as_deref().is_some_and(|s| s.starts_with(signer)),
                "{file}: {seen:?}"
            );
            assert!(seen.time.is_some());

            let mut changed = bytes;
            changed[0] ^= 1;
            let fault = check_source(&bundle, &MemorySource::new(changed), &Expected::default()).unwrap_err();
            assert_eq!((fault.case, fault.sound), ("broken", Some(false)), "{fault:?}");

            let other = Expected {
                identity: Some("mallory@example.com".to_owned()),
                ..Expected::default()
            };
            let fault = check_source(&bundle, &source, &other).unwrap_err();
            assert_eq!(fault.case, "identity", "{fault:?}");
            let same = Expected {
                issuer: seen
                    .signer
                    .as_deref()
                    .and_then(|s| Some(s.rsplit_once('(')?.1.trim_end_matches(')').to_owned())),
                ..Expected::default()
            };
            assert!(check_source(&bundle, &source, &same).is_ok());
        }
    }

    #[test]
    fn a_pep_740_attestation_is_a_bundle_in_other_words() {
        let attestation = json!({
            "version": 1,
            "verification_material": {"certificate": "AQ==", "transparency_entries": [{"logIndex": "1"}]},
            "envelope": {"statement": "e30=", "signature": "Ag=="},
        });
        let provenance = json!({"version": 1, "attestation_bundles": [{"attestations": [attestation]}]});
        for text in [attestation.to_string(), provenance.to_string()] {
            assert!(is_bundle(text.as_bytes()));
            let [bundle] = bundles(text.as_bytes()).unwrap().try_into().unwrap();
            let value: Value = serde_json::from_slice(&bundle).unwrap();
            assert_eq!(value["verificationMaterial"]["certificate"]["rawBytes"], "AQ==");
            assert_eq!(value["verificationMaterial"]["tlogEntries"][0]["logIndex"], "1");
            assert_eq!(value["dsseEnvelope"]["signatures"][0]["sig"], "Ag==");
        }
        let newer = attestation.to_string().replace("\"version\":1", "\"version\":2");
        assert_eq!(
            bundles(newer.as_bytes()).unwrap_err(),
            "the attestation is not of version 1 (PEP 740)"
        );
    }

    #[test]
    fn lines_and_answers_of_an_endpoint_are_taken_to_pieces() {
        let lines = b"{\"mediaType\": \"a\"}\n{\"mediaType\": \"b\"}\n";
        assert_eq!(bundles(lines).unwrap().len(), 2);
        let answer = br#"{"attestations": [{"bundle": {"mediaType": "a"}}]}"#;
        assert_eq!(bundles(answer).unwrap(), [br#"{"mediaType":"a"}"#.to_vec()]);
        for text in [&b""[..], b"{}", b"[]", b"{\"mediaType\": \"a\"}\nx\n"] {
            assert!(bundles(text).is_err());
        }
        assert!(bundles(&b"{\"mediaType\": 1}\n".repeat(300)).is_err());
    }

    #[test]
    fn what_is_no_bundle_does_not_hold() {
        for text in ["{}", "{\"mediaType\": 1}", "nonsense", ""] {
            let fault =
                check_source(text.as_bytes(), &MemorySource::new(b"x".to_vec()), &Expected::default()).unwrap_err();
            assert_eq!(fault.case, "malformed");
        }
    }
}

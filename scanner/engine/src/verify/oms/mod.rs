//! OpenSSF model signing (OMS): a directory is signed by one file that lists the others with their digests.
//!
//! The signature is a Sigstore bundle (`bundle`) around a statement (`manifest`) that is held against the directory
//! (`compare`). Signatures by a key and by a certificate are made ([`sign`]) and checked; those of Sigstore's own
//! authority are checked only. Written after the specification of the OpenSSF's model signing group, and after the
//! package `model-signing` 1.1, whose signatures are taken and which takes ours.
//!
//! Stricter than that package on purpose: names that lead out are refused, a link counts only where the manifest allows
//! links, what a link to a directory hides is not taken for signed, and what `ignore_paths` leaves out is told.

mod bundle;
mod compare;
mod digest;
mod manifest;
mod sign;

#[cfg(test)]
mod tests;

pub use compare::Ignored;
pub use digest::Algorithm;
pub use sign::{SignError, SignOptions, Signed, sign};

use super::cms::certificate::Certificate;
use super::cms::chain::{self, Anchor, Budget, Need};
use super::key::PublicKey;
use super::sigstore;
use super::{Answer, ChainAnswer, Checked, TrustStore};
use crate::artifact::{Judged, Verdict};
use crate::finding::{ErrorCode, Finding, Findings, ScanError, code};
use crate::policy;
use crate::policy::shown;
use crate::source::{FileSource, ReadAt, listing, read_full_at};
use crate::span::Span;
use bundle::Material;
use manifest::Kind;
use probity_signatures::{Severity, rules};
use std::io;
use std::path::Path;

/// The name under which the signature lies in the directory, unless another is given.
pub const DEFAULT_NAME: &str = "model.sig";
/// The longest signature that is read: one of a model of a hundred thousand files.
const LONGEST_SIGNATURE: u64 = 64 << 20;
/// Signatures of certificates that are checked for one path.
const MOST_CHECKS: u32 = 128;
/// Names below the directory.
const MOST_NAMES: usize = 2_000_000;

/// Whom whoever checks trusts.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct Trust {
    /// The key that must have signed.
    pub key: Option<PublicKey>,
    /// Certificates that the signer's must lead to, in DER.
    pub anchors: Vec<Vec<u8>>,
    /// For signatures of Sigstore's authority: roots and the identity expected.
    pub sigstore: sigstore::Expected,
}

/// What a signature says of a directory.
#[derive(Debug)]
#[non_exhaustive]
pub struct Outcome {
    /// Whether the directory is what was signed.
    pub intact: Answer,
    /// Who signed.
    pub signer: Option<String>,
    /// Whether the signer is one of those trusted.
    pub chain: ChainAnswer,
    /// When, where the signature says so in a way that can be checked (RFC 3339).
    pub time: Option<String>,
    /// Files that are as they were signed.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
    /// What the manifest leaves unsigned on purpose, where something stands.
    pub ignored: Vec<Ignored>,
    /// Every path that the manifest leaves unsigned.
    pub unsigned: Vec<String>,
    /// Findings, worst first.
    pub findings: Vec<Judged>,
    /// What could not be done.
    pub errors: Vec<ScanError>,
    /// The verdict.
    pub verdict: Verdict,
}

impl Outcome {
    /// The same as every scheme gives it.
    pub fn checked(self) -> Checked {
        let mut notes = Vec::new();
        if self.files > 0 {
            let noun = if self.files == 1 { "file" } else { "files" };
            notes.push(format!(
                "{} {noun} with {} bytes as they were signed",
                self.files, self.bytes
            ));
        }
        let unsigned: Vec<String> = self
            .unsigned
            .iter()
            .map(|path| match self.ignored.iter().find(|ignored| ignored.path == *path) {
                Some(Ignored { files: 1, .. }) => format!("{} (1 file)", shown(path.as_bytes())),
                Some(Ignored { files, .. }) => format!("{} ({files} files)", shown(path.as_bytes())),
                None => shown(path.as_bytes()),
            })
            .collect();
        if !unsigned.is_empty() {
            notes.push(format!("explicitly unsigned: {}", unsigned.join(", ")));
        }
        Checked {
            scheme: "oms",
            intact: self.intact,
            signer: self.signer,
            chain: self.chain,
            time: self.time,
            covered: self.bytes,
            notes,
            findings: self.findings,
            errors: self.errors,
        }
    }
}

/// What is known of the signer so far.
struct Answers {
    /// Whether the signature is one of the payload: `None` where nothing is at hand to check it with.
    sound: Option<bool>,
    signer: Option<String>,
    chain: ChainAnswer,
    time: Option<String>,
    findings: Findings,
    errors: Vec<ScanError>,
}

/// Checks the signature `file` of `directory`. `fail_on` is the lowest severity that makes the verdict `findings`.
///
/// # Errors
/// When the directory or the signature cannot be read at all.
pub fn verify(directory: &Path, file: &Path, trust: &Trust, fail_on: Option<Severity>) -> io::Result<Outcome> {
    let bytes = contents(file)?;
    let region = file
        .file_name()
        .map_or_else(String::new, |name| name.to_string_lossy().into_owned());
    let mut answers = Answers {
        sound: None,
        signer: None,
        chain: ChainAnswer::Unknown,
        time: None,
        findings: Findings::default(),
        errors: Vec::new(),
    };
    let manifest = answers.read(&bytes, &region, trust);
    let mut compared = compare::Compared::default();
    if let Some(manifest) = &manifest {
        for problem in &manifest.problems {
            answers.findings.push(told(problem, &region));
        }
        match listing::list(directory, MOST_NAMES)? {
            Some(listed) => {
                let own = listing::name_below(directory, file);
                compared = compare::compare(manifest, &listed, own.as_deref());
            }
            None => {
                let message = format!("the directory holds more than {MOST_NAMES} names");
                answers.errors.push(ScanError::new(ErrorCode::LimitExceeded, message));
            }
        }
    }
    Ok(answers.close(manifest.as_ref(), compared, fail_on))
}

/// The bytes of a signature.
fn contents(file: &Path) -> io::Result<Vec<u8>> {
    let source = FileSource::open(file)?;
    if source.len() > LONGEST_SIGNATURE {
        let message = format!("{} bytes are too long for a signature", source.len());
        return Err(io::Error::new(io::ErrorKind::InvalidData, message));
    }
    let mut bytes = vec![0u8; usize::try_from(source.len()).unwrap_or_default()];
    let n = read_full_at(&source, &mut bytes, 0)?;
    bytes.truncate(n);
    Ok(bytes)
}

/// The files that a signature lists with their SHA-256, when that is what it lists.
pub(crate) fn listed(bytes: &[u8]) -> Option<Vec<(String, [u8; 32])>> {
    let manifest = manifest::read(&bundle::read(bytes).ok()?.payload).ok()?;
    let files = manifest.files.into_iter().filter_map(|(name, stated)| match stated {
        manifest::Stated::Whole(Algorithm::Sha256, digest) => Some((name, digest.try_into().ok()?)),
        _ => None,
    });
    Some(files.collect())
}

/// Reads a bundle and the statement in it; says nothing about a directory. For the fuzz target.
#[doc(hidden)]
pub fn fuzz(data: &[u8]) {
    if let Ok(bundle) = bundle::read(data) {
        let _ = manifest::read(&bundle.payload);
    }
    let Ok(manifest) = manifest::read(data) else { return };
    for name in manifest.files.keys() {
        assert!(name == "." || !name.split('/').any(|level| matches!(level, "" | "." | "..")));
        assert!(!name.starts_with('/') && !name.contains('\\'));
    }
}

impl Answers {
    fn finding(&mut self, case: &'static str, region: &str, offset: u64, message: String) {
        let finding = Finding::new(code::SIGNATURE_INVALID, Span::new(offset, offset), message);
        self.findings.push(finding.case(case).region(region).key(case));
    }

    /// The manifest that is signed, when there is one; what the signature is worth is noted on the way.
    fn read(&mut self, bytes: &[u8], region: &str, trust: &Trust) -> Option<manifest::Manifest> {
        let bundle = match bundle::read(bytes) {
            Ok(bundle) => bundle,
            Err(fault) => {
                self.sound = Some(false);
                let message = format!(
                    "{region} is no signature of a model: {} at {:#x}",
                    fault.rule, fault.offset
                );
                self.finding("malformed", region, fault.offset, message);
                return None;
            }
        };
        match &bundle.material {
            Material::Key(hint) => self.by_key(&bundle, hint.as_deref(), region, trust),
            Material::Chain(certificates) => self.by_certificate(&bundle, certificates, region, trust),
            Material::Sigstore => self.by_sigstore(bytes, &bundle, region, trust),
        }
        match manifest::read(&bundle.payload) {
            Ok(manifest) => Some(manifest),
            Err(fault) => {
                self.sound = Some(false);
                let message = format!(
                    "the payload of {region} is no list of a model's files: {} at {:#x} of the payload",
                    fault.rule, fault.offset
                );
                self.finding("malformed", region, fault.offset, message);
                None
            }
        }
    }

    /// What was expected of a signer that this kind of signature cannot show is not met.
    fn unmet(&mut self, region: &str, trust: &Trust) {
        if trust.sigstore.identity.is_some() || trust.sigstore.issuer.is_some() {
            let message = "it is not by Sigstore's authority: nobody vouches for the identity expected";
            self.finding("identity", region, 0, message.to_owned());
        }
    }

    fn by_key(&mut self, bundle: &bundle::Bundle, hint: Option<&str>, region: &str, trust: &Trust) {
        self.unmet(region, trust);
        let Some(key) = &trust.key else {
            self.signer = hint.map(|hint| format!("key:sha256:{hint}"));
            let message = "it is signed by a key that is not in the signature: give the public key (--key)";
            self.errors.push(ScanError::new(ErrorCode::Unsupported, message));
            return;
        };
        let own = key.hint();
        self.signer = Some(format!("key:sha256:{own}"));
        if let Some(hint) = hint.filter(|hint| !hint.eq_ignore_ascii_case(&own)) {
            self.sound = Some(false);
            self.chain = ChainAnswer::Unanchored;
            self.signer = Some(format!("key:sha256:{hint}"));
            let message = format!("it is signed by another key: {}, not {own}", shown(hint.as_bytes()));
            return self.finding("key", region, 0, message);
        }
        let sound = signed(key, bundle, false);
        self.sound = Some(sound);
        self.chain = if sound {
            ChainAnswer::Anchored
        } else {
            ChainAnswer::Unanchored
        };
        if !sound {
            let message = format!("the signature is not one of its payload by the key {own}");
            self.finding("broken", region, 0, message);
        }
    }

    fn by_certificate(&mut self, bundle: &bundle::Bundle, certificates: &[Vec<u8>], region: &str, trust: &Trust) {
        self.unmet(region, trust);
        let mut read = Vec::new();
        for (number, der) in certificates.iter().enumerate() {
            match Certificate::from_der(der) {
                Ok(certificate) => read.push(certificate),
                Err(fault) => {
                    self.sound = Some(false);
                    let message = format!("certificate {number} of the signature cannot be read: {}", fault.rule);
                    return self.finding("malformed", region, 0, message);
                }
            }
        }
        let Some(signer) = read.first() else {
            return;
        };
        self.signer = Some(signer.shown());
        let Ok(key) = PublicKey::from_spki(signer.spki) else {
            let message = "the signer's certificate has a key that is not of P-256, P-384 or P-521";
            self.errors.push(ScanError::new(ErrorCode::Unsupported, message));
            return;
        };
        let sound = signed(&key, bundle, true);
        self.sound = Some(sound);
        if !sound {
            let message = "the signature is not one of its payload by the key of its certificate";
            self.finding("broken", region, 0, message.to_owned());
        }
        if !signer.is_for_signing() {
            let message = format!("the certificate of {} is not one for signing", signer.shown());
            self.finding("usage", region, 0, message);
        }
        if let Some(trusted) = &trust.key {
            if *trusted == key {
                self.chain = ChainAnswer::Anchored;
                return;
            }
            self.chain = ChainAnswer::Unanchored;
            let message = format!(
                "the certificate holds another key: {}, not {}",
                key.hint(),
                trusted.hint()
            );
            return self.finding("key", region, 0, message);
        }
        if trust.anchors.is_empty() {
            self.chain = ChainAnswer::Unanchored;
            let message = "anybody can make such a certificate: give those it must lead to (--certificate-chain)";
            self.errors.push(ScanError::new(ErrorCode::Unsupported, message));
            return;
        }
        // A signature by a certificate carries no time: what model-signing does is to take the certificate's first day.
        let need = Need::strict(signer.not_before);
        let roots = TrustStore::of(&trust.anchors);
        match chain::build(&read, 0, &roots, need, &mut Budget::of(MOST_CHECKS)).anchor {
            Anchor::Root(_) => self.chain = ChainAnswer::Anchored,
            Anchor::None(why) => {
                self.chain = ChainAnswer::Unanchored;
                let message = format!(
                    "the certificate of {} leads to none of those given: {}",
                    signer.shown(),
                    shown(why.reason().as_bytes())
                );
                self.finding("chain", region, 0, message);
            }
        }
    }

    fn by_sigstore(&mut self, bytes: &[u8], bundle: &bundle::Bundle, region: &str, trust: &Trust) {
        if trust.key.is_some() || !trust.anchors.is_empty() {
            let message = "it is by Sigstore's authority, not by the key or the certificates given";
            self.finding("key", region, 0, message.to_owned());
        }
        // The statement's own subject stands in for the artifact: what it is worth is decided by the list it is over.
        let Ok(manifest) = manifest::read(&bundle.payload) else {
            return;
        };
        let first = manifest.files.values().find_map(|stated| match stated {
            manifest::Stated::Whole(Algorithm::Sha256, digest) => digest.as_slice().try_into().ok(),
            _ => None,
        });
        let Some(root) = manifest.root.or(first) else {
            let message = "the statement has no subject with a SHA-256";
            self.errors.push(ScanError::new(ErrorCode::Unsupported, message));
            return;
        };
        match sigstore::check(bytes, root, &trust.sigstore) {
            Ok(seen) => {
                self.sound = Some(true);
                self.chain = ChainAnswer::Anchored;
                self.signer = seen.signer;
                self.time = seen.time;
            }
            Err(fault) => {
                self.signer = fault.signer;
                self.chain = fault.chain;
                self.sound = fault.sound;
                self.finding(fault.case, region, 0, fault.message);
            }
        }
    }

    fn close(
        mut self,
        manifest: Option<&manifest::Manifest>,
        compared: compare::Compared,
        fail_on: Option<Severity>,
    ) -> Outcome {
        self.findings.append(compared.findings);
        let unread = !compared.errors.is_empty() || manifest.is_some_and(|m| !m.files.is_empty() && !compared.done);
        self.errors.extend(compared.errors);
        let broken = manifest.is_none_or(|m| m.problems.iter().any(|p| p.kind != Kind::Case));
        let intact = if self.sound == Some(false) || broken || compared.differs {
            Answer::No
        } else if self.sound.is_none() || unread {
            Answer::Unknown
        } else {
            Answer::Yes
        };
        let findings = policy::judge(self.findings.close(), None, rules());
        let worst = findings.iter().map(|f| f.severity).max();
        Outcome {
            intact,
            signer: self.signer,
            chain: self.chain,
            time: self.time,
            files: compared.same,
            bytes: compared.bytes,
            ignored: compared.ignored,
            unsigned: manifest.map(|m| m.ignored.clone()).unwrap_or_default(),
            verdict: policy::verdict(worst, self.errors.is_empty(), fail_on),
            findings,
            errors: self.errors,
        }
    }
}

/// Whether the payload is signed by `key`, now or as model-signing 0.2 did; then certificates went with SHA-256 whatever
/// their curve.
fn signed(key: &PublicKey, bundle: &bundle::Bundle, by_certificate: bool) -> bool {
    if key.verifies(&bundle::pae(&bundle.payload), &bundle.signature) {
        return true;
    }
    let former = bundle::pae_of_0_2(&bundle.payload);
    if by_certificate {
        key.verifies_with_sha256(&former, &bundle.signature)
    } else {
        key.verifies(&former, &bundle.signature)
    }
}

/// The finding that a problem of the manifest is.
fn told(problem: &manifest::Problem, region: &str) -> Finding {
    let name = shown(problem.name.as_bytes());
    let span = Span::new(problem.offset, problem.offset);
    let message = format!("the manifest lists {name:?}: {}", problem.rule);
    let finding = match problem.kind {
        Kind::Escape => Finding::new(code::PATH_TRAVERSAL, span, message),
        Kind::Name => Finding::new(code::SIGNATURE_INVALID, span, message).case("name"),
        Kind::Duplicate => Finding::new(code::SIGNATURE_INVALID, span, message).case("duplicate"),
        Kind::Case => Finding::new(code::SIGNATURE_INVALID, span, message).case("case"),
        Kind::Parts => Finding::new(code::SIGNATURE_INVALID, span, message).case("manifest"),
        Kind::Root => {
            let message = format!("of the model {name:?}: {}", problem.rule);
            Finding::new(code::SIGNATURE_INVALID, span, message).case("manifest")
        }
    };
    finding.region(region).key(&problem.name)
}

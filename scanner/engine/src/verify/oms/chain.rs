//! Whether a certificate leads to one that whoever checks trusts (RFC 5280, section 6, without policies and revocation).
//!
//! The time is that of the signer's certificate's first day, since a signature by key or certificate carries none: what
//! model-signing does. A critical extension that is not evaluated, name constraints among them, ends the path.

use crate::verify::document::hex;
use aws_lc_rs::signature as s;
use der::oid::ObjectIdentifier;
use der::{Decode, Encode, Reader, SliceReader};
use x509_cert::Certificate;
use x509_cert::ext::pkix::{BasicConstraints, ExtendedKeyUsage, KeyUsage};

/// The longest path, the signer's certificate and the anchor included.
const LONGEST: usize = 8;
/// Signatures of certificates that are checked for one path.
const MOST_CHECKS: usize = 128;

/// A certificate, read.
pub(super) struct Link {
    der: Vec<u8>,
    certificate: Certificate,
    /// The signed part as it stands.
    signed: Vec<u8>,
}

impl Link {
    /// Reads a certificate in DER.
    pub(super) fn read(der: &[u8]) -> Result<Self, String> {
        let certificate = Certificate::from_der(der).map_err(|e| e.to_string())?;
        let mut reader = SliceReader::new(der).map_err(|e| e.to_string())?;
        let signed = reader
            .sequence(|reader| {
                let signed = reader.tlv_bytes()?.to_vec();
                reader.tlv_bytes()?;
                reader.tlv_bytes()?;
                Ok(signed)
            })
            .map_err(|e: der::Error| e.to_string())?;
        Ok(Self {
            der: der.to_vec(),
            certificate,
            signed,
        })
    }

    /// Whom it names.
    pub(super) fn subject(&self) -> String {
        let name = self.certificate.tbs_certificate.subject.to_string();
        if name.is_empty() {
            let serial = self.certificate.tbs_certificate.serial_number.as_bytes();
            return format!("a certificate without a name, serial {}", hex(serial));
        }
        name
    }

    /// Its public key, in DER.
    pub(super) fn key(&self) -> Option<Vec<u8>> {
        self.certificate.tbs_certificate.subject_public_key_info.to_der().ok()
    }

    /// Whether it may sign data: `digitalSignature`, or the extended usage for signing code.
    pub(super) fn may_sign(&self) -> bool {
        const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
        let by_usage = matches!(self.extension::<KeyUsage>(), Some(Ok(usage)) if usage.digital_signature());
        let extended = self.extension::<ExtendedKeyUsage>();
        by_usage || matches!(extended, Some(Ok(usages)) if usages.0.iter().any(|oid| oid.to_string() == CODE_SIGNING))
    }

    fn extension<T: for<'a> Decode<'a> + der::oid::AssociatedOid>(&self) -> Option<Result<T, der::Error>> {
        let extensions = self.certificate.tbs_certificate.extensions.as_ref()?;
        let found = extensions.iter().find(|e| e.extn_id == T::OID)?;
        Some(T::from_der(found.extn_value.as_bytes()))
    }

    /// Why it cannot issue another certificate with `below` issuers between that and itself.
    fn cannot_issue(&self, below: usize) -> Option<String> {
        match self.extension::<BasicConstraints>() {
            Some(Ok(constraints)) if constraints.ca => {
                let most = constraints.path_len_constraint.map(usize::from);
                if most.is_some_and(|most| below > most) {
                    return Some(format!("{} issues over more levels than it may", self.subject()));
                }
            }
            Some(Err(_)) => return Some(format!("{} has constraints that cannot be read", self.subject())),
            _ => return Some(format!("{} is no authority", self.subject())),
        }
        match self.extension::<KeyUsage>() {
            Some(Ok(usage)) if !usage.key_cert_sign() => Some(format!("{} may not sign certificates", self.subject())),
            Some(Err(_)) => Some(format!("{} has a key usage that cannot be read", self.subject())),
            _ => None,
        }
    }

    /// A critical extension that is not evaluated here.
    fn unevaluated(&self) -> Option<String> {
        const EVALUATED: &[&str] = &["2.5.29.15", "2.5.29.17", "2.5.29.19", "2.5.29.32", "2.5.29.37"];
        let extensions = self.certificate.tbs_certificate.extensions.as_ref()?;
        let found = extensions
            .iter()
            .find(|e| e.critical && !EVALUATED.contains(&e.extn_id.to_string().as_str()))?;
        Some(format!(
            "{} has the critical extension {}",
            self.subject(),
            found.extn_id
        ))
    }

    fn not_before(&self) -> u64 {
        let start = &self.certificate.tbs_certificate.validity.not_before;
        start.to_unix_duration().as_secs()
    }

    fn is_valid_at(&self, seconds: u64) -> bool {
        let end = &self.certificate.tbs_certificate.validity.not_after;
        self.not_before() <= seconds && seconds <= end.to_unix_duration().as_secs()
    }

    /// Whether `self` is signed by the key of `issuer`.
    fn is_signed_by(&self, issuer: &Self) -> bool {
        let key = &issuer.certificate.tbs_certificate.subject_public_key_info;
        let parameters = key.algorithm.parameters.as_ref();
        let curve = parameters.and_then(|p| p.decode_as::<ObjectIdentifier>().ok());
        let curve = curve.map(|oid| oid.to_string()).unwrap_or_default();
        let stated = self.certificate.signature_algorithm.oid.to_string();
        let (Some(algorithm), Some(point), Some(signature)) = (
            algorithm(&key.algorithm.oid.to_string(), &curve, &stated),
            key.subject_public_key.as_bytes(),
            self.certificate.signature.as_bytes(),
        ) else {
            return false;
        };
        s::UnparsedPublicKey::new(algorithm, point)
            .verify(&self.signed, signature)
            .is_ok()
    }
}

/// How a signature is checked with a key of `kind` (and `curve`) that says it is `stated`.
fn algorithm(kind: &str, curve: &str, stated: &str) -> Option<&'static dyn s::VerificationAlgorithm> {
    const RSA: &str = "1.2.840.113549.1.1.1";
    const EC: &str = "1.2.840.10045.2.1";
    const ED25519: &str = "1.3.101.112";
    const P256: &str = "1.2.840.10045.3.1.7";
    const P384: &str = "1.3.132.0.34";
    const P521: &str = "1.3.132.0.35";
    Some(match (kind, curve, stated) {
        (RSA, _, "1.2.840.113549.1.1.11") => &s::RSA_PKCS1_2048_8192_SHA256,
        (RSA, _, "1.2.840.113549.1.1.12") => &s::RSA_PKCS1_2048_8192_SHA384,
        (RSA, _, "1.2.840.113549.1.1.13") => &s::RSA_PKCS1_2048_8192_SHA512,
        (EC, P256, "1.2.840.10045.4.3.2") => &s::ECDSA_P256_SHA256_ASN1,
        (EC, P256, "1.2.840.10045.4.3.3") => &s::ECDSA_P256_SHA384_ASN1,
        (EC, P256, "1.2.840.10045.4.3.4") => &s::ECDSA_P256_SHA512_ASN1,
        (EC, P384, "1.2.840.10045.4.3.2") => &s::ECDSA_P384_SHA256_ASN1,
        (EC, P384, "1.2.840.10045.4.3.3") => &s::ECDSA_P384_SHA384_ASN1,
        (EC, P384, "1.2.840.10045.4.3.4") => &s::ECDSA_P384_SHA512_ASN1,
        (EC, P521, "1.2.840.10045.4.3.2") => &s::ECDSA_P521_SHA256_ASN1,
        (EC, P521, "1.2.840.10045.4.3.3") => &s::ECDSA_P521_SHA384_ASN1,
        (EC, P521, "1.2.840.10045.4.3.4") => &s::ECDSA_P521_SHA512_ASN1,
        (ED25519, _, ED25519) => &s::ED25519,
        _ => return None,
    })
}

/// Whether `signer` leads over `between` to one of `anchors`.
///
/// # Errors
/// Why it does not, in words.
pub(super) fn leads(signer: &Link, between: &[Link], anchors: &[Link]) -> Result<(), String> {
    let at = signer.not_before();
    let mut why = "no certificate given leads on from it".to_owned();
    let mut checks = 0usize;
    // Paths that are open: the certificates so far, the last one first to be followed.
    let mut open: Vec<Vec<&Link>> = vec![vec![signer]];
    while let Some(path) = open.pop() {
        let Some(last) = path.last() else { continue };
        if let Some(reason) = last.unevaluated() {
            why = reason;
            continue;
        }
        if !last.is_valid_at(at) {
            why = format!("{} was not valid when the signer's certificate began", last.subject());
            continue;
        }
        if anchors.iter().any(|anchor| anchor.der == last.der) {
            return Ok(());
        }
        if path.len() >= LONGEST {
            why = format!("the path is longer than {LONGEST} certificates");
            continue;
        }
        let issuers = between.iter().chain(anchors).filter(|issuer| {
            issuer.certificate.tbs_certificate.subject == last.certificate.tbs_certificate.issuer
                && !path.iter().any(|known| known.der == issuer.der)
        });
        for issuer in issuers {
            checks = checks.saturating_add(1);
            if checks > MOST_CHECKS {
                return Err(format!("more than {MOST_CHECKS} signatures to check"));
            }
            if let Some(reason) = issuer.cannot_issue(path.len().saturating_sub(1)) {
                why = reason;
            } else if !last.is_signed_by(issuer) {
                why = format!("{} did not sign {}", issuer.subject(), last.subject());
            } else {
                let mut longer = path.clone();
                longer.push(issuer);
                open.push(longer);
            }
        }
    }
    Err(why)
}

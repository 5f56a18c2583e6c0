//! Digests and signatures by the names that certificates and messages give them; the arithmetic is aws-lc's.

use super::cms::element::Elements;
use super::cms::oid;
use crate::walk::der::{DerFault, Tlv};
use aws_lc_rs::{digest, signature};

/// A digest that a signature may name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Algorithm {
    /// Collisions can be made: a signature over it proves little since 2017.
    Sha1,
    /// FIPS 180-4.
    Sha256,
    /// FIPS 180-4.
    Sha384,
    /// FIPS 180-4.
    Sha512,
}

impl Algorithm {
    /// The algorithm of an object identifier.
    pub(crate) fn from_oid(oid: &[u8]) -> Option<Self> {
        Some(match oid {
            oid::SHA1 => Self::Sha1,
            oid::SHA256 => Self::Sha256,
            oid::SHA384 => Self::Sha384,
            oid::SHA512 => Self::Sha512,
            _ => return None,
        })
    }

    /// The name shown to people and in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// The length of a digest in bytes.
    pub(crate) const fn length(self) -> usize {
        match self {
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// Whether collisions of the digest can be made.
    pub(crate) const fn is_weak(self) -> bool {
        matches!(self, Self::Sha1)
    }

    /// A running digest.
    pub(crate) fn begin(self) -> digest::Context {
        digest::Context::new(match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        })
    }

    /// The digest of `bytes`.
    pub(crate) fn digest(self, bytes: &[u8]) -> Vec<u8> {
        let mut context = self.begin();
        context.update(bytes);
        context.finish().as_ref().to_vec()
    }
}

/// An `AlgorithmIdentifier`: what, and its parameters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Identifier<'a> {
    /// The contents octets of the object identifier.
    pub(crate) oid: &'a [u8],
    /// The parameters, when there are any.
    pub(crate) parameters: Option<Tlv<'a>>,
}

impl<'a> Identifier<'a> {
    /// Reads an `AlgorithmIdentifier` (RFC 5280, 4.1.1.2).
    ///
    /// # Errors
    /// The first rule it breaks.
    pub(crate) fn parse(tlv: Tlv<'a>) -> Result<Self, DerFault> {
        let mut parts = Elements::of(tlv);
        let oid = parts.universal(6)?.oid()?;
        let parameters = parts.next_element()?;
        parts.finish()?;
        Ok(Self { oid, parameters })
    }
}

/// A public key as a certificate states it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Key<'a> {
    /// What kind of key it is.
    pub(crate) algorithm: Identifier<'a>,
    /// The key's own octets.
    pub(crate) bits: &'a [u8],
}

impl<'a> Key<'a> {
    /// Reads a `SubjectPublicKeyInfo` (RFC 5280, 4.1.2.7).
    ///
    /// # Errors
    /// The first rule it breaks.
    pub(crate) fn parse(tlv: Tlv<'a>) -> Result<Self, DerFault> {
        let mut parts = Elements::of(tlv);
        let algorithm = Identifier::parse(parts.universal(16)?)?;
        let (bits, _) = parts.universal(3)?.bit_string()?;
        parts.finish()?;
        Ok(Self { algorithm, bits })
    }

    /// The bits of an RSA modulus; `None` for other keys.
    pub(crate) fn rsa_bits(&self) -> Option<usize> {
        if self.algorithm.oid != oid::RSA {
            return None;
        }
        let all = Elements::one(self.bits, 0).ok()?;
        let modulus = Elements::of(all).universal(2).ok()?.integer().ok()?;
        let leading = modulus.iter().take_while(|b| **b == 0).count();
        let first = modulus.get(leading)?;
        let bytes = modulus.len().saturating_sub(leading);
        let unused = usize::try_from(first.leading_zeros()).ok()?;
        Some(bytes.saturating_mul(8).saturating_sub(unused))
    }

    fn curve(&self) -> Option<&'a [u8]> {
        self.algorithm.parameters.and_then(|p| p.oid().ok())
    }
}

/// Why a signature was not found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is not a signature of these bytes by this key.
    Wrong,
    /// An algorithm that this build does not compute.
    Unsupported,
}

/// The digest that a signature algorithm names by itself.
pub(crate) fn digest_of(algorithm: &Identifier<'_>) -> Option<Algorithm> {
    Some(match algorithm.oid {
        oid::RSA_SHA1 | oid::RSA_SHA1_OIW => Algorithm::Sha1,
        oid::RSA_SHA256 | oid::ECDSA_SHA256 => Algorithm::Sha256,
        oid::RSA_SHA384 | oid::ECDSA_SHA384 => Algorithm::Sha384,
        oid::RSA_SHA512 | oid::ECDSA_SHA512 => Algorithm::Sha512,
        oid::RSA_PSS => pss_digest(algorithm)?,
        _ => return None,
    })
}

/// Whether `algorithm` is built on MD5, which this build does not verify.
pub(crate) fn is_md5(algorithm: &Identifier<'_>) -> bool {
    algorithm.oid == oid::RSA_MD5 || algorithm.oid == oid::MD5
}

/// `RSASSA-PSS-params` (RFC 8017, A.2.3): the digest, SHA-1 when none is named.
fn pss_digest(algorithm: &Identifier<'_>) -> Option<Algorithm> {
    let parameters = algorithm.parameters?;
    let first = parameters.children().next()?.ok()?;
    if !first.tag.is_context(0) {
        return Some(Algorithm::Sha1);
    }
    let hash = Identifier::parse(first.children().next()?.ok()?).ok()?;
    Algorithm::from_oid(hash.oid)
}

/// Verifies `signature` over `message`. Messages name the digest apart from the algorithm: `digest` is what they say.
///
/// # Errors
/// [`Refusal`].
pub(crate) fn verify(
    algorithm: &Identifier<'_>,
    digest: Option<Algorithm>,
    key: &Key<'_>,
    message: &[u8],
    signed: &[u8],
) -> Result<(), Refusal> {
    use signature as s;
    let named = digest_of(algorithm);
    let digest = named.or(digest).ok_or(Refusal::Unsupported);
    let verifier: &'static dyn s::VerificationAlgorithm = match key.algorithm.oid {
        oid::ED25519 => &s::ED25519,
        oid::RSA if algorithm.oid == oid::RSA_PSS => match digest? {
            Algorithm::Sha1 => return Err(Refusal::Unsupported),
            Algorithm::Sha256 => &s::RSA_PSS_2048_8192_SHA256,
            Algorithm::Sha384 => &s::RSA_PSS_2048_8192_SHA384,
            Algorithm::Sha512 => &s::RSA_PSS_2048_8192_SHA512,
        },
        oid::RSA => match digest? {
            Algorithm::Sha1 => &s::RSA_PKCS1_1024_8192_SHA1_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha256 => &s::RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY,
            Algorithm::Sha384 => &s::RSA_PKCS1_2048_8192_SHA384,
            Algorithm::Sha512 => &s::RSA_PKCS1_1024_8192_SHA512_FOR_LEGACY_USE_ONLY,
        },
        oid::EC => match (key.curve().ok_or(Refusal::Unsupported)?, digest?) {
            (oid::P256, Algorithm::Sha1) => &s::ECDSA_P256_SHA1_ASN1,
            (oid::P256, Algorithm::Sha256) => &s::ECDSA_P256_SHA256_ASN1,
            (oid::P256, Algorithm::Sha384) => &s::ECDSA_P256_SHA384_ASN1,
            (oid::P256, Algorithm::Sha512) => &s::ECDSA_P256_SHA512_ASN1,
            (oid::P384, Algorithm::Sha256) => &s::ECDSA_P384_SHA256_ASN1,
            (oid::P384, Algorithm::Sha384) => &s::ECDSA_P384_SHA384_ASN1,
            (oid::P384, Algorithm::Sha512) => &s::ECDSA_P384_SHA512_ASN1,
            (oid::P521, Algorithm::Sha256) => &s::ECDSA_P521_SHA256_ASN1,
            (oid::P521, Algorithm::Sha384) => &s::ECDSA_P521_SHA384_ASN1,
            (oid::P521, Algorithm::Sha512) => &s::ECDSA_P521_SHA512_ASN1,
            _ => return Err(Refusal::Unsupported),
        },
        _ => return Err(Refusal::Unsupported),
    };
    // Keys of fewer bits than the library takes are not computed, which is not the same as a wrong signature.
    if key.rsa_bits().is_some_and(|bits| !(1024..=8192).contains(&bits)) {
        return Err(Refusal::Unsupported);
    }
    s::UnparsedPublicKey::new(verifier, key.bits)
        .verify(message, signed)
        .map_err(|_| Refusal::Wrong)
}

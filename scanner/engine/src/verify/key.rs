//! Elliptic-curve keys of P-256, P-384 and P-521, in PEM or DER: checking and making ECDSA signatures.
//!
//! Each curve goes with the hash of its strength (P-256 with SHA-256, P-384 with SHA-384, P-521 with SHA-512), as
//! Sigstore's specification pairs them. Encrypted keys are not read.

use super::document::hex;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1, ECDSA_P256_SHA256_ASN1_SIGNING, ECDSA_P384_SHA256_ASN1, ECDSA_P384_SHA384_ASN1,
    ECDSA_P384_SHA384_ASN1_SIGNING, ECDSA_P521_SHA256_ASN1, ECDSA_P521_SHA512_ASN1, ECDSA_P521_SHA512_ASN1_SIGNING,
    EcdsaKeyPair, EcdsaSigningAlgorithm, EcdsaVerificationAlgorithm, KeyPair, UnparsedPublicKey,
};
use base64::Engine as _;
use der::Decode;
use sha2::{Digest, Sha256};
use x509_cert::spki::SubjectPublicKeyInfoRef;

/// Why a key cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// Neither PEM nor DER of a kind that is read.
    #[error("it holds no {0} in PEM")]
    NotPem(&'static str),
    /// The key needs a password.
    #[error("the key is encrypted; write it without its password first (openssl pkey -in KEY -out PLAIN)")]
    Encrypted,
    /// The bytes are not a key.
    #[error("the key cannot be read: {0}")]
    Malformed(String),
    /// Not an elliptic curve, or not one of the three.
    #[error("the key is not of P-256, P-384 or P-521")]
    Curve,
}

/// The curve of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
    P521,
}

impl Curve {
    const ALL: [Self; 3] = [Self::P256, Self::P384, Self::P521];

    fn of(oid: &str) -> Option<Self> {
        match oid {
            "1.2.840.10045.3.1.7" => Some(Self::P256),
            "1.3.132.0.34" => Some(Self::P384),
            "1.3.132.0.35" => Some(Self::P521),
            _ => None,
        }
    }

    fn verification(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA384_ASN1,
            Self::P521 => &ECDSA_P521_SHA512_ASN1,
        }
    }

    /// With SHA-256 whatever the curve, as model-signing 0.2 did.
    fn verification_with_sha256(self) -> &'static EcdsaVerificationAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1,
            Self::P384 => &ECDSA_P384_SHA256_ASN1,
            Self::P521 => &ECDSA_P521_SHA256_ASN1,
        }
    }

    fn signing(self) -> &'static EcdsaSigningAlgorithm {
        match self {
            Self::P256 => &ECDSA_P256_SHA256_ASN1_SIGNING,
            Self::P384 => &ECDSA_P384_SHA384_ASN1_SIGNING,
            Self::P521 => &ECDSA_P521_SHA512_ASN1_SIGNING,
        }
    }

    /// What stands before the point in a `SubjectPublicKeyInfo` (RFC 5480, section 2).
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::P256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
                0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ],
            Self::P384 => &[
                0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b, 0x81,
                0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
            ],
            Self::P521 => &[
                0x30, 0x81, 0x9b, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x05, 0x2b,
                0x81, 0x04, 0x00, 0x23, 0x03, 0x81, 0x86, 0x00,
            ],
        }
    }
}

/// A public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    curve: Curve,
    point: Vec<u8>,
    spki: Vec<u8>,
}

impl PublicKey {
    /// Reads `-----BEGIN PUBLIC KEY-----`, or the DER inside it.
    ///
    /// # Errors
    /// When it is no key of one of the three curves.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        if bytes.first() == Some(&0x30) {
            return Self::from_spki(bytes);
        }
        let blocks = pem(bytes);
        let (_, der) = blocks
            .iter()
            .find(|(label, _)| label == "PUBLIC KEY")
            .ok_or(KeyError::NotPem("public key"))?;
        Self::from_spki(der)
    }

    /// Reads a `SubjectPublicKeyInfo`.
    ///
    /// # Errors
    /// When it is no key of one of the three curves.
    pub fn from_spki(der: &[u8]) -> Result<Self, KeyError> {
        const EC: &str = "1.2.840.10045.2.1";
        let spki = SubjectPublicKeyInfoRef::from_der(der).map_err(|e| KeyError::Malformed(e.to_string()))?;
        if spki.algorithm.oid.to_string() != EC {
            return Err(KeyError::Curve);
        }
        let named = spki.algorithm.parameters_oid().map_err(|_| KeyError::Curve)?;
        let curve = Curve::of(&named.to_string()).ok_or(KeyError::Curve)?;
        let point = spki
            .subject_public_key
            .as_bytes()
            .ok_or_else(|| KeyError::Malformed("the point is cut inside a byte".to_owned()))?
            .to_vec();
        Ok(Self {
            curve,
            point,
            spki: der.to_vec(),
        })
    }

    /// The SHA-256 of the key in PEM: what model-signing calls its hint.
    pub fn hint(&self) -> String {
        hex(&Sha256::digest(self.to_pem()))
    }

    /// The key in PEM.
    pub fn to_pem(&self) -> String {
        to_pem("PUBLIC KEY", &self.spki)
    }

    /// Whether `signature` is one of `message` by this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.curve.verification(), &self.point)
            .verify(message, signature)
            .is_ok()
    }

    /// The same with SHA-256, whatever the curve.
    pub(super) fn verifies_with_sha256(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(self.curve.verification_with_sha256(), &self.point)
            .verify(message, signature)
            .is_ok()
    }
}

/// A private key.
#[derive(Debug)]
pub struct PrivateKey {
    pair: EcdsaKeyPair,
    public: PublicKey,
}

impl PrivateKey {
    /// Reads `-----BEGIN PRIVATE KEY-----` (PKCS #8) or `-----BEGIN EC PRIVATE KEY-----` (RFC 5915), or their DER.
    ///
    /// # Errors
    /// When it is encrypted, or no key of one of the three curves.
    pub fn read(bytes: &[u8]) -> Result<Self, KeyError> {
        let der = if bytes.first() == Some(&0x30) {
            bytes.to_vec()
        } else {
            let text = String::from_utf8_lossy(bytes);
            if text.contains("ENCRYPTED") {
                return Err(KeyError::Encrypted);
            }
            let blocks = pem(bytes);
            let block = blocks
                .into_iter()
                .find(|(label, _)| matches!(label.as_str(), "PRIVATE KEY" | "EC PRIVATE KEY"));
            block.ok_or(KeyError::NotPem("private key"))?.1
        };
        for curve in Curve::ALL {
            let Ok(pair) = EcdsaKeyPair::from_private_key_der(curve.signing(), &der) else {
                continue;
            };
            let point = pair.public_key().as_ref().to_vec();
            let spki = [curve.prefix(), &point].concat();
            return Ok(Self {
                pair,
                public: PublicKey { curve, point, spki },
            });
        }
        Err(KeyError::Curve)
    }

    /// Its public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
    }

    /// Signs `message`; `None` when the random source fails.
    pub(super) fn sign(&self, message: &[u8]) -> Option<Vec<u8>> {
        let random = aws_lc_rs::rand::SystemRandom::new();
        Some(self.pair.sign(&random, message).ok()?.as_ref().to_vec())
    }
}

/// The blocks of a PEM text: label and content (RFC 7468). What is not a block is skipped.
pub fn pem(bytes: &[u8]) -> Vec<(String, Vec<u8>)> {
    let text = String::from_utf8_lossy(bytes);
    let mut blocks = Vec::new();
    let mut open: Option<(String, String)> = None;
    for line in text.lines().map(str::trim) {
        if let Some(label) = line.strip_prefix("-----BEGIN ").and_then(|l| l.strip_suffix("-----")) {
            open = Some((label.to_owned(), String::new()));
        } else if line.starts_with("-----END ") {
            let Some((label, content)) = open.take() else { continue };
            if let Ok(der) = base64::engine::general_purpose::STANDARD.decode(content) {
                blocks.push((label, der));
            }
        } else if let Some((_, content)) = &mut open
            && !line.contains(':')
        {
            content.push_str(line);
        }
    }
    blocks
}

fn to_pem(label: &str, der: &[u8]) -> String {
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.push_str(&String::from_utf8_lossy(line));
        out.push('\n');
    }
    out.push_str(&format!("-----END {label}-----\n"));
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A key of each curve signs, and its public half, written and read again, verifies.
    #[test]
    fn what_a_key_signs_its_public_half_verifies() {
        for curve in Curve::ALL {
            let document = EcdsaKeyPair::generate(curve.signing()).unwrap().to_pkcs8v1().unwrap();
            let text = to_pem("PRIVATE KEY", document.as_ref());
            let key = PrivateKey::read(text.as_bytes()).unwrap();
            assert_eq!(key.public().curve, curve);
            let public = PublicKey::read(key.public().to_pem().as_bytes()).unwrap();
            assert_eq!(&public, key.public());
            let signature = key.sign(b"message").unwrap();
            assert!(public.verifies(b"message", &signature));
            assert!(!public.verifies(b"massage", &signature));
            assert_eq!(public.hint().len(), 64);
        }
    }

    #[test]
    fn what_is_no_usable_key_is_told_apart() {
        assert_eq!(PublicKey::read(b"hello"), Err(KeyError::NotPem("public key")));
        let sealed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
        assert_eq!(PrivateKey::read(sealed).err(), Some(KeyError::Encrypted));
        // An Ed25519 key (RFC 8410, section 10.1).
        let other = b"-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=\n-----END PUBLIC KEY-----\n";
        assert_eq!(PublicKey::read(other), Err(KeyError::Curve));
        assert!(matches!(PublicKey::read(b"0\x03abc"), Err(KeyError::Malformed(_))));
    }
}

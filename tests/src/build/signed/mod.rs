//! Signed messages (RFC 5652), certificates (RFC 5280) and time stamps (RFC 3161) by a key of our own, whose private half is
//! beside this file and therefore proves nothing to anybody.
//!
//! RSA with PKCS #1 padding is deterministic: the same fixture has the same bytes, whenever it is built.

pub mod authenticode;
pub mod codesign;
pub mod der;
pub mod tamper_code;

use aws_lc_rs::digest;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{self, KeyPair, RsaKeyPair};
use der::{bits, explicit, integer, null, octets, oid, sequence, set, text, time};
use std::sync::LazyLock;

static KEY: LazyLock<RsaKeyPair> =
    LazyLock::new(|| RsaKeyPair::from_pkcs8(include_bytes!("test-key.der")).expect("the key is beside this file"));

/// A digest that a fixture is signed over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hash {
    /// SHA-1, which only digests contents here: the library does not sign over it.
    Sha1,
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl Hash {
    /// The digest of `bytes`.
    pub fn of(self, bytes: &[u8]) -> Vec<u8> {
        let algorithm = match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        };
        digest::digest(algorithm, bytes).as_ref().to_vec()
    }

    /// Its `AlgorithmIdentifier`.
    pub fn identifier(self) -> Vec<u8> {
        let id = match self {
            Self::Sha1 => oid("1.3.14.3.2.26"),
            Self::Sha256 => oid("2.16.840.1.101.3.4.2.1"),
            Self::Sha384 => oid("2.16.840.1.101.3.4.2.2"),
            Self::Sha512 => oid("2.16.840.1.101.3.4.2.3"),
        };
        sequence(&[id, null()])
    }
}

/// RSA over SHA-256 of `message`.
pub fn rsa(message: &[u8]) -> Vec<u8> {
    let mut signed = vec![0; KEY.public_modulus_len()];
    KEY.sign(&signature::RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signed)
        .expect("RSA signs any message");
    signed
}

fn rsa_identifier() -> Vec<u8> {
    sequence(&[oid("1.2.840.113549.1.1.11"), null()])
}

/// A certificate to be made. Start from [`Certificate::leaf`], [`Certificate::root`] or [`Certificate::authority`].
#[derive(Clone, Debug)]
pub struct Certificate {
    /// The common name and organisation of the subject.
    pub subject: &'static str,
    /// Those of the issuer.
    pub issuer: &'static str,
    /// The serial number, below 128.
    pub serial: u8,
    /// `YYMMDDHHMMSSZ`.
    pub not_before: &'static str,
    /// `YYMMDDHHMMSSZ`.
    pub not_after: &'static str,
    /// Whether its key signs certificates.
    pub authority: bool,
    /// Its extended key usage, dotted; empty for none.
    pub purpose: &'static str,
    /// An additional critical extension that nobody knows.
    pub unknown_critical: bool,
    /// Breaks its signature.
    pub forged: bool,
    /// The unit of its subject; empty for none. Under Apple's roots the team.
    pub unit: &'static str,
}

/// Code signing.
pub const CODE_SIGNING: &str = "1.3.6.1.5.5.7.3.3";
/// Time stamping.
pub const TIME_STAMPING: &str = "1.3.6.1.5.5.7.3.8";

impl Certificate {
    /// The root of all fixtures.
    pub fn root() -> Self {
        Self {
            subject: "Probity Test Root",
            issuer: "Probity Test Root",
            serial: 1,
            not_before: "200101000000Z",
            not_after: "400101000000Z",
            authority: true,
            purpose: "",
            unknown_critical: false,
            forged: false,
            unit: "",
        }
    }

    /// A publisher's certificate, issued by the root.
    pub fn leaf() -> Self {
        Self {
            subject: "Probity Test Publisher",
            serial: 2,
            not_before: "240101000000Z",
            not_after: "270101000000Z",
            authority: false,
            purpose: CODE_SIGNING,
            ..Self::root()
        }
    }

    /// A time stamp authority's certificate, issued by the root.
    pub fn authority() -> Self {
        Self {
            subject: "Probity Test Clock",
            serial: 3,
            purpose: TIME_STAMPING,
            ..Self::leaf()
        }
    }

    /// The name of its subject.
    fn name(common: &str, unit: &str) -> Vec<u8> {
        let part = |kind: &str, value: &str| set(&[sequence(&[oid(kind), text(value)])]);
        let mut parts = vec![part("2.5.4.10", "Probity, Tests")];
        if !unit.is_empty() {
            parts.push(part("2.5.4.11", unit));
        }
        parts.push(part("2.5.4.3", common));
        sequence(&parts)
    }

    /// Its octets.
    pub fn build(&self) -> Vec<u8> {
        let public = KEY.public_key().as_ref().to_vec();
        let key = sequence(&[sequence(&[oid("1.2.840.113549.1.1.1"), null()]), bits(&public)]);
        let critical = vec![0x01, 0x01, 0xff];
        let mut extensions = Vec::new();
        if self.authority {
            let value = sequence(std::slice::from_ref(&critical));
            extensions.push(sequence(&[oid("2.5.29.19"), critical.clone(), octets(&value)]));
        }
        if !self.purpose.is_empty() {
            extensions.push(sequence(&[oid("2.5.29.37"), octets(&sequence(&[oid(self.purpose)]))]));
        }
        if self.unknown_critical {
            extensions.push(sequence(&[oid("1.2.3.4"), critical, octets(b"?")]));
        }
        let tbs = sequence(&[
            explicit(0, &[integer(&[2])]),
            integer(&[self.serial]),
            rsa_identifier(),
            Self::name(self.issuer, ""),
            sequence(&[time(self.not_before), time(self.not_after)]),
            Self::name(self.subject, self.unit),
            key,
            explicit(3, &[sequence(&extensions)]),
        ]);
        let mut signed = rsa(&tbs);
        if self.forged {
            signed[7] ^= 1;
        }
        sequence(&[tbs, rsa_identifier(), bits(&signed)])
    }

    fn issuer_and_serial(&self) -> Vec<u8> {
        sequence(&[Self::name(self.issuer, ""), integer(&[self.serial])])
    }
}

/// A message to be made. Start from [`Message::new`].
#[derive(Clone, Debug)]
pub struct Message {
    /// The type of the content, dotted.
    pub content_type: &'static str,
    /// The content's element.
    pub content: Vec<u8>,
    /// How many of the content's first octets are no part of what is signed: its tag and length.
    pub header: usize,
    /// The digest of the content.
    pub hash: Hash,
    /// The signer's certificate.
    pub signer: Certificate,
    /// Further certificates, as they stand.
    pub certificates: Vec<Vec<u8>>,
    /// Who says when, if anybody does.
    pub stamp: Stamp,
    /// Further signed attributes, as they stand.
    pub attributes: Vec<Vec<u8>>,
    /// Unsigned attributes, as they stand.
    pub unsigned: Vec<Vec<u8>>,
    /// Leaves the content out.
    pub detached: bool,
    /// Changes the digest in the attributes, and signs them so.
    pub wrong_digest: bool,
    /// Breaks the signature.
    pub broken: bool,
    /// How many times the signer stands there.
    pub signers: usize,
    /// Elements after the last one of the schema.
    pub stray: Vec<u8>,
}

/// A countersignature.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stamp {
    /// None.
    None,
    /// A token at this time, `YYYYMMDDHHMMSSZ`.
    Token(&'static str),
    /// A PKCS #9 countersignature at this time, `YYMMDDHHMMSSZ`.
    Counter(&'static str),
    /// A token about another signature.
    Foreign(&'static str),
}

impl Message {
    /// A message over `content`, one element, by the publisher, stamped.
    pub fn new(content_type: &'static str, content: Vec<u8>) -> Self {
        Self {
            content_type,
            header: der::header_length(&content),
            content,
            hash: Hash::Sha256,
            signer: Certificate::leaf(),
            certificates: vec![Certificate::root().build()],
            stamp: Stamp::Token("20250601120000Z"),
            attributes: Vec::new(),
            unsigned: Vec::new(),
            detached: false,
            wrong_digest: false,
            broken: false,
            signers: 1,
            stray: Vec::new(),
        }
    }

    /// Its octets.
    pub fn build(&self) -> Vec<u8> {
        let attribute = |kind: &str, value: Vec<u8>| sequence(&[oid(kind), set(&[value])]);
        let mut digest = self.hash.of(&self.content[self.header..]);
        if self.wrong_digest {
            digest[0] ^= 1;
        }
        let mut signed = vec![
            attribute("1.2.840.113549.1.9.3", oid(self.content_type)),
            attribute("1.2.840.113549.1.9.4", octets(&digest)),
        ];
        signed.extend(self.attributes.iter().cloned());
        let mut signature = rsa(&set(&signed));
        if self.broken {
            signature[9] ^= 1;
        }
        let mut unsigned = Vec::new();
        let mut certificates = vec![self.signer.build()];
        match self.stamp {
            Stamp::None => {}
            Stamp::Token(at) => unsigned.push(attribute("1.3.6.1.4.1.311.3.3.1", token(&signature, at))),
            Stamp::Foreign(at) => unsigned.push(attribute("1.3.6.1.4.1.311.3.3.1", token(b"another", at))),
            Stamp::Counter(at) => {
                unsigned.push(attribute("1.2.840.113549.1.9.6", counter(&signature, at)));
                certificates.push(Certificate::authority().build());
            }
        }
        unsigned.extend(self.unsigned.iter().cloned());
        certificates.extend(self.certificates.iter().cloned());
        let mut parts = vec![
            integer(&[1]),
            self.signer.issuer_and_serial(),
            self.hash.identifier(),
            explicit(0, &signed),
            rsa_identifier(),
            octets(&signature),
        ];
        if !unsigned.is_empty() {
            parts.push(explicit(1, &unsigned));
        }
        let signer = sequence(&parts);
        message(
            self.content_type,
            (!self.detached).then_some(&self.content),
            self.hash,
            &certificates,
            &vec![signer; self.signers],
            &self.stray,
        )
    }
}

/// A `ContentInfo` around `SignedData`.
fn message(
    kind: &str,
    content: Option<&Vec<u8>>,
    hash: Hash,
    certificates: &[Vec<u8>],
    signers: &[Vec<u8>],
    stray: &[u8],
) -> Vec<u8> {
    let signed = sequence(&[
        integer(&[1]),
        set(&[hash.identifier()]),
        sequence(&[
            oid(kind),
            content
                .map(|c| explicit(0, std::slice::from_ref(c)))
                .unwrap_or_default(),
        ]),
        explicit(0, certificates),
        set(signers),
        stray.to_vec(),
    ]);
    sequence(&[oid("1.2.840.113549.1.7.2"), explicit(0, &[signed])])
}

/// A time stamp token over `signature`.
pub fn token(signature: &[u8], at: &str) -> Vec<u8> {
    let info = sequence(&[
        integer(&[1]),
        oid("1.2.3.4.1"),
        sequence(&[Hash::Sha256.identifier(), octets(&Hash::Sha256.of(signature))]),
        integer(&[7]),
        der::element(0x18, at.as_bytes()),
    ]);
    Message {
        signer: Certificate::authority(),
        stamp: Stamp::None,
        ..Message::new("1.2.840.113549.1.9.16.1.4", octets(&info))
    }
    .build()
}

/// A PKCS #9 countersignature of `signature`: one `SignerInfo`.
fn counter(signature: &[u8], at: &str) -> Vec<u8> {
    let attribute = |kind: &str, value: Vec<u8>| sequence(&[oid(kind), set(&[value])]);
    let signed = [
        attribute("1.2.840.113549.1.9.3", oid("1.2.840.113549.1.7.1")),
        attribute("1.2.840.113549.1.9.4", octets(&Hash::Sha256.of(signature))),
        attribute("1.2.840.113549.1.9.5", time(at)),
    ];
    sequence(&[
        integer(&[1]),
        Certificate::authority().issuer_and_serial(),
        Hash::Sha256.identifier(),
        explicit(0, &signed),
        rsa_identifier(),
        octets(&rsa(&set(&signed))),
    ])
}

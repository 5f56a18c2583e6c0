//! Cryptographic message syntax: `SignedData` (RFC 5652, 5; PKCS #7 1.5 before it), with positions.
//!
//! ```text
//! ContentInfo   SEQUENCE { OBJECT IDENTIFIER signedData, [0] SignedData }
//! SignedData    SEQUENCE { INTEGER version, SET digestAlgorithms,
//!                          SEQUENCE { OBJECT IDENTIFIER contentType, [0] content OPTIONAL },
//!                          [0] certificates OPTIONAL, [1] crls OPTIONAL, SET OF SignerInfo }
//! SignerInfo    SEQUENCE { INTEGER version, issuer and serial | [0] key identifier, digestAlgorithm,
//!                          [0] signed attributes OPTIONAL, signatureAlgorithm, OCTET STRING signature,
//!                          [1] unsigned attributes OPTIONAL }
//! ```
//!
//! The frame is read by Probity's own walker, not by a crate: a signature is over octets as they stand, sets in the order in
//! which they stand, and what a schema does not have must be told with its place. Names of signers are what certificates
//! say; whether to believe them is the chain's part ([`chain`]). Only SHA-1 and SHA-2 are computed.
//!
//! The order of use: [`SignedData::parse`], then for each of [`SignedData::signers`] [`SignerInfo::verify`], then
//! [`chain::build`] from the certificate it names, at the moment that [`timestamp::of`] gives.

pub(crate) mod ber;
pub(crate) mod certificate;
pub(crate) mod chain;
pub(crate) mod element;
pub(crate) mod name;
pub(crate) mod oid;
pub(crate) mod signer;
pub(crate) mod time;
pub(crate) mod timestamp;

use crate::span::Span;
use crate::verify::algorithm::{Algorithm, Identifier, Refusal, digest_of, is_md5, verify};
use crate::walk::der::{DerFault, DerFaultKind, Tlv};
use certificate::Certificate;
use element::{Elements, fault};

/// The most signers of one message.
pub(crate) const MOST_SIGNERS: usize = 16;
/// The most certificates of one message.
pub(crate) const MOST_CERTIFICATES: usize = 64;
/// The most attributes of one signer.
pub(crate) const MOST_ATTRIBUTES: usize = 64;
/// The longest message that is read, in bytes.
pub(crate) const LONGEST: u64 = 4 << 20;

/// A message.
#[derive(Debug)]
pub(crate) struct SignedData<'a> {
    /// The type of the content.
    pub(crate) content_type: &'a [u8],
    /// The content, when it is not elsewhere: an octet string, or in PKCS #7 any value.
    pub(crate) content: Option<Tlv<'a>>,
    /// The certificates that came along; nothing says that they are good.
    pub(crate) certificates: Vec<Certificate<'a>>,
    /// Elements among the certificates that are none, or that break a rule of X.509.
    pub(crate) unreadable: Vec<Span>,
    /// The signers.
    pub(crate) signers: Vec<SignerInfo<'a>>,
    /// Octets in places for which the schema has nothing.
    pub(crate) stray: Vec<Span>,
}

/// One attribute of a signer.
#[derive(Clone, Debug)]
pub(crate) struct Attribute<'a> {
    /// Its type.
    pub(crate) oid: &'a [u8],
    /// Its values.
    pub(crate) values: Vec<Tlv<'a>>,
    /// All of its octets.
    pub(crate) span: Span,
}

/// How a signer names its certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignerId<'a> {
    /// By the encoding of the issuer's name, and the serial number.
    Issued(&'a [u8], &'a [u8]),
    /// By the identifier of the subject's key.
    Key(&'a [u8]),
}

/// One signer.
#[derive(Debug)]
pub(crate) struct SignerInfo<'a> {
    /// Who.
    pub(crate) id: SignerId<'a>,
    /// The digest of the content and of the attributes.
    pub(crate) digest: Identifier<'a>,
    /// The signature's algorithm.
    pub(crate) algorithm: Identifier<'a>,
    /// The signature.
    pub(crate) signature: &'a [u8],
    /// The signed attributes, and their octets as one element.
    signed: Option<(Tlv<'a>, Vec<Attribute<'a>>)>,
    /// The unsigned attributes.
    pub(crate) unsigned: Vec<Attribute<'a>>,
}

/// Why a signer's signature was not found good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SignerFault {
    /// The certificate that the signer names did not come along.
    NoCertificate,
    /// A digest or signature algorithm that this build does not compute.
    Unsupported,
    /// The algorithm is built on MD5, which proves nothing any more.
    Md5,
    /// The content is not what was signed.
    MessageDigest,
    /// The attributes do not name the content's type, or digest, once.
    Attributes,
    /// The signature is not one of these attributes by this key.
    Signature,
}

impl SignerFault {
    /// Whether the signature is wrong, rather than beyond this build.
    pub(crate) fn is_wrong(self) -> bool {
        !matches!(self, Self::Unsupported | Self::Md5)
    }

    /// For people: one clause.
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::NoCertificate => "the signer's certificate is not there",
            Self::Unsupported => "an algorithm of the signature is not computed",
            Self::Md5 => "the signature is over MD5",
            Self::MessageDigest => "the signed content is not what the signer signed",
            Self::Attributes => "the signed attributes do not say what was signed",
            Self::Signature => "the signature does not verify by the signer's key",
        }
    }
}

impl<'a> SignedData<'a> {
    /// Reads the message that `bytes` are, whose first octet lies at `base` in the artifact.
    ///
    /// # Errors
    /// The first rule that it breaks; more signers or certificates than are read is such a thing, of kind `Limit`.
    pub(crate) fn parse(bytes: &'a [u8], base: u64) -> Result<Self, DerFault> {
        if u64::try_from(bytes.len()).unwrap_or(u64::MAX) > LONGEST {
            return Err(limit(base, "a message of more than 4 MiB"));
        }
        Self::read(Elements::one(bytes, base)?)
    }

    /// Reads the message that one element is, all of which was walked before.
    ///
    /// # Errors
    /// As [`SignedData::parse`].
    pub(crate) fn read(info: Tlv<'a>) -> Result<Self, DerFault> {
        let mut stray = Vec::new();
        if !info.tag.is_universal(16) {
            return Err(fault(info.header.start(), "a message that is not a sequence"));
        }
        let mut outer = Elements::of(info);
        let kind = outer.universal(6)?;
        if kind.oid()? != oid::SIGNED_DATA {
            return Err(fault(kind.header.start(), "a message that is not signedData"));
        }
        let wrapped = outer.context(0)?;
        let wrapped = wrapped.ok_or_else(|| fault(info.header.start(), "a message without content"))?;
        stray.extend(outer.rest()?);
        let mut inside = Elements::of(wrapped);
        let signed = inside.universal(16)?;
        stray.extend(inside.rest()?);
        let mut parts = Elements::of(signed);
        parts.universal(2)?;
        parts.universal(17)?;
        let mut content = Elements::of(parts.universal(16)?);
        let content_type = content.universal(6)?.oid()?;
        let held = match content.context(0)? {
            Some(wrapped) => {
                let mut inside = Elements::of(wrapped);
                let value = inside.next_element()?;
                stray.extend(inside.rest()?);
                value
            }
            None => None,
        };
        stray.extend(content.rest()?);
        let (mut certificates, mut unreadable) = (Vec::new(), Vec::new());
        if let Some(set) = parts.context(0)? {
            for (index, tlv) in set.children().enumerate() {
                let tlv = tlv?;
                if index >= MOST_CERTIFICATES {
                    return Err(limit(tlv.header.start(), "more than 64 certificates in a message"));
                }
                match Certificate::parse(tlv) {
                    Ok(certificate) => certificates.push(certificate),
                    Err(_) => unreadable.push(tlv.span()),
                }
            }
        }
        parts.context(1)?;
        let set = parts.universal(17)?;
        stray.extend(parts.rest()?);
        let mut signers = Vec::new();
        for (index, tlv) in set.children().enumerate() {
            let tlv = tlv?;
            if index >= MOST_SIGNERS {
                return Err(limit(tlv.header.start(), "more than 16 signers of a message"));
            }
            signers.push(SignerInfo::parse(tlv, &mut stray)?);
        }
        Ok(Self {
            content_type,
            content: held,
            certificates,
            unreadable,
            signers,
            stray,
        })
    }
}

impl<'a> SignerInfo<'a> {
    /// Reads one signer; what the schema does not have goes to `stray`.
    ///
    /// # Errors
    /// The first rule that it breaks.
    pub(crate) fn parse(tlv: Tlv<'a>, stray: &mut Vec<Span>) -> Result<Self, DerFault> {
        let mut parts = Elements::of(tlv);
        parts.universal(2)?;
        let id = match parts.context(0)? {
            Some(key) => SignerId::Key(key.bytes),
            None => {
                let mut issued = Elements::of(parts.universal(16)?);
                let issuer = issued.universal(16)?.encoding;
                let serial = issued.universal(2)?.bytes;
                issued.finish()?;
                SignerId::Issued(issuer, serial)
            }
        };
        let digest = Identifier::parse(parts.universal(16)?)?;
        let signed = match parts.context(0)? {
            Some(set) => Some((set, attributes(set, stray)?)),
            None => None,
        };
        let algorithm = Identifier::parse(parts.universal(16)?)?;
        let signature = parts.universal(4)?.string()?;
        let unsigned = match parts.context(1)? {
            Some(set) => attributes(set, stray)?,
            None => Vec::new(),
        };
        stray.extend(parts.rest()?);
        Ok(Self {
            id,
            digest,
            algorithm,
            signature,
            signed,
            unsigned,
        })
    }

    /// The signed attributes.
    pub(crate) fn signed_attributes(&self) -> &[Attribute<'a>] {
        self.signed.as_ref().map_or(&[], |(_, all)| all)
    }

    /// The value of the signed attribute `oid`, when it stands once with one value.
    pub(crate) fn signed_value(&self, oid: &[u8]) -> Option<Tlv<'a>> {
        let mut all = self.signed_attributes().iter().filter(|a| a.oid == oid);
        match (all.next(), all.next()) {
            (Some(one), None) => match one.values.as_slice() {
                [value] => Some(*value),
                _ => None,
            },
            _ => None,
        }
    }

    /// The digest that the signer names.
    pub(crate) fn digest_algorithm(&self) -> Option<Algorithm> {
        Algorithm::from_oid(self.digest.oid)
    }

    /// Where in `certificates` the signer's own stands.
    pub(crate) fn certificate(&self, certificates: &[Certificate<'_>]) -> Option<usize> {
        certificates.iter().position(|c| match self.id {
            SignerId::Issued(issuer, serial) => c.issuer == issuer && c.serial == serial,
            SignerId::Key(id) => c.extensions.key_id.as_deref() == Some(id),
        })
    }

    /// Verifies the signature: the certificate's key over the attributes, and these over `content` of type `content_type`;
    /// `None` for a countersignature, whose content has no type.
    ///
    /// # Errors
    /// The first thing that is wrong, in the order of [`SignerFault`].
    pub(crate) fn verify(
        &self,
        certificates: &[Certificate<'_>],
        content_type: Option<&[u8]>,
        content: &[u8],
    ) -> Result<(), SignerFault> {
        let at = self.certificate(certificates).ok_or(SignerFault::NoCertificate)?;
        let certificate = certificates.get(at).ok_or(SignerFault::NoCertificate)?;
        if is_md5(&self.digest) || is_md5(&self.algorithm) {
            return Err(SignerFault::Md5);
        }
        let digest = self.digest_algorithm().ok_or(SignerFault::Unsupported)?;
        // The signature names its digest once more in some algorithms: two different ones would be two readings.
        if digest_of(&self.algorithm).is_some_and(|other| other != digest) && self.signed.is_none() {
            return Err(SignerFault::Attributes);
        }
        let message = match &self.signed {
            None => content.to_vec(),
            Some((set, _)) => {
                let named = self.signed_value(oid::CONTENT_TYPE).and_then(|v| v.oid().ok());
                if content_type.is_some() && named != content_type {
                    return Err(SignerFault::Attributes);
                }
                let stated = self.signed_value(oid::MESSAGE_DIGEST).and_then(|v| v.string().ok());
                let stated = stated.ok_or(SignerFault::Attributes)?;
                if stated != digest.digest(content) {
                    return Err(SignerFault::MessageDigest);
                }
                as_set(*set)
            }
        };
        match verify(
            &self.algorithm,
            Some(digest),
            &certificate.key,
            &message,
            self.signature,
        ) {
            Ok(()) => Ok(()),
            Err(Refusal::Wrong) => Err(SignerFault::Signature),
            Err(Refusal::Unsupported) => Err(SignerFault::Unsupported),
        }
    }
}

/// The octets over which the attributes are signed: their own, under the tag of a set (RFC 5652, 5.4).
fn as_set(tlv: Tlv<'_>) -> Vec<u8> {
    let mut bytes = tlv.encoding.to_vec();
    if let Some(first) = bytes.first_mut() {
        *first = 0x31;
    }
    bytes
}

fn attributes<'a>(set: Tlv<'a>, stray: &mut Vec<Span>) -> Result<Vec<Attribute<'a>>, DerFault> {
    let mut all = Vec::new();
    for tlv in set.children() {
        let tlv = tlv?;
        if all.len() >= MOST_ATTRIBUTES {
            return Err(limit(tlv.header.start(), "more than 64 attributes of a signer"));
        }
        let mut parts = Elements::of(tlv);
        let oid = parts.universal(6)?.oid()?;
        let values = parts.universal(17)?;
        stray.extend(parts.rest()?);
        all.push(Attribute {
            oid,
            values: values.children().take(MOST_SIGNERS).collect::<Result<_, _>>()?,
            span: tlv.span(),
        });
    }
    Ok(all)
}

fn limit(offset: u64, rule: &'static str) -> DerFault {
    DerFault {
        offset,
        rule,
        kind: DerFaultKind::Limit,
    }
}

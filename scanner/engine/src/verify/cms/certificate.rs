//! One X.509 certificate (RFC 5280, 4.1), with the octets that were signed.
//!
//! The frame is read here, so that a digest is over what stands in the file and not over what an encoder would make of it;
//! the extensions are read by `x509-cert`. Revocation is not checked: that takes a network.

use super::element::Elements;
use super::name::Name;
use super::oid;
use super::time::Moment;
use crate::name::printable;
use crate::verify::algorithm::{Algorithm, Identifier, Key, Refusal, verify};
use crate::verify::document::hex;
use crate::walk::der::{DerFault, Tlv};
use der::Decode;
use x509_cert::ext::pkix::{AuthorityKeyIdentifier, BasicConstraints, KeyUsage, KeyUsages, SubjectKeyIdentifier};

/// A certificate.
#[derive(Clone, Debug)]
pub(crate) struct Certificate<'a> {
    /// All of its octets.
    pub(crate) der: Tlv<'a>,
    /// What its issuer signed.
    tbs: &'a [u8],
    /// Its number among those of its issuer.
    pub(crate) serial: &'a [u8],
    /// The encoding of the issuer's name.
    pub(crate) issuer: &'a [u8],
    /// The encoding of the subject's name.
    pub(crate) subject: &'a [u8],
    /// The first moment of its validity.
    pub(crate) not_before: Moment,
    /// The last moment of its validity.
    pub(crate) not_after: Moment,
    /// The subject's key.
    pub(crate) key: Key<'a>,
    /// The encoding of that key.
    pub(crate) spki: &'a [u8],
    algorithm: Identifier<'a>,
    signature: &'a [u8],
    /// What the extensions say.
    pub(crate) extensions: Extensions<'a>,
}

/// What the extensions of a certificate say.
#[derive(Clone, Debug, Default)]
pub(crate) struct Extensions<'a> {
    /// Whether the key may sign certificates, and how many more may stand below; `None` where nothing is said.
    pub(crate) authority: Option<(bool, Option<u8>)>,
    /// Whether the key may sign certificates, by its usage; `None` where nothing is said.
    pub(crate) signs_certificates: Option<bool>,
    /// Whether the key may sign anything else; `None` where nothing is said.
    pub(crate) signs: Option<bool>,
    /// Whether the key is said to be for signatures (`digitalSignature`).
    pub(crate) digital_signature: bool,
    /// What the key is for; `None` where nothing is said, which is anything.
    pub(crate) purposes: Option<Vec<&'a [u8]>>,
    /// The name of the key.
    pub(crate) key_id: Option<Vec<u8>>,
    /// The name of the issuer's key.
    pub(crate) issuer_key_id: Option<Vec<u8>>,
    /// A critical extension that is not understood, or one that cannot be read: nothing may be built on it.
    pub(crate) unknown_critical: bool,
    /// A critical extension that is known and not evaluated: names, policies, an authority's own marks.
    pub(crate) passed_over: bool,
}

impl<'a> Certificate<'a> {
    /// Reads one certificate that `bytes` are, to the last octet.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub(crate) fn from_der(bytes: &'a [u8]) -> Result<Self, DerFault> {
        Self::parse(Elements::one(bytes, 0)?)
    }

    /// Reads one certificate.
    ///
    /// # Errors
    /// The first rule it breaks.
    pub(crate) fn parse(der: Tlv<'a>) -> Result<Self, DerFault> {
        let mut outer = Elements::of(der);
        let tbs = outer.universal(16)?;
        let algorithm = Identifier::parse(outer.universal(16)?)?;
        let (signature, _) = outer.universal(3)?.bit_string()?;
        outer.finish()?;
        let mut parts = Elements::of(tbs);
        parts.context(0)?;
        let serial = parts.universal(2)?.bytes;
        parts.universal(16)?;
        let issuer = parts.universal(16)?.encoding;
        let mut validity = Elements::of(parts.universal(16)?);
        let mut moment = || -> Result<Moment, DerFault> {
            let next = validity.next_element()?;
            Moment::parse(
                next.ok_or_else(|| super::element::fault(tbs.header.start(), "a validity without two times"))?,
            )
        };
        let (not_before, not_after) = (moment()?, moment()?);
        let subject = parts.universal(16)?.encoding;
        let spki = parts.universal(16)?;
        let key = Key::parse(spki)?;
        parts.context(1)?;
        parts.context(2)?;
        let extensions = match parts.context(3)? {
            Some(wrapped) => Extensions::parse(Elements::of(wrapped).universal(16)?)?,
            None => Extensions::default(),
        };
        parts.finish()?;
        Ok(Self {
            der,
            tbs: tbs.encoding,
            serial,
            issuer,
            subject,
            not_before,
            not_after,
            key,
            spki: spki.encoding,
            algorithm,
            signature,
            extensions,
        })
    }

    /// The subject's name.
    pub(crate) fn subject_name(&self) -> Name {
        Name::parse(self.subject)
    }

    /// The issuer's name.
    pub(crate) fn issuer_name(&self) -> Name {
        Name::parse(self.issuer)
    }

    /// Whether subject and issuer are one.
    pub(crate) fn is_self_issued(&self) -> bool {
        self.subject == self.issuer
    }

    /// Whether it was valid at `moment`.
    pub(crate) fn is_valid_at(&self, moment: Moment) -> bool {
        (self.not_before..=self.not_after).contains(&moment)
    }

    /// Whether its key may be used for `purpose`.
    pub(crate) fn allows(&self, purpose: &[u8]) -> bool {
        match &self.extensions.purposes {
            Some(purposes) => purposes.iter().any(|p| *p == purpose || *p == oid::EKU_ANY),
            None => true,
        }
    }

    /// Whether it says that its key signs data: `digitalSignature`, or the extended usage for signing code.
    pub(crate) fn is_for_signing(&self) -> bool {
        let purposes = self.extensions.purposes.iter().flatten();
        self.extensions.digital_signature || purposes.into_iter().any(|p| *p == oid::EKU_CODE_SIGNING)
    }

    /// Whom it names, for people.
    pub(crate) fn shown(&self) -> String {
        let name = self.subject_name().to_string();
        if name.is_empty() {
            return format!("a certificate without a name, serial {}", hex(self.serial));
        }
        printable(name.as_bytes())
    }

    /// Whether it may stand above others, with `below` authorities between it and the end.
    pub(crate) fn may_issue(&self, below: usize) -> bool {
        let constraints = match self.extensions.authority {
            Some((true, Some(most))) => below <= usize::from(most),
            Some((true, None)) => true,
            Some((false, _)) => false,
            // Version 1 has no extensions: such roots are trusted by themselves and never as intermediates.
            None => false,
        };
        constraints && self.extensions.signs_certificates != Some(false)
    }

    /// Whether `issuer` could have issued it, by names and key identifiers.
    pub(crate) fn names_issuer(&self, issuer: &Certificate<'_>) -> bool {
        let keys = match (&self.extensions.issuer_key_id, &issuer.extensions.key_id) {
            (Some(wanted), Some(has)) => wanted == has,
            _ => true,
        };
        self.issuer == issuer.subject && keys
    }

    /// Verifies its signature by `issuer`'s key.
    ///
    /// # Errors
    /// [`Refusal`].
    pub(crate) fn verify_by(&self, issuer: &Certificate<'_>) -> Result<(), Refusal> {
        verify(&self.algorithm, None, &issuer.key, self.tbs, self.signature)
    }

    /// The digest under its signature; `None` for algorithms without one, or unknown ones.
    pub(crate) fn digest(&self) -> Option<Algorithm> {
        crate::verify::algorithm::digest_of(&self.algorithm)
    }

    /// SHA-256 of all its octets.
    pub(crate) fn fingerprint(&self) -> Vec<u8> {
        Algorithm::Sha256.digest(self.der.encoding)
    }
}

impl<'a> Extensions<'a> {
    /// The most extensions that are read; real certificates have about a dozen.
    const MOST: usize = 64;

    fn parse(sequence: Tlv<'a>) -> Result<Self, DerFault> {
        let mut all = Self::default();
        let mut list = Elements::of(sequence);
        let mut count = 0usize;
        while let Some(tlv) = list.next_element()? {
            count = count.saturating_add(1);
            if count > Self::MOST {
                return Err(super::element::fault(tlv.header.start(), "more than 64 extensions"));
            }
            let mut parts = Elements::of(tlv);
            let id = parts.universal(6)?.oid()?;
            let critical = match parts.optional(1)? {
                Some(flag) => flag.boolean()?,
                None => false,
            };
            let value = parts.universal(4)?.string()?;
            parts.finish()?;
            let read = all.take(id, value);
            all.unknown_critical |= critical && read != Some(true) || read.is_none();
            all.passed_over |= critical && Self::is_passed_over(id);
        }
        Ok(all)
    }

    /// Whether an extension is known and not evaluated: those that bind names and policies, and what an authority says of
    /// its own, which says more about the purpose and takes nothing away from what the other extensions say.
    fn is_passed_over(id: &[u8]) -> bool {
        const OF_NAMES_AND_POLICIES: [&[u8]; 5] = [
            oid::EXT_ISSUER_ALT_NAME,
            oid::EXT_POLICY_MAPPINGS,
            oid::EXT_POLICY_CONSTRAINTS,
            oid::EXT_INHIBIT_ANY_POLICY,
            oid::EXT_NAME_CONSTRAINTS,
        ];
        OF_NAMES_AND_POLICIES.contains(&id) || id.starts_with(oid::APPLE_MARKERS)
    }

    /// Takes one extension: whether it is known, `None` where it cannot be read.
    fn take(&mut self, id: &[u8], value: &'a [u8]) -> Option<bool> {
        match id {
            oid::EXT_BASIC_CONSTRAINTS => {
                let found = BasicConstraints::from_der(value).ok()?;
                self.authority = Some((found.ca, found.path_len_constraint));
            }
            oid::EXT_KEY_USAGE => {
                let KeyUsage(flags) = KeyUsage::from_der(value).ok()?;
                self.signs_certificates = Some(flags.contains(KeyUsages::KeyCertSign));
                self.digital_signature = flags.contains(KeyUsages::DigitalSignature);
                let signs = self.digital_signature || flags.contains(KeyUsages::NonRepudiation);
                self.signs = Some(signs);
            }
            oid::EXT_EXTENDED_KEY_USAGE => {
                let sequence = Elements::one(value, 0).ok()?;
                let ids = sequence.children().take(Self::MOST);
                self.purposes = Some(ids.map(|id| id.ok()?.oid().ok()).collect::<Option<_>>()?);
            }
            oid::EXT_SUBJECT_KEY_IDENTIFIER => {
                self.key_id = Some(SubjectKeyIdentifier::from_der(value).ok()?.0.into_bytes());
            }
            oid::EXT_AUTHORITY_KEY_IDENTIFIER => {
                // Some authorities write the issuer's name in a form that the crate refuses: names decide then.
                let found = AuthorityKeyIdentifier::from_der(value).ok();
                self.issuer_key_id = found.and_then(|f| f.key_identifier).map(|id| id.into_bytes());
            }
            // Another name, and a list of policies: they restrict nothing.
            oid::EXT_SUBJECT_ALT_NAME | oid::EXT_POLICIES => {}
            _ if Self::is_passed_over(id) => {}
            _ => return Some(false),
        }
        Some(true)
    }
}

//! Countersignatures: who says when a signature was made (RFC 3161 tokens; PKCS #9 countersignatures before them).
//!
//! Both sign the signature's own octets, so that what they say is about this signature and no other. The signer's own
//! `signingTime` is only its word and is never used.

use super::certificate::Certificate;
use super::chain::{self, Anchor, Budget, Chain, Need};
use super::element::Elements;
use super::time::Moment;
use super::{SignedData, SignerInfo, oid};
use crate::verify::TrustStore;
use crate::verify::algorithm::{Algorithm, Identifier};
use crate::walk::der::{DerFault, Tlv};

/// What one countersignature proves.
#[derive(Clone, Debug)]
pub(crate) struct Timestamp {
    /// `rfc3161` or `pkcs9`.
    pub(crate) kind: &'static str,
    /// When, if it is good.
    pub(crate) moment: Option<Moment>,
    /// Who says so.
    pub(crate) authority: String,
    /// Whether the authority leads to a root.
    pub(crate) chain: Option<Chain>,
    /// Why it is not good.
    pub(crate) fault: Option<String>,
    /// Whether it is wrong, rather than beyond this build.
    pub(crate) wrong: bool,
    /// The digest that the authority signed over.
    pub(crate) digest: Option<Algorithm>,
}

impl Timestamp {
    fn broken(kind: &'static str, why: impl Into<String>) -> Self {
        Self {
            kind,
            moment: None,
            authority: String::new(),
            chain: None,
            fault: Some(why.into()),
            wrong: true,
            digest: None,
        }
    }

    /// Whether it verifies and its authority leads to a root.
    pub(crate) fn is_anchored(&self) -> bool {
        self.moment.is_some() && self.chain.as_ref().is_some_and(|c| matches!(c.anchor, Anchor::Root(_)))
    }
}

/// The most countersignatures of one signature that are verified.
const MOST: usize = 8;

/// All countersignatures of `signer`, a signer of `data`.
pub(crate) fn of(
    signer: &SignerInfo<'_>,
    data: &SignedData<'_>,
    trust: &TrustStore,
    budget: &mut Budget,
) -> Vec<Timestamp> {
    let mut all = Vec::new();
    for attribute in &signer.unsigned {
        for value in &attribute.values {
            if all.len() >= MOST {
                return all;
            }
            match attribute.oid {
                oid::MS_TIME_STAMP | oid::TIME_STAMP_TOKEN => all.push(token(*value, signer.signature, trust, budget)),
                oid::COUNTERSIGNATURE => all.push(countersignature(*value, signer, data, trust, budget)),
                _ => {}
            }
        }
    }
    all
}

/// The one to believe: a good one of a known authority, else a good one, else any.
pub(crate) fn best(all: &[Timestamp]) -> Option<&Timestamp> {
    let anchored = all.iter().find(|t| t.is_anchored());
    anchored
        .or_else(|| all.iter().find(|t| t.moment.is_some()))
        .or_else(|| all.first())
}

/// A token over `signed` (RFC 3161, 2.4.2).
fn token(value: Tlv<'_>, signed: &[u8], trust: &TrustStore, budget: &mut Budget) -> Timestamp {
    const KIND: &str = "rfc3161";
    let data = match SignedData::read(value) {
        Ok(data) => data,
        Err(fault) => return Timestamp::broken(KIND, format!("the time stamp cannot be read: {}", fault.rule)),
    };
    let info = data.content.filter(|_| data.content_type == oid::TST_INFO);
    let Some(content) = info.and_then(|c| c.string().ok()) else {
        return Timestamp::broken(KIND, "the time stamp holds no TSTInfo");
    };
    let (imprint, moment) = match tst_info(content) {
        Ok(found) => found,
        Err(fault) => return Timestamp::broken(KIND, format!("the time stamp cannot be read: {}", fault.rule)),
    };
    let [signer] = data.signers.as_slice() else {
        return Timestamp::broken(KIND, "the time stamp has not exactly one signer");
    };
    let (hash, stated) = imprint;
    let Some(algorithm) = Algorithm::from_oid(hash.oid) else {
        let mut unknown = Timestamp::broken(KIND, "the digest of the time stamp is not computed");
        unknown.wrong = false;
        return unknown;
    };
    let mut stamp = by(
        KIND,
        signer,
        &data.certificates,
        Some(oid::TST_INFO),
        content,
        moment,
        trust,
        budget,
    );
    if algorithm.digest(signed) != stated {
        stamp.fault = Some("the time stamp is about another signature".to_owned());
        stamp.wrong = true;
    }
    if stamp.fault.is_some() {
        stamp.moment = None;
    }
    stamp
}

/// A countersignature over the signature's octets (RFC 5652, 11.4). Its certificates are those of the message.
fn countersignature(
    value: Tlv<'_>,
    signer: &SignerInfo<'_>,
    data: &SignedData<'_>,
    trust: &TrustStore,
    budget: &mut Budget,
) -> Timestamp {
    const KIND: &str = "pkcs9";
    let mut stray = Vec::new();
    let counter = match SignerInfo::parse(value, &mut stray) {
        Ok(counter) => counter,
        Err(fault) => return Timestamp::broken(KIND, format!("the countersignature cannot be read: {}", fault.rule)),
    };
    let time = counter.signed_value(oid::SIGNING_TIME).map(Moment::parse);
    let Some(Ok(moment)) = time else {
        return Timestamp::broken(KIND, "the countersignature says no time");
    };
    let mut stamp = by(
        KIND,
        &counter,
        &data.certificates,
        None,
        signer.signature,
        moment,
        trust,
        budget,
    );
    if stamp.fault.is_some() {
        stamp.moment = None;
    }
    stamp
}

#[expect(
    clippy::too_many_arguments,
    reason = "what a signature is verified by, each of its own kind"
)]
fn by(
    kind: &'static str,
    signer: &SignerInfo<'_>,
    certificates: &[Certificate<'_>],
    content_type: Option<&[u8]>,
    content: &[u8],
    moment: Moment,
    trust: &TrustStore,
    budget: &mut Budget,
) -> Timestamp {
    let at = signer.certificate(certificates);
    let authority = at.and_then(|at| certificates.get(at));
    let verified = if budget.take() {
        signer.verify(certificates, content_type, content)
    } else {
        Err(super::SignerFault::Unsupported)
    };
    let need = Need::of(oid::EKU_TIME_STAMPING, moment);
    Timestamp {
        kind,
        moment: Some(moment),
        authority: authority.map(|c| c.subject_name().short()).unwrap_or_default(),
        chain: at.map(|at| chain::build(certificates, at, trust, need, budget)),
        fault: verified.err().map(|f| f.reason().to_owned()),
        wrong: verified.err().is_some_and(super::SignerFault::is_wrong),
        digest: signer.digest_algorithm(),
    }
}

type Imprint<'a> = (Identifier<'a>, &'a [u8]);

/// `TSTInfo`: the digest it is about, and when.
fn tst_info(content: &[u8]) -> Result<(Imprint<'_>, Moment), DerFault> {
    let mut parts = Elements::of(Elements::one(content, 0)?);
    parts.universal(2)?;
    parts.universal(6)?;
    let mut imprint = Elements::of(parts.universal(16)?);
    let hash = Identifier::parse(imprint.universal(16)?)?;
    let stated = imprint.universal(4)?.string()?;
    imprint.finish()?;
    parts.universal(2)?;
    let moment = Moment::parse(parts.universal(24)?)?;
    Ok(((hash, stated), moment))
}

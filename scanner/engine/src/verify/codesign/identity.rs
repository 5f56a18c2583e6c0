//! Who signed: the certificate, its chain and its team, and who says when.

use crate::name::printable;
use crate::span::Span;
use crate::verify::algorithm::Algorithm;
use crate::verify::cms::chain::{self, Anchor, Budget, Need};
use crate::verify::cms::{SignedData, SignerInfo, oid, signer};
use crate::verify::{Signature, TrustStore, Verified};

/// The roots under which a team is one that Apple assigned.
const APPLE: &[&str] = &["Apple Root CA", "Apple Root CA - G2", "Apple Root CA - G3"];

/// What the certificate and the countersignatures say.
pub(super) struct Identity {
    /// The subject's unit: under Apple's roots the team.
    pub(super) unit: Option<String>,
    /// Whether the chain ends at one of Apple's roots.
    pub(super) apple: bool,
    /// Weak digests and keys on the way.
    pub(super) weak: Vec<String>,
}

/// Answers who and when, for the report.
pub(super) fn of(
    signer: &SignerInfo<'_>,
    data: &SignedData<'_>,
    trust: &TrustStore,
    span: Span,
    budget: &mut Budget,
    report: &mut Signature,
    out: &mut Verified,
) -> Option<Identity> {
    let who = signer::answer(signer, data, trust, span, budget, report, out);
    let name = who.name?;
    Some(Identity {
        unit: name.get("OU").map(|unit| printable(unit.as_bytes())),
        apple: who.root.is_some_and(|root| APPLE.contains(&root.as_str())),
        weak: who.weak,
    })
}

/// Whether `content` is a message by one signer whose certificate leads to a root that comes with Probity.
pub(super) fn is_sound(content: &[u8]) -> bool {
    let Ok(Some(message)) = super::message::Message::load(content, 0) else {
        return false;
    };
    let Ok(data) = SignedData::parse(&message.der, 0) else {
        return false;
    };
    let [signer] = data.signers.as_slice() else {
        return false;
    };
    let certificate = signer.certificate(&data.certificates);
    let Some((at, leaf)) = certificate.and_then(|at| Some((at, data.certificates.get(at)?))) else {
        return false;
    };
    let need = Need::of(oid::EKU_CODE_SIGNING, leaf.not_after);
    let chain = chain::build(
        &data.certificates,
        at,
        &TrustStore::built_in(),
        need,
        &mut Budget::default(),
    );
    matches!(chain.anchor, Anchor::Root(_)) && data.stray.is_empty() && data.unreadable.is_empty()
}

/// The digest of a CodeDirectory under its own algorithm, as much of it as the kernel keeps.
pub(super) fn cdhash(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    let mut digest = algorithm.digest(bytes);
    digest.truncate(20);
    digest
}

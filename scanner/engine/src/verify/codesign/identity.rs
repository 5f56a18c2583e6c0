//! Who signed: the certificate, its chain and its team, and who says when.

use super::SCHEME;
use crate::finding::{Finding, code};
use crate::name::printable;
use crate::span::Span;
use crate::verify::algorithm::Algorithm;
use crate::verify::cms::chain::{self, Anchor, Budget, Need, Unanchored};
use crate::verify::cms::timestamp::{self, Timestamp};
use crate::verify::cms::{SignedData, SignerInfo, oid};
use crate::verify::{ChainAnswer, Countersignature, Signature, Time, TrustStore, Verified};

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
    let at = signer.certificate(&data.certificates)?;
    let certificate = data.certificates.get(at)?;
    let name = certificate.subject_name();
    let shown = printable(name.to_string().as_bytes());
    report.signer = Some(shown.clone());
    report.certificate = Some(certificate.fingerprint());
    let mut weak = Vec::new();
    if let Some(algorithm) = signer.digest_algorithm().filter(|a| a.is_weak()) {
        weak.push(format!("the signature is over {}", algorithm.as_str()));
    }
    let stamps = timestamp::of(signer, data, trust, budget);
    times(&stamps, span, report, out, &mut weak);
    let stamped = timestamp::best(&stamps).and_then(|stamp| stamp.moment);
    if stamped.is_none() {
        let message = format!(
            "nobody but the signer says when it was signed: it is good until {}, when its certificate ends",
            certificate.not_after.rfc3339()
        );
        let finding = Finding::new(code::SIGNATURE_TIME, span, message)
            .case("none")
            .key("time");
        out.finding(finding);
    }
    let need = Need {
        purpose: oid::EKU_CODE_SIGNING,
        moment: stamped.unwrap_or(certificate.not_after),
    };
    let chain = chain::build(&data.certificates, at, trust, need, budget);
    weak.extend(chain.weak.iter().map(|what| printable(what.as_bytes())));
    let mut apple = false;
    match chain.anchor {
        Anchor::Root(root) => {
            apple = APPLE.contains(&root.as_str());
            report.chain = ChainAnswer::Anchored;
            report.anchor = Some(printable(root.as_bytes()));
        }
        Anchor::None(why) => {
            report.chain = match why {
                Unanchored::Bound | Unanchored::Unsupported(_) => ChainAnswer::Unknown,
                _ => ChainAnswer::Unanchored,
            };
            let reason = printable(why.reason().as_bytes());
            let message = format!("nobody who is known vouches for the signer: {reason}");
            let finding = Finding::new(code::SIGNATURE_UNANCHORED, span, message).key("chain");
            let finding = finding.evidence("signer", shown).evidence("scheme", SCHEME);
            out.finding(match why {
                Unanchored::SelfSigned => finding.case("self-signed"),
                Unanchored::Expired(_) => finding.case("expired"),
                Unanchored::Purpose(_) => finding.case("purpose"),
                Unanchored::NotAuthority(_) | Unanchored::Forged(_) | Unanchored::Critical(_) => finding.case("broken"),
                _ => finding,
            });
            report.anchor = Some(reason);
        }
    }
    Some(Identity {
        unit: name.get("OU").map(|unit| printable(unit.as_bytes())),
        apple,
        weak,
    })
}

fn times(stamps: &[Timestamp], span: Span, report: &mut Signature, out: &mut Verified, weak: &mut Vec<String>) {
    let time = |stamp: &Timestamp| {
        stamp.moment.map(|moment| Time {
            at: moment.rfc3339(),
            authority: printable(stamp.authority.as_bytes()),
            chain: if stamp.is_anchored() {
                ChainAnswer::Anchored
            } else {
                ChainAnswer::Unanchored
            },
        })
    };
    for stamp in stamps {
        if let Some(fault) = stamp.fault.as_ref().filter(|_| stamp.wrong) {
            let message = format!("a countersignature is not good: {fault}");
            let finding = Finding::new(code::SIGNATURE_TIME, span, message);
            out.finding(finding.case("broken").key("countersignature"));
        }
        if let Some(algorithm) = stamp.digest.filter(|a| a.is_weak()) {
            let message = format!(
                "the countersignature of {} is over {}",
                stamp.authority,
                algorithm.as_str()
            );
            weak.push(printable(message.as_bytes()));
        }
        report.countersignatures.push(Countersignature {
            kind: stamp.kind,
            time: time(stamp),
            fault: stamp.fault.clone(),
        });
    }
    report.time = timestamp::best(stamps).and_then(time);
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
    let need = Need {
        purpose: oid::EKU_CODE_SIGNING,
        moment: leaf.not_after,
    };
    let chain = chain::build(
        &data.certificates,
        at,
        &TrustStore::built_in(),
        need,
        &mut Budget::default(),
    );
    matches!(chain.anchor, Anchor::Root(_)) && data.stray.is_empty() && data.unreadable.is_empty()
}

/// Whether an intact digest better than SHA-1 stands beside what is weak.
pub(super) fn weaknesses(weak: Vec<String>, strong: bool, span: Span, out: &mut Verified) {
    let mut told: Vec<String> = Vec::new();
    for what in weak {
        if told.contains(&what) {
            continue;
        }
        let finding = Finding::new(code::SIGNATURE_WEAK, span, what.clone()).key(what.clone());
        out.finding(if strong { finding.case("beside") } else { finding });
        told.push(what);
    }
}

/// The digest of a CodeDirectory under its own algorithm, as much of it as the kernel keeps.
pub(super) fn cdhash(algorithm: Algorithm, bytes: &[u8]) -> Vec<u8> {
    let mut digest = algorithm.digest(bytes);
    digest.truncate(20);
    digest
}

//! Who signed and when, for a report: the certificate's name, its chain, the countersignatures, and what is weak about them.
//!
//! What a name is worth as a pin is the scheme's to say.

use super::chain::{self, Anchor, Budget, Need, Unanchored};
use super::name::Name;
use super::timestamp::{self, Timestamp};
use super::{SignedData, SignerInfo, oid};
use crate::finding::{Finding, code};
use crate::name::printable;
use crate::span::Span;
use crate::verify::{ChainAnswer, Countersignature, Signature, Time, TrustStore, Verified};

/// The signer of a message.
pub(crate) struct Signer {
    /// The subject of the certificate; `None` where the message does not bring it.
    pub(crate) name: Option<Name>,
    /// The root that the chain ends at.
    pub(crate) root: Option<String>,
    /// Weak digests and keys on the way.
    pub(crate) weak: Vec<String>,
}

/// Answers who and when in `report`; findings speak of `span`, the place of the signature.
pub(crate) fn answer(
    signer: &SignerInfo<'_>,
    data: &SignedData<'_>,
    trust: &TrustStore,
    span: Span,
    budget: &mut Budget,
    report: &mut Signature,
    out: &mut Verified,
) -> Signer {
    let mut weak = Vec::new();
    if let Some(algorithm) = signer.digest_algorithm().filter(|a| a.is_weak()) {
        weak.push(format!("the signature is over {}", algorithm.as_str()));
    }
    let at = signer.certificate(&data.certificates);
    let Some((at, certificate)) = at.and_then(|at| Some((at, data.certificates.get(at)?))) else {
        return Signer {
            name: None,
            root: None,
            weak,
        };
    };
    let name = certificate.subject_name();
    let shown = printable(name.to_string().as_bytes());
    report.signer = Some(shown.clone());
    report.certificate = Some(certificate.fingerprint());
    let stamps = timestamp::of(signer, data, trust, budget);
    times(&stamps, span, report, out, &mut weak);
    let stamped = timestamp::best(&stamps).and_then(|stamp| stamp.moment);
    let need = Need::of(oid::EKU_CODE_SIGNING, stamped.unwrap_or(certificate.not_after));
    let chain = chain::build(&data.certificates, at, trust, need, budget);
    weak.extend(chain.weak.iter().map(|what| printable(what.as_bytes())));
    let root = match chain.anchor {
        Anchor::Root(root) => {
            report.chain = ChainAnswer::Anchored;
            report.anchor = Some(printable(root.as_bytes()));
            Some(root)
        }
        Anchor::None(why) => {
            report.chain = match why {
                Unanchored::Bound | Unanchored::Unsupported(_) => ChainAnswer::Unknown,
                _ => ChainAnswer::Unanchored,
            };
            let reason = printable(why.reason().as_bytes());
            let message = format!("nobody who is known vouches for the signer: {reason}");
            let finding = Finding::new(code::SIGNATURE_UNANCHORED, span, message).key("chain");
            let finding = finding.evidence("signer", shown).evidence("scheme", report.scheme);
            out.finding(match why {
                Unanchored::SelfSigned => finding.case("self-signed"),
                Unanchored::Expired(_) => finding.case("expired"),
                Unanchored::Purpose(_) => finding.case("purpose"),
                Unanchored::NotAuthority(_) | Unanchored::Forged(_) | Unanchored::Critical(_) => finding.case("broken"),
                _ => finding,
            });
            report.anchor = Some(reason);
            None
        }
    };
    if stamped.is_none() {
        let message = format!(
            "nobody but the signer says when it was signed: it is good until {}, when its certificate ends",
            certificate.not_after.rfc3339()
        );
        let finding = Finding::new(code::SIGNATURE_TIME, span, message).case("none");
        out.finding(finding.key("time"));
    }
    Signer {
        name: Some(name),
        root,
        weak,
    }
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

/// Tells what is weak about the signatures of an artifact, each with its place, once; `strong` says whether an intact
/// digest better than SHA-1 stands beside it.
pub(crate) fn weaknesses(weak: Vec<(String, Span)>, strong: bool, out: &mut Verified) {
    let mut told: Vec<(String, Span)> = Vec::new();
    for (what, span) in weak {
        if told.iter().any(|(other, place)| *other == what && *place == span) {
            continue;
        }
        let finding = Finding::new(code::SIGNATURE_WEAK, span, what.clone()).key(what.clone());
        out.finding(if strong { finding.case("beside") } else { finding });
        told.push((what, span));
    }
}

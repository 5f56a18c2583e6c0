//! The answers about one code signature, and the bytes that they are about.

use super::blob::{CMS, Fault, SuperBlob, TICKET, Unread, WRAPPER};
use super::directory::{ADHOC, Directory, LINKER_SIGNED};
use super::message::{Message, names_all};
use super::{Image, SCHEME, Signed, entitlements, identity, requirement};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::span::{Span, SpanSet};
use crate::verify::algorithm::Algorithm;
use crate::verify::authenticode::judge::strangers;
use crate::verify::cms::chain::Budget;
use crate::verify::cms::{SignedData, SignerFault, oid, signer};
use crate::verify::{Answer, Artifact, CodeIdentity, Outcome, Pending, Signature, Verified, Why};
use crate::walk::der::DerFaultKind;

/// The longest ticket that is left out; Apple's have a few hundred bytes.
const LONGEST_TICKET: u64 = 16 << 10;

impl Pending for Image {
    fn close(mut self: Box<Self>, outcomes: &[Outcome], artifact: &Artifact<'_>) -> Verified {
        let mut out = Verified::default();
        out.errors.append(&mut self.errors);
        let mut report = Signature::new(SCHEME);
        let signed = match &self.read {
            Ok(signed) => signed,
            Err(unread) => {
                unreadable(unread, &mut report, &mut out);
                out.reports.push(report);
                return out;
            }
        };
        let mut judge = Judge {
            image: &self,
            signed,
            outcomes,
            artifact,
            wrong: None,
            unknown: None,
            weak: Vec::new(),
            strange: Vec::new(),
            sealed: Vec::new(),
            report,
            out,
        };
        judge.describe();
        judge.pages();
        judge.special();
        let by_certificate = judge.signer();
        judge.conclude(by_certificate);
        judge.out.reports.push(judge.report);
        judge.out
    }
}

fn unreadable(unread: &Unread, report: &mut Signature, out: &mut Verified) {
    match unread {
        Unread::Broken(Fault { span, rule }) => {
            report.intact = Answer::No;
            report.reason = Some((*rule).to_owned());
            let message = format!("the signature cannot be read: {rule}");
            let finding = Finding::new(code::SIGNATURE_INVALID, *span, message).case("malformed");
            out.finding(finding.key("malformed").evidence("scheme", SCHEME));
        }
        Unread::Error(error) => {
            report.reason = Some(error.message.clone());
            out.errors.push(error.clone());
        }
    }
}

pub(super) struct Judge<'j> {
    pub(super) image: &'j Image,
    pub(super) signed: &'j Signed,
    pub(super) outcomes: &'j [Outcome],
    pub(super) artifact: &'j Artifact<'j>,
    /// The first thing that is wrong.
    pub(super) wrong: Option<String>,
    /// The first thing that could not be found out.
    pub(super) unknown: Option<String>,
    pub(super) weak: Vec<String>,
    /// Octets of the message that nothing accounts for.
    pub(super) strange: Vec<Span>,
    /// Blobs that every CodeDirectory has the digest of.
    pub(super) sealed: Vec<Span>,
    pub(super) report: Signature,
    pub(super) out: Verified,
}

impl Judge<'_> {
    fn first(&self) -> Option<&Directory> {
        self.signed.directories.first()
    }

    pub(super) fn has(&self, flag: u32) -> bool {
        self.first().is_some_and(|first| first.has(flag))
    }

    fn blob(&self) -> &SuperBlob {
        &self.signed.blob
    }

    pub(super) fn invalid(&mut self, span: Span, case: &'static str, message: String, key: &str) -> Finding {
        self.wrong.get_or_insert_with(|| message.clone());
        Finding::new(code::SIGNATURE_INVALID, span, message)
            .case(case)
            .key(key)
            .evidence("scheme", SCHEME)
    }

    fn unsure(&mut self, why: &str, span: Span) {
        self.unknown.get_or_insert_with(|| why.to_owned());
        let message = format!("a signature was not verified: {why}");
        let error = ScanError::new(ErrorCode::Unsupported, message);
        self.out.errors.push(error.at(span.start()));
    }

    /// What the signature says of the code.
    fn describe(&mut self) {
        let best = self.signed.directories.iter().max_by_key(|d| d.rank());
        let (Some(first), Some(best)) = (self.first(), best) else {
            return;
        };
        let list = self
            .blob()
            .slot(5)
            .map(|b| entitlements::of_list(self.blob().content(b)));
        let twin = || {
            self.blob()
                .slot(7)
                .and_then(|b| entitlements::of_der(self.blob().content(b)))
        };
        let set = self.blob().slot(2).map(|b| self.blob().bytes(b));
        let identity = CodeIdentity {
            kind: "none",
            identifier: first.identifier.clone(),
            team: first.team.clone(),
            flags: first.flag_names(),
            cdhash: identity::cdhash(best.algorithm, self.signed.bytes(best)),
            digests: self.signed.directories.iter().map(Directory::digest_name).collect(),
            page: first.page.unwrap_or(0),
            platform: first.platform,
            runtime: first.runtime.map(version),
            requirement: set.and_then(requirement::designated),
            entitlements: list.or_else(twin).unwrap_or_default(),
            ticket: self.blob().slot(TICKET).is_some(),
        };
        self.report.digest = Some(best.algorithm.as_str());
        self.report.code = Some(Box::new(identity));
    }

    /// Verifies the message; whether a certificate stands for the CodeDirectory.
    fn signer(&mut self) -> bool {
        let signed = self.signed;
        let found = signed.blob.slot(CMS);
        let content = found.map_or(&[][..], |blob| signed.blob.content(blob));
        let place = found.map_or(signed.blob.index, |blob| blob.span);
        if let Some(wrong) = found.filter(|blob| blob.magic != WRAPPER) {
            let message = "the signature cannot be read: the slot of the CMS message holds another blob".to_owned();
            let finding = self.invalid(wrong.span, "malformed", message, "malformed");
            self.out.finding(finding);
            return false;
        }
        let message = match Message::load(content, place.start().saturating_add(8)) {
            Ok(Some(message)) => message,
            Ok(None) => {
                self.without_signer(place);
                return false;
            }
            Err(Unread::Error(error)) => {
                self.unknown.get_or_insert_with(|| error.message.clone());
                self.out.errors.push(error);
                return false;
            }
            Err(Unread::Broken(fault)) => {
                let message = format!("the signature cannot be read: {}", fault.rule);
                let finding = self.invalid(fault.span, "malformed", message, "malformed");
                self.out.finding(finding);
                return false;
            }
        };
        self.name("certificate");
        let data = match SignedData::parse(&message.der, message.base) {
            Ok(data) => data,
            Err(fault) if fault.kind == DerFaultKind::Limit => {
                self.unknown.get_or_insert_with(|| fault.rule.to_owned());
                let text = format!("a signature was not verified: {}", fault.rule);
                let at = message.in_file(Span::saturating_at(fault.offset, 1), content);
                self.out
                    .errors
                    .push(ScanError::new(ErrorCode::LimitExceeded, text).at(at.start()));
                return false;
            }
            Err(fault) => {
                let text = format!("the signature cannot be read: {}", fault.rule);
                let at = message.in_file(Span::saturating_at(fault.offset, 1), content);
                let finding = self.invalid(at, "malformed", text, "malformed");
                self.out.finding(finding);
                return false;
            }
        };
        let [signer] = data.signers.as_slice() else {
            let count = data.signers.len();
            let text = format!("the signature cannot be read: it has {count} signers, and code has one");
            let finding = self.invalid(place, "malformed", text, "malformed");
            self.out.finding(finding);
            return false;
        };
        let unknown = signer.unsigned.iter().filter(|a| {
            !matches!(
                a.oid,
                oid::TIME_STAMP_TOKEN | oid::MS_TIME_STAMP | oid::COUNTERSIGNATURE
            )
        });
        let held = data.content.iter().map(|content| content.span());
        let strange = data.stray.iter().chain(&data.unreadable).copied();
        let strange = strange
            .chain(unknown.map(|a| a.span))
            .chain(held)
            .chain(strangers(&data));
        self.strange = strange.map(|span| message.in_file(span, content)).collect();
        let mut budget = Budget::default();
        let who = identity::of(
            signer,
            &data,
            self.artifact.trust,
            place,
            &mut budget,
            &mut self.report,
            &mut self.out,
        );
        let mut good = false;
        let over: Vec<(&Directory, &[u8])> = signed.directories.iter().map(|d| (d, signed.bytes(d))).collect();
        let first = over.first().map_or(&[][..], |(_, bytes)| *bytes);
        let verified = if budget.take() {
            signer.verify(&data.certificates, Some(data.content_type), first)
        } else {
            Err(SignerFault::Unsupported)
        };
        match verified {
            Ok(()) => match names_all(signer, &over) {
                Ok(()) => good = true,
                Err(why) => {
                    let finding = self.invalid(place, "cdhashes", why.to_owned(), "cdhashes");
                    self.out.finding(finding);
                }
            },
            Err(SignerFault::MessageDigest) => {
                let text = "the CodeDirectory is not the one that was signed".to_owned();
                let span = self.first().map_or(place, |d| d.span);
                let finding = self.invalid(span, "code-directory", text, "code-directory");
                self.out.finding(finding);
            }
            Err(fault) if fault.is_wrong() => {
                let text = format!("the signature is not good: {}", fault.reason());
                let finding = self.invalid(place, "signer", text, "signer");
                self.out.finding(finding);
            }
            Err(fault) => self.unsure(fault.reason(), place),
        }
        if let Some(who) = who {
            self.team(&who, place);
            self.weak.extend(who.weak);
        }
        good
    }

    /// The team that the CodeDirectory names is that of the certificate, and it is a team where Apple says so.
    fn team(&mut self, who: &identity::Identity, place: Span) {
        let team = self.first().and_then(|d| d.team.clone());
        if let Some(team) = team.filter(|team| who.unit.as_ref() != Some(team)) {
            let unit = who.unit.as_deref().unwrap_or("none");
            let text = format!("the code says that its team is {team}, the signer's certificate says {unit}");
            let finding = self.invalid(place, "team", text, "team");
            self.out
                .finding(finding.evidence("team", team).evidence("certificate", unit));
            return;
        }
        let Some(unit) = &who.unit else { return };
        let pins = vec![format!("apple:{unit}")];
        let publisher = probity_signatures::trust::publisher(&pins);
        if who.apple {
            self.report.pins = pins;
            self.report.publisher = publisher.map(str::to_owned);
        } else if let Some(publisher) = publisher {
            let text =
                format!("the signer calls itself the team of {publisher}, and no root of Apple's vouches for it");
            let finding = Finding::new(code::SIGNATURE_UNANCHORED, place, text).case("claimed");
            self.out.finding(finding.key("team").evidence("team", unit.as_str()));
        }
    }

    fn name(&mut self, kind: &'static str) {
        if let Some(code) = &mut self.report.code {
            code.kind = kind;
        }
    }

    /// There is no message: whether there need not be one.
    fn without_signer(&mut self, place: Span) {
        let team = self.first().and_then(|d| d.team.clone());
        if self.has(LINKER_SIGNED) {
            self.name("linker-signed");
            self.report.signer = Some("ad-hoc, linker-signed".to_owned());
        } else if self.has(ADHOC) {
            self.name("ad-hoc");
            self.report.signer = Some("ad-hoc".to_owned());
        } else {
            let text =
                "the signer's message is missing, and the CodeDirectory does not say that it is ad-hoc".to_owned();
            let finding = self.invalid(place, "emptied", text, "emptied");
            self.out.finding(match team {
                Some(team) => finding.evidence("team", team),
                None => finding,
            });
            return;
        }
        self.report.anchor = Some("there is no certificate".to_owned());
        if let Some(team) = team {
            let text = format!("the code says that its team is {team}, and no certificate says so");
            let finding = self.invalid(place, "team", text, "team");
            self.out.finding(finding.evidence("team", team));
        }
    }

    /// The answer, and the bytes that it is about.
    fn conclude(&mut self, by_certificate: bool) {
        let signed = self.signed;
        if !self.artifact.swept {
            self.unknown
                .get_or_insert_with(|| "the image was not read to its end".to_owned());
        }
        (self.report.intact, self.report.reason) = match (self.wrong.take(), self.unknown.take()) {
            (Some(why), _) => (Answer::No, Some(why)),
            (None, Some(why)) => (Answer::Unknown, Some(why)),
            (None, None) => (Answer::Yes, None),
        };
        if self.report.intact != Answer::Yes {
            self.report.publisher = None;
        }
        let directories = || signed.directories.iter();
        if directories().all(|d| d.algorithm == Algorithm::Sha1) {
            self.weak.push("the CodeDirectory is over SHA-1 alone".to_owned());
        }
        let strong = self.report.intact == Answer::Yes && directories().any(|d| d.algorithm != Algorithm::Sha1);
        let place = signed.blob.slot(CMS).map_or(signed.blob.index, |blob| blob.span);
        let weak = std::mem::take(&mut self.weak).into_iter().map(|what| (what, place));
        signer::weaknesses(weak.collect(), strong, &mut self.out);
        if self.report.intact == Answer::Yes {
            let mut covered: Vec<Span> = directories()
                .flat_map(|d| d.ranges.iter().map(|(span, _)| *span))
                .collect();
            covered.append(&mut self.sealed);
            if by_certificate {
                covered.extend(directories().map(|d| d.span));
            }
            let covered = SpanSet::from_spans(covered);
            self.report.covered = covered.total();
            self.out.covered = covered;
        }
        self.excluded();
    }

    /// What the scheme leaves out.
    fn excluded(&mut self) {
        let blob = &self.signed.blob;
        let mut excluded: Vec<(Span, Why)> = vec![(blob.index, "index of the SuperBlob")];
        excluded.extend(blob.alignment().into_iter().map(|span| (span, "alignment")));
        for directory in &self.signed.directories {
            excluded.extend(directory.accounted.iter().map(|span| (span, "CodeDirectory")));
        }
        if let Some(found) = blob.slot(CMS).filter(|b| b.magic == WRAPPER) {
            let content = blob.content(found);
            let start = found.span.start().saturating_add(8);
            excluded.push((
                Span::new(found.span.start(), start.min(found.span.end())),
                "CMS wrapper",
            ));
            if let Ok(Some(message)) = Message::load(content, start) {
                let strange = SpanSet::from_spans(self.strange.iter().copied());
                excluded.extend(
                    strange
                        .complement(message.span)
                        .iter()
                        .map(|span| (span, "CMS message")),
                );
                let used = usize::try_from(message.span.len()).unwrap_or(usize::MAX);
                if content.get(used..).is_some_and(|rest| rest.iter().all(|b| *b == 0)) {
                    excluded.push((
                        Span::new(message.span.end(), found.span.end()),
                        "room for the CMS message",
                    ));
                }
            }
        }
        if let Some(ticket) = blob.slot(TICKET) {
            let known = blob.content(ticket).starts_with(b"s8ch") && ticket.span.len() <= LONGEST_TICKET;
            excluded.extend(known.then_some((ticket.span, "notarization ticket")));
        }
        excluded.extend(self.image.slack.iter().copied());
        self.out.excluded = excluded;
    }
}

/// A version as Apple packs it into a word.
fn version(word: u32) -> String {
    let [a, b, minor, patch] = word.to_be_bytes();
    format!("{}.{minor}.{patch}", u16::from_be_bytes([a, b]))
}

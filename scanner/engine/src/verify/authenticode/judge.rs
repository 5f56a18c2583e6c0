//! The four answers about each signature of an image, and the bytes that they are about.

use super::{Found, Image, Order, SCHEME, each_signature, layout};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::name::printable;
use crate::span::{Span, SpanSet};
use crate::verify::algorithm::Algorithm;
use crate::verify::cms::chain::Budget;
use crate::verify::cms::{SignedData, SignerFault, SignerInfo, oid, signer};
use crate::verify::{Answer, Artifact, Outcome, Pending, Signature, Verified};
use crate::walk::der::DerFaultKind;

impl Pending for Image {
    fn close(mut self: Box<Self>, outcomes: &[Outcome], artifact: &Artifact<'_>) -> Verified {
        let mut out = Verified::default();
        out.errors.append(&mut self.errors);
        let mut judge = Judge {
            image: &self,
            outcomes,
            artifact,
            budget: Budget::default(),
            weak: Vec::new(),
            structure: Vec::new(),
            out,
        };
        judge.checksum();
        for blob in &self.blobs {
            each_signature(&blob.bytes, blob.span.start(), &mut |found| judge.signature(found));
        }
        for entry in self.image.certificates.iter().filter(|e| e.value.is_none()) {
            judge.broken(entry.header, "the certificate is not DER", false);
        }
        if self.image.certificates.is_empty() && !self.image.table.is_empty() {
            judge.broken(self.image.table, "the certificate table holds no certificate", false);
        }
        judge.weaknesses();
        judge.excluded();
        judge.out
    }
}

struct Judge<'j> {
    image: &'j Image,
    outcomes: &'j [Outcome],
    artifact: &'j Artifact<'j>,
    budget: Budget,
    /// Weak digests and keys: what, where, and whether the signature is intact.
    weak: Vec<(String, Span)>,
    /// Octets of messages that nothing accounts for.
    structure: Vec<Span>,
    out: Verified,
}

/// What the content says of the file.
enum Content {
    Same(Order),
    Differs,
    Unknown(&'static str),
}

impl Judge<'_> {
    fn invalid(&mut self, span: Span, case: &'static str, message: String, key: &str) {
        let finding = Finding::new(code::SIGNATURE_INVALID, span, message).case(case).key(key);
        self.out.finding(finding.evidence("scheme", SCHEME));
    }

    fn broken(&mut self, span: Span, why: &str, nested: bool) {
        let mut report = Signature::new(SCHEME);
        report.intact = Answer::No;
        report.reason = Some(why.to_owned());
        report.nested = nested;
        self.out.reports.push(report);
        self.invalid(
            span,
            "malformed",
            format!("the signature cannot be read: {why}"),
            "malformed",
        );
    }

    fn outcome(&self, at: usize) -> &Outcome {
        self.outcomes.get(at).unwrap_or(&Outcome::Missing)
    }

    /// The image's own checksum, which no signature is over.
    fn checksum(&mut self) {
        let Outcome::Sum(sum) = self.outcome(self.image.sum) else {
            return;
        };
        let image = &self.image.image;
        let length = u32::try_from(self.artifact.length & u64::from(u32::MAX)).unwrap_or(0);
        let (found, stated) = (sum.wrapping_add(length), image.stated_checksum);
        let signed = !image.table.is_empty();
        if found == stated || (stated == 0 && !signed) {
            return;
        }
        let message = format!("the image's checksum is {found:#010x}, its header says {stated:#010x}");
        let finding = Finding::new(code::IMAGE_CHECKSUM, image.checksum, message).key("checksum");
        self.out.finding(match (signed, stated) {
            (true, 0) => finding.case("zero"),
            (true, _) => finding.case("signed"),
            (false, _) => finding,
        });
    }

    fn signature(&mut self, found: Found<'_>) {
        let data = match found.data {
            Ok(data) => data,
            Err(fault) if fault.kind == DerFaultKind::Limit => {
                let error = ScanError::new(
                    ErrorCode::LimitExceeded,
                    format!("a signature was not verified: {}", fault.rule),
                );
                self.out.errors.push(error.at(fault.offset));
                let mut report = Signature::new(SCHEME);
                report.reason = Some(fault.rule.to_owned());
                report.nested = found.nested;
                self.out.reports.push(report);
                return;
            }
            Err(fault) => {
                let span = Span::saturating_at(fault.offset, 1);
                return self.broken(span, fault.rule, found.nested);
            }
        };
        let mut report = Signature::new(SCHEME);
        report.nested = found.nested;
        self.structure.extend(data.stray.iter().copied());
        self.structure.extend(data.unreadable.iter().copied());
        self.structure.extend(strangers(&data));
        let [signer] = data.signers.as_slice() else {
            let count = data.signers.len();
            return self.broken(
                found.span,
                &format!("it has {count} signers, and Authenticode has one"),
                found.nested,
            );
        };
        self.attributes(signer);
        let content = match &found.content {
            Err(fault) => {
                report.intact = Answer::No;
                report.reason = Some(fault.rule.to_owned());
                let span = Span::saturating_at(fault.offset, 1);
                let message = format!("what is signed cannot be read: {}", fault.rule);
                self.invalid(span, "malformed", message, "content");
                None
            }
            Ok(content) => {
                report.digest = content.algorithm.map(Algorithm::as_str);
                Some(content)
            }
        };
        self.signer(signer, &data, &mut report, found.span);
        if let Some(content) = content {
            let same = if content.of_image {
                self.content(content)
            } else {
                Content::Differs
            };
            self.intact(signer, &data, same, &mut report, found.span);
            if let Some(algorithm) = content.algorithm.filter(|a| a.is_weak()) {
                self.weak
                    .push((format!("the image's digest is {}", algorithm.as_str()), found.span));
            }
            self.pages(content, &mut report, found.span);
        }
        self.out.reports.push(report);
    }

    /// Whether the image has the digest that is stated for it.
    fn content(&self, content: &super::indirect::Indirect<'_>) -> Content {
        let Some(algorithm) = content.algorithm else {
            return Content::Unknown("the digest of the image is not computed");
        };
        if !self.artifact.swept {
            return Content::Unknown("the image was not read to its end");
        }
        let computed = self.image.digests.iter().filter(|(other, ..)| *other == algorithm);
        for (_, order, at) in computed {
            match self.outcome(*at) {
                Outcome::Digest(digest) if *digest == content.digest => return Content::Same(*order),
                Outcome::Digest(_) => {}
                _ => return Content::Unknown("the image's digest was not computed"),
            }
        }
        Content::Differs
    }

    fn intact(
        &mut self,
        signer: &SignerInfo<'_>,
        data: &SignedData<'_>,
        content: Content,
        report: &mut Signature,
        span: Span,
    ) {
        let value = data.content.map(|c| c.bytes).unwrap_or_default();
        let verified = if self.budget.take() {
            signer.verify(&data.certificates, Some(data.content_type), value)
        } else {
            Err(SignerFault::Unsupported)
        };
        match (verified, content) {
            (Err(fault), _) if fault.is_wrong() => {
                report.intact = Answer::No;
                report.reason = Some(fault.reason().to_owned());
                self.invalid(
                    span,
                    "signer",
                    format!("the signature is not good: {}", fault.reason()),
                    "signer",
                );
            }
            (_, Content::Differs) => {
                report.intact = Answer::No;
                report.reason = Some("the image is not the one that was signed".to_owned());
                let message = match &report.signer {
                    Some(name) => format!("the image is not the one that {} signed", printable(name.as_bytes())),
                    None => "the image is not the one that was signed".to_owned(),
                };
                self.invalid(span, "digest", message, "digest");
            }
            (Err(fault), _) => self.unknown(fault.reason(), report, span),
            (Ok(()), Content::Unknown(why)) => {
                if self.artifact.swept {
                    self.unknown(why, report, span);
                } else {
                    report.reason = Some(why.to_owned());
                }
            }
            (Ok(()), Content::Same(order)) => {
                report.intact = Answer::Yes;
                let spans = match order {
                    Order::Linear => layout::linear(&self.image.image, self.artifact.length),
                    Order::Sections => layout::by_sections(&self.image.image, self.artifact.length).unwrap_or_default(),
                };
                let covered = SpanSet::from_spans(spans);
                report.covered = covered.total();
                if !self.image.orders_agree {
                    self.order(order, span);
                }
                self.out.covered = SpanSet::from_spans(self.out.covered.iter().chain(covered.iter()));
            }
        }
    }

    fn unknown(&mut self, why: &str, report: &mut Signature, span: Span) {
        report.reason = Some(why.to_owned());
        let error = ScanError::new(ErrorCode::Unsupported, format!("a signature was not verified: {why}"));
        self.out.errors.push(error.at(span.start()));
    }

    fn order(&mut self, order: Order, span: Span) {
        let message = match order {
            Order::Linear => {
                "sections leave holes or overlap: the digest over the whole file is the signed one, the one by sections is not"
            }
            Order::Sections => {
                "sections leave holes or overlap: the digest by sections is the signed one, and is not over the holes"
            }
        };
        let finding = Finding::new(code::SIGNATURE_ORDER, span, message).key("order");
        self.out.finding(match order {
            Order::Linear => finding,
            Order::Sections => finding.case("sections"),
        });
    }

    /// The signer's name, chain and time, and the names by which it can be pinned.
    fn signer(&mut self, signer: &SignerInfo<'_>, data: &SignedData<'_>, report: &mut Signature, span: Span) {
        let trust = self.artifact.trust;
        let who = signer::answer(signer, data, trust, span, &mut self.budget, report, &mut self.out);
        self.weak.extend(who.weak.into_iter().map(|what| (what, span)));
        let Some(name) = who.name else { return };
        let pins = [("CN", name.get("CN")), ("O", name.get("O"))];
        let pins = pins
            .iter()
            .filter_map(|(kind, value)| Some(format!("{SCHEME}:{kind}={}", (*value)?)));
        report.pins = pins.collect();
        if who.root.is_some() {
            report.publisher = probity_signatures::trust::publisher(&report.pins).map(str::to_owned);
        }
    }

    /// Unsigned attributes that no reader knows can hold anything.
    fn attributes(&mut self, signer: &SignerInfo<'_>) {
        let known = [
            oid::MS_NESTED,
            oid::MS_TIME_STAMP,
            oid::TIME_STAMP_TOKEN,
            oid::COUNTERSIGNATURE,
        ];
        let unknown = signer.unsigned.iter().filter(|a| !known.contains(&a.oid));
        self.structure.extend(unknown.map(|a| a.span));
    }

    /// Holds page hashes against the pages.
    fn pages(&mut self, content: &super::indirect::Indirect<'_>, report: &mut Signature, span: Span) {
        let Some(hashes) = content.pages.as_ref().filter(|_| report.intact == Answer::Yes) else {
            return;
        };
        let mut wrong = 0u64;
        let requests = self
            .image
            .pages
            .iter()
            .filter(|(algorithm, ..)| *algorithm == hashes.algorithm);
        for (_, first, count) in requests.take(1) {
            for at in *first..first.saturating_add(*count) {
                match self.outcome(at) {
                    Outcome::Digest(digest) => {
                        wrong = wrong.saturating_add(u64::from(hashes.by_offset.get(&0) != Some(digest)));
                    }
                    Outcome::Pages(pages) => wrong = wrong.saturating_add(pages.wrong),
                    _ => {}
                }
            }
        }
        if wrong > 0 {
            let message = format!("{wrong} pages do not have the digests that are signed for them");
            self.invalid(span, "page-hashes", message, "page-hashes");
        }
    }

    fn weaknesses(&mut self) {
        let strong = self
            .out
            .reports
            .iter()
            .any(|r| r.intact == Answer::Yes && r.digest.is_some_and(|d| d != Algorithm::Sha1.as_str()));
        signer::weaknesses(std::mem::take(&mut self.weak), strong, &mut self.out);
    }

    /// What the scheme leaves out.
    fn excluded(&mut self) {
        let image = &self.image.image;
        let mut excluded = vec![
            (image.checksum, "checksum"),
            (image.directory, "certificate table entry of the data directories"),
        ];
        let strange = SpanSet::from_spans(self.structure.iter().copied());
        for entry in &image.certificates {
            excluded.push((entry.header, "certificate header"));
            if let Some(value) = entry.value {
                excluded.extend(strange.complement(value).iter().map(|span| (span, "signature")));
            }
            if !self.image.dirty.contains(&entry.pad) {
                excluded.push((entry.pad, "alignment"));
            }
        }
        if self.image.image.certificates.is_empty() {
            excluded.clear();
        }
        self.out.excluded = excluded;
    }
}

/// Certificates that neither a signer nor any other certificate of a signer's has to do with.
pub(in crate::verify) fn strangers(data: &SignedData<'_>) -> Vec<Span> {
    let mut known: Vec<usize> = data
        .signers
        .iter()
        .filter_map(|signer| signer.certificate(&data.certificates))
        .collect();
    // Countersigners stand among the certificates too.
    for signer in &data.signers {
        let inner = signer.unsigned.iter().filter(|a| a.oid == oid::COUNTERSIGNATURE);
        for value in inner.flat_map(|a| &a.values) {
            if let Ok(counter) = SignerInfo::parse(*value, &mut Vec::new()) {
                known.extend(counter.certificate(&data.certificates));
            }
        }
    }
    let mut next = 0usize;
    while let Some(certificate) = known.get(next).and_then(|at| data.certificates.get(*at)) {
        for (at, other) in data.certificates.iter().enumerate() {
            let related = other.subject == certificate.issuer || other.issuer == certificate.subject;
            if related && !known.contains(&at) {
                known.push(at);
            }
        }
        next = next.saturating_add(1);
    }
    let all = data.certificates.iter().enumerate();
    all.filter(|(at, _)| !known.contains(at))
        .map(|(_, c)| c.der.span())
        .collect()
}

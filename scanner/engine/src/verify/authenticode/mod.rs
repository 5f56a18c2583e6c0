//! Authenticode signatures of PE32 and PE32+ images (Windows Authenticode Portable Executable Signature Format, 2008).
//!
//! ```text
//! certificate table -> entry -> SignedData over SpcIndirectDataContent -> digest of the image
//!                                 unsigned: time stamps, further signatures (each a SignedData over the same image)
//! ```
//!
//! Covered is what the digest is over. Left out by design are the checksum and the table's directory entry, the entries'
//! headers, their DER values and the zeros that align them. What else lies in the table, or in the message where its schema
//! has nothing, nobody vouches for.
//!
//! Catalogue signatures stand in other files and are not looked for.

mod indirect;
pub(in crate::verify) mod judge;
mod layout;

use super::algorithm::Algorithm;
use super::cms::{LONGEST, SignedData, ber, oid};
use super::{Parsed, Plan, Request, Verifier};
use crate::fact::{Fact, PeImage};
use crate::finding::{ErrorCode, ScanError};
use crate::format::ReadFault;
use crate::span::Span;
use crate::walk::der::{DerFault, DerFaultKind};
use indirect::Indirect;

/// The scheme's name in reports.
pub(super) const SCHEME: &str = "authenticode";
/// The most signatures of one image, nested ones among them.
const MOST: usize = 16;
/// The most sections of which page hashes are verified: Windows loads no more.
const MOST_SECTIONS: usize = 96;

/// Authenticode.
pub(super) struct Authenticode;

/// An image and its signatures.
struct Image {
    image: Box<PeImage>,
    blobs: Vec<Blob>,
    /// The pads that are not all zeros.
    dirty: Vec<Span>,
    /// Where in the outcomes which digest stands.
    digests: Vec<(Algorithm, Order, usize)>,
    /// Where in the outcomes those of page hashes stand: first, and how many.
    pages: Vec<(Algorithm, usize, usize)>,
    /// Where the sum stands.
    sum: usize,
    errors: Vec<ScanError>,
    /// Both readings name the same bytes.
    orders_agree: bool,
}

/// The DER value of one entry.
struct Blob {
    span: Span,
    bytes: Vec<u8>,
}

/// A reading of what the digest is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Linear,
    Sections,
}

impl Verifier for Authenticode {
    fn plan(&self, parsed: &Parsed<'_>) -> Option<Plan> {
        let image = parsed.facts.iter().find_map(|fact| match fact {
            Fact::PeImage(image) => Some(image.clone()),
            _ => None,
        })?;
        let mut planned = Image {
            image,
            blobs: Vec::new(),
            dirty: Vec::new(),
            digests: Vec::new(),
            pages: Vec::new(),
            sum: 0,
            errors: Vec::new(),
            orders_agree: true,
        };
        planned.read(parsed);
        let requests = planned.requests(parsed.input.len());
        Some(Plan {
            requests,
            pending: Box::new(planned),
        })
    }
}

impl Image {
    /// Reads the blobs and the pads.
    fn read(&mut self, parsed: &Parsed<'_>) {
        let mut left = LONGEST;
        for entry in &self.image.certificates {
            match parsed.input.read(entry.pad) {
                Ok(bytes) if bytes.iter().all(|b| *b == 0) => {}
                Ok(_) => self.dirty.push(entry.pad),
                Err(fault) => self.errors.extend(unread(&fault)),
            }
            let Some(span) = entry.value else { continue };
            let Some(rest) = left.checked_sub(span.len()) else {
                let message = "certificates of more than 4 MiB are not verified";
                self.errors
                    .push(ScanError::new(ErrorCode::LimitExceeded, message).at(span.start()));
                continue;
            };
            left = rest;
            match parsed.input.read(span) {
                Ok(bytes) => self.blobs.push(Blob {
                    span,
                    bytes: canonical(bytes.into_owned(), span.start()),
                }),
                Err(fault) => self.errors.extend(unread(&fault)),
            }
        }
    }

    /// What the signatures need, each digest once.
    fn requests(&mut self, length: u64) -> Vec<Request> {
        let mut algorithms: Vec<Algorithm> = Vec::new();
        let mut pages = Vec::new();
        for blob in &self.blobs {
            each_signature(&blob.bytes, blob.span.start(), &mut |found| {
                let Ok(content) = found.content else { return };
                if let Some(algorithm) = content.algorithm.filter(|a| !algorithms.contains(a)) {
                    algorithms.push(algorithm);
                }
                if let Some(hashes) = content.pages {
                    pages.push(hashes);
                }
            });
        }
        let linear = layout::linear(&self.image, length);
        let sections = layout::by_sections(&self.image, length);
        self.orders_agree = sections.as_ref().is_none_or(|other| *other == linear);
        let mut requests = Vec::new();
        let mut digest = |algorithm, spans: Vec<Span>| {
            requests.push(Request::Digest {
                algorithm,
                spans,
                zeros: 0,
            });
            requests.len().saturating_sub(1)
        };
        for algorithm in algorithms {
            let at = digest(algorithm, linear.clone());
            self.digests.push((algorithm, Order::Linear, at));
            if let Some(other) = sections.as_ref().filter(|other| **other != linear) {
                let at = digest(algorithm, other.clone());
                self.digests.push((algorithm, Order::Sections, at));
            }
        }
        // Two signatures carry the same page hashes or different ones by different digests; four are enough for any.
        for hashes in pages.iter().take(4) {
            let first = requests.len();
            self.page_requests(hashes, &mut requests);
            let count = requests.len().saturating_sub(first);
            self.pages.push((hashes.algorithm, first, count));
        }
        self.sum = requests.len();
        requests.push(Request::ImageChecksum {
            span: Span::new(0, length),
            field: self.image.checksum,
        });
        requests
    }

    /// The headers as one page, then the pages of each section.
    fn page_requests(&self, hashes: &indirect::PageHashes, requests: &mut Vec<Request>) {
        let algorithm = hashes.algorithm;
        let page = self.image.section_alignment;
        if !(512..=1 << 24).contains(&page) {
            return;
        }
        let headers = Span::new(0, self.image.size_of_headers);
        requests.push(Request::Digest {
            algorithm,
            spans: layout::without_fields(&self.image, headers),
            zeros: page.saturating_sub(headers.len().min(page)),
        });
        for section in self.image.sections.iter().filter(|s| !s.is_empty()).take(MOST_SECTIONS) {
            let count = section.len().div_ceil(page);
            let offsets = (0..count).map(|n| section.start().saturating_add(n.saturating_mul(page)));
            let mut expected = Vec::new();
            for offset in offsets {
                match hashes.by_offset.get(&offset) {
                    Some(digest) => expected.extend_from_slice(digest),
                    None => break,
                }
            }
            requests.push(Request::Pages {
                algorithm,
                span: *section,
                page,
                pad: true,
                kept: algorithm.length(),
                expected,
            });
        }
    }
}

/// The same message in DER, where a signer or its time stamp server wrote BER. Places inside are then those of what is read.
fn canonical(bytes: Vec<u8>, base: u64) -> Vec<u8> {
    match SignedData::parse(&bytes, base) {
        Err(fault) if fault.kind == DerFaultKind::Encoding => match ber::to_der(&bytes) {
            Ok((der, used)) if used == bytes.len() => der,
            _ => bytes,
        },
        _ => bytes,
    }
}

fn unread(fault: &ReadFault) -> Option<ScanError> {
    fault.as_error()
}

/// One signature, read.
struct Found<'a> {
    /// The message; a broken one has a fault instead.
    data: Result<SignedData<'a>, DerFault>,
    /// What it is over.
    content: Result<Indirect<'a>, DerFault>,
    /// Whether it stands inside another one.
    nested: bool,
    span: Span,
}

/// Calls `take` for the signature in `bytes`, and for each that is nested in one, the outer before the inner.
fn each_signature<'a>(bytes: &'a [u8], base: u64, take: &mut dyn FnMut(Found<'a>)) {
    let whole = Span::saturating_at(base, u64::try_from(bytes.len()).unwrap_or(u64::MAX));
    let mut open = vec![(SignedData::parse(bytes, base), whole, false)];
    let mut count = 0usize;
    while let Some((data, span, nested)) = open.pop() {
        count = count.saturating_add(1);
        if count > MOST {
            let fault = DerFault {
                offset: span.start(),
                rule: "more than 16 signatures of one image",
                kind: DerFaultKind::Limit,
            };
            take(Found {
                data: Err(fault),
                content: Err(fault),
                nested,
                span,
            });
            return;
        }
        let content = match &data {
            Err(fault) => Err(*fault),
            Ok(data) => {
                let inner = data.signers.iter().flat_map(|s| &s.unsigned);
                let inner = inner.filter(|a| a.oid == oid::MS_NESTED).flat_map(|a| &a.values);
                let mut found: Vec<_> = inner
                    .take(MOST)
                    .map(|v| (SignedData::read(*v), v.span(), true))
                    .collect();
                found.reverse();
                open.append(&mut found);
                match data.content {
                    Some(content) if data.content_type == oid::SPC_INDIRECT_DATA => Indirect::parse(content),
                    _ => Err(DerFault {
                        offset: span.start(),
                        rule: "a message that is not about an image",
                        kind: DerFaultKind::Type,
                    }),
                }
            }
        };
        take(Found {
            data,
            content,
            nested,
            span,
        });
    }
}

//! Which bytes of a PE image a digest is over: two readings of the specification, which agree on sound images.
//!
//! *Linear*, as signers compute it: the file up to the certificate table, without the checksum and the table's directory
//! entry. *By sections*, as the specification's steps are written: the headers, the sections by where they begin, then what the
//! file holds beyond as many bytes. They differ when sections leave holes or overlap.

use crate::fact::PeImage;
use crate::span::{Span, SpanSet};

/// The spans of the linear digest, ascending.
pub(super) fn linear(image: &PeImage, length: u64) -> Vec<Span> {
    without_fields(image, Span::new(0, end(image, length)))
}

/// The spans of the digest by sections, in the order in which they are digested; `None` when they repeat so many bytes that
/// they are not worth the time.
pub(super) fn by_sections(image: &PeImage, length: u64) -> Option<Vec<Span>> {
    let end = end(image, length);
    let headers = image.size_of_headers.min(end);
    let mut spans = without_fields(image, Span::new(0, headers));
    let mut sections: Vec<Span> = image.sections.iter().copied().filter(|s| !s.is_empty()).collect();
    sections.sort_by_key(|s| s.start());
    let mut sum = headers;
    for section in sections {
        sum = sum.saturating_add(section.len());
        spans.push(Span::new(section.start().min(end), section.end().min(end)));
    }
    if sum > length.saturating_mul(2) {
        return None;
    }
    spans.push(Span::new(sum.min(end), end));
    Some(joined(spans))
}

/// Where a digest ends: where the table begins, or the file does.
fn end(image: &PeImage, length: u64) -> u64 {
    if image.table.is_empty() {
        length
    } else {
        image.table.start().min(length)
    }
}

/// `span` without the two fields that no digest is over.
pub(super) fn without_fields(image: &PeImage, span: Span) -> Vec<Span> {
    let fields = SpanSet::from_spans([image.checksum, image.directory]);
    fields.complement(span).iter().collect()
}

/// The same order, with spans that touch made one.
fn joined(spans: Vec<Span>) -> Vec<Span> {
    let mut out: Vec<Span> = Vec::new();
    for span in spans.into_iter().filter(|s| !s.is_empty()) {
        match out.last_mut() {
            Some(last) if last.end() == span.start() => *last = Span::new(last.start(), span.end()),
            _ => out.push(span),
        }
    }
    out
}

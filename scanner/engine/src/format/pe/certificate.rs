//! The certificate table: where Authenticode signatures stand, the one directory that is a range of the file.
//!
//! | offset | size | field of `WIN_CERTIFICATE` |
//! | --- | --- | --- |
//! | 0 | 4 | `dwLength`, of the whole entry |
//! | 4 | 2 | `wRevision` = 0x0200 |
//! | 6 | 2 | `wCertificateType` = 0x0002, PKCS #7 |
//! | 8 | .. | `bCertificate`: one DER value |
//! | .. | 0 to 7 | zeros up to a multiple of 8 |
//!
//! No signature covers the table, so nothing but the DER value and its pad is claimed: what a longer `dwLength` hides
//! stays unclaimed (CVE-2013-3900).

use super::directory::CERTIFICATE;
use super::image::{Image, le16, le32};
use crate::fact::{Fact, PeImage, WinCertificate};
use crate::finding::{Finding, code};
use crate::format::{Parse, ReadFault};
use crate::ledger::{Fill, Role};
use crate::span::Span;
use crate::walk::der::DerWalker;

/// The length of the fields before `bCertificate`.
const HEADER: u64 = 8;
/// The most bytes that align an entry.
const PAD: u64 = 7;
/// The most entries that are read.
const MOST: usize = 64;

/// Where the certificate table starts; the end of the file when there is none.
pub(super) fn start(image: &Image<'_, '_, '_>) -> u64 {
    let length = image.window.input().len();
    let directory = image.headers.directories.get(CERTIFICATE);
    directory.map_or(length, |d| match u64::from(d.address) {
        0 => length,
        address => address.min(length),
    })
}

/// Claims the certificate table, and says what of the image matters to signatures.
pub(super) fn claim(image: &Image<'_, '_, '_>, out: &mut Parse) {
    let mut fact = described(image);
    table(image, &mut fact, out);
    out.fact(Fact::PeImage(Box::new(fact)));
}

/// The image, with no certificates yet.
fn described(image: &Image<'_, '_, '_>) -> PeImage {
    /// Where `CheckSum` stands in the optional header, of PE32 and of PE32+.
    const CHECK_SUM: u64 = 64;
    let checksum = Span::saturating_at(image.headers.optional.start().saturating_add(CHECK_SUM), 4);
    let stated = image.window.bytes(checksum).ok().and_then(|b| le32(&b, 0));
    let directory = image.headers.directories.get(CERTIFICATE);
    let raw = image.sections.iter().map(|section| {
        let [_, _, size, start] = section.fields;
        Span::saturating_at(u64::from(start), u64::from(size))
    });
    PeImage {
        checksum,
        stated_checksum: stated.unwrap_or(0),
        directory: directory.map_or(Span::new(0, 0), |d| d.span),
        table: Span::new(0, 0),
        certificates: Vec::new(),
        size_of_headers: image.headers.size_of_headers,
        section_alignment: image.headers.section_alignment,
        sections: raw.collect(),
    }
}

fn table(image: &Image<'_, '_, '_>, fact: &mut PeImage, out: &mut Parse) {
    let Some(directory) = image.headers.directories.get(CERTIFICATE) else {
        return;
    };
    if directory.address == 0 && directory.size == 0 {
        return;
    }
    let length = image.window.input().len();
    let table = Span::saturating_at(u64::from(directory.address), u64::from(directory.size));
    let rule = |out: &mut Parse, rule: &str| out.malformed(directory.span, rule);
    if !table.start().is_multiple_of(8) {
        rule(out, "pe: the certificate table is not aligned to 8 bytes");
    }
    if table.end() > length {
        let fault = ReadFault::PastEnd {
            offset: table.start(),
            wanted: table.len(),
            length,
        };
        out.fault(&fault, "certificate table");
    } else if table.end() < length {
        rule(out, "pe: the certificate table does not end the file");
    }
    if table.len() < HEADER {
        return rule(out, "pe: the certificate table is smaller than one entry");
    }
    if table.start().is_multiple_of(8) && table.end() == length {
        overlay(table.start(), out);
    }
    let table = table.intersect(Span::new(0, length));
    fact.table = table;
    let parent = out.parent(table, Role::Table, "certificate table");
    let mut at = table.start();
    for number in 1..=MOST {
        match entry(image, Span::new(at, table.end()), number, parent, fact, out) {
            Some(next) if next < table.end() => at = next,
            _ => return,
        }
    }
    out.malformed(Span::new(at, table.end()), "pe: more than 64 certificates");
}

/// Claims the overlay before a table that ends the file, as installers carry it: unlike an overlay at the end it is
/// among the bytes that the digest covers. It is examined as an artifact of its own.
fn overlay(table: u64, out: &mut Parse) {
    let end = out.view().leaves().map(|r| r.span.end()).max().unwrap_or(table);
    let gap = Span::new(end, table);
    // Up to seven zeros align the table.
    if gap.len() < 8 {
        return;
    }
    out.slice(gap, "overlay", false);
    let message = format!(
        "{} bytes lie between the last section and the certificate table",
        gap.len()
    );
    out.finding(
        Finding::new(code::TRAILING_BYTES, gap, message)
            .case("overlay")
            .region("overlay")
            .key("overlay"),
    );
}

/// Claims the entry at the start of `left`; returns where the next one starts.
fn entry(
    image: &Image<'_, '_, '_>,
    left: Span,
    number: usize,
    parent: u32,
    fact: &mut PeImage,
    out: &mut Parse,
) -> Option<u64> {
    let header = Span::saturating_at(left.start(), HEADER);
    if header.end() > left.end() {
        out.malformed(left, "pe: the certificate table ends inside an entry");
        return None;
    }
    let bytes = match image.window.bytes(header) {
        Ok(bytes) => bytes,
        Err(fault) => {
            out.fault(&fault, "certificate");
            return None;
        }
    };
    let length = u64::from(le32(&bytes, 0)?);
    let stated = Span::saturating_at(left.start(), length);
    if length < HEADER || stated.end() > left.end() {
        out.malformed(
            Span::saturating_at(header.start(), 4),
            "pe: dwLength of a certificate does not fit the certificate table",
        );
        if length < HEADER {
            return None;
        }
    }
    if le16(&bytes, 4) != Some(0x0200) {
        out.malformed(
            Span::saturating_at(header.start().saturating_add(4), 2),
            "pe: wRevision of a certificate is not 0x0200",
        );
    }
    if le16(&bytes, 6) != Some(0x0002) {
        out.malformed(
            Span::saturating_at(header.start().saturating_add(6), 2),
            "pe: wCertificateType is not PKCS #7 (0x0002)",
        );
    }
    let id = out.leaf(header, Role::Header, format!("certificate {number} header"));
    adopt(out, id, parent);
    let blob = Span::new(header.end(), stated.end().min(left.end()));
    let next = Span::saturating_at(left.start(), length.checked_next_multiple_of(8)?)
        .end()
        .min(left.end());
    let value = der(image, blob, out);
    let fill = value
        .map(|value| Span::new(value.end(), next))
        .filter(|fill| fill.len() <= PAD);
    fact.certificates.push(WinCertificate {
        header,
        value,
        pad: fill.unwrap_or(Span::new(next, next)),
    });
    let value = value?;
    let id = out.leaf(value, Role::Signature, format!("certificate {number}"));
    adopt(out, id, parent);
    pad(image, Span::new(value.end(), next), number, parent, out);
    Some(next)
}

/// The DER value at the start of `blob`.
fn der(image: &Image<'_, '_, '_>, blob: Span, out: &mut Parse) -> Option<Span> {
    let bytes = match image.window.bytes(blob) {
        Ok(bytes) => bytes,
        Err(fault) => {
            out.fault(&fault, "certificate");
            return None;
        }
    };
    match DerWalker::new(&bytes, blob.start(), 1).next() {
        Some(Ok(value)) if value.tag.constructed && value.tag.is_universal(16) => Some(value.span()),
        Some(Err(fault)) => {
            let rule = format!("pe: bCertificate is not DER: {}", fault.rule);
            out.malformed(Span::saturating_at(fault.offset, 1), &rule);
            None
        }
        _ => {
            out.malformed(blob, "pe: bCertificate is not a DER sequence");
            None
        }
    }
}

/// Claims the pad. Of more than seven bytes only the zeros at the very end can be pad; the others were put there.
fn pad(image: &Image<'_, '_, '_>, rest: Span, number: usize, parent: u32, out: &mut Parse) {
    let name = format!("certificate {number} pad");
    if rest.len() <= PAD {
        if !rest.is_empty() {
            let id = out.padding(rest, Fill::Zero, name);
            adopt(out, id, parent);
        }
        return;
    }
    out.malformed(rest, "pe: more than 7 bytes follow the DER value of a certificate");
    let last = Span::new(rest.end().saturating_sub(PAD), rest.end());
    let zeros = match image.window.bytes(last) {
        Ok(bytes) => bytes.iter().rev().take_while(|b| **b == 0).count(),
        Err(fault) => return out.fault(&fault, "certificate"),
    };
    let start = rest.end().saturating_sub(u64::try_from(zeros).unwrap_or(0));
    if start < rest.end() {
        let id = out.padding(Span::new(start, rest.end()), Fill::Zero, name);
        adopt(out, id, parent);
    }
}

fn adopt(out: &mut Parse, id: u32, parent: u32) {
    if let Some(region) = out.region_mut(id) {
        region.parent = Some(parent);
    }
}

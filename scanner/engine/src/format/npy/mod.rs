//! NumPy arrays, versions 1.0, 2.0 and 3.0 (`numpy.lib.format`).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 6 | `\x93NUMPY` |
//! | 6 | 2 | major, minor version |
//! | 8 | 2 or 4 | header length, little-endian (4 from version 2.0 on) |
//! | .. | .. | header: a dictionary literal with `descr`, `fortran_order`, `shape`; spaces; a newline |
//! | .. | .. | elements, or a pickle when the element type holds objects |
//!
//! NumPy evaluates the header with `ast.literal_eval`; here it is read by [`literal`], which knows strings, integers,
//! booleans, `None`, tuples, lists and dictionaries and nothing else. `.npz` is a ZIP archive.

mod header;
mod literal;
#[cfg(test)]
#[expect(
    clippy::as_conversions,
    clippy::arithmetic_side_effects,
    reason = "fixtures are small and built here"
)]
mod tests;

use super::{Format, Input, Parse};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::span::Span;
use header::Header;

const MAGIC: &[u8] = b"\x93NUMPY";
/// The longest header read. NumPy itself refuses more than 10,000 bytes unless it is told that the file is trusted.
const LONGEST: u64 = 1 << 20;

/// A NumPy array.
pub(super) struct Npy;

impl Format for Npy {
    fn id(&self) -> &'static str {
        "npy"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let version = probe.head.strip_prefix(MAGIC)?;
        match version {
            // The length field, then the dictionary.
            [1, _, _, _, b'{', ..] | [2 | 3, _, _, _, _, _, b'{', ..] => Some(Match::CERTAIN),
            _ => Some(Match::LIKELY),
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let start = match input.read_up_to(0, 12) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault(&fault, "npy header"),
        };
        let (prefix, length) = match *start {
            [_, _, _, _, _, _, 1, _, a, b, ..] => (10, u64::from(u16::from_le_bytes([a, b]))),
            [_, _, _, _, _, _, 2 | 3, _, a, b, c, d] => (12, u64::from(u32::from_le_bytes([a, b, c, d]))),
            [_, _, _, _, _, _, major @ (0 | 4..), minor, ..] => {
                let message = format!("npy version {major}.{minor}");
                out.error(ScanError::new(ErrorCode::Unsupported, message).at(6));
                return out.malformed(Span::new(6, 8), "npy: the version is 1.0, 2.0 or 3.0");
            }
            _ => {
                let span = Span::new(0, input.len());
                out.leaf(span, Role::Header, "npy magic");
                return out.finding(Finding::new(code::TRUNCATED, span, "the npy header ends early").key("header"));
            }
        };
        if start.get(7).is_some_and(|minor| *minor > 0) {
            out.malformed(Span::new(7, 8), "npy: the minor version is 0");
        }
        out.leaf(Span::new(0, prefix), Role::Header, "npy magic");
        let text = Span::saturating_at(prefix, length);
        if text.end() > input.len() {
            let fault = super::ReadFault::PastEnd {
                offset: prefix,
                wanted: length,
                length: input.len(),
            };
            return out.fault(&fault, "npy header");
        }
        if length > LONGEST {
            let message = format!("an npy header of {length} bytes");
            out.error(ScanError::new(ErrorCode::LimitExceeded, message).at(prefix));
            return out.finding(
                Finding::new(code::MALFORMED, text, "npy: the header is longer than any array needs").case("crash"),
            );
        }
        match input.read(text) {
            Ok(bytes) => content(input, text, &bytes, out),
            Err(fault) => out.fault(&fault, "npy header"),
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["npy", "bin", "dat", "data"]
    }
}

/// Reads the header's dictionary and claims what it describes.
fn content(input: &Input<'_>, text: Span, bytes: &[u8], out: &mut Parse) {
    let header = match Header::read(bytes) {
        Ok(header) => header,
        Err(broken) => {
            let at = text.start().saturating_add(u64::try_from(broken.at).unwrap_or(0));
            return out.malformed(Span::saturating_at(at.min(text.end()), 1).intersect(text), broken.rule);
        }
    };
    out.leaf(text, Role::Metadata, "npy header");
    for rule in &header.broken {
        out.malformed(text, rule);
    }
    let data = Span::new(text.end(), input.len());
    if header.objects {
        if data.is_empty() {
            return out.finding(Finding::new(code::TRUNCATED, data, "the array's pickle is missing").key("pickle"));
        }
        // numpy has always written protocol 2 or later: PROTO, its argument, at least a STOP.
        if data.len() < 3 {
            out.finding(Finding::new(code::TRUNCATED, data, "the array's pickle is cut").key("pickle"));
        }
        out.slice(data, "objects.pkl", false);
        return;
    }
    let Some(size) = header.shape.iter().try_fold(header.item_size, |n, d| n.checked_mul(*d)) else {
        // A dimension of 0 empties an array, whatever the others are.
        if header.shape.contains(&0) {
            return elements(&header, Span::new(data.start(), data.start()), out);
        }
        let message = "npy: the dimensions multiply to more than 2^64 bytes";
        out.finding(
            Finding::new(code::MALFORMED, text, message)
                .case("crash")
                .key("dimensions"),
        );
        return out.finding(Finding::new(code::TRUNCATED, data, "the array is larger than the file").key("elements"));
    };
    let Some(span) = Span::at(data.start(), size).filter(|s| s.end() <= data.end()) else {
        elements(&header, data, out);
        let fault = super::ReadFault::PastEnd {
            offset: data.start(),
            wanted: size,
            length: input.len(),
        };
        return out.fault(&fault, "elements");
    };
    elements(&header, span, out);
}

fn elements(header: &Header, span: Span, out: &mut Parse) {
    out.leaf(span, Role::Tensor, "elements");
    out.fact(Fact::Tensor {
        name: super::UNNAMED_ARRAY.into(),
        dtype: header.dtype.clone().into(),
        shape: header.shape.clone(),
        span,
    });
}

//! safetensors (the format's README, "Format"): a JSON header that names tensors, then their bytes.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 8 | `N`, little-endian: the header's length |
//! | 8 | `N` | JSON object, from `{` on, spaces at its end as alignment |
//! | 8 + `N` | .. | the tensors' bytes, each where its `data_offsets` say, without a hole between them |
//!
//! Every byte has a place: what no tensor accounts for stays unclaimed. The header's text is one leaf. Holes, overlaps
//! and trailing bytes are the ledger's to report, and are not reported here.

#[cfg(test)]
mod differential;
mod dtype;
mod header;
mod keys;
mod opinion;
#[cfg(test)]
mod tests;

use self::header::Header;
use super::{Format, Input, Parse};
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::span::Span;
use crate::walk::json::{JsonWalker, TokenKind};

/// A safetensors file.
pub(super) struct Safetensors;

/// The size of the header's length field, and the offset of the header.
const PREFIX: u64 = 8;
/// The longest header that the `safetensors` crate reads, in bytes.
const LONGEST_HEADER: u64 = 100_000_000;
/// Containers inside each other that are followed in the header; a sound header holds three.
const MAX_DEPTH: usize = 127;

impl Format for Safetensors {
    fn id(&self) -> &'static str {
        "safetensors"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let (prefix, text) = probe.head.split_first_chunk::<8>()?;
        let stated = u64::from_le_bytes(*prefix);
        let plausible = (2..=LONGEST_HEADER).contains(&stated);
        let fits = plausible && stated <= probe.length.saturating_sub(PREFIX);
        let header = text
            .get(..usize::try_from(stated).unwrap_or(usize::MAX))
            .unwrap_or(text);
        if fits && header.first() == Some(&b'{') && walks(header, stated) {
            return Some(Match::CERTAIN);
        }
        let opens = text.trim_ascii_start().starts_with(b"{\"");
        let is_text = prefix.iter().all(|b| b.is_ascii_graphic() || b.is_ascii_whitespace());
        let likely = opens && !is_text && (plausible || names_header_fields(text));
        likely.then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let prefix = match input.read(Span::new(0, PREFIX)) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault(&fault, "the header length"),
        };
        let stated = prefix.first_chunk::<8>().map_or(0, |b| u64::from_le_bytes(*b));
        out.leaf(Span::new(0, PREFIX), Role::Header, "header length");
        let there = input.len().saturating_sub(PREFIX);
        let sound = check_length(stated, there, out);
        let wanted = if stated <= there {
            stated
        } else {
            stated.min(LONGEST_HEADER)
        };
        let bytes = match input.read_up_to(PREFIX, wanted) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault(&fault, "the header"),
        };
        let data = (stated <= there).then(|| Span::new(PREFIX.saturating_add(stated), input.len()));
        let account = Header::new(&bytes, data, out).read();
        let text_end = PREFIX.saturating_add(account.text_end);
        let header_end = data.map_or(text_end, Span::start);
        out.leaf(Span::new(PREFIX, text_end), Role::Metadata, "header");
        if account.complete && text_end < header_end {
            out.padding(Span::new(text_end, header_end), Fill::AnyOf(b" "), "header padding");
        }
        if sound {
            opinion::compare(&bytes, &account, data, out);
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["safetensors"]
    }
}

/// Whether the header, or as much of it as `text` holds, is the beginning of one JSON object.
fn walks(text: &[u8], stated: u64) -> bool {
    let cut = u64::try_from(text.len()).unwrap_or(u64::MAX) < stated;
    let mut walker = JsonWalker::new(text, PREFIX, MAX_DEPTH);
    let opens = matches!(walker.next(), Some(Ok(token)) if token.kind == TokenKind::ObjectStart);
    let fault = walker.find_map(Result::err);
    opens && fault.is_none_or(|fault| cut && fault.is_truncation())
}

/// Whether the text names what only a safetensors header names.
fn names_header_fields(text: &[u8]) -> bool {
    [&b"\"dtype\""[..], b"\"data_offsets\"", b"\"__metadata__\""]
        .iter()
        .any(|field| memchr::memmem::find(text, field).is_some())
}

/// Says what is wrong with the header's length; whether the crate would read a header of this length.
fn check_length(stated: u64, there: u64, out: &mut Parse) -> bool {
    let field = Span::new(0, PREFIX);
    if stated > u64::MAX.wrapping_shr(1) {
        let rule = "safetensors: the header length overflows a signed 64-bit integer (README, Format)";
        out.finding(
            Finding::new(code::MALFORMED, field, rule)
                .case("crash")
                .key("header length overflow"),
        );
    } else if stated > LONGEST_HEADER {
        out.malformed(
            field,
            "safetensors: the header is longer than 100,000,000 bytes (README, Notes)",
        );
    }
    if stated > there {
        let message = format!("the header needs {stated} bytes at offset 0x8, {there} are there");
        let span = Span::new(PREFIX, PREFIX.saturating_add(there));
        out.finding(
            Finding::new(code::TRUNCATED, span, message)
                .evidence("stated", stated)
                .key("the header"),
        );
    }
    stated <= there && stated <= LONGEST_HEADER
}

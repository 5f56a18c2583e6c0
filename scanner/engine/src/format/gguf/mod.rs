//! GGUF, versions 1 to 3 (`docs/gguf.md` in the ggml repository; `gguf.cpp` where it says more).
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 4 | `GGUF` |
//! | 4 | 4 | version; its byte order is that of the whole file (big-endian since version 3) |
//! | 8 | 8 (4) | tensor count |
//! | 16 (12) | 8 (4) | metadata count |
//! | .. | .. | metadata: key (string), type (u32), value |
//! | .. | .. | tensor infos: name (string), dimensions (u32 count, 8 (4) each), type (u32), offset (u64) |
//! | .. | .. | zeros up to `general.alignment` (32 unless stated) |
//! | .. | .. | tensor data, each from an aligned offset on, zeros between them |
//!
//! In brackets: version 1. A string is a length of 8 (4) bytes and its bytes. Reads no tensor data, and gives metadata
//! no meaning but for the alignment and the chat templates, which become artifacts of their own.

mod metadata;
mod reader;
mod tensors;
#[cfg(test)]
mod tests;
mod types;

use self::reader::Reader;
use super::{Format, Input, Parse, ReadFault};
use crate::fact::Fact;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Gaps, Role};
use crate::name;
use crate::span::Span;

/// A GGUF file.
pub(super) struct Gguf;

/// The most bytes of a key or name that are kept.
const LONG_NAME: u64 = 4096;
/// Counts and lengths above this are negative to a reader that takes them as signed.
const LARGEST: u64 = u64::MAX.wrapping_shr(1);

impl Format for Gguf {
    fn id(&self) -> &'static str {
        "gguf"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let rest = probe.head.strip_prefix(b"GGUF")?;
        let known = rest
            .first_chunk::<4>()
            .is_some_and(|v| matches!(version(*v), (1..=3, _)));
        Some(if known { Match::CERTAIN } else { Match::LIKELY })
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let start = match input.read(Span::new(0, 8)) {
            Ok(bytes) => bytes,
            Err(fault) => return out.fault(&fault, "the header"),
        };
        let raw = start
            .get(4..)
            .and_then(|v| v.first_chunk::<4>())
            .copied()
            .unwrap_or_default();
        let (version, big) = version(raw);
        let field = Span::new(4, 8);
        if !(1..=3).contains(&version) {
            out.leaf(Span::new(0, 8), Role::Header, "header");
            if version == 0 {
                out.malformed(field, "gguf: the version is 0 (gguf.md, File Structure)");
            }
            let message = format!("GGUF version {version} is not read");
            return out.error(ScanError::new(ErrorCode::Unsupported, message).at(4));
        }
        if big && version < 3 {
            let rule = "gguf: a big-endian file of a version before 3 (gguf.md, Version History)";
            out.finding(Finding::new(code::MALFORMED, field, rule).case("lenient").key(rule));
        }
        let mut reader = Reader::new(input, 8, big, version > 1);
        if let Err(fault) = body(&mut reader, out) {
            out.fault(&fault, "the structure");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["gguf"]
    }
}

/// The version and whether the file is big-endian: read in the wrong order a version has an empty lower half.
fn version(raw: [u8; 4]) -> (u32, bool) {
    let little = u32::from_le_bytes(raw);
    if little != 0 && little & 0xffff == 0 {
        (u32::from_be_bytes(raw), true)
    } else {
        (little, false)
    }
}

fn body(reader: &mut Reader<'_, '_>, out: &mut Parse) -> Result<(), ReadFault> {
    let place = reader.position();
    let tensor_count = reader.word()?;
    let kv_count = reader.word()?;
    out.leaf(Span::new(0, reader.position()), Role::Header, "header");
    let field = Span::new(place, reader.position());
    let word = reader.word_size();
    count(reader, field, "metadata", kv_count, word.saturating_add(5), out);
    let Some(alignment) = metadata::read(reader, kv_count, out)? else {
        return Ok(());
    };
    count(reader, field, "tensor", tensor_count, word.saturating_add(16), out);
    tensors::read(reader, tensor_count, alignment, out)
}

/// Checks a count against the bytes that could hold so many entries of at least `smallest` bytes.
fn count(reader: &Reader<'_, '_>, field: Span, what: &str, count: u64, smallest: u64, out: &mut Parse) {
    // A reader allocates some hundred bytes for each entry before it has read one.
    const ENTRY: u64 = 512;
    let left = reader.remaining();
    match count.checked_mul(smallest) {
        Some(needed) if needed <= left => return,
        _ => {}
    }
    if count > LARGEST.wrapping_div(ENTRY) {
        let cve = if what == "tensor" {
            "CVE-2024-21836"
        } else {
            "CVE-2024-23605"
        };
        let rule = format!("gguf: the {what} count overflows the size of a reader's table ({cve}, gguf.cpp)");
        out.finding(Finding::new(code::MALFORMED, field, &*rule).case("crash").key(rule));
    }
    let message = format!("{count} {what} entries need at least {smallest} bytes each, {left} bytes are left");
    out.finding(
        Finding::new(code::TRUNCATED, field, message)
            .evidence("count", count)
            .key(format!("{what} count")),
    );
}

/// Says that a string's or an array's length overflows, when it does; the fault of the read says the rest.
fn length_overflow(length: u64, start: u64, what: &str, out: &mut Parse) {
    if length > LARGEST {
        let rule = format!("gguf: the length of {what} overflows (CVE-2024-23496, gguf.cpp)");
        let finding = Finding::new(code::MALFORMED, Span::saturating_at(start, 8), &*rule);
        out.finding(finding.case("crash").evidence("length", length).key(rule));
    }
}

/// Emits a fact for a key or name that is not plain text.
fn name_fact(what: &'static str, raw: &[u8], span: Span, out: &mut Parse) {
    let plain = span.len() <= LONG_NAME
        && (raw.iter().all(u8::is_ascii_graphic)
            || std::str::from_utf8(raw).is_ok_and(|s| !s.chars().any(name::hidden)));
    if !plain {
        out.fact(Fact::Name {
            what,
            raw: raw.into(),
            length: span.len(),
            span,
        });
    }
}

/// The names of one table, to find those that stand twice.
#[derive(Default)]
struct Names(std::collections::HashMap<Box<[u8]>, Span>);

impl Names {
    /// Adds a name and reports it when it stood before.
    fn add(&mut self, what: &str, raw: &[u8], span: Span, out: &mut Parse) {
        let Some(first) = self.0.insert(raw.into(), span) else {
            return;
        };
        let shown = name::printable(raw);
        let message = format!("{what} {shown} stands twice, and readers differ in which one counts");
        let finding = Finding::new(code::DUPLICATE_KEY, span, message);
        out.finding(
            finding
                .evidence("first", first.start())
                .evidence("again", span.start())
                .related("first", first)
                .key(shown),
        );
    }
}

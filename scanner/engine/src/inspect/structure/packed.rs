//! Programs whose code is compressed: a stub unpacks it, and what it does cannot be read in the file.
//!
//! Entropy alone tells nothing (tables of primes, embedded pictures), and neither does memory that is writable and
//! executable. Both together, where execution starts, are a packer. UPX says its name.

use crate::fact::Fact;
use crate::finding::{Finding, Findings, code};
use crate::inspect::{Closing, Inspector};
use crate::sink::HistogramSink;
use crate::span::Span;

/// `packed`.
pub(in crate::inspect) struct Packed;

/// Bits a byte: machine code stays below 6.8, compressed data above 7.6.
const DENSE: f64 = 7.2;
/// Bytes that are looked at.
const SAMPLE: u64 = 64 << 10;
/// Fewer say nothing.
const LEAST: u64 = 4 << 10;

impl Inspector for Packed {
    fn inspect(&self, artifact: &Closing<'_>, out: &mut Findings) {
        if !matches!(artifact.format, "elf" | "pe" | "macho") {
            return;
        }
        if let Some(at) = upx(artifact) {
            let message = "the program is packed by UPX: its code and data are compressed";
            let finding = Finding::new(code::PACKED, Span::saturating_at(at, 4), message);
            out.push(finding.case("upx").key("upx"));
            return;
        }
        let entry = artifact.facts.iter().rev().find_map(|fact| match fact {
            Fact::EntryPoint { offset, .. } => *offset,
            _ => None,
        });
        let Some(entry) = entry else { return };
        for fact in artifact.facts {
            if let Fact::Segment {
                name,
                span,
                write: true,
                execute: true,
                ..
            } = fact
                && span.contains(entry)
                && span.len() >= LEAST
                && let Some(bits) = entropy(artifact, *span).filter(|bits| *bits >= DENSE)
            {
                let message =
                    format!("execution starts in {name}, which is writable and holds compressed or encrypted bytes");
                let finding = Finding::new(code::PACKED, *span, message).case("structure");
                let finding = finding.evidence("bits_a_byte", crate::finding::Value::Real(bits));
                out.push(finding.region(name.to_string()).key("structure"));
                return;
            }
        }
    }
}

/// Where UPX left its name: behind the program headers of an ELF file, and in the names of sections and segments, which
/// stay where somebody took the mark out.
fn upx(artifact: &Closing<'_>) -> Option<u64> {
    const NAME: &[u8] = b"UPX!";
    let head = artifact.bytes(0, 4096);
    let mark = memchr::memmem::find(&head, NAME);
    let segments = || {
        artifact.facts.iter().filter_map(|fact| match fact {
            Fact::Segment { name, execute, .. } => Some((&**name, *execute)),
            _ => None,
        })
    };
    let sure = match artifact.format {
        // The stub is linked without sections.
        "elf" => mark.is_some_and(|at| at < 0x400) && !artifact.ledger.leaves().any(|r| &*r.name == "section headers"),
        "pe" => segments().any(|(name, _)| name.starts_with("UPX")),
        _ => segments().any(|(name, _)| name == "__XHDR" || name == "upxTEXT"),
    };
    sure.then(|| mark.and_then(|at| u64::try_from(at).ok()).unwrap_or(0))
}

/// The lowest entropy of the start and the middle: a table at one end says nothing.
fn entropy(artifact: &Closing<'_>, span: Span) -> Option<f64> {
    let middle = span.start().saturating_add(span.len() / 2);
    let of = |at: u64| {
        let bytes = artifact.bytes(at, SAMPLE.min(span.end().saturating_sub(at)));
        let mut sink = HistogramSink::default();
        sink.feed(&bytes);
        (bytes.len() >= 2048).then(|| sink.finish())
    };
    Some(of(span.start())?.min(of(middle)?))
}

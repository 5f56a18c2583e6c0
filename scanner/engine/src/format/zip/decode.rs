//! Inflating one member, and holding what comes out against what its headers say.
//!
//! The deflate stream is claimed as far as it goes. Compressed bytes after its end are nobody's and stay unclaimed.

use super::fields::{index, wide};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Decoder, Parse};
use crate::ledger::{Region, Role};
use crate::policy::shown;
use crate::span::Span;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read, Write};

/// Bytes read, and written, at a time.
const BUFFER: u64 = 256 << 10;

/// A deflated member.
pub(super) struct Inflate {
    /// The raw name.
    pub(super) name: Box<[u8]>,
    /// The compressed bytes that are there.
    pub(super) span: Span,
    /// The compressed bytes that should be there.
    pub(super) compressed: u64,
    /// The uncompressed size stated.
    pub(super) size: u64,
    /// The CRC-32 stated.
    pub(super) crc: u32,
    /// Whether the bytes may well be encrypted: then only a stream that decodes says anything.
    pub(super) tolerant: bool,
    /// Whether other members share the bytes.
    pub(super) shared: bool,
}

enum Outcome {
    Ended,
    Cut,
    Invalid,
    Io(io::Error),
}

impl Decoder for Inflate {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, parent: &mut Parse) -> io::Result<u64> {
        let mut state = Decompress::new(false);
        let mut crc = crc32fast::Hasher::new();
        let outcome = run(&mut state, &mut crc, self.span.len(), self.size, input, output);
        let ended = matches!(outcome, Outcome::Ended);
        let used = if ended { state.total_in() } else { self.span.len() };
        let span = Span::saturating_at(self.span.start(), used).intersect(self.span);
        let name = shown(&self.name);
        parent.region(Region {
            span,
            role: Role::Payload,
            name: name.as_str().into(),
            parent: None,
            leaf: true,
            fill: None,
            shares: self.shared.then_some("entries"),
        });
        if ended || !self.tolerant {
            self.judge(&outcome, &state, crc.finalize(), &name, parent);
        }
        match outcome {
            Outcome::Io(error) => Err(error),
            _ => Ok(used),
        }
    }
}

impl Inflate {
    fn judge(&self, outcome: &Outcome, state: &Decompress, crc: u32, name: &str, parent: &mut Parse) {
        let (used, made) = (state.total_in(), state.total_out());
        let offset = self.span.start().saturating_add(used);
        match outcome {
            Outcome::Ended => {
                if crc != self.crc {
                    let message = format!("{name} decodes to CRC-32 {crc:08x}, its headers say {:08x}", self.crc);
                    self.mismatch("crc", self.span, message, name, parent);
                }
                if used < self.compressed {
                    let rest = Span::new(offset, self.span.end());
                    let message = format!(
                        "the deflate stream of {name} ends {} bytes before its place does",
                        rest.len()
                    );
                    self.mismatch("size", rest, message, name, parent);
                }
            }
            Outcome::Cut if self.span.len() < self.compressed => {
                let message = format!(
                    "{name} needs {} compressed bytes, {} are there",
                    self.compressed,
                    self.span.len()
                );
                parent.finding(Finding::new(code::TRUNCATED, self.span, message).key(name));
                unexamined(offset, name, parent);
            }
            Outcome::Cut => {
                let message = format!("the deflate stream of {name} does not end within its {used} bytes");
                self.mismatch("size", self.span, message, name, parent);
                unexamined(offset, name, parent);
            }
            Outcome::Invalid => {
                let at = Span::saturating_at(offset, 1).intersect(self.span);
                parent.malformed(at, "zip: invalid deflate stream (RFC 1951)");
                unexamined(offset, name, parent);
            }
            Outcome::Io(_) => {}
        }
        if made > self.size || (made != self.size && matches!(outcome, Outcome::Ended)) {
            let more = if matches!(outcome, Outcome::Ended) {
                ""
            } else {
                " and more"
            };
            let message = format!("{name} decodes to {made} bytes{more}, its headers say {}", self.size);
            self.mismatch("size", self.span, message, name, parent);
        }
    }

    fn mismatch(&self, case: &'static str, span: Span, message: String, name: &str, parent: &mut Parse) {
        let key = format!("{name} {case}");
        parent.finding(
            Finding::new(code::HEADER_MISMATCH, span, message)
                .case(case)
                .key(key)
                .evidence("name", name),
        );
    }
}

fn unexamined(offset: u64, name: &str, parent: &mut Parse) {
    let message = format!("{name} could not be decoded to its end");
    parent.error(ScanError::new(ErrorCode::Unreadable, message).at(offset));
}

fn run(
    state: &mut Decompress,
    crc: &mut crc32fast::Hasher,
    encoded: u64,
    size: u64,
    input: &mut dyn Read,
    output: &mut dyn Write,
) -> Outcome {
    let mut from = vec![0u8; index(encoded.clamp(1, BUFFER))];
    let mut to = vec![0u8; index(size.saturating_add(1).clamp(512, BUFFER))];
    let (mut start, mut end, mut over) = (0usize, 0usize, false);
    loop {
        if start == end && !over {
            match input.read(&mut from) {
                Ok(n) => (start, end, over) = (0, n, n == 0),
                Err(error) => return Outcome::Io(error),
            }
        }
        let available = from.get(start..end).unwrap_or_default();
        let (before_in, before_out) = (state.total_in(), state.total_out());
        let Ok(status) = state.decompress(available, &mut to, FlushDecompress::None) else {
            return Outcome::Invalid;
        };
        let used = index(state.total_in().saturating_sub(before_in));
        let made = index(state.total_out().saturating_sub(before_out));
        start = start.saturating_add(used);
        let bytes = to.get(..made).unwrap_or_default();
        crc.update(bytes);
        if let Err(error) = output.write_all(bytes) {
            return Outcome::Io(error);
        }
        match status {
            Status::StreamEnd => return Outcome::Ended,
            _ if used == 0 && made == 0 && over => return Outcome::Cut,
            _ => {}
        }
    }
}

/// What a small deflated member holds, cut at `most` bytes; `None` when it does not decode.
pub(super) fn small(bytes: &[u8], most: u64) -> Option<Vec<u8>> {
    let mut output = Vec::new();
    let mut state = Decompress::new(false);
    let mut crc = crc32fast::Hasher::new();
    let outcome = run(
        &mut state,
        &mut crc,
        wide(bytes.len()),
        most,
        &mut &*bytes,
        &mut Capped {
            output: &mut output,
            most,
        },
    );
    matches!(outcome, Outcome::Ended).then_some(output)
}

struct Capped<'v> {
    output: &'v mut Vec<u8>,
    most: u64,
}

impl Write for Capped<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if wide(self.output.len()).saturating_add(wide(bytes.len())) > self.most {
            return Err(io::Error::other("longer than it may be"));
        }
        self.output.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

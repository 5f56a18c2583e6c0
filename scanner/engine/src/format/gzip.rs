//! gzip (RFC 1952): any number of members, each claimed field by field, decoded as one stream.
//!
//! | offset | size | field |
//! | --- | --- | --- |
//! | 0 | 2 | `ID1 ID2` = 1f 8b |
//! | 2 | 1 | `CM` = 8 |
//! | 3 | 1 | `FLG`: 1 text, 2 header CRC, 4 extra, 8 name, 16 comment |
//! | 4 | 6 | `MTIME XFL OS` |
//! | .. | .. | extra (u16 length), name and comment (zero-terminated), header CRC (u16) as flagged |
//! | .. | .. | deflate stream |
//! | -8 | 8 | `CRC32 ISIZE` of the decoded bytes |
//!
//! Members end where their deflate stream ends, which only decoding tells: the decoder claims the parent's regions.

use super::compressed::Claims;
use super::{Decoder, Format, Input, Parse};
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Gaps, Role};
use crate::span::Span;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read, Write};

/// A gzip file.
pub(super) struct Gzip;

impl Format for Gzip {
    fn id(&self) -> &'static str {
        "gzip"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        match probe.head {
            [0x1f, 0x8b, 8, flags, ..] if flags & 0xe0 == 0 => Some(Match::CERTAIN),
            _ => None,
        }
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        out.gaps(Gaps::Never);
        let name = match input.read_up_to(0, 4096) {
            Ok(head) => stored_name(&head),
            Err(fault) => return out.fault(&fault, "gzip header"),
        };
        let codec = Box::new(Members::new(input.len()));
        out.decoded(input.whole(), name.unwrap_or_else(|| b"content".to_vec()), codec, true);
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["gz", "tgz", "gzip", "joblib", "pkl", "svgz", "npy", "z"]
    }
}

/// The last component of `FNAME`, when the first member has one.
fn stored_name(head: &[u8]) -> Option<Vec<u8>> {
    let flags = *head.get(3)?;
    let mut at = 10usize;
    if flags & 4 != 0 {
        let length = u16::from_le_bytes(head.get(at..at.checked_add(2)?)?.try_into().ok()?);
        at = at.checked_add(2)?.checked_add(usize::from(length))?;
    }
    if flags & 8 == 0 {
        return None;
    }
    let rest = head.get(at..)?;
    let name = rest.get(..memchr::memchr(0, rest)?)?;
    let last = name.rsplit(|b| matches!(*b, b'/' | b'\\')).next()?;
    (!last.is_empty()).then(|| last.to_vec())
}

/// Reads through the members, claiming as it goes.
struct Members {
    length: u64,
    position: u64,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    ended: bool,
    claims: Claims,
    state: Decompress,
    decoded: Vec<u8>,
}

/// Why a member could not be read to its end.
enum Stop {
    Io(io::Error),
    Truncated,
    Malformed(&'static str),
}

impl From<io::Error> for Stop {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Decoder for Members {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, parent: &mut Parse) -> io::Result<u64> {
        let mut number = 0u64;
        loop {
            let start = self.position;
            number = number.saturating_add(1);
            // Members that decode to nothing write nothing: the limits are asked here.
            let _nothing = output.write(&[])?;
            match self.member(input, output, parent, number) {
                Ok(()) => {}
                Err(Stop::Io(error)) => {
                    self.claim_rest(start, parent);
                    return Err(error);
                }
                Err(Stop::Truncated) => {
                    let span = Span::new(start, self.length);
                    let message = format!("member {number} ends before its deflate stream and trailer do");
                    parent.finding(Finding::new(code::TRUNCATED, span, message).key("member"));
                    parent.error(
                        ScanError::new(ErrorCode::Unreadable, "the content could not be decoded to its end").at(start),
                    );
                    self.claim_rest(start, parent);
                    return Ok(self.length);
                }
                Err(Stop::Malformed(rule)) => {
                    parent.malformed(Span::new(self.position, self.position.saturating_add(1)), rule);
                    parent.error(
                        ScanError::new(ErrorCode::Unreadable, "the content could not be decoded to its end")
                            .at(self.position),
                    );
                    self.claim_rest(start, parent);
                    return Ok(self.length);
                }
            }
            if !self.next_member(input, parent)? {
                return Ok(self.position);
            }
        }
    }
}

impl Members {
    const BUFFER: usize = 256 << 10;

    fn new(length: u64) -> Self {
        Self {
            length,
            position: 0,
            buffer: vec![0; Self::BUFFER],
            start: 0,
            end: 0,
            ended: false,
            claims: Claims::default(),
            state: Decompress::new(false),
            decoded: vec![0; Self::BUFFER],
        }
    }

    fn member(
        &mut self,
        input: &mut dyn Read,
        output: &mut dyn Write,
        parent: &mut Parse,
        number: u64,
    ) -> Result<(), Stop> {
        let start = self.position;
        let mut header = [0u8; 10];
        for byte in &mut header {
            *byte = self.byte(input)?;
        }
        let [_, _, method, flags, ..] = header;
        if method != 8 {
            return Err(Stop::Malformed(
                "gzip: compression method is not deflate (RFC 1952 2.3.1)",
            ));
        }
        if flags & 0xe0 != 0 {
            return Err(Stop::Malformed("gzip: reserved flag bits are set (RFC 1952 2.3.1.2)"));
        }
        self.claims
            .leaf(parent, Span::new(start, self.position), Role::Header, || {
                format!("member {number} header")
            });
        if flags & 4 != 0 {
            let from = self.position;
            let length = u16::from_le_bytes([self.byte(input)?, self.byte(input)?]);
            for _ in 0..length {
                self.byte(input)?;
            }
            self.claims
                .leaf(parent, Span::new(from, self.position), Role::Metadata, || {
                    format!("member {number} extra field")
                });
        }
        for (flag, what) in [(8, "name"), (16, "comment")] {
            if flags & flag != 0 {
                let from = self.position;
                while self.byte(input)? != 0 {}
                self.claims
                    .leaf(parent, Span::new(from, self.position), Role::Metadata, || {
                        format!("member {number} {what}")
                    });
            }
        }
        if flags & 2 != 0 {
            let from = self.position;
            self.byte(input)?;
            self.byte(input)?;
            self.claims
                .leaf(parent, Span::new(from, self.position), Role::Trailer, || {
                    format!("member {number} header CRC")
                });
        }
        let from = self.position;
        let (crc, length) = self.inflate(input, output)?;
        self.claims
            .leaf(parent, Span::new(from, self.position), Role::Payload, || {
                format!("member {number} deflate stream")
            });
        let from = self.position;
        let mut trailer = [0u8; 8];
        for byte in &mut trailer {
            *byte = self.byte(input)?;
        }
        let span = Span::new(from, self.position);
        self.claims
            .leaf(parent, span, Role::Trailer, || format!("member {number} trailer"));
        let [a, b, c, d, e, f, g, h] = trailer;
        let (stated_crc, stated_length) = (u32::from_le_bytes([a, b, c, d]), u32::from_le_bytes([e, f, g, h]));
        if stated_crc != crc {
            let message = format!("member {number} decodes to CRC-32 {crc:08x}, its trailer says {stated_crc:08x}");
            parent.finding(
                Finding::new(code::HEADER_MISMATCH, span, message)
                    .case("crc")
                    .key("crc"),
            );
        }
        if u64::from(stated_length) != length & 0xffff_ffff {
            let message = format!("member {number} decodes to {length} bytes, its trailer says {stated_length}");
            parent.finding(
                Finding::new(code::HEADER_MISMATCH, span, message)
                    .case("size")
                    .key("size"),
            );
        }
        Ok(())
    }

    fn inflate(&mut self, input: &mut dyn Read, output: &mut dyn Write) -> Result<(u32, u64), Stop> {
        self.state.reset(false);
        let mut crc = crc32fast::Hasher::new();
        loop {
            if self.start == self.end && !self.ended {
                self.fill(input)?;
            }
            let available = self.buffer.get(self.start..self.end).unwrap_or_default();
            let (before_in, before_out) = (self.state.total_in(), self.state.total_out());
            let status = self
                .state
                .decompress(available, &mut self.decoded, FlushDecompress::None)
                .map_err(|_| Stop::Malformed("gzip: invalid deflate stream (RFC 1951)"))?;
            let used = self.state.total_in().saturating_sub(before_in);
            let made = usize::try_from(self.state.total_out().saturating_sub(before_out)).unwrap_or(0);
            self.start = self.start.saturating_add(usize::try_from(used).unwrap_or(0));
            self.position = self.position.saturating_add(used);
            let made_bytes = self.decoded.get(..made).unwrap_or_default();
            crc.update(made_bytes);
            output.write_all(made_bytes)?;
            match status {
                Status::StreamEnd => return Ok((crc.finalize(), self.state.total_out())),
                _ if used == 0 && made == 0 && self.ended => return Err(Stop::Truncated),
                _ => {}
            }
        }
    }

    /// Whether another member follows. Zero fill to the end (tape blocks) is claimed as padding; anything else stays
    /// unclaimed.
    fn next_member(&mut self, input: &mut dyn Read, parent: &mut Parse) -> io::Result<bool> {
        while self.end.saturating_sub(self.start) < 2 && !self.ended {
            self.fill(input)?;
        }
        match self.buffer.get(self.start..self.end).unwrap_or_default() {
            [0x1f, 0x8b, ..] => Ok(true),
            [0, ..] => {
                let from = self.position;
                loop {
                    let rest = self.buffer.get(self.start..self.end).unwrap_or_default();
                    let zeros = rest.iter().take_while(|b| **b == 0).count();
                    let stopped = zeros < rest.len();
                    self.start = self.start.saturating_add(zeros);
                    self.position = self.position.saturating_add(u64::try_from(zeros).unwrap_or(0));
                    if stopped || (self.ended && self.start == self.end) {
                        break;
                    }
                    self.fill(input)?;
                }
                parent.padding(Span::new(from, self.position), Fill::Zero, "zero fill");
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    fn byte(&mut self, input: &mut dyn Read) -> Result<u8, Stop> {
        if self.start == self.end && !self.ended {
            self.fill(input)?;
        }
        let byte = *self
            .buffer
            .get(self.start..self.end)
            .and_then(<[u8]>::first)
            .ok_or(Stop::Truncated)?;
        self.start = self.start.saturating_add(1);
        self.position = self.position.saturating_add(1);
        Ok(byte)
    }

    fn fill(&mut self, input: &mut dyn Read) -> io::Result<()> {
        self.buffer.copy_within(self.start..self.end, 0);
        self.end = self.end.saturating_sub(self.start);
        self.start = 0;
        let free = self.buffer.get_mut(self.end..).unwrap_or_default();
        let n = input.read(free)?;
        self.ended |= n == 0;
        self.end = self.end.saturating_add(n);
        Ok(())
    }

    /// After an error the encoding cannot be followed: from `start` on everything is its damaged payload.
    fn claim_rest(&self, start: u64, parent: &mut Parse) {
        let from = parent
            .view()
            .leaves()
            .map(|r| r.span.end())
            .max()
            .unwrap_or(start)
            .max(start);
        parent.leaf(
            Span::new(from, self.length),
            Role::Payload,
            "deflate stream, not decoded to its end",
        );
    }
}

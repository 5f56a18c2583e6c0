//! Members that are deflated one by one, each in its own place.

use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Decoder, Parse};
use crate::ledger::Role;
use crate::name::printable;
use crate::span::Span;
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read, Write};

/// Bytes read, and written, at a time.
const BUFFER: usize = 64 << 10;

/// How a member is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Frame {
    /// RFC 1950.
    Zlib,
    /// RFC 1951 alone.
    Raw,
}

/// A deflated member. What its stream does not use of its place stays unclaimed.
pub(super) struct Inflate {
    pub(super) name: Vec<u8>,
    pub(super) span: Span,
    pub(super) frame: Frame,
    /// The size it decodes to, when the bundle says one.
    pub(super) size: Option<u64>,
}

impl Decoder for Inflate {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, parent: &mut Parse) -> io::Result<u64> {
        let name = printable(&self.name);
        let mut state = Decompress::new(self.frame == Frame::Zlib);
        let outcome = self.run(&mut state, input, output);
        let ended = matches!(outcome, Ok(true));
        let used = if ended { state.total_in() } else { self.span.len() };
        let span = Span::saturating_at(self.span.start(), used).intersect(self.span);
        parent.leaf(span, Role::Payload, name.as_str());
        let at = Span::saturating_at(self.span.start().saturating_add(state.total_in()), 1).intersect(self.span);
        let unexamined = |parent: &mut Parse| {
            let message = format!("{name} could not be decoded to its end");
            parent.error(ScanError::new(ErrorCode::Unreadable, message).at(at.start()));
        };
        match outcome {
            Ok(true) => self.sizes(&state, &name, parent),
            Ok(false) => {
                let message = format!("the stream of {name} does not end within its {} bytes", self.span.len());
                parent.finding(Finding::new(code::TRUNCATED, self.span, message).key(name.as_str()));
                unexamined(parent);
            }
            Err(Fault::Invalid) => {
                parent.malformed(at, "bundle: a member is no deflate stream (RFC 1950, RFC 1951)");
                unexamined(parent);
            }
            Err(Fault::Io(error)) => return Err(error),
        }
        Ok(used)
    }
}

enum Fault {
    Invalid,
    Io(io::Error),
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl Inflate {
    /// Whether the stream came to its end.
    fn run(&self, state: &mut Decompress, input: &mut dyn Read, output: &mut dyn Write) -> Result<bool, Fault> {
        let (mut buffer, mut decoded) = (vec![0u8; BUFFER], vec![0u8; BUFFER]);
        let (mut from, mut to) = (0usize, 0usize);
        let mut over = false;
        loop {
            if from == to && !over {
                let n = input.read(&mut buffer)?;
                (from, to) = (0, n);
                over = n == 0;
            }
            let part = buffer.get(from..to).unwrap_or_default();
            let (before_in, before_out) = (state.total_in(), state.total_out());
            let status = state
                .decompress(part, &mut decoded, FlushDecompress::None)
                .map_err(|_| Fault::Invalid)?;
            let used = usize::try_from(state.total_in().saturating_sub(before_in)).unwrap_or(0);
            let made = usize::try_from(state.total_out().saturating_sub(before_out)).unwrap_or(0);
            from = from.saturating_add(used);
            output.write_all(decoded.get(..made).unwrap_or_default())?;
            match status {
                Status::StreamEnd => return Ok(true),
                _ if over && used == 0 && made == 0 => return Ok(false),
                _ => {}
            }
        }
    }

    fn sizes(&self, state: &Decompress, name: &str, parent: &mut Parse) {
        let (used, made) = (state.total_in(), state.total_out());
        let mut mismatch = |message: String| {
            let finding = Finding::new(code::HEADER_MISMATCH, self.span, message).case("size");
            parent.finding(finding.evidence("name", name).key(format!("{name} size")));
        };
        if used < self.span.len() {
            let rest = self.span.len().saturating_sub(used);
            mismatch(format!("the stream of {name} ends {rest} bytes before its place does"));
        }
        if let Some(size) = self.size.filter(|size| *size != made) {
            mismatch(format!("{name} decodes to {made} bytes, its table says {size}"));
        }
    }
}

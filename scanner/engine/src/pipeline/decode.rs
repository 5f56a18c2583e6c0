//! Decoding a child: the codec writes into a spool, the quota watches.

use super::Context;
use crate::finding::{ErrorCode, Finding, ScanError, code};
use crate::format::{Codec, Parse};
use crate::source::{DecodeStop, Quota, ReadAt, Spool, read_full_at};
use crate::span::Span;
use std::cell::Cell;
use std::io::{self, Read, Write};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

/// Decodes `span` of the parent (whose bytes are `window` of `source`). What was decoded before an error is kept and
/// examined; `None` only when there is no place to keep it.
pub(super) fn decode(
    ctx: &Context<'_>,
    quota: &mut Quota,
    source: &Arc<dyn ReadAt>,
    window: Span,
    span: Span,
    mut codec: Codec,
    parse: &mut Parse,
) -> Option<Arc<dyn ReadAt>> {
    let place = span.shifted(window.start()).intersect(window);
    let consumed = Cell::new(0u64);
    let mut input = SpanReader {
        source: source.as_ref(),
        at: place.start(),
        end: place.end(),
        consumed: &consumed,
    };
    let mut output = Bounded {
        spool: Spool::new(&ctx.memory, &ctx.options.scratch),
        quota,
        consumed: &consumed,
        stop: None,
    };
    let outcome = catch_unwind(AssertUnwindSafe(|| codec.decode(&mut input, &mut output, parse)));
    ctx.count_read(consumed.get());
    let Bounded { spool, stop, .. } = output;
    match (stop, outcome) {
        (Some(stop), _) => stopped(stop, quota, span, consumed.get(), spool.len(), parse),
        (None, Ok(Ok(_))) => {}
        (None, Ok(Err(error))) => {
            parse.error(ScanError::new(ErrorCode::Unreadable, format!("cannot decode: {error}")).at(span.start()));
        }
        (None, Err(_)) => {
            parse.error(ScanError::new(ErrorCode::Internal, "the decoder failed").at(span.start()));
        }
    }
    match spool.finish() {
        Ok(bytes) => Some(bytes),
        Err(error) => {
            parse.error(
                ScanError::new(ErrorCode::Unreadable, format!("scratch storage failed: {error}")).at(span.start()),
            );
            None
        }
    }
}

fn stopped(stop: DecodeStop, quota: &Quota, span: Span, input: u64, output: u64, parse: &mut Parse) {
    let limits = quota.limits();
    let error = match stop {
        DecodeStop::Ratio => bomb(span, (input, output), "", limits.max_ratio, parse),
        DecodeStop::TotalRatio => {
            let all = (quota.root_length(), quota.decoded());
            bomb(span, all, "in all, ", limits.max_ratio, parse)
        }
        DecodeStop::Decoded => {
            let message = format!("more than --max-decoded {} bytes in this artifact", limits.max_decoded);
            ScanError::new(ErrorCode::LimitExceeded, message)
        }
        DecodeStop::Timeout => quota.timeout_error(),
    };
    parse.error(error.at(span.start()));
}

fn bomb(span: Span, (input, output): (u64, u64), whole: &str, ratio: u64, parse: &mut Parse) -> ScanError {
    let message = format!("{whole}{input} bytes gave {output} bytes and more, over --max-ratio {ratio}");
    let finding = Finding::new(code::ARCHIVE_BOMB, span, message.clone())
        .case("ratio")
        .evidence("encoded", input)
        .evidence("decoded", output)
        .key("ratio");
    parse.finding(finding);
    ScanError::new(ErrorCode::LimitExceeded, message)
}

struct SpanReader<'a> {
    source: &'a dyn ReadAt,
    at: u64,
    end: u64,
    consumed: &'a Cell<u64>,
}

impl Read for SpanReader<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end.saturating_sub(self.at)).unwrap_or(usize::MAX);
        let wanted = left.min(buffer.len());
        let Some(to) = buffer.get_mut(..wanted).filter(|b| !b.is_empty()) else {
            return Ok(0);
        };
        let n = read_full_at(self.source, to, self.at)?;
        if n == 0 {
            return Err(io::Error::new(
                io::ErrorKind::UnexpectedEof,
                "the file became shorter while it was read",
            ));
        }
        self.at = self.at.saturating_add(n as u64);
        self.consumed.set(self.consumed.get().saturating_add(n as u64));
        Ok(n)
    }
}

struct Bounded<'a, 'c> {
    spool: Spool,
    quota: &'a mut Quota,
    consumed: &'c Cell<u64>,
    stop: Option<DecodeStop>,
}

impl Write for Bounded<'_, '_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let output = self.spool.len().saturating_add(bytes.len() as u64);
        if let Err(stop) = self.quota.decode(bytes.len() as u64, self.consumed.get(), output) {
            self.stop = Some(stop);
            return Err(io::Error::other("a limit was reached"));
        }
        self.spool.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

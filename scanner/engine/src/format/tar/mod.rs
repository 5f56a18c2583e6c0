//! tar: v7, POSIX ustar, pax (POSIX.1-2001 and later, `pax` utility) and the GNU extensions.
//!
//! A stream of members, each a [`header`] of 512 bytes, its data, and zero fill to the next block; two zero blocks end
//! it, zero fill to the writer's record size follows. Only headers and extension data are read: the data of members is
//! skipped, whatever its length. Where readers are known to go different ways (a size that one of them ignores, a
//! lone zero block), the bytes decide which reading is followed, and the difference is a finding.
//!
//! Not done: several volumes of one archive are not joined, and the attributes in pax and Solaris records (ACLs,
//! xattrs, times) are claimed but not read.

mod header;
mod member;
mod pax;
mod sparse;
#[cfg(test)]
#[expect(
    clippy::arithmetic_side_effects,
    clippy::as_conversions,
    clippy::panic,
    reason = "tests may stop at once, and their sizes are small"
)]
mod tests;

use self::header::{BLOCK, Header};
use self::member::Pending;
use super::{Format, Input, Parse, ReadFault};
use crate::finding::{Finding, code};
use crate::identify::{Match, Probe};
use crate::ledger::{Fill, Role};
use crate::span::Span;
use std::borrow::Cow;

/// A tar archive.
pub(super) struct Tar;

impl Format for Tar {
    fn id(&self) -> &'static str {
        "tar"
    }

    fn identify(&self, probe: &Probe<'_>) -> Option<Match> {
        let header = Header::new(probe.head)?;
        if header.is_plausible() {
            return Some(Match::CERTAIN);
        }
        // A damaged first header is still better read as what it was than as nothing.
        let damaged = header.has_magic() && !header.name().is_empty() && header.size().is_ok();
        damaged.then_some(Match::LIKELY)
    }

    fn parse(&self, input: &Input<'_>, out: &mut Parse) {
        let mut walk = Walk::new(input, out);
        if let Err(fault) = walk.members() {
            walk.out.fault(&fault, "the archive");
        }
    }

    fn extensions(&self) -> &'static [&'static str] {
        &["tar", "gem", "ova", "crate", "pt", "pth", "bin", "ckpt", "nemo"]
    }
}

/// Bytes searched for the next header behind a damaged one.
const RECOVERY: u64 = 16 << 20;
/// Bytes of zero fill read behind the end marker: far more than any tape's record.
const FILL: u64 = 4 << 20;
/// The most bytes fetched at a time where headers stand close together.
const WINDOW: u64 = 32 << 10;

/// A walk over the members.
struct Walk<'p, 'a> {
    input: &'p Input<'a>,
    out: &'p mut Parse,
    position: u64,
    /// Headers seen, which number the regions.
    number: u64,
    pending: Pending,
    window: Cow<'a, [u8]>,
    window_start: u64,
    fetch: u64,
}

impl<'p, 'a> Walk<'p, 'a> {
    fn new(input: &'p Input<'a>, out: &'p mut Parse) -> Self {
        let window = Cow::Borrowed(&[][..]);
        Self {
            input,
            out,
            position: 0,
            number: 0,
            pending: Pending::default(),
            window,
            window_start: 0,
            fetch: BLOCK,
        }
    }

    fn members(&mut self) -> Result<(), ReadFault> {
        while let Some(block) = self.block(self.position)? {
            let Some(header) = Header::new(&block) else { break };
            if header.is_zero() {
                if self.ends()? {
                    self.dangling();
                    return Ok(());
                }
            } else if header.checksum_is_right() {
                self.number = self.number.saturating_add(1);
                self.member(&header)?;
            } else {
                let span = Span::saturating_at(self.position, BLOCK);
                self.out.malformed(
                    span,
                    "tar: a header's checksum is wrong (POSIX pax, ustar Interchange Format)",
                );
                self.pending = Pending::default();
                if !self.recover()? {
                    return Ok(());
                }
            }
        }
        self.dangling();
        self.unfinished()
    }

    /// The 512 bytes at `offset`; `None` when fewer are left.
    fn block(&mut self, offset: u64) -> Result<Option<[u8; 512]>, ReadFault> {
        let span = Span::saturating_at(offset, BLOCK);
        if span.end() > self.input.len() {
            return Ok(None);
        }
        let window_end = self
            .window_start
            .saturating_add(u64::try_from(self.window.len()).unwrap_or(0));
        if !(self.window_start <= offset && span.end() <= window_end) {
            // Headers that follow each other closely are fetched together, those behind long data one by one.
            self.fetch = if offset == window_end {
                self.fetch.saturating_mul(2).min(WINDOW)
            } else {
                BLOCK
            };
            self.window = self.input.read_up_to(offset, self.fetch)?;
            self.window_start = offset;
        }
        let from = usize::try_from(offset.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
        Ok(self.window.get(from..).and_then(<[u8]>::first_chunk::<512>).copied())
    }

    /// At a zero block: whether the archive ends here. Claims the end marker and what fill follows.
    fn ends(&mut self) -> Result<bool, ReadFault> {
        let first = Span::saturating_at(self.position, BLOCK);
        let next = self.block(first.end())?;
        match next.as_ref().and_then(|block| Header::new(block)) {
            Some(header) if header.is_plausible() => {
                let rule = "tar: a lone zero block, where some readers stop, stands before another member (POSIX pax, ustar Interchange Format)";
                self.out.malformed(first, rule);
                self.out.padding(first, Fill::Zero, "lone zero block");
                self.position = first.end();
                return Ok(false);
            }
            Some(header) if header.is_zero() => {
                let marker = Span::saturating_at(self.position, BLOCK.saturating_mul(2));
                self.out.leaf(marker, Role::Trailer, "end of archive");
                self.position = marker.end();
            }
            _ => {
                self.out.leaf(first, Role::Trailer, "end of archive");
                self.position = first.end();
                self.no_end_marker(first, "only one zero block ends the archive, two should");
            }
        }
        let end = self.zeros_until(self.position.saturating_add(FILL))?;
        if end > self.position {
            self.out
                .padding(Span::new(self.position, end), Fill::Zero, "record fill");
        }
        Ok(true)
    }

    /// Where the zeros from the position on end, at `most` at the latest.
    fn zeros_until(&self, most: u64) -> Result<u64, ReadFault> {
        let mut at = self.position;
        while at < most {
            let bytes = self.input.read_up_to(at, (64 << 10).min(most.saturating_sub(at)))?;
            let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
            at = at.saturating_add(u64::try_from(zeros).unwrap_or(0));
            if zeros < bytes.len() || bytes.is_empty() {
                break;
            }
        }
        Ok(at)
    }

    /// Behind a damaged header: moves to the next sound one, or to the end marker. What lies between stays unclaimed.
    fn recover(&mut self) -> Result<bool, ReadFault> {
        let most = self.position.saturating_add(RECOVERY);
        let mut at = self.position.saturating_add(BLOCK);
        let mut behind_data = at;
        while at < most {
            let Some(block) = self.block(at)? else {
                self.position = behind_data;
                return Ok(true);
            };
            let Some(header) = Header::new(&block) else { break };
            if header.is_plausible() {
                self.position = at;
                return Ok(true);
            }
            at = at.saturating_add(BLOCK);
            if !header.is_zero() {
                behind_data = at;
            }
        }
        Ok(false)
    }

    /// At the end of the file without an end marker.
    fn unfinished(&mut self) -> Result<(), ReadFault> {
        let rest = Span::new(self.position, self.input.len());
        if rest.is_empty() {
            self.no_end_marker(rest, "the archive ends without its two zero blocks");
            return Ok(());
        }
        let end = self.zeros_until(rest.end())?;
        if end == rest.end() {
            self.out.padding(rest, Fill::Zero, "part of the end of archive");
            self.no_end_marker(rest, "the archive ends inside its two zero blocks");
        } else {
            let fault = ReadFault::PastEnd {
                offset: rest.start(),
                wanted: BLOCK,
                length: rest.end(),
            };
            self.out.fault(&fault, "a header");
        }
        Ok(())
    }

    fn no_end_marker(&mut self, span: Span, message: &str) {
        self.out.finding(
            Finding::new(code::TRUNCATED, span, message)
                .case("end-marker")
                .key("end marker"),
        );
    }

    /// Extension headers that no member followed.
    fn dangling(&mut self) {
        if let Some(span) = std::mem::take(&mut self.pending).place {
            let rule = "tar: an extension header is followed by no member (POSIX pax, pax Interchange Format)";
            self.out
                .finding(Finding::new(code::MALFORMED, span, rule).case("lenient").key(rule));
        }
    }
}

//! One block of an xz stream: header, filters, LZMA2 data, padding, check (section 3).

use super::super::{BUFFER, Claims, Feed, Stop, mismatch, wide, window};
use super::check::Check;
use super::sum;
use crate::finding::ErrorCode;
use crate::format::Parse;
use crate::ledger::{Fill, Role};
use crate::span::Span;
use lzma_rust2::filter::bcj::BcjReader;
use lzma_rust2::filter::delta::DeltaReader;
use lzma_rust2::{Action, Lzma2Stream, Status};
use std::io::{self, Read, Write};

/// A filter before LZMA2 (5.3).
enum Filter {
    Delta(usize),
    Branch(u64, usize),
}

struct Header {
    compressed: Option<u64>,
    uncompressed: Option<u64>,
    filters: Vec<Filter>,
    dictionary: u32,
}

/// Decodes a block and claims its parts; its unpadded and its uncompressed size.
pub(super) fn block(
    feed: &mut Feed<'_>,
    output: &mut dyn Write,
    parent: &mut Parse,
    claims: &mut Claims,
    check: u8,
    number: u64,
) -> Result<(u64, u64), Stop> {
    let start = feed.position();
    let header = header(feed, parent)?;
    let from = feed.position();
    claims.up_to(parent, from, Role::Header, &format!("block {number} header"));
    let mut check = Check::new(check);
    let made = unpack(feed, output, &header, &mut check)?;
    let end = feed.position();
    claims.up_to(parent, end, Role::Payload, &format!("block {number}"));
    let data = Span::new(from, end);
    for (what, stated, actual) in [
        ("encoded", header.compressed, data.len()),
        ("decoded", header.uncompressed, made),
    ] {
        if let Some(stated) = stated.filter(|stated| *stated != actual) {
            let message = format!("block {number} has {actual} {what} bytes, its header says {stated}");
            mismatch(parent, data, "size", message);
        }
    }
    let padding = data.len().wrapping_neg() & 3;
    if padding > 0 {
        feed.skip(padding, "blocks")?;
        let span = Span::new(end, feed.position());
        parent.padding(
            span,
            Fill::Zero,
            format!("stream {} block {number} padding", claims.number),
        );
        claims.end = span.end();
    }
    let at = feed.position();
    let mut stated = Vec::with_capacity(check.size());
    for _ in 0..check.size() {
        let [byte] = feed.array::<1>("blocks")?;
        stated.push(byte);
    }
    claims.up_to(parent, feed.position(), Role::Trailer, &format!("block {number} check"));
    let size = check.size();
    if let Some(actual) = check.finish()
        && actual != stated
    {
        let message = format!("the check of block {number} is not that of its content");
        mismatch(parent, Span::new(at, feed.position()), "crc", message);
    }
    let unpadded = end.saturating_sub(start).saturating_add(wide(size));
    Ok((unpadded, made))
}

fn header(feed: &mut Feed<'_>, parent: &mut Parse) -> Result<Header, Stop> {
    const CUT: &str = "blocks";
    let start = feed.position();
    let size = feed.available()?.first().copied().unwrap_or(0);
    let length = usize::from(size).saturating_add(1).saturating_mul(4);
    let bytes = match feed.ahead(length)?.get(..length) {
        Some(bytes) => bytes.to_vec(),
        None => return Err(Stop::Truncated(CUT)),
    };
    let (body, stated) = bytes.split_last_chunk::<4>().ok_or(Stop::Truncated(CUT))?;
    feed.take(length);
    sum(parent, Span::new(start, feed.position()), body, *stated, "block header");
    let [_, flags, fields @ ..] = body else {
        return Err(Stop::Truncated(CUT));
    };
    if flags & 0x3c != 0 {
        let message = "xz: reserved block flags are set (3.1.2)";
        return Err(Stop::Refused(ErrorCode::Unsupported, message.to_owned()));
    }
    let mut fields = Fields(fields);
    let compressed = if flags & 0x40 != 0 {
        Some(fields.number()?)
    } else {
        None
    };
    let uncompressed = if flags & 0x80 != 0 {
        Some(fields.number()?)
    } else {
        None
    };
    let mut filters = Vec::new();
    for _ in 0..flags & 3 {
        let id = fields.number()?;
        filters.push(filter(id, fields.properties()?)?);
    }
    let (last, properties) = (fields.number()?, fields.properties()?);
    let dictionary = match (last, properties) {
        (0x21, [bits @ 0..=40]) => dictionary(*bits),
        (0x21, _) => return Err(Stop::Malformed("xz: the properties of LZMA2 are out of range (5.3.1)")),
        (id, _) => {
            let message = format!("xz: the last filter is {id:#x}, not LZMA2");
            return Err(Stop::Refused(ErrorCode::Unsupported, message));
        }
    };
    window(u64::from(dictionary), "a dictionary")?;
    if fields.0.iter().any(|byte| *byte != 0) {
        return Err(Stop::Malformed("xz: the padding of a block header is not zero (3.1.6)"));
    }
    Ok(Header {
        compressed,
        uncompressed,
        filters,
        dictionary,
    })
}

/// The dictionary size that six bits stand for (5.3.1).
fn dictionary(bits: u8) -> u32 {
    let mantissa = 2 | u32::from(bits & 1);
    let shift = u32::from(bits >> 1).saturating_add(11);
    // 40 is 4 GiB - 1; the shifts below it fit.
    u32::try_from(u64::from(mantissa) << shift.min(32)).unwrap_or(u32::MAX)
}

fn filter(id: u64, properties: &[u8]) -> Result<Filter, Stop> {
    let start = match properties {
        [] => 0,
        [a, b, c, d] => u32::from_le_bytes([*a, *b, *c, *d]),
        [distance] if id == 3 => return Ok(Filter::Delta(usize::from(*distance).saturating_add(1))),
        _ => {
            return Err(Stop::Malformed(
                "xz: the properties of a filter have a wrong length (5.3)",
            ));
        }
    };
    if !matches!(id, 4..=11) {
        let message = format!("xz: filter {id:#x} is not known");
        return Err(Stop::Refused(ErrorCode::Unsupported, message));
    }
    let start = usize::try_from(start).unwrap_or(usize::MAX);
    Ok(Filter::Branch(id, start))
}

/// The fields of a block header behind its flags.
struct Fields<'b>(&'b [u8]);

impl<'b> Fields<'b> {
    fn number(&mut self) -> Result<u64, Stop> {
        let mut value = 0u64;
        for shift in (0u32..63).step_by(7) {
            let Some((byte, rest)) = self.0.split_first() else {
                return Err(Stop::Malformed(
                    "xz: the fields of a block header do not fit in it (3.1)",
                ));
            };
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Stop::Malformed("xz: an integer is longer than 9 bytes (1.2)"))
    }

    fn properties(&mut self) -> Result<&'b [u8], Stop> {
        let length = usize::try_from(self.number()?).unwrap_or(usize::MAX);
        let Some((properties, rest)) = self.0.split_at_checked(length) else {
            return Err(Stop::Malformed(
                "xz: the fields of a block header do not fit in it (3.1)",
            ));
        };
        self.0 = rest;
        Ok(properties)
    }
}

/// Decodes the data of a block; how many bytes came out.
fn unpack(feed: &mut Feed<'_>, output: &mut dyn Write, header: &Header, check: &mut Check) -> Result<u64, Stop> {
    let mut stop = None;
    let mut chain: Box<dyn Read + '_> = Box::new(Lzma2 {
        stream: Lzma2Stream::new(header.dictionary),
        feed,
        stop: &mut stop,
    });
    for filter in header.filters.iter().rev() {
        chain = match *filter {
            Filter::Delta(distance) => Box::new(DeltaReader::new(chain, distance)),
            Filter::Branch(4, start) => Box::new(BcjReader::new_x86(chain, start)),
            Filter::Branch(5, start) => Box::new(BcjReader::new_ppc(chain, start)),
            Filter::Branch(6, start) => Box::new(BcjReader::new_ia64(chain, start)),
            Filter::Branch(7, start) => Box::new(BcjReader::new_arm(chain, start)),
            Filter::Branch(8, start) => Box::new(BcjReader::new_arm_thumb(chain, start)),
            Filter::Branch(9, start) => Box::new(BcjReader::new_sparc(chain, start)),
            Filter::Branch(10, start) => Box::new(BcjReader::new_arm64(chain, start)),
            Filter::Branch(_, start) => Box::new(BcjReader::new_riscv(chain, start)),
        };
    }
    let mut decoded = vec![0u8; BUFFER];
    let mut total = 0u64;
    let outcome = loop {
        match chain.read(&mut decoded) {
            Ok(0) => break Ok(()),
            Ok(n) => {
                let bytes = decoded.get(..n).unwrap_or_default();
                total = total.saturating_add(wide(n));
                check.update(bytes);
                output.write_all(bytes)?;
            }
            Err(_) => break Err(Stop::Malformed("xz: invalid filtered data")),
        }
    };
    drop(chain);
    match stop {
        Some(stop) => Err(stop),
        None => outcome.map(|()| total),
    }
}

/// LZMA2 data as a reader that takes exactly its own bytes from the feed.
struct Lzma2<'f, 'i> {
    stream: Lzma2Stream,
    feed: &'f mut Feed<'i>,
    stop: &'f mut Option<Stop>,
}

impl Lzma2<'_, '_> {
    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, Stop> {
        loop {
            let available = self.feed.available()?;
            let over = available.is_empty();
            let action = if over { Action::Finish } else { Action::Run };
            let result = match self.stream.process(available, buffer, action) {
                Ok(result) => result,
                Err(_) if over => return Err(Stop::Truncated("blocks")),
                Err(_) => return Err(Stop::Malformed("xz: invalid LZMA2 data (5.3.1)")),
            };
            self.feed.take(result.bytes_consumed);
            if result.bytes_produced > 0 || result.status == Status::StreamEnd {
                return Ok(result.bytes_produced);
            }
            if result.bytes_consumed == 0 {
                return Err(if over {
                    Stop::Truncated("blocks")
                } else {
                    Stop::Malformed("xz: the decoder makes no progress")
                });
            }
        }
    }
}

impl Read for Lzma2<'_, '_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        self.fill(buffer).map_err(|stop| {
            *self.stop = Some(stop);
            io::Error::other("the data of a block could not be decoded")
        })
    }
}

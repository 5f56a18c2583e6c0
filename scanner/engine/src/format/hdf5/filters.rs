//! Filters that chunks went through (section IV.A.2.l), undone: deflate, shuffle, Fletcher's checksum.
//!
//! | offset | size | version 2 (1) |
//! | --- | --- | --- |
//! | 0 | 2 (8) | version, number of filters |
//! | .. | 2 | a filter: its number |
//! | .. | 2 | length of its name; in version 2 only of numbers from 256 on |
//! | .. | 4 | flags, number of values |
//! | .. | .. | name, values of four bytes; in version 1 padded to eight |
//!
//! Any other filter, and a chunk larger than libraries make them, is left as it is stored: that is swept, too.

use super::fields::{Fields, size, wide};
use crate::format::{Decoder, Parse};
use flate2::{Decompress, FlushDecompress, Status};
use std::io::{self, Read, Write};

const DEFLATE: u16 = 1;
const SHUFFLE: u16 = 2;
const FLETCHER: u16 = 3;
/// Filters of one dataset.
const MOST: u8 = 32;
/// The largest chunk that is undone, as it is stored and as it was before.
const STORED: u64 = 16 << 20;
const PLAIN: usize = 64 << 20;

/// What was done to chunks, in that order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Filters {
    list: Vec<(u16, Option<u32>)>,
}

impl Filters {
    /// Reads a message; `None` when it names another filter or breaks a rule.
    pub(super) fn read(body: &[u8]) -> Option<Self> {
        let mut fields = Fields::new(body);
        let version = fields.u8()?;
        let count = fields.u8()?;
        match version {
            1 => fields.skip(6)?,
            2 => {}
            _ => return None,
        }
        let mut list = Vec::new();
        for _ in 0..count.min(MOST) {
            let id = fields.u16()?;
            let named = version == 1 || id >= 256;
            let name = if named { fields.u16()? } else { 0 };
            fields.skip(2)?;
            let values = fields.u16()?;
            fields.skip(usize::from(name))?;
            if version == 1 {
                fields.align(8);
            }
            let first = if values > 0 { Some(fields.u32()?) } else { None };
            fields.skip(usize::from(values.saturating_sub(1)).saturating_mul(4))?;
            if version == 1 && values % 2 == 1 {
                fields.skip(4)?;
            }
            if !matches!(id, DEFLATE | SHUFFLE | FLETCHER) {
                return None;
            }
            list.push((id, first));
        }
        (!list.is_empty()).then_some(Self { list })
    }

    /// The chunk before its filters; as far as it can be told.
    fn undo(&self, mut chunk: Vec<u8>) -> Vec<u8> {
        for (id, value) in self.list.iter().rev() {
            chunk = match *id {
                DEFLATE => match inflate(&chunk) {
                    Some(plain) => plain,
                    // The chunk's mask may say that the filter was left out.
                    None => chunk,
                },
                SHUFFLE => unshuffle(&chunk, value.unwrap_or(1)),
                _ => {
                    chunk.truncate(chunk.len().saturating_sub(4));
                    chunk
                }
            };
        }
        chunk
    }
}

/// A zlib stream's content; what was made of a broken one, unless that is nothing.
fn inflate(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut state = Decompress::new(true);
    let mut out = Vec::new();
    let mut buffer = vec![0u8; 32 << 10];
    loop {
        let rest = bytes.get(size(state.total_in())..)?;
        let before = (state.total_in(), state.total_out());
        let status = state.decompress(rest, &mut buffer, FlushDecompress::None);
        let made = size(state.total_out().saturating_sub(before.1));
        out.extend_from_slice(buffer.get(..made)?);
        let stuck = before == (state.total_in(), state.total_out());
        if stuck || out.len() > PLAIN || !matches!(status, Ok(Status::Ok)) {
            return (!out.is_empty()).then_some(out);
        }
    }
}

/// Bytes of elements that were put side by side by their place go back to their elements.
fn unshuffle(bytes: &[u8], each: u32) -> Vec<u8> {
    let each = size(u64::from(each)).max(1);
    let count = bytes.len().checked_div(each).unwrap_or(0);
    if each < 2 || count < 2 {
        return bytes.to_vec();
    }
    let mut out = Vec::with_capacity(bytes.len());
    for element in 0..count {
        for byte in 0..each {
            let at = byte.saturating_mul(count).saturating_add(element);
            out.push(bytes.get(at).copied().unwrap_or(0));
        }
    }
    out.extend_from_slice(bytes.get(out.len()..).unwrap_or_default());
    out
}

/// Undoes the filters of chunks that follow each other.
pub(super) struct Undo {
    pub(super) filters: Filters,
    /// Their lengths as stored.
    pub(super) chunks: Vec<u64>,
}

impl Decoder for Undo {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, _parent: &mut Parse) -> io::Result<u64> {
        let mut used = 0u64;
        for length in &self.chunks {
            let mut chunk = Vec::new();
            let mut part = input.take(*length);
            if *length > STORED {
                used = used.saturating_add(io::copy(&mut part, output)?);
                continue;
            }
            let n = part.read_to_end(&mut chunk)?;
            used = used.saturating_add(wide(n));
            output.write_all(&self.filters.undo(chunk))?;
        }
        Ok(used)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_of_both_versions_are_read() {
        let deflate = |level| (DEFLATE, Some(level));
        let one = [2, 1, 1, 0, 0, 0, 1, 0, 6, 0, 0, 0];
        let first: &[u8] = &[
            1, 2, 0, 0, 0, 0, 0, 0, 2, 0, 8, 0, 1, 0, 1, 0, b's', b'h', b'u', b'f', b'f', b'l', b'e', 0, 4, 0, 0, 0, 0,
            0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
        ];
        for (body, expected) in [
            (&one[..], Some(vec![deflate(6)])),
            (first, Some(vec![(SHUFFLE, Some(4)), (FLETCHER, None)])),
            (&[2, 1, 4, 0, 0, 0, 0, 0], None),
            (&[2, 0], None),
            (&[2, 1, 1, 0, 0, 0, 1, 0, 6], None),
            (&[3, 1], None),
        ] {
            assert_eq!(Filters::read(body).map(|f| f.list), expected, "{body:?}");
        }
    }

    #[test]
    fn bytes_go_back_to_their_elements() {
        assert_eq!(unshuffle(&[1, 3, 5, 2, 4, 6, 7], 2), [1, 2, 3, 4, 5, 6, 7]);
        assert_eq!(unshuffle(&[1, 2], 0), [1, 2]);
        assert_eq!(unshuffle(&[1, 2], u32::MAX), [1, 2]);
    }

    #[test]
    fn a_broken_stream_stays_as_it_is() {
        let filters = Filters {
            list: vec![(DEFLATE, None), (FLETCHER, None)],
        };
        assert_eq!(filters.undo(b"no stream at all".to_vec()), b"no stream at");
        assert_eq!(filters.undo(Vec::new()), b"");
    }
}

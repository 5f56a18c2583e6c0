//! Sparse members (GNU): the archive stores the runs of data, a map says where they stand in the file.
//!
//! Four spellings of the map: header type `S` with extension blocks, and pax records 0.0, 0.1 and 1.0 (the last keeps
//! the map in front of the data, as decimal lines). The child is the whole file: the codec writes the holes too, under
//! the same limits as any decoding.

use super::super::{Decoder, Parse};
use super::pax::decimal;
use std::io::{self, Read, Write};

/// Where the stored runs stand.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Map {
    /// Pairs of offset and length, in stored order.
    pub(super) runs: Vec<(u64, u64)>,
    /// The length of the file.
    pub(super) real: u64,
}

impl Map {
    /// The rule that the map breaks for `stored` bytes of data, if any.
    pub(super) fn broken_rule(&self, stored: u64) -> Option<&'static str> {
        let (mut end, mut sum) = (0u64, 0u64);
        for (offset, length) in &self.runs {
            let Some(next) = offset.checked_add(*length).filter(|_| *offset >= end) else {
                return Some("tar: the runs of a sparse map overlap or do not ascend (GNU tar manual, Sparse Formats)");
            };
            end = next;
            sum = sum.saturating_add(*length);
        }
        if end > self.real {
            Some("tar: a sparse map leads past the file's real size (GNU tar manual, Sparse Formats)")
        } else if sum != stored {
            Some("tar: the runs of a sparse map are not the stored size (GNU tar manual, Sparse Formats)")
        } else {
            None
        }
    }

    /// The map in front of the data, as version 1.0 has it, and the bytes it takes before its block fill. `None` when
    /// `data` holds no such map.
    pub(super) fn leading(data: &[u8], real: u64) -> Option<(Self, usize)> {
        let mut at = 0usize;
        let mut line = || -> Option<u64> {
            let rest = data.get(at..)?;
            let end = rest.iter().take(21).position(|byte| *byte == b'\n')?;
            at = at.checked_add(end)?.checked_add(1)?;
            decimal(rest.get(..end)?)
        };
        let count = line()?;
        // Each pair takes four bytes or more.
        if count > u64::try_from(data.len() / 4).ok()? {
            return None;
        }
        let mut runs = Vec::new();
        for _ in 0..count {
            runs.push((line()?, line()?));
        }
        Some((Self { runs, real }, at))
    }
}

impl Map {
    /// Whether `data`, which the reader cut, are lines of numbers as far as they go: a map that is longer than they are.
    pub(super) fn goes_on(data: &[u8]) -> bool {
        let lines = data.get(..data.iter().rposition(|b| *b == b'\n').unwrap_or(0));
        let lines = lines.unwrap_or_default();
        !lines.is_empty()
            && lines
                .split(|b| *b == b'\n')
                .all(|line| line.len() <= 20 && decimal(line).is_some())
    }
}

/// Writes the file that the stored runs and the holes between them make.
pub(super) struct Expand {
    /// The map, which broke no rule.
    pub(super) map: Map,
}

impl Decoder for Expand {
    fn decode(&mut self, input: &mut dyn Read, output: &mut dyn Write, _parent: &mut Parse) -> io::Result<u64> {
        let (mut at, mut used) = (0u64, 0u64);
        for (offset, length) in &self.map.runs {
            copy(&mut io::repeat(0), offset.saturating_sub(at), output)?;
            copy(input, *length, output)?;
            used = used.saturating_add(*length);
            at = offset.saturating_add(*length);
        }
        copy(&mut io::repeat(0), self.map.real.saturating_sub(at), output)?;
        Ok(used)
    }
}

fn copy(from: &mut dyn Read, length: u64, to: &mut dyn Write) -> io::Result<()> {
    let mut buffer = vec![0u8; usize::try_from(length.min(64 << 10)).unwrap_or(0)];
    let mut left = length;
    while left > 0 {
        let wanted = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        let n = from.read(buffer.get_mut(..wanted).unwrap_or_default())?;
        if n == 0 {
            break;
        }
        to.write_all(buffer.get(..n).unwrap_or_default())?;
        left = left.saturating_sub(u64::try_from(n).unwrap_or(left));
    }
    Ok(())
}

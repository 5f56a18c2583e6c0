//! The only I/O of the engine: positioned reads, the walk, scratch storage and the limits on all of them.
//!
//! Everything a format reads goes through [`ReadAt`]; nothing is mapped, because another writer can cut a mapped file
//! under us and a mapping shows its whole length as resident memory.

mod file;
mod limits;
pub(crate) mod listing;
mod scratch;
pub(crate) mod walk;

pub use file::FileSource;
pub use limits::Limits;
pub(crate) use limits::{DecodeStop, Quota};
pub(crate) use scratch::{MemoryBudget, Spool};
pub use walk::{Item, Link, Root};

use crate::span::Span;
use std::io;
use std::sync::Arc;

/// Positioned reads over bytes that may live in memory, in a file, or in several places.
pub trait ReadAt: Send + Sync {
    /// The length in bytes when the source was opened.
    fn len(&self) -> u64;

    /// Whether there is no byte at all.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Reads into `buffer` from `offset`, like `pread`: may read less; 0 means the end.
    ///
    /// # Errors
    /// What the operating system reports.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// The bytes themselves, when they are in memory.
    fn as_slice(&self) -> Option<&[u8]> {
        None
    }

    /// Whether nobody else can change the bytes while they are read.
    fn is_private(&self) -> bool;

    /// What changed since the source was opened, in words; `None` when nothing did.
    fn changed(&self) -> Option<String> {
        None
    }
}

/// Reads until `buffer` is full or the source ends; returns the bytes read.
///
/// # Errors
/// What the operating system reports, except interruptions, which are retried.
pub fn read_full_at(source: &dyn ReadAt, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0usize;
    while let Some(rest) = buffer.get_mut(done..) {
        if rest.is_empty() {
            break;
        }
        let Some(at) = offset.checked_add(done as u64) else {
            break;
        };
        match source.read_at(rest, at) {
            Ok(0) => break,
            Ok(n) => done = done.saturating_add(n),
            Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
            Err(e) => return Err(e),
        }
    }
    Ok(done)
}

/// Bytes in memory.
pub struct MemorySource {
    bytes: Vec<u8>,
}

impl MemorySource {
    /// A source over `bytes`.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Self {
        Self { bytes: bytes.into() }
    }
}

impl ReadAt for MemorySource {
    fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let rest = usize::try_from(offset)
            .ok()
            .and_then(|at| self.bytes.get(at..))
            .unwrap_or_default();
        let n = rest.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..n), rest.get(..n)) {
            to.copy_from_slice(from);
        }
        Ok(n)
    }

    fn as_slice(&self) -> Option<&[u8]> {
        Some(&self.bytes)
    }

    fn is_private(&self) -> bool {
        true
    }
}

/// Parts of another source read as one: the bytes of an `Assembled` artifact.
pub(crate) struct AssembledSource {
    inner: Arc<dyn ReadAt>,
    /// `(start in the assembled bytes, part of the inner source)`, ascending.
    parts: Vec<(u64, Span)>,
    length: u64,
}

impl AssembledSource {
    /// The bytes of `parts`, one after the other.
    pub(crate) fn new(inner: Arc<dyn ReadAt>, parts: &[Span]) -> Self {
        let mut at = 0u64;
        let mut placed = Vec::with_capacity(parts.len());
        for part in parts.iter().filter(|p| !p.is_empty()) {
            placed.push((at, *part));
            at = at.saturating_add(part.len());
        }
        Self {
            inner,
            parts: placed,
            length: at,
        }
    }
}

impl ReadAt for AssembledSource {
    fn len(&self) -> u64 {
        self.length
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let next = self.parts.partition_point(|(start, _)| *start <= offset);
        let Some((start, part)) = next.checked_sub(1).and_then(|i| self.parts.get(i)) else {
            return Ok(0);
        };
        let inside = offset.saturating_sub(*start);
        let left = part.len().saturating_sub(inside);
        let n = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
        match buffer.get_mut(..n) {
            Some(to) if n > 0 => self.inner.read_at(to, part.start().saturating_add(inside)),
            _ => Ok(0),
        }
    }

    fn is_private(&self) -> bool {
        self.inner.is_private()
    }

    fn changed(&self) -> Option<String> {
        self.inner.changed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_assembled_source_reads_its_parts_as_one() {
        let inner: Arc<dyn ReadAt> = Arc::new(MemorySource::new(b"0123456789".to_vec()));
        let source = AssembledSource::new(inner, &[Span::new(8, 10), Span::new(0, 0), Span::new(1, 4)]);
        let mut out = [0u8; 8];
        assert_eq!(source.len(), 5);
        assert_eq!(read_full_at(&source, &mut out, 0).unwrap(), 5);
        assert_eq!(&out[..5], b"89123");
        assert_eq!(read_full_at(&source, &mut out, 3).unwrap(), 2);
        assert_eq!(&out[..2], b"23");
    }
}

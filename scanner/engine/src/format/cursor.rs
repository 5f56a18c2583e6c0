//! A forward reader over an [`Input`] with a small window, for formats that are streams of short fields.

use super::input::{Input, ReadFault};
use crate::span::Span;
use std::borrow::Cow;

/// The most bytes fetched at a time.
const WINDOW: u64 = 64 << 10;
/// Bytes fetched first, and after every jump over bytes that were not read: what is skipped over must stay cheap.
const FIRST_WINDOW: u64 = 4 << 10;

/// A position in an artifact, with typed little- and big-endian reads. Every read names its offset when it fails.
pub struct Cursor<'i, 'a> {
    input: &'i Input<'a>,
    position: u64,
    end: u64,
    window: Cow<'a, [u8]>,
    window_start: u64,
    /// How many bytes the next fetch brings; doubled while fetches follow each other.
    next_window: u64,
}

impl<'i, 'a> Cursor<'i, 'a> {
    /// A cursor over `span`, at its start.
    pub fn new(input: &'i Input<'a>, span: Span) -> Self {
        let span = span.intersect(input.whole());
        Self {
            input,
            position: span.start(),
            end: span.end(),
            window: Cow::Borrowed(&[]),
            window_start: span.start(),
            next_window: FIRST_WINDOW,
        }
    }

    /// The offset of the next byte, in the artifact.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// The bytes left.
    pub fn remaining(&self) -> u64 {
        self.end.saturating_sub(self.position)
    }

    /// Moves forward without reading.
    ///
    /// # Errors
    /// `PastEnd` when fewer than `n` bytes are left; the position stays.
    pub fn skip(&mut self, n: u64) -> Result<Span, ReadFault> {
        if n > self.remaining() {
            return Err(self.past_end(n));
        }
        let start = self.position;
        self.position = self.position.saturating_add(n);
        Ok(Span::new(start, self.position))
    }

    /// The next `n` bytes. `n` is bounded by `--max-structure`.
    ///
    /// # Errors
    /// [`ReadFault`]; the position stays.
    pub fn bytes(&mut self, n: u64) -> Result<Cow<'_, [u8]>, ReadFault> {
        if n > self.remaining() {
            return Err(self.past_end(n));
        }
        let start = self.position;
        if n > WINDOW {
            let bytes = self.input.read(Span::saturating_at(start, n))?;
            self.position = start.saturating_add(n);
            return Ok(bytes);
        }
        self.fill(n)?;
        self.position = start.saturating_add(n);
        let from = usize::try_from(start.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(n).unwrap_or(usize::MAX));
        match self.window.get(from..to) {
            Some(bytes) => Ok(Cow::Borrowed(bytes)),
            None => Err(ReadFault::PastEnd {
                offset: start,
                wanted: n,
                length: self.end,
            }),
        }
    }

    /// The next `N` bytes.
    ///
    /// # Errors
    /// [`ReadFault`]; the position stays.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], ReadFault> {
        let bytes = self.bytes(u64::try_from(N).unwrap_or(u64::MAX))?;
        let mut out = [0u8; N];
        for (to, from) in out.iter_mut().zip(bytes.iter()) {
            *to = *from;
        }
        Ok(out)
    }

    /// The next byte.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn u8(&mut self) -> Result<u8, ReadFault> {
        self.array::<1>().map(|[b]| b)
    }

    /// The next byte, without moving; `None` at the end.
    ///
    /// # Errors
    /// [`ReadFault`], never `PastEnd`.
    pub fn peek(&mut self) -> Result<Option<u8>, ReadFault> {
        if self.remaining() == 0 {
            return Ok(None);
        }
        let byte = self.u8()?;
        self.position = self.position.saturating_sub(1);
        Ok(Some(byte))
    }

    /// Up to `n` bytes (64 KiB at most) without moving; fewer at the end.
    ///
    /// # Errors
    /// [`ReadFault`], never `PastEnd`.
    pub fn ahead(&mut self, n: u64) -> Result<Cow<'_, [u8]>, ReadFault> {
        let start = self.position;
        let n = n.min(self.remaining()).min(WINDOW);
        self.fill(n)?;
        let from = usize::try_from(start.saturating_sub(self.window_start)).unwrap_or(usize::MAX);
        let to = from.saturating_add(usize::try_from(n).unwrap_or(usize::MAX));
        Ok(Cow::Borrowed(self.window.get(from..to).unwrap_or_default()))
    }

    /// The next 2 bytes, little-endian.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn u16_le(&mut self) -> Result<u16, ReadFault> {
        self.array().map(u16::from_le_bytes)
    }

    /// The next 4 bytes, little-endian.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn u32_le(&mut self) -> Result<u32, ReadFault> {
        self.array().map(u32::from_le_bytes)
    }

    /// The next 8 bytes, little-endian.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn u64_le(&mut self) -> Result<u64, ReadFault> {
        self.array().map(u64::from_le_bytes)
    }

    /// The next 4 bytes, big-endian.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn u32_be(&mut self) -> Result<u32, ReadFault> {
        self.array().map(u32::from_be_bytes)
    }

    /// The next 8 bytes, big-endian.
    ///
    /// # Errors
    /// [`ReadFault`].
    pub fn u64_be(&mut self) -> Result<u64, ReadFault> {
        self.array().map(u64::from_be_bytes)
    }

    /// The bytes up to and without the next `delimiter`, which is passed over; `Ok(None)` and no movement when none
    /// stands within the next `limit` bytes.
    ///
    /// # Errors
    /// [`ReadFault`], never `PastEnd`.
    pub fn until(&mut self, delimiter: u8, limit: u64) -> Result<Option<Vec<u8>>, ReadFault> {
        let start = self.position;
        let mut out = Vec::new();
        loop {
            let left = limit.saturating_sub(u64::try_from(out.len()).unwrap_or(u64::MAX));
            let n = self.remaining().min(4096).min(left);
            if n == 0 {
                self.position = start;
                return Ok(None);
            }
            let chunk = match self.bytes(n) {
                Ok(chunk) => chunk,
                Err(fault) => {
                    self.position = start;
                    return Err(fault);
                }
            };
            if let Some(at) = memchr::memchr(delimiter, &chunk) {
                out.extend_from_slice(chunk.get(..at).unwrap_or_default());
                let length = u64::try_from(out.len()).unwrap_or(u64::MAX);
                self.position = start.saturating_add(length).saturating_add(1);
                return Ok(Some(out));
            }
            out.extend_from_slice(&chunk);
        }
    }

    /// The bytes up to and without the next newline, which is passed over: where they stand, and the first `keep` of
    /// them. `Ok(None)`, and no movement, when no newline is left. Lines of any length are read once, never held.
    ///
    /// # Errors
    /// [`ReadFault`], never `PastEnd`.
    pub fn line(&mut self, keep: usize) -> Result<Option<(Span, Vec<u8>)>, ReadFault> {
        let start = self.position;
        let mut kept = Vec::new();
        loop {
            let at = self.position;
            let n = self.remaining().min(4096);
            let chunk = match self.bytes(n) {
                Ok(chunk) if !chunk.is_empty() => chunk,
                other => {
                    let fault = other.err();
                    self.position = start;
                    return fault.map_or(Ok(None), Err);
                }
            };
            let end = memchr::memchr(b'\n', &chunk);
            let line = chunk.get(..end.unwrap_or(chunk.len())).unwrap_or_default();
            let room = keep.saturating_sub(kept.len());
            kept.extend_from_slice(line.get(..room).unwrap_or(line));
            if let Some(end) = end {
                let end = at.saturating_add(u64::try_from(end).unwrap_or(u64::MAX));
                self.position = end.saturating_add(1);
                return Ok(Some((Span::new(start, end), kept)));
            }
        }
    }

    fn fill(&mut self, n: u64) -> Result<(), ReadFault> {
        let have = self
            .window_start
            .saturating_add(u64::try_from(self.window.len()).unwrap_or(u64::MAX));
        let wanted = self.position.saturating_add(n);
        if self.window_start <= self.position && wanted <= have {
            return Ok(());
        }
        let follows = self.position <= have;
        self.next_window = if follows {
            self.next_window.saturating_mul(2).min(WINDOW)
        } else {
            FIRST_WINDOW
        };
        let length = self.next_window.max(n).min(self.remaining());
        self.window = self.input.read(Span::saturating_at(self.position, length))?;
        self.window_start = self.position;
        Ok(())
    }

    fn past_end(&self, wanted: u64) -> ReadFault {
        ReadFault::PastEnd {
            offset: self.position,
            wanted,
            length: self.end,
        }
    }
}

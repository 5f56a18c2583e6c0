//! The input of a decoder, counted: what was taken is known to the byte, whatever was read ahead.

use super::{Stop, wide};
use std::io::{self, Read};

/// A buffered reader that knows its position.
pub(super) struct Feed<'i> {
    input: &'i mut dyn Read,
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    position: u64,
    ended: bool,
    starved: bool,
    failure: Option<io::Error>,
}

impl<'i> Feed<'i> {
    const SIZE: usize = 256 << 10;

    pub(super) fn new(input: &'i mut dyn Read) -> Self {
        Self {
            input,
            buffer: vec![0; Self::SIZE],
            start: 0,
            end: 0,
            position: 0,
            ended: false,
            starved: false,
            failure: None,
        }
    }

    /// How many bytes were taken.
    pub(super) fn position(&self) -> u64 {
        self.position
    }

    /// Whether a [`Read`] of this feed found nothing left.
    pub(super) fn is_starved(&self) -> bool {
        self.starved
    }

    /// The error of the input, when it failed.
    pub(super) fn failure(&mut self) -> Option<io::Error> {
        self.failure.take()
    }

    /// The bytes at hand, at least one unless the input has ended. They stay until [`Self::take`].
    pub(super) fn available(&mut self) -> io::Result<&[u8]> {
        self.ahead(1)
    }

    /// The bytes at hand, at least `n` (a few) unless the input ends before.
    pub(super) fn ahead(&mut self, n: usize) -> io::Result<&[u8]> {
        while self.end.saturating_sub(self.start) < n && !self.ended {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end = self.end.saturating_sub(self.start);
            self.start = 0;
            let free = self.buffer.get_mut(self.end..).unwrap_or_default();
            match self.input.read(free) {
                Ok(read) => {
                    self.ended = read == 0;
                    self.end = self.end.saturating_add(read);
                }
                Err(error) => {
                    self.ended = true;
                    self.failure = Some(io::Error::new(error.kind(), error.to_string()));
                    return Err(error);
                }
            }
        }
        Ok(self.buffer.get(self.start..self.end).unwrap_or_default())
    }

    /// Takes `n` of the bytes at hand.
    pub(super) fn take(&mut self, n: usize) {
        let n = n.min(self.end.saturating_sub(self.start));
        self.start = self.start.saturating_add(n);
        self.position = self.position.saturating_add(wide(n));
    }

    /// Gives back bytes that a decoder took and did not use; nothing is read after it.
    pub(super) fn give_back(&mut self, n: usize) {
        self.position = self.position.saturating_sub(wide(n));
        self.start = self.end;
        self.ended = true;
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], Stop> {
        let bytes = self.ahead(N)?.get(..N).and_then(|bytes| bytes.try_into().ok());
        let bytes: [u8; N] = bytes.ok_or(Stop::Truncated(what))?;
        self.take(N);
        Ok(bytes)
    }

    /// Passes over `n` bytes.
    pub(super) fn skip(&mut self, mut n: u64, what: &'static str) -> Result<(), Stop> {
        while n > 0 {
            let have = self.available()?.len();
            if have == 0 {
                return Err(Stop::Truncated(what));
            }
            let step = have.min(usize::try_from(n).unwrap_or(usize::MAX));
            self.take(step);
            n = n.saturating_sub(wide(step));
        }
        Ok(())
    }
}

impl Read for Feed<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if buffer.is_empty() {
            return Ok(0);
        }
        let bytes = self.available()?;
        let n = bytes.len().min(buffer.len());
        for (to, from) in buffer.chunks_mut(n.max(1)).zip(bytes.chunks(n.max(1))).take(1) {
            to.copy_from_slice(from.get(..to.len()).unwrap_or(from));
        }
        self.starved |= n == 0;
        self.take(n);
        Ok(n)
    }
}
